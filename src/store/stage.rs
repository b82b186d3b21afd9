//! A run of transactions whose files are prepared by many threads.
//!
//! One staging directory serves all of them. Threads fill it side by side, each thing under a number of its own; the thread
//! that holds the lock gives what is ready its place, a block at a time. What no transaction took goes with the stage, or
//! with the next command if this one was killed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Result;

use super::files::OutputFile;
use super::owner::Owner;
use super::transaction::{Transaction, writing_failed};
use super::{disk, layout};

/// The staging directory of a run. Dropped, it sweeps away what was prepared and not used.
#[derive(Debug)]
pub struct Stage<'a>(Transaction<'a>);

impl<'a> Stage<'a> {
    /// With its directory: the transactions of the run have one of their own otherwise, which nobody sweeps.
    pub(super) fn new(mut transaction: Transaction<'a>) -> Result<Self> {
        transaction.next(0)?;
        Ok(Self(transaction))
    }

    /// As [`Transaction::allow_outside`], for every transaction of the run.
    pub fn allow_outside(&mut self, directory: &Path) -> Result<()> {
        self.0.allow_outside(directory)
    }

    /// Where things are prepared that will have a place beside `path`.
    pub fn area(&mut self, path: &Path) -> Result<StagingArea> {
        self.0.area(path)
    }

    /// The next transaction of the run.
    pub fn transaction(&self) -> Transaction<'a> {
        self.0.sibling()
    }
}

/// A place in which any thread may prepare files and directories.
#[derive(Debug, Clone)]
pub struct StagingArea {
    root: usize,
    directory: PathBuf,
    count: Arc<AtomicUsize>,
}

/// Something that is prepared and waits for its place.
#[derive(Debug)]
pub struct Staged {
    pub(super) n: usize,
    pub(super) root: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    File,
    Directory,
}

impl StagingArea {
    pub(super) fn new(root: usize, directory: PathBuf, count: Arc<AtomicUsize>) -> Self {
        Self { root, directory, count }
    }

    /// Prepares a directory with files that lie in it directly. `shown` is its place, for messages.
    pub fn directory(&self, shown: &Path, mode: u32, owner: Option<&Owner>, files: &[OutputFile]) -> Result<Staged> {
        let (n, path) = self.next();
        let failed = |e: io::Error| writing_failed(shown, &e, owner);
        disk::create_directory_within(&path).map_err(failed)?;
        for file in files {
            disk::write_new(&path.join(&file.path), &file.bytes, file.mode, file.owner.as_ref().or(owner))
                .map_err(failed)?;
        }
        if mode != layout::PRIVATE_DIRECTORY || owner.is_some() {
            disk::set_directory(&path, mode, owner).map_err(failed)?;
        }
        Ok(Staged { n, root: self.root, kind: Kind::Directory })
    }

    /// Prepares a file.
    pub fn file(&self, file: &OutputFile) -> Result<Staged> {
        let (n, path) = self.next();
        disk::write_new(&path, &file.bytes, file.mode, file.owner.as_ref())
            .map_err(|e| writing_failed(&file.path, &e, file.owner.as_ref()))?;
        Ok(Staged { n, root: self.root, kind: Kind::File })
    }

    fn next(&self) -> (usize, PathBuf) {
        let n = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        (n, self.directory.join(format!("{n}.new")))
    }
}
