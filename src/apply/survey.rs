//! Everything that can run out or break, and how it stands: authorities, their revocation lists, identities.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use time::{Duration, OffsetDateTime};

use crate::apply::{AuthorityState, World};
use crate::env::Env;
use crate::error::Result;
use crate::plan::{self, Reason, State};
use crate::profile::Role;
use crate::store::layout::{self, Ca, EXTERNAL, Generation};
use crate::store::{self, Issued, Location};
use crate::ui;
use crate::x509::{Certificate, Crl, PrivateKey, Validity};

/// One thing and how it stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// `authority`, `crl`, `server`, `node`, `client` or `external`.
    pub role: String,
    /// Its name; of a list, its authority's.
    pub name: String,
    /// The authority that signed it, where known.
    pub issuer: Option<String>,
    /// How it stands.
    pub state: State,
    /// What is wrong, in words, where more is known than the state says.
    pub detail: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// When it begins.
    pub not_before: Option<OffsetDateTime>,
    /// When it ends.
    pub not_after: Option<OffsetDateTime>,
    /// From when on it should be renewed.
    pub due: Option<OffsetDateTime>,
    /// When it was issued or renewed last.
    pub renewed: Option<OffsetDateTime>,
    /// Its file, where it lies here.
    pub path: Option<PathBuf>,
    /// The certificate in that file.
    pub certificate: Option<Certificate>,
    /// The revocation list in that file.
    pub list: Option<Crl>,
}

/// Above this many identities the inventory's word is taken, unless somebody asks for the files.
const FILES_READ_BELOW: usize = 10_000;

/// Takes one standing after the other.
pub type Visit<'a> = &'a mut dyn FnMut(Standing, &mut Env) -> Result<()>;

/// What the user asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyOptions {
    /// Read the files of identities however many there are.
    pub files: bool,
    /// Due is what ends within this, instead of a third of its lifetime.
    pub due_within: Option<Duration>,
}

impl World {
    /// How everything stands, authorities first, each as soon as it is known: there may be a million.
    ///
    /// # Errors
    /// A file exists and cannot be read, or `visit` failed.
    pub fn survey(&self, options: SurveyOptions, env: &mut Env, visit: Visit<'_>) -> Result<()> {
        for name in self.known_authorities() {
            for generation in Generation::ALL {
                let ca = Ca::new(&name, generation);
                if generation == Generation::Present || self.authority(ca).is_some() {
                    visit(self.authority_standing(ca, env)?, env)?;
                }
            }
        }
        for name in self.known_authorities() {
            for generation in Generation::ALL {
                if let Some(standing) = self.list_standing(Ca::new(&name, generation), env)? {
                    visit(standing, env)?;
                }
            }
        }
        let read = options.files || !self.is_large();
        for (role, name, issued) in self.identities() {
            visit(self.identity_standing(role, &name, issued.as_ref(), read, options.due_within, env)?, env)?;
        }
        for entry in self.manifest.entries() {
            // What the manifest wants and nobody has issued.
            if !self.knows_by_file(entry.role, &entry.name) {
                let mut standing = Standing::new(entry.role.as_str(), &entry.name);
                standing.state = State::Missing;
                standing.issuer = Some(entry.issuer.clone());
                let (role, name) = (entry.role, ui::shell(&entry.name));
                standing.detail = Some(format!("not issued yet: certgen issue {role} {name}"));
                visit(standing, env)?;
            }
        }
        for name in self.external_names()? {
            visit(self.external_standing(&name, options.due_within, env)?, env)?;
        }
        self.inventory.check()
    }

    /// So many identities that the inventory's word is taken, unless somebody asks for the files.
    pub fn is_large(&self) -> bool {
        self.inventory.len() >= FILES_READ_BELOW
    }

    /// Pairs that somebody else renews: what has a directory there, and what the inventory remembers.
    fn external_names(&self) -> Result<BTreeSet<String>> {
        let known = self.inventory.entries_of(EXTERNAL).filter(|(_, history)| history.current().is_some());
        let mut names: BTreeSet<String> = known.map(|(name, _)| name).collect();
        let on_disk = self.store.entries_on_disk()?.into_iter().filter(|entry| entry.role == EXTERNAL);
        names.extend(on_disk.map(|entry| entry.name));
        Ok(names)
    }

    /// Authorities that are here, that the inventory knows or that the manifest names.
    fn known_authorities(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = self.authority_names().map(str::to_owned).collect();
        let known = self.inventory.authorities().iter().filter(|(_, history)| history.current().is_some());
        names.extend(known.map(|(name, _)| name.clone()));
        names.extend(self.manifest.authorities().iter().map(|authority| authority.name.clone()));
        names.into_iter().collect()
    }

    fn authority_standing(&self, ca: Ca<'_>, env: &Env) -> Result<Standing> {
        let name = ca.name;
        let mut standing = Standing::new(layout::AUTHORITY, name);
        standing.path = Some(layout::ca_certificate(ca)?);
        standing.renewed = self.inventory.current(layout::AUTHORITY, name).map(|issued| issued.issued_at);
        let Some(certificate) = self.authority(ca) else {
            standing.state = State::Missing;
            return Ok(standing);
        };
        let issuer =
            if certificate.is_self_issued() { Some(name) } else { self.issuer_of(certificate).map(|ca| ca.name) };
        standing.issuer = issuer.map(str::to_owned);
        let due = plan::authority_due_at(*certificate.validity(), self.longest_below(name, 0));
        standing.set_certificate(certificate, due, env.now);
        let revoked = self.is_revoked(certificate);
        if revoked {
            standing.state = State::Revoked;
        } else if issuer.is_none() || ca.generation == Generation::Predecessor {
            standing.state = State::SupersededCa;
        }
        standing.detail = match ca.generation {
            Generation::Present if self.authority_state(ca) == AuthorityState::Elsewhere => {
                Some("its key is elsewhere".to_owned())
            }
            Generation::Present => None,
            Generation::Successor => Some("the successor: it signs nothing yet".to_owned()),
            Generation::Predecessor if self.went_back(name) => {
                Some("given up, and still trusted until the rotation is finished".to_owned())
            }
            Generation::Predecessor => Some("still trusted, until the rotation is finished".to_owned()),
        };
        let key = layout::ca_key(ca)?;
        if let Some(fault) = self.authority_key_fault(&key, certificate) {
            standing.state = State::Damaged;
            standing.detail = Some(fault.to_string());
        }
        self.look_for_open_keys(&mut standing, &[key], layout::PRIVATE_FILE, env);
        Ok(standing)
    }

    /// What is wrong with an authority's key that lies here in the clear. Whoever may not read it does not hear of it.
    fn authority_key_fault(&self, key: &Path, certificate: &Certificate) -> Option<Reason> {
        let pem = self.store.read_if_exists(key, store::INPUT_LIMIT).ok()??;
        match PrivateKey::from_pem(&pem, None) {
            Ok(key) => (key.public_key() != certificate.public_key()).then_some(Reason::KeyDiffers),
            Err(_) => Some(Reason::KeyDamaged),
        }
    }

    /// A key that others may read is as good as lost. What is out of use already stays what it is.
    fn look_for_open_keys(&self, standing: &mut Standing, files: &[PathBuf], mode: u32, env: &Env) {
        let is_open = |file: &&PathBuf| store::facts(&self.store.path(file)).is_some_and(|is| is.is_wider_than(mode));
        let Some(file) = files.iter().find(is_open) else { return };
        if standing.state > State::Expired {
            let shown = ui::shell(&env.shown(&self.store.path(file)).to_string_lossy());
            standing.state = State::Damaged;
            standing.detail = Some(format!("others may read its key: chmod {mode:o} {shown}"));
        }
    }

    /// The longest validity of an end entity that stands somewhere below an authority.
    fn longest_below(&self, name: &str, depth: usize) -> Duration {
        let entries = self.manifest.entries().iter().chain(self.unmanaged()).filter(|entry| entry.issuer == name);
        let of_lists =
            self.inventory.bulk_issuers().filter(|(_, issuer, _)| *issuer == name).map(|(_, _, longest)| longest);
        let own = entries.map(|entry| Duration::from(entry.validity)).chain(of_lists).max().unwrap_or_default();
        let authorities = self.manifest.authorities();
        let below = authorities.iter().filter(|a| a.issuer.as_deref() == Some(name) && depth < authorities.len());
        below.map(|a| self.longest_below(&a.name, depth + 1)).fold(own, Ord::max)
    }

    fn list_standing(&self, ca: Ca<'_>, env: &Env) -> Result<Option<Standing>> {
        let mut standing = Standing::new("crl", ca.name);
        standing.path = Some(layout::crl(ca)?);
        standing.issuer = Some(ca.name.to_owned());
        let list = match self.revocation_list_of(ca) {
            Ok(None) if !self.wants_list(ca) => return Ok(None),
            Ok(None) => {
                standing.state = State::Missing;
                standing.detail = Some(format!("to write it: certgen crl {}", ui::shell(ca.name)));
                return Ok(Some(standing));
            }
            Ok(Some(list)) => list,
            Err(e) => {
                standing.state = State::Damaged;
                standing.detail = Some(e.to_string());
                return Ok(Some(standing));
            }
        };
        standing.not_before = Some(list.this_update());
        standing.not_after = list.next_update();
        standing.renewed = Some(list.this_update());
        if let Some(validity) = list.next_update().and_then(|end| Validity::new(list.this_update(), end).ok()) {
            standing.set_time(validity, plan::due_at(validity), env.now);
        }
        standing.list = Some(list);
        Ok(Some(standing))
    }

    /// A broker refuses everybody below this authority without its list.
    fn wants_list(&self, ca: Ca<'_>) -> bool {
        self.manifest.brokers().iter().any(|broker| broker.revocation)
            && self.authorities_of_clients().is_ok_and(|all| all.contains(&(ca.name.to_owned(), ca.generation)))
    }

    fn identity_standing(
        &self,
        role: Role,
        name: &str,
        issued: Option<&Issued>,
        read: bool,
        due_within: Option<Duration>,
        env: &Env,
    ) -> Result<Standing> {
        let mut standing = Standing::new(role.as_str(), name);
        standing.renewed = issued.map(|issued| issued.issued_at);
        standing.note(issued);
        let elsewhere = issued.is_some_and(|issued| issued.location != Location::Pki);
        if elsewhere {
            standing.state = State::Elsewhere;
        }
        let pair = if read { self.pair(role, name)? } else { None };
        let here = matches!(issued.map(|i| i.location), None | Some(Location::Pki | Location::Csr));
        if pair.is_some() || (read && here) {
            standing.path = Some(layout::certificate(role.as_str(), name)?);
        }
        let found = pair.as_ref().and_then(|pair| pair.certificate.as_ref().ok());
        let validity = match found {
            Some(certificate) => Some(*certificate.validity()),
            None => issued.and_then(|i| Validity::new(i.not_before?, i.not_after?).ok()),
        };
        if let Some(validity) = validity {
            let due = plan::due_within(validity, due_within);
            match found {
                Some(certificate) => standing.set_certificate(certificate, due, env.now),
                None => standing.set_time(validity, due, env.now),
            }
        }
        if let Some(issuer) = pair.as_ref().and_then(|pair| pair.issuer.clone()) {
            standing.issuer = Some(issuer);
        }
        if issued.is_some_and(|issued| issued.revoked.is_some() && issued.may_be(found)) {
            standing.state = State::Revoked;
        }
        if read && here {
            if !elsewhere && pair.as_ref().is_some_and(|pair| pair.key == plan::Key::Elsewhere) {
                standing.state = standing.state.min(State::Elsewhere);
                standing.detail = Some("its key is in another checkout".to_owned());
            }
            self.look_for_damage(&mut standing, role, name, pair.as_ref(), env);
        }
        Ok(standing)
    }

    /// What is wrong with the pair itself, which no inventory knows.
    fn look_for_damage(&self, standing: &mut Standing, role: Role, name: &str, pair: Option<&plan::Pair>, env: &Env) {
        let Some(pair) = pair else {
            standing.state = State::Missing;
            return;
        };
        let revoked = pair.certificate.as_ref().is_ok_and(|certificate| self.is_revoked(certificate));
        let reasons = match self.entry(role, name) {
            Some(entry) => plan::reasons(&entry, Some(pair), revoked, env.now),
            None => pair.own_reasons(revoked),
        };
        // What was revoked stays so, whoever signs now.
        if let Some(state) = State::of_reasons(&reasons).filter(|state| *state <= standing.state) {
            standing.state = state;
            let told = reasons.iter().find(|reason| State::of_reasons(std::slice::from_ref(*reason)) == Some(state));
            standing.detail = told.map(ToString::to_string);
        }
        let Ok(directory) = layout::entry_dir(role.as_str(), name) else { return };
        if let Some((state, fault)) =
            self.file_fault(role, name, &directory).filter(|_| standing.state > State::Expired)
        {
            standing.state = state;
            standing.detail = Some(fault);
        }
        let files =
            [Some(role.key_file()), role.combined_file()].into_iter().flatten().map(|file| directory.join(file));
        let mode = self.entry(role, name).map_or(layout::PRIVATE_FILE, |entry| entry.key_mode);
        self.look_for_open_keys(standing, &files.collect::<Vec<_>>(), mode, env);
    }

    /// What is wrong with the files beside certificate and key, which brokers and clients read too.
    fn file_fault(&self, role: Role, name: &str, directory: &Path) -> Option<(State, String)> {
        for file in [Some(role.bundle_file()), role.inter_node_bundle_file()].into_iter().flatten() {
            let Ok(bytes) = self.store.read(directory.join(file)) else {
                return Some((State::Missing, format!("{file} is missing: certgen apply")));
            };
            if !Certificate::all_from_bytes(&bytes).is_ok_and(|anchors| !anchors.is_empty()) {
                return Some((State::Damaged, format!("{file} holds no certificate: certgen apply")));
            }
        }
        let (fault, _) = self.combined_fault(role, name).ok()??;
        let state =
            if self.store.holds(directory.join(role.combined_file()?)) { State::Damaged } else { State::Missing };
        Some((state, format!("{fault}: certgen apply")))
    }

    fn external_standing(&self, name: &str, due_within: Option<Duration>, env: &Env) -> Result<Standing> {
        let mut standing = Standing::new(EXTERNAL, name);
        standing.note(self.inventory.current(EXTERNAL, name).as_ref());
        standing.state = State::External;
        let path = layout::certificate(EXTERNAL, name)?;
        match self.store.read_if_exists(&path, store::INPUT_LIMIT)?.map(|pem| Certificate::from_pem(&pem)) {
            None => standing.state = State::Missing,
            Some(Err(e)) => {
                standing.state = State::Damaged;
                standing.detail = Some(e.to_string());
            }
            Some(Ok(certificate)) => {
                let validity = *certificate.validity();
                let due = plan::due_within(validity, due_within);
                standing.set_certificate(&certificate, due, env.now);
                standing.issuer = Some(certificate.issuer().to_string());
            }
        }
        standing.path = Some(path);
        Ok(standing)
    }
}

impl Standing {
    fn new(role: &str, name: &str) -> Self {
        Self {
            role: role.to_owned(),
            name: name.to_owned(),
            issuer: None,
            state: State::Ok,
            detail: None,
            serial: None,
            not_before: None,
            not_after: None,
            due: None,
            renewed: None,
            path: None,
            certificate: None,
            list: None,
        }
    }

    /// What the inventory says, until the file says it better.
    fn note(&mut self, issued: Option<&Issued>) {
        let Some(issued) = issued else { return };
        self.issuer = Some(issued.issuer.clone());
        self.serial = Some(issued.serial.clone());
        (self.not_before, self.not_after) = (issued.not_before, issued.not_after);
    }

    fn set_certificate(&mut self, certificate: &Certificate, due: OffsetDateTime, now: OffsetDateTime) {
        self.serial = Some(certificate.serial().to_string());
        self.set_time(*certificate.validity(), due, now);
        self.certificate = Some(certificate.clone());
    }

    /// Time has its word where nothing worse is known.
    fn set_time(&mut self, validity: Validity, due: OffsetDateTime, now: OffsetDateTime) {
        (self.not_before, self.not_after, self.due) = (Some(validity.not_before), Some(validity.not_after), Some(due));
        if let Some(state) = State::by_time(validity, due, now) {
            self.state = self.state.min(state);
        }
    }

    /// Whether it cannot be relied on until `end`: it ends before, or is broken already. What was revoked is out of use, and a
    /// revocation list, which lives for a month, is written anew before it ends: it counts once that is due.
    pub fn fails_before(&self, end: OffsetDateTime) -> bool {
        match self.state {
            State::Revoked => false,
            State::Ok if self.list.is_some() => false,
            State::Missing | State::Damaged | State::Expired | State::NotYetValid => true,
            _ => self.not_after.is_some_and(|not_after| not_after < end),
        }
    }
}
