//! What differs between the manifest and what exists, and why.
//!
//! This room is pure: an entry as it should be, the pair as it is, the time; out comes an ordered list of reasons to
//! issue again. An empty list means that nothing needs to be done. A [`Step`] is what follows from reasons; it decides
//! nothing about how.

mod authority;
mod checks;
mod standing;
mod step;
mod wishes;

pub use authority::{Standing, authority_reasons};
pub use checks::{BACKDATED, Key, Pair, Reason, reasons};
pub use standing::{State, authority_due_at};
pub use step::{Act, Step, Thing};
pub use wishes::{Wishes, authority_wishes, wishes};

use time::{Duration, OffsetDateTime};

use crate::x509::Validity;

/// An end entity is due when a third of its lifetime is left.
pub fn is_due(validity: Validity, now: OffsetDateTime) -> bool {
    now >= due_at(validity)
}

/// A revocation list is due when a third of its time is left; one that does not say how long it lasts always is.
pub fn list_is_due(this_update: OffsetDateTime, next_update: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    next_update.is_none_or(|end| now >= end - (end - this_update) / 3)
}

/// The same where somebody said otherwise: due is what ends within `within`.
pub fn due_within(validity: Validity, within: Option<Duration>) -> OffsetDateTime {
    within.map_or_else(|| due_at(validity), |within| validity.not_after.saturating_sub(within))
}

/// The moment from which an end entity is due.
pub fn due_at(validity: Validity) -> OffsetDateTime {
    let lifetime: Duration = validity.not_after - validity.not_before;
    validity.not_after - lifetime / 3
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_list_of_a_month_is_due_for_ten_days() {
        let (from, to) = (datetime!(2026-11-01 0:00 UTC), datetime!(2026-12-01 0:00 UTC));
        for (now, due) in [
            (datetime!(2026-11-20 23:59 UTC), false),
            (datetime!(2026-11-21 0:00 UTC), true),
            (datetime!(2027-01-01 0:00 UTC), true),
        ] {
            assert_eq!(list_is_due(from, Some(to), now), due, "{now}");
        }
        assert!(list_is_due(from, None, from));
    }
}
