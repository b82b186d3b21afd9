//! Two brokers of two versions at the edge, each with a PKI of its own: a shovel and a federation link between them, as clients
//! with certificates.

use super::{TLS_REFUSALS, credentials, only_node};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::invariants::check;

/// Where both have their public certificate.
const PUBLIC: &str = "/etc/rabbitmq/public";

/// A PKI for one broker, with a user for tests and a public certificate.
fn pki(host: &str) -> World {
    let world = World::new();
    world.certgen(["init", "--profile", "rabbitmq", "--set", &format!("hostname={host}")]).run().success();
    world.certgen(["issue", "client", "tester", "--vhost", "it's ours", "--access", "all"]).run().success();
    world.certgen(["issue", "authority", "public"]).run().success();
    world.certgen(["issue", "server", "ui", "--issuer", "public", "--san", host]).run().success();
    let (certificate, key) = (format!("certificate={PUBLIC}/fullchain.pem"), format!("key={PUBLIC}/privkey.pem"));
    let plugins = "plugins=rabbitmq_prometheus,rabbitmq_federation";
    world.certgen(["emit", "rabbitmq-edge", "--set", &certificate, "--set", &key, "--set", plugins]).run().success();
    world
}

/// Emits a federation link, gives its user what the script says that it needs, and emits it again.
fn granted(world: &World, client: &str, placeholder: &str, name: &str, set: &[&str]) {
    let emit = || world.certgen(["emit", "federation", "--for", client].iter().chain(set)).run().success();
    emit();
    let script = world.read(format!("pki/emit/federation/{client}/federation.sh"));
    let issue = format!("certgen issue client {client} --vhost 'it'\\''s ours' ");
    let needs = script.lines().find_map(|line| line.split_once(&issue)).expect("the script says what its user needs").1;
    let needs = needs.replace(placeholder, name);
    let mut words = vec!["issue", "client", client, "--vhost", "it's ours"];
    for (i, part) in needs.split('\'').enumerate() {
        if i % 2 == 1 {
            words.push(part);
        } else {
            words.extend(part.split_whitespace());
        }
    }
    world.certgen(words).run().success();
    emit();
}

fn etc(world: &World, link: &World, client: &str, to: &str) -> Etc {
    let own = |file: &str| world.pki(format!("emit/rabbitmq-edge/{file}"));
    Etc::of_pki(&world.pki(""), &only_node(world))
        .with(own("rabbitmq.conf"), "rabbitmq.conf")
        .with(own("enabled_plugins"), "enabled_plugins")
        .with(world.pki("server/ui/server_certificate.pem"), "public/fullchain.pem")
        .with(world.pki("server/ui/server_key.pem"), "public/privkey.pem")
        .with(link.pki(format!("client/{client}")), to)
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and 4.x, Python client libraries and root"]
fn shovel_federation_and_public_certificates() {
    let (a, b) = (pki("a.example.com"), pki("b.example.com"));
    // On b a shovel empties a queue of a; on a an exchange is federated from b.
    a.certgen(["issue", "client", "taker", "--vhost", "it's ours", "--access", "consume:orders"]).run().success();
    a.certgen(["emit", "shovel", "--for", "taker", "--set", "destination=arrived"]).run().success();
    // Another empties another queue: each logs in as its own client.
    a.certgen(["issue", "client", "mover", "--vhost", "it's ours", "--access", "consume:letters"]).run().success();
    a.certgen(["emit", "shovel", "--for", "mover", "--set", "destination=arrived"]).run().success();
    let nothing = ["--vhost", "it's ours", "--configure", "^$", "--write", "^$", "--read", "^$"];
    b.certgen(["issue", "client", "link"].iter().chain(&nothing)).run().success();
    granted(&b, "link", "EXCHANGE", r"federated\.news", &[]);
    b.certgen(["issue", "client", "queue_link"].iter().chain(&nothing)).run().success();
    granted(&b, "queue_link", "QUEUE", "jobs", &["--set", "apply_to=queues", "--set", "pattern=^jobs$"]);
    check(&a.pki(""));
    check(&b.pki(""));

    let lab = Lab::mixed(&[
        (
            Version::V3_10,
            "a.example.com",
            etc(&a, &b, "link", "federation/link").with(b.pki("client/queue_link"), "federation/queue_link"),
        ),
        (
            Version::V4,
            "b.example.com",
            etc(&b, &a, "taker", "shovel/taker").with(a.pki("client/mover"), "shovel/mover"),
        ),
    ]);
    let [host_a, host_b] = lab.hosts() else { panic!("two hosts") };
    host_a.launch();
    host_b.launch();
    host_a.await_boot();
    host_b.await_boot();
    let mut checks = Checks::default();
    let says = |host: &Host, world: &World, rest: &[&str]| {
        let [ca, certificate, key] = credentials(world, "tester");
        let fixed = [host.name(), "5671", &ca, &certificate, &key, "it's ours"];
        host.python("messages.py", fixed.iter().chain(rest))
    };
    for (host, world) in [(host_a, &a), (host_b, &b)] {
        public(host, world, &mut checks);
    }
    checks.holds("a queue on a", &says(host_a, &a, &["declare", "", "orders"]));
    checks.holds("another queue on a", &says(host_a, &a, &["declare", "", "letters"]));
    checks.holds("queues on both", &says(host_a, &a, &["declare", "", "jobs"]));
    checks.holds("queues on both", &says(host_b, &b, &["declare", "", "jobs"]));
    checks.holds("an exchange on b", &says(host_b, &b, &["declare", "federated.news", ""]));
    checks.holds("the same on a, with a queue", &says(host_a, &a, &["declare", "federated.news", "news"]));

    let file = |world: &World, path: &str| world.read(format!("pki/emit/{path}"));
    checks.holds("the shovel's script runs on b", &host_b.shell(&file(&a, "shovel/taker/shovel.sh")));
    checks.holds("that of the other shovel, too", &host_b.shell(&file(&a, "shovel/mover/shovel.sh")));
    checks.holds("the federation's script runs on a", &host_a.shell(&file(&b, "federation/link/federation.sh")));
    let queues = file(&b, "federation/queue_link/federation.sh");
    checks.holds("that of the queues, too", &host_a.shell(&queues));
    checks.holds("a message on a", &says(host_a, &a, &["publish", "", "orders", "an order"]));
    checks.holds("the shovel brings it to b", &says(host_b, &b, &["get", "arrived", "an order"]));
    checks.holds("a letter on a", &says(host_a, &a, &["publish", "", "letters", "a letter"]));
    checks.holds("the other shovel brings it to b", &says(host_b, &b, &["get", "arrived", "a letter"]));
    let linked = (0..40).map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(500));
        host_a.tool("rabbitmqctl", ["federation_status"])
    });
    let linked = linked
        .into_iter()
        .find(|status| status.text.contains("running"))
        .unwrap_or_else(|| host_a.tool("rabbitmqctl", ["federation_status"]));
    checks.that("the link to b runs", linked.text.contains("running"), &linked.text);
    std::thread::sleep(std::time::Duration::from_secs(1));
    checks.holds("news on b", &says(host_b, &b, &["publish", "federated.news", "", "some news"]));
    checks.holds("they reach a", &says(host_a, &a, &["get", "news", "some news"]));
    checks.holds("a job on b", &says(host_b, &b, &["publish", "", "jobs", "a job"]));
    checks.holds("who works on a gets it", &says(host_a, &a, &["get", "jobs", "a job"]));
    let users = host_a.tool("rabbitmqctl", ["list_connections", "user", "ssl", "peer_cert_subject"]);
    for client in ["taker", "mover"] {
        let is_it = users.text.contains(&format!("{client}\ttrue\tCN={client}"));
        checks.that("each shovel is the user of its certificate", is_it, &users.text);
    }

    // The same as definitions, for whoever keeps those.
    for (host, world, path, to) in [
        (host_b, &a, "pki/emit/shovel/taker/shovel.json", "/etc/rabbitmq/shovel/shovel.json"),
        (host_a, &b, "pki/emit/federation/link/federation.json", "/etc/rabbitmq/federation/federation.json"),
    ] {
        host.install(&world.path(path), to);
        checks.holds("the same as definitions is imported", &host.tool("rabbitmqctl", ["import_definitions", to]));
    }
    renewed_elsewhere(host_a, &a, &mut checks);
    checks.finish(&lab);
}

/// The UI and the metrics show the public certificate and ask for none, and AMQP demands one.
fn public(host: &Host, world: &World, checks: &mut Checks) {
    let name = host.name();
    let anchors = world.pki("ca/public/ca_certificate.pem").display().to_string();
    for (what, port, path) in [("the UI", 15671, ""), ("metrics", 15691, "metrics")] {
        let url = format!("https://{name}:{port}/{path}");
        let page = host.run("curl", ["-sS", "--cacert", &anchors, "-o", "/dev/null", "-w", "%{http_code}", &url]);
        checks.that(
            &format!("{what} of {name} with the public certificate"),
            page.ok && page.text == "200",
            &page.text,
        );
    }
    let [ca, certificate, key] = credentials(world, "tester");
    let login = |rest: &[&str]| host.python("login.py", [name, "5671", &ca, "--vhost", "it's ours"].iter().chain(rest));
    checks.refused(&format!("AMQP of {name} without a certificate"), &login(&[]), TLS_REFUSALS);
    let known = host.python("login.py", [name, "5671", &ca, &certificate, &key, "--vhost", "it's ours"]);
    checks.holds(&format!("AMQP of {name} with one"), &known);
}

/// The script that came with it brings a renewed public pair to a running broker.
fn renewed_elsewhere(host: &Host, world: &World, checks: &mut Checks) {
    let shown = || {
        host.run(
            "sh",
            [
                "-c",
                "openssl s_client -connect a.example.com:15671 </dev/null 2>/dev/null | openssl x509 -noout -serial",
            ],
        )
        .text
    };
    let before = shown();
    world.certgen(["renew", "server/ui"]).run().success();
    let path = |path: &str| world.pki(path).display().to_string();
    let [script, chain, key] = [
        path("emit/rabbitmq-edge/install-public-pair.sh"),
        path("server/ui/server_certificate.pem"),
        path("server/ui/server_key.pem"),
    ];
    checks.holds("install-public-pair.sh", &host.shell(&format!("sh {script} {chain} {key}")));
    let after = shown();
    checks.that("the new pair is shown at once", after.starts_with("serial=") && after != before, &after);
}
