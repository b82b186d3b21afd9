//! `init --profile mqtt`: devices on a real broker.

use super::{credentials, only_node};
use crate::support::World;
use crate::support::broker::{Checks, Etc, Lab, Version};
use crate::support::invariants::check;

fn mqtt(version: Version) {
    let world = World::new();
    world.certgen(["init", "--profile", "mqtt"]).on_host("rabbitmq").run().success();
    world.certgen(["issue", "client", "thermometer-1", "--access", "mqtt"]).run().success();
    world.certgen(["issue", "client", "no-access", "--access", "publish:nothing"]).run().success();
    check(&world.pki(""));
    let stranger = World::new();
    stranger.certgen(["init", "--profile", "mqtt"]).on_host("rabbitmq").run().success();
    stranger.certgen(["issue", "client", "thermometer-1", "--access", "mqtt"]).run().success();

    let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
    let host = lab.host();
    host.boot_broker();
    let mut checks = Checks::default();
    let [ca, cert, key] = credentials(&world, "thermometer-1");
    let device = host.python("mqtt.py", ["rabbitmq", "8883", &ca, &cert, &key, "room/1/temperature"]);
    checks.holds("paho-mqtt connects with a device certificate, publishes and receives", &device);
    let [_, other_cert, other_key] = credentials(&stranger, "thermometer-1");
    let other = host.python("mqtt.py", ["rabbitmq", "8883", &ca, &other_cert, &other_key]);
    checks.that("a device of another CA is refused", !other.ok, &other.text);
    let [_, without_cert, without_key] = credentials(&world, "no-access");
    let without = host.python("mqtt.py", ["rabbitmq", "8883", &ca, &without_cert, &without_key, "room/1/temperature"]);
    checks.that("a client without access to topics cannot use them", !without.ok, &without.text);
    let plain = host.run("bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/1883"]);
    checks.that("no plain-text MQTT listener", !plain.ok, &plain.text);
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, Python client libraries and root"]
fn devices_on_3_10() {
    mqtt(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, Python client libraries and root"]
fn devices_on_4() {
    mqtt(Version::V4);
}
