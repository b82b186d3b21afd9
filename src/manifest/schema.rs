//! Every key of certgen.toml, section by section. The parser refuses what is not here, and certgen.toml(5) describes
//! what is: a test holds the two together.

/// One key and how it may be written.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
}

/// The keys of one section.
pub(crate) type Keys = &'static [&'static Key];

macro_rules! keys {
    ($($constant:ident $name:literal $example:literal;)+) => {
        $(pub(crate) const $constant: &Key = &Key { name: $name, example: $example };)+
        /// All keys there are.
        #[cfg(test)]
        pub(crate) const ALL: Keys = &[$($constant),+];
    };
}

keys! {
    VERSION "version" "version = 1";
    DEFAULTS "defaults" "[defaults]";
    AUTHORITY "authority" "[authority.root]";
    SERVER "server" "[server.\"www.example.com\"]";
    NODE "node" "[node.\"rabbit-1.example.com\"]";
    CLIENT "client" "[client.reporting]";
    BROKER "broker" "[broker]";
    FROM "from" "[[from]]";
    EMIT "emit" "emit = [\"celery\"]";

    ISSUER "issuer" "issuer = \"root\"";
    SAN "san" "san = [\"rabbit.example.com\", \"10.0.0.1\"]";
    KUBERNETES "kubernetes" "kubernetes = { namespace = \"default\", cluster = \"rabbitmq\" }";
    KEY_TYPE "key_type" "key_type = \"ecdsa-p256\"";
    VALIDITY "validity" "validity = \"90d\"";
    SUBJECT "subject" "subject = \"O=Example,C=NL\"";
    OWNER "owner" "owner = \"rabbitmq:rabbitmq\"";
    KEY_MODE "key_mode" "key_mode = \"0640\"";
    KEY_PASSWORD_FILE "key_password_file" "key_password_file = \"key.password\"";
    TRUST "trust" "trust = [\"partner_ca.pem\"]";

    COMMON_NAME "common_name" "common_name = \"Example root\"";
    PATH_LENGTH "path_length" "path_length = 0";
    PERMIT "permit" "permit = [\"example.com\", \"10.0.0.0/8\"]";
    EXCLUDE "exclude" "exclude = [\"test.example.com\"]";
    CRL_URLS "crl_urls" "crl_urls = [\"http://pki.example.com/root.crl\"]";
    ISSUER_URLS "issuer_urls" "issuer_urls = [\"http://pki.example.com/root.cer\"]";
    OCSP_URLS "ocsp_urls" "ocsp_urls = [\"http://ocsp.example.com\"]";
    POLICIES "policies" "policies = [\"1.3.6.1.4.1.99999.1\"]";

    VHOST "vhost" "vhost = \"/\"";
    ACCESS "access" "access = \"celery\"";
    CONFIGURE "configure" "configure = \"^reports\"";
    WRITE "write" "write = \"^reports\"";
    READ "read" "read = \"^reports\"";
    TOPIC_EXCHANGE "topic_exchange" "topic_exchange = \"amq.topic\"";
    TOPIC_WRITE "topic_write" "topic_write = \"^sensors[.]\"";
    TOPIC_READ "topic_read" "topic_read = \"^commands[.]\"";
    TAGS "tags" "tags = [\"monitoring\"]";
    PASSWORD "password" "password = true";
    CLI "cli" "cli = true";
    EXISTING_USER "existing_user" "existing_user = true";
    CLIENT_BROKER "broker" "broker = \"orders\"";

    NAMESPACE "namespace" "namespace = \"default\"";
    CLUSTER "cluster" "cluster = \"rabbitmq\"";
    REPLICAS "replicas" "replicas = 3";
    SERVICE "service" "service = \"rabbitmq\"";
    HEADLESS_SERVICE "headless_service" "headless_service = \"rabbitmq-nodes\"";
    POD_PREFIX "pod_prefix" "pod_prefix = \"rabbitmq-server\"";
    CLUSTER_DOMAIN "cluster_domain" "cluster_domain = \"cluster.local\"";

    BROKER_VERSION "version" "version = \"4.1\"";
    PLATFORM "platform" "platform = \"unix\"";
    CERTS_DIR "certs_dir" "certs_dir = \"/etc/rabbitmq/certs\"";
    CONFIG_DIR "config_dir" "config_dir = \"/etc/rabbitmq\"";
    CERTIFICATE "certificate" "certificate = \"node/rabbit-1.example.com\"";
    MANAGEMENT "management" "management = { port = 15671 }";
    INTER_NODE_TLS "inter_node_tls" "inter_node_tls = true";
    REVOCATION "revocation" "revocation = true";
    CLIENT_CERTIFICATES "client_certificates" "client_certificates = \"required\"";
    LOGIN_FROM "login_from" "login_from = \"common_name\"";
    LOGIN_USERS "login_users" "login_users = [\"alice\"]";
    MIGRATION "migration" "migration = \"open\"";
    TLS_VERSIONS "tls_versions" "tls_versions = [\"1.3\", \"1.2\"]";
    PORTS "ports" "ports = { amqp = 5671 }";
    PLUGINS "plugins" "plugins = [\"rabbitmq_mqtt\"]";
    NODES "nodes" "nodes = [\"rabbit@a.example.com\"]";
    LONGNAMES "longnames" "longnames = true";
    ERL_SSL_PATH "erl_ssl_path" "erl_ssl_path = \"/usr/lib/erlang/lib/ssl-11.2/ebin\"";
    ADMINISTRATOR "administrator" "administrator = \"administrator\"";
    VHOSTS "vhosts" "vhosts = [\"/\"]";

    ENABLED "enabled" "enabled = true";
    PORT "port" "port = 15671";

    AMQP "amqp" "amqp = 5671";
    MQTT "mqtt" "mqtt = 8883";
    STOMP "stomp" "stomp = 61614";
    STREAM "stream" "stream = 5551";
    PROMETHEUS "prometheus" "prometheus = 15691";
    WEB_MQTT "web_mqtt" "web_mqtt = 15676";
    WEB_STOMP "web_stomp" "web_stomp = 15673";

    ROLE "role" "role = \"client\"";
    FILE "file" "file = \"devices.csv\"";
}

/// The file as a whole.
pub(crate) const FILE_KEYS: Keys = &[VERSION, DEFAULTS, AUTHORITY, SERVER, NODE, CLIENT, BROKER, FROM, EMIT];

/// `[defaults]`.
pub(crate) const DEFAULTS_KEYS: Keys =
    &[ISSUER, KEY_TYPE, VALIDITY, SUBJECT, OWNER, KEY_MODE, KEY_PASSWORD_FILE, SERVER, NODE, CLIENT, AUTHORITY];

/// Puts lists behind one another; there are `N` keys in them.
const fn joined<const N: usize>(lists: &[Keys]) -> [&'static Key; N] {
    let mut all = [ISSUER; N];
    let (mut list, mut at) = (0, 0);
    while list < lists.len() {
        let mut key = 0;
        while key < lists[list].len() {
            all[at] = lists[list][key];
            (key, at) = (key + 1, at + 1);
        }
        list += 1;
    }
    assert!(at == N, "the lists have another length");
    all
}

/// What an identity says of its certificate and its files.
const CERTIFICATE_KEYS: Keys = &[ISSUER, SAN, KEY_TYPE, VALIDITY, SUBJECT, OWNER, KEY_MODE, KEY_PASSWORD_FILE];

/// What a client says of its user.
const USER_KEYS: Keys =
    &[VHOST, ACCESS, CONFIGURE, WRITE, READ, TOPIC_EXCHANGE, TOPIC_WRITE, TOPIC_READ, TAGS, PASSWORD];

/// `[defaults.server]` and `[defaults.node]`.
pub(crate) const DEFAULTS_SERVING_KEYS: Keys = &joined::<9>(&[CERTIFICATE_KEYS, &[TRUST]]);

/// `[defaults.client]`. Names are each client's own.
pub(crate) const DEFAULTS_CLIENT_KEYS: Keys = &joined::<19>(&[
    &[ISSUER, KEY_TYPE, VALIDITY, SUBJECT, OWNER, KEY_MODE, KEY_PASSWORD_FILE, TRUST],
    USER_KEYS,
    &[CLIENT_BROKER],
]);

/// `[defaults.authority]`.
pub(crate) const DEFAULTS_AUTHORITY_KEYS: Keys =
    &[KEY_TYPE, VALIDITY, SUBJECT, CRL_URLS, ISSUER_URLS, OCSP_URLS, POLICIES];

/// `[authority.NAME]`.
pub(crate) const AUTHORITY_KEYS: Keys = &[
    ISSUER,
    COMMON_NAME,
    SUBJECT,
    KEY_TYPE,
    VALIDITY,
    PATH_LENGTH,
    PERMIT,
    EXCLUDE,
    CRL_URLS,
    ISSUER_URLS,
    OCSP_URLS,
    POLICIES,
];

/// `[server.NAME]` and `[node.NAME]`.
pub(crate) const SERVING_KEYS: Keys =
    &[ISSUER, SAN, KUBERNETES, KEY_TYPE, VALIDITY, SUBJECT, OWNER, KEY_MODE, KEY_PASSWORD_FILE];

/// `[client.NAME]`.
pub(crate) const CLIENT_KEYS: Keys =
    &joined::<21>(&[CERTIFICATE_KEYS, USER_KEYS, &[CLI, EXISTING_USER, CLIENT_BROKER]]);

/// `kubernetes = { ... }`.
pub(crate) const KUBERNETES_KEYS: Keys =
    &[NAMESPACE, CLUSTER, REPLICAS, SERVICE, HEADLESS_SERVICE, POD_PREFIX, CLUSTER_DOMAIN];

/// `[broker]` and `[broker.NAME]`.
pub(crate) const BROKER_KEYS: Keys = &[
    BROKER_VERSION,
    PLATFORM,
    CERTS_DIR,
    CONFIG_DIR,
    CERTIFICATE,
    MANAGEMENT,
    INTER_NODE_TLS,
    REVOCATION,
    CLIENT_CERTIFICATES,
    LOGIN_FROM,
    LOGIN_USERS,
    MIGRATION,
    TLS_VERSIONS,
    PORTS,
    PLUGINS,
    NODES,
    LONGNAMES,
    ERL_SSL_PATH,
    ADMINISTRATOR,
    VHOSTS,
];

/// `management = { ... }` of a broker.
pub(crate) const MANAGEMENT_KEYS: Keys = &[ENABLED, CERTIFICATE, PORT];

/// `ports = { ... }` of a broker.
pub(crate) const PORTS_KEYS: Keys = &[AMQP, MQTT, STOMP, STREAM, PROMETHEUS, WEB_MQTT, WEB_STOMP];

/// `[[from]]` of servers and nodes: besides role and file, what every row says that does not say otherwise.
pub(crate) const FROM_SERVING_KEYS: Keys = &joined::<10>(&[&[ROLE, FILE], CERTIFICATE_KEYS]);

/// `[[from]]` of clients.
pub(crate) const FROM_CLIENT_KEYS: Keys = &joined::<21>(&[FROM_SERVING_KEYS, USER_KEYS, &[CLIENT_BROKER]]);

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../man/certgen.toml.5");

    #[test]
    fn the_manual_page_describes_every_key() {
        let missing: Vec<_> =
            ALL.iter().filter(|key| !PAGE.lines().any(|line| describes(line, key.name))).map(|key| key.name).collect();
        assert!(missing.is_empty(), "certgen.toml(5) does not describe {missing:?}");
    }

    /// A key is described where it heads a list item (`.It Ic key`), or, for a section, its header does.
    fn describes(line: &str, name: &str) -> bool {
        let Some(item) = line.strip_prefix(".It Ic ") else { return false };
        item.split([' ', '.', '[', ']', ',']).any(|word| word == name)
    }

    #[test]
    fn the_manual_pages_example_can_be_followed() {
        let (_, example) = PAGE.split_once(".Bd -literal -offset indent\n").unwrap();
        let (example, _) = example.split_once(".Ed").unwrap();
        crate::manifest::Manifest::parse(example, "certgen.toml").unwrap();
    }

    #[test]
    fn every_example_is_toml() {
        for key in ALL {
            toml::from_str::<toml::Table>(key.example).unwrap_or_else(|e| panic!("{}: {e}", key.example));
        }
    }
}
