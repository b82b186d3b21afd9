use time::macros::datetime;

use super::*;
use crate::x509::sample::{authority, end_entity};
use crate::x509::test_support::{Scratch, key};
use crate::x509::{ExtendedKeyUsage, KeyType, PrivateKey, Signer};

const MODERN: Pkcs12Form = Pkcs12Form::Modern { iterations: 2048 };
const LEGACY: Pkcs12Form = Pkcs12Form::Legacy { iterations: 2048 };
const CREATED: time::OffsetDateTime = datetime!(2026-11-28 12:00:00.5 UTC);

/// Salts that are the same each time.
fn counting() -> impl FnMut(&mut [u8]) -> Result<(), X509Error> {
    let mut next = 0u8;
    move |octets: &mut [u8]| {
        octets.iter_mut().for_each(|octet| {
            next = next.wrapping_add(1);
            *octet = next;
        });
        Ok(())
    }
}

/// Root, intermediate and leaf.
fn chain(key_type: KeyType) -> (Vec<Certificate>, &'static PrivateKey) {
    let (root_key, intermediate_key) = (key(KeyType::EcdsaP256, 0), key(KeyType::EcdsaP256, 1));
    let leaf_key: &PrivateKey = key(key_type, 2);
    let root = authority("root", root_key, None);
    let root = root.to_be_signed(&Signer::self_signed(root_key)).unwrap().sign(root_key).unwrap();
    let intermediate = authority("intermediate", intermediate_key, Some(0));
    let signer = Signer::authority(root_key, &root).unwrap();
    let intermediate = intermediate.to_be_signed(&signer).unwrap().sign(root_key).unwrap();
    let leaf = end_entity("worker", &["localhost"], &[ExtendedKeyUsage::ServerAuth], leaf_key);
    let signer = Signer::authority(intermediate_key, &intermediate).unwrap();
    let leaf = leaf.to_be_signed(&signer).unwrap().sign(intermediate_key).unwrap();
    (vec![leaf, intermediate, root], leaf_key)
}

fn pair(alias: Option<&str>) -> Store {
    let (chain, key) = chain(KeyType::EcdsaP256);
    let key = Zeroizing::new(key.pkcs8_der().to_vec());
    Store { entries: vec![Entry::Pair { alias: alias.map(str::to_owned), key, chain }] }
}

fn trusted(alias: Option<&str>) -> Entry {
    Entry::Trusted { alias: alias.map(str::to_owned), certificate: chain(KeyType::EcdsaP256).0[2].clone() }
}

/// What a test compares: the alias, the key, the certificates.
type Told<'a> = (Option<&'a str>, &'a [u8], Vec<&'a [u8]>);

fn told(store: &Store) -> Vec<Told<'_>> {
    let entries = store.entries.iter().map(|entry| match entry {
        Entry::Pair { alias, key, chain } => (alias.as_deref(), &key[..], chain.iter().map(Certificate::der).collect()),
        Entry::Trusted { alias, certificate } => (alias.as_deref(), &[][..], vec![certificate.der()]),
    });
    entries.collect()
}

#[test]
fn what_is_written_is_read() {
    for password in ["", "changeit", "p w$x'\"", "geheim-äöü-€", "𝄞𝄞"] {
        for (alias, other) in [(None, None), (Some("worker"), Some("root ä")), (Some(""), None)] {
            let mut store = pair(alias);
            store.entries.push(trusted(other));
            for form in [MODERN, LEGACY] {
                let bytes = write_pkcs12(&store, password, form, &mut counting()).unwrap();
                assert_eq!(told(&read(&bytes, password).unwrap()), told(&store), "{password} {form:?}");
                assert_eq!(Kind::recognise(&bytes), Some(Kind::Pkcs12));
            }
        }
        let mut store = pair(Some("worker"));
        store.entries.push(trusted(Some("root ä")));
        let bytes = write_jks(&store, password, CREATED, &mut counting()).unwrap();
        assert_eq!(told(&read(&bytes, password).unwrap()), told(&store), "{password}");
        assert_eq!(Kind::recognise(&bytes), Some(Kind::Jks));
    }
}

#[test]
fn openssl_reads_every_form() {
    let scratch = Scratch::new();
    for (form, flag) in [(MODERN, ""), (LEGACY, "-legacy")] {
        let bytes = write_pkcs12(&pair(Some("worker")), "geheim", form, &mut counting()).unwrap();
        scratch.write("a.p12", &bytes);
        let said = scratch.openssl(&format!("pkcs12 -in a.p12 -info -nodes -passin pass:geheim {flag}"));
        for part in ["friendlyName: worker", "MAC", "CN = worker", "CN = intermediate", "BEGIN PRIVATE KEY"] {
            assert!(said.contains(part), "{part}\n{said}");
        }
    }
}

#[test]
fn the_same_salts_give_the_same_bytes_and_others_do_not() {
    let store = pair(Some("worker"));
    for form in [MODERN, LEGACY] {
        let write = |salts: &mut Salts<'_>| write_pkcs12(&store, "secret", form, salts).unwrap();
        assert_eq!(write(&mut counting()), write(&mut counting()));
        assert_ne!(write(&mut counting()), write(&mut crate::x509::fill_random));
    }
    let write = |salts: &mut Salts<'_>| write_jks(&store, "secret", CREATED, salts).unwrap();
    assert_eq!(write(&mut counting()), write(&mut counting()));
    assert_ne!(write(&mut counting()), write(&mut crate::x509::fill_random));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let write = |store: &Store, iterations| {
        write_pkcs12(store, "", Pkcs12Form::Modern { iterations }, &mut counting()).map(drop)
    };
    let mut store = pair(Some("Worker"));
    assert!(matches!(write(&store, 0), Err(KeystoreError::Invalid(_))));
    assert!(matches!(write(&store, 5_000_001), Err(KeystoreError::Invalid(_))));
    store.entries.push(trusted(Some("worker")));
    let same = KeystoreError::SameAlias("worker".to_owned());
    assert_eq!(write(&store, 1), Err(same.clone()));
    assert_eq!(write_jks(&store, "", CREATED, &mut counting()).map(drop), Err(same));
    let key = Zeroizing::new(key(KeyType::EcdsaP256, 2).pkcs8_der().to_vec());
    let bare = Store { entries: vec![Entry::Pair { alias: None, key, chain: Vec::new() }] };
    assert!(matches!(write_jks(&bare, "", CREATED, &mut counting()), Err(KeystoreError::Invalid(_))));
    let bytes = write_pkcs12(&bare, "", MODERN, &mut counting()).unwrap();
    assert_eq!(told(&read(&bytes, "").unwrap()), told(&bare));
    let no_salt = |_: &mut [u8]| Err(X509Error::Crypto("none".to_owned()));
    assert!(matches!(write_pkcs12(&bare, "", MODERN, &mut { no_salt }), Err(KeystoreError::Salt(_))));
}

/// Which password it was, and what a wrong one is told apart from.
#[test]
fn a_wrong_password_is_told_apart_from_a_change() {
    let mut store = pair(Some("worker"));
    store.entries.push(trusted(Some("root")));
    let written = [
        write_pkcs12(&store, "secret", MODERN, &mut counting()).unwrap(),
        write_pkcs12(&store, "secret", LEGACY, &mut counting()).unwrap(),
        write_jks(&store, "secret", CREATED, &mut counting()).unwrap(),
    ];
    for bytes in &written {
        for wrong in ["", "Secret", "secret ", "changeit"] {
            assert_eq!(read(bytes, wrong).map(drop), Err(KeystoreError::WrongPassword), "{wrong:?}");
        }
        assert_eq!(open(bytes, &["other", "secret"]).unwrap().1, None);
        assert_eq!(open(bytes, &[]).map(drop), Err(KeystoreError::WrongPassword));
        let mut changed = bytes.to_vec();
        // PKCS#12 ends with the salt and the iterations of its checksum, JKS with the checksum.
        let at = changed.len() - 6;
        changed[at] ^= 1;
        assert_eq!(read(&changed, "secret").map(drop), Err(KeystoreError::Changed));
        assert_eq!(read(&changed, "other").map(drop), Err(KeystoreError::WrongPassword));
    }
    let anchors = Store { entries: vec![trusted(Some("root"))] };
    let bytes = write_jks(&anchors, "secret", CREATED, &mut counting()).unwrap();
    assert_eq!(read(&bytes, "other").map(drop), Err(KeystoreError::WrongPassword));
    assert!(certificates(&bytes, &[]).unwrap()[0].certificate.is_ok());
}

/// `keytool -keypasswd` gives a key of a JKS a password of its own.
#[test]
fn a_key_with_a_password_of_its_own_is_named() {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let bytes = write_jks(&pair(Some("worker")), "of the key", CREATED, &mut counting()).unwrap();
    let content = &bytes[..bytes.len() - 20];
    let whole = [&utf16("of the store")[..], b"Mighty Aphrodite", content].concat();
    let bytes = [content, digest(&SHA1_FOR_LEGACY_USE_ONLY, &whole).as_ref()].concat();
    let wanted = KeystoreError::WrongKeyPassword("worker".to_owned());
    assert_eq!(open(&bytes, &["of the store", "changeit"]).map(drop), Err(wanted));
}

#[test]
fn a_key_finds_its_certificates_among_strangers() {
    let (chain, own) = chain(KeyType::EcdsaP256);
    let stranger = chain_of_another();
    let entry = |alias: &str, certificate: &Certificate| Entry::Trusted {
        alias: Some(alias.to_owned()),
        certificate: certificate.clone(),
    };
    // Anchors carry a mark; without it they are parts of the chain, in any order.
    let mut entries = vec![Entry::Pair {
        alias: Some("worker".to_owned()),
        key: Zeroizing::new(own.pkcs8_der().to_vec()),
        chain: vec![chain[0].clone(), chain[2].clone(), stranger.clone(), chain[1].clone()],
    }];
    entries.push(entry("stranger", &stranger));
    let bytes = write_pkcs12(&Store { entries }, "", MODERN, &mut counting()).unwrap();
    let found = read(&bytes, "").unwrap();
    let ders: Vec<&[u8]> = chain.iter().map(Certificate::der).collect();
    assert_eq!(told(&found)[0], (Some("worker"), own.pkcs8_der(), ders));
    assert_eq!(
        told(&found)[1..],
        [(None, &[][..], vec![stranger.der()]), (Some("stranger"), &[], vec![stranger.der()])]
    );
}

fn chain_of_another() -> Certificate {
    let key: &PrivateKey = key(KeyType::EcdsaP256, 3);
    let root = authority("another", key, None);
    root.to_be_signed(&Signer::self_signed(key)).unwrap().sign(key).unwrap()
}

#[test]
fn every_prefix_and_every_flipped_bit_is_survived() {
    let mut store = pair(Some("worker"));
    store.entries.push(trusted(Some("root")));
    let (modern, legacy) = (Pkcs12Form::Modern { iterations: 1 }, Pkcs12Form::Legacy { iterations: 1 });
    for bytes in [
        write_pkcs12(&store, "secret", modern, &mut counting()).unwrap(),
        write_pkcs12(&store, "secret", legacy, &mut counting()).unwrap(),
        write_jks(&store, "secret", CREATED, &mut counting()).unwrap(),
    ] {
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end], "secret").is_err(), "{end}");
            let _ = certificates(&bytes[..end], &["secret"]);
        }
        for position in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[position] ^= 1 << (position % 8);
            // Nothing but the original is ever taken for it.
            if let Ok(read) = read(&changed, "secret") {
                assert_eq!(told(&read), told(&store), "{position}");
            }
            let _ = certificates(&changed, &["secret"]);
        }
    }
}

/// Windows and browsers write lengths that are not known in front, and strings in pieces.
#[test]
fn ber_is_read() {
    fn loosened(der: &[u8], out: &mut Vec<u8>) {
        let mut rest = crate::x509::der::Reader::new(der);
        while let Ok(element) = rest.next() {
            match element.tag {
                0x04 if element.content.len() > 100 => {
                    out.extend_from_slice(&[0x24, 0x80]);
                    for piece in element.content.chunks(100) {
                        crate::x509::der::write(out, 0x04, piece);
                    }
                    out.extend_from_slice(&[0, 0]);
                }
                tag if tag & 0x20 != 0 => {
                    out.extend_from_slice(&[tag, 0x80]);
                    loosened(element.content, out);
                    out.extend_from_slice(&[0, 0]);
                }
                _ => out.extend_from_slice(element.whole),
            }
        }
    }
    let store = pair(Some("worker"));
    let der = write_pkcs12(&store, "secret", MODERN, &mut counting()).unwrap();
    let mut ber = Vec::new();
    loosened(&der, &mut ber);
    assert_eq!(Kind::recognise(&ber), Some(Kind::Pkcs12));
    assert_eq!(told(&read(&ber, "secret").unwrap()), told(&store));
    for end in 0..ber.len() {
        assert!(read(&ber[..end], "secret").is_err(), "{end}");
    }
}

#[test]
fn work_and_sizes_are_bounded() {
    let form = Pkcs12Form::Modern { iterations: 70_000 };
    let bytes = write_pkcs12(&pair(None), "secret", form, &mut counting()).unwrap();
    let count = [0x02, 0x03, 0x01, 0x11, 0x70];
    for (at, _) in bytes.windows(5).enumerate().filter(|(_, window)| *window == count) {
        let mut changed = bytes.to_vec();
        changed[at + 2..at + 5].copy_from_slice(&[0x7f, 0xff, 0xff]);
        let refused = read(&changed, "secret").map(drop);
        // Those of the checksum stand at the end; the others are covered by it.
        match at + 5 == bytes.len() {
            true => assert_eq!(refused, Err(KeystoreError::TooMuchWork(0x7f_ffff))),
            false => assert_eq!(refused, Err(KeystoreError::WrongPassword)),
        }
    }
    let mut work = Work::up_to(MOST_WORK);
    assert!((0..4).all(|_| work.count(MOST_ITERATIONS).is_ok()));
    assert_eq!(work.count(1), Err(KeystoreError::TooMuchWorkInAll));
    assert_eq!(Work::up_to(MOST_WORK).count(MOST_ITERATIONS + 1), Err(KeystoreError::TooMuchWork(MOST_ITERATIONS + 1)));
    assert_eq!(read(&vec![0x30; LARGEST + 1], "").map(drop), Err(KeystoreError::TooLarge));
    assert_eq!(read(b"-----BEGIN CERTIFICATE-----", "").map(drop), Err(KeystoreError::NotAKeystore));
    let jks = [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(read(&jks, "").map(drop), Err(KeystoreError::TooManyEntries));
}

/// What everybody tries is tried after what was given, unless it takes too long.
#[test]
fn a_known_password_is_found() {
    for (password, iterations, found) in
        [("", 1, Some("")), ("changeit", 600_000, Some("changeit")), ("changeme", 1, Some("changeme"))]
    {
        let bytes = write_pkcs12(&pair(None), password, Pkcs12Form::Modern { iterations }, &mut counting()).unwrap();
        assert_eq!(open(&bytes, &["other"]).unwrap().1, found);
        assert_eq!(certificates(&bytes, &[]).unwrap().len(), 3);
        assert_eq!(read(&bytes, "other").map(drop), Err(KeystoreError::WrongPassword));
    }
    let costly = KeystoreError::TooMuchWorkInAll;
    let mut tried = 0;
    let open = |_: &str, work: &mut Work| {
        tried += 1;
        work.count(5_000_000)?;
        Err::<(), _>(KeystoreError::WrongPassword)
    };
    assert_eq!(given_or_known(&["given"], open), Err(KeystoreError::WrongPassword));
    assert_eq!(tried, 3, "one that was given, one guess, and one that would be too much");
    let open = |_: &str, work: &mut Work| work.count(5_000_000).and(Err::<(), _>(KeystoreError::WrongPassword));
    assert_eq!(given_or_known(&["given"; 5], open), Err(costly));
}

#[test]
fn a_debug_text_shows_no_key() {
    let store = pair(Some("worker"));
    assert_eq!(
        format!("{store:?}"),
        "Store { entries: [Pair { alias: Some(\"worker\"), subjects: [\"CN=worker\", \"CN=intermediate\", \"CN=root\"], .. }] }"
    );
}
