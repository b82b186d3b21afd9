//! Issuance in memory against the crypto library alone, as ratios of one run.
//!
//! `ours` makes what a bulk run makes for each device: a key, a prepared request, a linted and signed certificate, and
//! both as PEM. `raw` is what no program can do without: a key pair, and one signature over as many bytes; a key that is
//! to be kept must be encoded as well, and `PKCS#8` is the ratio to `raw` with the crypto library's encoding. Rounds take
//! turns and are shorter than the scheduler's slices, so that whatever else the machine does slows all, or a few rounds
//! only. The ratios are those of the medians; `fastest` divides the fastest round of each: a quiet machine.
//!
//! `memory` prints the first rows alone, `fixtures` those of the catalogue of fixtures; `raw` and `plain` are what
//! [`baseline`] says, for `tests/bench/table`.
#![allow(clippy::print_stdout)]

mod baseline;
mod fixtures;
mod raw;
mod steps;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use certgen::issuer::{Issued, Issuer, LocalIssuer, PreparedRequest, Publication};
use certgen::lint::Purpose;
use certgen::x509::{
    BasicConstraints, Certificate, DistinguishedName, ExtendedKeyUsage, GeneralName, KeyType, KeyUsage, PrivateKey,
    Validity,
};
use time::macros::datetime;

use raw::{Keep, Raw};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // `cargo test --benches` asks whether it runs, not how fast.
    let quick = !matches!(arguments[..], ["--bench" | "memory" | "fixtures", ..]);
    let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(800);
    let rounds = if quick { 1 } else { rounds };
    match arguments[..] {
        ["memory"] => in_memory(&[(KeyType::EcdsaP256, 25, rounds)]),
        ["fixtures", ..] => fixtures::against_raw((rounds / 10).max(1)),
        ["raw" | "plain", ..] => baseline::run(&arguments),
        _ => {
            in_memory(&[
                (KeyType::EcdsaP256, 25, rounds),
                (KeyType::Ed25519, 25, rounds),
                (KeyType::Rsa2048, 1, (rounds / 10).max(1)),
            ]);
            println!();
            steps::where_it_goes(if quick { 1 } else { 25 }, rounds);
            println!();
            fixtures::against_raw((rounds / 10).max(1));
            println!();
            start_up();
        }
    }
}

/// Each kind with so many certificates in a round and so many rounds.
fn in_memory(kinds: &[(KeyType, u32, usize)]) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{:<34}{:>10}{:>10}{:>8}{:>9}{:>8}", "certificates a second", "ours", "raw", "ratio", "fastest", "PKCS#8");
    let counts = if cores > 1 { vec![1, cores] } else { vec![1] };
    for &(key_type, batch, rounds) in kinds {
        for &threads in &counts {
            compare(key_type, threads, batch, rounds);
        }
    }
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

    fn one(&self) -> Issued {
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
