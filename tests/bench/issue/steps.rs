//! Where the time of one certificate goes, step by step.

use std::hint::black_box;

use certgen::lint::{self, Purpose};
use certgen::x509::{
    Certificate, CertificateTemplate, KeyType, Label, Particulars, PrivateKey, SerialNumber, Signer, write_pem,
};

use crate::raw::{Pair, Raw};
use crate::{Bench, client, lowest, median, timed};

/// The steps of an ECDSA P-256 certificate, one thread, medians of the rounds.
pub(crate) fn where_it_goes(batch: u32, rounds: usize) {
    let bench = Bench::new(KeyType::EcdsaP256);
    let raw = Raw::new(bench.key_type, bench.one().certificate.tbs().len());
    let key = PrivateKey::generate(bench.key_type).unwrap();
    let request = client(0, &key);
    let signer = Signer::authority(&bench.root_key, &bench.root).unwrap();
    let serial = SerialNumber::random().unwrap();
    let one = Particulars {
        serial: &serial,
        subject: &request.subject,
        subject_alt_names: &request.subject_alt_names,
        public_key: &request.public_key,
    };
    let template = CertificateTemplate {
        subject: request.subject.clone(),
        subject_alt_names: request.subject_alt_names.clone(),
        validity: request.validity,
        serial: serial.clone(),
        key_usage: request.key_usage,
        extended_key_usage: request.extended_key_usage.clone(),
        basic_constraints: request.basic_constraints,
        name_constraints: None,
        crl_distribution_points: Vec::new(),
        authority_info_access: Default::default(),
        policies: Vec::new(),
        public_key: request.public_key.clone(),
    };
    let shape = template.shape(&signer).unwrap();
    let first = shape.to_be_signed(&one, None).unwrap();
    let first = Some(first.unsigned());
    let tbs = shape.to_be_signed(&one, first).unwrap();
    let certificate = tbs.sign(&bench.root_key).unwrap();
    let context =
        lint::Context { certificate: tbs.unsigned(), issuer: Some(&bench.root), above: &[], role: Purpose::Client };
    let made = Pair::generate(bench.key_type);
    type Step<'a> = (&'a str, &'a dyn Fn());
    let steps: &[Step<'_>] = &[
        ("raw: key pair", &|| drop(black_box(Pair::generate(bench.key_type)))),
        ("raw: PKCS#8", &|| made.encode()),
        ("raw: signature", &|| raw.pair.sign(&raw.message)),
        ("ours: key pair and PKCS#8", &|| drop(black_box(PrivateKey::generate(bench.key_type).unwrap()))),
        ("ours: the request", &|| drop(black_box(client(0, &key)))),
        ("ours: serial number", &|| drop(black_box(SerialNumber::random().unwrap()))),
        ("ours: DER, and reading it for lint", &|| drop(black_box(shape.to_be_signed(&one, first).unwrap()))),
        ("ours: lint", &|| assert!(lint::check_beside(first, black_box(&context)).is_empty())),
        ("ours: signature", &|| drop(black_box(tbs.sign(&bench.root_key).unwrap()))),
        ("ours: PEM of the key", &|| drop(black_box(key.to_pem()))),
        ("ours: PEM of the certificate", &|| drop(black_box(write_pem(&Label::Certificate, certificate.der())))),
        ("once for a shape: encoding by rcgen", &|| drop(black_box(template.shape(&signer).unwrap()))),
        ("once for a shape: reading", &|| drop(black_box(Certificate::from_der(certificate.der()).unwrap()))),
        ("once for a shape: lint, all rules", &|| assert!(lint::check(black_box(&context)).is_empty())),
        ("once for a shape: throwaway signature", &|| drop(black_box(tbs.sign_with_throwaway().unwrap()))),
    ];
    println!("{:<40}{:>10}{:>10}", "microseconds, ecdsa-p256, 1 thread", "median", "lowest");
    let mut times = vec![Vec::new(); steps.len()];
    for _ in 0..rounds {
        for ((_, step), times) in steps.iter().zip(&mut times) {
            times.push(timed(batch, |_| step()));
        }
    }
    for ((name, _), times) in steps.iter().zip(&times) {
        println!("{name:<40}{:>10.2}{:>10.2}", median(times), lowest(times));
    }
}
