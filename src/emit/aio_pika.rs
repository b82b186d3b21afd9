//! `emit aio-pika`: a module with the connection of one client.

use super::endpoint::{AMQP_SETTINGS, Endpoint, Listener};
use super::syntax::{fill, python};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "aio-pika",
    description: "Python, aio-pika: a module that connects, and the same as variables",
    settings: AMQP_SETTINGS,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "aio-pika 9 and later";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?;
    let header = client.header("#", &TARGET, VERSIONS);
    let constants = python::variables(&endpoint.variables());
    Ok(vec![
        OutputFile::open("aio_pika_connection.py", fill(include_str!("texts/aio_pika.py"), &header, &constants)),
        OutputFile::open("aio_pika.env", endpoint.env_file(&header)?),
    ])
}
