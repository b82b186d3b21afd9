//! The users that a broker has before certgen brings any: they keep their passwords, tags and permissions.

use std::collections::{BTreeMap, BTreeSet};

use super::{MOST_USERS, table};
use crate::apply::{World, is_the_brokers, user_name};
use crate::emit::rabbitmq::ListedUser;
use crate::error::{Error, Result};
use crate::manifest::{Broker, Editor, Entry, Value};
use crate::profile::Role;
use crate::ui;

/// Writes them into the manifest as users that are not certgen's, so that no definitions of certgen's touch them. A client of
/// the same name becomes that user; sentences about it.
pub(super) fn keep(users: &[ListedUser], world: &World, broker: &Broker, editor: &mut Editor) -> Result<Vec<String>> {
    // Those that certgen's definitions brought in meanwhile are not somebody else's.
    let loads = broker.migration.is_some() && broker.login_users.is_some();
    let brought = if loads { world.users_made(broker)? } else { BTreeSet::new() };
    let found: BTreeMap<&str, &ListedUser> = users.iter().map(|user| (user.name.as_str(), user)).collect();
    let theirs = |name: &str| found.contains_key(name) && (broker.has_login_user(name) || !brought.contains(name));
    let mut said = Vec::new();
    for entry in clients(world, broker) {
        let names = [entry.name.clone(), user_name(entry, broker.login_from)?];
        let Some(user) = names.iter().find(|name| theirs(name)).and_then(|name| found.get(name.as_str())) else {
            continue;
        };
        if entry.user.as_ref().is_none_or(|user| user.existing) {
            continue;
        }
        if !user.tags.is_empty() {
            return Err(refusal(entry, user));
        }
        if world.manifest.entry(Role::Client, &entry.name).is_some() {
            editor.set(&["client", &entry.name], "existing_user", &Value::Boolean(true))?;
        }
        said.push(format!(
            "client {} is the user that the broker has: it keeps its password and permissions",
            ui::quote(&entry.name)
        ));
    }
    if let Some(name) = broker.administrator.as_deref().filter(|name| theirs(name)) {
        editor.set(&table(broker), "administrator", &Value::Boolean(false))?;
        said.push(format!("the broker has a user {} already, so that certgen makes none", ui::quote(name)));
    }
    let names: BTreeSet<String> = found.keys().filter(|name| theirs(name)).map(|name| (*name).to_owned()).collect();
    // A certificate cannot carry such a name, so that no client of ours will ever be that user.
    let names = names.into_iter().filter(|name| !name.is_empty() && !name.chars().any(char::is_control));
    let names: BTreeSet<String> = names.chain(broker.login_users.iter().flatten().cloned()).collect();
    if names.len() > MOST_USERS {
        return Err(Error::failed(format!(
            "the broker has {} users, and certgen.toml takes {MOST_USERS} as login_users",
            names.len()
        ))
        .hint("leave --users out: the broker then loads no definitions while clients move"));
    }
    editor.set(&table(broker), "login_users", &Value::Strings(names.into_iter().collect()))?;
    Ok(said)
}

/// EXTERNAL asks for no password: whoever has the certificate has what the tags give.
fn refusal(entry: &Entry, user: &ListedUser) -> Error {
    let tags: Vec<String> = user.tags.iter().map(|tag| ui::plain(tag)).collect();
    Error::failed(format!(
        "client {} would be a user that the broker has, with the tag {}",
        ui::quote(&entry.name),
        tags.join(", ")
    ))
    .hint(format!("if that is meant, write existing_user = true into [client.{}]", ui::plain(&entry.name)))
    .hint(format!("else take it out: certgen remove client/{}", ui::shell(&entry.name)))
}

fn clients<'w>(world: &'w World, broker: &'w Broker) -> impl Iterator<Item = &'w Entry> {
    let all = world.manifest.entries().iter().chain(world.unmanaged());
    let clients = all.filter(|entry| entry.role == Role::Client && entry.user.is_some());
    clients.filter(|entry| world.manifest.brokers_of(entry).any(|one| one.name == broker.name))
}

/// The client whose certificate is a user.
pub(super) fn client_of<'w>(world: &'w World, broker: &'w Broker, user: &str) -> Option<&'w Entry> {
    clients(world, broker).find(|entry| user_name(entry, broker.login_from).is_ok_and(|name| name == user))
}

/// The users of somebody else's for whom no client has a certificate.
pub(super) fn without_certificate(world: &World, broker: &Broker) -> Vec<String> {
    let with: BTreeSet<String> = clients(world, broker).filter_map(|e| user_name(e, broker.login_from).ok()).collect();
    broker.login_users.iter().flatten().filter(|user| !with.contains(*user)).cloned().collect()
}

/// The users that the broker's definitions make.
pub(super) fn of_definitions(world: &World, broker: &Broker) -> Vec<String> {
    let made = clients(world, broker).filter(|entry| !is_the_brokers(entry, broker));
    let made = made.filter_map(|e| user_name(e, broker.login_from).ok());
    broker.administrator.iter().cloned().chain(made).collect()
}

/// Where nobody said which users the broker has, those clients that are meant to be one of them say it: what keeps them out of
/// the definitions while clients move goes on after that.
pub(super) fn keep_existing(world: &World, broker: &Broker, editor: &mut Editor) -> Result<()> {
    let existing = clients(world, broker).filter(|entry| entry.user.as_ref().is_some_and(|user| user.existing));
    let names = existing.map(|entry| user_name(entry, broker.login_from)).collect::<Result<BTreeSet<_>>>()?;
    let names: Vec<String> = names.into_iter().filter(|name| broker.administrator.as_ref() != Some(name)).collect();
    match broker.login_users.is_none() && !names.is_empty() {
        true => Ok(editor.set(&table(broker), "login_users", &Value::Strings(names))?),
        false => Ok(()),
    }
}
