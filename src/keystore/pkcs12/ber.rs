//! BER made DER. Windows, browsers and older Java write PKCS#12 with lengths that are not known in front and with strings
//! in pieces (X.690 section 8); the strict reader knows neither.

use crate::x509::der;

const OCTET_STRING_IN_PIECES: u8 = 0x24;
const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;
/// PKCS#12 nests some fifteen levels.
const DEEPEST: usize = 32;

/// The same values in DER, or `None` when it is no BER either.
pub(super) fn to_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let rest = element(bytes, DEEPEST, &mut out)?;
    rest.is_empty().then_some(out)
}

/// Writes the first element of `bytes`; what follows it comes back.
fn element<'a>(bytes: &'a [u8], depth: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (&tag, after_tag) = bytes.split_first()?;
    if tag & 0x1f == 0x1f || tag == 0 {
        return None;
    }
    let (length, content) = length(after_tag)?;
    if tag & CONSTRUCTED == 0 {
        let (content, rest) = content.split_at_checked(length?)?;
        der::write(out, tag, content);
        return Some(rest);
    }
    let mut inner = Vec::new();
    let rest = elements(content, length, depth.checked_sub(1)?, &mut inner)?;
    match tag {
        OCTET_STRING_IN_PIECES => der::write(out, OCTET_STRING, &pieces(&inner)?),
        _ => der::write(out, tag, &inner),
    }
    Some(rest)
}

/// The elements of a content, whose length is known or which ends with two zeros.
fn elements<'a>(bytes: &'a [u8], length: Option<usize>, depth: usize, out: &mut Vec<u8>) -> Option<&'a [u8]> {
    let Some(length) = length else {
        let mut content = bytes;
        while !content.starts_with(&[0, 0]) {
            content = element(content, depth, out)?;
        }
        return content.get(2..);
    };
    let (mut content, rest) = bytes.split_at_checked(length)?;
    while !content.is_empty() {
        content = element(content, depth, out)?;
    }
    Some(rest)
}

/// One string of several, which are in DER by now.
pub(super) fn pieces(mut inner: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(inner.len());
    while let Some((&OCTET_STRING, after_tag)) = inner.split_first() {
        let (length, content) = length(after_tag)?;
        let (piece, rest) = content.split_at_checked(length?)?;
        whole.extend_from_slice(piece);
        inner = rest;
    }
    inner.is_empty().then_some(whole)
}

/// The length, if it is known in front, and what follows it.
fn length(bytes: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..0x80 => Some((Some(usize::from(first)), rest)),
        0x80 => Some((None, rest)),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let zeros = digits.iter().take_while(|digit| **digit == 0).count();
            let digits = Some(&digits[zeros..]).filter(|digits| digits.len() <= 4)?;
            Some((Some(digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit))), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_der_stays_as_it_is() {
        for der in [&[0x30, 0][..], &[0x30, 3, 2, 1, 5], &[0x04, 2, 1, 2], &[0x30, 4, 0xa0, 2, 5, 0]] {
            assert_eq!(to_der(der).as_deref(), Some(der));
        }
    }

    #[test]
    fn open_lengths_long_lengths_and_pieces_are_made_plain() {
        let plain = Some(vec![0x30, 5, 0x04, 3, 1, 2, 3]);
        assert_eq!(to_der(&[0x30, 0x80, 0x04, 3, 1, 2, 3, 0, 0]), plain);
        assert_eq!(to_der(&[0x30, 0x83, 0, 0, 5, 0x04, 3, 1, 2, 3]), plain);
        assert_eq!(to_der(&[0x30, 0x80, 0x24, 0x80, 0x04, 1, 1, 0x04, 2, 2, 3, 0, 0, 0, 0]), plain);
        assert_eq!(to_der(&[0x30, 11, 0x24, 9, 0x24, 3, 0x04, 1, 1, 0x04, 2, 2, 3]), plain);
    }

    #[test]
    fn what_is_cut_short_or_nested_without_end_is_nothing() {
        let whole = [0x30, 0x80, 0x24, 0x80, 0x04, 1, 1, 0x04, 2, 2, 3, 0, 0, 0, 0];
        for at in 0..whole.len() {
            assert_eq!(to_der(&whole[..at]), None, "{at}");
        }
        assert_eq!(to_der(&[0x30, 0x80].repeat(100_000)), None);
        assert_eq!(to_der(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]), None);
        assert_eq!(to_der(&[0x30, 0xff]), None);
        assert_eq!(to_der(&[0x24, 3, 0x02, 1, 1]), None);
    }
}
