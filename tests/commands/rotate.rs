//! An authority is replaced in phases, and at no moment does anybody show what another who follows the phases refuses.

use std::fs;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl, tls};

const DAY_ONE: &str = "2026-03-01T12:00:00Z";
/// After the bundles have been read.
const LATER: &str = "2026-03-01T12:05:00Z";
const LAST: &str = "2026-03-02T12:00:00Z";

fn celery() -> World {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"];
    world.certgen(init).at(DAY_ONE).run().success();
    world
}

/// How many certificates a file holds.
fn count(world: &World, file: &str) -> usize {
    world.read(format!("pki/{file}")).matches("BEGIN CERTIFICATE").count()
}

/// Whether openssl accepts the certificate of one identity against the bundle of another, as a handshake would.
#[track_caller]
fn accepts(world: &World, bundle: &str, shown: &str, purpose: &str, at: &str) -> bool {
    let path = |file: &str| world.pki(file).display().to_string();
    let (bundle, shown) = (path(bundle), path(shown));
    let at = openssl(["x509", "-noout", "-dates", "-in", &shown]).ok.then(|| epoch(at)).expect("a certificate");
    let purpose = format!("ssl{purpose}");
    let args =
        ["verify", "-x509_strict", "-purpose", &purpose, "-attime", &at, "-CAfile", &bundle, "-untrusted", &shown];
    openssl(args.into_iter().chain([shown.as_str()])).ok
}

/// Seconds since 1970 of a time in March 2026.
fn epoch(at: &str) -> String {
    let (day, hour, minute): (i64, i64, i64) =
        (at[8..10].parse().expect("day"), at[11..13].parse().expect("hour"), at[14..16].parse().expect("minute"));
    (1_772_323_200 + (day - 1) * 86_400 + hour * 3_600 + minute * 60).to_string()
}

const NODE: &str = "node/rabbit.example.com";
const WORKER: &str = "client/celery_worker";

#[test]
#[ignore = "needs openssl"]
fn every_phase_leaves_everybody_able_to_meet() {
    let world = celery();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    let bundles = [
        "node/rabbit.example.com/ca_certificate.pem",
        "node/rabbit.example.com/inter_node_ca_certificate.pem",
        "client/celery_worker/ca_certificate.pem",
    ];
    let all_hold = |n: usize| bundles.iter().for_each(|file| assert_eq!(count(&world, file), n, "{file}"));
    let copy = |name: &str| {
        let done = std::process::Command::new("cp").arg("-a").arg(world.pki("")).arg(world.path(name)).status();
        assert!(done.expect("cp runs").success());
    };
    copy("before");

    let started = at(DAY_ONE, &["rotate", "start", "root"]).success();
    let started = started.stdout_has("deliver   node/rabbit.example.com").stdout_has("deliver   client/celery_worker");
    started.stderr_has("next: certgen rotate switch root");
    all_hold(2);
    check(&world.pki(""));
    assert_eq!(
        world.read("before/node/rabbit.example.com/server_key.pem"),
        world.read(format!("pki/{NODE}/server_key.pem"))
    );
    copy("started");

    at(DAY_ONE, &["rotate", "switch"]).code(1).stderr_has("less than five minutes").stderr_has("--check HOST:PORT");
    let switched = at(LATER, &["rotate", "switch"]).success();
    let switched =
        switched.stdout_has("renewed   node/rabbit.example.com").stdout_has("renewed   client/celery_client");
    switched
        .stderr_has("nobody confirmed the delivery of client/celery_worker")
        .stderr_has("certgen rotate finish root");
    all_hold(2);
    check(&world.pki(""));
    copy("switched");

    at(LATER, &["rotate", "status", "--delivered", "node", WORKER]).success();
    let finished = at(LAST, &["rotate", "finish", "root"]).success();
    let finished = finished.stderr_has("nobody confirmed the delivery of client/celery_client");
    assert!(!finished.stderr.contains("delivery of client/celery_worker"), "{}", finished.transcript());
    all_hold(1);
    check(&world.pki(""));
    assert!(!world.pki("ca/root/predecessor").exists() && !world.pki("ca/root/successor").exists());
    let keys = openssl_free_keys(&world);
    assert_eq!(keys, ["pki/ca/root/ca_key.pem"], "the old key is gone");
    copy("finished");

    // Every meeting of a phase, judged by openssl: files of before against files of after, both ways.
    for (before, after) in [("before", "started"), ("started", "switched"), ("switched", "finished")] {
        for (mine, other) in [(before, before), (before, after), (after, before), (after, after)] {
            for (bundle, shown, purpose) in [
                (
                    format!("../{mine}/{WORKER}/ca_certificate.pem"),
                    format!("../{other}/{NODE}/server_certificate.pem"),
                    "server",
                ),
                (
                    format!("../{mine}/{NODE}/ca_certificate.pem"),
                    format!("../{other}/{WORKER}/client_certificate.pem"),
                    "client",
                ),
            ] {
                assert!(accepts(&world, &bundle, &shown, purpose, LAST), "{bundle} meets {shown}");
            }
        }
    }
    let (bundle, shown) = (
        "../before/client/celery_worker/ca_certificate.pem",
        "../switched/node/rabbit.example.com/server_certificate.pem",
    );
    assert!(!accepts(&world, bundle, shown, "server", LAST), "without the first phase the second is refused");
}

/// Private keys of authorities, history included.
fn openssl_free_keys(world: &World) -> Vec<String> {
    let find =
        std::process::Command::new("find").args(["pki", "-name", "ca_key.pem*"]).current_dir(world.path("")).output();
    let mut found: Vec<String> =
        String::from_utf8_lossy(&find.expect("find runs").stdout).lines().map(str::to_owned).collect();
    found.sort();
    found
}

#[test]
#[ignore = "needs openssl"]
fn the_cross_certificate_leads_from_the_old_root_and_stands_in_no_chain() {
    let world = celery();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    at(DAY_ONE, &["rotate", "start"]).success();
    assert!(world.pki("ca/root/successor/cross_certificate.pem").exists());
    at(LATER, &["rotate", "switch"]).success();
    let path = |file: &str| world.pki(file).display().to_string();
    let old = path("ca/root/predecessor/ca_certificate.pem");
    let cross = path("ca/root/predecessor/cross_certificate.pem");
    let leaf = path("node/rabbit.example.com/server_certificate.pem");
    let time = epoch(LAST);
    let with = ["verify", "-x509_strict", "-attime", &time, "-CAfile", &old, "-untrusted", &cross, &leaf];
    openssl(with).accepted();
    let without = openssl(["verify", "-x509_strict", "-attime", &time, "-CAfile", &old, &leaf]);
    assert!(!without.ok, "the old root alone does not lead to it");
    assert_eq!(count(&world, "node/rabbit.example.com/server_certificate.pem"), 1);
}

#[test]
#[ignore = "needs openssl"]
fn it_is_done_in_parts_and_resumes() {
    let world = celery();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    at(DAY_ONE, &["rotate", "start"]).success();
    at(LATER, &["rotate", "switch", "--batch", NODE])
        .success()
        .stdout_has("renewed   node/")
        .stderr_has("2 still to be");
    check(&world.pki(""));
    at(LATER, &["rotate", "finish"]).code(1).stderr_has("client/celery_client, client/celery_worker still show");
    let status = at(LATER, &["status", "--json"]).success().json();
    let state = |name: &str| {
        let items = status["items"].as_array().expect("items");
        items.iter().find(|i| i["name"] == name).expect("an item")["state"].as_str().expect("a state").to_owned()
    };
    assert_eq!((state("rabbit.example.com"), state("celery_worker")), ("ok".to_owned(), "superseded CA".to_owned()));
    // Whoever is issued now is issued by the successor.
    at(LATER, &["issue", "client", "new", "--like", "celery_worker"]).success();
    at(LATER, &["rotate", "switch", "--batch", "1"]).success().stdout_has("renewed   client/celery_client");
    at(LATER, &["rotate", "switch", "--batch", "client/new"]).code(1).stderr_has("not waiting for a certificate");
    at(LATER, &["rotate", "switch"]).success().stdout_has("renewed   client/celery_worker");
    at(LATER, &["rotate", "switch"]).success().stderr_has("nothing is left");
    at(LAST, &["rotate", "finish"]).success();
    check(&world.pki(""));
    let verify = ["verify", NODE, WORKER, "client/celery_client", "client/new"];
    at(LAST, &verify).success();
}

#[test]
#[ignore = "needs openssl"]
fn it_goes_back_before_and_after_the_switch() {
    let world = celery();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    let root = world.read("pki/ca/root/ca_certificate.pem");
    let worker = world.read(format!("pki/{WORKER}/client_certificate.pem"));
    at(DAY_ONE, &["rotate", "start"]).success();
    at(LATER, &["rotate", "abort"]).success();
    assert_eq!(count(&world, "client/celery_worker/ca_certificate.pem"), 1);
    assert!(!world.pki("ca/root/successor").exists());
    assert_eq!(worker, world.read(format!("pki/{WORKER}/client_certificate.pem")));
    check(&world.pki(""));

    at(LATER, &["rotate", "start"]).success();
    at(LATER, &["rotate", "switch", "--force", "--batch", WORKER]).success();
    assert_ne!(root, world.read("pki/ca/root/ca_certificate.pem"));
    let back = at(LATER, &["rotate", "abort"]).success();
    let back = back.stdout_has("renewed   client/celery_worker").stderr_has("next: certgen rotate finish root");
    assert!(!back.stdout.contains("celery_client"), "it never changed: {}", back.stdout);
    assert_eq!(root, world.read("pki/ca/root/ca_certificate.pem"), "the old one signs again");
    assert_eq!(count(&world, "client/celery_worker/ca_certificate.pem"), 2, "somebody may show what the other signed");
    check(&world.pki(""));
    at(LATER, &["rotate", "status"]).success().stdout_has("authority/root  going back");
    at(LATER, &["status"]).success().stdout_has("superseded CA: given up");
    at(LATER, &["rotate", "abort"]).code(1).stderr_has("is given up already").stderr_has("certgen rotate finish root");
    at(LAST, &["rotate", "finish"]).success().stderr_has("that was given up is trusted by nobody");
    assert_eq!(world.read(format!("pki/{NODE}/ca_certificate.pem")), root);
    check(&world.pki(""));
    at(LAST, &["verify", NODE, WORKER]).success();
}

#[test]
#[ignore = "needs openssl"]
fn a_compromised_authority_is_replaced_at_once() {
    let world = celery();
    let old = world.read("pki/ca/root/ca_certificate.pem");
    let output = world.certgen(["rotate", "start", "root", "--compromised"]).at(DAY_ONE).run().success();
    let output = output
        .stderr_has("there is no overlap")
        .stderr_has("client/celery_worker")
        .stdout_has("replaced  authority/root");
    output.stdout_has("renewed   node/rabbit.example.com");
    for file in [format!("{WORKER}/ca_certificate.pem"), format!("{NODE}/inter_node_ca_certificate.pem")] {
        let bundle = world.read(format!("pki/{file}"));
        assert!(!bundle.contains(old.trim()) && bundle.matches("BEGIN").count() == 1, "{file}");
    }
    assert_eq!(openssl_free_keys(&world), ["pki/ca/root/ca_key.pem"]);
    check(&world.pki(""));
    let status = world.certgen(["rotate", "status"]).at(DAY_ONE).run().success().stdout_has("authority/root  finished");
    // Without an overlap pairs and bundles have to arrive together.
    for file in ["ca_certificate.pem", "client_certificate.pem", "client_key.pem"] {
        assert!(status.stdout.contains(&format!("pki/{WORKER}/{file}")), "{file}\n{}", status.transcript());
    }
    // Also in the middle of a rotation that began in peace.
    world.certgen(["rotate", "start"]).at(LATER).run().success();
    world.certgen(["rotate", "start", "--compromised"]).at(LATER).run().success();
    check(&world.pki(""));
}

#[test]
#[ignore = "needs openssl"]
fn an_intermediate_is_rotated_alone_and_with_its_root() {
    let world = World::new();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    at(DAY_ONE, &["init", "--profile", "one-intermediate", "--set", "hostname=rabbit.example.com"]).success();
    let names: Vec<String> = fs::read_dir(world.pki("ca"))
        .expect("ca")
        .flatten()
        .map(|e| e.file_name().into_string().expect("UTF-8"))
        .collect();
    let intermediate = names.iter().find(|name| *name != "root").expect("an intermediate").clone();
    let bundle = |world: &World| {
        let server = fs::read_dir(world.pki("server")).expect("server").flatten().next().expect("a server").path();
        fs::read_to_string(server.join("ca_certificate.pem")).expect("a bundle")
    };
    let before = bundle(&world);
    // Nobody has to learn of it: the chain brings it along, so nothing is to be waited for.
    let started = at(DAY_ONE, &["rotate", "start", &intermediate]).success();
    assert!(!started.stdout.contains("deliver"), "{}", started.stdout);
    at(DAY_ONE, &["rotate", "switch"]).success();
    assert_eq!(before, bundle(&world));
    at(DAY_ONE, &["rotate", "start", "root"]).code(1).stderr_has("being rotated already");
    at(DAY_ONE, &["rotate", "finish"]).success();
    check(&world.pki(""));

    at(DAY_ONE, &["rotate", "start", "root"]).success();
    let both = at(LATER, &["rotate", "switch", "root"]).success();
    both.stdout_has("switched  authority/root").stdout_has(&format!("switched  authority/{intermediate}"));
    check(&world.pki(""));
    at(LAST, &["rotate", "finish"]).success();
    assert_ne!(before, bundle(&world));
    check(&world.pki(""));
    at(LAST, &["status", "--fail-within", "1d"]).success();

    // The root vouches for whatever a stolen key below it signs.
    let stolen = at(LAST, &["rotate", "start", &intermediate, "--compromised"]).success();
    let stolen = stolen.stderr_has("whoever trusts \"root\" accepts what the stolen key");
    assert!(!stolen.stderr.contains("nothing trusts the old one"), "{}", stolen.transcript());
    stolen.stderr_has("certgen rotate start root --compromised");
}

#[test]
#[ignore = "needs openssl"]
fn what_still_depends_on_the_old_one_keeps_it() {
    let world = celery();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    at(DAY_ONE, &["request", "client", "sensor", "--out", "sensor"]).success();
    at(DAY_ONE, &["issue", "client", "sensor", "--csr", "sensor/request.pem"]).success();
    at(DAY_ONE, &["issue", "client", "away", "--out", "elsewhere"]).success();
    let started = at(DAY_ONE, &["rotate", "start"]).success();
    started.stdout_has("deliver   client/away  its copy elsewhere").stderr_has("appended to its ca_certificate.pem");
    let switched = at(LATER, &["rotate", "switch"]).success();
    switched
        .stderr_has("to be issued again where the key is:")
        .stderr_has("  client/sensor")
        .stderr_has("  client/away");
    let refused = at(LAST, &["rotate", "finish"]).code(1);
    refused.stderr_has("client/away, client/sensor still show").stderr_has("--csr FILE --force");
    at(LAST, &["issue", "client", "sensor", "--csr", "sensor/request.pem", "--force"]).success();
    at(LAST, &["rotate", "finish"]).code(1).stderr_has("what client/away still show");
    at(LAST, &["revoke", "client/away"]).success();
    at(LAST, &["rotate", "finish"]).success();
    check(&world.pki(""));
}

#[test]
#[ignore = "needs openssl"]
fn a_sealed_authority_has_a_sealed_successor() {
    let world = celery();
    world.write("passphrase", "correct horse\n");
    let with = ["--passphrase-file", "passphrase"];
    world.certgen(["seal"].into_iter().chain(with)).at(DAY_ONE).run().success();
    let sealed = world.certgen(["rotate", "start"]).at(DAY_ONE).run().code(1);
    sealed.stderr_has("the key of authority \"root\" is sealed").stderr_has("--passphrase-file");
    check(&world.pki(""));
    world.certgen(["rotate", "start"].into_iter().chain(with)).at(DAY_ONE).run().success();
    assert!(world.pki("ca/root/successor/ca_key.pem.age").exists());
    world.certgen(["seal", "--list"]).at(DAY_ONE).run().success().stdout_has("root (successor)  sealed");
    world.certgen(["rotate", "switch"]).at(LATER).run().code(1).stderr_has("is sealed");
    world.certgen(["rotate", "switch"].into_iter().chain(with)).at(LATER).run().success();
    // Neither key is left in the clear or sealed alone.
    world.certgen(["unseal"].into_iter().chain(with)).at(LATER).run().success();
    assert_eq!(openssl_free_keys(&world), ["pki/ca/root/ca_key.pem", "pki/ca/root/predecessor/ca_key.pem"]);
    world.certgen(["seal"].into_iter().chain(with)).at(LATER).run().success();
    assert_eq!(openssl_free_keys(&world), ["pki/ca/root/ca_key.pem.age", "pki/ca/root/predecessor/ca_key.pem.age"]);
    world.certgen(["rotate", "finish"]).at(LAST).run().success();
    check(&world.pki(""));
}

/// With lists checked, the successor's must be there before its clients come, and the old one's as long as its clients do.
#[test]
#[ignore = "needs openssl"]
fn brokers_that_check_revocation_get_both_lists() {
    let world = World::new();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    let init = ["init", "--profile", "celery", "--set", "hostname=rabbit.example.com", "--set", "revocation=true"];
    at(DAY_ONE, &init).success();
    let lists = || fs::read_dir(world.pki("rabbitmq/crls")).expect("crls").count();
    assert_eq!(lists(), 1);
    at(DAY_ONE, &["rotate", "start"]).success().stdout_has("deliver   broker/rabbitmq");
    assert_eq!(lists(), 2);
    at(LATER, &["rotate", "switch"]).success();
    assert_eq!(lists(), 2);
    at(LATER, &["revoke", "client/celery_client", "--reason", "keyCompromise"]).success();
    for list in ["ca/root/crl.pem", "ca/root/predecessor/crl.pem"] {
        let text = openssl(["crl", "-noout", "-text", "-in", &world.pki(list).display().to_string()]);
        // The certificate that it shows, and the one of before.
        assert_eq!(text.accepted().matches("Serial Number:").count(), 2, "{list}\n{}", text.text);
    }
    let due = at("2026-03-28T12:00:00Z", &["crl", "--due"]).success();
    assert_eq!(due.stdout.lines().count(), 2, "{}", due.stdout);
    at("2026-03-28T12:00:00Z", &["rotate", "finish"]).success();
    assert_eq!(lists(), 1);
    check(&world.pki(""));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = celery();
    let refuse = |time: &'static str, args: &[&str], word: &str| {
        let before = snapshot(&world.pki(""));
        world.certgen(args.iter().copied()).at(time).run().code(1).stderr_has(word);
        unchanged(&before, &world.pki(""), &args.join(" "));
    };
    refuse(DAY_ONE, &["rotate", "start", "rooot"], "there is no authority \"rooot\"");
    refuse("1970-01-02T00:00:00Z", &["rotate", "start"], "and the clock says 1970-01-02 00:00");
    for phase in ["switch", "finish", "abort"] {
        refuse(DAY_ONE, &["rotate", phase], "no authority is being rotated");
        refuse(DAY_ONE, &["rotate", phase, "root"], "is not being rotated");
    }
    refuse(DAY_ONE, &["renew", "authority/root"], "certgen rotate start root");
    refuse(DAY_ONE, &["revoke", "authority/root"], "certgen rotate start root");
    world.certgen(["rotate", "start"]).at(DAY_ONE).run().success();
    refuse(DAY_ONE, &["rotate", "start"], "is being rotated already");
    refuse(DAY_ONE, &["rotate", "finish"], "everything is still issued by the old one");
    refuse("2026-03-01T11:00:00Z", &["rotate", "switch"], "the clock went back");
    refuse(LATER, &["rotate", "switch", "--batch", "client/nobody"], "there is no identity");
    refuse(LATER, &["rotate", "switch", "--batch", "client/celery_worke"], "did you mean client/celery_worker?");
    refuse(LATER, &["rotate", "status", "--delivered", "client/celery_worke"], "did you mean client/celery_worker?");
    // A key that is gone, and one that is another's.
    let key = world.pki("ca/root/successor/ca_key.pem");
    let good = fs::read(&key).expect("a key");
    fs::remove_file(&key).expect("removed");
    refuse(LATER, &["rotate", "switch"], "its key pki/ca/root/successor/ca_key.pem is not here");
    fs::copy(world.pki("ca/root/ca_key.pem"), &key).expect("copied");
    refuse(LATER, &["rotate", "switch"], "ca_key.pem is not the key of ca_certificate.pem");
    fs::write(&key, good).expect("written");
    // Half a successor.
    let certificate = world.pki("ca/root/successor/ca_certificate.pem");
    let text = fs::read(&certificate).expect("a certificate");
    fs::remove_file(&certificate).expect("removed");
    refuse(LATER, &["rotate", "start"], "is there without its certificate");
    fs::write(&certificate, text).expect("written");
    world.certgen(["rotate", "switch"]).at(LATER).run().success();
}

/// The time is a guess, and the listener knows.
#[test]
fn a_listener_says_whether_it_knows_the_successor() {
    let world = celery();
    let before = tls::server(&world.pki(NODE));
    world.certgen(["rotate", "start"]).at(DAY_ONE).run().success();
    let switch = |port: u16| {
        let place = format!("localhost:{port}");
        world.certgen(["rotate", "switch", "--check", &place]).at(DAY_ONE).run()
    };
    let unread = snapshot(&world.pki(""));
    switch(before).code(1).stderr_has("does not know the successor").stderr_has("clear_pem_cache");
    world.certgen(["rotate", "switch", "--check", "localhost"]).at(DAY_ONE).run().code(2);
    // However long they have waited: whoever asks wants to know.
    let late = ["rotate", "switch", "--check", &format!("localhost:{before}")];
    world.certgen(late).at(LATER).run().code(1).stderr_has("does not know the successor");
    unchanged(&unread, &world.pki(""), "a refused check changed something");
    let after = tls::server(&world.pki(NODE));
    let both = ["rotate", "switch", "root", "--check", &format!("localhost:{after}"), &format!("localhost:{before}")];
    let one_knows = world.certgen(both).at(DAY_ONE).run().code(1).stderr_has(&format!("localhost:{after} knows"));
    one_knows.stderr_has(&format!("localhost:{before} does not know the successor"));
    unchanged(&unread, &world.pki(""), "a refused check changed something");
    switch(after).success().stderr_has("knows the successor").stdout_has("renewed   client/celery_worker");
}

/// A leaf that by default would outlive its issuer is shortened, and told how to end that.
#[test]
fn a_shortened_leaf_names_the_way_out() {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"];
    world.certgen(init).at("2026-03-01T00:00:00Z").run().success();
    let late = world.certgen(["renew", "--all"]).at("2035-12-01T00:00:00Z").run().success();
    late.stderr_has("ends with its issuer").stderr_has("certgen rotate start root");
}

/// Without its log a rotation goes on: the directory says how far it is.
#[test]
fn a_lost_inventory_does_not_lose_the_rotation() {
    for lost_after in ["start", "switch"] {
        let world = celery();
        let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
        at(DAY_ONE, &["rotate", "start"]).success();
        if lost_after == "switch" {
            at(LATER, &["rotate", "switch"]).success();
        }
        fs::remove_file(world.pki("inventory.jsonl")).expect("removed");
        let _ = fs::remove_file(world.pki("inventory.idx"));
        if lost_after == "start" {
            at(LATER, &["rotate", "switch"]).success();
        }
        at(LAST, &["rotate", "finish"]).success();
        at(LAST, &["verify", NODE, WORKER]).success();
        assert_eq!(count(&world, "client/celery_worker/ca_certificate.pem"), 1);
    }
}

/// A proxy or a scrape job has the bundle in files of its own.
#[test]
fn the_files_of_consumers_are_delivered_too() {
    let world = celery();
    let at = |time: &'static str, args: &[&str]| world.certgen(args.iter().copied()).at(time).run();
    let manifest = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", format!("emit = [\"haproxy\"]\n{manifest}"));
    at(DAY_ONE, &["emit", "haproxy", "celery"]).success();
    let bundle = "emit/haproxy/servers_ca.pem";
    assert_eq!(count(&world, bundle), 1);
    let started = at(DAY_ONE, &["rotate", "start"]).success().stdout_has("deliver   emit/haproxy  pki/emit/haproxy/");
    assert!(!started.stdout.contains("emit/celery"), "it holds paths alone: {}", started.stdout);
    assert!(!started.stderr.contains("certgen emit haproxy"), "it is listed: {}", started.stderr);
    assert_eq!(count(&world, bundle), 2);
    at(LATER, &["rotate", "status", "--delivered", "emit/haproxy"]).success();
    // One that the manifest does not list stays as it was, and is named.
    world.write("pki/certgen.toml", manifest);
    at(LATER, &["rotate", "switch"]).success();
    at(LAST, &["rotate", "finish"]).success().stderr_has("certgen emit haproxy writes it anew");
    at(LAST, &["emit", "haproxy"]).success();
    assert_eq!(count(&world, bundle), 1);
}

/// Machines read the same facts.
#[test]
fn status_is_json_that_says_what_to_do_next() {
    let world = celery();
    world.certgen(["rotate", "start"]).at(DAY_ONE).run().success();
    let status = world.certgen(["rotate", "status", "--json"]).at(DAY_ONE).run().success().json();
    let item = &status["items"][0];
    assert_eq!((&item["authority"], &item["phase"]), (&"root".into(), &"started".into()));
    assert_eq!(item["wait_seconds"], 300);
    let deliveries = item["deliveries"].as_array().expect("deliveries");
    assert_eq!(deliveries.len(), 3);
    assert!(deliveries.iter().all(|d| d["delivered"] == false && !d["files"].as_array().expect("files").is_empty()));
    world.certgen(["rotate", "status", "--delivered", "client"]).at(DAY_ONE).run().success();
    let status = world.certgen(["rotate", "status", "root", "--json"]).at(LATER).run().success().json();
    assert_eq!(status["items"][0]["wait_seconds"], serde_json::Value::Null);
    let delivered =
        status["items"][0]["deliveries"].as_array().expect("deliveries").iter().filter(|d| d["delivered"] == true);
    assert_eq!(delivered.count(), 2);
    world
        .certgen(["status"])
        .at(LATER)
        .run()
        .success()
        .stderr_has("rotation of authority root: started: certgen rotate switch root");
}

#[test]
#[ignore = "needs openssl"]
fn who_is_withdrawn_does_not_hold_up_the_others() {
    for reason in ["superseded", "certificateHold"] {
        let world = celery();
        let run = |at: &str, args: &[&str]| world.certgen(args.iter().copied()).at(at).run();
        run(DAY_ONE, &["revoke", "client/celery_client", "--reason", reason]).success();
        run(DAY_ONE, &["rotate", "start"]).success();
        run(LATER, &["rotate", "switch"]).success();
        run(LATER, &["revoke", NODE, "--reason", reason]).success();
        run(LAST, &["rotate", "finish"]).success();
        assert!(accepts(
            &world,
            &format!("{NODE}/ca_certificate.pem"),
            &format!("{WORKER}/client_certificate.pem"),
            "client",
            LAST
        ));
        check(&world.pki(""));
    }
}

#[test]
fn the_bundles_of_a_withdrawn_node_are_delivered_and_it_stays_withdrawn() {
    let world = celery();
    world.certgen(["revoke", NODE]).at(DAY_ONE).run().success();
    world.certgen(["revoke", "client/celery_client"]).at(DAY_ONE).run().success();
    let started = world.certgen(["rotate", "start"]).at(DAY_ONE).run().success();
    assert!(!started.stdout.contains("deliver   client/celery_client"), "{}", started.transcript());
    started.stdout_has(&format!("deliver   {NODE}"));
    world.certgen(["rotate", "start", "root", "--compromised"]).at(LATER).run().success();
    let items = world.certgen(["status", "client/celery_client", "--json"]).at(LATER).run().success().json();
    assert_eq!(items["items"][0]["state"], "revoked");
}

#[test]
fn the_list_of_a_compromised_authority_s_successor_stays() {
    let world = celery();
    let text = world.read("pki/certgen.toml").replace("revocation = false", "revocation = true");
    world.write("pki/certgen.toml", text);
    world.certgen(["apply"]).at(DAY_ONE).run().success();
    world.certgen(["rotate", "start", "root", "--compromised"]).at(LATER).run().success();
    let list = world.read("pki/ca/root/crl.pem");
    let copies = fs::read_dir(world.pki("rabbitmq/crls")).expect("a directory").flatten();
    assert!(copies.into_iter().all(|copy| fs::read_to_string(copy.path()).expect("a list") == list));
    world.certgen(["plan"]).at(LATER).run().success();
}

#[test]
#[ignore = "needs strace"]
fn a_finish_that_was_killed_when_it_was_safe_is_finished_by_the_next() {
    let world = celery();
    world.certgen(["rotate", "start"]).at(DAY_ONE).run().success();
    world.certgen(["rotate", "switch"]).at(LATER).run().success();
    let calls = "rename,renameat,renameat2";
    let inject = format!("inject={calls}:signal=KILL:when=4");
    let trace = format!("trace={calls}");
    let under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned);
    let killed = world.certgen(["rotate", "finish", "root"]).at(LAST).under(under).run();
    assert_ne!(killed.code, Some(0), "{}", killed.transcript());
    let again = world.certgen(["rotate", "finish", "root"]).at(LAST).run().success();
    again.stderr_has("the rotation of authority \"root\" is finished").stdout_has(NODE);
    world.certgen(["rotate", "finish", "root"]).at(LAST).run().code(1).stderr_has("that ended on 2026-03-02");
    check(&world.pki(""));
}
