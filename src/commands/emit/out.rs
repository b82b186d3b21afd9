//! `certgen emit TARGET --out DIR`: the files for a directory that nobody keeps a record of.

use std::path::Path;

use super::{Item, into, item};
use crate::apply::PreparedBroker;
use crate::commands::shared;
use crate::emit::{
    self,
    rabbitmq::{self, Definitions},
};
use crate::env::Env;
use crate::error::Result;
use crate::store::{self, OutputFile, Transaction};

/// Writes what is missing or differs. Nobody knows whether a file that differs was edited or is merely old, so it stays and
/// the new text goes beside it, unless `force`; definitions.json is merged.
pub(super) fn write(
    dir: &Path,
    target: &str,
    files: Vec<emit::OutputFile>,
    broker: Option<&PreparedBroker>,
    force: bool,
    env: &mut Env,
) -> Result<Vec<Item>> {
    let mut transaction = Transaction::outside(dir)?;
    let (mut items, mut edited) = (Vec::new(), Vec::new());
    for file in files {
        let path = dir.join(&file.path);
        let old = path.exists().then(|| store::read_limited(&path, into::LIMIT)).transpose()?;
        let mut to = file.path.clone();
        let bytes = match (&old, broker) {
            (Some(old), Some(broker)) if file.path == "definitions.json" => merged(old, broker, env)?,
            _ => file.bytes,
        };
        if old.as_ref().is_some_and(|old| **old == bytes) {
            continue;
        }
        let is_ours = broker.is_some() && (file.path == "definitions.json" || file.path.starts_with("crls/"));
        if old.is_some() && !force && !is_ours {
            edited.push(path);
            to.push_str(".new");
        }
        items.push(item(target, &dir.join(&to), env));
        transaction.put(match broker.map(|broker| &broker.access) {
            Some(access) => {
                OutputFile::public(to, bytes).with_mode(access.mode(file.secret)).owned_by(access.owner.clone())
            }
            None if file.secret => OutputFile::private(to, bytes),
            None => OutputFile::public(to, bytes),
        })?;
    }
    transaction.commit()?;
    shared::warn_of_differing(&edited, env);
    Ok(items)
}

/// Our users into definitions that others may have written into.
fn merged(old: &[u8], prepared: &PreparedBroker, env: &mut Env) -> Result<Vec<u8>> {
    let merged = rabbitmq::merge_definitions(old, &Definitions::of_broker(&prepared.facts)?, &prepared.ours)?;
    for conflict in &merged.conflicts {
        env.warn(format!("definitions.json was not changed for one user: {conflict}"));
    }
    for kept in &merged.kept {
        env.say(kept);
    }
    Ok(merged.bytes)
}
