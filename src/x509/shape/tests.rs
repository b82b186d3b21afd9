use super::*;
use crate::x509::encode::NullKey;
use crate::x509::oid;
use crate::x509::test_support::{authority, issued, key, leaf, self_signed};

const P256: KeyType = KeyType::EcdsaP256;

fn names(names: &[&str]) -> Vec<GeneralName> {
    names.iter().map(|name| GeneralName::parse(name).unwrap()).collect()
}

fn root() -> Certificate {
    self_signed(&authority("root", key(P256, 0)), key(P256, 0))
}

/// Whatever the first of a shape was, the next is as if it were the first.
#[test]
fn a_certificate_does_not_depend_on_the_first_of_its_shape() {
    let root = root();
    let signer = Signer::authority(key(P256, 0), &root).unwrap();
    let mut first = leaf("first", key(P256, 1));
    first.subject_alt_names = names(&["a.example.com"]);
    first.policies = vec!["1.2.3".into()];
    first.crl_distribution_points = vec!["http://a.example.com/crl".into()];
    let shape = first.shape(&signer).unwrap();
    let many: Vec<_> = (0..200).map(|number| format!("host-{number}.example.com")).collect();
    for (subject, alternatives, key) in [
        ("second", names(&["10.0.0.1", "::1", "https://a.example.com/x", "x@example.com", "b"]), key(P256, 2)),
        (
            "a name that is longer than the first",
            names(&many.iter().map(String::as_str).collect::<Vec<_>>()),
            key(P256, 0),
        ),
        ("rsa", names(&["r.example.com"]), key(KeyType::Rsa2048, 0)),
        ("ed25519", names(&["e.example.com"]), key(KeyType::Ed25519, 0)),
    ] {
        let template = CertificateTemplate {
            subject: DistinguishedName::common_name_only(subject).unwrap(),
            subject_alt_names: alternatives,
            serial: SerialNumber::random().unwrap(),
            public_key: key.public_key().clone(),
            ..first.clone()
        };
        let alone = template.to_be_signed(&signer).unwrap();
        assert_eq!(shape.to_be_signed(&template.particulars(), None).unwrap().der(), alone.der(), "{subject}");
        assert_eq!(alone.unsigned().subject_alt_names().unwrap(), template.subject_alt_names);
        assert_eq!(alone.unsigned().subject_key_id(), Some(&key.public_key().key_identifier()[..]));
    }
}

/// rcgen is the judge of the one extension that is written here.
#[test]
fn alternative_names_are_as_rcgen_writes_them() {
    let all = ["a.example.com", "*.b.example.com", "10.0.0.1", "2001:db8::1", "urn:uuid:1", "x@example.com"];
    for wanted in (1..=all.len()).map(|count| names(&all[..count])) {
        let mut parameters = rcgen::CertificateParams::default();
        parameters.subject_alt_names = encode::names(&wanted).unwrap();
        let issuer = rcgen::Issuer::new(rcgen::CertificateParams::default(), NullKey::of(P256));
        let theirs = parameters.signed_by(issuer.key(), &issuer).unwrap();
        let ours = encode::general_names(&wanted).unwrap();
        assert!(theirs.der().windows(ours.len()).any(|window| window == ours), "{wanted:?}");
    }
}

#[test]
fn what_belongs_to_the_shape_must_be_as_in_the_first() {
    let root = root();
    let signer = Signer::authority(key(P256, 0), &root).unwrap();
    let named = leaf("x", key(P256, 1));
    let mut other = named.clone();
    other.subject = DistinguishedName::empty();
    assert!(named.shape(&signer).unwrap().to_be_signed(&other.particulars(), None).is_err());
    assert!(other.shape(&signer).unwrap().to_be_signed(&named.particulars(), None).is_err());
    let mut other = named.clone();
    other.subject_alt_names = match named.subject_alt_names.is_empty() {
        true => names(&["x.example.com"]),
        false => Vec::new(),
    };
    assert!(named.shape(&signer).unwrap().to_be_signed(&other.particulars(), None).is_err());
    assert!(named.shape(&Signer::self_signed(key(P256, 1))).is_err(), "the next one would have another's issuer");
}

#[test]
fn without_alternative_names_there_is_no_such_extension() {
    let mut template = leaf("x", key(P256, 1));
    template.subject_alt_names.clear();
    assert!(issued(&template, key(P256, 0), &root()).extension(oid::SUBJECT_ALT_NAME).is_none());
}
