//! What is in these bytes? Decided by the bytes alone: names of files lie.

use super::{Foreign, KeyStore, PrivateKeyFacts, PublicKeyFacts, Thing};
use crate::error::{Error, Result};
use crate::{
    ui,
    x509::{Certificate, Crl, Csr, Label, PemBlock, PrivateKey, PublicKey, X509Error, read_pem_up_to},
};

/// The largest input, so that a revocation list with a million entries still fits.
pub const LARGEST: usize = 64 << 20;
/// Anything but a revocation list is smaller.
const LARGEST_BUT_CRL: usize = 1 << 20;
/// More PEM blocks than this are no bundle but an accident.
const MOST_BLOCKS: usize = 20_000;

/// Everything in `bytes`: one thing for DER, one for each block of PEM.
///
/// # Errors
/// Nothing is recognised; the message says what it looks like. A block that cannot be read among others is a
/// [`Thing::Unreadable`] instead.
pub fn read(bytes: &[u8]) -> Result<Vec<Thing>> {
    read_with_password(bytes, None)
}

/// The same, with a password to look into encrypted private keys.
///
/// # Errors
/// As [`read`].
pub fn read_with_password(bytes: &[u8], password: Option<&[u8]>) -> Result<Vec<Thing>> {
    if bytes.is_empty() {
        return Err(Error::failed("the input is empty"));
    }
    if bytes.len() > LARGEST {
        return Err(Error::failed(format!("the input is larger than {} MiB", LARGEST >> 20)));
    }
    if let Some(store) = KeyStore::read(bytes, password)? {
        return Ok(vec![Thing::KeyStore(Box::new(store))]);
    }
    if bytes.len() > LARGEST_BUT_CRL && bytes[0] != 0x30 && !begins_with_crl(bytes) {
        return Err(Error::failed("the input is larger than 1 MiB, and it is no revocation list"));
    }
    if let Some(foreign) = Foreign::recognise(bytes) {
        return Ok(vec![Thing::Foreign(foreign)]);
    }
    if bytes[0] == 0x30 && shape(bytes).is_some() {
        return read_der(bytes, password).map(|thing| vec![thing]);
    }
    read_blocks(bytes, password)
}

/// `openssl crl -text` puts its prose first.
fn begins_with_crl(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    // Neither prose nor PEM has lines this long; what has is not worth a search.
    if !bytes[..bytes.len().min(4096)].contains(&b'\n') {
        return false;
    }
    let begin = bytes.windows(BEGIN.len()).position(|window| window == BEGIN);
    begin.is_some_and(|at| bytes[at + BEGIN.len()..].starts_with(b"X509 CRL-----"))
}

fn read_blocks(bytes: &[u8], password: Option<&[u8]>) -> Result<Vec<Thing>> {
    let blocks = read_pem_up_to(bytes, LARGEST).map_err(|e| Error::failed(e.to_string()))?;
    if blocks.len() > MOST_BLOCKS {
        return Err(Error::failed(format!(
            "the input has {} PEM blocks; at most {MOST_BLOCKS} are read",
            blocks.len()
        )));
    }
    let things: Vec<Thing> = (0..blocks.len())
        .filter(|at| blocks[*at].label.as_str() != "EC PARAMETERS")
        .map(|at| {
            read_block(&blocks[at], &blocks[..at], password).unwrap_or_else(|reason| unreadable(&blocks[at], &reason))
        })
        .collect();
    match things.as_slice() {
        [] => Err(unknown(bytes)),
        // One block alone: its fault is the answer.
        [Thing::Unreadable { label, reason }] => {
            Err(Error::failed(format!("the {} cannot be read: {reason}", ui::plain(label))))
        }
        _ => Ok(things),
    }
}

fn unreadable(block: &PemBlock, reason: &X509Error) -> Thing {
    Thing::Unreadable { label: block.label.as_str().to_owned(), reason: reason.to_string() }
}

fn read_block(block: &PemBlock, in_front: &[PemBlock], password: Option<&[u8]>) -> Result<Thing, X509Error> {
    match &block.label {
        Label::Certificate => Certificate::from_der(&block.der).map(|c| Thing::Certificate(Box::new(c))),
        Label::CertificateRequest => Csr::from_der(&block.der).map(|c| Thing::CertificateRequest(Box::new(c))),
        Label::Crl => Crl::from_der(&block.der).map(|c| Thing::Crl(Box::new(c))),
        label if block.traditional_encryption || label.is_known_private_key() => private_key(block, in_front, password),
        Label::Other(label) if label == "PUBLIC KEY" => PublicKey::from_spki_der(&block.der).map(Thing::PublicKey),
        Label::Other(label) if label == "TRUSTED CERTIFICATE" => {
            Err(X509Error::Unsupported("it is OpenSSL's own trusted certificate; convert it with openssl x509".into()))
        }
        // GnuTLS writes it so.
        Label::Other(label) if label == "PKCS12" => match KeyStore::read(&block.der, password) {
            Ok(Some(store)) => Ok(Thing::KeyStore(Box::new(store))),
            Ok(None) => Err(X509Error::Malformed("it is no PKCS#12 container".into())),
            Err(error) => Err(X509Error::Malformed(error.to_string())),
        },
        label => match Foreign::of_label(label.as_str()) {
            Some(foreign) => Ok(Thing::Foreign(foreign)),
            None => Err(X509Error::Unsupported("this kind of PEM block is not known".into())),
        },
    }
}

/// The facts about a private key; the key itself is dropped here.
fn private_key(block: &PemBlock, in_front: &[PemBlock], password: Option<&[u8]>) -> Result<Thing, X509Error> {
    let container = match (&block.label, block.traditional_encryption) {
        (label, true) => format!("{}, OpenSSL's own encryption", label.as_str()),
        (Label::EcPrivateKey, false) => "SEC 1".to_owned(),
        (Label::RsaPrivateKey, false) => "PKCS#1".to_owned(),
        _ => "PKCS#8".to_owned(),
    };
    let encrypted = block.traditional_encryption || block.label == Label::EncryptedPrivateKey;
    let public_key = match PrivateKey::from_pem_block(block, in_front, password) {
        Ok(key) => Some(PublicKeyFacts::of(key.public_key())),
        Err(X509Error::Encrypted) => None,
        Err(X509Error::OldEncryption { .. } | X509Error::Unsupported(_)) if encrypted => None,
        Err(reason) => return Err(reason),
    };
    Ok(Thing::PrivateKey(PrivateKeyFacts { container, encrypted, public_key }))
}

fn read_der(bytes: &[u8], password: Option<&[u8]>) -> Result<Thing> {
    let label = label_of_der(bytes).ok_or_else(|| unknown(bytes))?;
    read_block(&PemBlock::plain(label, bytes), &[], password).map_err(|reason| Error::failed(reason.to_string()))
}

/// What a PEM block with these bytes in it would be called.
pub(crate) fn label_of_der(bytes: &[u8]) -> Option<Label> {
    match shape(bytes)?.as_slice() {
        [0x02, 0x30, 0x04, ..] => Some(Label::PrivateKey),
        [0x02, 0x04, ..] => Some(Label::EcPrivateKey),
        [0x02, 0x02, ..] => Some(Label::RsaPrivateKey),
        [0x30, 0x04] => Some(Label::EncryptedPrivateKey),
        [0x30, 0x03] => Some(Label::Other("PUBLIC KEY".to_owned())),
        [0x30, 0x30, 0x03] => Some(label_of_signed(bytes)),
        _ => None,
    }
}

/// Certificate, request and list share one outer shape; the fields inside tell them apart.
fn label_of_signed(bytes: &[u8]) -> Label {
    let inner = first_inside(bytes).and_then(shape).unwrap_or_default();
    match inner.as_slice() {
        [0x02, 0x30, 0x30, 0xa0] | [0x02, 0x30, 0x30] => Label::CertificateRequest,
        [0x02, 0x30, 0x30, 0x17 | 0x18, ..] | [0x30, 0x30, 0x17 | 0x18, ..] => Label::Crl,
        _ => Label::Certificate,
    }
}

fn unknown(bytes: &[u8]) -> Error {
    let sentence = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the input is UTF-16 text; save it as UTF-8 or ASCII",
        [0x30, ..] => {
            "the input is DER or BER, but neither certificate, request, revocation list nor key; or it is cut short"
        }
        [b'{' | b'[', ..] => "the input is JSON, not a certificate, request, revocation list or key",
        _ if std::str::from_utf8(bytes).is_ok() => "the input is text without a PEM block",
        _ => "the input is neither PEM nor DER",
    };
    Error::failed(sentence)
}

/// The tags of the values inside the one SEQUENCE that `bytes` is, at most eight; `None` if it is no such thing.
fn shape(bytes: &[u8]) -> Option<Vec<u8>> {
    let (tag, mut content, rest) = value(bytes)?;
    if tag != 0x30 || !rest.is_empty() {
        return None;
    }
    let mut tags = Vec::new();
    while !content.is_empty() && tags.len() < 8 {
        let (tag, _, rest) = value(content)?;
        tags.push(tag);
        content = rest;
    }
    Some(tags)
}

/// The first value inside `bytes`, header and all.
fn first_inside(bytes: &[u8]) -> Option<&[u8]> {
    let (_, content, _) = value(bytes)?;
    let (_, _, rest) = value(content)?;
    Some(&content[..content.len() - rest.len()])
}

/// Tag, content and what follows.
pub(crate) fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else { return None };
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (octets.iter().fold(0usize, |sum, octet| sum << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

impl Foreign {
    /// A container by its first bytes.
    pub(crate) fn recognise(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"age-encryption.org/") {
            return Some(Self::Age);
        }
        if bytes.starts_with(b"ssh-") || bytes.starts_with(b"ecdsa-sha2-") {
            return Some(Self::OpenSsh);
        }
        match shape(bytes)?.as_slice() {
            [0x06, 0xa0] => Some(Self::Pkcs7),
            _ => None,
        }
    }

    pub(crate) fn of_label(label: &str) -> Option<Self> {
        match label {
            "AGE ENCRYPTED FILE" => Some(Self::Age),
            "OPENSSH PRIVATE KEY" => Some(Self::OpenSsh),
            "PKCS7" | "CMS" => Some(Self::Pkcs7),
            _ => None,
        }
    }
}
