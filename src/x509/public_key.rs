//! Public keys as SubjectPublicKeyInfo, and the one place where signatures are verified.
//!
//! Verification is keyed on the curve and the hash, each taken from where it is written: the curve from the key, the
//! hash from the signature algorithm. rcgen takes both from the signature algorithm and so turns the P-384 request that
//! `openssl req` signs with SHA-256 into a certificate with a broken key.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self as aws, UnparsedPublicKey, VerificationAlgorithm};

use super::der::{self, Fault, Reader, tag};
use super::{KeyType, X509Error};

/// The kind of a public key, whether or not we could make one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublicKeyAlgorithm {
    /// ECDSA on a named curve: `P-256`, `P-384`, `P-521`, `secp256k1`, ...; `explicit` if the parameters are spelt out.
    Ecdsa(&'static str),
    /// Ed25519.
    Ed25519,
    /// Ed448.
    Ed448,
    /// RSA for any padding.
    Rsa,
    /// RSA that is restricted to PSS padding.
    RsaPss,
    /// Anything else: the dotted object identifier of the algorithm, or of the curve.
    Other(String),
}

/// A public key: its SubjectPublicKeyInfo, byte for byte as it was read or made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey {
    spki: Vec<u8>,
    key_start: usize,
    algorithm: PublicKeyAlgorithm,
    bits: u32,
}

pub(super) const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
pub(super) const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
pub(super) const RSA_PSS: &str = "1.2.840.113549.1.1.10";
pub(super) const ED25519: &str = "1.3.101.112";
pub(super) const ED448: &str = "1.3.101.113";

const ECDSA_SHA1: &str = "1.2.840.10045.4.1";
const RSA_SHA1: &str = "1.2.840.113549.1.1.5";

/// Object identifier, name and size of the curves that occur in certificates.
const CURVES: &[(&str, &str, u32)] = &[
    ("1.2.840.10045.3.1.7", "P-256", 256),
    ("1.3.132.0.34", "P-384", 384),
    ("1.3.132.0.35", "P-521", 521),
    ("1.2.840.10045.3.1.1", "P-192", 192),
    ("1.3.132.0.33", "P-224", 224),
    ("1.3.132.0.10", "secp256k1", 256),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1", 256),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1", 384),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1", 512),
];

pub(super) fn curve_name(oid: &str) -> Option<(&'static str, u32)> {
    CURVES.iter().find(|(curve, ..)| *curve == oid).map(|(_, name, bits)| (*name, *bits))
}

pub(super) fn curve_key_type(name: &str) -> Option<KeyType> {
    match name {
        "P-256" => Some(KeyType::EcdsaP256),
        "P-384" => Some(KeyType::EcdsaP384),
        "P-521" => Some(KeyType::EcdsaP521),
        _ => None,
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, X509Error> {
        let (algorithm, bits, key_start) =
            read_spki(spki).map_err(|fault| X509Error::Malformed(format!("the public key {fault}")))?;
        Ok(Self { spki: spki.to_vec(), key_start, algorithm, bits })
    }

    /// A key that the crypto library made: `public` is the point, the 32 bytes, or the RSAPublicKey.
    pub(crate) fn of_key_type(key_type: KeyType, public: &[u8]) -> Self {
        let (algorithm, bits) = match key_type {
            KeyType::EcdsaP256 => (PublicKeyAlgorithm::Ecdsa("P-256"), 256),
            KeyType::EcdsaP384 => (PublicKeyAlgorithm::Ecdsa("P-384"), 384),
            KeyType::EcdsaP521 => (PublicKeyAlgorithm::Ecdsa("P-521"), 521),
            KeyType::Ed25519 => (PublicKeyAlgorithm::Ed25519, 256),
            KeyType::Rsa2048 => (PublicKeyAlgorithm::Rsa, 2048),
            KeyType::Rsa3072 => (PublicKeyAlgorithm::Rsa, 3072),
            KeyType::Rsa4096 => (PublicKeyAlgorithm::Rsa, 4096),
        };
        let identifier = Self::algorithm_identifier(key_type);
        let bits_length = public.len() + 1;
        let length = identifier.len() + der::whole_length(bits_length);
        let mut spki = Vec::with_capacity(der::whole_length(length));
        der::write_header(&mut spki, tag::SEQUENCE, length);
        spki.extend_from_slice(identifier);
        der::write_header(&mut spki, tag::BIT_STRING, bits_length);
        spki.push(0);
        spki.extend_from_slice(public);
        Self { key_start: spki.len() - public.len(), spki, algorithm, bits }
    }

    /// The AlgorithmIdentifier of the key, not of a signature.
    pub(super) fn algorithm_identifier(key_type: KeyType) -> &'static [u8] {
        match key_type {
            KeyType::EcdsaP256 => SPKI_P256,
            KeyType::EcdsaP384 => SPKI_P384,
            KeyType::EcdsaP521 => SPKI_P521,
            KeyType::Ed25519 => SPKI_ED25519,
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => SPKI_RSA,
        }
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// Its kind.
    pub fn algorithm(&self) -> &PublicKeyAlgorithm {
        &self.algorithm
    }

    /// Its size: of the modulus or of the curve; 0 if it is not known.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The same algorithm and the same size.
    pub(crate) fn is_of_the_kind_of(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && self.bits == other.bits
    }

    /// Which of our kinds it is; `None` if it is not one that we make.
    pub fn key_type(&self) -> Option<KeyType> {
        match (&self.algorithm, self.bits) {
            (PublicKeyAlgorithm::Ecdsa(curve), _) => curve_key_type(curve),
            (PublicKeyAlgorithm::Ed25519, _) => Some(KeyType::Ed25519),
            (PublicKeyAlgorithm::Rsa, 2048) => Some(KeyType::Rsa2048),
            (PublicKeyAlgorithm::Rsa, 3072) => Some(KeyType::Rsa3072),
            (PublicKeyAlgorithm::Rsa, 4096) => Some(KeyType::Rsa4096),
            _ => None,
        }
    }

    /// The fingerprint of the SubjectPublicKeyInfo: two certificates with the same value share a key.
    pub fn sha256_hex(&self) -> String {
        super::sha256_hex(&self.spki)
    }

    /// The beginning of the fingerprint: what stands behind the common name of an authority and tells it from every other.
    pub fn mark(&self) -> String {
        let mut mark = self.sha256_hex();
        mark.truncate(8);
        mark
    }

    /// The key identifier of RFC 5280 section 4.2.1.2, method (1): 160 bits, the form that every tool computes. SHA-1 is
    /// only a name here; nothing rests on its strength.
    pub fn key_identifier(&self) -> [u8; 20] {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, self.key_bits());
        digest.as_ref().try_into().expect("SHA-1 has 160 bits")
    }

    /// Checks a signature made with `signature_algorithm_oid`, a dotted object identifier from an X.509 structure.
    pub fn verify(&self, signature_algorithm_oid: &str, message: &[u8], signature: &[u8]) -> Result<(), X509Error> {
        let candidates = self.verification_algorithms(signature_algorithm_oid)?;
        match self.verifies_with(candidates, message, signature) {
            true => Ok(()),
            false if signature_algorithm_oid == RSA_PSS => Err(X509Error::Unsupported(
                "the RSA-PSS signature does not verify; only those whose salt is as long as the hash can be checked"
                    .into(),
            )),
            false => Err(X509Error::Malformed("the signature does not verify".into())),
        }
    }

    /// Checks a signature that only shows that its maker holds the key. It is made and checked within hours and nobody
    /// else gains by a collision, so that SHA-1, which old devices cannot do without, is as good as any hash.
    pub(super) fn verify_possession(
        &self,
        signature_algorithm_oid: &str,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), X509Error> {
        use PublicKeyAlgorithm::{Ecdsa, Rsa};
        let legacy: &'static dyn VerificationAlgorithm = match (&self.algorithm, signature_algorithm_oid) {
            (Ecdsa("P-256"), ECDSA_SHA1) => &aws::ECDSA_P256_SHA1_ASN1,
            (Ecdsa("P-521"), ECDSA_SHA1) => &aws::ECDSA_P521_SHA1_ASN1,
            (Rsa, RSA_SHA1) if self.bits >= 2048 => &aws::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            _ => return self.verify(signature_algorithm_oid, message, signature),
        };
        match self.verifies_with(&[legacy], message, signature) {
            true => Ok(()),
            false => Err(X509Error::Malformed("the signature does not verify".into())),
        }
    }

    fn verifies_with(
        &self,
        algorithms: &[&'static dyn VerificationAlgorithm],
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = self.key_bits();
        algorithms.iter().any(|algorithm| UnparsedPublicKey::new(*algorithm, key).verify(message, signature).is_ok())
    }

    /// More than one only for RSA-PSS, whose hash is written in the parameters and not in the identifier.
    fn verification_algorithms(&self, oid: &str) -> Result<&'static [&'static dyn VerificationAlgorithm], X509Error> {
        use PublicKeyAlgorithm::{Ecdsa, Ed25519, Rsa, RsaPss};
        let hash = signature_hash(oid).ok_or_else(|| {
            X509Error::Unsupported(format!("the signature algorithm {} is not supported", signature_name(oid)))
        })?;
        if matches!(self.algorithm, Rsa | RsaPss) && self.bits < 2048 {
            return Err(X509Error::Unsupported(format!("an RSA key of {} bits is too short to be trusted", self.bits)));
        }
        Ok(match (&self.algorithm, hash) {
            (Ecdsa("P-256"), Hash::EcdsaSha256) => &[&aws::ECDSA_P256_SHA256_ASN1],
            (Ecdsa("P-256"), Hash::EcdsaSha384) => &[&aws::ECDSA_P256_SHA384_ASN1],
            (Ecdsa("P-256"), Hash::EcdsaSha512) => &[&aws::ECDSA_P256_SHA512_ASN1],
            (Ecdsa("P-384"), Hash::EcdsaSha256) => &[&aws::ECDSA_P384_SHA256_ASN1],
            (Ecdsa("P-384"), Hash::EcdsaSha384) => &[&aws::ECDSA_P384_SHA384_ASN1],
            (Ecdsa("P-384"), Hash::EcdsaSha512) => &[&aws::ECDSA_P384_SHA512_ASN1],
            (Ecdsa("P-521"), Hash::EcdsaSha256) => &[&aws::ECDSA_P521_SHA256_ASN1],
            (Ecdsa("P-521"), Hash::EcdsaSha384) => &[&aws::ECDSA_P521_SHA384_ASN1],
            (Ecdsa("P-521"), Hash::EcdsaSha512) => &[&aws::ECDSA_P521_SHA512_ASN1],
            (Ecdsa("secp256k1"), Hash::EcdsaSha256) => &[&aws::ECDSA_P256K1_SHA256_ASN1],
            (Ed25519, Hash::Ed25519) => &[&aws::ED25519],
            (Rsa, Hash::RsaSha256) => &[&aws::RSA_PKCS1_2048_8192_SHA256],
            (Rsa, Hash::RsaSha384) => &[&aws::RSA_PKCS1_2048_8192_SHA384],
            (Rsa, Hash::RsaSha512) => &[&aws::RSA_PKCS1_2048_8192_SHA512],
            (Rsa | RsaPss, Hash::RsaPss) => {
                &[&aws::RSA_PSS_2048_8192_SHA256, &aws::RSA_PSS_2048_8192_SHA384, &aws::RSA_PSS_2048_8192_SHA512]
            }
            _ => {
                return Err(X509Error::Unsupported(format!(
                    "a signature with {} cannot be checked with a key of the kind {}",
                    signature_name(oid),
                    self.algorithm
                )));
            }
        })
    }

    /// The public exponent of an RSA key, big-endian without leading zeros.
    pub fn rsa_exponent(&self) -> Option<&[u8]> {
        if self.algorithm != PublicKeyAlgorithm::Rsa {
            return None;
        }
        let mut key = Reader::only(self.key_bits(), tag::SEQUENCE).ok()?;
        key.integer().ok()?;
        let exponent = key.integer().ok()?;
        Some(exponent.strip_prefix(&[0]).unwrap_or(exponent))
    }

    /// The content of the BIT STRING.
    fn key_bits(&self) -> &[u8] {
        &self.spki[self.key_start..]
    }
}

impl std::fmt::Display for PublicKeyAlgorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ecdsa(curve) => return write!(f, "ECDSA {curve}"),
            Self::Ed25519 => "Ed25519",
            Self::Ed448 => "Ed448",
            Self::Rsa => "RSA",
            Self::RsaPss => "RSA-PSS",
            Self::Other(oid) => oid,
        })
    }
}

#[derive(Clone, Copy)]
enum Hash {
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    RsaPss,
    Ed25519,
}

fn signature_hash(oid: &str) -> Option<Hash> {
    Some(match oid {
        "1.2.840.10045.4.3.2" => Hash::EcdsaSha256,
        "1.2.840.10045.4.3.3" => Hash::EcdsaSha384,
        "1.2.840.10045.4.3.4" => Hash::EcdsaSha512,
        "1.2.840.113549.1.1.11" => Hash::RsaSha256,
        "1.2.840.113549.1.1.12" => Hash::RsaSha384,
        "1.2.840.113549.1.1.13" => Hash::RsaSha512,
        RSA_PSS => Hash::RsaPss,
        ED25519 => Hash::Ed25519,
        _ => return None,
    })
}

fn signature_name(oid: &str) -> &str {
    match oid {
        ECDSA_SHA1 => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.1" => "ECDSA with SHA-224",
        "1.2.840.10045.4.3.2" => "ECDSA with SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA with SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA with SHA-512",
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        RSA_SHA1 => "RSA with SHA-1",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.2.840.113549.1.1.14" => "RSA with SHA-224",
        RSA_PSS => "RSA-PSS",
        ED25519 => "Ed25519",
        ED448 => "Ed448",
        other => other,
    }
}

/// Kind, size, and where the content of the BIT STRING starts.
fn read_spki(spki: &[u8]) -> Result<(PublicKeyAlgorithm, u32, usize), Fault> {
    let mut fields = Reader::only(spki, tag::SEQUENCE)?;
    let identifier = fields.enter(tag::SEQUENCE)?;
    let key = fields.octet_bits()?;
    fields.end()?;
    let (algorithm, bits) = read_algorithm(identifier, key)?;
    Ok((algorithm, bits, spki.len() - key.len()))
}

fn read_algorithm(mut identifier: Reader<'_>, key: &[u8]) -> Result<(PublicKeyAlgorithm, u32), Fault> {
    let oid = identifier.oid()?;
    Ok(match &*oid {
        EC_PUBLIC_KEY if identifier.peek() == Some(tag::OID) => {
            let curve = identifier.oid()?;
            match curve_name(&curve) {
                Some((name, bits)) => (PublicKeyAlgorithm::Ecdsa(name), bits),
                None => (PublicKeyAlgorithm::Other(curve.into_owned()), 0),
            }
        }
        EC_PUBLIC_KEY => (PublicKeyAlgorithm::Ecdsa("explicit"), 0),
        ED25519 => (PublicKeyAlgorithm::Ed25519, 256),
        ED448 => (PublicKeyAlgorithm::Ed448, 456),
        RSA_ENCRYPTION => (PublicKeyAlgorithm::Rsa, modulus_bits(Reader::only(key, tag::SEQUENCE)?)?),
        RSA_PSS => (PublicKeyAlgorithm::RsaPss, modulus_bits(Reader::only(key, tag::SEQUENCE)?)?),
        _ => (PublicKeyAlgorithm::Other(oid.into_owned()), 0),
    })
}

/// The size of the modulus, which is the next field.
pub(super) fn modulus_bits(mut fields: Reader<'_>) -> Result<u32, Fault> {
    let modulus = fields.expect(tag::INTEGER)?;
    let start = modulus.iter().position(|octet| *octet != 0).unwrap_or(modulus.len());
    let leading = modulus.get(start).map_or(0, |octet| octet.leading_zeros());
    Ok((modulus.len() - start) as u32 * 8 - leading)
}

const SPKI_P256: &[u8] = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const SPKI_P384: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
const SPKI_P521: &[u8] = b"\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";
const SPKI_ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
const SPKI_RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_support::key;
    use super::*;

    const ALGORITHMS: [&str; 8] = [
        "1.2.840.10045.4.3.2",
        "1.2.840.10045.4.3.3",
        "1.2.840.10045.4.3.4",
        "1.2.840.113549.1.1.11",
        "1.2.840.113549.1.1.12",
        "1.2.840.113549.1.1.13",
        RSA_PSS,
        ED25519,
    ];

    #[test]
    fn a_signature_verifies_with_its_algorithm_and_no_other() {
        for key_type in KeyType::ALL {
            let (ours, other) = (key(key_type, 0), key(key_type, 1));
            let signature = ours.sign(b"message").unwrap();
            let verified = |key: &PublicKey, message: &[u8], signature: &[u8]| {
                ALGORITHMS.into_iter().filter(|oid| key.verify(oid, message, signature).is_ok()).count()
            };
            assert_eq!(verified(ours.public_key(), b"message", &signature), 1, "{key_type}");
            assert_eq!(verified(ours.public_key(), b"massage", &signature), 0, "{key_type}");
            assert_eq!(verified(ours.public_key(), b"message", &signature[1..]), 0, "{key_type}");
            assert_eq!(verified(ours.public_key(), b"message", &[]), 0, "{key_type}");
            assert_eq!(verified(other.public_key(), b"message", &signature), 0, "{key_type}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_told_apart_from_what_is_wrong() {
        let key = key(KeyType::EcdsaP256, 0).public_key();
        let error = |oid| key.verify(oid, b"", b"").unwrap_err();
        assert!(matches!(error("1.2.840.10045.4.3.2"), X509Error::Malformed(_)));
        for (oid, said) in [("1.2.840.10045.4.1", "SHA-1"), (ED25519, "ECDSA P-256"), ("1.2.3", "1.2.3")] {
            let error = error(oid);
            assert!(matches!(&error, X509Error::Unsupported(why) if why.contains(said)), "{error}");
        }
    }

    #[test]
    fn a_point_that_is_not_on_the_named_curve_verifies_nothing() {
        let p384 = key(KeyType::EcdsaP384, 0);
        let spki = [&[0x30, 0x79][..], SPKI_P256, &[0x03, 0x62], &p384.public_key().spki[22..]].concat();
        let broken = PublicKey::from_spki_der(&[&[0x30, spki.len() as u8 - 2], &spki[2..]].concat()).unwrap();
        let signature = p384.sign(b"message").unwrap();
        assert!(ALGORITHMS.into_iter().all(|oid| broken.verify(oid, b"message", &signature).is_err()));
    }

    proptest! {
        #[test]
        fn hostile_keys_never_panic(at in 0usize..91, byte in any::<u8>(), length in 0usize..=91) {
            let mut spki = key(KeyType::EcdsaP256, 0).public_key().spki.clone();
            spki[at] = byte;
            if let Ok(key) = PublicKey::from_spki_der(&spki[..length]) {
                for oid in ALGORITHMS {
                    prop_assert!(key.verify(oid, b"message", b"signature").is_err());
                }
            }
        }
    }
}
