//! `certgen import` of what `certgen export --all` has written.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Serialize;

use crate::apply;
use crate::commands::Answer;
use crate::commands::import::{ImportArgs, shown};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, Snapshot, seal};
use crate::ui;

/// What was restored.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    path: String,
    files: u64,
    bytes: u64,
}

/// Fills the empty directory.
pub(super) fn restore(args: &ImportArgs, env: &mut Env) -> Result<Answer> {
    let [file] = args.files.as_slice() else {
        return Err(Error::usage("one snapshot is restored at a time, into a directory of its own"));
    };
    let path = if file == Path::new("-") { file.clone() } else { env.cwd.join(file) };
    let mut archive = BufReader::new(store::open_stream(&path)?);
    let beginning = archive.fill_buf().map_err(|e| Error::io("reading", file, &e))?;
    if !seal::is_sealed(beginning) {
        return Err(Error::failed(format!(
            "{}: it is no snapshot, and there is no PKI in {} that could take over a revocation list",
            shown(file),
            ui::path(env.shown(&env.pki))
        ))
        .hint("name the PKI with --pki DIR"));
    }
    if args.taking.dry_run {
        return Err(Error::usage("a snapshot is restored as a whole: --dry-run says nothing of it")
            .hint("see what is in it: age --decrypt --identity KEY FILE | tar --list"));
    }
    let with = args.keys.unlock.for_file("the snapshot", env)?;
    let archive = seal::unseal_stream(archive, &with, &shown(file))?;
    let locked = apply::lock_place("import", env)?;
    let Snapshot { files, bytes, left_out, is_taken_over } =
        locked.unpack(archive).map_err(|e| e.context(shown(file)))?;
    drop(locked);
    let pki = ui::path(env.shown(&env.pki));
    if env.json {
        ui::items(env, &[Item { action: "restored", path: pki, files, bytes }])?;
    } else {
        writeln!(env.out(), "restored  {files} files  {pki}")?;
    }
    for path in left_out {
        env.say(format!("left out: {}", ui::path(&path)));
    }
    if is_taken_over {
        env.say("some files belonged to other users, and belong to you now: restore as root to give them back");
    }
    Ok(Answer::Yes)
}

/// Refuses a snapshot where there is a PKI already.
pub(super) fn refuse(file: &Path, env: &Env) -> Result<()> {
    if file == Path::new("-") || !is_one(file, env) {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{}: it is a snapshot or a hand-over, and {} holds a PKI already",
        shown(file),
        ui::path(env.shown(&env.pki))
    ))
    .hint("a snapshot is restored beside this one: certgen --pki DIR import FILE")
    .hint("what was handed over to a client is opened into a directory: certgen import FILE --out DIR"))
}

/// Whether a file is sealed with age. Standard input, which can be read once, is taken for it.
pub(super) fn is_one(file: &Path, env: &Env) -> bool {
    if file == Path::new("-") {
        return true;
    }
    let path = env.cwd.join(file);
    let mut beginning = Vec::new();
    path.is_file()
        && store::open_stream(&path).is_ok_and(|file| file.take(64).read_to_end(&mut beginning).is_ok())
        && seal::is_sealed(&beginning)
}
