//! The name that the caller means, and whether the certificate carries it: RFC 9525 for hosts, RabbitMQ's rule for users.

use std::fmt;
use std::net::IpAddr;

use super::finding::{Check, Findings, Place};
use super::general_name::{self, RawName};
use super::purpose::Purpose;
use crate::{
    ui,
    x509::{Certificate, X509Error, oid},
};

/// Who the certificate must be for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerName {
    /// A host name: compared with dNSName alone, wildcards as RFC 9525 section 6.3.
    Dns(String),
    /// An address: compared with iPAddress alone.
    Ip(IpAddr),
    /// A mailbox: compared with rfc822Name.
    Email(String),
    /// A URI: compared with uniformResourceIdentifier, byte for byte.
    Uri(String),
    /// A user: compared with the one common name of the subject, byte for byte, as RabbitMQ does.
    CommonName(String),
}

impl PeerName {
    /// What people write after `--name`. The kind is recognised or written in front (`dns:`, `ip:`, `uri:`, `email:`,
    /// `cn:`); a bare name of a client is its common name.
    ///
    /// # Errors
    /// A text that can be no name of its kind.
    pub fn parse(text: &str, purpose: Option<Purpose>) -> Result<Self, X509Error> {
        let wrong = |kind: &str| X509Error::Invalid(format!("{} is not {kind}", ui::quote(text)));
        let (kind, value) = match text.split_once(':') {
            Some((kind, value))
                if ["dns", "ip", "uri", "email", "cn"].contains(&kind.to_ascii_lowercase().as_str()) =>
            {
                (kind.to_ascii_lowercase(), value)
            }
            _ => (recognise(text, purpose).to_owned(), text),
        };
        match kind.as_str() {
            "cn" if !value.is_empty() => Ok(Self::CommonName(value.to_owned())),
            "cn" => Err(wrong("a common name")),
            "ip" => value.trim_matches(['[', ']']).parse().map(Self::Ip).map_err(|_| wrong("an IP address")),
            "uri" if value.contains(':') => Ok(Self::Uri(value.to_owned())),
            "uri" => Err(wrong("a URI")),
            "email" => general_name::mailbox(value)
                .map(|_| Self::Email(value.to_owned()))
                .ok_or_else(|| wrong("an e-mail address")),
            _ if is_reference(value) => Ok(Self::Dns(value.trim_end_matches('.').to_ascii_lowercase())),
            _ => Err(wrong("a host name")),
        }
    }
}

/// The kind of a name without a prefix.
fn recognise(text: &str, purpose: Option<Purpose>) -> &'static str {
    match purpose {
        Some(Purpose::Client) => "cn",
        _ if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => "ip",
        _ if text.contains("://") || text.starts_with("urn:") => "uri",
        _ if text.contains('@') => "email",
        _ => "dns",
    }
}

/// A host name to ask for. Underscores are let in: people have such hosts, and the answer is then a reasoned no.
fn is_reference(text: &str) -> bool {
    general_name::is_host_name(&text.trim_end_matches('.').replace('_', "x"))
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{}", ui::plain(name)),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Email(mailbox) => write!(f, "email:{}", ui::plain(mailbox)),
            Self::Uri(uri) => write!(f, "URI:{}", ui::plain(uri)),
            Self::CommonName(name) => write!(f, "CN={}", ui::plain(name)),
        }
    }
}

/// Compares the leaf with the name that was asked for.
pub(super) fn check(name: &PeerName, leaf: Place<'_>, findings: &mut Findings) {
    let names = presented(leaf.certificate);
    if let PeerName::CommonName(user) = name {
        return check_user(user, leaf, findings);
    }
    if names.iter().any(|presented| matches(name, presented)) {
        return;
    }
    findings.problem(leaf, Check::Name, format!("{name} in subjectAltName"), found(name, leaf.certificate, &names));
}

/// The subjectAltName of a certificate; nothing when it is absent or malformed.
pub(super) fn presented(certificate: &Certificate) -> Vec<RawName<'_>> {
    let extension = certificate.extension(oid::SUBJECT_ALT_NAME);
    extension.and_then(|e| general_name::read_all(&e.value)).unwrap_or_default()
}

fn check_user(user: &str, leaf: Place<'_>, findings: &mut Findings) {
    let names = leaf.certificate.subject().common_names();
    if names == [user] {
        return;
    }
    let found = match names.as_slice() {
        [] => "a subject without a common name".to_owned(),
        [name] => format!("CN={}", ui::plain(name)),
        several => format!("{} common names: {}", several.len(), listed(several.iter().map(|name| ui::plain(name)))),
    };
    findings.problem(leaf, Check::Name, format!("CN={} and no other common name", ui::plain(user)), found);
}

fn matches(name: &PeerName, presented: &RawName<'_>) -> bool {
    match (name, presented) {
        (PeerName::Dns(host), RawName::Dns(pattern)) => dns_matches(host, pattern),
        (PeerName::Ip(address), RawName::Ip(octets)) => general_name::ip(octets) == Some(*address),
        (PeerName::Uri(uri), RawName::Uri(text)) => uri == text,
        (PeerName::Email(wanted), RawName::Email(text)) => same_mailbox(wanted, text),
        _ => false,
    }
}

/// RFC 9525 section 6.3: case does not matter; a wildcard is the whole left-most label and stands for one label. One
/// label after it is not enough: nobody may hold a whole top-level domain.
fn dns_matches(host: &str, pattern: &str) -> bool {
    if !general_name::is_dns_name(pattern) {
        return false;
    }
    match pattern.strip_prefix("*.") {
        None => pattern.eq_ignore_ascii_case(host),
        Some(base) => {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(base))
        }
    }
}

/// RFC 5321 section 2.4: the domain without case, the local part with it.
fn same_mailbox(a: &str, b: &str) -> bool {
    match (general_name::mailbox(a), general_name::mailbox(b)) {
        (Some((local_a, domain_a)), Some((local_b, domain_b))) => {
            local_a == local_b && domain_a.eq_ignore_ascii_case(domain_b)
        }
        _ => false,
    }
}

/// What stood there instead, with the reason where a near miss has one.
fn found(name: &PeerName, leaf: &Certificate, names: &[RawName<'_>]) -> String {
    let wanted = match name {
        PeerName::Dns(host) | PeerName::CommonName(host) => host.clone(),
        PeerName::Ip(address) => address.to_string(),
        PeerName::Email(text) | PeerName::Uri(text) => text.clone(),
    };
    let there = match names {
        [] => "no subjectAltName".to_owned(),
        names => listed(names.iter().map(ToString::to_string)),
    };
    if let (PeerName::Dns(_) | PeerName::Ip(_), true) =
        (name, leaf.subject().common_names().iter().any(|cn| cn.eq_ignore_ascii_case(&wanted)))
    {
        return format!(
            "{there}; the name stands only in the subject's common name, which is never compared with hosts"
        );
    }
    let in_dns = names.iter().any(|n| matches!(n, RawName::Dns(text) if *text == wanted));
    if matches!(name, PeerName::Ip(_)) && in_dns {
        return format!("{there}; the address is written as a DNS name, which no client compares with addresses");
    }
    let reason = match name {
        PeerName::Dns(host) => names.iter().find_map(|n| near_miss(host, n)),
        _ => None,
    };
    match reason {
        Some(reason) => format!("{there}; {reason}"),
        None => there,
    }
}

/// Why a wildcard that looks right does not match.
fn near_miss(host: &str, name: &RawName<'_>) -> Option<String> {
    let RawName::Dns(pattern) = name else { return None };
    let shown = ui::plain(pattern);
    if !pattern.contains('*') {
        let odd = pattern.eq_ignore_ascii_case(host) && !general_name::is_dns_name(pattern);
        return odd.then(|| format!("DNS:{shown} is not a valid host name (RFC 1123), so verifiers may skip it"));
    }
    let Some(base) = pattern.strip_prefix("*.").filter(|base| !base.contains('*')) else {
        return Some(format!("the wildcard in DNS:{shown} is not the left-most label alone"));
    };
    if !base.contains('.') {
        return Some(format!("the wildcard in DNS:{shown} would cover a whole top-level domain"));
    }
    let tail = format!(".{}", base.to_ascii_lowercase());
    let label = host.strip_suffix(&tail)?;
    label.contains('.').then(|| format!("the wildcard in DNS:{shown} stands for one label, and the name has more"))
}

/// The first names of a list, and how many more there are.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 12;
    let rest = names.len().saturating_sub(SHOWN);
    let mut text = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if rest > 0 {
        text.push_str(&format!(" and {rest} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_one_left_most_label() {
        assert!(dns_matches("rabbit-0.cluster.example", "*.cluster.example"));
        assert!(dns_matches("a.example.com", "*.EXAMPLE.com"));
        for (host, pattern) in [
            ("a.b.example.com", "*.example.com"),
            ("example.com", "*.example.com"),
            ("host.local", "*.local"),
            ("rabbit-0.example.com", "rabbit-*.example.com"),
            ("a.b.example.com", "*.*.example.com"),
            ("localhost", "*"),
        ] {
            assert!(!dns_matches(host, pattern), "{host} {pattern}");
            assert!(!pattern.starts_with("*.*") || near_miss(host, &RawName::Dns(pattern)).is_some());
        }
        assert!(near_miss("a.b.example.com", &RawName::Dns("*.example.com")).unwrap().contains("one label"));
    }

    #[test]
    fn kinds_of_names_are_recognised() {
        let parse = |text| PeerName::parse(text, Some(Purpose::Server)).unwrap();
        assert_eq!(parse("Rabbit.Example."), PeerName::Dns("rabbit.example".into()));
        assert_eq!(parse("::1"), PeerName::Ip("::1".parse().unwrap()));
        assert_eq!(parse("a@example.com"), PeerName::Email("a@example.com".into()));
        assert_eq!(parse("spiffe://x/y"), PeerName::Uri("spiffe://x/y".into()));
        assert_eq!(parse("cn:a"), PeerName::CommonName("a".into()));
        assert_eq!(parse("rabbit_1"), PeerName::Dns("rabbit_1".into()));
        assert_eq!(
            PeerName::parse("celery@x", Some(Purpose::Client)).unwrap(),
            PeerName::CommonName("celery@x".into())
        );
        for bad in ["", "a b", "*.x.y", "ip:x", "dns:", "a..b", "email:a", "x\u{202e}y"] {
            assert!(PeerName::parse(bad, None).is_err(), "{bad}");
        }
    }
}
