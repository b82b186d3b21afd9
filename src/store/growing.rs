//! A file that takes long to write: it grows as `FILE.partial` and gets its name when it is whole.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ui;

use super::{disk, files, journal, layout, platform};

/// A file in the making, for its owner alone, that no other command writes to.
#[derive(Debug)]
pub struct GrowingFile {
    file: File,
    partial: PathBuf,
    target: PathBuf,
    length: u64,
    /// An older file of its name goes.
    replaces: bool,
    finished: bool,
}

impl GrowingFile {
    /// Takes up `FILE.partial` where an interrupted command left it, or begins it.
    ///
    /// # Errors
    /// `target` exists; what has the name of the partial file is a link or belongs to somebody else; another command
    /// writes to it; or the directory cannot be written.
    pub fn open(target: &Path) -> Result<Self> {
        if journal::exists(target).map_err(|e| Error::io("writing", target, &e))? {
            return Err(Error::failed(format!("{} exists already", ui::path(target)))
                .hint("name another file, or move this one away"));
        }
        Self::take_up(target)
    }

    /// Begins the file anew; an older one of its name stays until this one is whole.
    ///
    /// # Errors
    /// As for [`GrowingFile::open`], but for the older one.
    pub fn anew(target: &Path) -> Result<Self> {
        let mut file = Self::take_up(target)?;
        file.keep(0)?;
        file.replaces = true;
        Ok(file)
    }

    fn take_up(target: &Path) -> Result<Self> {
        let partial = partial_of(target);
        let failed = |e: io::Error| Error::io("writing", &partial, &e);
        if !journal::exists(&partial).map_err(failed)? {
            disk::write_new(&partial, &[], layout::PRIVATE_FILE, None).map_err(failed)?;
        }
        let file = platform::open_own(&partial, true).map_err(|e| refused(&partial, &e))?;
        let facts = file.metadata().map_err(failed)?;
        let shown = ui::path(&partial);
        if !facts.is_file() || !platform::is_ours(&facts) || platform::mode(&facts) != layout::PRIVATE_FILE {
            return Err(Error::failed(format!("writing {shown}: what is there was not made by certgen for you"))
                .hint("look at it, and move it away"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::failed(format!("writing {shown}: another certgen writes to it"))
                    .hint("wait for that one, or name another file"));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // Whoever had the lock may have finished it, and the name may be another file's by now.
        if !platform::is_still(&file, &partial) {
            return Err(Error::failed(format!("writing {shown}: another certgen has just finished it")));
        }
        let (target, length) = (target.to_path_buf(), facts.len());
        Ok(Self { file, partial, target, length, replaces: false, finished: false })
    }

    /// How long it is.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Nothing was written to it yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Has an interrupted command left a file that waits for its name?
    pub fn is_waiting(target: &Path) -> bool {
        target.symlink_metadata().is_err() && partial_of(target).symlink_metadata().is_ok()
    }

    /// The file that grows, for messages.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// The same file, to be read before anything more is written.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reader(&self) -> Result<File> {
        self.file.try_clone().map_err(|e| Error::io("reading", &self.partial, &e))
    }

    /// Forgets what stands after `length`: what comes next is written there.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&mut self, length: u64) -> Result<()> {
        disk::cut(&mut self.file, length).map_err(|e| Error::io("writing", &self.partial, &e))?;
        self.length = length;
        Ok(())
    }

    /// Writes more.
    ///
    /// # Errors
    /// It cannot be written; what was written of it is cut off then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Err(e) = disk::append(&mut self.file, bytes) {
            let _ = disk::cut(&mut self.file, self.length);
            return Err(Error::io("writing", &self.partial, &e));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes durable what was written.
    ///
    /// # Errors
    /// It cannot be made durable.
    pub fn sync(&mut self) -> Result<()> {
        disk::sync(std::slice::from_ref(&self.file)).map_err(|e| Error::io("writing", &self.partial, &e))
    }

    /// Gives it its name. Whatever got that name meanwhile stays.
    ///
    /// # Errors
    /// It cannot be made durable, or something has its name.
    pub fn finish(mut self) -> Result<()> {
        self.sync()?;
        let failed = |e: io::Error| Error::io("writing", &self.target, &e);
        // A link and then a removal would leave both names to a command that is killed in between.
        if !self.replaces && journal::exists(&self.target).map_err(failed)? {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        disk::rename(&self.partial, &self.target).map_err(failed)?;
        self.finished = true;
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let opened = disk::open_to_sync(parent.unwrap_or(Path::new("."))).map_err(failed)?;
        disk::sync(opened.as_slice()).map_err(failed)
    }
}

impl Drop for GrowingFile {
    fn drop(&mut self) {
        // An empty one is of no use to whoever goes on.
        if !self.finished && fs::metadata(&self.partial).is_ok_and(|m| m.len() == 0) {
            let _ = disk::remove_file(&self.partial);
        }
    }
}

/// `FILE.partial`.
fn partial_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn refused(path: &Path, e: &io::Error) -> Error {
    if fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_symlink()) {
        return Error::failed(format!("writing {}: it is a symbolic link", ui::path(path)))
            .hint("look where it leads, and move it away");
    }
    files::own_error("writing", path, e)
}
