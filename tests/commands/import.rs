//! `import`: revocations that come back from a list.

use std::fs;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

const NOON: &str = "2026-11-22T12:00:00Z";
const LATER: &str = "2026-11-22T13:00:00Z";

fn with_two() -> World {
    let world = World::new();
    world.certgen(["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"]).at(NOON).run().success();
    world.certgen(["issue", "client", "x", "y"]).at(NOON).run().success();
    world
}

#[test]
fn a_backup_learns_from_the_list_that_the_broker_has() {
    let world = with_two();
    let backup = world.copy();
    world.certgen(["revoke", "x", "--reason", "keyCompromise"]).at(LATER).run().success();
    world.certgen(["revoke", "y", "--reason", "certificateHold"]).at(LATER).run().success();
    fs::copy(world.pki("ca/root/crl.pem"), backup.path("crl.pem")).expect("ours");
    let before = snapshot(&backup.pki(""));
    let output = backup.certgen(["import", "crl.pem", "--dry-run"]).at("2026-11-23T12:00:00Z").run().success();
    output.stdout_has("would revoke  client/x").stderr_has("nothing was written");
    unchanged(&before, &backup.pki(""), "a dry run");
    let output = backup.certgen(["import", "crl.pem"]).at("2026-11-23T12:00:00Z").run().success();
    output.stdout_has("imported  authority/root").stdout_has("revoked   client/x").stdout_has("revoked   client/y");
    let log = backup.certgen(["--json", "log", "client/x"]).run().success().json();
    let last = log["items"].as_array().and_then(|items| items.last().cloned()).expect("events");
    assert_eq!((&last["reason"], &last["time"]), (&"keyCompromise".into(), &LATER.into()), "{last}");
    assert!(!backup.read("pki/rabbitmq/definitions.json").contains("\"x\""));
    backup.certgen(["issue", "client", "x"]).at("2026-11-23T12:00:00Z").run().refused().stderr_has("was revoked");
    assert_eq!(backup.read("pki/ca/root/crl.pem"), world.read("pki/ca/root/crl.pem"));
    check(&backup.pki(""));

    // The same again; then a newer one, on which the hold is gone.
    backup.certgen(["import", "crl.pem"]).run().success().stdout_has("unchanged");
    world.certgen(["revoke", "y", "--reason", "removeFromCRL"]).at("2026-11-24T12:00:00Z").run().success();
    world.certgen(["crl", "root", "--out", "new.der", "--der"]).at("2026-11-24T12:00:00Z").run().success();
    fs::copy(world.path("new.der"), backup.path("new.der")).expect("ours");
    let output = backup.certgen(["import", "new.der"]).at("2026-11-25T12:00:00Z").run().success();
    output.stdout_has("released  client/y");
    backup.certgen(["issue", "client", "y"]).at("2026-11-25T12:00:00Z").run().success().stdout_has("unchanged");
    // And the older one is refused.
    let before = snapshot(&backup.pki(""));
    backup.certgen(["import", "crl.pem"]).at("2026-11-25T12:00:00Z").run().refused().stderr_has("is older than");
    unchanged(&before, &backup.pki(""), "the refusal changed something");
}

#[test]
fn what_both_sides_revoked_is_on_one_list() {
    let world = with_two();
    let other = world.copy();
    world.certgen(["revoke", "x"]).at(LATER).run().success();
    other.certgen(["issue", "client", "stranger"]).at(NOON).run().success();
    other.certgen(["revoke", "y", "stranger"]).at("2026-11-22T14:00:00Z").run().success();
    fs::copy(other.pki("ca/root/crl.pem"), world.path("other.pem")).expect("ours");
    let output = world.certgen(["import", "other.pem"]).at("2026-11-22T15:00:00Z").run().success();
    output.stdout_has("revoked   client/y").stdout_has("1 certificate that is not in the inventory");
    let entries = || {
        let path = world.pki("ca/root/crl.pem").display().to_string();
        openssl(["crl", "-noout", "-text", "-in", &path]).accepted().matches("Serial Number:").count()
    };
    assert_eq!(entries(), 3);
    // Also when the list is gone: the inventory remembers those that it cannot name.
    fs::remove_file(world.pki("ca/root/crl.pem")).expect("ours");
    world.certgen(["crl", "root"]).at("2026-11-22T16:00:00Z").run().success();
    assert_eq!(entries(), 3);
}

#[test]
fn no_key_is_needed_for_a_list_that_knows_more() {
    let world = with_two();
    let keyless = world.copy();
    fs::remove_file(keyless.pki("ca/root/ca_key.pem")).expect("ours");
    let manifest = keyless.read("pki/certgen.toml").replace("revocation = false", "revocation = true");
    keyless.write("pki/certgen.toml", manifest);
    keyless.certgen(["emit", "rabbitmq"]).at(LATER).run().refused().stderr_has("certgen import crl.pem");
    world.certgen(["revoke", "x"]).at(LATER).run().success();
    fs::copy(world.pki("ca/root/crl.pem"), keyless.path("crl.pem")).expect("ours");
    keyless.certgen(["import", "crl.pem"]).at(LATER).run().success();
    assert_eq!(fs::read_dir(keyless.pki("rabbitmq/crls")).expect("lists").count(), 1);
    check(&keyless.pki(""));
}

#[test]
fn what_is_no_list_of_ours_is_refused() {
    let world = with_two();
    world.certgen(["revoke", "x"]).at(LATER).run().success();
    let stranger = with_two();
    stranger.certgen(["revoke", "x"]).at(LATER).run().success();
    fs::copy(stranger.pki("ca/root/crl.pem"), world.path("stranger.pem")).expect("ours");
    let crl = fs::read(world.pki("ca/root/crl.pem")).expect("ours");
    world.certgen(["crl", "root", "--out", "future.pem"]).at("2027-06-01T00:00:00Z").run().success();
    fs::write(world.pki("ca/root/crl.pem"), &crl).expect("ours");
    world.certgen(["crl", "root", "--out", "good.der", "--der"]).at(LATER).run().success();
    let mut altered = fs::read(world.path("good.der")).expect("ours");
    // A digit of nextUpdate: the list still reads, the signature does not fit.
    let at = altered.windows(6).position(|w| w == b"261222").expect("nextUpdate");
    altered[at + 5] = b'3';
    world.write("altered.der", altered);
    world.write("cut.der", &fs::read(world.path("good.der")).expect("ours")[..100]);
    world.write("garbage", "garbage");
    world.write("empty", "");
    let before = snapshot(&world.pki(""));
    for (file, words) in [
        ("stranger.pem", "which is no authority here"),
        ("altered.der", "its key did not sign it"),
        ("cut.der", "nothing was taken over"),
        ("garbage", "nothing was taken over"),
        ("empty", "nothing was taken over"),
        ("pki/client/x/client_certificate.pem", "nothing was taken over"),
        ("pki/ca/root/ca_key.pem", "nothing was taken over"),
        ("pki", "nothing was taken over"),
        ("nothing", "nothing"),
        ("future.pem", "the clock says"),
    ] {
        world.certgen(["import", file]).at(LATER).run().refused().stderr_has(words);
        unchanged(&before, &world.pki(""), file);
    }
}
