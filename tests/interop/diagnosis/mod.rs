//! Every row of the table of faults provoked on real brokers with real clients, and judged by `probe`, `doctor` and
//! `explain`.

mod bench;
mod client_certificate;
mod files;
mod inter_node;
mod listener;
mod login;
mod matrix;
mod server_certificate;

use bench::{Bench, Peer};
use matrix::Matrix;

use crate::support::World;
use crate::support::broker::{Etc, Lab, Version};

fn diagnosis(version: Version) {
    let matrix = other_profiles(version, Matrix::default());
    let mut bench = Bench::boot(version, "celery", &[], matrix);
    if bench.matrix.wants("healthy") {
        let amqp = bench.worker().probe();
        bench.healthy("celery", &[&amqp, &browser(&bench, "ca/root").probe()]);
    }
    client_certificate::all(&mut bench);
    login::all(&mut bench);
    listener::all(&mut bench);
    server_certificate::all(&mut bench);
    listener::loose(&mut bench);
    files::all(&mut bench);
    let Bench { matrix, lab, .. } = bench;
    drop(lab);
    let matrix = inter_node(version, matrix);
    matrix.finish(version);
}

/// Who looks at the management UI: without a certificate.
fn browser(bench: &Bench, authority: &str) -> Peer {
    let ca = bench.pki(&format!("{authority}/ca_certificate.pem"));
    Peer { host: bench.host().name().to_owned(), port: 15671, ca, pair: None, vhost: "/".into() }
}

/// Brokers on which nothing is wrong.
fn other_profiles(version: Version, mut matrix: Matrix) -> Matrix {
    if matrix.wants("healthy") || matrix.wants("D1 device") {
        let mut bench = Bench::boot(version, "mqtt", &[], matrix);
        let words =
            |port: &str, client: &str| [format!("rabbitmq:{port}"), "--client".into(), client.to_owned()].to_vec();
        let [amqp, mqtt] = ["5671", "8883"].map(|port| words(port, "device-1"));
        bench.healthy("mqtt", &[&amqp, &mqtt, &browser(&bench, "ca/nodes").probe()]);
        listener::trusting_device(&mut bench);
        matrix = bench.matrix;
        drop(bench.lab);
        let reporting: &[&str] = &["issue", "client", "reporting", "--access", "consume:reports"];
        let mut bench = Bench::boot(version, "rabbitmq", &[reporting], matrix);
        bench.healthy("rabbitmq", &[&words("5671", "reporting"), &browser(&bench, "ca/root").probe()]);
        matrix = bench.matrix;
    }
    matrix
}

fn inter_node(version: Version, matrix: Matrix) -> Matrix {
    let world = World::new();
    let nodes = inter_node::hosts();
    let [node, peer] = nodes;
    world.certgen(["init", "--profile", "cluster", "--set", &format!("nodes={node}")]).run().success();
    // Not a member: from 4.0 on a node waits for those.
    world.certgen(["issue", "node", peer, "--no-save"]).run().success();
    let etc = |name: &str| Etc::of_pki(&world.pki(""), &format!("node/{name}"));
    let lab = Lab::cluster(version, &nodes.map(|name| (name, etc(name))));
    // The other host has tools alone.
    lab.host().boot_broker();
    let mut bench = Bench::new(version, world, lab, matrix);
    if bench.matrix.wants("healthy") {
        bench.healthy("cluster", &[&browser(&bench, "ca/nodes").probe()]);
    }
    inter_node::all(&mut bench);
    bench.matrix
}

#[test]
#[ignore = "needs rabbitmq-server 3.10, client libraries of Python, Node.js and Java, and root"]
fn diagnosis_on_3_10() {
    diagnosis(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13, client libraries of Python, Node.js and Java, and root"]
fn diagnosis_on_4() {
    diagnosis(Version::V4);
}
