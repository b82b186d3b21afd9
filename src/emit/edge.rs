//! A proxy at the edge of the network, before one broker: what HAProxy's files and nginx's have in common.
//!
//! Measured with HAProxy 2.6 and nginx 1.22 before RabbitMQ 3.10 and 4.0. What no proxy can do is to hand the broker the name in
//! a client's certificate: RabbitMQ reads names from its own TLS alone. So where the proxy ends TLS, clients log in with a
//! password, and where they are to log in by their certificate it lets their TLS through.

use std::net::{IpAddr, SocketAddr};

use super::rabbitmq::{self, BrokerFacts, Proxy};
use super::settings::{Setting, Settings};
use super::syntax::comment;
use super::{Broker, Client, Facts, OutputFile, Target};
use crate::error::{Error, Result};
use crate::manifest::LoginFrom;
use crate::ui;
use crate::x509::{GeneralName, is_host};

/// The broker's host.
pub(super) const HOST: Setting =
    Setting::of_facts("host", "host name of the broker that its certificate is checked for");
/// Where the broker listens for the proxy.
pub(super) const BROKER: Setting =
    Setting::with_default("broker", "IP address at which the broker listens for the proxy alone", "127.0.0.1");
/// Its port for AMQP.
pub(super) const BROKER_PORT: Setting =
    Setting::with_default("broker_port", "port at which the broker listens for AMQP from the proxy", "5670");
/// Where people find the UI.
pub(super) const UI_PORT: Setting = Setting::with_default("ui_port", "the proxy's port for the management UI", "443");
/// What happens to AMQP.
pub(super) const AMQP: Setting = Setting::with_default(
    "amqp",
    "passthrough: the broker sees the client's certificate; reencrypt: it sees the proxy's, clients have passwords",
    "passthrough",
);

/// Where MQTT without TLS is expected.
const MQTT_PORT: u16 = 1883;

/// A broker as its proxy sees it.
#[derive(Debug)]
pub(super) struct Edge<'f> {
    pub(super) broker: &'f Broker,
    /// The name that the broker's certificate must carry.
    pub(super) host: String,
    /// Where it listens for the proxy.
    pub(super) proxy: Proxy,
    /// The directory with certificates where the proxy runs.
    pub(super) certs: String,
    pub(super) ui_port: u16,
    /// The broker speaks MQTT.
    pub(super) mqtt: bool,
}

impl<'f> Edge<'f> {
    /// What the facts and the settings say.
    ///
    /// # Errors
    /// There is no broker, its users are not known by their common names, or a setting is wrong.
    pub(super) fn of(facts: &'f Facts, settings: &Settings) -> Result<Self> {
        let broker = facts.broker()?;
        let host = match settings.get("host") {
            None => broker.host()?,
            Some(host) if broker.covers(host) => host.to_owned(),
            Some(host) => {
                return Err(Error::failed(format!("no certificate of {} carries {}", broker.title(), ui::quote(host)))
                    .hint("name one that is in its san in certgen.toml"));
            }
        };
        if !is_host(&host) || host.contains('*') || host.parse::<IpAddr>().is_ok() {
            return Err(Error::failed(format!(
                "{} is no host name, and a proxy checks certificates for those",
                ui::quote(&host)
            ))
            .hint("name one with --set host=NAME that is in the broker's certificate"));
        }
        let mqtt = broker.config.plugins.iter().any(|plugin| plugin == "rabbitmq_mqtt");
        if mqtt && broker.config.login_from != LoginFrom::CommonName {
            return Err(Error::failed("a proxy can bind an MQTT user to the common name of its certificate alone")
                .hint("set login_from = \"common_name\" in [broker] of certgen.toml"));
        }
        let address = settings.get("broker").unwrap_or_default();
        let address: IpAddr = address
            .parse()
            .map_err(|_| Error::usage(format!("--set broker={}: it is an IP address", ui::quote(address))))?;
        let reencrypts = match settings.get("amqp") {
            Some("reencrypt") => true,
            Some("passthrough") | None => false,
            Some(other) => {
                return Err(Error::usage(format!("--set amqp={}: it is passthrough or reencrypt", ui::quote(other))));
            }
        };
        let port = |key: &str| Ok::<_, Error>(settings.port(key)?.expect("it has a default"));
        Ok(Self {
            broker,
            host,
            proxy: Proxy { address, amqp_port: port("broker_port")?, mqtt_port: MQTT_PORT, reencrypts },
            certs: settings.get("certs").unwrap_or_default().trim_end_matches('/').to_owned(),
            ui_port: port("ui_port")?,
            mqtt,
        })
    }

    /// `ADDRESS:PORT` at which the broker listens.
    pub(super) fn at(&self, port: u16) -> String {
        SocketAddr::new(self.proxy.address, port).to_string()
    }

    /// The names with which clients may ask for the broker, whole and as the part behind a `*`.
    pub(super) fn names(&self) -> (Vec<String>, Vec<String>) {
        let (mut exact, mut wildcards) = (vec![self.host.clone()], Vec::new());
        for name in self.broker.identities.iter().flat_map(|identity| &identity.names) {
            let GeneralName::Dns(dns) = name else { continue };
            let (list, text) = match dns.as_str().strip_prefix('*') {
                Some(rest) => (&mut wildcards, rest),
                None => (&mut exact, dns.as_str()),
            };
            if list.iter().all(|known| known != text) {
                list.push(text.to_owned());
            }
        }
        (exact, wildcards)
    }

    /// The broker's side: its configuration with listeners for the proxy alone.
    pub(super) fn broker_files(&self, target: &Target) -> Result<Vec<OutputFile>> {
        let config = BrokerFacts { proxy: Some(self.proxy.clone()), plain: false, ..self.broker.config.clone() };
        rabbitmq::variant(&config, target.name, "the broker behind its proxy, in the place of pki/rabbitmq/'s")
    }

    /// What the proxy trusts, and what it must not accept any more.
    pub(super) fn trust(&self, facts: &Facts, header: &str) -> Vec<OutputFile> {
        let file =
            |path, about: &str, pem: &str| OutputFile::open(path, format!("{header}{}{pem}", comment("#", &[about])));
        let mut files = vec![
            file("clients_ca.pem", "The authorities of those who may connect as clients.", &facts.bundles.clients),
            file("servers_ca.pem", "The authorities that sign for the broker.", &facts.bundles.servers),
        ];
        if let Some(revocation) = &self.broker.config.revocation {
            let lists: String = revocation.lists.iter().map(|list| list.pem.as_str()).collect();
            files.push(file("clients_crl.pem", "What is revoked; it lapses, so bring a new one before.", &lists));
        }
        files
    }

    /// Whether revoked certificates are known.
    pub(super) fn checks_revocation(&self) -> bool {
        self.broker.config.revocation.is_some()
    }

    /// One of the certificates where the proxy runs.
    pub(super) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.certs)
    }
}

/// What is said when a proxy's files were written.
pub(super) fn next(facts: &Facts, settings: &Settings) -> Vec<String> {
    let mut lines = vec![
        "rabbitmq.conf there takes the place of the broker's: AMQP, MQTT and the UI are for the proxy alone".to_owned(),
    ];
    let reencrypts = settings.get("amqp") == Some("reencrypt");
    let without: Vec<String> = facts
        .clients
        .iter()
        .filter(|client| client.user.password_hash.is_none())
        .filter(|client| client.speaks_mqtt() || (reencrypts && client.speaks_amqp()))
        .map(|client: &Client| ui::shell(&client.identity.name))
        .collect();
    if !without.is_empty() {
        lines.push(format!(
            "where the proxy ends TLS, clients log in with a password, and these have none: {}; set password = true in their \
             sections of certgen.toml or in [defaults.client], then certgen emit rabbitmq; each is in a file of mode 0600, \
             pki/rabbitmq/NAME.password",
            without.join(", "),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{haproxy, nginx, sample};
    use super::*;

    fn said(set: &[(&str, &str)], facts: &Facts, target: &Target) -> (String, String) {
        let set: Vec<_> = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let settings = Settings::of(target, &set).expect("they are settings");
        let files = target.emit(facts, &settings).expect("it is written");
        let conf = files.into_iter().find(|file| file.path == "rabbitmq.conf").expect("the broker's side");
        (String::from_utf8(conf.bytes).expect("text"), (target.next)(facts, &settings).join("\n"))
    }

    #[test]
    fn whoever_needs_a_password_is_let_in_with_one_and_named() {
        let mut facts = sample::facts();
        // A device that has tasks too.
        facts.clients[1].access.extend("celery".parse::<crate::manifest::Access>().ok());
        for target in [&haproxy::TARGET, &nginx::TARGET] {
            let (conf, next) = said(&[], &facts, target);
            assert!(!conf.contains("PLAIN\n"), "{conf}");
            assert!(next.contains("these have none: sensor-1;"), "{next}");
            let (conf, next) = said(&[("amqp", "reencrypt")], &facts, target);
            assert!(conf.contains("auth_mechanisms.2 = PLAIN\n"), "{conf}");
            assert!(next.contains("celery_worker, sensor-1, reporting, monitoring;"), "{next}");
        }
    }
}
