//! Who signs. One trait for the authority whose key lies in this PKI and for one that answers from afar, so that the
//! rest of the house never asks which it is.
//!
//! A request is prepared before it reaches an issuer: policy has been applied, names have been checked. An issuer adds
//! what only it knows (serial number, its own name and key identifier, where its revocation list is) and answers with
//! the certificate and the intermediates that a peer needs. It never sees the private key of the subject.

mod local;

pub use local::{LocalIssuer, Publication};

use crate::error::Result;
use crate::lint::Purpose;
use crate::x509::{
    BasicConstraints, Certificate, Csr, DistinguishedName, ExtendedKeyUsage, GeneralName, KeyUsage, NameConstraints,
    PublicKey, Validity,
};

/// What is asked of an issuer: everything about the certificate that the subject and our policy decide.
#[derive(Debug, Clone)]
pub struct PreparedRequest {
    /// What the certificate is for; its lints depend on it.
    pub purpose: Purpose,
    /// The subject, complete.
    pub subject: DistinguishedName,
    /// The subject alternative names, in order.
    pub subject_alt_names: Vec<GeneralName>,
    /// The validity wanted; a remote issuer may shorten it, and the answer is compared.
    pub validity: Validity,
    /// RFC 5280 section 4.2.1.3.
    pub key_usage: KeyUsage,
    /// RFC 5280 section 4.2.1.12; empty for an authority.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
    /// RFC 5280 section 4.2.1.9.
    pub basic_constraints: BasicConstraints,
    /// RFC 5280 section 4.2.1.10, for authorities.
    pub name_constraints: Option<NameConstraints>,
    /// The key that is certified.
    pub public_key: PublicKey,
    /// The request that proves possession of the key, for issuers that ask for one.
    pub csr: Option<Csr>,
}

/// What an issuer answers.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The new certificate.
    pub certificate: Certificate,
    /// The intermediates between it and the root, nearest first, without the root.
    pub chain: Vec<Certificate>,
}

/// Somebody who signs certificates.
pub trait Issuer {
    /// The name by which the manifest knows this issuer.
    fn name(&self) -> &str;

    /// Issues one certificate.
    ///
    /// # Errors
    /// The request would make a certificate that our own lints reject, or the issuer refuses or cannot be reached.
    /// Nothing was signed then.
    fn issue(&self, request: &PreparedRequest) -> Result<Issued>;
}
