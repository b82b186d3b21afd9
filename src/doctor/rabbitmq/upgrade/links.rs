//! Where RabbitMQ is the client: shovels, federation, LDAP, HTTP back ends, peer discovery.
//!
//! Up to Erlang/OTP 25 such a link verifies nobody unless it is told to. From 26 on it verifies by default, and one without
//! `cacertfile` does not even begin: `{options,incompatible,[{verify,verify_peer},{cacerts,undefined}]}` (rabbitmq-server#10439,
//! #10281, erlang/otp#8066).

use serde_json::Value;

use crate::diagnosis::CauseId;
use crate::doctor::rabbitmq::broker::{Broker, Line};
use crate::doctor::rabbitmq::definitions::entries;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::ui;

/// A link that is made by settings: one of `switch` begins with `value`, the options stand below `options`, and `application` of
/// advanced.config may have them instead.
struct Link {
    name: &'static str,
    switch: &'static [&'static str],
    value: &'static str,
    options: &'static str,
    application: &'static str,
}

const LINKS: [Link; 4] = [
    Link {
        name: "LDAP",
        switch: &["auth_ldap.use_ssl", "auth_ldap.use_starttls"],
        value: "true",
        options: "auth_ldap.ssl_options",
        application: "rabbitmq_auth_backend_ldap",
    },
    Link {
        name: "the HTTP back end",
        switch: &["auth_http.user_path", "auth_http.vhost_path", "auth_http.resource_path", "auth_http.topic_path"],
        value: "https:",
        options: "auth_http.ssl_options",
        application: "rabbitmq_auth_backend_http",
    },
    Link {
        name: "peer discovery with Consul",
        switch: &["cluster_formation.consul.scheme"],
        value: "https",
        options: "cluster_formation.consul.ssl_options",
        application: "rabbit",
    },
    Link {
        name: "peer discovery with etcd",
        switch: &["cluster_formation.etcd.scheme"],
        value: "https",
        options: "cluster_formation.etcd.ssl_options",
        application: "rabbit",
    },
];

pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let Some(severity) = severity(case) else { return };
    for broker in Broker::all(case) {
        findings.extend(LINKS.iter().filter_map(|link| setting(&broker, link, severity)));
    }
    // Options for every link at once: amqp_client.ssl_options, from 4.2 on in rabbitmq.conf too.
    let for_all = |broker: &Broker<'_>| {
        broker.get("amqp_client.ssl_options.cacertfile").is_some()
            || broker.advanced.is_some_and(|file| file.get("amqp_client").is_some())
    };
    if Broker::all(case).iter().any(for_all) {
        return;
    }
    for exhibit in &case.exhibits {
        if let Document::Json(value) = &exhibit.document {
            parameters(exhibit, value, severity, findings);
        }
    }
}

/// How bad it is for the release that is meant; `None` where it verifies nobody and works.
fn severity(case: &Case) -> Option<Severity> {
    match case.target {
        None => Some(Severity::Warning),
        Some(target) if target.oldest_otp() >= 26 => Some(Severity::Error),
        Some(target) => target.may_have_otp_26().then_some(Severity::Warning),
    }
}

fn setting(broker: &Broker<'_>, link: &Link, severity: Severity) -> Option<Finding> {
    let is_on = |line: &Line<'_>| line.value().starts_with(link.value);
    let line = link.switch.iter().filter_map(|key| broker.get(key)).find(is_on)?;
    let option = |name: &str| broker.value(&format!("{}.{name}", link.options));
    let elsewhere = broker.advanced.is_some_and(|file| match link.application {
        "rabbit" => file.get("rabbit").is_some_and(|rabbit| rabbit.get("cluster_formation").is_some()),
        application => file.get(application).is_some(),
    });
    let inline = broker.below(link.options).any(|line| line.key().contains(".cacerts."));
    if option("cacertfile").is_some() || option("verify") == Some("verify_none") || inline || elsewhere {
        return None;
    }
    let problem = format!("{} uses TLS, and {}.cacertfile is not set", link.name, link.options);
    let finding = line.finding(severity, "link-without-authority", problem);
    Some(told(finding).remedy(format!("{}.cacertfile = /etc/rabbitmq/certs/ca_certificate.pem", link.options)))
}

fn told(finding: Finding) -> Finding {
    finding.cause(CauseId::LinkWithoutCa).effect(
        "Erlang/OTP 26 and later verify by default, and the link does not begin: \
         \"{options,incompatible,[{verify,verify_peer},{cacerts,undefined}]}\"; before, nobody is verified",
    )
}

/// Shovels and upstreams in definitions.
fn parameters(exhibit: &Exhibit, value: &Value, severity: Severity, findings: &mut Vec<Finding>) {
    let has_parameters = value.get("parameters").is_some_and(Value::is_array);
    let bytes = exhibit.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&exhibit.bytes);
    let Some(text) = has_parameters.then(|| std::str::from_utf8(bytes).ok()).flatten() else { return };
    for (line, parameter) in entries::read(text, "parameters") {
        let keys: &[&str] = match parameter["component"].as_str() {
            Some("shovel") => &["src-uri", "dest-uri"],
            Some("federation-upstream") => &["uri"],
            _ => continue,
        };
        let Some(key) = keys.iter().find(|key| addresses(&parameter["value"][**key]).any(is_open)) else { continue };
        let kind = if keys.len() == 1 { "upstream" } else { "shovel" };
        let name = ui::quote(parameter["name"].as_str().unwrap_or_default());
        let problem = format!("the {key} of the {kind} {name} uses TLS and names no cacertfile");
        let finding = Finding::new(severity, "link-without-authority", &exhibit.path, problem).line(line);
        findings.push(
            told(finding)
                .remedy("add ?cacertfile=FILE&verify=verify_peer&server_name_indication=HOST to the address")
                .remedy(if keys.len() == 1 { "certgen emit federation" } else { "certgen emit shovel" }),
        );
    }
}

/// One address, or several.
fn addresses(value: &Value) -> impl Iterator<Item = &str> {
    let several = value.as_array().map(Vec::as_slice).unwrap_or_default();
    value.as_str().into_iter().chain(several.iter().filter_map(Value::as_str))
}

fn is_open(address: &str) -> bool {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let has = |word: &str| query.split('&').any(|option| option.starts_with(word));
    address.starts_with("amqps:") && !has("cacertfile=") && !has("verify=verify_none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[(&str, &str)], target: Option<&str>) -> Vec<(Severity, Option<usize>)> {
        let mut case = Case::of(files);
        case.target = target.map(|target| target.parse().unwrap());
        let mut findings = Vec::new();
        check(&case, &mut findings);
        assert!(findings.iter().all(|finding| finding.code == "link-without-authority"), "{findings:?}");
        findings.iter().map(|finding| (finding.severity, finding.line)).collect()
    }

    fn parameter(component: &str, value: &str) -> String {
        format!(
            "{{\"parameters\": [\n{{\"component\": \"{component}\", \"vhost\": \"/\", \"name\": \"x\", \"value\": {value}}}]}}"
        )
    }

    #[test]
    fn a_shovel_or_upstream_without_an_authority_is_told() {
        for (component, value) in [
            ("shovel", r#"{"src-uri": "amqp://", "dest-uri": "amqps://b?certfile=/c"}"#),
            ("shovel", r#"{"src-uri": ["amqp://a", "amqps://b"], "dest-uri": "amqp://"}"#),
            ("federation-upstream", r#"{"uri": "amqps://u:secret@b:5671"}"#),
        ] {
            let text = parameter(component, value);
            let files = [("definitions.json", text.as_str())];
            assert_eq!(told(&files, None), [(Severity::Warning, Some(2))], "{value}");
            assert_eq!(told(&files, Some("otp-27")), [(Severity::Error, Some(2))]);
            assert_eq!(told(&files, Some("rabbitmq-3.12")), [(Severity::Warning, Some(2))]);
            assert_eq!(told(&files, Some("rabbitmq-3.10")), []);
        }
    }

    #[test]
    fn a_link_that_knows_whom_to_trust_is_silent() {
        let open = parameter("shovel", r#"{"src-uri": "amqps://b", "dest-uri": "amqp://"}"#);
        for text in [
            parameter(
                "shovel",
                r#"{"src-uri": "amqps://b?cacertfile=/ca.pem&verify=verify_peer", "dest-uri": "amqp://"}"#,
            ),
            parameter("federation-upstream", r#"{"uri": "amqps://b?verify=verify_none"}"#),
            parameter("federation-upstream", r#"{"uri": "amqp://b"}"#),
            parameter("other", r#"{"uri": "amqps://b"}"#),
            parameter("shovel", "5"),
        ] {
            assert_eq!(told(&[("definitions.json", &text)], Some("otp-27")), [], "{text}");
        }
        let for_all = ("rabbitmq.conf", "amqp_client.ssl_options.cacertfile = /ca.pem\n");
        assert_eq!(told(&[("definitions.json", &open), for_all], None), []);
        let advanced = ("advanced.config", "[{amqp_client, [{ssl_options, [{cacertfile, \"/ca.pem\"}]}]}].");
        let conf = ("rabbitmq.conf", "listeners.tcp = none\n");
        assert_eq!(told(&[advanced, ("definitions.json", &open), conf], None), []);
    }

    #[test]
    fn settings_that_make_links_are_looked_at() {
        for (conf, count) in [
            ("auth_ldap.use_ssl = true\n", 1),
            ("auth_ldap.use_starttls = true\n", 1),
            ("auth_ldap.use_ssl = false\n", 0),
            ("auth_ldap.use_ssl = true\nauth_ldap.ssl_options.cacertfile = /ca.pem\n", 0),
            ("auth_ldap.use_ssl = true\nauth_ldap.ssl_options.verify = verify_none\n", 0),
            ("auth_http.user_path = https://auth/user\nauth_http.vhost_path = https://auth/vhost\n", 1),
            ("auth_http.user_path = http://auth/user\n", 0),
            ("cluster_formation.etcd.scheme = https\n", 1),
            ("cluster_formation.consul.scheme = http\n", 0),
        ] {
            assert_eq!(told(&[("rabbitmq.conf", conf)], Some("rabbitmq-4.3")).len(), count, "{conf}");
        }
        let advanced = ("advanced.config", "[{rabbitmq_auth_backend_ldap, [{ssl_options, []}]}].");
        assert_eq!(told(&[advanced, ("rabbitmq.conf", "auth_ldap.use_ssl = true\n")], None), []);
    }
}
