//! RFC 5280 6.1.3 (a)(2) asks each certificate of a path to be valid now. One that begins before its issuer does no harm once
//! the issuer is valid, and test suites ask for it, so it is signed when its date was named.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "begins_with_issuer",
    citation: "RFC 5280 6.1.3",
    severity: Severity::Warning,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(issuer) = context.issuer else { return Outcome::Pass };
    Outcome::fail_if(
        context.certificate.validity().not_before < issuer.validity().not_before,
        "the validity begins before the issuer's",
    )
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
    fn one_second_early_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.not_before = element(0x17, b"251231235959Z"));
    }
}
