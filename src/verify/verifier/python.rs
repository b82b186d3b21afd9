//! Python 3.13's `ssl.create_default_context()`, which sets VERIFY_X509_STRICT and VERIFY_X509_PARTIAL_CHAIN; the versions
//! before it set neither, and are answered by `openssl`. py-amqp and Celery build their context without the default and
//! are not strict in any version. Run with 3.13.5 (OpenSSL 3.5.9).
//!
//! The common name counts when there is no dNSName; a wildcard is a whole label.

use super::ask::Ask;
use super::libcrypto::{self, Fault, Manner};
use super::names::{CommonName, NameRule, wanted};
use crate::verify::PeerName;

const NAMES: NameRule = NameRule {
    common_name: CommonName::WithoutDnsName,
    matches: |host, pattern| libcrypto::host_matches(host, pattern, false),
};

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    let manner = Manner { level: 2, strict: true, partial: true, name: Some(|ask| NAMES.misses(ask)) };
    let text = match libcrypto::fault(ask, &manner)? {
        Fault::Name => {
            let what = if matches!(ask.name(), Some(PeerName::Ip(_))) { "IP address" } else { "Hostname" };
            format!("{what} mismatch, certificate is not valid for '{}'.", wanted(ask))
        }
        fault => fault.text().to_owned(),
    };
    Some(format!("certificate verify failed: {text}"))
}
