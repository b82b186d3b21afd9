<<<<<<< HEAD
//! What is asked for, laid over what stands in the manifest already.

use toml::de::DeTable;

use super::file::{EntrySpec, File};
use super::message::{ManifestError, Text};
use super::{Entry, Manifest, Permissions, Role, validate};

impl EntrySpec {
    /// What the manifest's text says about an entry itself, without defaults; empty for one that is not there.
    pub fn written_in(text: &str, file_name: &str, role: Role, name: &str) -> Result<Self, ManifestError> {
        let text = Text { file: file_name, text };
        let document = DeTable::parse(text.text).map_err(|e| validate::syntax(&text, &e))?;
        let file = File::read(&text, document.get_ref())?;
        let found = file.entries.into_iter().find(|(r, written)| *r == role && written.name == name);
        Ok(found.map(|(_, written)| written.spec).unwrap_or_default())
    }

    /// This specification, and `below` for what it does not say. Permissions are said as a whole: a purpose replaces
    /// patterns, and patterns a purpose.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let says_permissions = self.access.is_some() || self.configure.is_some() || self.write.is_some() || self.read.is_some();
        let permissions = |own: Option<String>, below: Option<String>| if says_permissions { own } else { own.or(below) };
        Self {
            issuer: self.issuer.or(below.issuer),
            san: self.san.or(below.san),
            kubernetes: self.kubernetes.or(below.kubernetes),
            key_type: self.key_type.or(below.key_type),
            validity: self.validity.or(below.validity),
            subject: self.subject.or(below.subject),
            owner: self.owner.or(below.owner),
            key_mode: self.key_mode.or(below.key_mode),
            key_password_file: self.key_password_file.or(below.key_password_file),
            vhost: self.vhost.or(below.vhost),
            access: if says_permissions { self.access } else { below.access },
            configure: permissions(self.configure, below.configure),
            write: permissions(self.write, below.write),
            read: permissions(self.read, below.read),
            topic_exchange: self.topic_exchange.or(below.topic_exchange),
            topic_write: self.topic_write.or(below.topic_write),
            topic_read: self.topic_read.or(below.topic_read),
            tags: self.tags.or(below.tags),
            password: self.password.or(below.password),
            cli: self.cli.or(below.cli),
            existing_user: self.existing_user.or(below.existing_user),
            broker: self.broker.or(below.broker),
        }
    }

    /// The virtual hosts, permissions, tags and brokers of another client, for one that shall be like it.
    pub fn user_of(model: &Entry) -> Self {
        let Some(user) = &model.user else { return Self::default() };
        let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
        let mut spec = Self { vhost: list(&user.vhosts), tags: list(&user.tags), broker: list(&model.brokers), ..Self::default() };
        match &user.permissions {
            Permissions::None => {}
            Permissions::Access(access) => spec.access = Some(access.iter().map(ToString::to_string).collect()),
            Permissions::Patterns { configure, write, read } => {
                spec.configure = Some(configure.clone());
                spec.write = Some(write.clone());
                spec.read = Some(read.clone());
            }
        }
        if let Some(topic) = user.topic.first() {
            spec.topic_exchange = Some(topic.exchange.clone());
            spec.topic_write = Some(topic.write.clone());
            spec.topic_read = Some(topic.read.clone());
        }
        spec
    }
}

impl Manifest {
    /// An entry without any manifest around it: for a request that somebody else's authority will sign.
    pub fn lone_entry(role: Role, name: &str, spec: &EntrySpec) -> Result<Entry, ManifestError> {
        let alone = Self::parse("version = 1\n[authority.other]\n", "the request")?;
        alone.entry_from(role, name, spec)
    }
=======
//! What somebody asks for, word for word: by an entry of the manifest, by flags, or by a row of a list.

/// An end entity as somebody asks for it: by an entry of the manifest, by flags, or by a row of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntrySpec {
    /// The authority that signs.
    pub issuer: Option<String>,
    /// More subject alternative names.
    pub san: Option<Vec<String>>,
    /// The names of a RabbitMQ cluster's pods.
    pub kubernetes: Option<KubernetesSpec>,
    /// The type of the private key.
    pub key_type: Option<String>,
    /// How long the certificate is valid.
    pub validity: Option<String>,
    /// The subject without its common name, RFC 4514.
    pub subject: Option<String>,
    /// The owner of its files.
    pub owner: Option<String>,
    /// The mode of files with secrets.
    pub key_mode: Option<String>,
    /// The file with the password of its key.
    pub key_password_file: Option<String>,
    /// The virtual hosts of the client's user.
    pub vhost: Option<Vec<String>>,
    /// What the client's user may do, in certgen's words.
    pub access: Option<Vec<String>>,
    /// What it may configure, as a regular expression.
    pub configure: Option<String>,
    /// What it may write to.
    pub write: Option<String>,
    /// What it may read from.
    pub read: Option<String>,
    /// The exchange of the topic permission.
    pub topic_exchange: Option<String>,
    /// The routing keys that it may write.
    pub topic_write: Option<String>,
    /// The routing keys that it may read.
    pub topic_read: Option<String>,
    /// The tags of its user.
    pub tags: Option<Vec<String>>,
    /// The user also gets a password.
    pub password: Option<bool>,
    /// The certificate is for command line tools on a host: there is no user.
    pub cli: Option<bool>,
    /// The user may be one that already has a password or a tag.
    pub existing_user: Option<bool>,
    /// The brokers that the client talks to.
    pub broker: Option<Vec<String>>,
}

/// The names of pods, as somebody asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesSpec {
    /// The namespace.
    pub namespace: Option<String>,
    /// The name of the cluster.
    pub cluster: Option<String>,
    /// How many pods to name one by one.
    pub replicas: Option<i64>,
    /// The service that clients use.
    pub service: Option<String>,
    /// The service behind the names of the pods.
    pub headless_service: Option<String>,
    /// The name of a pod without its number.
    pub pod_prefix: Option<String>,
    /// The DNS domain of the Kubernetes cluster.
    pub cluster_domain: Option<String>,
}

/// An authority as somebody asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthoritySpec {
    /// The authority above; none for a root.
    pub issuer: Option<String>,
    /// The common name, to which certgen adds its mark.
    pub common_name: Option<String>,
    /// The subject without its common name, RFC 4514.
    pub subject: Option<String>,
    /// The type of the private key.
    pub key_type: Option<String>,
    /// How long the certificate is valid.
    pub validity: Option<String>,
    /// How many authorities may stand below.
    pub path_length: Option<i64>,
    /// The names that it may sign.
    pub permit: Option<Vec<String>>,
    /// The names that it may not sign.
    pub exclude: Option<Vec<String>>,
    /// Where its revocation list is published.
    pub crl_urls: Option<Vec<String>>,
    /// Where its certificate is published.
    pub issuer_urls: Option<Vec<String>>,
    /// Where its OCSP responder answers.
    pub ocsp_urls: Option<Vec<String>>,
    /// Certificate policies, as dotted numbers.
    pub policies: Option<Vec<String>>,
}

/// A broker as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BrokerSpec {
    pub(crate) version: Option<String>,
    pub(crate) platform: Option<String>,
    pub(crate) certs_dir: Option<String>,
    pub(crate) config_dir: Option<String>,
    pub(crate) certificate: Option<Vec<String>>,
    pub(crate) management: Option<ManagementSpec>,
    pub(crate) inter_node_tls: Option<Switch>,
    pub(crate) revocation: Option<bool>,
    pub(crate) client_certificates: Option<String>,
    pub(crate) login_from: Option<String>,
    pub(crate) login_users: Option<Vec<String>>,
    pub(crate) tls_versions: Option<Vec<String>>,
    pub(crate) ports: Vec<(&'static str, i64)>,
    pub(crate) plugins: Option<Vec<String>>,
    pub(crate) nodes: Option<Vec<String>>,
    pub(crate) longnames: Option<bool>,
    pub(crate) erl_ssl_path: Option<String>,
    pub(crate) administrator: Option<Switch>,
    pub(crate) vhosts: Option<Vec<String>>,
}

/// The management section of a broker as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ManagementSpec {
    pub(crate) enabled: Option<bool>,
    pub(crate) certificate: Option<String>,
    pub(crate) port: Option<i64>,
}

/// A key that takes true, false or a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Switch {
    Is(bool),
    Word(String),
>>>>>>> manifest
}
