//! PKCS#12 containers and Java key stores, as far as a password opens them.

use super::{EntryFacts, KeyStoreFacts, PrivateKeyFacts, PublicKeyFacts, Thing};
use crate::error::{Error, Result};
use crate::keystore::{self, Entry, Held, KeystoreError, Kind, Store};
use crate::x509::{Certificate, PrivateKey, X509Error};

const PKCS12: &str = "PKCS#12";

/// A container, and what is in it.
#[derive(Clone, Debug)]
pub struct KeyStore {
    /// What is known of it.
    pub facts: KeyStoreFacts,
    /// Its certificates and what is known of its keys; each key before its chain, keys first.
    pub contents: Vec<Thing>,
}

impl KeyStore {
    /// What `bytes` hold when they are a key store. Without a password, and with one that does not fit, what everybody
    /// tries is tried.
    ///
    /// # Errors
    /// It is damaged, or the password that was given does not open it.
    pub(super) fn read(bytes: &[u8], password: Option<&[u8]>) -> Result<Option<Self>> {
        if Kind::recognise(bytes).is_none() {
            return Ok(None);
        }
        let given = password.and_then(|password| std::str::from_utf8(password).ok());
        let store = Self::open(bytes, given.as_slice())?;
        if password.is_some() && store.facts.locked {
            let refusal = given.and_then(|given| keystore::read(bytes, given).err());
            return Err(refusal.unwrap_or(KeystoreError::WrongPassword).into());
        }
        Ok(Some(store))
    }

    /// What the first password opens that fits: one of those given, or one that everybody tries. A container that none
    /// opens is locked, which is no error.
    ///
    /// # Errors
    /// It is no key store, or damaged.
    pub fn open(bytes: &[u8], passwords: &[&str]) -> Result<Self, KeystoreError> {
        let format = format_of(bytes);
        let error = match keystore::open(bytes, passwords) {
            Ok((store, known_password)) => return Ok(Self::opened(format, store, known_password)),
            Err(KeystoreError::WrongPassword) if format == PKCS12 => return Ok(Self::seen(format, Vec::new(), true)),
            Err(error) => error,
        };
        // What can be seen without opening it, or in spite of a part that cannot be read.
        match (keystore::certificates(bytes, passwords), error) {
            (Ok(held), KeystoreError::WrongPassword | KeystoreError::WrongKeyPassword(_)) => {
                Ok(Self::seen(format, held, true))
            }
            (Ok(held), error @ (KeystoreError::Damaged(_) | KeystoreError::Unsupported(_))) => {
                let is_told = held.iter().any(|held| held.certificate.is_err());
                let mut store = Self::seen(format, held, false);
                if !is_told {
                    let (label, reason) = ("rest of the key store".to_owned(), error.to_string());
                    store.contents.push(Thing::Unreadable { label, reason });
                }
                Ok(store)
            }
            (_, error) => Err(error),
        }
    }

    fn opened(format: &'static str, store: Store, known_password: Option<&'static str>) -> Self {
        let (mut entries, mut contents) = (Vec::new(), Vec::new());
        let (pairs, trusted): (Vec<Entry>, Vec<Entry>) =
            store.entries.into_iter().partition(|entry| matches!(entry, Entry::Pair { .. }));
        for entry in pairs.into_iter().chain(trusted) {
            let alias = entry.alias().map(str::to_owned);
            let (key, chain) = match entry {
                Entry::Pair { key, chain, .. } => (Some(key), chain),
                Entry::Trusted { certificate, .. } => (None, vec![certificate]),
            };
            entries.push(EntryFacts { alias, private_key: key.is_some(), certificates: chain.len() });
            contents.extend(key.map(|pkcs8| {
                let public_key =
                    PrivateKey::from_pkcs8_der(&pkcs8).ok().map(|key| PublicKeyFacts::of(key.public_key()));
                Thing::PrivateKey(PrivateKeyFacts { container: format.to_owned(), encrypted: true, public_key })
            }));
            contents.extend(chain.into_iter().map(|certificate| Thing::Certificate(Box::new(certificate))));
        }
        Self { facts: KeyStoreFacts { format, locked: false, known_password, entries }, contents }
    }

    /// The certificates alone.
    fn seen(format: &'static str, held: Vec<Held>, locked: bool) -> Self {
        let (mut entries, mut contents): (Vec<EntryFacts>, Vec<Thing>) = (Vec::new(), Vec::new());
        for Held { alias, with_key, certificate } in held {
            match entries.last_mut().filter(|last| with_key && last.private_key && last.alias == alias) {
                Some(last) => last.certificates += 1,
                None => {
                    entries.push(EntryFacts { alias, private_key: with_key, certificates: 1 });
                    contents.extend(with_key.then(|| {
                        let container = format.to_owned();
                        Thing::PrivateKey(PrivateKeyFacts { container, encrypted: true, public_key: None })
                    }));
                }
            }
            contents.push(match certificate {
                Ok(certificate) => Thing::Certificate(certificate),
                Err(reason) => Thing::Unreadable { label: "CERTIFICATE".to_owned(), reason: reason.to_string() },
            });
        }
        Self { facts: KeyStoreFacts { format, locked, known_password: None, entries }, contents }
    }
}

fn format_of(bytes: &[u8]) -> &'static str {
    match bytes.first() {
        Some(0xfe) => "JKS",
        Some(0xce) => "JCEKS",
        _ => PKCS12,
    }
}

/// All certificates of a file in PEM, the one of a file in DER, or those of a key store: a key's chain first.
///
/// # Errors
/// There is none, one cannot be read, or no password opens the key store.
pub fn certificates(bytes: &[u8], passwords: &[&str]) -> Result<Vec<Certificate>> {
    if Kind::recognise(bytes).is_none() {
        return Certificate::all_from_bytes(bytes).map_err(Error::from);
    }
    let store = KeyStore::open(bytes, passwords)?;
    if store.facts.locked && store.contents.is_empty() {
        let error = Error::from(KeystoreError::WrongPassword);
        return Err(error.hint("give its password with --password-file FILE"));
    }
    let certificate = |thing| match thing {
        Thing::Certificate(certificate) => Some(Ok(*certificate)),
        Thing::Unreadable { reason, .. } => Some(Err(X509Error::Malformed(reason).into())),
        _ => None,
    };
    store.contents.into_iter().filter_map(certificate).collect()
}
