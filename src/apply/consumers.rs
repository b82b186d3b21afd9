//! Other consumers' files, kept in step with the manifest and the inventory: `emit/TARGET/`.
//!
//! Facts are gathered here and written by the targets of `emit`. What the manifest lists is refreshed by every command
//! that refreshes the broker's files; a target that cannot be written then is named and left as it was, because a
//! revocation must not wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::apply::broker::{DEFINITIONS_LIMIT, FileAccess, emitted_name, user};
use crate::apply::{AuthorityState, Change, Trust};
use crate::emit::rabbitmq::BrokerFacts;
use crate::emit::{
    Authority, AuthorityKey, Broker, Bundles, Client, Facts, Holds, Identity, Letter, OutputFile, Target,
};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{self, Consumer, Entry, EntryRef, Permissions};
use crate::store::{self, layout};
use crate::ui;
use crate::x509::Certificate;

/// What a consumer gets, for another place than `emit/`.
pub struct Emitted {
    /// Its files.
    pub files: Vec<OutputFile>,
    /// What to do with them.
    pub next: Vec<String>,
}

impl Change<'_> {
    /// Brings the files of consumers up to date: those that the manifest lists, and those that this command asks for.
    pub(super) fn refresh_consumers(&mut self, brokers: Vec<BrokerFacts>) -> Result<()> {
        let listed = self.world.manifest.emit().to_vec();
        let asked = std::mem::take(&mut self.consumers);
        if listed.is_empty() && asked.is_empty() {
            return Ok(());
        }
        let facts = self.facts(brokers, listed.iter().chain(&asked));
        let facts = match facts {
            Err(e) if asked.is_empty() => {
                self.note_unwritten("emit", &e);
                return Ok(());
            }
            facts => facts?,
        };
        let mut current: BTreeSet<PathBuf> = BTreeSet::new();
        let mut unwritten: BTreeSet<&str> = BTreeSet::new();
        // What is asked for comes first: a line of the manifest for the same file does not undo it.
        for consumer in &asked {
            let Emitted { files, next } = emitted(&facts, consumer)?;
            self.put_consumer(consumer, files, &mut current)?;
            self.done.notes.extend(next);
        }
        let by_hand = current.clone();
        for consumer in &listed {
            let path = |file: &OutputFile| layout::emit_dir(&consumer.target).join(&file.path);
            let is_listed = |path: &PathBuf| current.contains(path) && !by_hand.contains(path);
            let written =
                emitted(&facts, consumer).and_then(|emitted| match emitted.files.iter().map(path).find(is_listed) {
                    Some(path) => Err(Error::failed(format!("another item of emit writes {} too", ui::path(&path)))
                        .hint("tell them apart with --for or --broker, in certgen.toml")),
                    None => Ok(emitted),
                });
            match written {
                Ok(emitted) => self.put_consumer(consumer, emitted.files, &mut current)?,
                Err(e) => {
                    self.note_unwritten(&format!("emit/{}", consumer.target), &e);
                    unwritten.insert(&consumer.target);
                }
            }
        }
        for consumer in listed.iter().filter(|consumer| !unwritten.contains(consumer.target.as_str())) {
            self.drop_former_files(consumer, &facts, &current)?;
        }
        Ok(())
    }

    /// A consumer's files for another place than `emit/`.
    ///
    /// # Errors
    /// A fact is missing, or cannot be written.
    pub fn consumer(&self, brokers: Vec<BrokerFacts>, consumer: &Consumer) -> Result<Emitted> {
        emitted(&self.facts(brokers, std::iter::once(consumer))?, consumer)
    }

    /// The files of one consumer as they go to somebody who has nothing of this PKI.
    ///
    /// # Errors
    /// A fact is missing, or the target cannot be written with these.
    pub fn handed_over(&self, brokers: Vec<BrokerFacts>, consumer: &Consumer) -> Result<Emitted> {
        let mut facts = self.facts(brokers, std::iter::once(consumer))?;
        facts.clients.iter_mut().for_each(|client| client.handed_over = true);
        emitted(&facts, consumer)
    }

    /// The page that goes with a client's pair to whoever runs it, and the same as variables.
    ///
    /// # Errors
    /// It is a user of several brokers and none was named, or a fact is missing.
    pub fn letter(&self, brokers: Vec<BrokerFacts>, about: &Letter<'_>) -> Result<Vec<OutputFile>> {
        about.write(&self.facts(brokers, std::iter::empty())?)
    }

    fn note_unwritten(&mut self, what: &str, why: &Error) {
        let hints: String = why.hints().iter().map(|hint| format!("; {hint}")).collect();
        self.done.notes.push(format!("{what} was left as it was: {}{hints}", why.message()));
    }

    fn put_consumer(
        &mut self,
        consumer: &Consumer,
        files: Vec<OutputFile>,
        current: &mut BTreeSet<PathBuf>,
    ) -> Result<()> {
        let by = consumer.to_string();
        let access = FileAccess { owner: None, secret_mode: layout::PRIVATE_FILE };
        for file in files {
            let path = layout::emit_dir(&consumer.target).join(&file.path);
            if current.insert(path.clone()) {
                self.emit(&path, file, &access, &by)?;
            }
        }
        Ok(())
    }

    /// Files of clients that are gone go too, and others that a target writes no more, unless somebody edited them. Those of
    /// clients that the manifest does not name here were asked for by hand, and stay.
    fn drop_former_files(&mut self, consumer: &Consumer, facts: &Facts, current: &BTreeSet<PathBuf>) -> Result<()> {
        let of_target = layout::emit_dir(&consumer.target);
        let mut kept: BTreeSet<PathBuf> = BTreeSet::new();
        if Target::find(&consumer.target)?.is_for_clients() {
            for client in &facts.clients {
                let own = store::directory_name(&client.identity.name)?;
                if let Some(broker) = &client.broker {
                    kept.insert(of_target.join(store::directory_name(broker)?).join(&own));
                }
                kept.insert(of_target.join(own));
            }
            for written in current.iter().filter_map(|path| path.parent()) {
                kept.remove(written);
            }
        } else if !consumer.clients.is_empty() {
            return Ok(());
        }
        let below = format!("{}/", emitted_name(&of_target));
        let former: Vec<(PathBuf, String)> = self
            .world
            .inventory
            .emitted
            .range(below.clone()..)
            .take_while(|(path, _)| path.starts_with(&below))
            .map(|(path, hash)| (PathBuf::from(path), hash.clone()))
            .filter(|(path, _)| !current.contains(path) && path.parent().is_none_or(|parent| !kept.contains(parent)))
            .filter(|(path, _)| !self.removals.contains(path))
            .collect();
        let mut gone: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
        for (path, hash) in former {
            let bytes = self.world.store.read_if_exists(&path, DEFINITIONS_LIMIT)?;
            if bytes.is_some_and(|bytes| crate::x509::sha256_hex(&bytes) == hash) {
                gone.entry(path.parent().unwrap_or(Path::new("")).to_owned()).or_default().push(path);
            }
        }
        for (directory, files) in gone {
            match directory != of_target && self.world.store.file_names(&directory)?.len() == files.len() {
                true => self.removals.push(directory),
                false => self.removals.extend(files),
            }
        }
        Ok(())
    }

    /// What is known, as it will be when this change is made.
    fn facts<'c>(&self, brokers: Vec<BrokerFacts>, wanted: impl Iterator<Item = &'c Consumer>) -> Result<Facts> {
        let mut holds = Holds::Paths;
        for consumer in wanted {
            holds = holds.max(match Target::find(&consumer.target)?.holds {
                Holds::Keys if !consumer.with_keys => Holds::Certificates,
                holds => holds,
            });
        }
        let gather = Gather { change: self, pki: text(&self.env.pki)?, holds, staged: self.staged() };
        let mut facts = Facts {
            pki: gather.pki.clone(),
            program: Env::program(),
            authorities: gather.authorities()?,
            bundles: gather.bundles()?,
            ..Facts::default()
        };
        for (config, broker) in brokers.into_iter().zip(self.world.manifest.brokers()) {
            for entry in self.clients_of(broker) {
                facts.clients.push(gather.client(entry, broker, &config)?);
            }
            facts.brokers.push(gather.broker(config, broker)?);
        }
        Ok(facts)
    }

    /// Files that are about to be written, by their paths.
    fn staged(&self) -> BTreeMap<PathBuf, &[u8]> {
        let new = self.directories.iter().flat_map(|d| d.files.iter().map(|f| (d.path.join(&f.path), &f.bytes)));
        let replaced = self.files.iter().map(|f| (f.path.clone(), &f.bytes));
        new.chain(replaced).map(|(path, bytes)| (path, bytes.as_slice())).collect()
    }
}

fn emitted(facts: &Facts, consumer: &Consumer) -> Result<Emitted> {
    let target = Target::find(&consumer.target)?;
    let settings = target.check(consumer)?;
    let facts = facts.narrowed(consumer).map_err(|e| e.context(format!("emit {}", target.name)))?;
    Ok(Emitted { files: target.emit(&facts, &settings)?, next: (target.next)(&facts, &settings) })
}

/// A path that stands in text.
fn text(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Error::failed(format!("the path {} is not UTF-8", ui::path(path))))?;
    Ok(text.to_owned())
}

/// Looks facts up, as they will be when the change is made.
struct Gather<'a> {
    change: &'a Change<'a>,
    pki: String,
    holds: Holds,
    staged: BTreeMap<PathBuf, &'a [u8]>,
}

impl Gather<'_> {
    fn authorities(&self) -> Result<Vec<Authority>> {
        let world = &*self.change.world;
        let mut found = Vec::new();
        for name in world.authority_names() {
            let certificate = world.authority_certificate(name)?;
            let issuer = world.issuer_of(certificate).map(|ca| ca.name.to_owned()).filter(|issuer| issuer != name);
            let key = match world.authority_state(name) {
                AuthorityState::Here => AuthorityKey::Here,
                AuthorityState::Sealed => AuthorityKey::Sealed,
                AuthorityState::Elsewhere => AuthorityKey::Elsewhere,
            };
            let depth = world.chain_from(name).map_or(0, |chain| chain.len());
            found.push((depth, Authority { name: name.to_owned(), issuer, certificate: certificate.pem(), key }));
        }
        found.sort_by_key(|(depth, _)| *depth);
        Ok(found.into_iter().map(|(_, authority)| authority).collect())
    }

    fn bundles(&self) -> Result<Bundles> {
        let Trust { clients, servers, peers } = Trust::of(self.change.world)?;
        let text = |anchors: &[Certificate]| anchors.iter().map(Certificate::pem).collect();
        Ok(Bundles { clients: text(&clients), servers: text(&servers), peers: text(&peers) })
    }

    fn broker(&self, config: BrokerFacts, broker: &manifest::Broker) -> Result<Broker> {
        let of = |certificate: &EntryRef| {
            let entry = self.change.world.entry(certificate.role, &certificate.name);
            entry.as_deref().map(|entry| self.identity(entry)).transpose()
        };
        let mut identities = Vec::new();
        for certificate in &broker.certificates {
            identities.extend(of(certificate)?);
        }
        let other = broker.management.certificate.as_ref().filter(|c| !broker.certificates.contains(c));
        let directory = format!("{}/{}", self.pki, emitted_name(&layout::rabbitmq_dir(broker.name.as_deref())?));
        Ok(Broker { config, directory, identities, management: other.map(of).transpose()?.flatten() })
    }

    fn client(&self, entry: &Entry, broker: &manifest::Broker, config: &BrokerFacts) -> Result<Client> {
        let access = match entry.user.as_ref().map(|user| &user.permissions) {
            Some(Permissions::Access(access)) => access.clone(),
            _ => Vec::new(),
        };
        let mut user = user(entry, broker)?;
        // Whether it has a password, the broker's own facts know.
        let known = config.users.iter().find(|known| known.name == user.name);
        user.password_hash = known.and_then(|known| known.password_hash.clone());
        Ok(Client { identity: self.identity(entry)?, user, access, broker: broker.name.clone(), handed_over: false })
    }

    fn identity(&self, entry: &Entry) -> Result<Identity> {
        let directory = layout::entry_dir(entry.role.as_str(), &entry.name)?;
        let password = entry.key_password_file.as_ref().map(|path| text(&self.change.world.store.path(path)));
        let read = |file: &str, holds: Holds| match self.holds >= holds {
            true => self.read(&directory.join(file)),
            false => Ok(None),
        };
        Ok(Identity {
            role: entry.role,
            name: entry.name.clone(),
            directory: format!("{}/{}", self.pki, emitted_name(&directory)),
            names: entry.san.clone(),
            kubernetes: entry.kubernetes.clone(),
            owner: entry.owner.clone(),
            key_password_file: password.transpose()?,
            certificate: read(entry.role.certificate_file(), Holds::Certificates)?.map(|pem| pem.to_string()),
            key: read(entry.role.key_file(), Holds::Keys)?,
            has_key: self.is_here(&directory.join(entry.role.key_file())),
            issuer: entry.issuer.clone(),
        })
    }

    /// Whether a file will be there.
    fn is_here(&self, path: &Path) -> bool {
        self.staged.contains_key(path) || self.change.world.store.holds(path)
    }

    /// A file as it will be.
    fn read(&self, path: &Path) -> Result<Option<Zeroizing<String>>> {
        let world = &*self.change.world;
        let bytes = match self.staged.get(path) {
            Some(bytes) => Some(Zeroizing::new(bytes.to_vec())),
            None => world.store.read_if_exists(path, store::INPUT_LIMIT)?,
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| Error::failed(format!("{} is not text", ui::path(&world.store.path(path)))))?;
        Ok(Some(Zeroizing::new(text.to_owned())))
    }
}
