//! What is exported: an identity with its certificates and its key, or an authority's certificate.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::apply::World;
use crate::commands::export::ExportArgs;
use crate::commands::shared;
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::manifest::Entry;
use crate::profile::Role;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{self, Location};
use crate::ui;
use crate::x509::{Certificate, PrivateKey, X509Error, order_chain};

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Identity(Role),
    /// A pair that somebody else renews.
    External,
    Authority,
}

impl Who {
    fn role(self) -> &'static str {
        match self {
            Self::Identity(role) => role.as_str(),
            Self::External => layout::EXTERNAL,
            Self::Authority => layout::AUTHORITY,
        }
    }
}

/// One identity or authority.
pub(super) struct Subject {
    pub(super) who: Who,
    pub(super) name: String,
    /// Its directory in the PKI.
    pub(super) directory: PathBuf,
    /// Its certificate, then those above it as far as they are here, the root too.
    pub(super) chain: Vec<Certificate>,
}

impl Subject {
    /// The identity, or the authority where nothing else has that name.
    pub(super) fn find(text: &str, world: &World) -> Result<Self> {
        let (role, name) = shared::split_role(text);
        let is_identity = Role::ALL.into_iter().any(|r| world.knows(r, name));
        if role == Some(layout::AUTHORITY) || (role.is_none() && !is_identity && world.authority(name).is_some()) {
            let chain = order_chain(world.authority_certificate(name)?, &pool(world), true);
            let (name, directory) = (name.to_owned(), layout::ca_dir(name)?);
            return Ok(Self { who: Who::Authority, name, directory, chain });
        }
        let is_external = world.inventory.current(layout::EXTERNAL, name).is_some();
        if is_external && (role == Some(layout::EXTERNAL) || (role.is_none() && !is_identity)) {
            return Self::read(Who::External, name.to_owned(), world);
        }
        let (role, name) = shared::identity(world, text)?;
        Self::read(Who::Identity(role), name, world)
    }

    /// What stands in its directory.
    fn read(who: Who, name: String, world: &World) -> Result<Self> {
        let role = who.role();
        let path = layout::certificate(role, &name)?;
        let Some(bytes) = world.store.read_if_exists(&path, store::INPUT_LIMIT)? else {
            return Err(not_here("certificate", role, &name, world));
        };
        let reading = || format!("reading {}", ui::path(&world.store.path(&path)));
        let own = Certificate::all_from_pem(&bytes).context(reading)?;
        let Some(leaf) = own.first() else {
            return Err(Error::failed("there is no certificate in it").context(reading()));
        };
        let above: Vec<Certificate> = own[1..].iter().cloned().chain(pool(world)).collect();
        let chain = order_chain(leaf, &above, true);
        let directory = layout::entry_dir(role, &name)?;
        Ok(Self { who, name, directory, chain })
    }

    pub(super) fn role(&self) -> &'static str {
        self.who.role()
    }

    pub(super) fn leaf(&self) -> &Certificate {
        &self.chain[0]
    }

    /// What it shows to peers: the root is theirs.
    pub(super) fn shown(&self) -> &[Certificate] {
        match self.chain.split_last() {
            Some((root, rest)) if !rest.is_empty() && root.is_self_issued() => rest,
            _ => &self.chain,
        }
    }

    /// Those whom it trusts, each under a name of its own; of an authority itself, as those trust it that trust it.
    pub(super) fn trusted(&self, world: &World) -> Result<Vec<(String, Certificate)>> {
        let certificates = match self.who {
            Who::Authority => {
                let all = Generation::ALL.into_iter().filter_map(|which| world.authority(Ca::new(&self.name, which)));
                all.cloned().collect()
            }
            // Whoever renews it says who is trusted.
            Who::External => Vec::new(),
            Who::Identity(role) => {
                let path = self.directory.join(role.bundle_file());
                let bytes = world.store.read(&path)?;
                Certificate::all_from_pem(&bytes)
                    .context(|| format!("reading {}", ui::path(&world.store.path(&path))))?
            }
        };
        let mut known = BTreeSet::new();
        let mut named = Vec::new();
        for certificate in certificates {
            let wanted = name_of(&certificate, world);
            // Java takes no notice of case in an alias.
            let numbered = (2..).map(|number| format!("{wanted}-{number}"));
            let alias = std::iter::once(wanted.clone()).chain(numbered).find(|a| known.insert(a.to_lowercase()));
            named.push((alias.unwrap_or(wanted), certificate));
        }
        Ok(named)
    }

    /// Its entry, where it is an identity.
    pub(super) fn entry<'w>(&self, world: &'w World) -> Option<Cow<'w, Entry>> {
        match self.who {
            Who::Identity(role) => world.entry(role, &self.name),
            Who::External | Who::Authority => None,
        }
    }

    /// Its key, opened and held against its certificate.
    pub(super) fn key(&self, args: &ExportArgs, world: &World, env: &Env) -> Result<PrivateKey> {
        let pem = self.key_file(world)?;
        let shown = ui::path(env.shown(&world.store.path(layout::key(self.role(), &self.name)?)));
        let reading = |e: X509Error| Error::from(e).context(format!("reading {shown}"));
        let key = match PrivateKey::from_pem(&pem, None) {
            Err(X509Error::Encrypted) => {
                let password = self.key_password(args, world, env, &shown)?;
                PrivateKey::from_pem(&pem, Some(password.as_bytes()))
                    .map_err(|e| reading(e).hint("give the right password with --key-password-file FILE"))?
            }
            key => key.map_err(reading)?,
        };
        self.check(&key, &shown)?;
        Ok(key)
    }

    /// That its key is here and its certificate's, where it goes as it stands; one that is encrypted is not looked into.
    pub(super) fn check_key_file(&self, world: &World, env: &Env) -> Result<()> {
        let pem = self.key_file(world)?;
        let shown = ui::path(env.shown(&world.store.path(layout::key(self.role(), &self.name)?)));
        match PrivateKey::from_pem(&pem, None) {
            Ok(key) => self.check(&key, &shown),
            Err(X509Error::Encrypted) => Ok(()),
            Err(e) => Err(Error::from(e).context(format!("reading {shown}"))),
        }
    }

    fn check(&self, key: &PrivateKey, shown: &str) -> Result<()> {
        if key.public_key() == self.leaf().public_key() {
            return Ok(());
        }
        let (role, name) = (self.role(), ui::shell(&self.name));
        Err(Error::failed(format!("{shown} is not the key of the certificate beside it")).hint(match self.who {
            Who::External => {
                format!("take the pair in again: certgen import --external {name} --certificate F --key F")
            }
            _ => format!("make a new pair: certgen renew {role}/{name}"),
        }))
    }

    /// The file of its key as it stands.
    fn key_file(&self, world: &World) -> Result<Zeroizing<Vec<u8>>> {
        if self.who == Who::Authority {
            return Err(Error::failed("the key of an authority is never exported"));
        }
        let pem = world.store.read_if_exists(layout::key(self.role(), &self.name)?, store::INPUT_LIMIT)?;
        pem.ok_or_else(|| not_here("key", self.role(), &self.name, world))
    }

    fn key_password(&self, args: &ExportArgs, world: &World, env: &Env, shown: &str) -> Result<Zeroizing<String>> {
        if let Some(path) = &args.key_password_file {
            return store::read_required_password(&env.typed(path));
        }
        if let Some(path) = self.entry(world).and_then(|entry| entry.key_password_file.clone()) {
            return world
                .key_password(&path, false)
                .map_err(|e| e.context(format!("opening {shown}")).hint("or give it with --key-password-file FILE"));
        }
        ui::secret(env, &format!("Password of {shown}"), "give the password of the key with --key-password-file FILE")
    }

    /// Says what its peers will find wrong with it.
    pub(super) fn warn(&self, world: &World, env: &mut Env) {
        let named = format!("{}/{}", self.role(), ui::plain(&self.name));
        let validity = self.leaf().validity();
        if world.is_revoked(self.leaf()) {
            env.warn(format!("the certificate of {named} is revoked"));
        } else if env.now > validity.not_after {
            env.warn(format!("the certificate of {named} has expired, on {}", &ui::date(validity.not_after)[..10]));
        }
        let is_whole = self.chain.last().is_some_and(Certificate::is_self_issued);
        if !is_whole {
            env.warn(format!("the chain of {named} ends below its root, which is not here"));
        }
    }
}

/// Every certificate above others that is here.
fn pool(world: &World) -> Vec<Certificate> {
    world.authorities().map(|(_, certificate)| certificate.clone()).collect()
}

/// What people call an authority: by its name here, else by its own.
fn name_of(certificate: &Certificate, world: &World) -> String {
    match world.authorities().find(|(_, known)| *known == certificate) {
        Some((ca, _)) if ca.generation == Generation::Present => ca.name.to_owned(),
        Some((ca, _)) => format!("{}-{}", ca.name, ca.generation.as_str()),
        None => certificate.subject().common_name().unwrap_or("trusted").to_owned(),
    }
}

/// Why a file of an identity is not here, and what helps.
fn not_here(what: &str, role: &str, name: &str, world: &World) -> Error {
    let named = format!("{role}/{}", ui::shell(name));
    let error = |why: &str| Error::failed(format!("the {what} of {role} {} is not here: {why}", ui::quote(name)));
    match world.inventory.current(role, name).map(|issued| issued.location) {
        Some(Location::Csr) => error("it was made where the request came from, and never sent")
            .hint("run this there, or put it into a container there with openssl pkcs12 -export"),
        Some(Location::Out) => {
            error("it was written to another directory").hint("the files are where issue --out put them")
        }
        Some(Location::Archive) => error("it was written into an archive").hint("the files are in that tar file"),
        Some(_) if role == layout::EXTERNAL => error("it is missing in this directory").hint(format!(
            "take the pair in again: certgen import --external {} --certificate F --key F",
            ui::shell(name)
        )),
        Some(_) => error("it is missing in this directory")
            .hint("run this where it is; a clone of the repository has no keys")
            .hint(format!("or make a new pair: certgen renew {named}")),
        None => error("nothing was issued under this name")
            .hint(format!("make it: certgen issue {role} {}", ui::shell(name))),
    }
}
