//! Looking at real servers: whose client certificates they ask for, in both versions of TLS, whether they insist or not.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use certgen::probe::{PATIENCE, ProbeError, Target, probe};
use certgen::x509::Certificate;

use super::only_node;
use crate::support::World;
use crate::support::broker::{Checks, Etc, Host, Lab, Version};
use crate::support::world::CERTGEN;

/// `openssl s_server` on a port of its choice, until it is dropped.
struct Server(Child);

impl Server {
    fn start(world: &World, args: &[&str]) -> (Self, Target) {
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-cert",
            "server_certificate.pem",
            "-key",
            "server_key.pem",
        ]);
        command.args(args).current_dir(world.pki("server/localhost"));
        // At the end of its input it would hang up.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("starting openssl: {e}"));
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let port = loop {
            let line = lines.next().expect("openssl says where it listens").expect("openssl talks");
            if let Some(place) = line.strip_prefix("ACCEPT ") {
                break place.rsplit(':').next().expect("a port").to_owned();
            }
        };
        // Whoever does not read what it says stops it.
        std::thread::spawn(move || lines.for_each(drop));
        (Self(child), format!("localhost:{port}").parse().expect("HOST:PORT"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs openssl"]
fn what_openssl_says_is_seen() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "server", "localhost"]).run().success();
    let certificate = |file: &str| Certificate::from_pem(world.read(file).as_bytes()).expect("a certificate");
    let (root, leaf) =
        (certificate("pki/ca/root/ca_certificate.pem"), certificate("pki/server/localhost/server_certificate.pem"));
    let named = Some(vec![Ok(root.subject().clone())]);
    let bundle = ["-CAfile", "ca_certificate.pem"];
    for (args, protocol, authorities) in [
        (vec!["-Verify", "1"], "TLS 1.3", named.clone()),
        (vec!["-Verify", "1", "-tls1_2"], "TLS 1.2", named.clone()),
        (vec!["-verify", "1"], "TLS 1.3", named.clone()),
        (vec!["-verify", "1", "-tls1_3"], "TLS 1.3", named),
        (vec![], "TLS 1.3", None),
        (vec!["-tls1_2"], "TLS 1.2", None),
    ] {
        let (_server, target) = Server::start(&world, &[&args[..], &bundle].concat());
        let seen = probe(&target, PATIENCE).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        assert_eq!(seen.protocol, protocol, "{args:?}");
        assert_eq!(seen.client_authorities, authorities, "{args:?}");
        // Where it trusts its own root, it sends that too.
        assert_eq!(seen.chain.first(), Some(&Ok(leaf.clone())), "{args:?}");
    }
    // It asks and names nobody, in whatever version.
    for version in [vec![], vec!["-tls1_3"], vec!["-tls1_2"]] {
        let (_server, target) = Server::start(&world, &[&["-Verify", "1"], &version[..]].concat());
        assert_eq!(probe(&target, PATIENCE).expect("it answers").client_authorities, Some(Vec::new()), "{version:?}");
    }
    // No common version: an alert or its own words, and at once.
    let (_server, target) = Server::start(&world, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let refused = probe(&target, Duration::from_secs(60)).expect_err("TLS 1.1 is not spoken here");
    assert!(matches!(refused, ProbeError::Alert(_) | ProbeError::Handshake(_)), "{refused:?}");
}

const NODE: &str = "a.rabbit.test";

/// The subjects that a port of the broker names, seen by the program itself from the same host.
fn authorities(world: &World, host: &Host, port: u16) -> Result<Vec<String>, String> {
    let pki = world.pki("").display().to_string();
    let seen = host.run(CERTGEN, ["--pki", &pki, "--json", "inspect", &format!("{NODE}:{port}")]);
    let facts: serde_json::Value = serde_json::from_str(&seen.text).map_err(|_| seen.text.clone())?;
    let server = &facts["items"][0];
    let asked = server["kind"] == "server" && server["client_certificate_requested"] == true;
    let names = server["client_authorities"].as_array().filter(|_| asked).ok_or(seen.text)?;
    Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// A bundle with one more authority is named by listeners and between nodes once both caches are empty, if not before.
fn a_wider_bundle_is_seen(version: Version) {
    let world = World::new();
    world.certgen(["init", "--profile", "cluster", "--set", &format!("nodes={NODE}")]).run().success();
    world.certgen(["issue", "authority", "successor"]).run().success();
    let identity = only_node(&world);
    let lab = Lab::cluster(version, &[(NODE, Etc::of_pki(&world.pki(""), &identity))]);
    let host = lab.host();
    host.boot_broker();
    let successor = world.read("pki/ca/successor/ca_certificate.pem");
    let successor_name = Certificate::from_pem(successor.as_bytes()).expect("a certificate").subject().to_string();
    let ports = [(5671, "ca_certificate.pem"), (25672, "inter_node_ca_certificate.pem")];
    let mut checks = Checks::default();
    let mut first = Vec::new();
    for (port, bundle) in ports {
        let bundle = world.read(format!("pki/{identity}/{bundle}"));
        let own = Certificate::from_pem(bundle.as_bytes()).expect("a bundle").subject().to_string();
        let named = authorities(&world, host, port);
        checks.that(&format!("{port} names its authority"), named == Ok(vec![own.clone()]), &format!("{named:?}"));
        first.push(own);
        // Each of these Erlangs says so in either version; what probe.rs claims of them is read here.
        for tls in ["-tls1_2", "-tls1_3"] {
            let said = host.run("openssl", ["s_client", tls, "-connect", &format!("{NODE}:{port}")]);
            let names = said.text.contains("Acceptable client certificate CA names");
            checks.that(&format!("{port} names it with {tls}"), names, &said.text);
        }
    }
    for (_, bundle) in ports {
        let wider = world.read(format!("pki/{identity}/{bundle}")) + &successor;
        host.install(&world.write(bundle, wider), &format!("/etc/rabbitmq/certs/{bundle}"));
    }
    for (own, (port, _)) in first.iter().zip(ports) {
        let named = authorities(&world, host, port);
        // Erlang looks at its files again when it pleases: within two minutes, and seen as early as ten seconds after its start.
        let as_before = named.as_ref().is_ok_and(|all| all.contains(own) && all.len() <= 2);
        checks.that(&format!("{port} goes on with the authority that it has"), as_before, &format!("{named:?}"));
    }
    let renewed = world.certgen(["renew", &identity, "--reload", "rabbitmq"]).run().success();
    for line in renewed.stdout.lines().filter(|line| line.starts_with("rabbitmqctl ")) {
        checks.holds(line, &host.shell(line));
    }
    for (own, (port, _)) in first.iter().zip(ports) {
        let mut named = authorities(&world, host, port).unwrap_or_else(|said| vec![said]);
        named.sort();
        let mut wanted = vec![own.clone(), successor_name.clone()];
        wanted.sort();
        checks.that(&format!("{port} names both authorities"), named == wanted, &format!("{named:?}"));
    }
    checks.finish(&lab);
}

#[test]
#[ignore = "needs rabbitmq-server 3.10 and root"]
fn a_wider_bundle_is_seen_on_3_10() {
    a_wider_bundle_is_seen(Version::V3_10);
}

#[test]
#[ignore = "needs rabbitmq-server 4.x in a root of Debian 13 and root"]
fn a_wider_bundle_is_seen_on_4() {
    a_wider_bundle_is_seen(Version::V4);
}
