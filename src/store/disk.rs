//! Every call that changes the disk on behalf of a transaction, each one a point where the machine may stop.
//!
//! The tests fail or stop each of these in turn; nothing else in this room may write.

use std::fs::{self, File, FileTimes};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::owner::Owner;
use super::platform;

/// Writes a new file: owner and mode are settled on the empty file, before the first byte. It is left open for [`sync`].
pub(super) fn write_new(path: &Path, bytes: &[u8], mode: u32, owner: Option<&Owner>) -> io::Result<File> {
    let mut file = create_file(path, mode, owner)?;
    write(&mut file, bytes)?;
    Ok(file)
}

/// A new file that is filled in pieces.
pub(super) fn create_file(path: &Path, mode: u32, owner: Option<&Owner>) -> io::Result<File> {
    fault::point()?;
    platform::create_new_for(path, mode, owner)
}

/// Writes over the beginning of a file.
pub(super) fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fault::point()?;
    platform::open_own(path, true)?.write_all(bytes)
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    // In the tests two halves, so that one can stop with a torn file.
    let (first, second) = bytes.split_at(if cfg!(test) { bytes.len() / 2 } else { bytes.len() });
    fault::point()?;
    file.write_all(first)?;
    if second.is_empty() {
        return Ok(());
    }
    fault::point()?;
    file.write_all(second)
}

/// Writes `bytes` at `offset`, where the file ends with nothing after them. It is left open for [`sync`].
pub(super) fn write_at_end(path: &Path, offset: u64, bytes: &[u8]) -> io::Result<File> {
    let mut file = platform::open_own(path, true)?;
    if file.metadata()?.len() != offset {
        fault::point()?;
        file.set_len(offset)?;
    }
    file.seek(SeekFrom::Start(offset))?;
    write(&mut file, bytes)?;
    Ok(file)
}

/// Writes `bytes` where an open file stands.
pub(super) fn append(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    write(file, bytes)
}

/// Cuts an open file off at `length` and goes there.
pub(super) fn cut(file: &mut File, length: u64) -> io::Result<()> {
    fault::point()?;
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length)).map(drop)
}

pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    fault::point()?;
    platform::create_directory(path)
}

/// The same in a directory that [`create_directory`] made.
pub(super) fn create_directory_within(path: &Path) -> io::Result<()> {
    fault::point()?;
    platform::create_directory_within(path)
}

pub(super) fn set_directory(path: &Path, mode: u32, owner: Option<&Owner>) -> io::Result<()> {
    fault::point()?;
    platform::set_directory(path, mode, owner)
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault::point()?;
    fs::rename(from, to)
}

pub(super) fn link(from: &Path, to: &Path) -> io::Result<()> {
    fault::point()?;
    fs::hard_link(from, to)
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    fault::point()?;
    fs::remove_file(path)
}

pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    fault::point()?;
    fs::remove_dir(path)
}

/// Opens a file or directory for [`sync`]; nothing where there is none (any more), or where directories need no sync.
pub(super) fn open_to_sync(path: &Path) -> io::Result<Option<File>> {
    match platform::open_to_sync(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result,
    }
}

/// Makes files, and the names in directories, durable. All are on their way to the disk before the first is waited for, so
/// that the file system commits them together. (Threads that wait side by side cost more than they save on a quiet disk,
/// and one call for the whole file system waits for what all others write to it.)
pub(super) fn sync(opened: &[File]) -> io::Result<()> {
    opened.iter().for_each(platform::start_sync);
    for file in opened {
        fault::point()?;
        platform::sync(file)?;
    }
    Ok(())
}

pub(super) fn sync_file_system(path: &Path) -> io::Result<()> {
    fault::point()?;
    platform::sync_file_system(path)
}

/// Gives a staged file the present as its modification time, and in any case another second than the file it replaces:
/// Erlang's PEM cache compares whole seconds.
pub(super) fn freshen(path: &Path, replaced: Option<SystemTime>) -> io::Result<()> {
    fault::point()?;
    let now = SystemTime::now();
    let second = |t: SystemTime| t.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let time = match replaced {
        Some(old) if second(old) == second(now) => old + Duration::from_secs(1),
        _ => now,
    };
    match platform::open_own(path, false).and_then(|file| file.set_times(FileTimes::new().set_modified(time))) {
        // A key given to another user can no longer be touched without being root; it was written a moment ago.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result,
    }
}

/// Overwrites a secret before its name goes. On flash and on copy-on-write file systems the old blocks may live on;
/// where the medium keeps its place, this is what can be done.
pub(super) fn erase(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    // A second name means that the content still lives somewhere: it must not be touched.
    let ours = metadata.is_file() && platform::is_private(&metadata) && !platform::has_other_names(&metadata);
    if ours && metadata.len() <= 1 << 20 {
        fault::point()?;
        if let Ok(mut file) = platform::open_own(path, true) {
            let zeros = vec![0; usize::try_from(metadata.len()).unwrap_or(0)];
            // Best effort: the disk may be full or the file ours no more, and it goes away in any case.
            let _ = file.write_all(&zeros).and_then(|()| file.sync_data());
        }
    }
    remove_file(path)
}

/// Removes a tree without ever following a link out of it.
pub(super) fn erase_tree(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(metadata) if metadata.is_dir() => {
            for entry in fs::read_dir(path)? {
                erase_tree(&entry?.path())?;
            }
            remove_directory(path)
        }
        Ok(_) => erase(path),
    }
}

#[cfg(not(test))]
mod fault {
    /// Nothing ever goes wrong on purpose outside the tests.
    #[inline(always)]
    pub(super) fn point() -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod fault {
    use std::cell::Cell;
    use std::io;

    #[derive(Clone, Copy, PartialEq, Debug)]
    pub(in crate::store) enum Fault {
        None,
        /// The n-th call fails, later ones work: EIO, ENOSPC, EACCES.
        FailAt(usize),
        /// The n-th call and all later ones do nothing: what a kill or a power cut looks like from the disk.
        StopAt(usize),
    }

    thread_local! {
        static FAULT: Cell<Fault> = const { Cell::new(Fault::None) };
        static COUNT: Cell<usize> = const { Cell::new(0) };
    }

    /// Arms the fault for this thread and starts counting again.
    pub(in crate::store) fn set(fault: Fault) {
        FAULT.set(fault);
        COUNT.set(0);
    }

    pub(in crate::store) fn count() -> usize {
        COUNT.get()
    }

    pub(super) fn point() -> io::Result<()> {
        let n = COUNT.get();
        COUNT.set(n + 1);
        match FAULT.get() {
            Fault::FailAt(at) if n == at => Err(io::Error::other("a fault was injected")),
            Fault::StopAt(at) if n >= at => Err(io::Error::other("the machine stopped")),
            _ => Ok(()),
        }
    }
}
