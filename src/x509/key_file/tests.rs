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
        ("genrsa -traditional -aes256 -passout pass:secret -out key.pem 2048", "is encrypted"),
        ("genpkey -algorithm ED25519 -aes-256-cbc -pass pass:secret -out key.pem", "is encrypted"),
    ] {
        scratch.openssl(make);
        let message = message(scratch.read("key.pem"));
        assert!(message.contains(said), "{make}: {message}");
        assert!(!message.contains("damaged"), "{make}: {message}");
    }
}

/// What OpenSSL writes by default, did so for years, or writes when it is asked to.
#[test]
#[ignore = "needs openssl"]
fn every_encryption_of_openssl_is_opened_or_its_conversion_is() {
    let scratch = Scratch::new();
    for key_type in [KeyType::EcdsaP256, KeyType::Ed25519, KeyType::Rsa2048] {
        let key = key(key_type, 0);
        scratch.write("plain.pem", key.to_pem().as_bytes());
        let hashes = ["hmacWithSHA1", "hmacWithSHA224", "hmacWithSHA256", "hmacWithSHA384", "hmacWithSHA512"];
        let ciphers = ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"];
        let mut schemes: Vec<String> =
            ciphers.iter().flat_map(|c| hashes.map(|hash| format!("-v2 {c} -v2prf {hash}"))).collect();
        schemes.extend(["", "-v2 des3", "-v2 aes256", "-iter 100000", "-scrypt"].map(str::to_owned));
        for scheme in schemes {
            scratch.openssl(&format!("pkcs8 -topk8 -in plain.pem -passout pass:secret -out key.pem {scheme}"));
            let opened = PrivateKey::from_pem(&scratch.read("key.pem"), Some(b"secret"));
            assert_eq!(opened.unwrap_or_else(|e| panic!("{scheme}: {e}")).pkcs8_der(), key.pkcs8_der(), "{scheme}");
            let wrong = PrivateKey::from_pem(&scratch.read("key.pem"), Some(b"Secret")).unwrap_err();
            assert_eq!(wrong, X509Error::WrongPassword, "{scheme}");
        }
    }
    scratch.write("plain.pem", key(KeyType::EcdsaP256, 0).to_pem().as_bytes());
    for (scheme, with) in [
        ("-v1 PBE-SHA1-3DES", "PBES1 (SHA-1, 3DES)"),
        ("-v1 PBE-SHA1-2DES", "PBES1 (SHA-1, 3DES with two keys)"),
        ("-v1 PBE-MD5-DES", "PBES1 (MD5, DES)"),
        ("-v1 PBE-SHA1-DES", "PBES1 (SHA-1, DES)"),
        ("-v1 PBE-SHA1-RC2-40", "PBES1 (SHA-1, RC2 of 40 bits)"),
        ("-v1 PBE-SHA1-RC2-128", "PBES1 (SHA-1, RC2)"),
        ("-v1 PBE-SHA1-RC4-128", "PBES1 (SHA-1, RC4)"),
        ("-v2 rc2", "RC2"),
        ("-v2 des", "DES"),
        ("-v2 camellia256", "a cipher or hash that is not known here"),
    ] {
        let legacy = "-provider legacy -provider default";
        scratch.openssl(&format!("pkcs8 -topk8 {legacy} -in plain.pem -passout pass:secret -out key.pem {scheme}"));
        is_converted(&scratch, with);
    }
}

/// The key in key.pem is refused, and the command that the error has for it makes one that is opened.
fn is_converted(scratch: &Scratch, with: &str) {
    let error = PrivateKey::from_pem(&scratch.read("key.pem"), Some(b"secret")).unwrap_err();
    assert!(error.to_string().starts_with(&format!("the private key is encrypted with {with}")), "{error}");
    let command = error.conversion("key.pem").unwrap();
    scratch.openssl(&format!("{} -passin pass:secret -passout pass:secret", command.strip_prefix("openssl ").unwrap()));
    PrivateKey::from_pem(&scratch.read("new_key.pem"), Some(b"secret")).unwrap();
}

#[test]
#[ignore = "needs openssl"]
fn the_traditional_form_is_opened() {
    let scratch = Scratch::new();
    for (make, convert) in [
        ("ecparam -name prime256v1 -genkey -noout -out plain.pem", "ec"),
        ("ecparam -name secp521r1 -genkey -noout -out plain.pem", "ec"),
        ("genrsa -traditional -out plain.pem 2048", "rsa -traditional"),
        ("genrsa -traditional -out plain.pem 3072", "rsa -traditional"),
    ] {
        scratch.openssl(make);
        scratch.openssl("pkcs8 -topk8 -nocrypt -in plain.pem -outform DER -out pkcs8.der");
        for cipher in ["aes128", "aes192", "aes256", "des3"] {
            scratch.openssl(&format!("{convert} -in plain.pem -{cipher} -passout pass:secret -out key.pem"));
            let text = scratch.read("key.pem");
            assert!(String::from_utf8_lossy(&text).contains("Proc-Type: 4,ENCRYPTED"), "{make}");
            let key = PrivateKey::from_pem(&text, Some(b"secret")).unwrap();
            assert_eq!(key.pkcs8_der(), scratch.read("pkcs8.der"), "{make} {cipher}");
            assert_eq!(PrivateKey::from_pem(&text, None).unwrap_err(), X509Error::Encrypted);
            assert_eq!(PrivateKey::from_pem(&text, Some(b"")).unwrap_err(), X509Error::WrongPassword);
        }
        let legacy = "-provider legacy -provider default";
        for (cipher, name) in [("des", "\"DES-CBC\""), ("camellia256", "\"CAMELLIA-256-CBC\"")] {
            scratch.openssl(&format!("{convert} {legacy} -in plain.pem -{cipher} -passout pass:secret -out key.pem"));
            is_converted(&scratch, &format!("{name} in OpenSSL's traditional form"));
        }
    }
}

/// Made by OpenSSL 3.0: `openssl ec -aes128 -passout pass:secret` and so on, of one key.
const TRADITIONAL: [(&str, &str); 4] = [
    (
        "AES-128-CBC,FF09B4AE9EB0A72BF77DBB2A008E4912",
        "bhTMXpDCAsRPjhUPctcMKOd8rYectZ8V+R7nVLz1td58G7Gkrs39+Hkok9/OUPfS\nwokNvUHSVDqUKONYm9Lh/pO+sZNbV4rJV65W7lQHJ8OelWtvWTT5D4c/Yjt/05rU\n1HEiIJq6ptnh7a2ekunriqVk7cGczNvUbEUuisdsn94=",
    ),
    (
        "AES-192-CBC,720DF4736B54E35205C9D83077DBCF2C",
        "r2i6OOBdijY0Y+mpKvDQE6R8rB2oQsAgXfMr3221YQ6TD5fVu1ZdUoLb0zlvdUWD\ng4C5qdLODQ+Bseu58CtpeUIqwb7iI2oR2hHEU2e1E37ulaij7o/Urni6wv9q+ZWa\nNiMIPb6qvztujPm9VstXIbtTchzNtz3fYgkcBC7W6SI=",
    ),
    (
        "AES-256-CBC,5A7E6EC8CC85A94C64C48884771746C2",
        "OJA7ZfCvH16V7dTZ2dSqtAZn4Ed13+LnvKuoa/fyKzQQndpSx0TaEPkW2H8E+JQ0\ni6MO+7TZgQMYP9aoDSVjwIm5J652YrtUn+xldlZtG6M5A6eBDyawQzBtXDxu9/sK\nBpkAizZNpckM/g4C62hCEza7d5EYovM6mjIHhlX9VZI=",
    ),
    (
        "DES-EDE3-CBC,C17C25937054D147",
        "GLePj62eo94spTMCcXk2nEl1Pjo1LikdV1BMDs7rxEQ/7V6D1ylCWZs5uXENqqkW\n1+WCLDpPfIyvZAl4cSUypvVd1KdDlaaDBHY4eWV6ONuwdDP0Z1TWr6x5htOTAvOb\n69IIx45Lp6W1RAfMdqToD4zxx717gTcTTWA5i1Ugez8=",
    ),
];

fn traditional(dek_info: &str, text: &str) -> String {
    const EC: &str = "EC PRIVATE KEY-----";
    format!("-----BEGIN {EC}\nProc-Type: 4,ENCRYPTED\nDEK-Info: {dek_info}\n\n{text}\n-----END {EC}\n")
}

#[test]
fn the_four_ciphers_of_the_traditional_form_give_one_key() {
    const PUBLIC: &str = "fd1a14127133f39226d30737cc6ee6b4edfa83bb6096a71326e6dacf2e199d4a";
    for (dek_info, text) in TRADITIONAL {
        let pem = traditional(dek_info, text);
        for pem in [
            pem.clone(),
            format!("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem}"),
        ] {
            let key = PrivateKey::from_pem(pem.as_bytes(), Some(b"secret")).unwrap();
            assert_eq!(key.public_key().sha256_hex(), PUBLIC, "{dek_info}");
        }
        assert_eq!(PrivateKey::from_pem(pem.as_bytes(), None).unwrap_err(), X509Error::Encrypted);
        for number in 0..600 {
            let wrong = PrivateKey::from_pem(pem.as_bytes(), Some(format!("{number}").as_bytes())).unwrap_err();
            assert!(matches!(wrong, X509Error::WrongPassword | X509Error::Malformed(_)), "{number}: {wrong}");
        }
    }
}

#[test]
fn a_damaged_header_of_the_traditional_form_is_told() {
    let (_, text) = TRADITIONAL[0];
    for (dek_info, said) in [
        ("", "\"\" in OpenSSL's traditional form"),
        ("AES-128-CBC", "DEK-Info of the encrypted private key is damaged"),
        ("AES-128-CBC,00", "is damaged"),
        ("AES-128-CBC,FF09B4AE9EB0A72BF77DBB2A008E491Z", "is damaged"),
        ("AES-128-CBC,FF09B4AE9EB0A72BF77DBB2A008E49é", "is damaged"),
        ("DES-EDE3-CBC,FF09B4AE9EB0A72BF77DBB2A008E4912", "is damaged"),
        ("RC2-40-CBC,00", "-provider legacy"),
        ("\u{1b}[31m,00", "\\u{1b}[31m"),
    ] {
        let message = message(traditional(dek_info, text));
        assert!(message.contains(said), "{dek_info}: {message}");
        assert!(!message.chars().any(char::is_control), "{message}");
    }
    let without = traditional("", text).replace("DEK-Info: \n", "");
    assert!(message(without).contains("no header DEK-Info"));
    // Not a whole number of blocks.
    let short = traditional(TRADITIONAL[0].0, "bhTMXpDCAsRPjhUP");
    assert_eq!(PrivateKey::from_pem(short.as_bytes(), Some(b"secret")).unwrap_err(), X509Error::WrongPassword);
}

#[test]
fn a_path_in_a_command_is_typed_as_the_shell_wants_it() {
    let error = X509Error::OldEncryption { with: "RC2".into(), legacy: true };
    assert_eq!(
        error.conversion("my key's.pem").unwrap(),
        format!(
            "openssl pkcs8 -topk8 -provider legacy -provider default -in {} -out new_key.pem",
            crate::ui::shell("my key's.pem")
        )
    );
    assert_eq!(X509Error::Encrypted.conversion("key.pem"), None);
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
