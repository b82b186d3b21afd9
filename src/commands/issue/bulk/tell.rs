//! What is said of a batch: JSON an item for each identity, people a line for all of them.

use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;

use super::check::Checked;
use crate::apply::{Place, Told};
use crate::commands::told::Item;
use crate::env::Env;
use crate::error::Result;
use crate::profile::Role;
use crate::ui;

/// A row that is wrong, for JSON.
#[derive(Debug, Serialize)]
pub(super) struct Skipped {
    action: &'static str,
    role: &'static str,
    /// Where in the batch.
    place: String,
    reason: String,
}

impl Skipped {
    pub(super) fn new(role: Role, place: String, reason: String) -> Self {
        Self { action: "skipped", role: role.as_str(), place, reason }
    }
}

/// What JSON says of one identity.
pub(super) fn item(role: Role, place: &Place, told: &Told, env: &Env) -> Item {
    match told {
        Told::Unchanged(name) => Item::about("unchanged", role.as_str(), name),
        Told::Issued { name, issuer, serial, not_before, not_after, renewed } => Item {
            issuer: Some(issuer.clone()),
            serial_number: Some(serial.clone()),
            not_before: Some(*not_before),
            not_after: Some(*not_after),
            path: place.path_of(role, name, env).ok().map(|path| ui::path(env.shown(&path))),
            ..Item::about(if *renewed { "reissued" } else { "issued" }, role.as_str(), name)
        },
        Told::Revoked(old) => Item::superseded(old),
    }
}

/// What people read: nobody reads a line for each of thousands.
#[derive(Default)]
pub(super) struct Summary {
    pub(super) issued: usize,
    pub(super) renewed: usize,
    /// How many of their earlier certificates are revoked.
    pub(super) revoked: usize,
    /// When the first of them ends.
    until: Option<OffsetDateTime>,
}

impl Summary {
    pub(super) fn add(&mut self, told: &Told) {
        match told {
            Told::Issued { not_after, renewed, .. } => {
                self.until = Some(self.until.map_or(*not_after, |until| until.min(*not_after)));
                if *renewed { self.renewed += 1 } else { self.issued += 1 }
            }
            Told::Revoked(_) => self.revoked += 1,
            Told::Unchanged(_) => {}
        }
    }

    pub(super) fn print(&self, role: Role, place: &Place, checked: &Checked, env: &mut Env) -> Result<()> {
        let to = match place {
            Place::Pki => env.pki.join(role.as_str()),
            Place::Directories(path) | Place::Flat(path) | Place::Archive(path) => path.clone(),
        };
        let to = ui::path(env.shown(&to));
        let until = self.until.map(|until| format!("  until {}  {to}", &ui::date(until)[..10])).unwrap_or_default();
        for (action, count, more) in [
            ("issued", self.issued, &*until),
            ("reissued", self.renewed, &*until),
            ("unchanged", checked.unchanged, ""),
            ("skipped", checked.faults, ""),
        ] {
            if count > 0 {
                let s = if count == 1 { "" } else { "s" };
                writeln!(env.out(), "{action:9} {count} {role}{s}{more}")?;
            }
        }
        if self.revoked > 0 {
            let s = if self.revoked == 1 { "" } else { "s" };
            writeln!(env.out(), "revoked   {} {role} certificate{s}  superseded", self.revoked)?;
        }
        Ok(())
    }
}

pub(super) fn say_dates(checked: &Checked, env: &mut Env) {
    let words = [
        "begin in the past, as not_before asks",
        "begin before their issuer does; some verifiers refuse that",
        "have expired already",
    ];
    for (count, words) in checked.odd_dates.into_iter().zip(words).filter(|(count, _)| *count > 0) {
        env.say(format!("{count} certificates {words}"));
    }
}

/// What was issued before lies where it was written then, and only there are its keys.
pub(super) fn say_elsewhere(place: &Place, checked: &Checked, kept: usize, replace: bool, env: &mut Env) {
    if replace && checked.unchanged > 0 {
        env.say(format!("{} were replaced before, for the same list; --force replaces them again", checked.unchanged));
        return;
    }
    let elsewhere = checked.unchanged.saturating_sub(kept);
    if elsewhere == 0
        || matches!(place, Place::Pki)
        || (matches!(place, Place::Archive(path) if is_there(path)) && checked.issue == 0)
    {
        return;
    }
    env.say(format!(
        "{elsewhere} were issued before, to where they were written then; whoever has lost them issues them again with --force"
    ));
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
