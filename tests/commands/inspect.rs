//! What `inspect` says of servers. Files are told of in src/inspect.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::{World, key_store, tls};

fn celery() -> World {
    World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"])
}

#[test]
fn a_server_shows_its_chain_and_whose_clients_it_wants() {
    let world = celery();
    let port = tls::server(&world.pki("node/rabbit.example.com"));
    let target = format!("localhost:{port}");
    let ca = world.certgen(["--json", "inspect", "authority/root"]).run().success().json();
    let leaf = world.certgen(["--json", "inspect", "node/rabbit.example.com"]).run().success().json();
    let seen = world.certgen(["--json", "inspect", &target]).run().success().json();
    let [server, first] = seen["items"].as_array().expect("items").as_slice() else { panic!("{seen}") };
    assert_eq!(server["kind"], "server");
    assert_eq!(server["thing"], target);
    assert_eq!(server["address"], format!("127.0.0.1:{port}"));
    assert_eq!(server["protocol"], "TLS 1.3");
    assert_eq!(server["client_certificate_requested"], true);
    assert_eq!(server["client_authorities"], serde_json::json!([ca["items"][0]["subject"]]));
    assert_eq!(first["fingerprint_sha256"], leaf["items"][0]["fingerprint_sha256"]);

    let words = world.certgen(["inspect", &target]).run().success();
    let subject = ca["items"][0]["subject"].as_str().expect("a subject");
    words
        .stdout_has(&format!("{target}: TLS server\n"))
        .stdout_has(&format!("asked for a certificate of {subject}\n"))
        .stdout_has(&format!("{target}: certificate\n"));
}

#[test]
fn a_file_or_an_identity_of_that_name_comes_first() {
    let world = celery();
    let pem = world.read("pki/ca/root/ca_certificate.pem");
    world.write("localhost:1", pem);
    world.certgen(["inspect", "localhost:1"]).run().success().stdout_has("localhost:1: certificate");
    world.certgen(["issue", "client", "sensor:1"]).run().success();
    world.certgen(["inspect", "sensor:1"]).run().success().stdout_has("RabbitMQ user \"sensor:1\"");
    world.certgen(["inspect", "client/sensor:2"]).run().code(1).stderr_has("no identity and no file");
}

#[test]
fn what_does_not_answer_as_a_tls_server_is_named_with_what_to_do() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let target = listener.local_addr().expect("it is bound").to_string();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("certgen connects");
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"AMQP\x00\x00\x09\x01");
    });
    world.certgen(["inspect", &target]).run().refused().stderr_is(&format!(
        "certgen: error: looking at {target}: what answers there does not speak TLS\n\
         certgen: hint: name a TLS listener: the broker's are 5671 (AMQP), 8883 (MQTT), 15671 (management)\n"
    ));
    // It listens no more.
    serving.join().expect("it served one");
    world.certgen(["inspect", &target]).run().code(1).stderr_is(&format!(
        "certgen: error: looking at {target}: connection refused ({target})\n\
         certgen: hint: rabbitmq-diagnostics listeners, on the broker, says what listens where\n"
    ));
    for wrong in ["localhost:0", "localhost:99999", "::1:5671", "a b:5671"] {
        world.certgen(["inspect", wrong]).run().code(2).stderr_has("hint: write it like broker.example.com:5671");
    }
}

/// Kinds and what else is told of the items, in their order.
fn items(world: &World, args: &[&str]) -> Vec<serde_json::Value> {
    let said = world.certgen(["--json", "inspect"].iter().chain(args)).run().success().json();
    said["items"].as_array().expect("items").clone()
}

#[test]
fn a_key_store_is_looked_into_as_far_as_the_password_opens_it() {
    let world = celery();
    let worker = || vec![key_store::pair(&world, "celery_worker", Some("worker ä"))];
    world.write("password", "geheim\n");
    world.write("wrong", "falsch\n");
    for (file, format) in [("worker.p12", "PKCS#12"), ("worker.jks", "JKS")] {
        key_store::write(&world, file, "geheim", worker());
        let open = items(&world, &["--password-file", "password", file]);
        let kinds: Vec<&str> = open.iter().filter_map(|item| item["kind"].as_str()).collect();
        assert_eq!(kinds, ["key_store", "private_key", "certificate", "certificate"], "{file}");
        assert_eq!((&open[0]["format"], &open[0]["locked"]), (&format.into(), &false.into()));
        let entry = serde_json::json!({"alias": "worker ä", "private_key": true, "certificates": 2});
        assert_eq!(open[0]["entries"], serde_json::json!([entry]));
        assert_eq!(open[1]["public_key"]["sha256"], open[2]["public_key"]["sha256"], "the key is the leaf's");
        let wrong = world.certgen(["inspect", "--password-file", "wrong", file]).run().code(1);
        wrong.stderr_has(&format!("reading \"{file}\": the password does not open the key store"));
    }
    // A Java key store hides its keys alone.
    let locked = items(&world, &["worker.p12"]);
    assert_eq!((locked.len(), &locked[0]["locked"]), (1, &true.into()));
    let locked = items(&world, &["worker.jks"]);
    assert_eq!((locked.len(), &locked[0]["locked"], &locked[1]["public_key"]), (4, &true.into(), &().into()));
    let words = world.certgen(["inspect", "worker.p12"]).run().success();
    words.stdout_has("worker.p12: PKCS#12 key store\n  note: what is in it cannot be seen without the password");

    key_store::write(&world, "known.p12", "changeit", worker());
    let words = world.certgen(["inspect", "known.p12"]).run().success();
    words
        .stdout_has("entry  \"worker ä\": private key with 2 certificates\n")
        .stdout_has("note: its password is \"changeit\", which everybody tries\n");
}

#[test]
fn a_broken_key_store_is_named() {
    let world = celery();
    key_store::write(&world, "whole.p12", "", vec![key_store::pair(&world, "celery_worker", None)]);
    let bytes = std::fs::read(world.path("whole.p12")).expect("it was written");
    world.write("cut.p12", &bytes[..bytes.len() / 2]);
    let mut changed = bytes.clone();
    let salt = changed.len() - 6;
    changed[salt] ^= 1;
    world.write("changed.p12", &changed);
    world.certgen(["inspect", "cut.p12"]).run().refused().stderr_has("the key store is damaged");
    world.certgen(["inspect", "changed.p12"]).run().refused().stderr_has("its checksum is wrong");
    world.write("cut.jks", [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1]);
    world.certgen(["inspect", "cut.jks"]).run().refused().stderr_has("it is cut short");
}
