//! RFC 5280 4.1.2.5.2: "GeneralizedTime values MUST NOT include fractional seconds."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "no_fractional_seconds",
    citation: "RFC 5280 4.1.2.5.2",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(context.certificate.has_fractional_seconds(), "a time has fractional seconds")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::element;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn half_a_second_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.not_after = element(0x18, b"20500101000000.5Z"));
    }
}
