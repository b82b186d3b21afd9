//! What the RabbitMQ Cluster Operator is told: the parts of the broker's own files that it takes into the fields of a
//! `RabbitmqCluster`, without what it says itself (members, default user, plugins that are always on).

use super::facts::BrokerFacts;
use super::{inter_node, listeners};
use crate::error::Result;
use crate::manifest::InterNodeTls;

/// Plugins that it enables whatever it is told.
const ALWAYS: [&str; 3] = ["rabbitmq_management", "rabbitmq_prometheus", "rabbitmq_peer_discovery_k8s"];

/// The fields of `spec.rabbitmq`, and the file that goes to a ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// `additionalConfig`. It repeats some keys that the operator sets: those here win.
    pub conf: String,
    /// `advancedConfig`.
    pub advanced: Option<String>,
    /// `envConfig`, without comments: the operator refuses a backtick and `$(` even there.
    pub env: Option<String>,
    /// inter_node_tls.config, where nodes talk TLS.
    pub option_file: Option<String>,
    /// `additionalPlugins`.
    pub plugins: Vec<String>,
}

/// What to tell it about a broker.
///
/// # Errors
/// As [`emit`](super::emit).
pub fn operator(facts: &BrokerFacts) -> Result<Operator> {
    inter_node::check(facts)?;
    let mut facts = facts.clone();
    let plugins = facts.all_plugins().into_iter().filter(|plugin| !ALWAYS.contains(&plugin.as_str())).collect();
    facts.management.enabled = true;
    facts.load_definitions = false;
    if !facts.has_plugin("rabbitmq_prometheus") {
        facts.plugins.push("rabbitmq_prometheus".into());
    }
    let active = facts.inter_node != InterNodeTls::Off;
    let env = active.then(|| inter_node::environment(&facts)).transpose()?.map(|(_, text)| without_comments(&text));
    Ok(Operator {
        conf: listeners::operator_conf(&facts)?.text().trim_start().to_owned(),
        advanced: listeners::advanced(&facts),
        env,
        option_file: active.then(|| inter_node::option_file(&facts)),
        plugins,
    })
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_hears_nothing_that_it_says_itself_or_refuses() {
        let mut facts = BrokerFacts::single("/etc/rabbitmq-tls", "/etc/rabbitmq/inter-node");
        facts.inter_node = InterNodeTls::File;
        facts.plugins = vec!["rabbitmq_mqtt".into(), "rabbitmq_prometheus".into()];
        let told = operator(&facts).unwrap();
        assert!(!told.conf.contains("load_definitions") && !told.conf.contains("cluster_formation"), "{}", told.conf);
        assert!(told.conf.contains("\nprometheus.ssl.port = 15691\n"), "{}", told.conf);
        assert_eq!(told.plugins, ["rabbitmq_auth_mechanism_ssl", "rabbitmq_mqtt"]);
        let env = told.env.unwrap();
        assert!(env.starts_with("SERVER_ADDITIONAL_ERL_ARGS=\"-proto_dist inet_tls"), "{env}");
        assert!(!env.contains(['`', '#']) && !env.contains("$("), "{env}");
        facts.inter_node = InterNodeTls::Off;
        let told = operator(&facts).unwrap();
        assert_eq!((told.env, told.option_file), (None, None));
    }
}
