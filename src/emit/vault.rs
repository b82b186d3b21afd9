//! `emit vault`: roles and policies of the PKI engine that fit these names, for Vault and OpenBao.
//!
//! A role that allows `*.nodes.example` refuses the bare service name in the same request, and any key that is not RSA; so
//! every name is listed. RabbitMQ takes the common name of a client for its user, and the engine cannot check one that is no
//! host name: the role lets any pass, and the policy of each client allows its own alone.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::cluster::Use;
use super::settings::Setting;
use super::syntax::kubernetes::object_name;
use super::syntax::{comment, header, shell};
use super::{Client, Facts, Holds, Identity, OutputFile, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::LoginFrom;
use crate::profile::Role;
use crate::ui;
use crate::x509::{Duration, GeneralName};

pub(super) const TARGET: Target = Target {
    name: "vault",
    description: "Vault, OpenBao: roles and policies that sign these names and no others",
    settings: &[
        Setting::with_default("mount", "mounts of the PKI engine, with -AUTHORITY after it", "pki_int"),
        Setting::with_default("max_ttl", "longest validity that is signed", "90d"),
    ],
    holds: Holds::Paths,
    next: |_, _| vec!["read setup.sh, then run it: it writes roles and policies, and signs nothing".to_owned()],
    write: Write::Once(emit),
};

const VERSIONS: &str = "Vault 1.11 and OpenBao 2, and later";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let broker = facts.broker()?;
    let max_ttl = settings.get("max_ttl").unwrap_or_default();
    let max_ttl: Duration = max_ttl.parse().map_err(|e| Error::usage(format!("--set max_ttl: {e}")))?;
    let max_ttl = format!("{}s", max_ttl.as_time().whole_seconds());
    let Some(first) = broker.identities.first() else {
        return Err(Error::failed(format!("{} has no certificate", broker.title()))
            .hint("make one: certgen issue node HOSTNAME"));
    };
    let of = match (&first.kubernetes, &broker.config.name) {
        (Some(kubernetes), _) => kubernetes.cluster().to_owned(),
        (None, Some(name)) => object_name(name),
        (None, None) => "rabbitmq".to_owned(),
    };
    let mount = |authority: &str| super::cluster::mount(settings, authority);
    let mut script = Script { lines: String::new(), files: Vec::new() };
    let nodes: BTreeSet<&str> = broker.identities.iter().map(|identity| identity.issuer.as_str()).collect();
    let node = Use::Node.vault_role(&of);
    script.role(&mounts(&nodes, &mount)?, &node, &node_role(&broker.identities, &max_ttl)?)?;
    script.policy(&node, &sign(&mounts(&nodes, &mount)?, &node, &json!({})))?;
    let clients: BTreeSet<&str> = facts.clients.iter().map(|client| client.identity.issuer.as_str()).collect();
    let role = Use::Client.vault_role(&of);
    if !facts.clients.is_empty() {
        if broker.config.login_from == LoginFrom::DistinguishedName {
            return Err(Error::failed("users are named by whole subjects, which no policy can hold apart")
                .hint("set login_from = \"common_name\" in [broker] of certgen.toml"));
        }
        script.role(&mounts(&clients, &mount)?, &role, &client_role(&facts.clients, &max_ttl))?;
        for client in &facts.clients {
            let own = [mount(&client.identity.issuer)?];
            script.policy(&Use::vault_policy(&of, client), &sign(&own, &role, &allowed(client)?))?;
        }
    }
    let Script { lines, mut files } = script;
    let mut head = vec![
        "An intermediate and a mount for each authority that signs, once; the key of an authority of the PKI goes nowhere:".to_owned(),
    ];
    for authority in nodes.union(&clients) {
        let (intermediate, mount) = (format!("{authority}-vault"), mount(authority)?);
        let directory = format!("{}/{}", facts.pki, crate::store::layout::ca_dir(&intermediate)?.display());
        head.extend([
            format!(
                "  certgen issue authority {} --issuer {} --path-length 0",
                ui::shell(&intermediate),
                ui::shell(authority)
            ),
            format!("  vault secrets enable -path={mount} -max-lease-ttl=17520h pki"),
            format!("  (cd {} && cat ca_certificate.pem ca_key.pem) |", ui::shell(&directory)),
            format!("    vault write {mount}/config/ca pem_bundle=-"),
        ]);
    }
    head.push("A node asks with its request, a client with its name too:".to_owned());
    for mount in mounts(&nodes, &mount)? {
        head.push(format!("  vault write {mount}/sign/{node} csr=@request.pem"));
    }
    for mount in mounts(&clients, &mount)? {
        head.push(format!(
            "  vault write {mount}/sign/{role} csr=@request.pem common_name=NAME exclude_cn_from_sans=true"
        ));
    }
    head.push(
        "HashiCorp's Vault knows no list of addresses: there a node may be any IP address, if one has an address."
            .to_owned(),
    );
    let script = format!(
        "#!/bin/sh\n{}{}{}{lines}",
        header("#", &TARGET, VERSIONS, "[broker], [node.NAME] and [client.NAME]"),
        comment("#", &head),
        include_str!("texts/vault.sh"),
    );
    files.insert(0, OutputFile::open("setup.sh", script));
    Ok(files)
}

/// The commands, and the files that they read.
struct Script {
    lines: String,
    files: Vec<OutputFile>,
}

impl Script {
    fn role(&mut self, mounts: &[String], name: &str, role: &Value) -> Result<()> {
        let file = format!("{name}.role.json");
        for mount in mounts {
            let path = format!("{mount}/roles/{name}");
            self.lines.push_str(&format!("\"$vault\" write {} @{}\n", shell::word(&path)?, shell::word(&file)?));
        }
        self.file(&file, role);
        Ok(())
    }

    fn policy(&mut self, name: &str, policy: &Value) -> Result<()> {
        let file = format!("{name}.policy.json");
        self.lines.push_str(&format!("\"$vault\" policy write {} {}\n", shell::word(name)?, shell::word(&file)?));
        self.file(&file, policy);
        Ok(())
    }

    fn file(&mut self, name: &str, value: &Value) {
        self.files.push(OutputFile::open(name, format!("{value:#}\n")));
    }
}

fn mounts(authorities: &BTreeSet<&str>, mount: &dyn Fn(&str) -> Result<String>) -> Result<Vec<String>> {
    authorities.iter().map(|authority| mount(authority)).collect()
}

/// A role with what all have in common.
fn role(max_ttl: &str, own: Value) -> Value {
    let mut role = json!({
        "key_type": "any",
        "key_usage": ["DigitalSignature"],
        "max_ttl": max_ttl,
        "ttl": max_ttl,
        // Clocks differ, and Erlang calls a certificate of tomorrow expired.
        "not_before_duration": "3600s",
        "basic_constraints_valid_for_non_ca": true,
        "code_signing_flag": false,
        "email_protection_flag": false,
        "require_cn": false,
    });
    for (key, value) in own.as_object().into_iter().flatten() {
        role[key] = value.clone();
    }
    role
}

/// The names of the nodes, each whole: a wildcard too is one of the domains, and lets no name below it pass.
fn node_role(identities: &[Identity], max_ttl: &str) -> Result<Value> {
    let (mut domains, mut addresses, mut uris) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for name in identities.iter().flat_map(|identity| &identity.names) {
        match name {
            GeneralName::Dns(dns) => {
                domains.insert(dns.as_str());
            }
            GeneralName::Ip(address) => {
                addresses.insert(format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }));
            }
            GeneralName::Uri(uri) => {
                uris.insert(uri.as_str());
            }
            GeneralName::Email(text) | GeneralName::Other(text) => {
                return Err(Error::failed(format!("a node cannot be {} in Vault", ui::quote(text))));
            }
        }
    }
    let is_node = identities.iter().all(|identity| identity.role == Role::Node);
    Ok(role(
        max_ttl,
        json!({
            "allowed_domains": domains,
            "allow_bare_domains": true,
            "allow_subdomains": false,
            "allow_wildcard_certificates": domains.iter().any(|name| name.starts_with("*.")),
            "allow_glob_domains": false,
            "allow_any_name": false,
            "allow_localhost": false,
            "allow_ip_sans": !addresses.is_empty(),
            "allowed_ip_sans_cidr": addresses,
            "allowed_uri_sans": uris,
            "server_flag": true,
            "client_flag": is_node,
        }),
    ))
}

fn client_role(clients: &[Client], max_ttl: &str) -> Value {
    let uris: BTreeSet<&str> = clients.iter().flat_map(|client| &client.identity.names).filter_map(uri).collect();
    role(
        max_ttl,
        json!({
            "allow_any_name": true,
            "enforce_hostnames": false,
            "cn_validations": ["disabled"],
            "allow_localhost": false,
            "allow_ip_sans": false,
            "allowed_uri_sans": uris,
            // What the request says is nothing; what the call says is checked by the policy.
            "use_csr_common_name": false,
            "use_csr_sans": false,
            "server_flag": false,
            "client_flag": true,
        }),
    )
}

fn uri(name: &GeneralName) -> Option<&str> {
    match name {
        GeneralName::Uri(uri) => Some(uri),
        _ => None,
    }
}

/// The right to have something signed.
fn sign(mounts: &[String], role: &str, parameters: &Value) -> Value {
    let mut rule = json!({ "capabilities": ["create", "update"] });
    if parameters.as_object().is_some_and(|map| !map.is_empty()) {
        rule["required_parameters"] = json!(["common_name"]);
        rule["allowed_parameters"] = parameters.clone();
    }
    let paths: serde_json::Map<String, Value> =
        mounts.iter().map(|mount| (format!("{mount}/sign/{role}"), rule.clone())).collect();
    json!({ "path": paths })
}

/// What a client may say about itself. Whatever is not listed is refused; an empty list allows every value.
fn allowed(client: &Client) -> Result<Value> {
    let mut alternative = Vec::new();
    for name in &client.identity.names {
        match name {
            GeneralName::Dns(dns) => alternative.push(dns.as_str().to_owned()),
            GeneralName::Email(address) => alternative.push(address.clone()),
            GeneralName::Uri(_) => {}
            other => {
                return Err(Error::failed(format!(
                    "client {} cannot be {other} in Vault",
                    ui::quote(&client.identity.name)
                )));
            }
        }
    }
    let name = &client.identity.name;
    let alternative = alternative.join(",");
    let uris = client.identity.names.iter().filter_map(uri).collect::<Vec<_>>().join(",");
    for text in [name, &alternative, &uris] {
        // A star at an end of a value stands for anything.
        if text.starts_with('*') || text.ends_with('*') {
            return Err(Error::failed(format!("a policy cannot hold {} apart from other names", ui::quote(text)))
                .hint("give the client a name without * at its ends"));
        }
    }
    Ok(json!({
        "common_name": [name],
        "alt_names": [alternative],
        "uri_sans": [uris],
        "ip_sans": [""],
        "csr": [],
        "ttl": [],
        "format": [],
        "exclude_cn_from_sans": [],
    }))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::x509::DnsName;

    fn files(facts: &Facts, said: &[(&str, &str)]) -> Result<Vec<OutputFile>> {
        let said: Vec<_> = said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        emit(facts, &Settings::of(&TARGET, &said)?)
    }

    fn json(files: &[OutputFile], ending: &str) -> Value {
        let file = files.iter().find(|file| file.path.ends_with(ending)).expect("it is written");
        serde_json::from_slice(&file.bytes).expect("JSON")
    }

    #[test]
    fn a_role_lists_what_the_certificate_has() {
        let files = files(&sample::kubernetes(), &[]).unwrap();
        let role = json(&files, "orders-node.role.json");
        for domain in
            ["orders", "orders.messaging.svc", "orders-server-2.orders-nodes.messaging", "*.orders-nodes.messaging"]
        {
            assert!(role["allowed_domains"].as_array().unwrap().contains(&domain.into()), "{domain}\n{role:#}");
        }
        assert_eq!(role["key_type"], "any");
        assert_eq!((&role["allow_bare_domains"], &role["allow_subdomains"]), (&true.into(), &false.into()));
        assert_eq!((&role["allow_any_name"], &role["allow_glob_domains"]), (&false.into(), &false.into()));
    }

    #[test]
    fn a_client_says_its_own_name_and_no_other() {
        let files = files(&sample::hostile(), &[]).unwrap();
        let policy = json(&files, ".policy.json");
        assert!(policy["path"]["pki_int-root/sign/rabbitmq-node"]["allowed_parameters"].is_null());
        let client = files.iter().find(|file| file.path.contains("client-o-brien")).expect("its policy");
        let policy: Value = serde_json::from_slice(&client.bytes).unwrap();
        let allowed = &policy["path"]["pki_int-root/sign/rabbitmq-client"]["allowed_parameters"];
        assert_eq!(allowed["common_name"], json!([r#"o'brien "$(id)" {{x}}"#]));
        assert!(allowed.get("other_sans").is_none());
        let mut facts = sample::facts();
        facts.clients[0].identity.names = vec![GeneralName::Dns(DnsName::parse("worker.example").unwrap())];
        facts.clients[1].identity.name = "sensor*".into();
        let error = self::files(&facts, &[]).unwrap_err();
        assert!(error.message().contains(r#"cannot hold "sensor*""#), "{error}");
    }

    #[test]
    fn each_authority_signs_from_a_mount_of_its_own() {
        let mut facts = sample::facts();
        for client in &mut facts.clients {
            client.identity.issuer = "clients".into();
        }
        let files = files(&facts, &[("mount", "pki")]).unwrap();
        let script = String::from_utf8(files[0].bytes.clone()).unwrap();
        for line in [
            "certgen issue authority clients-vault --issuer clients",
            "certgen issue authority root-vault --issuer root",
            "write pki-clients/roles/rabbitmq-client @",
            "write pki-root/roles/rabbitmq-node @",
        ] {
            assert!(script.contains(line), "{line}\n{script}");
        }
        assert!(
            !script.contains("pki-root/roles/rabbitmq-client") && !script.contains("pki-clients/roles/rabbitmq-node")
        );
        for file in files.iter().filter(|file| file.path.contains("rabbitmq-client-")) {
            let text = String::from_utf8_lossy(&file.bytes);
            assert!(text.contains("pki-clients/sign/rabbitmq-client") && !text.contains("pki-root"), "{text}");
        }
        assert_eq!(json(&files, "rabbitmq-node.role.json")["allowed_ip_sans_cidr"], json!(["127.0.0.1/32"]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let facts = sample::facts();
        for said in [("mount", "../sys"), ("mount", "a b"), ("mount", ""), ("max_ttl", "soon"), ("max_ttl", "-1d")] {
            assert!(files(&facts, &[said]).is_err(), "{said:?}");
        }
        let mut whole = sample::facts();
        whole.brokers[0].config.login_from = LoginFrom::DistinguishedName;
        assert!(files(&whole, &[]).unwrap_err().hints()[0].contains("login_from"));
    }
}
