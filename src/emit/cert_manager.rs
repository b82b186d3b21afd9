//! `emit cert-manager`: issuers, certificates and trust bundle, for keys that are made in Kubernetes.
//!
//! The Secrets are those that the target `kubernetes` mounts. An issuer never gets the key of one of the PKI's authorities,
//! which goes nowhere: it gets an intermediate of its own, or a role in Vault.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cluster::{CLIENTS_NAMESPACE, Cluster, Use};
use super::settings::Setting;
use super::syntax::kubernetes::{documents, object_name};
use super::syntax::{comment, header};
use super::{Client, Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::LoginFrom;
use crate::ui;
use crate::x509::{Duration, GeneralName};

pub(super) const TARGET: Target = Target {
    name: "cert-manager",
    description: "cert-manager: issuers, certificates of nodes and clients, bundle for trust-manager",
    settings: &[
        Setting::with_default("issuer", "who signs: ca (an intermediate in a Secret) or vault", "ca"),
        Setting::of_facts("vault", "address of Vault, for issuer=vault"),
        Setting::with_default("mount", "mounts of the PKI engine in Vault, with -AUTHORITY after it", "pki_int"),
        Setting::with_default("duration", "validity of the certificates", "90d"),
        Setting::with_default("renew_before", "how long before the end they are renewed", "30d"),
        CLIENTS_NAMESPACE,
    ],
    holds: Holds::Certificates,
    next: |_, _| vec!["the head of issuers.yaml says what to apply, and in which order".to_owned()],
    write: Write::Once(emit),
};

const VERSIONS: &str = "cert-manager 1.18 and trust-manager 0.18";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let cluster = Cluster::of(facts)?;
    let namespace = cluster.clients_namespace(settings)?;
    // One for each authority in each namespace where somebody asks it.
    let mut issuers = BTreeSet::from([(cluster.kubernetes.namespace(), cluster.identity.issuer.as_str(), Use::Node)]);
    issuers.extend(facts.clients.iter().map(|client| (namespace, client.identity.issuer.as_str(), Use::Client)));
    let header = header("#", &TARGET, VERSIONS, "[broker], [node.NAME] and [client.NAME]");
    let (head, objects) = match settings.get("issuer") {
        Some("ca") => from_ca(facts, &cluster, &issuers)?,
        Some("vault") => from_vault(facts, &cluster, settings, &issuers)?,
        other => {
            let said = ui::quote(other.unwrap_or_default());
            return Err(Error::usage(format!("--set issuer={said}: it is ca or vault")));
        }
    };
    let order = ["Then, in this order: kubectl apply -f issuers.yaml -f certificates.yaml -f bundle.yaml"];
    let head = header.clone() + &head + &comment("#", &order);
    let lifetime = Lifetime::of(settings)?;
    let mut certificates = vec![("The nodes: server and client of each other.", of_nodes(&cluster, &lifetime)?)];
    for client in &facts.clients {
        certificates.push(("", of_client(&cluster, client, namespace, &lifetime)?));
    }
    let about_certificates = comment(
        "#",
        &["The Secrets are those that `certgen emit kubernetes` mounts: leave its secrets.sh alone then."],
    );
    let bundle = json!({
        "apiVersion": "trust.cert-manager.io/v1alpha1",
        "kind": "Bundle",
        "metadata": { "name": cluster.object("servers") },
        "spec": {
            "sources": [{ "inLine": facts.bundles.servers }],
            "target": {
                "configMap": { "key": "ca.crt" },
                "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
            },
        },
    });
    let about_bundle = comment(
        "#",
        &[
            "What clients trust, as a ConfigMap in their namespace. ca.crt in a Secret of cert-manager's is the one issuer of",
            "that day: it breaks on the day another authority signs. Here old and new stand side by side while one replaces",
            "the other.",
        ],
    );
    Ok(vec![
        OutputFile::open("issuers.yaml", documents(&head, &objects)),
        OutputFile::open("certificates.yaml", documents(&(header.clone() + &about_certificates), &certificates)),
        OutputFile::open("bundle.yaml", documents(&(header + &about_bundle), &[("", bundle)])),
    ])
}

type Issuers<'f> = BTreeSet<(&'f str, &'f str, Use)>;
type Objects = Vec<(&'static str, Value)>;

fn issuer_name(cluster: &Cluster, authority: &str) -> String {
    cluster.object(&format!("issuer-{}", object_name(authority)))
}

fn issuer(cluster: &Cluster, namespace: &str, name: &str, spec: Value) -> Value {
    let mut metadata = cluster.metadata(name);
    metadata["namespace"] = namespace.into();
    json!({ "apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": metadata, "spec": spec })
}

/// With an intermediate for each authority.
fn from_ca(facts: &Facts, cluster: &Cluster, issuers: &Issuers) -> Result<(String, Objects)> {
    let pairs: BTreeSet<(&str, &str)> =
        issuers.iter().map(|(namespace, authority, _)| (*namespace, *authority)).collect();
    let mut lines = vec![
        "Once, an intermediate for the issuers alone, of half the validity or less; its chain and its key go to a Secret. Who can".to_owned(),
        "read that Secret can be any node and any user: the namespace is as precious as the key.".to_owned(),
    ];
    let mut objects = Vec::new();
    let mut made = BTreeSet::new();
    for (namespace, authority) in pairs {
        let name = issuer_name(cluster, authority);
        let intermediate = format!("{authority}-{}", cluster.kubernetes.cluster());
        if made.insert(authority) {
            lines.push(format!(
                "  certgen issue authority {} --issuer {} --path-length 0 --validity 2y",
                ui::shell(&intermediate),
                ui::shell(authority)
            ));
        }
        let directory = crate::store::layout::ca_dir(&intermediate)?;
        lines.push(format!("  (cd {} &&", ui::shell(&format!("{}/{}", facts.pki, directory.display()))));
        lines.push(format!(
            "   kubectl -n {namespace} create secret tls {name} --cert=ca_certificate.pem --key=ca_key.pem)"
        ));
        objects.push(("", issuer(cluster, namespace, &name, json!({ "ca": { "secretName": name } }))));
    }
    Ok((comment("#", &lines), objects))
}

/// With the roles that the target `vault` makes.
fn from_vault(facts: &Facts, cluster: &Cluster, settings: &Settings, issuers: &Issuers) -> Result<(String, Objects)> {
    let Some(server) = settings.get("vault") else {
        return Err(
            Error::usage("issuer=vault: where is it?").hint("say so: --set vault=https://vault.example.com:8200")
        );
    };
    let account = cluster.object("issuer");
    let mut objects = Vec::new();
    let namespaces: BTreeSet<&str> = issuers.iter().map(|(namespace, ..)| *namespace).collect();
    for namespace in &namespaces {
        let metadata = json!({ "name": account, "namespace": namespace });
        let subject = json!({ "kind": "ServiceAccount", "name": "cert-manager", "namespace": "cert-manager" });
        let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account });
        let rule = json!({
            "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [account], "verbs": ["create"],
        });
        let rbac = "rbac.authorization.k8s.io/v1";
        objects.extend([
            ("Whom Vault knows.", json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata })),
            ("", json!({ "apiVersion": rbac, "kind": "Role", "metadata": metadata, "rules": [rule] })),
            (
                "",
                json!({
                    "apiVersion": rbac, "kind": "RoleBinding", "metadata": metadata,
                    "roleRef": role, "subjects": [subject],
                }),
            ),
        ]);
    }
    for (namespace, authority, role) in issuers {
        let login = json!({
            "role": cluster.object("issuer"),
            "mountPath": "/v1/auth/kubernetes",
            "serviceAccountRef": { "name": account },
        });
        let mount = super::cluster::mount(settings, authority)?;
        let path = format!("{mount}/sign/{}", role.vault_role(cluster.kubernetes.cluster()));
        let spec = json!({ "vault": { "server": server, "path": path, "auth": { "kubernetes": login } } });
        objects.push(("", issuer(cluster, namespace, &vault_issuer(cluster, authority, *role), spec)));
    }
    let namespaces: Vec<&str> = namespaces.into_iter().collect();
    let of = cluster.kubernetes.cluster();
    let mut policies = vec![Use::Node.vault_role(of)];
    policies.extend(facts.clients.iter().map(|client| Use::vault_policy(of, client)));
    let head = [
        "Once, the roles and policies of `certgen emit vault`, and who may use them:".to_owned(),
        format!("  vault write auth/kubernetes/role/{account} bound_service_account_names={account} \\"),
        format!("    bound_service_account_namespaces={} policies={}", namespaces.join(","), policies.join(",")),
    ];
    Ok((comment("#", &head), objects))
}

/// Nodes and clients have roles of their own, also where one authority signs for both.
fn vault_issuer(cluster: &Cluster, authority: &str, of: Use) -> String {
    format!("{}-{}", issuer_name(cluster, authority), of.word())
}

/// Validity, and how long before its end the next certificate is asked for.
struct Lifetime {
    duration: String,
    renew_before: String,
    from_vault: bool,
}

impl Lifetime {
    fn of(settings: &Settings) -> Result<Self> {
        let said = |key: &str| {
            let text = settings.get(key).unwrap_or_default();
            text.parse::<Duration>().map_err(|e| Error::usage(format!("--set {key}: {e}")))
        };
        let (duration, renew_before) = (said("duration")?, said("renew_before")?);
        let hour: Duration = "1h".parse().expect("an hour is a duration");
        if duration < hour || renew_before >= duration {
            return Err(Error::usage(
                "--set duration, renew_before: cert-manager wants an hour or more, and to renew before its end",
            ));
        }
        // Go knows no days.
        let seconds = |duration: Duration| format!("{}s", duration.as_time().whole_seconds());
        let hours = |duration: Duration| match duration.as_time().whole_seconds() {
            whole if whole % 3600 == 0 => format!("{}h", whole / 3600),
            _ => seconds(duration),
        };
        let from_vault = settings.get("issuer") == Some("vault");
        Ok(Self { duration: hours(duration), renew_before: hours(renew_before), from_vault })
    }

    fn spec(&self, cluster: &Cluster, secret: &str, authority: &str, of: Use) -> Value {
        let issuer = match self.from_vault {
            true => vault_issuer(cluster, authority, of),
            false => issuer_name(cluster, authority),
        };
        json!({
            "secretName": secret,
            "issuerRef": { "kind": "Issuer", "name": issuer },
            "duration": self.duration,
            "renewBefore": self.renew_before,
            "privateKey": { "algorithm": "ECDSA", "size": 256, "encoding": "PKCS8", "rotationPolicy": "Always" },
            // tls-combined.pem: key and certificate for whoever wants both in one file.
            "additionalOutputFormats": [{ "type": "CombinedPEM" }],
            "usages": of.usages(),
        })
    }
}

fn certificate(metadata: Value, spec: Value) -> Value {
    json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": metadata, "spec": spec })
}

fn of_nodes(cluster: &Cluster, lifetime: &Lifetime) -> Result<Value> {
    let name = cluster.tls_secret();
    let mut spec = lifetime.spec(cluster, &name, &cluster.identity.issuer, Use::Node);
    add_names(&mut spec, &cluster.identity.names)?;
    Ok(certificate(cluster.metadata(&name), spec))
}

fn of_client(cluster: &Cluster, client: &Client, namespace: &str, lifetime: &Lifetime) -> Result<Value> {
    let name = cluster.client_secret(client);
    let mut spec = lifetime.spec(cluster, &name, &client.identity.issuer, Use::Client);
    if cluster.broker.config.login_from == LoginFrom::DistinguishedName {
        return Err(Error::failed(
            "users are named by whole subjects, whose order cert-manager and RabbitMQ see differently",
        )
        .hint("set login_from = \"common_name\" in [broker] of certgen.toml"));
    }
    spec["commonName"] = client.identity.name.as_str().into();
    add_names(&mut spec, &client.identity.names)?;
    let mut metadata = cluster.metadata(&name);
    metadata["namespace"] = namespace.into();
    Ok(certificate(metadata, spec))
}

fn add_names(spec: &mut Value, names: &[GeneralName]) -> Result<()> {
    for name in names {
        let (field, text) = match name {
            GeneralName::Dns(dns) => ("dnsNames", dns.as_str().to_owned()),
            GeneralName::Ip(address) => ("ipAddresses", address.to_string()),
            GeneralName::Uri(uri) => ("uris", uri.clone()),
            GeneralName::Email(address) => ("emailAddresses", address.clone()),
            GeneralName::Other(text) => {
                return Err(Error::failed(format!("cert-manager cannot ask for the name {}", ui::quote(text))));
            }
        };
        match &mut spec[field] {
            Value::Array(list) => list.push(text.into()),
            field => *field = json!([text]),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn certificates(facts: &Facts, said: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let files = emit(facts, &Settings::of(&TARGET, &said)?)?;
        assert!(files.iter().all(|file| !String::from_utf8_lossy(&file.bytes).contains("PRIVATE KEY")));
        let file = files.iter().find(|file| file.path == "certificates.yaml").expect("it is written");
        Ok(String::from_utf8(file.bytes.clone()).unwrap())
    }

    #[test]
    fn a_hostile_client_is_one_certificate() {
        let mut facts = sample::kubernetes();
        facts.clients = sample::hostile().clients;
        let text = certificates(&facts, &[("clients_namespace", "apps")]).unwrap();
        assert!(text.contains(r#"commonName: "o'brien \"$(id)\" {{x}}""#), "{text}");
        assert!(text.contains("  secretName: orders-client-o-brien-id-x-"), "{text}");
        assert_eq!(text.matches("kind: Certificate").count(), 1 + facts.clients.len());
    }

    #[test]
    fn lifetimes_are_written_as_go_reads_them() {
        let facts = sample::kubernetes();
        let text = certificates(&facts, &[("duration", "6d"), ("renew_before", "90m")]).unwrap();
        assert!(text.contains("duration: \"144h\"") && text.contains("renewBefore: \"5400s\""), "{text}");
        for said in
            [("duration", "30m"), ("renew_before", "90d"), ("duration", "x"), ("issuer", "acme"), ("issuer", "vault")]
        {
            assert!(certificates(&facts, &[said]).is_err(), "{said:?}");
        }
        let mut whole = sample::kubernetes();
        whole.brokers[0].config.login_from = LoginFrom::DistinguishedName;
        assert!(certificates(&whole, &[]).is_err());
    }
}
