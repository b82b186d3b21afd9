//! The keys of a broker, one by one: from what is written to what is valid.

use super::broker::{EntryRef, Management, Ports};
use super::broker_words::{InterNodeTls, Platform, TlsVersion};
use super::entry::{Entry, check_name};
use super::message::Problem;
use super::schema;
use super::settings::one_of;
use super::spec::{BrokerSpec, ManagementSpec, Switch};
use super::user::unique;
use crate::profile::Role;
use crate::ui;
use crate::x509::{DnsName, GeneralName};

const DEFAULT_ADMINISTRATOR: &str = "administrator";
const DEFAULT_MANAGEMENT_PORT: u16 = 15671;

pub(crate) fn is_exact_host(name: &GeneralName) -> bool {
    matches!(name, GeneralName::Dns(dns) if !dns.is_wildcard())
}

pub(crate) fn word<T: Copy>(
    key: &schema::Key,
    text: Option<&str>,
    words: impl Iterator<Item = (String, T)> + Clone,
    default: T,
) -> Result<T, Problem> {
    text.map_or(Ok(default), |text| one_of(key.name, text, words))
}

pub(crate) fn directories(spec: &BrokerSpec, platform: Platform) -> Result<(String, String), Problem> {
    let (config_default, certs_default) = match platform {
        Platform::Unix => ("/etc/rabbitmq", "/etc/rabbitmq/certs"),
        // A path without spaces: Erlang's flags cannot carry one.
        Platform::Windows => ("C:/RabbitMQ", "C:/RabbitMQ/certs"),
    };
    let config_dir = directory(schema::CONFIG_DIR, spec.config_dir.as_deref().unwrap_or(config_default), platform)?;
    let certs_dir = directory(schema::CERTS_DIR, spec.certs_dir.as_deref().unwrap_or(certs_default), platform)?;
    Ok((config_dir, certs_dir))
}

/// An absolute path on the broker's host, with forward slashes and none at its end.
pub(crate) fn directory(key: &schema::Key, text: &str, platform: Platform) -> Result<String, Problem> {
    let refuse = |why: &str| {
        Err(Problem::of(key.name, format!("{} is not a directory for {}: {why}", ui::quote(text), key.name)))
    };
    if text.chars().any(char::is_control) {
        return refuse("it has a control character");
    }
    let path = if platform == Platform::Windows { text.replace('\\', "/") } else { text.to_owned() };
    let absolute = match platform {
        Platform::Unix => path.starts_with('/'),
        Platform::Windows => {
            let bytes = path.as_bytes();
            path.starts_with("//") || (bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && &bytes[1..3] == b":/")
        }
    };
    if !absolute {
        return refuse("it is not absolute");
    }
    let trimmed = path.trim_end_matches('/');
    Ok(if trimmed.is_empty() { path } else { trimmed.to_owned() })
}

pub(crate) fn certificates(spec: &BrokerSpec, entries: &[Entry], only: bool) -> Result<Vec<EntryRef>, Problem> {
    let key = schema::CERTIFICATE.name;
    let Some(written) = &spec.certificate else {
        let of = |role: Role| entries.iter().filter(move |entry| entry.role == role);
        let role = if of(Role::Node).next().is_some() { Role::Node } else { Role::Server };
        return match of(role).count() {
            0 => Ok(Vec::new()),
            _ if only => Ok(of(role).map(|entry| EntryRef { role, name: entry.name.clone() }).collect()),
            _ => {
                Err(Problem::new("with several brokers each must name its certificate")
                    .hint("certificate = \"node/NAME\""))
            }
        };
    };
    let mut found = Vec::new();
    for (at, text) in written.iter().enumerate() {
        let entry = reference(text, entries).map_err(|why| Problem::item(key, at, why))?;
        if found.contains(&entry) {
            return Err(Problem::item(key, at, format!("{} stands there twice", ui::quote(text))));
        }
        found.push(entry);
    }
    Ok(found)
}

/// `node/NAME`, `server/NAME`, or the name alone where it is in one of the two.
pub(crate) fn reference(text: &str, entries: &[Entry]) -> Result<EntryRef, String> {
    let serving = || entries.iter().filter(|entry| entry.role.serves());
    let full = serving().find(|entry| entry.reference() == text);
    let named: Vec<&Entry> = serving().filter(|entry| entry.name == text).collect();
    match (full, named.as_slice()) {
        (Some(entry), _) => Ok(EntryRef { role: entry.role, name: entry.name.clone() }),
        (None, [entry]) => Ok(EntryRef { role: entry.role, name: entry.name.clone() }),
        (None, [_, _, ..]) => {
            Err(format!("{} is a server and a node: write node/ or server/ before it", ui::quote(text)))
        }
        (None, []) => {
            let message = format!("the certificate {} is not a server or node of this manifest", ui::quote(text));
            let references: Vec<String> = serving().map(Entry::reference).collect();
            let names = references.iter().map(String::as_str).chain(serving().map(|entry| entry.name.as_str()));
            Err(match crate::profile::nearest(text, names) {
                Some(meant) => format!("{message}: did you mean {}?", ui::quote(meant)),
                None => message,
            })
        }
    }
}

pub(crate) fn management(spec: Option<&ManagementSpec>, entries: &[Entry]) -> Result<Management, Problem> {
    let spec = spec.cloned().unwrap_or_default();
    let external = spec.certificate.as_deref().and_then(|text| text.strip_prefix("external/"));
    let own = spec.certificate.as_deref().filter(|_| external.is_none());
    let certificate = own.map(|text| reference(text, entries)).transpose();
    external.map_or(Ok(()), |name| check_name("pair", name, false))?;
    Ok(Management {
        enabled: spec.enabled.unwrap_or(true),
        external: external.map(str::to_owned),
        certificate: certificate.map_err(|why| Problem::of(schema::CERTIFICATE.name, why))?,
        port: spec.port.map_or(Ok(DEFAULT_MANAGEMENT_PORT), |number| port(schema::PORT.name, number))?,
    })
}

pub(crate) fn ports(spec: &BrokerSpec) -> Result<Ports, Problem> {
    let mut ports = Ports::default();
    for (key, number) in &spec.ports {
        let slot = match *key {
            "amqp" => &mut ports.amqp,
            "mqtt" => &mut ports.mqtt,
            "stomp" => &mut ports.stomp,
            "stream" => &mut ports.stream,
            "prometheus" => &mut ports.prometheus,
            "web_mqtt" => &mut ports.web_mqtt,
            _ => &mut ports.web_stomp,
        };
        *slot = port(key, *number)?;
    }
    for (at, (key, number)) in spec.ports.iter().enumerate() {
        if let Some((other, _)) = spec.ports[..at].iter().find(|(_, earlier)| earlier == number) {
            return Err(Problem::of(key, format!("{other} and {key} both have port {number}")));
        }
    }
    Ok(ports)
}

pub(crate) fn port(key: &'static str, number: i64) -> Result<u16, Problem> {
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| Problem::of(key, format!("{key} must be a port from 1 to 65535, not {number}")))
}

pub(crate) fn inter_node_tls(spec: &BrokerSpec) -> Result<InterNodeTls, Problem> {
    match &spec.inter_node_tls {
        None | Some(Switch::Is(false)) => Ok(InterNodeTls::Off),
        Some(Switch::Is(true)) => Ok(InterNodeTls::File),
        Some(Switch::Word(word)) if word == "flags" => Ok(InterNodeTls::Flags),
        Some(Switch::Word(word)) => {
            let message =
                format!("{} is not a value of inter_node_tls: it is true, false or \"flags\"", ui::quote(word));
            Err(Problem::of(schema::INTER_NODE_TLS.name, message))
        }
    }
}

pub(crate) fn administrator(spec: &BrokerSpec) -> Result<Option<String>, Problem> {
    match &spec.administrator {
        None | Some(Switch::Is(true)) => Ok(Some(DEFAULT_ADMINISTRATOR.to_owned())),
        Some(Switch::Is(false)) => Ok(None),
        Some(Switch::Word(name)) => {
            user_names(schema::ADMINISTRATOR.name, std::slice::from_ref(name)).map(|mut names| names.pop())
        }
    }
}

pub(crate) fn user_names(key: &'static str, names: &[String]) -> Result<Vec<String>, Problem> {
    unique(key, names, |name| {
        let refuse = |why: &str| Err(format!("{} is not the name of a user: {why}", ui::quote(name)));
        if name.is_empty() {
            return refuse("it is empty");
        }
        if name.chars().any(char::is_control) {
            return refuse("it has a control character");
        }
        if name.len() > 255 { refuse("it has more than 255 bytes") } else { Ok(name.to_owned()) }
    })
}

pub(crate) fn tls_versions(spec: &BrokerSpec) -> Result<Vec<TlsVersion>, Problem> {
    let key = schema::TLS_VERSIONS.name;
    let Some(written) = &spec.tls_versions else { return Ok(vec![TlsVersion::V1_3, TlsVersion::V1_2]) };
    let mut versions = unique(key, written, |text| match text.strip_prefix("tlsv").unwrap_or(text) {
        "1.3" => Ok(TlsVersion::V1_3),
        "1.2" => Ok(TlsVersion::V1_2),
        "1.1" | "1.0" | "1" => Err(format!("TLS {} is broken: the versions are 1.3 and 1.2", ui::plain(text))),
        _ => Err(format!("{} is not a version of TLS: they are 1.3 and 1.2", ui::quote(text))),
    })?;
    versions.sort_unstable_by(|a, b| b.cmp(a));
    match versions.is_empty() {
        true => Err(Problem::of(key, "the list of TLS versions is empty")),
        false => Ok(versions),
    }
}

/// Plugins of RabbitMQ itself are known by short names too, but the file that lists them takes only the full one.
pub(crate) fn plugin(text: &str) -> Result<String, String> {
    let valid = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !valid {
        return Err(format!(
            "{} is not the name of a plugin: lower-case letters, digits and underscores",
            ui::quote(text)
        ));
    }
    const SHORT: [&str; 9] =
        ["mqtt", "web_mqtt", "stomp", "web_stomp", "stream", "prometheus", "shovel", "federation", "management"];
    match SHORT.contains(&text) {
        true => Err(format!("{text:?} is not the name of a plugin: did you mean \"rabbitmq_{text}\"?")),
        false => Ok(text.to_owned()),
    }
}

/// `host` or `name@host`; the name that RabbitMQ gives its nodes is `rabbit`.
pub(crate) fn nodes(spec: &BrokerSpec) -> Result<Vec<String>, Problem> {
    unique(schema::NODES.name, spec.nodes.as_deref().unwrap_or_default(), |text| {
        let (node, host) = text.split_once('@').unwrap_or(("rabbit", text));
        let valid = !node.is_empty() && node.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !valid {
            return Err(format!("{} is not the name of a node: for instance rabbit@a.example.com", ui::quote(text)));
        }
        match DnsName::parse(host) {
            Ok(dns) if !dns.is_wildcard() => Ok(format!("{node}@{host}")),
            Ok(_) => Err(format!("{} is not the name of a node: it has a wildcard", ui::quote(text))),
            Err(e) => Err(e.to_string()),
        }
    })
}
