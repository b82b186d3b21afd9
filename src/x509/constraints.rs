//! Name constraints (RFC 5280 4.2.1.10): which names an authority may sign for.

use std::fmt;
use std::str::FromStr;

use super::X509Error;
use super::cidr::Cidr;
use super::der::{self, Fault, Reader, tag};
use super::san::{DnsName, GeneralName};
use crate::ui::quote;

/// Names below one point: the domain and all under it, or a range of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subtree {
    /// A domain and every name under it. The empty one, which excludes all host names, is only read.
    Dns(String),
    /// A range of addresses.
    Ip(Cidr),
    /// One mailbox, all mailboxes of a host, or with a leading dot of all hosts under a domain.
    Email(String),
    /// The host of a URI, or with a leading dot all hosts under a domain.
    Uri(String),
    /// A kind that is never written here, as text for people.
    Other(String),
}

/// Both lists. A name must be in one of the permitted of its kind, if there are any, and in none of the excluded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// Names that may be signed for.
    pub permitted: Vec<Subtree>,
    /// Names that may not, permitted or not.
    pub excluded: Vec<Subtree>,
}

impl Subtree {
    /// `example.com`, `10.0.0.0/8`, `joe@example.com`, or with a prefix `dns:`, `ip:`, `email:`, `uri:`.
    pub fn parse(text: &str) -> Result<Self, X509Error> {
        if let Some((prefix, rest)) = text.split_once(':') {
            match prefix.to_ascii_lowercase().as_str() {
                "dns" => return parse_domain(text, rest).map(Self::Dns),
                "ip" => return rest.parse().map(Self::Ip),
                "email" => return parse_email(text, rest).map(Self::Email),
                "uri" => return parse_host(text, rest).map(Self::Uri),
                _ => {}
            }
        }
        let is_ip = |text: &str| text.parse::<std::net::IpAddr>().is_ok();
        if is_ip(text.split('/').next().unwrap_or(text)) {
            return text.parse().map(Self::Ip);
        }
        if text.contains('@') {
            return parse_email(text, text).map(Self::Email);
        }
        parse_domain(text, text).map(Self::Dns)
    }

    /// Whether `name` is in the subtree; `None` if they are of different kinds.
    fn covers(&self, name: &GeneralName) -> Option<bool> {
        match (self, name) {
            (Self::Dns(domain), GeneralName::Dns(name)) => Some(is_under(name.as_str(), domain)),
            (Self::Ip(range), GeneralName::Ip(ip)) => Some(range.contains(*ip)),
            (Self::Email(constraint), GeneralName::Email(email)) => Some(match constraint.rsplit_once('@') {
                // The local part is compared exactly, the host without regard to case (RFC 5280 7.5).
                Some((local, host)) => {
                    email.rsplit_once('@').is_some_and(|(l, h)| l == local && h.eq_ignore_ascii_case(host))
                }
                None => email.rsplit_once('@').is_some_and(|(_, host)| is_host(host, constraint)),
            }),
            // A URI without a host is in no subtree (RFC 5280 4.2.1.10).
            (Self::Uri(constraint), GeneralName::Uri(uri)) => {
                Some(super::uri::uri_host(uri).is_some_and(|host| is_host(host, constraint)))
            }
            _ => None,
        }
    }

    /// `name` is a wildcard that would match a host in the subtree, though it is not in it.
    fn meets(&self, name: &GeneralName) -> bool {
        match (self, name) {
            (Self::Dns(domain), GeneralName::Dns(name)) => {
                name.as_str().strip_prefix("*.").is_some_and(|parent| is_under(domain, parent))
            }
            _ => false,
        }
    }

    /// The GeneralSubtree element, for the kinds that are written here.
    pub(crate) fn to_der(&self) -> Option<Vec<u8>> {
        let base = match self {
            Self::Email(email) => der::element(tag::context(1), email.as_bytes()),
            Self::Dns(domain) => der::element(tag::context(2), domain.as_bytes()),
            Self::Uri(host) => der::element(tag::context(6), host.as_bytes()),
            Self::Ip(range) => der::element(tag::context(7), &range.octets()),
            Self::Other(_) => return None,
        };
        Some(der::element(tag::SEQUENCE, &base))
    }

    fn read(subtree: Reader<'_>) -> Result<Self, Fault> {
        let mut subtree = subtree;
        let base = subtree.next()?;
        // RFC 5280: minimum is zero, which DER leaves out, and maximum is absent.
        subtree.end()?;
        let text = || std::str::from_utf8(base.content).ok().filter(|text| text.is_ascii()).ok_or(Fault::Value);
        Ok(match base.tag {
            0x81 => Self::Email(text()?.into()),
            0x82 => Self::Dns(text()?.into()),
            0x86 => Self::Uri(text()?.into()),
            0x87 => match Cidr::from_octets(base.content) {
                Some(range) => Self::Ip(range),
                None => Self::Other(format!("IP:{}", hex(base.content))),
            },
            0xa4 => Self::Other(format!("dirName:{}", super::name::DistinguishedName::read(base.content)?)),
            other => Self::Other(format!("[{}]:{}", other & 0x1f, hex(base.content))),
        })
    }
}

/// "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side of the name satisfies
/// the name constraint"; the leading dot of others' certificates asks for at least one.
fn is_under(name: &str, domain: &str) -> bool {
    let Some(start) = name.len().checked_sub(domain.len()) else { return false };
    let (labels, end) = name.as_bytes().split_at(start);
    let boundary = domain.is_empty() || labels.is_empty() || labels.ends_with(b".") || domain.starts_with('.');
    boundary && end.eq_ignore_ascii_case(domain.as_bytes()) && !(labels.is_empty() && domain.starts_with('.'))
}

/// A host itself, or with a leading dot every host under it.
fn is_host(host: &str, constraint: &str) -> bool {
    if constraint.starts_with('.') { is_under(host, constraint) } else { host.eq_ignore_ascii_case(constraint) }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The notation of [`Subtree::parse`].
impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(domain) => write!(f, "DNS:{domain}"),
            Self::Ip(range) => write!(f, "IP:{range}"),
            Self::Email(email) => write!(f, "email:{email}"),
            Self::Uri(host) => write!(f, "URI:{host}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl FromStr for Subtree {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        Self::parse(text)
    }
}

impl fmt::Display for NameConstraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |subtrees: &[Subtree]| subtrees.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (self.permitted.as_slice(), self.excluded.as_slice()) {
            (permitted, []) => write!(f, "permit {}", texts(permitted)),
            ([], excluded) => write!(f, "exclude {}", texts(excluded)),
            (permitted, excluded) => write!(f, "permit {}; exclude {}", texts(permitted), texts(excluded)),
        }
    }
}

impl NameConstraints {
    /// Nothing is permitted or excluded: such an extension must not be written.
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// `name` may be signed for: it is in a permitted subtree of its kind if there is one, and in no excluded one.
    ///
    /// Names and subtrees of other kinds are not judged.
    pub fn allows(&self, name: &GeneralName) -> bool {
        let mut permitted = self.permitted.iter().filter_map(|subtree| subtree.covers(name)).peekable();
        let inside = permitted.peek().is_none() || permitted.any(|covered| covered);
        inside && !self.excluded.iter().any(|subtree| subtree.covers(name) == Some(true) || subtree.meets(name))
    }

    /// The extension's value, or `None` if a subtree is of a kind that is never written here.
    pub(crate) fn to_der(&self) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        for (number, subtrees) in [(0, &self.permitted), (1, &self.excluded)] {
            if !subtrees.is_empty() {
                let list: Option<Vec<Vec<u8>>> = subtrees.iter().map(Subtree::to_der).collect();
                der::write(&mut content, tag::constructed(number), &list?.concat());
            }
        }
        Some(der::element(tag::SEQUENCE, &content))
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::only(der, tag::SEQUENCE)?;
        let mut constraints = Self::default();
        for (number, subtrees) in [(0, &mut constraints.permitted), (1, &mut constraints.excluded)] {
            if let Some(list) = reader.optional(tag::constructed(number))? {
                let mut list = Reader::new(list);
                if list.is_empty() {
                    return Err(Fault::Value);
                }
                while !list.is_empty() {
                    subtrees.push(Subtree::read(list.enter(tag::SEQUENCE)?)?);
                }
            }
        }
        reader.end()?;
        Ok(constraints)
    }
}

fn refuse(text: &str, why: &str) -> X509Error {
    X509Error::Invalid(format!("{} is not a name constraint: {why}", quote(text)))
}

fn parse_domain(text: &str, domain: &str) -> Result<String, X509Error> {
    if domain.starts_with('.') {
        return Err(refuse(
            text,
            "leave out the leading dot; a domain covers the names under it, and Erlang/OTP 25 refuses certificates with the dot",
        ));
    }
    parse_host_name(text, domain)
}

fn parse_host_name(text: &str, host: &str) -> Result<String, X509Error> {
    let name = DnsName::parse(host).map_err(|error| refuse(text, &error.to_string()))?;
    if name.is_wildcard() {
        return Err(refuse(text, "leave out the wildcard; a domain covers the names under it"));
    }
    Ok(name.as_str().to_owned())
}

/// RFC 5280: "When the constraint begins with a period, it MAY be expanded with one or more labels"; an address is none.
fn parse_host(text: &str, host: &str) -> Result<String, X509Error> {
    match host.strip_prefix('.') {
        Some(domain) => Ok(format!(".{}", parse_host_name(text, domain)?)),
        None => parse_host_name(text, host),
    }
}

fn parse_email(text: &str, email: &str) -> Result<String, X509Error> {
    if !email.contains('@') {
        return parse_host(text, email);
    }
    match GeneralName::parse(&format!("email:{email}"))? {
        GeneralName::Email(email) => Ok(email),
        _ => Err(refuse(text, "it is not an e-mail address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("Example.com", "DNS:example.com"),
            ("local", "DNS:local"),
            ("bücher.example", "DNS:xn--bcher-kva.example"),
            ("10.0.0.0/8", "IP:10.0.0.0/8"),
            ("10.0.0.1", "IP:10.0.0.1/32"),
            ("2001:db8::/32", "IP:2001:db8::/32"),
            ("::1", "IP:::1/128"),
            ("joe@example.com", "email:joe@example.com"),
            ("email:example.com", "email:example.com"),
            ("email:.example.com", "email:.example.com"),
            ("URI:.example.com", "URI:.example.com"),
        ] {
            let subtree = Subtree::parse(text).unwrap();
            assert_eq!(subtree.to_string(), wanted, "{text}");
            assert_eq!(Subtree::parse(wanted).unwrap(), subtree);
        }
    }

    #[test]
    fn what_would_not_constrain_is_refused_with_the_reason() {
        for (text, said) in [
            (".example.com", "OTP 25"),
            ("dns:.example.com", "OTP 25"),
            ("*.example.com", "wildcard"),
            ("", "empty"),
            ("a_b", "underscore"),
            ("10.0.0.1/8", "behind the prefix"),
            ("10.0.0.0/40", "at most 32"),
            ("https://example.com", "URI"),
            ("uri:10.0.0.1", "IP address"),
            ("@example.com", "before the @"),
        ] {
            let message = Subtree::parse(text).unwrap_err().to_string();
            assert!(message.contains(said), "{text}: {message}");
        }
    }

    #[test]
    fn permitted_and_excluded_decide_together() {
        let list = |texts: &[&str]| texts.iter().map(|text| Subtree::parse(text).unwrap()).collect::<Vec<_>>();
        let constraints = NameConstraints {
            permitted: list(&["example.com", "10.0.0.0/8", "email:example.com", "uri:.example.com"]),
            excluded: list(&["secret.example.com", "10.9.0.0/16"]),
        };
        for (name, allowed) in [
            ("example.com", true),
            ("a.example.com", true),
            ("*.a.example.com", true),
            ("example.org", false),
            ("badexample.com", false),
            ("com", false),
            ("secret.example.com", false),
            ("a.secret.example.com", false),
            ("*.example.com", false),
            ("10.1.2.3", true),
            ("10.9.2.3", false),
            ("11.1.2.3", false),
            ("::1", false),
            ("a@example.com", true),
            ("a@b.example.com", false),
            ("https://a.example.com:1/x", true),
            ("https://example.com", false),
            ("urn:x:y", false),
        ] {
            // A range of IPv4 addresses permits no IPv6 address: both are iPAddress.
            assert_eq!(constraints.allows(&GeneralName::parse(name).unwrap()), allowed, "{name}");
        }
        let excluded = NameConstraints { permitted: Vec::new(), excluded: vec![Subtree::Dns(String::new())] };
        assert!(!excluded.allows(&GeneralName::parse("a.b").unwrap()));
        assert!(excluded.allows(&GeneralName::parse("10.0.0.1").unwrap()));
        let dotted = NameConstraints { permitted: vec![Subtree::Dns(".a.b".into())], excluded: Vec::new() };
        assert!(dotted.allows(&GeneralName::parse("x.a.b").unwrap()));
        assert!(!dotted.allows(&GeneralName::parse("a.b").unwrap()));
    }

    #[test]
    fn both_lists_round_trip_through_der() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Subtree>>();
        let constraints = NameConstraints {
            permitted: parse(&["example.com", "10.0.0.0/8", "::/0"]),
            excluded: parse(&["a@b.c", "uri:x.y"]),
        };
        assert_eq!(NameConstraints::from_der(&constraints.to_der().unwrap()), Ok(constraints));
        let only = NameConstraints { permitted: Vec::new(), excluded: parse(&["x.y"]) };
        assert_eq!(NameConstraints::from_der(&only.to_der().unwrap()), Ok(only));
        assert!(NameConstraints::from_der(&[0x30, 2, 0xa0, 0]).is_err());
        assert!(NameConstraints::default().is_empty());
    }
}
