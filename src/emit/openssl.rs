//! `emit openssl`: the commands that prove each listener, in the order in which one should try them.

use super::endpoint::{AMQP_SETTINGS, Endpoint, Listener};
use super::syntax::{comment, shell};
use super::{Broker, Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "openssl",
    description: "the openssl and curl commands that prove each listener, in order",
    settings: AMQP_SETTINGS,
    // Whether the certificate has intermediates after it.
    holds: Holds::Certificates,
    next: |_, _| vec!["run it where the client runs: sh listeners.sh; it stops at the first that fails".to_owned()],
    write: Write::ForEachClient(|_| true, emit),
};

const VERSIONS: &str = "OpenSSL 3 and curl 7.88";

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Every)?;
    let broker = facts.broker_of(client);
    let certificates = client.identity.certificate.as_deref().unwrap_or_default();
    let has_intermediates = certificates.matches("-----BEGIN CERTIFICATE-----").count() > 1;
    let mut script = Script { endpoint: &endpoint, has_intermediates, text: String::from("#!/bin/sh\n") };
    script.text.push_str(&client.header("#", &TARGET, VERSIONS));
    script.text.push_str("set -eu\n");
    if has_intermediates {
        script.say("s_client sends only the first certificate of -cert; twice the same is refused by Erlang/OTP 27.");
        let split = format!("awk '/BEGIN/ {{ n++ }} n > 1' {} >\"$chain\"\n", shell::word(&endpoint.certificate)?);
        script.text.push_str("chain=$(mktemp)\ntrap 'rm -f \"$chain\"' EXIT\n");
        script.text.push_str(&split);
    }

    script.say(
        "AMQP: the broker's chain and name, and our certificate. With TLS 1.2, because with 1.3 a client is done before the\n\
         broker looks at its certificate, and never hears why it was refused.",
    );
    script.handshake(endpoint.port, &["-tls1_2"])?;
    script.say("The same with TLS 1.3, and the broker offers login by certificate (prints EXTERNAL).");
    script.mechanisms(endpoint.port)?;

    let config = &broker.config;
    let has = |plugin: &str| config.plugins.iter().any(|known| known == plugin);
    for (plugin, what, port) in [
        ("rabbitmq_mqtt", "MQTT", config.ports.mqtt),
        ("rabbitmq_stomp", "STOMP", config.ports.stomp),
        ("rabbitmq_stream", "Streams", config.ports.stream),
    ] {
        if has(plugin) {
            script.say(&format!("{what}: the same certificates."));
            script.handshake(port, &["-tls1_2"])?;
        }
    }
    if config.management.enabled {
        script.say("The management UI asks for no certificate (prints 200).");
        script.page(&management_host(broker, &endpoint), config.management.port, "/")?;
    }
    if has("rabbitmq_prometheus") {
        script.say("Prometheus' metrics, the same (prints 200).");
        script.page(&management_host(broker, &endpoint), config.ports.prometheus, "/metrics")?;
    }
    Ok(vec![OutputFile::open("listeners.sh", script.text)])
}

/// What people are shown may have a name of its own.
fn management_host(broker: &Broker, endpoint: &Endpoint) -> String {
    let other = broker.management.as_ref().and_then(super::Identity::host);
    other.unwrap_or_else(|| endpoint.host.clone())
}

struct Script<'a> {
    endpoint: &'a Endpoint,
    has_intermediates: bool,
    text: String,
}

impl Script<'_> {
    fn say(&mut self, lines: &str) {
        self.text.push('\n');
        self.text.push_str(&comment("#", &[lines]));
    }

    fn handshake(&mut self, port: u16, flags: &[&str]) -> Result<()> {
        let line = format!("{} </dev/null\n", self.client(port, flags)?);
        self.text.push_str(&line);
        Ok(())
    }

    /// The header of AMQP 0-9-1 is answered with the mechanisms of SASL.
    fn mechanisms(&mut self, port: u16) -> Result<()> {
        let client = self.client(port, &["-tls1_3"])?;
        self.text.push_str(&format!(
            "{{ printf 'AMQP\\000\\000\\011\\001'; sleep 2; }} | {client} 2>/dev/null | grep -a -o EXTERNAL\n"
        ));
        Ok(())
    }

    fn client(&self, port: u16, flags: &[&str]) -> Result<String> {
        let Endpoint { host, ca, certificate, key, key_password_file, .. } = self.endpoint;
        let is_address = host.parse::<std::net::IpAddr>().is_ok();
        let connect = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut words = vec!["openssl", "s_client", "-brief", "-connect", &connect];
        match is_address {
            true => words.extend(["-verify_ip", host]),
            false => words.extend(["-servername", host, "-verify_hostname", host]),
        }
        words.extend(["-verify_return_error", "-CAfile", ca, "-cert", certificate, "-key", key]);
        let password = key_password_file.as_ref().map(|file| format!("file:{file}"));
        words.extend(password.iter().flat_map(|password| ["-pass", password]));
        words.extend(flags);
        let chain = if self.has_intermediates { " -cert_chain \"$chain\"" } else { "" };
        Ok(shell::words(words)? + chain)
    }

    fn page(&mut self, host: &str, port: u16, path: &str) -> Result<()> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("https://{host}:{port}{path}");
        let words = ["curl", "-sS", "--fail", "--cacert", &self.endpoint.ca, "-o", "/dev/null"];
        let line = shell::words(words.into_iter().chain(["-w", r"%{http_code}\n", &url]))?;
        self.text.push_str(&line);
        self.text.push('\n');
        Ok(())
    }
}
