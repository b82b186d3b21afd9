//! The broker's files, kept in step with the manifest and the inventory.
//!
//! Facts are gathered here and written by `emit::rabbitmq`. A file that somebody edited since certgen wrote it is left
//! alone; a password is made once, and its hash is kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::apply::Change;
use crate::apply::change::{Edited, NewPassword, owner};
use crate::emit::RABBITMQ;
use crate::emit::rabbitmq::{self as facts, BrokerFacts, Definitions, ExistingUser};
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::manifest::{Broker, ClientCertificates, Entry, LoginFrom, Permissions, Platform};
use crate::profile::Role;
use crate::store::{self, Action, OutputFile, layout};
use crate::ui;
use crate::x509::GeneralName;

/// A quarter of a million users fit. The file is edited as text, so it is held twice and written once more: what is beyond
/// this would take more memory than a command may have.
pub(crate) const DEFINITIONS_LIMIT: u64 = 24 << 20;

impl super::World {
    /// The users of a broker's definitions.json as it lies there.
    ///
    /// # Errors
    /// The broker's name has no directory name, or the file cannot be read or understood.
    pub(super) fn broker_users(&self, broker: &Broker) -> Result<Users> {
        let definitions = definitions_of(broker)?;
        let existing = self.store.read_if_exists(&definitions, DEFINITIONS_LIMIT)?;
        self.users_of(&definitions, existing.as_deref().map(Vec::as_slice))
    }

    /// The users that certgen made in a broker's definitions.
    ///
    /// # Errors
    /// The broker's name has no directory name.
    pub fn users_made(&self, broker: &Broker) -> Result<BTreeSet<String>> {
        Ok(self.users_made_in(&definitions_of(broker)?))
    }

    /// The users that certgen made in brokers for a client, as those brokers know them; one that is meant to be a user which
    /// exists anyway, the administrator for instance, was not made for it.
    ///
    /// # Errors
    /// A broker's name has no directory name.
    pub fn users_made_for(&self, entry: &Entry) -> Result<BTreeSet<String>> {
        let mut made = BTreeSet::new();
        let has_own = entry.user.as_ref().is_some_and(|user| !user.existing);
        for broker in self.manifest.brokers_of(entry).filter(|_| has_own) {
            let name = user_name(entry, broker.login_from)?;
            if self.users_made_in(&definitions_of(broker)?).contains(&name) {
                made.insert(name);
            }
        }
        Ok(made)
    }

    fn users_of(&self, definitions: &Path, existing: Option<&[u8]>) -> Result<Users> {
        let mut known = BTreeMap::new();
        for user in existing.map(facts::existing_users).transpose()?.unwrap_or_default() {
            // Named twice, it is what gives it more.
            if user.is_privileged() || !known.contains_key(&user.name) {
                known.insert(user.name.clone(), user);
            }
        }
        Ok(Users { known, ours: self.users_made_in(definitions) })
    }

    /// The users in a definitions.json that certgen made: only these may it change or take out.
    fn users_made_in(&self, definitions: &Path) -> BTreeSet<String> {
        self.inventory.users_made_in(&emitted_name(definitions)).into_iter().collect()
    }
}

/// What `emit` needs to write a broker's files somewhere else.
pub struct PreparedBroker {
    /// The facts, passwords included.
    pub facts: BrokerFacts,
    /// The users that certgen made.
    pub ours: BTreeSet<String>,
    /// The users of clients that are meant to be users which exist already.
    pub existing_users: BTreeSet<String>,
    /// Whose its files are.
    pub access: FileAccess,
}

/// A broker may read configuration that holds secrets only if it has the owner and mode of the broker's own key.
pub struct FileAccess {
    /// The owner, where the manifest names one.
    pub owner: Option<store::Owner>,
    /// The mode of files with a secret.
    pub secret_mode: u32,
}

impl FileAccess {
    /// The mode of a file with or without a secret.
    pub fn mode(&self, secret: bool) -> u32 {
        if secret { self.secret_mode } else { layout::PUBLIC_FILE }
    }
}

/// The users of a broker's definitions.json.
pub(super) struct Users {
    /// Every one that is in it.
    known: BTreeMap<String, ExistingUser>,
    /// Those that certgen made.
    ours: BTreeSet<String>,
}

impl Users {
    /// Somebody else made it: what it has is not certgen's to change.
    fn is_foreign(&self, name: &str) -> bool {
        !self.ours.contains(name) && self.known.contains_key(name)
    }

    /// Somebody else made it, and it has a password or a tag.
    pub(super) fn is_foreign_and_privileged(&self, name: &str) -> bool {
        !self.ours.contains(name) && self.known.get(name).is_some_and(ExistingUser::is_privileged)
    }
}

fn definitions_of(broker: &Broker) -> Result<PathBuf> {
    Ok(layout::rabbitmq_dir(broker.name.as_deref())?.join("definitions.json"))
}

/// What the inventory calls an emitted file.
pub(super) fn emitted_name(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The target whose file an emitted file is: `celery` of `emit/celery/...`, and of all others `rabbitmq`.
pub fn target_of(emitted: &Path) -> &str {
    let mut parts = emitted.iter().filter_map(|part| part.to_str());
    match (parts.next(), parts.next()) {
        (Some("emit"), Some(target)) => target,
        _ => RABBITMQ.0,
    }
}

impl Change<'_> {
    /// Brings `rabbitmq/` up to date for every broker of the manifest, and `emit/` for every consumer.
    ///
    /// # Errors
    /// A fact is missing or cannot be written in RabbitMQ's syntax, or an existing file cannot be understood.
    pub fn refresh_brokers(&mut self) -> Result<()> {
        let mut brokers = Vec::new();
        for broker in self.world.manifest.brokers().to_vec() {
            brokers.push(self.refresh_broker(&broker).context(|| match &broker.name {
                Some(name) => format!("writing the files of broker {}", ui::quote(name)),
                None => "writing the broker's files".to_owned(),
            })?);
        }
        self.refresh_cli_hosts()?;
        self.refresh_consumers(brokers)?;
        let secrets = std::mem::take(&mut self.secret_texts);
        self.git_files(&secrets)
    }

    /// A broker's files as facts, for another place than `rabbitmq/`.
    ///
    /// # Errors
    /// As [`Change::refresh_brokers`].
    pub fn prepared(&mut self, broker: &Broker) -> Result<PreparedBroker> {
        let dir = layout::rabbitmq_dir(broker.name.as_deref())?;
        let access = self.access(broker)?;
        // As staged by this change, else as it lies there.
        let definitions = definitions_of(broker)?;
        let staged = self.files.iter().find(|f| f.path == definitions).map(|f| f.bytes.clone());
        let existing = match staged {
            Some(staged) => Some(staged),
            None => self.world.store.read_if_exists(&definitions, DEFINITIONS_LIMIT)?,
        };
        let users = self.world.users_of(&definitions, existing.as_deref().map(Vec::as_slice))?;
        let facts = self.broker_facts(broker, &dir, &users)?;
        let clients = self.clients_of(broker);
        let meant = clients.into_iter().filter(|e| e.user.as_ref().is_some_and(|u| u.existing));
        let existing_users = meant.map(|e| user_name(e, broker.login_from)).collect::<Result<_>>()?;
        Ok(PreparedBroker { facts, existing_users, ours: users.ours, access })
    }

    fn refresh_broker(&mut self, broker: &Broker) -> Result<BrokerFacts> {
        let dir = layout::rabbitmq_dir(broker.name.as_deref())?;
        let access = self.access(broker)?;
        let definitions = definitions_of(broker)?;
        let existing = self.read(&definitions, DEFINITIONS_LIMIT)?;
        let users = self.world.users_of(&definitions, existing.as_deref().map(Vec::as_slice))?;
        let facts = self.broker_facts(broker, &dir, &users)?;
        let foreign = foreign_files(broker, &facts, &users)?;
        let mut current: BTreeSet<PathBuf> = BTreeSet::new();
        for mut file in facts::emit(&facts)? {
            let path = dir.join(&file.path);
            if foreign.contains(&path) {
                continue;
            }
            current.insert(path.clone());
            if file.path.starts_with("rabbitmq-env") {
                let old = self.world.store.read_if_exists(&path, store::INPUT_LIMIT)?;
                let old = old.as_ref().map(|old| String::from_utf8_lossy(old));
                self.done.notes.extend(super::switch_order(self.world, broker, old.as_deref(), self.env));
            }
            if path == definitions {
                if let Some(existing) = &existing {
                    file.bytes = self.merged(existing, &facts, &users, broker)?;
                }
                self.record_users(&path, &facts, &users, &file.bytes)?;
                self.put_if_changed(&path, file.bytes, access.mode(file.secret), &access)?;
            } else if file.path.starts_with("crls/") {
                self.put_broker_list(&path, file.bytes, &access)?;
            } else {
                self.emit(&path, file, &access, RABBITMQ.0)?;
            }
        }
        self.drop_former_lists(&dir, &current)?;
        self.drop_former_users(&dir, &current)?;
        Ok(facts)
    }

    /// Our users into a definitions.json that others write into too.
    fn merged(&mut self, existing: &[u8], facts: &BrokerFacts, users: &Users, broker: &Broker) -> Result<Vec<u8>> {
        let wanted = Definitions::of_broker(facts)?;
        let known = facts::existing_vhosts(existing)?;
        let new = wanted.vhosts.iter().filter(|vhost| !known.contains(*vhost)).cloned().collect();
        self.done.new_vhosts.insert(broker.name.clone(), new);
        let merged = facts::merge_definitions(existing, &wanted, &users.ours)?;
        for conflict in &merged.conflicts {
            self.done.notes.push(format!("definitions.json was not changed for one user: {conflict}"));
        }
        self.done.notes.extend(merged.kept);
        self.done.users_gone.extend(merged.removed);
        Ok(merged.bytes)
    }

    /// Remembers which users of the definitions are certgen's: those it made before and those that nobody had made.
    fn record_users(&mut self, path: &Path, facts: &BrokerFacts, users: &Users, bytes: &[u8]) -> Result<()> {
        let wanted = facts.users.iter().map(|u| &u.name).chain(facts.administrator.iter().map(|a| &a.name));
        let ours: BTreeSet<String> = wanted.filter(|name| !users.is_foreign(name)).cloned().collect();
        if ours == users.ours {
            return Ok(());
        }
        let mut event = self.emitted_event(path, crate::x509::sha256_hex(bytes))?;
        event.users = Some(ours.iter().cloned().collect());
        self.events.push(event);
        // A password belongs to its user and goes with it.
        for former in users.ours.difference(&ours) {
            let file = path.with_file_name(format!("{}.password", store::directory_name(former)?));
            if self.world.store.holds(&file) {
                self.removals.push(file);
            }
        }
        Ok(())
    }

    /// Writes an emitted file, unless somebody edited the one that is there: then the new text goes beside it. `by` is what
    /// is typed after `certgen emit` for it.
    pub(super) fn emit(
        &mut self,
        path: &Path,
        file: crate::emit::OutputFile,
        access: &FileAccess,
        by: &str,
    ) -> Result<()> {
        let (bytes, mode) = (file.bytes, access.mode(file.secret));
        let hash = crate::x509::sha256_hex(&bytes);
        let key = emitted_name(path);
        // definitions.json is in the ignored patterns by its name.
        if file.secret && (!key.ends_with(".json") || key.starts_with("emit/")) {
            self.secret_texts.insert(key.clone());
        }
        let recorded = self.world.inventory.emitted.get(&key).cloned();
        let Some(old) = self.world.store.read_if_exists(path, DEFINITIONS_LIMIT)? else {
            self.put(path, bytes, mode, access);
            return self.emitted(path, hash);
        };
        let old_hash = crate::x509::sha256_hex(&old);
        if old_hash == hash {
            self.drop_beside(&key);
            if self.changes_access(path, mode, access) {
                self.put(path, bytes, mode, access);
            }
            return if recorded.as_ref() == Some(&hash) { Ok(()) } else { self.emitted(path, hash) };
        }
        if recorded.as_ref() == Some(&old_hash) || self.forced.contains(target_of(path)) {
            self.put(path, bytes, mode, access);
            self.drop_beside(&key);
            return self.emitted(path, hash);
        }
        let beside = PathBuf::from(format!("{key}.new"));
        self.done.edited.push(Edited { file: self.world.store.path(path), by: by.to_owned() });
        self.put_if_changed(&beside, bytes, mode, access)
    }

    /// A text that waited beside its file is out of date once the file has it.
    fn drop_beside(&mut self, key: &str) {
        let beside = PathBuf::from(format!("{key}.new"));
        if self.world.store.holds(&beside) {
            self.removals.push(beside);
        }
    }

    /// The manifest gives the file another owner or mode than it has.
    fn changes_access(&self, path: &Path, mode: u32, access: &FileAccess) -> bool {
        store::facts(&self.world.store.path(path)).is_some_and(|is| !is.fits(mode, access.owner.as_ref()))
    }

    fn put(&mut self, path: &Path, bytes: Vec<u8>, mode: u32, access: &FileAccess) {
        self.stage_file(OutputFile::public(path, bytes).with_mode(mode).owned_by(access.owner.clone()));
    }

    pub(super) fn put_if_changed(&mut self, path: &Path, bytes: Vec<u8>, mode: u32, access: &FileAccess) -> Result<()> {
        let same = self.world.store.read_if_exists(path, DEFINITIONS_LIMIT)?.is_some_and(|old| *old == bytes);
        if !same || self.changes_access(path, mode, access) {
            self.put(path, bytes, mode, access);
        }
        Ok(())
    }

    fn emitted(&mut self, path: &Path, sha256: String) -> Result<()> {
        let event = self.emitted_event(path, sha256)?;
        self.events.push(event);
        Ok(())
    }

    pub(super) fn emitted_event(&self, path: &Path, sha256: String) -> Result<store::Event> {
        let mut event = self.bare_event(Action::Emitted)?;
        event.path = Some(emitted_name(path));
        event.sha256 = Some(sha256);
        Ok(event)
    }

    /// Users that are gone take their files in `definitions.d/` with them.
    fn drop_former_users(&mut self, dir: &Path, current: &BTreeSet<PathBuf>) -> Result<()> {
        let users = dir.join("definitions.d");
        for name in self.world.store.file_names(&users)? {
            let path = users.join(name);
            let Some(hash) = self.world.inventory.emitted.get(&emitted_name(&path)) else {
                continue; // not certgen's
            };
            let bytes = self.world.store.read_if_exists(&path, DEFINITIONS_LIMIT)?;
            let untouched = bytes.is_some_and(|bytes| crate::x509::sha256_hex(&bytes) == *hash);
            if untouched && !current.contains(&path) {
                self.removals.push(path);
            }
        }
        Ok(())
    }

    /// The owner and the mode that the broker's own certificate has.
    fn access(&self, broker: &Broker) -> Result<FileAccess> {
        let entry = broker.certificates.first().and_then(|c| self.world.entry(c.role, &c.name));
        Ok(FileAccess {
            owner: owner(entry.as_ref().and_then(|e| e.owner.as_deref()))?,
            secret_mode: entry.map_or(layout::PRIVATE_FILE, |e| e.key_mode),
        })
    }

    /// Everything that the broker's files say.
    fn broker_facts(&mut self, broker: &Broker, dir: &Path, users: &Users) -> Result<BrokerFacts> {
        let revocation = self.broker_revocation(broker)?;
        let shown = broker.certificates.iter().filter_map(|c| self.world.entry(c.role, &c.name));
        let shown: Vec<Entry> = shown.map(Cow::into_owned).collect();
        let first = shown.first();
        let mut names: Vec<String> = Vec::new();
        for entry in &shown {
            names.extend(entry.san.iter().filter_map(|name| match name {
                GeneralName::Dns(dns) => Some(dns.as_str().to_owned()),
                _ => None,
            }));
        }
        let key_password = first.and_then(|e| e.key_password_file.as_deref());
        let mut facts = BrokerFacts::single(&broker.certs_dir, &broker.config_dir);
        facts.name = broker.name.clone();
        facts.version = version(broker);
        facts.platform = broker.platform;
        facts.certificate_is_node = broker.certificates.first().is_some_and(|c| c.role == Role::Node);
        facts.certificate_names = names;
        facts.key_password = key_password.map(|path| self.world.key_password(path, true)).transpose()?;
        self.refuse_mixed_passwords(&shown, facts.key_password.as_ref())?;
        facts.management = management(broker);
        facts.inter_node = broker.inter_node_tls;
        facts.client_certificates = match broker.client_certificates {
            // Clients that still come with a password have none.
            ClientCertificates::Required if broker.migration.is_some() => ClientCertificates::Optional,
            said => said,
        };
        facts.plain = broker.migration.is_some();
        // A user of somebody else's with the name of one of ours would lose its password at the next boot.
        facts.load_definitions = broker.migration.is_none() || broker.login_users.is_some();
        facts.login_from = broker.login_from;
        facts.tls_versions.clone_from(&broker.tls_versions);
        facts.ports = broker.ports;
        facts.plugins = broker.plugins.clone();
        facts.nodes = broker.nodes.clone();
        facts.longnames = broker.longnames;
        facts.erl_ssl_path = broker.erl_ssl_path.clone();
        facts.vhosts = broker.vhosts.clone();
        facts.has_checked_revocation = self.has_checked(dir);
        facts.revocation = revocation;
        let clients = self.clients_of(broker).into_iter().filter(|e| !is_the_brokers(e, broker));
        facts.users = clients.map(|e| user(e, broker)).collect::<Result<_>>()?;
        // One who is meant to be the administrator keeps the administrator's rights and password.
        facts.users.retain(|user| Some(&user.name) != broker.administrator.as_ref());
        self.passwords(broker, dir, users, &mut facts)?;
        Ok(facts)
    }

    /// One configuration serves every node of a broker, so that their keys open with one password or with none.
    fn refuse_mixed_passwords(&self, shown: &[Entry], password: Option<&Zeroizing<String>>) -> Result<()> {
        for entry in shown {
            let own = entry.key_password_file.as_deref().map(|path| self.world.key_password(path, true)).transpose()?;
            if own.as_deref() != password.map(|password| &**password) {
                let names: Vec<String> = shown.iter().map(|entry| ui::shell(&entry.name)).collect();
                return Err(Error::failed(format!(
                    "the key of {} {} has another password than that of {} {}, and one rabbitmq.conf serves both",
                    entry.role,
                    ui::quote(&entry.name),
                    shown[0].role,
                    ui::quote(&shown[0].name)
                ))
                .hint(format!(
                    "give them one: certgen issue {} {} --key-password-file FILE --force",
                    entry.role,
                    names.join(" ")
                )));
            }
        }
        Ok(())
    }

    /// The clients whose users belong to this broker.
    pub(super) fn clients_of(&self, broker: &Broker) -> Vec<&Entry> {
        let withdrawn = self.withdrawn_clients();
        self.world
            .manifest
            .entries()
            .iter()
            .chain(self.world.unmanaged())
            .filter(|e| e.role == Role::Client && e.user.is_some())
            .filter(|e| self.world.manifest.brokers_of(e).any(|b| b.name == broker.name))
            // A revoked client has no user: a broker that does not check revocation would let its key in.
            .filter(|e| !withdrawn.contains(&e.name))
            .collect()
    }

    /// The administrator's password and those of clients that asked for one: made once, kept in a file for their owner.
    fn passwords(&mut self, broker: &Broker, dir: &Path, users: &Users, facts: &mut BrokerFacts) -> Result<()> {
        if let Some(name) = &broker.administrator {
            let path = layout::administrator_password(broker.name.as_deref())?;
            let password_hash = self.password_hash(name, &path, users)?;
            facts.administrator = Some(facts::Administrator { name: name.clone(), password_hash });
        }
        let with_password: Vec<String> = self
            .clients_of(broker)
            .into_iter()
            .filter(|e| e.user.as_ref().is_some_and(|u| u.with_password))
            .map(|e| user_name(e, broker.login_from))
            .collect::<Result<_>>()?;
        for name in with_password {
            let path = dir.join(format!("{}.password", store::directory_name(&name)?));
            let hash = self.password_hash(&name, &path, users)?;
            for user in facts.users.iter_mut().filter(|u| u.name == name) {
                user.password_hash = Some(hash.clone());
            }
        }
        Ok(())
    }

    fn password_hash(&mut self, user: &str, path: &Path, users: &Users) -> Result<String> {
        let known = users.known.get(user).and_then(|u| u.password_hash.clone());
        if let Some(hash) = known.filter(|hash| !hash.is_empty()) {
            return Ok(hash);
        }
        let password = match self.world.store.read_if_exists(path, store::INPUT_LIMIT)? {
            Some(bytes) => {
                let text = std::str::from_utf8(&bytes)
                    .map_err(|_| Error::failed(format!("{} is not UTF-8", ui::path(path))))?;
                Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => {
                let password = crate::x509::random_password()?;
                // The password of a person, not of the broker: it belongs to whoever runs certgen.
                self.put_secret(path.to_owned(), format!("{}\n", *password).into_bytes());
                let file = self.world.store.path(path);
                self.done.passwords.push(NewPassword { user: user.to_owned(), password: password.clone(), file });
                password
            }
        };
        Ok(facts::password_hash(&password, crate::x509::random_salt()?))
    }

    /// A host that only runs CLI tools finds its option file beside its certificate.
    fn refresh_cli_hosts(&mut self) -> Result<()> {
        let hosts: Vec<Entry> = self
            .world
            .manifest
            .entries()
            .iter()
            .chain(self.world.unmanaged())
            .filter(|e| e.role == Role::Client && e.cli)
            .cloned()
            .collect();
        for host in hosts {
            let dir = layout::entry_dir(Role::Client.as_str(), &host.name)?;
            let staged = self.stages(&dir);
            if !staged && !self.world.store.holds(&dir) {
                continue;
            }
            let broker = self.world.manifest.brokers().first().cloned();
            let facts = facts::CliFacts {
                platform: broker.as_ref().map_or(Platform::Unix, |b| b.platform),
                certs_dir: broker.as_ref().map_or_else(|| "/etc/rabbitmq/certs".to_owned(), |b| b.certs_dir.clone()),
                config_dir: broker.as_ref().map_or_else(|| "/etc/rabbitmq".to_owned(), |b| b.config_dir.clone()),
                key_password: host
                    .key_password_file
                    .as_deref()
                    .map(|p| self.world.key_password(p, true))
                    .transpose()?,
                tls_versions: broker.as_ref().map(|b| b.tls_versions.clone()).unwrap_or_default(),
                longnames: broker.as_ref().is_some_and(|b| b.longnames),
                erl_ssl_path: broker.as_ref().and_then(|b| b.erl_ssl_path.clone()),
            };
            let access = FileAccess { owner: owner(host.owner.as_deref())?, secret_mode: host.key_mode };
            for file in facts::cli_host(&facts)? {
                self.emit(&dir.join(&file.path), file, &access, RABBITMQ.0)?;
            }
        }
        Ok(())
    }
}

/// One who is meant to be a user that the broker has keeps that user's password, tags and permissions, which definitions
/// would replace. While clients move, every user is one that the broker has if somebody says that it exists.
pub(crate) fn is_the_brokers(entry: &Entry, broker: &Broker) -> bool {
    let exists = entry.user.as_ref().is_some_and(|user| user.existing);
    let listed = |name: &str| broker.has_login_user(name);
    exists && broker.migration.is_some() || user_name(entry, broker.login_from).is_ok_and(|name| listed(&name))
}

/// The single-user files of users that somebody else made: importing one would take their password and tags.
fn foreign_files(broker: &Broker, facts: &BrokerFacts, users: &Users) -> Result<BTreeSet<PathBuf>> {
    let names = facts.users.iter().map(|u| &u.name).filter(|name| users.is_foreign(name));
    names.map(|name| layout::user_definitions(broker.name.as_deref(), name)).collect()
}

/// What brings a client's user into the running brokers that know it: one sentence with its line for each.
pub fn lines_for_running_brokers(world: &super::World, done: &super::Done, name: &str, env: &Env) -> Vec<String> {
    let Some(entry) = world.entry(Role::Client, name) else { return Vec::new() };
    let entry = entry.as_ref();
    let brokers: Vec<&Broker> = world.manifest.brokers_of(entry).filter(|_| entry.user.is_some()).collect();
    let line = |broker: &&Broker| {
        let user = entry.user.as_ref()?;
        let path = layout::user_definitions(broker.name.as_deref(), &user_name(entry, broker.login_from).ok()?).ok()?;
        if !world.store.holds(&path) {
            return None; // a user that somebody else made keeps what it has
        }
        let shown = ui::path(env.shown(&world.store.path(path)));
        let new = done.new_vhosts.get(&broker.name).into_iter().flatten();
        let new: Vec<String> = new.filter(|vhost| user.vhosts.contains(vhost)).cloned().collect();
        let line = facts::import_line(broker.platform, &shown, &broker.config_dir, &new);
        let which = match &broker.name {
            Some(broker) if brokers.len() > 1 => format!("the running broker {}", ui::plain(broker)),
            _ => "a running broker".to_owned(),
        };
        Some(format!("to bring the user into {which}, on its host:\n  {line}"))
    };
    brokers.iter().filter_map(line).collect()
}

/// The user as RabbitMQ will see it: `login_from` says which part of the certificate names it.
pub(crate) fn user(entry: &Entry, broker: &Broker) -> Result<facts::UserFacts> {
    let Some(user) = &entry.user else { return Ok(facts::UserFacts::default()) };
    let allowed = match &user.permissions {
        Permissions::None => facts::Permissions::none(),
        Permissions::Access(list) => facts::Permissions::of_all(list),
        Permissions::Patterns { configure, write, read } => facts::Permissions {
            configure: configure.clone(),
            write: write.clone(),
            read: read.clone(),
            tags: Vec::new(),
        },
    };
    let mut tags = user.tags.clone();
    tags.extend(allowed.tags.iter().filter(|t| !user.tags.contains(t)).cloned());
    let topics: Vec<facts::TopicFacts> = user
        .topic
        .iter()
        .map(|t| facts::TopicFacts { exchange: t.exchange.clone(), write: t.write.clone(), read: t.read.clone() })
        .collect();
    Ok(facts::UserFacts {
        name: user_name(entry, broker.login_from)?,
        vhosts: user.vhosts.clone(),
        configure: allowed.configure,
        write: allowed.write,
        read: allowed.read,
        topics,
        tags,
        password_hash: None,
    })
}

/// What RabbitMQ reads from the certificate of `entry` as the user's name.
pub(crate) fn user_name(entry: &Entry, login_from: LoginFrom) -> Result<String> {
    let first = |wanted: fn(&GeneralName) -> Option<String>, kind: &str| {
        entry.san.iter().find_map(wanted).ok_or_else(|| {
            Error::failed(format!(
                "client {} has no {kind}, and the broker takes the user from it",
                ui::quote(&entry.name)
            ))
            .hint("give it one with --san, or set login_from = \"common_name\" for the broker")
        })
    };
    match login_from {
        LoginFrom::CommonName => Ok(entry.name.clone()),
        LoginFrom::DistinguishedName => Ok(entry.full_subject()?.to_string()),
        LoginFrom::SanDns => {
            first(|n| if let GeneralName::Dns(d) = n { Some(d.as_str().to_owned()) } else { None }, "DNS name")
        }
        LoginFrom::SanEmail => {
            first(|n| if let GeneralName::Email(e) = n { Some(e.clone()) } else { None }, "e-mail address")
        }
        LoginFrom::SanUri => first(|n| if let GeneralName::Uri(u) = n { Some(u.clone()) } else { None }, "URI"),
    }
}

fn version(broker: &Broker) -> Option<facts::Version> {
    let (major, minor) = broker.version.as_str().split_once('.')?;
    Some(facts::Version { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

/// Another certificate for people lies in a directory of its own below the broker's certificates.
fn management(broker: &Broker) -> facts::Management {
    let certificate = broker.management.certificate.as_ref().filter(|c| !broker.certificates.contains(c));
    let external = broker.management.external.as_ref().map(|_| layout::EXTERNAL);
    let role = certificate.map(|certificate| certificate.role.as_str()).or(external);
    facts::Management {
        enabled: broker.management.enabled,
        port: broker.management.port,
        certificate: role.map(|role| certificate_files(role, &broker.certs_dir)),
    }
}

fn certificate_files(role: &str, certs_dir: &str) -> facts::CertificateFiles {
    let dir = format!("{}/management", certs_dir.trim_end_matches('/'));
    facts::CertificateFiles {
        certfile: format!("{dir}/{}", layout::certificate_file(role)),
        keyfile: format!("{dir}/{}", layout::key_file(role)),
    }
}
