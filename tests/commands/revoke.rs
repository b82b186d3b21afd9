//! `revoke`: what it records, what it writes, what it says, and what it refuses.

use std::fs;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

const NOON: &str = "2026-11-22T12:00:00Z";
const LATER: &str = "2026-11-22T13:00:00Z";

fn celery() -> World {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"];
    world.certgen(init).at(NOON).run().success();
    world.certgen(["issue", "client", "x", "--like", "celery_worker"]).at(NOON).run().success();
    world
}

/// What openssl reads in an authority's list.
fn list(world: &World, authority: &str) -> String {
    let at = |file: &str| world.pki(format!("ca/{authority}/{file}")).display().to_string();
    let args = ["crl", "-noout", "-text", "-in", &at("crl.pem"), "-CAfile", &at("ca_certificate.pem")];
    let verdict = openssl(args);
    assert!(verdict.accepted().contains("verify OK"), "{}", verdict.text);
    verdict.text
}

fn entries(world: &World, authority: &str) -> usize {
    list(world, authority).matches("Serial Number:").count()
}

#[test]
fn a_name_means_every_certificate_that_has_not_expired() {
    let world = celery();
    world.certgen(["issue", "client", "x", "--force"]).at(NOON).run().success();
    let output = world.certgen(["--json", "revoke", "x", "--reason", "keycompromise"]).at(LATER).run().success();
    let items = output.json()["items"].as_array().expect("items").clone();
    let revoked: Vec<_> = items.iter().filter(|i| i["action"] == "revoked").collect();
    assert_eq!(revoked.len(), 2, "{items:?}");
    for item in revoked {
        assert_eq!((&item["reason"], &item["issuer"]), (&"keyCompromise".into(), &"root".into()));
        assert_eq!(item["commands"][0], "rabbitmqctl delete_user x");
    }
    assert_eq!(entries(&world, "root"), 2);
    assert!(list(&world, "root").contains("Key Compromise"));
    // Somebody else has the replaced key: it is not kept.
    let kept: Vec<_> = snapshot(&world.pki("history")).into_keys().collect();
    assert!(kept.iter().all(|f| !f.ends_with("client_key.pem")) && kept.len() == 1, "{kept:?}");
    let root = world.pki("ca/root/ca_certificate.pem").display().to_string();
    let crl = world.pki("ca/root/crl.pem").display().to_string();
    for (name, good) in [("x", false), ("celery_client", true)] {
        let certificate = world.pki(format!("client/{name}/client_certificate.pem")).display().to_string();
        let strict = ["-crl_check_all", "-x509_strict", "-attime", "1795352400"];
        let args = ["verify", "-CAfile", &root, "-CRLfile", &crl].into_iter().chain(strict).chain([&*certificate]);
        let verdict = openssl(args);
        assert_eq!(verdict.ok, good, "{name}: {}", verdict.text);
    }
    world.certgen(["verify", "client/x"]).at(LATER).run().code(3);
    check(&world.pki(""));
}

#[test]
fn the_user_leaves_and_the_entry_stays_and_is_not_issued_again() {
    let world = celery();
    world.certgen(["revoke", "client/x"]).at(LATER).run().success();
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("\"x\""));
    assert!(!world.pki("rabbitmq/definitions.d/x.json").exists());
    assert!(world.read("pki/certgen.toml").contains("[client.x]") && world.pki("client/x").exists());
    // Whatever refreshes the broker's files does not bring it back.
    world.certgen(["issue", "client", "y", "--like", "x"]).at(LATER).run().success();
    world.certgen(["emit", "rabbitmq"]).at(LATER).run().success();
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("\"x\""));
    let before = snapshot(&world.pki(""));
    let again = || world.certgen(["issue", "client", "x"]).at(LATER).run();
    again().refused().stderr_has("was revoked").stderr_has("--like x");
    unchanged(&before, &world.pki(""), "the refusal changed something");
    // Where every broker checks, the name is free again.
    let manifest = world.read("pki/certgen.toml").replace("revocation = false", "revocation = true");
    world.write("pki/certgen.toml", manifest);
    again().success();
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"x\""));
    check(&world.pki(""));
}

#[test]
fn a_serial_number_means_one_certificate() {
    let world = celery();
    let serial = || {
        let list = world.certgen(["--json", "list", "client/x"]).at(NOON).run().success().json();
        list["items"][0]["serial_number"].as_str().expect("a serial number").to_owned()
    };
    let old = serial();
    world.certgen(["issue", "client", "x", "--force"]).at(NOON).run().success();
    let colons: Vec<String> = old.as_bytes().chunks(2).map(|b| String::from_utf8_lossy(b).to_uppercase()).collect();
    let output = world.certgen(["revoke", &colons.join(":")]).at(LATER).run().success();
    output.stdout_has(&old).stderr_has("another certificate that is good").stderr_has("--replace-with");
    assert_eq!(entries(&world, "root"), 1);
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"x\""), "its user stays");
    world.certgen(["issue", "client", "x"]).at(LATER).run().success().stdout_has("unchanged");
    world.certgen(["revoke", &serial()]).at(LATER).run().success().stderr_has("delete_user x");
    assert_eq!(entries(&world, "root"), 2);
}

#[test]
fn a_hold_is_taken_back_and_nothing_else_is() {
    let world = celery();
    let revoke = |reason: &str| world.certgen(["revoke", "x", "--reason", reason]).at(LATER).run();
    revoke("removeFromCRL").refused().stderr_has("is not on hold");
    revoke("certificate-hold").success();
    assert!(list(&world, "root").contains("Certificate Hold"));
    world.certgen(["issue", "client", "x"]).at(LATER).run().refused().stderr_has("on hold");
    revoke("REMOVEFROMCRL").success().stdout_has("released").stderr_has("import_definitions");
    assert_eq!(entries(&world, "root"), 0);
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"x\""));
    world.certgen(["verify", "client/x"]).at(LATER).run().success();
    world.certgen(["issue", "client", "x"]).at(LATER).run().success().stdout_has("unchanged");
    // A hold may become final, with the day on which it began.
    revoke("certificateHold").success();
    world.certgen(["revoke", "x", "--reason", "superseded"]).at("2026-11-23T12:00:00Z").run().success();
    let text = list(&world, "root");
    assert!(text.contains("Superseded") && text.contains("Revocation Date: Nov 22 13:00:00 2026"), "{text}");
    revoke("removeFromCRL").refused();
    check(&world.pki(""));
}

#[test]
fn another_name_takes_its_place() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let issue = ["issue", "client", "old", "--vhost", "v", "--configure", "^a", "--write", "^b", "--read", "^c"];
    world.certgen(issue.into_iter().chain(["--tag", "monitoring", "--san", "uri:urn:it"])).run().success();
    let output = world.certgen(["revoke", "old", "--replace-with", "new"]).run().success();
    output.stdout_has("issued    client/new").stderr_has("delete_user old").stderr_has("definitions.d/new.json");
    let definitions: serde_json::Value =
        serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    let of = |what: &str, key: &str, name: &str| {
        let all = definitions[what].as_array().expect("a list").clone();
        all.into_iter().find(|one| one[key] == name).unwrap_or_default()
    };
    assert!(of("users", "name", "old").is_null() && of("users", "name", "new")["tags"][0] == "monitoring");
    let permission = of("permissions", "user", "new");
    assert_eq!((&permission["vhost"], &permission["write"]), (&"v".into(), &"^b".into()));
    let names = world.certgen(["--json", "list", "client/new"]).run().success().json();
    assert_eq!(names["items"][0]["subject_alt_names"][0], "URI:urn:it");
    assert!(world.read("pki/certgen.toml").contains("[client.new]"));
    check(&world.pki(""));

    let before = snapshot(&world.pki(""));
    let refused = |args: &[&str], words: &str| {
        world.certgen(["revoke"].iter().chain(args)).run().refused().stderr_has(words);
        unchanged(&before, &world.pki(""), "the refusal changed something");
    };
    refused(&["celery_worker", "--replace-with", "celery_client"], "exists already");
    refused(&["celery_worker", "celery_client", "--replace-with", "z"], "exactly one client");
    refused(&["node/rabbit.example.com", "--replace-with", "z"], "exactly one client");
    refused(&["celery_worker", "--replace-with", "administrator"], "administrator");
    refused(&["celery_worker", "--replace-with", "CELERY_client"], "equal but for case");
    refused(&["celery_worker", "--replace-with", "a/b\u{1b}"], "control character");
}

#[test]
fn what_cannot_be_revoked_changes_nothing() {
    let world = celery();
    world.certgen(["revoke", "x"]).at(LATER).run().success();
    let before = snapshot(&world.pki(""));
    let refused = |args: &[&str], words: &str| {
        world.certgen(["revoke"].iter().chain(args)).at(LATER).run().refused().stderr_has(words);
        unchanged(&before, &world.pki(""), "the refusal changed something");
    };
    refused(&["x"], "is revoked already");
    refused(&["x", "--reason", "superseded"], "is revoked already");
    refused(&["nobody"], "there is no identity");
    refused(&["client/nobody"], "there is no identity");
    refused(&["celery_worke"], "did you mean celery_worker?");
    refused(&["client/celery_worke"], "did you mean client/celery_worker?");
    refused(&["12:34:ab"], "no certificate with the serial number");
    refused(&["\u{202e}x"], "\\u{202e}");
    refused(&["celery_worker", "nobody"], "there is no identity");
    refused(&["root"], "certgen rotate start root");
    refused(&["authority/nobody"], "no authority");
    refused(&["celery_worker", "--reason", "bad"], "keyCompromise");
    refused(&[""], "there is no identity");
    world
        .certgen(["revoke", "celery_worker"])
        .at("2028-01-01T00:00:00Z")
        .run()
        .refused()
        .stderr_has("nothing to revoke");
    world.certgen(["revoke", "celery_worker"]).at("2026-11-22T12:30:00Z").run().refused().stderr_has("clock went back");
    unchanged(&before, &world.pki(""), "the refusal changed something");
    // Another reason than before is news only when the key leaked.
    world.certgen(["revoke", "x", "--reason", "keyCompromise"]).at(LATER).run().success();
    assert!(list(&world, "root").contains("Key Compromise"));
    assert_eq!(entries(&world, "root"), 1);
}

#[test]
fn without_the_authority_s_key_nothing_is_revoked() {
    let world = celery();
    world.write("passphrase", "correct horse\n");
    world.certgen(["issue", "client", "y"]).at(NOON).run().success();
    let key = world.pki("ca/root/ca_key.pem");
    let plain = fs::read(&key).expect("ours");
    let refused = |words: &str| {
        let before = snapshot(&world.pki(""));
        world.certgen(["revoke", "x"]).at(LATER).run().refused().stderr_has(words);
        unchanged(&before, &world.pki(""), "the refusal changed something");
    };
    fs::remove_file(&key).expect("ours");
    refused("its key pki/ca/root/ca_key.pem is not here");
    let stranger = celery();
    fs::copy(stranger.pki("ca/root/ca_key.pem"), &key).expect("ours");
    refused("is not the key of ca_certificate.pem");
    fs::write(&key, plain).expect("ours");
    world.certgen(["seal", "--passphrase-file", "passphrase"]).at(NOON).run().success();
    refused("is sealed");
    world.certgen(["revoke", "x", "--passphrase-file", "passphrase"]).at(LATER).run().success();
    assert_eq!(entries(&world, "root"), 1);
}

#[test]
fn an_intermediate_goes_on_its_issuer_s_list_and_signs_nothing_more() {
    let world = World::initialised(["--profile", "one-intermediate"]);
    let list_of_authorities = world.certgen(["--json", "list", "authority"]).run().success().json();
    let items = list_of_authorities["items"].as_array().expect("items").clone();
    let below = items.iter().find(|i| i["name"] != i["issuer"]).expect("an intermediate");
    let (name, issuer) = (below["name"].as_str().expect("text"), below["issuer"].as_str().expect("text"));
    let reference = format!("authority/{name}");
    world
        .certgen(["revoke", &reference, "--reason", "cACompromise"])
        .run()
        .success()
        .stderr_has("certgen rotate start");
    assert!(list(&world, issuer).contains("CA Compromise"));
    let listed = world.certgen(["--json", "list", &reference]).run().success().json();
    assert_eq!(listed["items"][0]["state"], "revoked");
    world.certgen(["issue", "client", "z", "--issuer", name]).run().refused().stderr_has("was revoked");
    check(&world.pki(""));
}

#[test]
fn a_node_s_clients_do_not_read_lists_and_it_can_be_issued_again() {
    let world = celery();
    world
        .certgen(["revoke", "rabbit.example.com", "--reason", "keyCompromise"])
        .at(LATER)
        .run()
        .success()
        .stderr_has("clients do not read revocation lists")
        .stderr_has("in the place of root");
    world.certgen(["issue", "node", "rabbit.example.com", "--force"]).at(LATER).run().success();
    // The leaked key is not copied into the history.
    assert!(snapshot(&world.pki("history")).keys().all(|f| !f.ends_with("server_key.pem")));
    check(&world.pki(""));
}

#[test]
fn what_is_said_fits_who_it_is() {
    let world = celery();
    world.certgen(["issue", "client", "--cli", "admin.example.com"]).at(NOON).run().success();
    let output = world.certgen(["revoke", "admin.example.com"]).at(LATER).run().success();
    let output = output.stderr_has("nodes do not read revocation lists").stderr_has("in the place of root");
    assert!(!output.stderr.contains("delete_user"), "{}", output.transcript());
    // A user that somebody else made is not certgen's to delete.
    world.certgen(["issue", "client", "administrator", "--existing-user"]).at(NOON).run().success();
    let output = world.certgen(["revoke", "client/administrator"]).at(LATER).run().success();
    let output = output.stderr_has("was not made for this certificate and stays");
    assert!(!output.stderr.contains("delete_user"), "{}", output.transcript());
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"administrator\""));
    let plain = World::initialised(["--profile", "basic"]);
    let output = plain.certgen(["revoke", "client/client"]).run().success().stderr_has("certgen.toml has no broker");
    assert!(
        !output.stderr.contains("was not made for") && !output.stderr.contains("delete_user"),
        "{}",
        output.transcript()
    );
}

#[test]
fn run_takes_the_user_out_of_the_broker_or_says_why_not() {
    let world = celery();
    let stub = |code: i32| {
        let script =
            format!("#!/bin/sh\necho \"$@\" >> {}\necho why not >&2\nexit {code}\n", world.path("ran").display());
        let path = world.write("bin/rabbitmqctl", script);
        std::os::unix::fs::PermissionsExt::set_mode(&mut fs::metadata(&path).expect("ours").permissions(), 0o755);
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
        format!("{}:/usr/bin:/bin", world.path("bin").display())
    };
    let run = |name: &str, code: i32| {
        world
            .certgen(["revoke", name, "--run"])
            .env("PATH", stub(code))
            .env("CERTGEN_PASSPHRASE", "secret")
            .at(LATER)
            .run()
    };
    run("x", 0).success().stderr_has("ran: rabbitmqctl delete_user x");
    run("celery_worker", 67).success().stderr_has("does not know the user");
    let output = run("celery_client", 1).code(1);
    output
        .stderr_has("the certificate is revoked")
        .stderr_has("why not")
        .stderr_has("rabbitmqctl delete_user celery_client");
    assert_eq!(world.read("ran"), "delete_user x\ndelete_user celery_worker\ndelete_user celery_client\n");
    assert_eq!(entries(&world, "root"), 3);
}

#[test]
fn what_was_revoked_stays_so_after_a_restore() {
    let world = celery();
    let inventory = fs::read(world.pki("inventory.jsonl")).expect("ours");
    world.certgen(["revoke", "x", "--reason", "keyCompromise"]).at(LATER).run().success();
    fs::write(world.pki("inventory.jsonl"), inventory).expect("ours");
    let later = "2026-11-22T14:00:00Z";
    let output = world.certgen(["revoke", "celery_worker"]).at(later).run().success();
    output.stderr_has("knew what the inventory had lost: client/x");
    assert_eq!(entries(&world, "root"), 2);
    assert!(list(&world, "root").contains("Key Compromise"));
    world.certgen(["issue", "client", "x"]).at(later).run().refused().stderr_has("was revoked");
    assert!(!world.read("pki/rabbitmq/definitions.json").contains("\"x\""));
    check(&world.pki(""));
}

#[test]
fn a_client_that_was_taken_out_can_still_be_revoked() {
    let world = celery();
    world.certgen(["remove", "client/x"]).at(NOON).run().success();
    world.certgen(["revoke", "client/x"]).at(LATER).run().success().stderr_has("rabbitmqctl delete_user x");
    assert_eq!(entries(&world, "root"), 1);
}

#[test]
fn processes_that_revoke_at_once_lose_nothing() {
    let world = celery();
    let names: Vec<String> = (0..8).map(|i| format!("c{i}")).collect();
    world.certgen(["issue", "client"].into_iter().chain(names.iter().map(String::as_str))).run().success();
    std::thread::scope(|scope| {
        for name in &names {
            let world = &world;
            scope.spawn(move || world.certgen(["revoke", name]).run().success());
        }
    });
    assert_eq!(entries(&world, "root"), 8);
    check(&world.pki(""));
}

#[test]
fn a_kill_leaves_the_certificate_good_or_on_the_list() {
    let world = celery();
    let whole = world.certgen(["revoke", "celery_client"]).run().success().took;
    for round in 0..40_u32 {
        let name = format!("k{round}");
        world.certgen(["issue", "client", &name]).run().success();
        let mut child = world.certgen(["revoke", &name]).start();
        std::thread::sleep(whole * (round % 20) / 16);
        let _ = child.kill();
        let _ = child.wait();
        // The next command finishes what was begun.
        world.certgen(["emit", "rabbitmq"]).run().success();
        let state = world.certgen(["--json", "list", &name]).run().success().json()["items"][0]["state"].clone();
        let verified = world.certgen(["verify", &format!("client/{name}")]).run().sane().code;
        let in_definitions = world.read("pki/rabbitmq/definitions.json").contains(&format!("\"{name}\""));
        match state.as_str() {
            Some("revoked") => assert!(verified == Some(3) && !in_definitions, "{name} is half revoked"),
            _ => assert!(verified == Some(0) && in_definitions, "{name} is half revoked"),
        }
    }
    check(&world.pki(""));
}
