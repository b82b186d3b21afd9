//! What is wrong with the client's certificate: the broker refuses.

use super::bench::{Bench, More, Pair};

const GOOD: [&str; 4] = ["--cn", "celery_worker", "--eku", "client"];

pub(super) fn all(bench: &mut Bench) {
    let other = bench.pair_of("other-client-ca", &["--cn", "Other root", "--authority"]);
    let ca = ["--ca", &other.path("cert.pem"), &other.path("key.pem")];
    let stranger = bench.pair_of("stranger-client", &[&ca, &GOOD[..]].concat());
    shown(bench, "D2 another authority", &stranger);
    let between = bench.pair("between-clients", &["--cn", "Issuing", "--authority"]);
    let ca = ["--ca", &between.path("cert.pem"), &between.path("key.pem")];
    let leaf = bench.pair_of("leaf-client", &[&ca, &GOOD[..]].concat());
    shown(bench, "D2 no intermediate", &leaf);
    let own = bench.pair_of("own-client", &GOOD);
    shown(bench, "D2 self-signed", &own);
    let expired = bench.pair("expired-client", &[&GOOD[..], &["--from-day", "-10", "--to-day", "-2"]].concat());
    shown(bench, "D9 expired", &expired);
    let future = bench.pair("future-client", &[&GOOD[..], &["--from-day", "2", "--to-day", "9"]].concat());
    shown(bench, "D9 not yet valid", &future);
    let server = bench.pair("server-only", &["--cn", "celery_worker", "--eku", "server"]);
    shown(bench, "D10", &server);
    if bench.matrix.wants("D12") {
        let mut peer = bench.worker();
        peer.pair = None;
        let said = bench.provoke(&peer, &[], More::Java);
        bench.judge("D12", &said, Some(&peer.probe()), None);
    }
}

fn shown(bench: &mut Bench, row: &'static str, pair: &Pair) {
    if !bench.matrix.wants(row) {
        return;
    }
    let peer = bench.worker().with(pair.path("cert.pem"), pair.path("key.pem"));
    let said = bench.provoke(&peer, &[], More::Node);
    // Which pair a project uses stands in its settings.
    let (bundle, settings) = (bench.world.pki("client/celery_worker/ca_certificate.pem"), pair.file("celeryconfig.py"));
    let certificate = pair.file("cert.pem");
    let text = format!(
        "import ssl\nbroker_url = \"amqps://rabbitmq:5671/\"\nbroker_login_method = \"EXTERNAL\"\nbroker_use_ssl = {{\n\
         \"ca_certs\": {bundle:?}, \"certfile\": {certificate:?}, \"keyfile\": {:?},\n\
         \"cert_reqs\": ssl.CERT_REQUIRED, \"server_hostname\": \"rabbitmq\"}}\n",
        pair.file("key.pem")
    );
    std::fs::write(&settings, text).expect("a world is writable");
    let client = [bundle, certificate, pair.file("key.pem"), settings];
    bench.judge(row, &said, Some(&peer.probe()), Some(&client));
}
