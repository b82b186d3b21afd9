//! RFC 5280 4.2.1.3: "Conforming CAs MUST include this extension in certificates that contain public keys that are used to
//! validate digital signatures on other public key certificates or CRLs. When present, conforming CAs SHOULD mark this extension
//! as critical."

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::oid;

pub(super) const LINT: Lint = Lint {
    name: "key_usage_critical",
    citation: "RFC 5280 4.2.1.3",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let critical = context.certificate.extension(oid::KEY_USAGE).is_some_and(|usage| usage.critical);
    Outcome::fail_if(!critical, "the key usage is missing or not critical")
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
        fails(&LINT, Purpose::Server, |draft| draft.extension(oid::KEY_USAGE).critical = false);
        fails(&LINT, Purpose::RootAuthority, |draft| *draft = draft.clone().without(oid::KEY_USAGE));
    }
}
