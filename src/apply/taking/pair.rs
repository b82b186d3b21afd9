//! Certificates of servers, nodes and clients that were found, with or without their keys.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::apply::change::owner;
use crate::apply::taking::authority::Placed;
use crate::apply::taking::{Obstacle, TakenKey, TakenThing, Taking, TookOver, kept, spec};
use crate::apply::{Change, NameRefusals, Trust, identity};
use crate::error::{Context, Error, Result};
use crate::issuer::Issued;
use crate::manifest::{Editor, Entry, EntrySpec};
use crate::plan::{self, Key, Pair};
use crate::profile::Role;
use crate::store::{Action, Location, layout};
use crate::takeover::{FoundAuthority, FoundPair, Left, told_apart};
use crate::ui;
use crate::x509::Certificate;

/// How a refusal begins that keeps everything back.
const NOTHING: &str = "nothing was taken over";

/// What becomes of a pair that was found.
pub(super) enum Wanted {
    /// It gets an entry.
    Entry(Box<WantedEntry>),
    /// It is here already.
    Known(String),
    /// It was revoked: the inventory remembers it.
    Revoked(String),
    /// It cannot be taken.
    Left,
}

/// A pair that gets an entry.
pub(super) struct WantedEntry {
    issuer: String,
    spec: EntrySpec,
    entry: Entry,
}

impl Change<'_> {
    /// Decides what becomes of each pair.
    pub(super) fn place_pairs(
        &self,
        found: &mut [FoundPair],
        authorities: &[FoundAuthority],
        placed: &[Placed],
        taking: &Taking<'_>,
        took: &mut TookOver,
    ) -> Result<Vec<Wanted>> {
        let mut refusals = NameRefusals::new(self.world);
        let mut wanted = Vec::with_capacity(found.len());
        for pair in found {
            let issuer = match self.signer_of_pair(pair, placed, taking) {
                Ok(issuer) => issuer,
                Err(obstacle) => {
                    took.left.push(left(pair, obstacle));
                    wanted.push(Wanted::Left);
                    continue;
                }
            };
            if let Some(name) = self.name_here(pair, &issuer) {
                pair.name = name;
            }
            let is_revoked = self.world.inventory.is_revoked(&issuer, &pair.certificate.serial().to_string())
                || pair.issuer.is_some_and(|at| authorities[at].revokes(&pair.certificate));
            wanted.push(if self.is_here(pair) {
                Wanted::Known(issuer)
            } else if is_revoked {
                Wanted::Revoked(issuer)
            } else if pair.certificate.validity().not_after <= self.env.now {
                let end = ui::date(pair.certificate.validity().not_after);
                let hint = format!("certgen issue {} {}", pair.role, ui::shell(&pair.name));
                let expired = Obstacle::of(format!("it expired on {end}")).hint(format!("for a new one: {hint}"));
                took.left.push(left(pair, expired));
                Wanted::Left
            } else {
                self.refuse_other(pair)?;
                match self.wanted_entry(pair, issuer, taking, &mut refusals)? {
                    Ok(entry) => Wanted::Entry(Box::new(entry)),
                    Err(obstacle) => {
                        took.left.push(left(pair, obstacle));
                        Wanted::Left
                    }
                }
            });
        }
        Ok(wanted)
    }

    /// The authority here that signed a pair; otherwise why it is left, and what to type.
    fn signer_of_pair(&self, pair: &FoundPair, placed: &[Placed], taking: &Taking<'_>) -> Result<String, Obstacle> {
        let issuer = ui::quote(&pair.certificate.issuer().to_string());
        let external = format!(
            "if somebody else renews it: certgen import --external {} --certificate FILE --key FILE",
            ui::shell(&pair.name)
        );
        if pair.certificate.is_self_issued() {
            return Err(Obstacle::of("it signed itself: no authority can renew it").hint(external));
        }
        let signer = match pair.issuer {
            Some(at) => placed.get(at).and_then(Placed::name).map(str::to_owned),
            None => self.world.issuer_of(&pair.certificate).map(|ca| ca.name.to_owned()),
        };
        let Some(signer) = signer else {
            return Err(Obstacle::of(format!("the authority that signed it, {issuer}, was not taken")).hint(external));
        };
        match taking.authority {
            // Something else was asked for where nothing that comes could be called so.
            Some(name) if name != signer && pair.issuer.is_none() => {
                Err(Obstacle::of(format!("authority {} did not sign it, but {}", ui::quote(name), ui::quote(&signer))))
            }
            _ => Ok(signer),
        }
    }

    /// The other name that a pair has here: the one under which this very certificate is here, or one of its own where it
    /// is called like its file and another is called so already.
    fn name_here(&self, pair: &FoundPair, issuer: &str) -> Option<String> {
        let role = pair.role.as_str();
        let owners = self.world.inventory.by_serial(&pair.certificate.serial().to_string());
        let own = owners.into_iter().filter(|(owner, _, issued)| owner == role && issued.issuer == issuer);
        let is_shown = |name: &String| {
            let here = self.world.pair(pair.role, name);
            here.is_ok_and(|here| here.is_some_and(|here| here.certificate.as_ref() == Ok(&pair.certificate)))
        };
        let known = own.map(|(_, name, _)| name).find(is_shown);
        let is_other = || pair.is_called_like_its_file() && self.world.knows(pair.role, &pair.name);
        known.or_else(|| is_other().then(|| told_apart(&pair.name, &pair.certificate)))
    }

    /// This very certificate is here under the same name.
    fn is_here(&self, pair: &FoundPair) -> bool {
        let here = self.world.pair(pair.role, &pair.name);
        here.is_ok_and(|here| here.is_some_and(|here| here.certificate == Ok(pair.certificate.clone())))
    }

    /// Another certificate is here under the same name.
    fn refuse_other(&self, pair: &FoundPair) -> Result<()> {
        if !self.world.knows(pair.role, &pair.name) {
            return Ok(());
        }
        let reference = format!("{}/{}", pair.role, pair.name);
        Err(Error::failed(format!(
            "{NOTHING}: {} {} is here already, with another certificate",
            pair.role,
            ui::quote(&pair.name)
        ))
        .hint(format!("take the one here out with certgen remove {}", ui::shell(&reference)))
        .hint("or import into a PKI of its own: certgen --pki DIR import"))
    }

    /// The entry of a pair; or why the manifest cannot hold it, and what to type.
    fn wanted_entry(
        &self,
        pair: &FoundPair,
        issuer: String,
        taking: &Taking<'_>,
        refusals: &mut NameRefusals<'_>,
    ) -> Result<Result<WantedEntry, Obstacle>> {
        let manifest = &self.world.manifest;
        let certificate = self.world.authority_certificate(&issuer)?;
        let above = spec::Issuer { name: &issuer, certificate };
        let build = |existing: bool| {
            spec::entry(manifest, pair.role, &pair.name, &pair.certificate, &above, existing, self.env.now)
        };
        if let Err(e) = layout::entry_dir(pair.role.as_str(), &pair.name) {
            return Ok(Err(e.into()));
        }
        let plain = build(false);
        let is_client = pair.role == Role::Client;
        let (spec, entry) = match plain {
            Ok((spec, entry)) => match self.standing_of(&entry, taking, refusals) {
                Ok(kept::Standing::Unknown) => (spec, entry),
                Ok(kept::Standing::Known) => build(true)?,
                Err(_) if is_client && taking.existing_user => build(true)?,
                Err(e) => return Err(e.context(NOTHING)),
            },
            Err(e) => match build(true).ok().filter(|_| is_client) {
                Some(existing) if taking.existing_user => existing,
                // It is called like a user of the manifest's, and nothing else is wrong with it.
                Some(_) => return Err(e.context(NOTHING)),
                None => return Ok(Err(e.into())),
            },
        };
        refusals.case_twin(&entry).map_err(|e| e.context(NOTHING))?;
        Ok(Ok(WantedEntry { issuer, spec, entry }))
    }

    /// Whether a client is a user of a broker.
    fn standing_of(
        &self,
        entry: &Entry,
        taking: &Taking<'_>,
        refusals: &mut NameRefusals<'_>,
    ) -> Result<kept::Standing> {
        refusals.privileged_user(entry)?;
        taking.kept.map_or(Ok(kept::Standing::Unknown), |kept| kept.standing(entry))
    }

    /// Adds the entries to the manifest.
    pub(super) fn enter_pairs(&self, wanted: &[Wanted], editor: &mut Editor) -> Result<()> {
        let mut by_role: BTreeMap<Role, Vec<(&str, &EntrySpec)>> = BTreeMap::new();
        for wanted in wanted.iter().filter_map(Wanted::entry) {
            by_role.entry(wanted.entry.role).or_default().push((&wanted.entry.name, &wanted.spec));
        }
        for (role, entries) in by_role {
            editor.put_entries(role, entries)?;
        }
        Ok(())
    }

    /// Names that are refused once the broker is in the manifest.
    pub(super) fn refuse_taken_names(&self, wanted: &[Wanted]) -> Result<()> {
        let mut refusals = NameRefusals::new(self.world);
        for wanted in wanted.iter().filter_map(Wanted::entry) {
            let entry = self.world.manifest.entry(wanted.entry.role, &wanted.entry.name);
            entry.map_or(Ok(()), |entry| refusals.privileged_user(entry)).context(|| NOTHING)?;
        }
        Ok(())
    }

    /// Stages files and events of pairs.
    pub(super) fn take_pairs(
        &mut self,
        found: &mut [FoundPair],
        wanted: Vec<Wanted>,
        took: &mut TookOver,
    ) -> Result<()> {
        let trust = self.trust()?;
        for (pair, wanted) in found.iter_mut().zip(wanted) {
            match wanted {
                Wanted::Left => {}
                Wanted::Known(issuer) => self.take_known(pair, issuer, &trust, took)?,
                Wanted::Revoked(issuer) => self.remember_revoked(pair, &issuer)?,
                Wanted::Entry(wanted) => {
                    let entry = self.world.manifest.entry(pair.role, &pair.name).cloned().unwrap_or(wanted.entry);
                    pair.notes.extend(changes_at_renewal(&entry, pair, &wanted.issuer));
                    if pair.key.is_none() {
                        pair.notes.push("its key is not in these files or was not opened: it is elsewhere".to_owned());
                    }
                    self.put_pair(pair, &entry, &wanted.issuer, &trust)?;
                    self.remember_former(pair, &wanted.issuer)?;
                    self.record_pair(pair, &entry, &wanted.issuer)?;
                    let key = if pair.key.is_some() { TakenKey::Here } else { TakenKey::Elsewhere };
                    took.things.push(self.taken(pair, wanted.issuer, key, false)?);
                }
            }
        }
        Ok(())
    }

    /// A pair that is here. Its key comes along where it was not here before.
    fn take_known(&mut self, pair: &mut FoundPair, issuer: String, trust: &Trust, took: &mut TookOver) -> Result<()> {
        let had = self.world.pair(pair.role, &pair.name)?.map(|pair| pair.key);
        let entry = self.world.entry(pair.role, &pair.name).as_deref().cloned();
        let is_missing = matches!(had, Some(Key::Elsewhere | Key::Missing));
        let brought = entry.filter(|_| is_missing && pair.key.is_some());
        if let Some(entry) = &brought {
            self.put_pair(pair, entry, &issuer, trust)?;
            self.record_pair(pair, entry, &issuer)?;
        }
        let key = match had {
            Some(Key::Here | Key::Encrypted) => TakenKey::Here,
            _ if brought.is_some() => TakenKey::Here,
            _ => TakenKey::Elsewhere,
        };
        took.things.push(self.taken(pair, issuer, key, brought.is_none())?);
        Ok(())
    }

    fn put_pair(&mut self, pair: &FoundPair, entry: &Entry, issuer: &str, trust: &Trust) -> Result<()> {
        let password = self.world.password_of(entry)?;
        let key = match (&pair.key, password) {
            (None, _) => None,
            (Some(key), None) => Some(Zeroizing::new(key.to_pem().as_bytes().to_vec())),
            (Some(key), Some(password)) => {
                Some(Zeroizing::new(key.to_encrypted_pem(password.as_bytes())?.as_bytes().to_vec()))
            }
        };
        let mut chain = self.world.chain_from(issuer)?;
        chain.pop();
        let issued = Issued { certificate: pair.certificate.clone(), chain };
        let files = identity::files(entry, &issued, key.as_ref(), &trust.files(entry.role, entry.cli));
        let directory = layout::entry_dir(entry.role.as_str(), &entry.name)?;
        self.put_identity(entry, &directory, files, owner(entry.owner.as_deref())?, None)
    }

    fn record_pair(&mut self, pair: &FoundPair, entry: &Entry, issuer: &str) -> Result<()> {
        let location = if pair.key.is_some() { Location::Pki } else { Location::Csr };
        let (role, name) = (pair.role.as_str(), &pair.name);
        self.record(Action::Imported, role, name, &pair.certificate, issuer, location, entry.managed)?;
        if let Some(event) = self.events.last_mut() {
            event.settings = plan::wishes(entry);
        }
        Ok(())
    }

    /// Certificates that the same identity had before, or has beside this one: what revokes it revokes them too.
    fn remember_former(&mut self, pair: &FoundPair, issuer: &str) -> Result<()> {
        for (certificate, _) in &pair.former {
            if self.world.issuer_of(certificate).is_some_and(|ca| ca.name == issuer) {
                let (role, name) = (pair.role.as_str(), &pair.name);
                self.record(Action::Imported, role, name, certificate, issuer, Location::Csr, true)?;
            }
        }
        Ok(())
    }

    /// What was revoked has no directory and no entry. The inventory knows whose it was, and that it is gone.
    fn remember_revoked(&mut self, pair: &FoundPair, issuer: &str) -> Result<()> {
        let serial = pair.certificate.serial().to_string();
        let is_known = self.world.inventory.by_serial(&serial).iter().any(|(_, _, known)| known.issuer == issuer);
        if is_known || self.world.knows(pair.role, &pair.name) {
            return Ok(());
        }
        self.remember_former(pair, issuer)?;
        let (role, name) = (pair.role.as_str(), &pair.name);
        self.record(Action::Imported, role, name, &pair.certificate, issuer, Location::Csr, false)?;
        let removed = self.event(Action::Removed, role, name)?;
        self.events.push(removed);
        Ok(())
    }

    fn taken(&self, pair: &mut FoundPair, issuer: String, key: TakenKey, is_known: bool) -> Result<TakenThing> {
        Ok(TakenThing {
            role: pair.role.as_str(),
            name: pair.name.clone(),
            is_known,
            certificate: pair.certificate.clone(),
            issuer,
            key,
            replace: pair.reissue.clone(),
            notes: std::mem::take(&mut pair.notes),
            paths: std::mem::take(&mut pair.paths),
            directory: self.world.store.path(layout::entry_dir(pair.role.as_str(), &pair.name)?),
        })
    }
}

impl Wanted {
    fn entry(&self) -> Option<&WantedEntry> {
        if let Self::Entry(wanted) = self { Some(wanted) } else { None }
    }
}

impl FoundAuthority {
    /// Whether a certificate of its is among those that it revoked.
    fn revokes(&self, certificate: &Certificate) -> bool {
        self.revoked.iter().any(|revoked| revoked.serial == *certificate.serial())
    }
}

/// What the next certificate will be like where that is not what this one is.
fn changes_at_renewal(entry: &Entry, pair: &FoundPair, issuer: &str) -> Vec<String> {
    let key = if pair.key.is_some() { Key::Here } else { Key::Elsewhere };
    let found = Pair { certificate: Ok(pair.certificate.clone()), issuer: Some(issuer.to_owned()), key };
    let reasons = plan::reasons(entry, Some(&found), false, pair.certificate.validity().not_before);
    let about_form = reasons.iter().filter(|reason| reason.is_about_form() && !is_encoding_alone(reason));
    about_form.map(|reason| format!("a renewal changes it: {reason}")).collect()
}

/// The same subject in other string types: nobody sees the difference.
fn is_encoding_alone(reason: &plan::Reason) -> bool {
    matches!(reason, plan::Reason::Subject { is, should_be } if is.to_string() == should_be.to_string())
}

fn left(pair: &FoundPair, obstacle: Obstacle) -> Left {
    let why = format!("{} {}: {}", pair.role, ui::quote(&pair.name), obstacle.why);
    Obstacle { why, ..obstacle }.left(&pair.paths)
}
