//! What is in this file? Decided by its content alone: names lie.

use zeroize::Zeroizing;

use super::Document;
use super::syntax::{conf, environment, erlang, python, yaml};
use crate::inspect::{self, Foreign, KeyStore, PrivateKeyFacts, Thing};
use crate::keystore;
use crate::x509::KeyProtection;

/// A key that asks for more work than this is not opened: there may be thousands.
pub(super) const MOST_ROUNDS: u64 = 2_000_000;

/// What a key store is called that cannot be read.
pub(super) const KEY_STORE: &str = "key store";

const BEGIN: &[u8] = b"-----BEGIN ";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Document {
    /// What `bytes` are. Each of `passwords` is tried on a key that is encrypted.
    pub fn open(bytes: &[u8], passwords: &[Zeroizing<String>]) -> Self {
        if keystore::Kind::recognise(bytes).is_some() {
            return Self::key_store(bytes, passwords);
        }
        let locked = Self::recognise(bytes, None);
        let takes_long = |protection: &KeyProtection| matches!(protection, KeyProtection::Pbkdf2 { rounds, .. } if *rounds > MOST_ROUNDS);
        if !locked.is_locked() || KeyProtection::of_file(bytes).iter().any(takes_long) {
            return locked;
        }
        let opened = passwords.iter().map(|password| Self::recognise(bytes, Some(password.as_bytes())));
        opened.into_iter().find(|document| document.is_opened()).unwrap_or(locked)
    }

    /// What `bytes` are. `password` opens encrypted keys.
    pub fn recognise(bytes: &[u8], password: Option<&[u8]>) -> Self {
        if keystore::Kind::recognise(bytes).is_some() {
            return Self::key_store(bytes, &[]);
        }
        let is_binary = bytes.first() == Some(&0x30) || Foreign::recognise(bytes).is_some();
        if is_binary && let Ok(things) = inspect::read_with_password(bytes, password) {
            return Self::Crypto(things);
        }
        let text = std::str::from_utf8(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)).ok();
        // A program may carry PEM in a text of its own.
        if let Some(program) = text.and_then(python::File::recognise) {
            return Self::Python(program);
        }
        if let Some(label) = first_block(bytes) {
            return Self::Crypto(blocks(bytes, label, password));
        }
        let Some(text) = text else { return Self::Other };
        if let Some(value) = Some(text.trim_start()).filter(|t| t.starts_with('{')).and_then(json) {
            return Self::Json(value);
        }
        None.or_else(|| erlang::File::recognise(text).map(Self::Erlang))
            .or_else(|| environment::File::recognise(text).map(Self::Environment))
            .or_else(|| conf::File::recognise(text).map(Self::Conf))
            .or_else(|| yaml::File::recognise(text).map(Self::Yaml))
            .unwrap_or(Self::Other)
    }

    /// One that is damaged is still a key store, and says why.
    fn key_store(bytes: &[u8], passwords: &[Zeroizing<String>]) -> Self {
        let passwords: Vec<&str> = passwords.iter().map(|password| password.as_str()).collect();
        Self::Crypto(vec![match KeyStore::open(bytes, &passwords) {
            Ok(store) => Thing::KeyStore(Box::new(store)),
            Err(error) => Thing::Unreadable { label: KEY_STORE.to_owned(), reason: error.to_string() },
        }])
    }

    /// It holds a key that needs a password.
    fn is_locked(&self) -> bool {
        self.keys().any(|key| key.encrypted && key.public_key.is_none())
    }

    /// It holds a key that needed a password and got it.
    fn is_opened(&self) -> bool {
        self.keys().any(|key| key.encrypted && key.public_key.is_some())
    }

    fn keys(&self) -> impl Iterator<Item = &PrivateKeyFacts> {
        let things = if let Self::Crypto(things) = self { things.as_slice() } else { &[] };
        things.iter().filter_map(|thing| if let Thing::PrivateKey(facts) = thing { Some(facts) } else { None })
    }
}

fn json(text: &str) -> Option<serde_json::Value> {
    serde_json::from_str(text).ok()
}

/// What the first block of PEM says that it is. Settings that carry PEM as a value have it indented or quoted: only what begins
/// a line counts.
fn first_block(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let lines = bytes.split(|b| matches!(b, b'\n' | b'\r'));
    let label = lines.filter_map(|line| line.strip_prefix(BEGIN)).next()?;
    let label = label.trim_ascii_end();
    Some(String::from_utf8_lossy(label.strip_suffix(b"-----").unwrap_or(label)).into_owned())
}

/// What a PEM file holds. One that cannot be read is still a PEM file, and says why.
fn blocks(bytes: &[u8], label: String, password: Option<&[u8]>) -> Vec<Thing> {
    inspect::read_with_password(bytes, password)
        .unwrap_or_else(|e| vec![Thing::Unreadable { label, reason: e.message().to_owned() }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::sample::HIERARCHY;

    fn things(bytes: &[u8]) -> Option<Vec<Thing>> {
        match Document::recognise(bytes, None) {
            Document::Crypto(things) => Some(things),
            _ => None,
        }
    }

    #[test]
    fn certificates_are_found_however_the_file_is_written() {
        let pem = HIERARCHY.server.pem();
        for text in [
            pem.clone(),
            pem.replace('\n', "\r\n"),
            format!("\u{feff}{pem}"),
            format!("subject=CN = x\n\n{pem}\nend\n"),
        ] {
            let found = things(text.as_bytes()).unwrap();
            assert!(matches!(found.as_slice(), [Thing::Certificate(_)]), "{text:?}");
        }
        assert!(things(HIERARCHY.server.der()).is_some());
    }

    #[test]
    fn a_damaged_file_is_still_what_it_says_it_is() {
        let pem = HIERARCHY.server.pem();
        let found = things(&pem.as_bytes()[..pem.len() - 40]).unwrap();
        let [Thing::Unreadable { label, reason }] = found.as_slice() else { panic!("{found:?}") };
        assert!(label == "CERTIFICATE" && reason.contains("missing"), "{label}: {reason}");
    }

    #[test]
    fn a_text_that_only_carries_pem_is_no_pem_file() {
        let indented: String = HIERARCHY.server.pem().lines().map(|line| format!("    {line}\n")).collect();
        assert!(things(format!("data:\n  tls.crt: |\n{indented}").as_bytes()).is_none());
        assert!(things(format!("{{\"crt\": {:?}}}", HIERARCHY.server.pem()).as_bytes()).is_none());
        assert!(things(b"\xff\xfe\x00").is_none());
        assert!(things(b"").is_none());
    }
}
