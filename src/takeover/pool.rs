//! What was read, each thing once: a certificate by its bytes, a key by its public half, with every file it is in.

use std::collections::HashMap;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use super::Left;
use super::database::Database;
use crate::x509::{Certificate, Crl, PrivateKey, PublicKey};

/// Everything that was read, before anybody says what it is for.
#[derive(Default)]
pub(super) struct Pool {
    pub(super) certificates: Shelf<Vec<u8>, Certificate>,
    pub(super) keys: Shelf<PublicKey, PrivateKey>,
    pub(super) lists: Shelf<Vec<u8>, Crl>,
    pub(super) databases: Vec<Database>,
    /// The number that the next list of an `openssl ca` directory gets, with the file that says it.
    pub(super) counters: Vec<(PathBuf, u128)>,
    pub(super) left: Vec<Left>,
    /// Those of them that are encrypted and were not opened.
    pub(super) closed: Vec<Left>,
    /// One of the passwords that were given opened something.
    pub(super) opened: bool,
}

/// Things of one kind in the order in which they were found.
pub(super) struct Shelf<K, T> {
    things: Vec<Held<T>>,
    places: HashMap<K, usize>,
}

/// One thing.
pub(super) struct Held<T> {
    pub(super) value: T,
    pub(super) paths: Vec<PathBuf>,
    /// Something of it went into what is taken over.
    pub(super) used: bool,
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self { things: Vec::new(), places: HashMap::new() }
    }
}

impl<K: Eq + Hash, T> Shelf<K, T> {
    pub(super) fn add(&mut self, key: K, value: T, path: &Path) -> usize {
        let at = *self.places.entry(key).or_insert(self.things.len());
        if at == self.things.len() {
            self.things.push(Held { value, paths: Vec::new(), used: false });
        }
        self.note_path(at, path);
        at
    }

    /// It is in this file too.
    pub(super) fn note_path(&mut self, at: usize, path: &Path) {
        let paths = &mut self.things[at].paths;
        if paths.last().is_none_or(|last| last != path) {
            paths.push(path.to_owned());
        }
    }

    pub(super) fn position(&self, key: &K) -> Option<usize> {
        self.places.get(key).copied()
    }

    pub(super) fn get(&self, at: usize) -> &Held<T> {
        &self.things[at]
    }

    pub(super) fn mark_used(&mut self, at: usize) {
        self.things[at].used = true;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Held<T>> {
        self.things.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.things.len()
    }

    /// Those of which nothing went anywhere.
    pub(super) fn unused(&self) -> impl Iterator<Item = &Held<T>> {
        self.things.iter().filter(|held| !held.used)
    }
}

impl Pool {
    pub(super) fn leave(&mut self, path: &Path, why: impl Into<String>) {
        self.left.push(Left { path: path.to_owned(), why: why.into(), hint: None });
    }

    pub(super) fn leave_with_hint(&mut self, path: &Path, why: impl Into<String>, hint: impl Into<String>) {
        self.left.push(Left { path: path.to_owned(), why: why.into(), hint: Some(hint.into()) });
    }

    /// It is encrypted, and nothing that was given opens it.
    pub(super) fn leave_closed(&mut self, path: &Path, why: impl Into<String>, hint: Option<String>) {
        let left = Left { path: path.to_owned(), why: why.into(), hint };
        self.closed.push(left.clone());
        self.left.push(left);
    }

    pub(super) fn certificate(&self, at: usize) -> &Certificate {
        &self.certificates.get(at).value
    }

    /// The key with this public half, and the files it is in. One key may belong to several certificates.
    pub(super) fn take_key(&mut self, public: &PublicKey) -> Option<(PrivateKey, Vec<PathBuf>)> {
        let at = self.keys.position(public)?;
        self.keys.mark_used(at);
        let held = self.keys.get(at);
        let copy = PrivateKey::from_pkcs8_der(held.value.pkcs8_der());
        Some((copy.expect("a key was read from this encoding before"), held.paths.clone()))
    }
}
