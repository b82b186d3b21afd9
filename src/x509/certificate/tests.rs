use proptest::prelude::*;
use x509_parser::prelude::{FromDer, GeneralName as TheirName, X509Certificate};

use super::*;
use crate::x509::KeyType;
use crate::x509::oid;
use crate::x509::sample::{self, Draft, HIERARCHY, Hierarchy};

fn all() -> [&'static Certificate; 5] {
    let hierarchy = &*HIERARCHY;
    [&hierarchy.root, &hierarchy.intermediate, &hierarchy.server, &hierarchy.client, &hierarchy.node]
}

#[test]
fn everything_is_read_as_another_parser_reads_it() {
    for ours in all() {
        let (_, theirs) = X509Certificate::from_der(ours.der()).unwrap();
        assert_eq!(ours.version(), theirs.version.0 + 1);
        assert_eq!(ours.serial().as_bytes(), theirs.raw_serial());
        assert_eq!(ours.issuer().der(), theirs.issuer.as_raw());
        assert_eq!(ours.subject().der(), theirs.subject.as_raw());
        assert_eq!(ours.validity().not_before, theirs.validity.not_before.to_datetime());
        assert_eq!(ours.validity().not_after, theirs.validity.not_after.to_datetime());
        assert_eq!(ours.public_key().spki_der(), theirs.public_key().raw);
        assert_eq!(ours.signature_algorithm(), theirs.signature_algorithm.algorithm.to_id_string());
        assert_eq!(ours.signature(), &*theirs.signature_value.data);
        assert_eq!(ours.tbs(), theirs.tbs_certificate.as_ref());
        let extensions: Vec<_> = theirs.extensions().iter().map(|e| (e.oid.to_id_string(), e.critical)).collect();
        let read: Vec<_> = ours.extensions().iter().map(|e| (e.oid.to_string(), e.critical)).collect();
        assert_eq!(read, extensions);
        assert_eq!(ours.is_ca(), theirs.is_ca());
        let usage = theirs.key_usage().unwrap().unwrap().value;
        assert_eq!(ours.key_usage().unwrap().bits(), usage.flags);
        let names = theirs.subject_alternative_name().unwrap().map(|names| &names.value.general_names);
        assert_eq!(ours.subject_alt_names().map(<[_]>::len), names.map(Vec::len));
        for (ours, theirs) in ours.subject_alt_names().unwrap_or_default().iter().zip(names.into_iter().flatten()) {
            match theirs {
                TheirName::DNSName(name) => assert_eq!(ours.to_string(), format!("DNS:{name}")),
                TheirName::IPAddress(ip) => assert_eq!(ours.to_der().unwrap()[2..], **ip),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn what_the_extensions_say_is_there() {
    let Hierarchy { root, intermediate, server, client, node } = &*HIERARCHY;
    assert_eq!(intermediate.basic_constraints(), Some(&BasicConstraints { ca: true, path_length: Some(0) }));
    assert_eq!(intermediate.name_constraints().unwrap().permitted.len(), 2);
    assert_eq!(intermediate.authority_info_access().unwrap().ca_issuers, ["http://pki.example.com/root.der"]);
    assert_eq!(server.crl_distribution_points(), ["http://pki.example.com/intermediate.crl"]);
    assert_eq!(client.extended_key_usage(), Some(&[ExtendedKeyUsage::ClientAuth][..]));
    assert_eq!(node.extended_key_usage().unwrap().len(), 2);
    assert_eq!(server.authority_key_id(), intermediate.subject_key_id());
    assert_eq!(root.extended_key_usage(), None);
    assert!(root.is_self_issued() && root.is_signed_by(root) && intermediate.is_signed_by(root));
    assert!(server.is_signed_by(intermediate) && !server.is_signed_by(root) && !root.is_signed_by(intermediate));
    assert!(!Draft::of(server).with(oid::TLS_FEATURE, false, vec![5, 0]).certificate().is_signed_by(intermediate));
}

#[test]
fn pem_is_written_and_read() {
    let certificate = &HIERARCHY.server;
    assert_eq!(Certificate::from_pem(certificate.pem().as_bytes()).unwrap(), *certificate);
    let both = format!("{}{}", certificate.pem(), HIERARCHY.intermediate.pem());
    assert_eq!(Certificate::all_from_pem(both.as_bytes()).unwrap().len(), 2);
    let why = |input: &[u8]| Certificate::from_pem(input).unwrap_err().to_string();
    assert!(why(b"").contains("empty"));
    assert!(why(b"x").contains("BEGIN CERTIFICATE"));
    assert!(why(certificate.der()).contains("DER"));
    assert!(why(b"-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----").contains("PRIVATE KEY"));
    assert!(why(b"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----").contains("the certificate"));
}

#[test]
fn strange_certificates_are_represented() {
    let draft = Draft::of(&HIERARCHY.server);
    let v1 = Draft { version: Vec::new(), extensions: Vec::new(), ..draft.clone() }.certificate();
    assert_eq!((v1.version(), v1.extensions().len(), v1.is_ca()), (1, 0, false));
    let negative = Draft { serial: vec![0x80], ..draft.clone() }.certificate();
    assert!(!negative.serial().is_positive());
    assert_eq!(Draft { serial: vec![1; 40], ..draft.clone() }.certificate().serial().as_bytes().len(), 40);
    let unknown = draft.clone().with("1.2.3.4", true, vec![1, 2, 3]).certificate();
    assert!(unknown.extension("1.2.3.4").unwrap().critical);
    let mut twice = draft.clone();
    twice.extensions.push(draft.extensions[0].clone());
    assert_eq!(twice.certificate().extensions().len(), draft.extensions.len() + 1);
    let late = Draft { not_after: sample::element(tag::GENERALIZED_TIME, b"20500101000000.5Z"), ..draft.clone() };
    let late = late.certificate();
    assert_eq!((late.not_before_encoding(), late.not_after_encoding()), (TimeEncoding::Utc, TimeEncoding::Generalized));
    assert!(late.has_fractional_seconds());
    let other = Draft { outer_algorithm: sample::algorithm("1.3.101.112"), ..draft }.certificate();
    assert!(!other.signature_algorithms_agree());
}

#[test]
fn a_restriction_that_cannot_be_read_fails_the_certificate() {
    for oid in [
        oid::SUBJECT_ALT_NAME,
        oid::KEY_USAGE,
        oid::EXTENDED_KEY_USAGE,
        oid::BASIC_CONSTRAINTS,
        oid::SUBJECT_KEY_IDENTIFIER,
        oid::AUTHORITY_KEY_IDENTIFIER,
        oid::NAME_CONSTRAINTS,
        oid::CRL_DISTRIBUTION_POINTS,
        oid::AUTHORITY_INFO_ACCESS,
        oid::CERTIFICATE_POLICIES,
    ] {
        for value in [&b""[..], b"\x05\x00", b"\x30\x05\x00", b"\x30\x03\x02\x01"] {
            let der = Draft::of(&HIERARCHY.server).with(oid, true, value.to_vec()).der();
            let message = Certificate::from_der(&der).unwrap_err().to_string();
            assert!(message.starts_with("the certificate's "), "{oid}: {message}");
        }
    }
}

#[test]
fn bytes_that_do_not_belong_are_refused() {
    let der = HIERARCHY.server.der();
    assert!(Certificate::from_der(&[der, b"\0"].concat()).unwrap_err().to_string().contains("do not belong"));
    assert!(Certificate::from_der(&der[..der.len() - 1]).unwrap_err().to_string().contains("cut short"));
    assert!(Certificate::from_der(&vec![0x30; LARGEST + 1]).unwrap_err().to_string().contains("larger"));
    for length in 0..der.len() {
        assert!(Certificate::from_der(&der[..length]).is_err());
    }
}

/// All that a certificate says.
fn facts(certificate: &Certificate) -> String {
    let names = [certificate.issuer(), certificate.subject()].map(|name| (name.der(), name.to_string()));
    let identifiers = (certificate.subject_key_id(), certificate.authority_key_id());
    let algorithms = (certificate.signature_algorithm(), certificate.inner_signature_algorithm());
    let times = (certificate.not_before_encoding(), certificate.not_after_encoding());
    let urls = (certificate.crl_distribution_points(), certificate.authority_info_access());
    format!(
        "{:?}",
        (
            (certificate.version(), certificate.serial(), names, certificate.validity(), times),
            (certificate.public_key(), identifiers, algorithms, certificate.signature_algorithm_der()),
            (certificate.has_fractional_seconds(), certificate.has_unique_identifiers(), certificate.signature()),
            (certificate.extensions(), certificate.subject_alt_names(), certificate.key_usage(), urls),
            (certificate.extended_key_usage(), certificate.basic_constraints(), certificate.name_constraints()),
            (certificate.policies(), certificate.tbs()),
        )
    )
}

#[test]
fn whatever_it_is_read_beside_a_certificate_says_the_same() {
    for known in all() {
        for certificate in all() {
            let beside = Certificate::from_owned_der(certificate.der().to_vec(), Some(known)).unwrap();
            assert_eq!(facts(&beside), facts(certificate));
            assert_eq!(beside.shares_frame_with(known), known == certificate);
        }
        for (at, change) in (0..known.der().len()).flat_map(|at| [1, 2, 4, 0x20, 0x80].map(|change| (at, change))) {
            let mut der = known.der().to_vec();
            der[at] ^= change;
            let alone = Certificate::from_der(&der).map(|certificate| facts(&certificate)).ok();
            let beside = Certificate::from_owned_der(der, Some(known)).map(|certificate| facts(&certificate)).ok();
            assert_eq!(beside, alone, "octet {at}, {change:#x}");
        }
    }
}

/// What is there and what is not decides verdicts, so it belongs to the frame.
#[test]
fn another_kind_of_particular_is_another_frame() {
    let known = &HIERARCHY.server;
    let beside =
        |draft: &Draft| Certificate::from_owned_der(draft.der(), Some(known)).unwrap().shares_frame_with(known);
    let draft = Draft::of(known);
    assert!(beside(&Draft { serial: vec![0x80], signature: vec![1], ..draft.clone() }));
    assert!(beside(&Draft { subject: sample::name("2.5.4.3", 0x13, b"x"), ..draft.clone() }));
    assert!(!beside(&Draft { subject: sample::element(0x30, b""), ..draft.clone() }));
    let other = sample::hierarchy(KeyType::EcdsaP384).server.public_key().spki_der().to_vec();
    assert!(!beside(&Draft { public_key: other, ..draft.clone() }));
    for oid in [oid::SUBJECT_ALT_NAME, oid::SUBJECT_KEY_IDENTIFIER] {
        let mut changed = draft.clone();
        changed.extension(oid).critical ^= true;
        assert!(!beside(&changed) && !beside(&draft.clone().without(oid)), "{oid}");
        let mut twice = draft.clone();
        let first = twice.extension(oid).clone();
        twice.extensions.push(first);
        assert!(!beside(&twice), "{oid}");
    }
    let mut empty = draft.clone();
    empty.extension(oid::SUBJECT_ALT_NAME).value = vec![0x30, 0];
    assert!(!beside(&empty));
    empty.extension(oid::SUBJECT_KEY_IDENTIFIER).value = vec![4, 0];
    assert!(!beside(&empty));
}

proptest! {
    #[test]
    fn damaged_certificates_never_panic(at in any::<proptest::sample::Index>(), byte in any::<u8>(), which in 0usize..5) {
        let mut der = all()[which].der().to_vec();
        let at = at.index(der.len());
        der[at] = byte;
        if let Ok(certificate) = Certificate::from_der(&der) {
            prop_assert_eq!(certificate.der(), &der);
            let _ = format!("{certificate:?} {}", certificate.is_signed_by(&certificate));
        }
    }
}
