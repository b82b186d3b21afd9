//! cert-manager's Certificate, where it is for nodes.

use super::at;
use super::object::Object;
use crate::diagnosis::CauseId;
use crate::doctor::syntax::yaml::Node;
use crate::doctor::{Finding, Severity};

/// A node is server and client of its peers. Without `usages` the certificate has no extended key usage, which is good for both.
pub(super) fn check(certificate: &Object<'_>, objects: &[Object<'_>]) -> Option<Finding> {
    if !certificate.text(&["apiVersion"])?.starts_with("cert-manager.io/") || !is_for_nodes(certificate, objects) {
        return None;
    }
    let usages = certificate.node.at(&["spec", "usages"]).filter(|usages| !usages.items().is_empty())?;
    let has = |usage: &str| usages.items().iter().any(|item| item.text() == Some(usage));
    let missing = ["server auth", "client auth"].into_iter().find(|usage| !has(usage))?;
    let problem = format!("this certificate is for nodes, and its usages lack \"{missing}\"");
    Some(
        at(Severity::Error, "node-usages", certificate.exhibit, usages.line, problem)
            .cause(CauseId::NodePurpose)
            .effect("the nodes do not cluster: \"received SERVER ALERT: Fatal - Unsupported Certificate\"")
            .remedy(format!("add \"{missing}\" to usages"))
            .remedy("certgen emit cert-manager"),
    )
}

/// It has the names of pods, or a cluster with TLS between its nodes uses it.
fn is_for_nodes(certificate: &Object<'_>, objects: &[Object<'_>]) -> bool {
    let names = certificate.node.at(&["spec", "dnsNames"]).map(Node::items).unwrap_or_default();
    let is_pod = |name: &str| name.contains("-nodes.") || name.contains("-headless.");
    let secret = certificate.text(&["spec", "secretName"]);
    let uses = |cluster: &&Object<'_>| {
        cluster.kind == "RabbitmqCluster"
            && secret.is_some()
            && cluster.text(&["spec", "tls", "secretName"]) == secret
            && cluster.text(&["spec", "rabbitmq", "envConfig"]).is_some_and(|text| text.contains("inet_tls"))
    };
    names.iter().filter_map(Node::text).any(is_pod) || objects.iter().any(|object| uses(&object))
}
