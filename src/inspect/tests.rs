//! Every kind of thing, in every container, and what nobody should send.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::x509::sample::{self, HIERARCHY};
use crate::x509::{
    CrlTemplate, CsrTemplate, ExtendedKeyUsage, GeneralName, KeyType, KeyUsage, Label, PrivateKey, RevokedCertificate,
    SerialNumber, Signer, write_pem,
};

const NOW: OffsetDateTime = datetime!(2026-06-02 00:00:00 UTC);

fn only(bytes: &[u8]) -> Thing {
    let mut things = read(bytes).unwrap();
    assert_eq!(things.len(), 1);
    things.remove(0)
}

fn text(description: &Description, label: &str) -> String {
    let found = description.lines.iter().find(|(l, _)| *l == label);
    found.map(|(_, text)| text.clone()).unwrap_or_else(|| panic!("no {label} in {description:#?}"))
}

fn csr(key: &PrivateKey) -> Csr {
    CsrTemplate {
        subject: crate::x509::DistinguishedName::common_name_only("a.example.com").unwrap(),
        subject_alt_names: vec![GeneralName::parse("a.example.com").unwrap()],
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
    }
    .sign(key)
    .unwrap()
}

fn crl(entries: u32) -> Crl {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let template = sample::authority("root", &key, None);
    let root = template.to_be_signed(&Signer::self_signed(&key)).unwrap().sign(&key).unwrap();
    let revoked = |number: u32| RevokedCertificate {
        serial: SerialNumber::from_bytes(&(number + 1).to_be_bytes()).unwrap(),
        revocation_time: datetime!(2026-05-01 00:00:00 UTC),
        reason: None,
        invalidity_date: None,
    };
    CrlTemplate {
        this_update: datetime!(2026-06-01 00:00:00 UTC),
        next_update: datetime!(2026-07-01 00:00:00 UTC),
        number: 7,
        revoked: (0..entries).map(revoked).collect(),
    }
    .sign(&Signer::authority(&key, &root).unwrap())
    .unwrap()
}

#[test]
fn certificates_are_told_in_peoples_words() {
    let thing = only(HIERARCHY.node.pem().as_bytes());
    let said = describe(&Facts::of(&thing), NOW);
    assert_eq!(text(&said, "for"), "server and client (a RabbitMQ node)");
    assert!(text(&said, "valid").starts_with("expires in 364 days; "), "{said:#?}");
    assert_eq!(text(&said, "names"), "DNS:node.example.com");
    assert_eq!(said.warnings, [""; 0]);
    let client = describe(&Facts::of(&only(HIERARCHY.client.der())), NOW);
    assert_eq!(text(&client, "for"), "client (RabbitMQ user \"celery_worker\")");
    let late = describe(&Facts::of(&thing), datetime!(2027-06-03 00:00:00 UTC));
    assert_eq!(late.warnings, ["it has expired"]);
    assert!(text(&late, "valid").starts_with("expired 2 days ago"), "{late:#?}");
    let root = describe(&Facts::of(&only(HIERARCHY.root.der())), NOW);
    assert_eq!(text(&root, "issuer"), "itself (self-signed)");
}

#[test]
fn json_has_the_words_of_the_standard() {
    let json = serde_json::to_value(Facts::of(&only(HIERARCHY.server.der()))).unwrap();
    assert_eq!(json["kind"], "certificate");
    assert_eq!(json["subject"], "CN=rabbit.example.com");
    assert_eq!(json["not_after"], "2027-06-01T00:00:00Z");
    assert_eq!(json["extended_key_usage"], serde_json::json!(["serverAuth"]));
    assert_eq!(json["key_usage"], serde_json::json!(["digitalSignature"]));
    assert_eq!(json["basic_constraints"]["ca"], false);
    assert_eq!(json["public_key"]["algorithm"], "ECDSA P-256");
    assert_eq!(json["public_key"]["bits"], 256);
    assert_eq!(json["fingerprint_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(json["signature_algorithm"], "ecdsa-with-SHA256");
}

#[test]
fn keys_are_recognised_and_never_shown() {
    for key_type in [KeyType::EcdsaP256, KeyType::Ed25519, KeyType::Rsa2048] {
        let key = PrivateKey::generate(key_type).unwrap();
        let expected = PublicKeyFacts::of(key.public_key());
        let pem = key.to_pem();
        for bytes in [pem.as_bytes(), key.pkcs8_der()] {
            let Thing::PrivateKey(facts) = only(bytes) else { panic!() };
            assert_eq!((facts.encrypted, facts.public_key.as_ref()), (false, Some(&expected)));
            let said = format!(
                "{:?}{}",
                describe(&Facts::PrivateKey(facts.clone()), NOW),
                serde_json::to_string(&facts).unwrap()
            );
            assert!(!said.contains(pem.lines().nth(1).unwrap()), "{said}");
        }
        assert!(matches!(only(key.public_key().spki_der()), Thing::PublicKey(_)));
        let spki = write_pem(&Label::Other("PUBLIC KEY".into()), key.public_key().spki_der());
        assert!(matches!(only(spki.as_bytes()), Thing::PublicKey(_)));
    }
}

#[test]
fn a_locked_key_opens_with_its_password_alone() {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let pem = key.to_encrypted_pem(b"secret").unwrap();
    let Thing::PrivateKey(locked) = only(pem.as_bytes()) else { panic!() };
    assert!(locked.encrypted && locked.public_key.is_none());
    let opened = read_with_password(pem.as_bytes(), Some(b"secret")).unwrap();
    assert!(matches!(&opened[..], [Thing::PrivateKey(facts)] if facts.public_key.is_some()));
    assert!(read_with_password(pem.as_bytes(), Some(b"wrong")).is_err());
    let block = crate::x509::read_pem(pem.as_bytes()).unwrap().remove(0);
    assert!(matches!(only(&block.der), Thing::PrivateKey(facts) if facts.encrypted));
}

#[test]
fn requests_and_lists() {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let csr = csr(&key);
    for bytes in [csr.der(), csr.pem().as_bytes()] {
        assert!(matches!(only(bytes), Thing::CertificateRequest(_)));
    }
    let list = crl(3);
    for bytes in [list.der(), list.pem().as_bytes()] {
        assert!(matches!(only(bytes), Thing::Crl(_)));
    }
    assert!(matches!(only(crl(0).der()), Thing::Crl(_)));
    let said = describe(&Facts::of(&Thing::Crl(Box::new(list))), datetime!(2026-08-01 00:00:00 UTC));
    assert_eq!(said.warnings, ["it is stale: the next one was due 31 days ago"]);
}

#[test]
fn a_long_list_is_summarised() {
    let start = Instant::now();
    let list = crl(100_000);
    let facts = Facts::of(&only(list.pem().as_bytes()));
    let said = describe(&facts, NOW);
    assert_eq!(text(&said, "revoked"), "100000");
    assert_eq!(said.lines.last().unwrap().1, "and 99980 more");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn several_blocks_are_several_things() {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let combined = format!("{}{}{}", HIERARCHY.server.pem(), HIERARCHY.intermediate.pem(), *key.to_pem());
    assert_eq!(read(combined.as_bytes()).unwrap().len(), 3);
    let broken = combined.clone() + &write_pem(&Label::Certificate, b"nonsense");
    let things = read(broken.as_bytes()).unwrap();
    assert!(matches!(&things[3], Thing::Unreadable { label, .. } if label == "CERTIFICATE"));
}

#[test]
fn containers_are_named() {
    for (bytes, expected) in [
        (&b"age-encryption.org/v1\n-> X25519 abc\n"[..], Foreign::Age),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n", Foreign::Age),
        (b"ssh-ed25519 AAAA me@host", Foreign::OpenSsh),
    ] {
        assert!(matches!(only(bytes), Thing::Foreign(foreign) if foreign == expected), "{expected:?}");
    }
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let certificate = HIERARCHY.server.der();
    for (bytes, reason) in [
        (&b""[..], "the input is empty"),
        (b"hello", "without a PEM block"),
        (b"{\"a\":1}", "JSON"),
        (&[0xff, 0xfe, b'-', 0], "UTF-16"),
        (&[0, 1, 2, 0xff], "neither PEM nor DER"),
        (&certificate[..certificate.len() / 2], "cut short"),
        (&[0x30, 0x80, 0, 0], "cut short"),
    ] {
        let error = read(bytes).unwrap_err();
        assert!(error.message().contains(reason), "{reason}: {}", error.message());
    }
}

#[test]
fn every_prefix_and_every_flipped_bit_is_survived() {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let (csr, list) = (csr(&key), crl(2));
    for der in [HIERARCHY.intermediate.der(), csr.der(), list.der(), key.pkcs8_der()] {
        for end in 0..der.len() {
            let _ = read(&der[..end]);
        }
        for position in 0..der.len() {
            let mut bytes = der.to_vec();
            bytes[position] ^= 1 << (position % 8);
            if let Ok(things) = read(&bytes) {
                things.iter().for_each(|thing| drop(describe(&Facts::of(thing), NOW)));
            }
        }
    }
}

#[test]
fn hostile_sizes_and_depths_end_soon() {
    let start = Instant::now();
    assert!(read(HIERARCHY.server.pem().repeat(10_000).as_bytes()).is_err());
    let tiny = write_pem(&Label::Certificate, &[0x30, 0]);
    assert_eq!(read(tiny.repeat(10_000).as_bytes()).unwrap().len(), 10_000);
    // Written inside out, so that the depth costs the test nothing either.
    let mut deep: Vec<u8> = Vec::new();
    for _ in 0..20_000u32 {
        let length = (deep.len() as u32).to_le_bytes();
        deep.extend(length.into_iter().chain([0x84, 0x30]));
    }
    deep.reverse();
    assert!(read(&deep).is_err());
    let _ = read(&vec![0x30; 1 << 20]);
    let _ = read(&b"-----BEGIN CERTIFICATE-----\n".repeat(10_000));
    // RUSTSEC-2026-0104: a list whose signature is an empty BIT STRING.
    let _ = read(&[0x30, 0x09, 0x30, 0x00, 0x30, 0x03, 0x06, 0x01, 0x2a, 0x03, 0x00]);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn a_hostile_subject_cannot_move_the_cursor() {
    use crate::x509::sample::Draft;
    let subject = sample::names(&[("2.5.4.3", 0x0c, "x\u{1b}]0;\u{202e}".as_bytes())]);
    let mut draft = Draft::of(&HIERARCHY.client);
    draft.subject = subject;
    let facts = Facts::of(&only(&draft.der()));
    let said = format!("{:?}{}", describe(&facts, NOW).lines, serde_json::to_string(&facts).unwrap());
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(describe(&facts, NOW).lines.iter().all(|(_, text)| !text.contains(['\u{1b}', '\u{202e}'])));
}
