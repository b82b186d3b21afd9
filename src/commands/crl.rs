//! `certgen crl`

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{AuthorityState, Change, Done, Unlock, Vault, World, WrittenList};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::plan;
use crate::store::layout::{self, Generation};
use crate::store::{OutputFile, Transaction};
use crate::ui;

/// Write revocation lists again, before they lapse
///
/// A list lives 30 days, and a broker that checks it refuses everybody once it has lapsed. Without names, this writes the
/// list of every authority that has revoked something, publishes its list, or is checked by a broker; with --due, only of
/// those with a third of their time left or less, and of those that have none. Certificates that expired leave the list, and
/// their keys leave history/. The broker's copies in rabbitmq/crls/ follow. Run `certgen crl --due` every day and copy crls/ to the broker's hosts.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen crl\n  certgen crl --due\n  certgen crl root --out root.crl --der")]
pub(crate) struct CrlArgs {
    /// The authorities
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authorities: Vec<String>,
    /// Only lists that are due
    #[arg(long)]
    due: bool,
    /// Write the list to FILE too, or to standard output with -
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// DER instead of PEM in FILE (one authority)
    #[arg(long, requires = "out")]
    der: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// A list that was written.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    authority: String,
    number: Option<String>,
    entries: usize,
    #[serde(with = "time::serde::rfc3339")]
    this_update: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    next_update: Option<OffsetDateTime>,
    path: String,
}

pub(crate) fn run(args: CrlArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("crl", env)?;
    let names = chosen(&args, &world, env)?;
    if args.der && names.len() > 1 {
        return Err(Error::usage(format!("--der: a DER file holds one list, and there are {}", names.len()))
            .hint("name one authority"));
    }
    let mut vault = Vault::new(&args.unlock);
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        change.erase_expired_keys()?;
        names.iter().try_for_each(|ca| change.write_revocation_list(ca).map(drop))?;
        if !names.is_empty() {
            change.refresh_configuration()?;
        }
        change.commit(&mut locked)?
    };
    drop(locked);
    if names.is_empty() {
        return nothing(&args, &done, env);
    }
    if let Some(out) = &args.out {
        deliver(out, &done.lists, args.der, env)?;
    }
    let items: Vec<Item> = done.lists.iter().map(|list| item(list, env)).collect();
    if env.json && args.out.as_deref() != Some(Path::new("-")) {
        ui::items(env, &items)?;
    } else if args.out.as_deref() != Some(Path::new("-")) {
        for item in &items {
            let entries = if item.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", item.entries) };
            let until = item.next_update.map_or_else(String::new, |end| ui::date(end)[..10].to_owned());
            let what = ui::plain(&format!("authority/{}", item.authority));
            writeln!(env.out(), "wrote     {what}  {entries}  until {until}  {}", item.path)?;
        }
    }
    shared::tell_clock(env);
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    for line in copies(&world, env) {
        env.say(line);
    }
    Ok(Answer::Yes)
}

/// Writes the lists that are due and says nothing where none is: for a command that looks again and again.
pub(crate) fn refresh_due(unlock: &Unlock, env: &mut Env) -> Result<()> {
    let args = CrlArgs { authorities: Vec::new(), due: true, out: None, der: false, unlock: unlock.clone() };
    let world = World::read(env)?;
    if !chosen(&args, &world, env)?.is_empty() {
        run(args, env)?;
    }
    Ok(())
}

/// The authorities that are named or have a list; those without a key here only if they are named. One that is rotated has
/// two lists.
fn chosen(args: &CrlArgs, world: &World, env: &mut Env) -> Result<Vec<(String, Generation)>> {
    let listed = world.listed_authorities()?;
    let mut chosen: Vec<(String, Generation)> = Vec::new();
    for name in &args.authorities {
        let (role, bare) = shared::split_role(name);
        let name = if role == Some(layout::AUTHORITY) { bare } else { name.as_str() };
        world.authority_certificate(name)?;
        let others = listed.iter().filter(|(other, generation)| other == name && *generation != Generation::Present);
        for ca in std::iter::once((name.to_owned(), Generation::Present)).chain(others.cloned()) {
            if !chosen.contains(&ca) {
                chosen.push(ca);
            }
        }
    }
    if args.authorities.is_empty() {
        for ca in listed {
            if world.authority_state(&ca) == AuthorityState::Elsewhere {
                env.warn(format!(
                    "the key of authority {} is not here: run certgen crl where it is, and certgen import crl.pem here",
                    ui::quote(&ca.0)
                ));
            } else {
                chosen.push(ca);
            }
        }
    }
    if args.due {
        let mut due = Vec::new();
        for ca in chosen {
            let list = world.revocation_list_of(&ca)?;
            if list.is_none_or(|list| plan::list_is_due(list.this_update(), list.next_update(), env.now)) {
                due.push(ca);
            }
        }
        chosen = due;
    }
    Ok(chosen)
}

fn nothing(args: &CrlArgs, done: &Done, env: &mut Env) -> Result<Answer> {
    env.say(if args.due { "no revocation list is due" } else { "no authority has a revocation list" });
    for note in &done.notes {
        env.say(note);
    }
    if env.json {
        ui::items::<Item>(env, &[])?;
    }
    Ok(Answer::Yes)
}

/// The same lists where somebody wants them: PEM one after the other, or one in DER.
fn deliver(out: &Path, lists: &[WrittenList], der: bool, env: &mut Env) -> Result<()> {
    let bytes: Vec<u8> = match lists {
        [only] if der => only.crl.der().to_vec(),
        lists => lists.iter().map(|list| list.crl.pem()).collect::<String>().into_bytes(),
    };
    if out == Path::new("-") {
        env.out().write_all(&bytes)?;
        return Ok(());
    }
    let file = env.cwd.join(out);
    let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(Error::usage(format!("--out {}: that is no file", ui::path(out))));
    };
    let mut transaction = Transaction::outside(directory)?;
    transaction.put(OutputFile::public(name, bytes))?;
    transaction.commit()
}

/// Where the broker's copies go.
fn copies(world: &World, env: &Env) -> Vec<String> {
    let checking = world.manifest.brokers().iter().filter(|broker| broker.revocation);
    checking
        .filter_map(|broker| {
            let dir = layout::rabbitmq_dir(broker.name.as_deref()).ok()?.join("crls");
            let from = ui::path(env.shown(&world.store.path(dir)));
            Some(format!("next: {from}/ goes to {}/crls on the broker's hosts; it needs no restart", broker.config_dir))
        })
        .collect()
}

fn item(list: &WrittenList, env: &Env) -> Item {
    Item {
        action: "wrote",
        authority: list.authority.clone(),
        number: list.crl.number().map(|number| number.to_string()),
        entries: list.crl.len(),
        this_update: list.crl.this_update(),
        next_update: list.crl.next_update(),
        path: ui::path(env.shown(&list.path)),
    }
}
