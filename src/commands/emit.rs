//! `certgen emit`

mod into;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply::{Change, Unlock, Vault, World};
use crate::commands::Answer;
use crate::emit::rabbitmq;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Broker;
use crate::profile::nearest;
use crate::store::{OutputFile, Transaction};
use crate::ui;

/// The consumers whose configuration certgen writes, and what each is.
const TARGETS: [(&str, &str); 1] = [("rabbitmq", "the broker: configuration, inter-node TLS, plugins, users")];

/// Write the configuration of a consumer
///
/// emit rabbitmq brings pki/rabbitmq/ up to date after certgen.toml was edited, writes it elsewhere with --out, or puts
/// it into an existing /etc/rabbitmq with --into. A file that somebody edited is left alone: the new text goes beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen emit rabbitmq\n  certgen emit rabbitmq --out broker\n  \
                        certgen emit rabbitmq --into /etc/rabbitmq --diff\n  certgen emit --list")]
pub(crate) struct EmitArgs {
    /// The consumers
    #[arg(value_name = "TARGET", required_unless_present = "list")]
    targets: Vec<String>,
    /// List the targets
    #[arg(long)]
    list: bool,
    /// Write into DIR instead, or to standard output with -
    #[arg(long, value_name = "DIR|-", value_hint = clap::ValueHint::DirPath, conflicts_with = "into")]
    out: Option<PathBuf>,
    /// Merge into an existing configuration directory; shows what changes first
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    into: Option<PathBuf>,
    /// Only show what --into would change
    #[arg(long, requires = "into")]
    diff: bool,
    /// The broker, where certgen.toml has more than one
    #[arg(long, value_name = "NAME")]
    broker: Option<String>,
    /// Replace files that were edited by hand
    #[arg(long)]
    force: bool,
}

/// What was written, or is there to be written.
#[derive(Debug, Serialize)]
struct Item {
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
}

pub(crate) fn run(args: EmitArgs, env: &mut Env) -> Result<Answer> {
    if args.list {
        return list(env);
    }
    for target in &args.targets {
        known(target)?;
    }
    let (mut world, mut locked) = World::lock("emit", env)?;
    let brokers = chosen(&world, args.broker.as_deref(), args.out.is_some() || args.into.is_some())?;
    let mut vault = Vault::new(&Unlock::default());
    let mut prepared = Vec::new();
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        change.force = args.force;
        change.refresh_brokers()?;
        for broker in &brokers {
            prepared.push(change.prepared(broker)?);
        }
        change.commit(&mut locked)?
    };
    drop(locked);
    for path in &done.edited {
        let shown = ui::path(env.shown(path));
        env.warn(format!("{shown} was edited by hand and left alone: the new text is in {shown}.new"));
    }
    for note in &done.notes {
        env.say(note);
    }
    if let Some(dir) = &args.into {
        return into::merge(&env.cwd.join(dir), &prepared[0], args.diff, env);
    }
    let mut items = Vec::new();
    for (broker, prepared) in brokers.iter().zip(&prepared) {
        let files = rabbitmq::emit(&prepared.facts)?;
        match args.out.as_deref() {
            Some(out) if out == Path::new("-") => print(&files, env)?,
            Some(out) => write(&env.cwd.join(out), files, prepared, &mut items, env)?,
            None => {
                items.push(item(&world.store.path(crate::store::layout::rabbitmq_dir(broker.name.as_deref())?), env))
            }
        }
    }
    if env.json {
        ui::items(env, &items)?;
    } else {
        for item in &items {
            writeln!(env.out(), "wrote  {}", item.path.as_deref().unwrap_or_default())?;
        }
    }
    Ok(Answer::Yes)
}

fn list(env: &mut Env) -> Result<Answer> {
    let items: Vec<Item> = TARGETS
        .iter()
        .map(|(target, description)| Item { target: (*target).to_owned(), path: None, description: Some(description) })
        .collect();
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    for (target, description) in TARGETS {
        writeln!(env.out(), "{target:12}  {description}")?;
    }
    Ok(Answer::Yes)
}

fn known(target: &str) -> Result<()> {
    if TARGETS.iter().any(|(name, _)| *name == target) {
        return Ok(());
    }
    let mut error = Error::usage(format!("{} is not a target", ui::quote(target)));
    if let Some(near) = nearest(target, TARGETS.iter().map(|(name, _)| *name)) {
        error = error.hint(format!("did you mean {near}?"));
    }
    Err(error.hint("see the targets with certgen emit --list"))
}

fn chosen(world: &World, named: Option<&str>, one_only: bool) -> Result<Vec<Broker>> {
    let all = world.manifest.brokers();
    let names = || all.iter().filter_map(|b| b.name.clone()).collect::<Vec<_>>().join(", ");
    let Some(named) = named else {
        return match all {
            [] => Err(Error::failed("certgen.toml has no broker").hint("add a [broker] section, see certgen.toml(5)")),
            [_, _, ..] if one_only => Err(Error::failed("certgen.toml has more than one broker")
                .hint(format!("name one with --broker: {}", names()))),
            all => Ok(all.to_vec()),
        };
    };
    match world.manifest.broker(Some(named)) {
        Some(broker) => Ok(vec![broker.clone()]),
        None => Err(Error::failed(format!("certgen.toml has no broker {}", ui::quote(named)))
            .hint(format!("the brokers are {}", names()))),
    }
}

/// Files for people and pipes: each behind a line that names it.
fn print(files: &[crate::emit::OutputFile], env: &mut Env) -> Result<()> {
    for file in files {
        writeln!(env.out(), "==> {} <==", file.path)?;
        env.out().write_all(&file.bytes)?;
        writeln!(env.out())?;
    }
    Ok(())
}

fn write(
    dir: &Path,
    files: Vec<crate::emit::OutputFile>,
    prepared: &crate::apply::PreparedBroker,
    items: &mut Vec<Item>,
    env: &Env,
) -> Result<()> {
    let mut transaction = Transaction::outside(dir)?;
    for file in files {
        let mode = if file.secret { prepared.secret_mode } else { 0o644 };
        items.push(item(&dir.join(&file.path), env));
        let output = OutputFile::public(file.path, file.bytes).with_mode(mode);
        transaction.put(output.owned_by(prepared.owner.clone()))?;
    }
    transaction.commit()
}

fn item(path: &Path, env: &Env) -> Item {
    Item { target: "rabbitmq".to_owned(), path: Some(ui::path(env.shown(path))), description: None }
}
