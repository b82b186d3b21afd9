//! What was seen, as `--json` has it.

use serde::Serialize;
use time::OffsetDateTime;

use super::places::Places;
use crate::diagnosis::{CauseId, Side};
use crate::probe::{Application, End, Observation, Outcome, Possession, Protocol, Target, Verdict};
use crate::verify::{Opinion, ReportFacts};

/// One server.
#[derive(Debug, Serialize)]
pub(super) struct Item<'a> {
    target: String,
    address: Option<String>,
    reached: bool,
    protocol: Option<Protocol>,
    tls: Option<Tls<'a>>,
    chain: Vec<Served>,
    key_proven: Option<bool>,
    client_certificate_requested: bool,
    client_authorities: Vec<String>,
    client_certificate_presented: bool,
    verdict: &'static str,
    cause: Option<CauseId>,
    refused_by: Option<Side>,
    sentence: String,
    also: Vec<Also<'a>>,
    notes: &'a [String],
    places: &'a [String],
    remedies: &'a [String],
    server: Option<ReportFacts<'a>>,
    verifiers: &'a [Opinion],
    application: Option<Inside<'a>>,
}

#[derive(Debug, Serialize)]
struct Tls<'a> {
    version: &'a str,
    suite: Option<&'a str>,
    group: Option<&'a str>,
    versions: &'a [&'static str],
    ended: Option<String>,
}

#[derive(Debug, Serialize)]
struct Served {
    subject: Option<String>,
    issuer: Option<String>,
    serial_number: Option<String>,
    sha256: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    subject_alt_names: Vec<String>,
    fault: Option<String>,
}

#[derive(Debug, Serialize)]
struct Also<'a> {
    cause: CauseId,
    why: &'a str,
}

#[derive(Debug, Serialize)]
struct Inside<'a> {
    product: Option<&'a str>,
    version: Option<&'a str>,
    platform: Option<&'a str>,
    mechanisms: &'a [String],
    status: Option<u16>,
    #[serde(with = "time::serde::rfc3339::option")]
    date: Option<OffsetDateTime>,
    logged_in: bool,
    vhost: Option<&'a str>,
    refusal: Option<Refusal<'a>>,
}

#[derive(Debug, Serialize)]
struct Refusal<'a> {
    code: u16,
    text: &'a str,
}

/// A server that did not answer.
pub(super) fn unreached<'a>(target: &Target, why: &str) -> Item<'a> {
    Item {
        target: target.to_string(),
        address: None,
        reached: false,
        protocol: None,
        tls: None,
        chain: Vec::new(),
        key_proven: None,
        client_certificate_requested: false,
        client_authorities: Vec::new(),
        client_certificate_presented: false,
        verdict: "unreached",
        cause: None,
        refused_by: None,
        sentence: why.to_owned(),
        also: Vec::new(),
        notes: &[],
        places: &[],
        remedies: &[],
        server: None,
        verifiers: &[],
        application: None,
    }
}

/// A server that did.
pub(super) fn of<'a>(target: &Target, seen: &'a Observation, verdict: &'a Verdict, places: &'a Places) -> Item<'a> {
    Item {
        address: Some(seen.address.to_string()),
        reached: true,
        protocol: seen.application.as_ref().map(|application| application.protocol),
        tls: seen.tls.as_ref().map(|tls| Tls {
            version: tls.version,
            suite: tls.suite.as_deref(),
            group: tls.group.as_deref(),
            versions: &tls.versions,
            ended: ended(&seen.end),
        }),
        chain: seen.chain.iter().map(served).collect(),
        key_proven: match seen.possession {
            Possession::Proven => Some(true),
            Possession::Refuted => Some(false),
            Possession::Unseen => None,
        },
        client_certificate_requested: seen.client_authorities.is_some(),
        client_authorities: seen.client_authorities.iter().flatten().flatten().map(ToString::to_string).collect(),
        client_certificate_presented: seen.presented,
        verdict: if verdict.good { "good" } else { "refused" },
        cause: verdict.cause,
        refused_by: (!verdict.good).then_some(verdict.refused_by),
        sentence: verdict.sentence.clone(),
        also: verdict.also.iter().map(|(cause, why)| Also { cause: *cause, why }).collect(),
        notes: &verdict.notes,
        places: &places.files,
        remedies: &places.remedies,
        server: verdict.server.report.as_ref().map(crate::verify::Report::facts),
        verifiers: &verdict.server.opinions,
        application: seen.application.as_ref().map(inside),
        ..unreached(target, "")
    }
}

/// `alert unknown_ca`
fn ended(end: &End) -> Option<String> {
    match end {
        End::Held | End::Plain(_) => None,
        End::Alert(alert) => Some(format!("alert {alert}")),
        End::Closed(reason) | End::Broken(reason) => Some(reason.clone()),
    }
}

fn served(certificate: &Result<crate::x509::Certificate, crate::x509::X509Error>) -> Served {
    let read = certificate.as_ref().ok();
    Served {
        subject: read.map(|c| c.subject().to_string()),
        issuer: read.map(|c| c.issuer().to_string()),
        serial_number: read.map(|c| c.serial().to_string()),
        sha256: read.map(crate::x509::Certificate::sha256_hex),
        not_before: read.map(|c| c.validity().not_before),
        not_after: read.map(|c| c.validity().not_after),
        subject_alt_names: read
            .and_then(|c| c.subject_alt_names())
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
        fault: certificate.as_ref().err().map(ToString::to_string),
    }
}

fn inside(application: &Application) -> Inside<'_> {
    let (vhost, refusal) = match &application.outcome {
        Outcome::LoggedIn(vhost) => (vhost.as_deref(), None),
        Outcome::LoginRefused(code, text) | Outcome::VhostRefused(code, text) | Outcome::Refused(code, text) => {
            (None, Some(Refusal { code: *code, text }))
        }
        Outcome::Seen | Outcome::NotOffered(_) => (None, None),
    };
    Inside {
        product: application.product.as_deref(),
        version: application.version.as_deref(),
        platform: application.platform.as_deref(),
        mechanisms: &application.mechanisms,
        status: application.status,
        date: application.date,
        logged_in: matches!(application.outcome, Outcome::LoggedIn(_)),
        vhost,
        refusal,
    }
}
