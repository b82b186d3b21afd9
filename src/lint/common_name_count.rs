//! RabbitMQ takes the common name of a client for its user: with none there is no user, and with two the one that is taken
//! depends on who reads. CA/Browser Forum 7.1.4.2.2 allows at most one anywhere.

use super::Purpose;
use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "common_name_count",
    citation: "CABF BR 7.1.4.2.2",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    match (context.certificate.subject().common_name_attributes().count(), context.role) {
        (1, _) => Outcome::Pass,
        (0, Purpose::Client) => Outcome::Fail("the client has no common name".into()),
        (0, _) => Outcome::Pass,
        _ => Outcome::Fail("the subject has more than one common name".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::names;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn a_client_without_or_with_two_names_fails() {
        let one: (&str, u8, &[u8]) = ("2.5.4.3", 0x0c, b"celery");
        for attributes in [&[("2.5.4.10", 0x0c, &b"x"[..])][..], &[one, one]] {
            fails(&LINT, Purpose::Client, |draft| draft.subject = names(attributes));
        }
    }
}
