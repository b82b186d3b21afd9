//! Every certificate of a case, to be found by its name and by its key.

use std::collections::{HashMap, HashSet};

pub(super) use crate::doctor::case::is_authority;
use crate::doctor::{Case, Exhibit, Place};
use crate::x509::{Certificate, DistinguishedName, PublicKey, X509Error};

/// So many authorities of one name are looked at.
const MOST_NAMESAKES: usize = 8;
/// A file with more authorities is the public trust store, whose old roots are nobody's fault here.
const MOST_ANCHORS: usize = 60;
/// So many authorities above one certificate.
const MOST_ABOVE: usize = 32;

/// What the checks look things up in.
pub(super) struct Index<'a> {
    /// The files with certificates, keys or lists that are in use.
    pub(super) exhibits: Vec<&'a Exhibit>,
    /// Each different certificate of an authority, with the first file that has it.
    pub(super) authorities: Vec<(&'a Exhibit, &'a Certificate)>,
    by_subject: HashMap<&'a [u8], Vec<usize>>,
    by_key: HashMap<String, Vec<(&'a Exhibit, &'a Certificate)>>,
}

impl<'a> Index<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        let is_looked_at = |e: &&Exhibit| {
            !e.things().is_empty() && !matches!(case.place(&e.path), Place::History | Place::Bookkeeping)
        };
        let is_ours = |e: &&Exhibit| {
            case.place(&e.path) != Place::Elsewhere
                || e.all_certificates().filter(|c| c.is_ca()).count() <= MOST_ANCHORS
        };
        let exhibits: Vec<&Exhibit> = case.exhibits.iter().filter(is_looked_at).filter(is_ours).collect();
        let mut index = Self { exhibits, authorities: Vec::new(), by_subject: HashMap::new(), by_key: HashMap::new() };
        let mut seen = HashSet::new();
        for exhibit in index.exhibits.clone() {
            for certificate in exhibit.all_certificates() {
                index.by_key.entry(certificate.public_key().sha256_hex()).or_default().push((exhibit, certificate));
                if is_authority(certificate) && seen.insert(certificate.der()) {
                    index.by_subject.entry(certificate.subject().der()).or_default().push(index.authorities.len());
                    index.authorities.push((exhibit, certificate));
                }
            }
        }
        index
    }

    /// The authorities of that name; of very many, some.
    pub(super) fn named(&self, name: &DistinguishedName) -> impl Iterator<Item = (&'a Exhibit, &'a Certificate)> {
        let places = self.by_subject.get(name.der()).into_iter().flatten();
        places.take(MOST_NAMESAKES).map(|at| self.authorities[*at])
    }

    /// Who may have signed `certificate`, and whoever signed those: roots, and what stands between. As many as a real
    /// hierarchy has.
    pub(super) fn above(&self, certificate: &Certificate) -> (Vec<Certificate>, Vec<Certificate>) {
        let mut found: Vec<&Certificate> = Vec::new();
        let mut names = vec![certificate.issuer()];
        let mut at = 0;
        while let Some(name) = names.get(at).filter(|_| found.len() < MOST_ABOVE) {
            let named: Vec<_> = self.named(name).map(|(_, ca)| ca).collect();
            for ca in named {
                if !names.contains(&ca.issuer()) {
                    names.push(ca.issuer());
                }
                found.push(ca);
            }
            at += 1;
        }
        found.into_iter().cloned().partition(Certificate::is_self_issued)
    }

    /// The certificates of the key with that hash, with the files that have them.
    pub(super) fn of_key(&self, sha256: &str) -> &[(&'a Exhibit, &'a Certificate)] {
        self.by_key.get(sha256).map_or(&[], Vec::as_slice)
    }
}

/// Whether a signature of this algorithm can be checked with the key. Those of SHA-1 and of short keys are not: whose they are
/// cannot be known, and that they are weak is told elsewhere.
pub(super) fn can_check(key: &PublicKey, signature_algorithm: &str) -> bool {
    !matches!(key.verify(signature_algorithm, b"", b""), Err(X509Error::Unsupported(_)))
}

/// The issuer of `certificate` is among `authorities`, as far as its name says, and its signature cannot be checked.
pub(super) fn is_unknowable<'a>(
    certificate: &Certificate,
    mut authorities: impl Iterator<Item = &'a Certificate>,
) -> bool {
    authorities.any(|authority| {
        authority.subject() == certificate.issuer()
            && !can_check(authority.public_key(), certificate.signature_algorithm())
    })
}
