//! What is said of certificates: one item for scripts, one line for people.

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{Done, NewPassword, Superseded, Written};
use crate::commands::shared;
use crate::env::Env;
use crate::error::Result;
use crate::manifest::Entry;
use crate::ui;

/// What happened to one certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Item {
    pub(crate) action: &'static str,
    pub(crate) role: &'static str,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub(crate) not_after: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
}

impl Item {
    /// Nothing is known but whom it is about.
    pub(crate) fn about(action: &'static str, role: &'static str, name: &str) -> Self {
        let (issuer, serial_number, not_before, not_after, path) = (None, None, None, None, None);
        Self { action, role, name: name.to_owned(), issuer, serial_number, not_before, not_after, path }
    }

    fn written(written: &Written, env: &Env) -> Self {
        let validity = written.certificate.validity();
        Self {
            issuer: Some(written.issuer.clone()),
            serial_number: Some(written.certificate.serial().to_string()),
            not_before: Some(validity.not_before),
            not_after: Some(validity.not_after),
            path: Some(ui::path(env.shown(&written.directory))),
            ..Self::about(if written.renewed { "reissued" } else { "issued" }, written.role, &written.name)
        }
    }

    /// A certificate gave way to another.
    pub(crate) fn superseded(old: &Superseded) -> Self {
        Self {
            issuer: Some(old.issuer.clone()),
            serial_number: Some(old.serial.clone()),
            ..Self::about("revoked", old.role, &old.name)
        }
    }

    fn line(&self) -> String {
        let what = ui::plain(&format!("{}/{}", self.role, self.name));
        match (&self.not_after, &self.path, &self.serial_number) {
            (Some(not_after), Some(path), _) => {
                format!("{:9} {what}  until {}  {path}", self.action, &ui::date(*not_after)[..10])
            }
            (_, _, Some(serial)) => format!("{:9} {what}  {serial}  superseded", self.action),
            _ => format!("{:9} {what}", self.action),
        }
    }
}

/// Prints what happened to each.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print(items: &[Item], env: &mut Env) -> Result<()> {
    if env.json {
        return ui::items(env, items);
    }
    for item in items {
        writeln!(env.out(), "{}", item.line())?;
    }
    Ok(())
}

/// Says what was issued and what was left alone.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn tell(done: &Done, unchanged: &[Entry], env: &mut Env) -> Result<()> {
    if !done.issued.is_empty() {
        shared::tell_clock(env);
    }
    let mut items: Vec<Item> = done.issued.iter().map(|written| Item::written(written, env)).collect();
    items.extend(done.superseded.iter().map(Item::superseded));
    items.extend(unchanged.iter().map(|entry| Item {
        issuer: Some(entry.issuer.clone()),
        ..Item::about("unchanged", entry.role.as_str(), &entry.name)
    }));
    print(&items, env)?;
    for note in &done.notes {
        env.say(note);
    }
    for NewPassword { user, password, file } in &done.passwords {
        let user = ui::quote(user);
        match env.interactive {
            true => env.say(format!("the password of {user} is {}", **password)),
            // A log is no place for it.
            false => env.say(format!("the password of {user} is in {}", ui::path(env.shown(file)))),
        }
    }
    shared::warn_of_edited(&done.edited, env);
    Ok(())
}
