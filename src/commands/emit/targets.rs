//! Which targets there are, and what can be set for them.

use std::ffi::OsStr;

use clap_complete::engine::CompletionCandidate;
use serde::Serialize;

use crate::commands::Answer;
use crate::emit::{RABBITMQ, Setting, TARGETS, Target};
use crate::env::Env;
use crate::error::Result;
use crate::ui;

#[derive(Debug, Serialize)]
struct Item {
    target: &'static str,
    description: &'static str,
    /// Each client has files of its own.
    for_each_client: bool,
    settings: Vec<SettingItem>,
}

#[derive(Debug, Serialize)]
struct SettingItem {
    key: &'static str,
    meaning: &'static str,
    default: Option<&'static str>,
}

/// `emit --list`: all targets in a line each; those that are named with their settings.
pub(super) fn list(named: &[String], env: &mut Env) -> Result<Answer> {
    let of_broker = || named.iter().any(|name| name == RABBITMQ.0);
    let mut targets = Vec::new();
    for name in named.iter().filter(|name| *name != RABBITMQ.0) {
        targets.push(Target::find(name)?);
    }
    let targets = if named.is_empty() { TARGETS } else { &targets };
    let mut items = Vec::new();
    if named.is_empty() || of_broker() {
        let (target, description) = RABBITMQ;
        items.push(Item { target, description, for_each_client: false, settings: Vec::new() });
    }
    items.extend(targets.iter().map(|target| Item::of(target)));
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    for item in &items {
        writeln!(env.out(), "{:14}  {}", item.target, item.description)?;
        for setting in item.settings.iter().filter(|_| !named.is_empty()) {
            let default = setting.default.map_or_else(String::new, |value| format!(" [default: {value}]"));
            writeln!(env.out(), "  {:20}  {}{default}", setting.key, setting.meaning)?;
        }
    }
    Ok(Answer::Yes)
}

impl Item {
    fn of(target: &Target) -> Self {
        let setting = |s: &Setting| SettingItem { key: s.key, meaning: s.meaning, default: s.default };
        Self {
            target: target.name,
            description: target.description,
            for_each_client: target.is_for_clients(),
            settings: target.settings.iter().map(setting).collect(),
        }
    }
}

/// Whether a target of that name can be told `key`.
pub(in crate::commands) fn has_setting(name: &str, key: &str) -> bool {
    TARGETS.iter().any(|target| target.name == name && target.settings.iter().any(|setting| setting.key == key))
}

/// Completes targets.
pub(in crate::commands) fn complete(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = std::iter::once(RABBITMQ).chain(TARGETS.iter().map(|target| (target.name, target.description)));
    candidates(typed, names.map(|(name, help)| (name.to_owned(), help)))
}

/// Completes the keys that the targets on the line have; of all targets where none is there yet.
pub(super) fn complete_settings(typed: &OsStr) -> Vec<CompletionCandidate> {
    let words: Vec<String> = std::env::args().collect();
    let on_line = |target: &&&Target| words.iter().any(|word| word == target.name);
    let mut targets: Vec<&&Target> = TARGETS.iter().filter(on_line).collect();
    if targets.is_empty() {
        targets = TARGETS.iter().collect();
    }
    let mut keys: Vec<(String, &'static str)> = Vec::new();
    for setting in targets.iter().flat_map(|target| target.settings) {
        let key = format!("{}=", setting.key);
        if keys.iter().all(|(known, _)| *known != key) {
            keys.push((key, setting.meaning));
        }
    }
    candidates(typed, keys.into_iter())
}

fn candidates(typed: &OsStr, words: impl Iterator<Item = (String, &'static str)>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = words.filter(|(word, _)| word.starts_with(&*typed));
    fitting.map(|(word, help)| CompletionCandidate::new(word).help(Some(help.into()))).collect()
}
