//! `kubernetes-secret`: a certificate and its key as an object of Kubernetes.

use crate::apply::World;
use crate::commands::export::subject::{Subject, Who};
use crate::commands::export::{ExportArgs, Product, is_to_file, texts};
use crate::emit::{TlsSecret, tls_secret};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Kubernetes;
use crate::profile::Role;

pub(super) fn make(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Product> {
    let Who::Identity(role) = subject.who else {
        return Err(Error::failed("only a server, node or client goes into a Secret"));
    };
    let key = subject.key(args, world, env)?.to_pem();
    let cluster = cluster(subject, role, world);
    // The operator takes those whom the pods trust from a Secret of their own, and refuses a second.
    let has_bundle = role == Role::Client || cluster.is_none();
    let trusted = has_bundle.then(|| texts::bundle(subject, world)).transpose()?;
    let file = tls_secret(&TlsSecret {
        role,
        name: &subject.name,
        cluster: cluster.as_ref(),
        namespace: args.namespace.as_deref(),
        certificate: &texts::text(subject.shown()),
        key: &key,
        bundle: trusted.as_deref(),
    })?;
    let mut product = Product::secret(file.bytes.into());
    if is_to_file(args) {
        product.next.push("apply it: kubectl apply -f FILE; it holds a private key, keep it out of git".to_owned());
    }
    Ok(product)
}

/// The cluster on Kubernetes that it is for, or that it is a client of.
fn cluster(subject: &Subject, role: Role, world: &World) -> Option<Kubernetes> {
    let entry = subject.entry(world)?;
    if role != Role::Client {
        return entry.kubernetes.clone();
    }
    let certificates = world.manifest.brokers_of(&entry).flat_map(|broker| &broker.certificates);
    let mut clusters = certificates.filter_map(|shown| world.entry(shown.role, &shown.name)?.kubernetes.clone());
    clusters.next()
}
