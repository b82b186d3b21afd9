//! Password-based encryption: PBES2 with PBKDF2 (RFC 8018) and PKCS#12's own schemes (RFC 7292 appendix C).

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use zeroize::Zeroizing;

use super::super::{KeystoreError, Work};
use super::kdf::{Hash, Password, Purpose};
use crate::x509::der::{self, Fault, Reader, tag};

const PBES2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d";
const PBKDF2: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c";
/// `pbeWithSHAAnd3-KeyTripleDES-CBC`; its neighbours differ in the last octet.
const PBE_SHA1_3DES: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
    TripleDesTwoKeys,
    Rc2With128,
    Rc2With40,
}

impl Cipher {
    const IN_PBES2: [(&'static [u8], Self); 4] = [
        (b"\x60\x86\x48\x01\x65\x03\x04\x01\x02", Self::Aes128),
        (b"\x60\x86\x48\x01\x65\x03\x04\x01\x16", Self::Aes192),
        (b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a", Self::Aes256),
        (b"\x2a\x86\x48\x86\xf7\x0d\x03\x07", Self::TripleDes),
    ];

    /// By the last octet of the scheme's identifier (RFC 7292 appendix C); 1 and 2 are RC4, which nobody writes.
    const fn in_pkcs12(last: u8) -> Option<Self> {
        match last {
            3 => Some(Self::TripleDes),
            4 => Some(Self::TripleDesTwoKeys),
            5 => Some(Self::Rc2With128),
            6 => Some(Self::Rc2With40),
            _ => None,
        }
    }

    const fn key_length(self) -> usize {
        match self {
            Self::Aes128 | Self::TripleDesTwoKeys | Self::Rc2With128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2With40 => 5,
        }
    }

    const fn block(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            _ => 8,
        }
    }

    /// Decrypts in place; the length of what comes out, or `None` when the padding is wrong.
    fn decrypt(self, key: &[u8], vector: &[u8], octets: &mut [u8]) -> Option<usize> {
        match self {
            Self::TripleDes => block_decrypt::<des::TdesEde3>(key, vector, octets),
            Self::TripleDesTwoKeys => block_decrypt::<des::TdesEde2>(key, vector, octets),
            Self::Rc2With128 | Self::Rc2With40 => block_decrypt::<rc2::Rc2>(key, vector, octets),
            Self::Aes128 | Self::Aes192 | Self::Aes256 => {
                let algorithm = match self {
                    Self::Aes128 => &AES_128,
                    Self::Aes192 => &AES_192,
                    _ => &AES_256,
                };
                let key = UnboundCipherKey::new(algorithm, key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7).ok()?;
                let context = DecryptionContext::Iv128(<[u8; 16]>::try_from(vector).ok()?.into());
                key.decrypt(octets, context).ok().map(|plain| plain.len())
            }
        }
    }
}

fn block_decrypt<C: BlockCipherDecrypt + KeyInit>(key: &[u8], vector: &[u8], octets: &mut [u8]) -> Option<usize> {
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, vector).ok()?;
    cipher.decrypt_padded::<Pkcs7>(octets).ok().map(<[u8]>::len)
}

fn block_encrypt<C: BlockCipherEncrypt + KeyInit>(key: &[u8], vector: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let cipher = cbc::Encryptor::<C>::new_from_slices(key, vector).ok()?;
    // The room for the padding is there from the start: nothing grows, so that no plain text stays behind.
    let mut octets = vec![0; plain.len() + 8];
    octets[..plain.len()].copy_from_slice(plain);
    let length = cipher.encrypt_padded::<Pkcs7>(&mut octets, plain.len()).ok()?.len();
    octets.truncate(length);
    Some(octets)
}

/// How something is encrypted.
#[derive(Debug)]
pub(super) struct Scheme<'a> {
    cipher: Cipher,
    salt: &'a [u8],
    iterations: NonZeroU32,
    /// PBES2 has a hash for PBKDF2 and the vector in the clear; PKCS#12's own schemes derive both with SHA-1.
    pbes2: Option<(Hash, &'a [u8])>,
}

impl<'a> Scheme<'a> {
    /// PBES2 with PBKDF2-HMAC-SHA256 and AES-256-CBC.
    pub(super) fn modern(salt: &'a [u8; 16], vector: &'a [u8; 16], iterations: NonZeroU32) -> Self {
        Self { cipher: Cipher::Aes256, salt, iterations, pbes2: Some((Hash::Sha256, vector)) }
    }

    /// `pbeWithSHAAnd3-KeyTripleDES-CBC`.
    pub(super) fn legacy(salt: &'a [u8; 8], iterations: NonZeroU32) -> Self {
        Self { cipher: Cipher::TripleDes, salt, iterations, pbes2: None }
    }

    /// Reads an AlgorithmIdentifier's content.
    pub(super) fn read(identifier: &'a [u8]) -> Result<Self, KeystoreError> {
        let damaged = |fault: Fault| KeystoreError::Damaged(format!("how it is encrypted {fault}"));
        let mut fields = Reader::new(identifier);
        let oid = fields.expect(tag::OID).map_err(damaged)?;
        if oid == PBES2 {
            return Self::read_pbes2(fields.enter(tag::SEQUENCE).map_err(damaged)?);
        }
        let (last, stem) = oid.split_last().unwrap_or((&0, &[]));
        let cipher = match stem == &PBE_SHA1_3DES[..PBE_SHA1_3DES.len() - 1] {
            true => Cipher::in_pkcs12(*last),
            false => None,
        };
        let cipher = cipher.ok_or_else(|| unsupported("the encryption", oid))?;
        let mut parameters = fields.enter(tag::SEQUENCE).map_err(damaged)?;
        let salt = parameters.expect(tag::OCTET_STRING).map_err(damaged)?;
        let iterations = iterations(parameters.integer().map_err(damaged)?)?;
        Ok(Self { cipher, salt, iterations, pbes2: None })
    }

    /// PBES2-params (RFC 8018 appendix A.4).
    fn read_pbes2(mut parameters: Reader<'a>) -> Result<Self, KeystoreError> {
        let damaged = |fault: Fault| KeystoreError::Damaged(format!("how it is encrypted {fault}"));
        let mut derivation = parameters.enter(tag::SEQUENCE).map_err(damaged)?;
        let mut encryption = parameters.enter(tag::SEQUENCE).map_err(damaged)?;
        let (salt, iterations, hash) = read_pbkdf2(&mut derivation)?;
        let oid = encryption.expect(tag::OID).map_err(damaged)?;
        let known = Cipher::IN_PBES2.iter().find(|(known, _)| *known == oid);
        let cipher = known.ok_or_else(|| unsupported("the cipher", oid))?.1;
        let vector = encryption.expect(tag::OCTET_STRING).map_err(damaged)?;
        if vector.len() != cipher.block() {
            return Err(KeystoreError::Damaged("its initialisation vector has a wrong length".to_owned()));
        }
        Ok(Self { cipher, salt, iterations, pbes2: Some((hash, vector)) })
    }

    /// The AlgorithmIdentifier.
    pub(super) fn to_der(&self) -> Vec<u8> {
        let count = super::write::integer(self.iterations.get());
        let salt = der::element(tag::OCTET_STRING, self.salt);
        let sequence = |parts: &[&[u8]]| der::element(tag::SEQUENCE, &parts.concat());
        let oid = |content| der::element(tag::OID, content);
        let Some((hash, vector)) = self.pbes2 else {
            return sequence(&[&oid(PBE_SHA1_3DES), &sequence(&[&salt, &count])]);
        };
        let function = sequence(&[&oid(hash.hmac_oid()), &[tag::NULL, 0]]);
        let derivation = sequence(&[&oid(PBKDF2), &sequence(&[&salt, &count, &function])]);
        let cipher = Cipher::IN_PBES2.iter().find(|(_, cipher)| *cipher == self.cipher);
        let cipher = oid(cipher.expect("what is written is PBES2's").0);
        let encryption = sequence(&[&cipher, &der::element(tag::OCTET_STRING, vector)]);
        sequence(&[&oid(PBES2), &sequence(&[&derivation, &encryption])])
    }

    fn key_and_vector(&self, password: &Password<'_>) -> (Zeroizing<Vec<u8>>, Zeroizing<Vec<u8>>) {
        let length = self.cipher.key_length();
        match self.pbes2 {
            Some((hash, vector)) => {
                (password.pbkdf2(hash, self.salt, self.iterations, length), Zeroizing::new(vector.to_vec()))
            }
            None => {
                let derive =
                    |purpose, length| password.derive(Hash::Sha1, purpose, self.salt, self.iterations.get(), length);
                (derive(Purpose::Encryption, length), derive(Purpose::Vector, self.cipher.block()))
            }
        }
    }

    /// Encrypts; only what [`Self::modern`] and [`Self::legacy`] make is.
    pub(super) fn encrypt(&self, password: &Password<'_>, plain: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let (key, vector) = self.key_and_vector(password);
        let octets = match self.cipher {
            Cipher::Aes256 => aes_encrypt(&key, &vector, plain),
            _ => block_encrypt::<des::TdesEde3>(&key, &vector, plain),
        };
        octets.ok_or_else(|| KeystoreError::Unsupported("the crypto library failed to encrypt".to_owned()))
    }

    /// Decrypts. A wrong password shows in the padding, but for one in 256 times.
    pub(super) fn decrypt(
        &self,
        password: &Password<'_>,
        octets: &[u8],
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        work.count(self.iterations.get().into())?;
        if octets.is_empty() || !octets.len().is_multiple_of(self.cipher.block()) {
            return Err(KeystoreError::Damaged("an encrypted part is cut short".to_owned()));
        }
        let (key, vector) = self.key_and_vector(password);
        let mut plain = Zeroizing::new(octets.to_vec());
        let length = self.cipher.decrypt(&key, &vector, &mut plain).ok_or(KeystoreError::WrongPassword)?;
        plain.truncate(length);
        Ok(plain)
    }
}

fn aes_encrypt(key: &[u8], vector: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let key = UnboundCipherKey::new(&AES_256, key).and_then(PaddedBlockEncryptingKey::cbc_pkcs7).ok()?;
    let context = EncryptionContext::Iv128(<[u8; 16]>::try_from(vector).ok()?.into());
    let mut octets = Vec::with_capacity(plain.len() + 16);
    octets.extend_from_slice(plain);
    key.less_safe_encrypt(&mut octets, context).ok()?;
    Some(octets)
}

/// PBKDF2-params behind their identifier (RFC 8018 appendix A.2): salt, iterations and hash.
pub(super) fn read_pbkdf2<'a>(derivation: &mut Reader<'a>) -> Result<(&'a [u8], NonZeroU32, Hash), KeystoreError> {
    let damaged = |fault: Fault| KeystoreError::Damaged(format!("how it is encrypted {fault}"));
    let oid = derivation.expect(tag::OID).map_err(damaged)?;
    if oid != PBKDF2 {
        return Err(unsupported("the key derivation", oid));
    }
    let mut parameters = derivation.enter(tag::SEQUENCE).map_err(damaged)?;
    let salt = parameters.expect(tag::OCTET_STRING).map_err(damaged)?;
    let iterations = iterations(parameters.integer().map_err(damaged)?)?;
    parameters.optional(tag::INTEGER).map_err(damaged)?;
    let Some(function) = parameters.optional(tag::SEQUENCE).map_err(damaged)? else {
        return Ok((salt, iterations, Hash::Sha1));
    };
    let oid = Reader::new(function).expect(tag::OID).map_err(damaged)?;
    let hash = Hash::ALL.into_iter().find(|hash| hash.hmac_oid() == oid);
    Ok((salt, iterations, hash.ok_or_else(|| unsupported("the hash", oid))?))
}

/// An iteration count within bounds.
pub(super) fn iterations(content: &[u8]) -> Result<NonZeroU32, KeystoreError> {
    if content.first().is_some_and(|first| first & 0x80 != 0) {
        return Err(KeystoreError::Damaged("its iteration count is negative".to_owned()));
    }
    let count = content.iter().fold(0u64, |sum, octet| sum.saturating_mul(256).saturating_add((*octet).into()));
    if count > super::super::MOST_ITERATIONS {
        return Err(KeystoreError::TooMuchWork(count));
    }
    let count = u32::try_from(count).ok().and_then(NonZeroU32::new);
    count.ok_or_else(|| KeystoreError::Damaged("its iteration count is zero".to_owned()))
}

pub(super) fn unsupported(what: &str, oid: &[u8]) -> KeystoreError {
    let name = der::dotted(oid).unwrap_or_else(|_| "of an unreadable name".to_owned());
    KeystoreError::Unsupported(format!(
        "{what} of the key store is not supported: {name}; write it anew: openssl pkcs12 -in FILE -nodes -legacy | \
         openssl pkcs12 -export -out NEW"
    ))
}
