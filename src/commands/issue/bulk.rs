//! Many identities at once: `--from FILE` and `--csr-dir DIR`.
//!
//! The batch is read twice. The first look judges every identity and tells everything that is wrong; the second signs, and
//! writes in the same order. A byte for each identity is all that is kept in between.

mod check;
mod requests;
mod rows;
mod tell;
mod twins;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use self::check::{Check, Checked, Decision, asked};
use self::requests::Requests;
use self::rows::Rows;
use self::tell::{Skipped, Summary};
use self::twins::Twins;
use self::users::Users;
use super::asked::spec;
use super::{ClientArgs, CommonArgs, Layout, dates};
use crate::apply::{Bulk, Change, Dates, Job, KeySource, NameRefusals, Place, Step, Told, Vault, World, ordered};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::rows::Row;
use crate::manifest::{Entry, EntrySpec, Manifest};
use crate::profile::Role;
use crate::store::{Inventory, Locked};
use crate::ui;
use crate::x509::Csr;

/// One identity as it is asked for.
pub(super) struct Wish {
    name: String,
    spec: EntrySpec,
    dates: Dates,
    csr: Option<Csr>,
}

/// Where a batch comes from.
enum Source {
    Rows(Rows),
    Requests(Requests),
}

/// One piece of a batch, hardly looked at.
enum Piece {
    Row(Row),
    Request(PathBuf),
}

/// Where a piece stands, for messages.
enum Mark {
    Lines(u64, u64),
    File(PathBuf),
}

/// A piece as far as it can be read without the PKI: what it asks for and the identity that would be, or why not.
struct Seen {
    mark: Mark,
    made: Result<(Wish, Entry), String>,
}

/// How pieces are read: the same way both times.
struct Reading<'a> {
    source: &'a Source,
    role: Role,
    manifest: Manifest,
    defaults: EntrySpec,
    dates: Dates,
    /// Where it is looked up what was asked of devices that were swapped: what a row does not say stays so.
    known: Option<Inventory>,
}

pub(super) fn run(role: Role, args: &ClientArgs, env: &mut Env) -> Result<Answer> {
    let common = &args.identity.common;
    refuse_what_makes_no_sense(args)?;
    let dates = dates(common.not_before.as_deref(), common.not_after.as_deref())?;
    let (mut world, mut locked) = World::lock("issue", env)?;
    let source = match (&common.from, &common.csr_dir) {
        (Some(from), _) => Source::Rows(Rows::open(from, role, env)?),
        (None, Some(directory)) => Source::Requests(Requests::open(directory, env)?),
        (None, None) => return Err(Error::usage("there is no batch")),
    };
    let defaults = spec(role, args, None, &world, env)?;
    let place = place(common, env);
    // Looked up row by row: a million of them have no place in memory.
    let known = args.replace.then(|| world.store.inventory()).transpose()?;
    let reading = Reading { source: &source, role, manifest: world.manifest.clone(), defaults, dates, known };
    let mut told = ui::Items::new(env);
    let users = args.users.as_ref().map(|file| Users::new(env.cwd.join(file)));
    if users.is_none() && args.user.says_something() {
        env.say("the users of a list are in no definitions.json: add --users FILE for a file to import");
    }
    let (checked, users) = look(&reading, &world, &place, args, users, &mut told, env)?;
    world.inventory.check()?;
    let what = source.what();
    let refused = refuse(&checked, what, common.keep_going);
    let users = match refused.and_then(|()| users.map(|users| users.finished(common.force)).transpose()) {
        Ok(users) => users,
        Err(e) => return told.end_early(env).and(Err(e)),
    };

    // Whose lists have to follow; an earlier run may have been interrupted before it wrote them.
    let mut lists = checked.supersedes.clone();
    lists.extend(world.behind(&checked.superseded, env.now)?.into_iter().cloned());
    let mut vault = Vault::new(&common.unlock);
    for name in &lists {
        vault.issuer(&world, name.as_str(), env)?;
    }
    let mut summary = Summary::default();
    let progress = ui::Progress::new(env, "issuing", checked.issue);
    let mut kept = 0;
    let done = if checked.issue == 0 && !place.waits() {
        tell_unchanged(&reading, &place, &checked, &mut told, env)
    } else {
        let pieces = decided(source.pieces()?, &checked.decisions, env.json);
        let issuers = checked.issuers.clone();
        let list = if args.replace { source.sha256() } else { None };
        let mut bulk = Bulk { world: &mut world, role, place: place.clone(), issuers, supersede: args.replace, list };
        let step = |piece| reading.step(piece);
        let run = bulk.run(&mut vault, &mut locked, env, pieces, step, |done, env| {
            if matches!(done, Told::Issued { .. }) {
                progress.step();
            }
            summary.add(&done);
            told.item(env, |env| tell::item(role, &place, &done, env))
        });
        run.map(|already| kept = already)
    };
    drop(progress);
    let done = done.and_then(|()| source.refuse_changed());
    let done = publish(&lists, &mut world, &mut vault, &mut locked, env).and(done);
    world.index_inventory(env);
    drop(locked);
    if summary.issued + summary.renewed > 0 {
        shared::tell_clock(env);
    }
    told.end(env)?;
    done?;
    if !env.json {
        summary.print(role, &place, &checked, env)?;
    }
    tell::say_dates(&checked, env);
    tell::say_elsewhere(&place, &checked, kept, args.replace, env);
    users.map_or(Ok(()), |users| users.write(env))?;
    match checked.faults {
        0 => Ok(Answer::Yes),
        faults => Err(Error::failed(format!("{what}: {}, all others are issued", bad(faults)))),
    }
}

/// The lists follow once, when everything is revoked that this run could.
fn publish(
    lists: &BTreeSet<String>,
    world: &mut World,
    vault: &mut Vault,
    locked: &mut Locked,
    env: &mut Env,
) -> Result<()> {
    if lists.is_empty() {
        return Ok(());
    }
    world.reread_inventory()?;
    let mut change = Change::new(world, vault, env);
    change.write_revocation_lists(lists)?;
    change.refresh_configuration()?;
    let done = change.commit(locked)?;
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    Ok(())
}

/// What is about one identity, or has another meaning, does not go with a batch.
fn refuse_what_makes_no_sense(args: &ClientArgs) -> Result<()> {
    let user = &args.user;
    if user.with_password {
        return Err(Error::usage(
            "--with-password goes with NAMEs: the users of a list log in with their certificates",
        ));
    }
    if user.cli {
        return Err(Error::usage("--cli goes with NAMEs"));
    }
    Ok(())
}

fn place(common: &CommonArgs, env: &Env) -> Place {
    match (&common.out, common.layout, &common.archive) {
        (Some(out), Layout::Directories, _) => Place::Directories(env.cwd.join(out)),
        (Some(out), Layout::Flat, _) => Place::Flat(env.cwd.join(out)),
        (None, _, Some(archive)) => Place::Archive(env.cwd.join(archive)),
        (None, _, None) => Place::Pki,
    }
}

/// The first look.
fn look(
    reading: &Reading<'_>,
    world: &World,
    place: &Place,
    args: &ClientArgs,
    users: Option<Users>,
    told: &mut ui::Items,
    env: &mut Env,
) -> Result<(Checked, Option<Users>)> {
    let common = &args.identity.common;
    let mut check = Check {
        world,
        role: reading.role,
        place,
        force: common.force,
        replace: args.replace,
        list: reading.source.sha256(),
        limits: BTreeMap::new(),
        refusals: NameRefusals::new(world),
        twins: Twins::new()?,
        users,
        found: Checked::default(),
    };
    let what = reading.source.what().to_owned();
    ordered(
        reading.source.pieces()?,
        |chunk, (seen, failed): &mut (Vec<Seen>, Option<Error>)| {
            seen.clear();
            let see = |piece: Result<Piece>| {
                seen.push(reading.see(piece?));
                Ok(())
            };
            *failed = chunk.into_iter().try_for_each(see).err();
        },
        |(seen, failed)| {
            for seen in &*seen {
                if let Err(wrong) = check.judge(seen, env) {
                    let (mark, reason) = (seen.mark.to_string(), wrong.message().to_owned());
                    env.warn(format!("{what}: {mark}: {reason}"));
                    if common.keep_going {
                        told.item(env, |_| Skipped::new(reading.role, mark, reason))?;
                    }
                }
            }
            failed.take().map_or(Ok(()), Err)
        },
    )?;
    Ok((check.found, check.users))
}

fn refuse(checked: &Checked, what: &str, keep_going: bool) -> Result<()> {
    if checked.decisions.is_empty() {
        return Err(Error::failed(format!("{what} has no names")));
    }
    if checked.faults == 0 {
        return Ok(());
    }
    if checked.faults == checked.decisions.len() {
        return Err(Error::failed(format!("{what}: {}, nothing was issued", bad(checked.faults))));
    }
    if keep_going {
        return Ok(());
    }
    Err(Error::failed(format!("{what}: {}, nothing was issued", bad(checked.faults)))
        .hint("put them right, or issue all others with --keep-going"))
}

fn bad(faults: usize) -> String {
    if faults == 1 { "1 bad row".to_owned() } else { format!("{faults} bad rows") }
}

/// The pieces about which something is to be done, or told.
fn decided(
    pieces: impl Iterator<Item = Result<Piece>> + Send,
    decisions: &[Decision],
    tells_all: bool,
) -> impl Iterator<Item = Result<(Piece, Decision)>> + Send {
    pieces.zip(decisions.iter().copied()).filter_map(move |(piece, decision)| match decision {
        Decision::Skip => None,
        Decision::Unchanged if !tells_all => None,
        _ => Some(piece.map(|piece| (piece, decision))),
    })
}

/// Where nothing is to be issued there is no run, and still something to tell.
fn tell_unchanged(
    reading: &Reading<'_>,
    place: &Place,
    checked: &Checked,
    told: &mut ui::Items,
    env: &mut Env,
) -> Result<()> {
    let pieces = decided(reading.source.pieces()?, &checked.decisions, env.json);
    ordered(
        pieces,
        |chunk, steps: &mut Vec<Result<Step>>| steps.extend(chunk.into_iter().map(|piece| reading.step(piece))),
        |steps| {
            steps.drain(..).try_for_each(|step| match step? {
                Step::Unchanged(name) => {
                    told.item(env, |env| tell::item(reading.role, place, &Told::Unchanged(name), env))
                }
                Step::Issue(_) => Ok(()),
            })
        },
    )
}

impl Source {
    fn what(&self) -> &str {
        match self {
            Self::Rows(rows) => rows.what(),
            Self::Requests(requests) => requests.what(),
        }
    }

    /// What tells this batch from others where its rows do not.
    fn sha256(&self) -> Option<String> {
        match self {
            Self::Rows(rows) => Some(rows.sha256.clone()),
            Self::Requests(_) => None,
        }
    }

    fn pieces(&self) -> Result<Box<dyn Iterator<Item = Result<Piece>> + Send>> {
        Ok(match self {
            Self::Rows(rows) => Box::new(rows.pass()?.map(|row| row.map(Piece::Row))),
            Self::Requests(requests) => Box::new(requests.files().map(|file| Ok(Piece::Request(file)))),
        })
    }

    fn refuse_changed(&self) -> Result<()> {
        match self {
            Self::Rows(rows) => rows.refuse_changed(),
            Self::Requests(_) => Ok(()),
        }
    }
}

impl Reading<'_> {
    /// What a piece asks for, and the identity that would be.
    fn see(&self, piece: Piece) -> Seen {
        let (mark, wish) = match piece {
            Piece::Row(row) => {
                let wish = row.record.and_then(|record| match self.source {
                    Source::Rows(rows) => rows.wish(&record, &self.manifest, &self.defaults, self.dates),
                    Source::Requests(_) => Err("it is no request".to_owned()),
                });
                (Mark::Lines(*row.lines.start(), *row.lines.end()), wish)
            }
            Piece::Request(file) => {
                let wish = requests::wish(&file, self.role, &self.defaults, self.dates);
                (Mark::File(file.file_name().map_or_else(PathBuf::new, PathBuf::from)), wish)
            }
        };
        let made = wish.and_then(|mut wish| {
            if let Some(known) = self.known.as_ref().and_then(|known| asked(known, self.role, &wish.name)) {
                wish.spec = std::mem::take(&mut wish.spec).over(known);
            }
            let entry = self.manifest.entry_from(self.role, &wish.name, &wish.spec);
            entry.map(|entry| (wish, entry)).map_err(|e| Error::from(e).message().to_owned())
        });
        Seen { mark, made }
    }

    /// What is to be done about a piece that the first look found good.
    fn step(&self, piece: Result<(Piece, Decision)>) -> Result<Step> {
        let (piece, decision) = piece?;
        let Seen { mark, made } = self.see(piece);
        let changed = |why| Error::failed(format!("{}: {mark}: {why}", self.source.what()));
        let (Wish { name, spec, dates, csr }, entry) = made.map_err(changed)?;
        if decision == Decision::Unchanged {
            return Ok(Step::Unchanged(name));
        }
        let key = match csr {
            Some(csr) => KeySource::Request(Box::new(csr)),
            None => KeySource::Generate(entry.key_type),
        };
        let renews = decision == Decision::Renew;
        Ok(Step::Issue(Job { entry: entry.unmanaged(), spec, key, dates, renews }))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(first, last) if first == last => write!(f, "line {first}"),
            Self::Lines(first, last) => write!(f, "lines {first} to {last}"),
            Self::File(name) => f.write_str(&ui::path(name)),
        }
    }
}
