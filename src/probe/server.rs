//! What speaks against a server's certificate, and which cause of the catalogue it is. Pure.

use crate::diagnosis::CauseId;
use crate::ui;
use crate::verify::{self, Check, Opinion, PeerName, Purpose, Report, verify};
use crate::x509::{Certificate, PublicKeyAlgorithm};

use super::application::Protocol;
use super::examine::{Observation, Question};
use super::handshake::Possession;

/// Signatures by SHA-1 and older: RSA and ECDSA.
const WEAK_SIGNATURES: [&str; 5] =
    ["1.2.840.113549.1.1.2", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.5", "1.2.840.10045.4.1", "1.2.840.10040.4.3"];

/// The judgement of a server.
#[derive(Clone, Debug)]
pub struct ServerVerdict {
    /// What the verification said; `None`: nothing to verify, or nobody to trust.
    pub report: Option<Report>,
    /// Everything that makes a client refuse it, most important first, each with its evidence in a clause.
    pub causes: Vec<(CauseId, String)>,
    /// What only some clients refuse it for, or what may be behind it.
    pub perhaps: Vec<(CauseId, String)>,
    /// What the programs say as which it was to be judged.
    pub opinions: Vec<Opinion>,
    /// What speaks against it and is in no catalogue.
    pub others: Vec<String>,
}

impl ServerVerdict {
    /// It was judged, and nothing speaks against it.
    pub fn accepted(&self) -> bool {
        self.report.as_ref().is_some_and(Report::accepted) && self.causes.is_empty()
    }

    /// It was judged, and a client refuses it.
    pub fn refused(&self) -> bool {
        !self.causes.is_empty() || !self.others.is_empty()
    }
}

/// Judges what was seen.
pub(super) fn judge(question: &Question<'_>, seen: &Observation) -> ServerVerdict {
    let mut verdict = ServerVerdict {
        report: None,
        causes: Vec::new(),
        perhaps: Vec::new(),
        opinions: Vec::new(),
        others: Vec::new(),
    };
    let Some(first) = seen.chain.first() else { return verdict };
    let leaf = match first {
        Ok(leaf) => leaf,
        Err(fault) => {
            verdict.others.push(format!("its certificate cannot be read: {fault}"));
            return verdict;
        }
    };
    let served = seen.certificates();
    // The library has no signatures of short RSA keys: that they are short is said anyway.
    if seen.possession == Possession::Refuted && !is_short(leaf) {
        verdict
            .causes
            .push((CauseId::KeyMismatch, format!("the server signs with another key than that of {}", named(leaf))));
    }
    let Some(anchors) = question.anchors else { return verdict };
    let mut asked = verify::Question::new(leaf, anchors, question.now);
    asked.untrusted = served.get(1..).unwrap_or_default();
    asked.name = Some(question.name.clone());
    let between_nodes = is_between_nodes(question);
    asked.purpose = Some(if between_nodes { Purpose::Node } else { Purpose::Server });
    asked.strict = false;
    let report = verify(&asked);
    if leaf.version() != 3 {
        let why = format!("{} is X.509 version {}, which has no names and no purposes", named(leaf), leaf.version());
        verdict.causes.push((CauseId::FormTooOld, why));
    }
    if !report.anchored {
        let why = untrusted(question, &served, &asked, &report);
        if why.0 == CauseId::ServerCaUnknown && served.len() == 1 {
            let issuer = ui::quote(&leaf.issuer().to_string());
            let below = format!("so it is if {issuer} stands below an authority of {}", question.bundle);
            verdict.perhaps.push((CauseId::ServerChainIncomplete, below));
        }
        verdict.causes.push(why);
    }
    verdict.causes.extend(found(question, leaf, &report));
    // Most clients overlook what only the strict ones refuse, such as Python since 3.13.
    let strictly = verify(&verify::Question { strict: true, ..asked.clone() });
    if let Some(fault) = strictly.problems().find(|problem| problem.check == Check::Form)
        && leaf.version() == 3
    {
        verdict.perhaps.push((CauseId::FormTooOld, fault.sentence()));
    }
    let others = report.problems().filter(|p| !is_in_catalogue(p.check, report.anchored));
    verdict.others = others.map(verify::Finding::sentence).collect();
    verdict.opinions = verify::opinions(&asked, question.judges);
    as_judged(&mut verdict);
    if between_nodes {
        verdict.causes = verdict.causes.into_iter().map(|(cause, why)| (between(cause), why)).collect();
    }
    verdict.report = Some(report);
    verdict
}

/// Checks whose failure has a cause; those of the chain only where it does not reach an anchor.
fn is_in_catalogue(check: Check, anchored: bool) -> bool {
    match check {
        Check::Time | Check::Name | Check::Purpose | Check::KeyUsage | Check::Algorithm | Check::Form => true,
        Check::Signature | Check::Chain | Check::Anchor => !anchored,
        _ => false,
    }
}

/// A program that was named counts as the client: what it refuses is refused.
fn as_judged(verdict: &mut ServerVerdict) {
    let Some(refusal) = verdict.opinions.iter().find(|opinion| !opinion.accepted) else { return };
    if !verdict.causes.is_empty() {
        return;
    }
    let said = format!("{} says {}", refusal.verifier, refusal.text.as_deref().map(ui::plain).unwrap_or_default());
    match verdict.perhaps.iter().position(|(cause, _)| *cause == CauseId::FormTooOld) {
        Some(at) => {
            let (cause, why) = verdict.perhaps.remove(at);
            verdict.causes.push((cause, format!("{said}: {why}")));
        }
        None => verdict.others.push(said),
    }
}

/// Nodes are judged by nodes, with the name and both purposes of a peer.
pub(super) fn is_between_nodes(question: &Question<'_>) -> bool {
    question.protocol.or_else(|| Protocol::of_port(question.target.port())) == Some(Protocol::Erlang)
}

/// What the same fault is called where both ends are nodes.
fn between(cause: CauseId) -> CauseId {
    match cause {
        CauseId::ServerCaUnknown | CauseId::ServerSelfSigned => CauseId::NodeCaUnknown,
        CauseId::ServerPurpose => CauseId::NodePurpose,
        CauseId::ServerNameMismatch | CauseId::ServerNameOnlyInCommonName => CauseId::NodeNameMismatch,
        other => other,
    }
}

/// Why the chain does not reach an anchor.
fn untrusted(
    question: &Question<'_>,
    served: &[Certificate],
    asked: &verify::Question<'_>,
    report: &Report,
) -> (CauseId, String) {
    let anchors = asked.anchors;
    let leaf = asked.leaf;
    // With what is known here the chain would be complete: the server left it out.
    let together: Vec<Certificate> = asked.untrusted.iter().chain(question.known).cloned().collect();
    let completed = verify(&verify::Question { untrusted: &together, ..asked.clone() });
    if completed.anchored {
        let missing = completed.chain.iter().find(|c| !served.contains(c) && !anchors.contains(c));
        let missing = missing.map(named).unwrap_or_default();
        return (CauseId::ServerChainIncomplete, format!("it does not send {missing}"));
    }
    if leaf.is_self_issued() && leaf.is_signed_by(leaf) {
        return (CauseId::ServerSelfSigned, format!("{} is its own issuer", named(leaf)));
    }
    let end = report.chain.last().unwrap_or(leaf);
    if WEAK_SIGNATURES.contains(&end.signature_algorithm()) {
        let why = format!("nobody checks the signature of {} any more, so it leads to no authority", named(end));
        return (CauseId::HashTooWeak, why);
    }
    let issuer = ui::quote(&end.issuer().to_string());
    let twin = anchors.iter().chain(served).find(|c| {
        c.subject().der() == end.issuer().der() && !end.is_signed_by(c) && c.der() != end.der() && anchors.contains(c)
    });
    if let Some(twin) =
        twin.or_else(|| anchors.iter().find(|a| end.is_self_issued() && a.subject().der() == end.subject().der()))
    {
        let of_bundle = key_of(twin);
        let of_server = end.authority_key_id().or(end.subject_key_id()).map(hex);
        let keys = match (of_server, of_bundle) {
            (Some(server), Some(bundle)) if server != bundle => {
                format!(": the server's has the key {server}, the one in {} {bundle}", question.bundle)
            }
            _ => format!(": the one in {} did not sign it", question.bundle),
        };
        return (CauseId::AuthoritySameName, format!("two authorities are called {issuer}{keys}"));
    }
    let trusted: Vec<String> = anchors.iter().take(5).map(named).collect();
    let trusted = if trusted.is_empty() { "nobody".to_owned() } else { trusted.join(", ") };
    (CauseId::ServerCaUnknown, format!("it comes from {issuer}, and {} trusts {trusted}", question.bundle))
}

/// The faults of a report that have a name.
fn found(question: &Question<'_>, leaf: &Certificate, report: &Report) -> Vec<(CauseId, String)> {
    let mut causes: Vec<(CauseId, String)> = Vec::new();
    let mut add = |cause: CauseId, why: String| {
        if !causes.iter().any(|(known, _)| *known == cause) {
            causes.push((cause, why));
        }
    };
    let mut problems: Vec<_> = report.problems().collect();
    problems.sort_by_key(|problem| problem.check);
    for problem in problems {
        let certificate = problem.certificate.and_then(|at| report.chain.get(at)).unwrap_or(leaf);
        match problem.check {
            Check::Time if question.now < certificate.validity().not_before => {
                let from = ui::date(certificate.validity().not_before);
                add(CauseId::ServerNotYetValid, format!("{} is valid from {from}", named(certificate)));
            }
            Check::Time if question.now > certificate.validity().not_after => {
                let until = ui::date(certificate.validity().not_after);
                add(CauseId::ServerExpired, format!("{} was valid until {until}", named(certificate)));
            }
            Check::Name => add(name_cause(&question.name, leaf), names(&question.name, leaf)),
            Check::Purpose | Check::KeyUsage => add(CauseId::ServerPurpose, problem.sentence()),
            Check::Algorithm if is_short(certificate) => {
                let bits = certificate.public_key().bits();
                add(CauseId::KeyTooWeak, format!("{} has an RSA key of {bits} bits", named(certificate)));
            }
            Check::Algorithm if WEAK_SIGNATURES.contains(&certificate.signature_algorithm()) => {
                add(CauseId::HashTooWeak, problem.sentence());
            }
            Check::Algorithm => add(CauseId::KeyTooWeak, problem.sentence()),
            _ => {}
        }
    }
    causes
}

fn is_short(certificate: &Certificate) -> bool {
    let key = certificate.public_key();
    matches!(key.algorithm(), PublicKeyAlgorithm::Rsa | PublicKeyAlgorithm::RsaPss) && key.bits() < 2048
}

fn name_cause(name: &PeerName, leaf: &Certificate) -> CauseId {
    let value = match name {
        PeerName::Dns(host) => host.clone(),
        PeerName::Ip(address) => address.to_string(),
        _ => return CauseId::ServerNameMismatch,
    };
    let only_there = leaf.subject_alt_names().unwrap_or_default().is_empty()
        && leaf.subject().common_names().iter().any(|cn| cn.eq_ignore_ascii_case(&value));
    if only_there { CauseId::ServerNameOnlyInCommonName } else { CauseId::ServerNameMismatch }
}

fn names(wanted: &PeerName, leaf: &Certificate) -> String {
    let carried: Vec<String> =
        leaf.subject_alt_names().unwrap_or_default().iter().take(12).map(|name| ui::plain(&name.to_string())).collect();
    if carried.is_empty() {
        let cn = leaf.subject().common_name().map(|cn| format!(" (its common name is {})", ui::quote(cn)));
        return format!("it has no subject alternative name{}, and {wanted} was asked for", cn.unwrap_or_default());
    }
    format!("it is for {}, and {wanted} was asked for", carried.join(", "))
}

/// A certificate in a sentence.
pub(super) fn named(certificate: &Certificate) -> String {
    if !certificate.subject().is_empty() {
        return ui::quote(&certificate.subject().to_string());
    }
    format!("the certificate with serial number {}", certificate.serial())
}

fn key_of(certificate: &Certificate) -> Option<String> {
    certificate.subject_key_id().map(hex)
}

/// Enough of a key identifier to tell two apart.
fn hex(octets: &[u8]) -> String {
    octets.iter().take(4).map(|octet| format!("{octet:02x}")).collect()
}
