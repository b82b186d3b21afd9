//! `certgen import` of revocation lists.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply::{Change, TakenList, Vault};
use crate::commands::import::{self, ImportArgs, shown, tree};
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
    /// Nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
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
pub(super) fn run(lists: Vec<(String, Crl)>, args: &ImportArgs, env: &mut Env) -> Result<Answer> {
    let dry_run = args.taking.dry_run;
    let (mut world, locked) = tree::open(dry_run, env)?;
    let mut vault = Vault::new(&args.keys.unlock);
    let mut items = Vec::new();
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        for (file, crl) in lists {
            let entries = crl.len();
            let (authority, taken) = change.take_list(crl).map_err(|e| e.context(&file))?;
            let action = if taken.is_some() { "imported" } else { "unchanged" };
            let TakenList { revoked, released, unknown } = taken.unwrap_or_default();
            items.push(Item { action, file, authority, entries, revoked, released, unknown, dry_run });
        }
        change.refresh_configuration()?;
        match locked {
            Some(mut locked) => change.commit(&mut locked)?,
            None => std::mem::take(&mut change.done),
        }
    };
    if env.json {
        ui::items(env, &items)?;
    } else {
        for item in &items {
            tell(item, env)?;
        }
    }
    if dry_run {
        import::say_dry(env);
    }
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    Ok(Answer::Yes)
}

fn tell(item: &Item, env: &mut Env) -> Result<()> {
    let authority = ui::plain(&format!("authority/{}", item.authority));
    let action = |word| import::action(word, item.dry_run);
    writeln!(env.out(), "{} {authority}  {} revoked  {}", action(item.action), item.entries, item.file)?;
    for (word, names) in [("revoked", &item.revoked), ("released", &item.released)] {
        for name in names {
            writeln!(env.out(), "{} {}", action(word), ui::plain(name))?;
        }
    }
    if item.unknown > 0 {
        let what = if item.unknown == 1 { "certificate that is" } else { "certificates that are" };
        writeln!(env.out(), "{} {} {what} not in the inventory", action("revoked"), item.unknown)?;
    }
    Ok(())
}
