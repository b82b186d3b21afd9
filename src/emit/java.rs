//! `emit java`: a class with the connection factory of one client, for RabbitMQ's own library.

use super::endpoint::{AMQP_SETTINGS, Endpoint, Listener};
use super::syntax::{fill, java};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "java",
    description: "Java, amqp-client: a class that connects, with its key store made in memory",
    settings: AMQP_SETTINGS,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "com.rabbitmq:amqp-client 5 and Java 17";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?;
    let mut constants = format!("    private static final int PORT = {};\n", endpoint.port);
    for (name, value) in [
        ("HOST", &endpoint.host),
        ("VHOST", &endpoint.vhost),
        ("CA_FILE", &endpoint.ca),
        ("CERTIFICATE_FILE", &endpoint.certificate),
        ("KEY_FILE", &endpoint.key),
        ("KEY_PASSWORD_FILE", &endpoint.key_password_file.clone().unwrap_or_default()),
    ] {
        constants.push_str(&format!("    private static final String {name} = {};\n", java::string(value)));
    }
    let header = java::ascii(&client.header("//", &TARGET, VERSIONS));
    let text = fill(include_str!("texts/AmqpsConnection.java"), &header, &constants);
    Ok(vec![OutputFile::open("AmqpsConnection.java", text)])
}
