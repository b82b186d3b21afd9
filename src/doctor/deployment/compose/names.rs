//! As which host the broker is known: to its clients, and to itself.

use super::at;
use super::service::Service;
use crate::diagnosis::CauseId;
use crate::doctor::clients::{Address, Servers, covers};
use crate::doctor::syntax::yaml::Node;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

pub(super) fn check(case: &Case, broker: &Service<'_>, services: &[Service<'_>], findings: &mut Vec<Finding>) {
    match broker.text("hostname") {
        Some(hostname) => findings.extend(node(case, broker, hostname)),
        None => findings.extend(no_hostname(case, broker)),
    }
    let mounted: Vec<&Exhibit> = broker.files().map(|(_, exhibit, _)| exhibit).collect();
    let shows = if mounted.iter().any(|exhibit| exhibit.leaf().is_some()) {
        Servers::within(mounted)
    } else {
        Servers::of(case)
    };
    let names = known_as(broker);
    for client in services.iter().filter(|service| service.name != broker.name) {
        for (_, value, line) in client.environment() {
            let addresses = Address::all(value).into_iter().filter(|a| a.is_tls() || a.scheme == "mqtts");
            let hosts = addresses.filter_map(|address| address.host).filter(|host| names.contains(&host.as_str()));
            let refused = hosts.into_iter().find_map(|host| Some((shows.refuse(&host)?, host)));
            findings.extend(refused.map(|(refusal, host)| refusal.finding(&broker.exhibit.path, line, &host)));
        }
    }
}

/// The names under which other services reach it.
fn known_as<'a>(broker: &Service<'a>) -> Vec<&'a str> {
    let networks = broker.node.get("networks").map(Node::entries).unwrap_or_default();
    let aliases = networks.iter().filter_map(|(_, network)| network.get("aliases")).flat_map(Node::items);
    let named = [Some(broker.name), broker.text("container_name"), broker.text("hostname")];
    named.into_iter().flatten().chain(aliases.filter_map(Node::text)).collect()
}

fn no_hostname(case: &Case, broker: &Service<'_>) -> Option<Finding> {
    let names_itself = |(name, _, _): &(&str, &str, usize)| matches!(*name, "RABBITMQ_NODENAME" | "RABBITMQ_NODE_NAME");
    if broker.environment().iter().any(names_itself) {
        return None;
    }
    let keeps_data =
        broker.mounts.iter().any(|m| m.target.starts_with("/var/lib/rabbitmq") || m.target.starts_with("/bitnami"));
    let is_node = !node_certificates(case).is_empty();
    let (severity, effect) = match (keeps_data, is_node) {
        (_, true) => (
            Severity::Error,
            "no certificate carries that name: nodes and CLI tools are refused, hostname_check_failed",
        ),
        (true, _) => (
            Severity::Warning,
            "the next container is another node, and begins with an empty database in the same volume",
        ),
        _ => (Severity::Note, "the next container is another node, and begins with an empty database"),
    };
    let problem = "without hostname the node is called rabbit@<id of the container>";
    let finding = at(severity, "no-hostname", broker.exhibit, broker.line, problem).effect(effect);
    let finding = if is_node { finding.cause(CauseId::NodeNameMismatch) } else { finding };
    Some(finding.remedy(format!("hostname: {}", ui::plain(broker.name))))
}

/// The name of the node is compared by every other node. The image takes a name with dots whole.
fn node(case: &Case, broker: &Service<'_>, hostname: &str) -> Option<Finding> {
    let certificates = node_certificates(case);
    let fits = |exhibit: &&Exhibit| exhibit.leaf().is_some_and(|leaf| covers(leaf, hostname));
    let (first, line) = (certificates.first()?, broker.node.get("hostname")?.line);
    if hostname.contains('$') || certificates.iter().any(fits) {
        return None;
    }
    let problem = format!(
        "the node is called rabbit@{}, and the certificate in {} is not for that host",
        ui::plain(hostname),
        ui::path(&first.path)
    );
    Some(
        at(Severity::Error, "node-name", broker.exhibit, line, problem)
            .cause(CauseId::NodeNameMismatch)
            .effect(format!(
                "nodes and CLI tools are refused: {{bad_cert,{{hostname_check_failed,{{requested,\"{}\"}},...",
                ui::plain(hostname)
            ))
            .remedy(format!("certgen issue node NAME --san {}", ui::shell(hostname))),
    )
}

/// The certificates that option files of inter-node TLS name.
fn node_certificates(case: &Case) -> Vec<&Exhibit> {
    let texts =
        case.exhibits.iter().filter(|exhibit| exhibit.bytes.len() < 1 << 16).map(|e| String::from_utf8_lossy(&e.bytes));
    let options =
        texts.filter(|text| text.contains("{server,") && text.contains("{client,") && text.contains("{certfile,"));
    let mut named = Vec::new();
    for text in options {
        for part in text.split("{certfile,").skip(1) {
            let path = part.split('"').nth(1).and_then(|path| case.named(path.as_ref()));
            named.extend(path.filter(|exhibit| exhibit.leaf().is_some()));
        }
    }
    named
}
