//! RabbitMQ's own files: settings, plugins, definitions, inter-node TLS.

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[];
