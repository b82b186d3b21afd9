//! `emit node`: a module with the connection of one client, for amqplib.

use super::endpoint::{AMQP_SETTINGS, Endpoint, Listener};
use super::syntax::{fill, javascript};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "node",
    description: "Node.js, amqplib: a module that connects",
    settings: AMQP_SETTINGS,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "amqplib 0.10 and later";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?;
    let mut constants = format!("const PORT = {};\n", endpoint.port);
    for (name, value) in [
        ("HOST", &endpoint.host),
        ("VHOST", &endpoint.vhost),
        ("CA_FILE", &endpoint.ca),
        ("CERTIFICATE_FILE", &endpoint.certificate),
        ("KEY_FILE", &endpoint.key),
        ("KEY_PASSWORD_FILE", &endpoint.key_password_file.clone().unwrap_or_default()),
    ] {
        constants.push_str(&format!("const {name} = {};\n", javascript::string(value)));
    }
    let header = client.header("//", &TARGET, VERSIONS);
    Ok(vec![OutputFile::open("amqps_connection.js", fill(include_str!("texts/amqps.js"), &header, &constants))])
}
