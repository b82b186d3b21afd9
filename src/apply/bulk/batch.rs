//! What cores make of chunks, and what becomes true together.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::apply::{Change, Vault, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Entry;
use crate::profile::Role;
use crate::secret::Secret;
use crate::store::{Lines, OutputFile, Owner, Stage, Staged, layout};

use super::Told;

/// A block is made true at once. The first is small and each next one twice as large, so that a short run loses little
/// when it is stopped, and a long one does not wait for the disk all the time.
const FIRST_BLOCK: usize = 64;
const LARGEST_BLOCK: usize = 4096;
/// Slow keys make slow blocks: after this long what is ready is made true in any case.
const LONGEST_BLOCK: Duration = Duration::from_secs(5);

/// Some identities that are made and wait to become true.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) told: Vec<Told>,
    pub(super) lines: Lines,
    /// Their part of an archive.
    pub(super) archived: Secret,
    /// What is prepared elsewhere, and its place.
    pub(super) staged: Vec<(Staged, PathBuf)>,
    /// For directories that exist, which may be mounted somewhere.
    pub(super) replacing: Vec<Replacing>,
    /// Why nothing was made after them.
    pub(super) failed: Option<Error>,
}

impl Batch {
    /// Begins anew with the memory that is there.
    pub(super) fn clear(&mut self) {
        self.lines.truncate(0);
        self.archived.clear();
    }
}

/// New files for a directory that exists.
pub(super) struct Replacing {
    pub(super) entry: Box<Entry>,
    pub(super) owner: Option<Owner>,
    pub(super) files: Vec<OutputFile>,
}

/// Identities that become true together.
pub(super) struct Block {
    size: usize,
    began: Instant,
    batch: Batch,
    files: Vec<OutputFile>,
}

impl Block {
    /// The first one, with `files` that come before everything.
    pub(super) fn first(files: Vec<OutputFile>) -> Self {
        Self { size: FIRST_BLOCK, began: Instant::now(), batch: Batch::default(), files }
    }

    /// Begins the next one, and gives this one.
    pub(super) fn next(&mut self) -> Self {
        let size = (self.size * 2).min(LARGEST_BLOCK);
        std::mem::replace(self, Self { size, ..Self::first(Vec::new()) })
    }

    /// Takes what a core made; what belongs to an archive stands there already.
    pub(super) fn add(&mut self, batch: &mut Batch) {
        self.batch.told.append(&mut batch.told);
        self.batch.lines.append(&batch.lines);
        self.batch.staged.append(&mut batch.staged);
        self.batch.replacing.append(&mut batch.replacing);
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch.told.len() >= self.size || self.began.elapsed() >= LONGEST_BLOCK
    }

    /// Files and inventory in one step; what can be told then. What identities of the role `supersede` had before is revoked.
    pub(super) fn commit(
        self,
        world: &mut World,
        stage: &Stage<'_>,
        supersede: Option<Role>,
        env: &Env,
    ) -> Result<Vec<Told>> {
        let Batch { told, lines, staged, replacing, .. } = self.batch;
        if lines.is_empty() {
            return Ok(told);
        }
        // Everything is signed already.
        let mut nobody = Vault::default();
        let mut change = Change::new(world, &mut nobody, env);
        for told in &told {
            if let (Some(role), Told::Issued { name, .. }) = (supersede, told) {
                change.supersede(role, name)?;
            }
        }
        change.world.inventory.check()?;
        change.staged = staged;
        change.files = self.files;
        for Replacing { entry, owner, files } in replacing {
            let directory = layout::entry_dir(entry.role.as_str(), &entry.name)?;
            let old = change.world.pair(entry.role, &entry.name)?.and_then(|pair| pair.certificate.ok());
            change.put_identity(&entry, &directory, files, owner, old.as_ref())?;
        }
        let mut transaction = stage.transaction();
        transaction.append_lines(lines);
        let done = change.commit_in(transaction)?;
        Ok(told.into_iter().chain(done.superseded.into_iter().map(Told::Revoked)).collect())
    }
}
