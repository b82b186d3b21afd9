//! Real peers as judges. The brokers start from exactly the files that `certgen` wrote; the control group starts them
//! from files made by openssl, so that a broken test host is not mistaken for a broken product.

mod alerts;
mod apply;
mod celery;
mod clones;
mod cluster;
mod compose;
mod consumers;
mod containers;
mod control;
mod diagnosis;
mod edge;
mod explain;
mod inter_node_doctor;
mod keystores;
mod kubernetes;
mod limbo;
mod links;
mod lists;
mod load;
mod loki;
mod management;
mod migration;
mod mqtt;
mod pipelines;
mod pki;
mod probe;
mod probe_command;
mod python_claims;
mod renew;
mod revocation;
mod rotate;
mod rotate_below;
mod sealing;
mod settings;
mod sites;
mod takeover;
mod tls_gen;
mod units;
mod vault;
mod verifiers;

use std::fs;

use crate::support::World;

/// What a client hears when its certificate is not good enough; TLS 1.2 and 1.3, OpenSSL's words. With TLS 1.3 the client has
/// spoken on when the alert comes, and may see no more of it than the closed connection.
const TLS_REFUSALS: &[&str] = &["alert", "ALERT", "CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE", "SSLEOFError"];

/// The directory of the only node of a PKI, such as `node/rabbitmq`.
#[track_caller]
fn only_node(world: &World) -> String {
    let entries = fs::read_dir(world.pki("node")).into_iter().flatten().flatten();
    let mut found: Vec<String> = entries.map(|e| format!("node/{}", e.file_name().to_string_lossy())).collect();
    assert_eq!(found.len(), 1, "the profile makes one node, got {found:?}");
    found.remove(0)
}

/// What a client needs: bundle, certificate and key of `client/NAME`.
fn credentials(world: &World, name: &str) -> [String; 3] {
    ["ca_certificate.pem", "client_certificate.pem", "client_key.pem"]
        .map(|file| world.pki(format!("client/{name}/{file}")).display().to_string())
}

/// The vhost of a user in definitions.json.
#[track_caller]
fn vhost_of(world: &World, user: &str) -> String {
    let definitions: serde_json::Value =
        serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("definitions.json is JSON");
    let permissions = definitions["permissions"].as_array().expect("permissions");
    let own = permissions.iter().find(|p| p["user"] == user).unwrap_or_else(|| panic!("{user} has a permission"));
    own["vhost"].as_str().expect("a vhost").to_owned()
}
