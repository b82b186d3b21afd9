//! RFC 5280 4.2.1.4: "A certificate policy OID MUST NOT appear more than once in a certificate policies extension", which is a
//! SEQUENCE SIZE (1..MAX).

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::oid;

pub(super) const LINT: Lint =
    Lint { name: "policies", citation: "RFC 5280 4.2.1.4", severity: Severity::Error, looks_at: LooksAt::Frame, check };

fn check(context: &Context<'_>) -> Outcome {
    if context.certificate.extension(oid::CERTIFICATE_POLICIES).is_none() {
        return Outcome::Pass;
    }
    let policies = context.certificate.policies();
    let twice = policies.iter().enumerate().any(|(position, policy)| policies[..position].contains(policy));
    Outcome::fail_if(twice || policies.is_empty(), "the list of policies is empty or names one twice")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::oid;
    use crate::x509::sample::element;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn an_empty_list_and_a_repeated_policy_fail() {
        let one = element(0x30, &element(6, &[0x2a, 3, 4]));
        for value in [vec![0x30, 0], element(0x30, &one.repeat(2))] {
            fails(&LINT, Purpose::Client, |draft| *draft = draft.clone().with(oid::CERTIFICATE_POLICIES, false, value));
        }
    }
}
