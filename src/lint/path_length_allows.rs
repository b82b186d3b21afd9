//! RFC 5280 4.2.1.9: the path length "gives the maximum number of non-self-issued intermediate certificates that may follow this
//! certificate in a valid certification path".

use super::Purpose;
use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::Certificate;

pub(super) const LINT: Lint = Lint {
    name: "path_length_allows",
    citation: "RFC 5280 4.2.1.9",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let limit =
        |certificate: &Certificate| certificate.basic_constraints().and_then(|constraints| constraints.path_length);
    let Some(allowed) = context.issuer.and_then(limit) else { return Outcome::Pass };
    if !context.certificate.is_ca() || context.role == Purpose::RootAuthority {
        return Outcome::Pass;
    }
    if allowed == 0 {
        return Outcome::Fail("the issuer's path length allows no authority below it".into());
    }
    // More depth than the issuer has could never be used; it is a sign of a wrong plan, not of a broken chain.
    Outcome::fail_if(
        limit(context.certificate).is_some_and(|own| own >= allowed),
        "the path length is not below the issuer's",
    )
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::fails_under;
    use crate::lint::support::passes;
    use crate::x509::sample::HIERARCHY;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn an_authority_below_path_length_zero_fails() {
        fails_under(&LINT, Purpose::IntermediateAuthority, &HIERARCHY.intermediate);
    }
}
