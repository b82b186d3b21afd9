//! How a certificate or a revocation list stands at a moment.

use std::fmt;

use serde::{Serialize, Serializer};
use time::{Duration, OffsetDateTime};

use crate::plan::Reason;
use crate::x509::Validity;

/// An authority needs its successor when less is left than the longest validity it issues and this: the bundles with
/// the successor have to reach everybody first.
const BEFORE_AN_AUTHORITY: Duration = Duration::days(30);

/// How something stands. The order is that of the question "what must be done first?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It should be here and is not, or its key is not.
    Missing,
    /// Its certificate or its key cannot be read, or they do not belong together.
    Damaged,
    /// It was withdrawn.
    Revoked,
    /// Its time is over.
    Expired,
    /// Signed by a key that its authority no longer has.
    SupersededCa,
    /// Its time has not come: a clock is wrong, or it was made for later.
    NotYetValid,
    /// It should be renewed.
    Due,
    /// It cannot be looked into without a password.
    Locked,
    /// Its key is somewhere else.
    Elsewhere,
    /// Somebody else renews it.
    External,
    /// Nothing needs to be done.
    Ok,
}

impl State {
    /// The word for it, in the table and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::SupersededCa => "superseded CA",
            Self::NotYetValid => "not yet valid",
            Self::Due => "due",
            Self::Locked => "locked",
            Self::Elsewhere => "elsewhere",
            Self::External => "external",
            Self::Ok => "ok",
        }
    }

    /// Of an end entity whose reasons to be issued again are known.
    pub fn of_reasons(reasons: &[Reason]) -> Option<Self> {
        let states = reasons.iter().filter_map(|reason| match reason {
            Reason::Missing | Reason::KeyMissing => Some(Self::Missing),
            Reason::Damaged(_) | Reason::KeyDamaged | Reason::KeyDiffers => Some(Self::Damaged),
            Reason::Revoked => Some(Self::Revoked),
            Reason::Issuer { is: None, .. } => Some(Self::SupersededCa),
            // What the manifest asks for anew is for `plan` to say, and when it is due depends on what was asked here.
            _ => None,
        });
        states.min()
    }

    /// By the clock alone: whether it is over or has not begun, or from when on it should be renewed.
    pub fn by_time(validity: Validity, due: OffsetDateTime, now: OffsetDateTime) -> Option<Self> {
        if now > validity.not_after {
            Some(Self::Expired)
        } else if now < validity.not_before {
            Some(Self::NotYetValid)
        } else {
            (now >= due).then_some(Self::Due)
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The moment from which an authority needs a successor, for the longest validity of what stands below it.
pub fn authority_due_at(validity: Validity, longest: Duration) -> OffsetDateTime {
    validity.not_after.checked_sub(longest + BEFORE_AN_AUTHORITY).unwrap_or(validity.not_before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told() {
        let due = Reason::Due { not_after: OffsetDateTime::UNIX_EPOCH };
        assert_eq!(State::of_reasons(&[]), None);
        assert_eq!(State::of_reasons(&[due.clone(), Reason::Revoked]), Some(State::Revoked));
        assert_eq!(State::of_reasons(&[Reason::Revoked, Reason::KeyMissing]), Some(State::Missing));
        let issuer = |is: Option<&str>| Reason::Issuer { is: is.map(str::to_owned), should_be: "root".to_owned() };
        assert_eq!(State::of_reasons(&[issuer(None), due.clone()]), Some(State::SupersededCa));
        assert_eq!(State::of_reasons(&[issuer(Some("other"))]), None, "a wish of the manifest is no damage");
        assert_eq!(State::of_reasons(&[due]), None);
    }

    #[test]
    fn time_decides_last() {
        let at = |day| OffsetDateTime::UNIX_EPOCH + Duration::days(day);
        let by_time = |now| State::by_time(Validity::new(at(1), at(90)).unwrap(), at(60), now);
        assert_eq!(by_time(at(0)), Some(State::NotYetValid));
        assert_eq!(by_time(at(59)), None);
        assert_eq!(by_time(at(60)), Some(State::Due));
        assert_eq!(by_time(at(90)), Some(State::Due));
        assert_eq!(by_time(at(91)), Some(State::Expired));
    }

    #[test]
    fn an_authority_must_outlive_what_it_issues() {
        let at = |day| OffsetDateTime::UNIX_EPOCH + Duration::days(day);
        let validity = Validity::new(at(0), at(3650)).unwrap();
        assert_eq!(authority_due_at(validity, Duration::days(365)), at(3650 - 395));
    }
}
