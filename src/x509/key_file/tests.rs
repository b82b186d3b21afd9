use super::*;
use crate::x509::PublicKey;
use crate::x509::test_support::{Scratch, key};

fn message(pem: impl AsRef<[u8]>) -> String {
    PrivateKey::from_pem(pem.as_ref(), None).unwrap_err().to_string()
}

#[test]
fn every_kind_comes_back_as_the_same_pkcs8_version_1() {
    for key_type in KeyType::ALL {
        let key = key(key_type, 0);
        assert_eq!(&key.pkcs8_der()[..1], b"\x30");
        let mut fields = Reader::only(key.pkcs8_der(), tag::SEQUENCE).unwrap();
        assert_eq!(fields.integer().unwrap(), [0], "{key_type}: version 1 is the number 0");
        let again = PrivateKey::from_pem(key.to_pem().as_bytes(), None).unwrap();
        assert_eq!(again.pkcs8_der(), key.pkcs8_der(), "{key_type}");
        assert_eq!((again.public_key(), again.key_type()), (key.public_key(), key_type));
        assert_eq!(again.public_key().key_type(), Some(key_type));
        assert_eq!(PublicKey::from_spki_der(key.public_key().spki_der()).unwrap(), *key.public_key());
    }
}

#[test]
fn a_secret_is_never_shown() {
    let key = key(KeyType::Ed25519, 0);
    assert_eq!(format!("{key:?}"), "PrivateKey { key_type: Ed25519, .. }");
}

#[test]
fn passwords_open_what_they_closed_and_nothing_else() {
    let key = key(KeyType::EcdsaP256, 0);
    let pem = key.to_encrypted_pem(b"right").unwrap();
    assert_eq!(PrivateKey::from_pem(pem.as_bytes(), Some(b"right")).unwrap().pkcs8_der(), key.pkcs8_der());
    assert_eq!(PrivateKey::from_pem(pem.as_bytes(), None).unwrap_err(), X509Error::Encrypted);
    for wrong in [&b""[..], b"Right", b"right ", b"right\n"] {
        assert_eq!(PrivateKey::from_pem(pem.as_bytes(), Some(wrong)).unwrap_err(), X509Error::WrongPassword);
    }
    assert_ne!(*pem, *key.to_encrypted_pem(b"right").unwrap(), "salt and initialization vector are fresh");
}

/// With PBES2 padding, about one wrong password in 256 decrypts to something.
#[test]
fn a_wrong_password_is_always_called_wrong() {
    let key = key(KeyType::Ed25519, 0);
    let pem = key.to_encrypted_pem(b"right").unwrap();
    let der = &read_pem(pem.as_bytes()).unwrap()[0].der;
    // Damage to the last block but one decides about the padding, as a wrong key would.
    for value in 0..=255 {
        let mut damaged = der.to_vec();
        let at = damaged.len() - 17;
        damaged[at] = value;
        match read_encrypted(&damaged, Some(b"right")) {
            Ok(same) => assert_eq!(same.pkcs8_der(), key.pkcs8_der()),
            Err(error) => {
                assert!(matches!(error, X509Error::WrongPassword | X509Error::Malformed(_)), "{value}: {error}")
            }
        }
    }
}

#[test]
fn absurd_work_is_refused_at_once() {
    let pem = key(KeyType::Ed25519, 0).to_encrypted_pem(b"x").unwrap();
    let mut der = read_pem(pem.as_bytes()).unwrap()[0].der.to_vec();
    let rounds = der.windows(4).position(|window| window == b"\x02\x02\x27\x10").unwrap();
    der.splice(rounds..rounds + 4, *b"\x02\x04\x7f\xff\xff\xff");
    // What encloses it begins before the salt, whose octets are random and may look like anything.
    let salt = (0..rounds).find(|at| der[*at] == tag::OCTET_STRING && at + 2 + usize::from(der[at + 1]) == rounds);
    for at in 0..salt.unwrap() {
        // The lengths of the enclosing SEQUENCEs grow by two.
        let encloses = der[at] == tag::SEQUENCE && der[at + 1] < 0x80 && at + 2 + usize::from(der[at + 1]) > rounds;
        if encloses {
            der[at + 1] += 2;
        }
    }
    der[2] += 2;
    assert!(read_encrypted(&der, Some(b"x")).unwrap_err().to_string().contains("absurd"));
}

#[test]
fn what_is_not_a_private_key_says_what_it_is() {
    assert!(message("hello").contains("no private key"));
    assert!(message("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----").contains("no private key"));
    assert!(message("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----").contains("damaged"));
    assert!(message("-----BEGIN PRIVATE KEY-----\nMAA=\n").contains("missing"));
    assert!(message(key(KeyType::Ed25519, 0).pkcs8_der()).contains("openssl pkey -inform DER"));
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----";
    assert!(message(openssh).contains("OPENSSH"));
    for length in 0..key(KeyType::EcdsaP256, 0).pkcs8_der().len() {
        assert!(read_pkcs8(&key(KeyType::EcdsaP256, 0).pkcs8_der()[..length]).is_err());
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_reads_every_kind() {
    let scratch = Scratch::new();
    for key_type in KeyType::ALL {
        let key = key(key_type, 0);
        scratch.write("key.pem", key.to_pem().as_bytes());
        scratch.openssl("pkey -in key.pem -check -noout");
        scratch.openssl("pkey -in key.pem -pubout -outform DER -out public.der");
        assert_eq!(scratch.read("public.der"), key.public_key().spki_der(), "{key_type}");
    }
}

/// Trap 7 and 8 of rcgen: SEC1 and PKCS#1 keys, also behind parameters, are rewritten as PKCS#8.
#[test]
#[ignore = "needs openssl"]
fn every_form_that_openssl_writes_is_normalised() {
    let scratch = Scratch::new();
    for (name, make) in [
        ("sec1 behind parameters", "ecparam -name prime256v1 -genkey -out key.pem"),
        ("sec1", "ecparam -name secp384r1 -genkey -noout -out key.pem"),
        ("pkcs8 P-521", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out key.pem"),
        ("pkcs8 Ed25519", "genpkey -algorithm ED25519 -out key.pem"),
        ("pkcs8 RSA", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem"),
        ("pkcs1", "genrsa -traditional -out key.pem 3072"),
    ] {
        scratch.openssl(make);
        let key = PrivateKey::from_pem(&scratch.read("key.pem"), None).unwrap_or_else(|e| panic!("{name}: {e}"));
        scratch.openssl("pkey -in key.pem -pubout -outform DER -out public.der");
        assert_eq!(scratch.read("public.der"), key.public_key().spki_der(), "{name}");
        scratch.openssl("pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out pkcs8.der");
        assert_eq!(scratch.read("pkcs8.der"), key.pkcs8_der(), "{name}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn what_is_not_supported_is_named() {
    let scratch = Scratch::new();
    for (make, said) in [
        ("ecparam -name secp256k1 -genkey -noout -out key.pem", "secp256k1"),
        ("ecparam -name brainpoolP256r1 -genkey -noout -out key.pem", "brainpoolP256r1"),
        ("ecparam -name prime256v1 -param_enc explicit -genkey -noout -out key.pem", "named_curve"),
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit -out key.pem",
            "named_curve",
        ),
        ("genpkey -algorithm ED448 -out key.pem", "Ed448"),
        ("genpkey -algorithm X25519 -out key.pem", "X25519"),
        ("genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out key.pem", "PSS"),
        ("genrsa -out key.pem 1024", "1024 bits"),
        (
            "genrsa -traditional -aes256 -passout pass:secret -out key.pem 2048",
            "openssl pkcs8 -topk8 -in FILE -out NEW",
        ),
        ("genpkey -algorithm ED25519 -aes-256-cbc -pass pass:secret -out key.pem", "is encrypted"),
    ] {
        scratch.openssl(make);
        let message = message(scratch.read("key.pem"));
        assert!(message.contains(said), "{make}: {message}");
        assert!(!message.contains("damaged"), "{make}: {message}");
    }
    scratch.write("plain.pem", key(KeyType::EcdsaP256, 0).to_pem().as_bytes());
    for scheme in ["-v1 PBE-SHA1-3DES", "-v2 des3", "-v2 aes-256-cbc -v2prf hmacWithSHA1"] {
        scratch.openssl(&format!("pkcs8 -topk8 -in plain.pem -passout pass:secret -out key.pem {scheme}"));
        let message = PrivateKey::from_pem(&scratch.read("key.pem"), Some(b"secret")).unwrap_err().to_string();
        assert!(message.contains("openssl pkcs8 -topk8 -in FILE -out NEW"), "{scheme}: {message}");
        // The advice must work.
        scratch.openssl("pkcs8 -topk8 -in key.pem -passin pass:secret -passout pass:secret -out new.pem");
        PrivateKey::from_pem(&scratch.read("new.pem"), Some(b"secret")).unwrap();
    }
}

/// S5: the password is what was given, byte for byte, both ways.
#[test]
#[ignore = "needs openssl"]
fn hostile_passwords_open_the_key_in_openssl() {
    let scratch = Scratch::new();
    let key = key(KeyType::EcdsaP256, 0);
    let long = "x".repeat(1_023) + "y";
    for password in ["a$b$$HOME", "it's \"quoted\"", "  spaces  ", "pässwörd ✓", "back\\slash`id`", "-pass:x", &long]
    {
        scratch.write("key.pem", key.to_encrypted_pem(password.as_bytes()).unwrap().as_bytes());
        scratch.openssl_with(password, "pkey -in key.pem -passin env:PASSWORD -out plain.pem");
        assert_eq!(scratch.read("plain.pem"), key.to_pem().as_bytes(), "{password}");
        scratch.openssl_with(password, "pkcs8 -topk8 -in plain.pem -passout env:PASSWORD -out theirs.pem");
        let theirs = PrivateKey::from_pem(&scratch.read("theirs.pem"), Some(password.as_bytes())).unwrap();
        assert_eq!(theirs.pkcs8_der(), key.pkcs8_der(), "{password}");
    }
    let said = scratch.openssl("asn1parse -in key.pem");
    for wanted in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", ":2710"] {
        assert!(said.contains(wanted), "{wanted} in {said}");
    }
    scratch.openssl_with(&long, "pkcs8 -topk8 -in plain.pem -passout env:PASSWORD -scrypt -out theirs.pem");
    PrivateKey::from_pem(&scratch.read("theirs.pem"), Some(long.as_bytes())).unwrap();
}
