//! Which identities can be renewed here, and as what.
//!
//! A renewal issues what the manifest says of an identity: same name, same issuer, a new certificate. Whether it is time
//! is for `plan` to say.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::apply::{KeySource, Order, World};
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::manifest::{Entry, EntrySpec};
use crate::profile::Role;
use crate::store::{self, Issued, Location, layout};
use crate::ui;
use crate::x509::{Certificate, PrivateKey, RevocationReason, Validity};

/// An identity that is renewed here.
pub struct Renewal {
    /// What it is.
    pub entry: Entry,
    /// What was asked of it, where the manifest does not hold it.
    pub unmanaged: Option<EntrySpec>,
    /// Its certificate so far, where that can be read.
    pub current: Option<Certificate>,
}

impl Renewal {
    /// The certificate that it asks for.
    pub fn order(self, key: KeySource) -> Order {
        let Self { entry, unmanaged, current } = self;
        Order { unmanaged, key, replaces: current, ..Order::new(entry) }
    }
}

/// What can be done about an identity here.
pub enum Renewable {
    /// It can be renewed.
    Here(Box<Renewal>),
    /// Its key is somewhere else, so its owner sends a request.
    Elsewhere,
    /// Its certificate was revoked: whoever withdrew it did not mean it to come back by itself.
    Revoked,
}

impl World {
    /// Every identity that exists, by role and name, with the certificate that the inventory says is in use; one after the
    /// other, as they may be many.
    pub fn identities(&self) -> impl Iterator<Item = (Role, String, Option<Issued>)> {
        Role::ALL.into_iter().flat_map(|role| self.identities_in(role).map(move |(name, issued)| (role, name, issued)))
    }

    /// Those in one role: of the inventory, or on disk alone.
    pub(super) fn identities_in(&self, role: Role) -> impl Iterator<Item = (String, Option<Issued>)> {
        let known = self.inventory.entries_of(role.as_str());
        let mut known = known.filter_map(|(name, history)| Some((name, history.into_current()?))).peekable();
        let on_disk: BTreeSet<&String> =
            self.directories().iter().filter(|(of, _)| *of == role).map(|(_, name)| name).collect();
        let mut on_disk = on_disk.into_iter().peekable();
        std::iter::from_fn(move || {
            let unknown = on_disk.next_if(|name| known.peek().is_none_or(|(next, _)| *name < next));
            if let Some(name) = unknown {
                return Some((name.clone(), None));
            }
            let (name, issued) = known.next()?;
            on_disk.next_if(|other| **other == name);
            Some((name, Some(issued)))
        })
    }

    /// When an identity's certificate begins and ends: by the certificate, where it lies here and can be read, else by the
    /// inventory.
    ///
    /// # Errors
    /// The name has no directory name.
    pub fn validity_of(&self, role: Role, name: &str) -> Result<Option<Validity>> {
        if let Some(Ok(certificate)) = self.pair(role, name)?.map(|pair| pair.certificate) {
            return Ok(Some(*certificate.validity()));
        }
        let issued = self.inventory.current(role.as_str(), name);
        Ok(issued.and_then(|i| Validity::new(i.not_before?, i.not_after?).ok()))
    }

    /// What can be done about an identity here.
    ///
    /// # Errors
    /// Nobody knows what it should be: neither the manifest nor the inventory has what was asked of it.
    pub fn renewable(&self, role: Role, name: &str, env: &Env) -> Result<Renewable> {
        if !self.knows_by_file(role, name) {
            return Err(Error::failed(format!("{role} {} was never issued", ui::quote(name)))
                .hint(format!("certgen issue {role} {}", ui::shell(name))));
        }
        let pair = self.pair(role, name)?;
        let issued = self.inventory.current(role.as_str(), name);
        let current = pair.and_then(|pair| pair.certificate.ok());
        let by_list = current.as_ref().is_some_and(|certificate| self.is_revoked(certificate));
        if by_list || issued.as_ref().is_some_and(|issued| issued.revoked.is_some() && issued.may_be(current.as_ref()))
        {
            return Ok(Renewable::Revoked);
        }
        if issued.is_some_and(|issued| issued.location != Location::Pki) {
            return Ok(Renewable::Elsewhere);
        }
        let entry = self.entry(role, name).map(Cow::into_owned).ok_or_else(|| {
            let shown = ui::path(env.shown(&self.store.path(layout::manifest())));
            Error::failed(format!("{role} {} is not in {shown}, which says what to issue", ui::quote(name)))
                .hint(format!("add it with its names: certgen issue {role} {}", ui::shell(name)))
        })?;
        let unmanaged =
            self.manifest.entry(role, name).is_none().then(|| self.spec(role, name)).flatten().map(Cow::into_owned);
        Ok(Renewable::Here(Box::new(Renewal { entry, unmanaged, current })))
    }

    /// The key that an identity has, to be used again.
    ///
    /// # Errors
    /// It is not here, cannot be read, is of another type than the entry asks for, or was compromised.
    pub fn reusable_key(&self, entry: &Entry) -> Result<PrivateKey> {
        let path = layout::entry_dir(entry.role.as_str(), &entry.name)?.join(entry.role.key_file());
        let reading = || format!("reusing the key of {} {}", entry.role, ui::quote(&entry.name));
        let pem = self.store.read(&path).context(reading)?;
        let password =
            entry.key_password_file.as_deref().map(|file| self.key_password(file, entry.role.serves())).transpose()?;
        let key = PrivateKey::from_pem(&pem, password.as_ref().map(|p| p.as_bytes()))
            .map_err(|e| Error::from(e).context(reading()))?;
        let anew = "leave out --reuse-key for a new key";
        if key.key_type() != entry.key_type {
            let (is, asked) = (key.key_type(), entry.key_type);
            return Err(
                Error::failed(format!("{}: it is {is}, and certgen.toml asks for {asked}", reading())).hint(anew)
            );
        }
        let fingerprint = key.public_key().sha256_hex();
        let compromise = RevocationReason::KeyCompromise.as_str();
        let history = self.inventory.history(entry.role.as_str(), &entry.name);
        let leaked = history.iter().flat_map(|history| &history.certificates).any(|issued| {
            issued.key.as_ref() == Some(&fingerprint)
                && issued.revoked.as_ref().is_some_and(|r| r.reason.as_deref() == Some(compromise))
        });
        if leaked {
            return Err(Error::failed(format!("{}: it was compromised", reading())).hint(anew));
        }
        Ok(key)
    }

    /// The identities whose hook was asked for and has not succeeded since.
    pub fn awaiting_hook(&self) -> Vec<(Role, String)> {
        let waiting = self.inventory.awaiting_hook().into_iter();
        waiting.filter_map(|(role, name)| Some((role.parse().ok()?, name))).collect()
    }
}

/// Where the files of an identity lie that a hook or a person hands on.
pub struct Files {
    /// Certificate and chain.
    pub certificate: std::path::PathBuf,
    /// Its key.
    pub key: std::path::PathBuf,
    /// The anchors that it verifies others against.
    pub bundle: std::path::PathBuf,
}

impl Files {
    /// Of an identity in the PKI.
    ///
    /// # Errors
    /// The name has no directory name.
    pub fn of(store: &store::Store, role: Role, name: &str) -> Result<Self> {
        let directory = store.path(layout::entry_dir(role.as_str(), name)?);
        Ok(Self {
            certificate: directory.join(role.certificate_file()),
            key: directory.join(role.key_file()),
            bundle: directory.join(role.bundle_file()),
        })
    }
}
