//! `certgen emit`

mod into;
mod out;
mod systemd;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply::{Change, PreparedBroker, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::emit::rabbitmq;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Broker;
use crate::profile::nearest;
use crate::ui;

/// The consumers whose configuration certgen writes, and what each is.
const TARGETS: [(&str, &str); 2] = [
    ("rabbitmq", "the broker: configuration, inter-node TLS, plugins, users"),
    ("systemd", "a timer that renews what is due, and its service"),
];

/// Write the configuration of a consumer
///
/// emit rabbitmq brings pki/rabbitmq/ up to date after certgen.toml was edited, writes it elsewhere with --out, or puts
/// it into an existing /etc/rabbitmq with --into. A file that somebody edited is left alone: the new text goes beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen emit rabbitmq\n  certgen emit rabbitmq --out broker\n  \
                        certgen emit rabbitmq --into /etc/rabbitmq --diff\n  \
                        certgen emit systemd --out /etc/systemd/system\n  certgen emit --list")]
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
    #[command(flatten)]
    unlock: Unlock,
}

/// What was written, or is there to be written.
#[derive(Debug, Serialize)]
struct Item {
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    /// With `--out -`: the file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

pub(crate) fn run(args: EmitArgs, env: &mut Env) -> Result<Answer> {
    if args.list {
        return list(env);
    }
    for target in &args.targets {
        known(target)?;
    }
    if args.targets.iter().any(|target| target == "systemd") {
        systemd::run(&args, env)?;
        if !args.targets.iter().any(|target| target == "rabbitmq") {
            return Ok(Answer::Yes);
        }
    }
    let shows = args.diff || args.out.as_deref() == Some(Path::new("-"));
    let (prepared, written) = match if shows { looked_at(&args, env)? } else { None } {
        Some(prepared) => (prepared, Vec::new()),
        None => refreshed(&args, env)?,
    };
    if let Some(dir) = &args.into {
        return into::merge(&env.cwd.join(dir), &prepared[0], &args, env);
    }
    let items = match args.out.as_deref() {
        Some(out) if out == Path::new("-") => return print("rabbitmq", &rabbitmq::emit(&prepared[0].facts)?, env),
        Some(out) => {
            let files = rabbitmq::emit(&prepared[0].facts)?;
            out::write(&env.cwd.join(out), "rabbitmq", files, Some(&prepared[0]), args.force, env)?
        }
        None => written.iter().map(|path| item("rabbitmq", path, env)).collect(),
    };
    tell(&items, env)
}

fn tell(items: &[Item], env: &mut Env) -> Result<Answer> {
    if env.json {
        ui::items(env, items)?;
    } else if items.is_empty() {
        env.say("nothing was written: everything is up to date");
    } else {
        for item in items {
            writeln!(env.out(), "wrote  {}", item.path.as_deref().unwrap_or_default())?;
        }
    }
    Ok(Answer::Yes)
}

/// The brokers' facts for output that only shows them: without lock, in a directory that cannot be written. `None` where a
/// password or a revocation list must be made first, because it would be lost.
fn looked_at(args: &EmitArgs, env: &mut Env) -> Result<Option<Vec<PreparedBroker>>> {
    let mut world = World::read(env)?;
    let brokers = chosen(&world, args.broker.as_deref(), true)?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    let prepared = brokers.iter().map(|broker| change.prepared(broker)).collect::<Result<_>>()?;
    Ok((change.done.passwords.is_empty() && change.done.lists.is_empty()).then_some(prepared))
}

/// Brings `pki/rabbitmq/` up to date first; also the files of it that were written.
fn refreshed(args: &EmitArgs, env: &mut Env) -> Result<(Vec<PreparedBroker>, Vec<PathBuf>)> {
    let (mut world, mut locked) = World::lock("emit", env)?;
    let brokers = chosen(&world, args.broker.as_deref(), args.out.is_some() || args.into.is_some())?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    // What is edited in another directory is no reason to replace what is edited here.
    change.force = args.force && args.out.is_none() && args.into.is_none();
    change.refresh_brokers()?;
    let prepared = brokers.iter().map(|broker| change.prepared(broker)).collect::<Result<_>>()?;
    let written: Vec<PathBuf> = change.files.iter().map(|file| file.path.clone()).collect();
    let done = change.commit(&mut locked)?;
    drop(locked);
    shared::warn_of_edited(&done.edited, env);
    for note in &done.notes {
        env.say(note);
    }
    Ok((prepared, written.iter().map(|path| world.store.path(path)).collect()))
}

fn list(env: &mut Env) -> Result<Answer> {
    let items: Vec<Item> = TARGETS
        .iter()
        .map(|(target, description)| Item {
            target: (*target).to_owned(),
            path: None,
            description: Some(description),
            text: None,
        })
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
fn print(target: &str, files: &[crate::emit::OutputFile], env: &mut Env) -> Result<Answer> {
    if env.json {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let items: Vec<Item> = files
            .iter()
            .map(|file| Item { path: Some(file.path.clone()), text: Some(text(&file.bytes)), ..Item::of(target) })
            .collect();
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    for file in files {
        writeln!(env.out(), "==> {} <==", file.path)?;
        env.out().write_all(&file.bytes)?;
        writeln!(env.out())?;
    }
    Ok(Answer::Yes)
}

impl Item {
    fn of(target: &str) -> Self {
        Self { target: target.to_owned(), path: None, description: None, text: None }
    }
}

fn item(target: &str, path: &Path, env: &Env) -> Item {
    Item { path: Some(ui::path(env.shown(path))), ..Item::of(target) }
}
