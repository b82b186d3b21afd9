//! Issuance in memory against the crypto library alone, as ratios of one run.
//!
//! `ours` makes what a bulk run makes for each device: a key, a prepared request, a linted and signed certificate, and
//! both as PEM. `raw` is what no program can do without: a key as PKCS#8, and one signature over as many bytes. Rounds of
//! the two take turns, so that whatever else the machine does slows both.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use certgen::issuer::{Issuer, LocalIssuer, PreparedRequest, Publication};
use certgen::lint::{self, Purpose};
use certgen::x509::{
    BasicConstraints, Certificate, DistinguishedName, ExtendedKeyUsage, GeneralName, KeyType, KeyUsage, Label,
    Particulars, PrivateKey, SerialNumber, Signer, Validity, write_pem,
};
use time::macros::datetime;

fn main() {
    // `cargo test --benches` asks whether it runs, not how fast.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(31);
    let rounds = if quick { 1 } else { rounds };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{:<34}{:>14}{:>14}{:>8}{:>8}{:>8}", "certificates a second", "ours", "raw", "ratio", "lowest", "best");
    let counts = if cores > 1 { vec![1, cores] } else { vec![1] };
    for (key_type, batch) in [(KeyType::EcdsaP256, 1_000), (KeyType::Ed25519, 1_000), (KeyType::Rsa2048, 4)] {
        let batch = if quick { 2 } else { batch };
        for &threads in &counts {
            compare(key_type, threads, batch, rounds);
        }
    }
    println!();
    where_it_goes(if quick { 2 } else { 2_000 }, rounds);
}

/// Medians of both; the ratio is the median of the rounds' ratios, and beside it the lowest and the best round.
fn compare(key_type: KeyType, threads: usize, batch: u32, rounds: usize) {
    let bench = Bench::new(key_type);
    let raw = Raw::new(key_type, bench.one().certificate.tbs().len());
    let mut times = Vec::new();
    for _ in 0..rounds {
        let ours = on_all(threads, batch, |number| bench.issue(number));
        let theirs = on_all(threads, batch, |_| raw.one());
        times.push((ours, theirs));
    }
    let rate = |time: Duration| f64::from(batch) * threads as f64 / time.as_secs_f64();
    let ours = median(times.iter().map(|(ours, _)| rate(*ours)));
    let theirs = median(times.iter().map(|(_, theirs)| rate(*theirs)));
    let mut ratios: Vec<f64> = times.iter().map(|(ours, theirs)| theirs.as_secs_f64() / ours.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    let what = format!("{key_type}, {threads} {}", if threads == 1 { "thread" } else { "threads" });
    let (lowest, middle, best) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("{what:<34}{ours:>14.0}{theirs:>14.0}{middle:>8.3}{lowest:>8.3}{best:>8.3}");
}

/// How long `work` takes `batch` times on each of the threads.
fn on_all<T>(threads: usize, batch: u32, work: impl Fn(u32) -> T + Sync) -> Duration {
    let start = Instant::now();
    let run = || (0..batch).for_each(|number| drop(black_box(work(number))));
    if threads == 1 {
        run();
    } else {
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
    }
    start.elapsed()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A root and what a bulk run does with it.
struct Bench {
    key_type: KeyType,
    root: Certificate,
    root_key: PrivateKey,
    issuer: LocalIssuer,
}

impl Bench {
    fn new(key_type: KeyType) -> Self {
        let root_key = PrivateKey::generate(key_type).unwrap();
        let request = PreparedRequest {
            purpose: Purpose::RootAuthority,
            subject: DistinguishedName::common_name_only("Benchmark root").unwrap(),
            key_usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
            extended_key_usage: Vec::new(),
            basic_constraints: BasicConstraints { ca: true, path_length: None },
            ..client(0, &root_key)
        };
        let root = LocalIssuer::self_signed(&request, &root_key).unwrap();
        let key = PrivateKey::from_pkcs8_der(root_key.pkcs8_der()).unwrap();
        let issuer = LocalIssuer::new("root", root.clone(), key, Vec::new(), Publication::default()).unwrap();
        Self { key_type, root, root_key, issuer }
    }

    fn issue(&self, number: u32) -> (impl Drop + use<>, String) {
        let key = PrivateKey::generate(self.key_type).unwrap();
        let issued = self.issuer.issue(&client(number, &key)).unwrap();
        (key.to_pem(), issued.certificate.pem())
    }

    fn one(&self) -> certgen::issuer::Issued {
        self.issuer.issue(&client(0, &PrivateKey::generate(self.key_type).unwrap())).unwrap()
    }
}

fn client(number: u32, key: &PrivateKey) -> PreparedRequest {
    let name = format!("device-{number:07}");
    PreparedRequest {
        purpose: Purpose::Client,
        subject: DistinguishedName::common_name_only(&name).unwrap(),
        subject_alt_names: vec![GeneralName::parse(&name).unwrap()],
        validity: Validity::new(datetime!(2026-01-01 00:00:00 UTC), datetime!(2036-01-01 00:00:00 UTC)).unwrap(),
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ClientAuth],
        basic_constraints: BasicConstraints::default(),
        name_constraints: None,
        public_key: key.public_key().clone(),
        csr: None,
    }
}

/// The crypto library alone.
struct Raw {
    pair: Pair,
    message: Vec<u8>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Pair {
    fn generate(key_type: KeyType) -> Self {
        match key_type {
            KeyType::EcdsaP256 => Self::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            KeyType::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
            _ => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        }
    }
}

impl Raw {
    fn new(key_type: KeyType, length: usize) -> Self {
        Self { pair: Pair::generate(key_type), message: vec![0x5a; length] }
    }

    fn one(&self) {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
                black_box(made.to_pkcs8v1().unwrap());
                black_box(pair.sign(&SystemRandom::new(), &self.message).unwrap());
            }
            Pair::Ed25519(pair) => {
                black_box(Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap());
                black_box(pair.sign(&self.message));
            }
            Pair::Rsa(pair) => {
                let made = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let document: Pkcs8V1Der<'_> = made.as_der().unwrap();
                black_box(document);
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &self.message, &mut signature).unwrap();
            }
        }
    }
}

/// The steps of an ECDSA P-256 certificate, one thread, medians of the rounds.
fn where_it_goes(batch: u32, rounds: usize) {
    let bench = Bench::new(KeyType::EcdsaP256);
    let raw = Raw::new(bench.key_type, bench.one().certificate.tbs().len());
    let Pair::Ecdsa(pair) = &raw.pair else { return };
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
    let template = certgen::x509::CertificateTemplate {
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
    let tbs = shape.to_be_signed(&one).unwrap();
    let certificate = tbs.sign(&bench.root_key).unwrap();
    let context =
        lint::Context { certificate: tbs.unsigned(), issuer: Some(&bench.root), above: &[], role: Purpose::Client };
    let random = SystemRandom::new();
    let generate = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let made = generate();
    type Step<'a> = (&'a str, &'a dyn Fn());
    let steps: &[Step<'_>] = &[
        ("raw: key pair", &|| drop(black_box(generate()))),
        ("raw: PKCS#8", &|| drop(black_box(made.to_pkcs8v1().unwrap()))),
        ("raw: signature", &|| assert!(black_box(pair.sign(&random, &raw.message)).is_ok())),
        ("ours: key pair and PKCS#8", &|| drop(black_box(PrivateKey::generate(bench.key_type).unwrap()))),
        ("ours: the request", &|| drop(black_box(client(0, &key)))),
        ("ours: serial number", &|| drop(black_box(SerialNumber::random().unwrap()))),
        ("ours: DER, and reading it for lint", &|| drop(black_box(shape.to_be_signed(&one).unwrap()))),
        ("  of which reading", &|| drop(black_box(Certificate::from_der(tbs.unsigned().der()).unwrap()))),
        ("ours: lint", &|| assert!(lint::check(black_box(&context)).is_empty())),
        ("ours: signature", &|| drop(black_box(tbs.sign(&bench.root_key).unwrap()))),
        ("ours: PEM of the key", &|| drop(black_box(key.to_pem()))),
        ("ours: PEM of the certificate", &|| drop(black_box(write_pem(&Label::Certificate, certificate.der())))),
        ("once for a shape: encoding by rcgen", &|| drop(black_box(template.shape(&signer).unwrap()))),
        ("once for a shape: throwaway signature", &|| drop(black_box(tbs.sign_with_throwaway().unwrap()))),
    ];
    println!("{:<40}{:>10}{:>10}", "microseconds, ecdsa-p256, 1 thread", "median", "lowest");
    let mut times = vec![Vec::new(); steps.len()];
    for _ in 0..rounds {
        for ((_, step), times) in steps.iter().zip(&mut times) {
            let start = Instant::now();
            (0..batch).for_each(|_| step());
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(batch));
        }
    }
    for ((name, _), times) in steps.iter().zip(&times) {
        let lowest = times.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{name:<40}{:>10.2}{lowest:>10.2}", median(times.iter().copied()));
    }
}
