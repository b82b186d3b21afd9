//! The whole catalogue of fixtures against what its keys and signatures cost alone, with the same arithmetic.

use std::collections::BTreeSet;
use std::hint::black_box;

use certgen::fixtures::{Request, make};
use certgen::x509::{Certificate, PublicKeyAlgorithm};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use time::macros::datetime;

use crate::{lowest, median, timed};

/// In turn: the catalogue, as many keys and signatures as it has, and its dearest cases alone.
pub(crate) fn against_raw(rounds: usize) {
    let all = Request { seed: Some("benchmark".to_owned()), ..Request::new(datetime!(2026-11-28 12:00:00 UTC)) };
    let (keys, signatures) = counts(&all);
    let only = |names: &[&str]| Request { only: names.iter().map(|name| (*name).to_owned()).collect(), ..all.clone() };
    let encrypted = only(&["encrypted-key-right-password", "encrypted-key-wrong-password"]);
    let key_stores = only(&["pkcs12-modern", "pkcs12-legacy"]);
    let one = SigningKey::from_slice(&[7; 32]).unwrap();
    type Arm<'a> = (String, &'a dyn Fn());
    let raw = || {
        for number in 0..keys {
            let key = SigningKey::from_slice(&[number as u8 + 1; 32]).unwrap();
            black_box(key.verifying_key().to_encoded_point(false));
        }
        for number in 0..signatures {
            let signature: Signature = one.sign(&[number as u8; 500]);
            black_box(signature);
        }
    };
    let arms: [Arm<'_>; 4] = [
        ("the whole catalogue".to_owned(), &|| drop(black_box(make(&all).unwrap()))),
        (format!("raw: {keys} keys, {signatures} signatures"), &raw),
        ("two encrypted keys".to_owned(), &|| drop(black_box(make(&encrypted).unwrap()))),
        ("two key stores".to_owned(), &|| drop(black_box(make(&key_stores).unwrap()))),
    ];
    let mut times = vec![Vec::new(); arms.len()];
    for _ in 0..rounds {
        for ((_, arm), times) in arms.iter().zip(&mut times) {
            times.push(timed(1, |_| arm()) / 1000.0);
        }
    }
    println!("{:<40}{:>10}{:>10}{:>10}", "milliseconds, fixtures, 1 thread", "median", "lowest", "of raw");
    let raw = median(&times[1]);
    for ((what, _), times) in arms.iter().zip(&times) {
        println!("{what:<40}{:>10.1}{:>10.1}{:>10.2}", median(times), lowest(times), median(times) / raw);
    }
}

/// Keys that were derived, and signatures on certificates and lists.
fn counts(request: &Request) -> (usize, usize) {
    let catalogue = make(request).unwrap();
    let (mut keys, mut signed) = (BTreeSet::new(), BTreeSet::new());
    for case in &catalogue.cases {
        for der in case.chain.iter().chain(&case.anchors) {
            let certificate = Certificate::from_der(der).unwrap();
            if *certificate.public_key().algorithm() == PublicKeyAlgorithm::Ecdsa("P-256") {
                keys.insert(certificate.public_key().sha256_hex());
            }
            signed.insert(der);
        }
        signed.extend(&case.crls);
    }
    (keys.len(), signed.len())
}
