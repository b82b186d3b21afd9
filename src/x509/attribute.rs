//! The attribute types of names: how they are called, encoded and bounded (RFC 5280 Appendix A, RFC 4514 section 3).

use std::borrow::Cow;

use super::X509Error;
use super::der::{Element, tag};
use super::name::Attribute;
use crate::ui::quote;

/// `id-at-commonName`.
pub(crate) const COMMON_NAME: &str = "2.5.4.3";

/// How the value of an attribute is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StringType {
    /// UTF8String: what RFC 5280 wants for everything that is not one of the next two.
    Utf8,
    /// PrintableString.
    Printable,
    /// IA5String: only for domain components and e-mail addresses.
    Ia5,
    /// TeletexString, read as Latin-1.
    Teletex,
    /// BMPString.
    Bmp,
    /// UniversalString.
    Universal,
    /// NumericString.
    Numeric,
    /// Not a string, or one that its encoding does not allow; with its tag.
    NotText(u8),
}

impl StringType {
    /// The tag under which UTF-8 text may be written as it is.
    pub(super) fn tag(self) -> Option<u8> {
        match self {
            Self::Utf8 => Some(tag::UTF8_STRING),
            Self::Printable => Some(tag::PRINTABLE_STRING),
            Self::Ia5 => Some(tag::IA5_STRING),
            Self::Numeric => Some(tag::NUMERIC_STRING),
            Self::Teletex | Self::Bmp | Self::Universal | Self::NotText(_) => None,
        }
    }
}

/// Identifier, name, other names in use, upper bound in characters, encoding. The first ones are offered in errors.
type Row = (&'static str, &'static str, &'static [&'static str], usize, StringType);

const TYPES: &[Row] = &[
    (COMMON_NAME, "CN", &["commonName"], 64, StringType::Utf8),
    ("2.5.4.10", "O", &["organizationName"], 64, StringType::Utf8),
    ("2.5.4.11", "OU", &["organizationalUnitName"], 64, StringType::Utf8),
    ("2.5.4.6", "C", &["countryName"], 2, StringType::Printable),
    ("2.5.4.8", "ST", &["S", "stateOrProvinceName"], 128, StringType::Utf8),
    ("2.5.4.7", "L", &["localityName"], 128, StringType::Utf8),
    ("0.9.2342.19200300.100.1.25", "DC", &["domainComponent"], 63, StringType::Ia5),
    ("1.2.840.113549.1.9.1", "emailAddress", &["E", "EMAIL"], 255, StringType::Ia5),
    ("2.5.4.5", "serialNumber", &[], 64, StringType::Printable),
    ("0.9.2342.19200300.100.1.1", "UID", &["userId"], 256, StringType::Utf8),
    ("2.5.4.9", "street", &["streetAddress"], 128, StringType::Utf8),
    ("2.5.4.17", "postalCode", &[], 40, StringType::Utf8),
    ("2.5.4.4", "SN", &["surname"], 32_768, StringType::Utf8),
    ("2.5.4.42", "GN", &["givenName"], 32_768, StringType::Utf8),
    ("2.5.4.43", "initials", &[], 32_768, StringType::Utf8),
    ("2.5.4.44", "generationQualifier", &[], 32_768, StringType::Utf8),
    ("2.5.4.12", "title", &[], 64, StringType::Utf8),
    ("2.5.4.13", "description", &[], 1_024, StringType::Utf8),
    ("2.5.4.15", "businessCategory", &[], 128, StringType::Utf8),
    ("2.5.4.41", "name", &[], 32_768, StringType::Utf8),
    ("2.5.4.46", "dnQualifier", &[], 64, StringType::Printable),
    ("2.5.4.65", "pseudonym", &[], 128, StringType::Utf8),
    ("2.5.4.97", "organizationIdentifier", &[], 256, StringType::Utf8),
];

/// For a type that is not in the table: long enough for anything and no way to fill a memory.
const ANY_BOUND: usize = 1_024;

/// The abbreviation of a type, or its identifier.
pub(crate) fn short_name(oid: &str) -> &str {
    abbreviation(oid).unwrap_or(oid)
}

/// The identifier of a type that the table has, for as long as the program runs.
pub(super) fn known(oid: &str) -> Option<&'static str> {
    row(oid).map(|row| row.0)
}

/// The abbreviation of a type that has one.
pub(super) fn abbreviation(oid: &str) -> Option<&'static str> {
    row(oid).map(|row| row.1)
}

/// The upper bound of RFC 5280 Appendix A, where the type has one.
pub(crate) fn upper_bound(oid: &str) -> Option<usize> {
    row(oid).map(|row| row.3)
}

/// The identifier of a type that people wrote by name, in any case, or by number.
pub(super) fn identifier(text: &str) -> Result<Cow<'static, str>, X509Error> {
    let named = TYPES
        .iter()
        .find(|row| row.1.eq_ignore_ascii_case(text) || row.2.iter().any(|other| other.eq_ignore_ascii_case(text)));
    if let Some(row) = named {
        return Ok(row.0.into());
    }
    let number = text.strip_prefix("OID.").unwrap_or(text);
    if super::der::oid_content(number).is_some() {
        return Ok(number.to_owned().into());
    }
    let known: Vec<_> = TYPES.iter().take(10).map(|row| row.1).collect();
    Err(X509Error::Invalid(format!(
        "{} is not an attribute of a name: known are {}, or a dotted object identifier",
        quote(text),
        known.join(", ")
    )))
}

/// An attribute that may be written.
pub(super) fn checked(oid: &str, value: &str) -> Result<Attribute, X509Error> {
    let row = row(oid);
    let string_type = row.map_or(StringType::Utf8, |row| row.4);
    match value_fault(oid, value, row.map_or(ANY_BOUND, |row| row.3), string_type) {
        None => Ok(Attribute::new(oid, value.to_owned(), string_type)),
        Some(why) => {
            let what = if oid == COMMON_NAME { "common name" } else { short_name(oid) };
            Err(X509Error::Invalid(format!("{what} {}: {why}", quote(value))))
        }
    }
}

fn value_fault(oid: &str, value: &str, bound: usize, string_type: StringType) -> Option<String> {
    if value.is_empty() {
        return Some("it is empty".into());
    }
    if let Some(hidden) = value.chars().find(|&c| is_hidden(c)) {
        let kind = if hidden.is_control() { "a control character" } else { "an invisible character" };
        return Some(format!("it has {kind}, U+{:04X}", u32::from(hidden)));
    }
    if value.starts_with(char::is_whitespace) || value.ends_with(char::is_whitespace) {
        return Some("it begins or ends with a space, which nobody would see".into());
    }
    if oid == "2.5.4.6" {
        return country_fault(value).map(Into::into);
    }
    let length = value.chars().count();
    if length > bound {
        return Some(format!("it has {length} characters, and at most {bound} are allowed"));
    }
    match string_type {
        StringType::Ia5 if !value.is_ascii() => Some("it has characters outside ASCII".into()),
        StringType::Printable if !is_printable(value) => {
            Some("it has a character other than letters, digits, spaces and '()+,-./:=?".into())
        }
        _ => None,
    }
}

fn country_fault(value: &str) -> Option<&'static str> {
    if value.len() != 2 || !value.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Some("a country is two letters, such as DE");
    }
    value.bytes().any(|b| b.is_ascii_lowercase()).then_some("a country is written in upper case, such as DE")
}

/// The characters of PrintableString (X.680 41.4).
pub(crate) fn is_printable(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b))
}

/// Control characters, and characters that are invisible or reorder what stands beside them (Unicode TR 36): two names
/// that look alike would be two users.
pub(crate) fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// The text of a value, or its DER in hexadecimal if it is none.
pub(super) fn decode(value: Element<'_>) -> (String, StringType) {
    let utf8 = |string_type| std::str::from_utf8(value.content).ok().map(|text| (text.to_owned(), string_type));
    let ascii = |string_type| value.content.is_ascii().then(|| utf8(string_type)).flatten();
    let text = match value.tag {
        tag::UTF8_STRING => utf8(StringType::Utf8),
        tag::PRINTABLE_STRING => ascii(StringType::Printable),
        tag::IA5_STRING => ascii(StringType::Ia5),
        tag::NUMERIC_STRING => ascii(StringType::Numeric),
        tag::TELETEX_STRING => {
            Some((value.content.iter().map(|&octet| char::from(octet)).collect(), StringType::Teletex))
        }
        tag::BMP_STRING => decode_bmp(value.content).map(|text| (text, StringType::Bmp)),
        tag::UNIVERSAL_STRING => decode_universal(value.content).map(|text| (text, StringType::Universal)),
        _ => None,
    };
    text.unwrap_or_else(|| {
        use std::fmt::Write;
        let mut hex = String::with_capacity(value.whole.len() * 2 + 1);
        hex.push('#');
        value.whole.iter().for_each(|octet| {
            let _ = write!(hex, "{octet:02x}");
        });
        (hex, StringType::NotText(value.tag))
    })
}

fn decode_bmp(content: &[u8]) -> Option<String> {
    let units = content.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).map(u16::from_be_bytes));
    String::from_utf16(&units.collect::<Result<Vec<_>, _>>().ok()?).ok()
}

fn decode_universal(content: &[u8]) -> Option<String> {
    content.chunks(4).map(|four| char::from_u32(u32::from_be_bytes(four.try_into().ok()?))).collect()
}

fn row(oid: &str) -> Option<&'static Row> {
    TYPES.iter().find(|row| row.0 == oid)
}
