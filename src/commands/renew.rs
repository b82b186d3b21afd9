//! `certgen renew`

mod hook;
mod reload;
mod watch;

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{Change, Done, KeySource, Renewable, Renewal, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Entry;
use crate::plan;
use crate::profile::Role;
use crate::store::{Location, layout};
use crate::ui;
use crate::x509::Duration;

/// Renew certificates: the same identity, a new certificate and a new key
///
/// Names, key type, role and issuer stay as certgen.toml has them, and so does the directory, which may be mounted. A
/// certificate is due when a third of its lifetime is left. Where a key is elsewhere, its owner sends a request: those
/// are listed. An authority is not renewed but replaced by another. The replaced pair stays in history/, and its key is
/// erased there when its certificate has expired.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen renew client/celery_worker\n  certgen renew --due --hook 'systemctl reload nginx'\n  \
                        certgen renew --due --due-within 30d\n  certgen renew --all --reload rabbitmq\n  \
                        certgen renew --watch --reload rabbitmq --run"
)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(false).args(["names", "due", "all", "watch"]))]
pub(crate) struct RenewArgs {
    /// These, whether they are due or not
    #[arg(value_name = "NAME", add = shared::complete_names())]
    names: Vec<String>,
    /// All that are due
    #[arg(long)]
    due: bool,
    /// All of them
    #[arg(long)]
    all: bool,
    /// Stay, and renew what is due every hour; revocation lists too
    #[arg(long)]
    watch: bool,
    /// Due is what ends within DUR, instead of a third of its lifetime
    #[arg(long, value_name = "DUR", conflicts_with_all = ["names", "all"])]
    due_within: Option<Duration>,
    /// Keep the key; refused when it was compromised
    #[arg(long)]
    reuse_key: bool,
    /// Run CMD by /bin/sh for each identity that was renewed; it finds CERTGEN_NAME, CERTGEN_ROLE, CERTGEN_CERT,
    /// CERTGEN_KEY, CERTGEN_BUNDLE and CERTGEN_NOT_AFTER. If it fails, the next run tries it again
    #[arg(long, value_name = "CMD")]
    hook: Option<String>,
    /// Print what makes running brokers serve the new certificates at once
    #[arg(long, value_name = "rabbitmq", value_parser = ["rabbitmq"])]
    reload: Option<String>,
    /// Run what --reload would print
    #[arg(long, requires = "reload")]
    run: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// What happened to one identity.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    role: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What can be done about the error.
    #[serde(skip)]
    hints: Vec<String>,
}

/// So many hints say enough, however many were not renewed.
const HINTS: usize = 3;

pub(crate) fn run(args: &RenewArgs, env: &mut Env) -> Result<Answer> {
    if !args.watch {
        return pass(args, env);
    }
    if env.clock_is_set() {
        return Err(Error::usage("--watch looks at the clock again and again, and --at stops it"));
    }
    watch::forever(args, env)
}

/// One look at everything, and what follows from it.
fn pass(args: &RenewArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("renew", env)?;
    let mut items = Vec::new();
    let picked = pick(args, &world, &mut items, env)?;
    let mut vault = Vault::new(&args.unlock);
    let done = renew(args, picked, &mut world, &mut vault, &mut items, env)?.commit(&mut locked)?;
    drop(locked);
    tell(&done, &mut items, &world, env)?;
    if args.hook.is_none() {
        shared::tell_owed_hooks(&world, env);
    }
    let failed = items.iter().filter(|item| item.error.is_some()).count();
    let hooked = args.hook.as_deref().map_or(Ok(()), |command| hook::run(command, &world.store, env));
    let reloaded = match &args.reload {
        Some(_) => reload::brokers(&done, &world.manifest, args.run, env),
        None => Ok(()),
    };
    hooked.and(reloaded)?;
    match failed {
        0 => Ok(Answer::Yes),
        n => {
            let hints: BTreeSet<&String> = items.iter().flat_map(|item| &item.hints).collect();
            let error = Error::failed(format!("{n} of {} were not renewed", n + done.issued.len()));
            Err(hints.into_iter().take(HINTS).fold(error, |error, hint| error.hint(hint)))
        }
    }
}

/// A key that was written to another place is there alone; one that never was here is its owner's.
fn elsewhere(world: &World, role: Role, name: &str) -> Error {
    let location = world.inventory.current(role.as_str(), name).map(|issued| issued.location);
    let why = |why| Error::failed(format!("{role} {} was not renewed: its key is not here, {why}", ui::quote(name)));
    let shown = ui::shell(name);
    match location {
        Some(Location::Out | Location::Archive) => why("it was written to another place").hint(format!(
            "for a new key and certificate there: certgen issue {role} {shown} --force --out DIR; of a list, with --from"
        )),
        _ => why("its owner sends a request")
            .hint(format!("with the request: certgen issue {role} {shown} --csr FILE --force")),
    }
}

/// What is to be renewed. What cannot be is noted in `items`, or refused where it was asked for by name.
fn pick(args: &RenewArgs, world: &World, items: &mut Vec<Item>, env: &Env) -> Result<Vec<Renewal>> {
    if !args.names.is_empty() {
        return args.names.iter().map(|name| by_name(name, world, env)).collect();
    }
    let within = args.due_within.map(time::Duration::from);
    let mut picked = Vec::new();
    for (role, name, _) in world.identities() {
        let validity = world.validity_of(role, &name)?;
        if !args.all && validity.is_none_or(|validity| env.now < plan::due_within(validity, within)) {
            continue;
        }
        let not_after = validity.map(|validity| validity.not_after);
        match world.renewable(role, &name, env) {
            Ok(Renewable::Here(renewal)) => picked.push(*renewal),
            Ok(Renewable::Elsewhere) => items.push(Item { not_after, ..Item::of("elsewhere", role, &name) }),
            Ok(Renewable::Revoked) => items.push(Item { not_after, ..Item::of("revoked", role, &name) }),
            Err(e) => items.push(Item { not_after, ..Item::failed(&e, role, &name) }),
        }
    }
    Ok(picked)
}

fn by_name(text: &str, world: &World, env: &Env) -> Result<Renewal> {
    let (role, name) = shared::split_role(text);
    let is_authority = world.authority(name).is_some();
    if role == Some("authority") || (is_authority && shared::identity(world, text).is_err()) {
        return Err(Error::failed(format!(
            "authority {} is not renewed: everybody who trusts it must learn of its successor first",
            ui::quote(name)
        ))
        .hint(format!("put another in its place: {}", world.how_to_replace(name, env))));
    }
    if world.knows_external(name) && (role == Some(layout::EXTERNAL) || shared::identity(world, text).is_err()) {
        return Err(Error::failed(format!("external/{} was not renewed: somebody else renews it", ui::plain(name)))
            .hint(format!(
                "once they have, take the pair in again: certgen import --external {} --certificate F --key F",
                ui::shell(name)
            )));
    }
    let (role, name) = shared::identity(world, text)?;
    match world.renewable(role, &name, env)? {
        Renewable::Here(renewal) => Ok(*renewal),
        Renewable::Elsewhere => Err(elsewhere(world, role, &name)),
        Renewable::Revoked => {
            let accepted = world.entry(role, &name).and_then(|entry| world.accepts_revoked(&entry, env));
            let again = format!("if it shall come back after all: certgen issue {role} {} --force", ui::shell(&name));
            let error =
                Error::failed(format!("{role} {} was not renewed: its certificate was revoked", ui::quote(&name)));
            Err(match accepted {
                None => error.hint(again),
                Some(accepted) => error
                    .hint(format!("take another name: certgen issue {role} NEWNAME --like {}", ui::shell(&name)))
                    .hint(format!("{again}; but {accepted}")),
            })
        }
    }
}

/// Issues each. What fails by itself must not keep the others from being renewed, unless it was asked for by name.
fn renew<'a>(
    args: &RenewArgs,
    picked: Vec<Renewal>,
    world: &'a mut World,
    vault: &'a mut Vault,
    items: &mut Vec<Item>,
    env: &'a Env,
) -> Result<Change<'a>> {
    let mut change = Change::new(world, vault, env);
    change.awaits_hook = args.hook.is_some();
    change.erase_expired_keys()?;
    if picked.is_empty() {
        return Ok(change);
    }
    let mut failed = |entry: &Entry, e: Error| match args.names.is_empty() {
        true => {
            items.push(Item::failed(&e, entry.role, &entry.name));
            Ok(())
        }
        false => Err(e),
    };
    let mut orders = Vec::new();
    for renewal in picked {
        let entry = &renewal.entry;
        let key = match args.reuse_key {
            true => change.world.reusable_key(entry).map(|key| KeySource::Reuse(Box::new(key))),
            false => Ok(KeySource::Generate(entry.key_type)),
        };
        match key {
            Ok(key) => orders.push(renewal.order(key)),
            Err(e) => failed(entry, e)?,
        }
    }
    let trust = change.trust()?;
    change.issue(orders, &trust, failed)?;
    if !change.done.issued.is_empty() {
        change.refresh(&trust)?;
    }
    Ok(change)
}

/// Facts on standard output; what somebody else must do on standard error.
fn tell(done: &Done, items: &mut Vec<Item>, world: &World, env: &mut Env) -> Result<()> {
    for written in &done.issued {
        items.push(Item {
            action: "renewed",
            role: written.role.to_owned(),
            name: written.name.clone(),
            issuer: Some(written.issuer.clone()),
            serial_number: Some(written.certificate.serial().to_string()),
            not_after: Some(written.certificate.validity().not_after),
            path: Some(ui::path(env.shown(&written.directory))),
            error: None,
            hints: Vec::new(),
        });
    }
    if !done.issued.is_empty() {
        shared::tell_clock(env);
    }
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    if env.json {
        return ui::items(env, items);
    }
    for item in items.iter().filter(|item| item.action == "renewed") {
        let until = item.not_after.map_or_else(String::new, |t| ui::date(t)[..10].to_owned());
        let path = item.path.as_deref().unwrap_or_default();
        writeln!(env.out(), "renewed   {}/{}  until {until}  {path}", item.role, ui::plain(&item.name))?;
    }
    if !done.issued.is_empty() {
        env.say(
            "they serve where their directories are mounted; elsewhere they have to be copied, for instance by --hook",
        );
    }
    for item in items.iter() {
        if let Some(error) = &item.error {
            env.warn(format!("{}/{}: {error}", item.role, ui::plain(&item.name)));
        }
    }
    let of = |action: &str| items.iter().filter(|item| item.action == action).collect::<Vec<_>>();
    if items.is_empty() {
        env.say(nothing_due(world, env)?);
    }

    for (action, heading) in [("elsewhere", "to be renewed where its key is:"), ("revoked", "revoked, so not renewed:")]
    {
        let items = of(action);
        if !items.is_empty() {
            env.say(heading);
        }
        for item in items {
            let until = item.not_after.map_or_else(String::new, |t| format!("  until {}", &ui::date(t)[..10]));
            env.say(format!("  {}/{}{until}", item.role, ui::plain(&item.name)));
        }
    }
    Ok(())
}

/// Nothing is due; when something will be.
fn nothing_due(world: &World, env: &Env) -> Result<String> {
    let mut next: Option<(OffsetDateTime, Role, String)> = None;
    for (role, name, _) in world.identities() {
        let Some(validity) = world.validity_of(role, &name)? else { continue };
        let due = plan::due_at(validity);
        if due > env.now && next.as_ref().is_none_or(|(first, ..)| due < *first) {
            next = Some((due, role, name));
        }
    }
    Ok(match next {
        Some((due, role, name)) => {
            let next = ui::plain(&format!("{role}/{name}"));
            format!("nothing is due; the first to be is {next}, on {}", &ui::date(due)[..10])
        }
        None => "nothing is due".to_owned(),
    })
}

impl Item {
    fn of(action: &'static str, role: Role, name: &str) -> Self {
        Self {
            action,
            role: role.to_string(),
            name: name.to_owned(),
            issuer: None,
            serial_number: None,
            not_after: None,
            path: None,
            error: None,
            hints: Vec::new(),
        }
    }

    fn failed(error: &Error, role: Role, name: &str) -> Self {
        Self { error: Some(error.to_string()), hints: error.hints().to_vec(), ..Self::of("failed", role, name) }
    }
}
