//! What exists: every path and mode, the inventory, the lock, and the only writes in the house.
//!
//! All that certgen changes on a disk goes through here, so that one promise holds everywhere: after any failure the
//! directory is as it was before, or complete, and no secret is readable by others at any instant. The calls of Unix and
//! of Windows live here too. What the files mean is nobody's business in this room: it neither parses a certificate nor
//! reads the manifest.
//!
//! How it is used:
//!
//! 1. [`Store::open`] has no side effects and needs no directory; [`Store::inventory`], [`Store::read`] and
//!    [`Store::entries_on_disk`] read without a lock, also where nothing can be written.
//! 2. [`Store::lock`] waits for other commands, finishes what a crashed one had begun, repairs a torn last line and
//!    reports both in [`Locked::notes`].
//! 3. [`Locked::transaction`] collects files, directories, removals and events; [`Transaction::commit`] makes them true
//!    together. [`Transaction::outside`] does the same for a directory that is no PKI.
//!
//! Paths are relative to the PKI and come from [`layout`]. `event` and `inventory` say what is remembered, `files` and
//! `owner` how a single file is, `journal`, `recovery` and `disk` how a change survives a crash, `seal` how authority
//! keys rest; `stage`, `growing` and `spool` are for what is too much to be held in memory.

pub mod layout;
pub mod seal;

mod abandoned;
mod account;
mod append;
mod backup;
mod disk;
mod event;
mod files;
mod fold;
mod growing;
mod index;
mod inventory;
mod inventory_file;
mod journal;
mod lock;
mod names;
mod owner;
mod parcel;
mod record;
mod recovery;
mod snapshot;
mod spool;
mod stage;
mod table;
mod transaction;
mod tree;
mod walk;
mod whole;

#[cfg(unix)]
#[path = "unix.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows.rs"]
mod platform;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
pub(crate) mod testing;

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ui;

pub use abandoned::sweep;
pub use account::account;
pub use append::append_lines;
pub use backup::Snapshot;
pub use event::{Action, Event, Lines, Location, Timestamp};
pub use files::{
    FileFacts, INPUT_LIMIT, OutputFile, facts, open_stream, place_outside, read_limited, read_passphrase,
    read_password, read_required_password, replace, set_mode, write_stream,
};
pub use fold::Moment;
pub use growing::GrowingFile;
pub use inventory::{EntryHistory, FoundCertificate, Inventory, Issued, Revocation, canonical_serial};
pub use inventory_file::Reading;
pub use lock::{Holder, LockOptions, Locked, LockedDirectory, Waiting};
pub use names::{directory_name, equal_but_for_case, name_of_directory};
pub use owner::Owner;
pub use parcel::{Parcel, holds_key};
pub use snapshot::DiskEntry;
pub use spool::{Spool, open_twice};
pub use stage::{Stage, Staged, StagingArea};
pub use transaction::Transaction;
pub use tree::{Sighted, Tree, tree_below};
pub use walk::{Walk, files_below};
pub use whole::{entries_below, write_directory};

/// A PKI's directory, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Names the directory; nothing is read or written.
    pub fn open(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The directory as the user named it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Puts the directory in front of a path from [`layout`].
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// Is there a PKI? A manifest, an inventory, or a change of them that a crash has interrupted.
    pub fn exists(&self) -> bool {
        [layout::manifest(), layout::inventory(), layout::journal()].iter().any(|path| self.holds(path))
    }

    /// Is there something of that name in the directory, be it a link that leads nowhere?
    pub fn holds(&self, relative: impl AsRef<Path>) -> bool {
        fs::symlink_metadata(self.path(relative)).is_ok()
    }

    /// Has a crash left a change half done? A reader may see some of it; the next command that locks finishes it.
    pub fn is_interrupted(&self) -> bool {
        self.holds(layout::journal())
    }

    /// Whether a command that was killed left something that the next one under the lock clears away.
    pub fn has_leftovers(&self) -> bool {
        let Ok(entries) = std::fs::read_dir(&self.root) else { return false };
        self.is_interrupted() || entries.flatten().any(|entry| journal::is_staging_name(&entry.file_name()))
    }

    /// The error of a command that needs a PKI where there is none.
    pub fn missing(&self) -> Error {
        Error::failed(format!("opening the PKI {}: there is no PKI", ui::path(&self.root)))
            .hint("create one with: certgen init")
            .hint("or name another directory with --pki DIR")
    }

    /// Reads a file of the PKI, at most [`INPUT_LIMIT`] bytes. A link in its place is refused.
    pub fn read(&self, relative: impl AsRef<Path>) -> Result<Zeroizing<Vec<u8>>> {
        files::read_own(&self.path(relative), INPUT_LIMIT)
    }

    /// Like [`Store::read`], nothing if there is no such file, and with a limit of the caller's.
    pub fn read_if_exists(&self, relative: impl AsRef<Path>, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let path = self.path(relative);
        if journal::exists(&path).map_err(|e| Error::io("reading", &path, &e))? {
            files::read_own(&path, limit).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the inventory; one that does not exist is empty and says so in [`Inventory::exists`].
    pub fn inventory(&self) -> Result<Inventory> {
        self.inventory_with(&mut |_, _| {})
    }

    /// The same, and says how far it is where that takes a while.
    pub fn inventory_with(&self, reading: Reading<'_>) -> Result<Inventory> {
        inventory_file::read(&self.path(layout::inventory()), reading)
    }

    /// Brings the index up where the next reader would have to wait for it; a cache, of which no failure matters.
    pub fn index_inventory(&self, reading: Reading<'_>) {
        inventory_file::cover(&self.path(layout::inventory()), reading);
    }

    /// Lists what has a directory of its own.
    pub fn entries_on_disk(&self) -> Result<Vec<DiskEntry>> {
        snapshot::take(self)
    }

    /// The names of the files in a directory of the PKI, sorted; none if there is no such directory.
    pub fn file_names(&self, relative: impl AsRef<Path>) -> Result<Vec<String>> {
        let path = self.path(relative);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::io("listing", &path, &e)),
        };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// Role and name of what has replaced pairs.
    pub fn names_in_history(&self) -> Result<Vec<(String, String)>> {
        let place = layout::history();
        let mut found = Vec::new();
        for role in self.file_names(&place)? {
            let names = self.file_names(place.join(&role))?;
            found.extend(names.iter().filter_map(|name| Some((role.clone(), name_of_directory(name)?))));
        }
        Ok(found)
    }

    /// The names of everything in a directory of the PKI, sorted.
    fn entry_names(&self, relative: impl AsRef<Path>) -> Result<Vec<std::ffi::OsString>> {
        let path = self.path(relative);
        let failed = |e: std::io::Error| Error::io("listing", &path, &e);
        let entries = fs::read_dir(&path).map_err(failed)?;
        let mut names: Vec<_> =
            entries.map(|entry| entry.map(|entry| entry.file_name()).map_err(failed)).collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }

    /// Waits until no other command writes, and puts right what a crashed one has left.
    pub fn lock(&self, options: LockOptions<'_>) -> Result<Locked> {
        lock::lock(self, options)
    }
}

/// Who runs this: `user@host`, for events when neither `--actor` nor `CERTGEN_ACTOR` is given.
pub fn user_at_host() -> String {
    platform::user_at_host()
}

/// 64 random bits. A bulk run needs them for every event, so a thread gets many at once; nothing about them is secret.
fn random_hex() -> Result<String> {
    thread_local! {
        static NEXT: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }
    NEXT.with_borrow_mut(|next| {
        if next.is_empty() {
            let mut bytes = [0; 512];
            aws_lc_rs::rand::fill(&mut bytes)
                .map_err(|_| Error::failed("reading random numbers from the operating system"))?;
            next.extend(bytes.as_chunks::<8>().0.iter().map(|eight| u64::from_be_bytes(*eight)));
        }
        Ok(format!("{:016x}", next.pop().unwrap_or_default()))
    })
}
