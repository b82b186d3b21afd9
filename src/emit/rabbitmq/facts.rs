//! What this room must be told about one broker, or about a host that only runs CLI tools.
//!
//! The caller fills these from the manifest and the inventory: names are already valid, paths are as the broker sees them.

use std::net::IpAddr;

use zeroize::Zeroizing;

use crate::manifest::{ClientCertificates, InterNodeTls, LoginFrom, Platform, Ports, TlsVersion};

/// One broker (or the nodes of one cluster, which share their configuration).
#[derive(Debug, Clone)]
pub struct BrokerFacts {
    /// Its name in the manifest; `None` for the plain `[broker]`.
    pub name: Option<String>,
    /// The version that the manifest names; `None`: anything from 3.10 to 4.3.
    pub version: Option<Version>,
    /// Where it runs.
    pub platform: Platform,
    /// The directory with the node's or the server's files, as the broker sees it (`/etc/rabbitmq/certs`).
    pub certs_dir: String,
    /// What the files there are called.
    pub naming: Naming,
    /// The directory with its configuration, as the broker sees it (`/etc/rabbitmq`).
    pub config_dir: String,
    /// Whether the certificate there has the role node; one of the role server cannot talk to peers.
    pub certificate_is_node: bool,
    /// The DNS names in the certificate, as they stand there; `inter_node: Flags` needs exact ones.
    pub certificate_names: Vec<String>,
    /// The password of the private key there, when it is encrypted.
    pub key_password: Option<Zeroizing<String>>,
    /// The management UI, and what else is served over HTTP.
    pub management: Management,
    /// Whether nodes and CLI tools talk TLS, and how they are told to.
    pub inter_node: InterNodeTls,
    /// Whether AMQP, MQTT, STOMP and stream clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// What in a client's certificate is the user name.
    pub login_from: LoginFrom,
    /// The protocol versions to offer; empty: TLS 1.3 and 1.2.
    pub tls_versions: Vec<TlsVersion>,
    /// The ports of the listeners that have TLS; a listener exists where its plugin is on.
    pub ports: Ports,
    /// Whether listeners without TLS stay open beside those, while clients move.
    pub plain: bool,
    /// Whether the broker reads definitions.json at boot. It must not where that could replace users of somebody else.
    pub load_definitions: bool,
    /// Plugins beyond those that follow from the rest (`rabbitmq_mqtt`, `rabbitmq_stream`, ...).
    pub plugins: Vec<String>,
    /// The host names of the cluster's members, or whole node names; empty for a single node.
    pub nodes: Vec<String>,
    /// Whether node names carry full host names.
    pub longnames: bool,
    /// Where Erlang's `ssl` application lies, for packagings that do not find it themselves.
    pub erl_ssl_path: Option<String>,
    /// The one user with a password and the tag `administrator`.
    pub administrator: Option<Administrator>,
    /// Vhosts to create beyond those of the users.
    pub vhosts: Vec<String>,
    /// The clients as RabbitMQ knows them.
    pub users: Vec<UserFacts>,
    /// Whether revocation lists are checked.
    pub revocation: Option<Revocation>,
    /// Whether this broker was told to check them before: then a file takes that back.
    pub has_checked_revocation: bool,
    /// The proxy that alone reaches the listeners; `None`: clients come by themselves.
    pub proxy: Option<Proxy>,
}

/// A proxy before the listeners for AMQP, MQTT and the management UI. It passes the TLS of AMQP on as it is or begins it anew,
/// ends that of MQTT, and says in a PROXY header from where each connection comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// The address that these listeners are bound to.
    pub address: IpAddr,
    /// The port for AMQP, in TLS; another than the proxy's own, which may be on the same host.
    pub amqp_port: u16,
    /// The port for MQTT, in the clear.
    pub mqtt_port: u16,
    /// It begins the TLS of AMQP anew, with a certificate of its own: clients log in with passwords.
    pub reencrypts: bool,
}

/// What the files in the broker's directory of certificates are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// As in the PKI: `combined_keys.pem`, `ca_certificate.pem`, `inter_node_ca_certificate.pem`.
    #[default]
    Pki,
    /// As in Kubernetes' Secrets: `tls.crt`, `tls.key`, `ca.crt`. The bundle of the peers is no secret and lies beside the
    /// configuration.
    Kubernetes,
}

/// A version of RabbitMQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The 4 of 4.3.
    pub major: u8,
    /// The 3 of 4.3.
    pub minor: u8,
}

/// The HTTP listeners: they have TLS options of their own and ask for no client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// Whether `rabbitmq_management` is enabled.
    pub enabled: bool,
    /// Its port.
    pub port: u16,
    /// Another certificate for people to see; `None`: the broker's own.
    pub certificate: Option<CertificateFiles>,
}

impl Default for Management {
    fn default() -> Self {
        Self { enabled: true, port: 15671, certificate: None }
    }
}

/// The files of a certificate other than the broker's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Leaf, then intermediates.
    pub certfile: String,
    /// The private key; not encrypted.
    pub keyfile: String,
}

/// The administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administrator {
    /// The user name.
    pub name: String,
    /// What [`password_hash`](super::password_hash) made, once.
    pub password_hash: String,
}

/// One client as RabbitMQ knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFacts {
    /// The name as RabbitMQ will read it from the certificate: see `login_from`.
    pub name: String,
    /// Where it may go; the permissions are the same in each.
    pub vhosts: Vec<String>,
    /// What it may declare.
    pub configure: String,
    /// What it may publish to and bind.
    pub write: String,
    /// What it may consume and bind to.
    pub read: String,
    /// Permissions by topic, for topic exchanges.
    pub topics: Vec<TopicFacts>,
    /// Tags; usually none.
    pub tags: Vec<String>,
    /// What [`password_hash`](super::password_hash) made, for a client that also has a password.
    pub password_hash: Option<String>,
}

/// Permissions by topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicFacts {
    /// The topic exchange (`amq.topic` for MQTT).
    pub exchange: String,
    /// Which topics may be published to.
    pub write: String,
    /// Which topics may be subscribed to.
    pub read: String,
}

/// Checking of revocation lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The directory with `<hash>.r0` files, as the broker sees it.
    pub crls_dir: String,
    /// The files in it.
    pub lists: Vec<RevocationList>,
}

/// One revocation list as a broker finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationList {
    /// `<hash>.r0`, or the next number for another issuer with the same hash: a gap hides all that follows.
    pub file: String,
    /// The list.
    pub pem: String,
}

/// A host that only runs `rabbitmqctl`, `rabbitmq-diagnostics` and their like.
#[derive(Debug, Clone)]
pub struct CliFacts {
    /// Where it runs.
    pub platform: Platform,
    /// The directory with its client certificate, key and the bundle of the nodes, as that host sees it.
    pub certs_dir: String,
    /// The directory with its configuration, as that host sees it.
    pub config_dir: String,
    /// The password of its private key, when it is encrypted.
    pub key_password: Option<Zeroizing<String>>,
    /// The protocol versions to offer; empty: TLS 1.3 and 1.2.
    pub tls_versions: Vec<TlsVersion>,
    /// Whether the cluster's node names carry full host names.
    pub longnames: bool,
    /// Where Erlang's `ssl` application lies, for packagings that do not find it themselves.
    pub erl_ssl_path: Option<String>,
}

impl BrokerFacts {
    /// A single node with everything at its default, and no user.
    pub fn single(certs_dir: &str, config_dir: &str) -> Self {
        Self {
            name: None,
            version: None,
            platform: Platform::Unix,
            certs_dir: certs_dir.into(),
            naming: Naming::Pki,
            config_dir: config_dir.into(),
            certificate_is_node: true,
            certificate_names: Vec::new(),
            key_password: None,
            management: Management::default(),
            inter_node: InterNodeTls::Off,
            client_certificates: ClientCertificates::Required,
            login_from: LoginFrom::CommonName,
            tls_versions: Vec::new(),
            ports: Ports::default(),
            plain: false,
            load_definitions: true,
            plugins: Vec::new(),
            nodes: Vec::new(),
            longnames: false,
            erl_ssl_path: None,
            administrator: None,
            vhosts: Vec::new(),
            users: Vec::new(),
            revocation: None,
            has_checked_revocation: false,
            proxy: None,
        }
    }

    /// The versions to offer, newest first.
    pub(super) fn versions(&self) -> Vec<TlsVersion> {
        newest_first(&self.tls_versions)
    }

    fn certs(&self, file: &str) -> String {
        join(self.platform, &self.certs_dir, file)
    }

    pub(super) fn config(&self, file: &str) -> String {
        join(self.platform, &self.config_dir, file)
    }

    /// The certificate that it shows, with the intermediates.
    pub(super) fn certfile(&self) -> String {
        self.certs(if self.naming == Naming::Pki { "combined_keys.pem" } else { "tls.crt" })
    }

    /// The key of that certificate.
    pub(super) fn keyfile(&self) -> String {
        self.certs(if self.naming == Naming::Pki { "combined_keys.pem" } else { "tls.key" })
    }

    /// The bundle of those who may connect as clients.
    pub(super) fn cacertfile(&self) -> String {
        self.certs(if self.naming == Naming::Pki { "ca_certificate.pem" } else { "ca.crt" })
    }

    /// The bundle of those who may be peers.
    pub(super) fn inter_node_cacertfile(&self) -> String {
        let file = "inter_node_ca_certificate.pem";
        if self.naming == Naming::Pki { self.certs(file) } else { self.config(file) }
    }

    pub(super) fn all_plugins(&self) -> Vec<String> {
        let mut all = Vec::new();
        let own = [
            (self.client_certificates != ClientCertificates::None).then_some("rabbitmq_auth_mechanism_ssl"),
            self.management.enabled.then_some("rabbitmq_management"),
        ];
        for plugin in own.into_iter().flatten().chain(self.plugins.iter().map(String::as_str)) {
            if !all.iter().any(|known| known == plugin) {
                all.push(plugin.to_owned());
            }
        }
        all
    }

    pub(super) fn has_plugin(&self, name: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin == name)
    }
}

impl CliFacts {
    pub(super) fn certs(&self, file: &str) -> String {
        join(self.platform, &self.certs_dir, file)
    }

    pub(super) fn config(&self, file: &str) -> String {
        join(self.platform, &self.config_dir, file)
    }

    pub(super) fn versions(&self) -> Vec<TlsVersion> {
        newest_first(&self.tls_versions)
    }
}

fn newest_first(versions: &[TlsVersion]) -> Vec<TlsVersion> {
    let mut versions = if versions.is_empty() { vec![TlsVersion::V1_3, TlsVersion::V1_2] } else { versions.to_vec() };
    versions.sort_by(|a, b| b.cmp(a));
    versions.dedup();
    versions
}

/// Erlang wants `/` on Windows too; elsewhere a backslash is part of a name.
pub(super) fn join(platform: Platform, directory: &str, file: &str) -> String {
    let directory = slashes(platform, directory);
    format!("{}/{file}", directory.trim_end_matches('/'))
}

/// A version of TLS as RabbitMQ and Erlang write it.
pub(super) fn protocol(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V1_2 => "tlsv1.2",
        TlsVersion::V1_3 => "tlsv1.3",
    }
}

/// A path as Erlang wants it on this platform.
pub(super) fn slashes(platform: Platform, path: &str) -> String {
    match platform {
        Platform::Unix => path.to_owned(),
        Platform::Windows => path.replace('\\', "/"),
    }
}
