//! Consumers' configuration: the files that the systems around the certificates read.
//!
//! This room turns facts into text and nothing else: no files, no clock, no randomness, so the same facts give the same
//! bytes. Whoever calls it looks the facts up (manifest, inventory) and hands the result to `store`, which decides about
//! modes, owners and files that somebody edited. Every syntax has one small writer in [`syntax`] that knows its quoting; a
//! value that the syntax cannot carry is refused with the reason, never written and hoped for.
//!
//! One file is one target: what it is for, what can be set, and a function from [`Facts`] to files. Members do not import
//! one another; what several need is in [`syntax`] and in `endpoint`, the place where a client finds its broker. The
//! broker's own files ([`rabbitmq`]) are no member: they have a directory of their own, and are merged and imported.

mod aio_pika;
mod celery;
mod cert_manager;
mod cluster;
mod compose;
mod cron;
mod diff;
mod edge;
mod endpoint;
mod facts;
mod federation;
mod github_actions;
mod gitlab_ci;
mod go;
#[cfg(test)]
mod golden_tests;
mod haproxy;
mod ingress;
mod java;
mod kombu;
mod kubernetes;
mod letter;
mod link;
mod loki;
mod mqtt;
mod nginx;
mod node;
mod openssl;
mod pika;
mod pipeline;
mod prometheus;
pub mod rabbitmq;
mod rabbitmq_edge;
mod rabbitmqctl;
mod rust;
#[cfg(test)]
pub(crate) mod sample;
mod settings;
mod shovel;
mod syntax;
mod systemd;
mod vault;

use std::fmt;

pub use diff::diff;
pub(crate) use facts::no_broker;
pub use facts::{Authority, AuthorityKey, Broker, Bundles, Client, Facts, Identity};
pub(crate) use kubernetes::{TlsSecret, tls_secret};
pub use letter::{LETTER_SETTINGS, Letter, Snippet};
pub use settings::{Setting, Settings};

use crate::error::{Error, Result};
use crate::manifest::Consumer;
use crate::profile::nearest;
use crate::ui;

/// A consumer whose configuration certgen writes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its directory in `pki/emit/`.
    pub name: &'static str,
    /// What it is, in a line.
    pub description: &'static str,
    /// What can be said with `--set`.
    pub settings: &'static [Setting],
    /// What of the PKI's own files stands in its files.
    pub holds: Holds,
    /// What is said when its files were written on request: what to do with them.
    pub next: fn(&Facts, &Settings) -> Vec<String>,
    write: Write,
}

/// What of the PKI's own files stands in a target's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holds {
    /// At most their paths.
    Paths,
    /// Certificates.
    Certificates,
    /// Certificates, and with `--with-keys` private keys.
    Keys,
}

/// Whose files a target writes.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// One set for the whole PKI; for one of several brokers in a directory of its name.
    Once(fn(&Facts, &Settings) -> Result<Vec<OutputFile>>),
    /// One set for each client, in a directory of its name; of one of several brokers below a directory of that. The first function says which clients it is meant for: if any
    /// of them are, the others are left out unless somebody asks for them; if none are, whoever speaks AMQP is.
    ForEachClient(fn(&Client) -> bool, fn(&Facts, &Client, &Settings) -> Result<Vec<OutputFile>>),
}

/// All targets, in the order of `emit --list`.
pub const TARGETS: &[&Target] = &[
    &celery::TARGET,
    &kombu::TARGET,
    &pika::TARGET,
    &aio_pika::TARGET,
    &java::TARGET,
    &node::TARGET,
    &go::TARGET,
    &rust::TARGET,
    &mqtt::TARGET,
    &rabbitmqctl::TARGET,
    &openssl::TARGET,
    &rabbitmq_edge::TARGET,
    &shovel::TARGET,
    &federation::TARGET,
    &haproxy::TARGET,
    &nginx::TARGET,
    &ingress::TARGET,
    &compose::TARGET,
    &kubernetes::TARGET,
    &cert_manager::TARGET,
    &vault::TARGET,
    &prometheus::TARGET,
    &loki::TARGET,
    &systemd::TARGET,
    &cron::TARGET,
    &github_actions::TARGET,
    &gitlab_ci::TARGET,
];

/// What `emit --list` calls the broker's own files.
pub const RABBITMQ: (&str, &str) = ("rabbitmq", "the broker: configuration, inter-node TLS, plugins, users");

impl Target {
    /// The target of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn find(name: &str) -> Result<&'static Self> {
        if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
            return Ok(target);
        }
        let mut error = Error::usage(format!("{} is not a target", ui::quote(name)));
        if let Some(near) = nearest(name, std::iter::once(RABBITMQ.0).chain(TARGETS.iter().map(|t| t.name))) {
            error = error.hint(format!("did you mean {near}?"));
        }
        Err(error.hint("see the targets with certgen emit --list"))
    }

    /// Whether each client gets files of its own.
    pub fn is_for_clients(&self) -> bool {
        matches!(self.write, Write::ForEachClient(..))
    }

    /// What is wanted of this target, if it can be.
    ///
    /// # Errors
    /// A setting that it does not have, or keys where it takes none.
    pub fn check(&self, wanted: &Consumer) -> Result<Settings> {
        if wanted.with_keys && self.holds != Holds::Keys {
            return Err(Error::usage(format!(
                "emit {}: --with-keys is not for it, no key stands in its files",
                self.name
            )));
        }
        Settings::of(self, &wanted.settings)
    }

    /// Its files. `facts` are narrowed to the clients and the broker that are wanted.
    ///
    /// # Errors
    /// A fact is missing, with the command that makes it; or a value cannot be written in the syntax.
    pub fn emit(&self, facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
        let doing = |e: Error| e.context(format!("emit {}", self.name));
        let (fits, write) = match self.write {
            Write::Once(write) => {
                let files = write(facts, settings).map_err(doing)?;
                return match facts.brokers.as_slice() {
                    [only] if facts.one_of_several => in_directory(only.config.name.as_deref(), files),
                    _ => Ok(files),
                };
            }
            Write::ForEachClient(fits, write) => (fits, write),
        };
        let those = |meant: fn(&Client) -> bool| -> Vec<&Client> {
            facts.clients.iter().filter(|client| facts.narrowed || meant(client)).collect()
        };
        let ways = [fits, Client::speaks_amqp, |_| true].into_iter().map(those);
        let clients = ways.into_iter().find(|clients| !clients.is_empty()).unwrap_or_default();
        if clients.is_empty() {
            facts.broker().map_err(doing)?;
            return Err(doing(
                Error::failed("the broker has no client")
                    .hint("make one: certgen issue client NAME --vhost VHOST --access WHAT"),
            ));
        }
        let mut files = Vec::new();
        for client in clients {
            let of_client = |e: Error| doing(e.context(format!("client {}", ui::quote(&client.identity.name))));
            if facts.undecided.contains(&client.identity.name) {
                let names = facts.brokers.iter().filter_map(|broker| broker.config.name.as_deref()).map(ui::shell);
                return Err(of_client(Error::failed("it is a user of more than one broker").hint(format!(
                    "name one with --broker, its files get a directory of that name: {}",
                    names.collect::<Vec<_>>().join(", ")
                ))));
            }
            let own = write(facts, client, settings).map_err(of_client)?;
            files.extend(in_directory(Some(&client.identity.name), own)?);
        }
        match facts.brokers.as_slice() {
            [only] if facts.one_of_several => in_directory(only.config.name.as_deref(), files),
            _ => Ok(files),
        }
    }
}

/// The same files in a directory of this name.
fn in_directory(name: Option<&str>, files: Vec<OutputFile>) -> Result<Vec<OutputFile>> {
    let Some(name) = name else { return Ok(files) };
    let directory = crate::store::directory_name(name)?;
    let below = |file: OutputFile| OutputFile { path: format!("{directory}/{}", file.path), ..file };
    Ok(files.into_iter().map(below).collect())
}

/// One file to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Where, relative to the directory of the target, with `/` between the parts.
    pub path: String,
    /// Whether it holds a secret (a password, its hash, or a key password) and so must not be readable by others.
    pub secret: bool,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl OutputFile {
    fn open(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), secret: false, bytes: text.into_bytes() }
    }

    fn secret_if(path: &str, secret: bool, text: String) -> Self {
        Self { path: path.to_owned(), secret, bytes: text.into_bytes() }
    }
}

impl fmt::Debug for OutputFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, secret, bytes } = self;
        let shown =
            if *secret { format!("{} secret bytes", bytes.len()) } else { String::from_utf8_lossy(bytes).into_owned() };
        f.debug_struct("OutputFile").field("path", path).field("bytes", &shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files of this room that are no targets.
    const OTHERS: [&str; 13] = [
        "cluster",
        "diff",
        "edge",
        "endpoint",
        "facts",
        "golden_tests",
        "letter",
        "link",
        "pipeline",
        "rabbitmq",
        "sample",
        "settings",
        "syntax",
    ];

    #[test]
    fn names_are_unique_and_every_member_is_listed() {
        let mut names: Vec<String> = TARGETS.iter().map(|target| target.name.replace('-', "_")).collect();
        names.sort_unstable();
        let declared = include_str!("mod.rs").lines().filter_map(|line| {
            let line = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
            line.strip_prefix("mod ")?.strip_suffix(';')
        });
        let members: Vec<_> = declared.filter(|member| !OTHERS.contains(member)).collect();
        assert_eq!(names, members);
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_the_nearest() {
        let wanted = |text: &str| Consumer::parse(text).unwrap();
        let error = Target::find("sytsemd").unwrap_err();
        assert!(error.hints()[0].contains("systemd"), "{error}");
        let error = systemd::TARGET.check(&wanted("systemd --with-keys")).unwrap_err();
        assert!(error.message().contains("--with-keys"), "{error}");
        assert!(systemd::TARGET.check(&wanted("systemd --set x=y")).is_err());
    }
}
