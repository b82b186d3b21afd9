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

/// What a test compares.
fn told(store: &Store) -> Vec<(Option<&str>, &[u8], Vec<&[u8]>)> {
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
