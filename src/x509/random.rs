//! Random secrets and hashes, from the crypto library.

use zeroize::Zeroizing;

use super::X509Error;

/// Letters and digits alone: whatever file or shell a password passes through, nothing in it means anything there.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// 24 characters of 62 are 142 bits.
const PASSWORD_LENGTH: usize = 24;

/// A new password.
pub fn random_password() -> Result<Zeroizing<String>, X509Error> {
    let mut password = Zeroizing::new(String::with_capacity(PASSWORD_LENGTH));
    while password.len() < PASSWORD_LENGTH {
        let [byte] = random::<1>()?;
        // 248 is the largest multiple of 62 in a byte: beyond it some letters would be likelier than others.
        if byte < 248 {
            password.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
        }
    }
    Ok(password)
}

/// The salt of a RabbitMQ password hash.
pub fn random_salt() -> Result<[u8; 4], X509Error> {
    random()
}

fn random<const N: usize>() -> Result<[u8; N], X509Error> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}

/// Fills `octets` with random numbers: the salts of a key store.
///
/// # Errors
/// The system gives none.
pub fn fill_random(octets: &mut [u8]) -> Result<(), X509Error> {
    aws_lc_rs::rand::fill(octets).map_err(|_| X509Error::Crypto("no random numbers can be had".to_owned()))
}

/// SHA-256 in lowercase hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

/// The same of what a reader gives until its end.
///
/// # Errors
/// It cannot be read.
pub fn sha256_hex_of(mut bytes: impl std::io::Read) -> std::io::Result<String> {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(hex(digest.finish().as_ref())),
            Ok(read) => digest.update(&buffer[..read]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Lowercase hexadecimal. Each certificate in the inventory has some 80 octets of it, which formatting one by one would
/// make dearer than its lint.
pub(super) fn hex(octets: &[u8]) -> String {
    let digit = |four: u8| b"0123456789abcdef"[usize::from(four)];
    let mut text = vec![0; 2 * octets.len()];
    for (pair, octet) in text.as_chunks_mut::<2>().0.iter_mut().zip(octets) {
        *pair = [digit(octet >> 4), digit(octet & 0xf)];
    }
    String::from_utf8(text).expect("digits are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_letters_and_digits_and_never_the_same() {
        let (a, b) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(*a, *b);
        assert!(a.len() == PASSWORD_LENGTH && a.bytes().all(|c| c.is_ascii_alphanumeric()));
    }

    #[test]
    fn the_hash_is_sha_256() {
        assert_eq!(sha256_hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
