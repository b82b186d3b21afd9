//! Is each certificate one that strict verifiers accept? Judged by [`crate::verify`]; told here for the file that has it.

use std::collections::{HashMap, HashSet};

use super::index::{Index, is_authority};
use super::{at_certificate, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::verify::{self, Check, Question, verify};
use crate::x509::Certificate;

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let places: HashMap<&[u8], &Exhibit> = index
        .exhibits
        .iter()
        .rev()
        .flat_map(|exhibit| exhibit.all_certificates().map(|certificate| (certificate.der(), *exhibit)))
        .collect();
    let mut told = HashSet::new();
    let certificates = index.exhibits.iter().flat_map(|exhibit| exhibit.all_certificates());
    // Leaves first: an authority is judged where somebody hangs on it, and for itself where nobody does.
    let (authorities, leaves): (Vec<_>, Vec<_>) = certificates.partition(|certificate| is_authority(certificate));
    let mut judged = HashSet::new();
    for certificate in leaves.into_iter().chain(authorities) {
        if judged.insert(certificate.der()) {
            judge(case, certificate, index, &places, &mut told, findings);
        }
    }
}

/// What `verify` finds in the chain of `leaf`, told once of each certificate.
fn judge<'a>(
    case: &Case,
    leaf: &'a Certificate,
    index: &Index<'a>,
    places: &HashMap<&'a [u8], &'a Exhibit>,
    told: &mut HashSet<(String, String)>,
    findings: &mut Vec<Finding>,
) {
    let (roots, between) = index.above(leaf);
    let mut question = Question::new(leaf, &roots, case.now);
    question.untrusted = &between;
    let report = verify(&question);
    for found in report.problems() {
        let Some(certificate) = found.certificate.and_then(|at| report.chain.get(at)) else { continue };
        let Some(exhibit) = places.get(certificate.der()) else { continue };
        let as_leaf = found.certificate == Some(0) && is_authority(certificate);
        if found.check == Check::Form && certificate.is_self_issued() && !is_asked_of_roots(found) {
            continue;
        }
        let is_told_of_names = found.check == Check::Form && found.expected.starts_with("names that are valid");
        if is_told_of_names && super::names::addresses_as_dns_names(certificate).next().is_some() {
            continue;
        }
        let Some(kind) = kind(found, certificate).filter(|_| !(as_leaf && found.check == Check::BasicConstraints))
        else {
            continue;
        };
        // What a version without extensions lacks follows from it.
        let expected = if kind.code == "version-1" { kind.code } else { found.expected.as_str() };
        if told.insert((certificate.sha256_hex(), expected.to_owned())) {
            findings.push(at_certificate(finding(kind, found, exhibit, certificate), exhibit, certificate));
        }
    }
}

/// Nobody refuses a root for a serial number of zero or for want of an authority key identifier: it is trusted as it lies there.
/// What OpenSSL's strict mode asks of it, and with it Python 3.13, is this.
fn is_asked_of_roots(found: &verify::Finding) -> bool {
    ["keyUsage", "basicConstraints", "subjectKeyIdentifier", "version 3"]
        .iter()
        .any(|word| found.expected.contains(word))
}

struct Kind {
    severity: Severity,
    code: &'static str,
    cause: CauseId,
    effect: &'static str,
    remedy: &'static str,
}

/// What a problem means here; nothing, where another check tells it better.
fn kind(found: &verify::Finding, certificate: &Certificate) -> Option<Kind> {
    Some(match found.check {
        Check::Algorithm if found.expected.contains("RSA") => Kind {
            severity: Severity::Error,
            code: "key-too-weak",
            cause: CauseId::KeyTooWeak,
            effect: "OpenSSL 3 refuses it: \"EE certificate key too weak\" or \"ca key too weak\" (Python)",
            remedy: "make a new key: ECDSA P-256, or RSA with 2048 bits or more",
        },
        Check::Algorithm => Kind {
            severity: Severity::Error,
            code: "hash-too-weak",
            cause: CauseId::HashTooWeak,
            effect: "Python says CA_MD_TOO_WEAK; Erlang 26 and later say \"Insufficient Security - no_suitable_signature_algorithm\"",
            remedy: "issue it again with SHA-256",
        },
        Check::Form if certificate.version() < 3 => Kind {
            severity: Severity::Error,
            code: "version-1",
            cause: CauseId::FormTooOld,
            effect: "rustls, Go, browsers and Python 3.13 refuse it: it can name no hosts and no usages",
            remedy: "issue it again as version 3; openssl req -x509 and openssl x509 -req need -extfile for that",
        },
        Check::Form => Kind {
            severity: Severity::Warning,
            code: "not-by-the-standard",
            cause: CauseId::FormTooOld,
            effect: "verifiers that are strict refuse it: Python 3.13 and later (VERIFY_X509_STRICT), openssl verify -x509_strict, \
                     rustls; RabbitMQ does not",
            remedy: "issue it again with these extensions; certgen writes them all",
        },
        Check::CriticalExtension => Kind {
            severity: Severity::Error,
            code: "unknown-critical-extension",
            cause: CauseId::FormTooOld,
            effect: "Erlang and OpenSSL refuse it; nodes and clients say \"Unsupported Certificate\"",
            remedy: "issue it again without that extension, or with it not critical",
        },
        Check::BasicConstraints if found.certificate == Some(0) => Kind {
            severity: Severity::Warning,
            code: "authority-as-leaf",
            cause: CauseId::FormTooOld,
            effect: "rustls refuses it (CaUsedAsEndEntity); for those who trust it, its key can sign certificates for any name",
            remedy: "issue it again without CA:TRUE; openssl req -x509 needs -addext basicConstraints=critical,CA:FALSE for that",
        },
        Check::BasicConstraints | Check::KeyUsage | Check::PathLength | Check::NameConstraints => Kind {
            severity: Severity::Warning,
            code: "chain-against-the-rules",
            cause: CauseId::FormTooOld,
            effect: "OpenSSL, Java and Go refuse the chain, while Erlang may accept it",
            remedy: "issue the certificate again with an authority that may sign it",
        },
        _ => return None,
    })
}

fn finding(kind: Kind, found: &verify::Finding, exhibit: &Exhibit, certificate: &Certificate) -> Finding {
    let problem = format!(
        "{}: {}: expected {}, found {}",
        subject(certificate),
        found.check.as_str(),
        found.expected,
        found.found
    );
    Finding::new(kind.severity, kind.code, &exhibit.path, crate::ui::sentence(&problem))
        .cause(kind.cause)
        .effect(kind.effect)
        .remedy(kind.remedy)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{healthy, said};
    use super::*;
    use crate::x509::oid;
    use crate::x509::sample::{Draft, HIERARCHY, algorithm};

    fn codes(files: &[(&str, String)]) -> Vec<&'static str> {
        let mut codes: Vec<_> = said(check, files).into_iter().map(|(_, code, _)| code).collect();
        codes.dedup();
        codes
    }

    #[test]
    fn what_certgen_writes_is_right() {
        assert_eq!(codes(&healthy()), Vec::<&str>::new());
        let all = HIERARCHY.client.pem() + &HIERARCHY.intermediate.pem() + &HIERARCHY.root.pem();
        assert_eq!(codes(&[("all.pem", all)]), Vec::<&str>::new());
    }

    #[test]
    fn old_and_weak_certificates_are_told() {
        let server = || Draft::of(&HIERARCHY.server);
        let old = Draft { version: Vec::new(), extensions: Vec::new(), ..server() };
        let sha1 = algorithm("1.2.840.10045.4.1");
        let weak = Draft { inner_algorithm: sha1.clone(), outer_algorithm: sha1, ..server() };
        let bare = server().without(oid::AUTHORITY_KEY_IDENTIFIER);
        for (draft, code) in [(old, "version-1"), (weak, "hash-too-weak"), (bare, "not-by-the-standard")] {
            assert_eq!(codes(&[("a.pem", draft.certificate().pem())]), [code]);
        }
    }

    /// `CA cert does not include key usage extension`, says Python 3.13.
    #[test]
    fn an_authority_without_key_usage_is_told_where_it_lies() {
        let bare = Draft::of(&HIERARCHY.root).without(oid::KEY_USAGE).certificate().pem();
        let mut files = healthy();
        files[1].1 = bare;
        let told = said(check, &files);
        assert_eq!(told, [(Severity::Warning, "not-by-the-standard", "tls/ca_certificate.pem".to_owned())]);
    }
}
