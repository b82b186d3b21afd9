//! `certgen import` of revocation lists.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply::{Change, TakenList, Unlock, Vault, World};
use crate::commands::import::shown;
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store;
use crate::ui;
use crate::x509::Crl;

/// What was taken from one list.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    file: String,
    authority: String,
    entries: usize,
    revoked: Vec<String>,
    released: Vec<String>,
    unknown: usize,
}

/// A list may be long; anything beyond this is no list.
const LIMIT: u64 = 256 << 20;

/// The lists, where every file is one; nothing where there is something else.
pub(super) fn all(files: &[PathBuf], env: &Env) -> Result<Option<Vec<(String, Crl)>>> {
    let mut lists = Vec::new();
    for file in files {
        let is_input = file == Path::new("-");
        let path = if is_input { file.clone() } else { env.cwd.join(file) };
        if !is_input && path.is_dir() {
            return Ok(None);
        }
        match Crl::from_bytes(&store::read_limited(&path, LIMIT)?) {
            Ok(list) => lists.push((shown(file), list)),
            Err(e) if is_input => {
                return Err(Error::failed(format!("standard input: it is no revocation list: {e}"))
                    .hint("name files and directories that hold something else"));
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(lists))
}

/// Takes the lists over.
pub(super) fn run(lists: Vec<(String, Crl)>, unlock: &Unlock, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("import", env)?;
    let mut vault = Vault::new(unlock);
    let mut items = Vec::new();
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        for (file, crl) in lists {
            let entries = crl.len();
            let (authority, taken) = change.take_list(crl).map_err(|e| e.context(&file))?;
            let action = if taken.is_some() { "imported" } else { "unchanged" };
            let TakenList { revoked, released, unknown } = taken.unwrap_or_default();
            items.push(Item { action, file, authority, entries, revoked, released, unknown });
        }
        change.refresh_configuration()?;
        change.commit(&mut locked)?
    };
    drop(locked);
    if env.json {
        ui::items(env, &items)?;
    } else {
        for item in &items {
            tell(item, env)?;
        }
    }
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    Ok(Answer::Yes)
}

fn tell(item: &Item, env: &mut Env) -> Result<()> {
    let authority = ui::plain(&format!("authority/{}", item.authority));
    writeln!(env.out(), "{:9} {authority}  {} revoked  {}", item.action, item.entries, item.file)?;
    for (action, names) in [("revoked", &item.revoked), ("released", &item.released)] {
        for name in names {
            writeln!(env.out(), "{action:9} {}", ui::plain(name))?;
        }
    }
    if item.unknown > 0 {
        let what = if item.unknown == 1 { "certificate that is" } else { "certificates that are" };
        writeln!(env.out(), "revoked   {} {what} not in the inventory", item.unknown)?;
    }
    Ok(())
}
