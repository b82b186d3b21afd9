//! Ranges of addresses, as name constraints have them (RFC 5280 4.2.1.10, RFC 4632).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::X509Error;
use super::san::{parse_ip, unmapped};
use crate::ui::quote;

/// A range of addresses; no bit is set after the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    addr: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// A prefix that is too long or bits set behind it are refused: both are slips of the pen with wide consequences.
    pub fn new(addr: IpAddr, prefix: u8) -> Result<Self, X509Error> {
        let shown = format!("{addr}/{prefix}");
        let longest = if addr.is_ipv4() { 32 } else { 128 };
        if prefix > longest {
            return Err(X509Error::Invalid(format!(
                "{} is not a range: its prefix is at most {longest}",
                quote(&shown)
            )));
        }
        if let IpAddr::V6(ip) = addr {
            unmapped(ip, &shown)?;
        }
        let network = masked(addr, prefix);
        if network != addr {
            return Err(X509Error::Invalid(format!(
                "{} is not a range: bits are set behind the prefix; write {network}/{prefix} or {addr}/{longest}",
                quote(&shown)
            )));
        }
        Ok(Self { addr, prefix })
    }

    /// The first address.
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// How many leading bits are fixed.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// `ip` is in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.addr.is_ipv4() && masked(ip, self.prefix) == self.addr
    }

    /// Address and mask, as a name constraint holds them (RFC 5280 4.2.1.10).
    pub(crate) fn octets(&self) -> Vec<u8> {
        match self.addr {
            IpAddr::V4(ip) => {
                [ip.octets(), mask(self.prefix, 32).to_be_bytes()[12..].try_into().unwrap_or_default()].concat()
            }
            IpAddr::V6(ip) => [ip.octets(), mask(self.prefix, 128).to_be_bytes()].concat(),
        }
    }

    /// The reverse, if the mask is a prefix.
    pub(crate) fn from_octets(octets: &[u8]) -> Option<Self> {
        let (addr, mask_octets) = octets.split_at(octets.len() / 2);
        let (addr, width) = match octets.len() {
            8 => (IpAddr::from(<[u8; 4]>::try_from(addr).ok()?), 32),
            32 => (IpAddr::from(<[u8; 16]>::try_from(addr).ok()?), 128),
            _ => return None,
        };
        let prefix = mask_octets.iter().map(|octet| octet.leading_ones() as u8).sum();
        let range = Self { addr, prefix };
        (prefix <= width && masked(addr, prefix) == addr && range.octets() == octets).then_some(range)
    }
}

fn mask(prefix: u8, width: u32) -> u128 {
    let ones = u128::MAX.checked_shl(width - u32::from(prefix)).unwrap_or(0);
    if width == 32 { ones & u128::from(u32::MAX) } else { ones }
}

fn masked(addr: IpAddr, prefix: u8) -> IpAddr {
    match addr {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() & mask(prefix, 32) as u32).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & mask(prefix, 128)).into()),
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

/// `10.0.0.0/8`, or an address alone for the range that holds only it.
impl FromStr for Cidr {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        let Some((addr, prefix)) = text.split_once('/') else {
            let addr = parse_ip(text)?;
            return Self::new(addr, if addr.is_ipv4() { 32 } else { 128 });
        };
        let decimal = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix = decimal.then(|| prefix.parse().ok()).flatten().ok_or_else(|| {
            X509Error::Invalid(format!("{} is not a range: its prefix is not a number of bits", quote(text)))
        })?;
        Self::new(parse_ip(addr)?, prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_no_bits_behind_the_prefix() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "192.168.1.1/32", "2001:db8::/32", "::/0", "::1/128"] {
            let range: Cidr = text.parse().unwrap();
            assert_eq!(range.to_string(), text);
            assert_eq!(Cidr::from_octets(&range.octets()), Some(range));
        }
        assert_eq!("10.1.2.3".parse::<Cidr>().unwrap().to_string(), "10.1.2.3/32");
        for bad in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "::ffff:0:0/96",
            "x/8",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        let range: Cidr = "10.0.0.0/8".parse().unwrap();
        assert!(range.contains("10.255.0.1".parse().unwrap()));
        assert!(!range.contains("11.0.0.0".parse().unwrap()) && !range.contains("::1".parse().unwrap()));
        assert_eq!(Cidr::from_octets(&[10, 0, 0, 0, 255, 0, 255, 0]), None);
        assert_eq!(Cidr::from_octets(&[10, 0, 0, 1, 255, 0, 0, 0]), None);
        assert_eq!(Cidr::from_octets(&[]), None);
    }
}
