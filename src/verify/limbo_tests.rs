//! The public path validation vectors of C2SP/x509-limbo. They are read where they lie: `CERTGEN_FACTS` names the
//! directory that holds `x509-limbo/*.json`. Without it the test says that it skips.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{PeerName, Purpose, Question, verify};
use crate::x509::{Certificate, Crl};

/// Cases that we judge otherwise than the suite, each with the reason. A stale entry fails the test.
const DIVERGENCES: &[(&str, &str)] = &[
    ("pathlen::validation-ignores-pathlen-in-leaf", "an authority is no end entity here: RabbitMQ never shows one"),
    ("rfc5280::ca-as-leaf", "an authority is no end entity here: RabbitMQ never shows one"),
];

/// What openssl 3.0 `verify -x509_strict` reaches on the same file is measured by the interop tests; this is the least
/// that we accept from ourselves.
#[test]
#[ignore = "needs CERTGEN_FACTS"]
fn the_limbo_vectors_are_judged_right() {
    let Some(files) = files() else {
        eprintln_skipped();
        return;
    };
    let mut wrong = BTreeMap::new();
    let (mut total, mut slowest) = (0, Duration::ZERO);
    for file in files {
        let suite: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        for case in suite["testcases"].as_array().unwrap() {
            total += 1;
            let start = Instant::now();
            let (accepted, said) = judge(case);
            slowest = slowest.max(start.elapsed());
            if accepted != (case["expected_result"] == "SUCCESS") {
                wrong.insert(case["id"].as_str().unwrap().to_owned(), said);
            }
        }
    }
    let known: BTreeMap<&str, &str> = DIVERGENCES.iter().copied().collect();
    let new: Vec<_> = wrong.iter().filter(|(id, _)| !known.contains_key(id.as_str())).collect();
    let stale: Vec<_> = known.keys().filter(|id| !wrong.contains_key(**id)).collect();
    assert!(new.is_empty() && stale.is_empty(), "{total} cases\nnew: {new:#?}\nstale: {stale:#?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

fn files() -> Option<Vec<PathBuf>> {
    let directory = PathBuf::from(std::env::var_os("CERTGEN_FACTS")?).join("x509-limbo");
    let mut files: Vec<_> = std::fs::read_dir(directory).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    (!files.is_empty()).then_some(files)
}

#[allow(clippy::print_stderr)] // A skipped test has to say so.
fn eprintln_skipped() {
    eprintln!("skipped: CERTGEN_FACTS does not name a directory with x509-limbo/*.json");
}

fn judge(case: &Value) -> (bool, String) {
    let leaf = match Certificate::from_pem(case["peer_certificate"].as_str().unwrap().as_bytes()) {
        Ok(leaf) => leaf,
        Err(reason) => return (false, format!("leaf: {reason}")),
    };
    let anchors = certificates(&case["trusted_certs"]);
    let untrusted = certificates(&case["untrusted_intermediates"]);
    let crls: Vec<Crl> = texts(&case["crls"]).filter_map(|pem| Crl::from_pem(pem.as_bytes()).ok()).collect();
    let now = match case["validation_time"].as_str() {
        Some(text) => OffsetDateTime::parse(text, &Rfc3339).unwrap(),
        None => OffsetDateTime::now_utc(),
    };
    let mut names: Vec<_> = case["expected_peer_names"].as_array().into_iter().flatten().filter_map(name).collect();
    names.extend(name(&case["expected_peer_name"]));
    let question = Question {
        untrusted: &untrusted,
        crls: &crls,
        crl_required: !texts(&case["crls"]).collect::<Vec<_>>().is_empty(),
        purpose: Some(if case["validation_kind"] == "CLIENT" { Purpose::Client } else { Purpose::Server }),
        max_intermediates: case["max_chain_depth"].as_u64().map(|depth| depth as usize),
        ..Question::new(&leaf, &anchors, now)
    };
    let names: Vec<_> = if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    let reports: Vec<_> = names.into_iter().map(|name| verify(&Question { name, ..question.clone() })).collect();
    let said = reports.iter().flat_map(|r| r.findings.iter()).map(|f| format!("{:?} {}", f.severity, f.sentence()));
    (reports.iter().all(|report| report.accepted()), said.collect::<Vec<_>>().join("\n"))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A certificate that cannot be read can be neither issuer nor anchor.
fn certificates(value: &Value) -> Vec<Certificate> {
    texts(value).filter_map(|pem| Certificate::from_pem(pem.as_bytes()).ok()).collect()
}

fn name(value: &Value) -> Option<PeerName> {
    let text = value["value"].as_str()?;
    Some(match value["kind"].as_str()? {
        "IP" => PeerName::Ip(text.parse().unwrap()),
        "RFC822" => PeerName::Email(text.to_owned()),
        _ => PeerName::Dns(text.to_owned()),
    })
}
