//! `--csr-dir DIR`: a folder of requests, one file for each identity, named like the identity's directory.

use std::path::{Path, PathBuf};

use super::Wish;
use crate::apply::Dates;
use crate::commands::issue::csr::{names_in_request, read_request};
use crate::commands::shared;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::EntrySpec;
use crate::profile::Role;
use crate::store;
use crate::ui;

/// The files of a folder, by name.
pub(super) struct Requests {
    what: String,
    files: Vec<PathBuf>,
}

impl Requests {
    /// Lists the folder.
    pub(super) fn open(directory: &Path, env: &Env) -> Result<Self> {
        let path = env.cwd.join(directory);
        let failed = |e: std::io::Error| Error::io("reading", directory, &e);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // What is hidden belongs to an editor or a file manager.
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(Self { what: ui::path(directory), files })
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> + Send + use<> {
        self.files.clone().into_iter()
    }
}

/// Whose a request is, by its file.
pub(super) fn name(file: &Path) -> Option<String> {
    file.file_stem().and_then(|stem| stem.to_str()).and_then(store::name_of_directory)
}

/// What a request asks for. Its file says under which name, and a common name in it must be the same.
pub(super) fn wish(file: &Path, role: Role, defaults: &EntrySpec, dates: Dates) -> Result<Wish, String> {
    let said = |e: Error| e.message().to_owned();
    let name = name(file).ok_or(
        "the file has no name that certgen would give it: it is called like the identity's directory, and .csr",
    )?;
    let bytes = store::read_limited(file, store::INPUT_LIMIT).map_err(said)?;
    let csr = read_request(&bytes, &name).map_err(said)?;
    let mut spec = defaults.clone();
    if spec.san.is_none() {
        spec.san = shared::list(&names_in_request(&csr, role));
    }
    Ok(Wish { name, spec, dates, csr: Some(csr) })
}
