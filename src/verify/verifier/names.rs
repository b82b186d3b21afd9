//! How names are compared: the parts that several verifiers share. Which part a verifier takes stands in its own file.

use super::ask::Ask;
use crate::ui;
use crate::verify::PeerName;
use crate::verify::general_name::{self, RawName};

/// How a verifier compares the host that it wanted.
pub(super) struct NameRule {
    /// When the common name of the subject stands in for a missing name.
    pub(super) common_name: CommonName,
    /// Host and pattern; called for every name, with or without a wildcard.
    pub(super) matches: fn(&str, &str) -> bool,
}

/// When the common name counts. It never counts for addresses.
#[derive(Clone, Copy)]
pub(super) enum CommonName {
    Never,
    /// There is no dNSName; other names may be there.
    WithoutDnsName,
    /// There is no subjectAltName at all. It is compared in a way of its own.
    WithoutNames(fn(&str, &str) -> bool),
}

impl NameRule {
    /// The leaf is not for the name that was asked for.
    pub(super) fn misses(&self, ask: &Ask<'_>) -> bool {
        let names = ask.names();
        match ask.name() {
            Some(PeerName::Dns(host)) => {
                let mut dns = names.iter().filter_map(|name| match name {
                    RawName::Dns(pattern) => Some(*pattern),
                    _ => None,
                });
                let fallback = match self.common_name {
                    CommonName::Never => None,
                    CommonName::WithoutDnsName => dns.clone().next().is_none().then_some(self.matches),
                    CommonName::WithoutNames(matches) => names.is_empty().then_some(matches),
                };
                let common_names = ask.leaf().subject().common_names();
                let by_common_name =
                    fallback.is_some_and(|matches| common_names.iter().any(|name| matches(host, name)));
                !by_common_name && !dns.any(|pattern| (self.matches)(host, pattern))
            }
            Some(PeerName::Ip(address)) => !addresses(&names).any(|own| own == *address),
            _ => false,
        }
    }
}

/// The addresses among the names.
pub(super) fn addresses(names: &[RawName<'_>]) -> impl Iterator<Item = std::net::IpAddr> {
    names.iter().filter_map(|name| match name {
        RawName::Ip(octets) => general_name::ip(octets),
        _ => None,
    })
}

/// The host names among the names, joined.
pub(super) fn hosts(names: &[RawName<'_>], separator: &str) -> String {
    let dns = names.iter().filter_map(|name| match name {
        RawName::Dns(text) => Some(ui::plain(text)),
        _ => None,
    });
    dns.take(MOST_SHOWN).collect::<Vec<_>>().join(separator)
}

/// A certificate may have thousands of names; a sentence has room for some.
const MOST_SHOWN: usize = 20;

/// What was asked for, as it stands in a message.
pub(super) fn wanted(ask: &Ask<'_>) -> String {
    match ask.name() {
        Some(PeerName::Dns(host)) => host.clone(),
        Some(PeerName::Ip(address)) => address.to_string(),
        _ => String::new(),
    }
}

/// A wildcard is the whole left-most label and stands for one label; `least` labels must stand after it.
pub(super) fn whole_label(host: &str, pattern: &str, least: usize) -> bool {
    let Some(base) = pattern.strip_prefix("*.") else { return pattern.eq_ignore_ascii_case(host) };
    let fits = |(label, rest): (&str, &str)| !label.is_empty() && rest.eq_ignore_ascii_case(base);
    !base.contains('*') && base.split('.').count() >= least && host.split_once('.').is_some_and(fits)
}

/// A wildcard may be a part of the left-most label.
pub(super) fn part_of_label(host: &str, pattern: &str, least: usize) -> bool {
    let (Some((label, rest)), Some((own, base))) = (host.split_once('.'), pattern.split_once('.')) else {
        return pattern.eq_ignore_ascii_case(host);
    };
    if !rest.eq_ignore_ascii_case(base) || base.split('.').count() < least && own.contains('*') {
        return false;
    }
    within_label(label, own)
}

/// At most one wildcard, which stands for any run of letters in one label.
fn within_label(label: &str, pattern: &str) -> bool {
    let (label, pattern) = (label.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => label == pattern,
        Some((_, after)) if after.contains('*') => false,
        Some((before, after)) => {
            label.len() >= before.len() + after.len() && label.starts_with(before) && label.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        assert!(whole_label("a.example.com", "*.Example.com", 2));
        assert!(whole_label("a.local", "*.local", 1) && !whole_label("a.local", "*.local", 2));
        for (host, pattern) in [("b.a.example.com", "*.example.com"), ("a.example.com", "a*.example.com"), ("a", "*")] {
            assert!(!whole_label(host, pattern, 1), "{host} {pattern}");
        }
        assert!(part_of_label("rabbit-1.example.com", "rabbit-*.example.com", 2));
        assert!(part_of_label("a.example.com", "A.example.com", 2) && part_of_label("localhost", "LOCALHOST", 2));
        for (host, pattern) in [("ab.example.com", "a*b*.example.com"), ("ab.example.com", "abc*.example.com")] {
            assert!(!part_of_label(host, pattern, 1), "{host} {pattern}");
        }
    }
}
