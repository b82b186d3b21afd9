//! What lies on the disk, by names alone: of a million identities nothing below their directories is looked at.

use std::fs;
use std::io;

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
}

/// Role and directory, in the order of the contract.
const PLACES: [(&str, &str); 5] =
    [(layout::AUTHORITY, "ca"), ("server", "server"), ("node", "node"), ("client", "client"), ("external", "external")];

/// By role, then name. Whatever certgen did not make, links among it, is passed over.
pub(super) fn take(store: &Store) -> Result<Vec<DiskEntry>> {
    let mut entries = Vec::new();
    for (role, place) in PLACES {
        let path = store.path(place);
        let failed = |e: io::Error| Error::io("reading", &path, &e);
        let found = match fs::read_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            found => found.map_err(failed)?,
        };
        for entry in found {
            let entry = entry.map_err(failed)?;
            let is_dir = entry.file_type().map_err(failed)?.is_dir();
            let name = entry.file_name().to_str().and_then(name_of_directory).filter(|_| is_dir);
            entries.extend(name.map(|name| DiskEntry { role: role.to_owned(), name }));
        }
    }
    entries.sort();
    Ok(entries)
}
