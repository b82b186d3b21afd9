//! Names and the directories that carry them: one to one, so that no two names can ever meet in one place.

use std::fmt::Write;

use crate::error::{Error, Result};
use crate::ui;

/// The longest file name that the file systems people use can store.
const LONGEST: usize = 255;

/// What a leading `*.` becomes. A typed `_` in front is encoded, so nothing else can spell it.
const WILDCARD: &str = "_wildcard.";

/// The directory of `name`: letters, digits and `._@-` as they are, a leading `*.` as `_wildcard.`, every other byte as
/// `%XX`. The first character must be a letter or digit to stand as it is: no directory is hidden or looks like a flag.
pub fn directory_name(name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(Error::failed("the name is empty"));
    }
    if name == "." || name == ".." {
        return Err(Error::failed(format!("the name {} is not possible: it stands for a directory", ui::quote(name))));
    }
    let (mut out, rest) = match name.strip_prefix("*.") {
        Some(rest) => (WILDCARD.to_owned(), rest),
        None => (String::with_capacity(name.len()), name),
    };
    for byte in rest.bytes() {
        let plain = byte.is_ascii_alphanumeric() || (!out.is_empty() && matches!(byte, b'.' | b'_' | b'@' | b'-'));
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() > LONGEST {
        let why = format!(
            "its directory name would have {} bytes, more than the {LONGEST} that a file name may have",
            out.len()
        );
        return Err(Error::failed(format!("the name {} is too long: {why}", ui::quote(name))));
    }
    Ok(out)
}

/// The name whose directory is `directory`, or nothing if certgen would never have called a directory so.
pub fn name_of_directory(directory: &str) -> Option<String> {
    let (prefix, rest) = match directory.strip_prefix(WILDCARD) {
        Some(rest) => ("*.", rest),
        None => ("", directory),
    };
    let mut bytes = prefix.as_bytes().to_vec();
    let mut left = rest.bytes();
    while let Some(byte) = left.next() {
        if byte == b'%' {
            let high = char::from(left.next()?).to_digit(16)?;
            let low = char::from(left.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    // Only the one spelling that certgen writes counts: `%41` and `A` must not both be the name "A".
    (directory_name(&name).ok()? == directory).then_some(name)
}

/// The existing name that equals `name` but for upper and lower case: on macOS and Windows both would be one directory.
pub fn equal_but_for_case<'a>(name: &str, existing: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    existing.into_iter().find(|other| *other != name && other.to_lowercase() == lower)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_readable() {
        for name in ["celery_worker", "rabbit-1.example.com", "anna@example.com", "0", "A.b"] {
            assert_eq!(directory_name(name).unwrap(), name);
        }
        assert_eq!(directory_name("*.pods.example").unwrap(), "_wildcard.pods.example");
    }

    #[test]
    fn names_that_could_escape_or_collide_are_encoded() {
        for (name, directory) in [
            ("../../evil", "%2E.%2F..%2Fevil"),
            ("/etc/passwd", "%2Fetc%2Fpasswd"),
            (".hidden", "%2Ehidden"),
            ("-rf", "%2Drf"),
            ("_wildcard.x", "%5Fwildcard.x"),
            ("a%2Fb", "a%252Fb"),
            ("a\\b", "a%5Cb"),
            ("a\0b\n", "a%00b%0A"),
            ("ж", "%D0%B6"),
            ("*", "%2A"),
            ("a.*.b", "a.%2A.b"),
            ("*..", "_wildcard.."),
        ] {
            assert_eq!(directory_name(name).unwrap(), directory);
            assert_eq!(name_of_directory(directory).as_deref(), Some(name));
        }
    }

    #[test]
    fn impossible_names_are_refused_with_the_reason() {
        assert_eq!(directory_name("").unwrap_err().message(), "the name is empty");
        assert!(directory_name("..").unwrap_err().message().contains("stands for a directory"));
        assert!(directory_name(&"a".repeat(255)).is_ok());
        assert!(directory_name(&"a".repeat(256)).unwrap_err().message().contains("256 bytes"));
        assert!(directory_name(&"ж".repeat(43)).unwrap_err().message().contains("258 bytes"));
    }

    #[test]
    fn directories_that_certgen_never_wrote_have_no_name() {
        for directory in ["%41", "%2e", "_x", ".git", "a b", "%", "%4", "%FF", "", "_wildcard.%41"] {
            assert_eq!(name_of_directory(directory), None, "{directory}");
        }
    }

    #[test]
    fn names_equal_but_for_case_are_found() {
        assert_eq!(equal_but_for_case("Anna", ["bob", "anna"]), Some("anna"));
        assert_eq!(equal_but_for_case("anna", ["bob", "anna"]), None);
        assert_eq!(equal_but_for_case("ЖУК", ["жук"]), Some("жук"));
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_is_a_harmless_file_name(name in "\\PC{1,60}|[*._%@a/-]{1,12}") {
            if let Ok(directory) = directory_name(&name) {
                prop_assert!(!directory.contains(['/', '\\', '\0']));
                prop_assert!(!directory.starts_with(['.', '-']));
                let came_back = name_of_directory(&directory);
                prop_assert_eq!(came_back.as_deref(), Some(name.as_str()));
            }
        }

        #[test]
        fn no_two_names_share_a_directory(names in prop::collection::hash_set("[*._%2A5Fwildcr]{1,14}", 2..40)) {
            let mut seen = HashMap::new();
            for name in names {
                if let Ok(directory) = directory_name(&name) {
                    prop_assert_eq!(seen.insert(directory, name), None);
                }
            }
        }
    }
}
