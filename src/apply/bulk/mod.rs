//! Many identities in one run, three or a million, with memory for a few thousand.
//!
//! All cores make keys and certificates and prepare files; one thread takes what is ready, in order, and makes it true block
//! by block: first the files are durable, then the inventory learns of them. Whatever stops the run, what the inventory
//! knows is whole, and what it does not know is swept away or cut off, so that the same command again goes on from there.

mod ordered;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::apply::archive::{self, GrowingArchive};
use crate::apply::change::owner;
use crate::apply::identity::{self, Made};
use crate::apply::{Change, Dates, KeySource, Superseded, Trust, Vault, World, world};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::issuer::LocalIssuer;
use crate::manifest::{Entry, EntrySpec};
use crate::profile::Role;
use crate::store::{
    self, Action, Event, GrowingFile, Location, Locked, OutputFile, Owner, Stage, Staged, StagingArea, Store, layout,
};
use crate::ui;

pub use ordered::ordered;

/// A block is made true at once. The first is small and each next one twice as large, so that a short run loses little
/// when it is stopped, and a long one does not wait for the disk all the time.
const FIRST_BLOCK: usize = 64;
const LARGEST_BLOCK: usize = 4096;
/// Slow keys make slow blocks: after this long what is ready is made true in any case.
const LONGEST_BLOCK: Duration = Duration::from_secs(5);

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
pub enum Step {
    /// It gets a certificate.
    Issue(Box<Job>),
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
        /// The directory, or the archive.
        path: PathBuf,
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
            self.world.refuse_revoked_authority(issuer)?;
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
        let mut stage = locked.stage();
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
        let mut block = Block::new(FIRST_BLOCK);
        if let Place::Flat(directory) = &self.place {
            block.files = bundles_beside(directory, &maker.bundles)?;
        }
        let mut commit = |block: Block, archive: &mut Option<GrowingArchive>, env: &mut Env| -> Result<()> {
            if let Some(archive) = archive {
                archive.sync()?;
            }
            let told = block.commit(self.world, &stage, self.supersede, env)?;
            told.into_iter().try_for_each(|told| tell(told, env))
        };
        let work = |piece: I| match step(piece)? {
            Step::Issue(job) => maker.make(*job).map(|finished| Ready::Made(Box::new(finished))),
            Step::Unchanged(name) => Ok(Ready::Unchanged(name)),
        };
        let done = ordered(input, work, |ready: Result<Ready>| {
            let ready = ready?;
            if let (Ready::Made(finished), Some(archive)) = (&ready, &mut archive)
                && let Goods::Archived(bytes) = &finished.goods
            {
                archive.write(bytes)?;
            }
            block.add(ready);
            if block.is_full() {
                let next = Block::new((block.size * 2).min(LARGEST_BLOCK));
                commit(std::mem::replace(&mut block, next), &mut archive, env)?;
            }
            Ok(())
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

/// What every core needs to make identities.
struct Maker<'a> {
    role: Role,
    place: Place,
    issuers: BTreeMap<String, &'a LocalIssuer>,
    bundles: Vec<(&'static str, Vec<u8>)>,
    store: Store,
    area: Option<StagingArea>,
    mtime: u64,
    actor: String,
    list: Option<String>,
    now: OffsetDateTime,
    real_now: OffsetDateTime,
}

/// What a core made of one piece of the input.
enum Ready {
    Made(Box<Finished>),
    Unchanged(String),
}

/// One identity that is made and waits to become true.
struct Finished {
    told: Told,
    event: Event,
    goods: Goods,
}

/// Its files.
enum Goods {
    Staged(Vec<(Staged, PathBuf)>),
    /// For a directory that exists, which may be mounted somewhere.
    Replacing {
        entry: Box<Entry>,
        owner: Option<Owner>,
        files: Vec<OutputFile>,
    },
    Archived(Zeroizing<Vec<u8>>),
}

impl Maker<'_> {
    fn make(&self, job: Job) -> Result<Finished> {
        let Job { entry, spec, key, dates, renews } = job;
        let owner = owner(entry.owner.as_deref())?;
        let issuer = self
            .issuers
            .get(&entry.issuer)
            .ok_or_else(|| Error::failed(format!("authority {} was not opened", ui::quote(&entry.issuer))))?;
        let password = world::password_of(&self.store, &entry)?;
        let made = identity::make(&entry, key, issuer, dates, password.as_ref().map(|p| p.as_bytes()), self.now)?;
        let certificate = &made.issued.certificate;
        let action = if renews { Action::Renewed } else { Action::Issued };
        let mut event =
            Event::new(action, &self.actor, self.now, self.real_now)?.about(entry.role.as_str(), &entry.name);
        let location = match (&self.place, made.key_pem.is_some()) {
            (Place::Pki, true) => Location::Pki,
            (Place::Pki, false) => Location::Csr,
            (Place::Directories(_) | Place::Flat(_), _) => Location::Out,
            (Place::Archive(_), _) => Location::Archive,
        };
        identity::describe(&mut event, certificate, &entry.issuer, location, false);
        event.entry = asked(&spec);
        event.bulk = Some(true);
        event.sha256.clone_from(&self.list);
        let validity = *certificate.validity();
        let (name, issuer, serial) = (entry.name.clone(), entry.issuer.clone(), certificate.serial().to_string());
        let (goods, path) = self.goods(entry, owner, &made, renews)?;
        let (not_before, not_after) = (validity.not_before, validity.not_after);
        let told = Told::Issued { name, issuer, serial, not_before, not_after, path, renewed: renews };
        Ok(Finished { told, event, goods })
    }

    fn goods(&self, entry: Entry, owner: Option<Owner>, made: &Made, renews: bool) -> Result<(Goods, PathBuf)> {
        let name = store::directory_name(&entry.name)?;
        if let Place::Flat(directory) = &self.place {
            return self.flat(directory, &name, &entry, owner, made);
        }
        let files = identity::files(&entry, &made.issued, made.key_pem.as_ref(), &self.bundles);
        let mode = layout::entry_dir_mode(entry.key_mode);
        let (path, shown) = match &self.place {
            Place::Archive(target) => {
                let bytes = archive::directory(Path::new(&name), mode, owner.as_ref(), &files, self.mtime)?;
                return Ok((Goods::Archived(bytes), target.clone()));
            }
            Place::Directories(directory) | Place::Flat(directory) => (directory.join(&name), directory.join(&name)),
            Place::Pki => {
                let path = layout::entry_dir(self.role.as_str(), &entry.name)?;
                let shown = self.store.path(&path);
                if renews && self.store.holds(&path) {
                    return Ok((Goods::Replacing { entry: Box::new(entry), owner, files }, shown));
                }
                (path, shown)
            }
        };
        let staged = self.area()?.directory(&shown, mode, owner.as_ref(), &files)?;
        Ok((Goods::Staged(vec![(staged, path)]), shown))
    }

    /// The chain and the key beside each other.
    fn flat(
        &self,
        directory: &Path,
        name: &str,
        entry: &Entry,
        owner: Option<Owner>,
        made: &Made,
    ) -> Result<(Goods, PathBuf)> {
        let [certificate, key] = flat_files(directory, name);
        let mut files = vec![OutputFile::public(&certificate, identity::chain(&made.issued))];
        files.extend(made.key_pem.as_ref().map(|pem| OutputFile::private(key, pem.to_vec()).with_mode(entry.key_mode)));
        let area = self.area()?;
        let staged = files.into_iter().map(|file| {
            let file = file.owned_by(owner.clone());
            Ok((area.file(&file)?, file.path))
        });
        Ok((Goods::Staged(staged.collect::<Result<_>>()?), certificate))
    }

    fn area(&self) -> Result<&StagingArea> {
        self.area.as_ref().ok_or_else(|| Error::failed("there is no place to prepare files in"))
    }
}

/// The two files of an identity with the directory name `name` where all lie side by side.
pub(crate) fn flat_files(directory: &Path, name: &str) -> [PathBuf; 2] {
    [directory.join(format!("{name}.pem")), directory.join(format!("{name}.key"))]
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

/// What was asked, without what was not said; of most rows of most lists that is nothing.
fn asked(spec: &EntrySpec) -> Option<serde_json::Value> {
    if *spec == EntrySpec::default() {
        return Some(serde_json::Map::new().into());
    }
    let mut value = serde_json::to_value(spec).ok()?;
    value.as_object_mut()?.retain(|_, member| !member.is_null());
    Some(value)
}

/// Identities that become true together.
struct Block {
    size: usize,
    began: Instant,
    made: usize,
    told: Vec<Told>,
    events: Vec<Event>,
    staged: Vec<(Staged, PathBuf)>,
    replacing: Vec<(Box<Entry>, Option<Owner>, Vec<OutputFile>)>,
    files: Vec<OutputFile>,
}

impl Block {
    fn new(size: usize) -> Self {
        Self {
            size,
            began: Instant::now(),
            made: 0,
            told: Vec::new(),
            events: Vec::new(),
            staged: Vec::new(),
            replacing: Vec::new(),
            files: Vec::new(),
        }
    }

    fn add(&mut self, ready: Ready) {
        self.made += 1;
        match ready {
            Ready::Unchanged(name) => self.told.push(Told::Unchanged(name)),
            Ready::Made(finished) => {
                let Finished { told, event, goods } = *finished;
                self.told.push(told);
                self.events.push(event);
                match goods {
                    Goods::Staged(staged) => self.staged.extend(staged),
                    Goods::Replacing { entry, owner, files } => self.replacing.push((entry, owner, files)),
                    Goods::Archived(_) => {}
                }
            }
        }
    }

    fn is_full(&self) -> bool {
        self.made >= self.size || self.began.elapsed() >= LONGEST_BLOCK
    }

    /// Files and inventory in one step; what can be told then.
    fn commit(self, world: &mut World, stage: &Stage<'_>, supersede: bool, env: &Env) -> Result<Vec<Told>> {
        if self.events.is_empty() {
            return Ok(self.told);
        }
        // Everything is signed already.
        let mut nobody = Vault::default();
        let mut change = Change::new(world, &mut nobody, env);
        for event in self.events.iter().filter(|_| supersede) {
            if let (Some(Ok(role)), Some(name)) = (event.role.as_deref().map(str::parse), &event.name) {
                change.supersede(role, name)?;
            }
        }
        change.world.inventory.check()?;
        change.events.extend(self.events);
        change.staged = self.staged;
        change.files = self.files;
        for (entry, owner, files) in self.replacing {
            let directory = layout::entry_dir(entry.role.as_str(), &entry.name)?;
            let old = change.world.pair(entry.role, &entry.name)?.and_then(|pair| pair.certificate.ok());
            change.put_identity(&entry, &directory, files, owner, old.as_ref())?;
        }
        let done = change.commit_in(stage.transaction())?;
        Ok(self.told.into_iter().chain(done.superseded.into_iter().map(Told::Revoked)).collect())
    }
}
