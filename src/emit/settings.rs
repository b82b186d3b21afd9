//! What can be said about a target with `--set KEY=VALUE`.

use std::collections::BTreeMap;

use super::Target;
use crate::error::{Error, Result};
use crate::profile::nearest;
use crate::ui;

/// One thing that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What it means, in a few words; of one without default also where it is taken from.
    pub meaning: &'static str,
    /// What it is where nothing is said; none where the facts say it.
    pub default: Option<&'static str>,
}

impl Setting {
    /// One that the facts say.
    pub(super) const fn of_facts(key: &'static str, meaning: &'static str) -> Self {
        Self { key, meaning, default: None }
    }

    /// One with a default.
    pub(super) const fn with_default(key: &'static str, meaning: &'static str, default: &'static str) -> Self {
        Self { key, meaning, default: Some(default) }
    }
}

/// The settings of one target, as they were said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    said: BTreeMap<&'static str, String>,
    defaults: BTreeMap<&'static str, &'static str>,
}

impl Settings {
    /// What was said, checked against what the target has.
    ///
    /// # Errors
    /// A key that it does not have, or one that is said twice.
    pub(super) fn of(target: &Target, said: &[(String, String)]) -> Result<Self> {
        let known = target.settings;
        let defaults = known.iter().filter_map(|setting| Some((setting.key, setting.default?))).collect();
        let mut settings = Self { said: BTreeMap::new(), defaults };
        for (key, value) in said {
            let Some(setting) = known.iter().find(|setting| setting.key == key) else {
                return Err(unknown(target, key));
            };
            if settings.said.insert(setting.key, value.clone()).is_some() {
                return Err(Error::usage(format!("emit {}: --set {key} is said twice", target.name)));
            }
        }
        Ok(settings)
    }

    /// Of what was said, what is known here; the rest is for others.
    pub(super) fn among(known: &[Setting], said: &[(String, String)]) -> Self {
        let own = |(key, value): &(String, String)| {
            known.iter().find(|setting| setting.key == key).map(|setting| (setting.key, value.clone()))
        };
        Self { said: said.iter().filter_map(own).collect(), defaults: BTreeMap::new() }
    }

    /// What was said, or the default.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.said.get(key).map(String::as_str).or_else(|| self.defaults.get(key).copied())
    }

    /// A setting that is a port.
    ///
    /// # Errors
    /// It is no port.
    pub(super) fn port(&self, key: &str) -> Result<Option<u16>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let port = text.parse::<u16>().ok().filter(|port| *port > 0);
        port.map(Some)
            .ok_or_else(|| Error::usage(format!("--set {key}={}: it must be a port from 1 to 65535", ui::quote(text))))
    }
}

fn unknown(target: &Target, key: &str) -> Error {
    let error = Error::usage(format!("emit {}: {} cannot be set", target.name, ui::quote(key)));
    let keys: Vec<&str> = target.settings.iter().map(|setting| setting.key).collect();
    match nearest(key, keys.iter().copied()) {
        Some(meant) => error.hint(format!("did you mean {meant}?")),
        None if keys.is_empty() => error.hint("it has no settings"),
        None => error.hint(format!("it has {}", keys.join(", "))),
    }
}
