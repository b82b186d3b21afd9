//! RFC 5280 4.2.1.10: the extension "MUST be used only in a CA certificate"; "Conforming CAs MUST mark this extension as critical
//! and ... MUST NOT issue certificates where name constraints is an empty sequence."
//!
//! A domain with a leading dot is not of RFC 5280, and Erlang/OTP 25 refuses the chain.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::ui::quote;
use crate::x509::{Subtree, oid};

pub(super) const LINT: Lint = Lint {
    name: "name_constraints",
    citation: "RFC 5280 4.2.1.10",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let certificate = context.certificate;
    let Some(constraints) = certificate.name_constraints() else { return Outcome::Pass };
    if !certificate.is_ca() {
        return Outcome::Fail("there are name constraints, but this is no authority".into());
    }
    if certificate.extension(oid::NAME_CONSTRAINTS).is_some_and(|extension| !extension.critical) {
        return Outcome::Fail("the name constraints are not critical".into());
    }
    if constraints.is_empty() {
        return Outcome::Fail("the name constraints are empty".into());
    }
    for subtree in constraints.permitted.iter().chain(&constraints.excluded) {
        match subtree {
            Subtree::Dns(domain) if domain.starts_with('.') => {
                return Outcome::Fail(format!("the constraint {} begins with a dot", quote(domain)).into());
            }
            Subtree::Other(text) if text.starts_with("IP:") => {
                return Outcome::Fail(format!("the constraint {} is no address and prefix", quote(text)).into());
            }
            _ => {}
        }
    }
    Outcome::Pass
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
    fn misplaced_empty_and_malformed_constraints_fail() {
        let domain = |text: &[u8]| element(0x30, &element(0xa0, &element(0x30, &element(0x82, text))));
        let range = element(0x30, &element(0xa0, &element(0x30, &element(0x87, &[10, 0, 0, 1, 255, 0, 255, 0]))));
        fails(&LINT, Purpose::Client, |draft| *draft = draft.clone().with(oid::NAME_CONSTRAINTS, true, domain(b"a.b")));
        fails(&LINT, Purpose::IntermediateAuthority, |draft| draft.extension(oid::NAME_CONSTRAINTS).critical = false);
        for value in [vec![0x30, 0], domain(b".a.b"), range] {
            fails(&LINT, Purpose::IntermediateAuthority, |draft| draft.extension(oid::NAME_CONSTRAINTS).value = value);
        }
    }
}
