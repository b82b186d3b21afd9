//! What is looked at: the files with what they are, and what the user said about where they are meant to be used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use zeroize::{Zeroize, Zeroizing};

use super::release::Target;
use super::syntax::{conf, environment, erlang, python, yaml};
use crate::inspect::{PrivateKeyFacts, Thing};
use crate::profile::Role;
use crate::x509::{Certificate, GeneralName};

/// Everything that the checks may know.
#[derive(Debug)]
pub struct Case {
    /// The files, in the order of their paths.
    pub exhibits: Vec<Exhibit>,
    /// The directories that were walked through, with who may do what with them.
    pub directories: BTreeMap<PathBuf, Access>,
    /// Those of them that are a PKI of certgen's.
    pub pkis: Vec<PathBuf>,
    /// The files were named one by one, so they are meant to be used together.
    pub together: bool,
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
    Crypto(Vec<Thing>),
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

/// Where a file lies, for what may be expected of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In no PKI of certgen's.
    Elsewhere,
    /// `ca/`: the certificate, the key and the list of an authority.
    Authority,
    /// `server/`, `node/` or `client/`: a directory to be mounted as it stands.
    Identity(Role),
    /// `external/`: a pair that somebody else renews.
    External,
    /// `rabbitmq/`: what the broker needs.
    Broker,
    /// `emit/`: what other consumers need.
    Emitted,
    /// `history/`: what was replaced.
    History,
    /// The manifest, the inventory, and what else certgen keeps for itself.
    Bookkeeping,
}

impl Case {
    /// Where `path` lies.
    pub fn place(&self, path: &Path) -> Place {
        let Some(inside) = self.pkis.iter().find_map(|pki| path.strip_prefix(pki).ok()) else {
            return Place::Elsewhere;
        };
        match inside.components().next().and_then(|first| first.as_os_str().to_str()) {
            Some("ca") => Place::Authority,
            Some("external") => Place::External,
            Some("rabbitmq") => Place::Broker,
            Some("emit") => Place::Emitted,
            Some("history") => Place::History,
            Some(word) => word.parse().map_or(Place::Bookkeeping, Place::Identity),
            None => Place::Bookkeeping,
        }
    }

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

/// It is there to sign others: it says so, or is of a version that cannot say it and signed itself. What names a host is a
/// server's, whatever else it says: so is what `openssl req -x509` makes.
pub(super) fn is_authority(certificate: &Certificate) -> bool {
    let is_host = |name: &GeneralName| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_));
    let names_host = certificate.subject_alt_names().is_some_and(|names| names.iter().any(is_host));
    let old = certificate.version() < 3 && certificate.is_self_issued();
    old || (certificate.is_ca() && !(names_host && certificate.is_self_issued()))
}

/// It may be a key.
impl Drop for Exhibit {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Exhibit {
    /// What it holds, where that is certificates, keys and their like.
    pub fn things(&self) -> &[Thing] {
        match &self.document {
            Document::Crypto(things) => things,
            _ => &[],
        }
    }

    /// All that can be seen in it: the same, and what is in a key store. RabbitMQ and most clients do not look into those,
    /// so who asks what a setting gives them asks for [`Self::things`].
    pub fn contents(&self) -> impl Iterator<Item = &Thing> {
        fn inside(thing: &Thing) -> &[Thing] {
            if let Thing::KeyStore(store) = thing { &store.contents } else { &[] }
        }
        self.things().iter().flat_map(|thing| std::iter::once(thing).chain(inside(thing)))
    }

    /// The certificates of a file, those in a key store among them.
    pub fn all_certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.contents().filter_map(|thing| match thing {
            Thing::Certificate(certificate) => Some(&**certificate),
            _ => None,
        })
    }

    /// Its certificates, in the order of the file.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.things().iter().filter_map(|thing| match thing {
            Thing::Certificate(certificate) => Some(&**certificate),
            _ => None,
        })
    }

    /// The certificate that a server or a client shows with this file: the first that is no authority's. A file of authorities
    /// alone has none.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates().find(|certificate| !is_authority(certificate))
    }

    /// What is known of its private keys.
    pub fn keys(&self) -> impl Iterator<Item = &PrivateKeyFacts> {
        self.things().iter().filter_map(|thing| match thing {
            Thing::PrivateKey(facts) => Some(facts),
            _ => None,
        })
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
            directories: BTreeMap::new(),
            pkis: Vec::new(),
            together: false,
            now: time::macros::datetime!(2026-11-01 12:00 UTC),
            target: None,
            account: None,
            passwords: Vec::new(),
        }
    }
}
