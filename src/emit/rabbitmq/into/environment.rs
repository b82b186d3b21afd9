//! rabbitmq-env.conf or rabbitmq-env-conf.bat: our block at the end of theirs.

use super::super::bat::Bat;
use super::super::env::Env;
use super::super::inter_node;
use super::{BEGIN, END, MADE_HERE, Planner};
use crate::error::{Error, Result};
use crate::manifest::{InterNodeTls, Platform};

impl Planner<'_> {
    pub(super) fn environment(&mut self) -> Result<()> {
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
