//! Certificates, keys and revocation lists: what belongs together, what is missing, who may read it.

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[];
