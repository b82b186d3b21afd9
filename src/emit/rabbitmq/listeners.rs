//! What rabbitmq.conf says, and advanced.config when there is no other way.

use super::conf::Conf;
use super::erlang::{self, Term, atom, pair, text};
use super::facts::{BrokerFacts, Naming, protocol, slashes};
use super::{header, inter_node, plain, proxied};
use crate::error::Result;
use crate::manifest::{ClientCertificates, LoginFrom, Ports, TlsVersion};

/// rabbitmq.conf, with these comments at its top.
pub(super) fn conf(facts: &BrokerFacts, comments: &[String]) -> Result<Conf> {
    let mut conf = Conf::default();
    for line in comments {
        conf.comment(line);
    }
    amqp(&mut conf, facts)?;
    login(&mut conf, facts)?;
    protocols(&mut conf, facts)?;
    http(&mut conf, facts)?;
    cluster(&mut conf, facts)?;
    Ok(conf)
}

/// The part of it that the Cluster Operator takes: it forms the cluster itself, and has its own way to users.
pub(super) fn operator_conf(facts: &BrokerFacts) -> Result<Conf> {
    let mut conf = Conf::default();
    amqp(&mut conf, facts)?;
    login(&mut conf, facts)?;
    protocols(&mut conf, facts)?;
    http(&mut conf, facts)?;
    Ok(conf)
}

fn amqp(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    conf.blank();
    match &facts.proxy {
        Some(proxy) => proxied::amqp(conf, proxy)?,
        None => {
            conf.comment(plain::title(facts, "AMQP: TLS alone.", "AMQP: TLS, and without it while clients move."));
            plain::listener(conf, facts, "listeners.tcp", Ports::PLAIN.amqp)?;
            conf.set("listeners.ssl.default", facts.ports.amqp.to_string())?;
        }
    }
    conf.blank();
    conf.comment(match facts.naming {
        Naming::Pki => {
            "Shared by AMQP, MQTT, STOMP and streams. ca_certificate.pem holds those who may connect as clients; combined_keys.pem\n\
             holds certificate and key, so that one rename replaces both. A renewed pair is noticed within two minutes, or at once\n\
             after: rabbitmqctl eval 'ssl:clear_pem_cache().'"
        }
        Naming::Kubernetes => {
            "Shared by AMQP, MQTT, STOMP and streams. ca.crt holds those who may connect as clients. A Secret that was replaced\n\
             comes to the pods within a minute or two, and is then noticed within two minutes; no pod is restarted."
        }
    });
    conf.set("ssl_options.cacertfile", facts.cacertfile())?;
    conf.set("ssl_options.certfile", facts.certfile())?;
    conf.set("ssl_options.keyfile", facts.keyfile())?;
    if let Some(password) = &facts.key_password {
        conf.set("ssl_options.password", password.as_str())?;
    }
    let (verify, required) = verification(facts);
    conf.set("ssl_options.verify", verify)?;
    conf.set("ssl_options.fail_if_no_peer_cert", required)?;
    if remembers_clients(facts) {
        conf.comment(
            "A client that resumes a session of TLS 1.2 is not verified again: for a day it would come in with a certificate that\n\
             was revoked meanwhile, or whose authority nobody trusts any more.",
        );
        conf.set("ssl_options.reuse_sessions", "false")?;
    }
    versions(conf, "ssl_options", facts)
}

/// Erlang keeps sessions of TLS 1.2 for a day, and resumes them although bundle or revocation list have changed since;
/// those of TLS 1.3 it does not keep. (Where that is spoken alone the option has no meaning, and Erlang refuses what has
/// none.)
fn remembers_clients(facts: &BrokerFacts) -> bool {
    facts.client_certificates != ClientCertificates::None && facts.versions().contains(&TlsVersion::V1_2)
}

fn verification(facts: &BrokerFacts) -> (&'static str, &'static str) {
    match facts.client_certificates {
        ClientCertificates::Required => ("verify_peer", "true"),
        ClientCertificates::Optional => ("verify_peer", "false"),
        ClientCertificates::None => ("verify_none", "false"),
    }
}

fn versions(conf: &mut Conf, prefix: &str, facts: &BrokerFacts) -> Result<()> {
    for (index, version) in facts.versions().iter().enumerate() {
        conf.set(format!("{prefix}.versions.{}", index + 1), protocol(*version))?;
    }
    Ok(())
}

fn login(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    let external = facts.client_certificates != ClientCertificates::None;
    let passwords = facts.client_certificates != ClientCertificates::Required
        || facts.proxy.as_ref().is_some_and(|proxy| proxy.reencrypts)
        || facts.users.iter().any(|user| user.password_hash.is_some());
    conf.blank();
    conf.comment(match (external, passwords) {
        (true, false) => {
            "The user name comes from the certificate; nobody logs in with a password, except at the management UI."
        }
        (true, true) => "The user name comes from the certificate (EXTERNAL), or a user has a password (PLAIN).",
        (false, _) => "Every user has a password.",
    });
    // AMQPLAIN is on by default, so that there are clients that use it.
    let mechanisms = [external.then_some("EXTERNAL"), passwords.then_some("PLAIN"), facts.plain.then_some("AMQPLAIN")];
    for (index, mechanism) in mechanisms.into_iter().flatten().enumerate() {
        conf.set(format!("auth_mechanisms.{}", index + 1), mechanism)?;
    }
    if external {
        login_from(conf, facts.login_from)?;
    }
    if !facts.load_definitions {
        return Ok(());
    }
    conf.blank();
    conf.comment(
        "Read at every boot: users, permissions and vhosts in it overwrite what the broker has (also a password, and the\n\
         description and tags of a vhost), and nothing is deleted. The default user guest is not made.",
    );
    conf.set("load_definitions", facts.config("definitions.json"))
}

fn login_from(conf: &mut Conf, from: LoginFrom) -> Result<()> {
    match from {
        LoginFrom::CommonName => conf.set("ssl_cert_login_from", "common_name"),
        LoginFrom::DistinguishedName => conf.set("ssl_cert_login_from", "distinguished_name"),
        LoginFrom::SanDns => alternative_name(conf, "dns"),
        LoginFrom::SanEmail => alternative_name(conf, "email"),
        LoginFrom::SanUri => alternative_name(conf, "uri"),
    }
}

/// The first subject alternative name of a kind.
fn alternative_name(conf: &mut Conf, kind: &str) -> Result<()> {
    conf.set("ssl_cert_login_from", "subject_alternative_name")?;
    conf.set("ssl_cert_login_san_type", kind)?;
    conf.set("ssl_cert_login_san_index", "0")
}

fn protocols(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    let certificate_login = if facts.client_certificates == ClientCertificates::None { "false" } else { "true" };
    if facts.has_plugin("rabbitmq_mqtt") || facts.has_plugin("rabbitmq_web_mqtt") {
        conf.blank();
        match &facts.proxy {
            Some(proxy) => proxied::mqtt(conf, proxy)?,
            None => mqtt(conf, facts, certificate_login)?,
        }
    }
    if facts.has_plugin("rabbitmq_stomp") || facts.has_plugin("rabbitmq_web_stomp") {
        conf.blank();
        protocol_title(conf, facts, "STOMP");
        plain::listener(conf, facts, "stomp.listeners.tcp", Ports::PLAIN.stomp)?;
        conf.set("stomp.listeners.ssl.default", facts.ports.stomp.to_string())?;
        conf.set("stomp.ssl_cert_login", certificate_login)?;
    }
    if facts.has_plugin("rabbitmq_stream") || facts.has_plugin("rabbitmq_stream_management") {
        conf.blank();
        protocol_title(conf, facts, "Streams");
        plain::listener(conf, facts, "stream.listeners.tcp", Ports::PLAIN.stream)?;
        conf.set("stream.listeners.ssl.default", facts.ports.stream.to_string())?;
    }
    Ok(())
}

fn mqtt(conf: &mut Conf, facts: &BrokerFacts, certificate_login: &str) -> Result<()> {
    protocol_title(conf, facts, "MQTT");
    plain::listener(conf, facts, "mqtt.listeners.tcp", Ports::PLAIN.mqtt)?;
    conf.set("mqtt.listeners.ssl.default", facts.ports.mqtt.to_string())?;
    conf.set("mqtt.ssl_cert_login", certificate_login)?;
    match facts.plain {
        true => Ok(()),
        false => conf.set("mqtt.allow_anonymous", "false"),
    }
}

fn protocol_title(conf: &mut Conf, facts: &BrokerFacts, protocol: &str) {
    let how = plain::title(facts, "TLS alone, with", "TLS, and without it while clients move; with");
    conf.comment(&format!("{protocol}: {how} ssl_options above."));
}

/// HTTP listeners. `verify` is left out where the versions do not all know it: these then ask for no certificate.
fn http(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    if facts.management.enabled {
        conf.blank();
        conf.comment("Management UI and HTTP API: https; browsers are not asked for a certificate, people log in with a password.");
        match &facts.proxy {
            Some(proxy) => proxied::management(conf, proxy)?,
            None => plain::management(conf, facts)?,
        }
        http_listener(conf, facts, "management", facts.management.port, true)?;
    }
    if facts.has_plugin("rabbitmq_prometheus") {
        conf.blank();
        conf.comment("Metrics: https, no client certificate.");
        http_listener(conf, facts, "prometheus", facts.ports.prometheus, true)?;
        plain::metrics(conf, facts)?;
    }
    let web = [
        ("rabbitmq_web_mqtt", "web_mqtt", facts.ports.web_mqtt, Ports::PLAIN.web_mqtt),
        ("rabbitmq_web_stomp", "web_stomp", facts.ports.web_stomp, Ports::PLAIN.web_stomp),
    ];
    for (plugin, prefix, port, plain_port) in web {
        if facts.has_plugin(plugin) {
            conf.blank();
            conf.comment("WebSockets: https, no client certificate; users log in with a password.");
            plain::web(conf, facts, prefix, plain_port)?;
            http_listener(conf, facts, prefix, port, false)?;
        }
    }
    Ok(())
}

fn http_listener(conf: &mut Conf, facts: &BrokerFacts, prefix: &str, port: u16, verify: bool) -> Result<()> {
    conf.set(format!("{prefix}.ssl.port"), port.to_string())?;
    match &facts.management.certificate {
        Some(files) => {
            conf.set(format!("{prefix}.ssl.certfile"), slashes(facts.platform, &files.certfile))?;
            conf.set(format!("{prefix}.ssl.keyfile"), slashes(facts.platform, &files.keyfile))?;
        }
        None => {
            conf.set(format!("{prefix}.ssl.certfile"), facts.certfile())?;
            conf.set(format!("{prefix}.ssl.keyfile"), facts.keyfile())?;
            if let Some(password) = &facts.key_password {
                conf.set(format!("{prefix}.ssl.password"), password.as_str())?;
            }
        }
    }
    if verify {
        conf.set(format!("{prefix}.ssl.verify"), "verify_none")?;
        conf.set(format!("{prefix}.ssl.fail_if_no_peer_cert"), "false")?;
    }
    versions(conf, &format!("{prefix}.ssl"), facts)
}

fn cluster(conf: &mut Conf, facts: &BrokerFacts) -> Result<()> {
    if facts.nodes.is_empty() {
        return Ok(());
    }
    conf.blank();
    conf.comment(
        "The members. They must reach each other by these names, and have the same Erlang cookie\n\
         (/var/lib/rabbitmq/.erlang.cookie, mode 0400): certgen does not write it. Read when a node starts for the first time.",
    );
    conf.set("cluster_formation.peer_discovery_backend", "classic_config")?;
    for (index, node) in facts.nodes.iter().enumerate() {
        let name = inter_node::node_name(facts, node);
        conf.set(format!("cluster_formation.classic_config.nodes.{}", index + 1), name)?;
    }
    Ok(())
}

/// advanced.config, when something has no key in rabbitmq.conf: the cache of revocation lists.
///
/// RabbitMQ 4.3 has `ssl_options.crl_sources`, but with `dir` it asks Erlang's `ssl_crl_cache` for the directory, which knows
/// none: every client would be refused. So there is one form for all versions.
pub(super) fn advanced(facts: &BrokerFacts) -> Option<String> {
    let Some(options) = ssl_options(facts) else {
        return facts.has_checked_revocation.then(|| {
            let mut comments = header(facts, "advanced.config: nothing.");
            comments.push("It once made the broker check revocation lists; now rabbitmq.conf says everything.".into());
            erlang::file(&comments, &Term::List(Vec::new()))
        });
    };
    let mut comments =
        header(facts, "advanced.config: checking of revocation lists, which rabbitmq.conf cannot express.");
    comments.push(
        "This ssl_options REPLACES every ssl_options line of rabbitmq.conf, so it repeats them all.\n\
         The directory holds <openssl crl -hash>.r0, .r1, ... without a gap, and is read at each handshake. A list that is\n\
         missing or past its nextUpdate locks every client out."
            .into(),
    );
    let rabbit = pair("rabbit", Term::List(vec![options]));
    Some(erlang::file(&comments, &Term::List(vec![rabbit])))
}

/// The same for the `rabbit` section of an advanced.config that somebody else wrote; without the key's password.
pub(super) fn advanced_snippet(facts: &BrokerFacts) -> Option<String> {
    let facts = BrokerFacts { key_password: None, ..facts.clone() };
    let text = erlang::file(&[], &ssl_options(&facts)?);
    text.strip_suffix(".\n").map(str::to_owned)
}

fn ssl_options(facts: &BrokerFacts) -> Option<Term> {
    let revocation = facts.revocation.as_ref()?;
    let (verify, required) = verification(facts);
    let mut options = vec![
        pair("cacertfile", text(&facts.cacertfile())),
        pair("certfile", text(&facts.certfile())),
        pair("keyfile", text(&facts.keyfile())),
    ];
    options.extend(facts.key_password.as_ref().map(|password| pair("password", text(password))));
    let directory = pair("dir", text(&slashes(facts.platform, &revocation.crls_dir)));
    options.extend([pair("verify", atom(verify)), pair("fail_if_no_peer_cert", atom(required))]);
    options.extend(remembers_clients(facts).then(|| pair("reuse_sessions", atom("false"))));
    options.extend([
        inter_node::versions(&facts.versions()),
        pair("crl_check", atom("peer")),
        pair("crl_cache", Term::Tuple(vec![atom("ssl_crl_hash_dir"), pair("internal", Term::List(vec![directory]))])),
    ]);
    Some(pair("ssl_options", Term::List(options)))
}

#[cfg(test)]
mod tests {
    use super::super::facts::{CertificateFiles, Revocation, UserFacts};
    use super::*;
    use crate::manifest::Platform;

    fn facts() -> BrokerFacts {
        BrokerFacts::single("/etc/rabbitmq/certs", "/etc/rabbitmq")
    }

    fn settings(facts: &BrokerFacts) -> Vec<String> {
        conf(facts, &[]).unwrap().settings().map(|(key, value)| format!("{key} = {value}")).collect()
    }

    #[test]
    fn a_single_node_speaks_tls_alone_and_knows_users_by_certificate() {
        let expected = "listeners.tcp = none
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/rabbitmq/certs/ca_certificate.pem
ssl_options.certfile = /etc/rabbitmq/certs/combined_keys.pem
ssl_options.keyfile = /etc/rabbitmq/certs/combined_keys.pem
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
ssl_options.reuse_sessions = false
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
auth_mechanisms.1 = EXTERNAL
ssl_cert_login_from = common_name
load_definitions = /etc/rabbitmq/definitions.json
management.ssl.port = 15671
management.ssl.certfile = /etc/rabbitmq/certs/combined_keys.pem
management.ssl.keyfile = /etc/rabbitmq/certs/combined_keys.pem
management.ssl.verify = verify_none
management.ssl.fail_if_no_peer_cert = false
management.ssl.versions.1 = tlsv1.3
management.ssl.versions.2 = tlsv1.2";
        assert_eq!(settings(&facts()).join("\n"), expected);
    }

    #[test]
    fn passwords_bring_plain_and_only_they() {
        let mut facts = facts();
        facts.users = vec![UserFacts { name: "a".into(), password_hash: Some("H".into()), ..UserFacts::default() }];
        assert!(settings(&facts).contains(&"auth_mechanisms.2 = PLAIN".into()));
        facts.client_certificates = ClientCertificates::None;
        let none = settings(&facts);
        assert!(
            none.contains(&"auth_mechanisms.1 = PLAIN".into())
                && none.contains(&"ssl_options.verify = verify_none".into())
        );
        assert!(!none.iter().any(|line| line.starts_with("ssl_cert_login") || line.contains("EXTERNAL")));
        facts.users.clear();
        facts.client_certificates = ClientCertificates::Optional;
        let optional = settings(&facts);
        assert!(optional.contains(&"ssl_options.fail_if_no_peer_cert = false".into()));
        assert!(optional.contains(&"auth_mechanisms.2 = PLAIN".into()));
    }

    /// Nobody is verified who resumes a session.
    #[test]
    fn sessions_are_forgotten_where_they_stand_for_a_certificate() {
        let line = "ssl_options.reuse_sessions = false".to_owned();
        let mut facts = facts();
        assert!(settings(&facts).contains(&line));
        facts.tls_versions = vec![TlsVersion::V1_3];
        assert!(!settings(&facts).contains(&line), "there is nothing to forget");
        let facts = BrokerFacts { client_certificates: ClientCertificates::None, ..self::facts() };
        assert!(!settings(&facts).contains(&line));
    }

    #[test]
    fn the_key_password_goes_wherever_the_key_goes() {
        let mut facts = facts();
        facts.key_password = Some(String::from("Secret1").into());
        assert_eq!(settings(&facts).iter().filter(|line| line.ends_with("password = Secret1")).count(), 2);
        let other = CertificateFiles { certfile: "/le/fullchain.pem".into(), keyfile: "/le/key.pem".into() };
        facts.management.certificate = Some(other);
        let lines = settings(&facts);
        assert!(lines.contains(&"management.ssl.certfile = /le/fullchain.pem".into()));
        assert!(!lines.iter().any(|line| line.starts_with("management.ssl.password")));
        facts.key_password = Some(String::from("a#b").into());
        assert!(conf(&facts, &[]).is_err());
    }

    #[test]
    fn windows_paths_have_slashes() {
        let mut facts = facts();
        facts.platform = Platform::Windows;
        facts.certs_dir = r"C:\ProgramData\RabbitMQ\certs\".into();
        assert!(
            settings(&facts)
                .contains(&"ssl_options.cacertfile = C:/ProgramData/RabbitMQ/certs/ca_certificate.pem".into())
        );
    }

    #[test]
    fn revocation_repeats_what_it_replaces() {
        let mut facts = facts();
        assert_eq!(advanced(&facts), None);
        facts.revocation = Some(Revocation { crls_dir: "/etc/rabbitmq/crls".into(), lists: Vec::new() });
        let text = advanced(&facts).unwrap();
        for part in [
            "{cacertfile, \"/etc/rabbitmq/certs/ca_certificate.pem\"}",
            "{verify, verify_peer}",
            "{fail_if_no_peer_cert, true}",
            "{reuse_sessions, false}",
            "{versions, ['tlsv1.3', 'tlsv1.2']}",
            "{crl_check, peer}",
            "{crl_cache, {ssl_crl_hash_dir, {internal, [{dir, \"/etc/rabbitmq/crls\"}]}}}",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_was_checked_once_is_taken_back() {
        let facts = BrokerFacts { has_checked_revocation: true, ..facts() };
        let text = advanced(&facts).unwrap();
        assert!(text.ends_with("\n[].\n") && !text.contains("crl"), "{text}");
    }

    #[test]
    fn what_others_must_merge_shows_no_password() {
        let revocation = Some(Revocation { crls_dir: "/crls".into(), lists: Vec::new() });
        let facts = BrokerFacts { revocation, key_password: Some(String::from("Secret1").into()), ..facts() };
        let snippet = advanced_snippet(&facts).unwrap();
        assert!(snippet.starts_with("{ssl_options, [") && snippet.ends_with("]}"), "{snippet}");
        assert!(!snippet.contains("Secret1") && advanced(&facts).unwrap().contains("{password, \"Secret1\"}"));
    }
}
