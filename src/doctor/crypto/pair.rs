//! Does this key belong to this certificate?

use std::collections::BTreeMap;
use std::path::Path;

use super::index::Index;
use super::{argument, at, shown};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::inspect::Thing;

/// Words in a file name that say what the file is and not whose.
const KINDS: [&str; 16] = [
    "certificate",
    "fullchain",
    "certificates",
    "combined",
    "private",
    "bundle",
    "chain",
    "priv",
    "keys",
    "cert",
    "key",
    "crt",
    "cer",
    "pem",
    "tls",
    "privkey",
];

/// So many certificates are tried for one key.
const MOST_NAMESAKES: usize = 16;

/// What is wrong with a certificate and a key that are used together; nothing, if they belong together or the key cannot be
/// looked into. A file may be both.
pub(in crate::doctor) fn pair(certificate: &Exhibit, key: &Exhibit) -> Option<Finding> {
    let is_shown = certificate.leaf().or_else(|| certificate.certificates().next())?;
    let has = key.keys().next()?.public_key.as_ref()?;
    if has.sha256 == is_shown.public_key().sha256_hex() {
        return None;
    }
    let problem = match certificate.path == key.path {
        true => "the key in this file does not belong to the certificate in it".to_owned(),
        false => format!("the key does not belong to the certificate in {}", shown(certificate)),
    };
    let both = if certificate.path == key.path { String::new() } else { argument(&certificate.path) + " " };
    let finding = Finding::new(Severity::Error, "key-of-another-certificate", &key.path, problem)
        .cause(CauseId::KeyMismatch)
        .effect(
            "every handshake fails: a Python client says BAD_SIGNATURE, RabbitMQ logs \"Fatal - Decrypt Error\" with TLS 1.2 and \
             \"Bad Record MAC\" with TLS 1.3",
        )
        .remedy(format!("certgen inspect {both}{}", argument(&key.path)))
        .remedy("put the key and the certificate of one issue side by side; a renewal replaces both");
    Some(at(finding, key, |thing| matches!(thing, Thing::PrivateKey(_))))
}

/// A key and the certificates beside it.
pub(super) fn check(_: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut directories: BTreeMap<&Path, Vec<&Exhibit>> = BTreeMap::new();
    for exhibit in &index.exhibits {
        directories.entry(exhibit.path.parent().unwrap_or(Path::new(""))).or_default().push(exhibit);
    }
    for files in directories.values() {
        let keys: Vec<&Exhibit> = files.iter().copied().filter(|e| e.keys().next().is_some()).collect();
        if keys.is_empty() {
            continue;
        }
        let mut certificates = Certificates::default();
        for file in files.iter().filter(|e| e.certificates().next().is_some()) {
            certificates.all.push(file);
            if file.keys().next().is_none() {
                certificates.by_stem.entry(stem(file)).or_default().push(file);
            }
        }
        for key in &keys {
            beside(key, keys.len(), &certificates, findings);
        }
    }
}

/// The files with certificates in one directory.
#[derive(Default)]
struct Certificates<'a> {
    all: Vec<&'a Exhibit>,
    /// Those without a key of their own.
    by_stem: BTreeMap<String, Vec<&'a Exhibit>>,
}

/// The certificate that a key is for: in its own file, else that of the same name, else the only one there is.
fn beside(key: &Exhibit, keys: usize, certificates: &Certificates<'_>, findings: &mut Vec<Finding>) {
    if key.certificates().next().is_some() {
        return findings.extend(pair(key, key));
    }
    if let Some(namesakes) = certificates.by_stem.get(&stem(key)) {
        let mut wrong: Vec<_> =
            namesakes.iter().take(MOST_NAMESAKES).map(|certificate| pair(certificate, key)).collect();
        let all_wrong = wrong.iter().all(Option::is_some);
        return findings.extend(wrong.swap_remove(0).filter(|_| all_wrong));
    }
    if keys > 1 || certificates.all.len() > MOST_NAMESAKES {
        return;
    }
    let leaves: Vec<_> = certificates.all.iter().filter(|e| e.leaf().is_some()).collect();
    if let [certificate] = leaves.as_slice() {
        let belongs = certificates.all.iter().any(|other| pair(other, key).is_none());
        findings.extend(pair(certificate, key).filter(|_| !belongs));
    }
}

/// `server` for `server_certificate.pem`, `server.key` and `server-fullchain.pem`; empty for `tls.crt` and `privkey.pem`.
fn stem(exhibit: &Exhibit) -> String {
    let name = exhibit.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !KINDS.contains(word));
    words.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, said};
    use super::*;
    use crate::x509::test_support::{key, leaf, self_signed};
    use crate::x509::{KeyType, PrivateKey};

    fn pair_of(number: usize) -> (&'static PrivateKey, String) {
        let key = key(KeyType::EcdsaP256, number);
        (key, self_signed(&leaf("rabbit.example.com", key), key).pem())
    }

    fn one(file: &str) -> Vec<(Severity, &'static str, String)> {
        vec![(Severity::Error, "key-of-another-certificate", file.to_owned())]
    }

    #[test]
    fn a_key_beside_its_certificate_is_right() {
        let ((key, certificate), (other, stranger)) = (pair_of(0), pair_of(1));
        let key = key.to_pem().to_string();
        for files in [
            vec![("server_certificate.pem", certificate.clone()), ("server_key.pem", key.clone())],
            vec![("tls.crt", certificate.clone()), ("tls.key", key.clone())],
            vec![("combined_keys.pem", certificate.clone() + &key)],
            vec![("combined_keys.pem", key.clone() + &certificate)],
            vec![
                ("a.pem", certificate.clone()),
                ("b.pem", stranger),
                ("a.key", key),
                ("b.key", other.to_pem().to_string()),
            ],
        ] {
            assert_eq!(said(check, &files), [], "{files:?}");
        }
    }

    #[test]
    fn a_key_of_another_certificate_is_told() {
        let ((_, certificate), (other, _)) = (pair_of(0), pair_of(1));
        let other = other.to_pem().to_string();
        for (files, named) in [
            (
                vec![("d/server_certificate.pem", certificate.clone()), ("d/server_key.pem", other.clone())],
                "d/server_key.pem",
            ),
            (vec![("cert.pem", certificate.clone()), ("private.pem", other.clone())], "private.pem"),
            (vec![("rabbit.pem", certificate.clone()), ("secret.pem", other.clone())], "secret.pem"),
            (vec![("combined_keys.pem", certificate.clone() + &other)], "combined_keys.pem"),
        ] {
            assert_eq!(said(check, &files), one(named), "{files:?}");
        }
    }

    #[test]
    fn files_that_a_setting_names_are_asked_about_by_name() {
        let ((own, certificate), (other, _)) = (pair_of(0), pair_of(1));
        let case = case(&[("a", certificate), ("b", own.to_pem().to_string()), ("c", other.to_pem().to_string())]);
        let [a, b, c] = case.exhibits.as_slice() else { panic!() };
        assert_eq!(pair(a, b), None);
        let wrong = pair(a, c).unwrap();
        assert_eq!((wrong.line, wrong.cause), (Some(1), Some(CauseId::KeyMismatch)));
        assert_eq!(pair(b, a), None, "no certificate and no key: nothing to compare");
    }
}
