//! The string form of names (RFC 4514): splitting, escapes and hexadecimal.

use std::fmt::{self, Write};

use super::X509Error;
use super::attribute::{self, StringType};
use super::der::Reader;
use super::name::Attribute;
use crate::ui::quote;

/// Relative distinguished names in the order of the text. Spaces around separators are allowed, as people write them.
pub(super) fn parse(text: &str) -> Result<Vec<Vec<Attribute>>, X509Error> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    if text.starts_with('/') {
        return Err(refuse(text, "it begins with a slash; separate attributes by a comma, such as O=Example,C=DE"));
    }
    let mut rdns = vec![Vec::new()];
    for (part, separator) in split(text)? {
        let attribute = parse_attribute(text, part)?;
        if let Some(rdn) = rdns.last_mut() {
            rdn.push(attribute);
        }
        if separator == Some(',') {
            rdns.push(Vec::new());
        }
    }
    Ok(rdns)
}

fn refuse(text: &str, why: &str) -> X509Error {
    X509Error::Invalid(format!("{} is not a distinguished name: {why}", quote(text)))
}

/// The parts between separators that are not escaped, each with the separator behind it.
fn split(text: &str) -> Result<Vec<(&str, Option<char>)>, X509Error> {
    let (mut parts, mut begin, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' | '+' => {
                parts.push((&text[begin..at], Some(c)));
                begin = at + 1;
            }
            '"' | ';' | '<' | '>' => {
                return Err(refuse(text, &format!("the character {c} must be escaped by a backslash")));
            }
            _ => {}
        }
    }
    parts.push((&text[begin..], None));
    Ok(parts)
}

fn parse_attribute(text: &str, part: &str) -> Result<Attribute, X509Error> {
    let (name, value) = part.split_once('=').ok_or_else(|| {
        refuse(text, &format!("{} has no =; a comma or plus inside a value is written \\, or \\+", quote(part)))
    })?;
    let oid = attribute::identifier(name.trim())?;
    let value = value.trim_start_matches(' ');
    match value.strip_prefix('#') {
        Some(hex) => parse_hex(text, &oid, hex.trim_end_matches(' ')),
        None => attribute::checked(&oid, &unescape(text, value)?),
    }
}

/// A value given as DER must be a text that may stand there: hexadecimal is no way around the checks.
fn parse_hex(text: &str, oid: &str, hex: &str) -> Result<Attribute, X509Error> {
    let octets = hex_octets(hex).ok_or_else(|| refuse(text, "after # stand pairs of hexadecimal digits"))?;
    let mut reader = Reader::new(&octets);
    let value = reader.next().and_then(|value| reader.end().map(|()| value));
    let value = value.map_err(|fault| refuse(text, &format!("the value after # {fault}")))?;
    match attribute::decode(value) {
        (_, StringType::NotText(_)) => Err(refuse(text, "the value after # is no text")),
        (value, _) => attribute::checked(oid, &value),
    }
}

/// Octets from pairs of hexadecimal digits.
pub(super) fn hex_octets(hex: &str) -> Option<Vec<u8>> {
    if hex.is_empty() || !hex.len().is_multiple_of(2) {
        return None;
    }
    hex.as_bytes().chunks_exact(2).map(|pair| hex_octet(pair[0], pair[1])).collect()
}

fn hex_octet(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

fn unescape(text: &str, value: &str) -> Result<String, X509Error> {
    let mut out = Vec::with_capacity(value.len());
    // Everything up to here was meant: spaces behind it were not.
    let mut meant = 0;
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            if byte != b' ' {
                meant = out.len();
            }
            continue;
        }
        let unfinished = || refuse(text, "after a backslash stands a special character or two hexadecimal digits");
        let first = bytes.next().ok_or_else(unfinished)?;
        out.push(match first {
            b' ' | b'#' | b'=' | b'\\' | b'"' | b'+' | b',' | b';' | b'<' | b'>' => first,
            _ => bytes.next().and_then(|second| hex_octet(first, second)).ok_or_else(unfinished)?,
        });
        meant = out.len();
    }
    out.truncate(meant);
    String::from_utf8(out).map_err(|_| refuse(text, "its escaped octets are not UTF-8"))
}

/// A value with the escapes of RFC 4514 2.4, so that it reads back; characters nobody can see become hexadecimal.
pub(super) fn write_value(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    let last = value.len().saturating_sub(1);
    for (at, c) in value.char_indices() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
            '#' | ' ' if at == 0 => write!(f, "\\{c}")?,
            ' ' if at == last => write!(f, "\\{c}")?,
            c if attribute::is_hidden(c) => {
                for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "\\{octet:02X}")?;
                }
            }
            c => f.write_char(c)?,
        }
    }
    Ok(())
}
