//! Our types as rcgen's, and the frame around what is signed.
//!
//! rcgen cannot hold everything byte for byte: its names lose repeated attributes, and it takes a public key apart and
//! builds it again. So it encodes with stand-ins, signs with nothing, and the real fields are put in afterwards.

use std::net::IpAddr;

use super::der::{self, Reader, tag};
use super::{DistinguishedName, ExtendedKeyUsage, GeneralName, KeyType, KeyUsage, PrivateKey, SerialNumber, X509Error};

/// What rcgen believes to sign with: it knows the algorithm and signs nothing.
pub(super) struct NullKey(&'static rcgen::SignatureAlgorithm);

impl NullKey {
    pub(super) fn of(key_type: KeyType) -> Self {
        Self(match key_type {
            KeyType::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyType::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyType::EcdsaP521 => &rcgen::PKCS_ECDSA_P521_SHA512,
            KeyType::Ed25519 => &rcgen::PKCS_ED25519,
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => &rcgen::PKCS_RSA_SHA256,
        })
    }
}

impl rcgen::PublicKeyData for NullKey {
    fn der_bytes(&self) -> &[u8] {
        &[]
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.0
    }
}

impl rcgen::SigningKey for NullKey {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// `SEQUENCE { to_be_signed, signatureAlgorithm, signature }`: certificates, requests and revocation lists alike.
pub(super) fn signed(to_be_signed: &[u8], key: &PrivateKey) -> Result<Vec<u8>, X509Error> {
    Ok(framed(to_be_signed, signature_algorithm(key.key_type()), &key.sign(to_be_signed)?))
}

/// The same before it is signed: `content` writes so many octets inside the first SEQUENCE, and the signature is empty.
pub(super) fn unsigned(length: usize, key_type: KeyType, content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let algorithm = signature_algorithm(key_type);
    let whole = der::whole_length(length) + algorithm.len() + der::whole_length(1);
    let mut out = Vec::with_capacity(der::whole_length(whole));
    der::write_header(&mut out, tag::SEQUENCE, whole);
    der::write_header(&mut out, tag::SEQUENCE, length);
    content(&mut out);
    out.extend_from_slice(algorithm);
    der::write(&mut out, tag::BIT_STRING, &[0]);
    out
}

pub(crate) fn framed(to_be_signed: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    let bits = signature.len() + 1;
    let length = to_be_signed.len() + algorithm.len() + der::whole_length(bits);
    let mut out = Vec::with_capacity(der::whole_length(length));
    der::write_header(&mut out, tag::SEQUENCE, length);
    out.extend_from_slice(to_be_signed);
    out.extend_from_slice(algorithm);
    der::write_header(&mut out, tag::BIT_STRING, bits);
    out.push(0);
    out.extend_from_slice(signature);
    out
}

/// The AlgorithmIdentifier (RFC 5758, RFC 8410, RFC 4055).
fn signature_algorithm(key_type: KeyType) -> &'static [u8] {
    match key_type {
        KeyType::EcdsaP256 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
        KeyType::EcdsaP384 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
        KeyType::EcdsaP521 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
        KeyType::Ed25519 => b"\x30\x05\x06\x03\x2b\x65\x70",
        KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => {
            b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
        }
    }
}

/// The first element inside `signed`, with the fields replaced for which `raw` has bytes.
pub(super) fn with_raw_fields<'r>(
    signed: &[u8],
    raw: impl Fn(usize) -> Option<&'r [u8]>,
) -> Result<Vec<u8>, X509Error> {
    let splice = || {
        let mut fields = Reader::only(signed, tag::SEQUENCE)?.enter(tag::SEQUENCE)?;
        let mut content = Vec::with_capacity(signed.len() + 512);
        for number in 0.. {
            if fields.is_empty() {
                break;
            }
            content.extend_from_slice(raw(number).unwrap_or(fields.next()?.whole));
        }
        Ok(der::element(tag::SEQUENCE, &content))
    };
    splice().map_err(|fault: der::Fault| X509Error::Crypto(format!("what was to be signed {fault}")))
}

/// A name for rcgen to see that the subject is not empty; [`with_raw_fields`] replaces it.
pub(super) fn stand_in(subject: &DistinguishedName) -> rcgen::DistinguishedName {
    let mut name = rcgen::DistinguishedName::new();
    if !subject.is_empty() {
        name.push(rcgen::DnType::CommonName, "-");
    }
    name
}

/// rcgen takes the magnitude, of any length and sign.
pub(super) fn serial(serial: &SerialNumber) -> Result<rcgen::SerialNumber, X509Error> {
    check_serial(serial)?;
    Ok(rcgen::SerialNumber::from_slice(serial.as_bytes()))
}

/// RFC 5280 section 4.1.2.2.
pub(super) fn check_serial(serial: &SerialNumber) -> Result<(), X509Error> {
    match serial.is_positive() && serial.as_bytes().len() <= 20 {
        true => Ok(()),
        false => Err(X509Error::Invalid("a serial number is positive and has at most 20 octets".into())),
    }
}

pub(super) fn names(names: &[GeneralName]) -> Result<Vec<rcgen::SanType>, X509Error> {
    names.iter().map(name).collect()
}

fn name(name: &GeneralName) -> Result<rcgen::SanType, X509Error> {
    let text = |text| ascii(text).map(|text| text.try_into().expect("ASCII is an IA5String"));
    Ok(match name {
        GeneralName::Dns(dns) => rcgen::SanType::DnsName(text(dns.as_str())?),
        GeneralName::Ip(address) => rcgen::SanType::IpAddress(*address),
        GeneralName::Uri(uri) => rcgen::SanType::URI(text(uri)?),
        GeneralName::Email(email) => rcgen::SanType::Rfc822Name(text(email)?),
        GeneralName::Other(other) => return Err(unwritable(other)),
    })
}

/// `GeneralNames`, the value of the extension.
pub(super) fn general_names(names: &[GeneralName]) -> Result<Vec<u8>, X509Error> {
    let mut out = Vec::with_capacity(names.len() * 40 + 6);
    for name in names {
        match name {
            GeneralName::Email(text) => der::write(&mut out, tag::context(1), ascii(text)?.as_bytes()),
            GeneralName::Dns(dns) => der::write(&mut out, tag::context(2), ascii(dns.as_str())?.as_bytes()),
            GeneralName::Uri(text) => der::write(&mut out, tag::context(6), ascii(text)?.as_bytes()),
            GeneralName::Ip(IpAddr::V4(address)) => der::write(&mut out, tag::context(7), &address.octets()),
            GeneralName::Ip(IpAddr::V6(address)) => der::write(&mut out, tag::context(7), &address.octets()),
            GeneralName::Other(other) => return Err(unwritable(other)),
        }
    }
    let length = out.len();
    der::write_header(&mut out, tag::SEQUENCE, length);
    out.rotate_left(length);
    Ok(out)
}

fn ascii(text: &str) -> Result<&str, X509Error> {
    match text.is_ascii() {
        true => Ok(text),
        false => Err(X509Error::Invalid(format!("{} is not ASCII", crate::ui::quote(text)))),
    }
}

fn unwritable(other: &str) -> X509Error {
    X509Error::Unsupported(format!("the name {} is of a kind that cannot be written", crate::ui::quote(other)))
}

pub(super) fn key_usages(usage: KeyUsage) -> Vec<rcgen::KeyUsagePurpose> {
    use rcgen::KeyUsagePurpose as To;
    [
        (KeyUsage::DIGITAL_SIGNATURE, To::DigitalSignature),
        (KeyUsage::NON_REPUDIATION, To::ContentCommitment),
        (KeyUsage::KEY_ENCIPHERMENT, To::KeyEncipherment),
        (KeyUsage::DATA_ENCIPHERMENT, To::DataEncipherment),
        (KeyUsage::KEY_AGREEMENT, To::KeyAgreement),
        (KeyUsage::KEY_CERT_SIGN, To::KeyCertSign),
        (KeyUsage::CRL_SIGN, To::CrlSign),
        (KeyUsage::ENCIPHER_ONLY, To::EncipherOnly),
        (KeyUsage::DECIPHER_ONLY, To::DecipherOnly),
    ]
    .into_iter()
    .filter(|(bit, _)| usage.contains(*bit))
    .map(|(_, purpose)| purpose)
    .collect()
}

pub(super) fn purposes(purposes: &[ExtendedKeyUsage]) -> Result<Vec<rcgen::ExtendedKeyUsagePurpose>, X509Error> {
    let convert = |purpose: &ExtendedKeyUsage| {
        Ok(match purpose {
            ExtendedKeyUsage::ServerAuth => rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsage::ClientAuth => rcgen::ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsage::Any => rcgen::ExtendedKeyUsagePurpose::Any,
            ExtendedKeyUsage::Other(dotted) => {
                oid(dotted)?;
                let arcs = dotted.split('.').map(str::parse).collect::<Result<Vec<u64>, _>>();
                rcgen::ExtendedKeyUsagePurpose::Other(arcs.map_err(|_| not_an_oid(dotted))?)
            }
        })
    };
    purposes.iter().map(convert).collect()
}

/// An OBJECT IDENTIFIER from its dotted form.
pub(super) fn oid(dotted: &str) -> Result<Vec<u8>, X509Error> {
    let content = der::oid_content(dotted).ok_or_else(|| not_an_oid(dotted))?;
    Ok(der::element(tag::OID, &content))
}

fn not_an_oid(text: &str) -> X509Error {
    X509Error::Invalid(format!("{} is not an object identifier", crate::ui::quote(text)))
}

pub(super) fn failed(error: &rcgen::Error) -> X509Error {
    X509Error::Crypto(format!("encoding failed: {error}"))
}
