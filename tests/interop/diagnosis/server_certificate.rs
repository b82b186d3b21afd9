//! What is wrong with the broker's certificate: the client refuses.

use super::bench::{Bench, More, PAIR, Pair};

const GOOD: [&str; 6] = ["--cn", "rabbitmq", "--san", "rabbitmq", "--eku", "server,client"];

pub(super) fn all(bench: &mut Bench) {
    unknown_authority(bench);
    names(bench);
    dates_and_uses(bench);
    weak(bench);
    stale(bench);
    bench.heal();
}

/// Serves the pair, and judges.
fn served(bench: &mut Bench, row: &'static str, pair: &Pair) {
    served_as(bench, row, pair, "combined.pem", &[]);
}

fn served_as(bench: &mut Bench, row: &'static str, pair: &Pair, file: &str, args: &[&str]) {
    if !bench.matrix.wants(row) {
        return;
    }
    bench.serve(&pair.file(file), PAIR);
    let peer = bench.worker();
    let said = bench.provoke(&peer, args, More::Java);
    let client = [bench.project("worker", &peer)];
    bench.judge(row, &said, Some(&peer.probe()), Some(&client));
}

fn unknown_authority(bench: &mut Bench) {
    let other = bench.pair_of("other-ca", &["--cn", "Other root", "--authority"]);
    let ca = ["--ca", &other.path("cert.pem"), &other.path("key.pem")];
    let stranger = bench.pair_of("stranger", &[&ca, &GOOD[..]].concat());
    served(bench, "D1 another authority", &stranger);

    let own = bench.pair_of("own", &GOOD);
    served(bench, "D1 self-signed", &own);

    let between = bench.pair("between", &["--cn", "Issuing", "--authority"]);
    let ca = ["--ca", &between.path("cert.pem"), &between.path("key.pem")];
    let leaf = bench.pair_of("leaf", &[&ca, &GOOD[..]].concat());
    served(bench, "D1 no intermediate", &leaf);

    let name = crate::support::openssl([
        "x509",
        "-noout",
        "-subject",
        "-nameopt",
        "multiline,-esc_msb,utf8",
        "-in",
        &bench.pki("ca/root/ca_certificate.pem"),
    ]);
    let name = name.accepted().lines().find_map(|line| line.trim().strip_prefix("commonName")).expect("a CN");
    let name = name.trim().trim_start_matches('=').trim();
    let twin = bench.pair_of("twin", &["--cn", name, "--authority"]);
    let ca = ["--ca", &twin.path("cert.pem"), &twin.path("key.pem")];
    let of_twin = bench.pair_of("of-twin", &[&ca, &GOOD[..]].concat());
    served(bench, "D1 same name", &of_twin);
}

fn names(bench: &mut Bench) {
    let elsewhere =
        bench.pair("elsewhere", &["--cn", "elsewhere", "--san", "elsewhere.example.com", "--eku", "server,client"]);
    served(bench, "D3 another name", &elsewhere);
    let only = bench.pair("only-cn", &["--cn", "rabbitmq", "--eku", "server"]);
    served(bench, "D3 common name alone", &only);
    if bench.matrix.wants("D3 address") {
        let addressless = bench.pair("addressless", &GOOD);
        bench.serve(&addressless.file("combined.pem"), PAIR);
        let mut peer = bench.worker();
        peer.host = "127.0.0.1".into();
        let said = bench.provoke(&peer, &[], More::Java);
        bench.judge("D3 address", &said, Some(&peer.probe()), None);
    }
}

fn dates_and_uses(bench: &mut Bench) {
    let good = bench.pair("good", &GOOD);
    let other = bench.pair("other", &GOOD);
    let mixed = std::fs::read_to_string(good.file("cert.pem")).expect("a certificate")
        + &std::fs::read_to_string(other.file("key.pem")).expect("a key");
    bench.world.write("made/good/mixed.pem", mixed);
    served_as(bench, "D7", &good, "mixed.pem", &[]);
    let expired = bench.pair("expired", &[&GOOD[..], &["--from-day", "-10", "--to-day", "-2"]].concat());
    served(bench, "D8 expired", &expired);
    let future = bench.pair("future", &[&GOOD[..], &["--from-day", "2", "--to-day", "9"]].concat());
    served(bench, "D8 not yet valid", &future);
    let client = bench.pair("client-only", &["--cn", "rabbitmq", "--san", "rabbitmq", "--eku", "client"]);
    served(bench, "D11", &client);
}

fn weak(bench: &mut Bench) {
    let sha1 = bench.pair("sha1", &[&GOOD[..], &["--sha1"]].concat());
    served(bench, "D16", &sha1);
    let short = bench.pair("short", &[&GOOD[..], &["--rsa", "1024"]].concat());
    served(bench, "D17", &short);
    let bare_ca = bench.pair_of("bare-ca", &["--cn", "Bare root", "--authority", "--bare"]);
    let ca = ["--ca", &bare_ca.path("cert.pem"), &bare_ca.path("key.pem")];
    let bare = bench.pair_of("bare", &[&ca, &GOOD[..]].concat());
    if bench.matrix.wants("D18") {
        bench.serve(&bare.file("combined.pem"), PAIR);
        let mut peer = bench.worker();
        peer.ca = bare_ca.path("cert.pem");
        let said = bench.provoke(&peer, &["--strict", "--with", "ssl12,ssl13,pika"], More::None);
        bench.judge("D18", &said, Some(&peer.probe()), Some(&[bare_ca.file("cert.pem")]));
    }
}

/// The broker shows a pair that is no longer the one of the PKI.
fn stale(bench: &mut Bench) {
    if !bench.matrix.wants("D27") {
        return;
    }
    bench.heal();
    bench.world.certgen(["renew", &crate::interop::only_node(&bench.world)]).run().success();
    let peer = bench.worker();
    let said = bench.provoke(&peer, &["--with", "ssl13"], More::None);
    bench.judge("D27", &said, Some(&peer.probe()), None);
}
