//! RabbitMQ's own files: settings, plugins, definitions, inter-node TLS.

mod broker;
mod environment;
mod inter_node;
mod names;
pub(in crate::doctor) mod settings;

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[names::check, inter_node::check, environment::check];
