//! `emit go`: a package with the connection of one client, for amqp091-go.

use super::endpoint::{AMQP_SETTINGS_WITHOUT_PASSWORD, Endpoint, Listener};
use super::syntax::{fill, go};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "go",
    description: "Go, amqp091-go: a package that connects",
    settings: AMQP_SETTINGS_WITHOUT_PASSWORD,
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(Client::speaks_amqp, emit),
};

const VERSIONS: &str = "github.com/rabbitmq/amqp091-go 1.5 and later";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?.without_password("Go's standard library")?;
    // As gofmt writes a block of constants, with the signs below one another.
    let constants = format!(
        "const (\n\thost            = {}\n\tport            = {}\n\tvhost           = {}\n\tcaFile          = {}\n\
         \tcertificateFile = {}\n\tkeyFile         = {}\n)\n",
        go::string(&endpoint.host),
        endpoint.port,
        go::string(&endpoint.vhost),
        go::string(&endpoint.ca),
        go::string(&endpoint.certificate),
        go::string(&endpoint.key),
    );
    let header = client.header("//", &TARGET, VERSIONS);
    Ok(vec![OutputFile::open("amqps.go", fill(include_str!("texts/amqps.go"), &header, &constants))])
}
