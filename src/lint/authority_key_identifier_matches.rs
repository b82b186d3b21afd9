//! RFC 5280 4.2.1.1: "The identification MAY be based on either the key identifier (the subject key identifier in the issuer's
//! certificate) or the issuer name and serial number": if the two differ, path builders look for another issuer and find none.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::Certificate;

pub(super) const LINT: Lint = Lint {
    name: "authority_key_identifier_matches",
    citation: "RFC 5280 4.2.1.1",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(issuer) = context.issuer().and_then(Certificate::subject_key_id) else { return Outcome::Pass };
    let different = context.certificate.authority_key_id().is_some_and(|identifier| identifier != issuer);
    Outcome::fail_if(different, "the authority key identifier is not the issuer's subject key identifier")
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
    fn another_identifier_fails() {
        for role in [Purpose::Client, Purpose::RootAuthority] {
            fails(&LINT, role, |draft| {
                *draft = draft.clone().with(oid::AUTHORITY_KEY_IDENTIFIER, false, vec![0x30, 4, 0x80, 2, 1, 2])
            });
        }
    }
}
