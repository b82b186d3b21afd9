//! OpenSSL's traditional encryption of PEM: RFC 1421 in its headers, and a derivation of its own (`EVP_BytesToKey`).
//!
//! It was what OpenSSL wrote by default before 1.0 and what `-traditional`, `openssl rsa` and `openssl ec` write today.
//! The key is one round of MD5 over password and salt, so it protects little; it is read, and never written.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use super::malformed;
use crate::ui;
use crate::x509::{PemBlock, X509Error};

#[derive(Clone, Copy)]
enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

/// The ciphers that are read, by their names in `DEK-Info`, with the octets of key and block.
const CIPHERS: [(&str, Cipher, usize, usize); 4] = [
    ("AES-128-CBC", Cipher::Aes128, 16, 16),
    ("AES-192-CBC", Cipher::Aes192, 24, 16),
    ("AES-256-CBC", Cipher::Aes256, 32, 16),
    ("DES-EDE3-CBC", Cipher::TripleDes, 24, 8),
];

/// What OpenSSL 3 has in its legacy provider alone.
const LEGACY: [&str; 6] = ["DES-CBC", "RC2-", "RC4", "IDEA-", "BF-", "SEED-"];

/// The plain DER of a block with the header `Proc-Type: 4,ENCRYPTED`. What cannot be read is told without a password.
pub(super) fn decrypt(block: &PemBlock, password: Result<&[u8], X509Error>) -> Result<Zeroizing<Vec<u8>>, X509Error> {
    let header = block.dek_info.as_deref();
    let header = header.ok_or_else(|| malformed("the encrypted private key has no header DEK-Info"))?;
    let (name, iv) = header.split_once(',').unwrap_or((header, ""));
    let Some((_, cipher, key_length, block_length)) = CIPHERS.iter().find(|(known, ..)| *known == name.trim()) else {
        let legacy = LEGACY.iter().any(|old| name.starts_with(old));
        return Err(X509Error::OldEncryption { with: shown(name), legacy });
    };
    let iv = octets(iv.trim()).filter(|iv| iv.len() == *block_length);
    let iv = iv.ok_or_else(|| malformed("the header DEK-Info of the encrypted private key is damaged"))?;
    let key = derive(password?, &iv[..8], *key_length);
    let mut text = block.der.clone();
    let plain = match cipher {
        Cipher::Aes128 => cbc::<aes::Aes128>(&key, &iv, &mut text),
        Cipher::Aes192 => cbc::<aes::Aes192>(&key, &iv, &mut text),
        Cipher::Aes256 => cbc::<aes::Aes256>(&key, &iv, &mut text),
        Cipher::TripleDes => cbc::<des::TdesEde3>(&key, &iv, &mut text),
    };
    plain.map(|plain| Zeroizing::new(plain.to_vec())).ok_or(X509Error::WrongPassword)
}

/// A name of a cipher, which comes from outside.
fn shown(name: &str) -> String {
    let name: String = name.trim().chars().take(40).collect();
    format!("{} in OpenSSL's traditional form", ui::quote(&name))
}

fn cbc<'t, C>(key: &[u8], iv: &[u8], text: &'t mut [u8]) -> Option<&'t [u8]>
where
    C: BlockCipherDecrypt + KeyInit,
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
{
    let decryptor = <cbc::Decryptor<C> as KeyIvInit>::new_from_slices(key, iv).ok()?;
    decryptor.decrypt_padded::<Pkcs7>(text).ok()
}

/// `EVP_BytesToKey` with MD5 and one round: every piece is the hash of the one before, the password and the salt.
fn derive(password: &[u8], salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut piece = Zeroizing::new(Vec::with_capacity(16));
    while key.len() < length {
        let digest = Md5::new().chain_update(&*piece).chain_update(password).chain_update(salt).finalize();
        piece.clear();
        piece.extend_from_slice(&digest);
        key.extend_from_slice(&piece);
    }
    key.truncate(length);
    key
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    let digit = |character: u8| char::from(character).to_digit(16);
    pairs.iter().map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()).collect()
}
