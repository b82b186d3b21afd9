//! A `RabbitmqCluster`, and what it refers to.
//!
//! The operator mounts the pair and the bundle of the clients at `/etc/rabbitmq-tls`, and gives its nodes names that end
//! with the namespace. It knows no inter-node TLS: environment, mount and option file are overrides. It makes the
//! administrator itself (Secret `CLUSTER-default-user`), which `load_definitions` would keep it from.

use serde_json::{Value, json};

use super::{
    CRLS, Cluster, MANAGEMENT_CERTS, OPERATOR_CERTS, TARGET, clients_bundle, image, in_a_pod, inter_node, quantity,
    rabbitmq, readiness, revocation_lists, scaling, secrets, users,
};
use crate::emit::syntax::{comment, header, kubernetes};
use crate::emit::{Facts, OutputFile, Settings};
use crate::error::{Error, Result};
use crate::manifest::Ports;

/// Where its ConfigMap is mounted.
const INTER_NODE: &str = "/etc/rabbitmq/inter-node";
const VERSIONS: &str =
    "the RabbitMQ Cluster Operator 2 with RabbitMQ 3.10 to 4.3, and the Messaging Topology Operator 1.15";

pub(super) fn emit(facts: &Facts, cluster: &Cluster, settings: &Settings) -> Result<Vec<OutputFile>> {
    check(cluster)?;
    let config = in_a_pod(cluster, OPERATOR_CERTS, INTER_NODE);
    let told = rabbitmq::operator(&config)?;
    let mut objects = vec![(
        "Those who may connect as clients: no secret, but the operator looks for it in one.",
        clients_bundle(facts, cluster),
    )];
    if let Some(option_file) = &told.option_file {
        objects.push(("TLS between the nodes.", inter_node(facts, cluster, option_file)));
    }
    if let Some(lists) = revocation_lists(cluster, &config) {
        objects.push(("A list that has lapsed refuses everybody: certgen crl --due every day, and apply.", lists));
    }
    objects.push(("", rabbitmq_cluster(cluster, settings, &told, &config)?));
    let header = |about: &[String]| header("#", &TARGET, VERSIONS, "[broker]") + &comment("#", about);
    let (secrets, apply) = secrets::write(facts, cluster, settings, None)?;
    let users = users::objects(cluster, &config)?;
    let then = if users.is_empty() { "" } else { ", kubectl apply -f users.yaml" };
    let order = [
        format!("In this order: {apply}, kubectl apply -f cluster.yaml{then}"),
        "After a renewal the first alone: the pods see a new Secret by themselves, and are not restarted. A change of this".to_owned(),
        "file restarts them one by one. Node names and TLS between the nodes are for a new cluster: nodes with it and nodes".to_owned(),
        "without it never meet.".to_owned(),
    ];
    let head = header(&order) + &scaling(cluster);
    let of_users = header(&[
        "Users that log in with their certificates: an empty passwordHash means no password. The objects of the Topology".to_owned(),
        "Operator are used because load_definitions would keep the Cluster Operator from making its administrator. With TLS".to_owned(),
        format!("alone that operator must trust the certificate: mount {} as a file into /etc/ssl/certs/ of its pod.", "the bundle of the servers"),
    ]);
    let mut files = vec![secrets, OutputFile::open("cluster.yaml", kubernetes::documents(&head, &objects))];
    if !users.is_empty() {
        files.push(OutputFile::open("users.yaml", kubernetes::documents(&of_users, &users)));
    }
    Ok(files)
}

/// What the operator decides, and nothing can be said against.
fn check(cluster: &Cluster) -> Result<()> {
    let kubernetes = cluster.kubernetes;
    let own = |suffix: &str| cluster.object(suffix);
    let named = [kubernetes.service(), kubernetes.headless_service(), kubernetes.pod_prefix()];
    if named != [kubernetes.cluster().to_owned(), own("nodes"), own("server")] {
        return Err(Error::failed(format!(
            "the Cluster Operator calls services and pods {0}, {0}-nodes and {0}-server-N, the certificate is for {1}",
            kubernetes.cluster(),
            named.join(", ")
        ))
        .hint("use --set mode=statefulset, or take service, headless_service and pod_prefix out of certgen.toml"));
    }
    let config = &cluster.broker.config;
    if config.ports != Ports::default() || config.management.port != 15671 {
        return Err(Error::failed(
            "the services of the Cluster Operator have RabbitMQ's own ports, [broker] has others",
        )
        .hint("use --set mode=statefulset, or take the ports out of certgen.toml"));
    }
    Ok(())
}

fn rabbitmq_cluster(
    cluster: &Cluster,
    settings: &Settings,
    told: &rabbitmq::Operator,
    config: &rabbitmq::BrokerFacts,
) -> Result<Value> {
    let mut rabbitmq = json!({ "additionalPlugins": told.plugins, "additionalConfig": told.conf });
    let fields = [("advancedConfig", &told.advanced), ("envConfig", &told.env)];
    for (field, text) in fields.into_iter().filter_map(|(field, text)| Some((field, text.as_ref()?))) {
        rabbitmq[field] = text.as_str().into();
    }
    let mut persistence = json!({ "storage": quantity(settings, "storage")? });
    if let Some(class) = settings.get("storage_class") {
        persistence["storageClassName"] = class.into();
    }
    let memory = quantity(settings, "memory")?;
    let mut spec = json!({ "replicas": cluster.replicas() });
    if let Some(image) = image(config, settings) {
        spec["image"] = image.into();
    }
    spec["persistence"] = persistence;
    spec["resources"] = json!({ "requests": { "cpu": "1", "memory": memory }, "limits": { "memory": memory } });
    spec["tls"] = json!({
        "secretName": cluster.tls_secret(),
        "caSecretName": cluster.object("ca"),
        "disableNonTLSListeners": !config.plain,
    });
    spec["rabbitmq"] = rabbitmq;
    spec["override"] = json!({ "statefulSet": { "spec": { "template": { "spec": pod(cluster, told, config) } } } });
    Ok(json!({
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": "RabbitmqCluster",
        "metadata": cluster.metadata(cluster.kubernetes.cluster()),
        "spec": spec,
    }))
}

fn pod(cluster: &Cluster, told: &rabbitmq::Operator, config: &rabbitmq::BrokerFacts) -> Value {
    let mut mounts = Vec::new();
    let mut volumes = Vec::new();
    let mut mount = |name: &str, path: &str, source: (&str, Value)| {
        mounts.push(json!({ "name": name, "mountPath": path, "readOnly": true }));
        volumes.push(json!({ "name": name, (source.0): source.1 }));
    };
    if told.option_file.is_some() {
        mount("inter-node", INTER_NODE, ("configMap", json!({ "name": cluster.object("inter-node") })));
    }
    if config.revocation.is_some() {
        mount("crls", CRLS, ("configMap", json!({ "name": cluster.object("crls") })));
    }
    if config.management.certificate.is_some() {
        let secret = json!({ "secretName": cluster.object("management-tls"), "defaultMode": 0o440 });
        mount("management-tls", MANAGEMENT_CERTS, ("secret", secret));
    }
    let mut container = json!({ "name": "rabbitmq", "readinessProbe": readiness() });
    if mounts.is_empty() {
        return json!({ "containers": [container] });
    }
    container["volumeMounts"] = mounts.into();
    json!({ "containers": [container], "volumes": volumes })
}
