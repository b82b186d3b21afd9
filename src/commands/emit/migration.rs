//! `certgen emit rabbitmq --migration PHASE`: a broker's clients from plain to TLS.
//!
//! The phase is a fact of certgen.toml (`migration` in `[broker]`), so that whatever writes the broker's files meanwhile, a
//! renewal for instance, leaves plain open. Phase 1 puts the key there, phase 2 keeps what it saw in it, phase 3 takes it
//! out: what is left is the configuration of every other broker.

mod look;
mod users;

use std::path::Path;

use super::{EmitArgs, chosen};
use crate::apply::{World, where_files_go};
use crate::emit::rabbitmq::{ListedUser, list_commands, listed_users, talks_tls};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Broker, ClientCertificates, Editor, InterNodeTls, Migration, Platform, Ports, Value};
use crate::store;
use crate::ui;

pub(super) use look::run as look;

/// The users of a broker, as rabbitmqctl prints them: thousands are a few hundred KiB.
const LONGEST_LIST: u64 = 16 << 20;

/// A list of names that people keep in a manifest.
const MOST_USERS: usize = 1000;

/// Phase 1 or 3, with what it was told.
pub(super) struct Step {
    opens: bool,
    users: Option<Vec<ListedUser>>,
    force: bool,
    /// The nodes talk TLS to each other already, which is not to be taken away.
    keeps_inter_node: bool,
}

/// A step that was made in the manifest.
pub(super) struct Taken {
    /// The manifest's text, if that changed.
    pub(super) manifest: Option<String>,
    opens: bool,
    before: Broker,
    said: Vec<String>,
    warned: Vec<String>,
}

/// Refuses what does not go together, before anything is read.
pub(super) fn check(args: &EmitArgs, phase: u8) -> Result<()> {
    if args.targets != ["rabbitmq"] {
        return Err(Error::usage("--migration is for rabbitmq alone")
            .hint(format!("certgen emit rabbitmq --migration {phase}")));
    }
    let writes = args.into.is_some() || args.out.is_some() || args.users.is_some() || args.force;
    if phase == 2 && writes {
        return Err(Error::usage("--migration 2 only looks: it takes none of --into, --out, --users and --force"));
    }
    Ok(())
}

impl Step {
    pub(super) fn new(args: &EmitArgs, phase: u8, env: &Env) -> Result<Self> {
        let users = match &args.users {
            None => None,
            Some(file) if file == Path::new("-") => Some(store::read_limited(file, LONGEST_LIST)?),
            Some(file) => Some(store::read_limited(&env.cwd.join(file), LONGEST_LIST)?),
        };
        let environment = args.into.iter().map(|dir| env.cwd.join(dir).join("rabbitmq-env.conf"));
        let texts = environment.filter_map(|file| store::read_limited(&file, store::INPUT_LIMIT).ok());
        let keeps_inter_node = texts.into_iter().any(|text| talks_tls(&String::from_utf8_lossy(&text)));
        Ok(Self {
            opens: phase == 1,
            users: users.map(|json| listed_users(&json)).transpose()?,
            force: args.force,
            keeps_inter_node,
        })
    }

    /// Makes the step in the manifest of `world`, and leaves the disk as it is.
    pub(super) fn take(&self, world: &mut World, broker: &Broker) -> Result<Taken> {
        let mut editor = Editor::new(&world.manifest_text, "certgen.toml")?;
        let mut taken =
            Taken { manifest: None, opens: self.opens, before: broker.clone(), said: Vec::new(), warned: Vec::new() };
        if let Some(users) = &self.users {
            taken.said.extend(users::keep(users, world, broker, &mut editor)?);
        }
        match self.opens {
            true => self.open(broker, &mut editor, &mut taken)?,
            false => self.close(world, broker, &mut editor, &mut taken)?,
        }
        let text = editor.into_text();
        if text != world.manifest_text {
            world.save(world.parse(&text)?);
            world.manifest_text.clone_from(&text);
            taken.manifest = Some(text);
        }
        Ok(taken)
    }

    fn open(&self, broker: &Broker, editor: &mut Editor, taken: &mut Taken) -> Result<()> {
        if broker.migration.is_some() {
            return Ok(());
        }
        editor.set(&table(broker), "migration", &word(Migration::Open))?;
        if broker.longnames {
            taken.warned.push(
                "longnames = true renames the nodes of a cluster that has short names, and a renamed node does not find its \
                 data: if rabbitmqctl status shows rabbit@HOST without a dot, set it to false, and nodes by their first labels"
                    .to_owned(),
            );
        }
        if broker.inter_node_tls != InterNodeTls::Off && !self.keeps_inter_node {
            editor.set(&table(broker), "inter_node_tls", &Value::Boolean(false))?;
            let was = if broker.inter_node_tls == InterNodeTls::Flags { "\"flags\"" } else { "true" };
            taken.warned.push(format!(
                "inter_node_tls was {was} in certgen.toml and is false now: nodes that talk plain to each other cannot be \
                 restarted one by one into TLS. That is a step of its own, for later; where they talk TLS already, put it back"
            ));
        }
        Ok(())
    }

    fn close(&self, world: &World, broker: &Broker, editor: &mut Editor, taken: &mut Taken) -> Result<()> {
        match broker.migration {
            None => return Ok(()),
            Some(Migration::Used) if !self.force => {
                return Err(Error::failed("plain was not closed: at the last look somebody still needed it")
                    .hint(format!("look again: {}", look_command(broker)))
                    .hint(format!("or cut them off: {} --force", command(broker, 3))));
            }
            Some(Migration::Used) => taken.warned.push("whoever still came at the last look is cut off".to_owned()),
            Some(Migration::Open) => taken.warned.push(format!(
                "nobody has looked who still comes by plain or password; before the broker restarts: {}",
                look_command(broker)
            )),
            Some(Migration::Unused) => {}
        }
        editor.unset(&table(broker), "migration")?;
        if self.users.is_some() || broker.login_users.is_some() {
            return Ok(());
        }
        users::keep_existing(world, broker, editor)?;
        let made = users::of_definitions(world, broker);
        if !made.is_empty() {
            taken.warned.push(format!(
                "the broker loads definitions again: a user that it has already under one of these names loses its password, {}; \
                 say which users it has: rabbitmqctl list_users --formatter json | {} --users -",
                shortened(&made),
                command(broker, 3)
            ));
        }
        Ok(())
    }
}

impl Taken {
    /// What happens next on the hosts.
    pub(super) fn tell(self, args: &EmitArgs, env: &mut Env) -> Result<()> {
        let world = World::read(env)?;
        let broker = chosen(&world, self.before.name.as_deref(), true)?.remove(0);
        for line in self.said {
            env.say(line);
        }
        for line in self.warned {
            env.warn(line);
        }
        let lines = match self.opens {
            true => told_open(&world, &broker, args, env),
            false => told_closed(&world, &self.before, &broker, args, env),
        };
        for line in lines {
            env.say(line);
        }
        Ok(())
    }
}

/// The table of a broker in the manifest.
fn table(broker: &Broker) -> Vec<&str> {
    std::iter::once("broker").chain(broker.name.as_deref()).collect()
}

fn word(migration: Migration) -> Value {
    Value::String(migration.as_str().to_owned())
}

fn told_open(world: &World, broker: &Broker, args: &EmitArgs, env: &Env) -> Vec<String> {
    let certificates = match broker.client_certificates {
        ClientCertificates::None => "",
        _ => ", a certificate is optional, passwords go on",
    };
    // What is open in somebody else's configuration stays where it is.
    let plain = if args.into.is_some() { "what is open".to_owned() } else { Ports::PLAIN.amqp.to_string() };
    let mut lines = vec![format!("open: {} with TLS beside {plain} without{certificates}", broker.ports.amqp)];
    if broker.login_users.is_none() {
        lines.push(format!(
            "the broker loads no definitions yet, and so has none of certgen's users: with the name of a user that it has, one \
             would take its password away. Say which it has: rabbitmqctl list_users --formatter json | {}{} --users -",
            command(broker, 1),
            into(args)
        ));
    }
    if args.into.is_none() {
        lines.push(format!(
            "to merge it into the configuration that is there, on its host: certgen emit rabbitmq --into {}",
            ui::shell(&broker.config_dir)
        ));
    }
    lines.extend(where_files_go(world, broker, args.into.is_none(), env));
    lines.push(restart(broker, "listeners open with the broker's restart"));
    lines.push(format!("then, as often as clients come and go, who still has to move: {}", look_command(broker)));
    lines
}

fn told_closed(world: &World, before: &Broker, broker: &Broker, args: &EmitArgs, env: &Env) -> Vec<String> {
    if before.migration.is_none() {
        return vec![
            "plain is closed in certgen.toml already; to open it for clients that move: --migration 1".to_owned(),
        ];
    }
    let mut lines = Vec::new();
    let stranded = users::without_certificate(world, broker);
    if broker.client_certificates == ClientCertificates::Required && !stranded.is_empty() {
        lines.push(format!(
            "closed: these users have no certificate, so that the management UI is all that is left to them: {}",
            shortened(&stranded)
        ));
    }
    lines.extend(where_files_go(world, broker, args.into.is_none(), env));
    lines.push(restart(broker, "listeners close with the broker's restart"));
    if broker.inter_node_tls == InterNodeTls::Off && (broker.nodes.len() > 1 || broker.certificates.len() > 1) {
        lines.push(
            "nodes still talk plain to each other: inter_node_tls = true in certgen.toml, then certgen emit rabbitmq says how"
                .to_owned(),
        );
    }
    lines.push(format!("to open plain again: {}", command(broker, 1)));
    lines
}

fn restart(broker: &Broker, why: &str) -> String {
    let how = match broker.platform {
        Platform::Unix => "systemctl restart rabbitmq-server",
        Platform::Windows => "rabbitmq-service stop, then start",
    };
    match broker.nodes.len().max(broker.certificates.len()) {
        0 | 1 => format!("{why}: {how}"),
        _ => format!("{why}, one node after the other: {how}, and rabbitmq-diagnostics check_running before the next"),
    }
}

fn into(args: &EmitArgs) -> String {
    args.into.as_ref().map_or_else(String::new, |dir| format!(" --into {}", ui::shell(&dir.to_string_lossy())))
}

/// Some of many names.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 10;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| ui::plain(name)).collect();
    match names.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The command that makes a step.
fn command(broker: &Broker, phase: u8) -> String {
    let named = broker.name.as_deref().map_or_else(String::new, |name| format!(" --broker {}", ui::shell(name)));
    format!("certgen emit rabbitmq{named} --migration {phase}")
}

/// The command that looks who still comes.
fn look_command(broker: &Broker) -> String {
    let list = list_commands(&broker.plugins);
    let list = if list.len() > 1 { format!("({})", list.join("; ")) } else { list.concat() };
    format!("{list} | {}", command(broker, 2))
}

/// Where the migration of a broker stands, and the next safe command; nothing where there is none.
pub(in crate::commands) fn standing(broker: &Broker) -> Option<(&'static str, String)> {
    Some(match broker.migration? {
        Migration::Open => ("plain is open beside TLS; who still has to move", look_command(broker)),
        Migration::Used => ("somebody still came by plain or password at the last look; again", look_command(broker)),
        Migration::Unused => ("nobody came by plain or password at the last look; to close plain", command(broker, 3)),
    })
}
