//! Settings of a rabbitmq.conf that is there, beside ours.

use super::super::conf::{self, Conf};
use super::super::plain;
use super::{MADE_HERE, OWN_CONF, Planner};

/// A line of a rabbitmq.conf that is there.
pub(super) struct Setting {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) value: String,
    /// In a whole rabbitmq.conf of ours.
    pub(super) made_here: bool,
}

impl Planner<'_> {
    /// What the broker reads beside our own file.
    pub(super) fn their_settings(&self) -> Vec<Setting> {
        let paths = self.existing.keys().filter(|path| {
            *path == "rabbitmq.conf" || (path.starts_with("conf.d/") && path.ends_with(".conf") && *path != OWN_CONF)
        });
        let mut settings = Vec::new();
        for path in paths {
            let text = self.text(path).unwrap_or_default();
            let made_here = text.contains(MADE_HERE);
            let found = conf::read(&text).into_iter();
            settings.extend(found.map(|(line, key, value)| Setting {
                path: path.clone(),
                line,
                key,
                value,
                made_here,
            }));
        }
        settings
    }

    /// A listener without TLS is no contradiction while clients move.
    pub(super) fn is_welcome(&self, key: &str) -> bool {
        self.facts.plain && plain::family(key).is_some()
    }

    /// The relative path of a definitions file of theirs that we were given.
    pub(super) fn inside(&self, path: &str) -> Option<String> {
        let relative = path.strip_prefix(&self.facts.config(""))?;
        self.existing.contains_key(relative).then(|| relative.to_owned())
    }
}

pub(super) fn is_definitions_key(key: &str) -> bool {
    key == "load_definitions" || key == "definitions.local.path"
}

/// The setting of ours that this one of theirs stands against.
pub(super) fn contradicted(ours: &Conf, key: &str, value: &str) -> Option<String> {
    let show = |(key, value): (&str, &str)| {
        if key.ends_with("password") { key.to_owned() } else { format!("{key} = {value}") }
    };
    if key.starts_with("auth_mechanisms.") {
        // Numbers only put them in order; ours wins where both have one.
        let mechanisms = || ours.settings().filter(|(key, _)| key.starts_with("auth_mechanisms."));
        let known = mechanisms().any(|(_, our_value)| our_value == value);
        return if known { None } else { mechanisms().next().map(show) };
    }
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
