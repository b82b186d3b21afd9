//! `init --profile celery` on a real broker: who may log in and who may not, and what an operator does next.

use std::fs;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{credentials, only_node, vhost_of};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::check;
use crate::support::judge::Verdict;

/// What a client hears when its certificate is not good enough; TLS 1.2 and 1.3, OpenSSL's words. With TLS 1.3 the client has
/// spoken on when the alert comes, and may see no more of it than the closed connection.
const TLS_REFUSALS: &[&str] = &["alert", "ALERT", "CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "SSLEOFError"];

fn minutes_ago(minutes: i64) -> String {
    let then = OffsetDateTime::now_utc() - time::Duration::minutes(minutes);
    then.replace_nanosecond(0).expect("zero is a nanosecond").format(&Rfc3339).expect("a time of ours can be written")
}

/// Where the operator of the broker's host has put a copy of the PKI.
const OPERATORS: &str = "/var/lib/rabbitmq/operator";

fn celery(version: Version) {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    // The authority is valid from an hour ago.
    let (from, to) = (minutes_ago(30), minutes_ago(5));
    let past = ["--not-before", &from, "--not-after", &to];
    let expired = ["issue", "client", "expired", "--like", "celery_worker"].into_iter().chain(past);
    world.certgen(expired).run().success();
    world.certgen(["issue", "server", "celery-impostor.example.com"]).run().success();
    let stranger = World::new();
    stranger.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    check(&world.pki(""));

    let vhost = vhost_of(&world, "celery_worker");
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();

    let [ca, cert, key] = credentials(&world, "celery_worker");
    let [_, client_cert, client_key] = credentials(&world, "celery_client");
    let login = |ca: &str, cert: &str, key: &str| {
        host.python("login.py", ["rabbitmq", "5671", ca, cert, key, "--vhost", &vhost])
    };
    checks.holds("pika logs in as celery_worker", &login(&ca, &cert, &key));
    checks.holds("pika logs in as celery_client", &login(&ca, &client_cert, &client_key));
    let users = host.tool("rabbitmqctl", ["list_users", "--formatter", "json"]);
    checks.that(
        "celery_worker has no tag",
        users.text.contains("celery_worker") && !tagged(&users.text, "celery_worker"),
        &users.text,
    );
    let task = ["rabbitmq", "5671", &vhost, &ca, &cert, &key, &client_cert, &client_key];
    checks.holds(
        "a Celery worker runs a task, with events, remote control and rpc://",
        &host.python("celery_task.py", task),
    );

    let nobody = host.python("login.py", ["rabbitmq", "5671", &ca, "--vhost", &vhost]);
    checks.refused("no certificate", &nobody, TLS_REFUSALS);
    let [_, other_cert, other_key] = credentials(&stranger, "celery_worker");
    checks.refused("a certificate of another CA", &login(&ca, &other_cert, &other_key), TLS_REFUSALS);
    let [_, old_cert, old_key] = credentials(&world, "expired");
    checks.refused("an expired certificate", &login(&ca, &old_cert, &old_key), TLS_REFUSALS);
    let server = |file: &str| world.pki(format!("server/celery-impostor.example.com/{file}")).display().to_string();
    let as_server = login(&ca, &server("server_certificate.pem"), &server("server_key.pem"));
    checks.refused("a server-only certificate", &as_server, TLS_REFUSALS);
    let elsewhere = host.python("login.py", ["127.0.0.2", "5671", &ca, &cert, &key, "--vhost", &vhost]);
    checks.refused(
        "the client refuses a host that is not in the certificate",
        &elsewhere,
        &["CERTIFICATE_VERIFY_FAILED"],
    );

    // A new client in a running broker.
    let output = world.certgen(["issue", "client", "reporting", "--like", "celery_worker"]).run().success();
    checks.that("issue answers in milliseconds", output.took.as_millis() < 500, &format!("{:?}", output.took));
    let printed = output.stdout.clone() + &output.stderr;
    match printed.lines().find(|l| l.contains("import_definitions")).map(str::trim) {
        Some(line) => {
            let [_, cert, key] = credentials(&world, "reporting");
            let unknown = login(&ca, &cert, &key);
            checks.refused(
                "not before its user exists",
                &unknown,
                &["ACCESS_REFUSED", "AuthenticationError", "refused"],
            );
            checks.holds("the printed line imports the new user", &import(&world, &lab, "reporting", line));
            checks.holds("the new client logs in", &login(&ca, &cert, &key));
        }
        None => checks.that("issue client prints the import line", false, &output.transcript()),
    }

    let output = world.certgen(["issue", "client", "tenant", "--vhost", "it's new", "--access", "all"]).run().success();
    let line = output.stderr.lines().find(|l| l.contains("import_definitions")).map(str::trim).unwrap_or_default();
    checks.holds("a client of a vhost that is new, too", &import(&world, &lab, "tenant", line));
    let [_, cert, key] = credentials(&world, "tenant");
    let tenant = host.python("login.py", ["rabbitmq", "5671", &ca, &cert, &key, "--vhost", "it's new", "--queue", "q"]);
    checks.holds("it logs in there and uses a queue", &tenant);

    ui(&world, &lab, &mut checks, &ca);
    checks.holds("rabbitmqctl works", &host.tool("rabbitmqctl", ["status"]));
    let tcp = host.run("bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/5672"]);
    checks.that("no plain-text listener", !tcp.ok, &tcp.text);
    checks.finish(&lab);
}

/// Runs the line that `issue client` printed, as it stands, where an operator on the broker's host would: the directory
/// was copied there, and what is in it can be read by root alone.
fn import(world: &World, lab: &Lab, user: &str, line: &str) -> Verdict {
    let file = format!("pki/rabbitmq/definitions.d/{user}.json");
    lab.host().install(&world.path(&file), &format!("{OPERATORS}/{file}"));
    lab.host().shell(&format!("chown -R root:root {OPERATORS}; chmod 0700 {OPERATORS}; cd {OPERATORS} && {line}"))
}

fn ui(world: &World, lab: &Lab, checks: &mut Checks, ca: &str) {
    let host = lab.host();
    let page =
        host.run("curl", ["-sS", "--cacert", ca, "-o", "/dev/null", "-w", "%{http_code}", "https://rabbitmq:15671/"]);
    checks.that(
        "the management UI comes over HTTPS without a client certificate",
        page.ok && page.text == "200",
        &page.text,
    );
    let password = fs::read_to_string(world.pki("rabbitmq/administrator.password")).unwrap_or_default();
    let definitions: serde_json::Value =
        serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    let users = definitions["users"].as_array().expect("users");
    let name = users.iter().find(|u| u["tags"].to_string().contains("administrator")).and_then(|u| u["name"].as_str());
    let login = format!("{}:{}", name.unwrap_or("administrator"), password.trim());
    let who = host.run("curl", ["-sS", "--fail", "--cacert", ca, "-u", &login, "https://rabbitmq:15671/api/whoami"]);
    checks.that("the generated administrator logs in", who.ok && who.text.contains("administrator"), &who.text);
    let wrong =
        host.run("curl", ["-sS", "--fail", "--cacert", ca, "-u", "guest:guest", "https://rabbitmq:15671/api/whoami"]);
    checks.refused("guest does not", &wrong, &["401"]);
    let blank = host
        .run("curl", ["-sS", "--fail", "--cacert", ca, "-u", "celery_worker:", "https://rabbitmq:15671/api/whoami"]);
    checks.refused("a worker with a blank password does not", &blank, &["401"]);
}

/// Whether `user` has a tag in the JSON of `list_users`.
fn tagged(json: &str, user: &str) -> bool {
    let from = json.find('[').unwrap_or_default();
    let users: serde_json::Value = serde_json::from_str(json[from..].trim()).unwrap_or_default();
    let users = users.as_array().into_iter().flatten();
    users.filter(|u| u["user"] == user).any(|u| u["tags"].as_array().is_some_and(|t| !t.is_empty()))
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn celery_on_3_10() {
    celery(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn celery_on_4() {
    celery(Version::V4);
}
