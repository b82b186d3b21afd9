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
    assert_eq!(name.attributes().map(|a| &*a.short_name).collect::<Vec<_>>(), ["C", "O", "CN"]);
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

#[test]
fn a_name_without_its_common_name() {
    for (whole, rest) in [
        ("O=client,CN=x", "O=client"),
        ("CN=x,O=a,C=DE", "O=a,C=DE"),
        ("CN=x+O=a,C=DE", "O=a,C=DE"),
        ("CN=a,CN=b", ""),
        ("O=a", "O=a"),
    ] {
        let name = DistinguishedName::parse_rfc4514(whole).unwrap();
        assert_eq!(name.without_common_name().to_string(), rest, "{whole}");
    }
}
