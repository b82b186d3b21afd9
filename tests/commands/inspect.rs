//! What `inspect` says of servers. Files are told of in src/inspect.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::{World, tls};

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
