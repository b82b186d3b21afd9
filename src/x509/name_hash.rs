//! The short hash of a name: what OpenSSL and Erlang call the file of an issuer's revocation list, `<hash>.r0`.
//!
//! The name is brought into a canonical form first: strings become UTF8String, lose the spaces at their ends, have one
//! space wherever there were more, and ASCII letters become small; then each relative distinguished name is encoded as a
//! SET OF, all of them without the SEQUENCE around, and the first four bytes of the SHA-1, read from the last to the first,
//! are the hash. (That is `X509_NAME_hash` of OpenSSL 1.0 and later. SHA-1 protects nothing here.)
//!
//! Erlang does the same, except that it knows fewer attribute types: the value of one that it does not know stays as it
//! is. A name of several attributes in one relative distinguished name makes it crash.

use super::DistinguishedName;
use super::attribute;
use super::der::{self, Fault, Reader, tag};

/// VisibleString, which names of others may hold.
const VISIBLE_STRING: u8 = 0x1a;

/// The attribute types whose strings Erlang's public_key decodes (OTP-PKIX: X520 attributes, domainComponent, emailAddress).
const KNOWN_TO_ERLANG: [&str; 17] = [
    "2.5.4.41",
    "2.5.4.4",
    "2.5.4.42",
    "2.5.4.43",
    "2.5.4.44",
    "2.5.4.3",
    "2.5.4.7",
    "2.5.4.8",
    "2.5.4.10",
    "2.5.4.11",
    "2.5.4.12",
    "2.5.4.46",
    "2.5.4.6",
    "2.5.4.5",
    "2.5.4.65",
    "0.9.2342.19200300.100.1.25",
    "1.2.840.113549.1.9.1",
];

impl DistinguishedName {
    /// What `openssl x509 -subject_hash` and `openssl crl -hash` print.
    pub fn openssl_hash(&self) -> String {
        self.hash_with(|_| true)
    }

    /// What Erlang looks for in a directory of revocation lists; `None` where it crashes instead.
    pub fn erlang_hash(&self) -> Option<String> {
        let single = self.rdns().is_ok_and(|rdns| rdns.iter().all(|rdn| rdn.len() == 1));
        single.then(|| self.hash_with(|oid| KNOWN_TO_ERLANG.contains(&oid)))
    }

    fn hash_with(&self, knows: impl Fn(&str) -> bool) -> String {
        let mut canonical = Vec::with_capacity(self.der().len());
        // The name was read or built, so it can be read again.
        for rdn in self.rdns().unwrap_or_default() {
            let mut members: Vec<Vec<u8>> = rdn.iter().map(|pair| canonical_pair(pair, &knows)).collect();
            members.sort();
            der::write(&mut canonical, tag::SET, &members.concat());
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &canonical);
        let first = digest.as_ref().first_chunk::<4>().copied().expect("a SHA-1 has twenty bytes");
        format!("{:08x}", u32::from_le_bytes(first))
    }

    /// The attributes of each relative distinguished name, as they are encoded.
    fn rdns(&self) -> Result<Vec<Vec<Reader<'_>>>, Fault> {
        let mut rdns = Reader::only(self.der(), tag::SEQUENCE)?;
        let mut found = Vec::new();
        while !rdns.is_empty() {
            let mut rdn = rdns.enter(tag::SET)?;
            let mut members = Vec::new();
            while !rdn.is_empty() {
                members.push(rdn.enter(tag::SEQUENCE)?);
            }
            found.push(members);
        }
        Ok(found)
    }
}

/// Type and value; a value that is a string in its canonical form.
fn canonical_pair(pair: &Reader<'_>, knows: &impl Fn(&str) -> bool) -> Vec<u8> {
    let as_it_is = || der::element(tag::SEQUENCE, pair.rest());
    let mut fields = *pair;
    let mut read = || -> Result<Option<Vec<u8>>, Fault> {
        let mut types = fields;
        let oid = types.oid()?;
        let whole_type = fields.next()?.whole;
        let value = fields.next()?;
        let text = match value.tag {
            VISIBLE_STRING => std::str::from_utf8(value.content).ok().map(str::to_owned),
            // OpenSSL leaves a NumericString alone.
            tag::NUMERIC_STRING => None,
            _ => match attribute::decode(value) {
                (_, super::StringType::NotText(_)) => None,
                (text, _) => Some(text),
            },
        };
        Ok(text.filter(|_| knows(&oid)).map(|text| {
            let mut content = whole_type.to_vec();
            der::write(&mut content, tag::UTF8_STRING, canonical_text(&text).as_bytes());
            der::element(tag::SEQUENCE, &content)
        }))
    };
    read().ok().flatten().unwrap_or_else(as_it_is)
}

/// ASCII alone is folded: OpenSSL does not know about other letters and spaces.
fn canonical_text(text: &str) -> String {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.trim_matches(is_space).chars() {
        if is_space(c) {
            gap = true;
            continue;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse_rfc4514(text).unwrap()
    }

    /// A name of one common name in this string type.
    fn typed(tag: u8, octets: &[u8]) -> DistinguishedName {
        let pair = [vec![6, 3, 0x55, 4, 3], der::element(tag, octets)].concat();
        let rdn = der::element(super::tag::SET, &der::element(super::tag::SEQUENCE, &pair));
        DistinguishedName::from_der(&der::element(super::tag::SEQUENCE, &rdn)).unwrap()
    }

    /// As `openssl x509 -subject_hash` printed them.
    #[test]
    fn the_hash_is_openssls() {
        for (text, hash) in [
            ("CN=root", "dcaaf7f0"),
            ("CN=RabbitMQ root 1a2b3c4d", "06c8fe39"),
            ("CN=ÄÖÜ  x,O=Ünïcödé GmbH,C=DE", "6fd00018"),
            ("emailAddress=A@B.C,CN=x", "08b5f1ff"),
            ("CN=q,serialNumber=Ab  C", "81cd3c65"),
            ("CN=İstanbul,DC=Ex,DC=Com", "e6da4c13"),
            ("O=c,CN=a+OU=b", "b9a7fcf6"),
        ] {
            let reversed: Vec<&str> = text.split(',').rev().collect();
            let found = [name(text).openssl_hash(), name(&reversed.join(",")).openssl_hash()];
            assert!(found.iter().any(|found| found == hash), "{text}: {found:?}");
        }
    }

    #[test]
    fn case_spaces_and_string_types_do_not_count() {
        let hash = typed(tag::UTF8_STRING, b"a b").openssl_hash();
        for (tag, octets) in [
            (tag::PRINTABLE_STRING, &b"A  b "[..]),
            (tag::TELETEX_STRING, b" a\tB"),
            (tag::IA5_STRING, b"A B"),
            (tag::BMP_STRING, b"\0A\0 \0 \0b"),
            (VISIBLE_STRING, b"A b"),
        ] {
            assert_eq!(typed(tag, octets).openssl_hash(), hash, "{octets:?}");
        }
        assert_ne!(typed(tag::NUMERIC_STRING, b"1  2").openssl_hash(), typed(tag::UTF8_STRING, b"1 2").openssl_hash());
        assert_ne!(
            typed(tag::UTF8_STRING, "Ä".as_bytes()).openssl_hash(),
            typed(tag::UTF8_STRING, "ä".as_bytes()).openssl_hash()
        );
    }

    #[test]
    fn erlang_folds_only_what_it_knows_and_refuses_joined_attributes() {
        let root = name("CN=RabbitMQ root 1a2b3c4d,O=Example");
        assert_eq!(root.erlang_hash(), Some(root.openssl_hash()));
        // As public_key:short_name_hash/1 and openssl printed them.
        let user = name("CN=s,UID=AbC");
        assert_eq!((user.openssl_hash().as_str(), user.erlang_hash().as_deref()), ("09496409", Some("624f5b87")));
        assert_eq!(name("CN=a+OU=b,O=c").erlang_hash(), None);
    }

    #[test]
    fn a_name_without_attributes_and_one_that_is_no_text_have_a_hash_too() {
        assert_eq!(DistinguishedName::empty().openssl_hash().len(), 8);
        assert_eq!(typed(tag::UTF8_STRING, b"\xff").openssl_hash().len(), 8);
    }
}
