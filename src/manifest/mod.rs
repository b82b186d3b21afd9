//! certgen.toml: what should exist.
//!
//! The room owns the format: what a manifest may say, what that means, what is wrong with one that cannot be followed, and
//! how the program itself writes into one that people keep. It never reads or writes a file, never looks at a clock, and
//! knows nothing of what exists already: that comparison is `plan`.
//!
//! `file.rs` is the manifest as written; [`Manifest`] and what hangs from it is the manifest as validated, and nothing
//! outside can build one that is not valid. The layers of defaults meet in `settings.rs`. Faults carry line and column.
//! An [`EntrySpec`] from flags or from a row of a list goes through the very same checks ([`Manifest::entry_from`]).

mod array;
mod asked;
mod authority;
mod broker;
mod broker_keys;
mod broker_words;
mod consumer;
mod edit;
mod entry;
mod file;
mod kubernetes;
mod lists;
mod message;
mod reader;
pub mod rows;
mod scan;
mod schema;
mod settings;
mod spec;
mod splice;
#[cfg(test)]
mod tests;
mod user;
mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use authority::{AUTHORITY_COMMON_NAME_MAX, Authority};
pub use broker::{Broker, EntryRef, Management, Ports};
pub use broker_words::{BrokerVersion, ClientCertificates, InterNodeTls, LoginFrom, Migration, Platform, TlsVersion};
pub use consumer::Consumer;
pub use edit::{Editor, Value};
pub use entry::Entry;
pub use kubernetes::Kubernetes;
pub use message::ManifestError;
pub use spec::{AuthoritySpec, EntrySpec, KubernetesSpec};
pub(crate) use user::regular_expression;
pub use user::{Access, Permissions, TopicPermission, UnknownAccess, User};

pub use crate::profile::Role;

/// The seal on what this room has validated: nothing outside can make one, and so none of the types that carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checked;

/// A manifest that can be followed.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    defaults: validate::Defaults,
    authorities: Vec<Authority>,
    entries: Vec<Entry>,
    /// Where each entry is in `entries`, and as what it is written.
    written: BTreeMap<(Role, String), (usize, EntrySpec)>,
    brokers: Vec<Broker>,
    from: Vec<FromFile>,
    /// The list that each entry comes from which is not in the manifest itself.
    lists: BTreeMap<(Role, String), PathBuf>,
    emit: Vec<Consumer>,
}

/// A list of entries in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromFile {
    /// The role of all of them.
    pub role: Role,
    /// The file, as written: relative paths begin where the manifest stands.
    pub file: PathBuf,
    /// What every row says that does not say otherwise.
    pub defaults: EntrySpec,
}

impl Manifest {
    /// Reads a manifest. `file_name` is what messages call it.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, ManifestError> {
        validate::parse(text, file_name)
    }

    /// Reads the bytes of a manifest: they must be UTF-8 and at most 1 MiB.
    pub fn parse_bytes(bytes: &[u8], file_name: &str) -> Result<Self, ManifestError> {
        Self::parse(validate::text_of(bytes, file_name)?, file_name)
    }

    /// The authorities, in the order of the file.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// The entries, servers first, then nodes, then clients, each in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The brokers, in the order of the file.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// The lists of further entries.
    pub fn from(&self) -> &[FromFile] {
        &self.from
    }

    /// The consumers whose configuration is kept up to date.
    pub fn emit(&self) -> &[Consumer] {
        &self.emit
    }

    /// The authority of that name.
    pub fn authority(&self, name: &str) -> Option<&Authority> {
        self.authorities.iter().find(|authority| authority.name == name)
    }

    /// The entry of that role and name.
    pub fn entry(&self, role: Role, name: &str) -> Option<&Entry> {
        self.written.get(&(role, name.to_owned())).and_then(|(at, _)| self.entries.get(*at))
    }

    /// The entry of that role and name as it is written, without defaults: what another may be made like.
    pub fn spec(&self, role: Role, name: &str) -> Option<&EntrySpec> {
        self.written.get(&(role, name.to_owned())).map(|(_, spec)| spec)
    }

    /// The broker of that name; `None` is the plain `[broker]`.
    pub fn broker(&self, name: Option<&str>) -> Option<&Broker> {
        self.brokers.iter().find(|broker| broker.name.as_deref() == name)
    }

    /// The brokers that a client's user belongs to.
    pub fn brokers_of<'m>(&'m self, entry: &'m Entry) -> impl Iterator<Item = &'m Broker> {
        self.brokers.iter().filter(|broker| match &broker.name {
            None => true,
            Some(_) if self.brokers.len() == 1 && entry.brokers.is_empty() => true,
            Some(name) => entry.brokers.contains(name),
        })
    }

    /// The authority that signs a role where an entry does not say: the defaults', else the only one there is.
    pub fn default_issuer(&self, role: Role) -> Option<&str> {
        let said = self.defaults.of(role).issuer.as_deref();
        said.or(match self.authorities.as_slice() {
            [only] => Some(&only.name),
            _ => None,
        })
    }

    /// Files with foreign anchors for the bundle against which a role's certificates are verified, as written.
    pub fn trust(&self, role: Role) -> &[PathBuf] {
        self.defaults.trust(role)
    }

    /// The broker that shows the certificate of this server or node, by what messages call it.
    pub fn broker_that_shows(&self, role: Role, name: &str) -> Option<String> {
        let shows = |reference: &EntryRef| reference.role == role && reference.name == name;
        let broker = self.brokers.iter().find(|b| b.certificates.iter().chain(&b.management.certificate).any(shows))?;
        Some(
            broker
                .name
                .as_ref()
                .map_or_else(|| "the broker".to_owned(), |name| format!("broker {}", crate::ui::quote(name))),
        )
    }

    /// The entry that this manifest would hold for what was asked for, with its defaults filled in.
    pub fn entry_from(&self, role: Role, name: &str, spec: &EntrySpec) -> Result<Entry, ManifestError> {
        validate::entry_from(self, role, name, spec)
    }

    /// The authority that this manifest would hold for what was asked for.
    pub fn authority_from(&self, name: &str, spec: &AuthoritySpec) -> Result<Authority, ManifestError> {
        validate::authority_from(self, name, spec)
    }
}
