//! A renewal keeps everything but the certificate and the key.

use std::fs;

use crate::support::World;

fn celery() -> World {
    World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"])
}

/// What `inspect` says of an identity.
fn facts(world: &World, name: &str) -> serde_json::Value {
    world.certgen(["inspect", name, "--json"]).run().success().json()["items"][0].clone()
}

#[test]
fn the_identity_stays_and_the_key_does_not() {
    let world = celery();
    let before = facts(&world, "client/celery_worker");
    let files = world.read("pki/rabbitmq/definitions.json");
    world.certgen(["renew", "client/celery_worker"]).run().success().stdout_has("renewed   client/celery_worker");
    let after = facts(&world, "client/celery_worker");
    assert_ne!(before["serial_number"], after["serial_number"]);
    assert_eq!((&before["subject"], &before["issuer"]), (&after["subject"], &after["issuer"]));
    assert_eq!(files, world.read("pki/rabbitmq/definitions.json"), "the user is the same");
    world.certgen(["verify", "client/celery_worker", "node/rabbit.example.com"]).run().success();
    world.certgen(["log", "client/celery_worker"]).run().success().stdout_has("renewed");
    // The old pair is kept, its key only for its owner.
    let history = fs::read_dir(world.pki("history/client/celery_worker")).expect("history").count();
    assert_eq!(history, 1);
}

#[test]
fn a_key_is_kept_on_request_and_not_otherwise() {
    let world = celery();
    let key = || world.read("pki/client/celery_worker/client_key.pem");
    let first = key();
    world.certgen(["renew", "celery_worker", "--reuse-key"]).run().success();
    assert_eq!(first, key());
    world.certgen(["renew", "celery_worker"]).run().success();
    assert_ne!(first, key());
}

#[test]
fn an_encrypted_key_is_used_again_with_its_password() {
    let world = celery();
    world.write("password", "secret1\n");
    world.certgen(["issue", "client", "locked", "--key-password-file", "password"]).run().success();
    let public = |world: &World| facts(world, "client/locked")["public_key_sha256"].clone();
    let before = public(&world);
    world.certgen(["renew", "client/locked", "--reuse-key"]).run().success();
    assert_eq!(before, public(&world));
    assert!(world.read("pki/client/locked/client_key.pem").contains("ENCRYPTED"));
}

#[test]
fn only_what_is_due_is_renewed() {
    let world = World::new();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    let day_one = "2026-01-01T00:00:00Z";
    at(day_one, &["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]).success();
    at(day_one, &["renew", "--due"]).success().stdout_is("").stderr_has("nothing is due").stderr_has("2026-09-01");
    at(day_one, &["issue", "client", "short", "--validity", "10d"]).success();
    let output = at(day_one, &["renew", "--due", "--due-within", "20d"]).success();
    assert_eq!(output.stdout.lines().count(), 1, "{}", output.stdout);
    output.stdout_has("client/short");
    // After two thirds of the year everything is.
    let later = at("2026-09-02T00:00:00Z", &["renew", "--due"]).success();
    assert_eq!(later.stdout.lines().count(), 4, "{}", later.stdout);
    at("2026-09-02T00:00:00Z", &["renew", "--due"]).success().stdout_is("");
}

#[test]
fn what_cannot_be_renewed_here_is_said() {
    let world = celery();
    world.certgen(["request", "client", "sensor", "--out", "sensor"]).run().success();
    world.certgen(["issue", "client", "sensor", "--csr", "sensor/request.pem"]).run().success();
    world.certgen(["renew", "sensor"]).run().code(1).stderr_has("--csr FILE");
    let all = world.certgen(["renew", "--all"]).run().success();
    assert!(!all.stdout.contains("sensor"), "{}", all.stdout);
    all.stderr_has("to be renewed where its key is").stderr_has("client/sensor");
    world.certgen(["renew", "authority/root"]).run().code(1).stderr_has("certgen rotate start root");
    world.certgen(["renew", "nobody"]).run().code(1).stderr_has("certgen list");
    world.certgen(["renew"]).run().code(2);
    world.certgen(["renew", "--due", "--all"]).run().code(2);
    world.certgen(["renew", "--watch", "--at", "2026-12-01"]).run().code(2);
}

/// One bad entry must not keep the rest from being renewed in the night.
#[test]
fn one_that_fails_does_not_hold_up_the_others() {
    let world = celery();
    world.write("password", "secret1\n");
    world.certgen(["issue", "client", "locked", "--key-password-file", "password"]).run().success();
    fs::remove_file(world.path("password")).expect("it is there");
    let output = world.certgen(["renew", "--all"]).run().code(1);
    assert_eq!(output.stdout.lines().count(), 3, "{}", output.stdout);
    output.stderr_has("1 of 4 were not renewed").stderr_has("password");
    world.certgen(["verify", "client/celery_worker"]).run().success();
}

#[test]
fn a_hook_runs_for_each_change_and_is_tried_again() {
    let world = celery();
    let hook = r#"echo "$CERTGEN_ROLE/$CERTGEN_NAME $CERTGEN_NOT_AFTER $(basename "$CERTGEN_KEY")" >> ran
        test -r "$CERTGEN_CERT" && test -r "$CERTGEN_BUNDLE" && test -z "$CERTGEN_PASSPHRASE" && test -e allowed"#;
    let renew = |which: &str| world.certgen(["renew", which, "--hook", hook]).env("CERTGEN_PASSPHRASE", "geheim").run();
    let failed = renew("celery_worker").code(1);
    failed.stdout_has("renewed").stderr_has("exit status: 1").stderr_has("tried again");
    let serial = facts(&world, "client/celery_worker")["serial_number"].clone();
    world.write("allowed", "");
    renew("--due").success();
    renew("--due").success();
    assert_eq!(facts(&world, "client/celery_worker")["serial_number"], serial, "nothing was due");
    let ran = world.read("ran");
    assert_eq!(ran.lines().count(), 2, "once, and once more after the failure: {ran}");
    assert!(ran.lines().all(|line| line.starts_with("client/celery_worker 2") && line.ends_with(" client_key.pem")));
}

/// A crash between the renewal and its hook: the next run knows.
#[test]
fn a_hook_that_never_ran_is_not_forgotten() {
    let world = celery();
    world.certgen(["renew", "celery_worker", "--hook", "kill -9 $PPID; sleep 5"]).run();
    world.certgen(["renew", "--due", "--hook", "echo $CERTGEN_NAME > ran"]).run().success();
    assert_eq!(world.read("ran"), "celery_worker\n");
}

#[test]
fn a_broker_is_told_only_of_what_it_shows() {
    let world = celery();
    let line = "rabbitmqctl eval 'ssl:clear_pem_cache().'\n";
    let node = world.certgen(["renew", "node/rabbit.example.com", "--reload", "rabbitmq"]).run().success();
    assert!(node.stdout.ends_with(line), "{}", node.stdout);
    let client = world.certgen(["renew", "celery_worker", "--reload", "rabbitmq"]).run().success();
    assert!(!client.stdout.contains("rabbitmqctl"), "{}", client.stdout);

    let cluster = World::initialised(["--profile", "cluster", "--set", "nodes=a.example,b.example"]);
    let both = cluster.certgen(["renew", "--all", "--reload", "rabbitmq"]).run().success();
    both.stdout_has("gen_server:call(ssl_pem_cache_dist, {unconditionally_clear_pem_cache, self()}).");
    let json = cluster.certgen(["renew", "--all", "--reload", "rabbitmq", "--json"]).run().success().json();
    assert!(json["items"].as_array().expect("items").iter().all(|item| item["action"] == "renewed"), "{json}");
}

/// The command looks at once, stays, and goes when it is told to.
#[cfg(unix)]
#[test]
fn watching_looks_at_once_and_ends_at_once() {
    let world = celery();
    world.certgen(["issue", "client", "short", "--validity", "1d", "--not-before", "2025-12-31T01:00:00Z"]).run();
    let mut child = world.certgen(["renew", "--watch", "--hook", "echo $CERTGEN_NAME >> ran"]).start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !world.path("ran").exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(world.read("ran").contains("short"));
    let killed = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}
