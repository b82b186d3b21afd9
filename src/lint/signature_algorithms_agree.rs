//! RFC 5280 4.1.1.2: "This field MUST contain the same algorithm identifier as the signature field in the sequence
//! tbsCertificate."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "signature_algorithms_agree",
    citation: "RFC 5280 4.1.1.2",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    Outcome::fail_if(
        !context.certificate.signature_algorithms_agree(),
        "the signature algorithm outside the signed part is not the one inside",
    )
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::algorithm;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn different_algorithms_fail() {
        fails(&LINT, Purpose::Server, |draft| draft.outer_algorithm = algorithm("1.3.101.112"));
    }
}
