//! `emit mqtt`: a device with paho's library, with mosquitto's tools, and a mosquitto that passes its messages on.

use super::endpoint::{CERTS, Endpoint, HOST, KEY_PASSWORD_FILE, Listener, PORT};
use super::syntax::{comment, fill, line, python, shell};
use super::{Client, Facts, Holds, OutputFile, Setting, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::Access;
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "mqtt",
    description: "MQTT: a module for Python's paho-mqtt, a mosquitto_pub script, a mosquitto bridge",
    settings: &[
        HOST,
        PORT,
        CERTS,
        KEY_PASSWORD_FILE,
        Setting::with_default("topic", "what the bridge passes on, as mosquitto.conf writes it", "# out 1"),
    ],
    holds: Holds::Paths,
    next: |facts, _| next(facts),
    write: Write::ForEachClient(is_meant, emit),
};

const PYTHON_VERSIONS: &str = "paho-mqtt 2";
const MOSQUITTO_VERSIONS: &str = "mosquitto 2";

fn is_meant(client: &Client) -> bool {
    client.access.contains(&Access::Mqtt)
}

fn next(facts: &Facts) -> Vec<String> {
    let encrypted = facts.clients.iter().filter(|c| is_meant(c) && c.identity.key_password_file.is_some());
    let name = |client: &Client| {
        format!(
            "client {}: mosquitto cannot be told the password of a key, so there is only the Python module",
            ui::quote(&client.identity.name)
        )
    };
    encrypted.map(name).collect()
}

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let endpoint = Endpoint::of(facts, client, settings, Listener::Mqtt)?;
    let header = client.header("#", &TARGET, PYTHON_VERSIONS);
    let constants = python::variables(&endpoint.variables());
    let mut files = vec![
        OutputFile::open("mqtt_client.py", fill(include_str!("texts/mqtt.py"), &header, &constants)),
        OutputFile::open("mqtt.env", endpoint.env_file(&header)?),
    ];
    if endpoint.key_password_file.is_none() {
        let header = client.header("#", &TARGET, MOSQUITTO_VERSIONS);
        files.push(OutputFile::open("mosquitto_pub.sh", publish(&header, &endpoint)?));
        files.push(OutputFile::open("mosquitto.conf", bridge(&header, client, &endpoint, settings)?));
    }
    Ok(files)
}

fn publish(header: &str, endpoint: &Endpoint) -> Result<String> {
    let port = endpoint.port.to_string();
    let command = shell::words([
        "mosquitto_pub",
        "-h",
        &endpoint.host,
        "-p",
        &port,
        "--cafile",
        &endpoint.ca,
        "--cert",
        &endpoint.certificate,
        "--key",
        &endpoint.key,
        "-q",
        "1",
    ])?;
    let usage = comment("#", &["sh mosquitto_pub.sh TOPIC MESSAGE"]);
    Ok(format!("{header}{usage}{command} -t \"$1\" -m \"$2\"\n"))
}

fn bridge(header: &str, client: &Client, endpoint: &Endpoint, settings: &Settings) -> Result<String> {
    let value = |text| line::value("mosquitto.conf", text);
    let usage = comment(
        "#",
        &[
            "Put it into /etc/mosquitto/conf.d: this mosquitto then passes on what its own clients publish. \"both\" instead of",
            "\"out\" would make RabbitMQ send back what it is sent; use two topics, one \"out\" and one \"in\".",
        ],
    );
    let mut out = format!("{header}{usage}");
    let topic = settings.get("topic").unwrap_or_default();
    if !is_topic(topic) {
        return Err(Error::usage(format!(
            "--set topic={}: it is PATTERN, out, in or both, 0, 1 or 2, and prefixes",
            ui::quote(topic)
        ))
        .hint("for example: --set 'topic=devices/# out 1'"));
    }
    let address = format!("{}:{}", endpoint.host, endpoint.port);
    for (key, text) in [
        ("connection", "rabbitmq"),
        ("address", &address),
        ("bridge_cafile", &endpoint.ca),
        ("bridge_certfile", &endpoint.certificate),
        ("bridge_keyfile", &endpoint.key),
        ("bridge_insecure", "false"),
        ("remote_clientid", &client.identity.name),
        ("topic", topic),
    ] {
        out.push_str(&format!("{key} {}\n", value(text)?));
    }
    out.push_str(&comment("#", &["RabbitMQ is no mosquitto: it knows no bridges, and nobody may write to $SYS."]));
    out.push_str("try_private false\nnotifications false\n");
    Ok(out)
}

/// Whether mosquitto.conf(5) takes it: a pattern, then perhaps a direction, a quality of service, and a local and a remote
/// prefix.
fn is_topic(text: &str) -> bool {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let pattern = words.next().is_some();
    let direction = words.next().is_none_or(|word| ["out", "in", "both"].contains(&word));
    let quality = words.next().is_none_or(|word| ["0", "1", "2"].contains(&word));
    pattern && direction && quality && words.count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_as_mosquitto_reads_it() {
        for topic in ["#", "# out", "devices/# both 2", "# in 0 here/ there/", "# out 1 \"\" there/"] {
            assert!(is_topic(topic), "{topic}");
        }
        for topic in ["", "a b c", "# out 3", "# out 1 a b c", "# up 1"] {
            assert!(!is_topic(topic), "{topic}");
        }
    }
}
