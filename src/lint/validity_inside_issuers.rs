//! RFC 5280 6.1.3 (a)(2) asks each certificate of a path to be valid now: one that outlives its issuer, if by a second, fails
//! at a moment nobody expects. That it begins before its issuer is another rule, `begins_with_issuer`.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "validity_inside_issuers",
    citation: "RFC 5280 6.1.3",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(issuer) = context.issuer else { return Outcome::Pass };
    Outcome::fail_if(
        context.certificate.validity().not_after > issuer.validity().not_after,
        "the validity does not end inside the issuer's",
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
    fn one_second_over_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.not_after = element(0x17, b"360101000001Z"));
    }
}
