//! What follows from events: each is taken in the order of real time, whatever order the lines are in.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;

use super::event::{Action, Event, Location};
use super::inventory::{EntryHistory, Issued, Revocation, canonical_serial};
use super::layout;

/// When an event was recorded, and where its line begins: the place of an event in the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Real time, in seconds.
    pub(super) time: i64,
    /// Within one second the order of the lines decides.
    pub(super) at: u64,
}

/// What an event says about certificates and files; who did it and why is read from its line when somebody asks.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) moment: Moment,
    id: String,
    time: OffsetDateTime,
    action: Action,
    pub(super) role: Option<String>,
    pub(super) name: Option<String>,
    pub(super) serial: Option<String>,
    issuer: Option<String>,
    key: Option<String>,
    not_before: Option<OffsetDateTime>,
    not_after: Option<OffsetDateTime>,
    location: Location,
    managed: bool,
    bulk: bool,
    hook: bool,
    reason: Option<String>,
    path: Option<String>,
    sha256: Option<String>,
    has_users: bool,
    recipients: Vec<String>,
}

impl Fact {
    /// What the event whose line begins at `at` says.
    pub(super) fn new(event: Event, at: u64) -> Self {
        Self {
            moment: Moment { time: event.real_time().unix_timestamp(), at },
            id: event.id,
            time: event.time.into(),
            action: event.action,
            role: event.role,
            name: event.name,
            serial: event.serial.map(|serial| canonical_serial(&serial)),
            issuer: event.issuer,
            key: event.key,
            not_before: event.not_before.map(Into::into),
            not_after: event.not_after.map(Into::into),
            location: event.location.unwrap_or_default(),
            managed: event.managed.unwrap_or(true),
            bulk: event.bulk.unwrap_or(false),
            hook: event.hook.unwrap_or(false),
            reason: event.reason,
            path: event.path,
            sha256: event.sha256,
            has_users: event.users.is_some(),
            recipients: event.recipients,
        }
    }

    /// It tells of a certificate that is in use from now on.
    pub(super) fn issues(&self) -> bool {
        matches!(
            self.action,
            Action::Issued | Action::Renewed | Action::Imported | Action::AuthorityCreated | Action::RotationSwitched
        )
    }

    fn issued(&self) -> Option<Issued> {
        Some(Issued {
            event: self.moment,
            issued_at: self.time,
            serial: self.serial.clone()?,
            issuer: self.issuer.clone().unwrap_or_default(),
            key: self.key.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            location: self.location,
            managed: self.managed,
            bulk: self.bulk,
            revoked: None,
            released: None,
        })
    }

    /// Its number, where it is about no identity and no certificate.
    pub(super) fn loose_id(&self) -> Option<&str> {
        (self.whom().is_none() && self.serial.is_none() && !self.id.is_empty()).then_some(self.id.as_str())
    }

    /// Whom it is about.
    pub(super) fn whom(&self) -> Option<(&str, &str)> {
        Some((self.role.as_deref()?, self.name.as_deref()?))
    }
}

/// Role, name and index of a certificate.
pub(super) type Place = (String, String, usize);

/// The conclusions.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// Every event once, in the order of real time.
    pub(super) facts: Vec<Fact>,
    /// Identities by role and name, authorities excepted.
    pub(super) entries: BTreeMap<(String, String), EntryHistory>,
    pub(super) authorities: BTreeMap<String, EntryHistory>,
    /// Names of identities that have capitals, by role and what they are in lower case.
    capitals: BTreeMap<(String, String), Vec<String>>,
    /// The hash of each emitted file, by path, and when it was written.
    pub(super) emitted: BTreeMap<String, (String, Moment)>,
    /// The last event about definitions that names the users which certgen made, by path.
    pub(super) users: BTreeMap<String, Moment>,
    pub(super) initialized: Option<Moment>,
    pub(super) strangers: BTreeMap<(String, String), Revocation>,
    /// The longest validity in seconds that identities from lists were issued with, by role and issuer.
    pub(super) bulk_issuers: BTreeMap<(String, String), i64>,
    pub(super) serials: HashMap<String, Vec<Place>>,
    /// Every serial number that an event names.
    pub(super) seen: HashSet<String>,
}

/// Most identities have one of each, and there are many identities: room for one, until there are more.
fn push<T>(all: &mut Vec<T>, one: T) {
    if all.is_empty() {
        all.reserve_exact(1);
    }
    all.push(one);
}

impl Fold {
    /// Takes the events in order, each once.
    pub(super) fn take(&mut self, mut facts: Vec<Fact>) {
        let mut ids = HashSet::new();
        // The first line of an event counts, in whatever order they were read.
        facts.sort_by_key(|fact| fact.moment.at);
        facts.retain(|fact| fact.id.is_empty() || ids.insert(fact.id.clone()));
        facts.sort_by_key(|fact| fact.moment);
        for fact in &facts {
            self.apply(fact);
        }
        // A revocation stands wherever its line is, even before the certificate's own after a merge.
        for fact in &facts {
            match fact.action {
                Action::Revoked => self.revoke(fact),
                Action::Released => self.release(fact),
                _ => {}
            }
        }
        self.facts = facts;
    }

    pub(super) fn history(&self, role: &str, name: &str) -> Option<&EntryHistory> {
        match role {
            layout::AUTHORITY => self.authorities.get(name),
            role => self.entries.get(&(role.to_owned(), name.to_owned())),
        }
    }

    /// The names in a role that read `lower` in lower case.
    pub(super) fn twins(&self, role: &str, lower: &str) -> impl Iterator<Item = String> {
        let key = (role.to_owned(), lower.to_owned());
        let itself = self.entries.contains_key(&key).then(|| lower.to_owned());
        itself.into_iter().chain(self.capitals.get(&key).into_iter().flatten().cloned())
    }

    fn history_mut(&mut self, role: &str, name: &str) -> Option<&mut EntryHistory> {
        match role {
            layout::AUTHORITY => self.authorities.get_mut(name),
            role => self.entries.get_mut(&(role.to_owned(), name.to_owned())),
        }
    }

    fn apply(&mut self, fact: &Fact) {
        self.seen.extend(fact.serial.clone());
        match (fact.action, &fact.path) {
            (Action::Initialized, _) => {
                self.initialized = Some(self.initialized.map_or(fact.moment, |first| first.min(fact.moment)));
            }
            (Action::Emitted, Some(path)) => self.emit(path, fact),
            _ => {}
        }
        let (Some(role), Some(name)) = (&fact.role, &fact.name) else { return };
        let history = if role == layout::AUTHORITY {
            self.authorities.entry(name.clone()).or_default()
        } else {
            match self.entries.entry((role.clone(), name.clone())) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let lower = name.to_lowercase();
                    if lower != *name {
                        self.capitals.entry((role.clone(), lower)).or_default().push(name.clone());
                    }
                    new.insert(EntryHistory::default())
                }
            }
        };
        push(&mut history.events, fact.moment);
        match fact.action {
            _ if fact.issues() => {
                let Some(issued) = fact.issued() else { return };
                history.removed = false;
                history.requested = None;
                history.awaits_hook = fact.hook;
                history.in_use = None;
                if issued.bulk {
                    let longest = self.bulk_issuers.entry((role.clone(), issued.issuer.clone())).or_default();
                    *longest = (*longest).max(issued.lifetime());
                }
                if let Some(known) = history
                    .certificates
                    .iter()
                    .position(|known| known.serial == issued.serial && known.issuer == issued.issuer)
                {
                    // A rotation that was given up brings an older one back.
                    history.in_use = (fact.action == Action::RotationSwitched).then_some(known);
                    // Its key was found later.
                    if fact.action == Action::Imported && issued.location == Location::Pki {
                        history.certificates[known].location = Location::Pki;
                    }
                    return;
                }
                let place = (role.clone(), name.clone(), history.certificates.len());
                push(self.serials.entry(issued.serial.clone()).or_default(), place);
                push(&mut history.certificates, issued);
            }
            Action::Removed => history.removed = true,
            Action::Hooked => history.awaits_hook = false,
            Action::Delivered => history.delivered = Some(fact.moment),
            Action::Adopted => {
                if let Some(current) = history.certificates.last_mut() {
                    current.managed = true;
                }
            }
            Action::Requested => history.requested = Some(fact.key.clone()),
            Action::Sealed => {
                history.sealed = true;
                history.recipients.clone_from(&fact.recipients);
            }
            Action::Unsealed => {
                history.sealed = false;
                history.recipients.clear();
            }
            _ => {}
        }
    }

    fn emit(&mut self, path: &str, fact: &Fact) {
        if let Some(hash) = &fact.sha256
            && self.emitted.get(path).is_none_or(|(_, before)| *before <= fact.moment)
        {
            self.emitted.insert(path.to_owned(), (hash.clone(), fact.moment));
        }
        if fact.has_users && self.users.get(path).is_none_or(|before| *before <= fact.moment) {
            self.users.insert(path.to_owned(), fact.moment);
        }
    }

    fn revoke(&mut self, fact: &Fact) {
        let new = Revocation { time: fact.time, reason: fact.reason.clone() };
        let known = self.each_meant(fact, |issued| match &mut issued.revoked {
            None => issued.revoked = Some(new.clone()),
            // It was no good from the first moment on.
            Some(old) if old.gives_way_to(new.reason.as_deref()) => old.reason.clone_from(&new.reason),
            Some(_) => {}
        });
        if let (false, Some(issuer), Some(serial)) = (known, &fact.issuer, &fact.serial) {
            self.strangers.entry((issuer.clone(), serial.clone())).or_insert(new);
        }
    }

    fn release(&mut self, fact: &Fact) {
        let known = self.each_meant(fact, |issued| {
            if issued.revoked.as_ref().is_some_and(Revocation::is_hold) {
                issued.revoked = None;
                issued.released = Some(fact.time);
            }
        });
        if let (false, Some(issuer), Some(serial)) = (known, &fact.issuer, &fact.serial) {
            self.strangers.remove(&(issuer.clone(), serial.clone()));
        }
    }

    /// Visits the certificates that an event about a serial number means; `false`: there is none.
    fn each_meant(&mut self, fact: &Fact, mut visit: impl FnMut(&mut Issued)) -> bool {
        let Some(serial) = &fact.serial else { return true };
        let mut found = false;
        for (role, name, index) in self.serials.get(serial).cloned().unwrap_or_default() {
            let history = self.history_mut(&role, &name);
            let Some(issued) = history.and_then(|history| history.certificates.get_mut(index)) else { continue };
            let meant = match &fact.issuer {
                Some(issuer) => *issuer == issued.issuer,
                None => fact.whom() == Some((&role, &name)),
            };
            if meant {
                found = true;
                visit(issued);
            }
        }
        found
    }
}
