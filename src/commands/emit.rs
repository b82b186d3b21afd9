//! `certgen emit`

mod into;
mod migration;
mod out;
mod targets;

use std::path::{Path, PathBuf};

use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use crate::apply::{Change, Emitted, PreparedBroker, Unlock, Vault, World, target_of};
use crate::commands::{Answer, shared};
use crate::emit::{OutputFile, RABBITMQ, Target, no_broker, rabbitmq};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Broker, Consumer};
use crate::ui;

pub(super) use migration::standing;
use migration::{Step, Taken};
pub(super) use targets::{complete as complete_targets, has_setting};

/// Write the configuration of a consumer
///
/// Every system around the broker gets its files from the same facts, in pki/emit/TARGET/, with --out elsewhere. Targets
/// for clients write a directory for each client that they suit, or for those that --for names. What emit lists in
/// certgen.toml is brought up to date by every command that changes its facts. emit rabbitmq brings pki/rabbitmq/ up to
/// date after certgen.toml was edited, or with --into puts it into an existing /etc/rabbitmq. A file that somebody edited
/// is left alone: the new text goes beside it.
///
/// With --migration the clients of a broker that talks plain move to TLS, while they work. Phase 1 opens TLS beside plain;
/// phase 2 names who still comes by plain or by password, and exits with 3 while somebody does; phase 3 closes plain. The
/// users that the broker has keep their passwords. Phase 2 reads from standard input what this prints: rabbitmqctl
/// list_connections user peer_host ssl auth_mechanism protocol client_properties --formatter json.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen emit --list\n  certgen emit rabbitmq\n  certgen emit rabbitmq --out broker\n  \
                        certgen emit rabbitmq --into /etc/rabbitmq --diff\n  \
                        certgen emit rabbitmq --migration 1 --users users.json\n  \
                        certgen emit rabbitmq --migration 2 < connections.json\n  \
                        certgen emit celery --for celery_worker --set certs=/etc/celery/certs\n  \
                        certgen emit pika openssl --out clients\n  \
                        certgen emit systemd --out /etc/systemd/system"
)]
pub(crate) struct EmitArgs {
    /// The consumers
    #[arg(value_name = "TARGET", required_unless_present = "list", add = ArgValueCompleter::new(targets::complete))]
    targets: Vec<String>,
    /// List the targets, or what can be set for those that are named
    #[arg(long)]
    list: bool,
    /// Only this client (repeatable)
    #[arg(long = "for", value_name = "NAME", add = shared::complete_clients())]
    clients: Vec<String>,
    /// Set what the target does not know or should see otherwise (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", add = ArgValueCompleter::new(targets::complete_settings))]
    settings: Vec<String>,
    /// Write private keys into the files too, where the target takes them
    #[arg(long)]
    with_keys: bool,
    /// Write into DIR instead, or to standard output with -; several targets get a directory each
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
    /// With `--out -`: the file itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// One target for another place than the PKI.
struct Output {
    target: String,
    files: Vec<OutputFile>,
    /// The broker, of the target `rabbitmq`.
    broker: Option<PreparedBroker>,
    next: Vec<String>,
}

pub(crate) fn run(args: EmitArgs, env: &mut Env) -> Result<Answer> {
    if args.list {
        return targets::list(&args.targets, env);
    }
    let wanted = wanted(&args)?;
    let step = match args.migration {
        Some(phase) => {
            migration::check(&args, phase)?;
            if phase == 2 {
                return migration::look(&args, env);
            }
            Some(Step::new(&args, phase, env)?)
        }
        None => None,
    };
    if args.out.is_none() && args.into.is_none() {
        return refresh(&args, wanted, step.as_ref(), env);
    }
    let (outputs, taken) = elsewhere(&args, &wanted, step.as_ref(), env)?;
    if let Some(dir) = &args.into {
        into::merge(&env.cwd.join(dir), broker_of(&outputs), &args, env)?;
    } else {
        write(&args, outputs, env)?;
    }
    taken.map_or(Ok(()), |taken| taken.tell(&args, env)).map(|()| Answer::Yes)
}

/// What goes to another place than the PKI.
fn elsewhere(
    args: &EmitArgs,
    wanted: &[Consumer],
    step: Option<&Step>,
    env: &mut Env,
) -> Result<(Vec<Output>, Option<Taken>)> {
    let shows = args.diff || args.out.as_deref() == Some(Path::new("-"));
    if shows {
        if let Some(outputs) = looked_at(args, wanted, step, env)? {
            return Ok((outputs, None));
        }
        // Whatever must be made first is made; what is only shown is no step.
        let (outputs, _) = refreshed(args, wanted, None, env)?;
        return Ok((looked_at(args, wanted, step, env)?.unwrap_or(outputs), None));
    }
    // A broker's directory that is written to elsewhere follows the one here.
    if !wants_broker(args) {
        return match looked_at(args, wanted, step, env)? {
            Some(outputs) => Ok((outputs, None)),
            None => refreshed(args, wanted, step, env),
        };
    }
    // A step that cannot be carried out there is not made here.
    if let (Some(dir), Some(_)) = (&args.into, step)
        && let Some(outputs) = looked_at(args, wanted, step, env)?
    {
        into::check(&env.cwd.join(dir), broker_of(&outputs), env)?;
    }
    refreshed(args, wanted, step, env)
}

/// Writes to `--out`, or shows.
fn write(args: &EmitArgs, outputs: Vec<Output>, env: &mut Env) -> Result<()> {
    let Some(out) = args.out.as_deref().filter(|out| *out != Path::new("-")) else { return print(&outputs, env) };
    let (mut items, mut lines) = (Vec::new(), Vec::new());
    for Output { target, files, broker, next } in outputs {
        let dir = env.cwd.join(out);
        let dir = if args.targets.len() > 1 { dir.join(&target) } else { dir };
        items.extend(out::write(&dir, &target, files, broker.as_ref(), args.force, env)?);
        lines.extend(next);
    }
    tell(&items, env)?;
    lines.into_iter().for_each(|line| env.say(line));
    Ok(())
}

fn broker_of(outputs: &[Output]) -> &PreparedBroker {
    outputs.iter().find_map(|output| output.broker.as_ref()).expect("--into is for rabbitmq alone")
}

/// The consumers other than the broker, checked before anything is read.
fn wanted(args: &EmitArgs) -> Result<Vec<Consumer>> {
    let mut wanted: Vec<Consumer> = Vec::new();
    let settings = args.settings.iter().map(|text| Consumer::setting(text).map_err(Error::usage));
    let settings: Vec<(String, String)> = settings.collect::<Result<_>>()?;
    for name in args.targets.iter().filter(|name| *name != RABBITMQ.0) {
        let target = Target::find(name)?;
        if wanted.iter().any(|known| known.target == *name) {
            return Err(Error::usage(format!("{name} is named twice")));
        }
        // With several targets a setting is for those that have it.
        let has = |key: &str| target.settings.iter().any(|setting| setting.key == key);
        let elsewhere = |key: &str| args.targets.iter().any(|other| targets::has_setting(other, key));
        wanted.push(Consumer {
            target: name.clone(),
            clients: args.clients.clone(),
            broker: args.broker.clone(),
            settings: settings.iter().filter(|(key, _)| has(key) || !elsewhere(key)).cloned().collect(),
            with_keys: args.with_keys,
        });
    }
    wanted.iter().try_for_each(|consumer| Target::find(&consumer.target)?.check(consumer).map(drop))?;
    let about_consumers = !args.clients.is_empty() || !args.settings.is_empty() || args.with_keys;
    if wanted.is_empty() && about_consumers {
        return Err(Error::usage("--for, --set and --with-keys are not for rabbitmq")
            .hint("its files follow from [broker] and the clients in certgen.toml"));
    }
    if args.into.is_some() && !wanted.is_empty() {
        return Err(
            Error::usage("--into is for rabbitmq alone").hint(format!("certgen emit {} --out DIR", wanted[0].target))
        );
    }
    Ok(wanted)
}

fn wants_broker(args: &EmitArgs) -> bool {
    args.targets.iter().any(|target| target == RABBITMQ.0)
}

fn tell(items: &[Item], env: &mut Env) -> Result<()> {
    if env.json {
        ui::items(env, items)?;
    } else if items.is_empty() {
        env.say("nothing was written: everything is up to date");
    } else {
        for item in items {
            writeln!(env.out(), "wrote  {}", item.path.as_deref().unwrap_or_default())?;
        }
    }
    Ok(())
}

/// Brings `pki/rabbitmq/` and `pki/emit/` up to date, with a step of a migration where one is asked for.
fn refresh(args: &EmitArgs, wanted: Vec<Consumer>, step: Option<&Step>, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("emit", env)?;
    if wants_broker(args) {
        chosen(&world, args.broker.as_deref(), false)?;
    }
    let taken = take(step, args, &mut world)?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    if args.force {
        change.forced.extend(args.targets.iter().cloned());
    }
    change.consumers = wanted;
    change.refresh_brokers()?;
    if let Some(text) = taken.as_ref().and_then(|taken| taken.manifest.clone()) {
        change.manifest(text);
    }
    let written: Vec<PathBuf> = change.files.iter().map(|file| file.path.clone()).collect();
    let done = change.commit(&mut locked)?;
    drop(locked);
    let items: Vec<Item> = written.iter().map(|path| item(target_of(path), &world.store.path(path), env)).collect();
    tell(&items, env)?;
    shared::warn_of_edited(&done.edited, env);
    for note in &done.notes {
        env.say(note);
    }
    taken.map_or(Ok(()), |taken| taken.tell(args, env)).map(|()| Answer::Yes)
}

/// Makes the step in the manifest of `world`, which is written with what follows from it.
fn take(step: Option<&Step>, args: &EmitArgs, world: &mut World) -> Result<Option<Taken>> {
    let Some(step) = step else { return Ok(None) };
    let broker = chosen(world, args.broker.as_deref(), true)?.remove(0);
    step.take(world, &broker).map(Some)
}

/// The files as they would be, for output elsewhere: without lock, in a directory that cannot be written. `None` where a
/// password or a revocation list must be made first, because it would be lost.
fn looked_at(args: &EmitArgs, wanted: &[Consumer], step: Option<&Step>, env: &mut Env) -> Result<Option<Vec<Output>>> {
    let mut world = World::read(env)?;
    take(step, args, &mut world)?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    let outputs = outputs(&mut change, args, wanted)?;
    Ok((change.done.passwords.is_empty() && change.done.lists.is_empty()).then_some(outputs))
}

/// Brings `pki/rabbitmq/` up to date first, with a step of a migration where one is asked for.
fn refreshed(
    args: &EmitArgs,
    wanted: &[Consumer],
    step: Option<&Step>,
    env: &mut Env,
) -> Result<(Vec<Output>, Option<Taken>)> {
    let (mut world, mut locked) = World::lock("emit", env)?;
    let taken = take(step, args, &mut world)?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    // What is edited in another directory is no reason to replace what is edited here.
    change.refresh_brokers()?;
    let outputs = outputs(&mut change, args, wanted)?;
    if let Some(text) = taken.as_ref().and_then(|taken| taken.manifest.clone()) {
        change.manifest(text);
    }
    let done = change.commit(&mut locked)?;
    drop(locked);
    shared::warn_of_edited(&done.edited, env);
    for note in &done.notes {
        env.say(note);
    }
    Ok((outputs, taken))
}

fn outputs(change: &mut Change<'_>, args: &EmitArgs, wanted: &[Consumer]) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    if wants_broker(args) {
        let broker = chosen(change.world, args.broker.as_deref(), true)?.remove(0);
        let prepared = change.prepared(&broker)?;
        let files = rabbitmq::emit(&prepared.facts)?;
        outputs.push(Output { target: RABBITMQ.0.to_owned(), files, broker: Some(prepared), next: Vec::new() });
    }
    let brokers = match wanted {
        [] => Vec::new(),
        _ => change.world.manifest.brokers().to_vec(),
    };
    let facts: Vec<_> = brokers.iter().map(|b| change.prepared(b).map(|p| p.facts)).collect::<Result<_>>()?;
    for consumer in wanted {
        let Emitted { mut files, next } = change.consumer(facts.clone(), consumer)?;
        // The only client or broker that was asked for needs no directory of its own.
        let is_for_clients = Target::find(&consumer.target)?.is_for_clients();
        let above = usize::from(consumer.broker.is_some() && brokers.len() > 1)
            + usize::from(is_for_clients && consumer.clients.len() == 1);
        // Several targets find one another as in `emit/`.
        if args.targets.len() == 1 {
            for file in &mut files {
                file.path = file.path.splitn(above + 1, '/').last().unwrap_or_default().to_owned();
            }
        }
        outputs.push(Output { target: consumer.target.clone(), files, broker: None, next });
    }
    Ok(outputs)
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
        None if all.is_empty() => chosen(world, None, one_only),
        None => Err(no_broker(named, all.iter().filter_map(|broker| broker.name.as_deref()))),
    }
}

/// Files for people and pipes: a single one as it is, several each behind a line that names it.
fn print(outputs: &[Output], env: &mut Env) -> Result<()> {
    let files = || outputs.iter().flat_map(|output| output.files.iter().map(|file| (&output.target, file)));
    if env.json {
        let text = |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned());
        let items: Vec<Item> = files()
            .map(|(target, f)| Item { target: target.clone(), path: Some(f.path.clone()), text: text(&f.bytes) })
            .collect();
        return ui::items(env, &items);
    }
    let single = files().count() == 1;
    for (_, file) in files() {
        if single {
            env.out().write_all(&file.bytes)?;
        } else {
            writeln!(env.out(), "==> {} <==", file.path)?;
            env.out().write_all(&file.bytes)?;
            writeln!(env.out())?;
        }
    }
    Ok(())
}

fn item(target: &str, path: &Path, env: &Env) -> Item {
    Item { target: target.to_owned(), path: Some(ui::path(env.shown(path))), text: None }
}
