//! Which certificate belongs to which key, and which to none. PKCS#12 keeps them in no order, and what ties a certificate
//! to its key is only a hint.

use std::collections::{HashMap, HashSet};

use super::pkcs12::{Contents, HeldCertificate, HeldKey};
use super::{Entry, Held, KeystoreError, Store};
use crate::x509::{Certificate, DistinguishedName, PrivateKey, order_chain};

/// Each key may ask for signatures to be checked.
const MOST_KEYS: usize = 500;
/// Authorities of one name: more generations than anybody keeps.
const MOST_NAMESAKES: usize = 4;
/// Longer than any chain that verifiers follow.
const LONGEST: usize = 16;

/// The certificates, none of which is left out because another cannot be read.
pub(super) fn held(contents: Contents) -> Vec<Held> {
    let read = |held: HeldCertificate| Held {
        alias: held.alias,
        with_key: held.local_key_id.is_some(),
        certificate: Certificate::from_der(&held.der).map(Box::new),
    };
    contents.certificates.into_iter().map(read).collect()
}

/// The entries: keys with their chains in their order, then the certificates that are trusted or left over.
pub(super) fn assemble(contents: Contents) -> Result<Store, KeystoreError> {
    if contents.keys.len() > MOST_KEYS {
        return Err(KeystoreError::Unsupported(format!("the key store has more than {MOST_KEYS} private keys")));
    }
    let pool = Pool::read(contents.certificates)?;
    let mut store = Store::default();
    let mut used = HashSet::new();
    for key in contents.keys {
        let leaf = pool.leaf_of(&key);
        let chain = leaf.map_or_else(Vec::new, |leaf| pool.chain_of(&leaf.certificate));
        used.extend(chain.iter().map(|certificate| certificate.der().to_vec()));
        let alias = key.alias.or_else(|| leaf.and_then(|leaf| leaf.alias.clone()));
        store.entries.push(Entry::Pair { alias, key: key.pkcs8, chain });
    }
    for known in pool.certificates {
        if known.trusted || !used.contains(known.certificate.der()) {
            store.entries.push(Entry::Trusted { alias: known.alias, certificate: known.certificate });
        }
    }
    Ok(store)
}

struct Known {
    alias: Option<String>,
    local_key_id: Option<Vec<u8>>,
    trusted: bool,
    certificate: Certificate,
}

struct Pool {
    certificates: Vec<Known>,
    by_subject: HashMap<DistinguishedName, Vec<usize>>,
}

impl Pool {
    fn read(held: Vec<HeldCertificate>) -> Result<Self, KeystoreError> {
        let mut pool = Self { certificates: Vec::new(), by_subject: HashMap::new() };
        for (at, held) in held.into_iter().enumerate() {
            let certificate = Certificate::from_der(&held.der)
                .map_err(|error| KeystoreError::Damaged(format!("certificate {} in it: {error}", at + 1)))?;
            pool.by_subject.entry(certificate.subject().clone()).or_default().push(at);
            let HeldCertificate { alias, local_key_id, trusted, .. } = held;
            pool.certificates.push(Known { alias, local_key_id, trusted, certificate });
        }
        Ok(pool)
    }

    /// The certificate with the key's public half. One that is only said to be the key's comes last: somebody has to be
    /// able to see that it is not.
    fn leaf_of(&self, key: &HeldKey) -> Option<&Known> {
        let public_key = PrivateKey::from_pkcs8_der(&key.pkcs8).ok().map(|key| key.public_key().clone());
        let named = |known: &&Known| key.local_key_id.is_some() && known.local_key_id == key.local_key_id;
        let fits = |known: &&Known| Some(known.certificate.public_key()) == public_key.as_ref();
        let all = || self.certificates.iter().filter(|known| !known.trusted);
        all().filter(named).find(fits).or_else(|| all().find(fits)).or_else(|| all().find(named))
    }

    /// The chain from a leaf upwards. Of many authorities of one name only the likeliest are asked for a signature.
    fn chain_of(&self, leaf: &Certificate) -> Vec<Certificate> {
        let mut pool: Vec<Certificate> = Vec::new();
        let mut subjects = vec![leaf.clone()];
        while let Some(subject) = subjects.pop().filter(|_| pool.len() < LONGEST * MOST_NAMESAKES) {
            for issuer in self.likely_issuers(&subject) {
                if !pool.contains(issuer) {
                    pool.push(issuer.clone());
                    subjects.push(issuer.clone());
                }
            }
        }
        order_chain(leaf, &pool, true)
    }

    fn likely_issuers(&self, subject: &Certificate) -> Vec<&Certificate> {
        let places = self.by_subject.get(subject.issuer()).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<&Certificate> = places.iter().map(|at| &self.certificates[*at].certificate).collect();
        let named = subject.authority_key_id();
        found.sort_by_key(|issuer| !(named.is_some() && issuer.subject_key_id() == named));
        found.truncate(MOST_NAMESAKES);
        found
    }
}
