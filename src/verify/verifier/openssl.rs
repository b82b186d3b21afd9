//! `openssl verify -purpose ... -verify_hostname ...` and `s_client` at security level 2, which is the default of OpenSSL
//! since 3.2 and of Debian since long before. Run with 3.0.19 and 3.5.9, which agree.
//!
//! The common name counts when there is no dNSName. `-x509_strict` is what `python` shows.

use super::ask::Ask;
use super::libcrypto::{self, Fault, Manner};
use super::names::{CommonName, NameRule};
use crate::verify::PeerName;

const NAMES: NameRule = NameRule {
    common_name: CommonName::WithoutDnsName,
    matches: |host, pattern| libcrypto::host_matches(host, pattern, true),
};

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    let manner = Manner { level: 2, strict: false, partial: false, name: Some(|ask| NAMES.misses(ask)) };
    libcrypto::fault(ask, &manner).map(|fault| match (fault, ask.name()) {
        (Fault::Name, Some(PeerName::Ip(_))) => "IP address mismatch".to_owned(),
        (fault, _) => fault.text().to_owned(),
    })
}
