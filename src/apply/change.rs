//! One change of the PKI: what is issued, written, replaced and recorded, collected first and committed at once.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::apply::keys::KeySource;
use crate::apply::{DateNote, Dates, Trust, Vault, World, request};
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::issuer::{Issued, Issuer, LocalIssuer};
use crate::manifest::{Authority, Entry};
use crate::profile::Role;
use crate::store::{self, Action, Event, Location, Locked, OutputFile, Owner, seal::SealTo};
use crate::ui;
use crate::x509::{Certificate, PrivateKey};

/// One certificate to issue.
pub struct Order {
    /// What it should be.
    pub entry: Entry,
    /// Where its key comes from.
    pub key: KeySource,
    /// Dates asked for by name.
    pub dates: Dates,
    /// It replaces one that exists: the log calls that renewed.
    pub replaces: Option<Certificate>,
    /// Where its files go.
    pub destination: Destination,
}

/// Where the files of an identity go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Its directory in the PKI.
    Pki,
    /// Another directory; the PKI then knows it by the inventory alone.
    Directory(PathBuf),
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
    /// Files that somebody had edited: the new text stands beside them in `FILE.new`.
    pub edited: Vec<PathBuf>,
}

/// A change in the making. Nothing is written before [`Change::commit`].
pub struct Change<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) vault: &'a mut Vault,
    pub(crate) env: &'a Env,
    pub(crate) files: Vec<OutputFile>,
    directories: Vec<NewDirectory>,
    pub(crate) removals: Vec<PathBuf>,
    pub(crate) events: Vec<Event>,
    pub(crate) done: Done,
}

struct NewDirectory {
    path: PathBuf,
    mode: u32,
    owner: Option<Owner>,
    files: Vec<OutputFile>,
}

/// Certificates and configuration without secrets.
pub(crate) const PUBLIC: u32 = 0o644;
/// Keys and whatever holds a secret.
pub(crate) const SECRET: u32 = 0o600;
const SECRET_DIRECTORY: u32 = 0o700;

impl<'a> Change<'a> {
    /// An empty change.
    pub fn new(world: &'a mut World, vault: &'a mut Vault, env: &'a Env) -> Self {
        Self {
            world,
            vault,
            env,
            files: Vec::new(),
            directories: Vec::new(),
            removals: Vec::new(),
            events: Vec::new(),
            done: Done::default(),
        }
    }

    /// Makes an authority with a new key; the key is sealed when `seal` says to whom.
    ///
    /// # Errors
    /// Its issuer cannot sign, or our lints refuse it.
    pub fn authority(&mut self, authority: &Authority, dates: Dates, seal: Option<&SealTo>) -> Result<()> {
        let key = PrivateKey::generate(authority.key_type)?;
        let (certificate, chain) = self.sign_authority(authority, &key, dates)?;
        self.world.add_authority(&authority.name, certificate.clone());
        let pem = Zeroizing::new(key.to_pem().as_bytes().to_vec());
        let mut files = vec![file("ca_certificate.pem", PUBLIC, certificate.pem().into_bytes())];
        files.push(match seal {
            Some(to) => file("ca_key.pem.age", SECRET, store::seal::seal(&pem, to)?),
            None => OutputFile { path: "ca_key.pem".into(), mode: SECRET, bytes: pem, owner: None },
        });
        let directory = self.world.layout.ca_dir(&authority.name);
        self.directories.push(NewDirectory { path: directory.clone(), mode: SECRET_DIRECTORY, owner: None, files });
        let issuer = authority.issuer.clone().unwrap_or_else(|| authority.name.clone());
        self.record(Action::AuthorityCreated, "authority", &authority.name, &certificate, &issuer, Location::Pki, true);
        if seal.is_some() {
            self.record(Action::Sealed, "authority", &authority.name, &certificate, &issuer, Location::Pki, true);
        }
        self.vault.keep(LocalIssuer::new(
            &authority.name,
            certificate.clone(),
            key,
            chain,
            self.world.publication(&authority.name),
        )?);
        self.done.issued.push(Written {
            role: "authority",
            name: authority.name.clone(),
            certificate,
            issuer,
            directory,
            renewed: false,
        });
        Ok(())
    }

    fn sign_authority(
        &mut self,
        authority: &Authority,
        key: &PrivateKey,
        dates: Dates,
    ) -> Result<(Certificate, Vec<Certificate>)> {
        let public = key.public_key().clone();
        let Some(parent) = &authority.issuer else {
            let (request, notes) = request::authority(authority, public, None, None, dates, self.env.now)?;
            self.note_dates("authority", &authority.name, &notes);
            return Ok((LocalIssuer::self_signed(&request, key)?, Vec::new()));
        };
        let issuer = self.vault.issuer(self.world, parent, self.env)?;
        let (request, notes) =
            request::authority(authority, public, None, Some(issuer.certificate()), dates, self.env.now)?;
        let Issued { certificate, mut chain } = issuer.issue(&request)?;
        self.note_dates("authority", &authority.name, &notes);
        chain.insert(0, certificate.clone());
        Ok((certificate, chain))
    }

    /// Issues the certificate of a server, node or client and stages its directory.
    ///
    /// # Errors
    /// The issuer cannot sign, the dates do not fit, the key password cannot be read, or our lints refuse it.
    pub fn identity(&mut self, order: Order, trust: &Trust) -> Result<()> {
        let Order { entry, key, dates, replaces, destination } = order;
        let owner = owner(entry.owner.as_deref())?;
        let (public_key, private, csr) = match key {
            KeySource::Generate(kind) => {
                let key = PrivateKey::generate(kind)?;
                (key.public_key().clone(), Some(key), None)
            }
            KeySource::Request(csr) => (csr.public_key().clone(), None, Some(*csr)),
        };
        let issuer = self.vault.issuer(self.world, &entry.issuer, self.env)?;
        let (prepared, notes) =
            request::end_entity(&entry, public_key, csr, issuer.certificate(), dates, self.env.now)?;
        let issued = issuer.issue(&prepared).context(|| format!("issuing {} {}", entry.role, ui::quote(&entry.name)))?;
        self.note_dates(entry.role.as_str(), &entry.name, &notes);

        let key_pem = private.map(|key| self.key_pem(&entry, &key)).transpose()?;
        let files = identity_files(&entry, &issued, key_pem.as_deref(), trust);
        let location = match (&destination, key_pem.is_some()) {
            (Destination::Directory(_), _) => Location::Out,
            (Destination::Pki, false) => Location::Csr,
            (Destination::Pki, true) => Location::Pki,
        };
        let directory = match destination {
            Destination::Pki => self.world.layout.entry_dir(entry.role.as_str(), &entry.name)?,
            Destination::Directory(dir) => dir,
        };
        self.stage(&entry, &directory, files, owner, replaces.as_ref())?;
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
        );
        self.done.issued.push(Written {
            role: entry.role.as_str(),
            name: entry.name.clone(),
            certificate: issued.certificate,
            issuer: issuer_name,
            directory,
            renewed: replaces.is_some(),
        });
        self.world.set_entry(entry);
        Ok(())
    }

    /// The key as its file will hold it: encrypted when the entry names a password file.
    fn key_pem(&self, entry: &Entry, key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>> {
        let pem = match &entry.key_password_file {
            Some(path) => key.to_encrypted_pem(self.world.key_password(path)?.as_bytes())?,
            None => key.to_pem(),
        };
        Ok(Zeroizing::new(pem.as_bytes().to_vec()))
    }

    /// A directory that is new appears whole; in one that exists, which may be mounted somewhere, files are replaced.
    fn stage(
        &mut self,
        entry: &Entry,
        directory: &Path,
        files: Vec<OutputFile>,
        owner: Option<Owner>,
        replaces: Option<&Certificate>,
    ) -> Result<()> {
        if !directory.exists() {
            let mode = if entry.key_mode == 0o640 { 0o750 } else { SECRET_DIRECTORY };
            let files = files.into_iter().map(|f| OutputFile { owner, ..f }).collect();
            self.directories.push(NewDirectory { path: directory.to_owned(), mode, owner, files });
            return Ok(());
        }
        if let Some(old) = replaces {
            self.keep_in_history(entry, directory, old)?;
        }
        self.files.extend(files.into_iter().map(|f| OutputFile { path: directory.join(&f.path), owner, ..f }));
        Ok(())
    }

    /// Copies the pair that is about to be replaced to `history/`.
    fn keep_in_history(&mut self, entry: &Entry, directory: &Path, old: &Certificate) -> Result<()> {
        let to = self.world.layout.history_dir(entry.role.as_str(), &entry.name, &old.serial().to_string())?;
        if to.exists() {
            return Ok(());
        }
        let mut files = Vec::new();
        for name in [entry.role.certificate_file(), entry.role.key_file()] {
            let path = directory.join(name);
            if store::is_file(&path) {
                let mode = if name == entry.role.key_file() { SECRET } else { PUBLIC };
                files.push(file(name, mode, store::read_limited(&path, store::LIMIT)?));
            }
        }
        self.directories.push(NewDirectory { path: to, mode: SECRET_DIRECTORY, owner: None, files });
        Ok(())
    }

    fn note_dates(&mut self, role: &str, name: &str, notes: &[DateNote]) {
        let what = format!("{role} {}", ui::quote(name));
        for note in notes {
            self.done.notes.push(match note {
                DateNote::Clipped { not_after } => {
                    format!("{what} ends with its issuer, on {}", ui::date(*not_after))
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
    fn record(
        &mut self,
        action: Action,
        role: &str,
        name: &str,
        certificate: &Certificate,
        issuer: &str,
        location: Location,
        managed: bool,
    ) {
        let mut event = self.event(action, role, name);
        event.describe(certificate, issuer);
        event.location = Some(location);
        event.managed = Some(managed);
        self.events.push(event);
    }

    /// An event of this command, without facts.
    pub(crate) fn event(&self, action: Action, role: &str, name: &str) -> Event {
        let recorded = self.env.clock_is_set().then_some(self.env.real_now);
        Event::new(action, role, name, self.env.now, recorded, &self.env.actor)
    }

    /// Brings the bundles of everything that exists up to date with `trust`.
    ///
    /// # Errors
    /// A bundle that exists cannot be read.
    pub fn refresh_bundles(&mut self, trust: &Trust) -> Result<()> {
        for (role, name) in self.world.directories() {
            let directory = self.world.layout.entry_dir(role.as_str(), &name)?;
            if self.directories.iter().any(|d| d.path == directory) {
                continue;
            }
            let mut wanted = vec![("ca_certificate.pem", trust.bundle(role))];
            if role == Role::Node {
                wanted.push(("inter_node_ca_certificate.pem", trust.inter_node_bundle()));
            }
            let owner = self.world.manifest.entry(role, &name).and_then(|e| e.owner.clone());
            for (file_name, bytes) in wanted {
                let path = directory.join(file_name);
                let staged = self.files.iter().any(|f| f.path == path);
                if !staged && store::read_if_there(&path, store::LIMIT)?.is_none_or(|old| *old != bytes) {
                    let owner = self::owner(owner.as_deref())?;
                    self.files.push(OutputFile { path, mode: PUBLIC, bytes: Zeroizing::new(bytes), owner });
                }
            }
        }
        Ok(())
    }

    /// Replaces the manifest's text.
    pub fn manifest(&mut self, text: String) {
        let path = self.world.layout.manifest();
        self.files.push(OutputFile { path, mode: PUBLIC, bytes: Zeroizing::new(text.into_bytes()), owner: None });
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directories.is_empty() && self.removals.is_empty() && self.events.is_empty()
    }

    /// Makes it so, or leaves everything as it was.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn commit(self, locked: &mut Locked) -> Result<Done> {
        if self.is_empty() {
            return Ok(self.done);
        }
        let mut transaction = locked.transaction()?;
        for directory in self.directories {
            transaction.create_directory(&directory.path, directory.mode, directory.owner, directory.files)?;
        }
        for file in self.files {
            transaction.put(file)?;
        }
        for path in self.removals {
            transaction.remove(&path)?;
        }
        transaction.append(self.events)?;
        transaction.commit()?;
        Ok(self.done)
    }
}

/// The files of a complete identity directory: mount or copy it as it stands.
fn identity_files(entry: &Entry, issued: &Issued, key_pem: Option<&Vec<u8>>, trust: &Trust) -> Vec<OutputFile> {
    let mut chain = issued.certificate.pem();
    chain.extend(issued.chain.iter().map(Certificate::pem));
    let mut files = vec![file("ca_certificate.pem", PUBLIC, trust.bundle(entry.role))];
    if entry.role == Role::Node {
        files.push(file("inter_node_ca_certificate.pem", PUBLIC, trust.inter_node_bundle()));
    }
    files.push(file(entry.role.certificate_file(), PUBLIC, chain.clone().into_bytes()));
    if let Some(key_pem) = key_pem {
        files.push(file(entry.role.key_file(), entry.key_mode, key_pem.clone()));
        if entry.role != Role::Client {
            // RabbitMQ's order: certificate, then key. The broker names this file twice, so one rename swaps the pair.
            let mut combined = chain.into_bytes();
            combined.extend_from_slice(key_pem);
            files.push(file("combined_keys.pem", entry.key_mode, combined));
        }
    }
    files
}

pub(crate) fn file(path: &str, mode: u32, bytes: Vec<u8>) -> OutputFile {
    OutputFile { path: path.into(), mode, bytes: Zeroizing::new(bytes), owner: None }
}

/// The owner that an entry asks for, checked before anything is signed.
pub(crate) fn owner(text: Option<&str>) -> Result<Option<Owner>> {
    let Some(text) = text else { return Ok(None) };
    let owner = Owner::parse(text)?;
    owner.check_permitted()?;
    Ok(Some(owner))
}

/// True when `not_after` has passed.
pub(crate) fn has_expired(certificate: &Certificate, now: OffsetDateTime) -> bool {
    certificate.validity().not_after < now
}

impl Done {
    /// The error for an order that makes no sense twice.
    pub(crate) fn nothing_issued(&self) -> bool {
        self.issued.is_empty()
    }
}

/// The refusal when an authority's directory exists already.
pub(crate) fn authority_exists(name: &str) -> Error {
    Error::failed(format!("authority {} exists already", ui::quote(name)))
        .hint("name another one; a new certificate for an authority is a rotation, not an issue")
}
