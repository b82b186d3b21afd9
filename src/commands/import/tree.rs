//! `certgen import` of trees and pairs that others made.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::apply::{Change, KeptConfiguration, Taking, Vault, World};
use crate::commands::import::{ImportArgs, TakingArgs, report};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::store::{self, Locked, Store};
use crate::takeover::{self, Asked, ConfigFile, LARGEST_FILE, Left, Tree};
use crate::ui;

/// A manifest that says nothing yet.
const EMPTY: &str = "# certgen.toml: what should exist here. What was taken over by certgen import is as its makers made it.\nversion = 1\n";

/// Definitions with a quarter of a million users fit.
const LARGEST_CONFIGURATION: u64 = 24 << 20;

/// All files together are held in memory.
const LARGEST_TREE: u64 = 256 << 20;

/// Takes over what lies below the files and directories that were named.
pub(super) fn run(args: &ImportArgs, env: &mut Env) -> Result<Answer> {
    let passwords = passwords(&args.taking, env)?;
    let passwords: Vec<&[u8]> = passwords.iter().map(|password| password.as_bytes()).collect();
    let kept = configuration(&args.taking.config, env)?;
    let tree = read(&args.files, env)?;
    let asked = Asked { passwords: &passwords, role: args.taking.role, at: env.now };
    let found = takeover::take(&tree, &asked);
    drop(tree);
    if !passwords.is_empty() && !found.opened {
        refuse_passwords(&found.closed)?;
    }
    let (closed, opened) = (!found.closed.is_empty(), found.opened);
    let to = if args.taking.dry_run { None } else { args.keys.seal_to(env)? };
    let is_new = !Store::open(&env.pki).exists();
    let (mut world, locked) = open(args.taking.dry_run, env)?;
    let mut vault = Vault::new(&args.keys.unlock);
    let taking = Taking {
        seal: to.as_ref(),
        authority: args.taking.authority.as_deref(),
        existing_user: args.taking.existing_user,
        kept: kept.as_ref(),
    };
    let mut change = Change::new(&mut world, &mut vault, env);
    let took = change.take_over(found, &taking)?;
    let is_empty = took.things.is_empty() && took.revoked.is_empty();
    let done = match locked {
        Some(mut locked) if !is_empty => change.commit(&mut locked)?,
        _ => std::mem::take(&mut change.done),
    };
    report::print(&took, args.taking.dry_run, env)?;
    for note in took.notes.iter().chain(&done.notes) {
        env.say(note);
    }
    if is_empty {
        return Err(Error::failed("nothing was taken over")
            .hint("see what a file is with certgen inspect FILE; encrypted keys open with --key-password-file FILE"));
    }
    shared::warn_of_edited(&done.edited, env);
    let situation = report::Situation { is_new, dry_run: args.taking.dry_run, closed, opened };
    report::advise(&took, &world, &situation, env);
    Ok(Answer::Yes)
}

/// What is typed instead of a link, certbot's for instance.
const LINK_HINT: &str = "name what it leads to; a pair that somebody else renews comes with \
                         certgen import --external NAME --certificate FILE --key FILE";

/// The PKI that takes it, which is made if there is none; without its lock where nothing is written.
pub(super) fn open(dry_run: bool, env: &mut Env) -> Result<(World, Option<Locked>)> {
    let is_there = || Store::open(&env.pki).exists();
    let empty = || Manifest::parse(EMPTY, "certgen.toml");
    if dry_run {
        let world = if is_there() { World::read(env)? } else { World::blank(empty()?, EMPTY.to_owned(), env)? };
        return Ok((world, None));
    }
    if !is_there() {
        let (world, locked) = World::create("import", empty()?, EMPTY.to_owned(), env)?;
        // Whoever had the lock before may have made it.
        if !world.store.exists() {
            return Ok((world, Some(locked)));
        }
    }
    World::lock("import", env).map(|(world, locked)| (world, Some(locked)))
}

/// The passwords, in the order in which they were given.
pub(super) fn passwords(args: &TakingArgs, env: &Env) -> Result<Vec<Zeroizing<String>>> {
    args.key_password_file.iter().map(|file| store::read_password(&env.cwd.join(file))).collect()
}

/// Whoever gives a password means it: one that opens nothing is the wrong one.
fn refuse_passwords(closed: &[Left]) -> Result<()> {
    let Some(Left { path, why, hint }) = closed.first() else { return Ok(()) };
    let others = match closed.len() - 1 {
        0 => String::new(),
        1 => "; the same goes for another file".to_owned(),
        more => format!("; the same goes for {more} other files"),
    };
    let error = Error::failed(format!("nothing was taken over: {}: {why}{others}", ui::path(path)));
    let error = hint.iter().fold(error, |error, hint| error.hint(hint));
    Err(error.hint("without --key-password-file everything but these keys is taken"))
}

/// Every file below `paths`, but what is in the PKI itself.
fn read(paths: &[PathBuf], env: &Env) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut left = LARGEST_TREE;
    for path in paths {
        let walk = store::files_below(&env.cwd.join(path), u64::MAX, &[])?;
        for error in &walk.unreadable {
            tree.unread.push(Left { path: path.clone(), why: error.message().to_owned(), hint: None });
        }
        let link = |link: &PathBuf| Left {
            path: env.shown(link).to_path_buf(),
            why: "it is a link, and links are not followed".to_owned(),
            hint: Some(LINK_HINT.to_owned()),
        };
        tree.unread.extend(walk.links.iter().filter(|path| !path.starts_with(&env.pki)).map(link));
        let (own, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
            walk.files.iter().partition(|file| file.starts_with(&env.pki));
        if !own.is_empty() {
            let why = "it is the place of the PKI itself (--pki), which is not read".to_owned();
            tree.unread.push(Left { path: env.shown(&env.pki).to_path_buf(), why, hint: None });
        }
        for file in files {
            let shown = env.shown(file).to_path_buf();
            match contents(file, &mut left) {
                Ok(bytes) => drop(tree.files.insert(shown, bytes)),
                Err(why) => tree.unread.push(Left { path: shown, why, hint: None }),
            }
        }
    }
    Ok(tree)
}

fn contents(file: &Path, left: &mut u64) -> Result<Vec<u8>, String> {
    let mut bytes = store::read_limited(file, LARGEST_FILE).map_err(|e| e.message().to_owned())?;
    let size = bytes.len() as u64;
    *left = left.checked_sub(size).ok_or_else(|| {
        format!("the files before it have {} MiB already, which is as much as is read", LARGEST_TREE >> 20)
    })?;
    Ok(std::mem::take(&mut *bytes))
}

/// What a broker's own files say.
fn configuration(files: &[PathBuf], env: &Env) -> Result<Option<KeptConfiguration>> {
    let mut configuration = KeptConfiguration::default();
    for file in files {
        let bytes = store::read_limited(&env.cwd.join(file), LARGEST_CONFIGURATION)?;
        let read = ConfigFile::read(&bytes).map_err(|e| e.context(format!("--config {}", ui::path(file))))?;
        match read {
            ConfigFile::Settings(login_from) => configuration.kept.login_from = Some(login_from),
            ConfigFile::Definitions(users) => {
                if configuration.definitions.is_some() {
                    return Err(Error::usage("--config takes one definitions.json"));
                }
                configuration.kept.users = users;
                configuration.definitions = Some(bytes.to_vec());
            }
        }
    }
    Ok((!files.is_empty()).then_some(configuration))
}
