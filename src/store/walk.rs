//! The files below a directory that certgen did not make.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

use super::abandoned;

/// What lies below a directory.
#[derive(Debug, Default)]
pub struct Walk {
    /// Its regular files, in the order of their paths.
    pub files: Vec<PathBuf>,
    /// Directories that could not be listed.
    pub unreadable: Vec<Error>,
    /// Links that lead out of it or to nothing; what the others lead to is among the files.
    pub links: Vec<PathBuf>,
}

/// Lists the regular files below `path`, or `path` itself if it is one. Links are not followed, what is larger than
/// `largest` octets is passed over, and so are the objects of git, what a command that was killed has prepared, and what
/// lies at or below `excluded`.
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
        let top = fs::canonicalize(path).map_err(|e| Error::io("reading", path, &e))?;
        walk.links.retain(|link| !fs::canonicalize(link).is_ok_and(|to| to.starts_with(&top)));
        walk.links.sort();
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
                if facts.is_dir() && entry.file_name() != ".git" && !abandoned::is_staging(&entry.file_name()) {
                    waiting.push(entry.path());
                } else if facts.is_file() && facts.len() <= largest {
                    self.files.push(entry.path());
                } else if facts.is_symlink() {
                    self.links.push(entry.path());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::TempDir;
    use super::*;

    #[test]
    fn what_git_keeps_and_what_a_kill_left_is_passed_over() {
        let dir = TempDir::new();
        for file in ["a", "sub/b", ".git/c", "sub/.certgen-staging-0123456789abcdef/1.new", ".certgen-staging-x/d"] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let found = files_below(dir.path(), 9, &[]).unwrap();
        let wanted = [".certgen-staging-x/d", "a", "sub/b"].map(|file| dir.path().join(file));
        assert_eq!(found.files, wanted);
    }
}
