//! Revocations, and the lists that say so. Every list is made here.
//!
//! A list must never say less than an earlier one did: what the one on disk knows and the inventory does not, after a
//! restore or a merge, is taken back into both.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use time::{Duration, OffsetDateTime};

use crate::apply::{AuthorityState, Change, Superseded, World};
use crate::error::{Error, Result};
use crate::issuer::LocalIssuer;
use crate::manifest::Entry;
use crate::profile::Role;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Event, Issued, Location, OutputFile, Revocation};
use crate::ui;
use crate::x509::{Crl, CrlTemplate, KeyUsage, RevocationReason, RevokedCertificate, SerialNumber};

/// A list that has lapsed locks everybody out, so it lives a month and is due long before.
const LIFETIME: Duration = Duration::days(30);
/// The clocks of two machines differ by less than this; a list that is further ahead was not made by a clock like ours.
const CLOCKS_DIFFER: Duration = Duration::minutes(5);
/// Brokers read a list at each handshake: Erlang/OTP 25 needs about 2 ms for a thousand entries.
const MANY: usize = 10_000;

/// A list that was written, for the command to tell.
#[derive(Debug, Clone)]
pub struct WrittenList {
    /// Whose it is.
    pub authority: String,
    /// And which of its keys signed it.
    pub generation: Generation,
    /// Where it lies.
    pub path: PathBuf,
    /// The list.
    pub crl: Crl,
}

impl WrittenList {
    fn is_of(&self, ca: Ca<'_>) -> bool {
        self.authority == ca.name && self.generation == ca.generation
    }
}

impl World {
    /// True when the certificate that an identity shows now was revoked: it has no user any more, and nothing issues it
    /// again unless somebody asks for that by name.
    pub fn is_withdrawn(&self, entry: &Entry) -> bool {
        self.inventory.current(entry.role.as_str(), &entry.name).is_some_and(|issued| issued.revoked.is_some())
    }

    /// The authorities that a broker's listeners accept clients of, whatever they have issued so far: where revocation is
    /// checked and one of their lists is missing, its clients are refused.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist.
    pub fn authorities_of_clients(&self) -> Result<Vec<(String, Generation)>> {
        let roots = self.client_anchors()?;
        let leads_there = |(ca, _): &(Ca<'_>, _)| {
            !self.is_only_above(*ca)
                && self.chain_from(*ca).is_ok_and(|chain| chain.last().is_some_and(|root| roots.contains(root)))
        };
        Ok(self.authorities().filter(leads_there).map(|(ca, _)| (ca.name.to_owned(), ca.generation)).collect())
    }

    /// It signed the authority of this site, elsewhere, and no client that is known here: brokers look for the list of
    /// whoever signed the client's own certificate (`crl_check = peer`) and for no other.
    fn is_only_above(&self, ca: Ca<'_>) -> bool {
        let current = self.inventory.current(layout::AUTHORITY, ca.name);
        current.is_some_and(|issued| issued.location == Location::External)
    }

    /// The authorities whose lists somebody reads or should: they have revoked something, have a list already, say where it
    /// is published, or a broker checks it.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist.
    pub fn listed_authorities(&self) -> Result<BTreeSet<(String, Generation)>> {
        let has_list = |ca: Ca<'_>| {
            let revokes = || {
                self.inventory.revokes(ca.name)
                    || self.manifest.authority(ca.name).is_some_and(|authority| !authority.crl_urls.is_empty())
            };
            // Nobody asks a successor for its list before it signs, unless a broker does.
            layout::crl(ca).is_ok_and(|path| self.store.holds(path))
                || (ca.generation != Generation::Successor && revokes())
        };
        let listed = self.authorities().filter(|(ca, _)| has_list(*ca));
        let mut names: BTreeSet<_> = listed.map(|(ca, _)| (ca.name.to_owned(), ca.generation)).collect();
        if self.manifest.brokers().iter().any(|broker| broker.revocation) {
            names.extend(self.authorities_of_clients()?);
        }
        Ok(names)
    }

    /// Those of the authorities whose lists lack something that the inventory knows to be revoked: a command that revoked
    /// many was interrupted before it wrote them.
    ///
    /// # Errors
    /// A list cannot be read.
    pub fn behind<'n>(&self, names: &'n BTreeSet<String>, now: OffsetDateTime) -> Result<Vec<&'n String>> {
        let mut behind = Vec::new();
        for name in names {
            let list = self.revocation_list_of(name.as_str())?;
            let listed: BTreeSet<SerialNumber> = list.iter().flat_map(Crl::revoked).map(|entry| entry.serial).collect();
            let mut valid =
                self.inventory.revoked(name).filter(|(_, _, issued)| issued.not_after.is_none_or(|end| end > now));
            if valid.any(|(_, _, issued)| issued.serial.parse().is_ok_and(|serial| !listed.contains(&serial))) {
                behind.push(name);
            }
        }
        Ok(behind)
    }

    /// Whether the certificate of an authority lets it sign lists: those of mkcert and minica do not.
    ///
    /// # Errors
    /// There is no such authority.
    pub fn may_sign_lists<'a>(&self, ca: impl Into<Ca<'a>>) -> Result<bool> {
        let usage = self.authority_certificate(ca)?.key_usage();
        Ok(usage.is_none_or(|usage| usage.contains(KeyUsage::CRL_SIGN)))
    }

    /// Reads the inventory again, of which a run of many changes has learned since.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn reread_inventory(&mut self) -> Result<()> {
        self.inventory = self.store.inventory()?;
        Ok(())
    }

    /// A clock that went back would make a list that is older than the one it replaces, and whoever compares the two would
    /// believe the wrong one.
    ///
    /// # Errors
    /// The present list was made later than now.
    pub fn refuse_old_clock<'a>(&self, ca: impl Into<Ca<'a>>, published: &Crl, now: OffsetDateTime) -> Result<()> {
        if published.this_update() <= now + CLOCKS_DIFFER {
            return Ok(());
        }
        let shown = ui::path(&self.store.path(layout::crl(ca)?));
        Err(Error::failed(format!(
            "the clock says {}, and the revocation list {shown} was made at {}: the clock went back",
            ui::date(now),
            ui::date(published.this_update())
        ))
        .hint("set the clock; if the list's date is the wrong one, move the list away"))
    }
}

impl Change<'_> {
    /// Records that a certificate is revoked.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn revoke(&mut self, role: &str, name: &str, issued: &Issued, reason: Option<RevocationReason>) -> Result<()> {
        let mut event = self.event(Action::Revoked, role, name)?;
        event.serial = Some(issued.serial.clone());
        event.issuer = Some(issued.issuer.clone());
        event.reason = reason.map(|reason| reason.as_str().to_owned());
        self.events.push(event);
        if reason == Some(RevocationReason::KeyCompromise)
            && let Ok(role) = role.parse::<Role>()
        {
            let is_shown = self.world.inventory.current_serial(role.as_str(), name).as_ref() == Some(&issued.serial);
            let of_serial = layout::history_dir(role.as_str(), name, &issued.serial)?;
            let directory = if is_shown { layout::entry_dir(role.as_str(), name)? } else { of_serial };
            self.withdraw_key(role, name, &directory.join(role.key_file()))?;
            self.erase_history_key(role, name, &issued.serial)?;
        }
        Ok(())
    }

    /// Records that a certificate on hold is good again.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn release(&mut self, role: &str, name: &str, issued: &Issued) -> Result<()> {
        let mut event = self.event(Action::Released, role, name)?;
        event.serial = Some(issued.serial.clone());
        event.issuer = Some(issued.issuer.clone());
        event.reason = Some(RevocationReason::RemoveFromCrl.as_str().to_owned());
        self.events.push(event);
        Ok(())
    }

    /// Records that every certificate of an identity that has not expired is revoked; their serial numbers.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn revoke_all(&mut self, role: Role, name: &str) -> Result<Vec<String>> {
        let found = self.revoke_unexpired(role, name, RevocationReason::CessationOfOperation)?;
        Ok(found.into_iter().map(|issued| issued.serial).collect())
    }

    /// Records that every certificate that an identity had until now gave way to another. One that was revoked already
    /// keeps its reason.
    ///
    /// # Errors
    /// An event cannot be made.
    pub fn supersede(&mut self, role: Role, name: &str) -> Result<()> {
        for Issued { issuer, serial, .. } in self.revoke_unexpired(role, name, RevocationReason::Superseded)? {
            self.done.superseded.push(Superseded { role: role.as_str(), name: name.to_owned(), issuer, serial });
        }
        Ok(())
    }

    fn revoke_unexpired(&mut self, role: Role, name: &str, reason: RevocationReason) -> Result<Vec<Issued>> {
        let unexpired = self.world.inventory.unexpired(role.as_str(), name, self.env.now);
        let found: Vec<Issued> = unexpired.into_iter().filter(|issued| issued.revoked.is_none()).collect();
        for issued in &found {
            self.revoke(role.as_str(), name, issued, Some(reason))?;
        }
        Ok(found)
    }

    /// Whether a certificate is revoked when this change is made.
    pub fn standing(&self, issuer: &str, serial: &str) -> Option<Revocation> {
        let about = |event: &&Event| event.issuer.as_deref() == Some(issuer) && event.serial.as_deref() == Some(serial);
        match self.events.iter().rfind(|e| about(e) && matches!(e.action, Action::Revoked | Action::Released)) {
            Some(event) if event.action == Action::Revoked => {
                Some(Revocation { time: event.time.into(), reason: event.reason.clone() })
            }
            Some(_) => None,
            None => self.world.inventory.revocation(issuer, serial),
        }
    }

    /// The clients of which [`World::is_withdrawn`] is true when this change is made.
    pub(super) fn withdrawn_clients(&self) -> HashSet<String> {
        let is_change = |e: &&Event| matches!(e.action, Action::Revoked | Action::Released);
        let changes: HashMap<(&str, &str), bool> = self
            .events
            .iter()
            .filter(is_change)
            .filter_map(|e| Some(((e.issuer.as_deref()?, e.serial.as_deref()?), e.action == Action::Revoked)))
            .collect();
        let client = Role::Client.as_str();
        let mut names = HashSet::new();
        let entries = self.world.manifest.entries().iter().chain(self.world.unmanaged());
        for Entry { name, .. } in entries.filter(|entry| entry.role == Role::Client) {
            let Some(issued) = self.world.inventory.current(client, name) else {
                // It was taken out, its certificate revoked, and whoever has that would be let in again.
                let unexpired = self.world.inventory.unexpired(client, name, self.env.now);
                if unexpired.iter().any(|issued| issued.revoked.is_some()) {
                    names.insert(name.clone());
                }
                continue;
            };
            let change = changes.get(&(issued.issuer.as_str(), issued.serial.as_str()));
            if change.copied().unwrap_or(issued.revoked.is_some()) {
                names.insert(name.clone());
            }
        }
        for written in self.done.issued.iter().filter(|written| written.role == client) {
            names.remove(&written.name);
        }
        names
    }

    /// Writes the lists of every authority that this change revokes or releases a certificate of: during a rotation both,
    /// because the inventory does not say which of the two signed what. A serial number that its issuer never used harms
    /// nobody; one that is missing lets a thief in.
    ///
    /// # Errors
    /// The authority's key is not here or does not open, or the clock went back.
    pub fn refresh_revocation_lists(&mut self) -> Result<()> {
        let changed = self.events.iter().filter(|e| matches!(e.action, Action::Revoked | Action::Released));
        let issuers: BTreeSet<String> = changed.filter_map(|e| e.issuer.clone()).collect();
        self.write_revocation_lists(&issuers)
    }

    /// Writes the lists of those authorities, whose certificates other changes revoked.
    ///
    /// # Errors
    /// As for [`Change::refresh_revocation_lists`].
    pub fn write_revocation_lists(&mut self, names: &BTreeSet<String>) -> Result<()> {
        for name in names {
            self.write_revocation_list(name)?;
            for generation in [Generation::Successor, Generation::Predecessor] {
                let other = Ca::new(name, generation);
                let listed = generation == Generation::Predecessor || self.world.revocation_list_of(other)?.is_some();
                if self.world.authority(other).is_some() && listed {
                    self.write_revocation_list(other)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the list of an authority.
    ///
    /// # Errors
    /// As for [`Change::refresh_revocation_lists`].
    pub fn write_revocation_list<'a>(&mut self, ca: impl Into<Ca<'a>>) -> Result<()> {
        let ca = ca.into();
        let begins = self.world.authority_certificate(ca)?.validity().not_before;
        let published = self.list_of(ca)?;
        if let Some(published) = &published {
            self.world.refuse_old_clock(ca, published, self.env.now)?;
        }
        if self.env.now < begins {
            return Err(Error::failed(format!(
                "the revocation list of authority {} was not written: its certificate is valid from {} on, and the clock says {}",
                ui::quote(ca.name),
                ui::date(begins),
                ui::date(self.env.now)
            ))
            .hint("set the machine's clock, or give the right time with --at TIME"));
        }
        self.recover(ca)?;
        self.sign_list(ca, published.as_ref())
    }

    /// Writes the lists that are expected of those that sign now and that nobody wrote yet: what was revoked under their
    /// names before they did.
    pub(super) fn write_first_lists(&mut self, members: &[String]) -> Result<()> {
        let listed = self.world.listed_authorities()?;
        for name in members.iter().filter(|name| listed.contains(&((*name).clone(), Generation::Present))) {
            let has_key = self.world.authority_state(name.as_str()) != AuthorityState::Elsewhere;
            if has_key && self.list_of(Ca::from(name.as_str()))?.is_none() {
                self.write_revocation_list(name.as_str())?;
            }
        }
        Ok(())
    }

    /// Signs the list that takes the place of `published`.
    pub(super) fn sign_list(&mut self, ca: Ca<'_>, published: Option<&Crl>) -> Result<()> {
        self.sign_list_above(ca, published, None)
    }

    /// The same, with a number above `used`, which another list had.
    pub(super) fn sign_list_above(&mut self, ca: Ca<'_>, published: Option<&Crl>, used: Option<u128>) -> Result<()> {
        if !self.world.may_sign_lists(ca)? {
            return Err(Error::failed(format!(
                "the certificate of authority {} does not allow it to sign revocation lists (cRLSign)",
                ui::quote(ca.name)
            ))
            .hint(format!("put another in its place, which can: certgen rotate start {}", ui::shell(ca.name))));
        }
        let mut template = self.revocation_list(ca.name, published)?;
        template.number = template.number.max(used.map_or(0, |used| used.saturating_add(1)));
        let issuer: &LocalIssuer = self.vault.issuer(self.world, ca, self.env)?;
        let crl = template.sign(&issuer.signer()?)?;
        self.put_list(ca, crl)
    }

    /// Stages a list and remembers it for the command to tell.
    pub(super) fn put_list(&mut self, ca: Ca<'_>, crl: Crl) -> Result<()> {
        let path = layout::crl(ca)?;
        if crl.len() > MANY {
            self.done.notes.push(format!(
                "the revocation list of authority {} has {} entries, and brokers that check it read it at each handshake: \
                 above {MANY} connecting becomes slow",
                ui::quote(ca.name),
                crl.len()
            ));
        }
        self.stage_file(OutputFile::public(&path, crl.pem()));
        self.done.lists.retain(|list| !list.is_of(ca));
        let (authority, generation) = (ca.name.to_owned(), ca.generation);
        self.done.lists.push(WrittenList { authority, generation, path: self.world.store.path(path), crl });
        Ok(())
    }

    /// The list of an authority when this change is made, if it has one.
    ///
    /// # Errors
    /// The list cannot be read.
    pub(super) fn list_of(&self, ca: Ca<'_>) -> Result<Option<Crl>> {
        if let Some(written) = self.done.lists.iter().find(|list| list.is_of(ca)) {
            return Ok(Some(written.crl.clone()));
        }
        let bytes = self.read(&layout::crl(ca)?, super::world::CRL_LIMIT)?;
        bytes.map(|bytes| self.world.parse_list(ca, &bytes)).transpose()
    }

    /// Records what the present list of an authority knows and the inventory has lost, after a restore for instance.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn recover<'a>(&mut self, ca: impl Into<Ca<'a>>) -> Result<()> {
        let ca = ca.into();
        let Some(published) = self.list_of(ca)? else { return Ok(()) };
        let taken = self.take_back(ca.name, &published)?;
        if !taken.is_empty() {
            let names: BTreeSet<String> = taken.iter().map(|(what, _)| ui::plain(what)).collect();
            self.done.notes.push(format!(
                "the revocation list of authority {} knew what the inventory had lost: {} revoked",
                ui::quote(ca.name),
                names.into_iter().collect::<Vec<_>>().join(", ")
            ));
        }
        Ok(())
    }

    /// Whether this change revokes something of an identity.
    pub fn revokes(&self, role: &str, name: &str) -> bool {
        let about = |e: &&Event| e.role.as_deref() == Some(role) && e.name.as_deref() == Some(name);
        self.events.iter().filter(about).any(|e| e.action == Action::Revoked)
    }

    /// Records the revocations of `list` that the inventory lacks: whose they are.
    ///
    /// # Errors
    /// An event cannot be made.
    pub(super) fn take_back(&mut self, authority: &str, list: &Crl) -> Result<Vec<(String, RevokedCertificate)>> {
        let mut taken = Vec::new();
        let pending: HashSet<(Option<String>, Option<String>)> =
            self.events.iter().map(|event| (event.issuer.clone(), event.serial.clone())).collect();
        for revoked in list.revoked().filter(|revoked| revoked.reason != Some(RevocationReason::RemoveFromCrl)) {
            let serial = revoked.serial.to_string();
            if self.world.inventory.is_revoked(authority, &serial) {
                continue;
            }
            let known = self.world.inventory.by_serial(&serial).into_iter().find(|(_, _, i)| i.issuer == authority);
            let Some((role, name, issued)) = known else { continue };
            // What was released since then was on hold when the list was made.
            let is_over = issued.released.is_some_and(|released| revoked.revocation_time <= released)
                || issued.not_after.is_some_and(|end| end <= self.env.now);
            let is_pending = pending.contains(&(Some(authority.to_owned()), Some(serial.clone())));
            if is_over || is_pending {
                continue;
            }
            let event = self.found_revocation(authority, &revoked)?.about(&role, &name);
            self.events.push(event);
            if revoked.reason == Some(RevocationReason::KeyCompromise)
                && let Ok(role) = role.parse::<Role>()
            {
                self.erase_history_key(role, &name, &serial)?;
            }
            let what = format!("{role}/{name}");
            taken.push((what, revoked));
        }
        Ok(taken)
    }

    /// A revocation that a list tells of, with the date that stands there.
    pub(super) fn found_revocation(&self, authority: &str, revoked: &RevokedCertificate) -> Result<Event> {
        let mut event = Event::new(Action::Revoked, &self.env.actor, revoked.revocation_time, self.env.real_now)?;
        event.serial = Some(revoked.serial.to_string());
        event.issuer = Some(authority.to_owned());
        event.reason = revoked.reason.map(|reason| reason.as_str().to_owned());
        Ok(event)
    }

    /// The highest number of a list of this authority that a broker has a copy of: where the list itself was moved away.
    fn highest_copied(&self, name: &str) -> Result<u128> {
        let subject = self.world.authority(name).map(|ca| ca.subject().der().to_vec());
        let mut highest = 0;
        for broker in self.world.manifest.brokers() {
            let directory = layout::rabbitmq_dir(broker.name.as_deref())?.join("crls");
            for file in self.world.store.file_names(&directory)? {
                let bytes = self.world.store.read_if_exists(directory.join(file), super::world::CRL_LIMIT)?;
                let list = bytes.and_then(|bytes| Crl::from_bytes(&bytes).ok());
                let list = list.filter(|list| Some(list.issuer().der()) == subject.as_deref());
                highest = highest.max(list.and_then(|list| list.number()).unwrap_or(0));
            }
        }
        Ok(highest)
    }

    /// What the list of an authority says: what was revoked before and now, without what has expired.
    fn revocation_list(&self, name: &str, published: Option<&Crl>) -> Result<CrlTemplate> {
        let now = self.env.now;
        let mut revoked: BTreeMap<SerialNumber, RevokedCertificate> = BTreeMap::new();
        let mut add = |entry: RevokedCertificate| {
            revoked.entry(entry.serial.clone()).or_insert(entry);
        };
        for (_, _, issued) in self.world.inventory.revoked(name) {
            if let Some(revocation) = issued.revoked.filter(|_| issued.not_after.is_none_or(|end| end > now)) {
                add(entry(&issued.serial, &revocation)?);
            }
        }
        for (serial, revocation) in self.world.inventory.strangers(name) {
            add(entry(&serial, &revocation)?);
        }
        // What was revoked stays so although the inventory does not know the certificate, after a restore for instance.
        let is_known = |serial: &SerialNumber| {
            self.world.inventory.by_serial(&serial.to_string()).iter().any(|(_, _, issued)| issued.issuer == name)
        };
        for old in published.iter().flat_map(|crl| crl.revoked()) {
            if !revoked.contains_key(&old.serial) && !is_known(&old.serial) {
                revoked.insert(old.serial.clone(), old);
            }
        }
        for event in self.events.iter().filter(|e| e.issuer.as_deref() == Some(name)) {
            let Some(serial) = &event.serial else { continue };
            match event.action {
                Action::Revoked => {
                    let now = entry(serial, &Revocation { time: event.time.into(), reason: event.reason.clone() })?;
                    let then = revoked.entry(now.serial.clone()).or_insert_with(|| now.clone());
                    then.reason = now.reason;
                }
                Action::Released => drop(revoked.remove(&serial.parse()?)),
                _ => {}
            }
        }
        // The number rises even after a restore or on a second machine: it is never read from a counter.
        let previous = match published {
            Some(published) => published.number().unwrap_or(0),
            None => self.highest_copied(name)?,
        };
        let clock = u128::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(0);
        Ok(CrlTemplate {
            this_update: now,
            next_update: now + LIFETIME,
            number: clock.max(previous.saturating_add(1)),
            revoked: revoked.into_values().collect(),
        })
    }
}

fn entry(serial: &str, revocation: &Revocation) -> Result<RevokedCertificate> {
    let reason = revocation.reason.as_deref().and_then(|reason| reason.parse().ok());
    Ok(RevokedCertificate {
        serial: serial.parse()?,
        revocation_time: revocation.time,
        // RFC 5280 5.3.1: no reason is better than the one that says nothing.
        reason: reason.filter(|reason| *reason != RevocationReason::Unspecified),
        invalidity_date: None,
    })
}
