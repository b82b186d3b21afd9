//! RFC 5280 4.2.1.6: "If the subjectAltName extension is present, the sequence MUST contain at least one entry."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "san_not_empty",
    citation: "RFC 5280 4.2.1.6",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let empty = context.certificate.subject_alt_names().is_some_and(<[_]>::is_empty);
    Outcome::fail_if(empty, "the list of subject alternative names is empty")
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
    fn an_empty_list_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.extension(oid::SUBJECT_ALT_NAME).value = vec![0x30, 0]);
    }
}
