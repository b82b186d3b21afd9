//! Go's crypto/x509 as crypto/tls calls it (`Certificate.Verify`, verify.go). Run with 1.19.8; read for what came later:
//! since 1.24 a key of less than 1024 bits is refused.
//!
//! Never the common name; a wildcard is a whole label and may stand before a top-level domain. Any certificate of the
//! pool ends a chain, and is looked at as an intermediate is: validity, constraints, path length.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ask::{Ask, Chain, Hash, Ways, hash, serves};
use super::names::{CommonName, NameRule, addresses, hosts, wanted, whole_label};
use crate::ui;
use crate::verify::{Check, PeerName};
use crate::x509::{Certificate, KeyUsage};

const NAMES: NameRule =
    NameRule { common_name: CommonName::Never, matches: |host, pattern| whole_label(host, pattern, 1) };

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    let fault = match ask.to_anchors.judge(|chain| in_chain(ask, chain)) {
        Some(verdict) => verdict.err(),
        // Read: a leaf that stands in the pool is its own chain.
        None if ask.is_pinned() => NAMES.misses(ask).then(|| name(ask)),
        None if NAMES.misses(ask) => Some(name(ask)),
        None => Some(unknown(&ask.to_anchors)),
    };
    fault.map(|text| format!("x509: {text}"))
}

/// The leaf, then its name, then the authorities, then what they may be used for.
fn in_chain(ask: &Ask<'_>, chain: &Chain<'_>) -> Option<String> {
    let mut authorities = chain.issuers();
    valid(chain, 0)
        .or_else(|| NAMES.misses(ask).then(|| name(ask)))
        .or_else(|| authorities.find_map(|index| issues(chain, index).or_else(|| valid(chain, index))))
        .or_else(|| {
            let all_serve = chain.certificates.iter().all(|c| serves(c, ask.purpose(), true));
            (!all_serve).then(|| "certificate specifies an incompatible key usage".to_owned())
        })
}

/// `isValid`.
fn valid(chain: &Chain<'_>, index: usize) -> Option<String> {
    let validity = chain.certificates[index].validity();
    let over = |word: &str, end: OffsetDateTime| {
        let (now, end) = (date(chain.now), date(end));
        Some(format!("certificate has expired or is not yet valid: current time {now} is {word} {end}"))
    };
    if chain.has(Check::CriticalExtension, index) {
        return Some("unhandled critical extension".to_owned());
    }
    if chain.is_early(index) {
        return over("before", validity.not_before);
    }
    if chain.is_expired(index) {
        return over("after", validity.not_after);
    }
    if index == 0 {
        return chain.constrained_name(true).map(|finding| {
            let name = finding.found.split_once(':').map_or(finding.found.as_str(), |(_, name)| name);
            format!(
                "a root or intermediate certificate is not authorized to sign for this name: DNS name \"{name}\" is not \
                 permitted by any constraint"
            )
        });
    }
    chain.has(Check::PathLength, index).then(|| "too many intermediates for path length constraint".to_owned())
}

/// `CheckSignatureFrom`: what the certificate at `index` may not have signed has an unknown authority.
fn issues(chain: &Chain<'_>, index: usize) -> Option<String> {
    let (issuer, below) = (chain.certificates[index], chain.certificates[index - 1]);
    let is_authority = issuer.basic_constraints().map_or(issuer.version() != 3, |constraints| constraints.ca);
    let may = issuer.key_usage().is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    if !is_authority || !may {
        return Some(hinted("invalid signature: parent certificate cannot sign this kind of certificate", issuer));
    }
    let algorithm = if below.signature_algorithm().starts_with("1.2.840.10045") { "ECDSA" } else { "SHA1" };
    let (name, more) = match (hash(below), algorithm) {
        (Hash::Good, _) => return None,
        (Hash::Md5, _) => ("MD5-RSA", ""),
        (Hash::Sha1, "ECDSA") => ("ECDSA-SHA1", " (temporarily override with GODEBUG=x509sha1=1)"),
        (Hash::Sha1, _) => ("SHA1-RSA", " (temporarily override with GODEBUG=x509sha1=1)"),
    };
    Some(hinted(&format!("cannot verify signature: insecure algorithm {name}{more}"), issuer))
}

fn unknown(ways: &Ways<'_>) -> String {
    match ways.same_name() {
        Some(other) => {
            let kind = if other.public_key().key_type().is_some_and(|kind| kind.is_rsa()) {
                "crypto/rsa: verification error"
            } else {
                "x509: ECDSA verification failure"
            };
            let hint = hinted(kind.trim_start_matches("x509: "), other);
            if kind.starts_with("x509") { hint } else { hint.replacen("\"x509: ", "\"", 1) }
        }
        None => "certificate signed by unknown authority".to_owned(),
    }
}

fn hinted(why: &str, candidate: &Certificate) -> String {
    let name = candidate.subject().common_names().first().map(|name| ui::plain(name)).unwrap_or_default();
    format!(
        "certificate signed by unknown authority (possibly because of \"x509: {why}\" while trying to verify candidate \
         authority certificate \"{name}\")"
    )
}

/// `HostnameError`.
fn name(ask: &Ask<'_>) -> String {
    let (names, host) = (ask.names(), wanted(ask));
    let common_names = ask.leaf().subject().common_names();
    if names.is_empty() && common_names.iter().any(|name| (NAMES.matches)(&host, name)) {
        return "certificate relies on legacy Common Name field, use SANs instead".to_owned();
    }
    let valid = match ask.name() {
        Some(PeerName::Ip(_)) => {
            let own: Vec<_> = addresses(&names).take(20).map(|address| address.to_string()).collect();
            if own.is_empty() {
                return format!("cannot validate certificate for {host} because it doesn't contain any IP SANs");
            }
            own.join(", ")
        }
        _ => hosts(&names, ", "),
    };
    if valid.is_empty() {
        return format!("certificate is not valid for any names, but wanted to match {host}");
    }
    format!("certificate is valid for {valid}, not {host}")
}

fn date(time: OffsetDateTime) -> String {
    time.replace_nanosecond(0).unwrap_or(time).format(&Rfc3339).unwrap_or_default()
}
