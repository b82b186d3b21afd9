//! The names of nodes in pods, and whether their certificate carries them.

use std::collections::HashMap;

use super::object::Object;
use super::{at, pods};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::yaml::Node;
use crate::doctor::{Case, Finding, Severity};
use crate::ui;
use crate::x509::{Certificate, GeneralName};

/// More pods than this are compared no further.
const MOST: usize = 32;

pub(super) fn check(case: &Case, object: &Object<'_>, objects: &[Object<'_>], findings: &mut Vec<Finding>) {
    if !speaks_tls(object, objects) {
        return;
    }
    let Some((hosts, secrets)) = nodes(object) else { return };
    let shown: Vec<_> = secrets.iter().filter_map(|name| object.named(objects, "Secret", name)).collect();
    let Some((secret, leaf)) = shown.iter().find_map(|secret| Some((secret, secret.leaf()?))) else { return };
    let matches_wildcards = matches_wildcards(case, objects);
    let line = object.node.line;
    let refused =
        hosts.iter().filter_map(|host| Some((host, fault(&leaf, host, matches_wildcards)?))).collect::<Vec<_>>();
    let Some((host, fault)) = refused.first() else { return };
    let others = if refused.len() > 1 { format!(" and {} more", refused.len() - 1) } else { String::new() };
    let finding = match fault {
        Fault::Missing => {
            let problem = format!(
                "the certificate in the Secret {} is not for the node {}{others}",
                ui::quote(secret.name),
                ui::quote(host)
            );
            at(Severity::Error, "node-name", object.exhibit, line, problem).cause(CauseId::NodeNameMismatch)
        }
        Fault::Wildcard => {
            let problem = format!(
                "the certificate in the Secret {} has only a wildcard for the node {}{others}, and no match_fun in \
                 inter_node_tls.config",
                ui::quote(secret.name),
                ui::quote(host)
            );
            at(Severity::Error, "node-wildcard", object.exhibit, line, problem).cause(CauseId::NodeWildcard)
        }
    };
    findings.push(
        finding
            .effect(format!("the nodes do not cluster: {{bad_cert,{{hostname_check_failed,{{requested,\"{}\"}},...", ui::plain(host)))
            .remedy("certgen issue node NAME --kubernetes NAMESPACE/CLUSTER --replicas N")
            .remedy("for a wildcard: {customize_hostname_check, [{match_fun, public_key:pkix_verify_hostname_match_fun(https)}]} in the client list"),
    );
}

enum Fault {
    Missing,
    Wildcard,
}

/// Erlang compares a wildcard only where it is told to.
fn fault(leaf: &Certificate, host: &str, matches_wildcards: bool) -> Option<Fault> {
    let names = leaf.subject_alt_names().unwrap_or_default();
    let is_wildcard = |name: &&GeneralName| matches!(name, GeneralName::Dns(name) if name.is_wildcard());
    let mut covering = names.iter().filter(|name| name.covers_host(host)).peekable();
    if covering.peek().is_none() {
        return Some(Fault::Missing);
    }
    (!matches_wildcards && covering.all(|name| is_wildcard(&name))).then_some(Fault::Wildcard)
}

/// The hosts of the nodes that an object makes, and the Secrets that their certificate may be in.
fn nodes<'a>(object: &Object<'a>) -> Option<(Vec<String>, Vec<&'a str>)> {
    let replicas = object.text(&["spec", "replicas"]).and_then(|text| text.parse().ok()).unwrap_or(1).min(MOST);
    let (name, namespace) = (object.name, object.namespace?);
    if object.kind == "RabbitmqCluster" {
        let hosts = (0..replicas).map(|n| format!("{name}-server-{n}.{name}-nodes.{namespace}")).collect();
        return Some((hosts, vec![object.text(&["spec", "tls", "secretName"])?]));
    }
    let pod = pods::spec(object).filter(|_| object.kind == "StatefulSet")?;
    let secrets =
        pods::list(pod, "volumes").filter_map(|volume| volume.at(&["secret", "secretName"])?.text()).collect();
    let variables = pods::list(pod, "containers").find_map(|container| container.get("env"))?.items();
    let hosts: Option<Vec<String>> =
        (0..replicas).map(|n| host(variables, &format!("{name}-{n}"), namespace)).collect();
    Some((hosts?, secrets))
}

/// The host in RABBITMQ_NODENAME, for one pod.
fn host(variables: &[Node], pod: &str, namespace: &str) -> Option<String> {
    let mut known: HashMap<&str, String> = HashMap::new();
    for variable in variables {
        let name = variable.get("name")?.text()?;
        let field = variable.at(&["valueFrom", "fieldRef", "fieldPath"]).and_then(Node::text);
        let value = match (field, variable.get("value").and_then(Node::text)) {
            (Some("metadata.name"), _) => pod.to_owned(),
            (Some("metadata.namespace"), _) => namespace.to_owned(),
            (None, Some(value)) => {
                known.iter().fold(value.to_owned(), |text, (name, value)| text.replace(&format!("$({name})"), value))
            }
            _ => continue,
        };
        known.insert(name, value);
    }
    let (_, host) = known.get("RABBITMQ_NODENAME")?.split_once('@')?;
    (!host.contains('$')).then(|| host.to_owned())
}

/// Something tells these nodes to speak TLS with one another.
fn speaks_tls(object: &Object<'_>, objects: &[Object<'_>]) -> bool {
    let says = |node: &Node| any_text(node, &|text| text.contains("inet_tls"));
    let mentions =
        says(object.node) || objects.iter().filter(|other| other.kind == "ConfigMap").any(|other| says(other.node));
    mentions && matches!(object.kind, "RabbitmqCluster" | "StatefulSet")
}

/// Some option file has the function that compares wildcards.
fn matches_wildcards(case: &Case, objects: &[Object<'_>]) -> bool {
    let needle = "pkix_verify_hostname_match_fun";
    let in_manifest = objects.iter().any(|object| any_text(object.node, &|text| text.contains(needle)));
    let in_file = |bytes: &[u8]| bytes.len() < 1 << 20 && String::from_utf8_lossy(bytes).contains(needle);
    in_manifest || case.exhibits.iter().any(|exhibit| in_file(&exhibit.bytes))
}

fn any_text(node: &Node, is_it: &dyn Fn(&str) -> bool) -> bool {
    node.text().is_some_and(is_it)
        || node.items().iter().any(|item| any_text(item, is_it))
        || node.entries().iter().any(|(_, value)| any_text(value, is_it))
}
