//! What of a directory is a tree's, and what is somebody else's.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::tls_gen::{self, Part};

/// The entries of a directory, told apart by their names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// What this command writes: files, and directories in which there is nothing else.
    pub(super) ours: Vec<PathBuf>,
    /// Everything else, a directory of somebody's as one. No run takes it away.
    pub(super) others: Vec<PathBuf>,
}

impl Contents {
    /// Of the directory at `at`, which is `within` the results; nothing where there is none.
    ///
    /// # Errors
    /// It cannot be listed.
    pub(super) fn of(at: &Path, within: &Path) -> Result<Self> {
        let mut contents = Self::default();
        contents.enter(at, within, Path::new(""))?;
        contents.ours.sort();
        contents.others.sort();
        Ok(contents)
    }

    fn enter(&mut self, at: &Path, within: &Path, below: &Path) -> Result<()> {
        let failed = |e: std::io::Error| Error::io("listing", at, &e);
        let entries = match std::fs::read_dir(at.join(below)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = below.join(entry.file_name());
            let is_directory = entry.file_type().map_err(failed)?.is_dir();
            match tls_gen::part(&within.join(&path)) {
                Some(Part::Directory) if is_directory => {
                    let mut inner = Self::default();
                    inner.enter(at, within, &path)?;
                    if inner.others.is_empty() {
                        inner.ours = vec![path];
                    }
                    self.ours.append(&mut inner.ours);
                    self.others.append(&mut inner.others);
                }
                Some(Part::File) if !is_directory => self.ours.push(path),
                _ => self.others.push(path),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::testing::TempDir;

    #[test]
    fn only_names_that_are_given_here_are_ours() {
        let dir = TempDir::new();
        for file in [
            "ca_key.pem",
            "client_a_key.pem",
            "notes.txt",
            "intermediate_ca_1/certs/cacert.pem",
            "intermediate_ca_2/certs/cacert.pem",
            "intermediate_ca_2/index.txt",
            "server_key.pem/x",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = Contents::of(dir.path(), Path::new("")).unwrap();
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(
            found.ours,
            paths(&["ca_key.pem", "client_a_key.pem", "intermediate_ca_1", "intermediate_ca_2/certs"])
        );
        assert_eq!(found.others, paths(&["intermediate_ca_2/index.txt", "notes.txt", "server_key.pem"]));
        let beside = Contents::of(&dir.path().join("intermediate_ca_2"), Path::new("intermediate_ca_2")).unwrap();
        assert_eq!((beside.ours, beside.others), (paths(&["certs"]), paths(&["index.txt"])));
        assert_eq!(Contents::of(&dir.path().join("none"), Path::new("")).unwrap(), Contents::default());
    }
}
