//! Does this key belong to this certificate?

use super::shown;
use crate::diagnosis::CauseId;
use crate::doctor::{Exhibit, Finding, Severity};

/// What is wrong with a certificate and a key that are used together; nothing, if they belong together or the key cannot be
/// looked into. A file may be both.
pub(in crate::doctor) fn pair(certificate: &Exhibit, key: &Exhibit) -> Option<Finding> {
    let shown_certificate = certificate.leaf().or_else(|| certificate.certificates().next())?;
    let has = key.keys().next()?.public_key.as_ref()?;
    (has.sha256 != shown_certificate.public_key().sha256_hex()).then(|| {
        let problem = match certificate.path == key.path {
            true => "the key in this file does not belong to the certificate in it".to_owned(),
            false => format!("the key does not belong to the certificate in {}", shown(certificate)),
        };
        Finding::new(Severity::Error, "key-of-another-certificate", &key.path, problem)
            .cause(CauseId::KeyMismatch)
            .effect(
                "every handshake fails: a Python client says BAD_SIGNATURE, RabbitMQ logs \"Fatal - Decrypt Error\" with TLS 1.2 \
                 and \"Bad Record MAC\" with TLS 1.3",
            )
            .remedy(format!("certgen inspect {} {}", argument(certificate), argument(key)))
            .remedy("put the key and the certificate of one issue side by side; a renewal replaces both")
    })
}

/// A path as a word to type.
pub(super) fn argument(exhibit: &Exhibit) -> String {
    crate::ui::shell(&exhibit.path.to_string_lossy())
}
