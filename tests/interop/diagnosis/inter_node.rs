//! Links between nodes. The node is a broker on one host; its peer is the broker's command line tool on another host, which
//! is a node of Erlang like any other, with the files of a node.

use super::bench::{Bench, Said};

const NODE: &str = "a.nodes.test";
const PEER: &str = "b.nodes.test";
const PAIR: &str = "/etc/rabbitmq/certs/combined_keys.pem";
const OPTIONS: &str = "/etc/rabbitmq/inter_node_tls.config";
const ENVIRONMENT: &str = "/etc/rabbitmq/rabbitmq-env.conf";

pub(super) fn hosts() -> [&'static str; 2] {
    [NODE, PEER]
}

pub(super) fn all(bench: &mut Bench) {
    bench.judged_on = 1;
    certificates(bench);
    options(bench);
    name(bench);
    bench.judged_on = 0;
}

/// What the peer says when it asks the node something, and what the node has logged.
fn ask(bench: &mut Bench) -> Said {
    bench.mark();
    let line = format!("rabbitmqctl --longnames -n rabbit@{NODE} eval 'node().'");
    let said = bench.lab.hosts()[1].shell(&line);
    assert!(!said.ok, "the link works: {}", said.text);
    Said { texts: vec![("rabbitmqctl".into(), said.text.trim().to_owned())], log: bench.log() }
}

/// `probe` as the peer with its pair.
fn probe(bench: &Bench) -> Vec<String> {
    let place = |file: &str| bench.lab.hosts()[1].root().join(file).display().to_string();
    let mut words = vec![format!("{NODE}:25672"), "--bundle".into()];
    words.push(place("etc/rabbitmq/certs/inter_node_ca_certificate.pem"));
    words.extend(["--certificate".into(), place(&PAIR[1..]), "--key".into(), place(&PAIR[1..])]);
    words
}

fn certificates(bench: &mut Bench) {
    let name = ["--cn", PEER, "--san", PEER];
    let nodes = [bench.pki("ca/nodes/ca_certificate.pem"), bench.pki("ca/nodes/ca_key.pem")];
    let other = bench.pair_of("public", &["--cn", "Public root", "--authority"]);
    let others = [other.path("cert.pem"), other.path("key.pem")];
    for (row, [ca, key], usage) in [("D20", others, "server,client"), ("D24", nodes, "server")] {
        if !bench.matrix.wants(row) {
            continue;
        }
        let pair = bench.pair_of(row, &[&["--ca", &*ca, &*key, "--eku", usage][..], &name].concat());
        bench.lab.hosts()[1].install(&pair.file("combined.pem"), PAIR);
        let said = ask(bench);
        let words = probe(bench);
        bench.judge(row, &said, Some(&words), Some(&[]));
    }
    heal(bench);
}

fn heal(bench: &Bench) {
    let peer = &bench.lab.hosts()[1];
    for (from, to) in [
        (format!("node/{PEER}/combined_keys.pem"), PAIR),
        ("rabbitmq/inter_node_tls.config".into(), OPTIONS),
        ("rabbitmq/rabbitmq-env.conf".into(), ENVIRONMENT),
    ] {
        peer.install(&bench.world.pki(from), to);
    }
}

fn options(bench: &mut Bench) {
    if bench.matrix.wants("D22") {
        change(bench, ENVIRONMENT, |text| {
            text.lines().filter(|l| !l.contains("CTL_ERL_ARGS")).collect::<Vec<_>>().join("\n")
        });
        let said = ask(bench);
        bench.judge("D22", &said, None, Some(&[]));
        heal(bench);
    }
    if bench.matrix.wants("D23") {
        let both = |text: String| {
            text.replace(
                "{verify, verify_peer},\n    %%",
                "{verify, verify_peer},\n    {fail_if_no_peer_cert, true},\n    %%",
            )
        };
        change(bench, OPTIONS, both);
        let said = if silent(bench) { ask(bench) } else { Said::default() };
        bench.judge("D23", &said, None, Some(&[]));
        heal(bench);
    }
}

/// Erlang 25 passes over the option that later ones refuse.
fn silent(bench: &Bench) -> bool {
    bench.version == crate::support::broker::Version::V4
}

fn change(bench: &Bench, file: &str, change: impl FnOnce(String) -> String) {
    let peer = &bench.lab.hosts()[1];
    let before = peer.shell(&format!("cat {file}")).accepted().to_owned();
    let after = change(before.clone());
    assert_ne!(before, after, "{file} is changed");
    peer.install(&bench.world.write("edited", after), file);
}

/// The node shows a certificate for another name, and a wildcard to a peer that does not match one. The node keeps its pair
/// for two minutes, so it is told; after that the tools cannot reach it.
fn name(bench: &mut Bench) {
    let nodes = [bench.pki("ca/nodes/ca_certificate.pem"), bench.pki("ca/nodes/ca_key.pem")];
    let ca = ["--ca", &*nodes[0], &*nodes[1], "--eku", "server,client"];
    if bench.matrix.wants("D19 wildcard") {
        let wildcard = bench.pair_of("wildcard", &[&ca[..], &["--cn", "nodes", "--san", "*.nodes.test"]].concat());
        show(bench, &wildcard.file("combined.pem"));
        let without = |text: String| text.lines().filter(|l| !l.contains("match_fun")).collect::<Vec<_>>().join("\n");
        change(bench, OPTIONS, without);
        bench.lab.hosts()[1].install(&wildcard.file("combined.pem"), PAIR);
        let said = ask(bench);
        bench.judge("D19 wildcard", &said, None, Some(&[]));
        heal(bench);
    }
    if bench.matrix.wants("D19 name") {
        let elsewhere =
            bench.pair_of("elsewhere", &[&ca[..], &["--cn", "elsewhere", "--san", "c.nodes.test"]].concat());
        show(bench, &elsewhere.file("combined.pem"));
        let said = ask(bench);
        let words = probe(bench);
        bench.judge("D19 name", &said, Some(&words), None);
    }
}

/// Both caches of the node are emptied over a link that is made before and used after.
fn show(bench: &Bench, pair: &std::path::Path) {
    let host = &bench.lab.hosts()[0];
    host.install(pair, PAIR);
    let reload = bench.world.certgen(["renew", &format!("node/{NODE}"), "--reload", "rabbitmq"]).run().success();
    for line in reload.stdout.lines().filter(|line| line.starts_with("rabbitmqctl ")) {
        host.shell(line).accepted();
    }
}
