//! Words of a POSIX shell (XCU 2.2).

use super::refuse;
use crate::error::Result;

/// The text as one word, in single quotes where it is not harmless.
///
/// # Errors
/// It has a control character: a line break would end the line for whoever pastes it, and nothing carries NUL.
pub(in crate::emit) fn word(text: &str) -> Result<String> {
    if text.chars().any(char::is_control) {
        return refuse("a command line", text, "it has a control character");
    }
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/@:=+,%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Words with spaces between them.
///
/// # Errors
/// As [`word`].
pub(in crate::emit) fn words<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<String> {
    Ok(texts.into_iter().map(word).collect::<Result<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for text in HOSTILE {
            let Ok(word) = word(text) else {
                assert!(text.chars().any(char::is_control), "{text:?}");
                continue;
            };
            let said = Command::new("sh").args(["-c", &format!("printf %s {word}")]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&said.stdout), *text);
        }
        assert_eq!(words(["a", "b c", ""]).unwrap(), "a 'b c' ''");
    }
}
