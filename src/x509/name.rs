//! Distinguished names (RFC 5280 4.1.2.4), as text (RFC 4514) and as DER.
//!
//! A name that was read keeps its bytes: issuer and subject are compared and copied octet for octet, so repeated and
//! multi-valued attributes and old string types survive. A name that is written is checked first, because brokers take
//! the common name for a user: what nobody can see or type must not be in it.

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
    pub oid: String,
    /// The type as RFC 4514 and everyone's tools abbreviate it (`CN`, `O`, `emailAddress`), or the dotted identifier.
    pub short_name: String,
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
        Self::empty().with_common_name(cn)
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
        let mut name = self;
        let content = Reader::only(&name.der, tag::SEQUENCE).map_or(&[][..], |reader| reader.rest());
        let mut rdns = Vec::with_capacity(content.len() + 16 + cn.len());
        rdns.extend_from_slice(content);
        der::write(&mut rdns, tag::SET, &encode(&common_name));
        name.der = der::element(tag::SEQUENCE, &rdns);
        name.attributes.push(common_name);
        Ok(name)
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
        let mut attributes = Vec::with_capacity(4);
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
    let mut pair = Vec::with_capacity(attribute.value.len() + 16);
    // The identifier was parsed or looked up, so it encodes.
    der::write(&mut pair, tag::OID, &der::oid_content(&attribute.oid).unwrap_or_default());
    match attribute.string_type.tag() {
        Some(tag) => der::write(&mut pair, tag, attribute.value.as_bytes()),
        None => pair.extend(super::rfc4514::hex_octets(attribute.value.trim_start_matches('#')).unwrap_or_default()),
    }
    der::element(tag::SEQUENCE, &pair)
}

fn read_attribute(oid: String, value: der::Element<'_>, joined: bool) -> Attribute {
    let (text, string_type) = attribute::decode(value);
    Attribute { short_name: attribute::short_name(&oid).to_owned(), oid, value: text, string_type, joined }
}

impl Attribute {
    pub(super) fn new(oid: &str, value: String, string_type: StringType) -> Self {
        Self { oid: oid.into(), short_name: attribute::short_name(oid).into(), value, string_type, joined: false }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> DistinguishedName {
        DistinguishedName::parse_rfc4514(text).unwrap()
    }

    fn why(text: &str) -> String {
        DistinguishedName::parse_rfc4514(text).unwrap_err().to_string()
    }

    #[test]
    fn text_and_der_have_opposite_orders() {
        let name = parse("O=Example\\, Inc,C=DE").with_common_name("rabbit").unwrap();
        assert_eq!(name.attributes().map(|a| a.short_name.as_str()).collect::<Vec<_>>(), ["C", "O", "CN"]);
        assert_eq!(name.to_string(), "CN=rabbit,O=Example\\, Inc,C=DE");
        assert_eq!(name.common_name(), Some("rabbit"));
        assert_eq!(DistinguishedName::from_der(name.der()).unwrap(), name);
        assert!(!parse("O=x").has_common_name() && parse("CN=x").has_common_name());
        assert!(parse("").is_empty());
    }

    #[test]
    fn string_types_are_those_of_the_standard() {
        let name = parse("emailAddress=a@b.c,DC=example,serialNumber=1,C=DE,O=x");
        let types: Vec<_> = name.attributes().map(|a| a.string_type).collect();
        assert_eq!(
            types,
            [StringType::Utf8, StringType::Printable, StringType::Printable, StringType::Ia5, StringType::Ia5]
        );
        assert_eq!(parse("C=DE").der(), [0x30, 13, 0x31, 11, 0x30, 9, 6, 3, 0x55, 4, 6, 0x13, 2, b'D', b'E']);
    }

    #[test]
    fn repeated_and_multi_valued_attributes_survive() {
        let text = "CN=multi,OU=two+O=b,OU=one,DC=example,DC=com";
        let name = parse(text);
        let read = DistinguishedName::from_der(name.der()).unwrap();
        assert_eq!(read.attributes().count(), 6);
        assert_eq!(read.to_string(), "CN=multi,O=b+OU=two,OU=one,DC=example,DC=com");
        assert_eq!(parse(&read.to_string()), name, "the order within an RDN is the encoding's");
    }

    #[test]
    fn old_string_types_are_read_and_kept() {
        let value = |tag: u8, octets: &[u8]| {
            let pair = [vec![6, 3, 0x55, 4, 3], der::element(tag, octets)].concat();
            let rdn = der::element(tag::SET, &der::element(tag::SEQUENCE, &pair));
            let der = der::element(tag::SEQUENCE, &rdn);
            let name = DistinguishedName::from_der(&der).unwrap();
            assert_eq!(name.der(), der);
            name.to_string()
        };
        assert_eq!(value(tag::TELETEX_STRING, b"caf\xe9"), "CN=café");
        assert_eq!(value(tag::BMP_STRING, b"\0a\x04\x16"), "CN=aЖ");
        assert_eq!(value(tag::IA5_STRING, b"ia5"), "CN=ia5");
        assert_eq!(value(tag::UNIVERSAL_STRING, b"\0\0\0a"), "CN=a");
        assert_eq!(value(tag::UTF8_STRING, b"\xff"), "CN=#0c01ff");
        assert_eq!(value(tag::INTEGER, b"\x05"), "CN=#020105");
        assert_eq!(value(tag::UTF8_STRING, b"a\nb,c"), "CN=a\\0Ab\\,c");
    }

    #[test]
    fn a_common_name_is_exactly_what_was_asked_for() {
        for cn in [
            "celery_worker",
            "a$b",
            "user+OU=x",
            "a,b",
            "/CN=x",
            "Müller",
            "{{x}}",
            "rabbit@node",
            "#x",
            "a\\b",
            "a  b",
            "%00",
        ] {
            let name = DistinguishedName::common_name_only(cn).unwrap();
            assert_eq!(name.common_names(), [cn]);
            assert_eq!(parse(&name.to_string()), name, "{cn}");
        }
        assert!(DistinguishedName::common_name_only(&"ж".repeat(64)).is_ok());
        for bad in [
            "",
            " ",
            "\u{a0}",
            " a",
            "a ",
            "a\0",
            "a\n",
            "a\u{1b}[m",
            "a\u{7f}",
            "a\u{85}",
            "a\u{202e}b",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{200b}b",
        ] {
            assert!(DistinguishedName::common_name_only(bad).is_err(), "{bad:?}");
        }
        let message = DistinguishedName::common_name_only(&"ж".repeat(65)).unwrap_err().to_string();
        assert!(message.contains("64"), "{message}");
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_reason() {
        for (text, said) in [
            ("O", "="),
            ("O=", "empty"),
            ("O=a,", "="),
            (",O=a", "="),
            ("O=a,,C=DE", "="),
            ("=x", "attribute"),
            ("XX=x", "CN, "),
            ("C=D", "two"),
            ("C=DEU", "two"),
            ("C=de", "upper"),
            ("C=Ж1", "two"),
            ("O=a\"b", "escaped"),
            ("O=a;b", "escaped"),
            ("O=a\\", "backslash"),
            ("O=a\\g", "backslash"),
            ("O=\\ff", "UTF-8"),
            ("O=a\\00", "control"),
            ("O=\\ a", "space"),
            ("O=#zz", "hexadecimal"),
            ("O=#0500", "text"),
            ("DC=bücher", "ASCII"),
            ("serialNumber=a_b", "character"),
            ("/O=x/CN=y", "comma"),
            ("1.2.=x", "attribute"),
            ("1=x", "attribute"),
        ] {
            let message = why(text);
            assert!(message.contains(said), "{text}: {message}");
        }
        for (name, limit) in [("O", 64), ("OU", 64), ("L", 128), ("ST", 128)] {
            assert!(DistinguishedName::parse_rfc4514(&format!("{name}={}", "x".repeat(limit))).is_ok());
            assert!(why(&format!("{name}={}", "x".repeat(limit + 1))).contains(&limit.to_string()));
        }
    }

    #[test]
    fn escapes_spaces_and_numbers_are_understood() {
        assert_eq!(parse("O=\\45xample, C = DE"), parse("O=Example,C=DE"));
        assert_eq!(parse("O=L\\c3\\bcbeck"), parse("O=Lübeck"));
        assert_eq!(parse("2.5.4.10=x"), parse("o=x"));
        assert_eq!(parse("O=#0c0178"), parse("O=x"));
        assert_eq!(parse("1.2.3.4=x").to_string(), "1.2.3.4=x");
        assert_eq!(parse("E=a@b.c"), parse("emailAddress=a@b.c"));
        assert_eq!(parse("O=a=b").to_string(), "O=a=b");
    }

    #[test]
    fn hostile_der_is_refused() {
        for bad in [&[0x30][..], &[0x30, 2, 0x31, 0], &[0x31, 0], &[0x30, 0, 0], &[0x30, 4, 0x31, 2, 0x30, 0], &[]] {
            assert!(DistinguishedName::from_der(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_what_is_accepted_reads_back(text in "((CN|O|OU|C|DC|1\\.2\\.3)=(\\PC|[ ,+\\\\=#\"0-9a-f]){0,8}[,+]?){0,4}") {
            if let Ok(name) = DistinguishedName::parse_rfc4514(&text) {
                prop_assert_eq!(DistinguishedName::from_der(name.der()).unwrap().to_string(), name.to_string());
                prop_assert_eq!(parse(&name.to_string()), name);
            }
        }

        #[test]
        fn hostile_bytes_never_panic(mut der in proptest::collection::vec(any::<u8>(), 0..60), at in 0usize..60) {
            let _ = DistinguishedName::from_der(&der);
            let mut good = parse("CN=x,O=y+OU=z").der().to_vec();
            if let Some(byte) = der.pop() {
                let at = at % good.len();
                good[at] = byte;
            }
            if let Ok(name) = DistinguishedName::from_der(&good) {
                let _ = name.to_string();
            }
        }
    }
}
