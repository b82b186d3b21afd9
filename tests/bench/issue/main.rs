//! Issuance in memory against the crypto library alone, as ratios of one run.
//!
//! `ours` makes what a bulk run makes for each device: a key, a prepared request, a linted and signed certificate, and
//! both as PEM. `raw` is what no program can do without: a key pair, and one signature over as many bytes; a key that is
//! to be kept must be encoded as well, and `PKCS#8` is the ratio to `raw` with the crypto library's encoding. Rounds take
//! turns and are shorter than the scheduler's slices, so that whatever else the machine does slows all, or a few rounds
//! only. The ratios are those of the medians; `fastest` divides the fastest round of each: a quiet machine.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

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
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(800);
    let rounds = if quick { 1 } else { rounds };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{:<34}{:>10}{:>10}{:>8}{:>9}{:>8}", "certificates a second", "ours", "raw", "ratio", "fastest", "PKCS#8");
    let counts = if cores > 1 { vec![1, cores] } else { vec![1] };
    for (key_type, batch, rounds) in
        [(KeyType::EcdsaP256, 25, rounds), (KeyType::Ed25519, 25, rounds), (KeyType::Rsa2048, 1, rounds / 10)]
    {
        for &threads in &counts {
            compare(key_type, threads, batch, rounds.max(1));
        }
    }
    println!();
    where_it_goes(if quick { 1 } else { 25 }, rounds);
    println!();
    start_up();
}

fn compare(key_type: KeyType, threads: usize, batch: u32, rounds: usize) {
    let bench = Bench::new(key_type);
    let raw = Raw::new(key_type, bench.one().certificate.tbs().len());
    let together = Barrier::new(threads);
    let run = || {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            together.wait();
            let ours = timed(batch, |number| bench.issue(number));
            together.wait();
            let bare = timed(batch, |_| raw.one(Keep::Nothing));
            together.wait();
            times.push([ours, bare, timed(batch, |_| raw.one(Keep::Pkcs8))]);
        }
        times
    };
    let times: Vec<[f64; 3]> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let [(ours, ours_fastest), (raw, raw_fastest), (encoded, _)] = [0, 1, 2].map(|side| {
        let times: Vec<f64> = times.iter().map(|times| times[side]).collect();
        (median(&times), lowest(&times))
    });
    let what = format!("{key_type}, {threads} {}", if threads == 1 { "thread" } else { "threads" });
    let rate = |time: f64| 1e6 * threads as f64 / time;
    let (ratio, fastest, pkcs8) = (raw / ours, raw_fastest / ours_fastest, encoded / ours);
    println!("{what:<34}{:>10.0}{:>10.0}{ratio:>8.3}{fastest:>9.3}{pkcs8:>8.3}", rate(ours), rate(raw));
}

/// What every start of the program does, whatever its command.
fn start_up() {
    println!("{:<40}{:>10}", "microseconds, once for a process", "first");
    let once = |what: &str, work: &dyn Fn()| println!("{what:<40}{:>10.0}", timed(1, |_| work()));
    once("reading the built-in profiles", &|| assert!(!black_box(certgen::profile::builtin()).is_empty()));
    once("building the command line", &|| drop(black_box(certgen::command())));
}

/// How many microseconds one of a batch takes.
fn timed<T>(batch: u32, work: impl Fn(u32) -> T) -> f64 {
    let start = Instant::now();
    (0..batch).for_each(|number| drop(black_box(work(number))));
    start.elapsed().as_secs_f64() * 1e6 / f64::from(batch)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn lowest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
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

    fn key_type(&self) -> KeyType {
        match self {
            Self::Ecdsa(_) => KeyType::EcdsaP256,
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Rsa(_) => KeyType::Rsa2048,
        }
    }

    fn encode(&self) {
        match self {
            Self::Ecdsa(pair) => drop(black_box(pair.to_pkcs8v1().unwrap())),
            Self::Ed25519(pair) => drop(black_box(pair.to_pkcs8v1().unwrap())),
            Self::Rsa(pair) => drop::<Pkcs8V1Der<'_>>(black_box(pair.as_der().unwrap())),
        }
    }
}

/// What becomes of the key besides.
#[derive(Clone, Copy, PartialEq)]
enum Keep {
    Nothing,
    Pkcs8,
}

impl Raw {
    fn new(key_type: KeyType, length: usize) -> Self {
        Self { pair: Pair::generate(key_type), message: vec![0x5a; length] }
    }

    fn one(&self, keep: Keep) {
        let made = Pair::generate(self.pair.key_type());
        if keep == Keep::Pkcs8 {
            made.encode();
        }
        match &self.pair {
            Pair::Ecdsa(pair) => {
                black_box(pair.sign(&SystemRandom::new(), &self.message).unwrap());
            }
            Pair::Ed25519(pair) => {
                black_box(pair.sign(&self.message));
            }
            Pair::Rsa(pair) => {
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
    let first = shape.to_be_signed(&one, None).unwrap();
    let first = Some(first.unsigned());
    let tbs = shape.to_be_signed(&one, first).unwrap();
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
