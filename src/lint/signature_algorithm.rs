//! RFC 9155 and RFC 6151 retire SHA-1 and MD5. RFC 4055 5: RSA parameters "MUST be NULL"; RFC 5758 3.2: with
//! ECDSA "the encoding MUST omit the parameters field"; RFC 8410 3: those of Ed25519 "MUST be absent".

use super::{Context, Lint, LooksAt, Outcome, Severity};

pub(super) const LINT: Lint = Lint {
    name: "signature_algorithm",
    citation: "RFC 9155, RFC 4055 5, RFC 5758 3.2, RFC 8410 3",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

/// The AlgorithmIdentifiers of SHA-256, SHA-384 and SHA-512 with ECDSA and RSA, and of Ed25519, byte for byte.
const ALLOWED: [&[u8]; 7] = [
    &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
    &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
    &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4],
    &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
    &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0],
    &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 12, 5, 0],
    &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 13, 5, 0],
];

fn check(context: &Context<'_>) -> Outcome {
    let found = context.certificate.signature_algorithm_der();
    Outcome::fail_unless(ALLOWED.contains(&found), || {
        format!(
            "the signature algorithm {} is not SHA-256 or better with RSA, ECDSA or Ed25519, or its parameters are wrong",
            context.certificate.signature_algorithm()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::sample::algorithm;

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn sha_1_md5_and_wrong_parameters_fail() {
        for oid in ["1.2.840.113549.1.1.5", "1.2.840.113549.1.1.4", "1.2.840.10045.4.1", "1.2.840.113549.1.1.11"] {
            fails(&LINT, Purpose::Server, |draft| draft.outer_algorithm = algorithm(oid));
        }
    }
}
