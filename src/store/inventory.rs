//! What follows from the events: who has which certificate, what is revoked, what was emitted.

use std::collections::{BTreeMap, HashMap, HashSet};

use time::OffsetDateTime;

use crate::error::Result;

use super::event::{Action, Event, Location};
use super::layout;

/// A certificate that was issued, as the inventory remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The event that tells of it: an index into [`Inventory::events`].
    pub event: usize,
    /// Lowercase hexadecimal.
    pub serial: String,
    /// The authority that signed it.
    pub issuer: String,
    /// SHA-256 of the public key.
    pub key: Option<String>,
    /// Start of its validity.
    pub not_before: Option<OffsetDateTime>,
    /// End of its validity.
    pub not_after: Option<OffsetDateTime>,
    /// Where key and certificate are.
    pub location: Location,
    /// It has an entry in the manifest.
    pub managed: bool,
    /// When and why it was revoked.
    pub revoked: Option<Revocation>,
    /// When it was last taken off hold.
    pub released: Option<OffsetDateTime>,
}

/// That a certificate was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// By the clock of the command.
    pub time: OffsetDateTime,
    /// RFC 5280's word, if one was given.
    pub reason: Option<String>,
}

/// RFC 5280's word for a revocation that may be taken back.
const HOLD: &str = "certificateHold";
/// The one reason that is worth knowing later: it says that somebody else has the key.
const COMPROMISE: &str = "keyCompromise";

impl Revocation {
    /// It may be taken back.
    pub fn is_hold(&self) -> bool {
        self.reason.as_deref() == Some(HOLD)
    }

    /// Whether a revocation for `reason` still says something new: a hold may become final, and whatever it was first, that
    /// the key leaked is worth knowing.
    pub fn gives_way_to(&self, reason: Option<&str>) -> bool {
        let is_compromise = |reason: Option<&str>| reason == Some(COMPROMISE);
        (self.is_hold() && reason != Some(HOLD)) || (!is_compromise(self.reason.as_deref()) && is_compromise(reason))
    }
}

/// All that is known of one identity or authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryHistory {
    /// Its certificates, oldest first.
    pub certificates: Vec<Issued>,
    /// It was taken out, and nothing was issued since.
    pub removed: bool,
    /// A request is out and not answered: the key's fingerprint, if recorded.
    pub requested: Option<Option<String>>,
    /// The certificate in use where it is not the newest: the rotation to the newest was given up.
    in_use: Option<usize>,
    /// A renewal waits for its hook.
    pub awaits_hook: bool,
    /// The key is sealed (authorities).
    pub sealed: bool,
    /// Whom it is sealed to; empty for a passphrase.
    pub recipients: Vec<String>,
    /// Its events, oldest first: indices into [`Inventory::events`].
    pub events: Vec<usize>,
}

impl EntryHistory {
    /// The certificate in use, unless the identity was taken out.
    pub fn current(&self) -> Option<&Issued> {
        let in_use = self.in_use.map_or_else(|| self.certificates.last(), |at| self.certificates.get(at));
        in_use.filter(|_| !self.removed)
    }

    /// An older certificate is in use again, because the rotation to the newest was given up.
    pub fn went_back(&self) -> bool {
        self.in_use.is_some()
    }
}

/// The inventory as read.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// There is a file.
    pub exists: bool,
    /// The file is shorter than when certgen wrote it last.
    pub is_short: bool,
    /// Every event once, in the order of real time.
    pub events: Vec<Event>,
    /// Identities by role and name, authorities excepted.
    pub entries: BTreeMap<(String, String), EntryHistory>,
    /// Authorities by name.
    pub authorities: BTreeMap<String, EntryHistory>,
    /// The hash of each emitted file as certgen wrote it last, by path.
    pub emitted: BTreeMap<String, String>,
    /// Revoked certificates that are known by their issuer and serial number alone.
    pub strangers: BTreeMap<(String, String), Revocation>,
    /// What was odd: for standard error.
    pub warnings: Vec<String>,
    serials: HashMap<String, Vec<Place>>,
    ids: HashSet<String>,
}

/// Role, name and index of a certificate.
type Place = (String, String, usize);

impl Inventory {
    /// The history of an identity or authority.
    pub fn history(&self, role: impl AsRef<str>, name: &str) -> Option<&EntryHistory> {
        match role.as_ref() {
            layout::AUTHORITY => self.authorities.get(name),
            role => self.entries.get(&(role.to_owned(), name.to_owned())),
        }
    }

    /// The certificate that an identity or authority uses now.
    pub fn current(&self, role: impl AsRef<str>, name: &str) -> Option<&Issued> {
        self.history(role, name)?.current()
    }

    /// The serial number of that certificate.
    pub fn current_serial(&self, role: impl AsRef<str>, name: &str) -> Option<&str> {
        self.current(role, name).map(|issued| issued.serial.as_str())
    }

    /// Every certificate of an identity that has not expired at `now`, revoked or not, current or replaced.
    pub fn unexpired(&self, role: impl AsRef<str>, name: &str, now: OffsetDateTime) -> Vec<&Issued> {
        let all = self.history(role, name).map_or(&[][..], |history| &history.certificates);
        all.iter().filter(|issued| issued.not_after.is_none_or(|end| end >= now)).collect()
    }

    /// The certificates with that serial number: role, name and certificate. Foreign authorities count from 1, so there
    /// may be several.
    pub fn by_serial(&self, serial: &str) -> Vec<(&str, &str, &Issued)> {
        let places = self.serials.get(&canonical_serial(serial)).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|(role, name, at)| Some((&**role, &**name, self.at(role, name, *at)?))).collect()
    }

    /// Was the certificate with that serial number of that authority revoked?
    pub fn is_revoked(&self, issuer: &str, serial: &str) -> bool {
        self.revocation(issuer, serial).is_some()
    }

    /// When and why that certificate was revoked.
    pub fn revocation(&self, issuer: &str, serial: &str) -> Option<&Revocation> {
        let known = self.by_serial(serial).into_iter().find(|(_, _, issued)| issued.issuer == issuer);
        match known {
            Some((_, _, issued)) => issued.revoked.as_ref(),
            None => self.strangers.get(&(issuer.to_owned(), canonical_serial(serial))),
        }
    }

    /// The revoked certificates of an authority: what its CRL lists.
    pub fn revoked(&self, issuer: &str) -> impl Iterator<Item = (&Issued, &Revocation)> {
        let all = self.entries.values().chain(self.authorities.values()).flat_map(|history| &history.certificates);
        all.filter(move |issued| issued.issuer == issuer).filter_map(|i| i.revoked.as_ref().map(|revoked| (i, revoked)))
    }

    fn at(&self, role: &str, name: &str, index: usize) -> Option<&Issued> {
        self.history(role, name)?.certificates.get(index)
    }

    /// What follows from these events; there is no file of them yet.
    pub fn from_events(events: Vec<Event>) -> Self {
        let mut inventory = Self { events, ..Self::default() };
        inventory.fold();
        inventory
    }

    /// The events that the inventory lacks for certificates that lie on the disk. The caller parsed them.
    pub fn rebuild(&self, found: &[FoundCertificate], actor: &str, now: OffsetDateTime) -> Result<Vec<Event>> {
        let unknown = found.iter().filter(|found| {
            let serial = canonical_serial(&found.serial);
            !self.by_serial(&serial).iter().any(|(role, name, _)| *role == found.role && *name == found.name)
        });
        unknown
            .map(|found| {
                let authority = found.role == layout::AUTHORITY;
                let action = if authority { Action::AuthorityCreated } else { Action::Issued };
                let mut event = Event::new(action, actor, now, now)?.about(&found.role, &found.name);
                event.serial = Some(canonical_serial(&found.serial));
                event.key = Some(found.key.clone());
                event.certificate = Some(found.certificate.clone());
                event.issuer = Some(found.issuer.clone());
                event.not_before = Some(found.not_before.into());
                event.not_after = Some(found.not_after.into());
                event.subject = Some(found.subject.clone());
                event.san.clone_from(&found.san);
                event.key_type.clone_from(&found.key_type);
                event.location = (found.role == "external").then_some(Location::External);
                event.note = Some("rebuilt from the certificate on disk".to_owned());
                Ok(event)
            })
            .collect()
    }

    pub(super) fn add(&mut self, event: Event) {
        if event.id.is_empty() || self.ids.insert(event.id.clone()) {
            self.events.push(event);
        }
    }

    /// Orders the events and draws the conclusions.
    pub(super) fn fold(&mut self) {
        self.ids = HashSet::new();
        // Stable: within one second the order of the lines decides.
        self.events.sort_by_key(Event::real_time);
        let events = std::mem::take(&mut self.events);
        for (index, event) in events.iter().enumerate() {
            self.apply(index, event);
        }
        // A revocation stands wherever its line is, even before the certificate's own after a merge.
        for event in &events {
            match event.action {
                Action::Revoked => self.revoke(event),
                Action::Released => self.release(event),
                _ => {}
            }
        }
        self.events = events;
    }

    fn apply(&mut self, index: usize, event: &Event) {
        if let (Action::Emitted, Some(path), Some(hash)) = (event.action, &event.path, &event.sha256) {
            self.emitted.insert(path.clone(), hash.clone());
        }
        let (Some(role), Some(name)) = (&event.role, &event.name) else { return };
        let history = if role == layout::AUTHORITY {
            self.authorities.entry(name.clone()).or_default()
        } else {
            self.entries.entry((role.clone(), name.clone())).or_default()
        };
        history.events.push(index);
        match event.action {
            Action::Issued | Action::Renewed | Action::AuthorityCreated | Action::RotationSwitched => {
                let Some(issued) = issued(index, event) else { return };
                history.removed = false;
                history.requested = None;
                history.awaits_hook = event.hook.unwrap_or(false);
                history.in_use = None;
                if let Some(known) = history
                    .certificates
                    .iter()
                    .position(|known| known.serial == issued.serial && known.issuer == issued.issuer)
                {
                    // A rotation that was given up brings an older one back.
                    history.in_use = (event.action == Action::RotationSwitched).then_some(known);
                    return;
                }
                let place = (role.clone(), name.clone(), history.certificates.len());
                self.serials.entry(issued.serial.clone()).or_default().push(place);
                history.certificates.push(issued);
            }
            Action::Removed => history.removed = true,
            Action::Hooked => history.awaits_hook = false,
            Action::Adopted => {
                if let Some(current) = history.certificates.last_mut() {
                    current.managed = true;
                }
            }
            Action::Requested => history.requested = Some(event.key.clone()),
            Action::Sealed => {
                history.sealed = true;
                history.recipients.clone_from(&event.recipients);
            }
            Action::Unsealed => {
                history.sealed = false;
                history.recipients.clear();
            }
            _ => {}
        }
    }

    fn revoke(&mut self, event: &Event) {
        let new = Revocation { time: event.time.into(), reason: event.reason.clone() };
        let known = self.each_meant(event, |issued| match &mut issued.revoked {
            None => issued.revoked = Some(new.clone()),
            // It was no good from the first moment on.
            Some(old) if old.gives_way_to(new.reason.as_deref()) => old.reason.clone_from(&new.reason),
            Some(_) => {}
        });
        if let (false, Some(issuer), Some(serial)) = (known, &event.issuer, &event.serial) {
            self.strangers.entry((issuer.clone(), canonical_serial(serial))).or_insert(new);
        }
    }

    fn release(&mut self, event: &Event) {
        let known = self.each_meant(event, |issued| {
            if issued.revoked.as_ref().is_some_and(Revocation::is_hold) {
                issued.revoked = None;
                issued.released = Some(event.time.into());
            }
        });
        if let (false, Some(issuer), Some(serial)) = (known, &event.issuer, &event.serial) {
            self.strangers.remove(&(issuer.clone(), canonical_serial(serial)));
        }
    }

    /// Visits the certificates that an event about a serial number means; `false`: there is none.
    fn each_meant(&mut self, event: &Event, mut visit: impl FnMut(&mut Issued)) -> bool {
        let Some(serial) = event.serial.as_deref().map(canonical_serial) else { return true };
        let mut found = false;
        for (role, name, index) in self.serials.get(&serial).cloned().unwrap_or_default() {
            let history = if role == layout::AUTHORITY {
                self.authorities.get_mut(&name)
            } else {
                self.entries.get_mut(&(role.clone(), name.clone()))
            };
            let Some(issued) = history.and_then(|history| history.certificates.get_mut(index)) else { continue };
            let meant = match &event.issuer {
                Some(issuer) => *issuer == issued.issuer,
                None => event.role.as_ref() == Some(&role) && event.name.as_ref() == Some(&name),
            };
            if meant {
                found = true;
                visit(issued);
            }
        }
        found
    }
}

/// What a certificate on the disk says, for [`Inventory::rebuild`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are those of an event")]
pub struct FoundCertificate {
    pub role: String,
    pub name: String,
    pub serial: String,
    pub issuer: String,
    pub key: String,
    pub certificate: String,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    pub subject: String,
    pub san: Vec<String>,
    pub key_type: Option<String>,
}

/// Lowercase hexadecimal without colons, as the inventory has it.
pub fn canonical_serial(serial: &str) -> String {
    serial.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect()
}

fn issued(index: usize, event: &Event) -> Option<Issued> {
    Some(Issued {
        event: index,
        serial: canonical_serial(event.serial.as_deref()?),
        issuer: event.issuer.clone().unwrap_or_default(),
        key: event.key.clone(),
        not_before: event.not_before.map(Into::into),
        not_after: event.not_after.map(Into::into),
        location: event.location.unwrap_or_default(),
        managed: event.managed.unwrap_or(true),
        revoked: None,
        released: None,
    })
}
