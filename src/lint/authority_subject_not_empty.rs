//! RFC 5280 4.1.2.6: "If the subject is a CA ... then the subject field MUST be populated with a non-empty distinguished name."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "authority_subject_not_empty",
    citation: "RFC 5280 4.1.2.6",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let empty = context.role.is_authority() && context.certificate.subject().is_empty();
    Outcome::fail_if(empty, "the authority's name is empty")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn an_authority_without_a_name_fails() {
        fails(&LINT, Purpose::IntermediateAuthority, |draft| draft.subject = vec![0x30, 0]);
    }
}
