//! Dates: what has ended, what has not begun, what ends soon, and what ends too late for RabbitMQ's own health check.

use std::collections::HashMap;

use time::Duration;

use super::index::{Index, is_authority};
use super::{argument, at_certificate, is_client, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Place, Severity};
use crate::ui;
use crate::x509::Certificate;

/// A certificate is told to end soon when it has less than this left, or less than a third of its life.
const SOON: Duration = Duration::days(30);
/// The same for an authority: all below it must be issued again by then.
const SOON_FOR_AUTHORITIES: Duration = Duration::days(180);

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    // One certificate may lie in a hundred bundles and ends but once.
    let mut places: HashMap<&[u8], usize> = HashMap::new();
    let mut order: Vec<(&Exhibit, &Certificate, usize)> = Vec::new();
    for exhibit in &index.exhibits {
        for certificate in exhibit.all_certificates() {
            match places.get(certificate.der()) {
                Some(at) => order[*at].2 += 1,
                None => {
                    places.insert(certificate.der(), order.len());
                    order.push((exhibit, certificate, 1));
                }
            }
        }
    }
    for (exhibit, certificate, files) in order {
        let found = ended(case, exhibit, certificate)
            .or_else(|| not_begun(case, exhibit, certificate))
            .or_else(|| ends_soon(case, exhibit, certificate));
        for mut finding in found.into_iter().chain(decades(exhibit, certificate)) {
            if files > 1 {
                finding.problem += &format!(" (and it is in {} more)", count(files - 1, "place"));
            }
            findings.push(at_certificate(finding, exhibit, certificate));
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn ended(case: &Case, exhibit: &Exhibit, certificate: &Certificate) -> Option<Finding> {
    let end = certificate.validity().not_after;
    if case.now <= end {
        return None;
    }
    let problem = format!("{} expired {} ago, on {}", whose(certificate), ui::span(case.now - end), ui::date(end));
    if is_authority(certificate) {
        let others = exhibit.all_certificates().any(|ca| {
            is_authority(ca) && ca != certificate && case.now <= ca.validity().not_after && ca.is_self_issued()
        });
        let severity = if others { Severity::Warning } else { Severity::Error };
        let finding = Finding::new(severity, "authority-expired", &exhibit.path, problem).effect(
            "everything that it signed is refused: \"certificate has expired\", and RabbitMQ logs \"Certificate Expired\"; \
             rabbitmq-diagnostics check_certificate_expiration fails",
        );
        return Some(
            finding
                .remedy("replace the authority (certgen rotate does it in phases) and take this one out of the bundle"),
        );
    }
    let client = is_client(certificate);
    let finding = Finding::new(Severity::Error, "expired", &exhibit.path, problem);
    Some(match client {
        true => finding.cause(CauseId::ClientExpired).effect(
            "RabbitMQ refuses the client and logs \"generated SERVER ALERT: Fatal - Certificate Expired\"; with TLS 1.3 pika says \
             IncompatibleProtocolError or \"certificate expired\"",
        ),
        false => finding.cause(CauseId::ServerExpired).effect(
            "clients refuse the server: \"certificate has expired\" (Python, Go), CERT_HAS_EXPIRED (Node), \"validity check failed\" \
             (Java); RabbitMQ logs \"Certificate Expired\" or, with TLS 1.3, \"Bad Record MAC\"",
        ),
    }
    .remedy(renew(case, exhibit)))
}

fn not_begun(case: &Case, exhibit: &Exhibit, certificate: &Certificate) -> Option<Finding> {
    let begin = certificate.validity().not_before;
    if begin <= case.now {
        return None;
    }
    let problem =
        format!("{} is valid only from {}, in {}", whose(certificate), ui::date(begin), ui::span(begin - case.now));
    let cause = if is_client(certificate) { CauseId::ClientNotYetValid } else { CauseId::ServerNotYetValid };
    let finding = Finding::new(Severity::Error, "not-yet-valid", &exhibit.path, problem).cause(cause).effect(
        "it is refused until then: \"certificate is not yet valid\"; RabbitMQ says \"Certificate Expired\" for this too",
    );
    Some(
        finding
            .remedy("date -u    (a clock that is behind is the usual cause)")
            .remedy("issue it again with a beginning an hour back, as certgen does by itself"),
    )
}

fn ends_soon(case: &Case, exhibit: &Exhibit, certificate: &Certificate) -> Option<Finding> {
    let validity = certificate.validity();
    let (left, life) = (validity.not_after - case.now, validity.not_after - validity.not_before);
    let authority = is_authority(certificate);
    let soon = if authority { SOON_FOR_AUTHORITIES } else { SOON };
    if left >= soon.min(life / 3) {
        return None;
    }
    let problem = format!("{} expires in {}, on {}", whose(certificate), ui::span(left), ui::date(validity.not_after));
    let finding = Finding::new(Severity::Warning, "expires-soon", &exhibit.path, problem);
    Some(match authority {
        true => finding
            .effect("with it ends everything that it signed, at once")
            .remedy("certgen rotate start    (or what made it: a new authority, known to everybody before it signs)"),
        false => finding.effect("from then on it is refused").remedy(renew(case, exhibit)),
    })
}

/// From 2050 a date is written as a GeneralizedTime (RFC 5280 section 4.1.2.5).
fn decades(exhibit: &Exhibit, certificate: &Certificate) -> Option<Finding> {
    let end = certificate.validity().not_after;
    (end.year() >= 2050).then(|| {
        let problem = format!("{} is valid until {}", whose(certificate), end.year());
        Finding::new(Severity::Warning, "valid-for-decades", &exhibit.path, problem)
            .effect(
                "RabbitMQ's health check of expiry crashes on dates that far away (rabbitmq-server#12464), and the key has to stay \
                 secret all that time",
            )
            .remedy("issue it for a year, an authority for ten, and renew")
    })
}

fn renew(case: &Case, exhibit: &Exhibit) -> String {
    let name = exhibit.path.parent().and_then(|directory| directory.file_name());
    match (case.place(&exhibit.path), name.and_then(|name| crate::store::name_of_directory(name.to_str()?))) {
        (Place::Identity(role), Some(name)) => format!("certgen renew {}", ui::shell(&format!("{role}/{name}"))),
        (Place::External, _) => "renew it where it comes from".to_owned(),
        _ => format!("renew it where it comes from; certgen inspect {} tells what it is", argument(&exhibit.path)),
    }
}

fn whose(certificate: &Certificate) -> String {
    match is_authority(certificate) {
        true => format!("the authority {}", subject(certificate)),
        false => format!("the certificate of {}", subject(certificate)),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::testing::{case, healthy, told};
    use super::*;
    use crate::x509::sample::HIERARCHY;

    fn at(files: &[(&str, String)], now: time::OffsetDateTime) -> Vec<(Severity, &'static str, String)> {
        let mut case = case(files);
        case.now = now;
        told(check, &case)
    }

    #[test]
    fn what_is_valid_for_a_while_is_right() {
        assert_eq!(at(&healthy(), datetime!(2026-11-01 12:00 UTC)), []);
        assert_eq!(at(&healthy(), datetime!(2027-04-30 0:00 UTC)), [], "32 days are left");
    }

    #[test]
    fn what_has_ended_or_not_begun_or_ends_soon_is_told() {
        let server = "tls/server_certificate.pem".to_owned();
        for (now, severity, code) in [
            (datetime!(2027-06-02 0:00 UTC), Severity::Error, "expired"),
            (datetime!(2027-05-20 0:00 UTC), Severity::Warning, "expires-soon"),
            (datetime!(2026-05-31 0:00 UTC), Severity::Error, "not-yet-valid"),
        ] {
            assert_eq!(at(&healthy(), now), [(severity, code, server.clone())], "{now}");
        }
    }

    #[test]
    fn an_expired_authority_is_told_once_and_less_loudly_beside_another() {
        let root = HIERARCHY.root.pem();
        let now = datetime!(2036-01-02 0:00 UTC);
        let twice = [("a.pem", root.clone()), ("b.pem", root)];
        assert_eq!(at(&twice, now), [(Severity::Error, "authority-expired", "a.pem".to_owned())]);
    }

    #[test]
    fn a_validity_of_decades_is_told() {
        let mut draft = crate::x509::sample::Draft::of(&HIERARCHY.root);
        draft.not_after = crate::x509::sample::element(0x18, b"20990101000000Z");
        let told = at(&[("ca.pem", draft.certificate().pem())], datetime!(2026-11-01 12:00 UTC));
        assert_eq!(told, [(Severity::Warning, "valid-for-decades", "ca.pem".to_owned())]);
    }
}
