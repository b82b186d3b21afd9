//! `crl`: lists written again before they lapse.

use std::fs;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

const NOON: &str = "2026-11-22T12:00:00Z";

fn number(world: &World) -> u128 {
    let path = world.pki("ca/root/crl.pem").display().to_string();
    let text = openssl(["crl", "-noout", "-crlnumber", "-in", &path]).accepted().to_owned();
    let hex = text.trim().trim_start_matches("crlNumber=").trim_start_matches("0x");
    u128::from_str_radix(hex, 16).unwrap_or_else(|_| panic!("{text}"))
}

fn with_one_revoked() -> World {
    let world = World::new();
    world.certgen(["init"]).at(NOON).run().success();
    world.certgen(["issue", "client", "short", "--validity", "25d"]).at(NOON).run().success();
    world.certgen(["issue", "client", "long"]).at(NOON).run().success();
    world.certgen(["revoke", "short", "long"]).at(NOON).run().success();
    world
}

#[test]
fn a_list_is_due_when_a_third_of_its_month_is_left() {
    let world = with_one_revoked();
    let before = snapshot(&world.pki(""));
    let due = |at: &str| world.certgen(["--json", "crl", "--due"]).at(at).run().success().json()["items"].clone();
    assert_eq!(due("2026-12-12T11:59:00Z"), serde_json::json!([]));
    unchanged(&before, &world.pki(""), "nothing was due");
    let items = due("2026-12-12T12:00:00Z");
    assert_eq!((&items[0]["authority"], &items[0]["next_update"]), (&"root".into(), &"2027-01-11T12:00:00Z".into()));
    // What has expired is not on it any more.
    assert_eq!(items[0]["entries"], 2);
    assert_eq!(due("2027-03-01T00:00:00Z")[0]["entries"], 1);
    world.certgen(["crl", "--due"]).at("2027-03-01T00:00:00Z").run().success().stderr_has("no revocation list is due");
    check(&world.pki(""));
}

#[test]
fn its_number_rises_whatever_the_clock_does() {
    let world = with_one_revoked();
    let first = number(&world);
    assert_eq!(first, 1_795_348_800_000, "Unix milliseconds");
    world.certgen(["crl"]).at(NOON).run().success();
    assert_eq!(number(&world), first + 1);
    world.certgen(["crl"]).at("2026-11-22T11:58:00Z").run().success();
    assert_eq!(number(&world), first + 2);
    let before = snapshot(&world.pki(""));
    world.certgen(["crl"]).at("2026-11-21T12:00:00Z").run().refused().stderr_has("the clock went back");
    unchanged(&before, &world.pki(""), "the refusal changed something");
}

#[test]
fn it_goes_to_a_file_or_a_pipe_in_pem_or_der() {
    let world = with_one_revoked();
    world.certgen(["crl", "root", "--out", "root.crl", "--der"]).at(NOON).run().success();
    let file = world.path("root.crl").display().to_string();
    openssl(["crl", "-inform", "der", "-noout", "-in", &file]).accepted();
    let output = world.certgen(["crl", "--out", "-"]).at(NOON).run().success();
    assert_eq!(output.stdout, world.read("pki/ca/root/crl.pem"));
    world.certgen(["crl", "--der"]).at(NOON).run().code(2);
    world.certgen(["crl", "nobody"]).at(NOON).run().refused().stderr_has("there is no authority");
}

#[test]
fn only_those_that_somebody_reads_are_written_unless_they_are_named() {
    let world = World::initialised(["--profile", "cluster", "--set", "nodes=a.example.com"]);
    world.certgen(["crl"]).run().success().stderr_has("no authority has a revocation list");
    assert!(!world.pki("ca/nodes/crl.pem").exists());
    world.certgen(["crl", "authority/nodes"]).run().success().stdout_has("0 entries");
    let output = world.certgen(["--json", "crl"]).run().success().json();
    assert_eq!(output["items"].as_array().map(Vec::len), Some(1));
    // Without the key, the list of another authority is still written.
    world.certgen(["crl", "clients"]).run().success();
    fs::remove_file(world.pki("ca/nodes/ca_key.pem")).expect("ours");
    world.certgen(["crl"]).run().success().stdout_has("authority/clients").stderr_has("certgen import");
    world.certgen(["crl", "nodes"]).run().refused().stderr_has("is not here");
}

#[test]
fn a_broker_that_checks_has_the_list_of_every_authority_under_the_hash_that_openssl_has() {
    let world = World::initialised(["--profile", "celery", "--set", "revocation=true"]);
    world.certgen(["issue", "authority", "devices", "--issuer", "root"]).run().success();
    let names = || {
        let files = fs::read_dir(world.pki("rabbitmq/crls")).expect("there are lists").flatten();
        files.map(|f| f.file_name().to_string_lossy().into_owned()).collect::<std::collections::BTreeSet<_>>()
    };
    let hash = |authority: &str| {
        let path = world.pki(format!("ca/{authority}/crl.pem")).display().to_string();
        openssl(["crl", "-noout", "-hash", "-in", &path]).accepted().trim().to_owned()
    };
    let expected = ["root", "devices"].map(|a| format!("{}.r0", hash(a)));
    assert_eq!(names(), expected.into_iter().collect());
    let of_root = || world.read(format!("pki/rabbitmq/crls/{}.r0", hash("root")));
    assert_eq!(of_root(), world.read("pki/ca/root/crl.pem"));
    world.certgen(["revoke", "celery_client"]).run().success().stderr_has("checks revocation lists");
    assert_eq!(of_root(), world.read("pki/ca/root/crl.pem"));
    world.certgen(["crl"]).run().success().stderr_has("pki/rabbitmq/crls/ goes to /etc/rabbitmq/crls");
    assert_eq!(of_root(), world.read("pki/ca/root/crl.pem"));
    check(&world.pki(""));

    // Switched off, the lists go and advanced.config takes back what it said.
    let manifest = world.read("pki/certgen.toml").replace("revocation = true", "revocation = false");
    world.write("pki/certgen.toml", manifest);
    world.certgen(["emit", "rabbitmq"]).run().success();
    assert!(!world.pki("rabbitmq/crls").exists() || names().is_empty());
    let advanced = world.read("pki/rabbitmq/advanced.config");
    assert!(advanced.contains("[].") && !advanced.contains("crl_check"), "{advanced}");
}

#[test]
fn a_lapsed_list_is_told_and_a_sealed_key_can_be_opened() {
    let world = World::new();
    world.write("passphrase", "correct horse\n");
    let seal = ["--seal", "--passphrase-file", "passphrase"];
    let init = ["init", "--profile", "celery", "--set", "revocation=true"].into_iter().chain(seal);
    world.certgen(init).at(NOON).run().success();
    let lapsed = "2027-01-01T00:00:00Z";
    world.certgen(["emit", "rabbitmq"]).at(lapsed).run().success().stderr_has("lapsed on 2026-12-22");
    world.certgen(["crl", "--due"]).at(lapsed).run().refused().stderr_has("is sealed");
    world.certgen(["crl", "--due", "--passphrase-file", "passphrase"]).at(lapsed).run().success();
    fs::remove_file(world.pki("ca/root/crl.pem")).expect("ours");
    world
        .certgen(["emit", "rabbitmq"])
        .at(lapsed)
        .run()
        .refused()
        .stderr_has("revocation = true needs a revocation list");
    world.certgen(["emit", "rabbitmq", "--passphrase-file", "passphrase"]).at(lapsed).run().success();
}

#[test]
fn an_existing_directory_gets_the_lists_and_keeps_an_advanced_config_of_others() {
    let world = World::initialised(["--profile", "celery", "--set", "revocation=true"]);
    fs::create_dir(world.path("etc")).expect("ours");
    world.certgen(["emit", "rabbitmq", "--into", "etc"]).run().success();
    let list = fs::read_dir(world.path("etc/crls")).expect("lists").flatten().next().expect("a list");
    assert!(world.read("etc/advanced.config").contains("ssl_crl_hash_dir"));
    world.certgen(["crl"]).run().success();
    world.certgen(["emit", "rabbitmq", "--into", "etc"]).run().success().stdout_has("a revocation list with 0 entries");
    assert_eq!(
        world.read(format!("etc/crls/{}", list.file_name().to_string_lossy())),
        world.read("pki/ca/root/crl.pem")
    );
    world.certgen(["emit", "rabbitmq", "--out", "out"]).run().success();
    world.certgen(["crl"]).run().success();
    world.certgen(["emit", "rabbitmq", "--out", "out"]).run().success();
    assert!(!world.path(format!("out/crls/{}.new", list.file_name().to_string_lossy())).exists());

    fs::create_dir(world.path("theirs")).expect("ours");
    world.write("theirs/advanced.config", "[{rabbit, [{tcp_listen_options, []}]}].\n");
    let before = snapshot(&world.path("theirs"));
    let output = world.certgen(["emit", "rabbitmq", "--into", "theirs"]).run().refused();
    output.stderr_has("advanced.config:1").stderr_has("{crl_check, peer}").stderr_has("{cacertfile,");
    unchanged(&before, &world.path("theirs"), "the refusal changed something");
}

#[test]
fn an_authority_whose_subject_erlang_cannot_hash_is_named() {
    let world = World::initialised(["--profile", "celery"]);
    world.certgen(["issue", "authority", "odd", "--subject", "OU=a+O=b"]).run().success();
    let manifest = world.read("pki/certgen.toml").replace("revocation = false", "revocation = true");
    world.write("pki/certgen.toml", manifest + "\n[client.of_odd]\nissuer = \"odd\"\n");
    world.certgen(["emit", "rabbitmq"]).run().refused().stderr_has("joins attributes with +");
}

#[test]
#[ignore = "needs openssl"]
fn its_number_rises_although_the_list_was_moved_away() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "revocation=true"]).at(NOON).run().success();
    world.certgen(["crl", "root"]).at("2027-02-05T00:00:00Z").run().success();
    let ahead = number(&world);
    world.certgen(["crl", "root"]).at("2026-11-23T00:00:00Z").run().code(1).stderr_has("move the list away");
    fs::remove_file(world.pki("ca/root/crl.pem")).expect("it is there");
    world.certgen(["crl", "root"]).at("2026-11-23T00:00:00Z").run().success();
    assert!(number(&world) > ahead, "the broker's copy had {ahead}");
}
