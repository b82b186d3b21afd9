//! RabbitMQ's own files: settings, plugins, definitions, inter-node TLS.

mod broker;
mod environment;
mod files;
mod inter_node;
mod listeners;
mod login;
mod names;
pub(in crate::doctor) mod settings;

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] =
    &[names::check, login::check, listeners::check, files::check, inter_node::check, environment::check];
