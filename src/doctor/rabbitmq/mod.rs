//! RabbitMQ's own files: settings, plugins, definitions, inter-node TLS.

mod environment;
mod inter_node;

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[inter_node::check, environment::check];
