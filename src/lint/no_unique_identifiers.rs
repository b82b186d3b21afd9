//! RFC 5280 4.1.2.8: "CAs conforming to this profile MUST NOT generate certificates with unique identifiers."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "no_unique_identifiers",
    citation: "RFC 5280 4.1.2.8",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(context.certificate.has_unique_identifiers(), "it has a unique identifier")
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
    fn a_unique_identifier_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.unique_identifiers = vec![0x82, 2, 0, 7]);
    }
}
