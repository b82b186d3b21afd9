//! From a password to keys: PKCS#12's own way (RFC 7292 appendix B) and PBKDF2 (RFC 8018 section 5.2).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::super::utf16;

/// What a derived key is for: RFC 7292 appendix B.3 gives each its own keys.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Encryption = 1,
    Vector = 2,
    Mac = 3,
}

/// The hashes in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The content of its object identifier.
    pub(super) const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => b"\x2b\x0e\x03\x02\x1a",
            Self::Sha256 => b"\x60\x86\x48\x01\x65\x03\x04\x02\x01",
            Self::Sha384 => b"\x60\x86\x48\x01\x65\x03\x04\x02\x02",
            Self::Sha512 => b"\x60\x86\x48\x01\x65\x03\x04\x02\x03",
        }
    }

    /// The content of HMAC's object identifier.
    pub(super) const fn hmac_oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => b"\x2a\x86\x48\x86\xf7\x0d\x02\x07",
            Self::Sha256 => b"\x2a\x86\x48\x86\xf7\x0d\x02\x09",
            Self::Sha384 => b"\x2a\x86\x48\x86\xf7\x0d\x02\x0a",
            Self::Sha512 => b"\x2a\x86\x48\x86\xf7\x0d\x02\x0b",
        }
    }

    pub(super) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    const fn block(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 => 128,
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self, key: &[u8]) -> hmac::Key {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, key)
    }
}

/// A password as PKCS#12's own derivation takes it: UTF-16 with a zero at the end. Of the empty password there are two
/// forms, and both are found: with the zero, which OpenSSL and Java write, and nothing at all.
#[derive(Clone)]
pub(super) struct Password<'p> {
    pub(super) text: &'p str,
    utf16: Zeroizing<Vec<u8>>,
}

impl<'p> Password<'p> {
    pub(super) fn new(text: &'p str) -> Self {
        let mut utf16 = utf16(text);
        utf16.extend_from_slice(&[0, 0]);
        Self { text, utf16 }
    }

    /// The other form of the empty password.
    pub(super) fn absent() -> Self {
        Self { text: "", utf16: Zeroizing::default() }
    }

    /// RFC 7292 appendix B.2, whose letters these are.
    pub(super) fn derive(
        &self,
        hash: Hash,
        purpose: Purpose,
        salt: &[u8],
        iterations: u32,
        length: usize,
    ) -> Zeroizing<Vec<u8>> {
        let v = hash.block();
        let filled = |text: &[u8]| text.len().div_ceil(v) * v;
        let (salt_length, password_length) = (filled(salt), filled(&self.utf16));
        let mut i = Zeroizing::new(Vec::with_capacity(salt_length + password_length));
        i.extend(salt.iter().cycle().take(salt_length));
        i.extend(self.utf16.iter().cycle().take(password_length));
        let diversifier = vec![purpose as u8; v];
        let mut out = Zeroizing::new(Vec::with_capacity(length + hash.length()));
        loop {
            let mut context = digest::Context::new(hash.digest());
            context.update(&diversifier);
            context.update(&i);
            let mut a = context.finish();
            for _ in 1..iterations {
                a = digest::digest(hash.digest(), a.as_ref());
            }
            out.extend_from_slice(a.as_ref());
            if out.len() >= length {
                out.truncate(length);
                return out;
            }
            let b: Zeroizing<Vec<u8>> = Zeroizing::new(a.as_ref().iter().copied().cycle().take(v).collect());
            i.chunks_exact_mut(v).for_each(|block| add_with_one(block, &b));
        }
    }

    /// PBKDF2, whose password is the text in UTF-8.
    pub(super) fn pbkdf2(&self, hash: Hash, salt: &[u8], iterations: NonZeroU32, length: usize) -> Zeroizing<Vec<u8>> {
        let algorithm = match hash {
            Hash::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut out = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(algorithm, iterations, salt, self.text.as_bytes(), &mut out);
        out
    }
}

/// `block + addend + 1`, as big-endian numbers of their length.
fn add_with_one(block: &mut [u8], addend: &[u8]) {
    let mut carry = 1u16;
    for (octet, add) in block.iter_mut().zip(addend).rev() {
        carry += u16::from(*octet) + u16::from(*add);
        *octet = (carry & 0xff) as u8;
        carry >>= 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The vectors that Bouncy Castle, Mozilla and others test with: PKCS#12 has none of its own.
    #[test]
    fn keys_are_derived_as_others_do() {
        let derive = |password: &str, purpose, salt: &[u8], iterations, length| {
            hex(&Password::new(password).derive(Hash::Sha1, purpose, salt, iterations, length))
        };
        let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
        let smeg = derive("smeg", Purpose::Encryption, &salt, 1, 24);
        assert_eq!(smeg, "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3");
        assert_eq!(derive("smeg", Purpose::Vector, &salt, 1, 8), "79993dfe048d3b76");
        let salt = [0x05, 0xde, 0xc9, 0x59, 0xac, 0xff, 0x72, 0xf7];
        let queeg = derive("queeg", Purpose::Encryption, &salt, 1000, 24);
        assert_eq!(queeg, "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4");
        assert_eq!(derive("queeg", Purpose::Vector, &salt, 1000, 8), "11dedad7758d4860");
    }

    #[test]
    fn a_carry_goes_to_the_next_octet_and_is_lost_at_the_end() {
        let mut block = [0xff, 0xff, 0xff];
        add_with_one(&mut block, &[0, 0, 1]);
        assert_eq!(block, [0, 0, 1]);
        add_with_one(&mut block, &[0, 0xff, 0xff]);
        assert_eq!(block, [1, 0, 1]);
    }
}
