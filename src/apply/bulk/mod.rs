//! Many identities in one run, three or a million, with memory for a few thousand.
//!
//! All cores make keys and certificates and prepare files; one thread takes what is ready, in order, and makes it true block
//! by block: first the files are durable, then the inventory learns of them. Whatever stops the run, what the inventory
//! knows is whole, and what it does not know is swept away or cut off, so that the same command again goes on from there.

mod batch;
mod maker;
mod ordered;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use self::batch::{Batch, Block};
use self::maker::Maker;
use crate::apply::archive::GrowingArchive;
use crate::apply::{Change, Dates, KeySource, Superseded, Trust, Vault, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::issuer::LocalIssuer;
use crate::manifest::{Entry, EntrySpec};
use crate::profile::Role;
use crate::store::{self, GrowingFile, Locked, OutputFile, Stage, StagingArea, layout};
use crate::ui;

pub(crate) use maker::flat_files;
pub use ordered::ordered;

/// Where the identities of a run go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Their directories in the PKI.
    Pki,
    /// A directory each, below this one.
    Directories(PathBuf),
    /// Two files each, side by side in this directory, and one bundle for all.
    Flat(PathBuf),
    /// A directory each in this tar file.
    Archive(PathBuf),
}

impl Place {
    /// An interrupted run has left something here that waits to be finished, although nothing may be left to issue.
    pub fn waits(&self) -> bool {
        matches!(self, Self::Archive(target) if GrowingFile::is_waiting(target))
    }

    /// Where the files of one identity are: its directory, its certificate, or the archive.
    ///
    /// # Errors
    /// No directory can have its name.
    pub fn path_of(&self, role: Role, name: &str, env: &Env) -> Result<PathBuf> {
        Ok(match self {
            Self::Pki => env.pki.join(layout::entry_dir(role.as_str(), name)?),
            Self::Directories(directory) => directory.join(store::directory_name(name)?),
            Self::Flat(directory) => flat_files(directory, &store::directory_name(name)?)[0].clone(),
            Self::Archive(target) => target.clone(),
        })
    }
}

/// One certificate to issue.
pub struct Job {
    /// What it should be.
    pub entry: Entry,
    /// What was asked, for the inventory to remember.
    pub spec: EntrySpec,
    /// Where its key comes from.
    pub key: KeySource,
    /// Dates asked for by name.
    pub dates: Dates,
    /// The inventory knows a certificate of that name: the log calls the new one renewed.
    pub renews: bool,
}

/// What is to be done about one identity.
#[expect(
    clippy::large_enum_variant,
    reason = "most are the large one, and a box for each would cost more than it saves"
)]
pub enum Step {
    /// It gets a certificate.
    Issue(Job),
    /// It has all it needs.
    Unchanged(String),
}

/// What was done about one identity.
pub enum Told {
    /// It has a new certificate.
    Issued {
        /// Its name.
        name: String,
        /// Who signed.
        issuer: String,
        /// The serial number.
        serial: String,
        /// When it begins.
        not_before: OffsetDateTime,
        /// When it ends.
        not_after: OffsetDateTime,
        /// It replaced another.
        renewed: bool,
    },
    /// It has all it needs.
    Unchanged(String),
    /// One of its earlier certificates is revoked, because the device was swapped.
    Revoked(Superseded),
}

/// A run: the PKI, who signs, and where everything goes.
pub struct Bulk<'a> {
    /// The PKI.
    pub world: &'a mut World,
    /// What all identities are for.
    pub role: Role,
    /// Where they go.
    pub place: Place,
    /// The authorities that sign, by name.
    pub issuers: BTreeSet<String>,
    /// The devices were swapped: whatever an identity had before is revoked with the block that replaces it.
    pub supersede: bool,
    /// What tells the list that says so from others, for the inventory to remember.
    pub list: Option<String>,
}

impl Bulk<'_> {
    /// Makes `steps` true: each piece of `input` becomes a step on some core, and `tell` learns what was done, in order, once
    /// it is done for good. What the archive held already from an earlier run is the answer.
    ///
    /// # Errors
    /// Somebody cannot sign, a step fails, or something cannot be written. What was told before stays done.
    pub fn run<I: Send>(
        &mut self,
        vault: &mut Vault,
        locked: &mut Locked,
        env: &mut Env,
        input: impl Iterator<Item = I> + Send,
        step: impl Fn(I) -> Result<Step> + Sync,
        mut tell: impl FnMut(Told, &mut Env) -> Result<()>,
    ) -> Result<usize> {
        for issuer in &self.issuers {
            self.world.refuse_unfit_authority(issuer)?;
            vault.issuer(self.world, issuer.as_str(), env)?;
        }
        let opened = |name: &String| Some((name.clone(), vault.opened(name)?));
        let issuers: BTreeMap<String, &LocalIssuer> = self.issuers.iter().filter_map(opened).collect();
        let trust = self.trust(locked, env)?;
        let mut archive = match &self.place {
            Place::Archive(target) => Some(GrowingArchive::open(target, self.role, self.world, env.now)?),
            _ => None,
        };
        let kept = archive.as_ref().map_or(0, |archive| archive.kept);
        let mut stage = locked.stage()?;
        let area = self.area(&mut stage)?;
        let maker = Maker {
            role: self.role,
            place: self.place.clone(),
            issuers,
            bundles: trust.files(self.role, false),
            store: self.world.store.clone(),
            area,
            mtime: archive.as_ref().map_or(0, |archive| archive.mtime),
            actor: env.actor.clone(),
            list: self.list.clone(),
            now: env.now,
            real_now: env.real_now,
        };
        let mut block = Block::first(match &self.place {
            Place::Flat(directory) => bundles_beside(directory, &maker.bundles)?,
            _ => Vec::new(),
        });
        let mut commit = |block: Block, archive: &mut Option<GrowingArchive>, env: &mut Env| -> Result<()> {
            if let Some(archive) = archive {
                archive.sync()?;
            }
            let told = block.commit(self.world, &stage, self.supersede.then_some(self.role), env)?;
            told.into_iter().try_for_each(|told| tell(told, env))
        };
        let work = |chunk: Vec<I>, batch: &mut Batch| {
            batch.clear();
            batch.failed = chunk
                .into_iter()
                .try_for_each(|piece| match step(piece)? {
                    Step::Issue(job) => maker.make(job, batch),
                    Step::Unchanged(name) => {
                        batch.told.push(Told::Unchanged(name));
                        Ok(())
                    }
                })
                .err();
        };
        let done = ordered(input, work, |batch| {
            if let Some(archive) = &mut archive {
                archive.write(&batch.archived)?;
            }
            block.add(batch);
            if block.is_full() {
                commit(block.next(), &mut archive, env)?;
            }
            batch.failed.take().map_or(Ok(()), Err)
        });
        // What was made before something failed is good.
        commit(block, &mut archive, env).and(done)?;
        archive.map_or(Ok(()), GrowingArchive::finish)?;
        Ok(kept)
    }

    /// The bundles of the new identities. An authority that signs for this role for the first time is trusted by its peers
    /// before anybody shows its certificates.
    fn trust(&mut self, locked: &mut Locked, env: &Env) -> Result<Trust> {
        let trust = Trust::with(self.world, self.role, &self.issuers)?;
        if trust != Trust::of(self.world)? {
            let mut nobody = Vault::default();
            let mut change = Change::new(self.world, &mut nobody, env);
            change.refresh_bundles(&trust)?;
            change.commit(locked)?;
        }
        Ok(trust)
    }

    /// Where files are prepared; an archive needs no such place.
    fn area(&self, stage: &mut Stage<'_>) -> Result<Option<StagingArea>> {
        match &self.place {
            Place::Pki => stage.area(&layout::entry_dir(self.role.as_str(), "any")?).map(Some),
            Place::Directories(directory) | Place::Flat(directory) => {
                stage.allow_outside(directory)?;
                stage.area(&directory.join("any")).map(Some)
            }
            Place::Archive(_) => Ok(None),
        }
    }
}

/// The bundles that lie once beside all identities. One that is there with another content is somebody else's.
fn bundles_beside(directory: &Path, bundles: &[(&'static str, Vec<u8>)]) -> Result<Vec<OutputFile>> {
    let mut missing = Vec::new();
    for (name, bytes) in bundles {
        let path = directory.join(name);
        if path.symlink_metadata().is_err() {
            missing.push(OutputFile::public(path, bytes.clone()));
        } else if *store::read_limited(&path, store::INPUT_LIMIT)? != *bytes {
            return Err(Error::failed(format!("{} exists already and is another bundle", ui::path(&path)))
                .hint("name another directory with --out, or move this file away"));
        }
    }
    Ok(missing)
}
