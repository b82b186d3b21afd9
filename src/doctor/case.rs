//! What is looked at: the files with what they are, and what the user said about where they are meant to be used.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::release::Target;
use super::syntax::{conf, environment, erlang, python, yaml};
use crate::inspect;

/// Everything that the checks may know.
#[derive(Debug)]
pub struct Case {
    /// The files, in the order of their paths.
    pub exhibits: Vec<Exhibit>,
    /// The moment that is asked about.
    pub now: OffsetDateTime,
    /// The release that the files are for, where the user named one.
    pub target: Option<Target>,
    /// Who the broker runs as, where the user said so.
    pub account: Option<Account>,
    /// Passwords to try on encrypted keys and key stores.
    pub passwords: Vec<Zeroizing<String>>,
}

/// Who a process is, for the question of what it may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// As it was named: `rabbitmq`, `999`.
    pub name: String,
    /// Number of the user.
    pub uid: u32,
    /// Numbers of its groups, the primary one first.
    pub groups: Vec<u32>,
}

/// One file.
#[derive(Debug)]
pub struct Exhibit {
    /// As the user named it.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Who may do what with it; `None` where that is not known.
    pub access: Option<Access>,
    /// What it is.
    pub document: Document,
}

/// Mode and owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The permission bits.
    pub mode: u32,
    /// Number of its owner.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
}

/// What a file is, by its content.
#[derive(Debug)]
#[non_exhaustive]
pub enum Document {
    /// Certificates, keys, requests and revocation lists, in the order of the file.
    Crypto(Vec<inspect::Thing>),
    /// rabbitmq.conf, or a part of it.
    Conf(conf::File),
    /// Erlang terms: advanced.config, inter_node_tls.config, enabled_plugins.
    Erlang(erlang::File),
    /// Assignments that a shell reads: rabbitmq-env.conf, an env file.
    Environment(environment::File),
    /// Definitions as RabbitMQ exports and imports them, or another JSON text.
    Json(serde_json::Value),
    /// Compose files and Kubernetes manifests.
    Yaml(yaml::File),
    /// A program or settings in Python.
    Python(python::File),
    /// Nothing that is looked at.
    Other,
}

impl Case {
    /// The exhibit at a path that another file names. Its own directory may lie elsewhere on this machine than where it will
    /// be used (`/etc/rabbitmq/certs`), so the longest common end of the path decides, and an equally good second one means
    /// that it cannot be known.
    pub fn named(&self, path: &Path) -> Option<&Exhibit> {
        let common = |exhibit: &Exhibit| {
            exhibit.path.components().rev().zip(path.components().rev()).take_while(|(a, b)| a == b).count()
        };
        let best = self.exhibits.iter().map(common).max().filter(|best| *best > 0)?;
        let mut fitting = self.exhibits.iter().filter(|exhibit| common(exhibit) == best);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

#[cfg(test)]
impl Case {
    /// The files `(path, content)`, at noon of 2026-11-01, with nothing else said.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let exhibit = |(path, text): &(&str, &str)| Exhibit {
            path: path.into(),
            bytes: text.as_bytes().to_vec(),
            access: None,
            document: Document::recognise(text.as_bytes(), None),
        };
        Self {
            exhibits: files.iter().map(exhibit).collect(),
            now: time::macros::datetime!(2026-11-01 12:00 UTC),
            target: None,
            account: None,
            passwords: Vec::new(),
        }
    }
}
