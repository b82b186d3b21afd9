//! RFC 5280 4.2.1.9: "The cA boolean indicates whether the certified public key may be used to verify certificate signatures."

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint =
    Lint { name: "ca_bit", citation: "RFC 5280 4.2.1.9", severity: Severity::Error, looks_at: LooksAt::Frame, check };

fn check(context: &Context<'_>) -> Outcome {
    match (context.role.is_authority(), context.certificate.is_ca()) {
        (true, false) => Outcome::Fail("the authority is not marked as one".into()),
        (false, true) => Outcome::Fail("the end entity is marked as an authority".into()),
        _ => Outcome::Pass,
    }
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
    fn the_wrong_bit_fails() {
        fails(&LINT, Purpose::Client, |draft| {
            draft.extension(oid::BASIC_CONSTRAINTS).value = vec![0x30, 3, 1, 1, 0xff]
        });
        fails(&LINT, Purpose::RootAuthority, |draft| draft.extension(oid::BASIC_CONSTRAINTS).value = vec![0x30, 0]);
    }
}
