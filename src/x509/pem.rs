//! PEM (RFC 7468), read as tolerantly as people hand it on and written strictly.
//!
//! Files arrive with CRLF, a byte order mark, prose between the blocks or no final newline. What is inside a block is
//! not guessed at: a missing END line or a damaged character is an error that names its line.

use std::fmt;

use zeroize::Zeroizing;

use super::X509Error;
use crate::ui::quote;

/// What a block says it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// `CERTIFICATE`, and OpenSSL's older names for it.
    Certificate,
    /// `PRIVATE KEY`: PKCS#8.
    PrivateKey,
    /// `ENCRYPTED PRIVATE KEY`: PKCS#8.
    EncryptedPrivateKey,
    /// `EC PRIVATE KEY`: SEC 1.
    EcPrivateKey,
    /// `RSA PRIVATE KEY`: PKCS#1.
    RsaPrivateKey,
    /// `CERTIFICATE REQUEST`, and its older name.
    CertificateRequest,
    /// `X509 CRL`.
    Crl,
    /// Anything else, as written.
    Other(String),
}

impl Label {
    fn from_text(text: &str) -> Self {
        match text {
            "CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "PRIVATE KEY" => Self::PrivateKey,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedPrivateKey,
            "EC PRIVATE KEY" => Self::EcPrivateKey,
            "RSA PRIVATE KEY" => Self::RsaPrivateKey,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::CertificateRequest,
            "X509 CRL" => Self::Crl,
            other => Self::Other(other.into()),
        }
    }

    /// The words between `BEGIN` and the dashes.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::PrivateKey => "PRIVATE KEY",
            Self::EncryptedPrivateKey => "ENCRYPTED PRIVATE KEY",
            Self::EcPrivateKey => "EC PRIVATE KEY",
            Self::RsaPrivateKey => "RSA PRIVATE KEY",
            Self::CertificateRequest => "CERTIFICATE REQUEST",
            Self::Crl => "X509 CRL",
            Self::Other(text) => text,
        }
    }

    /// A private key in one of its containers, readable here or not.
    pub fn is_private_key(&self) -> bool {
        self.as_str().ends_with("PRIVATE KEY")
    }

    /// A private key in a container that is read here.
    pub(crate) fn is_known_private_key(&self) -> bool {
        matches!(self, Self::PrivateKey | Self::EncryptedPrivateKey | Self::EcPrivateKey | Self::RsaPrivateKey)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One block.
#[derive(Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// What the block says it holds.
    pub label: Label,
    /// What it holds; erased when dropped, since it may be a key.
    pub der: Zeroizing<Vec<u8>>,
    /// It has the header `Proc-Type: 4,ENCRYPTED`: OpenSSL's traditional encryption, keyed with MD5. `der` is then
    /// ciphertext.
    pub traditional_encryption: bool,
    /// What its header `DEK-Info` says: the cipher and its initialization vector.
    pub(super) dek_info: Option<String>,
}

impl PemBlock {
    /// A block that holds `der`, as it is in a file of its own.
    pub fn plain(label: Label, der: &[u8]) -> Self {
        Self { label, der: Zeroizing::new(der.to_vec()), traditional_encryption: false, dek_info: None }
    }
}

impl fmt::Debug for PemBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemBlock").field("label", &self.label).field("length", &self.der.len()).finish_non_exhaustive()
    }
}

/// More than this is no certificate, key or bundle.
const LARGEST: usize = 1 << 20;

/// Whether a file is DER and not PEM: it begins with a SEQUENCE, which no text does.
pub(super) fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, length, ..] if *length >= 0x80)
}

/// All blocks of a file of at most 1 MiB, in order. A file without any gives an empty list.
pub fn read_pem(input: &[u8]) -> Result<Vec<PemBlock>, X509Error> {
    read_pem_up_to(input, LARGEST)
}

/// The same with another limit, for revocation lists.
pub fn read_pem_up_to(input: &[u8], limit: usize) -> Result<Vec<PemBlock>, X509Error> {
    if input.len() > limit {
        return Err(malformed(format!("the PEM text is larger than {} KiB", limit / 1024)));
    }
    if input.starts_with(&[0xff, 0xfe]) || input.starts_with(&[0xfe, 0xff]) {
        return Err(malformed("the file is UTF-16 text; save it as UTF-8 or ASCII"));
    }
    let mut lines = Lines::new(input.strip_prefix(b"\xef\xbb\xbf").unwrap_or(input));
    let mut blocks = Vec::new();
    while let Some((number, line)) = lines.next() {
        if let Some(label) = boundary(line, b"-----BEGIN ") {
            blocks.push(read_block(label, number, &mut lines)?);
        }
    }
    Ok(blocks)
}

/// One block with lines of 64 characters, ending in a newline.
pub fn write_pem(label: &Label, der: &[u8]) -> String {
    let characters = der.len().div_ceil(3) * 4;
    // Exact, so that a key is never left behind by a buffer that grew.
    let mut out = Vec::with_capacity(characters + characters.div_ceil(64) + 2 * label.as_str().len() + 32);
    let boundary = |out: &mut Vec<u8>, word: &str| {
        [word, label.as_str(), "-----\n"].iter().for_each(|text| out.extend_from_slice(text.as_bytes()));
    };
    boundary(&mut out, "-----BEGIN ");
    for line in der.chunks(48) {
        let start = out.len();
        out.resize(start + line.len().div_ceil(3) * 4, 0);
        let text = &mut out[start..];
        let (groups, rest) = line.as_chunks::<3>();
        for (out, group) in text.as_chunks_mut::<4>().0.iter_mut().zip(groups) {
            *out = sextets(*group);
        }
        if let Some(&one) = rest.first() {
            let last = text.len() - 4;
            text[last..].copy_from_slice(&sextets([one, rest.get(1).copied().unwrap_or(0), 0]));
        }
        text.iter_mut().for_each(|octet| *octet = digit(*octet));
        if !rest.is_empty() {
            let padding = text.len() - (3 - rest.len());
            text[padding..].fill(b'=');
        }
        out.push(b'\n');
    }
    boundary(&mut out, "-----END ");
    String::from_utf8(out).expect("base64 is ASCII and the label is text")
}

/// Three octets as four numbers of six bits.
fn sextets([a, b, c]: [u8; 3]) -> [u8; 4] {
    let value = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| (value >> shift) as u8 & 0x3f)
}

/// Six bits as a character of base64. Arithmetic alone: a table would let a private key choose which part of memory is
/// read, and the compiler makes this for sixteen characters at a time.
fn digit(six: u8) -> u8 {
    let all_ones_above = |limit: u8| (limit.wrapping_sub(six) as i8 >> 7) as u8;
    six.wrapping_add(b'A')
        .wrapping_add(all_ones_above(25) & 6)
        .wrapping_sub(all_ones_above(51) & 75)
        .wrapping_sub(all_ones_above(61) & 15)
        .wrapping_add(all_ones_above(62) & 3)
}

fn read_block(label: &[u8], begin: usize, lines: &mut Lines<'_>) -> Result<PemBlock, X509Error> {
    let name = std::str::from_utf8(label)
        .ok()
        .filter(|name| name.len() <= 64 && name.bytes().all(|b| b == b' ' || b.is_ascii_graphic()))
        .ok_or_else(|| malformed(format!("line {begin}: the BEGIN line has no readable label")))?;
    let mut base64 = Base64::with_capacity(lines.rest.len());
    let (mut traditional_encryption, mut dek_info) = (false, None);
    let (mut headers_allowed, mut in_headers) = (true, false);
    while let Some((number, line)) = lines.next() {
        if let Some(end) = boundary(line, b"-----END ") {
            if end != label {
                let end = String::from_utf8_lossy(end);
                return Err(malformed(format!(
                    "line {number}: the {name} block of line {begin} ends as {}",
                    quote(&end)
                )));
            }
            let der = base64
                .finish()
                .map_err(|why| malformed(format!("line {number}: the {name} block of line {begin} {why}")))?;
            return Ok(PemBlock { label: Label::from_text(name), der, traditional_encryption, dek_info });
        }
        if boundary(line, b"-----BEGIN ").is_some() {
            break;
        }
        if headers_allowed && (line.contains(&b':') || (in_headers && !line.is_empty())) {
            in_headers = true;
            traditional_encryption |= line.starts_with(b"Proc-Type:") && line.ends_with(b"ENCRYPTED");
            if let Some(value) = line.strip_prefix(b"DEK-Info:") {
                dek_info = Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
            }
            continue;
        }
        headers_allowed = false;
        base64.push(line).map_err(|why| malformed(format!("line {number}: the {name} block of line {begin} {why}")))?;
    }
    Err(malformed(format!("the {name} block of line {begin} is cut short: its line -----END {name}----- is missing")))
}

/// The label of a BEGIN or END line.
fn boundary<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(prefix)?.strip_suffix(b"-----")
}

/// Lines without surrounding white space, numbered from one.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
    separator: u8,
}

impl<'a> Lines<'a> {
    fn new(input: &'a [u8]) -> Self {
        // Files of old Macintosh tools have carriage returns alone.
        let separator = if input.contains(&b'\n') { b'\n' } else { b'\r' };
        Self { rest: input, number: 0, separator }
    }

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&b| b == self.separator).unwrap_or(self.rest.len());
        let line = &self.rest[..end];
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        self.number += 1;
        Some((self.number, line.trim_ascii()))
    }
}

struct Base64 {
    out: Zeroizing<Vec<u8>>,
    bits: u32,
    count: u32,
    padding: u32,
}

impl Base64 {
    fn with_capacity(characters: usize) -> Self {
        // A key fits without growing; a file of many blocks does not cost its size squared.
        Self {
            out: Zeroizing::new(Vec::with_capacity(characters.min(16 * 1024) / 4 * 3)),
            bits: 0,
            count: 0,
            padding: 0,
        }
    }

    fn push(&mut self, line: &[u8]) -> Result<(), &'static str> {
        for &character in line {
            let digit = match character {
                b'A'..=b'Z' => character - b'A',
                b'a'..=b'z' => character - b'a' + 26,
                b'0'..=b'9' => character - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if self.count + self.padding < 4 && self.count >= 2 => {
                    self.padding += 1;
                    continue;
                }
                b' ' | b'\t' | b'\r' => continue,
                b'=' => return Err("has a = where base64 has none"),
                _ => return Err("has a character that is not base64"),
            };
            if self.padding > 0 {
                return Err("goes on after its base64 ended");
            }
            self.bits = self.bits << 6 | u32::from(digit);
            self.count += 1;
            if self.count == 4 {
                self.out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                (self.bits, self.count) = (0, 0);
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        match (self.count, self.padding) {
            (0, 0) => {}
            (2, 2) if self.bits & 0xf == 0 => self.out.push((self.bits >> 4) as u8),
            (3, 1) if self.bits & 0x3 == 0 => self.out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => return Err("is cut short: its base64 is incomplete"),
        }
        if self.out.is_empty() { Err("is empty") } else { Ok(self.out) }
    }
}

fn malformed(message: impl Into<String>) -> X509Error {
    X509Error::Malformed(message.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nMAMC\nAQI=\n-----END PRIVATE KEY-----\n";

    fn labels(text: &[u8]) -> Vec<Label> {
        read_pem(text).unwrap().into_iter().map(|block| block.label).collect()
    }

    #[test]
    fn every_way_people_hand_pem_on_is_read() {
        let wanted = [Label::Certificate, Label::PrivateKey];
        for text in [
            TWO.to_owned(),
            TWO.replace('\n', "\r\n"),
            TWO.replace('\n', "\r"),
            format!("\u{feff}{TWO}"),
            format!("subject=CN = x\nissuer: y\n\n{TWO}\ntrailing prose"),
            TWO.replace("-----\n-----", "-----\n\nBag Attributes\n    friendlyName: x\n-----"),
            TWO.trim_end().to_owned(),
            TWO.replace('\n', "  \n  "),
        ] {
            assert_eq!(labels(text.as_bytes()), wanted, "{text:?}");
        }
        assert_eq!(*read_pem(TWO.as_bytes()).unwrap()[1].der, [0x30, 3, 2, 1, 2]);
        assert_eq!(labels(b""), []);
        assert_eq!(labels(b"hello"), []);
        assert_eq!(labels(&[0x30, 0x82, 0xff, 0x00]), []);
    }

    #[test]
    fn digits_are_those_of_rfc_4648() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        assert_eq!((0..64).map(digit).collect::<Vec<_>>(), alphabet);
    }

    #[test]
    fn damage_is_named_with_its_line() {
        for (text, said) in [
            ("-----BEGIN CERTIFICATE-----\nMAMCAQE=\n", "-----END CERTIFICATE----- is missing"),
            ("x\n-----BEGIN CERTIFICATE-----", "line 2 is cut short"),
            (&TWO.replacen("-----END CERTIFICATE-----\n", "", 1), "-----END CERTIFICATE----- is missing"),
            (&TWO.replacen("END CERTIFICATE", "END PRIVATE KEY", 1), "line 3"),
            (&TWO.replacen("MAMCAQE=", "MAMCAQE", 1), "incomplete"),
            (&TWO.replacen("MAMCAQE=", "", 1), "is empty"),
            (&TWO.replacen("MAMCAQE=", "MAM*AQE=", 1), "line 2"),
            (&TWO.replacen("MAMCAQE=", "MAMCAQE=\nMAMC", 1), "goes on"),
            (&TWO.replacen("MAMCAQE=", "MAMCAQF=", 1), "incomplete"),
            ("\u{0}-----BEGIN \u{1b}[31m-----\n", "no readable label"),
        ] {
            let text = text.trim_start_matches('\0');
            let message = read_pem(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(said), "{text:?}: {message}");
        }
        assert!(read_pem(b"\xff\xfe-\0").unwrap_err().to_string().contains("UTF-16"));
        assert!(read_pem(&vec![b'x'; LARGEST + 1]).is_err());
        assert!(read_pem(&vec![b'x'; LARGEST]).unwrap().is_empty());
    }

    #[test]
    fn traditional_encryption_is_recognised() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAMCAQE=\n-----END RSA PRIVATE KEY-----\n";
        let blocks = read_pem(text.as_bytes()).unwrap();
        assert!(blocks[0].traditional_encryption && blocks[0].label.is_private_key());
        assert!(!format!("{blocks:?}").contains("48"), "the bytes are not shown");
    }

    #[test]
    fn ten_thousand_blocks_are_no_work() {
        let many = TWO.repeat(8_000);
        assert_eq!(read_pem(&many.as_bytes()[..TWO.len() * 7_000]).unwrap().len(), 14_000);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(der in proptest::collection::vec(any::<u8>(), 1..300)) {
            let text = write_pem(&Label::Crl, &der);
            prop_assert!(text.lines().all(|line| line.len() <= 64));
            let blocks = read_pem(text.as_bytes()).unwrap();
            prop_assert_eq!(&*blocks[0].der, &der);
        }

        #[test]
        fn hostile_text_never_panics(text in "(-----BEGIN [A-Z ]{0,9}-----|-----END [A-Z ]{0,9}-----|[A-Za-z0-9=:\r]{0,9}|\n){0,12}") {
            let _ = read_pem(text.as_bytes());
        }

        #[test]
        fn hostile_bytes_never_panic(cut in 0usize..TWO.len(), at in 0usize..TWO.len(), byte in any::<u8>()) {
            let mut bytes = TWO.as_bytes().to_vec();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = read_pem(&bytes);
        }
    }
}
