use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::x509::test_support::{Scratch, authority, issued, key, leaf, self_signed};
use crate::x509::{Cidr, Subtree, oid};

const P256: KeyType = KeyType::EcdsaP256;

fn names(names: &[&str]) -> Vec<GeneralName> {
    names.iter().map(|name| GeneralName::parse(name).unwrap()).collect()
}

/// A root, an intermediate and a leaf of one kind.
fn hierarchy(key_type: KeyType) -> [Certificate; 3] {
    let [root_key, intermediate_key, leaf_key] = [0, 1, 2].map(|number| key(key_type, number));
    let root = self_signed(&authority("root", root_key), root_key);
    let mut intermediate = authority("intermediate", intermediate_key);
    intermediate.basic_constraints.path_length = Some(0);
    let intermediate = issued(&intermediate, root_key, &root);
    let leaf = issued(&leaf("leaf", leaf_key), intermediate_key, &intermediate);
    [root, intermediate, leaf]
}

/// Writes the chain and lets OpenSSL judge it strictly.
fn strict(scratch: &Scratch, [root, intermediate, leaf]: &[Certificate; 3]) -> String {
    scratch.write("root.pem", root.pem()).write("intermediate.pem", intermediate.pem()).write("leaf.pem", leaf.pem());
    scratch.openssl("verify -x509_strict -purpose sslserver -CAfile root.pem -untrusted intermediate.pem leaf.pem")
        + &scratch
            .openssl("verify -x509_strict -purpose sslclient -CAfile root.pem -untrusted intermediate.pem leaf.pem")
}

#[test]
fn a_leaf_says_everything_that_rfc_5280_wants() {
    let [root, intermediate, leaf] = hierarchy(P256);
    assert_eq!(leaf.version(), 3);
    assert!(leaf.is_signed_by(&intermediate) && intermediate.is_signed_by(&root) && root.is_signed_by(&root));
    let critical = |oid| leaf.extension(oid).map(|extension| extension.critical);
    assert_eq!(critical(oid::KEY_USAGE), Some(true));
    assert_eq!(critical(oid::BASIC_CONSTRAINTS), Some(true));
    assert_eq!(critical(oid::EXTENDED_KEY_USAGE), Some(false));
    assert_eq!(critical(oid::SUBJECT_ALT_NAME), Some(false));
    assert_eq!(
        leaf.extension(oid::BASIC_CONSTRAINTS).unwrap().value,
        b"\x30\x00",
        "CA:FALSE is the default and absent"
    );
    assert_eq!(leaf.key_usage(), Some(KeyUsage::DIGITAL_SIGNATURE));
    assert_eq!(leaf.extended_key_usage().unwrap(), [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth]);
    assert_eq!(intermediate.basic_constraints().unwrap().path_length, Some(0));
    assert_eq!(intermediate.extended_key_usage(), None);
    assert_eq!(root.key_usage(), Some(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN));
    assert!(leaf.signature_algorithms_agree());
}

/// Trap 4: rcgen writes no subject key identifier for a plain end entity. And the identifiers are SHA-1 of the key.
#[test]
fn key_identifiers_are_always_there_and_chain() {
    for [root, intermediate, leaf] in [P256, KeyType::Ed25519].map(hierarchy) {
        for (subject, issuer) in [(&leaf, &intermediate), (&intermediate, &root), (&root, &root)] {
            assert_eq!(subject.subject_key_id(), Some(&subject.public_key().key_identifier()[..]));
            assert_eq!(subject.authority_key_id(), issuer.subject_key_id());
            assert_eq!(subject.subject_key_id().unwrap().len(), 20);
        }
    }
}

/// Trap 5: rcgen's default serial number is a hash of the key, so that a renewal repeats it.
#[test]
fn two_certificates_for_one_key_have_two_serial_numbers() {
    let (root_key, leaf_key) = (key(P256, 0), key(P256, 1));
    let root = self_signed(&authority("root", root_key), root_key);
    let [one, two] = [(), ()].map(|()| issued(&leaf("same", leaf_key), root_key, &root));
    assert_eq!(one.public_key(), two.public_key());
    assert_ne!(one.serial(), two.serial());
    let template = leaf("given", leaf_key);
    assert_eq!(*issued(&template, root_key, &root).serial(), template.serial);
}

/// Trap 5 again: rcgen writes whatever it is given.
#[test]
fn a_serial_number_that_rfc_5280_forbids_is_refused() {
    let signer = Signer::self_signed(key(P256, 0));
    let negative = SerialNumber::from_der_content(&[0x80]).unwrap();
    let zero = SerialNumber::from_der_content(&[0]).unwrap();
    let long = SerialNumber::from_der_content(&[0x7f; 21]).unwrap();
    for serial in [negative, zero, long] {
        assert!(CertificateTemplate { serial, ..leaf("x", key(P256, 0)) }.to_be_signed(&signer).is_err());
    }
    let longest = SerialNumber::from_bytes(&[0x7f; 20]).unwrap();
    let template = CertificateTemplate { serial: longest.clone(), ..leaf("x", key(P256, 0)) };
    assert_eq!(*self_signed(&template, key(P256, 0)).serial(), longest);
}

/// Trap 9: rcgen's defaults are 1975 to 4096 and a name that all its certificates share.
#[test]
fn nothing_comes_from_rcgens_defaults() {
    let template = leaf("mine", key(P256, 0));
    let certificate = self_signed(&template, key(P256, 0));
    assert_eq!(*certificate.validity(), template.validity);
    assert_eq!(certificate.subject().der(), template.subject.der());
    assert_eq!(certificate.issuer().der(), template.subject.der());
    assert!(!certificate.der().windows(5).any(|window| window == b"rcgen"));
}

#[test]
fn an_empty_subject_makes_the_alternative_names_critical() {
    let mut template = leaf("x", key(P256, 1));
    template.subject = DistinguishedName::empty();
    let root = self_signed(&authority("root", key(P256, 0)), key(P256, 0));
    let certificate = issued(&template, key(P256, 0), &root);
    assert!(certificate.subject().is_empty());
    assert!(certificate.extension(oid::SUBJECT_ALT_NAME).unwrap().critical);
}

/// Trap 10: rcgen writes any text as a name.
#[test]
fn what_is_no_name_or_uri_is_not_written() {
    let signer = Signer::self_signed(key(P256, 0));
    let refused = |change: &dyn Fn(&mut CertificateTemplate)| {
        let mut template = leaf("x", key(P256, 0));
        change(&mut template);
        let Err(error) = template.to_be_signed(&signer) else { panic!("accepted") };
        error.to_string()
    };
    assert!(refused(&|t| t.subject_alt_names = vec![GeneralName::Uri("urn:\u{e4}".into())]).contains("ASCII"));
    assert!(refused(&|t| t.subject_alt_names = vec![GeneralName::Other("dirName:x".into())]).contains("written"));
    assert!(refused(&|t| t.crl_distribution_points = vec![String::new()]).contains("URI"));
    assert!(refused(&|t| t.authority_info_access.ocsp = vec!["a b".into()]).contains("URI"));
    assert!(refused(&|t| t.policies = vec!["1.2.x".into()]).contains("object identifier"));
    assert!(refused(&|t| t.extended_key_usage = vec![ExtendedKeyUsage::Other("3.1".into())]).contains("object"));
    assert!(refused(&|t| t.basic_constraints.path_length = Some(1)).contains("authority"));
    assert!(Cidr::new([10, 0, 0, 0].into(), 40).is_err() && Cidr::new([10, 0, 0, 1].into(), 8).is_err());
}

#[test]
fn every_key_usage_bit_is_written_as_it_is() {
    for bits in [0x1ff, 0x100, 0x80, 0x81, 0x60, 0x05, 0x01] {
        let all = [
            KeyUsage::DIGITAL_SIGNATURE,
            KeyUsage::NON_REPUDIATION,
            KeyUsage::KEY_ENCIPHERMENT,
            KeyUsage::DATA_ENCIPHERMENT,
            KeyUsage::KEY_AGREEMENT,
            KeyUsage::KEY_CERT_SIGN,
            KeyUsage::CRL_SIGN,
            KeyUsage::ENCIPHER_ONLY,
            KeyUsage::DECIPHER_ONLY,
        ];
        let usage = all.into_iter().filter(|usage| usage.bits() & bits != 0).fold(KeyUsage::NONE, |sum, bit| sum | bit);
        let certificate =
            self_signed(&CertificateTemplate { key_usage: usage, ..leaf("x", key(P256, 0)) }, key(P256, 0));
        assert_eq!(certificate.key_usage(), Some(usage));
        assert_eq!(certificate.extension(oid::KEY_USAGE).unwrap().value, usage.to_der());
    }
}

#[test]
fn lint_sees_the_bytes_that_are_signed() {
    for key_type in KeyType::ALL {
        let key = key(key_type, 0);
        let to_be_signed = leaf("x", key).to_be_signed(&Signer::self_signed(key)).unwrap();
        let (real, throwaway) = (to_be_signed.sign(key).unwrap(), to_be_signed.sign_with_throwaway().unwrap());
        assert_eq!((real.tbs(), throwaway.tbs()), (to_be_signed.der(), to_be_signed.der()), "{key_type}");
        assert_eq!(real.signature_algorithm(), throwaway.signature_algorithm());
        assert!(real.is_signed_by(&real) && !throwaway.is_signed_by(&real), "{key_type}");
        // What sign() says of its result is what a reader of the bytes finds.
        let read = Certificate::from_der(real.der()).unwrap();
        assert_eq!((read.tbs(), read.signature()), (real.tbs(), real.signature()), "{key_type}");
        assert_eq!(read.signature_algorithm_der(), real.signature_algorithm_der(), "{key_type}");
        assert!(read.signature_algorithms_agree() && real.signature_algorithms_agree(), "{key_type}");
    }
}

#[test]
fn only_the_right_key_signs() {
    let (ours, other) = (key(P256, 0), key(P256, 1));
    let root = self_signed(&authority("root", ours), ours);
    assert!(Signer::authority(other, &root).is_err());
    let to_be_signed = leaf("x", other).to_be_signed(&Signer::authority(ours, &root).unwrap()).unwrap();
    assert!(to_be_signed.sign(other).is_err() && to_be_signed.sign(key(KeyType::Ed25519, 0)).is_err());
    assert!(leaf("x", other).to_be_signed(&Signer::self_signed(ours)).is_err());
}

#[test]
fn times_are_written_in_the_type_that_rfc_5280_wants() {
    use crate::x509::TimeEncoding::{Generalized, Utc};
    let encodings = |not_before: OffsetDateTime, not_after: OffsetDateTime| {
        let validity = Validity::new(not_before, not_after).unwrap();
        let certificate = self_signed(&CertificateTemplate { validity, ..leaf("x", key(P256, 0)) }, key(P256, 0));
        assert_eq!(*certificate.validity(), validity);
        assert!(!certificate.has_fractional_seconds());
        (certificate.not_before_encoding(), certificate.not_after_encoding())
    };
    assert_eq!(encodings(datetime!(1950-01-01 0:00 UTC), datetime!(2049-12-31 23:59:59 UTC)), (Utc, Utc));
    assert_eq!(encodings(datetime!(2049-12-31 23:59:59.999 UTC), datetime!(2050-01-01 0:00 UTC)), (Utc, Generalized));
    // Still 2049 where it is said, but 2050 in UTC.
    assert_eq!(encodings(datetime!(2030-01-01 0:00 +14), datetime!(2049-12-31 23:00 -5)), (Utc, Generalized));
    let forever = encodings(datetime!(2050-01-01 0:00 UTC), datetime!(9999-12-31 23:59:59 UTC));
    assert_eq!(forever, (Generalized, Generalized));
}

#[test]
#[ignore = "needs openssl"]
fn openssl_accepts_a_hierarchy_of_every_kind() {
    let scratch = Scratch::new();
    for key_type in KeyType::ALL {
        let chain = hierarchy(key_type);
        strict(&scratch, &chain);
        let said = scratch.openssl("x509 -in leaf.pem -noout -text");
        for wanted in ["Version: 3", "CA:FALSE", "X509v3 Key Usage: critical", "DNS:broker.example.com"] {
            assert!(said.contains(wanted), "{key_type}: {wanted} in {said}");
        }
        scratch.openssl("x509 -in leaf.pem -pubkey -noout -out public.pem");
        scratch.openssl("pkey -pubin -in public.pem -outform DER -out public.der");
        assert_eq!(scratch.read("public.der"), key(key_type, 2).public_key().spki_der(), "{key_type}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_reads_every_extension() {
    let scratch = Scratch::new();
    let root_key = key(P256, 0);
    let mut root = authority("root", root_key);
    root.name_constraints = Some(NameConstraints {
        permitted: ["example.com", "10.0.0.0/8", "email:example.com", "uri:.example.com"]
            .map(|t| Subtree::parse(t).unwrap())
            .into(),
        excluded: vec![Subtree::parse("secret.example.com").unwrap()],
    });
    root.policies = vec!["2.5.29.32.0".into(), "1.3.6.1.4.1.99999.1".into()];
    let root = self_signed(&root, root_key);
    let mut template = leaf("leaf", key(P256, 1));
    template.subject_alt_names =
        names(&["dns:*.example.com", "ip:10.1.2.3", "ip:::1", "uri:spiffe://x.example.com/a", "email:a@example.com"]);
    template.crl_distribution_points = vec!["http://crl.example.com/a.crl".into(), "http://b.example.com/a.crl".into()];
    template.authority_info_access = AuthorityInfoAccess {
        ca_issuers: vec!["http://ca.example.com/a.crt".into()],
        ocsp: vec!["http://ocsp.example.com".into()],
    };
    template.policies = vec!["2.5.29.32.0".into()];
    let leaf = issued(&template, root_key, &root);
    assert_eq!(leaf.subject_alt_names().unwrap(), template.subject_alt_names);
    assert_eq!(leaf.crl_distribution_points(), template.crl_distribution_points);
    assert_eq!(leaf.authority_info_access(), Some(&template.authority_info_access));
    assert_eq!(leaf.policies(), template.policies);
    scratch.write("leaf.pem", leaf.pem()).write("root.pem", root.pem());
    let said = scratch.openssl("x509 -in leaf.pem -noout -text") + &scratch.openssl("x509 -in root.pem -noout -text");
    for wanted in [
        "DNS:*.example.com, IP Address:10.1.2.3, IP Address:0:0:0:0:0:0:0:1, URI:spiffe://x.example.com/a, email:a@example.com",
        "URI:http://crl.example.com/a.crl",
        "URI:http://b.example.com/a.crl",
        "CA Issuers - URI:http://ca.example.com/a.crt",
        "OCSP - URI:http://ocsp.example.com",
        "Policy: X509v3 Any Policy",
        "Policy: 1.3.6.1.4.1.99999.1",
        "X509v3 Name Constraints: critical",
        "DNS:example.com",
        "IP:10.0.0.0/255.0.0.0",
        "email:example.com",
        "URI:.example.com",
        "DNS:secret.example.com",
    ] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_enforces_our_name_constraints() {
    let scratch = Scratch::new();
    let root_key = key(P256, 0);
    let mut root = authority("root", root_key);
    root.name_constraints = Some(NameConstraints {
        permitted: ["example.com", "10.0.0.0/8", "fd00::/8", "uri:.example.com"]
            .map(|t| Subtree::parse(t).unwrap())
            .into(),
        excluded: ["secret.example.com", "10.9.0.0/16"].map(|t| Subtree::parse(t).unwrap()).into(),
    });
    let root = self_signed(&root, root_key);
    scratch.write("root.pem", root.pem());
    let judge = |name: &str| {
        let template = CertificateTemplate { subject_alt_names: names(&[name]), ..leaf("leaf node", key(P256, 1)) };
        scratch.write("leaf.pem", issued(&template, root_key, &root).pem());
        "verify -x509_strict -CAfile root.pem leaf.pem"
    };
    for good in ["dns:a.example.com", "dns:example.com", "ip:10.1.0.1", "ip:fd00::1", "uri:https://a.example.com/"] {
        scratch.openssl(judge(good));
    }
    for bad in
        ["dns:example.org", "dns:a.secret.example.com", "ip:11.0.0.1", "ip:10.9.0.1", "ip:::1", "uri:https://x.org/"]
    {
        let said = scratch.openssl_fails(judge(bad));
        assert!(said.contains("subtree violation"), "{bad}: {said}");
    }
}

/// A root made by OpenSSL, with its own idea of names and identifiers.
fn foreign_root(scratch: &Scratch, extra: &str) -> (PrivateKey, Certificate) {
    scratch.write(
        "root.cnf",
        format!(
            "[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n0.DC=com\n1.DC=example\n0.OU=one\n\
             1.OU=two\nO=Multi\n+C=DE\nCN=multi\nemailAddress=a@example.com\n[ext]\n\
             basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n{extra}\n"
        ),
    );
    scratch.openssl("ecparam -name secp384r1 -genkey -noout -out root.key");
    scratch.openssl("req -x509 -new -config root.cnf -key root.key -days 9000 -out root.pem -utf8");
    let key = PrivateKey::from_pem(&scratch.read("root.key"), None).unwrap();
    (key, Certificate::from_pem(&scratch.read("root.pem")).unwrap())
}

/// Trap 2: rcgen loses repeated attributes and cannot read multi-valued ones, so that chains break without an error.
#[test]
#[ignore = "needs openssl"]
fn an_imported_authority_with_a_repeated_and_multi_valued_name_issues_what_verifies() {
    let scratch = Scratch::new();
    let (root_key, root) = foreign_root(&scratch, "subjectKeyIdentifier=hash");
    assert_eq!(root.subject_key_id(), Some(&root_key.public_key().key_identifier()[..]), "OpenSSL computes the same");
    let intermediate_key = key(P256, 0);
    let mut intermediate = authority("x", intermediate_key);
    intermediate.subject = DistinguishedName::parse_rfc4514("CN=node+O=a,OU=two,OU=one,DC=example,DC=com").unwrap();
    intermediate.validity.not_before = root.validity().not_before;
    let intermediate = issued(&intermediate, &root_key, &root);
    assert_eq!(intermediate.issuer().der(), root.subject().der());
    assert_eq!(root.subject().attributes().count(), 8);
    let mut end = leaf("leaf", key(P256, 1));
    end.validity.not_before = root.validity().not_before;
    let leaf = issued(&end, intermediate_key, &intermediate);
    strict(&scratch, &[root, intermediate, leaf]);
}

/// The authority key identifier is the issuer's own, whatever it is; it is computed only where there is none.
#[test]
#[ignore = "needs openssl"]
fn an_imported_authoritys_key_identifier_is_copied() {
    let scratch = Scratch::new();
    for (extra, length) in [("subjectKeyIdentifier=01:02:03:04", 4), ("subjectKeyIdentifier=none", 20)] {
        let (root_key, root) = foreign_root(&scratch, extra);
        let leaf = issued(&leaf("leaf", key(P256, 1)), &root_key, &root);
        assert_eq!(leaf.authority_key_id().unwrap().len(), length);
        scratch.write("leaf.pem", leaf.pem());
        scratch.openssl("verify -CAfile root.pem leaf.pem");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_agrees_about_the_years_2049_2050_and_9999() {
    let scratch = Scratch::new();
    for (not_after, shown) in [
        (datetime!(2049-12-31 23:59:59 UTC), "notAfter=Dec 31 23:59:59 2049 GMT"),
        (datetime!(2050-01-01 00:00:00 UTC), "notAfter=Jan  1 00:00:00 2050 GMT"),
        (datetime!(9999-12-31 23:59:59 UTC), "notAfter=Dec 31 23:59:59 9999 GMT"),
    ] {
        let mut template = authority("root", key(P256, 0));
        template.validity = Validity::new(datetime!(2020-01-01 00:00:00 UTC), not_after).unwrap();
        scratch.write("root.pem", self_signed(&template, key(P256, 0)).pem());
        let said = scratch.openssl("x509 -in root.pem -noout -enddate");
        assert!(said.contains(shown), "{said}");
        scratch.openssl("verify -x509_strict -CAfile root.pem root.pem");
    }
}

/// Not a test of anything but speed; run it with `--release` to compare.
#[test]
#[ignore = "measures"]
fn cost_of_a_certificate() {
    let root_key = key(P256, 0);
    let root = self_signed(&authority("root", root_key), root_key);
    let signer = Signer::authority(root_key, &root).unwrap();
    let rounds = 5_000;
    let measure = |what: &str, work: &dyn Fn()| {
        let start = std::time::Instant::now();
        (0..rounds).for_each(|_| work());
        let each = start.elapsed().as_nanos() / rounds;
        std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{what}: {each} ns\n")).unwrap();
    };
    let template = leaf("leaf", key(P256, 1));
    let to_be_signed = template.to_be_signed(&signer).unwrap();
    let certificate = to_be_signed.sign(root_key).unwrap();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let raw = aws_lc_rs::signature::EcdsaKeyPair::generate(algorithm).unwrap();
    let rng = aws_lc_rs::rand::SystemRandom::new();
    measure("raw generate", &|| {
        drop(aws_lc_rs::signature::EcdsaKeyPair::generate(algorithm).unwrap().to_pkcs8v1().unwrap());
    });
    measure("raw sign", &|| assert!(raw.sign(&rng, to_be_signed.der()).is_ok()));
    measure("generate", &|| drop(PrivateKey::generate(P256).unwrap()));
    measure("to_pem", &|| drop(root_key.to_pem()));
    measure("to_be_signed", &|| drop(template.to_be_signed(&signer).unwrap()));
    measure("sign", &|| drop(to_be_signed.sign(root_key).unwrap()));
    measure("from_der", &|| drop(Certificate::from_der(certificate.der()).unwrap()));
    measure("sign_with_throwaway", &|| drop(to_be_signed.sign_with_throwaway().unwrap()));
}
