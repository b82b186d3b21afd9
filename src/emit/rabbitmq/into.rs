//! `emit rabbitmq --into DIR`: what has to change in an /etc/rabbitmq that somebody else set up.
//!
//! Our settings go into files of their own or into a marked block, so that a second run finds them again and changes nothing.
//! What contradicts them is named with file and line and left alone: certgen does not guess which of two wishes is meant.

mod environment;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::facts::BrokerFacts;
use super::merge::{Conflict, merge_definitions};
use super::{definitions::Definitions, erlang, header, inter_node, listeners, plain, plugins};
use crate::error::{Context, Error, Result};
use crate::manifest::InterNodeTls;
use crate::ui;
use crate::x509::Crl;

use settings::{Setting, contradicted, is_definitions_key};

const OWN_CONF: &str = "conf.d/90-certgen.conf";
const MADE_HERE: &str = "Written by certgen ";
/// Plugins with listeners of their own for clients.
const LISTENING: [&str; 6] = [
    "rabbitmq_mqtt",
    "rabbitmq_stomp",
    "rabbitmq_stream",
    "rabbitmq_prometheus",
    "rabbitmq_web_mqtt",
    "rabbitmq_web_stomp",
];
const BEGIN: &str = ">>> certgen >>>";
const END: &str = "<<< certgen <<<";

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntoPlan {
    /// Files to write; empty when everything is in place.
    pub changes: Vec<Change>,
    /// What stands against our settings. While there is any, the changes would not do what they say.
    pub contradictions: Vec<Contradiction>,
    /// Users that are somebody else's.
    pub conflicts: Vec<Conflict>,
    /// What people should know, each a sentence.
    pub notes: Vec<String>,
}

/// One file before and after.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative to the directory.
    pub path: String,
    /// What is there; `None`: nothing.
    pub old: Option<Vec<u8>>,
    /// What should be there.
    pub new: Vec<u8>,
    /// Whether it holds a secret.
    pub secret: bool,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("path", &self.path).field("new", &self.old.is_none()).finish_non_exhaustive()
    }
}

/// A setting of theirs that stands against ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The file, relative to the directory.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The key.
    pub key: String,
    /// What it says there.
    pub theirs: String,
    /// What certgen's part says, or needs.
    pub ours: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, key, theirs, ours } = self;
        write!(f, "{path}:{line}: {key}")?;
        if !theirs.is_empty() {
            write!(f, " = {}", ui::plain(theirs))?;
        }
        write!(f, " stands against certgen's {ours}")
    }
}

/// Compares `existing` (every file below /etc/rabbitmq that matters, by its relative path) with what these facts need.
/// `previously_ours` as in [`merge_definitions`].
pub fn plan_into(
    facts: &BrokerFacts,
    existing: &BTreeMap<String, Vec<u8>>,
    previously_ours: &BTreeSet<String>,
) -> Result<IntoPlan> {
    inter_node::check(facts)?;
    let mut planner = Planner { facts, existing, plan: IntoPlan::default() };
    let definitions = planner.conf()?;
    planner.advanced();
    planner.lists();
    planner.option_file();
    planner.environment()?;
    planner.plugins()?;
    planner.definitions(&definitions, previously_ours)?;
    Ok(planner.plan)
}

struct Planner<'a> {
    facts: &'a BrokerFacts,
    existing: &'a BTreeMap<String, Vec<u8>>,
    plan: IntoPlan,
}

impl Planner<'_> {
    fn text(&self, path: &str) -> Option<String> {
        self.existing.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn put(&mut self, path: &str, new: String, secret: bool) {
        let old = self.existing.get(path).cloned();
        let new = new.into_bytes();
        if old.as_ref() != Some(&new) {
            self.plan.changes.push(Change { path: path.to_owned(), old, new, secret });
        }
    }

    fn against(&mut self, path: &str, line: usize, key: &str, theirs: &str, ours: impl Into<String>) {
        let (path, key, theirs) = (path.to_owned(), key.to_owned(), theirs.to_owned());
        self.plan.contradictions.push(Contradiction { path, line, key, theirs, ours: ours.into() });
    }

    /// rabbitmq.conf stays; ours goes beside it. Returns the path of the definitions file that the broker will load.
    fn conf(&mut self) -> Result<String> {
        let mut conf =
            listeners::conf(self.facts, "90-certgen.conf: listeners, TLS and who may log in; added to rabbitmq.conf.")?;
        let mut definitions = None;
        let theirs = self.their_settings();
        if self.facts.plain {
            conf.retain(|key| !plain::is_theirs(key, theirs.iter().map(|their| their.key.as_str())));
        }
        for Setting { path, line, key, value, made_here } in &theirs {
            if is_definitions_key(key) {
                match self.inside(value) {
                    // A whole rabbitmq.conf of ours was copied here.
                    _ if *made_here => {}
                    Some(file) => definitions = Some(file),
                    None => {
                        let ours = format!("load_definitions = {}", self.facts.config("definitions.json"));
                        self.against(path, *line, key, value, ours);
                    }
                }
            } else if let Some(ours) = contradicted(&conf, key, value).filter(|_| !self.is_welcome(key)) {
                self.against(path, *line, key, value, ours);
            } else if !self.facts.plain && (key.starts_with("management.tcp.") || key == "prometheus.tcp.port") {
                self.plan.notes.push(format!("{path}:{line}: {key} keeps a plain HTTP listener open"));
            }
        }
        if definitions.is_some() {
            conf.retain(|key| key != "load_definitions");
        }
        self.put(OWN_CONF, conf.text(), self.facts.key_password.is_some());
        Ok(definitions.unwrap_or_else(|| "definitions.json".into()))
    }

    fn advanced(&mut self) {
        let path = "advanced.config";
        let ours = listeners::advanced(self.facts);
        let theirs = self.text(path).filter(|text| !text.contains(MADE_HERE));
        match (&theirs, ours) {
            (None, Some(text)) => self.put(path, text, self.facts.key_password.is_some()),
            (Some(_), Some(_)) => {
                self.against(
                    path,
                    1,
                    "ssl_options",
                    "",
                    "ssl_options with crl_check and crl_cache, which must be merged by hand",
                );
                // The password belongs on no screen.
                let password = match self.facts.key_password {
                    Some(_) => " (and {password, ...}, that of the broker's key)",
                    None => "",
                };
                self.plan.notes.extend(listeners::advanced_snippet(self.facts).map(|snippet| {
                    format!("{path} is somebody else's; for revocation its section rabbit needs{password}:\n{snippet}")
                }));
            }
            // Ours from a time when revocation was checked: it would go on checking.
            (None, None) if self.existing.contains_key(path) => {
                let facts = BrokerFacts { has_checked_revocation: true, ..self.facts.clone() };
                let text = listeners::advanced(&facts).unwrap_or_default();
                self.put(path, text, false);
            }
            _ => {}
        }
        for (line, word) in erlang::words(&theirs.unwrap_or_default()) {
            let ours = match word.as_str() {
                "ssl_options" => "ssl_options lines: this list replaces every one of them",
                "tcp_listeners" if !self.facts.plain => "listeners.tcp = none",
                "ssl_listeners" => "listeners.ssl.default = 5671",
                "auth_mechanisms" => "auth_mechanisms lines: this list replaces them",
                "ssl_cert_login_from" => "ssl_cert_login_from",
                "load_definitions" => "load_definitions",
                "cluster_nodes" if !self.facts.nodes.is_empty() => "cluster_formation.classic_config.nodes",
                _ => continue,
            };
            self.against(path, line, &word, "", ours);
        }
    }

    /// A list there is replaced by a newer one only: what it says and ours does not would be lost.
    fn lists(&mut self) {
        let facts = self.facts;
        for list in facts.revocation.iter().flat_map(|revocation| &revocation.lists) {
            let path = format!("crls/{}", list.file);
            let number = |bytes: &[u8]| Crl::from_bytes(bytes).ok().map(|crl| crl.number());
            match self.existing.get(&path).map(|theirs| number(theirs)) {
                Some(None) => self.against(&path, 1, "the whole file", "", "revocation list, which it is not"),
                Some(Some(theirs)) if theirs > number(list.pem.as_bytes()).flatten() => self.against(
                    &path,
                    1,
                    "a newer list",
                    "",
                    format!("older one; take it over first: certgen import {path}"),
                ),
                _ => self.put(&path, list.pem.clone(), false),
            }
        }
    }

    fn option_file(&mut self) {
        let path = "inter_node_tls.config";
        let new = inter_node::option_file(self.facts);
        match self.text(path) {
            Some(theirs) if !theirs.contains(MADE_HERE) && theirs != new => {
                if self.facts.inter_node == InterNodeTls::Off {
                    self.plan.notes.push(format!("{path} is somebody else's and stays"));
                } else {
                    self.against(path, 1, "the whole file", "", "own; move it away to let certgen write its own");
                }
            }
            _ => self.put(path, new, self.facts.key_password.is_some()),
        }
    }

    fn plugins(&mut self) -> Result<()> {
        let path = "enabled_plugins";
        let wanted = self.facts.all_plugins();
        let new = match self.text(path) {
            Some(theirs) => {
                let listens = |name: &String| LISTENING.contains(&name.as_str()) && !wanted.contains(name);
                self.plan.notes.extend(plugins::read(&theirs)?.iter().filter(|name| listens(name)).map(|name| {
                    format!("{path} has {name}, and plugins in certgen.toml do not: what it listens on has no TLS of certgen's")
                }));
                plugins::add(&theirs, &wanted)?
            }
            None => plugins::write(
                &header(self.facts, "enabled_plugins: RabbitMQ rewrites this file at every `rabbitmq-plugins enable`."),
                &wanted,
            )?,
        };
        self.put(path, new, false);
        Ok(())
    }

    fn definitions(&mut self, path: &str, previously_ours: &BTreeSet<String>) -> Result<()> {
        if !self.facts.load_definitions {
            return Ok(());
        }
        let ours = Definitions::of_broker(self.facts)?;
        let Some(theirs) = self.existing.get(path) else {
            self.put(path, ours.to_json(), true);
            return Ok(());
        };
        let merged = merge_definitions(theirs, &ours, previously_ours).context(|| format!("merging into {path}"))?;
        self.plan.conflicts.extend(merged.conflicts);
        self.plan.notes.extend(merged.kept);
        self.plan.notes.extend(merged.removed.iter().map(|user| {
            format!("the user {} left {path}; a running broker keeps it until rabbitmqctl delete_user", ui::quote(user))
        }));
        let new =
            String::from_utf8(merged.bytes).map_err(|_| Error::failed(format!("merging into {path}: not UTF-8")))?;
        self.put(path, new, true);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
