//! One line of the inventory.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};

use super::random_hex;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The PKI was created.
    Initialized,
    /// An authority was created.
    AuthorityCreated,
    /// A certificate was issued for a new identity.
    Issued,
    /// A certificate took the place of an older one.
    Renewed,
    /// A certificate that was made elsewhere was taken over.
    Imported,
    /// A certificate was revoked.
    Revoked,
    /// The hook ran for an identity that was renewed.
    Hooked,
    /// A certificate that was on hold is good again.
    Released,
    /// An identity was taken out.
    Removed,
    /// An identity that was issued without an entry in the manifest has one now.
    Adopted,
    /// A secret was put into another container.
    Exported,
    /// An authority got a successor, which peers are to trust from now on.
    RotationStarted,
    /// The successor signs now; or, after a rotation was given up, the former one again.
    RotationSwitched,
    /// The former certificate of an authority is trusted no longer.
    RotationFinished,
    /// The successor of an authority was given up before it signed anything.
    RotationAborted,
    /// An authority certified its successor.
    CrossCertified,
    /// Somebody says that the files of an identity or broker are where they are used.
    Delivered,
    /// An authority's key was sealed.
    Sealed,
    /// An authority's key was unsealed.
    Unsealed,
    /// A key and a request were made; somebody else signs.
    Requested,
    /// A file for a consumer was written.
    Emitted,
    /// The inventory or the directory was put right.
    Repaired,
    /// A later certgen knows what this is.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Where the private key and the certificate are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the identity's directory.
    #[default]
    Pki,
    /// The key never was here: a request was signed.
    Csr,
    /// Written to a directory elsewhere.
    Out,
    /// Written into an archive.
    Archive,
    /// A pair that somebody else renews.
    External,
    /// A later certgen knows where.
    #[serde(other)]
    Unknown,
}

/// An event. What does not apply stays empty and is not written; unknown keys of a later version are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "the names are those of RFC 5280 and of the contract; a comment would repeat them")]
pub struct Event {
    /// Random, so that the same event from two merged branches counts once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// RFC 3339, the clock of the command (`--at`).
    pub time: Timestamp,
    /// The real time, if the command had another clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// Of the certgen that wrote it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    pub action: Action,
    /// `server`, `node`, `client`, `external` or `authority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The authority's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Does the manifest have an entry for it? Absent means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed: Option<bool>,
    /// It came from a list: no broker's definitions have a user for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk: Option<bool>,
    /// Of a renewal: a hook was asked for, which an event of its own confirms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub san: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// Of a revocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of an emitted file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of an emitted file or a profile; of a certificate, the list that says that the device was swapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Of emitted definitions: the users in them that certgen made, and no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<String>>,
    /// Of a sealed key: age's own recipients; empty for a passphrase.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// What was asked of an identity that the manifest does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<serde_json::Value>,
    /// Of an initialized PKI: the profile it came from and what was set. Of a certificate that was taken over: what its entry
    /// asked for then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub settings: std::collections::BTreeMap<String, String>,
    /// How many events the command that initialized it recorded, this one included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Event {
    /// An event of this certgen with a number of its own. `recorded` is the real time; it is kept only if it differs.
    pub fn new(action: Action, actor: &str, time: OffsetDateTime, recorded: OffsetDateTime) -> Result<Self> {
        let differs = (time - recorded).abs() >= time::Duration::SECOND;
        Ok(Self {
            id: random_hex()?,
            time: time.into(),
            recorded: differs.then(|| recorded.into()),
            actor: actor.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            action,
            ..Self::default()
        })
    }

    /// Says whom the event is about.
    #[must_use]
    pub fn about(mut self, role: impl AsRef<str>, name: &str) -> Self {
        self.role = Some(role.as_ref().to_owned());
        self.name = Some(name.to_owned());
        self
    }

    /// When it really happened: what orders the events of merged branches.
    pub(super) fn real_time(&self) -> OffsetDateTime {
        self.recorded.unwrap_or(self.time).0
    }
}

/// Lines of the inventory, which any thread may make of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Adds the line of an event.
    ///
    /// # Errors
    /// It cannot be written as JSON; nothing is added then.
    pub fn push(&mut self, event: &Event) -> Result<()> {
        let length = self.0.len();
        let written = serde_json::to_writer(&mut self.0, event);
        if let Err(e) = written {
            self.0.truncate(length);
            return Err(Error::failed(format!("recording an event: {e}")));
        }
        self.0.push(b'\n');
        Ok(())
    }

    /// Adds the lines of another thread.
    pub fn append(&mut self, others: &Self) {
        self.0.extend_from_slice(&others.0);
    }

    /// Forgets what stands after so many bytes.
    pub fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// How many bytes they have.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A time in the inventory: whole seconds, UTC, RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Timestamp(pub OffsetDateTime);

impl Default for Timestamp {
    fn default() -> Self {
        Self(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(time: OffsetDateTime) -> Self {
        let time = time.to_offset(time::UtcOffset::UTC);
        Self(time.replace_nanosecond(0).unwrap_or(time))
    }
}

impl From<Timestamp> for OffsetDateTime {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl TryFrom<String> for Timestamp {
    type Error = time::error::Parse;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        OffsetDateTime::parse(&text, &Rfc3339).map(Self::from)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (date, time) = (self.0.date(), self.0.time());
        // RFC 3339 has four digits for the year and no more, and neither has X.509.
        let year = date.year().unsigned_abs();
        let mut text = *b"0000-00-00T00:00:00Z";
        let mut put = |at: usize, two: u8| (text[at], text[at + 1]) = (b'0' + two / 10, b'0' + two % 10);
        put(0, (year / 100) as u8);
        put(2, (year % 100) as u8);
        put(5, date.month().into());
        put(8, date.day());
        put(11, time.hour());
        put(14, time.minute());
        put(17, time.second());
        f.write_str(std::str::from_utf8(&text).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_event_is_one_short_line_and_comes_back() {
        let at = datetime!(2026-03-01 12:00:00.5 +2);
        let mut event = Event::new(Action::Issued, "me@host", at, at).unwrap().about("client", "a\nb");
        event.not_after = Some(at.into());
        let mut lines = Lines::default();
        lines.push(&event).unwrap();
        let line = String::from_utf8(lines.into_bytes()).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.contains(r#""time":"2026-03-01T10:00:00Z""#), "{line}");
        assert!(!line.contains("recorded") && !line.contains("note"), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }

    #[test]
    fn another_clock_is_recorded() {
        let event =
            Event::new(Action::Issued, "", datetime!(2030-01-01 0:00 UTC), datetime!(2026-01-01 0:00 UTC)).unwrap();
        assert_eq!(event.recorded.unwrap().to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_a_later_version_adds_is_passed_over() {
        let text = r#"{"id":"1","time":"2026-01-01T00:00:00Z","action":"blessed","location":"moon","colour":{"a":1}}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!((event.action, event.location), (Action::Unknown, Some(Location::Unknown)));
    }
}
