//! Key pairs: seven kinds, always PKCS#8 version 1 at rest.
//!
//! Keys are made and used with aws-lc-rs directly. rcgen would parse every fresh key a second time, write Ed25519 keys
//! as PKCS#8 version 2, which OpenSSL 3.0 cannot read, and write imported SEC1 and PKCS#1 bytes under a PKCS#8 label.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsBigEndian, AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use zeroize::Zeroizing;

use super::der::{self, tag};
use super::{Label, PemBlock, PublicKey, X509Error, key_file, write_pem};

/// The kinds of keys that are made, and accepted from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyType {
    /// ECDSA on P-256, signing with SHA-256: the default.
    EcdsaP256,
    /// ECDSA on P-384, signing with SHA-384.
    EcdsaP384,
    /// ECDSA on P-521, signing with SHA-512.
    EcdsaP521,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits, signing PKCS#1 v1.5 with SHA-256.
    Rsa2048,
    /// RSA with 3072 bits, signing PKCS#1 v1.5 with SHA-256.
    Rsa3072,
    /// RSA with 4096 bits, signing PKCS#1 v1.5 with SHA-256.
    Rsa4096,
}

impl KeyType {
    /// Every kind, in the order in which help texts list them.
    pub const ALL: [Self; 7] =
        [Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// The name on the command line and in the manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// Whether it is RSA of any size: those keys also encipher (RFC 5280 section 4.2.1.3).
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    /// The hash that is signed; Ed25519 has its own.
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::EcdsaP384 => &digest::SHA384,
            Self::EcdsaP521 => &digest::SHA512,
            _ => &digest::SHA256,
        }
    }

    fn ecdsa(self) -> Option<&'static EcdsaSigningAlgorithm> {
        match self {
            Self::EcdsaP256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
            Self::EcdsaP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
            Self::EcdsaP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
            _ => None,
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for KeyType {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        Self::ALL.into_iter().find(|key_type| key_type.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            X509Error::Invalid(format!("{} is not a key type; known are {known}", crate::ui::quote(text)))
        })
    }
}

/// A private key that is ready to sign, with its encoding. The encoding is wiped from memory when it is dropped.
pub struct PrivateKey {
    pair: Pair,
    pkcs8: Zeroizing<Vec<u8>>,
    public_key: PublicKey,
    key_type: KeyType,
}

pub(super) enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// A fresh key.
    pub fn generate(key_type: KeyType) -> Result<Self, X509Error> {
        let rsa = |size| RsaKeyPair::generate(size).map(Pair::Rsa);
        let pair = match key_type {
            KeyType::EcdsaP256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Pair::Ecdsa),
            KeyType::EcdsaP384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).map(Pair::Ecdsa),
            KeyType::EcdsaP521 => EcdsaKeyPair::generate(&ECDSA_P521_SHA512_ASN1_SIGNING).map(Pair::Ecdsa),
            KeyType::Ed25519 => Ed25519KeyPair::generate().map(Pair::Ed25519),
            KeyType::Rsa2048 => rsa(KeySize::Rsa2048),
            KeyType::Rsa3072 => rsa(KeySize::Rsa3072),
            KeyType::Rsa4096 => rsa(KeySize::Rsa4096),
        };
        Self::from_pair(pair.map_err(|_| crypto(format!("the {key_type} key could not be generated")))?, key_type)
    }

    /// The first private key of a PEM file: PKCS#8, encrypted PKCS#8 (PBES2), SEC1 (also behind `EC PARAMETERS`) or
    /// PKCS#1, the last two also in OpenSSL's traditional encryption.
    pub fn from_pem(pem: &[u8], password: Option<&[u8]>) -> Result<Self, X509Error> {
        key_file::read_pem_key(pem, password)
    }

    /// The key in one block of a PEM file; `in_front` are the blocks before it, of which one may name the curve.
    pub fn from_pem_block(block: &PemBlock, in_front: &[PemBlock], password: Option<&[u8]>) -> Result<Self, X509Error> {
        key_file::read_block(block, in_front, password)
    }

    /// How much work one try to open an encrypted block is, in rounds of PBKDF2; 1 for what is not encrypted, too.
    pub fn work_to_open(block: &PemBlock) -> u64 {
        key_file::work(block)
    }

    /// A key from PKCS#8, version 1 or 2.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, X509Error> {
        key_file::read_pkcs8(der)
    }

    /// The key as PEM, always PKCS#8 version 1.
    pub fn to_pem(&self) -> Zeroizing<String> {
        write_pem(&Label::PrivateKey, &self.pkcs8).into()
    }

    /// The key as PEM, encrypted with PBES2 (PBKDF2 with HMAC-SHA256, AES-256-CBC).
    pub fn to_encrypted_pem(&self, password: &[u8]) -> Result<Zeroizing<String>, X509Error> {
        key_file::write_encrypted_pem(&self.pkcs8, password)
    }

    /// The key as PKCS#8 version 1.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Its kind.
    pub fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Signs with the algorithm of the key's kind; the signature is what goes into the BIT STRING.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, X509Error> {
        let failed = |_| crypto(format!("signing with the {} key failed", self.key_type));
        match &self.pair {
            // Hashed first: the library's own way to do both allocates contexts, a hundredth of a certificate's time.
            Pair::Ecdsa(pair) => {
                let digest = digest::digest(self.key_type.digest(), message);
                pair.sign_digest(&digest).map(|s| s.as_ref().to_vec()).map_err(failed)
            }
            Pair::Ed25519(pair) => pair.try_sign(message).map(|s| s.as_ref().to_vec()).map_err(failed),
            Pair::Rsa(pair) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out).map_err(failed)?;
                Ok(out)
            }
        }
    }

    pub(super) fn from_pair(pair: Pair, key_type: KeyType) -> Result<Self, X509Error> {
        let failed = |_| crypto(format!("the {key_type} key could not be encoded"));
        let (pkcs8, public) = match &pair {
            Pair::Ecdsa(pair) => {
                let (secret, public) = (pair.private_key().as_be_bytes().map_err(failed)?, pair.public_key().as_ref());
                (pkcs8_of_ecdsa(key_type, secret.as_ref(), public), public)
            }
            Pair::Ed25519(pair) => {
                let seed = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(failed)?;
                (Zeroizing::new([PKCS8_ED25519, seed.as_ref()].concat()), pair.public_key().as_ref())
            }
            Pair::Rsa(pair) => {
                let document: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                (document.as_ref().to_vec().into(), pair.public_key().as_ref())
            }
        };
        let public_key = PublicKey::of_key_type(key_type, public);
        Ok(Self { pair, pkcs8, public_key, key_type })
    }

    /// A key from the inside of a SEC1 or PKCS#8 file whose curve is known.
    pub(super) fn from_ecdsa_der(key_type: KeyType, der: &[u8]) -> Result<Self, X509Error> {
        let algorithm = key_type.ecdsa().expect("only called for curves");
        let pair = EcdsaKeyPair::from_private_key_der(algorithm, der)
            .map_err(|_| X509Error::Malformed(format!("the {key_type} private key is damaged")))?;
        Self::from_pair(Pair::Ecdsa(pair), key_type)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("key_type", &self.key_type).finish_non_exhaustive()
    }
}

/// `PrivateKeyInfo` (RFC 5208) around `ECPrivateKey` (RFC 5915) with the public key: what the crypto library writes too,
/// but in a twentieth of all the time that a new key takes.
pub(crate) fn pkcs8_of_ecdsa(key_type: KeyType, secret: &[u8], public: &[u8]) -> Zeroizing<Vec<u8>> {
    let identifier = PublicKey::algorithm_identifier(key_type);
    let bits = public.len() + 1;
    let explicit = der::whole_length(bits);
    let key = VERSION_1.len() + der::whole_length(secret.len()) + der::whole_length(explicit);
    let content = VERSION_0.len() + identifier.len() + der::whole_length(der::whole_length(key));
    // Exact, so that no buffer that grew leaves a key behind.
    let mut out = Zeroizing::new(Vec::with_capacity(der::whole_length(content)));
    der::write_header(&mut out, tag::SEQUENCE, content);
    out.extend_from_slice(VERSION_0);
    out.extend_from_slice(identifier);
    der::write_header(&mut out, tag::OCTET_STRING, der::whole_length(key));
    der::write_header(&mut out, tag::SEQUENCE, key);
    out.extend_from_slice(VERSION_1);
    der::write(&mut out, tag::OCTET_STRING, secret);
    der::write_header(&mut out, tag::constructed(1), explicit);
    der::write_header(&mut out, tag::BIT_STRING, bits);
    out.push(0);
    out.extend_from_slice(public);
    out
}

/// What stands before the 32 octets of the key (RFC 8410 section 7).
const PKCS8_ED25519: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const VERSION_0: &[u8] = &[tag::INTEGER, 1, 0];
const VERSION_1: &[u8] = &[tag::INTEGER, 1, 1];

fn crypto(message: String) -> X509Error {
    X509Error::Crypto(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_pkcs8_is_the_crypto_librarys() {
        for key_type in [KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::EcdsaP521, KeyType::Ed25519] {
            for _ in 0..50 {
                let key = PrivateKey::generate(key_type).unwrap();
                let theirs = match &key.pair {
                    Pair::Ecdsa(pair) => pair.to_pkcs8v1().unwrap(),
                    Pair::Ed25519(pair) => pair.to_pkcs8v1().unwrap(),
                    Pair::Rsa(_) => panic!("{key_type}"),
                };
                assert_eq!(key.pkcs8_der(), theirs.as_ref(), "{key_type}");
                assert_eq!(key.pkcs8.capacity(), key.pkcs8.len());
            }
        }
    }
}
