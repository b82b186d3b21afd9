//! X509_verify_cert of OpenSSL's libcrypto, which `openssl`, Python and Node ask: the same checks in the same order. The
//! three differ in security level, in strictness, in what may end a chain, and in how they compare names and say it.
//!
//! Source: crypto/x509/x509_vfy.c, v3_purp.c and v3_utl.c of OpenSSL 3.0; run with 3.0.19 and 3.5.9, which agree.

use super::ask::{Ask, Chain, Hash, Ways, hash, lacks, rsa_bits, serves};
use super::names;
use crate::verify::{Check, Purpose};
use crate::x509::{Certificate, KeyUsage, oid};

/// How the caller sets it up.
pub(super) struct Manner {
    /// The security level: 2 wants RSA keys of 2048 bits, 1 of 1024.
    pub(super) level: u8,
    /// X509_V_FLAG_X509_STRICT.
    pub(super) strict: bool,
    /// X509_V_FLAG_PARTIAL_CHAIN: any certificate of the bundle ends a chain.
    pub(super) partial: bool,
    /// The name is compared by libcrypto itself, as part of the verification.
    pub(super) name: Option<fn(&Ask<'_>) -> bool>,
}

/// Why it refuses; the first of what it would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The issuer of the last certificate is nowhere; the number of certificates that there are.
    NoIssuer(usize),
    /// The chain ends at an intermediate of the bundle, whose issuer is not in it.
    NoRoot,
    SelfSigned,
    SelfSignedInChain,
    BadSignature,
    CriticalExtension,
    NotAnAuthority,
    NoCertificateSigning,
    Purpose,
    PathLength,
    /// What only the strict mode minds, in the words of libcrypto.
    Strict(&'static str),
    LeafKey,
    AuthorityKey,
    Hash,
    Name,
    NotYetValid,
    Expired,
    Constraints {
        excluded: bool,
    },
}

impl Fault {
    /// X509_verify_cert_error_string.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NoIssuer(_) => "unable to get local issuer certificate",
            Self::NoRoot => "unable to get issuer certificate",
            Self::SelfSigned => "self-signed certificate",
            Self::SelfSignedInChain => "self-signed certificate in certificate chain",
            Self::BadSignature => "certificate signature failure",
            Self::CriticalExtension => "unhandled critical extension",
            Self::NotAnAuthority | Self::NoCertificateSigning => "invalid CA certificate",
            Self::Purpose => "unsuitable certificate purpose",
            Self::PathLength => "path length constraint exceeded",
            Self::Strict(text) => text,
            Self::LeafKey => "EE certificate key too weak",
            Self::AuthorityKey => "CA certificate key too weak",
            Self::Hash => "CA signature digest algorithm too weak",
            Self::Name => "hostname mismatch",
            Self::NotYetValid => "certificate is not yet valid",
            Self::Expired => "certificate has expired",
            Self::Constraints { excluded: true } => "excluded subtree violation",
            Self::Constraints { excluded: false } => "permitted subtree violation",
        }
    }
}

/// `None`: it accepts.
pub(super) fn fault(ask: &Ask<'_>, manner: &Manner) -> Option<Fault> {
    let ways = if manner.partial { &ask.to_anchors } else { &ask.to_roots };
    match ways.judge(|chain| in_chain(ask, chain, manner)) {
        Some(verdict) => verdict.err(),
        None if manner.partial && ask.is_pinned() => None,
        None => Some(dead_end(ask, ways)),
    }
}

fn dead_end(ask: &Ask<'_>, ways: &Ways<'_>) -> Fault {
    // An issuer is found by name and key identifier; without identifiers the signature tells, and too late.
    let unidentified = |ca: &Certificate| ca.subject_key_id().is_none() || ask.leaf().authority_key_id().is_none();
    match ways.dead_length() {
        1 if ask.leaf().is_self_issued() => Fault::SelfSigned,
        _ if ways.ends_in_stranger() => Fault::SelfSignedInChain,
        1 if ways.same_name().is_some_and(unidentified) => Fault::BadSignature,
        _ if !ask.to_anchors.complete.is_empty() => Fault::NoRoot,
        length => Fault::NoIssuer(length),
    }
}

/// The order of verify_chain: build, extensions, security level, name, time, name constraints.
fn in_chain(ask: &Ask<'_>, chain: &Chain<'_>, manner: &Manner) -> Option<Fault> {
    let all = 0..chain.certificates.len();
    if let Some(index) = all.clone().find(|index| chain.names_other_key(*index)) {
        return Some(Fault::NoIssuer(index + 1));
    }
    all.clone()
        .find_map(|index| extensions(ask, chain, index, manner))
        .or_else(|| all.clone().find_map(|index| level(chain, index, manner.level)))
        .or_else(|| manner.name.filter(|misses| misses(ask)).map(|_| Fault::Name))
        .or_else(|| {
            all.rev().find_map(|index| match index {
                early if chain.is_early(early) => Some(Fault::NotYetValid),
                over if chain.is_expired(over) => Some(Fault::Expired),
                _ => None,
            })
        })
        .or_else(|| constraints(chain))
}

fn extensions(ask: &Ask<'_>, chain: &Chain<'_>, index: usize, manner: &Manner) -> Option<Fault> {
    let certificate = chain.certificates[index];
    if chain.has(Check::CriticalExtension, index) {
        return Some(Fault::CriticalExtension);
    }
    if index > 0 {
        if certificate.key_usage().is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
            return Some(Fault::NoCertificateSigning);
        }
        // Without basicConstraints keyCertSign is enough, and so is a self-signed certificate of version 1.
        let trusted_old = certificate.version() == 1 && certificate.is_self_issued();
        let may = match certificate.basic_constraints() {
            Some(constraints) => constraints.ca,
            None => !manner.strict && (certificate.key_usage().is_some() || trusted_old),
        };
        if !may {
            return Some(Fault::NotAnAuthority);
        }
    }
    if let Some(text) = strict(chain, index).filter(|_| manner.strict) {
        return Some(Fault::Strict(text));
    }
    if !serves(certificate, ask.purpose(), false) || (index == 0 && !may_shake_hands(certificate, ask.purpose())) {
        return Some(Fault::Purpose);
    }
    chain.has(Check::PathLength, index).then_some(Fault::PathLength)
}

/// keyUsage of the leaf: what some key exchange of TLS could use.
fn may_shake_hands(leaf: &Certificate, purpose: Purpose) -> bool {
    let client = [KeyUsage::DIGITAL_SIGNATURE, KeyUsage::KEY_AGREEMENT];
    let server = [KeyUsage::DIGITAL_SIGNATURE, KeyUsage::KEY_AGREEMENT, KeyUsage::KEY_ENCIPHERMENT];
    match purpose {
        Purpose::Any => true,
        Purpose::Server => !lacks(leaf, &server),
        Purpose::Client | Purpose::Node => !lacks(leaf, &client),
    }
}

/// check_extensions with X509_V_FLAG_X509_STRICT, in its order.
fn strict(chain: &Chain<'_>, index: usize) -> Option<&'static str> {
    let certificate = chain.certificates[index];
    let constraints = certificate.basic_constraints();
    let is_ca = certificate.is_ca();
    let usage = certificate.key_usage();
    let may_sign = usage.is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    let critical = |oid| certificate.extension(oid).is_some_and(|extension| extension.critical);
    let has = |oid| certificate.extension(oid).is_some();
    let path_length = constraints.is_some_and(|constraints| constraints.path_length.is_some());
    let no_names = certificate.subject_alt_names().is_none_or(<[_]>::is_empty);
    let faults = [
        (path_length && !is_ca, "Path length invalid for non-CA cert"),
        (path_length && !may_sign, "Path length given without key usage keyCertSign"),
        (is_ca && !critical(oid::BASIC_CONSTRAINTS), "Basic Constraints of CA cert not marked critical"),
        (is_ca && usage.is_none(), "CA cert does not include key usage extension"),
        (!is_ca && may_sign, "Key usage keyCertSign invalid for non-CA cert"),
        (certificate.issuer().is_empty(), "Issuer name empty"),
        ((is_ca || no_names) && certificate.subject().is_empty(), "Subject name empty"),
        (
            !no_names && certificate.subject().is_empty() && !critical(oid::SUBJECT_ALT_NAME),
            "Subject empty and Subject Alt Name extension not critical",
        ),
        (!certificate.signature_algorithms_agree(), "cert info signature and signature algorithm mismatch"),
        (critical(oid::AUTHORITY_KEY_IDENTIFIER), "Authority Key Identifier marked critical"),
        (critical(oid::SUBJECT_KEY_IDENTIFIER), "Subject Key Identifier marked critical"),
    ];
    let version_3 = [
        (index < chain.last() && certificate.authority_key_id().is_none(), "Missing Authority Key Identifier"),
        (is_ca && !has(oid::SUBJECT_KEY_IDENTIFIER), "Missing Subject Key Identifier"),
    ];
    let mut all = faults.iter().chain(version_3.iter().filter(|_| certificate.version() == 3));
    all.find(|(wrong, _)| *wrong).map(|(_, text)| *text)
}

fn level(chain: &Chain<'_>, index: usize, level: u8) -> Option<Fault> {
    let certificate = chain.certificates[index];
    let floor = if level >= 2 { 2048 } else { 1024 };
    if rsa_bits(certificate).is_some_and(|bits| bits < floor) {
        return Some(if index == 0 { Fault::LeafKey } else { Fault::AuthorityKey });
    }
    // The signature of the anchor is not looked at. OpenSSL 3 gives SHA-1 63 bits, less than any level above 0.
    (index < chain.last() && hash(certificate) != Hash::Good).then_some(Fault::Hash)
}

/// Those of the anchor too; and a common name that looks like a host counts as one when there is no dNSName.
fn constraints(chain: &Chain<'_>) -> Option<Fault> {
    if let Some(finding) = chain.constrained_name(true) {
        return Some(Fault::Constraints { excluded: finding.expected.contains("excluded") });
    }
    chain.constrained_common_name().then_some(Fault::Constraints { excluded: false })
}

/// X509_check_host. A wildcard needs two labels after it. A name of letters, digits and hyphens only may stand for it.
/// `partial`: a wildcard may also begin or end the left-most label, but not beside a hyphen that ends it.
pub(super) fn host_matches(host: &str, pattern: &str, partial: bool) -> bool {
    let Some((own, base)) = pattern.split_once('.').filter(|(own, _)| own.contains('*')) else {
        return pattern.eq_ignore_ascii_case(host);
    };
    let label = host.split('.').next().unwrap_or_default();
    let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let at_edge = own == "*" || (partial && (own.starts_with('*') || own.ends_with('*')));
    let international = own.len() > 1 && (label.starts_with("xn--") || own.starts_with("xn--"));
    plain
        && at_edge
        && !international
        && !own.ends_with("-*")
        && !base.contains('*')
        && names::part_of_label(host, pattern, 2)
}
