//! `certgen list`

mod merge;

use std::path::PathBuf;

use serde::Serialize;

use crate::apply::World;
use crate::commands::Answer;
use crate::commands::shared::{self, Words};
use crate::env::Env;
use crate::error::Result;
use crate::store::{EntryHistory, Inventory, Location, layout};
use crate::ui::{self, Table};

/// List the authorities and identities in the inventory
///
/// One line for each certificate in use. `certgen log` tells the history.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen list\n  certgen list client --limit 20\n  certgen list --merge berlin/pki tokyo/pki\n  certgen list --json | jq -r '.items[].name'"
)]
pub(crate) struct ListArgs {
    /// Only these: a role (authority, server, node, client), NAME or ROLE/NAME
    #[arg(value_name = "ROLE|NAME", add = shared::complete_all_names())]
    what: Vec<String>,
    /// At most N
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// List the PKIs in these directories as one, instead of this one: sites of a fleet, or copies that went apart
    #[arg(long, value_name = "DIR", num_args = 1.., value_hint = clap::ValueHint::DirPath)]
    merge: Vec<PathBuf>,
}

/// One certificate in use: what the table shows and what `--json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    role: String,
    name: String,
    issuer: String,
    state: &'static str,
    serial_number: String,
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<time::OffsetDateTime>,
    key_type: Option<String>,
    key: &'static str,
    managed: bool,
    subject_alt_names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

pub(crate) fn run(args: &ListArgs, env: &mut Env) -> Result<Answer> {
    if !args.merge.is_empty() {
        let inventory = merge::read(&args.merge, env)?;
        let words = Words::of(&args.what, &inventory)?;
        let place = Place { root: None, now: env.now };
        let authorities = inventory
            .authorities()
            .iter()
            .map(|(name, history)| ((layout::AUTHORITY.to_owned(), name.clone()), history.clone()));
        let all = authorities.chain(inventory.entries()).filter(|((role, name), _)| words.mean(role, name));
        let items = all.filter_map(|((role, name), history)| entry_item(&inventory, role, name, &history, &place));
        print(args, items, &inventory, env)?;
        return Ok(Answer::Yes);
    }
    let world = World::read(env)?;
    let words = Words::of(&args.what, &world.inventory)?;
    let place = Place { root: Some(env.shown(world.store.root()).to_owned()), now: env.now };
    print(args, items(&world, &words, &place), &world.inventory, env)?;
    Ok(Answer::Yes)
}

fn print(args: &ListArgs, items: impl Iterator<Item = Item>, inventory: &Inventory, env: &mut Env) -> Result<()> {
    let mut items = items.peekable();
    let limit = args.limit.unwrap_or(usize::MAX);
    if env.json {
        ui::stream(env, items.by_ref().take(limit))?;
    } else if items.peek().is_none() {
        env.say("nothing was issued yet: certgen issue client NAME");
    } else {
        let mut table = Table::new(&["NAME", "ISSUER", "STATE", "EXPIRES", "KEY", "SERIAL"]);
        for item in items.by_ref().take(limit) {
            let expires = item.not_after.map_or_else(|| "-".to_owned(), |t| shared::expires(t, env.now));
            let key = match (&item.key_type, item.key) {
                (Some(kind), "here") => kind.clone(),
                (Some(kind), place) => format!("{kind}, {place}"),
                (None, place) => place.to_owned(),
            };
            table.row([
                ui::plain(&format!("{}/{}", item.role, item.name)),
                ui::plain(&item.issuer),
                item.state.to_owned(),
                expires,
                key,
                item.serial_number.chars().take(16).collect(),
            ]);
        }
        table.print(env)?;
    }
    if let (true, Some(limit)) = (items.peek().is_some(), args.limit) {
        env.say(format!("there are more than these {limit}: raise --limit, or name a role or what you look for"));
    }
    inventory.check()
}

/// Where and when the list is made.
struct Place {
    root: Option<PathBuf>,
    now: time::OffsetDateTime,
}

/// What is in use and meant: authorities first, then identities by role and name, one after the other.
fn items<'w>(world: &'w World, words: &'w Words<'_>, place: &'w Place) -> impl Iterator<Item = Item> + 'w {
    let authorities = world.authority_names().filter(|name| words.mean(layout::AUTHORITY, name));
    let entries: Box<dyn Iterator<Item = _>> = match words.named() {
        Some(named) => {
            let named = named.iter().filter(|(role, _)| role != layout::AUTHORITY);
            Box::new(named.filter_map(|key| Some((key.clone(), world.inventory.history(&key.0, &key.1)?))))
        }
        None => Box::new(world.inventory.entries().filter(|((role, name), _)| words.mean(role, name))),
    };
    let authorities = authorities.filter_map(|name| authority_item(world, name, place));
    authorities
        .chain(entries.filter_map(|((role, name), history)| entry_item(&world.inventory, role, name, &history, place)))
}

fn entry_item(
    inventory: &Inventory,
    role: String,
    name: String,
    history: &EntryHistory,
    place: &Place,
) -> Option<Item> {
    let issued = history.current()?;
    let event = inventory.event(issued.event)?;
    // Somebody else renews it, and its key lies here all the same.
    let has_key = issued.location == Location::Pki || role == layout::EXTERNAL;
    let is_here = has_key || issued.location == Location::Csr;
    let directory = layout::entry_dir(&role, &name).ok().filter(|_| is_here);
    Some(Item {
        issuer: issued.issuer.clone(),
        state: if issued.revoked.is_some() {
            "revoked"
        } else if issued.not_after.is_some_and(|end| end < place.now) {
            "expired"
        } else {
            "valid"
        },
        serial_number: issued.serial.clone(),
        not_before: issued.not_before,
        not_after: issued.not_after,
        key_type: event.key_type,
        key: if has_key { "here" } else { "elsewhere" },
        managed: issued.managed,
        subject_alt_names: event.san,
        path: directory.and_then(|directory| Some(ui::path(&place.root.as_ref()?.join(directory)))),
        role,
        name,
    })
}

fn authority_item(world: &World, name: &str, place: &Place) -> Option<Item> {
    let certificate = world.authority(name)?;
    let validity = certificate.validity();
    let issuer =
        if certificate.is_self_issued() { name } else { world.issuer_of(certificate).map_or("?", |ca| ca.name) };
    Some(Item {
        role: layout::AUTHORITY.to_owned(),
        name: name.to_owned(),
        issuer: issuer.to_owned(),
        state: if world.is_revoked(certificate) {
            "revoked"
        } else if validity.not_after < place.now {
            "expired"
        } else {
            "valid"
        },
        serial_number: certificate.serial().to_string(),
        not_before: Some(validity.not_before),
        not_after: Some(validity.not_after),
        key_type: certificate.public_key().key_type().map(|t| t.to_string()),
        key: shared::authority_key(world.authority_state(name)),
        managed: world.manifest.authority(name).is_some(),
        subject_alt_names: Vec::new(),
        path: layout::ca_dir(name).ok().and_then(|p| Some(ui::path(&place.root.as_ref()?.join(p)))),
    })
}
