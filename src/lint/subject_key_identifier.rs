//! RFC 5280 4.2.1.2: "this extension MUST appear in all conforming CA certificates" and SHOULD in others; "Conforming CAs MUST
//! mark this extension as non-critical."

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "subject_key_identifier",
    citation: "RFC 5280 4.2.1.2",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let right = context.certificate.extension(oid::SUBJECT_KEY_IDENTIFIER).is_some_and(|extension| !extension.critical)
        && context.certificate.subject_key_id().is_some_and(|identifier| !identifier.is_empty());
    Outcome::fail_if(!right, "the subject key identifier is missing, empty or critical")
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
    fn missing_empty_or_critical_fails() {
        fails(&LINT, Purpose::RootAuthority, |draft| *draft = draft.clone().without(oid::SUBJECT_KEY_IDENTIFIER));
        fails(&LINT, Purpose::Client, |draft| draft.extension(oid::SUBJECT_KEY_IDENTIFIER).critical = true);
        fails(&LINT, Purpose::Client, |draft| draft.extension(oid::SUBJECT_KEY_IDENTIFIER).value = vec![4, 0]);
    }
}
