//! Who signed what. The signature decides and not the name: two authorities of one name are two.

use std::collections::HashMap;

use super::pool::Pool;
use crate::x509::{Certificate, DistinguishedName, X509Error};

/// Authorities of one name that are tried for one certificate: more generations than anybody keeps.
const MOST_NAMESAKES: usize = 16;

/// The issuer of a certificate, by its place in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) issuer: usize,
    /// The signature was checked; else its algorithm is one that is not checked any more, and name and identifier fit.
    pub(super) checked: bool,
}

/// One for each certificate of the pool; `None` for those whose issuer is not there. Whatever signed itself is its own.
pub(super) fn find(pool: &Pool) -> Vec<Option<Link>> {
    let mut by_subject: HashMap<&DistinguishedName, Vec<usize>> = HashMap::new();
    for (at, held) in pool.certificates.iter().enumerate() {
        by_subject.entry(held.value.subject()).or_default().push(at);
    }
    let link = |at: usize| {
        let certificate = pool.certificate(at);
        let namesakes = by_subject.get(certificate.issuer())?;
        link_of(pool, at, namesakes)
    };
    (0..pool.certificates.len()).map(link).collect()
}

fn link_of(pool: &Pool, at: usize, namesakes: &[usize]) -> Option<Link> {
    let certificate = pool.certificate(at);
    let mut candidates = namesakes.to_vec();
    // Its own key first, so that a root is a root; then the one that is named, then the one that lasts longest.
    candidates.sort_by_key(|other| {
        let issuer = pool.certificate(*other);
        std::cmp::Reverse((*other == at, is_named(certificate, issuer), issuer.is_ca(), issuer.validity().not_after))
    });
    candidates.truncate(MOST_NAMESAKES);
    let mut unchecked = Vec::new();
    for other in candidates {
        let issuer = pool.certificate(other);
        match check(certificate, issuer) {
            Ok(()) => return Some(Link { issuer: other, checked: true }),
            Err(X509Error::Unsupported(_)) => unchecked.push(other),
            Err(_) => {}
        }
    }
    // Old hashes and short keys: the identifiers decide, and where there are none a name that only one has.
    let named = unchecked.iter().copied().find(|other| is_named(certificate, pool.certificate(*other)));
    let only = || match (certificate.authority_key_id(), unchecked.as_slice()) {
        (None, [one]) => Some(*one),
        (None, several) => several.iter().copied().find(|other| *other == at),
        _ => None,
    };
    named.or_else(only).map(|issuer| Link { issuer, checked: false })
}

fn is_named(certificate: &Certificate, issuer: &Certificate) -> bool {
    certificate.authority_key_id().is_some() && certificate.authority_key_id() == issuer.subject_key_id()
}

fn check(certificate: &Certificate, issuer: &Certificate) -> Result<(), X509Error> {
    if !certificate.signature_algorithms_agree() {
        return Err(X509Error::Malformed("the two signature algorithms differ".to_owned()));
    }
    issuer.public_key().verify(certificate.signature_algorithm(), certificate.tbs(), certificate.signature())
}
