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
        Setting::with_default("mount", "mount of the PKI engine", "pki_int"),
        Setting::with_default("max_ttl", "longest validity that is signed", "90d"),
    ],
    holds: Holds::Paths,
    next: |_| vec!["read setup.sh, then run it: it writes roles and policies, and signs nothing".to_owned()],
    write: Write::Once(emit),
};

const VERSIONS: &str = "Vault 1.11 and OpenBao 2, and later";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let broker = facts.broker()?;
    let mount = super::cluster::mount(settings)?;
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
    let mut script = Script { mount, lines: String::new(), files: Vec::new() };
    let role = Use::Node.vault_role(&of);
    script.role(&role, &node_role(&broker.identities, &max_ttl)?)?;
    script.policy(&role, &sign(mount, &role, &json!({})))?;
    if !facts.clients.is_empty() {
        if broker.config.login_from == LoginFrom::DistinguishedName {
            return Err(Error::failed("users are named by whole subjects, which no policy can hold apart")
                .hint("set login_from = \"common_name\" in [broker] of certgen.toml"));
        }
        let role = Use::Client.vault_role(&of);
        script.role(&role, &client_role(&facts.clients, &max_ttl))?;
        for client in &facts.clients {
            script.policy(&Use::vault_policy(&of, client), &sign(mount, &role, &allowed(client)?))?;
        }
    }
    let Script { lines, mut files, .. } = script;
    let intermediate = format!("{}-vault", first.issuer);
    let head = [
        "An intermediate of its own for the engine, once; the key of an authority of the PKI goes nowhere:".to_owned(),
        format!("  certgen issue authority {} --issuer {} --path-length 0", ui::shell(&intermediate), ui::shell(&first.issuer)),
        format!("  vault secrets enable -path={mount} -max-lease-ttl=17520h pki"),
        format!("  (cd {} && cat ca_certificate.pem ca_key.pem) |", ui::shell(&format!("{}/{}", facts.pki, crate::store::layout::ca_dir(&intermediate)?.display()))),
        format!("    vault write {mount}/config/ca pem_bundle=-"),
        "Where nodes and clients have roots of their own, so should they have mounts: emit with --set mount=NAME for each.".to_owned(),
        "A node asks with its request, a client with its name too:".to_owned(),
        format!("  vault write {mount}/sign/{role} csr=@request.pem"),
        format!("  vault write {mount}/sign/{} csr=@request.pem common_name=NAME exclude_cn_from_sans=true", Use::Client.vault_role(&of)),
    ];
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
struct Script<'s> {
    mount: &'s str,
    lines: String,
    files: Vec<OutputFile>,
}

impl Script<'_> {
    fn role(&mut self, name: &str, role: &Value) -> Result<()> {
        let file = format!("{name}.role.json");
        let path = format!("{}/roles/{name}", self.mount);
        self.lines.push_str(&format!("\"$vault\" write {} @{}\n", shell::word(&path)?, shell::word(&file)?));
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

/// The names of the nodes. A wildcard is asked for below its domain, which lets any name there pass: those are the pods.
fn node_role(identities: &[Identity], max_ttl: &str) -> Result<Value> {
    let mut domains = BTreeSet::new();
    let (mut below, mut addresses, mut uris) = (false, false, BTreeSet::new());
    for name in identities.iter().flat_map(|identity| &identity.names) {
        match name {
            GeneralName::Dns(dns) => {
                let host = dns.as_str();
                below |= dns.is_wildcard();
                domains.insert(host.strip_prefix("*.").unwrap_or(host));
            }
            GeneralName::Ip(_) => addresses = true,
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
            "allow_subdomains": below,
            "allow_wildcard_certificates": below,
            "allow_glob_domains": false,
            "allow_any_name": false,
            "allow_localhost": domains.contains("localhost"),
            "allow_ip_sans": addresses,
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
fn sign(mount: &str, role: &str, parameters: &Value) -> Value {
    let mut rule = json!({ "capabilities": ["create", "update"] });
    if parameters.as_object().is_some_and(|map| !map.is_empty()) {
        rule["required_parameters"] = json!(["common_name"]);
        rule["allowed_parameters"] = parameters.clone();
    }
    json!({ "path": { format!("{mount}/sign/{role}"): rule } })
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
            ["orders", "orders.messaging.svc", "orders-nodes.messaging", "orders-server-2.orders-nodes.messaging"]
        {
            assert!(role["allowed_domains"].as_array().unwrap().contains(&domain.into()), "{domain}\n{role:#}");
        }
        assert_eq!(role["key_type"], "any");
        assert_eq!((&role["allow_bare_domains"], &role["allow_subdomains"]), (&true.into(), &true.into()));
        assert_eq!((&role["allow_any_name"], &role["allow_glob_domains"]), (&false.into(), &false.into()));
    }

    #[test]
    fn a_client_says_its_own_name_and_no_other() {
        let files = files(&sample::hostile(), &[]).unwrap();
        let policy = json(&files, ".policy.json");
        assert!(policy["path"]["pki_int/sign/rabbitmq-node"]["allowed_parameters"].is_null());
        let client = files.iter().find(|file| file.path.contains("client-o-brien")).expect("its policy");
        let policy: Value = serde_json::from_slice(&client.bytes).unwrap();
        let allowed = &policy["path"]["pki_int/sign/rabbitmq-client"]["allowed_parameters"];
        assert_eq!(allowed["common_name"], json!([r#"o'brien "$(id)" {{x}}"#]));
        assert!(allowed.get("other_sans").is_none());
        let mut facts = sample::facts();
        facts.clients[0].identity.names = vec![GeneralName::Dns(DnsName::parse("worker.example").unwrap())];
        facts.clients[1].identity.name = "sensor*".into();
        let error = self::files(&facts, &[]).unwrap_err();
        assert!(error.message().contains(r#"cannot hold "sensor*""#), "{error}");
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
