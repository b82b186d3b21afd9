//! NIST SP 800-131A: RSA keys below 2048 bits are disallowed. A size that is no multiple of 8 is a sign of a broken generator.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::PublicKeyAlgorithm;

pub(super) const LINT: Lint = Lint {
    name: "rsa_modulus",
    citation: "NIST SP 800-131A, CABF BR 6.1.5",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let key = context.certificate.public_key();
    let weak = *key.algorithm() == PublicKeyAlgorithm::Rsa && (key.bits() < 2048 || !key.bits().is_multiple_of(8));
    Outcome::fail_unless(!weak, || format!("the RSA key has {} bits, not 2048 or more in whole octets", key.bits()))
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
    fn short_and_odd_sizes_fail() {
        for (first, octets) in [(0x80, 128), (0x7f, 256)] {
            fails(&LINT, Purpose::Server, |draft| draft.public_key = rsa_key(first, octets, &[1, 0, 1]));
        }
    }
}
