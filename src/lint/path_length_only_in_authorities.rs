//! RFC 5280 4.2.1.9: "CAs MUST NOT include the pathLenConstraint field unless the cA boolean is asserted and the key usage
//! extension asserts the keyCertSign bit."

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::KeyUsage;

pub(super) const LINT: Lint = Lint {
    name: "path_length_only_in_authorities",
    citation: "RFC 5280 4.2.1.9",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let certificate = context.certificate;
    let present = certificate.basic_constraints().is_some_and(|constraints| constraints.path_length.is_some());
    let signs = certificate.key_usage().is_some_and(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN));
    Outcome::fail_if(present && !(certificate.is_ca() && signs), "a path length stands where nothing may be signed")
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
    fn a_path_length_in_an_end_entity_fails() {
        fails(&LINT, Purpose::Client, |draft| draft.extension(oid::BASIC_CONSTRAINTS).value = vec![0x30, 3, 2, 1, 0]);
        fails(&LINT, Purpose::IntermediateAuthority, |draft| draft.extension(oid::KEY_USAGE).value = vec![3, 2, 1, 2]);
    }
}
