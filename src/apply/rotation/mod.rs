//! Replacing an authority without refusing a connection: everybody learns to trust the successor, then everybody shows a
//! certificate of it, then nobody trusts the one before.
//!
//! What lies in `ca/NAME/` says how far a rotation is: `successor/` while it is learnt, `predecessor/` while it is
//! forgotten, neither otherwise. The log says since when, and what was delivered. The name of the authority never changes, so
//! the manifest stays as it is. What stands below the authority is rotated with it: an intermediate's certificate is its
//! issuer's work.

mod delivery;
mod finish;
mod generations;
mod meeting;
mod start;
mod switch;

pub use delivery::Delivery;
pub use finish::Dependent;
pub use switch::Batch;

use std::collections::BTreeSet;

use time::{Duration, OffsetDateTime};

use crate::apply::World;
use crate::error::{Error, Result};
use crate::store::layout::{self, Ca, Generation};
use crate::store::{Action, Event, Moment};
use crate::ui;
use crate::x509::Certificate;

/// How long a bundle must have been out before anything is issued that only it can verify: RabbitMQ notices a new file
/// after about two minutes by itself.
pub const BUNDLES_ARE_READ_AFTER: Duration = Duration::minutes(5);

/// A rotation in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The authority that it began with.
    pub authority: String,
    /// That one and all that stand below it, each after its issuer.
    pub members: Vec<String>,
    /// How far it is.
    pub phase: Phase,
    /// Since when, by the clock of the command that did it.
    pub since: OffsetDateTime,
    /// It was given up after the switch: what it came from signs again, and what it led to is being forgotten.
    pub goes_back: bool,
    /// Others must have read files of the first phase before the second: bundles with another root, or revocation lists. An
    /// intermediate comes along with what it signed.
    pub is_read_by_others: bool,
}

/// How far a rotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bundles hold old and new; everything is still issued by the old one.
    Started,
    /// Everything is issued by the new one; bundles still hold both.
    Switched,
}

impl Phase {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Switched => "switched",
        }
    }

    /// The other certificate that its members have in this phase.
    pub fn other(self) -> Generation {
        match self {
            Self::Started => Generation::Successor,
            Self::Switched => Generation::Predecessor,
        }
    }

    /// The event with which it begins.
    fn begins_with(self) -> Action {
        match self {
            Self::Started => Action::RotationStarted,
            Self::Switched => Action::RotationSwitched,
        }
    }
}

impl Rotation {
    /// The word for how far it is.
    pub fn stage(&self) -> &'static str {
        if self.goes_back { "going back" } else { self.phase.as_str() }
    }

    /// How long it is until the bundles are known to be read everywhere; nothing when they are.
    pub fn left_to_wait(&self, now: OffsetDateTime) -> Option<Duration> {
        let waited = now - self.since;
        (self.is_read_by_others && self.phase == Phase::Started && waited < BUNDLES_ARE_READ_AFTER)
            .then(|| BUNDLES_ARE_READ_AFTER - waited)
    }
}

impl World {
    /// The rotations in progress, by the name of the authority that each began with.
    pub fn rotations(&self) -> Vec<Rotation> {
        let mut found: Vec<Rotation> = Vec::new();
        for phase in [Phase::Started, Phase::Switched] {
            let has_other = |name: &str| self.authority(Ca::new(name, phase.other())).is_some();
            for name in self.authority_names().filter(|name| has_other(name)) {
                if self.authority_above(name).is_some_and(has_other) {
                    continue;
                }
                let mut members = vec![name.to_owned()];
                let below = self.authorities_below(name);
                members.extend(below.into_iter().filter(|name| has_other(name)));
                let since = self.began(name, phase);
                let is_read_by_others = self.is_read_by_others(name);
                let goes_back = phase == Phase::Switched && self.went_back(name);
                found.push(Rotation {
                    authority: name.to_owned(),
                    members,
                    phase,
                    since,
                    goes_back,
                    is_read_by_others,
                });
            }
        }
        found.sort_by(|a, b| a.authority.cmp(&b.authority));
        found
    }

    /// The rotation that `named` takes part in; without a name the only one.
    ///
    /// # Errors
    /// There is none, or there are several and none was named.
    pub fn rotation(&self, named: Option<&str>) -> Result<Rotation> {
        let mut all = self.rotations();
        if let Some(name) = named {
            self.authority_certificate(name)?;
            let found = all.into_iter().find(|rotation| rotation.members.iter().any(|member| member == name));
            return found.ok_or_else(|| match self.rotation_ended(name) {
                Some((ended, _)) => Error::failed(format!(
                    "authority {} is not being rotated: that ended on {}",
                    ui::quote(name),
                    ui::date(ended)
                ))
                .hint(format!("what is to be delivered: certgen rotate status {}", ui::shell(name)))
                .hint(format!("to replace it again: certgen rotate start {}", ui::shell(name))),
                None => Error::failed(format!("authority {} is not being rotated", ui::quote(name)))
                    .hint(format!("certgen rotate start {}", ui::shell(name))),
            });
        }
        match all.len() {
            0 => Err(Error::failed("no authority is being rotated").hint("certgen rotate start AUTHORITY")),
            1 => Ok(all.remove(0)),
            _ => {
                let names: Vec<String> = all.iter().map(|rotation| ui::quote(&rotation.authority)).collect();
                Err(Error::failed(format!("more than one authority is being rotated: {}", names.join(", ")))
                    .hint("name one of them"))
            }
        }
    }

    /// Whether an authority signs with the older of its keys. Where the log is lost, the certificates say which that is.
    pub(super) fn went_back(&self, name: &str) -> bool {
        let begins = |generation| self.authority(Ca::new(name, generation)).map(|ca| ca.validity().not_before);
        match self.inventory.authorities().get(name) {
            Some(history) if self.last_event_about(name, Action::RotationSwitched).is_some() => history.went_back(),
            _ => begins(Generation::Predecessor) > begins(Generation::Present),
        }
    }

    fn is_read_by_others(&self, name: &str) -> bool {
        self.authority(name).is_some_and(Certificate::is_self_issued)
            || self.manifest.brokers().iter().any(|broker| broker.revocation)
    }

    /// When the last rotation that began with `name` came to its end, and whether it was given up.
    pub fn rotation_ended(&self, name: &str) -> Option<(OffsetDateTime, bool)> {
        let (_, end) = self.last_end(name)?;
        let with_above = |above| self.last_end(above).is_some_and(|(_, other)| other.time == end.time);
        let began_here = !self.authority_above(name).is_some_and(with_above);
        began_here.then(|| (end.time.into(), end.action == Action::RotationAborted))
    }

    /// The event with which the last rotation of `name` ended.
    fn last_end(&self, name: &str) -> Option<(Moment, Event)> {
        let ends = [Action::RotationFinished, Action::RotationAborted];
        ends.into_iter().filter_map(|action| self.last_event_about(name, action)).max_by_key(|(at, _)| *at)
    }

    /// The authority that signed the present certificate of `name`; none for a root.
    pub(super) fn authority_above(&self, name: &str) -> Option<&str> {
        let above = self.issuer_of(self.authority(name)?)?.name;
        (above != name).then_some(above)
    }

    /// The authorities here below `name`, each after its issuer.
    fn authorities_below(&self, name: &str) -> Vec<String> {
        let mut below: Vec<String> = Vec::new();
        let mut at = Some(name.to_owned());
        let mut next = 0;
        while let Some(above) = at {
            let direct = self.authority_names().filter(|n| self.authority_above(n) == Some(above.as_str()));
            let new: Vec<String> =
                direct.filter(|n| *n != name && !below.iter().any(|b| b == n)).map(str::to_owned).collect();
            below.extend(new);
            at = below.get(next).cloned();
            next += 1;
        }
        below
    }

    /// When the present phase of the rotation of `name` began. Where the log is lost, the other certificate says when it was
    /// made: that is early enough for one that signs, and long enough ago for one that did.
    fn began(&self, name: &str, phase: Phase) -> OffsetDateTime {
        let event = self.last_event_about(name, phase.begins_with());
        let logged = event.map(|(_, event)| event.time.into());
        let made = |ca: &Certificate| ca.validity().not_before;
        let generation = if phase == Phase::Started { Generation::Successor } else { Generation::Present };
        logged.or_else(|| self.authority(Ca::new(name, generation)).map(made)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The last event of that kind about an authority, and its place in the log.
    fn last_event_about(&self, name: &str, action: Action) -> Option<(Moment, Event)> {
        let history = self.inventory.history(layout::AUTHORITY, name)?;
        let mut events = history.events.iter().rev().filter_map(|at| Some((*at, self.inventory.event(*at)?)));
        events.find(|(_, event)| event.action == action)
    }

    /// The names of all authorities that take part in a rotation.
    pub(super) fn rotated(&self) -> BTreeSet<&str> {
        let others = self.authorities().filter(|(ca, _)| ca.generation != Generation::Present);
        others.map(|(ca, _)| ca.name).collect()
    }
}
