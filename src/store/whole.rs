//! A directory outside the PKI that is there as a whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ui;

use super::files::{self, OutputFile};
use super::transaction::Transaction;
use super::{layout, platform};

/// Every entry below a directory, relative to it, directories before what is in them; nothing if there is no directory.
/// Links are entries, wherever they lead; what cannot be listed is an error, and so are more than `most` entries.
///
/// # Errors
/// There is something else of that name, or it cannot be listed whole.
pub fn entries_below(directory: &Path, most: usize) -> Result<Option<Vec<PathBuf>>> {
    let failed = |e: io::Error| Error::io("listing", directory, &e);
    match fs::metadata(directory) {
        Ok(facts) if facts.is_dir() => {}
        Ok(_) => return Err(Error::failed(format!("listing {}: it is not a directory", ui::path(directory)))),
        // A link that leads nowhere is something of that name.
        Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(directory).is_err() => return Ok(None),
        Err(e) => return Err(failed(e)),
    }
    let (mut found, mut waiting) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(relative) = waiting.pop() {
        for entry in fs::read_dir(directory.join(&relative)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = relative.join(entry.file_name());
            if entry.file_type().map_err(failed)?.is_dir() {
                waiting.push(path.clone());
            }
            found.push(path);
            if found.len() > most {
                return Err(Error::failed(format!("listing {}: it has more than {most} entries", ui::path(directory))));
            }
        }
    }
    Ok(Some(found))
}

/// Writes a directory with all its files, of which the last one named comes last. One that is there already loses all that
/// it holds, which the caller has looked at, and keeps its mode and its owner.
///
/// It appears by one rename. Only where that cannot be (somebody works in it, or another disk is mounted there) are its
/// entries renamed one by one.
///
/// # Errors
/// The disk refuses; then everything is as it was before.
pub fn write_directory(directory: &Path, files: Vec<OutputFile>) -> Result<()> {
    let Some(old) = entries_below(directory, usize::MAX)? else {
        let mut transaction = Transaction::outside(directory)?;
        transaction.create_directory(std::path::absolute(directory)?, layout::PUBLIC_DIRECTORY, None, files)?;
        return transaction.commit();
    };
    let failed = |e: io::Error| Error::io("writing", directory, &e);
    let real = fs::canonicalize(directory).map_err(failed)?;
    let (Some(parent), Some(name), Some(facts)) = (real.parent(), real.file_name(), files::facts(directory)) else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    if is_in_use(&real, parent).map_err(failed)? {
        return write_inside(directory, &old, files);
    }
    let mut transaction = Transaction::outside(parent)?;
    transaction.remove(name)?;
    transaction.create_directory(name, facts.mode, facts.owner.as_ref(), files)?;
    transaction.commit()
}

/// A directory that cannot be renamed, or whose renaming would leave somebody standing in one that is gone.
fn is_in_use(real: &Path, parent: &Path) -> io::Result<bool> {
    let works_in_it = std::env::current_dir().and_then(fs::canonicalize).is_ok_and(|cwd| cwd.starts_with(real));
    Ok(works_in_it || !platform::same_disk(&fs::metadata(real)?, &fs::metadata(parent)?))
}

fn write_inside(directory: &Path, old: &[PathBuf], files: Vec<OutputFile>) -> Result<()> {
    let mut transaction = Transaction::outside(directory)?;
    for path in old.iter().filter(|path| path.components().count() == 1) {
        transaction.remove(path)?;
    }
    for file in files {
        transaction.put(file)?;
    }
    transaction.commit()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::TempDir;
    use super::*;

    fn some() -> Vec<OutputFile> {
        vec![OutputFile::private("a/key", "secret"), OutputFile::public("index", "a/key")]
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_directory_is_new_or_takes_the_place_of_another() {
        let dir = TempDir::new();
        let (new, old) = (dir.path().join("x/y/new"), dir.path().join("old"));
        assert_eq!(entries_below(&new, 9).unwrap(), None);
        fs::create_dir(&old).unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(old.join("gone"), "").unwrap();
        for (place, wanted) in [(&new, 0o755), (&old, 0o700), (&new, 0o755)] {
            write_directory(place, some()).unwrap();
            let mut found = entries_below(place, 9).unwrap().unwrap();
            found.sort();
            assert_eq!(found, [Path::new("a"), Path::new("a/key"), Path::new("index")]);
            assert_eq!((mode(place), mode(&place.join("a"))), (wanted, wanted));
            assert_eq!((mode(&place.join("a/key")), mode(&place.join("index"))), (0o600, 0o644));
            assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), if place == &new { 1 } else { 2 });
        }
    }

    #[test]
    fn inside_a_directory_that_cannot_be_renamed() {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("old")).unwrap();
        fs::write(dir.path().join("old/gone"), "").unwrap();
        let old = entries_below(dir.path(), 9).unwrap().unwrap();
        write_inside(dir.path(), &old, some()).unwrap();
        let mut found = entries_below(dir.path(), 9).unwrap().unwrap();
        found.sort();
        assert_eq!(found, [Path::new("a"), Path::new("a/key"), Path::new("index")]);
    }

    #[test]
    fn whatever_has_a_name_is_listed() {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join(".git")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        let mut found = entries_below(dir.path(), 9).unwrap().unwrap();
        found.sort();
        assert_eq!(found, [Path::new(".git"), Path::new("link")]);
        assert!(entries_below(dir.path(), 1).unwrap_err().message().contains("more than 1"));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(entries_below(&dir.path().join("file"), 9).unwrap_err().message().contains("not a directory"));
        std::os::unix::fs::symlink("nothing", dir.path().join("gone")).unwrap();
        assert!(entries_below(&dir.path().join("gone"), 9).is_err());
    }
}
