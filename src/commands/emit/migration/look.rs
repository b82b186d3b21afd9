//! Phase 2: who is connected without TLS or by password, from standard input; what each needs next.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

use serde::Serialize;

use super::super::{EmitArgs, chosen};
use super::{command, look_command, table, users, word};
use crate::apply::{Change, Unlock, Vault, World};
use crate::commands::Answer;
use crate::emit::rabbitmq::{Connection, read_connections};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Broker, ClientCertificates, Editor, Migration};
use crate::store::{self, layout};
use crate::ui::{self, Table};

/// Groups of connections that differ in nothing that is shown.
const MOST_GROUPS: usize = 100_000;

/// Connections of one client that are alike.
#[derive(Debug, Serialize)]
struct Item {
    user: String,
    address: String,
    client: String,
    protocol: String,
    tls: bool,
    /// It logged in with a certificate.
    certificate: bool,
    connections: usize,
    /// What to do about it.
    next: String,
}

pub(in crate::commands::emit) fn run(args: &EmitArgs, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    let broker = chosen(&world, args.broker.as_deref(), true)?.remove(0);
    if std::io::stdin().is_terminal() {
        return Err(Error::usage("--migration 2 reads the broker's connections from standard input")
            .hint(look_command(&broker)));
    }
    let mut groups: BTreeMap<Connection, usize> = BTreeMap::new();
    let mut too_many = false;
    let input = store::open_stream(Path::new("-"))?;
    let all = read_connections(input, |connection| {
        too_many |= groups.len() >= MOST_GROUPS;
        if still_comes(&broker, &connection) && !too_many {
            *groups.entry(connection).or_default() += 1;
        }
    })
    .map_err(|e| e.hint(look_command(&broker)))?;
    let items: Vec<Item> = groups.into_iter().map(|(one, count)| item(one, count, &world, &broker, env)).collect();
    drop(world);
    remember(&broker, all, items.is_empty(), args, env)?;
    print(&items, all, env)?;
    if too_many {
        env.warn(format!("these are {MOST_GROUPS} of more"));
    }
    for line in next(&items, all, &broker) {
        env.say(line);
    }
    Ok(if items.is_empty() { Answer::Yes } else { Answer::No })
}

/// Whether phase 3 would cut it off.
fn still_comes(broker: &Broker, connection: &Connection) -> bool {
    let needs_certificate = broker.client_certificates == ClientCertificates::Required;
    !connection.tls || needs_certificate && !connection.external
}

fn item(connection: Connection, connections: usize, world: &World, broker: &Broker, env: &Env) -> Item {
    let next = next_of(&connection, world, broker, env);
    let Connection { user, address, protocol, client, is_broker: _, tls, external: certificate } = connection;
    Item { user, address, client, protocol, tls, certificate, connections, next }
}

fn next_of(connection: &Connection, world: &World, broker: &Broker, env: &Env) -> String {
    let port = broker.ports.amqp;
    if connection.is_broker {
        return format!(
            "a shovel or federation link: amqps://HOST:{port}?cacertfile=...&certfile=...&keyfile=...&verify=verify_peer\
             &auth_mechanism=external in its URI"
        );
    }
    let user = connection.user.as_str();
    if user.is_empty() {
        return "it has not logged in: a health check, perhaps; look at the same port with TLS".to_owned();
    }
    if broker.client_certificates == ClientCertificates::None {
        return format!(
            "TLS, with ca_certificate.pem of the authority that signed the broker's certificate; port {port}"
        );
    }
    if let Some(entry) = users::client_of(world, broker, user)
        && let Ok(directory) = layout::entry_dir(entry.role.as_str(), &entry.name)
    {
        let directory = ui::path(env.shown(&world.store.path(directory)));
        return format!("it has a certificate: give it {directory}/ and let it log in with EXTERNAL");
    }
    if user == "guest" {
        return "everybody's administrator: give it a name of its own, certgen issue client NAME --vhost V --access ..."
            .to_owned();
    }
    let named = broker.name.as_deref().map_or_else(String::new, |name| format!(" --broker {}", ui::shell(name)));
    let separator = if user.starts_with('-') { "-- " } else { "" };
    format!("certgen issue client --existing-user{named} {separator}{}", ui::shell(user))
}

/// What was seen goes into the manifest, for `status` and for phase 3. Where nobody is connected, nothing was seen.
fn remember(seen: &Broker, all: usize, nobody: bool, args: &EmitArgs, env: &mut Env) -> Result<()> {
    let found = if nobody { Migration::Unused } else { Migration::Used };
    if all == 0 || seen.migration.is_none_or(|migration| migration == found) {
        return Ok(());
    }
    let (mut world, mut locked) = World::lock("emit", env)?;
    let broker = chosen(&world, args.broker.as_deref(), true)?.remove(0);
    if broker.migration.is_none() {
        return Ok(()); // closed meanwhile
    }
    let mut editor = Editor::new(&world.manifest_text, "certgen.toml")?;
    editor.set(&table(&broker), "migration", &word(found))?;
    let mut vault = Vault::new(&Unlock::default());
    let mut change = Change::new(&mut world, &mut vault, env);
    change.manifest(editor.into_text());
    change.commit(&mut locked).map(drop)
}

fn print(items: &[Item], all: usize, env: &mut Env) -> Result<()> {
    if env.json {
        #[derive(Serialize)]
        struct Envelope<'a> {
            version: u32,
            items: &'a [Item],
            /// All that were looked at.
            connections: usize,
        }
        return ui::document(env, &Envelope { version: 1, items, connections: all });
    }
    if items.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["USER", "ADDRESS", "CLIENT", "PROTOCOL", "COMES BY", "CONNECTIONS"]);
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { ui::plain(text) };
    for item in items {
        let by = match (item.tls, item.certificate) {
            (false, _) => "plain",
            (true, _) => "password over TLS",
        };
        let texts = [&item.user, &item.address, &item.client, &item.protocol].map(|text| shown(text));
        table.row(texts.into_iter().chain([by.to_owned(), item.connections.to_string()]));
    }
    table.print(env)
}

fn next(items: &[Item], all: usize, broker: &Broker) -> Vec<String> {
    let mut lines = Vec::new();
    let mut known: BTreeMap<(&str, &str), ()> = BTreeMap::new();
    for item in items {
        if known.insert((&item.user, &item.next), ()).is_none() {
            lines.push(format!(
                "{}: {}",
                if item.user.is_empty() { "-".to_owned() } else { ui::plain(&item.user) },
                item.next
            ));
        }
    }
    match (all, items.is_empty()) {
        (0, _) => lines.push("no client is connected, which says nothing: look again while they work".to_owned()),
        (_, true) if broker.migration.is_none() => {
            lines.push(format!("{all} connections, and none by plain or password; plain is closed in certgen.toml"));
        }
        (_, true) => {
            lines.push(format!("{all} connections, and none by plain or password"));
            lines.push(format!(
                "a look sees who is connected now: look again for clients that come once a day; then, to close plain: {}",
                command(broker, 3)
            ));
        }
        (_, false) => lines.push(format!("when they have moved, look again: {}", look_command(broker))),
    }
    lines
}
