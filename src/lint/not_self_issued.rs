//! RFC 5280 3.2: "Self-issued certificates are CA certificates in which the issuer and subject are the same entity." OpenSSL
//! calls an end entity with its issuer's name "self-signed certificate" and refuses it.

use super::Purpose;
use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "not_self_issued",
    citation: "RFC 5280 3.2",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let same = context.role != Purpose::RootAuthority && context.certificate.is_self_issued();
    Outcome::fail_if(same, "the subject has the issuer's name")
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
    fn an_entity_with_its_issuers_name_fails() {
        fails(&LINT, Purpose::Client, |draft| draft.subject = draft.issuer.clone());
    }
}
