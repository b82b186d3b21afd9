//! What was lost comes back from what is left: the inventory from the certificates, revocations from the list.

use std::fs;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

#[test]
fn a_missing_inventory_is_rebuilt_by_the_next_command_that_writes() {
    let world = World::initialised(["--profile", "celery"]);
    world.certgen(["issue", "client", "kept", "gone"]).run().success();
    world.certgen(["issue", "client", "kept", "--force"]).run().success();
    world.certgen(["remove", "client/gone", "--revoke"]).run().success();
    let names = |output: &crate::support::world::Output| {
        let items = output.json()["items"].as_array().expect("items").clone();
        items.iter().map(|i| (i["name"].clone(), i["serial_number"].clone())).collect::<Vec<_>>()
    };
    let listed = names(&world.certgen(["--json", "list"]).run().success());
    fs::rename(world.pki("inventory.jsonl"), world.path("away")).expect("ours");
    let before = snapshot(&world.pki(""));

    // Reading works from the disk, says so, and writes nothing.
    let output = world.certgen(["--json", "list"]).run().success().stderr_has("inventory.jsonl is missing");
    assert_eq!(names(&output), listed);
    world.certgen(["verify", "client/kept"]).run().success();
    unchanged(&before, &world.pki(""), "a reading command wrote");

    // Writing rebuilds it first, replaced certificates included.
    world.certgen(["issue", "client", "kept"]).run().success().stderr_has("rebuilt").stdout_has("unchanged");
    assert_eq!(names(&world.certgen(["--json", "list"]).run().success()), listed);
    check(&world.pki(""));
    let edited: Vec<_> =
        snapshot(&world.pki("")).into_keys().filter(|p| p.extension().is_some_and(|e| e == "new")).collect();
    assert!(edited.is_empty(), "taken for edited by hand: {edited:?}");

    // What was revoked before stays on the list although no certificate of it is left.
    let list = || {
        let path = world.pki("ca/root/crl.pem").display().to_string();
        openssl(["crl", "-noout", "-text", "-in", &path]).accepted().matches("Serial Number:").count()
    };
    assert_eq!(list(), 1);
    world.certgen(["issue", "client", "second"]).run().success();
    world.certgen(["remove", "client/second", "--revoke"]).run().success();
    assert_eq!(list(), 2);
}

/// An inventory from a backup or an old branch, beside certificates that it does not know: what it does not know could not
/// be revoked, and what the list revokes was shown as good.
#[test]
fn an_inventory_that_is_older_than_the_certificates_learns_of_them() {
    let world = World::initialised(["--profile", "celery"]);
    world.certgen(["issue", "client", "old"]).run().success();
    let backup = world.read("pki/inventory.jsonl");
    world.certgen(["issue", "client", "new", "gone"]).run().success();
    world.certgen(["renew", "client/old"]).run().success();
    world.certgen(["revoke", "client/gone"]).run().success();
    let states = || {
        let items = world.certgen(["--json", "status", "client"]).run().success().json()["items"].clone();
        items.as_array().expect("items").iter().map(|i| (i["name"].clone(), i["state"].clone())).collect::<Vec<_>>()
    };
    let listed = states();
    world.write("pki/inventory.jsonl", &backup);
    let before = snapshot(&world.pki(""));
    world.certgen(["status"]).run().success().stderr_has("is older than what lies here, the 3 certificates on disk");
    assert_eq!(states(), listed);
    unchanged(&before, &world.pki(""), "a reading command wrote");
    // Both certificates of the one, and the only one of the other.
    let output = world.certgen(["revoke", "client/old", "client/new"]).run().success();
    assert_eq!(output.stdout.matches("revoked   client/").count(), 3, "{}", output.stdout);
    output.stderr_has("it learned of the 3 certificates on disk");
    world.certgen(["revoke", "client/gone"]).run().refused().stderr_has("is revoked already");
    check(&world.pki(""));

    // The cache is gone too, so nobody knows that the file was longer: a directory that it lacks says so.
    world.write("pki/inventory.jsonl", &backup);
    fs::remove_file(world.pki("inventory.idx")).expect("a cache");
    let output = world.certgen(["revoke", "client/new"]).run().success().stdout_has("unchanged client/new");
    output.stderr_has("it learned of the 3 certificates on disk").stderr_has("had lost: client/old revoked");
    check(&world.pki(""));
}

#[test]
fn a_revoked_certificate_stays_revoked_without_the_inventory() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "leaked"]).run().success();
    let copy = world.path("copy");
    fs::create_dir(&copy).expect("ours");
    for file in ["ca_certificate.pem", "client_certificate.pem", "client_key.pem"] {
        fs::copy(world.pki(format!("client/leaked/{file}")), copy.join(file)).expect("ours");
    }
    world.certgen(["remove", "client/leaked", "--revoke"]).run().success();
    // A restore from an old backup: the directory is back, the list is not older.
    fs::rename(&copy, world.pki("client/leaked")).expect("ours");
    fs::remove_file(world.pki("inventory.jsonl")).expect("ours");
    let list = world.certgen(["--json", "list", "client/leaked"]).run().success().json();
    assert_eq!(list["items"][0]["state"], "revoked", "{list}");
    world.certgen(["verify", "client/leaked"]).run().code(3);
    world.certgen(["issue", "client", "leaked"]).run().refused().stderr_has("revoked");
}

#[test]
fn a_removed_identity_is_on_a_list_that_openssl_believes() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "x"]).run().success();
    let certificate = world.path("x.pem");
    fs::copy(world.pki("client/x/client_certificate.pem"), &certificate).expect("ours");
    world.certgen(["remove", "client/x", "--revoke"]).run().success().stdout_has("revoked");
    assert!(!world.pki("client/x").exists());
    assert!(!world.read("pki/certgen.toml").contains("[client.x]"));
    let text = |p: std::path::PathBuf| p.display().to_string();
    let (list, root) = (text(world.pki("ca/root/crl.pem")), text(world.pki("ca/root/ca_certificate.pem")));
    let verdict = openssl(["crl", "-noout", "-text", "-in", &list, "-CAfile", &root]);
    for wanted in ["verify OK", "CRL Number", "Authority Key Identifier", "Next Update"] {
        assert!(verdict.accepted().contains(wanted), "{wanted} is missing\n{}", verdict.text);
    }
    let verdict =
        openssl(["verify", "-x509_strict", "-crl_check", "-CRLfile", &list, "-CAfile", &root, &text(certificate)]);
    assert!(!verdict.ok && verdict.text.contains("revoked"), "{}", verdict.text);
    check(&world.pki(""));
}

#[test]
fn a_manifest_that_was_cut_off_is_refused_and_one_that_was_edited_is_not() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "x"]).run().success();
    let whole = world.read("pki/certgen.toml");
    let cut = whole.find("[client.x]").expect("saved");
    world.write("pki/certgen.toml", format!("{}# note", &whole[..cut]));
    let before = snapshot(&world.pki(""));
    world.certgen(["issue", "client", "y"]).run().refused().stderr_has("certgen.toml").stderr_has("\"x\"");
    unchanged(&before, &world.pki(""), "the refusal changed something");
    // No newline at the end, but nothing is missing; or something is missing, and the last line ends.
    world.write("pki/certgen.toml", whole.trim_end());
    world.certgen(["issue", "client", "y"]).run().success();
    world.write("pki/certgen.toml", &whole[..cut]);
    world.certgen(["issue", "client", "z"]).run().success();
}
