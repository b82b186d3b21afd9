//! A broker that talks plain, with users that have passwords, goes to TLS while its clients work.

use std::time::{Duration, Instant};

use super::{TLS_REFUSALS, credentials};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::invariants::check;
use crate::support::judge::Verdict;
use crate::support::world::Output;

const VHOST: &str = "my_vhost";
const REFUSED: &[&str] = &["ACCESS_REFUSED", "AuthenticationError", "refused"];

/// Files that an operator copies to a host.
const CONFIGURATION: [&str; 5] =
    ["rabbitmq.conf", "rabbitmq-env.conf", "inter_node_tls.config", "enabled_plugins", "definitions.json"];

/// How the configuration gets to the broker.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// `pki/rabbitmq/` is the configuration, and the broker checks revocation lists.
    Whole,
    /// It is merged into one that says where the broker listens.
    Into,
}

impl Way {
    /// The port without TLS.
    fn plain(self) -> &'static str {
        if self == Self::Whole { "5672" } else { "5673" }
    }

    fn migrate(self, world: &World, phase: &str, users: Option<&str>) -> Output {
        let mut args = vec!["emit", "rabbitmq", "--migration", phase];
        args.extend(if self == Self::Into { &["--into", "etc"][..] } else { &[] });
        args.extend(if users.is_some() { &["--users", "-"][..] } else { &[] });
        world.certgen(args).stdin(users.unwrap_or_default()).run()
    }

    /// Copies what was written, and restarts the broker.
    fn deliver(self, world: &World, host: &Host) {
        let from = if self == Self::Into { world.path("etc") } else { world.pki("rabbitmq") };
        let lists = std::fs::read_dir(from.join("crls")).into_iter().flatten().flatten();
        let lists = lists.map(|list| format!("crls/{}", list.file_name().to_string_lossy()));
        let more = ["conf.d/90-certgen.conf", "advanced.config"].map(str::to_owned);
        let files = CONFIGURATION.map(str::to_owned).into_iter().chain(more).chain(lists);
        for file in files.filter(|file| from.join(file).exists()) {
            host.install(&from.join(&file), &format!("/etc/rabbitmq/{file}"));
        }
        certificates(world, host, "node/rabbitmq");
        restart(host);
    }
}

fn certificates(world: &World, host: &Host, node: &str) {
    for file in ["ca_certificate.pem", "inter_node_ca_certificate.pem", "combined_keys.pem"] {
        host.install(&world.pki(format!("{node}/{file}")), &format!("/etc/rabbitmq/certs/{file}"));
    }
}

#[track_caller]
fn restart(host: &Host) {
    host.tool("rabbitmqctl", ["shutdown"]).accepted();
    host.boot_broker();
}

fn password(host: &Host, port: &str, user: &str, word: &str, more: &[&str]) -> Verdict {
    host.python("password.py", [&["rabbitmq", port, user, word, VHOST], more].concat())
}

fn external(world: &World, host: &Host, name: &str) -> Verdict {
    let [ca, cert, key] = credentials(world, name);
    host.python("login.py", ["rabbitmq", "5671", &ca, &cert, &key, "--vhost", VHOST])
}

/// The command before ` | certgen` in the line that says it.
#[track_caller]
fn look_command(said: &str) -> String {
    let line = said.lines().find(|line| line.contains("--migration 2")).unwrap_or_else(|| panic!("{said}"));
    let (command, _) = line.split_once(" | certgen").expect("it ends in certgen");
    command[command.find("rabbitmqctl list_").or(command.find("(rabbitmqctl")).expect("it begins with the list")..]
        .to_owned()
}

fn connected(host: &Host, users: &[&str]) {
    let started = Instant::now();
    let all = || {
        let list = host.tool("rabbitmqctl", ["list_connections", "user"]).text;
        users.iter().all(|user| list.lines().filter(|line| line.trim() == *user).count() > 0)
    };
    while !all() {
        assert!(started.elapsed() < Duration::from_secs(40), "{users:?} did not connect\n{}", host.log());
    }
}

/// Waits until these are connected and nobody else: who has left is listed until the broker has seen the socket close, for
/// which it waits 30 seconds.
fn alone(host: &Host, users: &[&str]) {
    connected(host, users);
    let started = Instant::now();
    let rows = || {
        host.tool("rabbitmqctl", ["list_connections", "user", "--formatter", "json"]).text.matches("{\"user\"").count()
    };
    while rows() != users.len() {
        assert!(started.elapsed() < Duration::from_secs(60), "more than {users:?} are connected\n{}", host.log());
    }
}

/// A user that has a password, and one that is only there to be left alone.
fn plain_broker(world: &World, way: Way, host: &Host) -> String {
    host.boot_broker();
    for line in [
        "add_vhost my_vhost",
        "add_user celery_worker old-secret",
        "set_permissions -p my_vhost celery_worker '.*' '.*' '.*'",
        "add_user billing other-secret",
        "set_permissions -p my_vhost billing '.*' '.*' '.*'",
        "set_user_tags billing management",
    ] {
        host.shell(&format!("rabbitmqctl {line}")).accepted();
    }
    if way == Way::Into {
        world.write("etc/enabled_plugins", "[rabbitmq_management].");
    }
    host.tool("rabbitmqctl", ["list_users", "--formatter", "json"]).accepted().to_owned()
}

fn one_broker(version: Version, way: Way) {
    let world = World::new();
    let revocation = format!("revocation={}", way == Way::Whole);
    world.certgen(["init", "--profile", "celery", "--set", &revocation]).on_host("rabbitmq").run().success();
    let theirs = if way == Way::Into { "listeners.tcp.1 = 5673\nauth_mechanisms.1 = PLAIN\n" } else { "" };
    world.write("etc/rabbitmq.conf", theirs);
    world.write("plain/enabled_plugins", "[rabbitmq_management].");
    world.write("plain/rabbitmq.conf", theirs);
    let lab = Lab::single(version, "rabbitmq", &Etc::default().with(world.path("plain"), ""));
    let host = lab.host();
    let users = plain_broker(&world, way, host);
    let mut checks = Checks::default();
    let [ca, ..] = credentials(&world, "celery_worker");

    let opened = way.migrate(&world, "1", Some(&users)).success();
    check(&world.pki(""));
    way.deliver(&world, host);
    let plain = |user: &str, word: &str| password(host, way.plain(), user, word, &[]);
    checks.holds("1: a password without TLS, as before", &plain("celery_worker", "old-secret"));
    checks.holds("1: a password with TLS", &password(host, "5671", "billing", "other-secret", &["--ca", &ca]));
    checks.holds("1: the same user by certificate", &external(&world, host, "celery_worker"));
    checks.holds("1: a user that is new by certificate", &external(&world, host, "celery_client"));
    let unknown = plain("celery_client", "");
    checks.refused("1: the new user has no password", &unknown, REFUSED);
    for (scheme, port) in [("http", "15672"), ("https", "15671")] {
        let page = format!("{scheme}://rabbitmq:{port}/");
        let page = host.run("curl", ["-sS", "--cacert", &ca, "-o", "/dev/null", "-w", "%{http_code}", &page]);
        checks.that(&format!("1: the management UI by {scheme}"), page.text == "200", &page.text);
    }

    let look = look_command(&opened.stderr);
    alone(host, &[]);
    std::thread::scope(|scope| {
        let [root, cert, key] = credentials(&world, "celery_client");
        let stay = ["rabbitmq", "5671", &root, &cert, &key, VHOST, "25"].map(str::to_owned);
        scope.spawn(|| host.python("stay.py", stay));
        let plain = scope
            .spawn(|| password(host, way.plain(), "billing", "other-secret", &["--stay", "20", "--name", "invoices"]));
        let tls = scope.spawn(|| password(host, "5671", "celery_worker", "old-secret", &["--stay", "20", "--ca", &ca]));
        alone(host, &["celery_client", "billing", "celery_worker"]);
        let list = host.shell(&look);
        checks.holds("2: the printed command runs", &list);
        let seen =
            world.certgen(["emit", "rabbitmq", "--migration", "2", "--json"]).stdin(&list.text).run().code(3).json();
        let told: Vec<_> = seen["items"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|i| {
                (i["user"].as_str().unwrap_or_default(), i["client"].as_str().unwrap_or_default(), i["tls"].as_bool())
            })
            .collect();
        let wanted =
            [("billing", "invoices", Some(false)), ("celery_worker", "Pika Python Client Library", Some(true))];
        checks.that("2: names exactly those two", told == wanted && seen["connections"] == 3, &seen.to_string());
        way.migrate(&world, "3", None).code(1).stderr_has("somebody still needed it");
        let next = seen["items"][0]["next"].as_str().unwrap_or_default().to_owned();
        checks.that("2: says what to type", next == "certgen issue client --existing-user billing", &next);
        world.certgen(next.split(' ').skip(1)).run().success();
        for (who, done) in [("billing", plain), ("celery_worker", tls)] {
            checks.holds(&format!("2: {who} works on meanwhile"), &done.join().expect("it does not panic"));
        }
    });
    alone(host, &[]);
    std::thread::scope(|scope| {
        for name in ["billing", "celery_worker"] {
            let [ca, cert, key] = credentials(&world, name);
            let stay = ["rabbitmq", "5671", &ca, &cert, &key, VHOST, "12"].map(str::to_owned);
            scope.spawn(move || host.python("stay.py", stay));
        }
        connected(host, &["billing", "celery_worker"]);
        world.certgen(["emit", "rabbitmq", "--migration", "2"]).stdin(host.shell(&look).text).run().success();
    });

    if way == Way::Into {
        way.migrate(&world, "3", None).code(1).stderr_has("rabbitmq.conf:1: listeners.tcp.1 = 5673");
        world.write("etc/rabbitmq.conf", "# nothing of its own any more\n");
    }
    way.migrate(&world, "3", None).success();
    check(&world.pki(""));
    way.deliver(&world, host);
    let tcp = host.run("bash", ["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{}", way.plain())]);
    checks.that("3: nobody listens without TLS", !tcp.ok, &tcp.text);
    let nobody = password(host, "5671", "celery_worker", "old-secret", &["--ca", &ca]);
    checks.refused("3: a password alone is refused", &nobody, TLS_REFUSALS);
    for name in ["billing", "celery_worker", "celery_client"] {
        checks.holds(&format!("3: {name} by certificate"), &external(&world, host, name));
    }
    for (user, word) in [("celery_worker", "old-secret"), ("billing", "other-secret")] {
        let known = host.tool("rabbitmqctl", ["authenticate_user", user, word]);
        checks.holds(&format!("3: {user} still has its password"), &known);
    }
    let tags = host.tool("rabbitmqctl", ["list_users"]);
    checks.that("3: and its tag", tags.text.contains("billing\t[management]"), &tags.text);
    checks.finish(&lab);
}

/// A cluster that talks plain everywhere: listeners node by node, then TLS between nodes with all of them stopped.
fn two_nodes(version: Version) {
    const NODES: [&str; 2] = ["a.rabbit.test", "b.rabbit.test"];
    let world = World::new();
    world.certgen(["init", "--profile", "cluster", "--set", &format!("nodes={}", NODES.join(","))]).run().success();
    world.certgen(["issue", "client", "device", "--access", "all"]).run().success();
    let peers: String = NODES
        .iter()
        .enumerate()
        .map(|(i, name)| format!("cluster_formation.classic_config.nodes.{} = rabbit@{name}\n", i + 1))
        .collect();
    world.write("plain/rabbitmq.conf", format!("cluster_formation.peer_discovery_backend = classic_config\n{peers}"));
    world.write("plain/rabbitmq-env.conf", "USE_LONGNAME=true\n");
    world.write("plain/enabled_plugins", "[].");
    let plain = Etc::default().with(world.path("plain"), "");
    let lab = Lab::cluster(version, &NODES.map(|name| (name, plain.clone())));
    lab.form_cluster(NODES.len());
    let (a, b) = (&lab.hosts()[0], &lab.hosts()[1]);
    a.shell("rabbitmqctl add_user app secret && rabbitmqctl set_permissions app '.*' '.*' '.*'").accepted();
    let users = a.tool("rabbitmqctl", ["list_users", "--formatter", "json"]).accepted().to_owned();
    let mut checks = Checks::default();

    let opened = world.certgen(["emit", "rabbitmq", "--migration", "1", "--users", "-"]).stdin(&users).run().success();
    opened
        .stderr_has("inter_node_tls was true in certgen.toml and is false now")
        .stderr_has("one node after the other");
    let roll = |checks: &mut Checks, what: &str| {
        for host in [a, b] {
            for file in CONFIGURATION {
                host.install(&world.pki(format!("rabbitmq/{file}")), &format!("/etc/rabbitmq/{file}"));
            }
            certificates(&world, host, &format!("node/{}", host.name()));
            restart(host);
            let peers = host.tool("rabbitmqctl", ["eval", "length(nodes())."]);
            checks.that(
                &format!("{what}: {} is back in the cluster", host.name()),
                peers.text.trim() == "1",
                &peers.text,
            );
        }
    };
    roll(&mut checks, "1");
    let [ca, cert, key] = credentials(&world, "device");
    for host in [a, b] {
        let login = a.python("login.py", [host.name(), "5671", &ca, &cert, &key]);
        checks.holds(&format!("1: a certificate at {}", host.name()), &login);
        let login = a.python("password.py", [host.name(), "5672", "app", "secret", "/"]);
        checks.holds(&format!("1: a password at {}", host.name()), &login);
    }
    world.certgen(["emit", "rabbitmq", "--migration", "3"]).run().success().stderr_has("nobody has looked");
    roll(&mut checks, "3");
    let tcp = a.run("bash", ["-c", "exec 3<>/dev/tcp/b.rabbit.test/5672"]);
    checks.that("3: nobody listens without TLS", !tcp.ok, &tcp.text);

    let manifest = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", manifest.replace("inter_node_tls = false", "inter_node_tls = true"));
    let order = world.certgen(["emit", "rabbitmq"]).run().success().stderr;
    let line = |begins: &str| order.lines().find(|l| l.trim().starts_with(begins)).unwrap_or_else(|| panic!("{order}"));
    assert!(line("stop all").contains("b.rabbit.test, a.rabbit.test"), "{order}");
    assert!(line("start all").contains("a.rabbit.test, b.rabbit.test"), "{order}");
    for host in [b, a] {
        host.tool("rabbitmqctl", ["shutdown"]).accepted();
    }
    for host in [a, b] {
        for file in ["rabbitmq-env.conf", "inter_node_tls.config"] {
            host.install(&world.pki(format!("rabbitmq/{file}")), &format!("/etc/rabbitmq/{file}"));
        }
        host.launch();
    }
    for host in [a, b] {
        host.await_boot();
        let peers = host.tool("rabbitmqctl", ["eval", "length(nodes())."]);
        checks.that(&format!("{} sees the other by TLS", host.name()), peers.text.trim() == "1", &peers.text);
    }
    let peer = |file: &str| world.pki(format!("node/{}/{file}", NODES[0])).display().to_string();
    let knock = a.python("inter_node.py", [NODES[1], "25672", &peer("inter_node_ca_certificate.pem")]);
    checks.refused("a caller without a certificate is not let in", &knock, &["alert", "ALERT", "reset", "EOF"]);
    checks.holds("a client still logs in", &a.python("login.py", [NODES[1], "5671", &ca, &cert, &key]));
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn whole_files_on_3_10() {
    one_broker(Version::V3_10, Way::Whole);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn whole_files_on_4() {
    one_broker(Version::V4, Way::Whole);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn into_a_configuration_on_3_10() {
    one_broker(Version::V3_10, Way::Into);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn into_a_configuration_on_4() {
    one_broker(Version::V4, Way::Into);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn a_cluster_on_3_10() {
    two_nodes(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn a_cluster_on_4() {
    two_nodes(Version::V4);
}
