//! RFC 5280 as types: names, keys, certificates, requests and revocation lists, as they are written and as they are read.
//!
//! This room is pure: bytes in, bytes out, no files, no clock, no policy. It is the only one that knows `rcgen` and
//! `x509-parser`; their types never leave it, because several of rcgen's defaults silently make wrong certificates and
//! every one of them is met here, with a test beside it.

mod attribute;
mod certificate;
mod chain;
mod cidr;
mod constraints;
mod crl;
mod csr;
pub(crate) mod der;
mod encode;
mod extension;
mod key;
mod key_file;
mod key_protection;
mod key_usage;
mod name;
mod name_hash;
mod pem;
mod public_key;
mod random;
mod rfc4514;
mod san;
mod serial;
mod shape;
mod template;
mod time_text;
mod uri;
mod validity;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod test_support;

pub use attribute::StringType;
pub use certificate::Certificate;
pub use chain::order_chain;
pub use cidr::Cidr;
pub use constraints::{NameConstraints, Subtree};
pub use crl::{Crl, CrlTemplate, RevocationReason, RevokedCertificate};
pub use csr::{Csr, CsrTemplate};
pub(crate) use encode::framed;
pub use extension::{BasicConstraints, Extension, oid};
pub(crate) use key::pkcs8_of_ecdsa;
pub use key::{KeyType, PrivateKey};
pub use key_protection::KeyProtection;
pub use key_usage::{ExtendedKeyUsage, KeyUsage};
pub use name::{Attribute, DistinguishedName};
pub use pem::{Label, PemBlock, read_pem, read_pem_up_to, write_pem};
pub use public_key::{PublicKey, PublicKeyAlgorithm};
pub use random::{fill_random, random_password, random_salt, sha256_hex, sha256_hex_of};
pub use san::{DnsName, GeneralName, is_host};
pub use serial::SerialNumber;
pub use shape::{Particulars, Shape};
pub use template::{AuthorityInfoAccess, CertificateTemplate, Signer, ToBeSigned};
pub use time_text::TimeEncoding;
pub use uri::is_uri;
pub use validity::{Duration, Validity};

/// Why bytes or text are not the X.509 object they were taken for, or may not become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum X509Error {
    /// The text of a name, constraint, duration or key type is not acceptable; the message says why and shows it.
    #[error("{0}")]
    Invalid(String),
    /// The bytes are not what they should be; the message says what was found.
    #[error("{0}")]
    Malformed(String),
    /// A private key is encrypted and no password was given.
    #[error("the private key is encrypted")]
    Encrypted,
    /// The password does not open the private key.
    #[error("the password does not open the private key")]
    WrongPassword,
    /// The private key is encrypted in a way that is not supported here; OpenSSL converts it.
    #[error("the private key is encrypted with {with}, which is not supported; convert it: {}", openssl_command("FILE", *.legacy))]
    OldEncryption {
        /// In what way.
        with: String,
        /// OpenSSL 3 has it in its legacy provider alone.
        legacy: bool,
    },
    /// The algorithm is known but not supported here.
    #[error("{0}")]
    Unsupported(String),
    /// The crypto library failed.
    #[error("{0}")]
    Crypto(String),
}

impl X509Error {
    /// What to type so that the private key in `file` can be read, where OpenSSL can do something about it.
    pub fn conversion(&self, file: &str) -> Option<String> {
        match self {
            Self::OldEncryption { legacy, .. } => Some(openssl_command(&crate::ui::shell(file), *legacy)),
            _ => None,
        }
    }
}

/// What is said about a file with a private key that cannot be read: with the command that converts just this file, where
/// there is one.
pub(crate) fn unreadable_key(error: X509Error, file: &std::path::Path) -> crate::error::Error {
    let reading = format!("reading {}", crate::ui::path(file));
    match (error.conversion(&file.to_string_lossy()), error) {
        (Some(command), X509Error::OldEncryption { with, .. }) => {
            let why = format!("the private key is encrypted with {with}, which is not supported");
            crate::error::Error::failed(format!("{reading}: {why}")).hint(command)
        }
        (_, error) => crate::error::Error::from(error).context(reading),
    }
}

/// `pkcs8 -topk8` reads every form of a private key and writes the one that OpenSSL encrypts by default.
fn openssl_command(file: &str, legacy: bool) -> String {
    let provider = if legacy { " -provider legacy -provider default" } else { "" };
    let new = if file == "FILE" { "NEW" } else { "new_key.pem" };
    format!("openssl pkcs8 -topk8{provider} -in {file} -out {new}")
}

impl From<X509Error> for crate::error::Error {
    fn from(error: X509Error) -> Self {
        Self::failed(error.to_string())
    }
}
