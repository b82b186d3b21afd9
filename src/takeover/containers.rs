//! PKCS#12 files and Java key stores: the pairs and anchors in them, opened with the passwords that were given.

use std::path::Path;

use super::read::{PASSWORD_HINT, Reading, locked};
use crate::inspect::value;
use crate::keystore::{self, Entry, KeystoreError};
use crate::x509::PrivateKey;

/// Reads a container into the pool.
pub(super) fn open(reading: &mut Reading<'_>, path: &Path, bytes: &[u8]) {
    let given = reading.passwords.iter().filter_map(|password| std::str::from_utf8(password).ok());
    // The empty one last: whoever gave a password means it.
    let passwords: Vec<&str> = given.chain([""]).collect();
    let work = iterations(bytes, 0);
    let mut last = KeystoreError::WrongPassword;
    for password in &passwords {
        if !reading.may_work(work) {
            return reading.pool.leave(path, "it was not opened: with all the others it would take too long");
        }
        match keystore::read(bytes, password) {
            Ok(store) => {
                reading.pool.opened |= !password.is_empty();
                return store.entries.into_iter().for_each(|entry| take(reading, path, entry));
            }
            Err(error @ (KeystoreError::WrongPassword | KeystoreError::WrongKeyPassword(_))) => {
                // The store itself was opened.
                reading.pool.opened |= error != KeystoreError::WrongPassword && !password.is_empty();
                last = error;
            }
            Err(other) => return refuse(reading, path, bytes, other),
        }
    }
    // Java's own kind keeps its certificates in the clear.
    if keystore::Kind::recognise(bytes) == Some(keystore::Kind::Jks) {
        certificates(reading, path, bytes);
    }
    if let KeystoreError::WrongKeyPassword(_) = last {
        return reading.pool.leave_closed(path, last.to_string(), Some(PASSWORD_HINT.to_owned()));
    }
    let given = reading.passwords.len();
    reading.pool.leave_closed(path, locked("this key store", given), Some(PASSWORD_HINT.to_owned()));
}

/// A container of which some part is not supported: its certificates may still be had.
fn refuse(reading: &mut Reading<'_>, path: &Path, bytes: &[u8], error: KeystoreError) {
    if let KeystoreError::Unsupported(_) = error {
        certificates(reading, path, bytes);
        return reading.pool.leave_closed(path, error.to_string(), None);
    }
    reading.pool.leave(path, error.to_string());
}

fn certificates(reading: &mut Reading<'_>, path: &Path, bytes: &[u8]) {
    let passwords: Vec<&str> = reading.passwords.iter().filter_map(|p| std::str::from_utf8(p).ok()).collect();
    for held in keystore::certificates(bytes, &passwords).unwrap_or_default() {
        reading.certificate(path, held.certificate.map(|certificate| *certificate));
    }
}

fn take(reading: &mut Reading<'_>, path: &Path, entry: Entry) {
    match entry {
        Entry::Pair { key, chain, .. } => {
            match PrivateKey::from_pkcs8_der(&key) {
                Ok(key) => {
                    reading.plain_key(path, key);
                }
                Err(error) => reading.pool.leave(path, format!("a private key in it cannot be read: {error}")),
            }
            chain.into_iter().for_each(|certificate| reading.certificate(path, Ok(certificate)));
        }
        Entry::Trusted { certificate, .. } => reading.certificate(path, Ok(certificate)),
    }
}

/// About the work that one try is: the sum of all INTEGERs of up to four octets anywhere inside, among them every
/// iteration count. Salts, keys and what is encrypted are octet strings that hold no DER.
fn iterations(bytes: &[u8], depth: usize) -> u64 {
    let (mut rest, mut sum) = (bytes, 0u64);
    while let Some((tag, content, after)) = value(rest).filter(|_| depth < 16) {
        sum = sum.saturating_add(match tag {
            0x02 if content.len() <= 4 => content.iter().fold(0, |sum, octet| (sum << 8) | u64::from(*octet)),
            0x30 | 0x31 | 0xa0 => iterations(content, depth + 1),
            0x04 if content.first() == Some(&0x30) => iterations(content, depth + 1),
            _ => 0,
        });
        rest = after;
    }
    sum
}
