//! RFC 5280 4.2.1.12: "If the extension is present, then the certificate MUST only be used for one of the purposes indicated."
//!
//! A server has serverAuth, a client clientAuth, a node both, and nothing else. An authority has none: Erlang from 27.1.3 on
//! refuses one whose purposes and key usage disagree.

use super::Purpose;
use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::ExtendedKeyUsage;

pub(super) const LINT: Lint = Lint {
    name: "extended_key_usage",
    citation: "RFC 5280 4.2.1.12",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    use ExtendedKeyUsage::{ClientAuth, ServerAuth};
    let (wanted, said): (&[ExtendedKeyUsage], _) = match context.role {
        Purpose::Server => (&[ServerAuth], "the extended key usage of a server is not serverAuth alone"),
        Purpose::Client => (&[ClientAuth], "the extended key usage of a client is not clientAuth alone"),
        Purpose::Node => {
            (&[ServerAuth, ClientAuth], "the extended key usage of a node is not serverAuth and clientAuth")
        }
        Purpose::RootAuthority | Purpose::IntermediateAuthority => {
            let some = context.certificate.extended_key_usage().is_some();
            return Outcome::fail_if(some, "an authority has an extended key usage");
        }
    };
    let usages = context.certificate.extended_key_usage().unwrap_or_default();
    Outcome::fail_if(usages.len() != wanted.len() || !wanted.iter().all(|usage| usages.contains(usage)), said)
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::oid;
    use crate::x509::sample::{Draft, HIERARCHY, element};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn missing_other_and_additional_purposes_fail() {
        for role in [Purpose::Server, Purpose::Client, Purpose::Node] {
            fails(&LINT, role, |draft| *draft = draft.clone().without(oid::EXTENDED_KEY_USAGE));
            let any = element(0x30, &element(6, &[0x55, 0x1d, 0x25, 0]));
            fails(&LINT, role, |draft| draft.extension(oid::EXTENDED_KEY_USAGE).value = any);
        }
        let both = Draft::of(&HIERARCHY.node).extension(oid::EXTENDED_KEY_USAGE).value.clone();
        for role in [Purpose::Server, Purpose::Client] {
            fails(&LINT, role, |draft| draft.extension(oid::EXTENDED_KEY_USAGE).value = both.clone());
        }
        fails(&LINT, Purpose::IntermediateAuthority, |draft| {
            *draft = draft.clone().with(oid::EXTENDED_KEY_USAGE, false, both)
        });
    }
}
