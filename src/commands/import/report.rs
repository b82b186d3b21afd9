//! What `certgen import` took, what it did not take and why.

use std::collections::HashMap;
use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{TakenKey, TakenRevocation, TakenThing, TookOver, World};
use crate::commands::import;
use crate::env::Env;
use crate::error::Result;
use crate::store::layout;
use crate::takeover::Left;
use crate::ui;

/// One line of the report; what does not apply is left out.
#[derive(Debug, Default, Serialize)]
struct Item {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    not_after: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    revoked: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// `here`, `sealed` or `elsewhere`.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    /// Of an authority: why it signs nothing. Of an identity: why it should be issued again.
    #[serde(skip_serializing_if = "Option::is_none")]
    replace: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Prints the report.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn print(took: &TookOver, dry_run: bool, env: &mut Env) -> Result<()> {
    let things = took.things.iter().map(|thing| of_thing(thing, env));
    let revoked = took.revoked.iter().map(of_revocation);
    let items: Vec<Item> =
        things.chain(revoked).chain(took.left.iter().map(of_left)).map(|item| Item { dry_run, ..item }).collect();
    if env.json {
        return ui::items(env, &items);
    }
    for item in &items {
        writeln!(env.out(), "{}", line(item))?;
    }
    if dry_run {
        import::say_dry(env);
    }
    for thing in &took.things {
        for note in &thing.notes {
            env.say(format!("{}: {note}", what(thing)));
        }
    }
    for (hint, files) in hints(&took.left) {
        let file = files.first().map(|path| ui::path(path)).unwrap_or_default();
        env.say(match files.len() - 1 {
            0 => format!("{file}: {hint}"),
            more => format!("{file} and {more} more: {hint}"),
        });
    }
    Ok(())
}

/// Each hint once, with the files that it is for.
fn hints(left: &[Left]) -> Vec<(&str, Vec<&Path>)> {
    let mut hints: Vec<(&str, Vec<&Path>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (hint, path) in left.iter().filter_map(|left| Some((left.hint.as_deref()?, left.path.as_path()))) {
        let at = *places.entry(hint).or_insert(hints.len());
        if at == hints.len() {
            hints.push((hint, Vec::new()));
        }
        hints[at].1.push(path);
    }
    hints
}

/// What the advice depends on.
pub(super) struct Situation {
    /// The PKI was made.
    pub(super) is_new: bool,
    /// Nothing was written.
    pub(super) dry_run: bool,
    /// Some encrypted keys were not opened.
    pub(super) closed: bool,
    /// Some encrypted keys were opened.
    pub(super) opened: bool,
}

/// What to do next.
pub(super) fn advise(took: &TookOver, world: &World, is: &Situation, env: &mut Env) {
    for thing in &took.things {
        let what = what(thing);
        let is_authority = thing.role == layout::AUTHORITY;
        match &thing.replace {
            Some(why) if is_authority => env.warn(format!(
                "{what} signs nothing any more: {why}; put another in its place: certgen rotate start {}",
                ui::shell(&thing.name)
            )),
            Some(why) => env.warn(format!("{what}: {why}")),
            None => {}
        }
        if is_authority && thing.key == TakenKey::Elsewhere && !thing.is_known {
            let why = match is.closed {
                true => "its key is none of those that were opened. Where the password is lost",
                false => "its key was not found. Where it is lost",
            };
            let name = ui::shell(&thing.name);
            env.say(format!(
                "{what} cannot sign here: {why}, put another authority in its place: certgen rotate start {name}"
            ));
        }
    }
    if is.dry_run {
        return;
    }
    let is_in_the_clear = |thing: &TakenThing| {
        let mut entries = world.manifest.entries().iter();
        let mut with_password = || {
            let entry = entries.find(|entry| entry.role.as_str() == thing.role && entry.name == thing.name);
            entry.is_some_and(|entry| entry.key_password_file.is_some())
        };
        thing.key == TakenKey::Here && !thing.is_known && !with_password()
    };
    if is.opened && took.things.iter().any(is_in_the_clear) {
        env.say("keys that were encrypted where they came from lie here in the clear, for their owner alone");
    }
    if took.things.iter().any(|t| t.role == layout::AUTHORITY && t.key == TakenKey::Here && !t.is_known) {
        env.say("the authority keys are not encrypted; to seal them with a passphrase: certgen seal");
    }
    if took.things.iter().any(|thing| thing.key != TakenKey::Elsewhere && !thing.is_known) {
        env.say("the keys are also still where they were read from: take them away there once this works");
    }
    if is.is_new && world.manifest.brokers().is_empty() {
        env.say("next: for the broker's files add [broker] to certgen.toml, and then certgen apply");
    }
}

fn what(thing: &TakenThing) -> String {
    ui::plain(&format!("{}/{}", thing.role, thing.name))
}

fn of_thing(thing: &TakenThing, env: &Env) -> Item {
    let validity = thing.certificate.validity();
    Item {
        action: if thing.is_known { "unchanged" } else { "imported" },
        role: Some(thing.role),
        name: Some(thing.name.clone()),
        issuer: Some(thing.issuer.clone()),
        serial_number: Some(thing.certificate.serial().to_string()),
        not_before: Some(validity.not_before),
        not_after: Some(validity.not_after),
        key: Some(thing.key.as_str()),
        replace: thing.replace.clone(),
        notes: thing.notes.clone(),
        from: thing.paths.iter().map(|path| ui::path(path)).collect(),
        path: Some(ui::path(env.shown(&thing.directory))),
        ..Item::default()
    }
}

fn of_revocation(revocation: &TakenRevocation) -> Item {
    let whom = revocation.whom.as_ref();
    Item {
        action: "revoked",
        role: whom.map(|(role, _)| role.as_str()),
        name: whom.map(|(_, name)| name.clone()),
        issuer: Some(revocation.authority.clone()),
        serial_number: Some(revocation.revoked.serial.to_string()),
        revoked: Some(revocation.revoked.revocation_time),
        reason: revocation.revoked.reason.map(|reason| reason.as_str()),
        ..Item::default()
    }
}

fn of_left(left: &Left) -> Item {
    Item {
        action: "left",
        path: Some(ui::path(&left.path)),
        why: Some(left.why.clone()),
        hint: left.hint.clone(),
        ..Item::default()
    }
}

fn line(item: &Item) -> String {
    let action = import::action(item.action, item.dry_run);
    let named = item.role.zip(item.name.as_ref());
    let whom = named.map(|(role, name)| ui::plain(&format!("{role}/{name}")));
    if let (Some(revoked), Some(serial)) = (item.revoked, &item.serial_number) {
        let issuer = || ui::plain(&format!("of authority/{}", item.issuer.as_deref().unwrap_or_default()));
        let reason = item.reason.map(|reason| format!("  {reason}")).unwrap_or_default();
        return format!("{action} {}  {serial}  {}{reason}", whom.unwrap_or_else(issuer), &ui::date(revoked)[..10]);
    }
    let path = item.path.as_deref().unwrap_or_default();
    match (whom, item.not_after, &item.why) {
        (Some(whom), Some(end), _) => {
            let key = item.key.filter(|key| *key != "here").map(|key| format!("  key {key}")).unwrap_or_default();
            format!("{action} {whom}  until {}{key}  {path}", &ui::date(end)[..10])
        }
        (_, _, why) => format!("{action} {path}  {}", why.as_deref().unwrap_or_default()),
    }
}
