//! PKCS#12 as it is written: the certificates encrypted first, then the keys, each in its own encryption, then the
//! checksum. OpenSSL writes the same order.

use std::num::NonZeroU32;

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::super::{Entry, KeystoreError, MOST_ITERATIONS, Salts, Store, check_aliases, utf16};
use super::kdf::{Hash, Password};
use super::pbe::Scheme;
use super::{mac, oid};
use crate::x509::der::{self, tag};

/// How a PKCS#12 container is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pkcs12Form {
    /// PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC, and a checksum with HMAC-SHA256: what OpenSSL 3 and Java since
    /// 8u301 write themselves.
    Modern {
        /// For the keys, the certificates and the checksum alike.
        iterations: u32,
    },
    /// Triple DES and SHA-1: what older Java (8 before 8u301, 11 before 11.0.12), older Windows and macOS read.
    Legacy {
        /// For the keys, the certificates and the checksum alike.
        iterations: u32,
    },
}

impl Pkcs12Form {
    fn iterations(self) -> Result<NonZeroU32, KeystoreError> {
        let (Self::Modern { iterations } | Self::Legacy { iterations }) = self;
        let within = NonZeroU32::new(iterations).filter(|count| u64::from(count.get()) <= MOST_ITERATIONS);
        within.ok_or_else(|| KeystoreError::Invalid(format!("the iterations are from 1 to {MOST_ITERATIONS}")))
    }
}

/// A PKCS#12 container (RFC 7292). An alias stands as friendly name on the key and on its certificate; the other
/// certificates of the chain have none. Trusted entries carry the mark by which Java knows them. OpenSSL, Python and Node
/// take any password; Java to 17 opens no container whose password is not ASCII, and says that it is incorrect.
///
/// # Errors
/// Two entries have the same alias, the iterations are out of bounds, or no salt can be had.
pub fn write_pkcs12(
    store: &Store,
    password: &str,
    form: Pkcs12Form,
    salts: &mut Salts<'_>,
) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    check_aliases(store)?;
    let mut writer = Writer { password: Password::new(password), form, iterations: form.iterations()?, salts };
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for entry in &store.entries {
        match entry {
            Entry::Pair { alias, key, chain } => {
                let id = chain.first().map(|leaf| digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, leaf.der()));
                let id = id.as_ref().map(AsRef::as_ref);
                let attributes = attributes(alias.as_deref(), id, false);
                for (at, certificate) in chain.iter().enumerate() {
                    let attributes = if at == 0 { attributes.as_slice() } else { &[] };
                    certificates.extend(certificate_bag(certificate.der(), attributes));
                }
                keys.extend(writer.key_bag(key, &attributes)?);
            }
            Entry::Trusted { alias, certificate } => {
                let attributes = attributes(alias.as_deref(), None, true);
                certificates.extend(certificate_bag(certificate.der(), &attributes));
            }
        }
    }
    let mut safe = Vec::new();
    if !certificates.is_empty() {
        safe.extend(writer.encrypted(&der::element(tag::SEQUENCE, &certificates))?);
    }
    if !keys.is_empty() {
        safe.extend(data(&der::element(tag::SEQUENCE, &keys)));
    }
    writer.finish(&der::element(tag::SEQUENCE, &safe)).map(Zeroizing::new)
}

struct Writer<'w, 's> {
    password: Password<'w>,
    form: Pkcs12Form,
    iterations: NonZeroU32,
    salts: &'w mut Salts<'s>,
}

impl Writer<'_, '_> {
    fn salt<const N: usize>(&mut self) -> Result<[u8; N], KeystoreError> {
        let mut salt = [0; N];
        (self.salts)(&mut salt).map_err(KeystoreError::Salt)?;
        Ok(salt)
    }

    /// AlgorithmIdentifier and what was encrypted with it.
    fn encrypt(&mut self, plain: &[u8]) -> Result<(Vec<u8>, Vec<u8>), KeystoreError> {
        let with = |scheme: &Scheme<'_>, password: &Password<'_>| {
            scheme.encrypt(password, plain).map(|octets| (scheme.to_der(), octets))
        };
        match self.form {
            Pkcs12Form::Modern { .. } => {
                let (salt, vector) = (self.salt()?, self.salt()?);
                with(&Scheme::modern(&salt, &vector, self.iterations), &self.password)
            }
            Pkcs12Form::Legacy { .. } => {
                let salt = self.salt()?;
                with(&Scheme::legacy(&salt, self.iterations), &self.password)
            }
        }
    }

    /// `pkcs8ShroudedKeyBag` (RFC 7292 section 4.2.2).
    fn key_bag(&mut self, pkcs8: &[u8], attributes: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let (algorithm, octets) = self.encrypt(pkcs8)?;
        let info = [algorithm, der::element(tag::OCTET_STRING, &octets)].concat();
        Ok(bag(oid::SHROUDED_KEY_BAG, &der::element(tag::SEQUENCE, &info), attributes))
    }

    /// A ContentInfo with EncryptedData (RFC 5652 section 8), version 0.
    fn encrypted(&mut self, plain: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let (algorithm, octets) = self.encrypt(plain)?;
        let content = [named(oid::DATA), algorithm, der::element(tag::context(0), &octets)].concat();
        let fields = [integer(0), der::element(tag::SEQUENCE, &content)].concat();
        Ok(content_info(oid::ENCRYPTED_DATA, &der::element(tag::SEQUENCE, &fields)))
    }

    /// PFX (RFC 7292 section 4).
    fn finish(mut self, safe: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let (hash, salt) = match self.form {
            Pkcs12Form::Modern { .. } => (Hash::Sha256, self.salt::<16>()?.to_vec()),
            Pkcs12Form::Legacy { .. } => (Hash::Sha1, self.salt::<8>()?.to_vec()),
        };
        let mac = mac::write(safe, &self.password, hash, &salt, self.iterations);
        Ok(der::element(tag::SEQUENCE, &[integer(3), data(safe), mac].concat()))
    }
}

fn content_info(kind: &[u8], content: &[u8]) -> Vec<u8> {
    der::element(tag::SEQUENCE, &[named(kind), der::element(tag::constructed(0), content)].concat())
}

fn data(octets: &[u8]) -> Vec<u8> {
    content_info(oid::DATA, &der::element(tag::OCTET_STRING, octets))
}

/// SafeBag (RFC 7292 section 4.2).
fn bag(kind: &[u8], value: &[u8], attributes: &[u8]) -> Vec<u8> {
    let mut content = [named(kind), der::element(tag::constructed(0), value)].concat();
    if !attributes.is_empty() {
        der::write(&mut content, tag::SET, attributes);
    }
    der::element(tag::SEQUENCE, &content)
}

/// `certBag` with an X.509 certificate (RFC 7292 section 4.2.3).
fn certificate_bag(certificate: &[u8], attributes: &[u8]) -> Vec<u8> {
    let octets = der::element(tag::constructed(0), &der::element(tag::OCTET_STRING, certificate));
    let value = der::element(tag::SEQUENCE, &[named(oid::X509_CERTIFICATE), octets].concat());
    bag(oid::CERT_BAG, &value, attributes)
}

/// The content of a bag's SET of attributes, in DER's order (X.690 section 11.6).
fn attributes(alias: Option<&str>, local_key_id: Option<&[u8]>, trusted: bool) -> Vec<u8> {
    let attribute = |kind: &[u8], value: Vec<u8>| {
        der::element(tag::SEQUENCE, &[named(kind), der::element(tag::SET, &value)].concat())
    };
    let name = alias.map(|alias| attribute(oid::FRIENDLY_NAME, der::element(tag::BMP_STRING, &utf16(alias))));
    let id = local_key_id.map(|id| attribute(oid::LOCAL_KEY_ID, der::element(tag::OCTET_STRING, id)));
    let mark = trusted.then(|| attribute(oid::TRUSTED_KEY_USAGE, named(oid::ANY_EXTENDED_KEY_USAGE)));
    let mut all: Vec<Vec<u8>> = [name, id, mark].into_iter().flatten().collect();
    all.sort();
    all.concat()
}

fn named(content: &[u8]) -> Vec<u8> {
    der::element(tag::OID, content)
}

/// An INTEGER that is not negative, in its shortest form.
pub(super) fn integer(value: u32) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(3);
    let mut content = octets[zeros..].to_vec();
    if content[0] & 0x80 != 0 {
        content.insert(0, 0);
    }
    der::element(tag::INTEGER, &content)
}
