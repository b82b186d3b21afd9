//! What the next command does about one that was killed: finish what was promised, sweep away what was not.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ui;

use super::journal::{Ground, Journal, Operation, is_staging_name, metadata};
use super::{Store, disk, files, layout, platform};

/// The file in a staging directory that lists staging directories outside the PKI, one path a line.
pub(super) const OUTSIDE_LIST: &str = "outside";

/// Finishes a journaled transaction and removes leftovers. The caller holds the lock.
pub(super) fn recover(store: &Store) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(journal) = Journal::read(store)? {
        let ground = Ground {
            roots: std::iter::once(store.root().to_path_buf()).chain(journal.outside.iter().cloned()).collect(),
            staging: journal.staging.clone(),
        };
        let reachable = reachable_roots(&ground);
        for (root, _) in reachable.iter().enumerate().filter(|(_, reachable)| !**reachable) {
            let shown = ui::path(&ground.roots[root]);
            notes.push(format!("an interrupted command was not finished in {shown}: what it had prepared is gone"));
        }
        let operations: Vec<_> = journal.operations.iter().filter(|operation| reachable[operation.root()]).collect();
        carry_out(&ground, &operations).map_err(|e| {
            Error::io("finishing what an interrupted command had begun in", store.root(), &e)
                .hint("put the cause right (space, permissions, a missing directory) and run the command again")
        })?;
        close(store.root())
            .map_err(|e| Error::io("finishing what an interrupted command had begun in", store.root(), &e))?;
        sweep(&ground);
        notes.push("finished what an interrupted command had begun".to_owned());
    }
    sweep_orphans(store.root());
    Ok(notes)
}

/// Does all operations and makes them durable.
pub(super) fn carry_out(ground: &Ground, operations: &[&Operation]) -> io::Result<()> {
    let mut touched = BTreeSet::new();
    for operation in operations {
        ground.redo(operation)?;
        touched.extend(ground.touched(operation));
    }
    sync(&touched)
}

/// Takes all operations back, last first.
pub(super) fn take_back(ground: &Ground, operations: &[&Operation]) -> io::Result<()> {
    let mut touched = BTreeSet::new();
    for operation in operations.iter().rev() {
        ground.undo(operation)?;
        touched.extend(ground.touched(operation));
    }
    sync(&touched)
}

/// What a later step removed has nothing left to sync.
fn sync(touched: &BTreeSet<PathBuf>) -> io::Result<()> {
    let opened = touched.iter().filter_map(|path| disk::open_to_sync(path).transpose());
    disk::sync(&opened.collect::<io::Result<Vec<_>>>()?)
}

/// The transaction is complete: its journal goes, before what it points to.
pub(super) fn close(root: &Path) -> io::Result<()> {
    disk::remove_file(&root.join(layout::journal()))?;
    sync(&BTreeSet::from([root.to_path_buf()]))
}

/// Removes the staging directories. What cannot be removed now is swept by the next command.
pub(super) fn sweep(ground: &Ground) {
    // The PKI's own last, and only when the others are gone: it knows where they are.
    for root in (0..ground.roots.len()).rev() {
        if disk::erase_tree(&ground.staging(root)).is_err() {
            break;
        }
    }
}

/// Only a staging directory that this user made lets anything be written: a forged journal has none in a foreign place.
fn reachable_roots(ground: &Ground) -> Vec<bool> {
    let ours = |m: fs::Metadata| m.is_dir() && platform::is_ours(&m) && platform::is_private(&m);
    (0..ground.roots.len()).map(|root| metadata(&ground.staging(root)).ok().flatten().is_some_and(ours)).collect()
}

/// Staging directories without a journal: their command stopped before it promised anything.
fn sweep_orphans(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).filter(|name| is_staging_name(name)).collect();
    for name in names {
        let staging = root.join(&name);
        for other in listed_outside(&staging.join(OUTSIDE_LIST)) {
            // Nothing but a staging directory of the same random name is ever touched there.
            if other.file_name() == Some(&name)
                && metadata(&other).ok().flatten().is_some_and(|m| platform::is_ours(&m))
            {
                let _ = disk::erase_tree(&other);
            }
        }
        let _ = disk::erase_tree(&staging);
    }
}

fn listed_outside(list: &Path) -> Vec<PathBuf> {
    let Ok(bytes) = files::read_own(list, files::INPUT_LIMIT) else { return Vec::new() };
    String::from_utf8_lossy(&bytes).lines().map(PathBuf::from).filter(|path| path.is_absolute()).collect()
}
