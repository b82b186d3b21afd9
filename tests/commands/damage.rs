//! The commands of the lifecycle where something is missing, broken, of another PKI, or told by a wrong clock: each refuses
//! with what to do, and changes nothing.

use std::fs;

use crate::support::World;
use crate::support::invariants::{snapshot, unchanged};

const NOON: &str = "2026-11-22T12:00:00Z";
const LATER: &str = "2026-11-22T13:00:00Z";

const REVOKE: &[&str] = &["revoke", "x"];
const CRL: &[&str] = &["crl", "root"];
const RENEW: &[&str] = &["renew", "client/x"];
const ALL: &[&str] = &["renew", "--all"];
const IMPORT: &[&str] = &["import", "deployed.pem"];

/// What is done to a good PKI.
type Spoil<'a> = &'a dyn Fn(&World);

/// A PKI with a list, and beside it a newer list that revokes `x` too.
fn prepared() -> World {
    let world = World::new();
    let init = ["init", "--profile", "celery", "--set", "hostname=rabbit.example.com"];
    world.certgen(init).at(NOON).run().success();
    world.certgen(["issue", "client", "x", "y"]).at(NOON).run().success();
    world.certgen(["revoke", "y"]).at(NOON).run().success();
    let elsewhere = world.copy();
    elsewhere.certgen(REVOKE).at("2026-11-22T12:30:00Z").run().success();
    fs::copy(elsewhere.pki("ca/root/crl.pem"), world.path("deployed.pem")).expect("ours");
    world
}

#[track_caller]
fn refused(world: &World, at: &str, command: &[&str], words: &str) {
    let before = snapshot(&world.pki(""));
    let output = world.certgen(command).at(at).run().refused().stderr_has(words);
    output.stderr_has("certgen: hint: ");
    unchanged(&before, &world.pki(""), &command.join(" "));
}

#[test]
fn without_a_key_that_fits_nothing_is_signed() {
    let template = prepared();
    let stranger = prepared();
    let key = "pki/ca/root/ca_key.pem";
    template.write("passphrase", "correct horse\n");
    let cases: [(&str, Spoil<'_>); 4] = [
        ("its key pki/ca/root/ca_key.pem is not here", &|world| fs::remove_file(world.path(key)).expect("ours")),
        ("there is no private key in it", &|world| drop(world.write(key, "garbage\n"))),
        ("is not the key of ca_certificate.pem", &|world| drop(world.write(key, stranger.read(key)))),
        ("is sealed", &|world| {
            world.certgen(["seal", "--passphrase-file", "passphrase"]).at(NOON).run().success();
        }),
    ];
    for (words, spoil) in cases {
        let world = template.copy();
        spoil(&world);
        for command in [REVOKE, CRL, RENEW, ALL] {
            refused(&world, LATER, command, words);
        }
        // The list is signed already.
        world.certgen(IMPORT).at(LATER).run().success().stdout_has("revoked   client/x");
    }
}

#[test]
fn a_clock_that_went_back_signs_nothing() {
    let world = prepared();
    for (command, words) in [(REVOKE, "the clock went back"), (CRL, "the clock went back"), (IMPORT, "the clock says")]
    {
        refused(&world, "2026-11-22T11:30:00Z", command, words);
    }
    // Before there was an authority, and without a list to compare with.
    fs::remove_file(world.pki("ca/root/crl.pem")).expect("ours");
    for command in [REVOKE, CRL, RENEW, ALL] {
        refused(&world, "2016-01-01", command, "is valid from 2026-11-22 11:00 on, and the clock says 2016-01-01");
    }
}

#[test]
fn what_was_edited_by_hand_and_cannot_be_read_is_named() {
    let template = prepared();
    let cases: [(&str, &str, &[&[&str]]); 4] = [
        ("pki/ca/root/crl.pem", "there is no revocation list in it", &[REVOKE, CRL, IMPORT]),
        ("pki/ca/root/ca_certificate.pem", "no certificate was found", &[REVOKE, CRL, RENEW, ALL, IMPORT]),
        ("pki/inventory.jsonl", "inventory.jsonl", &[REVOKE, CRL, RENEW, ALL, IMPORT]),
        ("pki/rabbitmq/definitions.json", "reading definitions.json", &[REVOKE, RENEW, ALL, IMPORT]),
    ];
    for (file, words, commands) in cases {
        let world = template.copy();
        world.write(file, "edited by hand\n");
        for command in commands {
            refused(&world, LATER, command, words);
        }
    }
    template.write("pki/certgen.toml", "edited by hand\n");
    let before = snapshot(&template.pki(""));
    for command in [REVOKE, CRL, RENEW, ALL, IMPORT] {
        template.certgen(command).at(LATER).run().refused().stderr_has("pki/certgen.toml:1:8: ");
        unchanged(&before, &template.pki(""), "the refusal changed something");
    }
}

/// A damaged pair is no obstacle: what is revoked is the certificate that the inventory knows, and a renewal mends it.
#[test]
fn a_damaged_pair_can_be_revoked_and_renewed() {
    let template = prepared();
    for file in ["client_certificate.pem", "client_key.pem"] {
        for command in [REVOKE, RENEW] {
            let world = template.copy();
            world.write(format!("pki/client/x/{file}"), "edited by hand\n");
            world.certgen(command).at(LATER).run().success();
        }
    }
}
