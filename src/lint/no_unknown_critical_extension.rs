//! RFC 5280 4.2: "A certificate-using system MUST reject the certificate if it encounters a critical extension it does not
//! recognize": nobody would accept it.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::{Extension, oid};

pub(super) const LINT: Lint = Lint {
    name: "no_unknown_critical_extension",
    citation: "RFC 5280 4.2",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

/// What RFC 5280 4.2.1 defines and verifiers know.
const KNOWN: [&str; 9] = [
    oid::KEY_USAGE,
    oid::BASIC_CONSTRAINTS,
    oid::SUBJECT_ALT_NAME,
    oid::EXTENDED_KEY_USAGE,
    oid::NAME_CONSTRAINTS,
    oid::CERTIFICATE_POLICIES,
    oid::POLICY_CONSTRAINTS,
    oid::POLICY_MAPPINGS,
    oid::INHIBIT_ANY_POLICY,
];

fn check(context: &Context<'_>) -> Outcome {
    let unknown = |extension: &&Extension| {
        extension.critical && !KNOWN.contains(&&*extension.oid) && !JUDGED.contains(&&*extension.oid)
    };
    match context.certificate.extensions().iter().find(unknown) {
        Some(extension) => {
            Outcome::Fail(format!("the critical extension {} is not known to verifiers", extension.oid).into())
        }
        None => Outcome::Pass,
    }
}

/// Known, but never critical; their own lints say so.
const JUDGED: [&str; 4] = [
    oid::SUBJECT_KEY_IDENTIFIER,
    oid::AUTHORITY_KEY_IDENTIFIER,
    oid::CRL_DISTRIBUTION_POINTS,
    oid::AUTHORITY_INFO_ACCESS,
];

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
    fn a_private_critical_extension_fails() {
        fails(&LINT, Purpose::Client, |draft| *draft = draft.clone().with("1.3.6.1.4.1.99999.1", true, vec![5, 0]));
    }
}
