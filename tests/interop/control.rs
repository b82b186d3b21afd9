//! The control group: certificates by openssl and the configuration measured to work on every supported broker. When
//! these fail, the test host is broken and no other interop test means anything.

use std::fs;
use std::path::Path;

use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::{World, openssl};

const CONF: &str = include_str!("control/rabbitmq.conf");
const INTER_NODE: &str = include_str!("control/inter_node_tls.config");
const DEFINITIONS: &str = include_str!("control/definitions.json");
const PLUGINS: &str = "[rabbitmq_auth_mechanism_ssl,rabbitmq_management,rabbitmq_mqtt].\n";
const ENV: &str = "SERVER_ADDITIONAL_ERL_ARGS=\"-proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config\"\n\
                   RABBITMQ_CTL_ERL_ARGS=\"-proto_dist inet_tls -ssl_dist_optfile /etc/rabbitmq/inter_node_tls.config\"\n";

/// A CA, one certificate for the nodes and one for a client, all by openssl, and the files of a broker around them.
fn by_openssl(world: &World, node_names: &str) -> Etc {
    let directory = world.path("etc/certs");
    fs::create_dir_all(&directory).expect("a world is writable");
    let at = |name: &str| directory.join(name).display().to_string();
    let root = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
    let mut args =
        vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
    let (ca, ca_key) = (at("ca_certificate.pem"), world.path("ca_key.pem").display().to_string());
    args.extend(["-subj", "/CN=control", "-out", &ca, "-keyout", &ca_key, "-addext", root[0], "-addext", root[1]]);
    openssl(&args).accepted();
    let node = format!("subjectAltName={node_names}");
    leaf(world, &directory, "server", "/CN=node", &[&node, "extendedKeyUsage=serverAuth,clientAuth"]);
    let clients = world.path("client");
    fs::create_dir_all(&clients).expect("a world is writable");
    leaf(world, &clients, "client", "/CN=celery_worker", &["extendedKeyUsage=clientAuth"]);
    world.write("etc/rabbitmq.conf", CONF);
    world.write("etc/inter_node_tls.config", INTER_NODE);
    world.write("etc/definitions.json", DEFINITIONS);
    world.write("etc/enabled_plugins", PLUGINS);
    Etc::default().with(world.path("etc"), "")
}

fn leaf(world: &World, directory: &Path, kind: &str, subject: &str, extensions: &[&str]) {
    let at = |name: &str| directory.join(format!("{kind}_{name}.pem")).display().to_string();
    let (ca, ca_key) = (world.path("etc/certs/ca_certificate.pem"), world.path("ca_key.pem"));
    let (ca, ca_key) = (ca.display().to_string(), ca_key.display().to_string());
    let (out, key) = (at("certificate"), at("key"));
    let mut args =
        vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20"];
    args.extend(["-subj", subject, "-CA", &ca, "-CAkey", &ca_key, "-out", &out, "-keyout", &key]);
    for extension in
        extensions.iter().chain(&["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature"])
    {
        args.extend(["-addext", extension]);
    }
    openssl(&args).accepted();
}

fn one_broker(version: Version) {
    let world = World::new();
    let etc = by_openssl(&world, "DNS:rabbitmq,DNS:localhost");
    let lab = Lab::single(version, "rabbitmq", &etc);
    let host = lab.host();
    host.boot_broker();
    let path = |name: &str| world.path(name).display().to_string();
    let (ca, cert, key) =
        (path("etc/certs/ca_certificate.pem"), path("client/client_certificate.pem"), path("client/client_key.pem"));
    let mut checks = Checks::default();
    checks.holds("pika logs in", &host.python("login.py", ["localhost", "5671", &ca, &cert, &key]));
    let nobody = host.python("login.py", ["localhost", "5671", &ca]);
    checks.refused("a client without a certificate is refused", &nobody, super::TLS_REFUSALS);
    let task = ["localhost", "5671", "/", &ca, &cert, &key, &cert, &key];
    checks.holds("a Celery worker runs a task", &host.python("celery_task.py", task));
    checks.holds("paho-mqtt connects", &host.python("mqtt.py", ["localhost", "8883", &ca, &cert, &key, "a/b"]));
    let ui =
        host.run("curl", ["-sS", "--cacert", &ca, "-o", "/dev/null", "-w", "%{http_code}", "https://localhost:15671/"]);
    checks.that("the management UI answers without a client certificate", ui.text == "200", &ui.text);
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and root"]
fn one_broker_3_10() {
    one_broker(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, and root"]
fn one_broker_4() {
    one_broker(Version::V4);
}

fn three_nodes(version: Version) {
    let world = World::new();
    let etc = by_openssl(&world, "DNS:*.rabbit.test,DNS:localhost");
    let names = ["a.rabbit.test", "b.rabbit.test", "c.rabbit.test"];
    world.write("etc/rabbitmq-env.conf", format!("USE_LONGNAME=true\n{ENV}"));
    let peers: String = names
        .iter()
        .enumerate()
        .map(|(i, n)| format!("cluster_formation.classic_config.nodes.{} = rabbit@{n}\n", i + 1))
        .collect();
    world.write(
        "etc/rabbitmq.conf",
        format!("{CONF}cluster_formation.peer_discovery_backend = classic_config\n{peers}"),
    );
    let lab = Lab::cluster(version, &names.map(|n| (n, etc.clone())));
    lab.form_cluster(3);
    let mut checks = Checks::default();
    let status = lab.host().tool("rabbitmqctl", ["cluster_status", "--formatter", "json"]);
    for name in names {
        checks.that(
            &format!("{name} runs in the cluster"),
            status.text.contains(&format!("rabbit@{name}")),
            &status.text,
        );
    }
    let count = lab.hosts()[2].tool("rabbitmqctl", ["eval", "length(nodes())."]);
    checks.that("the third node sees the other two", count.text.trim() == "2", &count.text);
    let host = lab.host();
    let ca = world.path("etc/certs/ca_certificate.pem").display().to_string();
    let node =
        ["server_certificate.pem", "server_key.pem"].map(|f| world.path("etc/certs").join(f).display().to_string());
    let knock = host.python("inter_node.py", ["b.rabbit.test", "25672", &ca, &node[0], &node[1]]);
    checks.holds("a node is let in at the inter-node port", &knock);
    let knock = host.python("inter_node.py", ["b.rabbit.test", "25672", &ca]);
    checks.refused("a caller without a certificate is not", &knock, &["alert", "ALERT", "reset", "EOF"]);
    let tool = |environment: &str| {
        host.shell(&format!(
            "su rabbitmq -s /bin/sh -c \"HOME=/var/lib/rabbitmq {environment} /usr/lib/rabbitmq/bin/rabbitmqctl --longnames \
             -n rabbit@a.rabbit.test eval 'node().'\""
        ))
    };
    checks.holds("a tool with the option file reaches the node", &tool(""));
    let plain = tool("RABBITMQ_CONF_ENV_FILE=/nonexistent");
    checks.that("a plain-text tool does not", !plain.ok, &plain.text);
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and root"]
fn three_nodes_3_10() {
    three_nodes(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, and root"]
fn three_nodes_4() {
    three_nodes(Version::V4);
}
