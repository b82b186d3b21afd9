//! What is this? Certificates, requests, revocation lists and keys, recognised by their bytes and told in people's words.
//!
//! The room is pure: it gets bytes, never a file name, or what a server said, and believes none of them. It tells facts
//! and what an eye stumbles over; judging a chain is the business of `verify`. Of a private key it tells everything but
//! the key.

mod describe;
mod detect;
mod facts;
mod key_store;
mod scan;
#[cfg(test)]
mod tests;

pub use describe::{Description, describe};
pub use detect::{LARGEST, read, read_with_password};
pub(crate) use detect::{label_of_der, value};
pub use facts::{
    BasicConstraintsFacts, CertificateFacts, CrlFacts, EntryFacts, Facts, KeyStoreFacts, NameConstraintsFacts,
    PrivateKeyFacts, PublicKeyFacts, REVOKED_SHOWN, RequestFacts, RevokedFacts, ServerFacts,
};
pub use key_store::{KeyStore, certificates};
pub use scan::{Found, Unreadable, scan};

use crate::probe::Sighting;
use crate::x509::{Certificate, Crl, Csr, PublicKey};

/// Something that was recognised.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Thing {
    /// An X.509 certificate.
    Certificate(Box<Certificate>),
    /// A PKCS#10 request whose own signature is good.
    CertificateRequest(Box<Csr>),
    /// A revocation list.
    Crl(Box<Crl>),
    /// A private key: facts alone, the key is already forgotten.
    PrivateKey(PrivateKeyFacts),
    /// A bare public key.
    PublicKey(PublicKey),
    /// A TLS server.
    Server(Box<Sighting>),
    /// A PKCS#12 container or a Java key store, with what is in it.
    KeyStore(Box<KeyStore>),
    /// A container of another kind, named and not opened.
    Foreign(Foreign),
    /// One block of several that cannot be read.
    Unreadable {
        /// What it says it is.
        label: String,
        /// Why not.
        reason: String,
    },
}

/// Containers that are recognised and not opened here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// An age file: for instance a sealed authority key.
    Age,
    /// PKCS#7 or CMS (`.p7b`).
    Pkcs7,
    /// A key for SSH.
    OpenSsh,
}

impl Foreign {
    /// What it is, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Age => "age file (encrypted; a sealed authority key is opened with certgen unseal)",
            Self::Pkcs7 => "PKCS#7 container (openssl pkcs7 -print_certs turns it into PEM)",
            Self::OpenSsh => "OpenSSH key (not a TLS key; ssh-keygen -p -m PKCS8 converts one)",
        }
    }
}
