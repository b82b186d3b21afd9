//! Secrets: the keys that they must have, and the pairs in them.

use super::at;
use super::object::Object;
use crate::doctor::crypto::pair;
use crate::doctor::{Finding, Severity};
use crate::ui;

pub(super) fn check(secret: &Object<'_>, findings: &mut Vec<Finding>) {
    let entries = secret.entries();
    if entries.is_empty() {
        // Somebody else fills it in.
        return;
    }
    for entry in entries.iter().filter(|entry| entry.bytes.is_none()) {
        let problem = format!("{} in data is no base64", ui::quote(entry.key));
        findings.push(
            at(Severity::Error, "secret-encoding", secret.exhibit, entry.line, problem)
                .effect("the API server refuses the Secret: \"illegal base64 data\"")
                .remedy("base64 -w0 FILE, or write the text below stringData"),
        );
    }
    if secret.text(&["type"]) == Some("kubernetes.io/tls") {
        let has = |key: &str| entries.iter().any(|entry| entry.key == key);
        for key in ["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)) {
            let problem =
                format!("the Secret {} is of type kubernetes.io/tls and has no {key}", ui::quote(secret.name));
            findings.push(
                at(Severity::Error, "secret-keys", secret.exhibit, secret.line(&["type"]), problem)
                    .effect(format!("the API server refuses the Secret: data[{key}]: Required value"))
                    .remedy("name the certificate tls.crt and its key tls.key"),
            );
        }
    }
    let file = |key: &str| secret.file(entries.iter().find(|entry| entry.key == key)?);
    if let (Some(certificate), Some(key)) = (file("tls.crt"), file("tls.key")) {
        let is_empty = |bytes: &[u8]| bytes.trim_ascii().is_empty();
        if is_empty(&certificate.bytes) && is_empty(&key.bytes) {
            // As it is written for somebody to fill in.
            return;
        }
        findings.extend(pair(&certificate, &key).map(|found| {
            let line = entries.iter().find(|entry| entry.key == "tls.key").map_or(secret.node.line, |entry| entry.line);
            Finding { file: Some(secret.exhibit.path.clone()), line: Some(line), fix: None, ..found }
        }));
    }
}
