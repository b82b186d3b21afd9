//! The same cluster without the operator: services, StatefulSet and all that it mounts.
//!
//! `/etc/rabbitmq` is one projected volume, so that configuration, certificate and bundles change at one moment. The members
//! are listed, as everywhere: looking them up in Kubernetes needs a right and, before RabbitMQ 4.1, the API server.

use serde_json::{Map, Value, json};

use super::{
    CRLS, Cluster, MANAGEMENT_CERTS, NEWEST, TARGET, clients_bundle, image, in_a_pod, inter_node, quantity, rabbitmq,
    readiness, revocation_lists, scaling, secrets,
};
use crate::emit::rabbitmq::BrokerFacts;
use crate::emit::syntax::{comment, header, kubernetes};
use crate::emit::{Facts, OutputFile, Settings};
use crate::error::Result;
use crate::manifest::Ports;

const CONFIG: &str = "/etc/rabbitmq";
const CERTS: &str = "/etc/rabbitmq/certs";
const VERSIONS: &str = "Kubernetes 1.24 and later, and RabbitMQ 3.10 to 4.3";
/// The user of the image; 100:101 in that on Alpine.
const UID: u32 = 999;
/// What the image says in its own conf.d, which the volume hides.
const CONSOLE: &str = "# The image's own conf.d is hidden by this volume.\nlog.console = true\n";
/// Erlang wants its cookie readable by its user alone, which a Secret in a volume cannot be.
const COOKIE: &str = "install -m 0400 /cookie/.erlang.cookie /var/lib/rabbitmq/.erlang.cookie";
const STOP: &str = "rabbitmq-upgrade await_online_quorum_plus_one -t 540; rabbitmq-upgrade drain -t 30";

pub(super) fn emit(facts: &Facts, cluster: &Cluster, settings: &Settings) -> Result<Vec<OutputFile>> {
    let mut config = in_a_pod(cluster, CERTS, CONFIG);
    config.longnames = true;
    config.load_definitions = true;
    config.nodes = (0..cluster.replicas()).map(|number| cluster.kubernetes.node_name(number)).collect();
    let mut files = Map::new();
    let (mut option_file, mut definitions) = (String::new(), String::new());
    for file in rabbitmq::emit(&config)? {
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        match file.path.as_str() {
            "inter_node_tls.config" => option_file = text,
            "definitions.json" => definitions = text,
            path if path.contains('/') => {}
            path => {
                files.insert(path.to_owned(), text.into());
            }
        }
    }
    let names: Vec<String> = files.keys().cloned().collect();
    files.insert("kubernetes.conf".to_owned(), CONSOLE.into());
    let mut objects = vec![
        (
            "Those who may connect as clients: no secret, but in the place where the operator wants it.",
            clients_bundle(facts, cluster),
        ),
        ("TLS between the nodes.", inter_node(facts, cluster, &option_file)),
        ("", config_map(cluster, files)),
    ];
    if let Some(lists) = revocation_lists(cluster, &config) {
        objects.push(("A list that has lapsed refuses everybody: certgen crl --due every day, and apply.", lists));
    }
    objects.extend([
        ("For clients.", service(cluster, &config)),
        (
            "For the nodes: it gives each pod a name, also before it is ready, because nodes wait for each other.",
            headless(cluster),
        ),
        ("", disruption(cluster)),
        ("", stateful_set(cluster, settings, &config, &names)?),
    ]);
    let (secrets, apply) = secrets::write(facts, cluster, settings, Some(&definitions))?;
    let namespace = cluster.kubernetes.namespace();
    let order = [
        "Once, the Erlang cookie, which all nodes share:".to_owned(),
        format!(
            "  openssl rand -hex 32 | tr -d '\\n' | kubectl -n {namespace} create secret generic {} --from-file=.erlang.cookie=/dev/stdin",
            cluster.object("erlang-cookie")
        ),
        format!("Then, in this order: {apply}, kubectl apply -f cluster.yaml"),
        "After a renewal the Secrets alone: the pods see them by themselves, and are not restarted. After a change of the".to_owned(),
        format!("configuration: kubectl -n {namespace} rollout restart statefulset {}", cluster.kubernetes.pod_prefix()),
        "Users are read at every boot; a new one comes into the running cluster with definitions.d/ and the rabbitmqctl in a pod.".to_owned(),
    ];
    let head = header("#", &TARGET, VERSIONS, "[broker]") + &comment("#", &order) + &scaling(cluster);
    Ok(vec![secrets, OutputFile::open("cluster.yaml", kubernetes::documents(&head, &objects))])
}

fn config_map(cluster: &Cluster, data: Map<String, Value>) -> Value {
    let metadata = cluster.metadata(&cluster.object("config"));
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data })
}

fn labels(cluster: &Cluster) -> Value {
    json!({ "app.kubernetes.io/name": cluster.kubernetes.cluster(), "app.kubernetes.io/component": "rabbitmq" })
}

/// The listeners for clients, with the names that the operator gives them.
fn ports(config: &BrokerFacts) -> Vec<(&'static str, u16)> {
    let has = |plugin: &str| config.plugins.iter().any(|p| p == plugin);
    let ports = &config.ports;
    let all = [
        (true, "amqps", ports.amqp),
        (config.management.enabled, "management-tls", config.management.port),
        (has("rabbitmq_prometheus"), "prometheus-tls", ports.prometheus),
        (has("rabbitmq_mqtt"), "mqtts", ports.mqtt),
        (has("rabbitmq_stomp"), "stomps", ports.stomp),
        (has("rabbitmq_stream"), "streams", ports.stream),
        (has("rabbitmq_web_mqtt"), "web-mqtt-tls", ports.web_mqtt),
        (has("rabbitmq_web_stomp"), "web-stomp-tls", ports.web_stomp),
        // While clients move.
        (config.plain, "amqp", Ports::PLAIN.amqp),
        (config.plain && has("rabbitmq_mqtt"), "mqtt", Ports::PLAIN.mqtt),
        (config.plain && has("rabbitmq_stomp"), "stomp", Ports::PLAIN.stomp),
        (config.plain && has("rabbitmq_stream"), "stream", Ports::PLAIN.stream),
    ];
    all.into_iter().filter(|(on, ..)| *on).map(|(_, name, port)| (name, port)).collect()
}

fn service(cluster: &Cluster, config: &BrokerFacts) -> Value {
    let ports: Vec<Value> = ports(config)
        .into_iter()
        .map(|(name, port)| json!({ "name": name, "port": port, "targetPort": name }))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": cluster.metadata(cluster.kubernetes.service()),
        "spec": { "selector": labels(cluster), "ports": ports },
    })
}

fn headless(cluster: &Cluster) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": cluster.metadata(cluster.kubernetes.headless_service()),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": true,
            "selector": labels(cluster),
            "ports": [{ "name": "epmd", "port": 4369 }, { "name": "cluster-rpc", "port": 25672 }],
        },
    })
}

fn disruption(cluster: &Cluster) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": cluster.metadata(cluster.kubernetes.pod_prefix()),
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels(cluster) } },
    })
}

fn stateful_set(cluster: &Cluster, settings: &Settings, config: &BrokerFacts, names: &[String]) -> Result<Value> {
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": quantity(settings, "storage")? } },
    });
    if let Some(class) = settings.get("storage_class") {
        claim["storageClassName"] = class.into();
    }
    Ok(json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": cluster.metadata(cluster.kubernetes.pod_prefix()),
        "spec": {
            "serviceName": cluster.kubernetes.headless_service(),
            "replicas": cluster.replicas(),
            "podManagementPolicy": "Parallel",
            "selector": { "matchLabels": labels(cluster) },
            "template": { "metadata": { "labels": labels(cluster) }, "spec": pod(cluster, settings, config, names)? },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": claim }],
        },
    }))
}

fn pod(cluster: &Cluster, settings: &Settings, config: &BrokerFacts, names: &[String]) -> Result<Value> {
    let newest = BrokerFacts { version: Some(NEWEST), ..config.clone() };
    let image = image(config, settings).or_else(|| image(&newest, settings)).expect("a version has an image");
    let memory = quantity(settings, "memory")?;
    let kubernetes = cluster.kubernetes;
    let node = format!("rabbit@$(MY_POD_NAME).{}.{}", kubernetes.headless_service(), kubernetes.namespace());
    let ports: Vec<Value> = [("epmd", 4369), ("cluster-rpc", 25672)]
        .into_iter()
        .chain(self::ports(config))
        .map(|(name, port)| json!({ "name": name, "containerPort": port }))
        .collect();
    let restricted = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let alive = json!({ "tcpSocket": { "port": "amqps" }, "periodSeconds": 10, "failureThreshold": 60 });
    let ready = if config.management.enabled { readiness() } else { json!({ "tcpSocket": { "port": "amqps" } }) };
    let home = json!({ "name": "home", "mountPath": "/var/lib/rabbitmq" });
    let mut mounts = vec![
        home.clone(),
        json!({ "name": "data", "mountPath": "/var/lib/rabbitmq/mnesia" }),
        json!({ "name": "config", "mountPath": CONFIG, "readOnly": true }),
    ];
    let mut volumes = vec![
        json!({ "name": "home", "emptyDir": {} }),
        json!({ "name": "cookie", "secret": { "secretName": cluster.object("erlang-cookie"), "defaultMode": 0o440 } }),
        json!({ "name": "config", "projected": { "defaultMode": 0o440, "sources": sources(cluster, config, names) } }),
    ];
    if config.management.certificate.is_some() {
        mounts.push(json!({ "name": "management-tls", "mountPath": MANAGEMENT_CERTS, "readOnly": true }));
        let secret = json!({ "secretName": cluster.object("management-tls"), "defaultMode": 0o440 });
        volumes.push(json!({ "name": "management-tls", "secret": secret }));
    }
    Ok(json!({
        "terminationGracePeriodSeconds": 600,
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsUser": UID, "runAsGroup": UID, "fsGroup": UID, "runAsNonRoot": true,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": labels(cluster) },
        }],
        "initContainers": [{
            "name": "cookie",
            "image": image,
            "command": ["sh", "-c", COOKIE],
            "securityContext": restricted,
            "volumeMounts": [home, { "name": "cookie", "mountPath": "/cookie", "readOnly": true }],
        }],
        "containers": [{
            "name": "rabbitmq",
            "image": image,
            "env": [
                { "name": "MY_POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "RABBITMQ_NODENAME", "value": node },
                { "name": "RABBITMQ_USE_LONGNAME", "value": "true" },
            ],
            "ports": ports,
            "resources": { "requests": { "cpu": "1", "memory": memory }, "limits": { "memory": memory } },
            "securityContext": restricted,
            "startupProbe": alive,
            "readinessProbe": ready,
            "lifecycle": { "preStop": { "exec": { "command": ["sh", "-c", STOP] } } },
            "volumeMounts": mounts,
        }],
        "volumes": volumes,
    }))
}

/// What lies in `/etc/rabbitmq`.
fn sources(cluster: &Cluster, config: &BrokerFacts, names: &[String]) -> Vec<Value> {
    let item = |key: &str, path: &str| json!({ "key": key, "path": path });
    let mut files: Vec<Value> = names.iter().map(|name| item(name, name)).collect();
    files.push(item("kubernetes.conf", "conf.d/10-kubernetes.conf"));
    let source = |kind: &str, name: String, items: Vec<Value>| json!({ (kind): { "name": name, "items": items } });
    let mut sources = vec![
        source("configMap", cluster.object("config"), files),
        source(
            "configMap",
            cluster.object("inter-node"),
            ["inter_node_tls.config", "inter_node_ca_certificate.pem"].map(|name| item(name, name)).into(),
        ),
        source("secret", cluster.object("definitions"), vec![item("definitions.json", "definitions.json")]),
        source(
            "secret",
            cluster.tls_secret(),
            ["tls.crt", "tls.key"].map(|name| item(name, &format!("certs/{name}"))).into(),
        ),
        source("secret", cluster.object("ca"), vec![item("ca.crt", "certs/ca.crt")]),
    ];
    if let Some(revocation) = &config.revocation {
        let directory = CRLS.rsplit('/').next().unwrap_or(CRLS);
        let items =
            revocation.lists.iter().map(|list| item(&list.file, &format!("{directory}/{}", list.file))).collect();
        sources.push(source("configMap", cluster.object("crls"), items));
    }
    sources
}
