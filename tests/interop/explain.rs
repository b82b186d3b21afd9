//! `explain` reads what real brokers and clients print: nothing in a healthy log, and the cause of each fault in the log
//! line and in the client's error.

use std::time::{Duration, Instant};

use certgen::explain::{Log, explain};

use super::{credentials, only_node, vhost_of};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::judge::Verdict;

const EVERYTHING: &str = "cat /var/log/rabbitmq/*.log";

/// The causes that the log names from a line on, as soon as there are any.
fn logged_since(host: &Host, lines: usize, wanted: &[&str]) -> (Vec<String>, String) {
    let started = Instant::now();
    loop {
        let text = host.shell(&format!("{EVERYTHING} | tail -n +{}", lines + 1)).text;
        let summary = Log::read(text.as_bytes()).expect("memory can be read");
        let causes: Vec<String> =
            summary.groups.iter().flat_map(|group| &group.matches).map(|one| one.cause.id.word()).collect();
        if causes.iter().any(|id| wanted.contains(&id.as_str())) || started.elapsed() > Duration::from_secs(5) {
            return (causes, text);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn names_one(causes: &[String], wanted: &[&str]) -> bool {
    causes.iter().any(|id| wanted.contains(&id.as_str()))
}

fn broker(version: Version) {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    let stranger = World::new();
    stranger.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    world.certgen(["issue", "server", "impostor.example.com"]).run().success();
    let vhost = vhost_of(&world, "celery_worker");
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    // Issued after the boot: the running broker does not know the user.
    world.certgen(["issue", "client", "ghost", "--like", "celery_worker"]).run().success();
    let mut checks = Checks::default();

    let [ca, cert, key] = credentials(&world, "celery_worker");
    let login = |at: &str, ca: &str, cert: &str, key: &str| {
        host.python("login.py", [at, "5671", ca, cert, key, "--vhost", &vhost])
    };
    checks.holds("pika logs in", &login("rabbitmq", &ca, &cert, &key));
    let task = ["rabbitmq", "5671", &vhost, &ca, &cert, &key, &cert, &key];
    checks.holds("a Celery worker runs a task", &host.python("celery_task.py", task));
    let healthy = host.shell(EVERYTHING).text;
    let said = world.certgen(["explain", "-"]).stdin(&healthy).run().success().stdout;
    checks.that("a healthy log", said.ends_with(": nothing known is wrong\n"), &format!("{said}\n{healthy}"));
    checks.that("the log is one of a whole start", healthy.contains("Server startup complete"), &healthy);

    let [_, ghost, ghost_key] = credentials(&world, "ghost");
    let [other_ca, other, other_key] = credentials(&stranger, "celery_worker");
    let server = |file: &str| world.pki(format!("server/impostor.example.com/{file}")).display().to_string();
    let (pair, pair_key) = (server("server_certificate.pem"), server("server_key.pem"));
    let nobody = || host.python("login.py", ["rabbitmq", "5671", &ca, "--vhost", &vhost]);
    let elsewhere = || host.python("login.py", ["rabbitmq", "5671", &ca, &cert, &key, "--vhost", "elsewhere"]);
    type Fault<'f> = (&'f str, &'f dyn Fn() -> Verdict, &'f [&'f str], &'f [&'f str]);
    let refused = ["client-ca-unknown", "client-missing", "client-purpose"];
    let faults: [Fault; 8] = [
        ("no user", &|| login("rabbitmq", &ca, &ghost, &ghost_key), &["user-unknown"], &["user-unknown"]),
        ("no certificate", &nobody, &["client-missing"], &refused),
        ("another CA", &|| login("rabbitmq", &ca, &other, &other_key), &["client-ca-unknown"], &refused),
        ("a server's pair", &|| login("rabbitmq", &ca, &pair, &pair_key), &["client-purpose"], &refused),
        (
            "another name",
            &|| login("127.0.0.2", &ca, &cert, &key),
            &["server-name-mismatch"],
            &["server-name-mismatch"],
        ),
        (
            "an unknown CA",
            &|| login("rabbitmq", &other_ca, &cert, &key),
            &["server-ca-unknown"],
            &["server-ca-unknown"],
        ),
        ("no virtual host", &elsewhere, &["vhost-missing"], &["vhost-missing"]),
        (
            "plain HTTP",
            &|| host.run("curl", ["-sS", "-m", "5", "http://rabbitmq:5671/"]),
            &["plain-client-on-tls"],
            &[],
        ),
    ];
    for (fault, provoke, log_wants, client_wants) in faults {
        let lines = host.shell(EVERYTHING).text.lines().count();
        let client = provoke();
        checks.that(&format!("{fault} is refused"), !client.ok, &client.text);
        let (causes, text) = logged_since(host, lines, log_wants);
        checks.that(&format!("{fault}: the log"), names_one(&causes, log_wants), &format!("{causes:?}\n{text}"));
        let causes: Vec<String> = explain(&client.text).iter().map(|one| one.cause.id.word()).collect();
        let knows = client_wants.is_empty() || names_one(&causes, client_wants);
        checks.that(&format!("{fault}: the client"), knows, &format!("{causes:?}\n{}", client.text));
    }
    let whole = world.certgen(["explain", "-", "--json"]).stdin(host.shell(EVERYTHING).text).run().success().json();
    checks.that("nothing looks like TLS in trouble and is unknown", whole["unknown"]["count"] == 0, &whole.to_string());
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn logs_of_rabbitmq_3_10_are_understood() {
    broker(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn logs_of_rabbitmq_4_are_understood() {
    broker(Version::V4);
}
