//! Where a client finds its broker, and what it shows there: what the targets for clients have in common.

use super::facts::{Client, Facts};
use super::settings::{Setting, Settings};
use super::syntax::{comment, env_file};
use crate::error::{Error, Result};
use crate::manifest::{Access, ClientCertificates};
use crate::ui;

/// The broker's host.
pub(super) const HOST: Setting = Setting::of_facts("host", "host name of the broker, as its certificate has it");
/// The broker's port.
pub(super) const PORT: Setting = Setting::of_facts("port", "port of the listener, from [broker] ports");
/// The virtual host.
pub(super) const VHOST: Setting = Setting::of_facts("vhost", "virtual host, where the client has more than one");
/// The client's directory.
pub(super) const CERTS: Setting =
    Setting::of_facts("certs", "directory of the client's files where it runs, else its directory in the PKI");
/// The password of an encrypted key.
pub(super) const KEY_PASSWORD_FILE: Setting =
    Setting::of_facts("key_password_file", "file with the password of its key where it runs, for an encrypted key");

/// What can be set for a client that speaks AMQP.
pub(super) const AMQP_SETTINGS: &[Setting] = &[HOST, PORT, VHOST, CERTS, KEY_PASSWORD_FILE];
/// The same where no key can be encrypted.
pub(super) const AMQP_SETTINGS_WITHOUT_PASSWORD: &[Setting] = &[HOST, PORT, VHOST, CERTS];

/// A listener of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listener {
    Amqp,
    Mqtt,
    /// All of them, to look at them: AMQP's is named, also for a client that may not use it.
    Every,
}

/// What one client needs to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    listener: Listener,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) vhost: String,
    /// Its user, as the broker reads it from the certificate.
    pub(super) user: String,
    /// The trust anchors of servers.
    pub(super) ca: String,
    pub(super) certificate: String,
    pub(super) key: String,
    /// The file with the key's password, for an encrypted key.
    pub(super) key_password_file: Option<String>,
    takes_password: bool,
}

impl Endpoint {
    /// What the facts say, with what was set over it.
    ///
    /// # Errors
    /// The broker takes no certificates or lacks the listener, the client has no virtual host or several, or the host that
    /// was set is in no certificate of the broker.
    pub(super) fn of(facts: &Facts, client: &Client, settings: &Settings, listener: Listener) -> Result<Self> {
        let broker = facts.broker_of(client);
        if broker.config.client_certificates == ClientCertificates::None {
            return Err(Error::failed(format!("{} asks for no client certificates", broker.title()))
                .hint(format!("set client_certificates = \"required\" in {} of certgen.toml", broker.table())));
        }
        if listener == Listener::Amqp && !client.speaks_amqp() {
            return Err(Error::failed("it may speak MQTT alone")
                .hint("name others with --for, or make one: certgen issue client NAME --vhost VHOST --access WHAT"));
        }
        let host = match settings.get("host") {
            None => broker.host()?,
            Some(host) if broker.covers(host) => host.to_owned(),
            Some(host) => return Err(broker.lacks(host)),
        };
        let default_port = match listener {
            Listener::Amqp | Listener::Every => broker.config.ports.amqp,
            Listener::Mqtt if broker.config.plugins.iter().any(|plugin| plugin == "rabbitmq_mqtt") => {
                broker.config.ports.mqtt
            }
            Listener::Mqtt => {
                return Err(Error::failed(format!("{} does not speak MQTT", broker.title()))
                    .hint(format!("add \"rabbitmq_mqtt\" to plugins in {} of certgen.toml", broker.table())));
            }
        };
        let identity = &client.identity;
        let directory = match settings.get("certs") {
            Some(said) => directory(said)?,
            None => &identity.directory,
        };
        let key_password_file = match (&identity.key_password_file, settings.get("key_password_file")) {
            (Some(_), Some(said)) => Some(said.to_owned()),
            (own, _) => own.clone(),
        };
        Ok(Self {
            listener,
            host,
            port: settings.port("port")?.unwrap_or(default_port),
            vhost: match listener {
                Listener::Amqp | Listener::Every => vhost(client, settings.get("vhost"))?,
                Listener::Mqtt => mqtt_vhost(client)?,
            },
            user: client.user.name.clone(),
            ca: format!("{directory}/{}", identity.role.bundle_file()),
            certificate: format!("{directory}/{}", identity.role.certificate_file()),
            key: format!("{directory}/{}", identity.role.key_file()),
            key_password_file,
            takes_password: true,
        })
    }
}

impl Endpoint {
    /// Says that the client's files are in another directory.
    pub(super) fn find_files_in(&mut self, client: &Client, directory: &str) {
        let role = client.identity.role;
        self.ca = format!("{directory}/{}", role.bundle_file());
        self.certificate = format!("{directory}/{}", role.certificate_file());
        self.key = format!("{directory}/{}", role.key_file());
    }

    /// The same for a program that cannot be told the password of a key.
    ///
    /// # Errors
    /// The key is encrypted.
    pub(super) fn without_password(self, program: &str) -> Result<Self> {
        match self.key_password_file {
            None => Ok(Self { takes_password: false, ..self }),
            Some(_) => Err(Error::failed(format!("its key is encrypted, and {program} cannot be told the password"))
                .hint("take key_password_file out of certgen.toml, then issue the client again with --force")),
        }
    }

    /// The same as variables of an environment. The prefix is one that no Kubernetes service of a likely name makes
    /// variables with: those of a service `amqp` would be `AMQP_PORT=tcp://...`.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let prefix = match self.listener {
            Listener::Amqp | Listener::Every => "AMQPS",
            Listener::Mqtt => "MQTTS",
        };
        let mut all = vec![("HOST", self.host.clone()), ("PORT", self.port.to_string())];
        if self.listener != Listener::Mqtt {
            all.push(("VHOST", self.vhost.clone()));
        }
        all.extend([
            ("CA_FILE", self.ca.clone()),
            ("CERTIFICATE_FILE", self.certificate.clone()),
            ("KEY_FILE", self.key.clone()),
        ]);
        if self.takes_password {
            all.push(("KEY_PASSWORD_FILE", self.key_password_file.clone().unwrap_or_default()));
        }
        all.into_iter().map(|(name, value)| (format!("{prefix}_{name}"), value)).collect()
    }

    /// A file of these variables.
    ///
    /// # Errors
    /// A value has a control character.
    pub(super) fn env_file(&self, header: &str) -> Result<String> {
        let mut out = header.to_owned();
        out.push_str(&comment(
            "#",
            &["For systemd's EnvironmentFile=, Compose's env_file and `set -a; . ./FILE`; docker run --env-file reads no quotes."],
        ));
        for (variable, value) in self.variables() {
            out.push_str(&env_file::line(&variable, &value)?);
        }
        Ok(out)
    }
}

/// A directory that was set, without the `/` at its end.
fn directory(said: &str) -> Result<&str> {
    match said.trim_end_matches('/') {
        "" => Err(Error::usage(format!("--set certs={}: it is no directory of one client's files", ui::quote(said)))),
        directory => Ok(directory),
    }
}

/// Where RabbitMQ puts who logs in over MQTT with a certificate.
const MQTT_VHOST: &str = "/";

fn mqtt_vhost(client: &Client) -> Result<String> {
    if client.user.vhosts.iter().any(|vhost| vhost == MQTT_VHOST) {
        return Ok(MQTT_VHOST.to_owned());
    }
    let error = Error::failed("it may not use the virtual host / that MQTT goes to");
    // What a client may do is replaced by what is typed, so only a device is told to type its own name.
    Err(match client.access.iter().all(|access| *access == Access::Mqtt) && !client.access.is_empty() {
        true => error.hint(format!(
            "give it that one: certgen issue client {} --vhost / --access mqtt --force",
            ui::shell(&client.identity.name)
        )),
        false => error.hint("make a client for the device: certgen issue client NAME --vhost / --access mqtt"),
    })
}

fn vhost(client: &Client, said: Option<&str>) -> Result<String> {
    let own = &client.user.vhosts;
    let list = || own.iter().map(|vhost| ui::shell(vhost)).collect::<Vec<_>>().join(", ");
    match (said, own.as_slice()) {
        (Some(said), _) if own.iter().any(|vhost| vhost == said) => Ok(said.to_owned()),
        (None, [only]) => Ok(only.clone()),
        // What a user may that the broker had before is not known here.
        (Some(said), []) => Ok(said.to_owned()),
        (None, []) => Err(Error::failed("it has no virtual host")
            .hint(format!(
                "give it one: certgen issue client {} --vhost VHOST --access WHAT --force",
                ui::shell(&client.identity.name)
            ))
            .hint("or, where the broker had the user before, name its own: --set vhost=VHOST")),
        (Some(said), _) => Err(Error::failed(format!("it may not use the virtual host {}", ui::quote(said)))
            .hint(format!("it has {}", list()))),
        (None, _) => Err(Error::failed("it has more than one virtual host")
            .hint(format!("name one with --set vhost=VHOST: {}", list()))),
    }
}
