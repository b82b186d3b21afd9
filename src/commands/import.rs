//! `certgen import`

mod handoff;
mod snapshot;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::apply::{Change, TakenList, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, Store};
use crate::ui;
use crate::x509::Crl;

/// Take over revocation lists, or restore a snapshot into an empty directory
///
/// A list is one that an authority here has signed. What a list revokes and the inventory does not know yet is recorded, with its date and reason: after a restore from a
/// backup, or where the authority's key is on another machine. The list takes the place of the one here, and the broker's
/// copies follow. A list that is older than the one here is refused.
///
/// A snapshot is what certgen export --all has written. All of it is restored, with the modes and, as root, the owners, or
/// nothing.
///
/// With --out it opens what certgen export NAME --format age has sealed for whoever runs a client: its pair and its
/// configuration, into a directory that is empty or does not exist yet. No PKI is needed there.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen import crl.pem\n  certgen import --json crl.pem\n  \
                        certgen --pki restored import --identity key.txt backup.age\n  \
                        certgen import --identity key.txt worker.age --out worker")]
pub(crate) struct ImportArgs {
    /// The lists, PEM or DER, or one snapshot or hand-over; - is standard input
    #[arg(value_name = "FILE|-", required = true, value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Open a hand-over into this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    unlock: Unlock,
}

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

pub(crate) fn run(args: ImportArgs, env: &mut Env) -> Result<Answer> {
    if let Some(out) = &args.out {
        return handoff::open(&args.files, out, &args.unlock, env);
    }
    // Lists need the authority that signed them, and a snapshot a place where nothing is.
    if !Store::open(&env.pki).exists() {
        return snapshot::restore(&args.files, &args.unlock, env);
    }
    for file in &args.files {
        snapshot::refuse(file, env)?;
    }
    let (mut world, mut locked) = World::lock("import", env)?;
    let mut lists = Vec::new();
    for file in &args.files {
        lists.push((shown(file), read(file, env)?));
    }
    let mut vault = Vault::new(&args.unlock);
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

fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { ui::path(file) }
}

fn read(file: &Path, env: &Env) -> Result<Crl> {
    let path = if file == Path::new("-") { file.to_owned() } else { env.cwd.join(file) };
    if path.is_dir() {
        return Err(Error::failed(format!(
            "{}: import takes revocation lists so far, and this is a directory",
            shown(file)
        )));
    }
    let bytes = store::read_limited(&path, LIMIT)?;
    Crl::from_bytes(&bytes).map_err(|e| {
        Error::failed(format!("{}: import takes revocation lists so far: {e}", shown(file)))
            .hint(format!("see what it is with certgen inspect {}", ui::shell(&file.to_string_lossy())))
    })
}
