//! Serial numbers (RFC 5280 4.1.2.2).

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use super::X509Error;
use super::der::{self, Fault};
use super::random::hex;

/// A certificate's serial number, as its INTEGER is encoded: one that was read may be negative or too long.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber(Octets);

/// A number that is as long as it may be is held in place, which a million of them are worth.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Octets {
    /// So many of them; the others are zero, so that the order is that of the octets.
    Short([u8; LONGEST], u8),
    Long(Box<[u8]>),
}

/// RFC 5280: "Conforming CAs MUST NOT use serialNumber values longer than 20 octets".
const LONGEST: usize = 20;

/// Octets of a serial number that is made here.
const RANDOM: usize = 18;

impl SerialNumber {
    /// 18 octets with 142 random bits, so that no counter has to be kept, locked or lost. The first two bits are 01, so the
    /// number is positive and always as long.
    pub fn random() -> Result<Self, X509Error> {
        let mut octets = next_random()?;
        octets[0] = octets[0] & 0x3f | 0x40;
        Ok(Self::of(&octets))
    }

    fn of(octets: &[u8]) -> Self {
        let mut short = [0; LONGEST];
        Self(match short.get_mut(..octets.len()) {
            Some(place) => {
                place.copy_from_slice(octets);
                Octets::Short(short, octets.len() as u8)
            }
            None => Octets::Long(octets.into()),
        })
    }

    /// A positive number from its big-endian magnitude; leading zeros do not count.
    pub fn from_bytes(magnitude: &[u8]) -> Result<Self, X509Error> {
        let significant = &magnitude[magnitude.iter().take_while(|&&octet| octet == 0).count()..];
        let first = significant.first().ok_or_else(|| X509Error::Invalid("a serial number cannot be zero".into()))?;
        let mut octets = Vec::with_capacity(significant.len() + 1);
        if first & 0x80 != 0 {
            octets.push(0);
        }
        octets.extend_from_slice(significant);
        if octets.len() > LONGEST {
            return Err(X509Error::Invalid(format!("a serial number has at most {LONGEST} octets, this one has more")));
        }
        Ok(Self::of(&octets))
    }

    /// The content of an INTEGER that was read, whatever its sign and length.
    pub(crate) fn from_der_content(content: &[u8]) -> Result<Self, Fault> {
        der::shortest_integer(content).map(Self::of)
    }

    /// The content octets of the INTEGER: two's complement, big-endian, shortest form.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Octets::Short(octets, length) => &octets[..usize::from(*length)],
            Octets::Long(octets) => octets,
        }
    }

    /// Greater than zero, as every serial number must be.
    pub fn is_positive(&self) -> bool {
        self.as_bytes()[0] & 0x80 == 0 && self.as_bytes() != [0]
    }

    /// The octets without the leading zero that only carries the sign.
    fn magnitude(&self) -> &[u8] {
        match self.as_bytes() {
            [0, rest @ ..] if !rest.is_empty() => rest,
            octets => octets,
        }
    }
}

/// Octets that no one else gets. The generator is asked for many at a time: one call costs as much as linting.
fn next_random() -> Result<[u8; RANDOM], X509Error> {
    thread_local! {
        static DRAWN: RefCell<Vec<[u8; RANDOM]>> = const { RefCell::new(Vec::new()) };
    }
    DRAWN.with_borrow_mut(|drawn| {
        if let Some(octets) = drawn.pop() {
            return Ok(octets);
        }
        let mut many = [[0; RANDOM]; 16];
        aws_lc_rs::rand::fill(many.as_flattened_mut())
            .map_err(|_| X509Error::Crypto("the system gave no random numbers".into()))?;
        drawn.extend_from_slice(&many[1..]);
        Ok(many[0])
    })
}

/// Lower-case hexadecimal, two digits an octet, as directory names and the inventory have it.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.as_bytes()[0] & 0x80 == 0 {
            return f.write_str(&hex(self.magnitude()));
        }
        f.write_str("-")?;
        let mut negated: Vec<u8> = self.as_bytes().iter().map(|octet| !octet).collect();
        for octet in negated.iter_mut().rev() {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                break;
            }
        }
        f.write_str(&hex(&negated))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

/// Hexadecimal in either case, with or without colons, as every tool prints it.
impl FromStr for SerialNumber {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        let invalid = || {
            X509Error::Invalid(format!("{} is not a serial number: write hexadecimal digits", crate::ui::quote(text)))
        };
        if text.len() > 4 * LONGEST || text.starts_with(':') || text.ends_with(':') || text.contains("::") {
            return Err(invalid());
        }
        let digits: Option<Vec<u8>> =
            text.chars().filter(|&c| c != ':').map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
        let mut digits = digits.ok_or_else(invalid)?;
        if digits.len() % 2 == 1 {
            digits.insert(0, 0);
        }
        let octets: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        if octets.is_empty() {
            return Err(invalid());
        }
        Self::from_bytes(&octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_serials_are_positive_and_always_eighteen_octets() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let serial = SerialNumber::random().unwrap();
            assert_eq!(serial.as_bytes().len(), 18);
            assert!(serial.is_positive() && serial.as_bytes()[0] != 0);
            assert!(seen.insert(serial));
        }
    }

    #[test]
    fn text_round_trips_in_every_notation_tools_print() {
        let serial: SerialNumber = "8F:01:aB".parse().unwrap();
        assert_eq!(serial.as_bytes(), [0, 0x8f, 1, 0xab]);
        assert_eq!(serial.to_string(), "8f01ab");
        assert_eq!("1".parse::<SerialNumber>().unwrap().to_string(), "01");
        assert_eq!("008f01ab".parse::<SerialNumber>().unwrap(), serial);
        for bad in ["", "0", "00", "xyz", ":", "1::2", "1:", "ж", &"f".repeat(40), &"1".repeat(5000)] {
            assert!(bad.parse::<SerialNumber>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_foreign_serial_survives_whatever_it_is() {
        assert_eq!(SerialNumber::from_der_content(&[0x80]).unwrap().to_string(), "-80");
        assert_eq!(SerialNumber::from_der_content(&[0xff]).unwrap().to_string(), "-01");
        assert_eq!(SerialNumber::from_der_content(&[0]).unwrap().to_string(), "00");
        assert!(!SerialNumber::from_der_content(&[0]).unwrap().is_positive());
        assert_eq!(SerialNumber::from_der_content(&[0x7f; 30]).unwrap().as_bytes().len(), 30);
        assert!(SerialNumber::from_der_content(&[]).is_err());
        assert!(SerialNumber::from_der_content(&[0, 1]).is_err());
    }
}
