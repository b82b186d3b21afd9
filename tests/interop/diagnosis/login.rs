//! The handshake is good, and the login is refused.

use super::bench::{Bench, CONF, More, Said, VHOST};
use crate::support::broker::Version;

pub(super) fn all(bench: &mut Bench) {
    names(bench);
    mechanisms(bench);
    vhosts(bench);
    shovel(bench);
}

fn names(bench: &mut Bench) {
    if bench.matrix.wants("D4 no such user") {
        let ghost = bench.pair("ghost", &["--cn", "ghost", "--eku", "client"]);
        let peer = bench.worker().with(ghost.path("cert.pem"), ghost.path("key.pem"));
        let said = bench.provoke(&peer, &["--with", "pika,kombu"], More::Node);
        bench.judge("D4 no such user", &said, Some(&peer.probe()), Some(&[bench.project("ghost", &peer)]));
    }
    if bench.matrix.wants("D4c") {
        let nameless = bench.pair("nameless", &["--eku", "client"]);
        let peer = bench.worker().with(nameless.path("cert.pem"), nameless.path("key.pem"));
        let said = bench.provoke(&peer, &["--with", "pika,kombu"], More::None);
        bench.judge("D4c", &said, Some(&peer.probe()), Some(&[bench.project("nameless", &peer)]));
    }
    if bench.matrix.wants("D4b") {
        bench.edit(CONF, |conf| conf.replace("ssl_cert_login_from = common_name\n", ""));
        set(bench, "ssl_cert_login_from, distinguished_name");
        let peer = bench.worker();
        let said = bench.provoke(&peer, &["--with", "pika,kombu"], More::None);
        bench.judge("D4b", &said, Some(&peer.probe()), Some(&[bench.project("worker", &peer)]));
        set(bench, "ssl_cert_login_from, common_name");
        bench.heal();
    }
}

/// What a broker with another file would have read at its start.
fn set(bench: &Bench, what: &str) {
    bench.host().tool("rabbitmqctl", ["eval", &format!("application:set_env(rabbit, {what}).")]).accepted();
}

fn mechanisms(bench: &mut Bench) {
    let peer = bench.worker();
    if bench.matrix.wants("D4e not chosen") {
        let said = bench.provoke(&peer, &["--with", "pika,kombu", "--mechanism", "PLAIN"], More::None);
        bench.judge("D4e not chosen", &said, None, None);
    }
    if bench.matrix.wants("D4e not offered") {
        bench.host().tool("rabbitmq-plugins", ["disable", "rabbitmq_auth_mechanism_ssl"]).accepted();
        set(bench, "auth_mechanisms, ['PLAIN', 'AMQPLAIN', 'EXTERNAL']");
        let said = bench.provoke(&peer, &["--with", "pika,kombu"], More::Node);
        bench.judge("D4e not offered", &said, Some(&peer.probe()), Some(&[]));
        bench.host().tool("rabbitmq-plugins", ["enable", "rabbitmq_auth_mechanism_ssl"]).accepted();
        set(bench, "auth_mechanisms, ['EXTERNAL']");
    }
}

fn vhosts(bench: &mut Bench) {
    let mut peer = bench.worker();
    if bench.matrix.wants("D4f missing") {
        peer.vhost = "nowhere".into();
        let said = bench.provoke(&peer, &["--with", "pika,kombu"], More::None);
        bench.judge("D4f missing", &said, Some(&peer.probe()), None);
    }
    if bench.matrix.wants("D4f refused") {
        bench.host().tool("rabbitmqctl", ["add_vhost", "theirs"]).accepted();
        peer.vhost = "theirs".into();
        let said = bench.provoke(&peer, &["--with", "pika,kombu"], More::None);
        bench.judge("D4f refused", &said, Some(&peer.probe()), None);
    }
}

/// A shovel to a broker with TLS that was told of no authority: Erlang verifies without being asked from OTP 26 on.
pub(super) fn shovel(bench: &mut Bench) {
    if !bench.matrix.wants("D25") || bench.version == Version::V3_10 {
        return;
    }
    bench.host().tool("rabbitmq-plugins", ["enable", "rabbitmq_shovel"]).accepted();
    bench.mark();
    let value = serde_json::json!({
        "src-uri": format!("amqps://rabbitmq:5671/{VHOST}"), "src-queue": "from",
        "dest-uri": format!("amqps://rabbitmq:5671/{VHOST}"), "dest-queue": "to",
    });
    let set = ["set_parameter", "-p", VHOST, "shovel", "mover", &value.to_string()];
    bench.host().tool("rabbitmqctl", set).accepted();
    std::thread::sleep(std::time::Duration::from_secs(4));
    let said = Said { texts: Vec::new(), log: bench.log() };
    let parameter = serde_json::json!({ "component": "shovel", "name": "mover", "vhost": VHOST, "value": value });
    let definitions = serde_json::json!({ "rabbitmq_version": "4.0.5", "vhosts": [], "parameters": [parameter] });
    let file = bench.world.write("shovel.json", definitions.to_string());
    bench.judge("D25", &said, None, Some(&[file]));
    bench.host().tool("rabbitmqctl", ["clear_parameter", "-p", VHOST, "shovel", "mover"]).accepted();
}
