//! Certification requests (PKCS#10, RFC 2986): other people's keys, and our own for other authorities.
//!
//! A request is evidence, never an order: its signature shows that the sender holds the key, and what it asks for is
//! shown to policy. rcgen is not used to read them: it takes the curve from the signature algorithm (rustls/rcgen#448),
//! refuses extensions that it does not know and honours `CA:TRUE`.

use std::borrow::Cow;

use super::der::{Fault, Reader, tag};
use super::encode::{self, NullKey, signed, with_raw_fields};
use super::extension::{self, oid};
use super::pem::is_der;
use super::{
    DistinguishedName, ExtendedKeyUsage, GeneralName, KeyUsage, Label, PrivateKey, PublicKey, X509Error, read_pem,
    write_pem,
};

/// A request whose signature has been checked.
#[derive(Clone, Debug)]
pub struct Csr {
    der: Vec<u8>,
    subject: DistinguishedName,
    public_key: PublicKey,
    subject_alt_names: Vec<GeneralName>,
    wants_ca: bool,
}

/// What a request of ours asks for.
#[derive(Clone, Debug)]
pub struct CsrTemplate {
    /// The subject.
    pub subject: DistinguishedName,
    /// The subject alternative names.
    pub subject_alt_names: Vec<GeneralName>,
    /// The key usage.
    pub key_usage: KeyUsage,
    /// The purposes.
    pub extended_key_usage: Vec<ExtendedKeyUsage>,
}

/// Both identifiers of the attribute with the wished extensions: PKCS#9's and Microsoft's.
const EXTENSION_REQUESTS: [&str; 2] = ["1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14"];
/// No request comes near it.
const LARGEST: usize = 1 << 20;

impl Csr {
    /// The first request of a PEM file, its signature checked.
    pub fn from_pem(pem: &[u8]) -> Result<Self, X509Error> {
        let blocks = read_pem(pem)?;
        let block = blocks.iter().find(|block| block.label == Label::CertificateRequest);
        Self::from_der(&block.ok_or_else(|| malformed("there is no certificate request in it"))?.der)
    }

    /// A request in PEM or DER, its signature checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, X509Error> {
        if is_der(bytes) { Self::from_der(bytes) } else { Self::from_pem(bytes) }
    }

    /// A request, its signature checked.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > LARGEST {
            return Err(malformed("the certificate request is too large"));
        }
        let parts = Parts::read(der).map_err(damaged)?;
        let public_key = PublicKey::from_spki_der(parts.public_key)?;
        public_key.verify_possession(&parts.algorithm, parts.info, parts.signature).map_err(|error| match error {
            X509Error::Malformed(_) => malformed(
                "the signature of the certificate request does not verify: it was changed, or made with another key",
            ),
            X509Error::Unsupported(why) => X509Error::Unsupported(format!(
                "the certificate request cannot be checked: {why}; make it again with SHA-256: \
                 openssl req -new -sha256 -key KEY -out NEW"
            )),
            other => other,
        })?;
        let mut csr = Self {
            der: der.to_vec(),
            subject: DistinguishedName::from_der(parts.subject)?,
            public_key,
            subject_alt_names: Vec::new(),
            wants_ca: false,
        };
        parts.wishes.into_iter().try_for_each(|(oid, value)| csr.note(&oid, value)).map_err(damaged)?;
        Ok(csr)
    }

    /// Takes note of one wished extension. What we do not know is no concern of ours: policy decides what is written.
    fn note(&mut self, wish: &str, value: &[u8]) -> Result<(), Fault> {
        match wish {
            oid::SUBJECT_ALT_NAME => self.subject_alt_names = extension::general_names(value)?,
            oid::KEY_USAGE => self.wants_ca |= KeyUsage::from_der(value)?.contains(KeyUsage::KEY_CERT_SIGN),
            oid::BASIC_CONSTRAINTS => self.wants_ca |= extension::basic_constraints(value)?.ca,
            _ => {}
        }
        Ok(())
    }

    /// The subject it asks for.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The subject alternative names it asks for.
    pub fn subject_alt_names(&self) -> &[GeneralName] {
        &self.subject_alt_names
    }

    /// The key, which the sender holds.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// It asks to become an authority, by `CA:TRUE` or by keyCertSign.
    pub fn wants_ca(&self) -> bool {
        self.wants_ca
    }

    /// The request as it was read or made.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same as PEM.
    pub fn pem(&self) -> String {
        write_pem(&Label::CertificateRequest, &self.der)
    }
}

/// The fields of a request, not yet judged.
struct Parts<'a> {
    info: &'a [u8],
    subject: &'a [u8],
    public_key: &'a [u8],
    wishes: Vec<Wish<'a>>,
    algorithm: String,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Fault> {
        let mut request = Reader::only(der, tag::SEQUENCE)?;
        let info = request.element(tag::SEQUENCE)?;
        let algorithm = request.enter(tag::SEQUENCE)?.oid()?;
        let signature = request.octet_bits()?;
        request.end()?;
        let mut fields = Reader::new(info.content);
        fields.integer()?;
        let subject = fields.element(tag::SEQUENCE)?.whole;
        let public_key = fields.element(tag::SEQUENCE)?.whole;
        let attributes = fields.optional(tag::constructed(0))?.unwrap_or_default();
        fields.end()?;
        let wishes = read_wishes(Reader::new(attributes))?;
        Ok(Self { info: info.whole, subject, public_key, wishes, algorithm: algorithm.into_owned(), signature })
    }
}

/// An extension that is asked for: its type and its value.
type Wish<'a> = (Cow<'static, str>, &'a [u8]);

/// The extensions in the extension request attributes.
fn read_wishes(mut attributes: Reader<'_>) -> Result<Vec<Wish<'_>>, Fault> {
    let mut wishes = Vec::new();
    while !attributes.is_empty() {
        let mut attribute = attributes.enter(tag::SEQUENCE)?;
        let oid = attribute.oid()?;
        let mut values = attribute.enter(tag::SET)?;
        if !EXTENSION_REQUESTS.contains(&&*oid) || values.is_empty() {
            continue;
        }
        let mut extensions = values.enter(tag::SEQUENCE)?;
        while !extensions.is_empty() {
            let mut extension = extensions.enter(tag::SEQUENCE)?;
            let oid = extension.oid()?;
            extension.default_false()?;
            wishes.push((oid, extension.expect(tag::OCTET_STRING)?));
            extension.end()?;
        }
    }
    Ok(wishes)
}

/// Positions in the CertificationRequestInfo.
const INFO_SUBJECT: usize = 1;
const INFO_PUBLIC_KEY: usize = 2;

impl CsrTemplate {
    /// Signs the request with the key it is about.
    pub fn sign(&self, key: &PrivateKey) -> Result<Csr, X509Error> {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name = encode::stand_in(&self.subject);
        parameters.subject_alt_names = encode::names(&self.subject_alt_names)?;
        parameters.key_usages = encode::key_usages(self.key_usage);
        parameters.extended_key_usages = encode::purposes(&self.extended_key_usage)?;
        let request =
            parameters.serialize_request(&NullKey::of(key.key_type())).map_err(|error| encode::failed(&error))?;
        let info = with_raw_fields(request.der(), |field| match field {
            INFO_SUBJECT => Some(self.subject.der()),
            INFO_PUBLIC_KEY => Some(key.public_key().spki_der()),
            _ => None,
        })?;
        Csr::from_der(&signed(&info, key)?)
    }
}

fn malformed(message: &str) -> X509Error {
    X509Error::Malformed(message.into())
}

fn damaged(fault: Fault) -> X509Error {
    X509Error::Malformed(format!("the certificate request {fault}"))
}

#[cfg(test)]
mod tests;
