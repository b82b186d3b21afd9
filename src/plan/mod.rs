//! What differs between the manifest and what exists, and why.
//!
//! This room is pure: an entry as it should be, the pair as it is, the time; out comes an ordered list of reasons to
//! issue again. An empty list means that nothing needs to be done. It decides nothing about how.

mod checks;
mod standing;

pub use checks::{Key, Pair, Reason, reasons};
pub use standing::{State, authority_due_at};

use time::{Duration, OffsetDateTime};

use crate::x509::Validity;

/// An end entity is due when a third of its lifetime is left.
pub fn is_due(validity: Validity, now: OffsetDateTime) -> bool {
    now >= due_at(validity)
}

/// The moment from which an end entity is due.
pub fn due_at(validity: Validity) -> OffsetDateTime {
    let lifetime: Duration = validity.not_after - validity.not_before;
    validity.not_after - lifetime / 3
}
