//! A browser with a root of one's own: Chrome, Edge and Firefox of 2026, the stricter of them. Read, not run: no browser
//! was at hand. Sources: facts of published advice (no common name since Chrome 58), Chromium's net/cert and
//! pki/verify_certificate_chain.cc, Mozilla's pkix. The texts are Chrome's error codes.
//!
//! Never the common name; a wildcard is a whole label with two labels after it; no SHA-1 from anybody; dates and
//! constraints of a root that was imported count. Key identifiers are a hint only. Limits for public authorities (398
//! days, transparency logs) do not bind roots of one's own.

use super::ask::{Ask, Chain, Hash, hash, lacks, rsa_bits, serves};
use super::names::{CommonName, NameRule, whole_label};
use crate::verify::{Check, Purpose};
use crate::x509::KeyUsage;

const NAMES: NameRule =
    NameRule { common_name: CommonName::Never, matches: |host, pattern| whole_label(host, pattern, 2) };

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    let code = match ask.to_anchors.judge(|chain| in_chain(ask, chain)) {
        Some(verdict) => verdict.err(),
        None => Some("ERR_CERT_AUTHORITY_INVALID"),
    };
    code.or_else(|| NAMES.misses(ask).then_some("ERR_CERT_COMMON_NAME_INVALID")).map(|code| format!("NET::{code}"))
}

fn in_chain(ask: &Ask<'_>, chain: &Chain<'_>) -> Option<&'static str> {
    let all = 0..chain.certificates.len();
    let purpose = ask.purpose();
    if all.clone().any(|index| chain.is_expired(index) || chain.is_early(index)) {
        return Some("ERR_CERT_DATE_INVALID");
    }
    if chain.below_anchor().any(|index| index < chain.last() && hash(chain.certificates[index]) != Hash::Good) {
        return Some("ERR_CERT_WEAK_SIGNATURE_ALGORITHM");
    }
    if chain.certificates.iter().any(|certificate| rsa_bits(certificate).is_some_and(|bits| bits < 2048)) {
        return Some("ERR_CERT_WEAK_KEY");
    }
    let unfit = |index: usize| {
        let issuer_faults = [Check::BasicConstraints, Check::KeyUsage, Check::PathLength];
        chain.has(Check::CriticalExtension, index)
            || (index > 0 && issuer_faults.iter().any(|check| chain.has(*check, index)))
            || !serves(chain.certificates[index], purpose, index > 0)
            || chain.certificates[index].version() != 3
    };
    let signs = purpose == Purpose::Any || !lacks(ask.leaf(), &[KeyUsage::DIGITAL_SIGNATURE]);
    (all.clone().any(unfit) || !signs || chain.constrained_name(true).is_some()).then_some("ERR_CERT_INVALID")
}
