//! The first look at a batch: every identity is judged before anything is signed, and everything that is wrong is told.

use std::collections::{BTreeMap, BTreeSet};

use super::twins::Twins;
use super::users::Users;
use super::{Mark, Seen, Wish};
use crate::apply::{self, DateNote, NameRefusals, Place, World};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Entry, EntrySpec};
use crate::plan;
use crate::profile::Role;
use crate::store::{self, Inventory, Issued, Location, layout};
use crate::ui;
use crate::x509::{Certificate, NameConstraints, Validity};

/// What is to be done about one row; a byte each, because there may be a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is wrong.
    Skip,
    /// Its identity has all it needs.
    Unchanged,
    /// Its identity gets its first certificate.
    New,
    /// Its identity gets another certificate.
    Renew,
}

/// What the first look found.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) decisions: Vec<Decision>,
    pub(super) issuers: BTreeSet<String>,
    pub(super) issue: usize,
    pub(super) unchanged: usize,
    pub(super) faults: usize,
    /// Who signed the certificates that are to be revoked.
    pub(super) supersedes: BTreeSet<String>,
    /// Who signed those that an earlier run of this batch revoked.
    pub(super) superseded: BTreeSet<String>,
    /// How many begin in the past, before their issuer, or are over already.
    pub(super) odd_dates: [usize; 3],
}

/// Judges identities one after another.
pub(super) struct Check<'a> {
    pub(super) world: &'a World,
    pub(super) role: Role,
    pub(super) place: &'a Place,
    pub(super) force: bool,
    /// The devices were swapped.
    pub(super) replace: bool,
    /// What tells this list from others.
    pub(super) list: Option<String>,
    /// What the authorities above an issuer, itself included, may sign for.
    pub(super) limits: BTreeMap<String, Vec<NameConstraints>>,
    pub(super) refusals: NameRefusals<'a>,
    pub(super) twins: Twins,
    pub(super) users: Option<Users>,
    pub(super) found: Checked,
}

impl Check<'_> {
    /// Judges one, which was read as far as that needs no PKI: what is wrong, if anything.
    pub(super) fn judge(&mut self, seen: &Seen, env: &Env) -> Result<(), Error> {
        let decision = seen.made.as_ref().map_err(|why| Error::failed(why.clone())).and_then(|(wish, entry)| {
            self.refuse_twin(&wish.name, &seen.mark)?;
            let decision = self.decide(wish, entry, env)?;
            if let Some(users) = &mut self.users {
                users.add(entry, &self.world.manifest)?;
            }
            Ok(decision)
        });
        self.found.decisions.push(*decision.as_ref().unwrap_or(&Decision::Skip));
        match decision {
            Err(e) => {
                self.found.faults += 1;
                return Err(e);
            }
            Ok(Decision::Unchanged | Decision::Skip) => self.found.unchanged += 1,
            Ok(Decision::New | Decision::Renew) => self.found.issue += 1,
        }
        Ok(())
    }

    fn refuse_twin(&mut self, name: &str, mark: &Mark) -> Result<()> {
        let line = if let Mark::Lines(line, _) = mark { u32::try_from(*line).unwrap_or(u32::MAX) } else { 0 };
        let Some((first, only_case)) = self.twins.find(name, line) else { return Ok(()) };
        let how = if only_case { "differs only in case from" } else { "is the same as" };
        let first = if first == 0 { "another one".to_owned() } else { format!("the one on line {first}") };
        Err(Error::failed(format!("{} {how} {first}", ui::quote(name))))
    }

    fn decide(&mut self, wish: &Wish, entry: &Entry, env: &Env) -> Result<Decision> {
        let world = self.world;
        world.refuse_owner(entry)?;
        self.refusals.case_twin(entry)?;
        self.refusals.privileged_user(entry)?;
        let directory = store::directory_name(&entry.name)?;
        let current = world.inventory.current(self.role.as_str(), &entry.name);
        let in_pki = matches!(self.place, Place::Pki);
        // Most names are new, and then there is nothing to look at.
        let has_directory =
            (in_pki || current.is_some()) && world.store.holds(layout::entry_dir(self.role.as_str(), &entry.name)?);
        let role = self.role.as_str();
        let earlier = || world.inventory.unexpired(role, &entry.name, env.now);
        if self.replace {
            let current = current.as_ref().ok_or_else(|| Error::failed("it has no certificate to be replaced"))?;
            if !self.force && self.is_replaced(wish, current)? && is_good(current, has_directory, env)? {
                self.found.superseded.extend(earlier().into_iter().map(|issued| issued.issuer));
                return Ok(Decision::Unchanged);
            }
        } else if let Some(current) = &current
            && !self.force
        {
            let differences = self.differences(wish, entry, current)?;
            if !differences.is_empty() {
                return Err(Error::failed(format!("it exists with other facts: {}", differences.join("; ")))
                    .hint("add --force to issue it again with these facts"));
            }
            if is_good(current, has_directory, env)? {
                return Ok(Decision::Unchanged);
            }
        }
        if world.manifest.entry(self.role, &entry.name).is_some() {
            return Err(Error::failed("it stands in certgen.toml, and a list is for what does not"));
        }
        if has_directory && !in_pki {
            return Err(Error::failed("it has its pair in the PKI"));
        }
        if current.is_none() && has_directory {
            return Err(Error::failed("it has a directory in the PKI that the inventory does not know"));
        }
        self.refuse_what_is_there(&directory)?;
        if !self.force {
            world.refuse_leaked(entry, env)?;
        }
        if wish.csr.is_none() {
            world.refuse_key_elsewhere(entry)?;
        }
        let issuer = world.authority_certificate(&entry.issuer)?;
        self.refuse_names_outside(entry)?;
        for note in apply::bulk_dates(entry, issuer, wish.dates, env.now)? {
            match note {
                DateNote::Clipped { .. } => {}
                DateNote::BeginsInThePast => self.found.odd_dates[0] += 1,
                DateNote::BeginsBeforeIssuer => self.found.odd_dates[1] += 1,
                DateNote::ExpiredAtBirth => self.found.odd_dates[2] += 1,
            }
        }
        if !self.found.issuers.contains(&entry.issuer) {
            world.refuse_unfit_authority(&entry.issuer)?;
            self.found.issuers.insert(entry.issuer.clone());
        }
        if self.replace {
            self.found.supersedes.extend(earlier().into_iter().map(|issued| issued.issuer));
        }
        Ok(if current.is_some() { Decision::Renew } else { Decision::New })
    }

    /// This batch has replaced the identity's certificate before. Where another list did, nobody but its owner knows whether
    /// both mean the same swap.
    fn is_replaced(&self, wish: &Wish, current: &Issued) -> Result<bool> {
        if let Some(csr) = &wish.csr {
            return Ok(current.key.as_deref() == Some(&csr.public_key().sha256_hex()));
        }
        match self.world.inventory.event(current.event).and_then(|event| event.sha256) {
            Some(list) if Some(&list) != self.list.as_ref() => Err(Error::failed(
                "another list replaced it already: take it out, or add --force if it was swapped once more",
            )),
            list => Ok(list.is_some()),
        }
    }

    /// What the authorities above may not sign for is told before anything is signed (RFC 5280 section 4.2.1.10).
    fn refuse_names_outside(&mut self, entry: &Entry) -> Result<()> {
        if !self.limits.contains_key(&entry.issuer) {
            let chain = self.world.chain_from(&entry.issuer)?;
            let limits = chain.iter().filter_map(Certificate::name_constraints).cloned().collect();
            self.limits.insert(entry.issuer.clone(), limits);
        }
        let limits = &self.limits[&entry.issuer];
        match entry.san.iter().find(|name| limits.iter().any(|limits| !limits.allows(name))) {
            None => Ok(()),
            Some(name) => Err(Error::failed(format!(
                "{} {}: {} may not sign for {}",
                entry.role,
                ui::quote(&entry.name),
                ui::quote(&entry.issuer),
                ui::quote(&name.to_string())
            ))),
        }
    }

    /// Nothing outside the PKI is replaced.
    fn refuse_what_is_there(&self, directory: &str) -> Result<()> {
        let places = match self.place {
            Place::Pki | Place::Archive(_) => Vec::new(),
            Place::Directories(out) => vec![out.join(directory)],
            Place::Flat(out) => apply::flat_files(out, directory).to_vec(),
        };
        match places.iter().find(|path| path.symlink_metadata().is_ok()) {
            Some(path) => Err(Error::failed(format!("{} exists already", ui::path(path)))),
            None => Ok(()),
        }
    }

    /// How what is asked differs from what the identity was issued with.
    fn differences(&self, wish: &Wish, entry: &Entry, current: &Issued) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut differs = |what: &str, is: String, asked: String| {
            if is != asked {
                found.push(format!("{what}: is {is}, asked {asked}"));
            }
        };
        let manifest = self.world.manifest.spec(self.role, &entry.name).cloned();
        if let Some(spec) = manifest.or_else(|| asked(&self.world.inventory, self.role, &entry.name))
            && spec != wish.spec
            && let Ok(old) = self.world.manifest.entry_from(self.role, &entry.name, &spec)
        {
            let names = |entry: &Entry| match entry.san.as_slice() {
                [] => "none".to_owned(),
                names => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            };
            differs("issuer", old.issuer.clone(), entry.issuer.clone());
            differs("names", names(&old), names(entry));
            differs("subject", old.subject.to_string(), entry.subject.to_string());
            differs("validity", old.validity.to_string(), entry.validity.to_string());
            if wish.csr.is_none() {
                differs("key type", old.key_type.to_string(), entry.key_type.to_string());
            }
            let owner = |entry: &Entry| entry.owner.clone().unwrap_or_else(|| "none".to_owned());
            differs("owner", owner(&old), owner(entry));
            differs("key mode", format!("{:04o}", old.key_mode), format!("{:04o}", entry.key_mode));
            let password = |entry: &Entry| entry.key_password_file.is_some().to_string();
            differs("encrypted key", password(&old), password(entry));
        }
        for (what, asked, is) in
            [("begin", wish.dates.not_before, current.not_before), ("end", wish.dates.not_after, current.not_after)]
        {
            if let Some(asked) = asked {
                differs(what, is.map_or_else(|| "unknown".to_owned(), ui::date), ui::date(asked));
            }
        }
        if let Some(csr) = &wish.csr
            && current.key.as_deref() != Some(&csr.public_key().sha256_hex())
        {
            found.push("the request brings another key".to_owned());
        }
        Ok(found)
    }
}

/// Nothing is to be done about this certificate: it is where it should be, not revoked and not due.
fn is_good(current: &Issued, has_directory: bool, env: &Env) -> Result<bool> {
    let is_there = !matches!(current.location, Location::Pki | Location::Csr) || has_directory;
    let (Some(not_before), Some(not_after)) = (current.not_before, current.not_after) else { return Ok(false) };
    Ok(is_there && current.revoked.is_none() && !plan::is_due(Validity::new(not_before, not_after)?, env.now))
}

/// What was asked of an identity when its certificate was issued.
pub(super) fn asked(inventory: &Inventory, role: Role, name: &str) -> Option<EntrySpec> {
    let event = inventory.event(inventory.current(role.as_str(), name)?.event)?;
    serde_json::from_value(event.entry?).ok()
}
