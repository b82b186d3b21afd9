//! `emit pika`: a module with the connection of one client.

use super::endpoint::{AMQP_SETTINGS, Endpoint, Listener};
use super::syntax::{fill, python};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "pika",
    description: "Python, pika: a module that connects, and the same as variables",
    settings: AMQP_SETTINGS,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "pika 1.3 and later";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?;
    let header = client.header("#", &TARGET, VERSIONS);
    Ok(vec![
        OutputFile::open(
            "pika_connection.py",
            fill(include_str!("texts/pika.py"), &header, &python::variables(&endpoint.variables())),
        ),
        OutputFile::open("pika.env", endpoint.env_file(&header)?),
    ])
}
