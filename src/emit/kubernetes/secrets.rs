//! The Secrets with keys: as commands that read the PKI, or with `--with-keys` as a manifest.

use serde_json::json;

use super::{Cluster, TARGET};
use crate::emit::cluster::{client_suffix, object_of};
use crate::emit::syntax::{comment, header, kubernetes, shell};
use crate::emit::{Facts, Identity, OutputFile, Settings};
use crate::error::{Error, Result};
use crate::manifest::Kubernetes;
use crate::profile::Role;
use crate::ui;

/// One Secret: its files, with the key of each in it.
struct Secret<'f> {
    name: String,
    namespace: &'f str,
    kind: &'static str,
    directory: &'f str,
    files: Vec<(&'static str, &'static str)>,
    texts: Vec<(&'static str, Option<&'f str>)>,
    of: String,
    has_key: bool,
}

/// The file, and the command that applies it. `definitions` is what `definitions.json` says, where the pods read one.
pub(super) fn write(
    facts: &Facts,
    cluster: &Cluster,
    settings: &Settings,
    definitions: Option<&str>,
) -> Result<(OutputFile, &'static str)> {
    let namespace = cluster.kubernetes.namespace();
    let mut secrets = vec![of_identity(facts, cluster.identity, cluster.tls_secret(), namespace)?];
    if let Some(management) = &cluster.broker.management {
        secrets.push(of_identity(facts, management, cluster.object("management-tls"), namespace)?);
    }
    let clients_namespace = cluster.clients_namespace(settings)?;
    for client in &facts.clients {
        secrets.push(of_identity(facts, &client.identity, cluster.client_secret(client), clients_namespace)?);
    }
    if let Some(text) = definitions {
        secrets.push(Secret {
            name: cluster.object("definitions"),
            namespace,
            kind: "Opaque",
            directory: &cluster.broker.directory,
            files: vec![("definitions.json", "definitions.json")],
            texts: vec![("definitions.json", Some(text))],
            of: cluster.broker.title(),
            has_key: true,
        });
    }
    let header = header("#", &TARGET, "Kubernetes 1.24 and later", "[broker] and [client.NAME]");
    let with_keys = secrets.iter().flat_map(|s| &s.texts).any(|(key, text)| *key == "tls.key" && text.is_some());
    if with_keys {
        let text = manifest(&header, &secrets)?;
        return Ok((OutputFile::secret_if("secrets.yaml", true, text), "kubectl apply -f secrets.yaml"));
    }
    Ok((OutputFile::open("secrets.sh", script(&header, &secrets)?), "sh secrets.sh | kubectl apply -f -"))
}

fn of_identity<'f>(facts: &'f Facts, identity: &'f Identity, name: String, namespace: &'f str) -> Result<Secret<'f>> {
    let role = identity.role;
    let Some(certificate) = &identity.certificate else {
        return Err(Error::failed(format!("{} has no certificate", identity.reference()))
            .hint(format!("make it: certgen issue {role} {}", crate::ui::shell(&identity.name))));
    };
    let mut files = vec![("tls.crt", role.certificate_file()), ("tls.key", role.key_file())];
    let key = identity.key.as_ref().map(|key| key.as_str());
    let mut texts = vec![("tls.crt", Some(certificate.as_str())), ("tls.key", key)];
    if role == Role::Client {
        files.push(("ca.crt", role.bundle_file()));
        texts.push(("ca.crt", Some(facts.bundles.servers.as_str())));
    }
    let kind = "kubernetes.io/tls";
    Ok(Secret {
        name,
        namespace,
        kind,
        directory: &identity.directory,
        files,
        texts,
        of: identity.reference(),
        has_key: identity.has_key,
    })
}

/// One identity as a Secret.
pub(crate) struct TlsSecret<'s> {
    /// What it is.
    pub(crate) role: Role,
    /// Its name.
    pub(crate) name: &'s str,
    /// The cluster that it is for, or a client of.
    pub(crate) cluster: Option<&'s Kubernetes>,
    /// Where the Secret is to be, where somebody says so.
    pub(crate) namespace: Option<&'s str>,
    /// Its certificate and the intermediates after it, PEM.
    pub(crate) certificate: &'s str,
    /// Its key, PEM.
    pub(crate) key: &'s str,
    /// Those whom it trusts, PEM.
    pub(crate) bundle: Option<&'s str>,
}

/// The same Secret as `emit kubernetes` makes, of one identity, which need not have to do with a cluster.
///
/// # Errors
/// The namespace is none.
pub(crate) fn tls_secret(of: &TlsSecret<'_>) -> Result<OutputFile> {
    let namespace = of.namespace.or(of.cluster.map(Kubernetes::namespace));
    if let Some(said) = namespace.filter(|said| !kubernetes::is_label(said)) {
        return Err(Error::usage(format!(
            "--namespace {}: a namespace has lower-case letters, digits and hyphens only",
            ui::quote(said)
        )));
    }
    let own = || kubernetes::object_name(of.name);
    let name = match (of.role, of.cluster) {
        (Role::Client, Some(cluster)) => object_of(cluster, &client_suffix(of.name)),
        (Role::Client, None) => client_suffix(of.name),
        (_, Some(cluster)) => object_of(cluster, "tls"),
        (_, None) => format!("{}-tls", own()),
    };
    let certificate = [("tls.crt", Some(of.certificate)), ("tls.key", Some(of.key))];
    let texts = certificate.into_iter().chain(of.bundle.map(|bundle| ("ca.crt", Some(bundle)))).collect();
    let secret = Secret {
        name,
        namespace: namespace.unwrap_or_default(),
        kind: "kubernetes.io/tls",
        directory: "",
        files: Vec::new(),
        texts,
        of: format!("{}/{}", of.role, of.name),
        has_key: true,
    };
    let header = comment("#", &["Written by certgen export, for Kubernetes 1.24 and later."]);
    Ok(OutputFile::secret_if("secret.yaml", true, manifest(&header, &[secret])?))
}

fn manifest(header: &str, secrets: &[Secret]) -> Result<String> {
    let mut objects = Vec::new();
    for secret in secrets {
        let mut data = json!({});
        for (key, text) in &secret.texts {
            let Some(text) = text else {
                return Err(Error::failed(format!("the key of {} is not here", secret.of))
                    .hint("leave --with-keys out, and make its Secret where the key is"));
            };
            data[*key] = (*text).into();
        }
        let mut metadata = json!({ "name": secret.name });
        if !secret.namespace.is_empty() {
            metadata["namespace"] = secret.namespace.into();
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": secret.kind,
            "stringData": data,
        });
        objects.push(("", object));
    }
    let about = comment("#", &["It holds private keys: keep it out of git."]);
    Ok(kubernetes::documents(&(header.to_owned() + &about), &objects))
}

fn script(header: &str, secrets: &[Secret]) -> Result<String> {
    let mut out = String::from("#!/bin/sh\n");
    out.push_str(header);
    out.push_str(&comment(
        "#",
        &[
            "It prints Secrets with the files of the PKI: sh secrets.sh | kubectl apply -f -",
            "Run it again after each renewal.",
        ],
    ));
    out.push_str(include_str!("../texts/secrets.sh"));
    for Secret { name, namespace, kind, directory, files, of, has_key, .. } in secrets {
        if !has_key {
            out.push_str(&comment(
                "#",
                &[format!(
                    "The key of {} is elsewhere: the Secret {name} in {namespace} is made where it is.",
                    ui::quote(of)
                )],
            ));
            continue;
        }
        let words = ["secret", directory, name, "--namespace", namespace, "--type", kind];
        out.push_str(&shell::words(words)?);
        for (key, file) in files {
            out.push_str(&format!(" \\\n  --from-file={key}={file}"));
        }
        out.push('\n');
    }
    out.push_str(")\nprintf '%s\\n' \"$secrets\"\n");
    Ok(out)
}
