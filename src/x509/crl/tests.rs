use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::x509::test_support::{Scratch, authority, issued, key, leaf, self_signed};
use crate::x509::{KeyType, KeyUsage, PrivateKey};

fn entry(serial: &SerialNumber, reason: Option<RevocationReason>) -> RevokedCertificate {
    RevokedCertificate {
        serial: serial.clone(),
        revocation_time: datetime!(2026-01-02 03:04:05 UTC),
        reason,
        invalidity_date: reason.map(|_| datetime!(2026-01-01 00:00:00 UTC)),
    }
}

fn template(revoked: Vec<RevokedCertificate>) -> CrlTemplate {
    CrlTemplate {
        this_update: datetime!(2026-01-02 03:04:05.678 UTC),
        next_update: datetime!(2049-12-31 00:00:00 UTC),
        number: 7,
        revoked,
    }
}

fn root() -> (&'static PrivateKey, Certificate) {
    let key = key(KeyType::EcdsaP256, 0);
    (key, self_signed(&authority("root", key), key))
}

fn signed_list() -> (Crl, Certificate, CrlTemplate) {
    let (key, root) = root();
    let reasons = REASONS.iter().skip(1).map(|row| Some(row.2)).chain([None]);
    let template = template(reasons.map(|reason| entry(&SerialNumber::random().unwrap(), reason)).collect());
    let crl = template.clone().sign(&Signer::authority(key, &root).unwrap()).unwrap();
    (crl, root, template)
}

#[test]
fn a_list_comes_back_as_it_was_made() {
    let (crl, root, template) = signed_list();
    let crl = Crl::from_pem(crl.pem().as_bytes()).unwrap();
    assert_eq!(crl.issuer().der(), root.subject().der());
    assert_eq!(crl.authority_key_id(), root.subject_key_id());
    assert_eq!(crl.this_update(), datetime!(2026-01-02 03:04:05 UTC));
    assert_eq!(crl.next_update(), Some(template.next_update));
    assert_eq!((crl.number(), crl.len(), crl.unknown_critical_extension()), (Some(7), 10, None));
    assert_eq!(crl.revoked().collect::<Vec<_>>(), template.revoked);
    assert_eq!(crl.find(&template.revoked[3].serial).as_ref(), Some(&template.revoked[3]));
    assert_eq!(crl.find(&SerialNumber::random().unwrap()), None);
    assert!(crl.is_signed_by(&root));
    let other = key(KeyType::EcdsaP256, 1);
    assert!(!crl.is_signed_by(&self_signed(&authority("root", other), other)), "same name, other key");
    assert!(!crl.is_signed_by(&self_signed(&authority("other", root_key()), root_key())), "same key, other name");
}

fn root_key() -> &'static PrivateKey {
    root().0
}

#[test]
fn unspecified_is_not_written_and_an_empty_list_has_no_entries() {
    let (key, root) = root();
    let signer = Signer::authority(key, &root).unwrap();
    let crl = template(Vec::new()).sign(&signer).unwrap();
    assert!(crl.is_empty() && crl.revoked().next().is_none());
    let unspecified = entry(&SerialNumber::random().unwrap(), Some(RevocationReason::Unspecified));
    let crl = template(vec![unspecified]).sign(&signer).unwrap();
    assert_eq!(crl.revoked().next().unwrap().reason, None);
}

#[test]
fn who_may_not_sign_a_list_does_not() {
    let (key, root) = root();
    assert!(template(Vec::new()).sign(&Signer::self_signed(key)).is_err());
    let mut mute = authority("mute", key);
    mute.key_usage = KeyUsage::KEY_CERT_SIGN;
    let mute = self_signed(&mute, key);
    let error = template(Vec::new()).sign(&Signer::authority(key, &mute).unwrap()).unwrap_err();
    assert!(error.to_string().contains("cRLSign"));
    let mut late = template(Vec::new());
    late.next_update = late.this_update;
    assert!(late.sign(&Signer::authority(key, &root).unwrap()).is_err());
}

#[test]
fn years_and_numbers_at_their_limits() {
    let (key, root) = root();
    let signer = Signer::authority(key, &root).unwrap();
    for (number, next_update) in [
        (0, datetime!(2050-01-01 0:00 UTC)),
        (u128::MAX, datetime!(9999-12-31 23:59:59 UTC)),
        (128, datetime!(2049-12-31 23:59:59 UTC)),
    ] {
        let crl = CrlTemplate { number, next_update, ..template(Vec::new()) }.sign(&signer).unwrap();
        assert_eq!((crl.number(), crl.next_update()), (Some(number), Some(next_update)));
    }
    let early = CrlTemplate { this_update: datetime!(1949-12-31 0:00 UTC), ..template(Vec::new()) };
    assert!(early.sign(&signer).is_err());
}

#[test]
fn reasons_are_read_as_people_write_them() {
    for (text, reason) in [
        ("keyCompromise", RevocationReason::KeyCompromise),
        ("key-compromise", RevocationReason::KeyCompromise),
        ("CACOMPROMISE", RevocationReason::CaCompromise),
        ("superseded", RevocationReason::Superseded),
    ] {
        assert_eq!(text.parse::<RevocationReason>().unwrap(), reason);
    }
    assert!("7".parse::<RevocationReason>().is_err());
    assert_eq!(RevocationReason::from_code(7), None);
    for row in REASONS {
        assert_eq!(row.1.parse::<RevocationReason>().unwrap(), row.2);
        assert_eq!((RevocationReason::from_code(row.0), row.2.code()), (Some(row.2), row.3 as u8));
    }
}

#[test]
fn no_cut_list_is_read_and_none_panics() {
    let (crl, root, _) = signed_list();
    for at in 0..crl.der().len() {
        assert!(Crl::from_der(&crl.der()[..at]).is_err(), "{at}");
        let mut changed = crl.der().to_vec();
        for bit in [1, 0x10, 0x80] {
            changed[at] ^= bit;
            if let Ok(changed) = Crl::from_der(&changed) {
                assert!(!changed.is_signed_by(&root), "bit {bit} of {at}");
                assert_eq!(changed.revoked().count(), changed.len());
            }
        }
    }
    // RUSTSEC-2026-0104: an empty BIT STRING.
    assert!(Crl::from_der(b"\x30\x09\x30\x00\x30\x00\x03\x00").is_err());
    assert!(Crl::from_pem(b"hello").unwrap_err().to_string().contains("no revocation list"));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Crl::from_der(&bytes);
    }

    #[test]
    fn hostile_structures_never_panic(
        tags in proptest::collection::vec(prop::sample::select(vec![0x30u8, 0x02, 0x03, 0x17, 0x18, 0x04, 0x06, 0xa0, 0x0a, 0x01]), 0..60)
    ) {
        let mut der = Vec::new();
        for tag in tags {
            der = [&der[..], &super::super::der::element(tag, &der[..der.len().min(40)])].concat();
            der = super::super::der::element(tag, &der);
            let _ = Crl::from_der(&der[..der.len().min(4096)]);
        }
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_revokes_by_our_lists_for_every_kind() {
    let scratch = Scratch::new();
    for key_type in KeyType::ALL {
        let root_key = key(key_type, 0);
        let root = self_signed(&authority("root", root_key), root_key);
        judge(&scratch, root_key, &root);
    }
}

/// Issues a good and a revoked certificate and lets OpenSSL find out which is which.
fn judge(scratch: &Scratch, root_key: &PrivateKey, root: &Certificate) {
    let template_of = |name| {
        let mut template = leaf(name, key(KeyType::EcdsaP256, 1));
        template.validity.not_before = root.validity().not_before;
        template
    };
    let [good, bad] = ["good", "bad"].map(|name| issued(&template_of(name), root_key, root));
    let mut list = template(vec![entry(bad.serial(), Some(RevocationReason::KeyCompromise))]);
    list.this_update = datetime!(2020-06-01 00:00:00 UTC);
    let crl = list.sign(&Signer::authority(root_key, root).unwrap()).unwrap();
    assert!(crl.is_signed_by(root));
    scratch.write("root.pem", root.pem()).write("crl.pem", crl.pem());
    scratch.write("good.pem", good.pem()).write("bad.pem", bad.pem());
    scratch.openssl("crl -in crl.pem -CAfile root.pem -noout");
    scratch.openssl("verify -x509_strict -crl_check -CAfile root.pem -CRLfile crl.pem good.pem");
    let said = scratch.openssl_fails("verify -x509_strict -crl_check -CAfile root.pem -CRLfile crl.pem bad.pem");
    assert!(said.contains("certificate revoked"), "{said}");
    let said = scratch.openssl("crl -in crl.pem -noout -text");
    for wanted in ["Version 2", "CRL Number", "Key Compromise", "Invalidity Date", "Authority Key Identifier"] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
}

/// Traps 2 and 6 of rcgen: the list of an imported authority has its name and its key identifier, byte for byte.
#[test]
#[ignore = "needs openssl"]
fn the_list_of_an_imported_authority_is_found() {
    let scratch = Scratch::new();
    for identifier in ["hash", "01:02:03:04"] {
        scratch.write(
            "root.cnf",
            format!(
                "[req]\nprompt=no\ndistinguished_name=dn\nx509_extensions=ext\n[dn]\n0.DC=com\n1.DC=example\n0.OU=one\n\
                 1.OU=two\n+C=DE\nCN=multi\n[ext]\nbasicConstraints=critical,CA:TRUE\n\
                 keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier={identifier}\n"
            ),
        );
        scratch.openssl("genrsa -out root.key 2048");
        scratch.openssl("req -x509 -new -config root.cnf -key root.key -days 3000 -out root.pem");
        let root_key = PrivateKey::from_pem(&scratch.read("root.key"), None).unwrap();
        let root = Certificate::from_pem(&scratch.read("root.pem")).unwrap();
        judge(&scratch, &root_key, &root);
        let crl = Crl::from_pem(&scratch.read("crl.pem")).unwrap();
        assert_eq!(crl.authority_key_id(), root.subject_key_id());
        assert_eq!(crl.issuer().der(), root.subject().der());
    }
}

#[test]
#[ignore = "needs openssl"]
fn a_list_made_by_openssl_is_read() {
    let scratch = Scratch::new();
    let (root_key, root) = root();
    scratch.write("root.pem", root.pem()).write("root.key", root_key.to_pem().as_bytes());
    scratch.write("index.txt", "R\t300101000000Z\t260101000000Z,keyCompromise\tABCD\tunknown\t/CN=x\nR\t300101000000Z\t260101000000Z\t01\tunknown\t/CN=y\n");
    scratch.write("number", "FF\n");
    scratch.write(
        "ca.cnf",
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ncrl_extensions=e\n\
         [e]\nauthorityKeyIdentifier=keyid\nissuingDistributionPoint=critical,@idp\n[idp]\nonlyuser=TRUE\n",
    );
    scratch.openssl("ca -gencrl -config ca.cnf -cert root.pem -keyfile root.key -crldays 10 -out crl.pem");
    let crl = Crl::from_pem(&scratch.read("crl.pem")).unwrap();
    assert!(crl.is_signed_by(&root));
    assert_eq!((crl.number(), crl.len()), (Some(255), 2));
    assert_eq!(crl.unknown_critical_extension(), Some("2.5.29.28"));
    let entry = crl.find(&"abcd".parse().unwrap()).unwrap();
    assert_eq!(entry.reason, Some(RevocationReason::KeyCompromise));
}
