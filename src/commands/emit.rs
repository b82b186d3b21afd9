//! `certgen emit`

mod into;
mod migration;
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

pub(super) use migration::standing;
use migration::{Step, Taken};

/// The consumers whose configuration certgen writes, and what each is.
const TARGETS: [(&str, &str); 2] = [
    ("rabbitmq", "the broker: configuration, inter-node TLS, plugins, users"),
    ("systemd", "a timer that renews what is due, and its service"),
];

/// Write the configuration of a consumer
///
/// emit rabbitmq brings pki/rabbitmq/ up to date after certgen.toml was edited, writes it elsewhere with --out, or puts
/// it into an existing /etc/rabbitmq with --into. A file that somebody edited is left alone: the new text goes beside it.
///
/// With --migration the clients of a broker that talks plain move to TLS, while they work. Phase 1 opens TLS beside plain;
/// phase 2 names who still comes by plain or by password, and exits with 3 while somebody does; phase 3 closes plain. The
/// users that the broker has keep their passwords. Phase 2 reads from standard input what this prints: rabbitmqctl
/// list_connections user peer_host ssl auth_mechanism protocol client_properties --formatter json.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen emit rabbitmq\n  certgen emit rabbitmq --out broker\n  \
                        certgen emit rabbitmq --into /etc/rabbitmq --diff\n  \
                        certgen emit rabbitmq --migration 1 --users users.json\n  \
                        certgen emit rabbitmq --migration 2 < connections.json\n  \
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
    /// Replace files that were edited by hand; with --migration 3, close plain on clients that still need it
    #[arg(long)]
    force: bool,
    /// From plain to TLS: 1 opens TLS beside plain, 2 names who still comes by plain or password, 3 closes plain
    #[arg(long, value_name = "PHASE", value_parser = clap::value_parser!(u8).range(1..=3))]
    migration: Option<u8>,
    /// With --migration 1 or 3: the users that the broker has, from rabbitmqctl list_users --formatter json
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath, requires = "migration")]
    users: Option<PathBuf>,
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
    let step = match args.migration {
        Some(phase) => {
            migration::check(&args, phase)?;
            if phase == 2 {
                return migration::look(&args, env);
            }
            Some(migration::Step::new(&args, phase, env)?)
        }
        None => None,
    };
    if args.targets.iter().any(|target| target == "systemd") {
        systemd::run(&args, env)?;
        if !args.targets.iter().any(|target| target == "rabbitmq") {
            return Ok(Answer::Yes);
        }
    }
    let shows = args.diff || args.out.as_deref() == Some(Path::new("-"));
    let mut looked =
        if shows || step.is_some() && args.into.is_some() { looked_at(&args, step.as_ref(), env)? } else { None };
    if shows && looked.is_none() {
        // Whatever must be made first; what is only shown is no step.
        refreshed(&args, None, env)?;
        looked = looked_at(&args, step.as_ref(), env)?;
    }
    // A step that cannot be carried out there is not made here.
    if let (Some(dir), Some(prepared), false) = (&args.into, &looked, shows) {
        into::check(&env.cwd.join(dir), &prepared[0], env)?;
    }
    let done = match looked.filter(|_| shows) {
        Some(prepared) => Refreshed { prepared, written: Vec::new(), taken: None },
        None => refreshed(&args, step, env)?,
    };
    let prepared = &done.prepared[0];
    if let Some(dir) = &args.into {
        into::merge(&env.cwd.join(dir), prepared, &args, env)?;
    } else {
        let items = match args.out.as_deref() {
            Some(out) if out == Path::new("-") => return print("rabbitmq", &rabbitmq::emit(&prepared.facts)?, env),
            Some(out) => {
                let files = rabbitmq::emit(&prepared.facts)?;
                out::write(&env.cwd.join(out), "rabbitmq", files, Some(prepared), args.force, env)?
            }
            None => done.written.iter().map(|path| item("rabbitmq", path, env)).collect(),
        };
        tell(&items, env)?;
    }
    if let Some(taken) = done.taken {
        taken.tell(&args, env)?;
    }
    Ok(Answer::Yes)
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
fn looked_at(args: &EmitArgs, step: Option<&Step>, env: &mut Env) -> Result<Option<Vec<PreparedBroker>>> {
    let mut world = World::read(env)?;
    let mut brokers = chosen(&world, args.broker.as_deref(), true)?;
    if let Some(step) = step {
        step.take(&mut world, &brokers[0])?;
        brokers = chosen(&world, args.broker.as_deref(), true)?;
    }
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    let prepared = brokers.iter().map(|broker| change.prepared(broker)).collect::<Result<_>>()?;
    Ok((change.done.passwords.is_empty() && change.done.lists.is_empty()).then_some(prepared))
}

/// What [`refreshed`] did.
struct Refreshed {
    prepared: Vec<PreparedBroker>,
    /// The files of `pki/rabbitmq/` that were written.
    written: Vec<PathBuf>,
    /// The step of a migration that was made with it.
    taken: Option<Taken>,
}

/// Brings `pki/rabbitmq/` up to date, with a step of a migration where one is asked for.
fn refreshed(args: &EmitArgs, step: Option<Step>, env: &mut Env) -> Result<Refreshed> {
    let (mut world, mut locked) = World::lock("emit", env)?;
    let one_only = args.out.is_some() || args.into.is_some() || step.is_some();
    let mut brokers = chosen(&world, args.broker.as_deref(), one_only)?;
    let taken = step.map(|step| step.take(&mut world, &brokers[0])).transpose()?;
    if taken.is_some() {
        brokers = chosen(&world, args.broker.as_deref(), one_only)?;
    }
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    // What is edited in another directory is no reason to replace what is edited here.
    change.force = args.force && args.out.is_none() && args.into.is_none();
    change.refresh_brokers()?;
    let prepared = brokers.iter().map(|broker| change.prepared(broker)).collect::<Result<_>>()?;
    if let Some(text) = taken.as_ref().and_then(|taken| taken.manifest.clone()) {
        change.manifest(text);
    }
    let written: Vec<PathBuf> = change.files.iter().map(|file| file.path.clone()).collect();
    let done = change.commit(&mut locked)?;
    drop(locked);
    shared::warn_of_edited(&done.edited, env);
    for note in &done.notes {
        env.say(note);
    }
    let written = written.iter().map(|path| world.store.path(path)).collect();
    Ok(Refreshed { prepared, written, taken })
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
