//! RabbitMQ's own files: settings, plugins, definitions, inter-node TLS.

mod advanced;
mod definitions;
mod environment;
mod inter_node;
mod login;

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[inter_node::check, environment::check, advanced::check, definitions::check];
