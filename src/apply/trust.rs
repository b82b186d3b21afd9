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
use crate::store::layout::{Ca, Generation};
use crate::ui;
use crate::x509::Certificate;

/// The three bundles of a PKI, each a list of roots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
        Self::with(world, Role::Client, &BTreeSet::new())
    }

    /// The bundles as they will be when `issuers` sign for `role` too.
    ///
    /// # Errors
    /// As for [`Trust::of`].
    pub fn with(world: &World, role: Role, issuers: &BTreeSet<String>) -> Result<Self> {
        let roots = |roles: &[Role]| {
            let more = issuers.iter().filter(|_| roles.contains(&role));
            world.roots_for(roles, more.map(String::as_str))
        };
        Ok(Self {
            clients: roots(&[Role::Client])?,
            servers: roots(&[Role::Server, Role::Node])?,
            peers: roots(&[Role::Node])?,
        })
    }

    /// The bundle files of an identity. The command line tools of a host talk to nodes as a node does.
    pub fn files(&self, role: Role, cli: bool) -> Vec<(&'static str, Vec<u8>)> {
        self.bundles(role, cli).into_iter().map(|(name, anchors)| (name, pem(anchors))).collect()
    }

    /// The same as anchors.
    pub fn bundles(&self, role: Role, cli: bool) -> Vec<(&'static str, &[Certificate])> {
        let anchors = match role {
            Role::Client if cli => &self.peers,
            Role::Client => &self.servers,
            Role::Server | Role::Node => &self.clients,
        };
        let mut bundles = vec![(role.bundle_file(), anchors.as_slice())];
        bundles.extend(role.inter_node_bundle_file().map(|name| (name, self.peers.as_slice())));
        bundles
    }
}

impl World {
    /// The anchors of those who may connect to a listener as clients.
    ///
    /// # Errors
    /// An authority that the manifest names does not exist yet.
    pub(super) fn client_anchors(&self) -> Result<Vec<Certificate>> {
        self.roots_for(&[Role::Client], [])
    }

    /// The roots above everything that is issued in one of `roles`, and above what would be by default.
    ///
    /// Command line tools do not count: no listener has to know them, and no node those who sign for them beside its peers.
    fn roots_for<'i>(&self, roles: &[Role], more: impl IntoIterator<Item = &'i str>) -> Result<Vec<Certificate>> {
        let mut issuers: BTreeSet<String> = more.into_iter().map(str::to_owned).collect();
        for &role in roles {
            let counts = |entry: &&Entry| entry.role == role && !entry.cli;
            issuers.extend(self.manifest.default_issuer(role).map(str::to_owned));
            issuers.extend(self.manifest.entries().iter().filter(counts).map(|e| e.issuer.clone()));
            issuers.extend(self.unmanaged().filter(counts).map(|e| e.issuer.clone()));
            let of_lists = self
                .inventory
                .bulk_issuers()
                .filter(|(of, issuer, _)| *of == role.as_str() && self.authority(*issuer).is_some());
            issuers.extend(of_lists.map(|(_, issuer, _)| issuer.to_owned()));
        }
        let mut roots: Vec<Certificate> = Vec::new();
        // During a rotation the root that signs stands beside the one that did or will.
        for generation in Generation::ALL {
            for issuer in &issuers {
                let ca = Ca::new(issuer, generation);
                if generation != Generation::Present && self.authority(ca).is_none() {
                    continue;
                }
                let root = self.root_above(ca)?;
                if !roots.contains(&root) {
                    roots.push(root);
                }
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
            let bytes = store::read_limited(&path, store::INPUT_LIMIT).map_err(|e| {
                e.context(format!("[defaults.{role}] in certgen.toml trusts a file"))
                    .hint("put the file there, or take it out of trust")
            })?;
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
    fn root_above(&self, ca: Ca<'_>) -> Result<Certificate> {
        let root = self.chain_from(ca)?.pop();
        root.ok_or_else(|| Error::failed(format!("authority {} has no certificate", ui::quote(ca.name))))
    }
}

fn pem(certificates: &[Certificate]) -> Vec<u8> {
    certificates.iter().map(Certificate::pem).collect::<String>().into_bytes()
}
