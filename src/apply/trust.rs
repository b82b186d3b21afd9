//! Which roots stand in which bundle.
//!
//! Every authority that a listener trusts can name any user, and every authority in the inter-node bundle can join the
//! cluster: so a bundle holds the roots of those who may connect there, and nothing else.

use std::collections::BTreeSet;

use crate::apply::World;
use crate::error::{Context, Error, Result};
use crate::manifest::Entry;
use crate::profile::Role;
use crate::store;
use crate::ui;
use crate::x509::Certificate;

/// The three bundles of a PKI, each a list of roots.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Those who may connect as clients: `ca_certificate.pem` of servers and nodes.
    pub clients: Vec<Certificate>,
    /// The servers that clients talk to: `ca_certificate.pem` of clients.
    pub servers: Vec<Certificate>,
    /// Those who may be peers of a node: `inter_node_ca_certificate.pem`.
    pub peers: Vec<Certificate>,
}

impl Trust {
    /// The bundles that follow from who issues what.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist yet.
    pub fn of(world: &World) -> Result<Self> {
        Ok(Self {
            clients: world.roots_for(&[Role::Client])?,
            servers: world.roots_for(&[Role::Server, Role::Node])?,
            peers: world.roots_for(&[Role::Node])?,
        })
    }

    /// The bundle files of an identity. The command line tools of a host talk to nodes as a node does.
    pub fn files(&self, role: Role, cli: bool) -> Vec<(&'static str, Vec<u8>)> {
        let anchors = match role {
            Role::Client if cli => &self.peers,
            Role::Client => &self.servers,
            Role::Server | Role::Node => &self.clients,
        };
        let mut files = vec![(role.bundle_file(), pem(anchors))];
        files.extend(role.inter_node_bundle_file().map(|name| (name, pem(&self.peers))));
        files
    }
}

impl World {
    /// The anchors of those who may connect to a listener as clients.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist yet.
    pub(super) fn client_anchors(&self) -> Result<Vec<Certificate>> {
        self.roots_for(&[Role::Client])
    }

    /// The roots above everything that is issued in one of `roles`, and above what would be by default.
    ///
    /// Command line tools do not count: no listener has to know them, and no node those who sign for them beside its peers.
    fn roots_for(&self, roles: &[Role]) -> Result<Vec<Certificate>> {
        let mut issuers: BTreeSet<String> = BTreeSet::new();
        for &role in roles {
            let counts = |entry: &&Entry| entry.role == role && !entry.cli;
            issuers.extend(self.manifest.default_issuer(role).map(str::to_owned));
            issuers.extend(self.manifest.entries().iter().filter(counts).map(|e| e.issuer.clone()));
            issuers.extend(self.unmanaged().filter(counts).map(|e| e.issuer.clone()));
        }
        let mut roots: Vec<Certificate> = Vec::new();
        for issuer in &issuers {
            let root = self.root_above(issuer)?;
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        for &role in roles {
            self.add_foreign(role, &mut roots)?;
        }
        Ok(roots)
    }

    /// Anchors of others, from the files that `[defaults.ROLE] trust` names; relative paths start at the manifest.
    fn add_foreign(&self, role: Role, roots: &mut Vec<Certificate>) -> Result<()> {
        for file in self.manifest.trust(role) {
            let path = self.store.path(file);
            let reading = || format!("reading {}, which [defaults.{role}] trusts", ui::path(&path));
            let bytes = store::read_limited(&path, store::INPUT_LIMIT).context(reading)?;
            for anchor in Certificate::all_from_bytes(&bytes).context(reading)? {
                if !anchor.is_ca() {
                    return Err(Error::failed(format!(
                        "{}: {} is no authority",
                        reading(),
                        ui::quote(&anchor.subject().to_string())
                    ))
                    .hint("name a file with the certificates of authorities"));
                }
                if !roots.contains(&anchor) {
                    roots.push(anchor);
                }
            }
        }
        Ok(())
    }

    /// The self-signed authority at the top of `name`.
    fn root_above(&self, name: &str) -> Result<Certificate> {
        let chain = self.chain_from(name)?;
        chain.last().cloned().ok_or_else(|| Error::failed(format!("authority {} has no certificate", ui::quote(name))))
    }
}

fn pem(certificates: &[Certificate]) -> Vec<u8> {
    certificates.iter().map(Certificate::pem).collect::<String>().into_bytes()
}
