//! Subject alternative names (RFC 5280 4.2.1.6): host names, addresses, URIs and e-mail addresses as people write them.
//!
//! Everything is checked here, once, before it can reach a certificate: the libraries below accept an empty dNSName or one
//! with a space. What a foreign certificate holds is kept as it is, so that lint can say what is wrong with it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::X509Error;
use super::uri::{parse_uri, uri_fault};
use crate::ui::quote;

/// One subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GeneralName {
    /// A host name, possibly with a wildcard.
    Dns(DnsName),
    /// An address.
    Ip(IpAddr),
    /// A URI such as a SPIFFE identity.
    Uri(String),
    /// An e-mail address.
    Email(String),
    /// A kind that is never written here, as text for people.
    Other(String),
}

impl GeneralName {
    /// The kind is recognised (address, URI, e-mail, else host name) or said by a prefix: `dns:`, `ip:`, `uri:`, `email:`.
    pub fn parse(text: &str) -> Result<Self, X509Error> {
        if let Some((prefix, rest)) = text.split_once(':') {
            match prefix.to_ascii_lowercase().as_str() {
                "dns" => return DnsName::parse(rest).map(Self::Dns),
                "ip" => return parse_ip(rest).map(Self::Ip),
                "uri" => return parse_uri(rest).map(Self::Uri),
                "email" => return parse_email(rest).map(Self::Email),
                _ => {}
            }
        }
        if looks_like_ip(text) {
            return parse_ip(text).map(Self::Ip);
        }
        if (text.contains(':') && text.contains("://"))
            || text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
        {
            return parse_uri(text).map(Self::Uri);
        }
        if text.contains('@') {
            return parse_email(text).map(Self::Email);
        }
        DnsName::parse(text).map(Self::Dns)
    }

    /// Whether it is the host name or address `host`, or a wildcard for it, as RFC 9525 section 6.3 compares them.
    pub fn covers_host(&self, host: &str) -> bool {
        match self {
            Self::Dns(name) => name.covers(host),
            Self::Ip(address) => host.parse() == Ok(*address),
            _ => false,
        }
    }

    /// Why this name, if it was read, is malformed.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Dns(name) => name.fault(),
            Self::Ip(_) => None,
            Self::Uri(uri) => uri_fault(uri),
            Self::Email(email) => email_fault(email),
            // The reader puts what it could not decode here, under the kind that it should have been.
            Self::Other(text) => ["email:", "DNS:", "URI:", "IP:"]
                .iter()
                .any(|kind| text.starts_with(kind))
                .then_some("it cannot be decoded"),
        }
    }

    /// The GeneralName element, for the kinds that are written here.
    #[cfg(test)]
    pub(crate) fn to_der(&self) -> Option<Vec<u8>> {
        use super::der::{self, tag};
        Some(match self {
            Self::Email(email) => der::element(tag::context(1), email.as_bytes()),
            Self::Dns(name) => der::element(tag::context(2), name.as_str().as_bytes()),
            Self::Uri(uri) => der::element(tag::context(6), uri.as_bytes()),
            Self::Ip(IpAddr::V4(ip)) => der::element(tag::context(7), &ip.octets()),
            Self::Ip(IpAddr::V6(ip)) => der::element(tag::context(7), &ip.octets()),
            Self::Other(_) => return None,
        })
    }
}

/// `DNS:x`, `IP:x`, `URI:x`, `email:x`: the words of OpenSSL, which [`GeneralName::parse`] reads back.
impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Ip(ip) => write!(f, "IP:{ip}"),
            Self::Uri(uri) => write!(f, "URI:{uri}"),
            Self::Email(email) => write!(f, "email:{email}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl FromStr for GeneralName {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        Self::parse(text)
    }
}

/// A host name in lower-case A-labels (RFC 1123, RFC 5890), perhaps with `*` as its first label (RFC 9525 6.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(String);

/// Whether a name is one that clients can connect to: a DNS name or an address.
pub fn is_host(name: &str) -> bool {
    DnsName::parse(name).is_ok() || name.parse::<std::net::IpAddr>().is_ok()
}

impl DnsName {
    /// Names in other scripts become A-labels; whatever could not be looked up is refused with the reason.
    pub fn parse(text: &str) -> Result<Self, X509Error> {
        let refuse = |why: &str| Err(X509Error::Invalid(format!("{} is not a host name: {why}", quote(text))));
        if let Some(why) = other_kind(text) {
            return refuse(why);
        }
        let (wildcard, host) = match text.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, text),
        };
        let lower = host.to_ascii_lowercase();
        let host = if host.is_ascii() && !lower.as_bytes().windows(4).any(|four| four == b"xn--") {
            lower
        } else {
            match to_a_labels(host) {
                Some(host) => host,
                None => return refuse("it does not map to A-labels (IDNA)"),
            }
        };
        if let Err(why) = check_host(&host) {
            return refuse(why);
        }
        if !wildcard {
            return Ok(Self(host));
        }
        if !host.contains('.') {
            return refuse("a wildcard needs at least two labels after it, such as *.example.com");
        }
        if host.len() > LONGEST_NAME - 2 {
            return refuse(TOO_LONG);
        }
        Ok(Self(format!("*.{host}")))
    }

    /// What a foreign certificate holds, valid or not.
    pub(crate) fn unchecked(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name, lower-case if it was written here.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `host` or a wildcard for it (RFC 9525 section 6.3).
    pub fn covers(&self, host: &str) -> bool {
        let below = host.split_once('.').map(|(_, parent)| parent);
        let is_wildcard_for = |rest: &str| below.is_some_and(|below| below.eq_ignore_ascii_case(rest));
        self.0.eq_ignore_ascii_case(host) || self.0.strip_prefix("*.").is_some_and(is_wildcard_for)
    }

    /// The first label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Why this name, if it was read, would not have been accepted as written here; the case of letters aside.
    pub fn fault(&self) -> Option<&'static str> {
        let host = self.0.strip_prefix("*.").unwrap_or(&self.0);
        if self.0.starts_with("*.") && !host.contains('.') {
            return Some("its wildcard has fewer than two labels after it");
        }
        if self.0.len() > LONGEST_NAME {
            return Some(TOO_LONG);
        }
        check_host(host).err()
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        Self::parse(text)
    }
}

const LONGEST_NAME: usize = 253;
const TOO_LONG: &str = "it has more than 253 characters";

/// What people paste where a host name belongs.
fn other_kind(text: &str) -> Option<&'static str> {
    if text.contains(':') && text.contains("://") {
        return Some("it is a URI; write the host name alone, or uri: in front of it to mean the URI");
    }
    if text.contains('@') {
        return Some("it is an e-mail address; write email: in front of it");
    }
    if looks_like_ip(text) {
        return Some("it is an IP address; write ip: in front of it, or nothing");
    }
    if text.ends_with('.') && text.len() > 1 {
        return Some("it ends in a dot; leave the dot out");
    }
    match text.rsplit_once(':') {
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Some("it has a port; leave the port out")
        }
        Some(_) => Some("it has a colon; the prefixes are dns: ip: uri: email:"),
        None => None,
    }
}

fn to_a_labels(host: &str) -> Option<String> {
    let uts46 = Uts46::new();
    let ascii =
        uts46.to_ascii(host.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify).ok()?;
    Some(ascii.into_owned())
}

/// The preferred name syntax of RFC 1034 3.5 as relaxed by RFC 1123 2.1.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("it is empty");
    }
    if host.len() > LONGEST_NAME {
        return Err(TOO_LONG);
    }
    host.split('.').try_for_each(check_label)?;
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err("its last label is a number, as in an IP address");
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), &'static str> {
    if label.is_empty() {
        return Err("it has an empty label");
    }
    if label.len() > 63 {
        return Err("it has a label of more than 63 characters");
    }
    if !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(match label {
            _ if label.contains('*') => "a wildcard is only allowed as the whole first label, such as *.example.com",
            _ if label.contains('_') => "it has an underscore, which host names do not have",
            _ => "it has a character other than letters, digits and hyphens",
        });
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err("it has a label that begins or ends with a hyphen");
    }
    Ok(())
}

/// Meant as an address, right or wrong: the message is then about addresses.
fn looks_like_ip(text: &str) -> bool {
    // Nearly all names begin with a letter and have no colon, which no address does.
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains(':') {
        return false;
    }
    let bare = text.split(['%', '/']).next().unwrap_or(text).trim_matches(['[', ']']);
    bare.parse::<IpAddr>().is_ok()
        || (bare.matches(':').count() >= 2 && bare.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.'))
}

pub(super) fn parse_ip(text: &str) -> Result<IpAddr, X509Error> {
    let refuse = |why: &str| Err(X509Error::Invalid(format!("{} is not an IP address{why}", quote(text))));
    if text.contains('%') {
        return refuse(": it has a zone, which a certificate cannot say; leave out the % and what follows");
    }
    if text.contains('/') {
        return refuse(": it is a range; ranges belong in permit and exclude");
    }
    if text.starts_with('[') {
        return refuse(": leave out the brackets, and the port if there is one");
    }
    match text.parse() {
        Ok(IpAddr::V6(ip)) => unmapped(ip, text).map(IpAddr::V6),
        Ok(ip) => Ok(ip),
        Err(_) if !text.contains("::") && text.matches(':').count() == 1 => refuse(": leave out the port"),
        Err(_) => refuse(""),
    }
}

/// An IPv4-mapped address is compared as 16 octets by some clients and as 4 by others, so it matches for half of them.
pub(super) fn unmapped(ip: Ipv6Addr, text: &str) -> Result<Ipv6Addr, X509Error> {
    match ip.to_ipv4_mapped() {
        Some(v4) => Err(X509Error::Invalid(format!("{} is an IPv4 address in IPv6 notation; write {v4}", quote(text)))),
        None => Ok(ip),
    }
}

/// RFC 5321 Mailbox without quoted strings; RFC 5280 wants IA5String.
fn parse_email(text: &str) -> Result<String, X509Error> {
    let refuse = |why: &str| X509Error::Invalid(format!("{} is not an e-mail address: {why}", quote(text)));
    let (local, domain) = text.rsplit_once('@').ok_or_else(|| refuse("it has no @"))?;
    if let Some(why) = local_part_fault(local) {
        return Err(refuse(why));
    }
    let domain = DnsName::parse(domain).map_err(|_| refuse("its domain is not a host name"))?;
    if domain.is_wildcard() {
        return Err(refuse("it has a wildcard"));
    }
    let email = format!("{local}@{domain}");
    if email.len() > 254 { Err(refuse("it has more than 254 characters")) } else { Ok(email) }
}

/// Why `email`, if it was read, is not a mailbox.
fn email_fault(email: &str) -> Option<&'static str> {
    let Some((local, domain)) = email.rsplit_once('@') else {
        return Some("it has no @");
    };
    local_part_fault(local).or_else(|| check_host(domain).err())
}

fn local_part_fault(local: &str) -> Option<&'static str> {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    if local.is_empty() {
        return Some("nothing stands before the @");
    }
    if !local.is_ascii() {
        return Some("it has characters outside ASCII before the @");
    }
    if local.len() > 64 {
        return Some("it has more than 64 characters before the @");
    }
    if !local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext)) {
        return Some("it has a character or dot where none is allowed before the @");
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        GeneralName::parse(text).unwrap().to_string()
    }

    fn why(text: &str) -> String {
        GeneralName::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_kind_is_recognised_or_said() {
        for (text, wanted) in [
            ("localhost", "DNS:localhost"),
            ("Rabbit-0.Example.COM", "DNS:rabbit-0.example.com"),
            ("rabbit@example.com", "email:rabbit@example.com"),
            ("10.0.0.1", "IP:10.0.0.1"),
            ("::1", "IP:::1"),
            ("2001:DB8::1", "IP:2001:db8::1"),
            ("spiffe://cluster.local/ns/x", "URI:spiffe://cluster.local/ns/x"),
            ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "URI:urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            ("amqps://user@[::1]:5671/%2f", "URI:amqps://user@[::1]:5671/%2f"),
            ("DNS:a.b", "DNS:a.b"),
            ("Email:a@b.c", "email:a@b.c"),
            ("uri:mailto:x", "URI:mailto:x"),
            ("*.example.com", "DNS:*.example.com"),
            ("bücher.example", "DNS:xn--bcher-kva.example"),
            ("*.BÜCHER.example", "DNS:*.xn--bcher-kva.example"),
            ("почта.рф", "DNS:xn--80a1acny.xn--p1ai"),
            ("3com.example", "DNS:3com.example"),
            ("my--app", "DNS:my--app"),
        ] {
            assert_eq!(shown(text), wanted, "{text}");
            assert_eq!(shown(wanted), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, said) in [
            ("", "empty"),
            (" ", "character"),
            (".", "empty label"),
            ("..", "dot"),
            ("a..b", "empty label"),
            (".example.com", "empty label"),
            ("example.com.", "leave the dot out"),
            ("celery_worker", "underscore"),
            ("-a.b", "hyphen"),
            ("a-.b", "hyphen"),
            ("a b", "character"),
            ("a/b", "character"),
            ("a\0b", "character"),
            ("a\nb", "character"),
            ("*", "wildcard"),
            ("*.com", "two labels"),
            ("*.local", "two labels"),
            ("a*.b.c", "whole first label"),
            ("*.*.b.c", "whole first label"),
            ("a.*.b.c", "whole first label"),
            ("**.b.c", "whole first label"),
            ("host:5671", "port"),
            ("foo:bar", "colon"),
            ("dns:https://host:5671", "URI"),
            ("dns:10.0.0.1", "IP address"),
            ("dns:a@b", "e-mail"),
            ("1.2.3", "number"),
            ("300.1.1.1", "number"),
            ("0x7f.1", "number"),
            ("１２７.0.0.1", "number"),
            ("::ffff:10.0.0.1", "write 10.0.0.1"),
            ("fe80::1%eth0", "zone"),
            ("[::1]", "brackets"),
            ("10.0.0.0/8", "permit"),
            ("ip:example.com", "not an IP address"),
            ("ip:10.0.0.1:80", "port"),
            ("https://", "no host"),
            ("https:///path", "no host"),
            ("https://a b", "percent-encoded"),
            ("https://a/%zz", "hexadecimal"),
            ("https://a:port/", "port"),
            ("https://[::g]/", "IPv6"),
            ("https://ü.example/", "ASCII"),
            ("1a://x", "scheme"),
            ("@b.c", "before the @"),
            ("a..b@c.d", "before the @"),
            ("ü@c.d", "ASCII"),
            ("a@b_c", "domain"),
            ("a@", "domain"),
            ("xn--zzzzzz99999-.example", "IDNA"),
            ("a\u{202e}b.example", "IDNA"),
        ] {
            let message = why(text);
            assert!(message.contains(said), "{text:?}: {message}");
        }
    }

    #[test]
    fn lengths_are_at_their_limit_exactly() {
        let label = "a".repeat(63);
        assert!(DnsName::parse(&label).is_ok());
        assert!(DnsName::parse(&format!("{label}a")).is_err());
        let longest = [label.as_str(); 4].join(".")[..253].to_owned();
        assert!(DnsName::parse(&longest).is_ok());
        assert!(DnsName::parse(&format!("{longest}a")).is_err());
        assert!(DnsName::parse(&format!("*.{}", &longest[..251])).is_ok());
        assert!(DnsName::parse(&format!("*.{longest}")).is_err());
        assert!(GeneralName::parse(&"x".repeat(100_000)).is_err());
        assert!(GeneralName::parse(&"ü".repeat(10_000)).is_err());
    }

    #[test]
    fn names_that_were_read_are_judged_without_being_changed() {
        for bad in ["", "a_b", "10.0.0.1", "*", "*.com", "a b", "ü"] {
            let name = DnsName::unchecked(bad);
            assert!(name.fault().is_some() && name.as_str() == bad, "{bad}");
        }
        assert_eq!(DnsName::unchecked("*.Example.com").fault(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_what_is_accepted_reads_back(text in "(\\PC|[a-z0-9.:*@/%-]){0,40}") {
            if let Ok(name) = GeneralName::parse(&text) {
                prop_assert_eq!(GeneralName::parse(&name.to_string()).unwrap(), name.clone());
                if let GeneralName::Dns(name) = name {
                    prop_assert_eq!(name.fault(), None);
                }
            }
        }
    }
}
