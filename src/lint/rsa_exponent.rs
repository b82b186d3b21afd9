//! NIST SP 800-56B 6.2: the public exponent is odd and greater than 2^16. Small ones have broken more than one verifier.

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "rsa_exponent",
    citation: "NIST SP 800-56B 6.2, CABF BR 6.1.6",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(exponent) = context.certificate.public_key().rsa_exponent() else { return Outcome::Pass };
    let odd = exponent.last().is_some_and(|last| last & 1 == 1);
    let large = exponent.len() > 3 || (exponent.len() == 3 && exponent[0] > 0);
    Outcome::fail_if(!odd || !large, "the RSA key's public exponent is even or below 65537")
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::rsa_key;
    use crate::lint::support::{fails, passes};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn small_and_even_exponents_fail() {
        for exponent in [&[3][..], &[0, 0xff, 0xff], &[1, 0, 0]] {
            fails(&LINT, Purpose::Server, |draft| draft.public_key = rsa_key(0x80, 256, exponent));
        }
    }
}
