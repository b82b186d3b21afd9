//! What is known about a PKI, for whoever writes a consumer's files.
//!
//! One picture for all targets. Paths are absolute and as they are on this machine, except in a broker's own `config`,
//! where they are as the broker sees them. Secrets are here only where somebody asked for them.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

use super::rabbitmq::{BrokerFacts, UserFacts};
use super::{Target, syntax};
use crate::error::{Error, Result};
use crate::manifest::{Access, Consumer, Kubernetes};
use crate::profile::{Role, nearest};
use crate::ui;
use crate::x509::GeneralName;

/// Where Celery puts tasks if nobody says otherwise.
const DEFAULT_QUEUE: &str = "celery";

/// Everything.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The PKI's directory.
    pub pki: String,
    /// Where certgen is installed.
    pub program: String,
    /// The authorities, issuers before what they issue.
    pub authorities: Vec<Authority>,
    /// The bundles, as they lie in the directories of those who use them.
    pub bundles: Bundles,
    /// The brokers, in the order of the manifest; one alone where `--broker` named it.
    pub brokers: Vec<Broker>,
    /// The clients that are users of these brokers; only those that `--for` named, if it did. One that talks to several
    /// is here once, with the first of them.
    pub clients: Vec<Client>,
    /// `--for` named the clients.
    pub narrowed: bool,
    /// Clients of several brokers, where nobody said which of these.
    pub undecided: BTreeSet<String>,
    /// `--broker` named one of several, whose files get a directory of their own.
    pub one_of_several: bool,
}

/// An authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its name.
    pub name: String,
    /// The authority above it; none of a root.
    pub issuer: Option<String>,
    /// Its certificate, PEM.
    pub certificate: String,
    /// Where its key is.
    pub key: AuthorityKey,
}

/// Where the key of an authority is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityKey {
    /// Here, in the clear.
    Here,
    /// Here, sealed with age.
    Sealed,
    /// Not here.
    Elsewhere,
}

/// Trust anchors, PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bundles {
    /// Those who may connect as clients: what servers and nodes trust.
    pub clients: String,
    /// Those who sign for servers: what clients trust.
    pub servers: String,
    /// Those who may be peers of a node.
    pub peers: String,
}

/// A broker, or the nodes of one cluster.
#[derive(Debug, Clone)]
pub struct Broker {
    /// What its own files say: versions, listeners, plugins, vhosts, every user.
    pub config: BrokerFacts,
    /// The directory with its own files, `pki/rabbitmq`.
    pub directory: String,
    /// The nodes or servers whose certificates it shows: one for each host, or one for all.
    pub identities: Vec<Identity>,
    /// The server that its management UI shows to people, where that is another.
    pub management: Option<Identity>,
}

/// A server, node or client with its directory.
#[derive(Clone)]
pub struct Identity {
    /// What it is.
    pub role: Role,
    /// Its name.
    pub name: String,
    /// Its directory.
    pub directory: String,
    /// Its alternative names.
    pub names: Vec<GeneralName>,
    /// The cluster on Kubernetes whose pods it is for.
    pub kubernetes: Option<Kubernetes>,
    /// Whose its files are, `USER:GROUP`, where the manifest says so.
    pub owner: Option<String>,
    /// The file with the password of its key, when that is encrypted.
    pub key_password_file: Option<String>,
    /// Its certificate and the intermediates after it, PEM; only for targets that hold certificates, and only where it is
    /// here.
    pub certificate: Option<String>,
    /// Its private key as its file has it, PEM; only with `--with-keys`, and only where it is here.
    pub key: Option<Zeroizing<String>>,
    /// Its key is in its directory, and not where a request came from.
    pub has_key: bool,
    /// The authority that signs it.
    pub issuer: String,
}

/// A client: an identity that is a user.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its certificate and files.
    pub identity: Identity,
    /// The user of that name as its broker knows it.
    pub user: UserFacts,
    /// What it does, in certgen's words; empty where its permissions are given as regular expressions.
    pub access: Vec<Access>,
    /// The name of its broker; none of the plain `[broker]`.
    pub broker: Option<String>,
    /// What is written goes to somebody who has neither certgen.toml nor this PKI.
    pub handed_over: bool,
}

impl Facts {
    /// The broker that the whole output is about.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn broker(&self) -> Result<&Broker> {
        match self.brokers.as_slice() {
            [only] => Ok(only),
            [] => Err(Error::failed("certgen.toml has no broker").hint("add a [broker] section, see certgen.toml(5)")),
            several => {
                let names: Vec<&str> = several.iter().filter_map(|b| b.config.name.as_deref()).collect();
                Err(Error::failed("certgen.toml has more than one broker")
                    .hint(format!("name one with --broker: {}", names.join(", "))))
            }
        }
    }

    /// The broker of a client.
    pub fn broker_of(&self, client: &Client) -> &Broker {
        let broker = self.brokers.iter().find(|broker| broker.config.name == client.broker);
        broker.expect("a client is listed with its broker")
    }

    /// What is left of them for one consumer: the clients and the broker that it names, and no keys that it does not ask
    /// for.
    ///
    /// # Errors
    /// It names a client or a broker that there is not.
    pub fn narrowed(&self, consumer: &Consumer) -> Result<Cow<'_, Self>> {
        let mut facts = Cow::Borrowed(self);
        if let Some(name) = &consumer.broker {
            let facts = facts.to_mut();
            facts.one_of_several = facts.brokers.len() > 1;
            facts.brokers.retain(|broker| broker.config.name.as_ref() == Some(name));
            if facts.brokers.is_empty() {
                return Err(no_broker(name, self.brokers.iter().filter_map(|broker| broker.config.name.as_deref())));
            }
            facts.clients.retain(|client| client.broker.as_ref() == Some(name));
        } else if self.brokers.len() > 1 {
            let facts = facts.to_mut();
            let (mut known, mut undecided) = (BTreeSet::new(), BTreeSet::new());
            facts.clients.retain(|client| {
                let name = &client.identity.name;
                let is_new = known.insert(name.clone());
                if !is_new {
                    undecided.insert(name.clone());
                }
                is_new
            });
            facts.undecided = undecided;
        }
        if !consumer.clients.is_empty() {
            let facts = facts.to_mut();
            for name in &consumer.clients {
                if !facts.clients.iter().any(|client| client.identity.name == *name) {
                    return Err(self.no_client(name, consumer.broker.as_deref()));
                }
            }
            facts.clients.retain(|client| consumer.clients.contains(&client.identity.name));
            facts.narrowed = true;
        }
        if !consumer.with_keys && self.identities().any(|identity| identity.key.is_some()) {
            facts.to_mut().identities_mut().for_each(|identity| identity.key = None);
        }
        Ok(facts)
    }

    /// That a client has no user, in any broker or in the one that was named.
    fn no_client(&self, name: &str, broker: Option<&str>) -> Error {
        let theirs: Vec<String> = self
            .clients
            .iter()
            .filter(|c| c.identity.name == name)
            .filter_map(|c| c.broker.as_deref())
            .map(ui::quote)
            .collect();
        if let (Some(broker), false) = (broker, theirs.is_empty()) {
            return Error::failed(format!("client {} has no user in broker {}", ui::quote(name), ui::quote(broker)))
                .hint(format!("its broker is {}; it may name several in certgen.toml", theirs.join(", ")));
        }
        let error = Error::failed(format!("no broker has a user of a client {}", ui::quote(name)));
        let error = match nearest(name, self.clients.iter().map(|client| client.identity.name.as_str())) {
            Some(near) => error.hint(format!("did you mean {}?", ui::quote(near))),
            None => error,
        };
        error.hint(format!("make it: certgen issue client {}, with --vhost and --access", ui::shell(name)))
    }

    fn identities(&self) -> impl Iterator<Item = &Identity> {
        let of_brokers = self.brokers.iter().flat_map(|broker| broker.identities.iter().chain(&broker.management));
        of_brokers.chain(self.clients.iter().map(|client| &client.identity))
    }

    fn identities_mut(&mut self) -> impl Iterator<Item = &mut Identity> {
        let of_brokers =
            self.brokers.iter_mut().flat_map(|broker| broker.identities.iter_mut().chain(&mut broker.management));
        of_brokers.chain(self.clients.iter_mut().map(|client| &mut client.identity))
    }

    /// Authorities whose keys are sealed: whoever renews unattended needs their passphrase.
    pub fn has_sealed_keys(&self) -> bool {
        self.authorities.iter().any(|authority| authority.key == AuthorityKey::Sealed)
    }
}

/// That no broker of certgen.toml has that name, and what names there are.
pub(crate) fn no_broker<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Error {
    let error = Error::failed(format!("certgen.toml has no broker {}", ui::quote(name)));
    let known: Vec<String> = known.map(ui::shell).collect();
    match known.is_empty() {
        true => error.hint("its broker has no name: leave --broker out"),
        false => error.hint(format!("the brokers are {}", known.join(", "))),
    }
}

impl Broker {
    /// What messages call it.
    pub fn title(&self) -> String {
        self.config.name.as_ref().map_or_else(|| "the broker".to_owned(), |name| format!("broker {}", ui::quote(name)))
    }

    /// The host name that clients use where nobody says otherwise: the service on Kubernetes, else the first name of its
    /// certificate that is a host's and no wildcard.
    ///
    /// # Errors
    /// It has no certificate, or one with wildcards alone.
    pub fn host(&self) -> Result<String> {
        let Some(first) = self.identities.first() else {
            return Err(Error::failed(format!("{} has no certificate", self.title()))
                .hint("make one: certgen issue node HOSTNAME"));
        };
        if let Some(kubernetes) = &first.kubernetes {
            return Ok(format!("{}.{}.svc", kubernetes.service(), kubernetes.namespace()));
        }
        first.host().ok_or_else(|| {
            Error::failed(format!("{} {} has wildcards alone", first.role, ui::quote(&first.name)))
                .hint("say which host it is: --set host=NAME")
        })
    }

    /// That no certificate of it carries `host`, and what gives it one: all names stand in the command, because those that
    /// are typed replace the ones before.
    pub(super) fn lacks(&self, host: &str) -> Error {
        let shown = ui::quote(host);
        if let Err(e) = GeneralName::parse(host) {
            return Error::usage(format!("{shown} is no host that a certificate can carry: {e}"));
        }
        let error = Error::failed(format!("no certificate of {} carries the host {shown}", self.title()));
        let Some(identity) = self.identities.first() else {
            return error.hint("make one: certgen issue node HOSTNAME");
        };
        let own = identity.names.iter().filter(|name| !name.covers_host(&identity.name)).map(typed);
        let all: String = own.chain([host.to_owned()]).map(|name| format!(" --san {}", ui::shell(&name))).collect();
        let issue = format!("certgen issue {} {}", identity.role, ui::shell(&identity.name));
        match identity.kubernetes {
            None => error.hint(format!("add it: {issue}{all} --force")),
            Some(_) => {
                error.hint(format!("add it to san of {} in certgen.toml, then: {issue} --force", identity.reference()))
            }
        }
    }

    /// The table of certgen.toml that it stands in.
    pub(super) fn table(&self) -> String {
        table_of(self.config.name.as_deref())
    }

    /// Whether a certificate of it carries `host`.
    pub fn covers(&self, host: &str) -> bool {
        self.identities.iter().any(|identity| identity.names.iter().any(|name| name.covers_host(host)))
    }
}

/// The table of certgen.toml that a broker stands in.
fn table_of(broker: Option<&str>) -> String {
    broker.map_or_else(|| "[broker]".to_owned(), |name| format!("[broker.{}]", ui::quote(name)))
}

/// A name as people type it after `--san`.
fn typed(name: &GeneralName) -> String {
    match name {
        GeneralName::Dns(dns) => dns.as_str().to_owned(),
        GeneralName::Ip(address) => address.to_string(),
        other => other.to_string(),
    }
}

/// A name as people type it to connect; a wildcard is none.
fn host_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Dns(dns) if !dns.is_wildcard() => Some(dns.as_str().to_owned()),
        GeneralName::Ip(address) => Some(address.to_string()),
        _ => None,
    }
}

impl Identity {
    /// The first of its names that people can connect to.
    pub fn host(&self) -> Option<String> {
        self.names.iter().find_map(host_of)
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }

    /// `ROLE/NAME`.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.role, self.name)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("role", &self.role).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Client {
    /// Whether it has something to do over AMQP: a device that speaks MQTT alone has not.
    pub(super) fn speaks_amqp(&self) -> bool {
        self.access.is_empty() || self.access.iter().any(|access| *access != Access::Mqtt)
    }

    /// Whether it has something to do over MQTT.
    pub(super) fn speaks_mqtt(&self) -> bool {
        self.access.contains(&Access::Mqtt)
    }

    /// Whether it sends Celery's tasks or runs them.
    pub(super) fn has_tasks(&self) -> bool {
        self.access.iter().any(|access| matches!(access, Access::Celery { .. }))
    }

    /// The task queues that it may use, in the order of the manifest.
    pub(super) fn task_queues(&self) -> Vec<String> {
        let mut queues: Vec<String> = Vec::new();
        for access in &self.access {
            if let Access::Celery { queues: named } = access {
                queues.extend(named.iter().cloned());
            }
        }
        if queues.is_empty() { vec![DEFAULT_QUEUE.to_owned()] } else { queues }
    }

    /// The header of a file that is about this client.
    pub(super) fn header(&self, mark: &str, target: &Target, versions: &str) -> String {
        if self.handed_over {
            let lines = [
                format!("Written by certgen for {versions}."),
                "It came with the hand-over in the directory above: whoever sent that makes another.".to_owned(),
            ];
            return syntax::comment(mark, &lines);
        }
        let broker = table_of(self.broker.as_deref());
        syntax::header(mark, target, versions, &format!("[client.{}] and {broker}", ui::quote(&self.identity.name)))
    }
}
