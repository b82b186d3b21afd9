//! Brokers as validated: what the RabbitMQ room needs to know beyond the certificates.

use std::fmt;

use super::Checked;
use super::broker_keys::{
    administrator, certificates, directories, directory, inter_node_tls, is_exact_host, management, nodes, plugin,
    ports, tls_versions, user_names, word,
};
use super::broker_words::{
    BrokerVersion, ClientCertificates, InterNodeTls, LoginFrom, Migration, Platform, TlsVersion,
};
use super::entry::{Entry, check_name};
use super::message::Problem;
use super::schema;
use super::settings::one_of;
use super::spec::BrokerSpec;
use super::user::{unique, vhost_names};
use crate::profile::Role;
use crate::ui;

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
    /// Users that log in with a password and are not certgen's: no client may take such a name. `None`: nobody has said.
    pub login_users: Option<Vec<String>>,
    /// Clients are on their way from plain to TLS; `None`: TLS is all there is.
    pub migration: Option<Migration>,
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
    checked: Checked,
}

/// The management listener, which has TLS options of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// The plugin is on.
    pub enabled: bool,
    /// The server that it shows, if not the broker's own certificate.
    pub certificate: Option<EntryRef>,
    /// The pair in `external/` that it shows instead: somebody else renews it.
    pub external: Option<String>,
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

impl Ports {
    /// Where RabbitMQ listens without TLS, which a migration leaves as it is.
    pub const PLAIN: Self = Self {
        amqp: 5672,
        mqtt: 1883,
        stomp: 61613,
        stream: 5552,
        prometheus: 15692,
        web_mqtt: 15675,
        web_stomp: 15674,
    };

    fn all(self) -> [u16; 7] {
        let Self { amqp, mqtt, stomp, stream, prometheus, web_mqtt, web_stomp } = self;
        [amqp, mqtt, stomp, stream, prometheus, web_mqtt, web_stomp]
    }
}

impl Management {
    /// Where the management UI listens without TLS.
    pub const PLAIN_PORT: u16 = 15672;
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            amqp: 5671,
            mqtt: 8883,
            stomp: 61614,
            stream: 5551,
            prometheus: 15691,
            web_mqtt: 15676,
            web_stomp: 15673,
        }
    }
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
            login_users: spec
                .login_users
                .as_deref()
                .map(|names| user_names(schema::LOGIN_USERS.name, names))
                .transpose()?,
            migration: spec
                .migration
                .as_deref()
                .map(|text| one_of(schema::MIGRATION.name, text, Migration::words()))
                .transpose()?,
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
            checked: Checked,
        };
        broker.check_inter_node(entries)?;
        broker.check_contradictions()?;
        broker.check_plain_ports(spec)?;
        Ok(broker)
    }

    /// The first certificate, for facts that are the same on every host.
    pub fn certificate(&self) -> Option<&EntryRef> {
        self.certificates.first()
    }

    /// Whether somebody else's user has this name.
    pub fn has_login_user(&self, name: &str) -> bool {
        self.login_users.iter().flatten().any(|user| user == name)
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

    /// Where a listener without TLS stays open there is no room for another.
    fn check_plain_ports(&self, spec: &BrokerSpec) -> Result<(), Problem> {
        if self.migration.is_none() {
            return Ok(());
        }
        let open = |port: u16| port == Management::PLAIN_PORT || Ports::PLAIN.all().contains(&port);
        let refuse = |key: &'static str, port: u16, section: &'static str| {
            let message = format!("{key} = {port} is a port without TLS, which a migration leaves open");
            Err(Problem::of(key, message).hint("choose another, such as that of the default").inside(section))
        };
        if open(self.management.port) {
            return refuse(schema::PORT.name, self.management.port, schema::MANAGEMENT.name);
        }
        match spec.ports.iter().find_map(|(key, port)| Some((*key, u16::try_from(*port).ok().filter(|p| open(*p))?))) {
            Some((key, port)) => refuse(key, port, schema::PORTS.name),
            None => Ok(()),
        }
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
