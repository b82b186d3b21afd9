//! Is the certificate formed as RFC 5280 demands? Libraries differ in what they overlook; a certificate that is right
//! here is read alike by all of them.

use std::collections::HashSet;

use super::finding::{Check, Findings, Place};
use super::general_name::{self, RawName};
use super::name_constraints::Constraints;
use crate::{
    ui,
    x509::{Certificate, KeyUsage, PublicKeyAlgorithm, TimeEncoding, oid},
};

/// Extensions that this room processes. Policies are not required by anyone here, so their mere presence is harmless;
/// policy constraints would have to be processed and are not.
const UNDERSTOOD: [&str; 7] = [
    oid::KEY_USAGE,
    oid::BASIC_CONSTRAINTS,
    oid::SUBJECT_ALT_NAME,
    oid::NAME_CONSTRAINTS,
    oid::EXTENDED_KEY_USAGE,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::CERTIFICATE_POLICIES,
];

/// Extensions that must not be critical, with the section that says so; a critical one is told as a fault of form.
const NEVER_CRITICAL: [(&str, &str, &str); 3] = [
    (oid::AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier", "4.2.1.1"),
    (oid::SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier", "4.2.1.2"),
    (oid::AUTHORITY_INFO_ACCESS, "authorityInfoAccess", "4.2.2.1"),
];

/// Whether the certificate acts as an authority in the path, and whether it is its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Leaf,
    Intermediate,
    Anchor,
}

/// Everything about the form of one certificate.
pub(super) fn check(at: Place<'_>, part: Part, findings: &mut Findings) {
    basics(at, findings);
    serial_number(at, findings);
    validity(at, findings);
    algorithms(at, findings);
    extensions(at, findings);
    names(at, findings);
    key_identifiers(at, part, findings);
    authority(at, part, findings);
    name_constraints(at, findings);
}

fn basics(at: Place<'_>, findings: &mut Findings) {
    let certificate = at.certificate;
    if certificate.version() != 3 {
        let found = format!("version {}, which has no extensions and so no names or usages", certificate.version());
        findings.problem(at, Check::Form, "X.509 version 3", found);
    }
    if certificate.issuer().is_empty() {
        findings.problem(at, Check::Form, "an issuer with a name (RFC 5280 section 4.1.2.4)", "an empty issuer");
    }
    if !certificate.signature_algorithms_agree() {
        let (outer, inner) = (certificate.signature_algorithm(), certificate.inner_signature_algorithm());
        let found = match inner == outer {
            true => "other parameters inside than outside".to_owned(),
            false => format!("{} inside and {} outside", ui::plain(inner), ui::plain(outer)),
        };
        findings.problem(at, Check::Form, "one signature algorithm, inside and outside the signed part", found);
    }
}

/// Section 4.1.2.2: positive, at most 20 octets.
fn serial_number(at: Place<'_>, findings: &mut Findings) {
    let found = match at.certificate.serial().as_bytes() {
        [] => "an empty one".to_owned(),
        [first, ..] if first & 0x80 != 0 => "a negative one".to_owned(),
        octets if octets.iter().all(|octet| *octet == 0) => "zero".to_owned(),
        octets if octets.len() > 20 => format!("{} octets", octets.len()),
        _ => return,
    };
    findings.problem(at, Check::Form, "a positive serial number of at most 20 octets", found);
}

/// Section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
fn validity(at: Place<'_>, findings: &mut Findings) {
    let validity = at.certificate.validity();
    if at.certificate.has_fractional_seconds() {
        findings.problem(at, Check::Form, "dates in whole seconds", "a fraction of a second");
    }
    if validity.not_after < validity.not_before {
        findings.problem(at, Check::Form, "a not_after later than not_before", "one that is earlier");
    }
    let dates = [
        ("not_before", validity.not_before, at.certificate.not_before_encoding()),
        ("not_after", validity.not_after, at.certificate.not_after_encoding()),
    ];
    for (name, date, encoding) in dates {
        if date.year() < 2050 && encoding == TimeEncoding::Generalized {
            findings.problem(at, Check::Form, format!("a UTCTime in {name} before 2050"), "a GeneralizedTime");
        }
    }
}

/// The broken hash under the signature of a certificate.
pub fn weak_hash(certificate: &Certificate) -> Option<&'static str> {
    match certificate.signature_algorithm() {
        "1.2.840.113549.1.1.2" => Some("MD2"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => Some("SHA-1"),
        _ => None,
    }
}

/// What every verifier of this decade refuses: short RSA keys, broken hashes.
fn algorithms(at: Place<'_>, findings: &mut Findings) {
    let key = at.certificate.public_key();
    if matches!(key.algorithm(), PublicKeyAlgorithm::Rsa | PublicKeyAlgorithm::RsaPss) && key.bits() < 2048 {
        findings.problem(at, Check::Algorithm, "an RSA key of at least 2048 bits", format!("{} bits", key.bits()));
    }
    let Some(weak) = weak_hash(at.certificate) else { return };
    let self_signed = at.certificate.is_self_issued();
    let (expected, found) = ("a signature with SHA-256 or better", weak);
    if self_signed {
        // Nobody checks the signature of a root; the certificate is trusted as it lies there.
        findings.note(at, Check::Algorithm, expected, found);
    } else {
        findings.problem(at, Check::Algorithm, expected, found);
    }
}

/// Section 4.2: no extension twice, no unknown critical one.
fn extensions(at: Place<'_>, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for extension in at.certificate.extensions() {
        let dotted = &*extension.oid;
        if !seen.insert(dotted) {
            findings.problem(at, Check::Form, "each extension once", format!("extension {} again", ui::plain(dotted)));
        }
        let never = NEVER_CRITICAL.iter().find(|(never, ..)| *never == dotted);
        match (never, extension.critical) {
            (Some((_, name, section)), true) => {
                let expected = format!("a {name} that is not critical (RFC 5280 section {section})");
                findings.problem(at, Check::Form, expected, "a critical one");
            }
            (None, true) if !UNDERSTOOD.contains(&dotted) => {
                let found = format!("{}, which is unknown here", ui::plain(dotted));
                findings.problem(at, Check::CriticalExtension, "critical extensions that can be processed", found);
            }
            (None, false) if dotted == oid::POLICY_CONSTRAINTS => {
                let expected = "critical policyConstraints (RFC 5280 section 4.2.1.11)";
                findings.problem(at, Check::Form, expected, "an extension that is not critical");
            }
            _ => {}
        }
    }
}

/// Section 4.2.1.6: names of the right form, and a critical extension when the subject is empty.
fn names(at: Place<'_>, findings: &mut Findings) {
    let Some(extension) = at.certificate.extension(oid::SUBJECT_ALT_NAME) else {
        return;
    };
    if at.certificate.subject().is_empty() && !extension.critical {
        let expected = "a critical subjectAltName, because the subject is empty (RFC 5280 section 4.2.1.6)";
        findings.problem(at, Check::Form, expected, "one that is not critical");
    }
    let names = match general_name::read_all(&extension.value) {
        Some(names) if !names.is_empty() => names,
        Some(_) => return findings.problem(at, Check::Form, "at least one name in subjectAltName", "none"),
        None => return findings.problem(at, Check::Form, "a subjectAltName that can be read", "broken DER"),
    };
    let bad: Vec<&RawName<'_>> = names.iter().filter(|name| !is_well_formed(name)).collect();
    if let Some(first) = bad.first() {
        let more = if bad.len() > 1 { format!(" and {} more", bad.len() - 1) } else { String::new() };
        let expected = "names that are valid for their form (RFC 5280 section 4.2.1.6)";
        findings.problem(at, Check::Form, expected, format!("{first}{more}"));
    }
}

fn is_well_formed(name: &RawName<'_>) -> bool {
    match name {
        RawName::Dns(text) => general_name::is_dns_name(text),
        RawName::Ip(octets) => general_name::ip(octets).is_some(),
        RawName::Email(text) => general_name::mailbox(text).is_some(),
        RawName::Uri(text) => {
            text.bytes().all(|b| b.is_ascii_graphic())
                && text.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty())
        }
        RawName::Directory(_) | RawName::Other(_) => true,
    }
}

/// Sections 4.2.1.1 and 4.2.1.2.
fn key_identifiers(at: Place<'_>, part: Part, findings: &mut Findings) {
    let certificate = at.certificate;
    let self_signed = certificate.is_self_issued() && certificate.is_signed_by(certificate);
    if certificate.authority_key_id().is_none() && !self_signed {
        let expected = "an authorityKeyIdentifier with a key identifier (RFC 5280 section 4.2.1.1)";
        findings.problem(at, Check::Form, expected, "none");
    }
    if part != Part::Leaf && certificate.subject_key_id().is_none() {
        let expected = "a subjectKeyIdentifier in an authority (RFC 5280 section 4.2.1.2)";
        findings.problem(at, Check::Form, expected, "none");
    }
}

/// Sections 4.1.2.6, 4.2.1.3 and 4.2.1.9: what an authority is, and what only an authority may be.
fn authority(at: Place<'_>, part: Part, findings: &mut Findings) {
    let certificate = at.certificate;
    let may_sign = certificate.key_usage().is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    let constraints = certificate.basic_constraints();
    let is_ca = constraints.is_some_and(|c| c.ca);
    if is_ca && certificate.subject().is_empty() {
        findings.problem(at, Check::Form, "an authority with a name (RFC 5280 section 4.1.2.6)", "an empty subject");
    }
    if may_sign && !is_ca {
        findings.problem(at, Check::Form, "no keyCertSign without CA:TRUE (RFC 5280 section 4.2.1.9)", "keyCertSign");
    }
    if constraints.is_some_and(|c| c.path_length.is_some()) && !(is_ca && may_sign) {
        let expected = "no path length without CA:TRUE and keyCertSign (RFC 5280 section 4.2.1.9)";
        findings.problem(at, Check::Form, expected, "a path length");
    }
    let critical = certificate.extension(oid::BASIC_CONSTRAINTS).is_none_or(|extension| extension.critical);
    if part != Part::Leaf && !critical {
        let expected = "critical basicConstraints in an authority (RFC 5280 section 4.2.1.9)";
        findings.problem(at, Check::Form, expected, "an extension that is not critical");
    }
    if part != Part::Leaf && certificate.key_usage().is_none() {
        let expected = "a keyUsage in an authority (RFC 5280 section 4.2.1.3)";
        findings.problem(at, Check::Form, expected, "none");
    }
}

/// Section 4.2.1.10: only in an authority, critical, and each base of the right form.
fn name_constraints(at: Place<'_>, findings: &mut Findings) {
    let Some(extension) = at.certificate.extension(oid::NAME_CONSTRAINTS) else {
        return;
    };
    if !is_authority(at.certificate) {
        findings.problem(
            at,
            Check::Form,
            "nameConstraints only in an authority (RFC 5280 section 4.2.1.10)",
            "one here",
        );
    }
    if !extension.critical {
        let expected = "critical nameConstraints (RFC 5280 section 4.2.1.10)";
        findings.problem(at, Check::Form, expected, "an extension that is not critical");
    }
    match Constraints::read(&extension.value) {
        None => {
            let expected = "nameConstraints that can be read (RFC 5280 section 4.2.1.10)";
            findings.problem(at, Check::NameConstraints, expected, "broken or empty ones");
        }
        Some(constraints) => {
            if let Some(fault) = constraints.malformed() {
                findings.problem(at, Check::NameConstraints, "constraints that are valid for their form", fault);
            }
        }
    }
}

fn is_authority(certificate: &Certificate) -> bool {
    certificate.basic_constraints().is_some_and(|constraints| constraints.ca)
}
