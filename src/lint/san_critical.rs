//! RFC 5280 4.1.2.6: "If subject naming information is present only in the subjectAltName extension, then the subject name MUST
//! be an empty sequence and the subjectAltName extension MUST be critical"; otherwise it SHOULD be non-critical.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "san_critical",
    citation: "RFC 5280 4.1.2.6, 4.2.1.6",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let empty = context.certificate.subject().is_empty();
    match context.certificate.extension(oid::SUBJECT_ALT_NAME) {
        None if empty => Outcome::Fail("there is neither a subject nor a subject alternative name".into()),
        Some(names) if empty && !names.critical => {
            Outcome::Fail("the subject is empty, but the subject alternative names are not critical".into())
        }
        Some(names) if !empty && names.critical => {
            Outcome::Fail("the subject alternative names are critical although there is a subject".into())
        }
        _ => Outcome::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::oid;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn criticality_that_does_not_follow_the_subject_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.subject = vec![0x30, 0]);
        fails(&LINT, Purpose::Server, |draft| draft.extension(oid::SUBJECT_ALT_NAME).critical = true);
        fails(&LINT, Purpose::Client, |draft| draft.subject = vec![0x30, 0]);
    }
}
