//! A broker on Kubernetes, and what its objects are called: what the targets for Kubernetes have in common, so that the
//! Secret that one of them makes is the one that the other mounts.

use serde_json::{Value, json};

use super::facts::{Broker, Client, Facts, Identity};
use super::settings::{Setting, Settings};
use super::syntax::kubernetes::{is_label, object_name};
use crate::error::{Error, Result};
use crate::manifest::Kubernetes;
use crate::ui;

/// The namespace of the applications.
pub(super) const CLIENTS_NAMESPACE: Setting =
    Setting::of_facts("clients_namespace", "namespace of the clients' Secrets, else that of the cluster");

/// A broker, the certificate of its pods, and the names that go with it.
#[derive(Clone, Copy)]
pub(super) struct Cluster<'f> {
    pub(super) broker: &'f Broker,
    pub(super) identity: &'f Identity,
    pub(super) kubernetes: &'f Kubernetes,
}

impl<'f> Cluster<'f> {
    /// The only broker, if it has a certificate for pods.
    ///
    /// # Errors
    /// There is no broker, or it has no such certificate.
    pub(super) fn of(facts: &'f Facts) -> Result<Self> {
        let broker = facts.broker()?;
        let of_pods = |identity: &'f Identity| Some((identity, identity.kubernetes.as_ref()?));
        let Some((identity, kubernetes)) = broker.identities.iter().find_map(of_pods) else {
            return Err(Error::failed(format!("{} has no certificate for the pods of Kubernetes", broker.title()))
                .hint("make one: certgen issue node NAME --kubernetes NAMESPACE/CLUSTER --replicas 3")
                .hint("or begin with: certgen init --profile kubernetes"));
        };
        Ok(Self { broker, identity, kubernetes })
    }

    /// An object of the cluster: `CLUSTER-SUFFIX`.
    pub(super) fn object(&self, suffix: &str) -> String {
        object_of(self.kubernetes, suffix)
    }

    /// The Secret with the certificate and the key of the pods.
    pub(super) fn tls_secret(&self) -> String {
        self.object("tls")
    }

    /// The Secret of a client.
    pub(super) fn client_secret(&self, client: &Client) -> String {
        self.object(&client_suffix(&client.identity.name))
    }

    /// Where the Secrets of the clients are.
    ///
    /// # Errors
    /// What was set is no namespace.
    pub(super) fn clients_namespace<'s>(&'s self, settings: &'s Settings) -> Result<&'s str> {
        match settings.get(CLIENTS_NAMESPACE.key) {
            None => Ok(self.kubernetes.namespace()),
            Some(said) if is_label(said) => Ok(said),
            Some(said) => Err(Error::usage(format!(
                "--set {}={}: a namespace has lower-case letters, digits and hyphens only",
                CLIENTS_NAMESPACE.key,
                ui::quote(said)
            ))),
        }
    }

    /// The metadata of an object in the cluster's namespace.
    pub(super) fn metadata(&self, name: &str) -> Value {
        json!({ "name": name, "namespace": self.kubernetes.namespace() })
    }

    /// How many pods there are: as many as the certificate names, else three.
    pub(super) fn replicas(&self) -> u32 {
        self.kubernetes.replicas().unwrap_or(3)
    }
}

/// An object of a cluster: `CLUSTER-SUFFIX`.
pub(super) fn object_of(kubernetes: &Kubernetes, suffix: &str) -> String {
    format!("{}-{suffix}", kubernetes.cluster())
}

/// What the Secret of a client is called behind its cluster.
pub(super) fn client_suffix(name: &str) -> String {
    format!("client-{}", object_name(name))
}

/// What a certificate is used for by who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// A node: server and client of its peers.
    Node,
    /// A client.
    Client,
}

impl Use {
    /// In names of objects.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Client => "client",
        }
    }

    /// The role in Vault that signs it, for the cluster or broker `of`.
    pub(super) fn vault_role(self, of: &str) -> String {
        format!("{of}-{}", self.word())
    }

    /// The policy in Vault with which a client has its own name signed, and no other.
    pub(super) fn vault_policy(of: &str, client: &Client) -> String {
        format!("{}-{}", Self::Client.vault_role(of), object_name(&client.identity.name))
    }

    /// As cert-manager calls them.
    pub(super) fn usages(self) -> &'static [&'static str] {
        match self {
            Self::Node => &["digital signature", "server auth", "client auth"],
            Self::Client => &["digital signature", "client auth"],
        }
    }
}

/// Where the PKI engine of an authority is mounted in Vault: who signs for clients must not sign for nodes because both are
/// in one engine.
///
/// # Errors
/// What was set is no path.
pub(super) fn mount(settings: &Settings, authority: &str) -> Result<String> {
    let mount = settings.get("mount").unwrap_or_default().trim_matches('/');
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if mount.is_empty() || !mount.chars().all(harmless) || mount.split('/').any(|part| part.is_empty() || part == "..")
    {
        return Err(Error::usage(format!(
            "--set mount={}: it is no path of letters, digits, - and _",
            ui::quote(mount)
        )));
    }
    Ok(format!("{mount}-{}", object_name(authority)))
}
