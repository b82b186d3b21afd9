//! Java's PKIX trust manager with the endpoint identification algorithm HTTPS (sun.security.validator.PKIXValidator,
//! EndEntityChecker, sun.security.util.HostnameChecker). Run with OpenJDK 17.0.15.
//!
//! The common name counts when there is no dNSName; a wildcard may stand anywhere in any label but the last; a host with an
//! underscore is no host. Any certificate of the truststore ends a chain. Of the anchor only basicConstraints and keyUsage
//! count: not its dates, path length, name constraints or extensions.

use super::ask::{Ask, Chain, Hash, Ways, hash, lacks, rsa_bits, serves};
use super::names::{CommonName, NameRule, wanted};
use crate::ui;
use crate::verify::general_name::{self, RawName};
use crate::verify::{Check, PeerName, Purpose};
use crate::x509::KeyUsage;

const NAMES: NameRule = NameRule { common_name: CommonName::WithoutDnsName, matches: host_matches };
const FAILED: &str = "PKIX path validation failed: java.security.cert.CertPathValidatorException: ";
const NO_CHAIN: &str = "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: \
                        unable to find valid certification path to requested target";

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    if !ask.is_pinned() {
        match ask.to_anchors.judge(in_chain) {
            Some(Ok(())) => {}
            Some(Err(text)) => return Some(text),
            None => return Some(unknown(&ask.to_anchors)),
        }
    }
    end_entity(ask).or_else(|| NAMES.misses(ask).then(|| name(ask)))
}

fn unknown(ways: &Ways<'_>) -> String {
    if ways.same_name().is_some() {
        return format!("{FAILED}Path does not chain with any of the trust anchors");
    }
    NO_CHAIN.to_owned()
}

fn in_chain(chain: &Chain<'_>) -> Option<String> {
    let wrong = |why: &str| Some(format!("{FAILED}{why}"));
    if (0..chain.last()).any(|index| chain.names_other_key(index)) {
        return wrong("Path does not chain with any of the trust anchors");
    }
    for index in chain.below_anchor().rev() {
        let certificate = chain.certificates[index];
        if hash(certificate) == Hash::Md5 || rsa_bits(certificate).is_some_and(|bits| bits < 1024) {
            return wrong("Algorithm constraints check failed");
        }
        if chain.has(Check::CriticalExtension, index) {
            return wrong("unrecognized critical extension(s)");
        }
        if chain.is_early(index) || chain.is_expired(index) {
            return wrong("validity check failed");
        }
    }
    if chain.constrained_name(false).is_some() {
        return wrong("name constraints check failed");
    }
    chain.between().rev().find_map(|index| between(chain, index)).or_else(|| anchor(chain))
}

/// An intermediate.
fn between(chain: &Chain<'_>, index: usize) -> Option<String> {
    let wrong = |why: &str| Some(format!("{FAILED}{why}"));
    if chain.has(Check::BasicConstraints, index) {
        return wrong("basic constraints check failed: this is not a CA certificate");
    }
    if chain.has(Check::KeyUsage, index) {
        return wrong("CA key usage check failed: keyCertSign bit is not set");
    }
    if chain.has(Check::PathLength, index) {
        return wrong(
            "basic constraints check failed: pathLenConstraint violated - this cert must be the last cert in the \
             certification path",
        );
    }
    None
}

fn anchor(chain: &Chain<'_>) -> Option<String> {
    let (index, certificate) = (chain.last(), chain.certificates[chain.last()]);
    let what = if chain.has(Check::BasicConstraints, index) && index > 0 {
        "is not a CA certificate"
    } else if chain.has(Check::KeyUsage, index) && index > 0 {
        "does not have keyCertSign bit set in KeyUsage extension"
    } else {
        return None;
    };
    let subject = ui::plain(&certificate.subject().to_string());
    let who = "PKIX path validation failed: sun.security.validator.ValidatorException: TrustAnchor with subject";
    Some(format!("{who} \"{subject}\" {what}"))
}

/// EndEntityChecker: issuers may have any extended key usage.
fn end_entity(ask: &Ask<'_>) -> Option<String> {
    for (purpose, role) in [(Purpose::Server, "server"), (Purpose::Client, "client")] {
        let asked = ask.purpose() == purpose || ask.purpose() == Purpose::Node;
        if asked && !serves(ask.leaf(), purpose, true) {
            return Some(format!("Extended key usage does not permit use for TLS {role} authentication"));
        }
    }
    let signs = ask.purpose() == Purpose::Any || !lacks(ask.leaf(), &[KeyUsage::DIGITAL_SIGNATURE]);
    (!signs).then(|| "KeyUsage does not allow digital signatures".to_owned())
}

fn name(ask: &Ask<'_>) -> String {
    let (names, host) = (ask.names(), wanted(ask));
    if matches!(ask.name(), Some(PeerName::Ip(_))) {
        return match names.as_slice() {
            [] => "No subject alternative names present".to_owned(),
            _ => format!("No subject alternative names matching IP address {host} found"),
        };
    }
    if !general_name::is_host_name(&host) {
        return format!("Illegal given domain name: {host}");
    }
    if names.iter().any(|name| matches!(name, RawName::Dns(_))) {
        return format!("No subject alternative DNS name matching {host} found.");
    }
    format!("No name matching {host} found")
}

/// matchAllWildcards: label by label, each with any number of wildcards; after the last one a dot must come.
fn host_matches(host: &str, pattern: &str) -> bool {
    let legal = pattern.rsplit_once('*').is_none_or(|(_, after)| after.contains('.') && pattern != "*.");
    let labels = |text: &str| text.split('.').map(str::to_ascii_lowercase).collect::<Vec<_>>();
    let (own, wanted) = (labels(pattern), labels(host));
    legal
        && general_name::is_host_name(host)
        && general_name::is_host_name(&pattern.replace('*', "z"))
        && own.len() == wanted.len()
        && wanted.iter().zip(&own).all(|(label, pattern)| label_matches(label, pattern))
}

fn label_matches(label: &str, pattern: &str) -> bool {
    let mut rest = label;
    let mut parts = pattern.split('*');
    let Some(mut after) = parts.next() else { return false };
    if !pattern.contains('*') {
        return label == pattern;
    }
    let mut is_first = true;
    for part in parts {
        match rest.find(after) {
            Some(at) if !is_first || at == 0 => rest = &rest[at + after.len()..],
            _ => return false,
        }
        (is_first, after) = (false, part);
    }
    rest.ends_with(after)
}
