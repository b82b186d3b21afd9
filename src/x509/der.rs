//! DER, the distinguished encoding of ASN.1 (X.690): a strict reader over a slice and the few writers a name needs.
//!
//! Names, times and serial numbers have to survive byte for byte and be judged as they are written, which the parsers
//! around us do not offer. The reader never recurses and never allocates, so hostile input costs its length and no more.

use std::borrow::Cow;
use std::fmt;

/// Universal and context tags that RFC 5280 uses.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number]` of a primitive type, implicitly tagged.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]` of a constructed type.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// What is wrong with the bytes, as the end of a sentence: `the subject is cut short`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Truncated,
    Length,
    Tag,
    Unexpected,
    Trailing,
    Value,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "is cut short",
            Self::Length => "has a length that DER does not allow",
            Self::Tag => "has a tag that X.509 does not use",
            Self::Unexpected => "is not of the type that stands here",
            Self::Trailing => "is followed by bytes that do not belong to it",
            Self::Value => "has a value that DER does not allow",
        })
    }
}

/// One element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The content of the one element in `bytes`, which must have this tag and nothing after it.
    pub(crate) fn only(bytes: &'a [u8], tag: u8) -> Result<Self, Fault> {
        let mut reader = Self::new(bytes);
        let content = reader.expect(tag)?;
        reader.end()?;
        Ok(Self::new(content))
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn end(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn next(&mut self) -> Result<Element<'a>, Fault> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(Fault::Truncated)?;
        if tag & 0x1f == 0x1f || tag == 0 {
            return Err(Fault::Tag);
        }
        let (length, after_length) = length(after_tag)?;
        if after_length.len() < length {
            return Err(Fault::Truncated);
        }
        let (content, rest) = after_length.split_at(length);
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Ok(Element { tag, content, whole })
    }

    /// The next element, which must have this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Result<Element<'a>, Fault> {
        match self.peek() {
            Some(found) if found == tag => self.next(),
            Some(_) => Err(Fault::Unexpected),
            None => Err(Fault::Truncated),
        }
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Fault> {
        Ok(self.element(tag)?.content)
    }

    /// The content of the next element if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Fault> {
        if self.peek() == Some(tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// A reader over the content of the next element, which must have this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Result<Self, Fault> {
        self.expect(tag).map(Self::new)
    }

    /// The content octets of an INTEGER in its shortest form.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], Fault> {
        shortest_integer(self.expect(tag::INTEGER)?)
    }

    /// A BIT STRING without unused bits, as keys and signatures are.
    pub(crate) fn octet_bits(&mut self) -> Result<&'a [u8], Fault> {
        match self.expect(tag::BIT_STRING)?.split_first() {
            Some((0, bits)) => Ok(bits),
            _ => Err(Fault::Value),
        }
    }

    /// An OBJECT IDENTIFIER in dotted form.
    pub(crate) fn oid(&mut self) -> Result<Cow<'static, str>, Fault> {
        let content = self.expect(tag::OID)?;
        match COMMON.iter().find(|(known, _)| *known == content) {
            Some((_, dotted)) => Ok(Cow::Borrowed(dotted)),
            None => dotted(content).map(Cow::Owned),
        }
    }

    /// `BOOLEAN DEFAULT FALSE`. An explicit FALSE is common in the field and harmless, so it is read.
    pub(crate) fn default_false(&mut self) -> Result<bool, Fault> {
        match self.optional(tag::BOOLEAN)? {
            None | Some([0]) => Ok(false),
            Some([0xff]) => Ok(true),
            Some(_) => Err(Fault::Value),
        }
    }
}

/// What nearly every certificate holds, so that its identifiers are neither computed nor allocated.
const COMMON: [(&[u8], &str); 15] = [
    (&[0x55, 0x1d, 35], "2.5.29.35"),
    (&[0x55, 0x1d, 17], "2.5.29.17"),
    (&[0x55, 0x1d, 15], "2.5.29.15"),
    (&[0x55, 0x1d, 37], "2.5.29.37"),
    (&[0x55, 0x1d, 14], "2.5.29.14"),
    (&[0x55, 0x1d, 19], "2.5.29.19"),
    (&[0x55, 0x1d, 31], "2.5.29.31"),
    (&[0x55, 4, 3], "2.5.4.3"),
    (&[0x55, 4, 10], "2.5.4.10"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2], "1.2.840.10045.4.3.2"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], "1.2.840.10045.2.1"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "1.2.840.10045.3.1.7"),
    (&[0x2b, 6, 1, 5, 5, 7, 3, 1], "1.3.6.1.5.5.7.3.1"),
    (&[0x2b, 6, 1, 5, 5, 7, 3, 2], "1.3.6.1.5.5.7.3.2"),
    (&[0x2b, 0x65, 0x70], "1.3.101.112"),
];

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), Fault> {
    let (&first, rest) = bytes.split_first().ok_or(Fault::Truncated)?;
    if first < 0x80 {
        return Ok((usize::from(first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err(Fault::Length);
    }
    if rest.len() < octets {
        return Err(Fault::Truncated);
    }
    let (digits, rest) = rest.split_at(octets);
    let value = digits.iter().fold(0usize, |value, &digit| value << 8 | usize::from(digit));
    if digits[0] == 0 || value < 0x80 {
        return Err(Fault::Length);
    }
    Ok((value, rest))
}

/// `content` if it is an INTEGER's shortest form (X.690 8.3.2).
pub(crate) fn shortest_integer(content: &[u8]) -> Result<&[u8], Fault> {
    match content {
        [] => Err(Fault::Value),
        [0, second, ..] if *second < 0x80 => Err(Fault::Value),
        [0xff, second, ..] if *second >= 0x80 => Err(Fault::Value),
        _ => Ok(content),
    }
}

/// The dotted form of an OBJECT IDENTIFIER's content.
pub(crate) fn dotted(content: &[u8]) -> Result<String, Fault> {
    if content.last().is_none_or(|last| last & 0x80 != 0) {
        return Err(Fault::Value);
    }
    let mut text = String::with_capacity(content.len() * 2 + 4);
    let (mut arc, mut fresh) = (0u128, true);
    for &octet in content {
        if (fresh && octet == 0x80) || arc >> 121 != 0 {
            return Err(Fault::Value);
        }
        arc = arc << 7 | u128::from(octet & 0x7f);
        fresh = octet & 0x80 == 0;
        if fresh {
            if text.is_empty() {
                let first = (arc / 40).min(2);
                text.push(char::from(b'0' + first as u8));
                arc -= first * 40;
            }
            text.push('.');
            push_decimal(&mut text, arc);
            arc = 0;
        }
    }
    Ok(text)
}

/// Every certificate has some fifteen identifiers, and formatting wide integers would be most of the work of reading it.
fn push_decimal(text: &mut String, arc: u128) {
    use std::fmt::Write;
    let Ok(mut rest) = u32::try_from(arc) else {
        let _ = write!(text, "{arc}");
        return;
    };
    let mut digits = [0; 10];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend(digits[start..].iter().map(|&digit| char::from(digit)));
}

/// The content of an OBJECT IDENTIFIER from its dotted form; `None` if it is not one.
pub(crate) fn oid_content(dotted: &str) -> Option<Vec<u8>> {
    let mut arcs = dotted.split('.').map(|arc| {
        let digits = !arc.is_empty() && arc.len() < 38 && arc.bytes().all(|b| b.is_ascii_digit());
        (digits && (arc == "0" || !arc.starts_with('0'))).then(|| arc.parse::<u128>().ok()).flatten()
    });
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second >= 40) {
        return None;
    }
    let mut content = Vec::with_capacity(dotted.len());
    write_arc(&mut content, first * 40 + second);
    for arc in arcs {
        write_arc(&mut content, arc?);
    }
    Some(content)
}

fn write_arc(out: &mut Vec<u8>, arc: u128) {
    let groups = (128 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        out.push((arc >> (group * 7)) as u8 & 0x7f | more);
    }
}

/// Appends one element.
pub(crate) fn write(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    write_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// The length of an element with so much content.
pub(crate) fn whole_length(content: usize) -> usize {
    if content < 0x80 { content + 2 } else { content + 2 + length_octets(content) }
}

fn length_octets(length: usize) -> usize {
    (usize::BITS - length.leading_zeros()).div_ceil(8) as usize
}

/// Appends what stands before the content of an element.
pub(crate) fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    match length {
        0..0x80 => out.extend_from_slice(&[tag, length as u8]),
        0x80..0x100 => out.extend_from_slice(&[tag, 0x81, length as u8]),
        0x100..0x1_0000 => out.extend_from_slice(&[tag, 0x82, (length >> 8) as u8, length as u8]),
        _ => {
            let octets = length.to_be_bytes();
            let octets = &octets[octets.len() - length_octets(length)..];
            out.extend_from_slice(&[tag, 0x80 | octets.len() as u8]);
            out.extend_from_slice(octets);
        }
    }
}

/// One element on its own.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    write(&mut out, tag, content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_identifiers_round_trip_to_the_largest_arc() {
        for oid in [
            "2.5.4.3",
            "0.0",
            "0.39",
            "1.0",
            "1.39",
            "2.0",
            "2.999.4294967295.4294967296",
            "1.2.840.113549.1.1.11",
            "0.9.2342.19200300.100.1.25",
            "2.25.329800735698586629295641978511506172918",
        ] {
            let Some(content) = oid_content(oid) else {
                assert!(oid.len() > 40, "{oid}");
                continue;
            };
            assert_eq!(dotted(&content).unwrap(), oid);
        }
        for bad in ["", "1", "3.1", "1.40", "2.5.", "2..5", "2.05", "2.5.x", "-1.2"] {
            assert_eq!(oid_content(bad), None, "{bad}");
        }
        for (content, known) in COMMON {
            assert_eq!(dotted(content).unwrap(), known);
        }
        assert_eq!(dotted(&[0x55, 0x80, 0x01]), Err(Fault::Value));
        assert_eq!(dotted(&[0x55, 0x84]), Err(Fault::Value));
        assert_eq!(dotted(&[]), Err(Fault::Value));
    }

    #[test]
    fn lengths_are_the_shortest_or_refused() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let der = element(tag::OCTET_STRING, &vec![7; length]);
            assert_eq!(der.len(), whole_length(length));
            assert_eq!(Reader::only(&der, tag::OCTET_STRING).unwrap().rest.len(), length);
        }
        let read = |bytes: &[u8]| Reader::new(bytes).next().map(|_| ());
        assert_eq!(read(&[0x04, 0x81, 0x01, 0x00]), Err(Fault::Length));
        assert_eq!(read(&[0x04, 0x80, 0x00, 0x00]), Err(Fault::Length));
        assert_eq!(read(&[0x04, 0x82, 0x00, 0x80]), Err(Fault::Length));
        assert_eq!(read(&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff]), Err(Fault::Truncated));
        assert_eq!(read(&[0x04, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(Fault::Length));
        assert_eq!(read(&[0x1f, 0x81, 0x01, 0x00]), Err(Fault::Tag));
        assert_eq!(read(&[]), Err(Fault::Truncated));
    }
}
