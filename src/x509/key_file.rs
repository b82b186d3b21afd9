//! Private key files: every form that OpenSSL, Java and Python write is read, one form is written.
//!
//! The forms are told apart before the crypto library sees a byte, so that a key that is encrypted, of an unsupported
//! kind, or damaged gives three different messages, with the command that converts it where there is one.

use aws_lc_rs::signature::{Ed25519KeyPair, RsaKeyPair};
use pkcs8::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::der::{self, Fault, Reader, tag};
use super::key::Pair;
use super::public_key::{
    EC_PUBLIC_KEY, ED448, ED25519, RSA_ENCRYPTION, RSA_PSS, curve_key_type, curve_name, modulus_bits,
};
use super::{KeyType, Label, PemBlock, PrivateKey, X509Error, read_pem};

mod scheme;
mod traditional;

/// Erlang derives the key again at every handshake, so more rounds would slow the broker down.
const PBKDF2_ROUNDS: u32 = 10_000;
/// A file that asks for more work than this is an attack or a mistake.
const MOST_PBKDF2_ROUNDS: u32 = 10_000_000;
const MOST_SCRYPT_MEMORY: u64 = 256 << 20;
/// OpenSSL's scrypt, 16 MiB, takes about as long as 600,000 rounds of PBKDF2.
const SCRYPT_BYTES_OF_A_ROUND: u64 = 28;

const SUPPORTED: &str = "supported are ECDSA P-256, P-384 and P-521, Ed25519, and RSA with 2048, 3072 or 4096 bits";

pub(super) fn read_pem_key(pem: &[u8], password: Option<&[u8]>) -> Result<PrivateKey, X509Error> {
    if pem.first() == Some(&tag::SEQUENCE) && Reader::only(pem, tag::SEQUENCE).is_ok() {
        return Err(malformed("it is DER, not PEM; convert it: openssl pkey -inform DER -in FILE -out NEW"));
    }
    let blocks = read_pem(pem)?;
    let at = blocks.iter().position(|block| block.label.is_private_key());
    let at = at.ok_or_else(|| malformed("there is no private key in it"))?;
    read_block(&blocks[at], &blocks[..at], password)
}

/// The key in one block; `in_front` are the blocks before it in its file.
pub(super) fn read_block(
    block: &PemBlock,
    in_front: &[PemBlock],
    password: Option<&[u8]>,
) -> Result<PrivateKey, X509Error> {
    let curve = curve_in_front(in_front);
    if !block.traditional_encryption {
        return read_labelled(&block.label, &block.der, curve.as_deref(), password);
    }
    let password = password.ok_or(X509Error::Encrypted);
    let plain = traditional::decrypt(block, password)?;
    // A wrong password passes the padding check once in 256 times; then what comes out is no DER.
    if Reader::only(&plain, tag::SEQUENCE).and_then(|mut fields| fields.integer()).is_err() {
        return Err(X509Error::WrongPassword);
    }
    read_labelled(&block.label, &plain, curve.as_deref(), None)
}

fn read_labelled(
    label: &Label,
    der: &[u8],
    curve: Option<&str>,
    password: Option<&[u8]>,
) -> Result<PrivateKey, X509Error> {
    match label {
        Label::PrivateKey => read_pkcs8(der),
        Label::EncryptedPrivateKey => read_encrypted(der, password),
        Label::EcPrivateKey => read_sec1(der, curve),
        Label::RsaPrivateKey => read_pkcs1(der),
        other => Err(unsupported(&format!("a block of the form {}", crate::ui::quote(other.as_str())))),
    }
}

/// The dotted curve of an `EC PARAMETERS` block, which `openssl ecparam -genkey` writes before the key.
fn curve_in_front(blocks: &[PemBlock]) -> Option<String> {
    let parameters = blocks.iter().rfind(|block| block.label.as_str() == "EC PARAMETERS")?;
    Reader::new(&parameters.der).oid().ok().map(|curve| curve.into_owned())
}

/// PKCS#8 (RFC 5208) and its second version (RFC 5958).
pub(super) fn read_pkcs8(der: &[u8]) -> Result<PrivateKey, X509Error> {
    let broken = |fault| damaged("the private key", fault);
    let mut fields = Reader::only(der, tag::SEQUENCE).map_err(broken)?;
    if fields.peek() == Some(tag::SEQUENCE) {
        return Err(X509Error::Encrypted);
    }
    fields.integer().map_err(broken)?;
    let identifier = fields.element(tag::SEQUENCE).map_err(broken)?;
    let key = fields.element(tag::OCTET_STRING).map_err(broken)?;
    let mut parameters = Reader::new(identifier.content);
    match &*parameters.oid().map_err(broken)? {
        EC_PUBLIC_KEY => {
            let key_type = read_curve(parameters)?;
            // Without attributes and version 2 fields, which aws-lc-rs need not understand.
            let plain = Zeroizing::new([b"\x02\x01\x00", identifier.whole, key.whole].concat());
            PrivateKey::from_ecdsa_der(key_type, &Zeroizing::new(der::element(tag::SEQUENCE, &plain)))
        }
        ED25519 => {
            let seed = Reader::new(key.content).expect(tag::OCTET_STRING).map_err(broken)?;
            read_ed25519(seed, public_key_field(fields).map_err(broken)?)
        }
        RSA_ENCRYPTION => read_pkcs1(key.content),
        RSA_PSS => Err(unsupported("an RSA key that is restricted to PSS")),
        ED448 => Err(unsupported("an Ed448 key")),
        "1.2.840.10040.4.1" => Err(unsupported("a DSA key")),
        "1.3.101.110" | "1.3.101.111" => Err(unsupported("an X25519 or X448 key, which cannot sign,")),
        other => Err(unsupported(&format!("a private key of the kind {other}"))),
    }
}

/// The optional `publicKey [1]` of a version 2 file.
fn public_key_field(mut fields: Reader<'_>) -> Result<Option<&[u8]>, Fault> {
    fields.optional(tag::constructed(0))?;
    let field = fields.optional(tag::context(1))?;
    Ok(field.and_then(|field| field.split_first()).map(|(_, key)| key))
}

fn read_ed25519(seed: &[u8], public: Option<&[u8]>) -> Result<PrivateKey, X509Error> {
    let pair = match public {
        Some(public) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
        None => Ed25519KeyPair::from_seed_unchecked(seed),
    };
    match pair {
        Ok(pair) if seed.len() == 32 => PrivateKey::from_pair(Pair::Ed25519(pair), KeyType::Ed25519),
        _ => Err(malformed("the ed25519 private key is damaged")),
    }
}

/// SEC1 (RFC 5915); the curve is inside, or in a block in front of it.
fn read_sec1(der: &[u8], parameters: Option<&str>) -> Result<PrivateKey, X509Error> {
    let broken = |fault| damaged("the private key", fault);
    let mut fields = Reader::only(der, tag::SEQUENCE).map_err(broken)?;
    fields.integer().map_err(broken)?;
    fields.expect(tag::OCTET_STRING).map_err(broken)?;
    let key_type = match (fields.optional(tag::constructed(0)).map_err(broken)?, parameters) {
        (Some(curve), _) => read_curve(Reader::new(curve))?,
        (None, Some(oid)) => named_curve(oid)?,
        (None, None) => return Err(malformed("the private key does not say which curve it is on")),
    };
    PrivateKey::from_ecdsa_der(key_type, der)
}

fn read_curve(mut parameters: Reader<'_>) -> Result<KeyType, X509Error> {
    if parameters.peek() == Some(tag::SEQUENCE) {
        // Accepting these was CVE-2020-0601.
        return Err(X509Error::Unsupported(
            "the private key spells out the parameters of its curve instead of naming it; \
             convert it: openssl ec -in FILE -param_enc named_curve -out NEW"
                .into(),
        ));
    }
    named_curve(&parameters.oid().map_err(|fault| damaged("the curve of the private key", fault))?)
}

fn named_curve(oid: &str) -> Result<KeyType, X509Error> {
    let name = curve_name(oid).map_or(oid, |(name, _)| name);
    curve_key_type(name).ok_or_else(|| unsupported(&format!("a key on the curve {name}")))
}

/// PKCS#1 (RFC 8017 appendix A.1.2).
fn read_pkcs1(der: &[u8]) -> Result<PrivateKey, X509Error> {
    let broken = |fault| damaged("the RSA private key", fault);
    let mut fields = Reader::only(der, tag::SEQUENCE).map_err(broken)?;
    fields.integer().map_err(broken)?;
    let key_type = match modulus_bits(fields).map_err(broken)? {
        2048 => KeyType::Rsa2048,
        3072 => KeyType::Rsa3072,
        4096 => KeyType::Rsa4096,
        bits => return Err(unsupported(&format!("an RSA key of {bits} bits"))),
    };
    let pair = RsaKeyPair::from_der(der).map_err(|_| malformed("the RSA private key is damaged"))?;
    PrivateKey::from_pair(Pair::Rsa(pair), key_type)
}

fn read_encrypted(der: &[u8], password: Option<&[u8]>) -> Result<PrivateKey, X509Error> {
    scheme::check(der)?;
    let info = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| scheme::unknown())?;
    check_work(&info)?;
    let password = password.ok_or(X509Error::Encrypted)?;
    // A wrong password passes the padding check once in 256 times; then what comes out is no DER.
    let document = info.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => scheme::unknown(),
        _ => X509Error::WrongPassword,
    })?;
    read_pkcs8(document.as_bytes())
}

fn check_work(info: &EncryptedPrivateKeyInfoRef<'_>) -> Result<(), X509Error> {
    let sane = match info.encryption_algorithm.pbes2().map(|parameters| &parameters.kdf) {
        Some(pbes2::Kdf::Pbkdf2(parameters)) => parameters.iteration_count <= MOST_PBKDF2_ROUNDS,
        Some(pbes2::Kdf::Scrypt(parameters)) => scrypt_memory(parameters) <= MOST_SCRYPT_MEMORY,
        _ => true,
    };
    if sane { Ok(()) } else { Err(malformed("the encrypted private key asks for an absurd amount of work")) }
}

/// What all its lanes together fill, which is also a measure of its time.
fn scrypt_memory(parameters: &pbes2::ScryptParams) -> u64 {
    let lane = 128 * u64::from(parameters.block_size);
    parameters.cost_parameter.saturating_mul(lane).saturating_mul(parameters.parallelization.into())
}

/// The work of one try to open the key in a block, in rounds of PBKDF2.
pub(super) fn work(block: &PemBlock) -> u64 {
    let info = EncryptedPrivateKeyInfoRef::try_from(&**block.der).ok();
    match info.as_ref().and_then(|info| info.encryption_algorithm.pbes2()).map(|parameters| &parameters.kdf) {
        Some(pbes2::Kdf::Pbkdf2(parameters)) => parameters.iteration_count.into(),
        Some(pbes2::Kdf::Scrypt(parameters)) => scrypt_memory(parameters) / SCRYPT_BYTES_OF_A_ROUND,
        _ => 1,
    }
}

pub(super) fn write_encrypted_pem(pkcs8: &[u8], password: &[u8]) -> Result<Zeroizing<String>, X509Error> {
    let failed = |what: &str| X509Error::Crypto(format!("the private key could not be encrypted: {what}"));
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| failed("no random numbers"))?;
    aws_lc_rs::rand::fill(&mut iv).map_err(|_| failed("no random numbers"))?;
    let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(PBKDF2_ROUNDS, &salt, iv)
        .map_err(|error| failed(&error.to_string()))?;
    PrivateKeyInfoRef::try_from(pkcs8)
        .and_then(|info| info.encrypt_with_params(parameters, password))
        .map_err(|error| failed(&error.to_string()))?
        .to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF)
        .map_err(|error| failed(&error.to_string()))
}

fn malformed(message: &str) -> X509Error {
    X509Error::Malformed(message.into())
}

fn damaged(what: &str, fault: Fault) -> X509Error {
    X509Error::Malformed(format!("{what} is damaged: it {fault}"))
}

fn unsupported(what: &str) -> X509Error {
    X509Error::Unsupported(format!("{what} is not supported; {SUPPORTED}"))
}

#[cfg(test)]
mod tests;
