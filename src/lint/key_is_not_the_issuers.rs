//! RFC 5280 3.2 keeps end entities and authorities apart: whoever holds a key that is also its issuer's could sign in its name.

use super::Purpose;
use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "key_is_not_the_issuers",
    citation: "RFC 5280 3.2",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let shared = context.role != Purpose::RootAuthority
        && context.issuer.is_some_and(|issuer| issuer.public_key() == context.certificate.public_key());
    Outcome::fail_if(shared, "the key is also the issuer's")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::HIERARCHY;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn the_issuers_own_key_fails() {
        fails(&LINT, Purpose::Server, |draft| {
            draft.public_key = HIERARCHY.intermediate.public_key().spki_der().to_vec();
        });
    }
}
