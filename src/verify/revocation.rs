//! Revocation lists: RFC 5280 sections 5 and 6.3. A list that is stale, forged or absent is told, never passed over.

use super::Question;
use super::finding::{Check, Findings, Place, hex, subject_text};
use super::walk::date;
use crate::{
    ui,
    x509::{Certificate, Crl, KeyUsage},
};

/// Looks up every certificate of the path that has an issuer in it.
pub(super) fn check(question: &Question<'_>, path: &[&Certificate], findings: &mut Findings) {
    if question.crls.is_empty() && !question.crl_required {
        return;
    }
    for (index, pair) in path.windows(2).enumerate() {
        let (at, issuer) = (Place { index, certificate: pair[0] }, pair[1]);
        let lists: Vec<&Crl> = question.crls.iter().filter(|crl| is_by(crl, issuer)).collect();
        match lists.as_slice() {
            [] => no_list(question, at, issuer, findings),
            lists => {
                // The newest list speaks; older ones are history.
                let newest = lists.iter().filter(|crl| crl.is_signed_by(issuer)).max_by_key(|crl| crl.this_update());
                match newest {
                    Some(crl) => judge(question, crl, at, issuer, findings),
                    None => forged(at, issuer, findings),
                }
            }
        }
    }
}

/// Same name, and the same key as far as the list says which one.
fn is_by(crl: &Crl, issuer: &Certificate) -> bool {
    let other_key = match (crl.authority_key_id(), issuer.subject_key_id()) {
        (Some(named), Some(own)) => named != own,
        _ => false,
    };
    crl.issuer().der() == issuer.subject().der() && !other_key
}

fn no_list(question: &Question<'_>, at: Place<'_>, issuer: &Certificate, findings: &mut Findings) {
    let expected = format!("a revocation list of {}", subject_text(issuer));
    let named = question.crls.iter().any(|crl| crl.issuer().der() == issuer.subject().der());
    let found = match (question.crls.first(), named) {
        (_, true) => "one of that name, but of another key".to_owned(),
        (Some(crl), _) => format!("none, but one of {}", ui::plain(&crl.issuer().to_string())),
        (None, _) => "none".to_owned(),
    };
    // As with openssl's -crl_check the leaf is what must be covered; authorities above it often publish no list.
    if question.crl_required && at.index == 0 {
        findings.problem(at, Check::Revocation, expected, found);
    } else {
        findings.note(at, Check::Revocation, expected, format!("{found}: not checked"));
    }
}

fn forged(at: Place<'_>, issuer: &Certificate, findings: &mut Findings) {
    let expected = format!("a revocation list signed by {}", subject_text(issuer));
    findings.problem(at, Check::Revocation, expected, "a list of that name with a signature that its key did not make");
}

fn judge(question: &Question<'_>, crl: &Crl, at: Place<'_>, issuer: &Certificate, findings: &mut Findings) {
    let now = question.time;
    if issuer.key_usage().is_some_and(|usage| !usage.contains(KeyUsage::CRL_SIGN)) {
        let expected = format!("cRLSign in the keyUsage of {}", subject_text(issuer));
        findings.problem(at, Check::Revocation, expected, "a revocation list from an authority that may not sign one");
    }
    if now < crl.this_update() {
        let expected = format!("a revocation list in force at {}", date(now));
        findings.problem(at, Check::Revocation, expected, format!("this_update {}", date(crl.this_update())));
    }
    match crl.next_update() {
        Some(next) if now > next => {
            let expected = format!("a revocation list in force at {}", date(now));
            findings.problem(at, Check::Revocation, expected, format!("a stale one: next_update {}", date(next)));
        }
        Some(_) => {}
        None => {
            let expected = "a next_update in the revocation list (RFC 5280 section 5.1.2.5)";
            findings.problem(at, Check::Revocation, expected, "none, so nobody knows when it is stale");
        }
    }
    if let Some(dotted) = crl.unknown_critical_extension() {
        let found = format!("{}, which is unknown here", ui::plain(dotted));
        findings.problem(at, Check::Revocation, "critical extensions of the list that can be processed", found);
    }
    let mut formal = Findings::default();
    if crl.authority_key_id().is_none() {
        let expected = "an authorityKeyIdentifier in the revocation list (RFC 5280 section 5.2.1)";
        formal.problem(at, Check::Form, expected, "none");
    }
    if crl.number().is_none() {
        formal.problem(at, Check::Form, "a number in the revocation list (RFC 5280 section 5.2.3)", "none");
    }
    findings.list.extend(question.judged(formal));
    revoked(crl, at, findings);
}

/// A serial number on the list, also one that will be on it later: the date of revocation is told, not weighed.
fn revoked(crl: &Crl, at: Place<'_>, findings: &mut Findings) {
    let serial = at.certificate.serial();
    let Some(entry) = crl.find(serial) else { return };
    let reason = entry.reason.map(|reason| format!(", reason {reason}")).unwrap_or_default();
    let found = format!("revoked on {}{reason}", date(entry.revocation_time));
    let expected = format!("serial number {} not on the list of its issuer", hex(serial.as_bytes()));
    findings.problem(at, Check::Revocation, expected, found);
}
