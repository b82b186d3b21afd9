//! Brokers as validated: what the RabbitMQ room needs to know beyond the certificates.

use std::fmt;

use super::entry::{Entry, check_name};
use super::file::{BrokerSpec, ManagementSpec, Switch};
use super::message::Problem;
use super::schema;
use super::settings::one_of;
use super::user::{unique, vhost_names};
use crate::profile::Role;
use crate::ui;
use crate::x509::DnsName;

/// One broker, a single node or a cluster whose nodes are configured alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Its name; none for the plain `[broker]`.
    pub name: Option<String>,
    /// The release that the files are for.
    pub version: BrokerVersion,
    /// The operating system of its hosts.
    pub platform: Platform,
    /// Where its certificates lie on its hosts.
    pub certs_dir: String,
    /// Where its configuration lies there.
    pub config_dir: String,
    /// The servers or nodes whose directories its hosts have as `certs_dir`: one for each host, or one for all.
    pub certificates: Vec<EntryRef>,
    /// The management listener.
    pub management: Management,
    /// TLS between nodes.
    pub inter_node_tls: InterNodeTls,
    /// Listeners check revocation lists.
    pub revocation: bool,
    /// Whether clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// What of a certificate is the user's name.
    pub login_from: LoginFrom,
    /// Users that log in with a password and are not certgen's: no client may take such a name.
    pub login_users: Vec<String>,
    /// The versions of TLS, newest first.
    pub tls_versions: Vec<TlsVersion>,
    /// The ports of the TLS listeners.
    pub ports: Ports,
    /// Plugins beyond those that certgen needs itself.
    pub plugins: Vec<String>,
    /// The members of the cluster, as `rabbit@host`.
    pub nodes: Vec<String>,
    /// Node names are fully qualified.
    pub longnames: bool,
    /// The directory that `-pa` names where Erlang does not find its TLS application by itself.
    pub erl_ssl_path: Option<String>,
    /// The administrator that certgen makes.
    pub administrator: Option<String>,
    /// Virtual hosts beyond those of the clients.
    pub vhosts: Vec<String>,
    _checked: (),
}

/// A release of RabbitMQ.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokerVersion {
    /// Whatever RabbitMQ 3.10 to 4.3 accepts.
    Any,
    V3_10,
    V3_11,
    V3_12,
    V3_13,
    V4_0,
    V4_1,
    V4_2,
    V4_3,
}

/// The operating system of a broker's hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Linux, macOS and the like.
    Unix,
    /// Windows.
    Windows,
}

/// How inter-node TLS is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterNodeTls {
    /// It is not: the files lie ready.
    Off,
    /// By an option file, which alone can make wildcard names work.
    File,
    /// By flags of the Erlang machine; needs exact names.
    Flags,
}

/// Whether a client must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertificates {
    /// No connection without one.
    Required,
    /// It is checked when there is one.
    Optional,
    /// None is asked for.
    None,
}

/// What of a certificate is the user's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginFrom {
    /// The common name.
    CommonName,
    /// The whole subject.
    DistinguishedName,
    /// The first dNSName.
    SanDns,
    /// The first e-mail address.
    SanEmail,
    /// The first URI.
    SanUri,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// The management listener, which has TLS options of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// The plugin is on.
    pub enabled: bool,
    /// The server that it shows, if not the broker's own certificate.
    pub certificate: Option<EntryRef>,
    /// Its port.
    pub port: u16,
}

/// The ports of TLS listeners. A listener exists where its plugin is on.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    pub amqp: u16,
    pub mqtt: u16,
    pub stomp: u16,
    pub stream: u16,
    pub prometheus: u16,
    pub web_mqtt: u16,
    pub web_stomp: u16,
}

/// A server or node of the manifest, written `node/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntryRef {
    /// The role.
    pub role: Role,
    /// The name.
    pub name: String,
}

impl fmt::Display for EntryRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.role, self.name)
    }
}

/// An enum with one word for each value.
macro_rules! words {
    ($type:ident: $($word:literal $value:ident),+) => {
        impl $type {
            /// The word for it in the manifest.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$value => $word),+ }
            }

            /// All values with their words, in the order in which they are offered.
            pub fn words() -> impl Iterator<Item = (String, Self)> + Clone {
                [$(($word.to_owned(), Self::$value)),+].into_iter()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(BrokerVersion: "any" Any, "3.10" V3_10, "3.11" V3_11, "3.12" V3_12, "3.13" V3_13, "4.0" V4_0, "4.1" V4_1, "4.2" V4_2, "4.3" V4_3);
words!(Platform: "unix" Unix, "windows" Windows);
words!(ClientCertificates: "required" Required, "optional" Optional, "none" None);
words!(LoginFrom: "common_name" CommonName, "distinguished_name" DistinguishedName, "san dns" SanDns, "san email" SanEmail, "san uri" SanUri);
words!(TlsVersion: "1.3" V1_3, "1.2" V1_2);
words!(InterNodeTls: "false" Off, "true" File, "flags" Flags);

const DEFAULT_ADMINISTRATOR: &str = "administrator";
const DEFAULT_MANAGEMENT_PORT: u16 = 15671;
const DEFAULT_PORTS: Ports =
    Ports { amqp: 5671, mqtt: 8883, stomp: 61614, stream: 5551, prometheus: 15691, web_mqtt: 15676, web_stomp: 15673 };

impl Broker {
    /// Builds a broker; `only` says that there is no other, which then owns every server and node.
    pub(crate) fn new(name: Option<&str>, spec: &BrokerSpec, entries: &[Entry], only: bool) -> Result<Self, Problem> {
        name.map_or(Ok(()), |name| check_name("broker", name, true))?;
        let platform = word(schema::PLATFORM, spec.platform.as_deref(), Platform::words(), Platform::Unix)?;
        let (config_dir, certs_dir) = directories(spec, platform)?;
        let certificates = certificates(spec, entries, only)?;
        let broker = Self {
            name: name.map(str::to_owned),
            version: word(schema::BROKER_VERSION, spec.version.as_deref(), BrokerVersion::words(), BrokerVersion::Any)?,
            platform,
            certs_dir,
            config_dir,
            management: management(spec.management.as_ref(), entries).map_err(|p| p.inside(schema::MANAGEMENT.name))?,
            inter_node_tls: inter_node_tls(spec)?,
            revocation: spec.revocation.unwrap_or(false),
            client_certificates: word(
                schema::CLIENT_CERTIFICATES,
                spec.client_certificates.as_deref(),
                ClientCertificates::words(),
                ClientCertificates::Required,
            )?,
            login_from: word(
                schema::LOGIN_FROM,
                spec.login_from.as_deref(),
                LoginFrom::words(),
                LoginFrom::CommonName,
            )?,
            login_users: user_names(schema::LOGIN_USERS.name, spec.login_users.as_deref().unwrap_or_default())?,
            tls_versions: tls_versions(spec)?,
            ports: ports(spec).map_err(|p| p.inside(schema::PORTS.name))?,
            plugins: unique(schema::PLUGINS.name, spec.plugins.as_deref().unwrap_or_default(), plugin)?,
            nodes: nodes(spec)?,
            longnames: spec.longnames.unwrap_or(false),
            erl_ssl_path: spec
                .erl_ssl_path
                .as_deref()
                .map(|path| directory(schema::ERL_SSL_PATH, path, platform))
                .transpose()?,
            administrator: administrator(spec)?,
            vhosts: vhost_names(schema::VHOSTS.name, spec.vhosts.as_deref().unwrap_or_default())?,
            certificates,
            _checked: (),
        };
        broker.check_inter_node(entries)?;
        broker.check_contradictions()?;
        Ok(broker)
    }

    /// The first certificate, for facts that are the same on every host.
    pub fn certificate(&self) -> Option<&EntryRef> {
        self.certificates.first()
    }

    /// Whether a plugin is on because the manifest asks for it.
    pub fn has_plugin(&self, plugin: &str) -> bool {
        self.plugins.iter().any(|name| name == plugin)
    }

    fn check_inter_node(&self, entries: &[Entry]) -> Result<(), Problem> {
        let key = schema::INTER_NODE_TLS.name;
        if self.inter_node_tls != InterNodeTls::Off
            && let Some(server) = self.certificates.iter().find(|certificate| certificate.role != Role::Node)
        {
            let message =
                format!("inter_node_tls needs node certificates, and {} is not one", ui::quote(&server.to_string()));
            return Err(Problem::of(key, message).hint("a node is server and client of its peers: [node.NAME]"));
        }
        let own: Vec<&Entry> = entries.iter().filter(|entry| self.uses(entry)).collect();
        for (at, node) in self.nodes.iter().enumerate() {
            self.check_node(at, node, &own)?;
        }
        if self.inter_node_tls == InterNodeTls::Flags
            && let Some(entry) = own.iter().find(|entry| !entry.san.iter().any(is_exact_host))
        {
            let message = format!(
                "inter_node_tls = \"flags\" needs exact host names, and {} has wildcards only",
                ui::quote(&entry.reference())
            );
            return Err(Problem::of(key, message).hint("write inter_node_tls = true, or add each node's name to san"));
        }
        Ok(())
    }

    fn uses(&self, entry: &Entry) -> bool {
        self.certificates.iter().any(|certificate| certificate.role == entry.role && certificate.name == entry.name)
    }

    /// A member's host must look right to Erlang and must be in a certificate.
    fn check_node(&self, at: usize, node: &str, own: &[&Entry]) -> Result<(), Problem> {
        let refuse = |message: String| Problem::item(schema::NODES.name, at, message);
        let host = node.split_once('@').map_or(node, |(_, host)| host);
        let shown = ui::quote(node);
        if host.contains('.') && !self.longnames {
            let hint = "longnames = true (only for a new cluster: it renames nodes), or the first label alone";
            return Err(refuse(format!("the node {shown} has a dot, which short node names do not have")).hint(hint));
        }
        if !host.contains('.') && self.longnames {
            return Err(refuse(format!("the node {shown} has no dot, which longnames = true asks for")));
        }
        let fits = |entry: &Entry| match self.inter_node_tls {
            InterNodeTls::Flags => entry.has_exact_name(host),
            _ => entry.covers(host),
        };
        if self.inter_node_tls != InterNodeTls::Off && !own.is_empty() && !own.iter().any(|entry| fits(entry)) {
            let message =
                format!("no certificate of this broker carries {}, the host of node {shown}", ui::quote(host));
            return Err(refuse(message).hint(format!("add it to the node's names: san = [{host:?}]")));
        }
        Ok(())
    }

    fn check_contradictions(&self) -> Result<(), Problem> {
        if self.revocation && self.client_certificates == ClientCertificates::None {
            let message =
                "revocation = true checks client certificates, and client_certificates = \"none\" asks for none";
            return Err(Problem::of(schema::REVOCATION.name, message));
        }
        if self.inter_node_tls != InterNodeTls::Off && self.config_dir.contains(' ') {
            // Erlang splits its flags at spaces, whatever the quoting.
            let message =
                format!("config_dir {} has a space, which inter-node TLS cannot have", ui::quote(&self.config_dir));
            return Err(Problem::of(schema::CONFIG_DIR.name, message));
        }
        Ok(())
    }
}

fn is_exact_host(name: &crate::x509::GeneralName) -> bool {
    matches!(name, crate::x509::GeneralName::Dns(dns) if !dns.is_wildcard())
}

fn word<T: Copy>(
    key: &schema::Key,
    text: Option<&str>,
    words: impl Iterator<Item = (String, T)> + Clone,
    default: T,
) -> Result<T, Problem> {
    text.map_or(Ok(default), |text| one_of(key.name, text, words))
}

fn directories(spec: &BrokerSpec, platform: Platform) -> Result<(String, String), Problem> {
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
fn directory(key: &schema::Key, text: &str, platform: Platform) -> Result<String, Problem> {
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

fn certificates(spec: &BrokerSpec, entries: &[Entry], only: bool) -> Result<Vec<EntryRef>, Problem> {
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
fn reference(text: &str, entries: &[Entry]) -> Result<EntryRef, String> {
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

fn management(spec: Option<&ManagementSpec>, entries: &[Entry]) -> Result<Management, Problem> {
    let spec = spec.cloned().unwrap_or_default();
    let certificate = spec.certificate.as_deref().map(|text| reference(text, entries)).transpose();
    Ok(Management {
        enabled: spec.enabled.unwrap_or(true),
        certificate: certificate.map_err(|why| Problem::of(schema::CERTIFICATE.name, why))?,
        port: spec.port.map_or(Ok(DEFAULT_MANAGEMENT_PORT), |number| port(schema::PORT.name, number))?,
    })
}

fn ports(spec: &BrokerSpec) -> Result<Ports, Problem> {
    let mut ports = DEFAULT_PORTS;
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

fn port(key: &'static str, number: i64) -> Result<u16, Problem> {
    let port = u16::try_from(number).ok().filter(|port| *port > 0);
    port.ok_or_else(|| Problem::of(key, format!("{key} must be a port from 1 to 65535, not {number}")))
}

fn inter_node_tls(spec: &BrokerSpec) -> Result<InterNodeTls, Problem> {
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

fn administrator(spec: &BrokerSpec) -> Result<Option<String>, Problem> {
    match &spec.administrator {
        None | Some(Switch::Is(true)) => Ok(Some(DEFAULT_ADMINISTRATOR.to_owned())),
        Some(Switch::Is(false)) => Ok(None),
        Some(Switch::Word(name)) => {
            user_names(schema::ADMINISTRATOR.name, std::slice::from_ref(name)).map(|mut names| names.pop())
        }
    }
}

fn user_names(key: &'static str, names: &[String]) -> Result<Vec<String>, Problem> {
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

fn tls_versions(spec: &BrokerSpec) -> Result<Vec<TlsVersion>, Problem> {
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
fn plugin(text: &str) -> Result<String, String> {
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
fn nodes(spec: &BrokerSpec) -> Result<Vec<String>, Problem> {
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
