//! Key stores: a private key with its chain, or trust anchors, in one file behind a password. PKCS#12 (RFC 7292) and Java's
//! own JKS, written and read.
//!
//! The room is pure: bytes in, bytes out; salts and the time come in from outside, so that the same input gives the same
//! bytes. Both kinds are read by what is in them and never by a file's name. A container is hostile until its checksum has
//! been seen, so work is counted before it is done: lengths are those of the input, and iterations have a limit.
//!
//! Both kinds are written the way in which OpenSSL, Java, Python and Node read them, which the interop tests ask of them
//! all. The weak ciphers here are those of old programs and protect nothing: the file's mode does.

mod entries;
mod jks;
mod pkcs12;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use crate::x509::{Certificate, X509Error};

pub use jks::write_jks;
pub use pkcs12::{Pkcs12Form, write_pkcs12};

/// The largest container that is read.
pub const LARGEST: usize = 64 << 20;
/// The most iterations that a container may ask for. OpenSSL and Java write 2,048 to 600,000.
pub const MOST_ITERATIONS: u64 = 5_000_000;
/// The work for a whole container; each of its keys may have its own iterations.
const MOST_WORK: u64 = 20_000_000;
/// The work for guessing passwords: enough for 600,000 iterations.
const MOST_GUESSING: u64 = 8_000_000;
/// What everybody tries: nothing, and the two that Java's documentation and its own trust store use.
const KNOWN_PASSWORDS: [&str; 3] = ["", "changeit", "changeme"];
/// More entries than this are no key store but an attack.
const MOST_ENTRIES: usize = 20_000;

/// Where salts and initialisation vectors come from: [`crate::x509::fill_random`], or a seed.
pub type Salts<'a> = dyn FnMut(&mut [u8]) -> Result<(), X509Error> + 'a;

/// What a key store holds, in the order in which it is written.
#[derive(Debug, Clone, Default)]
pub struct Store {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Clone)]
pub enum Entry {
    /// A private key and its certificates: what a server or a client presents.
    Pair {
        /// The friendly name; Java calls it alias. PKCS#12 may have none, and then Java counts: `1`, `2`.
        alias: Option<String>,
        /// The key in PKCS#8.
        key: Zeroizing<Vec<u8>>,
        /// The leaf first, then each one's issuer. Empty when a container holds a key alone.
        chain: Vec<Certificate>,
    },
    /// A certificate that is trusted, or one that belongs to no key of the container.
    Trusted {
        /// The friendly name or alias.
        alias: Option<String>,
        /// The certificate.
        certificate: Certificate,
    },
}

impl Entry {
    /// The friendly name or alias.
    pub fn alias(&self) -> Option<&str> {
        match self {
            Self::Pair { alias, .. } | Self::Trusted { alias, .. } => alias.as_deref(),
        }
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, certificates) = match self {
            Self::Pair { chain, .. } => ("Pair", chain.as_slice()),
            Self::Trusted { certificate, .. } => ("Trusted", std::slice::from_ref(certificate)),
        };
        let subjects: Vec<String> = certificates.iter().map(|certificate| certificate.subject().to_string()).collect();
        f.debug_struct(name).field("alias", &self.alias()).field("subjects", &subjects).finish_non_exhaustive()
    }
}

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PKCS#12 (`.p12`, `.pfx`).
    Pkcs12,
    /// Java's old kind, and JCEKS, which differs from it in how keys are encrypted.
    Jks,
}

impl Kind {
    /// By the first bytes.
    pub fn recognise(bytes: &[u8]) -> Option<Self> {
        if jks::is_jks(bytes) {
            return Some(Self::Jks);
        }
        pkcs12::is_pkcs12(bytes).then_some(Self::Pkcs12)
    }
}

/// A certificate in a container, with its alias.
#[derive(Debug, Clone)]
pub struct Held {
    /// The friendly name or alias.
    pub alias: Option<String>,
    /// It stands beside a private key.
    pub with_key: bool,
    /// The certificate, or why it cannot be read.
    pub certificate: Result<Box<Certificate>, X509Error>,
}

/// Everything in a container of either kind, with this password and no other.
///
/// # Errors
/// It is none, it is damaged, or the password does not open all of it.
pub fn read(bytes: &[u8], password: &str) -> Result<Store, KeystoreError> {
    open_with(bytes, kind_of(bytes)?, password, &mut Work::up_to(MOST_WORK))
}

/// The same with the first of `passwords` that opens it, or one that everybody tries; then with that one.
///
/// # Errors
/// As [`read`].
pub fn open(bytes: &[u8], passwords: &[&str]) -> Result<(Store, Option<&'static str>), KeystoreError> {
    let kind = kind_of(bytes)?;
    given_or_known(passwords, |password, work| open_with(bytes, kind, password, work))
}

fn open_with(bytes: &[u8], kind: Kind, password: &str, work: &mut Work) -> Result<Store, KeystoreError> {
    match kind {
        Kind::Jks => jks::read_jks(bytes, password),
        Kind::Pkcs12 => pkcs12::open(bytes, password, pkcs12::Depth::All, work).and_then(entries::assemble),
    }
}

/// The certificates alone, with the first of `passwords` that opens them, or one that everybody tries. A Java key store
/// keeps them in the clear and needs none.
///
/// # Errors
/// As [`read`]; [`KeystoreError::WrongPassword`] when no password opens the container.
pub fn certificates(bytes: &[u8], passwords: &[&str]) -> Result<Vec<Held>, KeystoreError> {
    if kind_of(bytes)? == Kind::Jks {
        return jks::certificates(bytes);
    }
    let open = |password: &str, work: &mut Work| {
        pkcs12::open(bytes, password, pkcs12::Depth::Certificates, work).map(entries::held)
    };
    given_or_known(passwords, open).map(|(held, _)| held)
}

fn given_or_known<T>(
    given: &[&str],
    mut open: impl FnMut(&str, &mut Work) -> Result<T, KeystoreError>,
) -> Result<(T, Option<&'static str>), KeystoreError> {
    let mut refusal = KeystoreError::WrongPassword;
    let (mut work, mut guessing) = (Work::up_to(MOST_WORK), Work::up_to(MOST_GUESSING));
    for password in given {
        match open(password, &mut work) {
            Ok(opened) => return Ok((opened, None)),
            // The store's own password fits: of all refusals that is the one to tell.
            Err(error @ KeystoreError::WrongKeyPassword(_)) => refusal = error,
            Err(KeystoreError::WrongPassword) => {}
            Err(other) => return Err(other),
        }
    }
    for known in KNOWN_PASSWORDS {
        match open(known, &mut guessing) {
            Ok(opened) => return Ok((opened, Some(known))),
            Err(error @ KeystoreError::WrongKeyPassword(_)) => refusal = error,
            Err(KeystoreError::WrongPassword) => {}
            // What takes so long has to be given.
            Err(KeystoreError::TooMuchWorkInAll) => break,
            Err(other) => return Err(other),
        }
    }
    Err(refusal)
}

fn kind_of(bytes: &[u8]) -> Result<Kind, KeystoreError> {
    check_length(bytes)?;
    Kind::recognise(bytes).ok_or(KeystoreError::NotAKeystore)
}

fn check_length(bytes: &[u8]) -> Result<(), KeystoreError> {
    if bytes.len() > LARGEST { Err(KeystoreError::TooLarge) } else { Ok(()) }
}

/// Why a container cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// It is neither PKCS#12 nor JKS.
    #[error("it is neither PKCS#12 nor a Java key store")]
    NotAKeystore,
    /// It is larger than what is read.
    #[error("the key store is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
    /// The bytes are not what they should be; the message says which part.
    #[error("the key store is damaged: {0}")]
    Damaged(String),
    /// The password opens it, and still it is not what was written.
    #[error("the key store was changed after it was written: the password opens it, and its checksum is wrong")]
    Changed,
    /// The password does not open it.
    #[error("the password does not open the key store")]
    WrongPassword,
    /// The store opens, and a key in it has another password (JKS alone can do that).
    #[error("the password does not open the private key {} in the key store", crate::ui::quote(.0))]
    WrongKeyPassword(String),
    /// It asks for more iterations than anybody writes.
    #[error("the key store asks for {0} iterations to check its password; at most {MOST_ITERATIONS} are done")]
    TooMuchWork(u64),
    /// Each count is in bounds and their sum is not.
    #[error("opening all parts of the key store would take too long")]
    TooMuchWorkInAll,
    /// More entries than anybody writes.
    #[error("the key store has more than {MOST_ENTRIES} entries")]
    TooManyEntries,
    /// A cipher, hash or kind of entry that is not supported; the message says which.
    #[error("{0}")]
    Unsupported(String),
    /// Two entries would have one alias. Java does not tell capitals apart.
    #[error("two entries have the alias {}", crate::ui::quote(.0))]
    SameAlias(String),
    /// What is to be written does not fit.
    #[error("{0}")]
    Invalid(String),
    /// No salt can be had.
    #[error("{0}")]
    Salt(X509Error),
}

impl From<KeystoreError> for crate::error::Error {
    fn from(error: KeystoreError) -> Self {
        Self::failed(error.to_string())
    }
}

/// Iterations that may still be asked for.
struct Work(u64);

impl Work {
    fn up_to(most: u64) -> Self {
        Self(most)
    }

    /// Counts work before it is done.
    fn count(&mut self, iterations: u64) -> Result<(), KeystoreError> {
        if iterations > MOST_ITERATIONS {
            return Err(KeystoreError::TooMuchWork(iterations));
        }
        self.0 = self.0.checked_sub(iterations).ok_or(KeystoreError::TooMuchWorkInAll)?;
        Ok(())
    }
}

/// Every alias is there once, the way Java compares them.
fn check_aliases(store: &Store) -> Result<(), KeystoreError> {
    let mut seen = std::collections::HashSet::new();
    for alias in store.entries.iter().filter_map(Entry::alias) {
        if !seen.insert(alias.to_lowercase()) {
            return Err(KeystoreError::SameAlias(alias.to_owned()));
        }
    }
    Ok(())
}

/// UTF-16, as both kinds take their passwords and PKCS#12 its names.
fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 2));
    text.encode_utf16().for_each(|unit| octets.extend_from_slice(&unit.to_be_bytes()));
    octets
}
