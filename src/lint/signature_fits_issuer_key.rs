//! RFC 5480 4 pairs a curve with a hash that is at least as strong: P-384 with SHA-384, P-521 with SHA-512; an algorithm of
//! another family than the issuer's key can never verify.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::PublicKeyAlgorithm;

pub(super) const LINT: Lint = Lint {
    name: "signature_fits_issuer_key",
    citation: "RFC 5480 4",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(issuer) = context.issuer() else { return Outcome::Pass };
    let hash = context.certificate.signature_algorithm();
    let fits = match issuer.public_key().algorithm() {
        PublicKeyAlgorithm::Ecdsa("P-256") => ECDSA.contains(&hash),
        PublicKeyAlgorithm::Ecdsa("P-384") => ECDSA[1..].contains(&hash),
        PublicKeyAlgorithm::Ecdsa(_) => ECDSA[2..].contains(&hash),
        PublicKeyAlgorithm::Ed25519 => hash == "1.3.101.112",
        PublicKeyAlgorithm::Rsa => hash.starts_with("1.2.840.113549.1.1."),
        _ => false,
    };
    Outcome::fail_if(!fits, "the signature algorithm does not fit the issuer's key")
}

/// ecdsa-with-SHA256, -SHA384, -SHA512.
const ECDSA: [&str; 3] = ["1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4"];

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
    fn an_algorithm_of_another_family_fails() {
        for oid in ["1.3.101.112", "1.2.840.113549.1.1.11"] {
            fails(&LINT, Purpose::Server, |draft| draft.outer_algorithm = algorithm(oid));
        }
    }
}
