//! A management UI that shows people another certificate than the broker's own.

use super::credentials;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::check;
use crate::support::{World, openssl};

fn own_certificate(version: Version) {
    let world = World::new();
    world.certgen(["init", "--profile", "rabbitmq", "--set", "hostname=rabbitmq"]).run().success();
    world.certgen(["issue", "authority", "people"]).run().success();
    world.certgen(["issue", "server", "ui", "--issuer", "people", "--san", "localhost"]).run().success();
    let manifest = world.read("pki/certgen.toml");
    let with_ui = manifest.replace("\n[broker]\n", "\n[broker]\nmanagement = { certificate = \"server/ui\" }\n");
    assert_ne!(manifest, with_ui, "the profile has a [broker]");
    world.write("pki/certgen.toml", with_ui);
    // The broker's own key may be encrypted, the other is not.
    world.write("key.password", "Aq7Xw2Lm9Tz4\n");
    let encrypted = ["issue", "node", "rabbitmq", "--key-password-file", "key.password", "--force"];
    world.certgen(encrypted).run().success();
    world.certgen(["issue", "client", "reporting", "--access", "consume:reports"]).run().success();
    check(&world.pki(""));

    let etc = Etc::of_pki(&world.pki(""), "node/rabbitmq").with(world.pki("server/ui"), "certs/management");
    let lab = Lab::single(version, "rabbitmq", &etc);
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    let people = world.pki("ca/people/ca_certificate.pem").display().to_string();
    let page = ["-sS", "--cacert", &people, "-o", "/dev/null", "-w", "%{http_code}", "https://localhost:15671/"];
    let page = host.run("curl", page);
    checks.that("the UI is served with its own certificate", page.ok && page.text == "200", &page.text);
    let serial = |file: &str| {
        openssl(["x509", "-noout", "-serial", "-in", &world.pki(file).display().to_string()]).accepted().to_owned()
    };
    let shown = |port: &str| {
        let line =
            format!("openssl s_client -connect localhost:{port} 2>/dev/null </dev/null | openssl x509 -noout -serial");
        host.run("sh", ["-c", &line]).text
    };
    let ui = shown("15671");
    checks.that("it is that of server/ui", ui == serial("server/ui/server_certificate.pem"), &ui);
    let amqp = shown("5671");
    checks.that("AMQP shows the node's", amqp == serial("node/rabbitmq/server_certificate.pem"), &amqp);
    let [ca, cert, key] = credentials(&world, "reporting");
    checks.holds("a client logs in", &host.python("login.py", ["rabbitmq", "5671", &ca, &cert, &key]));
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn own_certificate_on_3_10() {
    own_certificate(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn own_certificate_on_4() {
    own_certificate(Version::V4);
}
