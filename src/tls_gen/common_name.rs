//! The common name of a run: what it becomes in file names, subjects and alternative names.

use crate::ui;
use crate::x509::{DistinguishedName, GeneralName, X509Error, sha256_hex};

/// RFC 5280 Appendix A.1: ub-common-name.
const LONGEST: usize = 64;

/// What file systems allow in a name, less the longest that stands around a common name (`server_` and
/// `_certificate.pem`) and what a file is called while it is written.
const LONGEST_FILE_NAME: usize = 255 - 23;

/// `CN`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonName(String);

impl CommonName {
    /// Whatever a subject can hold and a file name too.
    ///
    /// # Errors
    /// A character that nobody sees, or a name that is too long for a file name.
    pub fn new(text: &str) -> Result<Self, String> {
        let name = Self(text.to_owned());
        // The subject's own rules, about a part of it that is not too long.
        name.subject("client").map_err(|e| format!("CN: {e}"))?;
        let length = name.file_part().len();
        if length > LONGEST_FILE_NAME {
            let shown = ui::quote(text);
            return Err(format!(
                "CN: {shown} has {length} bytes as part of a file name, and {LONGEST_FILE_NAME} are possible"
            ));
        }
        Ok(name)
    }

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for it in file names: itself, with `/` as `%2F` and `%` as `%25`, so that two names never meet in one.
    pub fn file_part(&self) -> String {
        self.0.replace('%', "%25").replace('/', "%2F")
    }

    /// The name in whose file name `part` stands.
    pub fn of_file_part(part: &str) -> Option<Self> {
        let name = Self(part.replace("%2F", "/").replace("%25", "%"));
        (!part.is_empty() && name.file_part() == part).then_some(name)
    }

    /// More characters than a common name may have.
    pub fn is_too_long(&self) -> bool {
        self.0.chars().count() > LONGEST
    }

    /// What stands in the subject: the name, or its beginning and a mark of the whole. A mark, because RabbitMQ takes it
    /// for the user, and two long names must not be one.
    pub fn in_subject(&self) -> String {
        if !self.is_too_long() {
            return self.0.clone();
        }
        let mark = &sha256_hex(self.0.as_bytes())[..8];
        let beginning: String = self.0.chars().take(LONGEST - mark.len() - 1).collect();
        format!("{beginning}-{mark}")
    }

    /// The alternative name that a peer may look for: a host or an address, and nothing for any other name.
    pub fn alternative_name(&self) -> Option<GeneralName> {
        let is_host = |name: &GeneralName| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_));
        GeneralName::parse(&self.0).ok().filter(is_host).filter(|_| !self.0.contains(':') || self.is_address())
    }

    fn is_address(&self) -> bool {
        self.0.parse::<std::net::IpAddr>().is_ok()
    }

    /// `CN`, then `O`: the order in which RabbitMQ's users of `distinguished_name` know it, `O=client,CN=x`.
    ///
    /// # Errors
    /// A character that a subject must not hold.
    pub fn subject(&self, organization: &str) -> Result<DistinguishedName, X509Error> {
        in_order(&self.in_subject(), "O", organization)
    }
}

/// A name whose first attribute is the common name.
pub(super) fn in_order(common_name: &str, second: &str, value: &str) -> Result<DistinguishedName, X509Error> {
    // RFC 4514 2.1: the text begins with the last.
    DistinguishedName::parse_rfc4514(&format!("{second}={},CN={}", escaped(value), escaped(common_name)))
}

/// The subject of a server whose name is too long: RFC 9525 has clients look at alternative names alone.
pub(super) fn without_common_name(organization: &str) -> Result<DistinguishedName, X509Error> {
    DistinguishedName::parse_rfc4514(&format!("O={}", escaped(organization)))
}

/// RFC 4514 2.4: any octet may stand as a backslash and two hexadecimal digits.
fn escaped(value: &str) -> String {
    let octet = |octet: u8| match octet {
        _ if octet.is_ascii_alphanumeric() => char::from(octet).to_string(),
        _ => format!("\\{octet:02X}"),
    };
    value.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_name_comes_first_and_everything_in_it_survives() {
        for text in ["localhost", "a b", "it's", "say \"hi\"", "O=x,CN=y+z", "#1", r"a\b", "$HOME", "ü", "*.a.b"] {
            let name = CommonName::new(text).unwrap();
            let subject = name.subject("client").unwrap();
            let found: Vec<_> = subject.attributes().map(|a| (&*a.short_name, a.value.as_str())).collect();
            assert_eq!(found, [("CN", text), ("O", "client")]);
        }
        assert_eq!(CommonName::new("x").unwrap().subject("client").unwrap().to_string(), "O=client,CN=x");
    }

    #[test]
    fn file_names_lead_back_to_one_name() {
        for (text, part) in
            [("localhost", "localhost"), ("*.a.b", "*.a.b"), ("a/../b", "a%2F..%2Fb"), ("a%2Fb", "a%252Fb")]
        {
            let name = CommonName::new(text).unwrap();
            assert_eq!(name.file_part(), part);
            assert_eq!(CommonName::of_file_part(part), Some(name));
        }
        assert_eq!(CommonName::of_file_part("a/b"), None);
    }

    #[test]
    fn a_long_name_is_shortened_with_a_mark() {
        let (a, b) = (format!("{}a", "x".repeat(74)), format!("{}b", "x".repeat(74)));
        let [a, b] = [a, b].map(|text| CommonName::new(&text).unwrap().in_subject());
        assert_ne!(a, b);
        assert_eq!((a.chars().count(), &a[..55]), (64, &*"x".repeat(55)));
        let whole = "x".repeat(64);
        assert_eq!(CommonName::new(&whole).unwrap().in_subject(), whole);
    }

    #[test]
    fn only_hosts_and_addresses_are_alternative_names() {
        let shown = |text: &str| CommonName::new(text).unwrap().alternative_name().map(|name| name.to_string());
        assert_eq!(shown("Rabbit.Example.com").as_deref(), Some("DNS:rabbit.example.com"));
        assert_eq!(shown("*.example.com").as_deref(), Some("DNS:*.example.com"));
        assert_eq!(shown("10.0.0.1").as_deref(), Some("IP:10.0.0.1"));
        assert_eq!(shown("::1").as_deref(), Some("IP:::1"));
        for text in ["celery_worker", "a b", "it's", "a@b.c", "urn:x:y", "dns:a.b", "a/b", "*"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn what_nobody_sees_and_what_no_file_can_be_called_is_refused() {
        for (text, says) in [("a\nb", "U+000A"), ("a\u{202e}b", "U+202E"), ("", "empty"), (" a", "a space")] {
            let wrong = CommonName::new(text).unwrap_err();
            assert!(wrong.starts_with("CN: ") && wrong.contains(says) && !wrong.contains('\n'), "{wrong}");
        }
        assert!(CommonName::new(&"x".repeat(232)).is_ok());
        assert!(CommonName::new(&"x".repeat(233)).unwrap_err().contains("233 bytes"));
    }
}
