//! RFC 5280 4.2.1.9: "If the cA boolean is not asserted, then the certified public key MUST NOT be used to verify certificate
//! signatures"; 4.2.1.3 asks for keyCertSign.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::KeyUsage;

pub(super) const LINT: Lint = Lint {
    name: "issuer_may_sign",
    citation: "RFC 5280 4.2.1.3, 4.2.1.9",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(issuer) = context.issuer() else { return Outcome::Pass };
    let signs = issuer.key_usage().is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    Outcome::fail_if(!issuer.is_ca() || !signs, "the issuer is not an authority that may sign certificates")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::fails_under;
    use crate::lint::support::passes;
    use crate::x509::oid;
    use crate::x509::sample::{Draft, HIERARCHY};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn an_end_entity_as_issuer_fails() {
        fails_under(&LINT, Purpose::Server, &HIERARCHY.client);
    }

    #[test]
    fn an_authority_without_key_cert_sign_fails() {
        let mut issuer = Draft::of(&HIERARCHY.intermediate);
        issuer.extension(oid::KEY_USAGE).value = vec![3, 2, 1, 2];
        fails_under(&LINT, Purpose::Server, &issuer.certificate());
    }
}
