//! `emit rust`: a module with the connection of one client, for lapin.

use super::endpoint::{AMQP_SETTINGS_WITHOUT_PASSWORD, Endpoint, Listener};
use super::syntax::{fill, rust};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "rust",
    description: "Rust, lapin: a module that connects",
    settings: AMQP_SETTINGS_WITHOUT_PASSWORD,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "lapin 4";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?.without_password("lapin")?;
    let mut constants = format!("const PORT: u16 = {};\n", endpoint.port);
    for (name, value) in [
        ("HOST", &endpoint.host),
        ("VHOST", &endpoint.vhost),
        ("CA_FILE", &endpoint.ca),
        ("CERTIFICATE_FILE", &endpoint.certificate),
        ("KEY_FILE", &endpoint.key),
    ] {
        constants.push_str(&format!("const {name}: &str = {};\n", rust::string(value)));
    }
    let header = client.header("//", &TARGET, VERSIONS);
    Ok(vec![OutputFile::open("amqps.rs", fill(include_str!("texts/amqps.rs"), &header, &constants))])
}
