//! Walks one path and says what is wrong with each certificate: the checks of RFC 5280 section 6.1, told apart.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::finding::{Check, Findings, Place, hex, subject_text};
use super::form::{self, Part};
use super::{Purpose, Question, name_constraints, peer_name, purpose, revocation};
use crate::{
    ui,
    x509::{Certificate, KeyUsage},
};

/// Everything about one path, leaf first. `anchored`: its last certificate is a trust anchor.
pub(super) fn check(question: &Question<'_>, path: &[&Certificate], anchored: bool) -> Findings {
    let mut findings = Findings::default();
    let wanted = question.purpose.unwrap_or(Purpose::Any);
    for (index, certificate) in path.iter().enumerate() {
        let at = Place { index, certificate };
        let part = match index {
            0 => Part::Leaf,
            last if anchored && last + 1 == path.len() => Part::Anchor,
            _ => Part::Intermediate,
        };
        let mut formal = Findings::default();
        form::check(at, part, &mut formal);
        findings.list.extend(question.judged(formal));
        time(question.time, at, &mut findings);
        if part == Part::Leaf {
            leaf(wanted, at, &mut findings);
        } else {
            authority(at, &path[1..index], &mut findings);
        }
        if wanted != Purpose::Any {
            purpose::check(wanted, at, &mut findings);
        }
        if let Some(issuer) = path.get(index + 1) {
            key_identifiers(at, issuer, &mut findings);
            lifetimes(at, issuer, &mut findings);
        }
    }
    depth(question, path, &mut findings);
    name_constraints::check(path, &mut findings);
    if let (Some(name), Some(certificate)) = (&question.name, path.first()) {
        peer_name::check(name, Place { index: 0, certificate }, &mut findings);
    }
    revocation::check(question, path, &mut findings);
    if anchored {
        anchor(path, &mut findings);
    }
    findings
}

/// Section 4.1.2.5: both ends belong to the period; a fraction of a second belongs to its second.
fn time(now: OffsetDateTime, at: Place<'_>, findings: &mut Findings) {
    let validity = at.certificate.validity();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    if now < validity.not_before {
        let ahead = ui::span(validity.not_before - now);
        let found = format!("not_before {}, in {ahead}", date(validity.not_before));
        findings.problem(at, Check::Time, format!("a certificate valid at {}", date(now)), found);
    }
    if now > validity.not_after {
        let ago = ui::span(now - validity.not_after);
        let found = format!("not_after {}, {ago} ago", date(validity.not_after));
        findings.problem(at, Check::Time, format!("a certificate valid at {}", date(now)), found);
    }
}

fn leaf(wanted: Purpose, at: Place<'_>, findings: &mut Findings) {
    if at.certificate.is_ca() {
        let expected = "an end-entity certificate (openssl lets an authority pass here, rustls does not)";
        findings.problem(at, Check::BasicConstraints, expected, "an authority: basicConstraints CA:TRUE");
    }
    purpose::check_key_usage(wanted, at, findings);
}

/// Sections 4.2.1.3 and 4.2.1.9, for the anchor too: libraries that skip it there disagree with openssl. `below` are the
/// intermediates under it, without the leaf.
fn authority(at: Place<'_>, below: &[&Certificate], findings: &mut Findings) {
    let certificate = at.certificate;
    let constraints = certificate.basic_constraints();
    match constraints {
        None => findings.problem(
            at,
            Check::BasicConstraints,
            "basicConstraints CA:TRUE in an issuer",
            "no basicConstraints",
        ),
        Some(c) if !c.ca => {
            findings.problem(at, Check::BasicConstraints, "basicConstraints CA:TRUE in an issuer", "CA:FALSE")
        }
        Some(_) => {}
    }
    if let Some(usage) = certificate.key_usage().filter(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
        let found = match usage.names().join(", ") {
            names if names.is_empty() => "no usage at all".to_owned(),
            names => names,
        };
        findings.problem(at, Check::KeyUsage, "keyCertSign in the keyUsage of an issuer", found);
    }
    let counted = below.iter().filter(|c| !c.is_self_issued()).count();
    if let Some(limit) = constraints.and_then(|c| c.path_length).filter(|limit| (*limit as usize) < counted) {
        let expected = format!("at most {limit} intermediate{} below", if limit == 1 { "" } else { "s" });
        findings.problem(at, Check::PathLength, expected, counted.to_string());
    }
}

/// RFC 5280 leaves key identifiers as a hint; openssl takes a wrong one for a wrong issuer.
fn key_identifiers(at: Place<'_>, issuer: &Certificate, findings: &mut Findings) {
    let (Some(wanted), Some(there)) = (at.certificate.authority_key_id(), issuer.subject_key_id()) else {
        return;
    };
    if wanted != there {
        let expected = format!("an authorityKeyIdentifier that names its issuer's key {}", hex(there));
        findings.problem(at, Check::Chain, expected, hex(wanted));
    }
}

/// Not forbidden, but it ends sooner than it says.
fn lifetimes(at: Place<'_>, issuer: &Certificate, findings: &mut Findings) {
    let (own, above) = (at.certificate.validity().not_after, issuer.validity().not_after);
    if own > above {
        let expected = format!("a not_after within that of its issuer, {}", date(above));
        findings.note(at, Check::Time, expected, format!("{}, so it stops working before that", date(own)));
    }
}

fn depth(question: &Question<'_>, path: &[&Certificate], findings: &mut Findings) {
    let between = path.get(1..path.len().saturating_sub(1)).unwrap_or_default();
    let counted = between.iter().filter(|c| !c.is_self_issued()).count();
    if let (Some(most), Some(certificate)) = (question.max_intermediates.filter(|most| counted > *most), path.first()) {
        let expected = format!("at most {most} intermediates between leaf and trust anchor");
        findings.problem(Place { index: 0, certificate }, Check::PathLength, expected, counted.to_string());
    }
}

fn anchor(path: &[&Certificate], findings: &mut Findings) {
    let (Some(certificate), index) = (path.last(), path.len() - 1) else { return };
    let at = Place { index, certificate };
    if index == 0 {
        let found = "a certificate that is its own trust anchor; Erlang (RabbitMQ) refuses such a peer with \"selfsigned_peer\"";
        return findings.note(at, Check::Anchor, "a certificate issued by an authority", found);
    }
    if certificate.is_self_issued() && !certificate.is_signed_by(certificate) {
        findings.note(at, Check::Signature, "a root that signed itself", "a signature that is not from its own key");
    }
}

/// The way ended: which issuer is wanted, and what came close.
pub(super) fn missing_issuer(question: &Question<'_>, dead: &super::path::DeadEnd<'_>, findings: &mut Findings) {
    let Some(certificate) = dead.path.last() else { return };
    let at = Place { index: dead.path.len() - 1, certificate };
    let wanted_key = certificate.authority_key_id();
    let key_text = wanted_key.map(|id| format!(" with key identifier {}", hex(id))).unwrap_or_default();
    let issuer = ui::plain(&certificate.issuer().to_string());
    if question.anchors.is_empty() {
        return findings.problem(at, Check::Anchor, "a bundle with trust anchors", "an empty one");
    }
    if certificate.is_self_issued() && dead.same_name.is_empty() {
        let expected = "a certificate of the bundle at the end of the chain";
        let found = format!("the self-signed {}, which is not in the bundle", subject_text(certificate));
        return findings.problem(at, Check::Anchor, expected, found);
    }
    let expected = format!("the certificate of its issuer {issuer}{key_text}");
    let Some((other, is_anchor)) = closest(dead, wanted_key) else {
        return findings.problem(at, Check::Chain, expected, "neither in the bundle nor among the intermediates");
    };
    let place = if is_anchor { "in the bundle" } else { "among the intermediates" };
    // Without key identifiers on both sides another key cannot be told from a changed certificate.
    let same_key = wanted_key.is_some() && wanted_key == other.subject_key_id();
    if same_key {
        let expected = format!("a signature made by the key of {issuer}{key_text}");
        let found =
            format!("a signature that this key did not make: the certificate or its issuer {place} was changed");
        return findings.problem(at, Check::Signature, expected, found);
    }
    let other_key = match other.subject_key_id() {
        Some(id) => format!("key identifier {}", hex(id)),
        None => format!("SHA-256 of the key {}", other.public_key().sha256_hex()),
    };
    let found = format!("an authority of that name is {place}, but with another key ({other_key})");
    findings.problem(at, if is_anchor { Check::Anchor } else { Check::Chain }, expected, found);
}

/// The same-named authority that says most: the one with the right key identifier, else the first.
fn closest<'a>(dead: &super::path::DeadEnd<'a>, wanted: Option<&[u8]>) -> Option<(&'a Certificate, bool)> {
    let right = dead.same_name.iter().find(|(c, _)| wanted.is_some() && c.subject_key_id() == wanted);
    right.or(dead.same_name.first()).copied()
}

/// A date to the second, as RFC 3339 has it.
pub(super) fn date(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| ui::date(time))
}
