//! The inventory from the certificates on disk, when its file is gone or older than they are.
//!
//! What the inventory does not know cannot be revoked, so it learns of everything that lies here. What cannot come back is who did what and when, what was written elsewhere, and which emitted files are as certgen
//! wrote them: those count as edited until they are written again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::apply::World;
use crate::env::Env;
use crate::error::Result;
use crate::profile::Role;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{self, Action, Event, FoundCertificate, Location, Locked};
use crate::ui;
use crate::x509::Certificate;

/// What was found, for the user.
#[derive(Debug)]
pub(crate) struct Rebuilt {
    /// There was no file at all.
    from_nothing: bool,
    certificates: usize,
    unreadable: Vec<PathBuf>,
    events: Vec<Event>,
}

impl World {
    /// Fills an inventory whose file is missing or behind from what lies here; nothing where there is nothing to learn.
    ///
    /// # Errors
    /// A directory or a revocation list cannot be read.
    pub(crate) fn rebuild_inventory(&mut self, env: &Env) -> Result<Option<Rebuilt>> {
        let from_nothing = !self.inventory.exists;
        if self.store.is_interrupted() || !(from_nothing || self.inventory.is_short || self.has_unknown_directory()) {
            return Ok(None);
        }
        let (mut found, unreadable) = self.certificates_on_disk()?;
        let mut events = self.inventory.rebuild(&found, &env.actor, env.real_now)?;
        for event in &mut events {
            self.place(event);
        }
        if events.is_empty() && (unreadable.is_empty() || !from_nothing) {
            return Ok(None);
        }
        // What a list says of certificates that the inventory knows is taken back when the list is written.
        let new: BTreeSet<&String> = events.iter().filter_map(|event| event.certificate.as_ref()).collect();
        found.retain(|found| new.contains(&found.certificate));
        events.extend(self.revocations(&found, env)?);
        self.inventory = std::mem::take(&mut self.inventory).with(events.clone());
        self.inventory.exists = !from_nothing;
        Ok(Some(Rebuilt { from_nothing, certificates: found.len(), unreadable, events }))
    }

    /// An identity of ours lies here that the inventory has never heard of.
    fn has_unknown_directory(&self) -> bool {
        self.directories().iter().any(|(role, name)| {
            let path = || layout::certificate(role.as_str(), name).ok();
            self.inventory.history(role.as_str(), name).is_none()
                && path().and_then(|path| self.certificate_at(&path)).is_some_and(|c| self.issuer_of(&c).is_some())
        })
    }

    /// Every certificate of ours, in the order in which they came to be: replaced ones first.
    fn certificates_on_disk(&self) -> Result<(Vec<FoundCertificate>, Vec<PathBuf>)> {
        let mut authorities: Vec<(Ca<'_>, &Certificate)> = self.authorities().collect();
        // What signs now came last. A successor is no certificate in use yet.
        authorities.sort_by_key(|(ca, _)| ca.generation == Generation::Present);
        authorities.retain(|(ca, _)| ca.generation != Generation::Successor);
        let mut found: Vec<FoundCertificate> = authorities
            .into_iter()
            .map(|(ca, certificate)| self.found(layout::AUTHORITY, ca.name, certificate))
            .collect();
        let (mut replaced, mut current, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
        for (role, name) in self.directories() {
            let path = layout::certificate(role.as_str(), name)?;
            match self.certificate_at(&path) {
                Some(certificate) => current.push(self.found(role.as_str(), name, &certificate)),
                None => unreadable.push(path),
            }
        }
        for role in Role::ALL {
            let place = PathBuf::from("history").join(role.as_str());
            for directory in self.store.file_names(&place)? {
                let Some(name) = store::name_of_directory(&directory) else { continue };
                for serial in self.store.file_names(place.join(&directory))? {
                    let path = place.join(&directory).join(serial).join(role.certificate_file());
                    replaced.extend(self.certificate_at(&path).map(|c| self.found(role.as_str(), &name, &c)));
                }
            }
        }
        replaced.sort_by_key(|found| found.not_before);
        found.extend(replaced);
        found.extend(current);
        Ok((found, unreadable))
    }

    fn certificate_at(&self, path: &Path) -> Option<Certificate> {
        Certificate::from_pem(&self.store.read(path).ok()?).ok()
    }

    fn found(&self, role: &str, name: &str, certificate: &Certificate) -> FoundCertificate {
        let validity = certificate.validity();
        let issuer = self.issuer_of(certificate);
        let issuer = issuer.map_or_else(|| certificate.issuer().to_string(), |ca| ca.name.to_owned());
        FoundCertificate {
            role: role.to_owned(),
            name: name.to_owned(),
            serial: certificate.serial().to_string(),
            issuer,
            key: certificate.public_key().sha256_hex(),
            certificate: certificate.sha256_hex(),
            not_before: validity.not_before,
            not_after: validity.not_after,
            subject: certificate.subject().to_string(),
            san: certificate.subject_alt_names().unwrap_or_default().iter().map(ToString::to_string).collect(),
            key_type: certificate.public_key().key_type().map(|t| t.to_string()),
        }
    }

    /// A pair without a key had a request; one that the manifest does not name was not saved there.
    fn place(&self, event: &mut Event) {
        let (Some(role), Some(name)) = (event.role.as_deref(), event.name.as_deref()) else { return };
        let Ok(role) = role.parse::<Role>() else { return };
        let has_key = layout::key(role.as_str(), name).is_ok_and(|path| self.store.holds(path));
        event.location = Some(if has_key { Location::Pki } else { Location::Csr });
        event.managed = self.manifest.entry(role, name).is_none().then_some(false);
    }

    /// What the revocation lists here say about certificates that lie here.
    fn revocations(&self, found: &[FoundCertificate], env: &Env) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        let issuers: BTreeSet<&str> = found.iter().map(|f| f.issuer.as_str()).collect();
        for (ca, _) in self.authorities().filter(|(ca, _)| issuers.contains(ca.name)) {
            let (issuer, Some(crl)) = (ca.name, self.revocation_list_of(ca)?) else { continue };
            for certificate in found.iter().filter(|f| f.issuer == issuer) {
                let Some(revoked) = certificate.serial.parse().ok().and_then(|serial| crl.find(&serial)) else {
                    continue;
                };
                let mut event = Event::new(Action::Revoked, &env.actor, revoked.revocation_time, env.real_now)?
                    .about(&certificate.role, &certificate.name);
                event.serial = Some(certificate.serial.clone());
                event.issuer = Some(issuer.to_owned());
                event.reason = revoked.reason.map(|r| r.as_str().to_owned());
                events.push(event);
            }
        }
        Ok(events)
    }

    /// Writes the rebuilt inventory at once, so that whatever the command does next stands on it.
    pub(crate) fn write_inventory(&mut self, rebuilt: &Rebuilt, locked: &Locked, env: &mut Env) -> Result<()> {
        let mut transaction = locked.transaction();
        transaction.append(rebuilt.events.clone());
        transaction.commit()?;
        self.inventory.exists = true;
        env.say(match rebuilt.from_nothing {
            true => format!("{} was missing; it was rebuilt from {}", shown(self, env), rebuilt.sources()),
            false => format!("{} is older than what lies here; it learned of {}", shown(self, env), rebuilt.sources()),
        });
        rebuilt.warn_unreadable(self, env);
        Ok(())
    }

    /// Says that what is told comes from the disk, and not from the inventory.
    pub(crate) fn warn_of_missing_inventory(&self, rebuilt: &Rebuilt, env: &mut Env) {
        let (shown, sources) = (shown(self, env), rebuilt.sources());
        env.warn(match rebuilt.from_nothing {
            true => {
                format!("{shown} is missing; this comes from {sources}, and the next command that writes rebuilds it")
            }
            false => format!("{shown} is older than what lies here, {sources}; the next command that writes adds that"),
        });
        rebuilt.warn_unreadable(self, env);
    }
}

impl Rebuilt {
    fn sources(&self) -> String {
        match self.certificates {
            1 => "the one certificate on disk".to_owned(),
            number => format!("the {number} certificates on disk"),
        }
    }

    fn warn_unreadable(&self, world: &World, env: &mut Env) {
        for path in &self.unreadable {
            env.warn(format!("{} cannot be read as a certificate", ui::path(&world.store.path(path))));
        }
    }
}

fn shown(world: &World, env: &Env) -> String {
    ui::path(env.shown(&world.store.path(layout::inventory())))
}
