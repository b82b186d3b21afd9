//! General names as they stand in an extension, not yet believed: RFC 5280 section 4.2.1.6.

use std::fmt;
use std::net::IpAddr;

use super::der::{self, Tlv};
use super::finding::hex;
use crate::ui;

/// One name, in a certificate or as the base of a name constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RawName<'a> {
    Email(&'a str),
    Dns(&'a str),
    /// The content of the directoryName: a SEQUENCE of RDNs.
    Directory(&'a [u8]),
    Uri(&'a str),
    Ip(&'a [u8]),
    /// A form that nobody compares: otherName, x400Address, ediPartyName, registeredID.
    Other(u8),
}

impl<'a> RawName<'a> {
    /// `None` when the value is no GeneralName.
    pub(super) fn read(tlv: Tlv<'a>) -> Option<Self> {
        Some(match tlv.tag {
            0x81 => Self::Email(ascii(tlv.value)?),
            0x82 => Self::Dns(ascii(tlv.value)?),
            0x86 => Self::Uri(ascii(tlv.value)?),
            0x87 => Self::Ip(tlv.value),
            0xa4 => Self::Directory(der::only(tlv.value, 0x30)?),
            0xa0 | 0xa3 | 0xa5 | 0x88 => Self::Other(tlv.tag),
            _ => return None,
        })
    }

    /// Two names are compared only when they are of one form.
    pub(super) fn same_form(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a == b,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// All names of a subjectAltName value; `None` when it is malformed.
pub(super) fn read_all(value: &[u8]) -> Option<Vec<RawName<'_>>> {
    der::values(der::only(value, 0x30)?).map(|tlv| RawName::read(tlv?)).collect()
}

fn ascii(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii())
}

/// An address of 4 or 16 octets.
pub(super) fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(Into::into)
}

impl fmt::Display for RawName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(text) => write!(f, "email:{}", ui::plain(text)),
            Self::Dns(text) => write!(f, "DNS:{}", ui::plain(text)),
            Self::Uri(text) => write!(f, "URI:{}", ui::plain(text)),
            Self::Ip(octets) => match ip(octets) {
                Some(address) => write!(f, "IP:{address}"),
                None => write!(f, "IP:{} (hexadecimal)", hex(octets)),
            },
            Self::Directory(_) => f.write_str("a directory name"),
            Self::Other(_) => f.write_str("a name of another form"),
        }
    }
}

/// The preferred name syntax of RFC 1034 section 3.5 as RFC 1123 changed it: what a dNSName must be. A wildcard may be
/// the whole left-most label.
pub(super) fn is_dns_name(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    is_host_name(host) && (text.len() == host.len() || host.contains('.'))
}

/// The same without a wildcard. A name whose last label is a number is an address in disguise.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253
        && text.split('.').all(label)
        && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// The mailbox of an rfc822Name: local part and domain.
pub(super) fn mailbox(text: &str) -> Option<(&str, &str)> {
    let (local, domain) = text.split_once('@')?;
    let printable = local.bytes().all(|b| b.is_ascii_graphic());
    (!local.is_empty() && printable && is_host_name(domain)).then_some((local, domain))
}

/// The host of a URI, lowercase or not as written; `None` when it has no authority part (RFC 3986 section 3.2).
pub(super) fn uri_host(text: &str) -> Option<&str> {
    let authority = text.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host_port.starts_with('[') {
        return host_port.split_once(']').map(|(host, _)| &host[1..]);
    }
    let host = host_port.split_once(':').map_or(host_port, |(host, _)| host);
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_names_are_host_names_with_at_most_one_wildcard_label() {
        for good in ["a", "localhost", "rabbit-1.example.com", "*.example.com", "xn--bcher-kva.example", "3com.com"] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "*.com",
            "*.*.example.com",
            "a*.b.c",
            ".example.com",
            "a..b",
            "a.",
            "foo_bar.b",
            "8.8.8.8",
            "-a.b",
            "a b",
        ] {
            assert!(!is_dns_name(bad), "{bad}");
        }
    }

    #[test]
    fn hosts_of_uris() {
        assert_eq!(uri_host("spiffe://example.org/a"), Some("example.org"));
        assert_eq!(uri_host("https://u:p@h.example:8443/x"), Some("h.example"));
        assert_eq!(uri_host("https://[::1]:1/"), Some("::1"));
        assert_eq!(uri_host("urn:uuid:1"), None);
        assert_eq!(uri_host("x:///p"), None);
    }

    #[test]
    fn malformed_lists_are_no_names() {
        assert_eq!(read_all(&[0x30, 3, 0x82, 1, b'a']), Some(vec![RawName::Dns("a")]));
        for bad in [&b"example.com"[..], &[0x30, 3, 0x82, 1], &[0x30, 3, 0x82, 1, 0xff], &[0x30, 2, 0x05, 0]] {
            assert_eq!(read_all(bad), None);
        }
    }
}
