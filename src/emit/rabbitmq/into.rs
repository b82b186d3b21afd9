//! `emit rabbitmq --into DIR`: what has to change in an /etc/rabbitmq that somebody else set up.
//!
//! Our settings go into files of their own or into a marked block, so that a second run finds them again and changes nothing.
//! What contradicts them is named with file and line and left alone: certgen does not guess which of two wishes is meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::conf::{self, Conf};
use super::env::Env;
use super::facts::BrokerFacts;
use super::merge::{Conflict, merge_definitions};
use super::{bat::Bat, definitions::Definitions, erlang, header, inter_node, listeners, plugins};
use crate::error::{Context, Error, Result};
use crate::manifest::{InterNodeTls, Platform};
use crate::ui;
use crate::x509::Crl;

const OWN_CONF: &str = "conf.d/90-certgen.conf";
const MADE_HERE: &str = "Written by certgen ";
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
        let conf = listeners::conf(
            self.facts,
            &header(self.facts, "90-certgen.conf: listeners, TLS and who may log in; added to rabbitmq.conf."),
        )?;
        let mut definitions = None;
        let theirs: Vec<String> = self
            .existing
            .keys()
            .filter(|path| *path == "rabbitmq.conf" || (path.starts_with("conf.d/") && path.ends_with(".conf")))
            .filter(|path| *path != OWN_CONF)
            .cloned()
            .collect();
        for path in theirs {
            let text = self.text(&path).unwrap_or_default();
            if text.contains(MADE_HERE) {
                // A whole rabbitmq.conf of ours was copied here: the settings are the same, and so is the file's fate.
                continue;
            }
            for (line, key, value) in conf::read(&text) {
                if is_definitions_key(&key) {
                    match self.inside(&value) {
                        Some(file) => definitions = Some(file),
                        None => self.against(
                            &path,
                            line,
                            &key,
                            &value,
                            format!("load_definitions = {}", self.facts.config("definitions.json")),
                        ),
                    }
                } else if let Some(ours) = contradicted(&conf, &key, &value) {
                    self.against(&path, line, &key, &value, ours);
                } else if key.starts_with("management.tcp.") || key == "prometheus.tcp.port" {
                    self.plan.notes.push(format!("{path}:{line}: {key} keeps a plain HTTP listener open"));
                }
            }
        }
        let mut text = conf.text();
        if definitions.is_some() {
            text = text
                .lines()
                .filter(|line| !line.starts_with("load_definitions = "))
                .fold(String::new(), |all, line| all + line + "\n");
        }
        self.put(OWN_CONF, text, self.facts.key_password.is_some());
        Ok(definitions.unwrap_or_else(|| "definitions.json".into()))
    }

    /// The relative path of a definitions file of theirs that we were given.
    fn inside(&self, path: &str) -> Option<String> {
        let relative = path.strip_prefix(&self.facts.config(""))?;
        self.existing.contains_key(relative).then(|| relative.to_owned())
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
                "tcp_listeners" => "listeners.tcp = none",
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

    fn environment(&mut self) -> Result<()> {
        let (path, whole) = inter_node::environment(self.facts)?;
        let Some(theirs) = self.text(path).filter(|text| !is_whole_file(text)) else {
            self.put(path, whole, false);
            return Ok(());
        };
        let (rest, _) = without_block(&theirs)
            .ok_or_else(|| Error::failed(format!("reading {path}: the line {BEGIN:?} has no line {END:?} after it")))?;
        let active = self.facts.inter_node != InterNodeTls::Off;
        self.environment_contradictions(path, &theirs, active);
        let new = if active || self.facts.longnames { self.with_block(&rest)? } else { rest };
        self.put(path, new, false);
        Ok(())
    }

    fn environment_contradictions(&mut self, path: &str, theirs: &str, active: bool) {
        let mut inside = false;
        let mut long = false;
        for (index, line) in theirs.lines().enumerate() {
            inside = (inside || line.contains(BEGIN)) && !line.contains(END);
            let trimmed = line.trim_start();
            if inside || trimmed.starts_with('#') || trimmed.to_ascii_lowercase().starts_with("rem ") {
                continue;
            }
            if active && (trimmed.contains("inet_tls") || trimmed.contains("ssl_dist_opt")) {
                self.against(
                    path,
                    index + 1,
                    "inter-node TLS",
                    trimmed,
                    "-proto_dist inet_tls with its own option file",
                );
            }
            let Some((name, value)) = assignment(trimmed) else { continue };
            let name = name.strip_prefix("RABBITMQ_").unwrap_or(name);
            if name == "USE_LONGNAME" {
                long = value == "true";
                if self.facts.longnames && !long {
                    self.against(path, index + 1, name, value, "USE_LONGNAME = true");
                }
            }
            let host = value.split_once('@').map(|(_, host)| host);
            if name == "NODENAME"
                && self.facts.longnames
                && host.is_some_and(|host| !host.contains('.') && !host.contains('$'))
            {
                self.against(path, index + 1, name, value, "full host names (USE_LONGNAME)");
            }
        }
        if self.facts.longnames && !long && !theirs.contains(BEGIN) {
            self.plan.notes.push(
                "USE_LONGNAME=true renames the node, which then does not find its data: only for a new cluster".into(),
            );
        }
    }

    /// `rest` with our block at its end: a later assignment wins, and takes up what an earlier one said.
    fn with_block(&self, rest: &str) -> Result<String> {
        let arguments = inter_node::arguments(self.facts)?;
        let active = self.facts.inter_node != InterNodeTls::Off;
        let mut out = rest.to_owned();
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        let note =
            "inter-node TLS; written by `certgen emit rabbitmq --into`, which replaces what is between these two lines";
        if self.facts.platform == Platform::Windows {
            let mut block = Bat::new();
            if self.facts.longnames {
                block.assign("USE_LONGNAME", "true");
            }
            let text = block.text();
            let mut text = text.strip_prefix("@echo off\r\n").unwrap_or(&text).to_owned();
            if active {
                for name in ["SERVER_ADDITIONAL_ERL_ARGS", "CTL_ERL_ARGS"] {
                    let name = assigned_name(rest, name);
                    let before = if assigns(rest, &name) { format!("%{name}% ") } else { String::new() };
                    text.push_str(&format!("set {name}={before}{}\r\n", arguments.join(" ").replace('%', "%%")));
                }
            }
            return Ok(format!("{out}rem {BEGIN} {note}\r\n{text}rem {END}\r\n"));
        }
        let mut block = Env::default();
        block.comment(&format!("{BEGIN} {note}"));
        if self.facts.longnames {
            block.assign("USE_LONGNAME", "true");
        }
        if active {
            for name in ["SERVER_ADDITIONAL_ERL_ARGS", "CTL_ERL_ARGS"] {
                let found = assigned_name(rest, name);
                let (name, before) = match assigns(rest, &found) {
                    true => (found.clone(), format!("${found}")),
                    false if name == "CTL_ERL_ARGS" => ("RABBITMQ_CTL_ERL_ARGS".into(), String::new()),
                    false => (name.to_owned(), String::new()),
                };
                block.assign_arguments(&name, &before, &arguments);
            }
        }
        block.comment(END);
        Ok(out + &block.text())
    }

    fn plugins(&mut self) -> Result<()> {
        let path = "enabled_plugins";
        let wanted = self.facts.all_plugins();
        let new = match self.text(path) {
            Some(theirs) => plugins::add(&theirs, &wanted)?,
            None => plugins::write(
                &header(self.facts, "enabled_plugins: RabbitMQ rewrites this file at every `rabbitmq-plugins enable`."),
                &wanted,
            )?,
        };
        self.put(path, new, false);
        Ok(())
    }

    fn definitions(&mut self, path: &str, previously_ours: &BTreeSet<String>) -> Result<()> {
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

fn is_definitions_key(key: &str) -> bool {
    key == "load_definitions" || key == "definitions.local.path"
}

/// The setting of ours that this one of theirs stands against.
fn contradicted(ours: &Conf, key: &str, value: &str) -> Option<String> {
    let show = |(key, value): (&str, &str)| {
        if key.ends_with("password") { key.to_owned() } else { format!("{key} = {value}") }
    };
    if let Some(same) = ours.settings().find(|(our_key, _)| *our_key == key) {
        return (same.1 != value).then(|| show(same));
    }
    let family = |prefix: &str| {
        key.starts_with(prefix).then(|| ours.settings().find(|(our_key, _)| our_key.starts_with(prefix))).flatten()
    };
    for (our_key, our_value) in ours.settings() {
        // `listeners.tcp.1 = 5672` against `listeners.tcp = none`
        if our_value == "none" && key.strip_prefix(our_key).is_some_and(|rest| rest.starts_with('.')) {
            return Some(show((our_key, our_value)));
        }
        // another TLS listener on the same port
        let port = |value: &str| value.rsplit(':').next().unwrap_or(value).to_owned();
        if let Some(prefix) = our_key.strip_suffix("ssl.default")
            && key.starts_with(&format!("{prefix}ssl."))
            && port(value) == our_value
        {
            return Some(show((our_key, our_value)));
        }
    }
    if key.starts_with("management.listener.") {
        return family("management.")
            .or_else(|| ours.settings().find(|(key, _)| key.starts_with("management.ssl")))
            .map(show);
    }
    if key.starts_with("auth_mechanisms.") {
        let known = ours.settings().any(|(key, our_value)| key.starts_with("auth_mechanisms.") && our_value == value);
        return if known { None } else { family("auth_mechanisms.").map(show) };
    }
    let replaces = [
        "ssl_options.versions.",
        "ssl_options.cacerts.",
        "ssl_options.key.",
        "ssl_options.cert",
        "ssl_options.crl_check",
        "cluster_formation.classic_config.",
    ];
    if replaces.iter().any(|prefix| key.starts_with(prefix)) {
        let prefix = if key.starts_with("cluster") { "cluster_formation." } else { "ssl_options." };
        return family(prefix).map(show);
    }
    if key == "ssl_options.password" { Some("key, which is not encrypted".into()) } else { None }
}

/// A file that `emit` wrote and somebody copied here as a whole.
fn is_whole_file(text: &str) -> bool {
    text.contains(MADE_HERE) && !text.contains(BEGIN)
}

/// The text outside our block, and whether there was one; `None` when the block does not end.
fn without_block(text: &str) -> Option<(String, bool)> {
    let mut out = String::new();
    let mut inside = false;
    let mut found = false;
    for line in text.split_inclusive('\n') {
        if !inside && line.contains(BEGIN) {
            inside = true;
            found = true;
        } else if inside && line.contains(END) {
            inside = false;
        } else if !inside {
            out.push_str(line);
        }
    }
    (!inside).then_some((out, found))
}

/// `NAME=value` of a shell or batch file.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = ["export ", "set ", "SET "].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (name, value.trim().trim_matches(['"', '\''])))
}

fn assigns(text: &str, name: &str) -> bool {
    text.lines().filter_map(assignment).any(|(one, _)| one == name)
}

/// RabbitMQ looks at `RABBITMQ_NAME` first, then at `NAME`: the one that this file sets.
fn assigned_name(text: &str, name: &str) -> String {
    let long = format!("RABBITMQ_{name}");
    if assigns(text, &long) { long } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Revocation, UserFacts};
    use super::*;

    fn facts() -> BrokerFacts {
        let mut facts = BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq");
        facts.users = vec![UserFacts { name: "worker".into(), vhosts: vec!["/".into()], ..UserFacts::default() }];
        facts
    }

    fn files(list: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        list.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec())).collect()
    }

    fn plan(facts: &BrokerFacts, existing: &BTreeMap<String, Vec<u8>>) -> IntoPlan {
        plan_into(facts, existing, &BTreeSet::from(["worker".into()])).unwrap()
    }

    fn applied(plan: &IntoPlan, existing: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
        let mut after = existing.clone();
        after.extend(plan.changes.iter().map(|change| (change.path.clone(), change.new.clone())));
        after
    }

    fn shown(plan: &IntoPlan) -> Vec<String> {
        plan.contradictions.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_empty_directory_gets_everything_and_the_second_run_finds_nothing_to_do() {
        let first = plan(&facts(), &BTreeMap::new());
        let paths: Vec<_> = first.changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "conf.d/90-certgen.conf",
                "inter_node_tls.config",
                "rabbitmq-env.conf",
                "enabled_plugins",
                "definitions.json"
            ]
        );
        let second = plan(&facts(), &applied(&first, &BTreeMap::new()));
        assert_eq!(second, IntoPlan::default());
    }

    #[test]
    fn their_files_are_extended_and_the_second_run_finds_nothing_to_do() {
        let mut facts = facts();
        facts.inter_node = InterNodeTls::File;
        let existing = files(&[
            ("rabbitmq.conf", "vm_memory_high_watermark.relative = 0.6\nlog.file.level = info\n"),
            ("rabbitmq-env.conf", "# mine\nRABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+S 4\"\nNODENAME=rabbit"),
            ("enabled_plugins", "[rabbitmq_shovel]."),
            ("definitions.json", r#"{"users":[],"policies":[]}"#),
        ]);
        let first = plan(&facts, &existing);
        assert!(first.contradictions.is_empty(), "{:?}", shown(&first));
        let after = applied(&first, &existing);
        let environment = String::from_utf8(after["rabbitmq-env.conf"].clone()).unwrap();
        let expected = "# mine
RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+S 4\"
NODENAME=rabbit
# >>> certgen >>> inter-node TLS; written by `certgen emit rabbitmq --into`, which replaces what is between these two lines
RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS \\
";
        let flat = environment.replace(
            "$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS -proto_dist",
            "$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS \\\n -proto_dist",
        );
        assert!(flat.starts_with(expected), "{environment}");
        assert!(environment.contains("\nRABBITMQ_CTL_ERL_ARGS=\"-proto_dist inet_tls"));
        assert!(environment.ends_with("# <<< certgen <<<\n"));
        assert_eq!(plan(&facts, &after).changes, []);
        facts.inter_node = InterNodeTls::Off;
        let off = plan(&facts, &after);
        let environment = off.changes.iter().find(|change| change.path == "rabbitmq-env.conf").unwrap();
        assert_eq!(environment.new, b"# mine\nRABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=\"+S 4\"\nNODENAME=rabbit\n");
    }

    #[test]
    fn what_stands_against_us_is_named_with_file_and_line() {
        let mut facts = facts();
        facts.inter_node = InterNodeTls::File;
        facts.longnames = true;
        facts.nodes = vec!["a.example".into()];
        let existing = files(&[
            (
                "rabbitmq.conf",
                "# listeners.tcp = 1\nlisteners.tcp.default = 5672\nlisteners.ssl.1 = 0.0.0.0:5671\nssl_options.verify = verify_none\n\
                 ssl_options.depth = 2\nauth_mechanisms.1 = PLAIN\nauth_mechanisms.3 = EXTERNAL\nmanagement.listener.port = 15672\n\
                 ssl_cert_login_from = distinguished_name\nload_definitions = /srv/defs.json\nlisteners.tcp = none\n",
            ),
            ("conf.d/10-x.conf", "cluster_formation.peer_discovery_backend = k8s\n"),
            (
                "advanced.config",
                "%% ssl_options\n[{rabbit, [\n  {ssl_options, [{certfile, \"x\"}]},\n  {tcp_listeners, [5672]}]}].\n",
            ),
            ("inter_node_tls.config", "[].\n"),
            (
                "rabbitmq-env.conf",
                "#USE_LONGNAME=x\nUSE_LONGNAME=false\nNODENAME=rabbit@short\nSERVER_ADDITIONAL_ERL_ARGS='-proto_dist inet_tls'\n",
            ),
        ]);
        let plan = plan(&facts, &existing);
        let starts: Vec<String> =
            shown(&plan).iter().map(|line| line.split(" stands").next().unwrap().to_owned()).collect();
        assert_eq!(
            starts,
            [
                "conf.d/10-x.conf:1: cluster_formation.peer_discovery_backend = k8s",
                "rabbitmq.conf:2: listeners.tcp.default = 5672",
                "rabbitmq.conf:3: listeners.ssl.1 = 0.0.0.0:5671",
                "rabbitmq.conf:4: ssl_options.verify = verify_none",
                "rabbitmq.conf:6: auth_mechanisms.1 = PLAIN",
                "rabbitmq.conf:8: management.listener.port = 15672",
                "rabbitmq.conf:9: ssl_cert_login_from = distinguished_name",
                "rabbitmq.conf:10: load_definitions = /srv/defs.json",
                "advanced.config:3: ssl_options",
                "advanced.config:4: tcp_listeners",
                "inter_node_tls.config:1: the whole file",
                "rabbitmq-env.conf:2: USE_LONGNAME = false",
                "rabbitmq-env.conf:3: NODENAME = rabbit@short",
                "rabbitmq-env.conf:4: inter-node TLS = SERVER_ADDITIONAL_ERL_ARGS='-proto_dist inet_tls'",
            ]
        );
        assert!(!plan.changes.iter().any(|change| {
            ["inter_node_tls.config", "advanced.config", "rabbitmq.conf"].contains(&change.path.as_str())
        }));
    }

    #[test]
    fn a_definitions_file_of_theirs_is_the_one_that_is_merged() {
        let existing = files(&[
            ("rabbitmq.conf", "load_definitions = /etc/rabbitmq/defs/all.json\n"),
            ("defs/all.json", r#"{"users":[{"name":"worker","password_hash":"H","tags":[]}]}"#),
        ]);
        let plan = plan_into(&facts(), &existing, &BTreeSet::new()).unwrap();
        assert!(plan.changes.iter().any(|change| change.path == "defs/all.json"));
        assert!(!plan.changes.iter().any(|change| change.path == "definitions.json"));
        let conf = plan.changes.iter().find(|change| change.path == OWN_CONF).unwrap();
        assert!(!String::from_utf8_lossy(&conf.new).contains("\nload_definitions"));
        assert_eq!(plan.conflicts[0].user, "worker");
    }

    #[test]
    fn revocation_needs_an_advanced_config_of_ours() {
        let mut facts = facts();
        facts.revocation = Some(Revocation { crls_dir: "/etc/rabbitmq/crls".into(), lists: Vec::new() });
        let first = plan(&facts, &BTreeMap::new());
        assert!(first.changes.iter().any(|change| change.path == "advanced.config"));
        let after = applied(&first, &BTreeMap::new());
        assert_eq!(plan(&facts, &after), IntoPlan::default());
        let theirs = files(&[("advanced.config", "[{rabbitmq_shovel, []}].\n")]);
        assert!(shown(&plan(&facts, &theirs))[0].contains("merged by hand"));
    }

    #[test]
    fn an_open_block_is_not_guessed_at() {
        let mut facts = facts();
        facts.inter_node = InterNodeTls::File;
        let existing = files(&[("rabbitmq-env.conf", "# >>> certgen >>>\nX=1\n")]);
        assert!(plan_into(&facts, &existing, &BTreeSet::new()).is_err());
    }
}
