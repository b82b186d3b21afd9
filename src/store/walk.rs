//! The files below a directory that certgen did not make.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What lies below a directory.
#[derive(Debug, Default)]
pub struct Walk {
    /// Its regular files, in the order of their paths.
    pub files: Vec<PathBuf>,
    /// Directories that could not be listed.
    pub unreadable: Vec<Error>,
}

/// Lists the regular files below `path`, or `path` itself if it is one. Links are not followed, what is larger than
/// `largest` octets is passed over, and so are the objects of git and what lies at or below `excluded`.
///
/// # Errors
/// There is nothing at `path`.
pub fn files_below(path: &Path, largest: u64, excluded: &[PathBuf]) -> Result<Walk> {
    let facts = fs::metadata(path).map_err(|e| Error::io("reading", path, &e))?;
    let mut walk = Walk::default();
    if excluded.iter().any(|excluded| path.starts_with(excluded)) {
        return Ok(walk);
    }
    if facts.is_dir() {
        walk.enter(path, largest, excluded);
        walk.files.sort();
    } else {
        walk.files.push(path.to_path_buf());
    }
    Ok(walk)
}

impl Walk {
    fn enter(&mut self, root: &Path, largest: u64, excluded: &[PathBuf]) {
        let mut waiting = vec![root.to_path_buf()];
        while let Some(directory) = waiting.pop() {
            let entries = match fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(e) => {
                    self.unreadable.push(Error::io("reading", &directory, &e));
                    continue;
                }
            };
            for entry in entries.flatten() {
                let Ok(facts) = entry.metadata() else { continue };
                // Each on the way was compared already.
                if excluded.iter().any(|excluded| entry.path() == *excluded) {
                    continue;
                }
                if facts.is_dir() && entry.file_name() != ".git" {
                    waiting.push(entry.path());
                } else if facts.is_file() && facts.len() <= largest {
                    self.files.push(entry.path());
                }
            }
        }
    }
}
