//! What a verification says: one finding for each certificate and check that failed, with evidence.

use serde::Serialize;

use crate::{ui, x509::Certificate};

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// A signature does not belong to the key of the issuer.
    Signature,
    /// An issuer is missing, or the search for a path was cut off.
    Chain,
    /// The end of the path is not a trust anchor, or not a fit one.
    Anchor,
    /// Validity period (RFC 5280 section 4.1.2.5).
    Time,
    /// Who may be an issuer (section 4.2.1.9).
    BasicConstraints,
    /// How many authorities may follow (section 4.2.1.9).
    PathLength,
    /// Key usage (section 4.2.1.3).
    KeyUsage,
    /// Extended key usage (section 4.2.1.12): what the certificate is for.
    Purpose,
    /// The name that was asked for (RFC 9525).
    Name,
    /// Name constraints (RFC 5280 section 4.2.1.10).
    NameConstraints,
    /// A critical extension that nobody here understands (section 4.2).
    CriticalExtension,
    /// Revocation lists (section 5).
    Revocation,
    /// Key or hash too weak, or an algorithm that is not known.
    Algorithm,
    /// The certificate is not formed as RFC 5280 demands.
    Form,
    /// rustls-webpki, the second opinion, refuses what the checks above let pass.
    SecondOpinion,
}

impl Check {
    /// The word for it on the screen.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Chain => "chain",
            Self::Anchor => "trust anchor",
            Self::Time => "time",
            Self::BasicConstraints => "basic constraints",
            Self::PathLength => "path length",
            Self::KeyUsage => "key usage",
            Self::Purpose => "purpose",
            Self::Name => "name",
            Self::NameConstraints => "name constraints",
            Self::CriticalExtension => "critical extension",
            Self::Revocation => "revocation",
            Self::Algorithm => "algorithm",
            Self::Form => "form",
            Self::SecondOpinion => "second opinion",
        }
    }
}

/// Whether a finding decides the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The answer is no.
    Problem,
    /// Worth knowing: some verifier will see it differently.
    Note,
}

/// One check that did not go as it should, for one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Position in [`super::Report::chain`], the leaf is 0; `None` when it is about no certificate of the chain.
    pub certificate: Option<usize>,
    /// The subject of that certificate, safe to print.
    pub subject: String,
    /// The check.
    pub check: Check,
    /// Whether it decides the verdict.
    pub severity: Severity,
    /// What a good certificate would have had.
    pub expected: String,
    /// What was there.
    pub found: String,
}

impl Finding {
    /// `CN=a: time: expected a not_after later than ..., found ...`
    pub fn sentence(&self) -> String {
        format!("{}: {}: expected {}, found {}", self.subject, self.check.as_str(), self.expected, self.found)
    }
}

/// Gathers findings about one path.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
}

/// A certificate with its place in the path.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) index: usize,
    pub(super) certificate: &'a Certificate,
}

impl Findings {
    pub(super) fn problem(
        &mut self,
        at: Place<'_>,
        check: Check,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.push(at, check, Severity::Problem, expected.into(), found.into());
    }

    pub(super) fn note(&mut self, at: Place<'_>, check: Check, expected: impl Into<String>, found: impl Into<String>) {
        self.push(at, check, Severity::Note, expected.into(), found.into());
    }

    fn push(&mut self, at: Place<'_>, check: Check, severity: Severity, expected: String, found: String) {
        let subject = subject_text(at.certificate);
        self.list.push(Finding { certificate: Some(at.index), subject, check, severity, expected, found });
    }

    pub(super) fn problems(&self) -> usize {
        self.list.iter().filter(|f| f.severity == Severity::Problem).count()
    }
}

/// A certificate's subject for people; one without a subject is known by its first name.
pub(super) fn subject_text(certificate: &Certificate) -> String {
    ui::plain(&subject_raw(certificate))
}

/// The same for programs: nothing is cut or made harmless.
pub(super) fn subject_raw(certificate: &Certificate) -> String {
    if !certificate.subject().is_empty() {
        return certificate.subject().to_string();
    }
    match certificate.subject_alt_names().and_then(|names| names.first()) {
        Some(name) => name.to_string(),
        None => format!("the certificate with serial number {}", certificate.serial()),
    }
}

/// Octets as lowercase hexadecimal, cut where nobody reads on.
pub(super) fn hex(octets: &[u8]) -> String {
    let shown: String = octets.iter().take(32).map(|octet| format!("{octet:02x}")).collect();
    if octets.len() > 32 { format!("{shown}...") } else { shown }
}
