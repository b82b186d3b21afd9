//! `certgen import --out DIR` of what `certgen export NAME --format age` has sealed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::commands::Answer;
use crate::commands::import::{self, ImportArgs, shown};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, Parcel, Store, seal};
use crate::ui;

/// One file that was written.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    path: String,
    /// Nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Opens it into a directory of its own; no PKI is needed, and none is touched.
pub(super) fn open(out: &Path, args: &ImportArgs, env: &mut Env) -> Result<Answer> {
    let [file] = args.files.as_slice() else {
        return Err(Error::usage("one hand-over is opened at a time, into a directory of its own"));
    };
    let to = env.cwd.join(out);
    // Nothing would know what it is there.
    if let Some(pki) = to.ancestors().find(|above| Store::open(above).exists()) {
        return Err(Error::failed(format!("{} lies in the PKI {}", ui::path(out), ui::path(env.shown(pki))))
            .hint("name a directory outside of it: --out DIR"));
    }
    let mut sealed = BufReader::new(store::open_stream(&env.typed(file))?);
    let beginning = sealed.fill_buf().map_err(|e| Error::io("reading", file, &e))?;
    if !seal::is_sealed(beginning) {
        return Err(Error::failed(format!("{}: it is no age file", shown(file)))
            .hint("--out opens what certgen export NAME --format age has written"));
    }
    let with = args.keys.unlock.for_file("the file", env)?;
    let archive = seal::unseal_stream(sealed, &with, &shown(file))?;
    let parcel = Parcel::read(archive).map_err(|e| e.context(shown(file)))?;
    let name = parcel.name.clone();
    let written: Vec<PathBuf> = parcel.paths().map(|path| out.join(path)).collect();
    let dry_run = args.taking.dry_run;
    if dry_run {
        Parcel::is_made(&to)?;
    } else {
        parcel.write(&to)?;
    }
    if env.json {
        let item = |path: &PathBuf| Item { action: "opened", path: ui::path(path), dry_run };
        ui::items(env, &written.iter().map(item).collect::<Vec<_>>())?;
    } else {
        let action = if dry_run { import::action("opened", true) } else { "opened ".to_owned() };
        writeln!(env.out(), "{action} {}  {} files  {}", ui::plain(&name), written.len(), ui::path(out))?;
    }
    if dry_run {
        import::say_dry(env);
        return Ok(Answer::Yes);
    }
    if let Some(page) = written.iter().find(|path| path.ends_with("README.txt")) {
        env.say(format!("what it is for: {}", ui::path(page)));
    }
    Ok(Answer::Yes)
}
