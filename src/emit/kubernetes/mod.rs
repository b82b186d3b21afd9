//! `emit kubernetes`: a cluster for the RabbitMQ Cluster Operator, or a plain StatefulSet for those without it.
//!
//! The certificate is mounted as a directory and never by `subPath`, so that a Secret that was replaced reaches the running
//! pods: kubelet swaps all files of a volume at once, and the broker notices within two minutes.

mod operator;
mod secrets;
mod stateful;
mod users;

use serde_json::{Value, json};

pub(crate) use secrets::{TlsSecret, tls_secret};

use super::cluster::{CLIENTS_NAMESPACE, Cluster};
use super::rabbitmq::{BrokerFacts, CertificateFiles, Naming, Version};
use super::settings::{Setting, Settings};
use super::syntax::comment;
use super::{Facts, Holds, OutputFile, Target, Write, rabbitmq};
use crate::error::{Error, Result};
use crate::manifest::{InterNodeTls, Platform};
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "kubernetes",
    description: "Kubernetes: a RabbitmqCluster with users, or a StatefulSet, and their Secrets",
    settings: &[
        Setting::with_default("mode", "operator (the RabbitMQ Cluster Operator) or statefulset", "operator"),
        Setting::of_facts("image", "container image, else one of the version in [broker]"),
        Setting::with_default("storage", "size of the volume of each pod", "10Gi"),
        Setting::of_facts("storage_class", "storage class, else the default of the Kubernetes cluster"),
        Setting::with_default("memory", "memory of each pod", "2Gi"),
        CLIENTS_NAMESPACE,
    ],
    holds: Holds::Keys,
    next: |_, _| vec!["the head of cluster.yaml says what to apply, and in which order".to_owned()],
    write: Write::Once(emit),
};

/// The newest version that the broker's files were tested with.
const NEWEST: Version = Version { major: 4, minor: 3 };
/// Where the operator mounts the pair and the bundle of the clients.
const OPERATOR_CERTS: &str = "/etc/rabbitmq-tls";
/// Where the certificate of the management UI is, if that is another.
const MANAGEMENT_CERTS: &str = "/etc/rabbitmq-management-tls";
const CRLS: &str = "/etc/rabbitmq/crls";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let cluster = Cluster::of(facts)?;
    if cluster.broker.config.key_password.is_some() {
        let name = &cluster.identity.name;
        return Err(Error::failed(format!(
            "the key of node {} is encrypted, and its password would stand in the configuration that everybody may read",
            ui::quote(name)
        ))
        .hint("take key_password_file out of certgen.toml and issue it again, with --force: a Secret protects the key"));
    }
    match settings.get("mode") {
        Some("operator") => operator::emit(facts, &cluster, settings),
        Some("statefulset") => stateful::emit(facts, &cluster, settings),
        other => Err(Error::usage(format!(
            "--set mode={}: it is operator or statefulset",
            ui::quote(other.unwrap_or_default())
        ))),
    }
}

/// The broker as it is in a pod, with its certificate in `certs_dir` and its configuration in `config_dir`.
fn in_a_pod(cluster: &Cluster, certs_dir: &str, config_dir: &str) -> BrokerFacts {
    let mut config = cluster.broker.config.clone();
    config.platform = Platform::Unix;
    config.naming = Naming::Kubernetes;
    config.certs_dir = certs_dir.to_owned();
    config.config_dir = config_dir.to_owned();
    config.erl_ssl_path = None;
    config.has_checked_revocation = false;
    if config.inter_node == InterNodeTls::Flags {
        config.inter_node = InterNodeTls::File;
    }
    if let Some(revocation) = &mut config.revocation {
        revocation.crls_dir = CRLS.to_owned();
    }
    config.management.certificate = cluster.broker.management.as_ref().map(|_| CertificateFiles {
        certfile: format!("{MANAGEMENT_CERTS}/tls.crt"),
        keyfile: format!("{MANAGEMENT_CERTS}/tls.key"),
    });
    config
}

/// The image that was set, or that of the version that the manifest names.
fn image(config: &BrokerFacts, settings: &Settings) -> Option<String> {
    let of_version = |v: Version| format!("rabbitmq:{}.{}-management", v.major, v.minor);
    settings.get("image").map(str::to_owned).or_else(|| config.version.map(of_version))
}

/// An amount, as Kubernetes writes them.
fn quantity<'s>(settings: &'s Settings, key: &str) -> Result<&'s str> {
    let text = settings.get(key).unwrap_or_default();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &text[..text.len() - unit.len()];
    let is_unit = ["", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"].contains(&unit);
    match number.parse::<f64>() {
        Ok(amount) if is_unit && amount > 0.0 => Ok(text),
        _ => Err(Error::usage(format!("--set {key}={}: it must be an amount such as 10Gi", ui::quote(text)))),
    }
}

/// The bundle of those who may connect as clients. It is no secret, but the operator looks for it in one.
fn clients_bundle(facts: &Facts, cluster: &Cluster) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": cluster.metadata(&cluster.object("ca")),
        "type": "Opaque",
        "stringData": { "ca.crt": facts.bundles.clients },
    })
}

/// What the nodes need to talk TLS with each other.
fn inter_node(facts: &Facts, cluster: &Cluster, option_file: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": cluster.metadata(&cluster.object("inter-node")),
        "data": {
            "inter_node_tls.config": option_file,
            "inter_node_ca_certificate.pem": facts.bundles.peers,
        },
    })
}

/// The revocation lists that the broker checks.
fn revocation_lists(cluster: &Cluster, config: &BrokerFacts) -> Option<Value> {
    let lists = &config.revocation.as_ref()?.lists;
    let data: serde_json::Map<String, Value> =
        lists.iter().map(|list| (list.file.clone(), list.pem.clone().into())).collect();
    Some(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": cluster.metadata(&cluster.object("crls")),
        "data": data,
    }))
}

/// The page of the UI over HTTPS: a broker whose key does not fit its certificate runs, listens and shakes no hand, which a
/// bare connection does not notice.
fn readiness() -> Value {
    json!({
        "httpGet": { "path": "/", "port": "management-tls", "scheme": "HTTPS" },
        "initialDelaySeconds": 10,
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    })
}

/// What has to be done when there will be more pods: part of the head of cluster.yaml.
fn scaling(cluster: &Cluster) -> String {
    let kubernetes = cluster.kubernetes;
    let (now, then) = (cluster.replicas(), cluster.replicas() + 2);
    comment(
        "#",
        &[
            format!("From {now} to {then} pods:"),
            format!(
                "  certgen issue node {} --kubernetes {}/{} --replicas {then} --force",
                ui::shell(&cluster.identity.name),
                kubernetes.namespace(),
                kubernetes.cluster()
            ),
            "  certgen emit kubernetes, as before, and apply the Secrets, then this file".to_owned(),
            "The wildcards in the certificate let the new nodes in already; the names of the new pods are for peers that do not".to_owned(),
            "match wildcards. Queues do not spread by themselves; once for each new node, in a pod that was there before:".to_owned(),
            format!("  rabbitmq-queues grow {} all", kubernetes.node_name(now)),
            "Fewer pods: take the node out first (rabbitmqctl forget_cluster_node); the operator does not shrink a cluster.".to_owned(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::manifest::Consumer;

    fn files(words: &str, facts: &Facts) -> Result<Vec<OutputFile>> {
        TARGET.emit(facts, &TARGET.check(&Consumer::parse(words).unwrap())?)
    }

    fn text(files: &[OutputFile], path: &str) -> String {
        let file = files.iter().find(|file| file.path == path).expect("it is written");
        String::from_utf8(file.bytes.clone()).unwrap()
    }

    #[test]
    fn keys_stand_in_files_only_where_they_were_asked_for() {
        let with_keys = sample::kubernetes();
        let mut without = sample::kubernetes();
        without.brokers[0].identities[0].key = None;
        without.clients.iter_mut().for_each(|client| client.identity.key = None);
        for mode in ["operator", "statefulset"] {
            let words = format!("kubernetes --set mode={mode}");
            let files = files(&words, &without).unwrap();
            assert!(files.iter().all(|f| !String::from_utf8_lossy(&f.bytes).contains("PRIVATE KEY")));
            assert!(text(&files, "secrets.sh").contains("--from-file=tls.key=server_key.pem"));
            let files = self::files(&words, &with_keys).unwrap();
            for file in &files {
                assert_eq!(String::from_utf8_lossy(&file.bytes).contains("PRIVATE KEY"), file.secret, "{}", file.path);
            }
            assert_eq!(text(&files, "secrets.yaml").matches("BEGIN PRIVATE KEY").count(), 3);
        }
        let mut elsewhere = sample::kubernetes();
        elsewhere.clients[0].identity.key = None;
        let error = files("kubernetes", &elsewhere).unwrap_err();
        assert!(error.message().contains("the key of client/worker is not here"), "{error}");
    }

    #[test]
    fn a_key_that_is_elsewhere_is_no_command_that_fails() {
        let mut facts = sample::kubernetes();
        facts.brokers[0].identities[0].key = None;
        facts.clients.iter_mut().for_each(|client| client.identity.key = None);
        facts.clients[0].identity.has_key = false;
        let script = text(&files("kubernetes --set mode=statefulset", &facts).unwrap(), "secrets.sh");
        assert!(
            !script.contains("orders-client-worker --namespace") && script.contains("orders-client-app --"),
            "{script}"
        );
        assert!(script.contains("# The key of \"client/worker\" is elsewhere"), "{script}");
    }

    #[test]
    fn a_cluster_without_users_is_a_cluster() {
        let mut facts = sample::kubernetes();
        facts.clients.clear();
        facts.brokers[0].config.users.clear();
        facts.brokers[0].config.vhosts.clear();
        let files = files("kubernetes", &facts).unwrap();
        assert!(text(&files, "cluster.yaml").contains("kubectl apply -f cluster.yaml\n"));
        assert!(files.iter().all(|file| file.path != "users.yaml"), "{files:?}");
    }

    #[test]
    fn hostile_users_stay_users() {
        let mut facts = sample::kubernetes();
        let hostile = sample::hostile();
        facts.brokers[0].config.users = hostile.brokers[0].config.users.clone();
        let users = text(&files("kubernetes", &facts).unwrap(), "users.yaml");
        assert!(users.contains(r#"username: "o'brien \"$(id)\" {{x}}""#), "{users}");
        facts.brokers[0].config.users[0].tags = vec!["impersonator".to_owned()];
        let error = files("kubernetes", &facts).unwrap_err();
        assert!(error.message().contains("impersonator"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let facts = sample::kubernetes();
        for words in ["--set mode=helm", "--set storage=ten", "--set memory=-1Gi", "--set clients_namespace=A_b"] {
            assert!(files(&format!("kubernetes {words}"), &facts).is_err(), "{words}");
        }
        let mut encrypted = sample::kubernetes();
        encrypted.brokers[0].config.key_password = Some(String::from("Secret1").into());
        let error = files("kubernetes", &encrypted).unwrap_err();
        assert!(error.message().contains("encrypted") && !error.to_string().contains("Secret1"), "{error}");
        let mut ports = sample::kubernetes();
        ports.brokers[0].config.ports.amqp = 5673;
        assert!(files("kubernetes", &ports).unwrap_err().message().contains("ports"));
        assert!(files("kubernetes --set mode=statefulset", &ports).is_ok());
    }
}
