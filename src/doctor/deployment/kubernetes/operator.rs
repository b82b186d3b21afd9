//! RabbitmqCluster: the Secrets that it names, and the names under which it is reached.

use super::at;
use super::object::Object;
use crate::diagnosis::CauseId;
use crate::doctor::clients::covers;
use crate::doctor::{Finding, Severity};
use crate::ui;
use crate::x509::Certificate;

pub(super) fn check(cluster: &Object<'_>, objects: &[Object<'_>], findings: &mut Vec<Finding>) {
    let secret = |key: &str| {
        let name = cluster.text(&["spec", "tls", key])?;
        Some((cluster.line(&["spec", "tls", key]), cluster.named(objects, "Secret", name)?))
    };
    if let Some((line, tls)) = secret("secretName") {
        findings.extend(lacks(cluster, line, tls, &["tls.crt", "tls.key"]));
        if let Some(leaf) = tls.leaf() {
            findings.extend(service(cluster, line, tls, &leaf));
            findings.extend(management(cluster, tls, &leaf));
        }
    }
    if let Some((line, authorities)) = secret("caSecretName") {
        findings.extend(lacks(cluster, line, authorities, &["ca.crt"]));
    }
}

/// The operator looks for these keys and for no others.
fn lacks(cluster: &Object<'_>, line: usize, secret: &Object<'_>, keys: &[&str]) -> Option<Finding> {
    let entries = secret.entries();
    let missing: Vec<&str> =
        keys.iter().copied().filter(|key| !entries.iter().any(|entry| entry.key == *key)).collect();
    if missing.is_empty() || entries.is_empty() {
        return None;
    }
    let problem = format!("the Secret {} has no {}", ui::quote(secret.name), missing.join(" and no "));
    let effect = match keys {
        ["ca.crt"] => "the operator makes no cluster: event TLSError",
        _ => "the operator makes no cluster: event TLSError, \"does not have the fields tls.crt and tls.key\"",
    };
    Some(
        at(Severity::Error, "secret-keys", cluster.exhibit, line, problem)
            .effect(effect)
            .remedy("certgen emit kubernetes"),
    )
}

/// Clients in the same namespace and in others reach the service.
fn service(cluster: &Object<'_>, line: usize, secret: &Object<'_>, leaf: &Certificate) -> Option<Finding> {
    let namespace = cluster.namespace?;
    let host = format!("{}.{namespace}.svc", cluster.name);
    let known = [
        host.clone(),
        format!("{host}.cluster.local"),
        format!("{}.{namespace}", cluster.name),
        cluster.name.to_owned(),
    ];
    if known.iter().any(|name| covers(leaf, name)) {
        return None;
    }
    let problem = format!("the certificate in the Secret {} is not for {}", ui::quote(secret.name), ui::quote(&host));
    Some(
        at(Severity::Warning, "server-name", cluster.exhibit, line, problem)
            .cause(CauseId::ServerNameMismatch)
            .effect("clients in the cluster that check the name are refused by it: Hostname mismatch")
            .remedy(format!(
                "certgen issue node NAME --kubernetes {}",
                ui::shell(&format!("{namespace}/{}", cluster.name))
            )),
    )
}

/// Without plain listeners the operator itself talks TLS to each pod, and checks its name.
fn management(cluster: &Object<'_>, secret: &Object<'_>, leaf: &Certificate) -> Option<Finding> {
    let disabled = cluster.node.at(&["spec", "tls", "disableNonTLSListeners"])?;
    let pod = format!("{}-server-0.{}-nodes.{}.svc", cluster.name, cluster.name, cluster.namespace?);
    if !disabled.is_true() || covers(leaf, &pod) {
        return None;
    }
    let problem = format!("the certificate in the Secret {} is not for {}", ui::quote(secret.name), ui::quote(&pod));
    Some(
        at(Severity::Warning, "operator-name", cluster.exhibit, disabled.line, problem)
            .cause(CauseId::ServerNameMismatch)
            .effect("the operator reaches the pods by that name where plain listeners are disabled, and fails without a word (2.19)")
            .remedy(format!("certgen issue node NAME --kubernetes {}", ui::shell(&format!("{}/{}", cluster.namespace?, cluster.name)))),
    )
}
