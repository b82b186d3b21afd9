//! Links between brokers, shovel and federation: the plugins of one broker are clients of the other, by a URI.

use super::endpoint::{Endpoint, Listener};
use super::settings::{Setting, Settings};
use super::syntax::{comment, shell, uri};
use super::{Client, Facts, Target};
use crate::error::Result;
use crate::store;

/// The client's directory.
pub(super) const CERTS: Setting = Setting::of_facts(
    "certs",
    "directory of the client's files on the host of the broker that has the link, else /etc/rabbitmq/TARGET/CLIENT",
);
/// Its virtual host there.
pub(super) const LOCAL_VHOST: Setting =
    Setting::of_facts("local_vhost", "virtual host on the broker that has the link, else the same as the other's");

/// A broker's link to another one.
pub(super) struct Link {
    pub(super) endpoint: Endpoint,
    /// The URI of the other broker.
    pub(super) uri: String,
    pub(super) local_vhost: String,
}

impl Link {
    /// What the facts and the settings say.
    ///
    /// # Errors
    /// As [`Endpoint::of`]; or the key is encrypted.
    pub(super) fn of(facts: &Facts, client: &Client, settings: &Settings, target: &Target) -> Result<Self> {
        let mut endpoint = Endpoint::of(facts, client, settings, Listener::Amqp)?;
        if settings.get(CERTS.key).is_none() {
            // One of its own: a broker may have links of several clients.
            let own = store::directory_name(&client.identity.name)?;
            endpoint.find_files_in(client, &format!("/etc/rabbitmq/{}/{own}", target.name));
        }
        let endpoint = endpoint.without_password("a URI that all may read")?;
        let host = if endpoint.host.contains(':') { format!("[{}]", endpoint.host) } else { endpoint.host.clone() };
        let file = |key: &str, path: &str| format!("{key}={}", uri::part(path));
        let parameters = [
            file("cacertfile", &endpoint.ca),
            file("certfile", &endpoint.certificate),
            file("keyfile", &endpoint.key),
            "verify=verify_peer".to_owned(),
            file("server_name_indication", &endpoint.host),
            "auth_mechanism=external".to_owned(),
        ];
        let uri = format!("amqps://{host}:{}/{}?{}", endpoint.port, uri::part(&endpoint.vhost), parameters.join("&"));
        let local_vhost = settings.get("local_vhost").unwrap_or(&endpoint.vhost).to_owned();
        Ok(Self { endpoint, uri, local_vhost })
    }

    /// The top of the script that makes the link: what it is, where the client's files go, and `what` to know.
    ///
    /// # Errors
    /// A path cannot stand on a command line.
    pub(super) fn script(&self, target: &Target, client: &Client, what: &[String]) -> Result<String> {
        let directory = self.endpoint.ca.rsplit_once('/').map_or("/", |(directory, _)| directory);
        let source = shell::word(&client.identity.directory)?;
        let directory = shell::word(directory)?;
        let head = client.header("#", target, "RabbitMQ 3.10 to 4.3");
        let mut lines = vec![
            String::new(),
            "Run it on the broker that has the link, as root. Before that its user needs the client's files:"
                .to_owned(),
            format!("  install -d -o rabbitmq -g rabbitmq -m 0700 {directory}"),
            format!("  install -o rabbitmq -g rabbitmq -m 0400 {source}/*.pem {directory}/"),
            "and again after a renewal; new connections see it within two minutes, or at once after".to_owned(),
            "  rabbitmqctl eval 'ssl:clear_pem_cache().'".to_owned(),
        ];
        lines.extend_from_slice(what);
        Ok(format!("#!/bin/sh\n{head}{}set -eu\n", comment("#", &lines)))
    }
}
