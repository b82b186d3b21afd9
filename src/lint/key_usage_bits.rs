//! RFC 5280 4.2.1.3: "If the keyCertSign bit is asserted, then the cA bit in the basic constraints extension MUST also be
//! asserted"; "at least one of the bits MUST be set to 1". RFC 8813 3 forbids keyEncipherment and dataEncipherment to EC keys, RFC
//! 8410 5 to Ed25519.
//!
//! An authority signs certificates and revocation lists. An end entity signs handshakes; an RSA server may also decrypt a
//! premaster secret for clients without elliptic curves.

use super::Purpose;
use super::{Context, Lint, LooksAt, Outcome, Severity};
use crate::x509::{KeyUsage, PublicKeyAlgorithm};

pub(super) const LINT: Lint = Lint {
    name: "key_usage_bits",
    citation: "RFC 5280 4.2.1.3, RFC 8813 3, RFC 8410 5",
    severity: Severity::Error,
    looks_at: LooksAt::Frame,
    check,
};

fn check(context: &Context<'_>) -> Outcome {
    let Some(usage) = context.certificate.key_usage() else { return Outcome::Pass };
    let rsa = *context.certificate.public_key().algorithm() == PublicKeyAlgorithm::Rsa;
    let (needed, allowed) = match context.role {
        Purpose::RootAuthority | Purpose::IntermediateAuthority => (SIGN, SIGN | KeyUsage::DIGITAL_SIGNATURE),
        Purpose::Server | Purpose::Node if rsa => {
            (KeyUsage::DIGITAL_SIGNATURE, KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT)
        }
        _ => (KeyUsage::DIGITAL_SIGNATURE, KeyUsage::DIGITAL_SIGNATURE),
    };
    Outcome::fail_unless(usage.contains(needed) && allowed.contains(usage), || {
        format!("the key usage ({usage}) does not fit the role and the key")
    })
}

const SIGN: KeyUsage = KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN);

#[cfg(test)]
mod tests {
    use super::LINT;
    use crate::lint::Purpose;
    use crate::lint::support::{fails, passes};
    use crate::x509::{KeyUsage, oid};

    #[test]
    fn what_is_issued_passes() {
        passes(&LINT);
    }

    #[test]
    fn bits_that_do_not_fit_fail() {
        let usage = |bits: KeyUsage| bits.to_der();
        for (role, bits) in [
            (Purpose::Server, KeyUsage::NONE),
            (Purpose::Server, KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT),
            (Purpose::Client, KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_CERT_SIGN),
            (Purpose::Client, KeyUsage::KEY_ENCIPHERMENT),
            (Purpose::Node, KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_AGREEMENT),
            (Purpose::RootAuthority, KeyUsage::KEY_CERT_SIGN),
            (Purpose::IntermediateAuthority, KeyUsage::CRL_SIGN),
            (Purpose::IntermediateAuthority, KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN | KeyUsage::KEY_ENCIPHERMENT),
        ] {
            fails(&LINT, role, |draft| draft.extension(oid::KEY_USAGE).value = usage(bits));
        }
    }
}
