//! Revocation on real brokers: a revoked client is refused and the others are not, by the list or by `delete_user`.

use std::time::{Duration, Instant};

use super::{TLS_REFUSALS, credentials, only_node, vhost_of};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::invariants::check;
use crate::support::judge::Verdict;

fn login(world: &World, host: &Host, name: &str, vhost: &str) -> Verdict {
    let [ca, cert, key] = credentials(world, name);
    host.python("login.py", ["rabbitmq", "5671", &ca, &cert, &key, "--vhost", vhost])
}

/// What the command says to copy, copied.
fn copy_lists(world: &World, host: &Host) {
    let lists = std::fs::read_dir(world.pki("rabbitmq/crls")).expect("there are lists").flatten();
    for list in lists {
        host.install(&list.path(), &format!("/etc/rabbitmq/crls/{}", list.file_name().to_string_lossy()));
    }
}

/// A celery PKI with a second authority below the root, whose client comes with an intermediate in its chain.
fn world_with_lists() -> World {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "revocation=true"]).on_host("rabbitmq").run().success();
    world.certgen(["issue", "authority", "devices", "--issuer", "root"]).run().success();
    for name in ["leaked", "held"] {
        world.certgen(["issue", "client", name, "--like", "celery_worker"]).run().success();
    }
    let below = ["issue", "client", "device-1", "device-2", "--issuer", "devices", "--like", "celery_worker"];
    world.certgen(below).run().success();
    check(&world.pki(""));
    world
}

fn lists(version: Version) {
    let world = world_with_lists();
    let vhost = vhost_of(&world, "celery_worker");
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    for name in ["celery_worker", "leaked", "device-1", "device-2"] {
        checks.holds(&format!("{name} logs in before anything is revoked"), &login(&world, host, name, &vhost));
    }

    // What a thief keeps who knows that Erlang remembers sessions.
    let [ca, cert, key] = credentials(&world, "leaked");
    let session = world.path("session.pem").display().to_string();
    let handshake = |session: [&str; 2]| {
        let script = format!(
            "echo Q | timeout 10 openssl s_client -connect rabbitmq:5671 -tls1_2 -CAfile {ca} -cert {cert} -key {key} {} 2>&1",
            session.join(" ")
        );
        host.run("sh", ["-c", &script])
    };
    let kept = handshake(["-sess_out", &session]);
    checks.that("a session of TLS 1.2 is made", kept.text.contains("New, TLSv1.2"), &kept.text);
    for (from, to) in [(&cert, "leaked.pem"), (&key, "leaked.key")] {
        std::fs::copy(from, world.path(to)).expect("ours");
    }
    world
        .certgen(["revoke", "client/leaked", "--reason", "keyCompromise"])
        .run()
        .success()
        .stderr_has("the broker checks revocation lists");
    copy_lists(&world, host);
    checks.refused("a revoked client", &login(&world, host, "leaked", &vhost), TLS_REFUSALS);
    let again = handshake(["-sess_in", &session]);
    let is_out = !again.text.contains("Reused") && again.text.contains("alert");
    checks.that("nor is it let in with the session that it kept", is_out, &again.text);
    checks.holds("an unrevoked one, with the same list", &login(&world, host, "celery_worker", &vhost));
    checks.holds("one of the other authority", &login(&world, host, "device-1", &vhost));

    world.certgen(["revoke", "device-1"]).run().success();
    copy_lists(&world, host);
    checks.refused("a revoked client below an intermediate", &login(&world, host, "device-1", &vhost), TLS_REFUSALS);
    checks.holds("its neighbour", &login(&world, host, "device-2", &vhost));

    world.certgen(["revoke", "held", "--reason", "certificateHold"]).run().success();
    copy_lists(&world, host);
    checks.refused("a client on hold", &login(&world, host, "held", &vhost), TLS_REFUSALS);
    world.certgen(["revoke", "held", "--reason", "removeFromCRL"]).run().success();
    copy_lists(&world, host);
    checks.holds("the same client when the hold is taken back", &login(&world, host, "held", &vhost));

    // The broker checks, so the name may be issued again: the new pair works, the leaked one does not.
    world.certgen(["issue", "client", "leaked"]).run().success();
    checks.holds("the same name with a new certificate", &login(&world, host, "leaked", &vhost));
    let path = |name: &str| world.path(name).display().to_string();
    let [ca, ..] = credentials(&world, "leaked");
    let old = ["rabbitmq", "5671", &ca, &path("leaked.pem"), &path("leaked.key"), "--vhost", &vhost];
    checks.refused("the leaked pair of that name", &host.python("login.py", old), TLS_REFUSALS);
    checks.finish(&lab);
}

/// Without lists: the printed command ends the thief's connection, and it does not come back.
fn command(version: Version) {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).on_host("rabbitmq").run().success();
    world.certgen(["issue", "client", "thief", "--like", "celery_worker"]).run().success();
    let vhost = vhost_of(&world, "thief");
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    let [ca, cert, key] = credentials(&world, "thief");
    std::thread::scope(|scope| {
        let stays = scope.spawn(|| host.python("stay.py", ["rabbitmq", "5671", &ca, &cert, &key, &vhost, "55"]));
        let started = Instant::now();
        let connected = || host.tool("rabbitmqctl", ["list_connections", "user"]).text.contains("thief");
        while !connected() && started.elapsed() < Duration::from_secs(40) {}
        let output = world.certgen(["revoke", "client/thief", "--reason", "keyCompromise"]).run().success();
        let output = output.stderr_has("does not check revocation lists");
        let line =
            output.stderr.lines().map(str::trim).find(|l| l.starts_with("rabbitmqctl delete_user")).unwrap_or("false");
        checks.holds("the printed command runs", &host.shell(line));
        let ended = stays.join().expect("it does not panic");
        checks.that("the connected thief is cut off", ended.ok && ended.text.contains("cut off"), &ended.text);
    });
    let again = login(&world, host, "thief", &vhost);
    checks.refused("the thief does not come back", &again, &["ACCESS_REFUSED", "AuthenticationError", "refused"]);
    checks.holds("the others stay", &login(&world, host, "celery_worker", &vhost));
    // The file that a boot reads does not bring the user back.
    host.install(&world.pki("rabbitmq/definitions.json"), "/etc/rabbitmq/definitions.json");
    checks.holds(
        "definitions.json is imported",
        &host.tool("rabbitmqctl", ["import_definitions", "/etc/rabbitmq/definitions.json"]),
    );
    let again = login(&world, host, "thief", &vhost);
    checks.refused("not after a boot either", &again, &["ACCESS_REFUSED", "AuthenticationError", "refused"]);
    world.certgen(["issue", "client", "thief"]).run().refused().stderr_has("was revoked");
    checks.finish(&lab);
}

/// Why 4.3's `ssl_options.crl_sources.1 = dir` is not written: it becomes this term, and nobody gets in.
fn own_keys_of_4_3(version: Version) {
    let world = world_with_lists();
    let vhost = vhost_of(&world, "celery_worker");
    let advanced = world.read("pki/rabbitmq/advanced.config");
    assert!(advanced.contains("ssl_crl_hash_dir"), "{advanced}");
    world.write("pki/rabbitmq/advanced.config", advanced.replace("ssl_crl_hash_dir", "ssl_crl_cache"));
    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    lab.host().boot_broker();
    let mut checks = Checks::default();
    let refused = login(&world, lab.host(), "celery_worker", &vhost);
    checks.refused("a good client, where the cache is told a directory", &refused, TLS_REFUSALS);
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn revocation_lists_on_3_10() {
    lists(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn revocation_lists_on_4() {
    lists(Version::V4);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn revocation_without_lists_on_3_10() {
    command(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn revocation_without_lists_on_4() {
    command(Version::V4);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn revocation_is_not_told_in_4_3_s_own_keys() {
    own_keys_of_4_3(Version::V4);
}
