//! The two sides do not speak the same language.

use super::bench::{Bench, CONF, More, PAIR, Said};

pub(super) fn all(bench: &mut Bench) {
    let peer = bench.worker();
    if bench.matrix.wants("D13 AMQP") {
        let said = bench.provoke(&peer, &["--plain", "--with", "pika,kombu"], More::None);
        bench.judge("D13 AMQP", &said, None, None);
    }
    if bench.matrix.wants("D13 HTTP") {
        bench.mark();
        let page = bench.host().run("curl", ["-sS", "http://rabbitmq:5671/"]);
        let said = Said { texts: vec![("curl".into(), page.text.trim().into())], log: bench.log() };
        bench.judge("D13 HTTP", &said, None, None);
    }
    if bench.matrix.wants("D15") {
        let mut said = bench.provoke(&peer, &["--old", "--with", "ssl12"], More::None);
        let old = bench.openssl(&peer, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
        said.texts.push(("openssl".into(), old));
        bench.judge("D15", &said, None, None);
    }
    encrypted(bench);
}

/// A key with a password that nobody gave.
fn encrypted(bench: &mut Bench) {
    if !bench.matrix.wants("D6") {
        return;
    }
    let pair = bench.pair("locked", &["--cn", "rabbitmq", "--san", "rabbitmq", "--eku", "server"]);
    let key = crate::support::openssl([
        "pkcs8",
        "-topk8",
        "-v2",
        "aes-256-cbc",
        "-passout",
        "pass:Aq7Xw2Lm9Tz4",
        "-in",
        &pair.path("key.pem"),
    ]);
    let combined = std::fs::read_to_string(pair.file("cert.pem")).expect("a certificate") + key.accepted();
    bench.serve(&bench.world.write("made/locked/combined.pem", combined), PAIR);
    let peer = bench.worker();
    let said = bench.provoke(&peer, &[], More::Node);
    bench.judge("D6", &said, Some(&peer.probe()), Some(&[]));
    bench.heal();
}

/// What takes another configuration, in one boot: certificates are asked for and not demanded, there is a plain port, the
/// management UI demands certificates, and nobody has a password.
pub(super) fn loose(bench: &mut Bench) {
    let rows = ["D4d", "D14", "D21", "D26"];
    if !rows.iter().any(|row| bench.matrix.wants(row)) {
        return;
    }
    bench.edit(CONF, |conf| {
        conf.replace("listeners.tcp = none", "listeners.tcp.default = 5672")
            .replace("\nssl_options.fail_if_no_peer_cert = true", "\nssl_options.fail_if_no_peer_cert = false")
            .replace("management.ssl.verify = verify_none", "management.ssl.verify = verify_peer\nmanagement.ssl.cacertfile = /etc/rabbitmq/certs/ca_certificate.pem")
            .replace("management.ssl.fail_if_no_peer_cert = false", "management.ssl.fail_if_no_peer_cert = true")
    });
    bench.edit("/etc/rabbitmq/definitions.json", |text| text.replace("\"tags\": [\"administrator\"]", "\"tags\": []"));
    bench.reboot();
    let peer = bench.worker();
    if bench.matrix.wants("D4d") {
        let mut without = peer.clone();
        without.pair = None;
        let said = bench.provoke(&without, &["--with", "pika,kombu"], More::None);
        bench.judge("D4d", &said, Some(&without.probe()), Some(&[]));
    }
    if bench.matrix.wants("D14") {
        let mut plain = peer.clone();
        plain.port = 5672;
        let said = bench.provoke(&plain, &[], More::Java);
        bench.judge("D14", &said, Some(&plain.probe()), None);
    }
    if bench.matrix.wants("D21") {
        let mut browser = peer.clone();
        (browser.port, browser.pair) = (15671, None);
        bench.mark();
        let url = "https://rabbitmq:15671/api/whoami";
        let page = bench.host().run("curl", ["-sS", "--cacert", &browser.ca, url]);
        let said = Said { texts: vec![("curl".into(), page.text.trim().into())], log: bench.log() };
        bench.judge("D21", &said, Some(&browser.probe()), Some(&[]));
    }
    if bench.matrix.wants("D26") {
        bench.mark();
        let [cert, key] = peer.pair.clone().expect("a worker has one");
        let page = bench.host().run(
            "curl",
            [
                "-sS",
                "--cacert",
                &peer.ca,
                "--cert",
                &cert,
                "--key",
                &key,
                "-u",
                "guest:guest",
                "https://rabbitmq:15671/api/whoami",
            ],
        );
        let said = Said { texts: vec![("curl".into(), page.text.trim().into())], log: bench.log() };
        bench.judge("D26", &said, None, Some(&[]));
    }
}

/// A device that was told of no authority takes the system's.
pub(super) fn trusting_device(bench: &mut Bench) {
    bench.mark();
    let words = ["-h", "rabbitmq", "-p", "8883", "-t", "room/1", "-m", "21"];
    let device = bench.host().run("mosquitto_pub", words);
    let said = Said { texts: vec![("mosquitto_pub".into(), device.text.trim().into())], log: bench.log() };
    bench.judge("D1 device", &said, None, None);
}
