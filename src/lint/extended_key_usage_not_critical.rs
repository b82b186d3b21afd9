//! RFC 5280 4.2.1.12 leaves it to the issuer; Erlang refused a critical one in an authority (erlang/otp #8806), and whoever
//! does not know the extension has no business with TLS.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "extended_key_usage_not_critical",
    citation: "RFC 5280 4.2.1.12",
    severity: Severity::Warning,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let critical = context.certificate.extension(oid::EXTENDED_KEY_USAGE).is_some_and(|usage| usage.critical);
    Outcome::fail_if(critical, "the extended key usage is critical")
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
    fn a_critical_one_fails() {
        fails(&LINT, Purpose::Server, |draft| draft.extension(oid::EXTENDED_KEY_USAGE).critical = true);
    }
}
