//! `emit kombu`: a module with the connection of one client.

use super::endpoint::{AMQP_SETTINGS_WITHOUT_PASSWORD, Endpoint, Listener};
use super::syntax::{fill, python};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "kombu",
    description: "Python, kombu: a module that connects, and the same as variables",
    settings: AMQP_SETTINGS_WITHOUT_PASSWORD,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "kombu 5.3 and later (py-amqp 5.1)";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?.without_password("kombu")?;
    let header = client.header("#", &TARGET, VERSIONS);
    let constants = python::variables(&endpoint.variables());
    Ok(vec![
        OutputFile::open("kombu_connection.py", fill(include_str!("texts/kombu.py"), &header, &constants)),
        OutputFile::open("kombu.env", endpoint.env_file(&header)?),
    ])
}
