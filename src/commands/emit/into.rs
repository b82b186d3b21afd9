//! `certgen emit rabbitmq --into DIR`: ours into a configuration directory that somebody else set up.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;

use super::EmitArgs;
use crate::apply::{PreparedBroker, World};
use crate::commands::{Answer, shared};
use crate::emit::{diff, rabbitmq};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, Action, Event, OutputFile, Store, Transaction};
use crate::ui;
use crate::x509::{Crl, sha256_hex};

/// The files of a configuration directory that matter; `conf.d/` comes on top.
const FILES: [&str; 7] = [
    "rabbitmq.conf",
    "advanced.config",
    "inter_node_tls.config",
    "rabbitmq-env.conf",
    "rabbitmq-env-conf.bat",
    "enabled_plugins",
    "definitions.json",
];
/// Definitions of a broker may be large.
pub(super) const LIMIT: u64 = 256 << 20;

/// A file that changes.
#[derive(Debug, Serialize)]
struct Item {
    target: &'static str,
    path: String,
    action: &'static str,
}

/// Refuses what stands against ours, and does nothing.
pub(super) fn check(dir: &Path, prepared: &PreparedBroker, env: &Env) -> Result<()> {
    must_exist(dir, env)?;
    let existing = existing(dir)?;
    let plan = rabbitmq::plan_into(&prepared.facts, &existing, &ours_there(&existing, prepared)?)?;
    refuse(&plan, dir, prepared, env)
}

/// Shows the difference, asks on a terminal, and writes.
pub(super) fn merge(dir: &Path, prepared: &PreparedBroker, args: &EmitArgs, env: &mut Env) -> Result<Answer> {
    let only_show = args.diff;
    must_exist(dir, env)?;
    let existing = existing(dir)?;
    let ours = ours_there(&existing, prepared)?;
    let mut plan = rabbitmq::plan_into(&prepared.facts, &existing, &ours)?;
    let edited = set_beside(&mut plan.changes, dir, args, env)?;
    for change in &plan.changes {
        let text = if change.secret && change.path == "definitions.json" {
            // Hashes of passwords belong on no screen.
            format!("{}: users, permissions and vhosts of certgen's clients\n", change.path)
        } else if change.path.starts_with("crls/") {
            let entries = Crl::from_bytes(&change.new).map_or(0, |crl| crl.len());
            format!("{}: a revocation list with {entries} entries\n", change.path)
        } else {
            diff(change.old.as_deref(), &change.new, &change.path)
        };
        if !env.json {
            env.out().write_all(text.as_bytes())?;
        }
    }
    for note in &plan.notes {
        env.say(note);
    }
    refuse(&plan, dir, prepared, env)?;
    let action = if only_show { "differs" } else { "wrote" };
    let items: Vec<Item> = plan
        .changes
        .iter()
        .map(|c| Item { target: "rabbitmq", path: ui::path(env.shown(&dir.join(&c.path))), action })
        .collect();
    if !only_show && !items.is_empty() {
        if env.interactive && !ui::confirm(env, "Write these changes?", "answer on a terminal, or use --no-input")? {
            return Err(Error::failed("nothing was written"));
        }
        let written = record_of(&plan.changes, dir);
        write(dir, plan.changes, prepared)?;
        remember(written, env)?;
    }
    shared::warn_of_differing(&edited, env);
    if env.json {
        ui::items(env, &items)?;
    } else if items.is_empty() {
        env.say(format!("{} has everything already", ui::path(env.shown(dir))));
    } else if !only_show {
        for item in &items {
            writeln!(env.out(), "wrote  {}", item.path)?;
        }
    }
    Ok(Answer::Yes)
}

fn must_exist(dir: &Path, env: &Env) -> Result<()> {
    match dir.is_dir() {
        true => Ok(()),
        false => Err(Error::failed(format!("--into {}: there is no such directory", ui::path(env.shown(dir))))
            .hint("name the broker's configuration directory, or write a new one with --out DIR")),
    }
}

fn refuse(plan: &rabbitmq::IntoPlan, dir: &Path, prepared: &PreparedBroker, env: &Env) -> Result<()> {
    let conflicts: Vec<_> = plan.conflicts.iter().filter(|c| !prepared.existing_users.contains(&c.user)).collect();
    if plan.contradictions.is_empty() && conflicts.is_empty() {
        return Ok(());
    }
    let mut error = Error::failed(format!(
        "nothing was written to {}: settings there stand against certgen's",
        ui::path(env.shown(dir))
    ));
    for contradiction in &plan.contradictions {
        error = error.hint(contradiction.to_string());
    }
    for conflict in conflicts {
        error = error.hint(format!("definitions.json: {conflict}"));
    }
    Err(error.hint("take them out, or set the same in [broker] of certgen.toml, and run this again"))
}

/// Files that are certgen's alone, which nothing of somebody else's is merged into.
fn is_whole(path: &str) -> bool {
    matches!(path, "conf.d/90-certgen.conf" | "inter_node_tls.config")
}

/// What somebody edited since certgen wrote it there is left alone: the new text goes beside it. These files.
fn set_beside(
    changes: &mut [rabbitmq::Change],
    dir: &Path,
    args: &EmitArgs,
    env: &mut Env,
) -> Result<Vec<std::path::PathBuf>> {
    let written = World::read(env)?.inventory.emitted;
    let mut edited = Vec::new();
    for change in changes.iter_mut().filter(|change| is_whole(&change.path) && !args.force) {
        let path = dir.join(&change.path);
        let ours = written.get(&*path.to_string_lossy());
        let (Some(ours), Some(old)) = (ours, &change.old) else { continue };
        if sha256_hex(old) != *ours {
            change.path.push_str(".new");
            change.old = None;
            edited.push(path);
        }
    }
    Ok(edited)
}

/// What the inventory has to know of the files that are about to be written.
fn record_of(changes: &[rabbitmq::Change], dir: &Path) -> Vec<(String, String)> {
    let whole = changes.iter().filter(|change| is_whole(&change.path));
    whole.map(|c| (dir.join(&c.path).to_string_lossy().into_owned(), sha256_hex(&c.new))).collect()
}

fn remember(written: Vec<(String, String)>, env: &mut Env) -> Result<()> {
    if written.is_empty() {
        return Ok(());
    }
    let (_, locked) = World::lock("emit", env)?;
    let mut transaction = locked.transaction();
    for (path, hash) in written {
        let mut event = Event::new(Action::Emitted, &env.actor, env.now, env.real_now)?;
        (event.path, event.sha256) = (Some(path), Some(hash));
        transaction.append([event]);
    }
    transaction.commit()
}

/// The users of the definitions there that are as certgen makes them: without rights of their own, or with a password
/// that certgen made. Others are somebody else's, whatever their names.
fn ours_there(existing: &BTreeMap<String, Vec<u8>>, prepared: &PreparedBroker) -> Result<BTreeSet<String>> {
    let Some(definitions) = existing.get("definitions.json") else { return Ok(BTreeSet::new()) };
    let administrator = prepared.facts.administrator.iter().map(|a| (&a.name, &a.password_hash));
    let with_password = prepared.facts.users.iter().filter_map(|u| Some((&u.name, u.password_hash.as_ref()?)));
    let made: BTreeMap<&String, &String> = administrator.chain(with_password).collect();
    let users = rabbitmq::existing_users(definitions)?;
    let is_ours = |user: &rabbitmq::ExistingUser| {
        let hash = user.password_hash.as_ref().filter(|hash| !hash.is_empty());
        hash.is_some() && made.get(&user.name).copied() == hash
            || !user.is_privileged() && prepared.ours.contains(&user.name)
    };
    Ok(users.into_iter().filter(is_ours).map(|user| user.name).collect())
}

fn existing(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut names: Vec<String> = FILES.iter().map(|name| (*name).to_owned()).collect();
    let conf_d = Store::open(dir).file_names("conf.d")?;
    names.extend(conf_d.into_iter().filter(|n| n.ends_with(".conf")).map(|n| format!("conf.d/{n}")));
    names.extend(Store::open(dir).file_names("crls")?.into_iter().map(|name| format!("crls/{name}")));
    let mut files = BTreeMap::new();
    for name in names {
        let path = dir.join(&name);
        if path.is_file() {
            files.insert(name, store::read_limited(&path, LIMIT)?.to_vec());
        }
    }
    Ok(files)
}

/// A file that is there keeps its owner and mode; a new one belongs to whom the directory belongs to.
fn write(dir: &Path, changes: Vec<rabbitmq::Change>, prepared: &PreparedBroker) -> Result<()> {
    let mut transaction = Transaction::outside(dir)?;
    let of_directory =
        prepared.access.owner.clone().or_else(|| store::facts(dir).map(|facts| facts.owner).unwrap_or_default());
    for change in changes {
        let facts = store::facts(&dir.join(&change.path));
        let (mode, owner) = match facts {
            // What holds a secret from now on is nobody else's to read.
            Some(facts) if change.secret => (facts.mode & 0o640, facts.owner),
            Some(facts) => (facts.mode, facts.owner),
            None => (prepared.access.mode(change.secret), of_directory.clone()),
        };
        transaction.put(OutputFile::public(change.path, change.new).with_mode(mode).owned_by(owner))?;
    }
    transaction.commit()
}
