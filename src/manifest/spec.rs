//! What somebody asks for, word for word: by an entry of the manifest, by flags, or by a row of a list.

/// An end entity as somebody asks for it: by an entry of the manifest, by flags, or by a row of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct EntrySpec {
    /// The authority that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// More subject alternative names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub san: Option<Vec<String>>,
    /// The names of a RabbitMQ cluster's pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesSpec>,
    /// The type of the private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// How long the certificate is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity: Option<String>,
    /// The subject without its common name, RFC 4514.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The owner of its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The mode of files with secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_mode: Option<String>,
    /// The file with the password of its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_password_file: Option<String>,
    /// The virtual hosts of the client's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhost: Option<Vec<String>>,
    /// What the client's user may do, in certgen's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Vec<String>>,
    /// What it may configure, as a regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configure: Option<String>,
    /// What it may write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
    /// What it may read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// The exchange of the topic permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_exchange: Option<String>,
    /// The routing keys that it may write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_write: Option<String>,
    /// The routing keys that it may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_read: Option<String>,
    /// The tags of its user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The user also gets a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<bool>,
    /// The certificate is for command line tools on a host: there is no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cli: Option<bool>,
    /// The user may be one that already has a password or a tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_user: Option<bool>,
    /// The brokers that the client talks to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<Vec<String>>,
}

/// The names of pods, as somebody asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct KubernetesSpec {
    /// The namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// How many pods to name one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// The service that clients use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The service behind the names of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headless_service: Option<String>,
    /// The name of a pod without its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_prefix: Option<String>,
    /// The DNS domain of the Kubernetes cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    pub(crate) migration: Option<String>,
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
}
