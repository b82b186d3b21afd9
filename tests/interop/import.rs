//! Trees that others made, with their own programs, taken over and carried on; and a broker that does not notice.

use std::process::Command;

use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::trees::{fingerprint, openssl_ca};
use crate::support::{World, openssl};

const EASY_RSA: &str = "/usr/share/easy-rsa/easyrsa";

#[track_caller]
fn nothing_to_do(world: &World) {
    let plan = world.certgen(["plan"]).run();
    assert_eq!(plan.code, Some(0), "{}\n{}", plan.transcript(), world.read("pki/certgen.toml"));
}

#[track_caller]
fn is_good(world: &World, root: &str, leaf: &str) {
    let [root, leaf] = [root, leaf].map(|path| world.path(path).display().to_string());
    openssl(["verify", "-CAfile", &root, "-untrusted", &leaf, &leaf]).accepted();
}

/// What openssl reads in a list that the root has signed.
#[track_caller]
fn list(world: &World, authority: &str, root: &str) -> String {
    let path = world.pki(format!("ca/{authority}/crl.pem")).display().to_string();
    let root = world.path(root).display().to_string();
    openssl(["crl", "-noout", "-text", "-CAfile", &root, "-in", &path]).accepted().to_owned()
}

/// Renewed, revoked and rotated: what was taken is like what certgen made.
#[track_caller]
fn goes_on(world: &World, authority: &str, root: &str, server: &str, client: &str, revoked: &[&str]) {
    nothing_to_do(world);
    world.certgen(["renew", "--all"]).run().success();
    is_good(world, root, &format!("pki/server/{server}/server_certificate.pem"));
    is_good(world, root, &format!("pki/client/{client}/client_certificate.pem"));
    nothing_to_do(world);
    world.certgen(["issue", "client", "another", "--issuer", authority]).run().success();
    world.certgen(["revoke", "client/another", "--reason", "keyCompromise"]).run().success();
    let text = list(world, authority, root);
    for serial in revoked {
        assert!(text.contains(serial), "{serial}\n{text}");
    }
    assert_eq!(text.matches("Serial Number:").count(), revoked.len() + 1, "{text}");
    world.certgen(["remove", "client/another"]).run().success();
    world.certgen(["rotate", "start", authority]).run().success();
    world.certgen(["rotate", "switch", authority, "--force"]).run().success();
    is_good(
        world,
        &format!("pki/client/{client}/ca_certificate.pem"),
        &format!("pki/server/{server}/server_certificate.pem"),
    );
}

#[test]
#[ignore = "needs openssl's own authority and a minute"]
fn an_authority_of_openssl() {
    let world = World::new();
    openssl_ca(&world, "old");
    let before = fingerprint(&world.path("old"));
    world.certgen(["import", "old", "--authority", "old"]).run().success();
    assert!(fingerprint(&world.path("old")) == before, "the source was changed");
    goes_on(&world, "old", "old/cacert.pem", "rabbit.example.com", "worker", &["1002", "1003"]);
}

#[test]
#[ignore = "needs easy-rsa"]
fn an_authority_of_easy_rsa() {
    let world = World::new();
    let easyrsa = |args: &[&str]| {
        let done = Command::new(EASY_RSA)
            .args(args)
            .current_dir(world.path(""))
            .env("EASYRSA_BATCH", "1")
            .env("EASYRSA_PKI", world.path("easy"))
            .output()
            .unwrap_or_else(|e| panic!("starting {EASY_RSA}: {e}"));
        assert!(done.status.success(), "{args:?}\n{}", String::from_utf8_lossy(&done.stderr));
    };
    easyrsa(&["init-pki"]);
    easyrsa(&["build-ca", "nopass"]);
    easyrsa(&["build-server-full", "rabbit.example.com", "nopass"]);
    for client in ["worker", "stolen"] {
        easyrsa(&["build-client-full", client, "nopass"]);
    }
    let serial = {
        let path = world.path("easy/issued/stolen.crt").display().to_string();
        openssl(["x509", "-noout", "-serial", "-in", &path]).accepted().trim().replace("serial=", "")
    };
    easyrsa(&["revoke", "stolen", "keyCompromise"]);
    easyrsa(&["gen-crl"]);
    let before = fingerprint(&world.path("easy"));
    let output = world.certgen(["import", "easy", "--authority", "easy"]).run().success();
    output.stdout_has("keyCompromise").stdout_has("imported  client/worker");
    assert!(fingerprint(&world.path("easy")) == before, "the source was changed");
    goes_on(&world, "easy", "easy/ca.crt", "rabbit.example.com", "worker", &[&serial]);
}

/// Every profile of tls-gen, as the command that takes its place makes it.
#[test]
#[ignore = "makes RSA keys for a minute"]
fn every_profile_of_tls_gen() {
    for (profile, issuer_of_clients) in
        [("basic", 1), ("one_intermediate", 2), ("two_shared_intermediates", 3), ("separate_intermediates", 3)]
    {
        let world = World::new();
        world.certgen(["tls-gen", profile, "CN=rabbit.example.com", "--out", "result"]).run().success();
        let before = fingerprint(&world.path("result"));
        let output = world.certgen(["--json", "import", "result"]).run().success();
        assert!(fingerprint(&world.path("result")) == before, "the source was changed");
        let items = output.json()["items"].as_array().expect("items").clone();
        let authorities = items.iter().filter(|item| item["role"] == "authority").count();
        assert_eq!(authorities, issuer_of_clients, "{profile}\n{}", output.transcript());
        nothing_to_do(&world);
        world.certgen(["renew", "--all"]).run().success();
        nothing_to_do(&world);
    }
}

/// The users of a broker that takes the whole name, before and after their certificates are renewed here.
#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn a_broker_does_not_notice() {
    let world = World::new();
    world.certgen(["tls-gen", "basic", "CN=rabbit", "--out", "result"]).run().success();
    world.write("rabbitmq.conf", "listeners.ssl.default = 5671\nauth_mechanisms.1 = EXTERNAL\n");
    let user = "O=client,CN=rabbit";
    let definitions = serde_json::json!({
        "users": [{"name": user, "password_hash": "", "tags": []}],
        "vhosts": [{"name": "/"}],
        "permissions": [{"user": user, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
    });
    world.write("definitions.json", definitions.to_string());
    let config = ["--config", "rabbitmq.conf", "--config", "definitions.json"];
    world.certgen(["import", "result", "--authority", "root"].iter().chain(&config)).run().success();
    let lab = Lab::single(Version::V3_10, "rabbit", &Etc::of_pki(&world.pki(""), "server/rabbit"));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    let login = |pair: [&str; 2]| {
        let [ca, certificate, key] =
            ["result/ca_certificate.pem", pair[0], pair[1]].map(|file| world.path(file).display().to_string());
        host.python("login.py", ["rabbit", "5671", &ca, &certificate, &key])
    };
    let [old, new] = [
        ["result/client_rabbit_certificate.pem", "result/client_rabbit_key.pem"],
        ["pki/client/rabbit/client_certificate.pem", "pki/client/rabbit/client_key.pem"],
    ];
    checks.holds("a client of before logs in", &login(old));
    world.certgen(["renew", "--all"]).run().success();
    nothing_to_do(&world);
    checks.holds("it logs in with its renewed certificate", &login(new));
    let pair = world.pki("server/rabbit/combined_keys.pem");
    host.install(&pair, "/etc/rabbitmq/certs/combined_keys.pem");
    checks.holds("the broker's own is renewed too", &login(new));
    checks.finish(&lab);
}
