use super::*;
use crate::lint::Purpose;
use crate::x509::{
    BasicConstraints, DistinguishedName, ExtendedKeyUsage, GeneralName, KeyType, KeyUsage, NameConstraints, Validity,
    sample,
};

/// An authority that may sign for example.com alone.
fn issuer() -> LocalIssuer {
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let mut root = sample::authority("root", &key, None);
    root.name_constraints =
        Some(NameConstraints { permitted: vec!["example.com".parse().unwrap()], excluded: Vec::new() });
    let root = root.to_be_signed(&Signer::self_signed(&key)).unwrap().sign(&key).unwrap();
    let publication = Publication { crl_urls: vec!["http://example.com/crl".into()], ..Publication::default() };
    LocalIssuer::new("root", root, key, Vec::new(), publication).unwrap()
}

fn server(name: &str, key_type: KeyType) -> PreparedRequest {
    let mut request = PreparedRequest {
        purpose: Purpose::Server,
        subject: DistinguishedName::common_name_only(name).unwrap(),
        subject_alt_names: vec![GeneralName::parse(name).unwrap()],
        validity: *sample::HIERARCHY.server.validity(),
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
        basic_constraints: BasicConstraints::default(),
        name_constraints: None,
        public_key: PrivateKey::generate(key_type).unwrap().public_key().clone(),
        csr: None,
    };
    if key_type.is_rsa() {
        request.key_usage = request.key_usage | KeyUsage::KEY_ENCIPHERMENT;
    }
    request
}

fn shape_of(issuer: &LocalIssuer) -> *const Rehearsed {
    issuer.rehearsed().as_ref().map_or(std::ptr::null(), Arc::as_ptr)
}

#[test]
fn the_second_of_a_shape_is_as_right_as_the_first() {
    let issuer = issuer();
    let mut shapes = Vec::new();
    for name in ["a.example.com", "b.example.com", "a.longer.name.example.com"] {
        let request = server(name, KeyType::EcdsaP256);
        let issued = issuer.issue(&request).unwrap().certificate;
        shapes.push(shape_of(&issuer));
        let read = Certificate::from_der(issued.der()).unwrap();
        assert!(read.is_signed_by(issuer.certificate()));
        assert_eq!(read.subject(), &request.subject);
        assert_eq!(read.subject_alt_names().unwrap(), request.subject_alt_names);
        assert_eq!(read.public_key(), &request.public_key);
        assert_eq!(read.crl_distribution_points(), ["http://example.com/crl"]);
        assert_eq!((read.serial(), read.signature()), (issued.serial(), issued.signature()));
    }
    assert!(shapes[0] == shapes[1] && shapes[1] == shapes[2] && !shapes[0].is_null());
}

/// What differs within a shape is linted for each certificate: it is not enough that the first one was right.
#[test]
fn a_wrong_certificate_of_a_known_shape_is_refused() {
    let issuer = issuer();
    issuer.issue(&server("a.example.com", KeyType::EcdsaP256)).unwrap();
    let known = shape_of(&issuer);
    let right = || server("b.example.com", KeyType::EcdsaP256);
    let outside = vec![GeneralName::parse("b.example.net").unwrap()];
    let unseen = DistinguishedName::from_der(&sample::name("2.5.4.3", 0x0c, "a\u{202e}b".as_bytes())).unwrap();
    for (wrong, rule) in [
        (PreparedRequest { subject_alt_names: outside, ..right() }, "names_inside_constraints"),
        (PreparedRequest { subject: unseen, ..right() }, "attribute_characters"),
        (PreparedRequest { subject: issuer.certificate().subject().clone(), ..right() }, "not_self_issued"),
        (
            PreparedRequest { public_key: issuer.certificate().public_key().clone(), ..right() },
            "key_is_not_the_issuers",
        ),
    ] {
        assert!(issuer.rehearsed().as_ref().unwrap().fits(&wrong), "{rule}: it is of the known shape");
        let said = issuer.issue(&wrong).unwrap_err().to_string();
        assert!(said.contains(rule) && said.contains("was not signed"), "{said}");
        assert_eq!(shape_of(&issuer), known);
    }
}

/// Whatever else differs is another shape and rehearsed as a first one; one that fails is not remembered.
#[test]
fn another_shape_is_rehearsed() {
    let issuer = issuer();
    let right = || server("a.example.com", KeyType::EcdsaP256);
    issuer.issue(&right()).unwrap();
    let known = shape_of(&issuer);
    let validity = issuer.certificate().validity();
    let longer = Validity { not_after: validity.not_after + time::Duration::SECOND, ..*validity };
    for (wrong, rule) in [
        (PreparedRequest { validity: longer, ..right() }, "validity_inside_issuers"),
        (PreparedRequest { key_usage: KeyUsage::KEY_CERT_SIGN, ..right() }, "key_usage_bits"),
        (PreparedRequest { extended_key_usage: vec![ExtendedKeyUsage::ClientAuth], ..right() }, "extended_key_usage"),
        (PreparedRequest { subject_alt_names: Vec::new(), ..right() }, "san_present"),
        (PreparedRequest { basic_constraints: BasicConstraints { ca: true, path_length: None }, ..right() }, "ca_bit"),
        (PreparedRequest { purpose: Purpose::Client, ..right() }, "extended_key_usage"),
    ] {
        assert!(!issuer.rehearsed().as_ref().unwrap().fits(&wrong), "{rule}");
        assert!(issuer.issue(&wrong).is_err_and(|error| error.to_string().contains("was not signed")), "{rule}");
        assert_eq!(shape_of(&issuer), known, "{rule}");
    }
    issuer.issue(&server("a.example.com", KeyType::Rsa2048)).unwrap();
    assert_ne!(shape_of(&issuer), known);
}
