//! Three nodes over inter-node TLS, from the files of the profiles `cluster` and `kubernetes`.

use super::credentials;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::check;
use crate::support::{World, openssl};

const HOSTS: [&str; 3] = ["a.rabbit.test", "b.rabbit.test", "c.rabbit.test"];

/// What the pods of the Cluster Operator's `rabbitmq` in the namespace `default` are called.
const PODS: [&str; 3] = [
    "rabbitmq-server-0.rabbitmq-nodes.default.svc.cluster.local",
    "rabbitmq-server-1.rabbitmq-nodes.default.svc.cluster.local",
    "rabbitmq-server-2.rabbitmq-nodes.default.svc.cluster.local",
];

/// A host without a broker.
const OPERATOR: &str = "operator.rabbit.test";

/// Which certificates the nodes show, and how inter-node TLS is switched on.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Each node its own certificate, the option file.
    Exact,
    /// One certificate with wildcards alone for all pods, the option file.
    Pods,
    /// Each node its own certificate, `inter_node_tls = "flags"`.
    Flags,
    /// Each node its own certificate with an encrypted key, the option file.
    Encrypted,
}

impl Shape {
    fn nodes(self) -> [&'static str; 3] {
        if self == Self::Pods { PODS } else { HOSTS }
    }

    /// The directory that goes to the node.
    fn identity(self, node: &str) -> String {
        if self == Self::Pods { "node/pods".into() } else { format!("node/{node}") }
    }

    fn init(self, world: &World) {
        if self == Self::Pods {
            world.certgen(["init", "--profile", "kubernetes"]).run().success();
            // The operator tells its pods who the members are; here the file does.
            edit(world, "longnames = true", &format!("longnames = true\nnodes = {:?}", self.nodes()));
        } else {
            let nodes = format!("nodes={}", self.nodes().join(","));
            world.certgen(["init", "--profile", "cluster", "--set", &nodes]).run().success();
        }
        match self {
            Self::Exact => {
                world.certgen(["issue", "client", "--cli", OPERATOR]).run().success();
            }
            Self::Pods => {
                world.certgen(["issue", "node", "pods", "--kubernetes", "default/rabbitmq"]).run().success();
                let file = world.pki("node/pods/server_certificate.pem").display().to_string();
                let text = openssl(["x509", "-noout", "-ext", "subjectAltName", "-in", &file]);
                assert!(!text.accepted().contains("server-0"), "wildcards alone: {}", text.text);
            }
            Self::Flags => edit(world, "inter_node_tls = true", "inter_node_tls = \"flags\""),
            Self::Encrypted => {
                world.write("key.password", "Aq7Xw2Lm9Tz4\n");
                let issue = ["issue", "node", "--key-password-file", "key.password", "--force"];
                world.certgen(issue.into_iter().chain(self.nodes())).run().success();
                let key = world.read(format!("pki/{}/server_key.pem", self.identity(HOSTS[0])));
                assert!(key.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "the key is not encrypted");
            }
        }
        world.certgen(["issue", "client", "device", "--access", "mqtt"]).run().success();
        if self == Self::Flags {
            assert!(world.read("pki/rabbitmq/rabbitmq-env.conf").contains("-ssl_dist_opt "), "strategy one uses flags");
        }
        check(&world.pki(""));
    }
}

#[track_caller]
fn edit(world: &World, from: &str, to: &str) {
    let manifest = world.read("pki/certgen.toml");
    let edited = manifest.replace(from, to);
    assert_ne!(manifest, edited, "the profile says {from}");
    world.write("pki/certgen.toml", edited);
}

fn three_nodes(version: Version, shape: Shape) {
    let world = World::new();
    shape.init(&world);
    let nodes = shape.nodes();
    let mut hosts: Vec<(&str, Etc)> =
        nodes.iter().map(|name| (*name, Etc::of_pki(&world.pki(""), &shape.identity(name)))).collect();
    if shape == Shape::Exact {
        let own = world.pki(format!("client/{OPERATOR}"));
        let mut etc = Etc::default().with(&own, "certs");
        for file in ["inter_node_tls.config", "rabbitmq-env.conf"] {
            etc = etc.with(own.join(file), file);
        }
        hosts.push((OPERATOR, etc));
    }
    let lab = Lab::cluster(version, &hosts);
    let brokers = &lab.hosts()[..3];
    lab.form_cluster(3);
    let mut checks = Checks::default();
    let status = lab.host().tool("rabbitmqctl", ["cluster_status", "--formatter", "json"]);
    for name in nodes {
        let found = status.text.contains(&format!("rabbit@{name}"));
        checks.that(&format!("{name} is in the cluster"), found, &status.text);
    }
    for host in brokers {
        let peers = host.tool("rabbitmqctl", ["eval", "length(nodes())."]);
        checks.that(&format!("{} sees the other two", host.name()), peers.text.trim() == "2", &peers.text);
        checks.holds("rabbitmq-diagnostics works over TLS", &host.tool("rabbitmq-diagnostics", ["ping"]));
        checks.holds("the node is healthy", &host.tool("rabbitmq-diagnostics", ["check_running"]));
    }
    if let Some(operator) = lab.hosts().get(3) {
        let there = ["-n", "rabbit@a.rabbit.test", "list_users"];
        let users = operator.tool("rabbitmqctl", there);
        checks.that("a host with tools alone reaches a node", users.ok && users.text.contains("device"), &users.text);
        let ping = operator.tool("rabbitmq-diagnostics", ["-n", "rabbit@b.rabbit.test", "check_running"]);
        checks.holds("and asks after another's health", &ping);
    }
    plain_text_tools(&lab, nodes[0], &mut checks);
    inter_node_port(&world, &lab, shape, &mut checks);
    listeners(&world, &lab, &mut checks);
    checks.finish(&lab);
}

/// What the clients of every node see.
fn listeners(world: &World, lab: &Lab, checks: &mut Checks) {
    let [ca, cert, key] = credentials(world, "device");
    for host in &lab.hosts()[..3] {
        let login = lab.host().python("login.py", [host.name(), "5671", &ca, &cert, &key]);
        checks.holds(&format!("a client logs in to {}", host.name()), &login);
    }
    let ui = format!("https://{}:15671/", lab.host().name());
    let page = lab.host().run("curl", ["-sS", "--cacert", &ca, "-o", "/dev/null", "-w", "%{http_code}", &ui]);
    checks.that("the management UI comes over HTTPS", page.ok && page.text == "200", &page.text);
}

/// The same tool with and without the TLS options, so that it is the options that make the difference.
fn plain_text_tools(lab: &Lab, node: &str, checks: &mut Checks) {
    let ping = |environment: &str| {
        let line = format!(
            "HOME=/var/lib/rabbitmq {environment} /usr/lib/rabbitmq/bin/rabbitmqctl --longnames -n rabbit@{node} \
             eval 'node().'"
        );
        lab.host().shell(&format!("su rabbitmq -s /bin/sh -c \"{}\"", line.replace('"', "\\\"")))
    };
    checks.holds("a tool with the option file reaches the node", &ping(""));
    let plain = ping("RABBITMQ_CONF_ENV_FILE=/nonexistent");
    checks.that("a plain-text tool does not", !plain.ok, &plain.text);
}

/// A node is let in; a client, and nobody at all, are not.
fn inter_node_port(world: &World, lab: &Lab, shape: Shape, checks: &mut Checks) {
    let [there, from, _] = shape.nodes();
    let node = |file: &str| world.pki(format!("{}/{file}", shape.identity(from))).display().to_string();
    let bundle = node("inter_node_ca_certificate.pem");
    let knock = |pair: &[&str]| lab.hosts()[1].python("inter_node.py", [there, "25672", &bundle].iter().chain(pair));
    if shape != Shape::Encrypted {
        let pair = [&*node("server_certificate.pem"), &node("server_key.pem")];
        checks.holds("a node certificate is let in at the inter-node port", &knock(&pair));
    }
    let [_, cert, key] = credentials(world, "device");
    let words = &["alert", "ALERT", "reset", "EOF"];
    checks.refused("a device certificate is not", &knock(&[&cert, &key]), words);
    checks.refused("nor is a caller without one", &knock(&[]), words);
}

macro_rules! shapes {
    ($($name:ident $version:ident $shape:ident $needs:literal)*) => {$(
        #[test]
        #[ignore = $needs]
        fn $name() {
            three_nodes(Version::$version, Shape::$shape);
        }
    )*};
}

shapes! {
    exact_names_on_3_10 V3_10 Exact "needs rabbitmq-server 3.10 and root"
    exact_names_on_4 V4 Exact "needs rabbitmq-server 4.x in a root of Debian 13, and root"
    pods_on_3_10 V3_10 Pods "needs rabbitmq-server 3.10 and root"
    pods_on_4 V4 Pods "needs rabbitmq-server 4.x in a root of Debian 13, and root"
    flags_on_3_10 V3_10 Flags "needs rabbitmq-server 3.10 and root"
    flags_on_4 V4 Flags "needs rabbitmq-server 4.x in a root of Debian 13, and root"
    encrypted_keys_on_3_10 V3_10 Encrypted "needs rabbitmq-server 3.10 and root"
    encrypted_keys_on_4 V4 Encrypted "needs rabbitmq-server 4.x in a root of Debian 13, and root"
}
