//! RabbitMQ's own files: settings, plugins, definitions, inter-node TLS.

mod advanced;
mod broker;
mod clients;
mod definitions;
mod environment;
mod files;
mod inter_node;
mod listeners;
mod login;
mod names;
mod plugins;
pub(in crate::doctor) mod settings;
mod upgrade;
mod user_name;
mod versions;

use super::Check;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[
    names::check,
    login::check,
    listeners::check,
    files::check,
    advanced::check,
    inter_node::check,
    environment::check,
    definitions::check,
    clients::check,
    plugins::check,
    versions::check,
    upgrade::check,
];
