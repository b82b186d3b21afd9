//! Path validation: does this certificate chain to a trust anchor, for this name, this purpose, at this time?
//!
//! The room owns the answer and its reasons. It is pure: certificates, names and the time come in as arguments; files, the
//! network and the PKI directory belong to others. It never takes anchors from the system and never compares a host name
//! with a common name.
//!
//! Two layers. The walk (`walk`) goes through the chain certificate by certificate and gives one [`Finding`] for each
//! check that failed, which no library does; `library` then asks rustls-webpki. When either says no, the answer is no.
//! Both are bounded, because whoever sends a chain chooses it.

mod der;
mod finding;
mod form;
mod general_name;
mod library;
#[cfg(test)]
mod limbo_tests;
mod name_constraints;
mod path;
mod peer_name;
mod purpose;
mod revocation;
#[cfg(test)]
mod tests;
mod verifier;
mod walk;

use serde::Serialize;
use time::OffsetDateTime;

pub use finding::{Check, Finding, Severity};
pub use form::weak_hash;
pub use peer_name::PeerName;
pub use purpose::Purpose;
pub use verifier::{Opinion, Verifier, erlang_refuses, opinions};

use crate::x509::{Certificate, Crl};
use finding::{Findings, subject_raw};

/// What is asked.
#[derive(Clone)]
pub struct Question<'a> {
    /// The end-entity certificate.
    pub leaf: &'a Certificate,
    /// Certificates that may stand between leaf and anchor, in any order.
    pub untrusted: &'a [Certificate],
    /// The bundle: whom the caller trusts.
    pub anchors: &'a [Certificate],
    /// For whom the certificate must be; `None`: the name is not checked, and the report says so.
    pub name: Option<PeerName>,
    /// What it must be good for; `None` is [`Purpose::Any`].
    pub purpose: Option<Purpose>,
    /// Revocation lists, of any authority.
    pub crls: &'a [Crl],
    /// The leaf must be covered by a list; one that is missing is a problem instead of a note.
    pub crl_required: bool,
    /// The moment that is asked about.
    pub time: OffsetDateTime,
    /// How many intermediates may stand between leaf and anchor, self-issued ones not counted (Erlang's `depth`).
    pub max_intermediates: Option<usize>,
    /// Faults of form that many libraries overlook are problems; otherwise they are notes.
    pub strict: bool,
}

impl<'a> Question<'a> {
    /// The plainest question: chain and time, strict about form.
    pub fn new(leaf: &'a Certificate, anchors: &'a [Certificate], time: OffsetDateTime) -> Self {
        Self {
            leaf,
            untrusted: &[],
            anchors,
            name: None,
            purpose: None,
            crls: &[],
            crl_required: false,
            time,
            max_intermediates: None,
            strict: true,
        }
    }

    /// Findings about form, weighed as the caller wants.
    fn judged(&self, formal: Findings) -> Vec<Finding> {
        let weigh = |mut finding: Finding| {
            if !self.strict && finding.check == Check::Form {
                finding.severity = Severity::Note;
            }
            finding
        };
        formal.list.into_iter().map(weigh).collect()
    }
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Report {
    /// What did not go as it should, leaf first. Notes do not change the verdict.
    pub findings: Vec<Finding>,
    /// The path that was judged: leaf first; up to the trust anchor if there is a way, else as far as it goes.
    pub chain: Vec<Certificate>,
    /// The last certificate of [`Report::chain`] is a trust anchor.
    pub anchored: bool,
    /// A name was asked for.
    pub name_checked: bool,
    /// Revocation lists were demanded, or one that was given covers the leaf.
    pub revocation_checked: bool,
}

impl Report {
    /// True when nothing speaks against the certificate.
    pub fn accepted(&self) -> bool {
        self.problems().next().is_none()
    }

    /// The findings that decide the verdict.
    pub fn problems(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Problem)
    }

    /// The findings that only some verifier would mind.
    pub fn notes(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Note)
    }

    /// The facts for `--json` and for the screen.
    pub fn facts(&self) -> ReportFacts<'_> {
        ReportFacts {
            accepted: self.accepted(),
            anchored: self.anchored,
            name_checked: self.name_checked,
            revocation_checked: self.revocation_checked,
            chain: self.chain.iter().map(subject_raw).collect(),
            findings: &self.findings,
        }
    }
}

/// A report as data.
#[derive(Clone, Debug, Serialize)]
pub struct ReportFacts<'a> {
    /// The verdict.
    pub accepted: bool,
    /// The chain reaches a trust anchor.
    pub anchored: bool,
    /// A name was asked for.
    pub name_checked: bool,
    /// Revocation lists were demanded, or one that was given covers the leaf.
    pub revocation_checked: bool,
    /// Subjects, leaf first, as they are: not safe to print.
    pub chain: Vec<String>,
    /// Every finding.
    pub findings: &'a [Finding],
}

/// Answers `question`. Never fails and never panics: what cannot be checked is a finding.
pub fn verify(question: &Question<'_>) -> Report {
    let paths = path::find(question.leaf, question.untrusted, question.anchors);
    let judged = paths.complete.iter().map(|path| (path, walk::check(question, path, true)));
    // The first path without a problem wins, as it would in a handshake; else the one that is nearest to good.
    let mut best: Option<(&Vec<&Certificate>, Findings)> = None;
    for (path, findings) in judged {
        let problems = findings.problems();
        if best.as_ref().is_none_or(|(_, known)| problems < known.problems()) {
            best = Some((path, findings));
        }
        if problems == 0 {
            break;
        }
    }
    let anchored = best.is_some();
    let (path, mut findings) = match (best, &paths.dead_end) {
        (Some((path, findings)), _) => (path.clone(), findings),
        (None, Some(dead)) => {
            let mut findings = walk::check(question, &dead.path, false);
            walk::missing_issuer(question, dead, &mut findings);
            (dead.path.clone(), findings)
        }
        (None, None) => (vec![question.leaf], walk::check(question, &[question.leaf], false)),
    };
    let leaf = finding::Place { index: 0, certificate: question.leaf };
    if let (Some(reason), false) = (paths.cut_off, anchored) {
        findings.problem(leaf, Check::Chain, "a chain that can be found with reasonable effort", reason);
    }
    if findings.problems() == 0 {
        second_opinion(question, &path, leaf, &mut findings);
    }
    let is_uncovered =
        |f: &Finding| f.check == Check::Revocation && f.severity == Severity::Note && f.certificate == Some(leaf.index);
    let leaf_is_covered = !question.crls.is_empty() && !findings.list.iter().any(is_uncovered);
    Report {
        findings: findings.list,
        chain: path.into_iter().cloned().collect(),
        anchored,
        name_checked: question.name.is_some(),
        revocation_checked: question.crl_required || leaf_is_covered,
    }
}

fn second_opinion(question: &Question<'_>, path: &[&Certificate], leaf: finding::Place<'_>, findings: &mut Findings) {
    let Some(opinion) = library::ask(question, path) else { return };
    let expected = "acceptance by rustls-webpki too";
    match opinion.known_gap(path) {
        Some(gap) => findings.note(leaf, Check::SecondOpinion, expected, format!("{} ({gap})", opinion.reason())),
        None => findings.problem(leaf, Check::SecondOpinion, expected, opinion.reason()),
    }
}
