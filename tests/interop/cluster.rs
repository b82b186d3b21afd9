//! Three nodes over inter-node TLS, from the files of the `cluster` profile.

use super::credentials;
use crate::support::World;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::check;

const NODES: [&str; 3] = ["a.rabbit.test", "b.rabbit.test", "c.rabbit.test"];

/// Which certificates the nodes show, and how inter-node TLS is switched on.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Each node its own certificate, the option file.
    Exact,
    /// One certificate `*.rabbit.test` for all, the option file.
    Wildcard,
    /// Each node its own certificate, `inter_node_tls = "flags"`.
    Flags,
}

fn three_nodes(version: Version, shape: Shape) {
    let world = World::new();
    let nodes = format!("nodes={}", NODES.join(","));
    world.certgen(["init", "--profile", "cluster", "--set", &nodes]).run().success();
    world.certgen(["issue", "client", "device", "--access", "mqtt"]).run().success();
    match shape {
        Shape::Exact => {}
        Shape::Wildcard => {
            world.certgen(["issue", "node", "*.rabbit.test"]).run().success();
        }
        Shape::Flags => {
            let manifest = world.read("pki/certgen.toml");
            let flags = manifest.replace("inter_node_tls = true", "inter_node_tls = \"flags\"");
            assert_ne!(manifest, flags, "the profile sets inter_node_tls = true");
            world.write("pki/certgen.toml", flags);
            world.certgen(["issue", "client", "later", "--access", "monitor"]).run().success();
            assert!(world.read("pki/rabbitmq/rabbitmq-env.conf").contains("-ssl_dist_opt "), "strategy one uses flags");
        }
    }
    check(&world.pki(""));

    let hosts = NODES.map(|name| {
        let identity = if shape == Shape::Wildcard { "_wildcard.rabbit.test" } else { name };
        (name, Etc::of_pki(&world.pki(""), &format!("node/{identity}")))
    });
    let lab = Lab::cluster(version, &hosts);
    for host in lab.hosts() {
        host.launch();
    }
    for host in lab.hosts() {
        host.await_boot();
    }
    let mut checks = Checks::default();
    let status = lab.host().tool("rabbitmqctl", ["cluster_status", "--formatter", "json"]);
    for name in NODES {
        checks.that(
            &format!("{name} is in the cluster"),
            status.text.contains(&format!("rabbit@{name}")),
            &status.text,
        );
    }
    for host in lab.hosts() {
        let peers = host.tool("rabbitmqctl", ["eval", "length(nodes())."]);
        checks.that(&format!("{} sees the other two", host.name()), peers.text.trim() == "2", &peers.text);
        checks.holds("rabbitmq-diagnostics works over TLS", &host.tool("rabbitmq-diagnostics", ["ping"]));
        checks.holds("the node is healthy", &host.tool("rabbitmq-diagnostics", ["check_running"]));
    }
    plain_text_tools(&lab, &mut checks);
    inter_node_port(&world, &lab, shape, &mut checks);
    let expiry =
        lab.host().tool("rabbitmq-diagnostics", ["check_certificate_expiration", "--within", "4", "--unit", "weeks"]);
    checks.holds("the broker reads the end of its certificates", &expiry);
    checks.finish(&lab);
}

/// The same tool with and without the TLS options, so that it is the options that make the difference.
fn plain_text_tools(lab: &Lab, checks: &mut Checks) {
    let ping = |environment: &str| {
        let node = format!("rabbit@{}", NODES[0]);
        let line = format!(
            "HOME=/var/lib/rabbitmq {environment} /usr/lib/rabbitmq/bin/rabbitmqctl --longnames -n {node} eval 'node().'"
        );
        lab.host().shell(&format!("su rabbitmq -s /bin/sh -c \"{}\"", line.replace('"', "\\\"")))
    };
    checks.holds("a tool with the option file reaches the node", &ping(""));
    let plain = ping("RABBITMQ_CONF_ENV_FILE=/nonexistent");
    checks.that("a plain-text tool does not", !plain.ok, &plain.text);
}

/// A node is let in; a client, and nobody at all, are not.
fn inter_node_port(world: &World, lab: &Lab, shape: Shape, checks: &mut Checks) {
    let identity = if shape == Shape::Wildcard { "_wildcard.rabbit.test" } else { NODES[1] };
    let node = |file: &str| world.pki(format!("node/{identity}/{file}")).display().to_string();
    let bundle = node("inter_node_ca_certificate.pem");
    let knock = |pair: &[&str]| lab.hosts()[1].python("inter_node.py", [NODES[0], "25672", &bundle].iter().chain(pair));
    checks.holds(
        "a node certificate is let in at the inter-node port",
        &knock(&[&node("server_certificate.pem"), &node("server_key.pem")]),
    );
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
    wildcard_on_3_10 V3_10 Wildcard "needs rabbitmq-server 3.10 and root"
    wildcard_on_4 V4 Wildcard "needs rabbitmq-server 4.x in a root of Debian 13, and root"
    flags_on_3_10 V3_10 Flags "needs rabbitmq-server 3.10 and root"
    flags_on_4 V4 Flags "needs rabbitmq-server 4.x in a root of Debian 13, and root"
}
