//! Distinguished names (RFC 5280 4.1.2.4), as text (RFC 4514) and as DER.
//!
//! A name that was read keeps its bytes: issuer and subject are compared and copied octet for octet, so repeated and
//! multi-valued attributes and old string types survive. A name that is written is checked first, because brokers take
//! the common name for a user: what nobody can see or type must not be in it.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};

use super::X509Error;
use super::attribute::{self, StringType};
use super::der::{self, Fault, Reader, tag};
use crate::ui::quote;

/// One attribute of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The type as a dotted object identifier.
    pub oid: Cow<'static, str>,
    /// The type as RFC 4514 and everyone's tools abbreviate it (`CN`, `O`, `emailAddress`), or the dotted identifier.
    pub short_name: Cow<'static, str>,
    /// The value; one that is no text is `#` and its DER in hexadecimal.
    pub value: String,
    /// How the value is encoded.
    pub string_type: StringType,
    /// Belongs to the same relative distinguished name as the attribute before it.
    joined: bool,
}

/// A distinguished name: relative distinguished names in the order of the DER.
#[derive(Clone)]
pub struct DistinguishedName {
    der: Vec<u8>,
    attributes: Vec<Attribute>,
}

impl DistinguishedName {
    /// No attribute at all: such a certificate's names are its subject alternative names.
    pub fn empty() -> Self {
        Self { der: vec![tag::SEQUENCE, 0], attributes: Vec::new() }
    }

    /// `CN=cn`.
    pub fn common_name_only(cn: &str) -> Result<Self, X509Error> {
        attribute::checked(attribute::COMMON_NAME, cn).map(|common_name| Self::ending_in(&[], Vec::new(), common_name))
    }

    /// `O=Example\, Inc,C=DE`: the text's first attribute is the DER's last (RFC 4514 2.1).
    pub fn parse_rfc4514(text: &str) -> Result<Self, X509Error> {
        let mut rdns = super::rfc4514::parse(text)?;
        rdns.reverse();
        Ok(Self::build(rdns))
    }

    /// Adds `CN=cn` as the most specific attribute: the last of the DER and the first of the text.
    pub fn with_common_name(self, cn: &str) -> Result<Self, X509Error> {
        let common_name = attribute::checked(attribute::COMMON_NAME, cn)?;
        let content = Reader::only(&self.der, tag::SEQUENCE).map_or(&[][..], |reader| reader.rest());
        Ok(Self::ending_in(content, self.attributes, common_name))
    }

    /// `last` in a set of its own after `content`, which is how `attributes` are encoded.
    fn ending_in(content: &[u8], mut attributes: Vec<Attribute>, last: Attribute) -> Self {
        let pair = encode(&last);
        let length = content.len() + der::whole_length(pair.len());
        let mut der = Vec::with_capacity(der::whole_length(length));
        der::write_header(&mut der, tag::SEQUENCE, length);
        der.extend_from_slice(content);
        der::write(&mut der, tag::SET, &pair);
        attributes.reserve_exact(1);
        attributes.push(last);
        Self { der, attributes }
    }

    /// The same without common names.
    #[must_use]
    pub fn without_common_name(&self) -> Self {
        let mut rdns: Vec<Vec<Attribute>> = Vec::new();
        for attribute in &self.attributes {
            match rdns.last_mut().filter(|_| attribute.joined) {
                Some(rdn) => rdn.push(attribute.clone()),
                None => rdns.push(vec![attribute.clone()]),
            }
        }
        rdns.iter_mut().for_each(|rdn| rdn.retain(|attribute| attribute.oid != attribute::COMMON_NAME));
        rdns.retain(|rdn| !rdn.is_empty());
        Self::build(rdns)
    }

    fn build(rdns: Vec<Vec<Attribute>>) -> Self {
        let mut content = Vec::new();
        let mut attributes = Vec::new();
        for rdn in rdns {
            let mut encoded: Vec<(Vec<u8>, Attribute)> = rdn.into_iter().map(|a| (encode(&a), a)).collect();
            // X.690 11.6: the members of a SET OF stand in ascending order of their encodings.
            encoded.sort_by(|a, b| a.0.cmp(&b.0));
            der::write(
                &mut content,
                tag::SET,
                &encoded.iter().flat_map(|(der, _)| der.iter().copied()).collect::<Vec<_>>(),
            );
            for (position, (_, attribute)) in encoded.into_iter().enumerate() {
                attributes.push(Attribute { joined: position > 0, ..attribute });
            }
        }
        Self { der: der::element(tag::SEQUENCE, &content), attributes }
    }

    /// The Name as it is or will be encoded.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Reads a Name whose bytes are kept; lengths and characters are not judged here.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        Self::read(der).map_err(|fault| X509Error::Malformed(format!("the distinguished name {fault}")))
    }

    pub(crate) fn read(der: &[u8]) -> Result<Self, Fault> {
        let mut rdns = Reader::only(der, tag::SEQUENCE)?;
        // Most names in a fleet are a common name alone.
        let mut attributes = Vec::with_capacity(1);
        while !rdns.is_empty() {
            let mut rdn = rdns.enter(tag::SET)?;
            let mut joined = false;
            if rdn.is_empty() {
                return Err(Fault::Value);
            }
            while !rdn.is_empty() {
                let mut pair = rdn.enter(tag::SEQUENCE)?;
                let oid = pair.oid()?;
                let value = pair.next()?;
                pair.end()?;
                attributes.push(read_attribute(oid, value, joined));
                joined = true;
            }
        }
        Ok(Self { der: der.to_vec(), attributes })
    }

    /// The attributes in the order of the DER.
    pub fn attributes(&self) -> impl DoubleEndedIterator<Item = &Attribute> {
        self.attributes.iter()
    }

    /// The most specific common name: the last of the DER.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name_attributes().next_back().map(|attribute| attribute.value.as_str())
    }

    /// All common names in the order of the DER.
    pub fn common_names(&self) -> Vec<&str> {
        self.common_name_attributes().map(|attribute| attribute.value.as_str()).collect()
    }

    /// The attributes that are common names.
    pub fn common_name_attributes(&self) -> impl DoubleEndedIterator<Item = &Attribute> {
        self.attributes.iter().filter(|attribute| attribute.oid == attribute::COMMON_NAME)
    }

    /// There is a common name. A subject that is written beside a name must not have one of its own.
    pub fn has_common_name(&self) -> bool {
        self.common_name_attributes().next().is_some()
    }

    /// There is no attribute.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }
}

fn encode(attribute: &Attribute) -> Vec<u8> {
    let oid = match &*attribute.oid {
        attribute::COMMON_NAME => Cow::Borrowed(&[0x55, 4, 3][..]),
        // The identifier was parsed or looked up, so it encodes.
        other => Cow::Owned(der::oid_content(other).unwrap_or_default()),
    };
    let Some(tag) = attribute.string_type.tag() else {
        let mut pair = der::element(tag::OID, &oid);
        pair.extend(super::rfc4514::hex_octets(attribute.value.trim_start_matches('#')).unwrap_or_default());
        return der::element(tag::SEQUENCE, &pair);
    };
    let length = der::whole_length(oid.len()) + der::whole_length(attribute.value.len());
    let mut pair = Vec::with_capacity(der::whole_length(length));
    der::write_header(&mut pair, tag::SEQUENCE, length);
    der::write(&mut pair, tag::OID, &oid);
    der::write(&mut pair, tag, attribute.value.as_bytes());
    pair
}

/// The abbreviation of a type, or its identifier.
fn short_name(oid: Cow<'static, str>) -> Cow<'static, str> {
    attribute::abbreviation(&oid).map_or(oid, Cow::Borrowed)
}

fn read_attribute(oid: Cow<'static, str>, value: der::Element<'_>, joined: bool) -> Attribute {
    let (text, string_type) = attribute::decode(value);
    Attribute { short_name: short_name(oid.clone()), oid, value: text, string_type, joined }
}

impl Attribute {
    pub(super) fn new(oid: &str, value: String, string_type: StringType) -> Self {
        let oid: Cow<'static, str> = attribute::known(oid).map_or_else(|| Cow::Owned(oid.to_owned()), Cow::Borrowed);
        Self { short_name: short_name(oid.clone()), oid, value, string_type, joined: false }
    }
}

/// What lint asks of an attribute that was read.
impl Attribute {
    /// The most characters that RFC 5280 Appendix A allows, where it knows the type.
    pub fn upper_bound(&self) -> Option<usize> {
        attribute::upper_bound(&self.oid)
    }

    /// The first character that nobody sees or that reorders its neighbours.
    pub fn hidden_character(&self) -> Option<char> {
        // Printable ASCII is by far the most common and cheap to tell.
        let visible = self.value.bytes().all(|b| (0x20..0x7f).contains(&b));
        if visible { None } else { self.value.chars().find(|&c| attribute::is_hidden(c)) }
    }

    /// A PrintableString holds only its few characters.
    pub fn fits_its_string_type(&self) -> bool {
        self.string_type != StringType::Printable || attribute::is_printable(&self.value)
    }
}

/// RFC 4514: most specific first.
impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end = self.attributes.len();
        while end > 0 {
            let begin = self.attributes[..end].iter().rposition(|attribute| !attribute.joined).unwrap_or(0);
            if end < self.attributes.len() {
                f.write_char(',')?;
            }
            for (position, attribute) in self.attributes[begin..end].iter().enumerate() {
                if position > 0 {
                    f.write_char('+')?;
                }
                write!(f, "{}=", attribute.short_name)?;
                match attribute.string_type {
                    StringType::NotText(_) => f.write_str(&attribute.value)?,
                    _ => super::rfc4514::write_value(f, &attribute.value)?,
                }
            }
            end = begin;
        }
        Ok(())
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({})", quote(&self.to_string()))
    }
}

/// Octet for octet: the same words in another string type are another name, as they are for most verifiers.
impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for DistinguishedName {}

impl Hash for DistinguishedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.der.hash(state);
    }
}

impl Default for DistinguishedName {
    fn default() -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests;
