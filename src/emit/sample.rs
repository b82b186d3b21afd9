//! Facts that stay the same, for tests: every byte that follows from them can be kept.

use super::rabbitmq::{self, Administrator, BrokerFacts, Revocation, RevocationList, TopicFacts, UserFacts, Version};
use super::{Authority, AuthorityKey, Broker, Bundles, Client, Facts, Identity};
use crate::manifest::{Access, InterNodeTls, Kubernetes, KubernetesSpec};
use crate::profile::Role;
use crate::x509::GeneralName;
use zeroize::Zeroizing;

const PKI: &str = "/srv/pki";

/// A node for Celery and MQTT, with a client for each kind of access.
pub(crate) fn facts() -> Facts {
    let node = identity(Role::Node, "rabbit.example.com", &["rabbit.example.com", "rabbit", "localhost", "127.0.0.1"]);
    let mut clients = vec![
        client("celery_worker", "my_vhost", "celery:celery,mail"),
        client("sensor-1", "/", "mqtt"),
        client("reporting", "my_vhost", "publish:reports"),
        client("monitoring", "my_vhost", "monitor"),
    ];
    clients[1].user.topics = vec![TopicFacts {
        exchange: "amq.topic".into(),
        write: r"^devices\.sensor-1\.".into(),
        read: r"^devices\.sensor-1\.".into(),
    }];
    clients[2].identity.key_password_file = Some("/srv/secrets/reporting.txt".into());
    let mut config = BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq");
    config.plugins = vec!["rabbitmq_mqtt".into(), "rabbitmq_stream".into(), "rabbitmq_prometheus".into()];
    facts_of(config, node, clients)
}

/// A cluster on Kubernetes, of a version that is named, that checks revocation lists; its node's and its clients'
/// keys are here.
pub(crate) fn kubernetes() -> Facts {
    let spec = KubernetesSpec {
        namespace: Some("messaging".into()),
        cluster: Some("orders".into()),
        replicas: Some(3),
        ..KubernetesSpec::default()
    };
    let kubernetes = Kubernetes::new(&spec).expect("its names are good");
    let mut node = identity(Role::Node, "orders", &[]);
    node.names = kubernetes.names();
    node.kubernetes = Some(kubernetes);
    node.owner = Some("999:999".into());
    let mut config = BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq");
    config.version = Some(Version { major: 4, minor: 3 });
    config.inter_node = InterNodeTls::File;
    config.longnames = true;
    config.certificate_names = node.names.iter().map(|name| name.to_string().replace("DNS:", "")).collect();
    config.revocation = Some(Revocation {
        crls_dir: "/etc/rabbitmq/crls".into(),
        lists: vec![RevocationList { file: "0a1b2c3d.r0".into(), pem: pem("X509 CRL", "list") }],
    });
    let mut facts = facts_of(config, node, vec![client("worker", "orders", "celery"), client("app", "orders", "all")]);
    facts.brokers[0].identities[0].key = Some(Zeroizing::new(pem("PRIVATE KEY", "orders")));
    for client in &mut facts.clients {
        client.identity.key = Some(Zeroizing::new(pem("PRIVATE KEY", &client.identity.name)));
    }
    facts
}

/// Names that mean something in some syntax. The client has a directory as `store` makes it, the rest is as people wrote it.
pub(crate) fn hostile() -> Facts {
    let node = identity(Role::Node, "rabbit.example.com", &["rabbit.example.com"]);
    let vhost = r#"it's "a" ${HOME} {{ x }} $(id) `id` \n %s # : é 😀"#;
    let mut config = BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq");
    config.plugins = vec!["rabbitmq_mqtt".into()];
    let name = r#"o'brien "$(id)" {{x}}"#;
    let mut facts = facts_of(config, node, vec![client(name, vhost, "all"), client("-p $HOME; #", "/", "mqtt")]);
    facts.clients[0].identity.directory = "/srv/it's \"my\" $pki/client/x".into();
    facts
}

/// A PKI that was just begun: an authority, and nothing to connect to or with.
pub(crate) fn bare() -> Facts {
    Facts {
        pki: PKI.into(),
        program: "/usr/bin/certgen".into(),
        authorities: authorities(),
        bundles: Bundles::default(),
        ..Facts::default()
    }
}

fn facts_of(mut config: BrokerFacts, node: Identity, clients: Vec<Client>) -> Facts {
    config.administrator = Some(Administrator { name: "administrator".into(), password_hash: "HASH".into() });
    config.users = clients.iter().map(|client| client.user.clone()).collect();
    let broker = Broker { config, directory: format!("{PKI}/rabbitmq"), identities: vec![node], management: None };
    let bundle = pem("CERTIFICATE", "root");
    Facts {
        bundles: Bundles { clients: bundle.clone(), servers: bundle.clone(), peers: bundle },
        brokers: vec![broker],
        clients,
        ..bare()
    }
}

fn authorities() -> Vec<Authority> {
    let certificate = pem("CERTIFICATE", "root");
    vec![Authority { name: "root".into(), issuer: None, certificate, key: AuthorityKey::Here }]
}

fn client(name: &str, vhost: &str, access: &str) -> Client {
    let access: Access = access.parse().expect("it is a kind of access");
    let allowed = rabbitmq::permissions(&access);
    Client {
        identity: identity(Role::Client, name, &[]),
        user: UserFacts {
            name: name.into(),
            vhosts: vec![vhost.into()],
            configure: allowed.configure,
            write: allowed.write,
            read: allowed.read,
            tags: allowed.tags,
            ..UserFacts::default()
        },
        access: vec![access],
        broker: None,
        handed_over: false,
    }
}

fn identity(role: Role, name: &str, names: &[&str]) -> Identity {
    Identity {
        role,
        name: name.into(),
        directory: format!("{PKI}/{role}/{name}"),
        names: names.iter().map(|name| GeneralName::parse(name).expect("it is a name")).collect(),
        kubernetes: None,
        owner: None,
        key_password_file: None,
        certificate: Some(pem("CERTIFICATE", name)),
        key: None,
        has_key: true,
        issuer: "root".into(),
    }
}

/// Something that looks like a PEM file and says what it stands for.
fn pem(label: &str, of: &str) -> String {
    format!("-----BEGIN {label}-----\n[{of}]\n-----END {label}-----\n")
}
