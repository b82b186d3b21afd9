//! The PKI as it is: manifest, inventory, and the certificates and keys that lie on disk.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::emit::{RABBITMQ, Target};
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::manifest::{Entry, EntrySpec, Manifest};
use crate::plan::{self, Key, Pair, Reason, Wishes};
use crate::profile::Role;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{self, Action, Event, Holder, Inventory, Issued, Location, LockOptions, Locked, Reading, Store};
use crate::ui;
use crate::x509::{Certificate, Crl, PrivateKey, Validity, X509Error};

/// A revocation list may be long; anything beyond this is no list of ours.
pub(super) const CRL_LIMIT: u64 = 256 << 20;

/// What messages call the manifest.
const MANIFEST: &str = "certgen.toml";
/// A list of entries is held in memory like the manifest; what is longer is issued with `issue --from`.
const LIST_LIMIT: u64 = 64 << 20;

/// Everything that a command needs to know before it decides.
pub struct World {
    /// Where it is.
    pub store: Store,
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest's text, for edits that keep its comments.
    pub manifest_text: String,
    /// What was issued.
    pub inventory: Inventory,
    pub(super) authorities: BTreeMap<(String, Generation), Certificate>,
    on_disk: Vec<(Role, String)>,
    unmanaged: Vec<(Entry, EntrySpec)>,
}

/// What is known about an authority's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityState {
    /// Its key is here in the clear.
    Here,
    /// Its key is here, sealed with age.
    Sealed,
    /// Its key is not here.
    Elsewhere,
}

impl World {
    /// Reads a PKI without changing anything; works in a directory that cannot be written.
    ///
    /// # Errors
    /// There is no PKI, or one of its files cannot be read or understood.
    pub fn read(env: &mut Env) -> Result<Self> {
        let store = open(env)?;
        let mut world = Self::load(store, env)?;
        if let Some(rebuilt) = world.rebuild_inventory(env)? {
            world.warn_of_missing_inventory(&rebuilt, env);
        }
        Ok(world)
    }

    /// Takes the lock, puts right what a crash left, and reads. `command` tells others who wait what we do.
    ///
    /// # Errors
    /// As for [`World::read`]; or the directory cannot be locked or written.
    pub fn lock(command: &str, env: &mut Env) -> Result<(Self, Locked)> {
        let store = open(env)?;
        let locked = lock(&store, command, false, env)?;
        let mut world = Self::load(store, env)?;
        world.refuse_torn_manifest()?;
        refuse_unfollowed(&world.manifest)?;
        if let Some(rebuilt) = world.rebuild_inventory(env)? {
            world.write_inventory(&rebuilt, &locked, env)?;
        }
        Ok((world, locked))
    }

    /// A PKI that is about to be made: nothing exists but the text of its manifest. `command` tells others who wait what we
    /// do.
    ///
    /// # Errors
    /// The directory cannot be made or written.
    pub fn create(command: &str, manifest: Manifest, manifest_text: String, env: &mut Env) -> Result<(Self, Locked)> {
        let world = Self::blank(manifest, manifest_text, env)?;
        let locked = lock(&world.store, command, true, env)?;
        Ok((world, locked))
    }

    /// The same in thought: nothing is made or locked.
    ///
    /// # Errors
    /// The manifest cannot be followed.
    pub fn blank(mut manifest: Manifest, manifest_text: String, env: &Env) -> Result<Self> {
        refuse_unfollowed(&manifest)?;
        let store = Store::open(&env.pki);
        add_lists(&mut manifest, &store)?;
        Ok(Self {
            store,
            manifest,
            manifest_text,
            inventory: Inventory::default(),
            authorities: BTreeMap::new(),
            on_disk: Vec::new(),
            unmanaged: Vec::new(),
        })
    }

    fn load(store: Store, env: &mut Env) -> Result<Self> {
        if store.is_interrupted() {
            env.warn("a command was interrupted here; the next one that writes finishes its work");
        }
        let (manifest, manifest_text) = read_manifest(&store, env)?;
        let inventory = with_bar(env, |reading| store.inventory_with(reading))?;
        for warning in &inventory.warnings {
            env.warn(warning);
        }
        let disk = store.entries_on_disk()?;
        let mut authorities = BTreeMap::new();
        for authority in disk.iter().filter(|e| e.role == layout::AUTHORITY) {
            let restore = "put the authority's certificate back, from version control or a backup";
            for generation in Generation::ALL {
                let path = layout::ca_certificate(Ca::new(&authority.name, generation))?;
                if !store.holds(&path) {
                    continue;
                }
                let certificate = read_certificate(&store, &path).map_err(|e| e.hint(restore))?;
                // Roots of old makers do not say that they are authorities. They are here to be replaced.
                if !certificate.is_ca() && !certificate.is_self_issued() {
                    return Err(Error::failed(format!(
                        "reading {}: this certificate is not an authority's",
                        ui::path(env.shown(&store.path(&path)))
                    ))
                    .hint(restore));
                }
                authorities.insert((authority.name.clone(), generation), certificate);
            }
        }
        let on_disk = disk.iter().filter_map(|e| Some((e.role.parse().ok()?, e.name.clone()))).collect();
        let unmanaged = unmanaged(&inventory, &manifest);
        Ok(Self { store, manifest, manifest_text, inventory, authorities, on_disk, unmanaged })
    }

    /// After very much was issued: whoever asks next does not wait until the inventory is read.
    pub fn index_inventory(&self, env: &Env) {
        with_bar(env, |reading| self.store.index_inventory(reading));
    }

    /// A manifest that is about to take the place of this one, with the entries of its lists.
    ///
    /// # Errors
    /// It cannot be followed.
    pub fn parse(&self, text: &str) -> Result<Manifest> {
        let mut manifest = Manifest::parse(text, MANIFEST)?;
        add_lists(&mut manifest, &self.store)?;
        Ok(manifest)
    }

    /// A manifest that ends inside a line and lacks what it had was cut off by a disk or an editor; following it would
    /// take the broker's configuration and its users away.
    fn refuse_torn_manifest(&self) -> Result<()> {
        if self.manifest_text.ends_with('\n') {
            return Ok(());
        }
        let lost = self.inventory.entries().find(|((role, name), history)| {
            history.current().is_some_and(|issued| issued.managed)
                && role.parse().is_ok_and(|role| self.manifest.entry(role, name).is_none())
        });
        let lost_broker = || {
            self.manifest.brokers().is_empty()
                && self.inventory.emitted.keys().any(|path| path.starts_with("rabbitmq/"))
        };
        let lost = match lost {
            Some(((role, name), _)) => format!("{role} {}", ui::quote(&name)),
            None if lost_broker() => "the broker".to_owned(),
            None => return Ok(()),
        };
        Err(Error::failed(format!(
            "{} looks cut off: it ends inside a line and lacks {lost}",
            ui::path(&self.store.path(layout::manifest())),
        ))
        .hint("put the manifest back, from version control or a backup")
        .hint("if it is meant to be like this, end its last line"))
    }

    /// Entries that were issued without being saved in the manifest.
    pub fn unmanaged(&self) -> impl Iterator<Item = &Entry> {
        self.unmanaged.iter().map(|(entry, _)| entry)
    }

    /// An entry of the manifest, or one that was issued without being saved there.
    pub fn entry(&self, role: Role, name: &str) -> Option<Cow<'_, Entry>> {
        let unmanaged = || self.unmanaged().find(|e| e.role == role && e.name == name);
        let known = self.manifest.entry(role, name).or_else(unmanaged).map(Cow::Borrowed);
        known.or_else(|| from_list(&self.inventory, &self.manifest, role, name).map(|(entry, _)| Cow::Owned(entry)))
    }

    pub(crate) fn forget_entry(&mut self, role: Role, name: &str) {
        self.unmanaged.retain(|(e, _)| e.role != role || e.name != name);
        self.on_disk.retain(|(r, n)| *r != role || n != name);
    }

    /// What was asked of an identity: by its entry in the manifest, or when it was issued without one.
    pub fn spec(&self, role: Role, name: &str) -> Option<Cow<'_, EntrySpec>> {
        let unmanaged = || self.unmanaged.iter().find(|(e, _)| e.role == role && e.name == name).map(|(_, spec)| spec);
        let known = self.manifest.spec(role, name).or_else(unmanaged).map(Cow::Borrowed);
        known.or_else(|| from_list(&self.inventory, &self.manifest, role, name).map(|(_, spec)| Cow::Owned(spec)))
    }

    /// Takes over a manifest that is about to be written: what it holds is no longer known by the inventory alone.
    pub fn save(&mut self, manifest: Manifest) {
        self.unmanaged.retain(|(entry, _)| manifest.entry(entry.role, &entry.name).is_none());
        self.manifest = manifest;
    }

    pub(crate) fn set_unmanaged(&mut self, entry: Entry, spec: EntrySpec) {
        self.unmanaged.retain(|(e, _)| (e.role, &e.name) != (entry.role, &entry.name));
        self.unmanaged.push((entry, spec));
    }

    /// The identities that have a directory here.
    pub fn directories(&self) -> &[(Role, String)] {
        &self.on_disk
    }

    /// True when there is an identity of that role and name, wherever its files are.
    pub fn knows(&self, role: Role, name: &str) -> bool {
        self.entry(role, name).is_some() || self.knows_by_file(role, name)
    }

    /// Whether there is a pair of this name that somebody else renews.
    pub fn knows_external(&self, name: &str) -> bool {
        self.inventory.current(layout::EXTERNAL, name).is_some()
            || layout::entry_dir(layout::EXTERNAL, name).is_ok_and(|directory| self.store.holds(directory))
    }

    /// The same, where something was issued already.
    pub(super) fn knows_by_file(&self, role: Role, name: &str) -> bool {
        self.inventory.current(role.as_str(), name).is_some()
            || layout::entry_dir(role.as_str(), name).is_ok_and(|directory| self.store.holds(directory))
    }

    /// The pair of an identity as it lies on disk; `None` where there is nothing at all.
    ///
    /// # Errors
    /// The name has no directory name.
    pub fn pair(&self, role: Role, name: &str) -> Result<Option<Pair>> {
        let directory = layout::entry_dir(role.as_str(), name)?;
        if !self.store.holds(&directory) {
            return Ok(None);
        }
        let path = directory.join(role.certificate_file());
        let certificate = if self.store.holds(&path) {
            read_certificate(&self.store, &path).map_err(|e| e.message().to_owned())
        } else {
            Err(format!("{} is missing", role.certificate_file()))
        };
        let issuer = certificate.as_ref().ok().and_then(|c| self.issuer_of(c));
        let issuer = issuer.filter(|ca| ca.generation == Generation::Present).map(|ca| ca.name.to_owned());
        let key = self.key_state(role, name, &directory, certificate.as_ref().ok());
        Ok(Some(Pair { certificate, issuer, key }))
    }

    fn key_state(&self, role: Role, name: &str, directory: &Path, certificate: Option<&Certificate>) -> Key {
        let path = directory.join(role.key_file());
        if !self.store.holds(&path) {
            let elsewhere =
                self.inventory.current(role.as_str(), name).is_some_and(|issued| issued.location != Location::Pki);
            return if elsewhere || self.is_checked_out(role, directory) { Key::Elsewhere } else { Key::Missing };
        }
        let Ok(pem) = self.store.read(&path) else { return Key::Damaged };
        match PrivateKey::from_pem(&pem, None) {
            Ok(key) if certificate.is_none_or(|c| c.public_key() == key.public_key()) => Key::Here,
            Ok(_) => Key::Differs,
            Err(X509Error::Encrypted) => Key::Encrypted,
            Err(_) => Key::Damaged,
        }
    }

    /// Keys are not kept in version control, and git gives the modes that the umask says: directories that others may enter,
    /// which certgen never does where there is a key, or certificates that others may not read. The key of such a one is in
    /// another checkout.
    fn is_checked_out(&self, role: Role, directory: &Path) -> bool {
        let facts = |path: &Path| store::facts(&self.store.path(path));
        facts(directory).is_some_and(|is| is.is_wider_than(0o770))
            || facts(&directory.join(role.certificate_file())).is_some_and(|is| !is.fits(layout::PUBLIC_FILE, None))
    }

    /// The same of any identity here.
    pub(super) fn has_been_checked_out(&self) -> bool {
        self.on_disk.iter().any(|(role, name)| {
            layout::entry_dir(role.as_str(), name).is_ok_and(|directory| {
                !self.store.holds(directory.join(role.key_file())) && self.is_checked_out(*role, &directory)
            })
        })
    }

    /// What is wrong with the file that has certificate and key in one, and what it should hold; `None` where nothing is, or
    /// where one of the two is not here.
    ///
    /// # Errors
    /// The name has no directory name, or a file cannot be read.
    pub(super) fn combined_fault(&self, role: Role, name: &str) -> Result<Option<(String, Zeroizing<Vec<u8>>)>> {
        let directory = layout::entry_dir(role.as_str(), name)?;
        let read = |file: &str| self.store.read_if_exists(directory.join(file), store::INPUT_LIMIT);
        let Some(file) = role.combined_file() else { return Ok(None) };
        let (Some(certificate), Some(key)) = (read(role.certificate_file())?, read(role.key_file())?) else {
            return Ok(None);
        };
        let wanted = Zeroizing::new([certificate.as_slice(), key.as_slice()].concat());
        Ok(match read(file)? {
            Some(is) if *is == *wanted => None,
            Some(_) => Some((format!("{file} is not its certificate and its key"), wanted)),
            None => Some((format!("{file} is missing"), wanted)),
        })
    }

    /// Why `entry` should be issued again, empty when all is well; and the certificate that it shows now, if that can be
    /// read.
    ///
    /// # Errors
    /// The name has no directory name.
    pub fn judge(&self, entry: &Entry, env: &Env) -> Result<(Vec<Reason>, Option<Certificate>)> {
        let Some(pair) = self.pair(entry.role, &entry.name)? else {
            return Ok((self.reasons_without_pair(entry, env)?, None));
        };
        let revoked = pair.certificate.as_ref().is_ok_and(|c| self.is_revoked(c));
        let mut reasons = plan::reasons(entry, Some(&pair), revoked, env.now);
        let certificate = pair.certificate.ok();
        if reasons.iter().any(Reason::is_about_form)
            && certificate.as_ref().is_some_and(|certificate| {
                self.is_as_taken(entry.role.as_str(), &entry.name, certificate, &plan::wishes(entry))
            })
        {
            reasons.retain(|reason| !reason.is_about_form());
        }
        Ok((reasons, certificate))
    }

    /// Whether the certificate of an authority was taken over from elsewhere.
    pub(super) fn is_taken_over(&self, name: &str) -> bool {
        self.authority(name).is_some_and(|is| self.taken_event(layout::AUTHORITY, name, is).is_some())
    }

    /// Whether a certificate was taken over from elsewhere, and its entry asks for what it asked for then.
    pub(super) fn is_as_taken(&self, role: &str, name: &str, certificate: &Certificate, wishes: &Wishes) -> bool {
        self.taken_event(role, name, certificate).is_some_and(|event| event.settings == *wishes)
    }

    /// The event by which the certificate in use was taken over, if it was.
    pub(super) fn taken_event(&self, role: &str, name: &str, certificate: &Certificate) -> Option<Event> {
        let event = self.inventory.event(self.inventory.current(role, name)?.event)?;
        let is_this = event.certificate.as_deref() == Some(&*certificate.sha256_hex());
        (event.action == Action::Imported && is_this).then_some(event)
    }

    /// Written to another place, nothing of it lies here to compare, and it is not missing.
    fn reasons_without_pair(&self, entry: &Entry, env: &Env) -> Result<Vec<Reason>> {
        if let Some(issued) = self.inventory.current(entry.role.as_str(), &entry.name)
            && matches!(issued.location, Location::Out | Location::Archive)
            && let (Some(not_before), Some(not_after)) = (issued.not_before, issued.not_after)
        {
            let due = plan::is_due(Validity::new(not_before, not_after)?, env.now);
            return Ok(if due { vec![Reason::Due { not_after }] } else { Vec::new() });
        }
        Ok(plan::reasons(entry, None, false, env.now))
    }

    /// The inventory's word on a certificate that an authority here signed.
    pub fn is_revoked(&self, certificate: &Certificate) -> bool {
        self.issuer_of(certificate)
            .is_some_and(|issuer| self.inventory.is_revoked(issuer.name, &certificate.serial().to_string()))
    }

    /// An authority's present revocation list, if there is one.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn revocation_list_of<'a>(&self, ca: impl Into<Ca<'a>>) -> Result<Option<Crl>> {
        let ca = ca.into();
        let bytes = self.store.read_if_exists(layout::crl(ca)?, CRL_LIMIT)?;
        bytes.map(|bytes| self.parse_list(ca, &bytes)).transpose()
    }

    /// The list of an authority from the bytes of its file.
    ///
    /// # Errors
    /// They are no list.
    pub(super) fn parse_list(&self, ca: Ca<'_>, bytes: &[u8]) -> Result<Crl> {
        let shown = ui::path(&self.store.path(layout::crl(ca)?));
        Crl::from_bytes(bytes).context(|| format!("reading {shown}")).map_err(|e| {
            e.hint(format!(
                "put the list back from a copy; or move it away, and certgen crl {} writes it from the inventory",
                ui::shell(ca.name)
            ))
        })
    }

    /// Every root here, those of a rotation included.
    pub fn roots(&self) -> Vec<Certificate> {
        self.authorities.values().filter(|ca| ca.is_self_issued()).cloned().collect()
    }

    /// The revocation lists that lie beside the authorities.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn revocation_lists(&self) -> Result<Vec<Crl>> {
        self.authorities().filter_map(|(ca, _)| self.revocation_list_of(ca).transpose()).collect()
    }

    /// The password that the key of `entry` is to be encrypted with, if there is one.
    pub(super) fn password_of(&self, entry: &Entry) -> Result<Option<Zeroizing<String>>> {
        password_of(&self.store, entry)
    }

    /// The password of an encrypted key. A relative path starts at the manifest.
    ///
    /// # Errors
    /// The file cannot be read or is empty, or RabbitMQ could not be told this password.
    pub fn key_password(&self, path: &Path, for_broker: bool) -> Result<Zeroizing<String>> {
        key_password(&self.store, path, for_broker)
    }
}

/// The same without a PKI that was read.
pub(super) fn password_of(store: &Store, entry: &Entry) -> Result<Option<Zeroizing<String>>> {
    entry.key_password_file.as_deref().map(|path| key_password(store, path, entry.role.serves())).transpose()
}

fn key_password(store: &Store, path: &Path, for_broker: bool) -> Result<Zeroizing<String>> {
    let password = store::read_required_password(&store.path(path))?;
    if let Some(why) = crate::emit::rabbitmq::unfit(&password).filter(|_| for_broker) {
        return Err(Error::failed(format!("the key password in {} {why}", ui::path(path)))
            .hint("use letters and digits: rabbitmq.conf cannot carry every password"));
    }
    Ok(password)
}

/// What the manifest's format has and this certgen does not carry out yet: better said than passed over.
fn refuse_unfollowed(manifest: &Manifest) -> Result<()> {
    for consumer in manifest.emit() {
        if consumer.target == RABBITMQ.0 {
            return Err(Error::failed("certgen.toml: emit has rabbitmq, whose files are kept up to date anyway")
                .hint("take it out"));
        }
        if let Err(e) = Target::find(&consumer.target).and_then(|target| target.check(consumer)) {
            let error = Error::failed(format!("certgen.toml: emit cannot be followed: {}", e.message()));
            return Err(e.hints().iter().fold(error, |error, hint| error.hint(hint)));
        }
    }
    Ok(())
}

fn open(env: &Env) -> Result<Store> {
    let store = Store::open(&env.pki);
    if store.exists() {
        return Ok(store);
    }
    let none = Error::failed(format!("there is no PKI in {}", ui::path(env.shown(&env.pki))));
    // Whoever stands inside one does not want a second.
    Err(match env.pki.ancestors().skip(1).find(|above| Store::open(above).exists()) {
        Some(around) => {
            none.hint(format!("this is inside one: certgen --pki {}", ui::shell(&around.to_string_lossy())))
        }
        None => none.hint("make one with certgen init, or name its directory with --pki DIR"),
    })
}

/// Takes the lock of a directory in which there need not be a PKI yet; it is made if need be, and goes away again unless
/// something is committed.
///
/// # Errors
/// It cannot be made, locked or written.
pub fn lock_place(command: &str, env: &mut Env) -> Result<Locked> {
    lock(&Store::open(&env.pki), command, true, env)
}

/// Takes the lock, with the words that every command uses for it.
fn lock(store: &Store, command: &str, create: bool, env: &mut Env) -> Result<Locked> {
    let mut waiting = |holder: Option<&Holder>| match holder {
        Some(holder) => env.say(format!("waiting for certgen {} (process {})", holder.command, holder.pid)),
        None => env.say("waiting for another certgen"),
    };
    let options = LockOptions { command, create, waiting: Some(&mut waiting), cancelled: None };
    let locked = store.lock(options)?;
    for note in locked.notes() {
        env.say(note);
    }
    Ok(locked)
}

fn read_manifest(store: &Store, env: &Env) -> Result<(Manifest, String)> {
    let path = layout::manifest();
    let shown = ui::path(env.shown(&store.path(&path)));
    let Some(bytes) = store.read_if_exists(&path, store::INPUT_LIMIT)? else {
        return Err(Error::failed(format!("{shown} is missing"))
            .hint("put the manifest back, from version control or a backup"));
    };
    let mut manifest = Manifest::parse_bytes(&bytes, &shown)?;
    add_lists(&mut manifest, store)?;
    Ok((manifest, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Adds the entries of the lists that a manifest names.
fn add_lists(manifest: &mut Manifest, store: &Store) -> Result<()> {
    for list in manifest.from().to_vec() {
        let path = store.path(&list.file);
        let bytes = store::read_limited(&path, LIST_LIMIT).map_err(|e| {
            e.context("certgen.toml names a list in [[from]]").hint("put the file there, or take the list out")
        })?;
        manifest.add_list(&list, &bytes, &ui::path(&path))?;
    }
    Ok(())
}

/// The first certificate of a file.
fn read_certificate(store: &Store, path: &Path) -> Result<Certificate> {
    let bytes = store.read(path)?;
    Certificate::from_pem(&bytes).context(|| format!("reading {}", ui::path(&store.path(path))))
}

impl Issued {
    /// Whether this is the certificate that lies in an identity's directory, where one can be read: after a merge the
    /// inventory may call another one the current than the one that was kept.
    pub(super) fn may_be(&self, found: Option<&Certificate>) -> bool {
        found.is_none_or(|found| found.serial().to_string() == self.serial)
    }
}

/// Shows how far the reading of a long inventory is.
fn with_bar<T>(env: &Env, work: impl FnOnce(Reading<'_>) -> T) -> T {
    let mut bar = None;
    work(&mut |done, all| {
        let new = || ui::Progress::new(env, "indexing the inventory, MiB", (all >> 20) as usize);
        bar.get_or_insert_with(new).reach(done >> 20);
    })
}

/// What the inventory knows of entries that were never saved in the manifest. Those of lists, which may be a million, are
/// looked up when somebody asks for one: [`from_list`].
fn unmanaged(inventory: &Inventory, manifest: &Manifest) -> Vec<(Entry, EntrySpec)> {
    let names = inventory.unmanaged().into_iter();
    let names = names.filter_map(|(role, name)| Some((role.parse::<Role>().ok()?, name)));
    let missing = names.filter(|(role, name)| manifest.entry(*role, name).is_none());
    missing
        .filter_map(|(role, name)| asked(&inventory.current(role.as_str(), &name)?, inventory, manifest, role, &name))
        .collect()
}

/// The same of one identity that came from a list.
fn from_list(inventory: &Inventory, manifest: &Manifest, role: Role, name: &str) -> Option<(Entry, EntrySpec)> {
    let issued = inventory.current(role.as_str(), name).filter(|issued| issued.bulk && !issued.managed)?;
    asked(&issued, inventory, manifest, role, name)
}

/// What was asked of an identity when it was issued.
fn asked(
    issued: &Issued,
    inventory: &Inventory,
    manifest: &Manifest,
    role: Role,
    name: &str,
) -> Option<(Entry, EntrySpec)> {
    let spec: EntrySpec = serde_json::from_value(inventory.event(issued.event)?.entry?).ok()?;
    let mut entry = manifest.entry_from(role, name, &spec).ok()?.unmanaged();
    if issued.bulk {
        entry.user = None;
    }
    Some((entry, spec))
}
