//! RFC 5280 4.2.1.9: "Conforming CAs MUST include this extension in all CA certificates that contain public keys used to
//! validate digital signatures on certificates and MUST mark the extension as critical in such certificates."
//!
//! End entities have it too, so that no reader of the past takes one without for an authority.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "basic_constraints_critical",
    citation: "RFC 5280 4.2.1.9",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let critical =
        context.certificate.extension(oid::BASIC_CONSTRAINTS).is_some_and(|constraints| constraints.critical);
    Outcome::fail_if(!critical, "the basic constraints are missing or not critical")
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
    fn missing_or_not_critical_fails() {
        fails(&LINT, Purpose::RootAuthority, |draft| draft.extension(oid::BASIC_CONSTRAINTS).critical = false);
        fails(&LINT, Purpose::Client, |draft| *draft = draft.clone().without(oid::BASIC_CONSTRAINTS));
    }
}
