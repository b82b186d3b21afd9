//! Staging directories of commands that work without the lock of a PKI, and what becomes of them after a kill.
//!
//! Each holds a file that its process has locked as long as it lives. Who gets that lock may sweep the directory. What a PKI
//! has staged holds no such file: its journal decides about that.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::journal::{is_staging_name, metadata};
use super::{disk, layout, platform};

/// The file that is locked.
const IN_USE: &str = "in-use";

/// Is this what a command prepares, and none of the user's files?
pub(super) fn is_staging(name: &OsStr) -> bool {
    is_staging_name(name)
}

/// How long another process may take to sweep a directory, in milliseconds.
const PATIENCE: usize = 1000;

/// Makes a staging directory with its mark, which is gone when the file is closed. Without a mark nobody sweeps it: where
/// the file system knows no locks, that is how it stays.
///
/// # Errors
/// The disk refuses.
pub(super) fn create(staging: &Path) -> io::Result<Option<File>> {
    for _ in 0..PATIENCE {
        match disk::create_directory(staging).and_then(|()| mark(staging)) {
            // Another process saw the mark before it was locked, and sweeps the directory.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && metadata(staging)?.is_some_and(|m| m.is_dir()) => {}
            result => return result,
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn mark(staging: &Path) -> io::Result<Option<File>> {
    let path = staging.join(IN_USE);
    let file = disk::write_new(&path, b"", layout::PRIVATE_FILE, None)?;
    match file.try_lock() {
        Ok(()) if platform::is_still(&file, &path) => Ok(Some(file)),
        Ok(()) | Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(fs::TryLockError::Error(_)) => disk::remove_file(&path).map(|()| None),
    }
}

/// Takes the mark away: what is in the directory is needed.
pub(super) fn keep(staging: &Path) {
    let _ = disk::remove_file(&staging.join(IN_USE));
}

/// Removes what commands that were killed have prepared in `directory`: keys, for the most part. What cannot be removed
/// stays for the next.
pub fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_staging(&entry.file_name())) {
        let (staging, path) = (entry.path(), entry.path().join(IN_USE));
        let ours = |m: fs::Metadata| m.is_dir() && platform::is_ours(&m) && platform::is_private(&m);
        if !metadata(&staging).ok().flatten().is_some_and(ours) {
            continue;
        }
        let Ok(file) = platform::open_own(&path, true) else { continue };
        if file.try_lock().is_ok() && platform::is_still(&file, &path) {
            let _ = disk::erase_tree(&staging);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::testing::TempDir;
    use super::*;

    const NAME: &str = ".certgen-staging-0123456789abcdef";

    #[test]
    fn only_what_nobody_uses_goes() {
        let dir = TempDir::new();
        let staging = dir.path().join(NAME);
        platform::create_directory(&staging).unwrap();
        sweep(dir.path());
        assert!(staging.exists(), "a PKI's");
        fs::remove_dir(&staging).unwrap();
        let used = create(&staging).unwrap();
        assert!(used.is_some());
        fs::write(staging.join("1.new"), "a key").unwrap();
        sweep(dir.path());
        assert!(staging.join("1.new").exists());
        drop(used);
        sweep(dir.path());
        assert!(!staging.exists());
        drop(create(&staging).unwrap());
        keep(&staging);
        sweep(dir.path());
        assert!(staging.exists(), "what could not be taken back lies there");
    }

    #[test]
    fn a_link_of_that_name_is_not_followed() {
        let dir = TempDir::new();
        let (target, link) = (dir.path().join("target"), dir.path().join(NAME));
        drop(create(&target).unwrap());
        std::os::unix::fs::symlink("target", &link).unwrap();
        sweep(dir.path());
        assert!(target.join(IN_USE).exists() && link.is_symlink());
    }
}
