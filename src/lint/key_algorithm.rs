//! RFC 5480 2.1.1: "implicitCurve and specifiedCurve ... MUST NOT be used"; the named curves are P-256, P-384 and P-521, with
//! RSA and Ed25519 beside them: what every TLS stack around a broker can verify.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::PublicKeyAlgorithm;

pub(super) const LINT: Lint = Lint {
    name: "key_algorithm",
    citation: "RFC 5480 2.1.1",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let key = context.certificate.public_key();
    match key.algorithm() {
        PublicKeyAlgorithm::Ecdsa("P-256" | "P-384" | "P-521")
        | PublicKeyAlgorithm::Ed25519
        | PublicKeyAlgorithm::Rsa => Outcome::Pass,
        other => Outcome::Fail(format!("the key is {other}, not RSA, Ed25519, P-256, P-384 or P-521").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::element;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn an_unusual_curve_fails() {
        // secp256k1 instead of P-256.
        fails(&LINT, Purpose::Server, |draft| {
            let curve = element(6, &[0x2b, 0x81, 4, 0, 10]);
            let identifier = element(0x30, &[element(6, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1]), curve].concat());
            let point = element(3, &[&[0, 4][..], &[7; 64]].concat());
            draft.public_key = element(0x30, &[identifier, point].concat());
        });
    }
}
