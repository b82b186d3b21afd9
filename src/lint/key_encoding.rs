//! RFC 5480 2.1.1 and 2.2, RFC 8410 3 and RFC 3279 2.3.1: the parameters of a key are its named curve, absent, or NULL; "the
//! first octet of the OCTET STRING indicates whether the key is compressed or uncompressed", and only the latter MUST be known.

use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::PublicKeyAlgorithm;
use crate::x509::der::{Reader, tag};

pub(super) const LINT: Lint = Lint {
    name: "key_encoding",
    citation: "RFC 5480 2, RFC 8410 3, RFC 3279 2.3.1",
    severity: Severity::Error,
    looks_at: LooksAt::Particulars,
    check,
};

/// Everything of a SubjectPublicKeyInfo before the point, and how long it is in all.
const FIXED: [(&str, &[u8], usize); 3] = [
    (
        "P-256",
        &[
            0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1,
            7, 3, 0x42, 0, 4,
        ],
        91,
    ),
    (
        "P-384",
        &[
            0x30, 0x76, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x22, 3, 0x62, 0,
            4,
        ],
        120,
    ),
    (
        "P-521",
        &[
            0x30, 0x81, 0x9b, 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 5, 0x2b, 0x81, 4, 0, 0x23, 3,
            0x81, 0x86, 0, 4,
        ],
        158,
    ),
];
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
/// `rsaEncryption` with NULL.
const RSA: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];

fn check(context: &Context<'_>) -> Outcome {
    let key = context.certificate.public_key();
    let der = key.spki_der();
    let right = match key.algorithm() {
        PublicKeyAlgorithm::Ecdsa(curve) => FIXED
            .iter()
            .find(|(name, ..)| name == curve)
            .is_none_or(|(_, start, length)| der.starts_with(start) && der.len() == *length),
        PublicKeyAlgorithm::Ed25519 => der.starts_with(ED25519) && der.len() == ED25519.len() + 32,
        PublicKeyAlgorithm::Rsa => {
            Reader::only(der, tag::SEQUENCE).is_ok_and(|content| content.rest().starts_with(RSA))
        }
        _ => true,
    };
    Outcome::fail_if(!right, "the public key's parameters or point are not encoded as the standard says")
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
    fn a_compressed_point_fails() {
        fails(&LINT, Purpose::Server, |draft| {
            let point = draft.public_key[27..59].to_vec();
            let identifier = draft.public_key[2..23].to_vec();
            draft.public_key = element(0x30, &[identifier, element(3, &[vec![0, 2], point].concat())].concat());
        });
    }
}
