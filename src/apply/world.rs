//! The PKI as it is: manifest, inventory, and the certificates and keys that lie on disk.

use std::collections::BTreeMap;
use std::path::Path;

use zeroize::Zeroizing;

use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::manifest::{Entry, Manifest};
use crate::plan::{self, Key, Pair, Reason};
use crate::profile::Role;
use crate::store::{self, Inventory, Layout, Locked, Store};
use crate::ui;
use crate::x509::{Certificate, PrivateKey};

/// Everything that a command needs to know before it decides.
pub struct World {
    /// Where things are.
    pub layout: Layout,
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest's text, for edits that keep its comments.
    pub manifest_text: String,
    /// What was issued.
    pub inventory: Inventory,
    authorities: BTreeMap<String, Certificate>,
    unmanaged: Vec<Entry>,
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
        let store = Store::open(&env.pki);
        Self::must_exist(&store, env)?;
        Self::load(&store, env)
    }

    /// Takes the lock, puts right what a crash left, and reads.
    ///
    /// # Errors
    /// As for [`World::read`]; or the directory cannot be locked or written.
    pub fn lock(env: &mut Env) -> Result<(Self, Locked)> {
        let store = Store::open(&env.pki);
        Self::must_exist(&store, env)?;
        let locked = lock(&store, env)?;
        Ok((Self::load(&store, env)?, locked))
    }

    fn must_exist(store: &Store, env: &Env) -> Result<()> {
        if store.exists() {
            return Ok(());
        }
        Err(Error::failed(format!("there is no PKI in {}", ui::path(env.shown(&env.pki))))
            .hint("make one with certgen init, or name its directory with --pki DIR"))
    }

    fn load(store: &Store, env: &mut Env) -> Result<Self> {
        let layout = store.layout().clone();
        let (manifest, manifest_text) = read_manifest(&layout, env)?;
        let (inventory, warnings) = store.inventory()?;
        for warning in warnings {
            env.warn(warning);
        }
        let mut authorities = BTreeMap::new();
        for name in store.authority_names()? {
            let path = layout.ca_certificate(&name);
            if store::is_file(&path) {
                authorities.insert(name, read_certificate(&path)?);
            }
        }
        let unmanaged = unmanaged(&inventory, &manifest);
        Ok(Self { layout, manifest, manifest_text, inventory, authorities, unmanaged })
    }

    /// A world in which nothing exists but a manifest.
    pub fn new(layout: Layout, manifest: Manifest, manifest_text: String) -> Self {
        Self {
            layout,
            manifest,
            manifest_text,
            inventory: Inventory::default(),
            authorities: BTreeMap::new(),
            unmanaged: Vec::new(),
        }
    }

    /// The names of the authorities that have a certificate here.
    pub fn authority_names(&self) -> impl Iterator<Item = &str> {
        self.authorities.keys().map(String::as_str)
    }

    /// The certificate of an authority, if it has one.
    pub fn authority(&self, name: &str) -> Option<&Certificate> {
        self.authorities.get(name)
    }

    /// The certificate of an authority.
    ///
    /// # Errors
    /// It has none here.
    pub fn authority_certificate(&self, name: &str) -> Result<&Certificate> {
        self.authorities.get(name).ok_or_else(|| {
            let mut error = Error::failed(format!("there is no authority {}", ui::quote(name)));
            if !self.authorities.is_empty() {
                let known: Vec<String> = self.authorities.keys().map(|n| ui::quote(n)).collect();
                error = error.hint(format!("the authorities here are {}", known.join(", ")));
            }
            error.hint(format!("make it with certgen issue authority {}", ui::shell(name)))
        })
    }

    /// Where the key of an authority is.
    pub fn authority_state(&self, name: &str) -> AuthorityState {
        if store::is_file(&self.layout.ca_key(name)) {
            AuthorityState::Here
        } else if store::is_file(&self.layout.ca_key_sealed(name)) {
            AuthorityState::Sealed
        } else {
            AuthorityState::Elsewhere
        }
    }

    pub(crate) fn add_authority(&mut self, name: &str, certificate: Certificate) {
        self.authorities.insert(name.to_owned(), certificate);
    }

    /// The name of the authority here that signed `certificate`.
    pub fn issuer_of(&self, certificate: &Certificate) -> Option<&str> {
        self.authorities
            .iter()
            .find(|(_, ca)| ca.subject().der() == certificate.issuer().der() && certificate.is_signed_by(ca))
            .map(|(name, _)| name.as_str())
    }

    /// The certificates from authority `name` up to its root, both included.
    ///
    /// # Errors
    /// One of them is not here.
    pub fn chain_from(&self, name: &str) -> Result<Vec<Certificate>> {
        let mut chain = vec![self.authority_certificate(name)?.clone()];
        while let Some(last) = chain.last().filter(|c| !c.is_self_issued()) {
            let above = self.issuer_of(last).and_then(|n| self.authorities.get(n)).ok_or_else(|| {
                Error::failed(format!(
                    "the chain above authority {} is incomplete: {} is not here",
                    ui::quote(name),
                    ui::quote(&last.issuer().to_string())
                ))
            })?;
            if chain.contains(above) {
                return Err(Error::failed(format!("the authorities above {} go in a circle", ui::quote(name))));
            }
            chain.push(above.clone());
        }
        Ok(chain)
    }

    /// Entries that were issued without being saved in the manifest.
    pub fn unmanaged(&self) -> impl Iterator<Item = &Entry> {
        self.unmanaged.iter()
    }

    /// An entry of the manifest, or one that was issued without being saved there.
    pub fn entry(&self, role: Role, name: &str) -> Option<&Entry> {
        self.manifest.entry(role, name).or_else(|| self.unmanaged.iter().find(|e| e.role == role && e.name == name))
    }

    pub(crate) fn set_entry(&mut self, entry: Entry) {
        if !entry.managed {
            self.unmanaged.retain(|e| (e.role, &e.name) != (entry.role, &entry.name));
            self.unmanaged.push(entry);
        }
    }

    /// The identities that have a directory here.
    pub fn directories(&self) -> Vec<(Role, String)> {
        let mut found = Vec::new();
        for role in Role::ALL {
            for name in store::names_in(&self.layout.role_dir(role.as_str())) {
                found.push((role, name));
            }
        }
        found
    }

    /// The pair of an identity as it lies on disk; `None` where there is nothing at all.
    ///
    /// # Errors
    /// The name has no directory name.
    pub fn pair(&self, role: Role, name: &str) -> Result<Option<Pair>> {
        let directory = self.layout.entry_dir(role.as_str(), name)?;
        let certificate_path = directory.join(role.certificate_file());
        if !directory.exists() {
            return Ok(None);
        }
        let certificate = if certificate_path.exists() {
            read_certificate(&certificate_path).map_err(|e| e.message().to_owned())
        } else {
            Err(format!("{} is missing", role.certificate_file()))
        };
        let issuer = certificate.as_ref().ok().and_then(|c| self.issuer_of(c)).map(str::to_owned);
        let key = self.key_state(role, name, &directory, certificate.as_ref().ok());
        Ok(Some(Pair { certificate, issuer, key }))
    }

    fn key_state(&self, role: Role, name: &str, directory: &Path, certificate: Option<&Certificate>) -> Key {
        let path = directory.join(role.key_file());
        if !path.exists() {
            return if self.inventory.key_is_elsewhere(role.as_str(), name) { Key::Elsewhere } else { Key::Missing };
        }
        let Ok(pem) = store::read_key(&path) else { return Key::Damaged };
        match PrivateKey::from_pem(&pem, None) {
            Ok(key) if certificate.is_none_or(|c| c.public_key() == key.public_key()) => Key::Here,
            Ok(_) => Key::Differs,
            Err(crate::x509::X509Error::Encrypted) => Key::Encrypted,
            Err(_) => Key::Damaged,
        }
    }

    /// Why `entry` should be issued again; empty when all is well.
    ///
    /// # Errors
    /// The name has no directory name.
    pub fn reasons(&self, entry: &Entry, env: &Env) -> Result<Vec<Reason>> {
        let pair = self.pair(entry.role, &entry.name)?;
        if pair.is_none()
            && let Some(elsewhere) = self.inventory.elsewhere(entry.role.as_str(), &entry.name)
        {
            // Written to another place: nothing of it lies here to compare, and it is not missing.
            let due = plan::is_due(elsewhere.validity(), env.now);
            return Ok(if due { vec![Reason::Due { not_after: elsewhere.not_after }] } else { Vec::new() });
        }
        let serial = pair.as_ref().and_then(|p| p.certificate.as_ref().ok()).map(|c| c.serial().to_string());
        let revoked = serial.is_some_and(|s| self.inventory.is_revoked(&s));
        Ok(plan::reasons(entry, pair.as_ref(), revoked, env.now))
    }

    /// The password of an encrypted key. A relative path starts at the manifest.
    ///
    /// # Errors
    /// The file cannot be read or is empty, or RabbitMQ could not be told this password.
    pub fn key_password(&self, path: &Path) -> Result<Zeroizing<String>> {
        let password = store::read_secret(&self.layout.root().join(path))?;
        crate::emit::rabbitmq::check_password(&password)
            .map_err(|e| e.context(format!("the key password in {}", ui::path(path))))?;
        Ok(password)
    }
}

/// Takes the lock with the words that every command uses for it.
pub(crate) fn lock(store: &Store, env: &mut Env) -> Result<Locked> {
    let quiet = env.quiet;
    let mut said = Vec::new();
    let locked = store.lock(|holder| {
        if !quiet {
            crate::ui::say_now(&format!("waiting for another certgen{holder}"));
        }
    })?;
    said.extend(locked.repairs().iter().cloned());
    for sentence in said {
        env.say(sentence);
    }
    Ok(locked)
}

fn read_manifest(layout: &Layout, env: &Env) -> Result<(Manifest, String)> {
    let path = layout.manifest();
    if !store::is_file(&path) {
        return Err(Error::failed(format!("{} is missing", ui::path(env.shown(&path))))
            .hint("put the manifest back, from version control or a backup"));
    }
    let text = store::read_text(&path)?;
    let manifest = Manifest::parse(&text, &ui::path(env.shown(&path)))?;
    Ok((manifest, text))
}

/// The first certificate of a file.
pub(crate) fn read_certificate(path: &Path) -> Result<Certificate> {
    let bytes = store::read_limited(path, store::LIMIT)?;
    Certificate::from_pem(&bytes).context(|| format!("reading {}", ui::path(path)))
}

/// What the inventory knows of entries that were never saved in the manifest.
fn unmanaged(inventory: &Inventory, manifest: &Manifest) -> Vec<Entry> {
    inventory.unmanaged().filter_map(|(role, name, toml)| {
        let role: Role = role.parse().ok()?;
        if manifest.entry(role, name).is_some() {
            return None;
        }
        manifest.unmanaged_entry(role, name, toml).ok()
    }).collect()
}
