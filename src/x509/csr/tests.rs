use super::*;
use crate::x509::test_support::{Scratch, authority, issued, key, leaf, self_signed};
use crate::x509::{CertificateTemplate, KeyType};

fn template() -> CsrTemplate {
    CsrTemplate {
        subject: DistinguishedName::parse_rfc4514("CN=x,OU=two,OU=one,DC=example,DC=com").unwrap(),
        subject_alt_names: vec![
            GeneralName::parse("dns:a.example.com").unwrap(),
            GeneralName::parse("ip:::1").unwrap(),
        ],
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
    }
}

#[test]
fn our_requests_come_back_as_they_were_made() {
    for key_type in KeyType::ALL {
        let (template, key) = (template(), key(key_type, 0));
        let csr = template.sign(key).unwrap();
        assert_eq!(csr.subject().der(), template.subject.der(), "{key_type}");
        assert_eq!(csr.subject_alt_names(), template.subject_alt_names);
        assert_eq!(csr.public_key(), key.public_key());
        assert!(!csr.wants_ca());
        assert_eq!(Csr::from_pem(csr.pem().as_bytes()).unwrap().der(), csr.der());
    }
}

#[test]
fn no_changed_or_cut_request_is_accepted() {
    let csr = template().sign(key(KeyType::EcdsaP256, 0)).unwrap();
    for at in 0..csr.der().len() {
        assert!(Csr::from_der(&csr.der()[..at]).is_err(), "cut at {at}");
        for bit in [1, 0x80] {
            let mut changed = csr.der().to_vec();
            changed[at] ^= bit;
            assert!(Csr::from_der(&changed).is_err(), "bit {bit} of {at}");
        }
    }
    assert!(Csr::from_der(&[csr.der(), b"\0"].concat()).is_err());
    assert!(Csr::from_pem(b"hello").unwrap_err().to_string().contains("no certificate request"));
}

#[test]
fn a_request_without_names_is_a_request() {
    let template = CsrTemplate {
        subject: DistinguishedName::empty(),
        key_usage: KeyUsage::NONE,
        subject_alt_names: vec![],
        extended_key_usage: vec![],
    };
    let csr = template.sign(key(KeyType::Ed25519, 0)).unwrap();
    assert!(csr.subject().is_empty() && csr.subject_alt_names().is_empty());
}

const KEYS: [&str; 5] = [
    "ecparam -name prime256v1 -genkey -noout -out key.pem",
    "ecparam -name secp384r1 -genkey -noout -out key.pem",
    "ecparam -name secp521r1 -genkey -noout -out key.pem",
    "genrsa -out key.pem 2048",
    "genrsa -out key.pem 3072",
];

/// Trap 3: rcgen makes a broken certificate of a P-384 request that is signed with SHA-256, which is what `openssl req`
/// makes without options, and cannot read P-521 at all.
#[test]
#[ignore = "needs openssl"]
fn the_key_of_a_request_survives_with_every_hash() {
    let scratch = Scratch::new();
    let root_key = key(KeyType::EcdsaP256, 0);
    let root = self_signed(&authority("root", root_key), root_key);
    scratch.write("root.pem", root.pem());
    let judge = |what: &str| {
        let csr = Csr::from_pem(&scratch.read("csr.pem")).unwrap_or_else(|error| panic!("{what}: {error}"));
        scratch.openssl("pkey -in key.pem -pubout -outform DER -out public.der");
        assert_eq!(csr.public_key().spki_der(), scratch.read("public.der"), "{what}");
        let template = CertificateTemplate {
            subject: csr.subject().clone(),
            public_key: csr.public_key().clone(),
            ..leaf("x", root_key)
        };
        scratch.write("leaf.pem", issued(&template, root_key, &root).pem());
        scratch.openssl("verify -x509_strict -CAfile root.pem leaf.pem");
        scratch.openssl("x509 -in leaf.pem -noout -pubkey -out public.pem");
        scratch.openssl("pkey -in key.pem -pubout -out wanted.pem");
        assert_eq!(scratch.read("public.pem"), scratch.read("wanted.pem"), "{what}");
    };
    for make in KEYS {
        scratch.openssl(make);
        // SHA-1 over P-384 is the one that aws-lc cannot check.
        let sha1 = if make.contains("secp384r1") { "" } else { "-sha1" };
        for hash in ["", sha1, "-sha256", "-sha384", "-sha512"] {
            scratch.openssl(&format!("req -new -key key.pem -subj /CN=x {hash} -out csr.pem"));
            judge(&format!("{make} {hash}"));
        }
    }
    scratch.openssl("genpkey -algorithm ED25519 -out key.pem");
    scratch.openssl("req -new -key key.pem -subj /CN=x -out csr.pem");
    judge("Ed25519");
}

#[test]
#[ignore = "needs openssl"]
fn requests_that_cannot_be_checked_say_why() {
    let scratch = Scratch::new();
    for (make, request, said) in [
        (KEYS[1], "-sha1", "SHA-1"),
        (KEYS[3], "-sigopt rsa_padding_mode:pss", "RSA-PSS"),
        ("genrsa -out key.pem 1024", "-sha256", "1024"),
        ("genpkey -algorithm ED448 -out key.pem", "", "Ed448"),
        ("ecparam -name brainpoolP256r1 -genkey -noout -out key.pem", "", "brainpoolP256r1"),
    ] {
        scratch.openssl(make);
        scratch.openssl(&format!("req -new -key key.pem -subj /CN=x {request} -out csr.pem"));
        let error = Csr::from_pem(&scratch.read("csr.pem")).unwrap_err();
        assert!(matches!(error, X509Error::Unsupported(_)), "{make} {request}: {error:?}");
        assert!(error.to_string().contains(said), "{make} {request}: {error}");
    }
    scratch.openssl(KEYS[3]);
    scratch.openssl(
        "req -new -key key.pem -subj /CN=x -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest -out csr.pem",
    );
    Csr::from_pem(&scratch.read("csr.pem")).unwrap();
}

/// Trap 3 as well: rcgen refuses extensions that it does not know, and issues an authority when one is asked for.
#[test]
#[ignore = "needs openssl"]
fn unknown_wishes_are_no_error_and_ambition_is_seen() {
    let scratch = Scratch::new();
    scratch.openssl(KEYS[0]);
    let request = |extensions: &str| {
        scratch.write(
            "csr.cnf",
            format!("[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=ext\nattributes=attributes\n[dn]\nCN=x\n[attributes]\nchallengePassword=secret\n[ext]\n{extensions}\n[name]\nCN=y\n"),
        );
        scratch.openssl("req -new -config csr.cnf -key key.pem -out csr.pem");
        Csr::from_pem(&scratch.read("csr.pem")).unwrap()
    };
    let csr = request(
        "certificatePolicies=1.2.3.4\nsubjectKeyIdentifier=hash\nextendedKeyUsage=1.2.3.4.5\n1.2.3.4.6=critical,DER:0500\n\
         basicConstraints=CA:FALSE\nsubjectAltName=DNS:a.example.com,RID:1.2.3,dirName:name,otherName:1.2.3.4;UTF8:z",
    );
    assert!(!csr.wants_ca());
    assert_eq!(csr.subject_alt_names().len(), 4);
    assert_eq!(csr.subject_alt_names()[0].to_string(), "DNS:a.example.com");
    assert!(request("basicConstraints=critical,CA:TRUE").wants_ca());
    assert!(request("keyUsage=keyCertSign").wants_ca());
}

#[test]
#[ignore = "needs openssl"]
fn openssl_reads_our_requests() {
    let scratch = Scratch::new();
    for key_type in KeyType::ALL {
        scratch.write("csr.pem", template().sign(key(key_type, 0)).unwrap().pem());
        let said = scratch.openssl("req -in csr.pem -verify -noout -text -nameopt RFC2253");
        for wanted in [
            "CN=x,OU=two,OU=one,DC=example,DC=com",
            "DNS:a.example.com, IP Address:0:0",
            "Digital Signature",
            "TLS Web Server",
        ] {
            assert!(said.contains(wanted), "{key_type}: {wanted} in {said}");
        }
    }
}
