//! Listeners without TLS: closed, or open beside those with TLS while clients move from the one to the other.
//!
//! Where they stay open they are named, with RabbitMQ's own ports: a listener with TLS alone would close some of them
//! (management, metrics) and not others. Another configuration that says where they are is right: see [`is_theirs`].

use super::conf::Conf;
use super::facts::{BrokerFacts, Version};
use crate::error::Result;
use crate::manifest::{Management, Ports};

/// The keys of listeners without TLS, each with all that begins with it.
const FAMILIES: [&str; 9] = [
    "listeners.tcp",
    "mqtt.listeners.tcp",
    "stomp.listeners.tcp",
    "stream.listeners.tcp",
    "management.tcp",
    "management.listener",
    "prometheus.tcp",
    "web_mqtt.tcp",
    "web_stomp.tcp",
];

/// What a comment says of listeners.
pub(super) fn title<'t>(facts: &BrokerFacts, closed: &'t str, open: &'t str) -> &'t str {
    if facts.plain { open } else { closed }
}

/// A listener of AMQP, MQTT, STOMP or streams; they are open unless they are told not to be.
pub(super) fn listener(conf: &mut Conf, facts: &BrokerFacts, key: &str, port: u16) -> Result<()> {
    match facts.plain {
        true => conf.set(format!("{key}.default"), port.to_string()),
        false => conf.set(key, "none"),
    }
}

/// The management UI has no listener without TLS once it has one with it, unless it is asked for.
pub(super) fn management(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    match facts.plain {
        true => conf.set("management.tcp.port", Management::PLAIN_PORT.to_string()),
        false => Ok(()),
    }
}

/// RabbitMQ 4 keeps the plain listener of metrics beside the https one, and 3.10 does not know the key that closes it; both
/// know where it may listen.
pub(super) fn metrics(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    if facts.plain {
        return conf.set("prometheus.tcp.port", Ports::PLAIN.prometheus.to_string());
    }
    match facts.version {
        Some(version) if version.major >= 4 => conf.set("prometheus.tcp.listener", "none"),
        Some(Version { major: 3, minor: 10 }) => Ok(()),
        _ => {
            conf.comment("Some versions also open a plain listener, so that one stays on this host. From 4.0 on \"none\" closes it.");
            conf.set("prometheus.tcp.ip", "127.0.0.1")
        }
    }
}

/// A listener for WebSockets.
pub(super) fn web(conf: &mut Conf, facts: &BrokerFacts, prefix: &str, port: u16) -> Result<()> {
    match facts.plain {
        true => conf.set(format!("{prefix}.tcp.port"), port.to_string()),
        false => conf.set(format!("{prefix}.tcp.listener"), "none"),
    }
}

/// The listener without TLS that a key speaks of; `management.tcp` also for the older `management.listener`, which is
/// one with TLS where it says so.
pub(super) fn family(key: &str) -> Option<&'static str> {
    let found = FAMILIES
        .into_iter()
        .find(|family| key.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))?;
    match found {
        "management.listener" if key.starts_with("management.listener.ssl") => None,
        "management.listener" => Some("management.tcp"),
        family => Some(family),
    }
}

/// Whether one of `theirs` says where the listener of `key` is: it is theirs to say.
pub(super) fn is_theirs<'k>(key: &str, mut theirs: impl Iterator<Item = &'k str>) -> bool {
    family(key).is_some_and(|own| theirs.any(|their| family(their) == Some(own)))
}

#[cfg(test)]
mod tests {
    use super::super::listeners;
    use super::*;

    const PLUGINS: [&str; 6] = [
        "rabbitmq_mqtt",
        "rabbitmq_stomp",
        "rabbitmq_stream",
        "rabbitmq_prometheus",
        "rabbitmq_web_mqtt",
        "rabbitmq_web_stomp",
    ];

    fn settings(plain: bool) -> Vec<String> {
        let mut facts = BrokerFacts::single("/certs", "/etc/rabbitmq");
        facts.plain = plain;
        facts.plugins = PLUGINS.map(str::to_owned).to_vec();
        let conf = listeners::conf(&facts, "x").unwrap();
        conf.settings()
            .filter(|(key, _)| family(key).is_some())
            .map(|(key, value)| format!("{key} = {value}"))
            .collect()
    }

    /// Every one of these was open, on RabbitMQ 3.10 and 4.0, with these lines.
    #[test]
    fn what_listens_without_tls_goes_on() {
        let open = [
            "listeners.tcp.default = 5672",
            "mqtt.listeners.tcp.default = 1883",
            "stomp.listeners.tcp.default = 61613",
            "stream.listeners.tcp.default = 5552",
            "management.tcp.port = 15672",
            "prometheus.tcp.port = 15692",
            "web_mqtt.tcp.port = 15675",
            "web_stomp.tcp.port = 15674",
        ];
        assert_eq!(settings(true), open);
        let closed = settings(false);
        assert!(
            closed.iter().all(|line| line.ends_with(" = none") || line == "prometheus.tcp.ip = 127.0.0.1"),
            "{closed:?}"
        );
    }

    #[test]
    fn listeners_are_told_by_their_keys() {
        for (key, is) in [
            ("listeners.tcp", Some("listeners.tcp")),
            ("listeners.tcp.1", Some("listeners.tcp")),
            ("listeners.tcp_backlog", None),
            ("listeners.ssl.default", None),
            ("management.listener.port", Some("management.tcp")),
            ("management.listener.ssl", None),
            ("management.listener.ssl_opts.certfile", None),
        ] {
            assert_eq!(family(key), is, "{key}");
        }
        assert!(is_theirs("management.tcp.port", ["x", "management.listener.port"].into_iter()));
        assert!(!is_theirs("management.ssl.port", ["management.listener.port"].into_iter()));
    }
}
