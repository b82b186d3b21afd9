//! What a key may be used for: key usage (RFC 5280 4.2.1.3) and extended key usage (4.2.1.12).

use std::fmt;
use std::ops::BitOr;

use super::der::{Fault, Reader, tag};

/// The key usage bits; bit 0 of the standard is the lowest here.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyUsage(u16);

/// The names of RFC 5280, in the order of its bits.
const NAMES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

impl KeyUsage {
    /// No bit at all.
    pub const NONE: Self = Self(0);
    /// Signatures other than on certificates and CRLs: what a TLS handshake needs.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// Also called contentCommitment.
    pub const NON_REPUDIATION: Self = Self(1 << 1);
    /// Encrypting keys: RSA key exchange in TLS 1.2.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// Encrypting data directly.
    pub const DATA_ENCIPHERMENT: Self = Self(1 << 3);
    /// Static Diffie-Hellman.
    pub const KEY_AGREEMENT: Self = Self(1 << 4);
    /// Signatures on certificates: authorities only.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// Signatures on revocation lists.
    pub const CRL_SIGN: Self = Self(1 << 6);
    /// Only with keyAgreement.
    pub const ENCIPHER_ONLY: Self = Self(1 << 7);
    /// Only with keyAgreement.
    pub const DECIPHER_ONLY: Self = Self(1 << 8);

    /// All the bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// At least one bit of `other` is set.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both; `|` where a constant is needed.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// No bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits, bit 0 of RFC 5280 lowest.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The names of RFC 5280, in its order.
    pub fn names(self) -> Vec<&'static str> {
        NAMES.into_iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0).map(|(_, name)| name).collect()
    }

    /// The content of the extension: a BIT STRING whose trailing zero bits are removed (X.690 11.2.2).
    #[cfg(test)]
    pub(crate) fn to_der(self) -> Vec<u8> {
        let [low, high] = self.0.to_le_bytes().map(u8::reverse_bits);
        match (low, high) {
            (0, 0) => vec![tag::BIT_STRING, 1, 0],
            (low, 0) => vec![tag::BIT_STRING, 2, low.trailing_zeros() as u8, low],
            (low, high) => vec![tag::BIT_STRING, 3, high.trailing_zeros() as u8, low, high],
        }
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Fault> {
        let mut reader = Reader::new(der);
        let content = reader.expect(tag::BIT_STRING)?;
        reader.end()?;
        let (&unused, octets) = content.split_first().ok_or(Fault::Value)?;
        let (low, high) = match *octets {
            [] if unused == 0 => (0, 0),
            [low] => (low, 0),
            [low, high] => (low, high),
            _ => return Err(Fault::Value),
        };
        let bits = u16::from_le_bytes([low, high].map(u8::reverse_bits));
        let last = octets.last().copied().unwrap_or(0);
        if unused > 7 || last & ((1u16 << unused) - 1) as u8 != 0 || bits >> NAMES.len() != 0 {
            return Err(Fault::Value);
        }
        Ok(Self(bits))
    }
}

impl BitOr for KeyUsage {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl fmt::Display for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(", "))
    }
}

impl fmt::Debug for KeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyUsage({self})")
    }
}

/// A purpose that the certificate is restricted to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedKeyUsage {
    /// A TLS server.
    ServerAuth,
    /// A TLS client.
    ClientAuth,
    /// Anything: never issued here.
    Any,
    /// Another purpose, by its dotted object identifier.
    Other(String),
}

impl ExtendedKeyUsage {
    /// The dotted object identifier.
    pub fn oid(&self) -> &str {
        match self {
            Self::ServerAuth => "1.3.6.1.5.5.7.3.1",
            Self::ClientAuth => "1.3.6.1.5.5.7.3.2",
            Self::Any => "2.5.29.37.0",
            Self::Other(oid) => oid,
        }
    }

    /// The purpose with this dotted object identifier.
    pub fn from_oid(oid: &str) -> Self {
        match oid {
            "1.3.6.1.5.5.7.3.1" => Self::ServerAuth,
            "1.3.6.1.5.5.7.3.2" => Self::ClientAuth,
            "2.5.29.37.0" => Self::Any,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for ExtendedKeyUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerAuth => "serverAuth",
            Self::ClientAuth => "clientAuth",
            Self::Any => "anyExtendedKeyUsage",
            Self::Other(oid) => oid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_round_trips_through_der() {
        for bits in 0..1 << 9 {
            let usage = KeyUsage(bits);
            assert_eq!(KeyUsage::from_der(&usage.to_der()), Ok(usage));
        }
        assert_eq!(KeyUsage::DIGITAL_SIGNATURE.to_der(), [3, 2, 7, 0x80]);
        assert_eq!((KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN).to_der(), [3, 2, 1, 0x06]);
    }

    #[test]
    fn strange_bit_strings_are_refused() {
        for bad in [
            &[3, 0][..],
            &[3, 1, 1],
            &[3, 2, 8, 0],
            &[3, 2, 7, 0xff],
            &[3, 4, 0, 1, 1, 1],
            &[3, 3, 0, 0, 1],
            &[4, 1, 0],
        ] {
            assert!(KeyUsage::from_der(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn purposes_know_their_identifiers() {
        for usage in [
            ExtendedKeyUsage::ServerAuth,
            ExtendedKeyUsage::ClientAuth,
            ExtendedKeyUsage::Any,
            ExtendedKeyUsage::Other("1.2.3".into()),
        ] {
            assert_eq!(ExtendedKeyUsage::from_oid(usage.oid()), usage);
        }
    }
}
