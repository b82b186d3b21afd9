//! What follows from the events: who has which certificate, what is revoked, what was emitted.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use crate::error::{Error, Result};

use super::event::{Action, Event, Location};
use super::fold::{Fact, Fold, Moment};
use super::index::Index;
use super::inventory_file::Log;
use super::layout;

/// A certificate that was issued, as the inventory remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The event that tells of it.
    pub event: Moment,
    /// When it was issued, by the clock of the command.
    pub issued_at: OffsetDateTime,
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
    /// It came from a list: no broker's definitions have a user for it.
    pub bulk: bool,
    /// When and why it was revoked.
    pub revoked: Option<Revocation>,
    /// When it was last taken off hold.
    pub released: Option<OffsetDateTime>,
}

impl Issued {
    /// How long it is valid, in seconds.
    pub(super) fn lifetime(&self) -> i64 {
        self.not_before.zip(self.not_after).map_or(0, |(begin, end)| (end - begin).whole_seconds())
    }
}

/// That a certificate was revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(super) in_use: Option<usize>,
    /// A renewal waits for its hook.
    pub awaits_hook: bool,
    /// The key is sealed (authorities).
    pub sealed: bool,
    /// Whom it is sealed to; empty for a passphrase.
    pub recipients: Vec<String>,
    /// When it was last confirmed that its files are where they are used.
    pub delivered: Option<Moment>,
    /// Its events, oldest first.
    pub events: Vec<Moment>,
}

impl EntryHistory {
    /// The certificate in use, unless the identity was taken out.
    pub fn current(&self) -> Option<&Issued> {
        let in_use = self.in_use.map_or_else(|| self.certificates.last(), |at| self.certificates.get(at));
        in_use.filter(|_| !self.removed)
    }

    /// The same, where nothing else is wanted of the history.
    pub fn into_current(mut self) -> Option<Issued> {
        let newest = self.certificates.len().checked_sub(1)?;
        let in_use = self.in_use.unwrap_or(newest);
        (!self.removed && in_use <= newest).then(|| self.certificates.swap_remove(in_use))
    }

    /// The manifest did not hold it when it was issued, and it did not come from a list.
    pub(super) fn is_unmanaged(&self) -> bool {
        self.current().is_some_and(|issued| !issued.managed && !issued.bulk)
    }

    /// A renewal of it waits for its hook, and it was not taken out since.
    pub(super) fn is_awaiting_hook(&self) -> bool {
        self.awaits_hook && !self.removed
    }

    /// An older certificate is in use again, because the rotation to the newest was given up.
    pub fn went_back(&self) -> bool {
        self.in_use.is_some()
    }
}

/// The inventory as read: what an index knows of the beginning of the file, and what follows from the rest of it.
///
/// A short file is read whole. Of a long one only the end is: whatever it says something about is taken out of the
/// beginning as well, and everything else is looked up there when somebody asks. So every answer is the same as if all had
/// been read.
///
/// Looking up may fail, because a disk does. The answer is then as if nothing were known, and [`Inventory::check`] tells:
/// whoever decides by an answer asks it before acting.
#[derive(Debug, Default)]
pub struct Inventory {
    /// There is a file.
    pub exists: bool,
    /// The file is shorter than when certgen wrote it last.
    pub is_short: bool,
    /// The hash of each emitted file as certgen wrote it last, by path.
    pub emitted: BTreeMap<String, String>,
    /// What was odd: for standard error.
    pub warnings: Vec<String>,
    fold: Fold,
    index: Option<Index>,
    log: Option<Log>,
    /// Events that no file has yet.
    added: Vec<Event>,
}

/// Where the lines of events begin that no file has.
const ADDED: u64 = 1 << 62;

impl Inventory {
    /// What follows from `facts`, the end of `log`, and from `index`, its beginning.
    pub(super) fn new(log: Log, index: Option<Index>, facts: Vec<Fact>) -> Self {
        let mut inventory = Self { exists: true, index, log: Some(log), ..Self::default() };
        inventory.fold(facts);
        inventory
    }

    /// What follows from these events; there is no file of them yet.
    pub fn from_events(events: Vec<Event>) -> Self {
        Self::default().with(events)
    }

    /// What follows when these are added.
    #[must_use]
    pub fn with(mut self, events: Vec<Event>) -> Self {
        let first = self.added.len();
        self.added.extend(events);
        let mut facts = std::mem::take(&mut self.fold.facts);
        let new = self.added.iter().enumerate().skip(first);
        facts.extend(new.map(|(at, event)| Fact::new(event.clone(), ADDED + at as u64)));
        self.fold(facts);
        self
    }

    fn fold(&mut self, facts: Vec<Fact>) {
        self.fold = match (&self.index, &self.log) {
            (Some(index), Some(log)) => index.fold(facts, log),
            _ => {
                let mut fold = Fold::default();
                fold.take(facts);
                fold
            }
        };
        self.emitted = self.fold.emitted.iter().map(|(path, (hash, _))| (path.clone(), hash.clone())).collect();
    }

    /// Whether everything that was asked so far could be read.
    ///
    /// # Errors
    /// It could not.
    pub fn check(&self) -> Result<()> {
        match self.log.as_ref().and_then(Log::fault) {
            Some(why) => Err(Error::failed(format!("reading the inventory: {why}"))),
            None => Ok(()),
        }
    }

    /// The history of an identity or authority.
    pub fn history(&self, role: impl AsRef<str>, name: &str) -> Option<EntryHistory> {
        let known = self.fold.history(role.as_ref(), name);
        known.cloned().or_else(|| self.index.as_ref()?.history(role.as_ref(), name))
    }

    /// The certificate that an identity or authority uses now.
    pub fn current(&self, role: impl AsRef<str>, name: &str) -> Option<Issued> {
        self.history(role, name)?.into_current()
    }

    /// The serial number of that certificate.
    pub fn current_serial(&self, role: impl AsRef<str>, name: &str) -> Option<String> {
        self.current(role, name).map(|issued| issued.serial)
    }

    /// Every certificate of an identity that has not expired at `now`, revoked or not, current or replaced.
    pub fn unexpired(&self, role: impl AsRef<str>, name: &str, now: OffsetDateTime) -> Vec<Issued> {
        let all = self.history(role, name).map_or_else(Vec::new, |history| history.certificates);
        all.into_iter().filter(|issued| issued.not_after.is_none_or(|end| end >= now)).collect()
    }

    /// Authorities by name.
    pub fn authorities(&self) -> &BTreeMap<String, EntryHistory> {
        &self.fold.authorities
    }

    /// Identities by role and name, authorities excepted; one after the other, as they may be many.
    pub fn entries(&self) -> impl Iterator<Item = ((String, String), EntryHistory)> {
        let folded = self.fold.entries.iter().map(|(key, history)| (key.clone(), history.clone()));
        let indexed = self.index.iter().flat_map(Index::entries);
        merged(folded, indexed, |a, b| a.0.cmp(&b.0))
    }

    /// Those in one role, by name; there are none in the role of authorities.
    pub fn entries_of(&self, role: &str) -> impl Iterator<Item = (String, EntryHistory)> {
        let begin = (role.to_owned(), String::new());
        let folded = self.fold.entries.range(begin..).take_while(move |((other, _), _)| other == role);
        let folded = folded.map(|((_, name), history)| (name.clone(), history.clone()));
        let indexed =
            self.index.iter().filter(move |_| role != layout::AUTHORITY).flat_map(move |index| index.entries_of(role));
        merged(folded, indexed, |a, b| a.0.cmp(&b.0))
    }

    /// How many identities have a history.
    pub fn len(&self) -> usize {
        let new = |(role, name): &&(String, String)| {
            self.index.as_ref().is_none_or(|index| index.history(role, name).is_none())
        };
        self.index.as_ref().map_or(0, Index::identities) + self.fold.entries.keys().filter(new).count()
    }

    /// Nobody has a history.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The identities that the manifest did not hold when they were issued, and that did not come from a list.
    pub fn unmanaged(&self) -> Vec<(String, String)> {
        self.names_of(EntryHistory::is_unmanaged, self.index.iter().flat_map(Index::unmanaged))
    }

    /// The identities whose hook was asked for and has not succeeded since.
    pub fn awaiting_hook(&self) -> Vec<(String, String)> {
        self.names_of(EntryHistory::is_awaiting_hook, self.index.iter().flat_map(Index::awaiting_hook))
    }

    /// Those of whom `is_meant` is true: the index says so of its own.
    fn names_of(
        &self,
        is_meant: impl Fn(&EntryHistory) -> bool,
        indexed: impl Iterator<Item = (String, String)>,
    ) -> Vec<(String, String)> {
        let folded = self.fold.entries.iter().filter(|(_, history)| is_meant(history)).map(|(key, _)| key.clone());
        merged(folded, indexed.filter(|key| !self.fold.entries.contains_key(key)), Ord::cmp).collect()
    }

    /// Who signed identities from lists, by role, and the longest validity that they were given.
    pub fn bulk_issuers(&self) -> impl Iterator<Item = (&str, &str, Duration)> {
        let all = self.fold.bulk_issuers.iter();
        all.map(|((role, issuer), seconds)| (role.as_str(), issuer.as_str(), Duration::seconds(*seconds)))
    }

    /// The names of identities in a role that differ from `name` in nothing but case, and are in use.
    pub fn twins(&self, role: &str, name: &str) -> Vec<String> {
        let lower = name.to_lowercase();
        let indexed = self.index.iter().flat_map(|index| index.twins(role, &lower));
        let alike: BTreeSet<String> = self.fold.twins(role, &lower).chain(indexed).collect();
        alike.into_iter().filter(|other| other != name && self.current(role, other).is_some()).collect()
    }

    /// The certificates with that serial number: role, name and certificate. Foreign authorities count from 1, so there
    /// may be several.
    pub fn by_serial(&self, serial: &str) -> Vec<(String, String, Issued)> {
        let serial = canonical_serial(serial);
        let whose: Vec<(String, String)> = match (&self.index, &self.log) {
            (Some(index), Some(log)) if !self.fold.seen.contains(&serial) => index.owners(&serial, log),
            _ => {
                let places = self.fold.serials.get(&serial).map_or(&[][..], Vec::as_slice);
                places.iter().map(|(role, name, _)| (role.clone(), name.clone())).collect()
            }
        };
        let mut found: Vec<(String, String, Issued)> = Vec::new();
        for (role, name) in whose {
            if found.iter().any(|(r, n, _)| *r == role && *n == name) {
                continue;
            }
            let history = self.history(&role, &name).unwrap_or_default();
            let of_serial = history.certificates.into_iter().filter(|issued| issued.serial == serial);
            found.extend(of_serial.map(|issued| (role.clone(), name.clone(), issued)));
        }
        found
    }

    /// Was the certificate with that serial number of that authority revoked?
    pub fn is_revoked(&self, issuer: &str, serial: &str) -> bool {
        self.revocation(issuer, serial).is_some()
    }

    /// When and why that certificate was revoked.
    pub fn revocation(&self, issuer: &str, serial: &str) -> Option<Revocation> {
        let serial = canonical_serial(serial);
        match &self.index {
            Some(index) if !self.fold.seen.contains(&serial) => index.revocation(issuer, &serial),
            _ => {
                let known = self.by_serial(&serial).into_iter().filter(|(_, _, issued)| issued.issuer == issuer);
                let stranger = || self.fold.strangers.get(&(issuer.to_owned(), serial.clone())).cloned();
                // Two that share a number have one fate: a list could not tell them apart.
                known.filter_map(|(_, _, issued)| issued.revoked).min().or_else(stranger)
            }
        }
    }

    /// The revoked certificates of an authority, whose they are: what its CRL lists.
    pub fn revoked(&self, issuer: &str) -> impl Iterator<Item = (String, String, Issued)> {
        let authorities =
            self.fold.authorities.iter().map(|(name, history)| (layout::AUTHORITY, name.as_str(), history));
        let entries = self.fold.entries.iter().map(|((role, name), history)| (role.as_str(), name.as_str(), history));
        let is_meant = move |issued: &&Issued| issued.issuer == issuer && issued.revoked.is_some();
        let folded = entries.chain(authorities).flat_map(move |(role, name, history)| {
            let all = history.certificates.iter().filter(is_meant);
            all.filter(|issued| self.index.is_none() || self.fold.seen.contains(&issued.serial))
                .map(move |issued| (role.to_owned(), name.to_owned(), issued.clone()))
        });
        let indexed = self.index.iter().flat_map(move |index| index.revoked(issuer));
        folded.chain(indexed.filter(|(_, _, issued)| !self.fold.seen.contains(&issued.serial)))
    }

    /// Revoked certificates of an authority that are known by their serial numbers alone.
    pub fn strangers(&self, issuer: &str) -> impl Iterator<Item = (String, Revocation)> {
        let folded = self.fold.strangers.iter().filter(move |((of, _), _)| of == issuer);
        let folded = folded.map(|((_, serial), revocation)| (serial.clone(), revocation.clone()));
        let indexed = self.index.iter().flat_map(move |index| index.strangers(issuer));
        folded.chain(indexed.filter(|(serial, _)| !self.fold.seen.contains(serial)))
    }

    /// An authority has revoked something.
    pub fn revokes(&self, issuer: &str) -> bool {
        self.revoked(issuer).next().is_some() || self.strangers(issuer).next().is_some()
    }

    /// The event at a place in the log.
    pub fn event(&self, moment: Moment) -> Option<Event> {
        match moment.at.checked_sub(ADDED) {
            Some(added) => self.added.get(added as usize).cloned(),
            None => self.log.as_ref()?.event(moment.at),
        }
    }

    /// Every event once, in the order of real time.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        let folded = self.fold.facts.iter().map(|fact| fact.moment);
        let indexed = self.index.iter().flat_map(Index::moments);
        merged(folded, indexed, Ord::cmp).filter_map(|moment| self.event(moment))
    }

    /// The same, the last one first.
    pub fn events_back(&self) -> impl Iterator<Item = Event> {
        let folded = self.fold.facts.iter().rev().map(|fact| fact.moment);
        let indexed = self.index.iter().flat_map(Index::moments_back);
        merged(folded, indexed, |a, b| b.cmp(a)).filter_map(|moment| self.event(moment))
    }

    /// That the PKI was made.
    pub fn initialized(&self) -> Option<Event> {
        self.event(self.fold.initialized?)
    }

    /// The users in a file of definitions that certgen made.
    pub fn users_made_in(&self, path: &str) -> Vec<String> {
        let event = self.fold.users.get(path).and_then(|moment| self.event(*moment));
        event.and_then(|event| event.users).unwrap_or_default()
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
}

/// Two sorted sequences as one. What is in both comes from the first: the end of the file knows all about whatever it took
/// out of the beginning.
fn merged<T>(
    first: impl Iterator<Item = T>,
    second: impl Iterator<Item = T>,
    order: impl Fn(&T, &T) -> Ordering,
) -> impl Iterator<Item = T> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || {
        let Some(a) = first.peek() else { return second.next() };
        match second.peek().map_or(Ordering::Less, |b| order(a, b)) {
            Ordering::Less => first.next(),
            Ordering::Equal => second.next().and(first.next()),
            Ordering::Greater => second.next(),
        }
    })
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
