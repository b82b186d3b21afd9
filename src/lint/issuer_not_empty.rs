//! RFC 5280 4.1.2.4: "The issuer field MUST contain a non-empty distinguished name (DN)."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "issuer_not_empty",
    citation: "RFC 5280 4.1.2.4",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(context.certificate.issuer().is_empty(), "the issuer's name is empty")
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
    fn an_empty_issuer_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.issuer = vec![0x30, 0]);
    }
}
