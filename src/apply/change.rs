//! One change of the PKI: what is issued, written, replaced and recorded, collected first and committed at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::apply::identity::{self, Made};
use crate::apply::keys::KeySource;
use crate::apply::{DateNote, Dates, Trust, Vault, World, WrittenList, archive};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Consumer, Entry, EntrySpec};
use crate::profile::{Profile, Role};
use crate::store::{
    self, Action, Event, Location, Locked, OutputFile, Owner, Staged, Transaction, layout, seal::SealTo,
};
use crate::ui;
use crate::x509::{Certificate, is_host};

/// One certificate to issue.
pub struct Order {
    /// What it should be.
    pub entry: Entry,
    /// What was asked, for an identity that the manifest does not hold: the inventory then remembers it.
    pub unmanaged: Option<EntrySpec>,
    /// Where its key comes from.
    pub key: KeySource,
    /// Dates asked for by name.
    pub dates: Dates,
    /// It replaces one that exists: the log calls that renewed.
    pub replaces: Option<Certificate>,
    /// Where its files go.
    pub destination: Destination,
    /// The device was swapped: whatever it had before is revoked.
    pub supersedes: bool,
}

impl Order {
    /// A new pair in the PKI.
    pub fn new(entry: Entry) -> Self {
        let key = KeySource::Generate(entry.key_type);
        let (unmanaged, dates, replaces, destination) = (None, Dates::default(), None, Destination::Pki);
        Self { entry, unmanaged, key, dates, replaces, destination, supersedes: false }
    }
}

/// Where the files of an identity go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Its directory in the PKI.
    Pki,
    /// Another directory; the PKI then knows it by the inventory alone.
    Directory(PathBuf),
    /// A directory of this name inside an archive.
    Archive(PathBuf),
}

/// What was issued, for the command to tell.
#[derive(Debug, Clone)]
pub struct Written {
    /// The role's word, or `authority`.
    pub role: &'static str,
    /// Its name.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// The authority that signed it.
    pub issuer: String,
    /// The directory with its files.
    pub directory: PathBuf,
    /// It replaced another.
    pub renewed: bool,
}

/// What a committed change did.
#[derive(Debug, Default)]
pub struct Done {
    /// The certificates that were issued, in order.
    pub issued: Vec<Written>,
    /// Sentences for the user about what was decided on the way.
    pub notes: Vec<String>,
    /// Users for whom a password was made just now.
    pub passwords: Vec<NewPassword>,
    /// Vhosts that a broker's definitions did not have before, by the broker's name.
    pub new_vhosts: BTreeMap<Option<String>, Vec<String>>,
    /// Users that left a broker's definitions. A running broker keeps them.
    pub users_gone: BTreeSet<String>,
    /// Certificates that were revoked because another took their place.
    pub superseded: Vec<Superseded>,
    /// Revocation lists that were made.
    pub lists: Vec<WrittenList>,
    /// How many certificates were verified as somebody who meets them would, in a phase of a rotation.
    pub meetings: usize,
    /// Files that somebody had edited: the new text stands beside them in `FILE.new`.
    pub edited: Vec<Edited>,
}

/// An emitted file that somebody had edited.
#[derive(Debug)]
pub struct Edited {
    /// The file.
    pub file: PathBuf,
    /// What is typed after `certgen emit` for its text.
    pub by: String,
}

/// A certificate that was revoked because another took its place.
#[derive(Debug)]
pub struct Superseded {
    /// The role's word.
    pub role: &'static str,
    /// The name.
    pub name: String,
    /// The authority that had signed it.
    pub issuer: String,
    /// Its serial number.
    pub serial: String,
}

/// A password that was made just now.
#[derive(Debug)]
pub struct NewPassword {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// The file that keeps it.
    pub file: PathBuf,
}

/// A change in the making. Nothing is written before [`Change::commit`].
pub struct Change<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) vault: &'a mut Vault,
    pub(crate) env: &'a Env,
    pub(crate) files: Vec<OutputFile>,
    pub(crate) directories: Vec<NewDirectory>,
    /// Directories that exist, with the mode and owner that they get.
    pub(super) opened: Vec<(PathBuf, u32, Option<Owner>)>,
    pub(crate) removals: Vec<PathBuf>,
    pub(crate) events: Vec<Event>,
    archived: Vec<NewDirectory>,
    /// What other threads prepared, and its place.
    pub(super) staged: Vec<(Staged, PathBuf)>,
    outside: Vec<PathBuf>,
    pub(crate) done: Done,
    /// Configuration that holds a password at present, relative to the PKI.
    pub(crate) secret_texts: BTreeSet<String>,
    /// Consumers whose files this command asks for, whether or not the manifest lists them.
    pub consumers: Vec<Consumer>,
    /// Targets whose files are replaced even where somebody edited them.
    pub forced: BTreeSet<String>,
    /// Identities that are known to be refused after a rotation, which is finished all the same.
    pub spared: BTreeSet<(Role, String)>,
    /// Keys that nobody is to have any more, each with whose it was and a line of its PEM.
    pub(super) withdrawn_keys: Vec<(String, Zeroizing<String>)>,
    /// What is issued waits for a hook: until it is recorded that it ran, the next command tries again.
    pub awaits_hook: bool,
}

/// A directory that appears at once with all its files.
pub(crate) struct NewDirectory {
    pub(crate) path: PathBuf,
    pub(crate) mode: u32,
    pub(crate) owner: Option<Owner>,
    pub(crate) files: Vec<OutputFile>,
}

impl<'a> Change<'a> {
    /// An empty change.
    pub fn new(world: &'a mut World, vault: &'a mut Vault, env: &'a Env) -> Self {
        Self {
            world,
            vault,
            env,
            files: Vec::new(),
            directories: Vec::new(),
            opened: Vec::new(),
            removals: Vec::new(),
            events: Vec::new(),
            archived: Vec::new(),
            staged: Vec::new(),
            outside: Vec::new(),
            done: Done::default(),
            secret_texts: BTreeSet::new(),
            consumers: Vec::new(),
            forced: BTreeSet::new(),
            spared: BTreeSet::new(),
            withdrawn_keys: Vec::new(),
            awaits_hook: false,
        }
    }

    /// Records where this PKI comes from, for `init --keep`, before all else that the change records.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn initialized(
        &mut self,
        profile: &Profile,
        settings: &BTreeMap<String, String>,
        name: Option<&str>,
    ) -> Result<()> {
        let mut event = self.bare_event(Action::Initialized)?;
        event.name = name.map(str::to_owned);
        event.profile = Some(profile.name().to_owned());
        event.sha256 = profile.sha256().map(str::to_owned);
        event.settings.clone_from(settings);
        event.events = Some(self.events.len() + 1);
        self.events.insert(0, event);
        Ok(())
    }

    /// True when a directory is about to be made.
    pub(crate) fn stages(&self, directory: &Path) -> bool {
        self.directories.iter().any(|d| d.path == directory)
    }

    /// Issues what is ordered, one after another. `failed` decides whether one that fails keeps the others back.
    ///
    /// # Errors
    /// What `failed` returns.
    pub fn issue(
        &mut self,
        orders: Vec<Order>,
        trust: &Trust,
        mut failed: impl FnMut(&Entry, Error) -> Result<()>,
    ) -> Result<()> {
        let renews = orders.iter().all(|order| order.replaces.is_some());
        let progress = ui::Progress::new(self.env, if renews { "renewing" } else { "issuing" }, orders.len());
        for order in orders {
            let entry = order.entry.clone();
            if let Err(e) = self.identity(order, trust) {
                failed(&entry, e)?;
            }
            progress.step();
        }
        Ok(())
    }

    /// Issues the certificate of a server, node or client and stages its directory.
    ///
    /// # Errors
    /// The issuer cannot sign, the dates do not fit, the key password cannot be read, or our lints refuse it.
    pub fn identity(&mut self, order: Order, trust: &Trust) -> Result<()> {
        let Order { entry, unmanaged, key, dates, replaces, destination, supersedes } = order;
        if supersedes {
            self.supersede(entry.role, &entry.name)?;
        }
        let owner = owner(entry.owner.as_deref())?;
        self.world.refuse_unfit_authority(&entry.issuer)?;
        let password = self.world.password_of(&entry)?;
        let issuer = self.vault.issuer(self.world, &entry.issuer, self.env)?;
        let Made { issued, key_pem, notes } =
            identity::make(&entry, key, issuer, dates, password.as_ref().map(|p| p.as_bytes()), self.env.now)?;
        self.note_dates(entry.role.as_str(), &entry.name, Some(&entry.issuer), &notes);
        self.note_name(&entry);

        let files = identity::files(&entry, &issued, key_pem.as_ref(), &trust.files(entry.role, entry.cli));
        let location = match (&destination, key_pem.is_some()) {
            (Destination::Directory(_), _) => Location::Out,
            (Destination::Archive(_), _) => Location::Archive,
            (Destination::Pki, false) => Location::Csr,
            (Destination::Pki, true) => Location::Pki,
        };
        let directory = match destination {
            Destination::Pki => {
                let directory = layout::entry_dir(entry.role.as_str(), &entry.name)?;
                self.put_identity(&entry, &directory, files, owner, replaces.as_ref())?;
                self.world.store.path(directory)
            }
            Destination::Directory(path) => {
                self.outside.extend(path.parent().map(Path::to_owned));
                self.directories.push(NewDirectory::of(&entry, path.clone(), owner, files));
                path
            }
            Destination::Archive(path) => {
                self.archived.push(NewDirectory::of(&entry, path.clone(), owner, files));
                path
            }
        };
        let action = if replaces.is_some() { Action::Renewed } else { Action::Issued };
        let issuer_name = entry.issuer.clone();
        self.record(
            action,
            entry.role.as_str(),
            &entry.name,
            &issued.certificate,
            &issuer_name,
            location,
            entry.managed,
        )?;
        self.done.issued.push(Written {
            role: entry.role.as_str(),
            name: entry.name.clone(),
            certificate: issued.certificate,
            issuer: issuer_name,
            directory,
            renewed: replaces.is_some(),
        });
        if let Some(spec) = unmanaged {
            if let Some(event) = self.events.last_mut() {
                event.entry = serde_json::to_value(&spec).ok();
                event.bulk = is_from_a_list(&entry).then_some(true);
            }
            self.world.set_unmanaged(entry, spec);
        }
        Ok(())
    }

    /// A directory that is new appears whole; in one that exists, which may be mounted somewhere, files are replaced.
    pub(super) fn put_identity(
        &mut self,
        entry: &Entry,
        directory: &Path,
        files: Vec<OutputFile>,
        owner: Option<Owner>,
        replaces: Option<&Certificate>,
    ) -> Result<()> {
        if !self.world.store.holds(directory) {
            self.directories.push(NewDirectory::of(entry, directory.to_owned(), owner, files));
            return Ok(());
        }
        if let Some(old) = replaces {
            self.keep_in_history(entry, directory, old)?;
        }
        // The key of a request is elsewhere: the one that was here belongs to no certificate any more.
        for name in [Some(entry.role.key_file()), entry.role.combined_file()].into_iter().flatten() {
            let path = directory.join(name);
            if !files.iter().any(|file| file.path == Path::new(name)) && self.world.store.holds(&path) {
                self.removals.push(path);
            }
        }
        // Whoever the files are given to must be able to enter.
        self.opened.push((directory.to_owned(), layout::entry_dir_mode(entry.key_mode), owner.clone()));
        self.files.extend(
            files.into_iter().map(|f| OutputFile { path: directory.join(&f.path), ..f }.owned_by(owner.clone())),
        );
        Ok(())
    }

    /// The same of a directory that is nobody's but the owner's of the PKI: an authority's, for instance.
    pub(super) fn put_files_in(&mut self, path: PathBuf, files: Vec<OutputFile>) {
        if self.world.store.holds(&path) {
            self.files.extend(files.into_iter().map(|file| OutputFile { path: path.join(&file.path), ..file }));
        } else {
            self.directories.push(NewDirectory { path, mode: layout::PRIVATE_DIRECTORY, owner: None, files });
        }
    }

    /// A server may be called by any label, but whoever connects to it knows only host names and addresses.
    fn note_name(&mut self, entry: &Entry) {
        if entry.role.serves() && !is_host(&entry.name) {
            self.done.notes.push(format!(
                "{} {} is no host name: clients will find only its other names, {}",
                entry.role,
                ui::quote(&entry.name),
                entry.san.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            ));
        }
    }

    pub(super) fn note_dates(&mut self, role: &str, name: &str, issuer: Option<&str>, notes: &[DateNote]) {
        let what = format!("{role} {}", ui::quote(name));
        for note in notes {
            self.done.notes.push(match note {
                DateNote::Clipped { not_after } => {
                    let rotate =
                        issuer.map(|name| format!("; to replace that: {}", self.world.how_to_replace(name, self.env)));
                    format!("{what} ends with its issuer, on {}{}", ui::date(*not_after), rotate.unwrap_or_default())
                }
                DateNote::BeginsInThePast => format!("{what} begins in the past, as --not-before asks"),
                DateNote::BeginsBeforeIssuer => {
                    format!("{what} begins before its issuer does; some verifiers refuse that")
                }
                DateNote::ExpiredAtBirth => format!("{what} has expired already"),
            });
        }
    }

    #[allow(clippy::too_many_arguments, reason = "these are the columns of the log")]
    pub(super) fn record(
        &mut self,
        action: Action,
        role: &str,
        name: &str,
        certificate: &Certificate,
        issuer: &str,
        location: Location,
        managed: bool,
    ) -> Result<()> {
        let mut event = self.event(action, role, name)?;
        identity::describe(&mut event, certificate, issuer, location, managed);
        event.hook = self.awaits_hook.then_some(true);
        self.events.push(event);
        Ok(())
    }

    /// An event of this command about one identity or authority, without further facts.
    pub(crate) fn event(&self, action: Action, role: &str, name: &str) -> Result<Event> {
        Ok(self.bare_event(action)?.about(role, name))
    }

    /// An event of this command about nobody.
    pub(crate) fn bare_event(&self, action: Action) -> Result<Event> {
        Event::new(action, &self.env.actor, self.env.now, self.env.real_now)
    }

    /// Records to whom an authority's key is sealed.
    pub(crate) fn sealed(&mut self, name: &str, to: &SealTo) -> Result<()> {
        let mut event = self.event(Action::Sealed, layout::AUTHORITY, name)?;
        if let SealTo::Recipients(recipients) = to {
            event.recipients.clone_from(recipients);
        }
        self.events.push(event);
        Ok(())
    }

    /// A secret file that belongs to nobody but the owner of the PKI.
    pub(crate) fn put_secret(&mut self, path: PathBuf, bytes: Vec<u8>) {
        self.files.push(OutputFile::private(path, bytes));
    }

    /// The bundles as they will be.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist.
    pub fn trust(&self) -> Result<Trust> {
        Trust::of(self.world)
    }

    /// Records that identities which were issued without an entry have one now.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn adopt(&mut self) -> Result<()> {
        let mut events = Vec::new();
        for Entry { role, name, .. } in self.world.manifest.entries() {
            let is_stray = self.world.inventory.current(role.as_str(), name).is_some_and(|issued| !issued.managed);
            let is_new = || self.done.issued.iter().any(|w| w.role == role.as_str() && w.name == *name);
            if is_stray && !is_new() {
                events.push(self.event(Action::Adopted, role.as_str(), name)?);
            }
        }
        self.events.extend(events);
        Ok(())
    }

    /// Brings the bundles of everything that exists up to date with `trust`.
    ///
    /// # Errors
    /// A bundle that exists cannot be read.
    pub fn refresh_bundles(&mut self, trust: &Trust) -> Result<()> {
        for (role, name) in self.world.directories().to_vec() {
            let directory = layout::entry_dir(role.as_str(), &name)?;
            if self.removals.contains(&directory) {
                continue;
            }
            let entry = self.world.entry(role, &name);
            let cli = entry.as_ref().is_some_and(|e| e.cli);
            let owner = owner(entry.as_ref().and_then(|e| e.owner.as_deref()))?;
            for (file_name, bytes) in trust.files(role, cli) {
                let path = directory.join(file_name);
                let staged = self.files.iter().any(|f| f.path == path);
                let old = self.world.store.read_if_exists(&path, store::INPUT_LIMIT)?;
                let differs = old.is_none_or(|old| *old != bytes)
                    || store::facts(&self.world.store.path(&path))
                        .is_some_and(|is| !is.fits(layout::PUBLIC_FILE, owner.as_ref()));
                if !staged && differs {
                    self.files.push(OutputFile::public(path, bytes).owned_by(owner.clone()));
                }
            }
        }
        Ok(())
    }

    /// Brings bundles, and the files of brokers and consumers, up to date with what this change makes.
    ///
    /// # Errors
    /// As for [`Change::trust`] and [`Change::refresh`].
    pub fn refresh_all(&mut self) -> Result<()> {
        let trust = self.trust()?;
        self.refresh(&trust)
    }

    /// Replaces the manifest's text.
    pub fn manifest(&mut self, text: String) {
        self.files.push(OutputFile::public(layout::manifest(), text));
    }

    /// What keeps secrets and the lock out of version control. `secrets` are files that hold one only at times: a
    /// configuration with a key password.
    ///
    /// # Errors
    /// A file that is there cannot be read.
    pub(crate) fn git_files(&mut self, secrets: &BTreeSet<String>) -> Result<()> {
        let mut ignore = layout::GITIGNORE_TEXT.to_owned();
        for secret in secrets {
            ignore.push_str(&format!("/{secret}\n"));
        }
        for (path, text) in [(layout::gitignore(), &*ignore), (layout::gitattributes(), layout::GITATTRIBUTES_TEXT)] {
            let old = self.world.store.read_if_exists(&path, store::INPUT_LIMIT)?;
            // A text that somebody made longer for purposes of their own is kept, unless it lacks a line of ours.
            let has =
                |line: &str| old.as_ref().is_some_and(|old| old.split(|b| *b == b'\n').any(|l| l == line.as_bytes()));
            let missing: Vec<&str> = text.lines().filter(|line| !has(line)).collect();
            let new = match &old {
                None => text.to_owned(),
                Some(_) if missing.is_empty() => continue,
                Some(old) => format!("{}\n{}\n", String::from_utf8_lossy(old).trim_end(), missing.join("\n")),
            };
            self.files.push(OutputFile::public(path, new));
        }
        Ok(())
    }

    /// A file as this change leaves it.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub(super) fn read(&self, path: &Path, limit: u64) -> Result<Option<Zeroizing<Vec<u8>>>> {
        if let Some(file) = self.files.iter().rfind(|file| file.path == path) {
            return Ok(Some(file.bytes.clone()));
        }
        if let Some(directory) = self.directories.iter().find(|directory| path.parent() == Some(&*directory.path)) {
            let file = directory.files.iter().find(|file| path.file_name() == Some(file.path.as_os_str()));
            return Ok(file.map(|file| file.bytes.clone()));
        }
        if self.removals.iter().any(|removed| path.starts_with(removed)) {
            return Ok(None);
        }
        self.world.store.read_if_exists(path, limit)
    }

    /// Writes a file, into the directory that this change makes for it where it does.
    pub(super) fn stage_file(&mut self, file: OutputFile) {
        let place = self.directories.iter_mut().find(|directory| file.path.parent() == Some(&*directory.path));
        match (place, file.path.file_name()) {
            (Some(directory), Some(name)) => {
                let file = OutputFile { path: name.into(), ..file };
                directory.files.retain(|other| other.path != file.path);
                directory.files.push(file);
            }
            _ => {
                self.files.retain(|other| other.path != file.path);
                self.removals.retain(|removed| *removed != file.path);
                self.files.push(file);
            }
        }
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.directories.is_empty()
            && self.opened.is_empty()
            && self.removals.is_empty()
            && self.events.is_empty()
    }

    /// Makes it so, or leaves everything as it was.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn commit(mut self, locked: &mut Locked) -> Result<Done> {
        self.world.inventory.check()?;
        self.note_copied_keys()?;
        if self.is_empty() {
            return Ok(self.done);
        }
        let mut transaction = locked.transaction();
        for directory in &self.outside {
            transaction.allow_outside(directory)?;
        }
        self.commit_in(transaction)
    }

    /// As [`Change::commit`], in a transaction that was begun already.
    ///
    /// # Errors
    /// The files cannot be written.
    pub(super) fn commit_in(self, mut transaction: Transaction<'_>) -> Result<Done> {
        for (staged, path) in self.staged {
            transaction.adopt(staged, &path)?;
        }
        for directory in self.directories {
            transaction.create_directory(directory.path, directory.mode, directory.owner.as_ref(), directory.files)?;
        }
        for (directory, mode, owner) in self.opened {
            transaction.set_directory(directory, mode, owner.as_ref())?;
        }
        for file in self.files {
            transaction.put(file)?;
        }
        for path in self.removals {
            transaction.remove(path)?;
        }
        transaction.append(self.events);
        transaction.commit()?;
        Ok(self.done)
    }

    /// As [`Change::commit`], with the archived identities in a tar file that is whole before the inventory knows them.
    ///
    /// # Errors
    /// The archive or the PKI cannot be written.
    pub fn commit_with_archive(mut self, locked: &mut Locked, file: &Path) -> Result<Done> {
        let archived = std::mem::take(&mut self.archived);
        if !archived.is_empty() {
            let bytes = archive::tar(&archived, self.env.now);
            for written in self.done.issued.iter_mut().filter(|w| archived.iter().any(|d| d.path == w.directory)) {
                file.clone_into(&mut written.directory);
            }
            self.outside.extend(file.parent().map(Path::to_owned));
            self.files.push(OutputFile { path: file.to_owned(), mode: layout::PRIVATE_FILE, bytes, owner: None });
        }
        self.commit(locked)
    }
}

impl NewDirectory {
    fn of(entry: &Entry, path: PathBuf, owner: Option<Owner>, files: Vec<OutputFile>) -> Self {
        Self { path, mode: layout::entry_dir_mode(entry.key_mode), owner, files }
    }
}

/// A client of which no broker has a user, although it is not for command line tools.
fn is_from_a_list(entry: &Entry) -> bool {
    entry.role == Role::Client && entry.user.is_none() && !entry.cli
}

/// The owner that an entry asks for, checked before anything is signed.
pub(crate) fn owner(text: Option<&str>) -> Result<Option<Owner>> {
    let Some(text) = text else { return Ok(None) };
    let owner = Owner::parse(text)?;
    owner.check_permitted()?;
    Ok(Some(owner))
}
