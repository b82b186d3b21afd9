//! enabled_plugins: names that no plugin has. What a plugin is needed for is told where that stands.

use crate::doctor::syntax::erlang::{Kind, Term};
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::profile::nearest;
use crate::ui;

/// The plugins that RabbitMQ comes with: those of 3.10.8 and 4.0.5 as installed, and those that 4.3.5 added (read).
const KNOWN: [&str; 45] = [
    "rabbitmq_amqp1_0",
    "rabbitmq_amqp_client",
    "rabbitmq_auth_backend_cache",
    "rabbitmq_auth_backend_http",
    "rabbitmq_auth_backend_internal_loopback",
    "rabbitmq_auth_backend_ldap",
    "rabbitmq_auth_backend_oauth2",
    "rabbitmq_auth_mechanism_ssl",
    "rabbitmq_aws",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_event_exchange",
    "rabbitmq_exchange_federation",
    "rabbitmq_federation",
    "rabbitmq_federation_common",
    "rabbitmq_federation_management",
    "rabbitmq_federation_prometheus",
    "rabbitmq_jms_topic_exchange",
    "rabbitmq_management",
    "rabbitmq_management_agent",
    "rabbitmq_mqtt",
    "rabbitmq_peer_discovery_aws",
    "rabbitmq_peer_discovery_common",
    "rabbitmq_peer_discovery_consul",
    "rabbitmq_peer_discovery_etcd",
    "rabbitmq_peer_discovery_k8s",
    "rabbitmq_prometheus",
    "rabbitmq_queue_federation",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
    "rabbitmq_shovel",
    "rabbitmq_shovel_management",
    "rabbitmq_shovel_prometheus",
    "rabbitmq_stomp",
    "rabbitmq_stream",
    "rabbitmq_stream_common",
    "rabbitmq_stream_management",
    "rabbitmq_top",
    "rabbitmq_tracing",
    "rabbitmq_trust_store",
    "rabbitmq_web_dispatch",
    "rabbitmq_web_mqtt",
    "rabbitmq_web_mqtt_examples",
    "rabbitmq_web_stomp",
    "rabbitmq_web_stomp_examples",
];

/// Plugins of other makers that look like a slip in one of these.
const STRANGERS: [&str; 3] =
    ["rabbitmq_message_timestamp", "rabbitmq_random_exchange_type", "rabbitmq_delayed_message_exchange"];

/// Every name of every list.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for exhibit in &case.exhibits {
        let Document::Erlang(file) = &exhibit.document else { continue };
        if file.kind == Kind::Plugins {
            findings.extend(file.term.iter().flat_map(Term::members).filter_map(|term| unknown(exhibit, term)));
        }
    }
}

/// A name with a slip in it. Others may come from other makers, and nothing is known of them.
fn unknown(exhibit: &Exhibit, term: &Term) -> Option<Finding> {
    let name = term.atom().filter(|name| !KNOWN.contains(name) && !STRANGERS.contains(name))?;
    // Every name begins alike: the slip is looked for in what follows.
    let rest = name.strip_prefix("rabbitmq_").or_else(|| name.strip_prefix("rabbit_")).unwrap_or(name);
    let begins_alike = |known: &&str| known.as_bytes().get(..3) == rest.as_bytes().get(..3);
    let right = nearest(rest, KNOWN.iter().filter_map(|known| known.strip_prefix("rabbitmq_")).filter(begins_alike))?;
    let problem = format!("RabbitMQ comes with no plugin {}", ui::quote(name));
    let finding = Finding::new(Severity::Note, "unknown-plugin", &exhibit.path, problem).line(term.line);
    Some(
        finding
            .effect("unless it was installed from elsewhere, the broker starts without what it should do")
            .remedy(format!("write rabbitmq_{right}, if that is meant")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(&Case::of(&[("enabled_plugins", text)]), &mut findings);
        assert!(findings.iter().all(|f| f.code == "unknown-plugin" && f.severity == Severity::Note));
        findings.iter().map(|finding| finding.remedy[0].clone()).collect()
    }

    #[test]
    fn a_slip_is_told_with_the_name_that_was_meant() {
        assert_eq!(
            told("[rabbitmq_managment, rabbitmq_mqtt,\n rabbitmq_auth_mechanism_tls]."),
            ["write rabbitmq_management, if that is meant", "write rabbitmq_auth_mechanism_ssl, if that is meant"]
        );
        assert_eq!(told("[rabbit_management]."), ["write rabbitmq_management, if that is meant"]);
    }

    #[test]
    fn what_exists_and_what_comes_from_elsewhere_is_silent() {
        assert_eq!(told(&format!("[{}].", KNOWN.join(", "))), [""; 0]);
        assert_eq!(told(&format!("[{}, elixir_plugin, rabbitmq_lvc_exchange].", STRANGERS.join(", "))), [""; 0]);
    }
}
