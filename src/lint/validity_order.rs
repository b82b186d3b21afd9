//! RFC 5280 4.1.2.5: "The validity period for a certificate is the period of time from notBefore through notAfter, inclusive":
//! it has to begin before it ends.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "validity_order",
    citation: "RFC 5280 4.1.2.5",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let validity = context.certificate.validity();
    Outcome::fail_if(validity.not_after <= validity.not_before, "it ends before it begins")
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
    fn an_end_before_the_beginning_fails() {
        fails(&LINT, Purpose::Server, |draft| std::mem::swap(&mut draft.not_before, &mut draft.not_after));
    }
}
