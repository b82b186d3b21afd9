//! What clients are told: Celery, kombu, pika.

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[];
