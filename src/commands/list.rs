//! `certgen list`

use serde::Serialize;

use crate::apply::World;
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::Result;
use crate::store::{Location, layout};
use crate::ui::{self, Table};

/// List the authorities and identities in the inventory
///
/// One line for each certificate in use. `certgen log` tells the history.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen list\n  certgen list client\n  certgen list --json | jq -r '.items[].name'"
)]
pub(crate) struct ListArgs {
    /// Only these: a role (authority, server, node, client), NAME or ROLE/NAME
    #[arg(value_name = "ROLE|NAME", add = shared::complete_all_names())]
    what: Vec<String>,
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
    let world = World::read(env)?;
    let items = shared::select(&args.what, inventory_items(&world, env), |i| (i.role.as_str(), i.name.as_str()))?;
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    if items.is_empty() {
        env.say("nothing was issued yet: certgen issue client NAME");
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["NAME", "ISSUER", "STATE", "EXPIRES", "KEY", "SERIAL"]);
    for item in &items {
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
    Ok(Answer::Yes)
}

/// Everything in use: authorities first, then identities by role and name.
fn inventory_items(world: &World, env: &Env) -> Vec<Item> {
    let mut items: Vec<Item> = world.authority_names().filter_map(|name| authority_item(world, name, env)).collect();
    for ((role, name), history) in &world.inventory.entries {
        let Some(issued) = history.current() else { continue };
        let event = &world.inventory.events[issued.event];
        let expired = issued.not_after.is_some_and(|t| t < env.now);
        let path = matches!(issued.location, Location::Pki | Location::Csr).then(|| layout::entry_dir(role, name).ok());
        items.push(Item {
            role: role.clone(),
            name: name.clone(),
            issuer: issued.issuer.clone(),
            state: if issued.revoked.is_some() {
                "revoked"
            } else if expired {
                "expired"
            } else {
                "valid"
            },
            serial_number: issued.serial.clone(),
            not_before: issued.not_before,
            not_after: issued.not_after,
            key_type: event.key_type.clone(),
            key: if issued.location == Location::Pki { "here" } else { "elsewhere" },
            managed: issued.managed,
            subject_alt_names: event.san.clone(),
            path: path.flatten().map(|p| ui::path(env.shown(&world.store.path(p)))),
        });
    }
    items
}

fn authority_item(world: &World, name: &str, env: &Env) -> Option<Item> {
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
        } else if validity.not_after < env.now {
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
        path: layout::ca_dir(name).ok().map(|p| ui::path(env.shown(&world.store.path(p)))),
    })
}
