//! What lies on the disk, by names alone; contents are read on demand.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::error::{Error, Result};

use super::names::name_of_directory;
use super::{Store, layout};

/// One identity or authority that has a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskEntry {
    /// `server`, `node`, `client`, `external` or `authority`.
    pub role: String,
    /// Its name.
    pub name: String,
    /// Its directory, relative to the PKI.
    pub directory: PathBuf,
    /// The names of the files in it, sorted.
    pub files: Vec<String>,
}

impl DiskEntry {
    /// Is there a file of that name?
    pub fn has(&self, file: &str) -> bool {
        self.files.iter().any(|name| name == file)
    }
}

/// Everything with a directory of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskSnapshot {
    /// By role, then name.
    pub entries: Vec<DiskEntry>,
    /// Directories, files and links among them that certgen did not make.
    pub foreign: Vec<PathBuf>,
}

/// Role and directory, in the order of the contract.
const PLACES: [(&str, &str); 5] =
    [(layout::AUTHORITY, "ca"), ("server", "server"), ("node", "node"), ("client", "client"), ("external", "external")];

pub(super) fn take(store: &Store) -> Result<DiskSnapshot> {
    let mut snapshot = DiskSnapshot::default();
    for (role, place) in PLACES {
        for (file_name, is_dir) in list(store, &PathBuf::from(place))? {
            let directory = PathBuf::from(place).join(&file_name);
            let name = file_name.to_str().and_then(name_of_directory).filter(|_| is_dir);
            let Some(name) = name else {
                snapshot.foreign.push(directory);
                continue;
            };
            let mut files: Vec<_> = list(store, &directory)?
                .into_iter()
                .filter(|(_, is_dir)| !is_dir)
                .filter_map(|(name, _)| name.into_string().ok())
                .collect();
            files.sort();
            snapshot.entries.push(DiskEntry { role: role.to_owned(), name, directory, files });
        }
    }
    snapshot.entries.sort();
    snapshot.foreign.sort();
    Ok(snapshot)
}

/// Names in a directory and whether they are directories themselves; links are not.
fn list(store: &Store, directory: &PathBuf) -> Result<Vec<(std::ffi::OsString, bool)>> {
    let path = store.path(directory);
    let failed = |e: io::Error| Error::io("reading", &path, &e);
    let entries = match fs::read_dir(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    entries
        .map(|entry| {
            let entry = entry.map_err(failed)?;
            Ok((entry.file_name(), entry.file_type().map_err(failed)?.is_dir()))
        })
        .collect()
}
