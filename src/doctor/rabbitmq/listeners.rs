//! Listeners that will not listen, and ports that are not what their number says.

use std::collections::BTreeMap;

use super::broker::{Broker, Line};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Finding, Severity};
use crate::ui;

/// A protocol with its settings.
struct Protocol {
    /// What people call it.
    name: &'static str,
    /// Listeners without TLS stand below this name, or in it.
    plain: &'static str,
    /// Listeners with TLS.
    tls: &'static str,
    /// Where certificate and key of those are said.
    options: &'static str,
    /// The port that belongs to TLS.
    tls_port: u16,
    /// Who brings it.
    plugin: Option<&'static str>,
}

const fn protocol(
    name: &'static str,
    [plain, tls, options]: [&'static str; 3],
    tls_port: u16,
    plugin: Option<&'static str>,
) -> Protocol {
    Protocol { name, plain, tls, options, tls_port, plugin }
}

const PROTOCOLS: &[Protocol] = &[
    protocol("AMQP", ["listeners.tcp", "listeners.ssl", "ssl_options"], 5671, None),
    protocol("MQTT", ["mqtt.listeners.tcp", "mqtt.listeners.ssl", "ssl_options"], 8883, Some("rabbitmq_mqtt")),
    protocol("STOMP", ["stomp.listeners.tcp", "stomp.listeners.ssl", "ssl_options"], 61614, Some("rabbitmq_stomp")),
    protocol("streams", ["stream.listeners.tcp", "stream.listeners.ssl", "ssl_options"], 5551, Some("rabbitmq_stream")),
    protocol(
        "the management UI",
        ["management.tcp", "management.ssl", "management.ssl"],
        15671,
        Some("rabbitmq_management"),
    ),
    protocol("metrics", ["prometheus.tcp", "prometheus.ssl", "prometheus.ssl"], 15691, Some("rabbitmq_prometheus")),
    protocol(
        "MQTT over WebSockets",
        ["web_mqtt.tcp", "web_mqtt.ssl", "web_mqtt.ssl"],
        15676,
        Some("rabbitmq_web_mqtt"),
    ),
    protocol(
        "STOMP over WebSockets",
        ["web_stomp.tcp", "web_stomp.ssl", "web_stomp.ssl"],
        15673,
        Some("rabbitmq_web_stomp"),
    ),
];

/// Plugins that another one brings along.
const BRINGS: &[(&str, &str)] = &[
    ("rabbitmq_web_mqtt", "rabbitmq_mqtt"),
    ("rabbitmq_web_stomp", "rabbitmq_stomp"),
    ("rabbitmq_stream_management", "rabbitmq_stream"),
    ("rabbitmq_stream_management", "rabbitmq_management"),
    ("rabbitmq_shovel_management", "rabbitmq_management"),
    ("rabbitmq_federation_management", "rabbitmq_management"),
    ("rabbitmq_tracing", "rabbitmq_management"),
    ("rabbitmq_top", "rabbitmq_management"),
];

/// Everything about listeners.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for broker in Broker::all(case) {
        for protocol in PROTOCOLS {
            without_certificate(case, &broker, protocol, findings);
            without_plugin(&broker, protocol, findings);
            plain_on_tls_port(&broker, protocol, findings);
        }
        ports_twice(&broker, findings);
        plain_left_open(&broker, findings);
        lists(&broker, findings);
    }
}

/// Port and line of each listener below `prefix`: `listeners.tcp.1 = 127.0.0.1:5672`, `management.tcp.port = 15672`.
fn ports<'c>(broker: &'c Broker<'_>, prefix: &'c str) -> impl Iterator<Item = (u16, Line<'c>)> + 'c {
    let rest = |line: &Line<'_>| line.key()[prefix.len() + 1..].to_owned();
    let is_port = move |line: &Line<'_>| match prefix.contains("listeners") {
        true => !rest(line).contains('.'),
        false => rest(line) == "port",
    };
    let listeners = broker.below(prefix).filter(is_port);
    listeners.filter_map(|line| Some((line.value().rsplit(':').next()?.parse().ok()?, line)))
}

fn without_certificate(case: &Case, broker: &Broker<'_>, protocol: &Protocol, findings: &mut Vec<Finding>) {
    let Some((_, line)) = ports(broker, protocol.tls).next() else { return };
    let is_shared = protocol.options == "ssl_options";
    if is_shared && broker.options_are_replaced() {
        return; // told where the list stands that takes their place
    }
    let has = |option: &str| match is_shared {
        true => broker.ssl_option(option).is_some(),
        false => broker.get(&format!("{}.{option}", protocol.options)).is_some(),
    };
    // 4.x takes certificate and key from inside the file too.
    let inline = |option: &str| broker.below(protocol.options).any(|line| line.key().contains(option));
    // Without a keyfile the key is read from the certfile: 3.10 and 4.0 listen with combined_keys.pem alone.
    let certificate =
        broker.value(&format!("{}.certfile", protocol.options)).and_then(|path| case.named(path.as_ref()));
    let combined = certificate.is_some_and(|exhibit| exhibit.keys().next().is_some());
    let missing: Vec<String> = [("certfile", ".cert"), ("keyfile", ".key.")]
        .iter()
        .filter(|(file, inside)| !(has(file) || inline(inside) || combined && *file == "keyfile"))
        .map(|(file, _)| format!("{}.{file}", protocol.options))
        .collect();
    if missing.is_empty() {
        return;
    }
    let problem = format!("{} listens with TLS, and {} is not set", protocol.name, missing.join(" and "));
    findings.push(
        line.finding(Severity::Error, "listener-without-certificate", problem)
            .cause(CauseId::ListenerDead)
            .effect("the broker starts and says it is complete; the port is closed, or every handshake ends at once")
            .remedy(format!("{} = /etc/rabbitmq/certs/combined_keys.pem", missing[0])),
    );
}

fn without_plugin(broker: &Broker<'_>, protocol: &Protocol, findings: &mut Vec<Finding>) {
    let Some(plugin) = protocol.plugin else { return };
    let brought = BRINGS.iter().any(|(by, what)| *what == plugin && broker.has_plugin(by) == Some(true));
    if brought || broker.has_plugin(plugin) != Some(false) {
        return;
    }
    let Some((_, line)) = ports(broker, protocol.tls).next() else { return };
    let problem = format!("{} is configured, and the plugin {plugin} is not enabled", protocol.name);
    findings.push(
        line.finding(Severity::Warning, "plugin-not-enabled", problem)
            .cause(CauseId::ListenerDead)
            .effect("the port stays closed: clients say \"connection refused\"")
            .remedy(format!("rabbitmq-plugins enable {plugin}")),
    );
}

fn plain_on_tls_port(broker: &Broker<'_>, protocol: &Protocol, findings: &mut Vec<Finding>) {
    for (port, line) in ports(broker, protocol.plain).filter(|(port, _)| *port == protocol.tls_port) {
        let right = match protocol.tls.contains("listeners") {
            true => format!("{}.default = {port}", protocol.tls),
            false => format!("{}.port = {port}", protocol.tls),
        };
        let problem =
            format!("{} listens without TLS on {port}, the port of {} with TLS", protocol.name, protocol.name);
        findings.push(
            line.finding(Severity::Error, "plain-on-tls-port", problem)
                .cause(CauseId::TlsClientOnPlain)
                .effect("TLS clients say WRONG_VERSION_NUMBER (Python) or \"first record does not look like a TLS handshake\" (Go)")
                .remedy(format!("write {right}")),
        );
    }
}

fn ports_twice(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    let mut taken: BTreeMap<u16, Line<'_>> = BTreeMap::new();
    let all = PROTOCOLS.iter().flat_map(|p| [p.plain, p.tls]).flat_map(|prefix| ports(broker, prefix));
    // An address before the port may make two of one number.
    for (port, line) in all.filter(|(_, line)| !line.value().contains(':')) {
        let Some(first) = taken.get(&port).filter(|first| first.key() != line.key()) else {
            taken.insert(port, line);
            continue;
        };
        let problem =
            format!("port {port} is taken by {} on line {} already", ui::plain(first.key()), first.setting.line);
        findings.push(
            line.finding(Severity::Error, "port-twice", problem)
                .cause(CauseId::ListenerDead)
                .effect("the broker does not start: eaddrinuse, \"address already in use\"")
                .remedy(format!("give {} another port", ui::plain(line.key()))),
        );
    }
}

/// Where every client must bring a certificate, a port that asks for none is seldom meant. Who names the port means it.
fn plain_left_open(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    let demanded = broker.ssl_option("fail_if_no_peer_cert").as_deref() == Some("true");
    let Some((_, line)) = ports(broker, "listeners.ssl").next().filter(|_| demanded) else { return };
    if broker.get("listeners.tcp").is_none() && broker.below("listeners.tcp").next().is_none() {
        findings.push(
            line.finding(Severity::Warning, "plain-port-open", "port 5672 stays open beside this one, without TLS and for everybody")
                .effect("whoever knows a password logs in there without a certificate, and the password crosses the network in the clear")
                .remedy("listeners.tcp = none"),
        );
    }
}

/// Revocation is checked against lists that nobody names.
fn lists(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    let Some(line) = broker.get("ssl_options.crl_check").filter(|line| matches!(line.value(), "peer" | "true")) else {
        return;
    };
    let has_source = broker.below("ssl_options.crl_sources").next().is_some();
    if has_source || broker.options_are_replaced() {
        return;
    }
    findings.push(
        line.finding(
            Severity::Error,
            "revocation-without-lists",
            "revocation is checked, and no list can be found: crl_cache stands only in advanced.config",
        )
        .cause(CauseId::RevocationListUnusable)
        .effect("every client is refused, good ones too: \"bad certificate\"")
        .remedy("revocation = true in [broker] of certgen.toml, then certgen apply writes advanced.config")
        .remedy("or take the line out"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::sample::HIERARCHY;
    use crate::x509::test_support::key;

    fn codes(conf: &str, plugins: &str) -> Vec<(usize, &'static str)> {
        let case = Case::of(&[("etc/enabled_plugins", plugins), ("etc/rabbitmq.conf", conf)]);
        let mut findings = Vec::new();
        check(&case, &mut findings);
        findings.iter().map(|finding| (finding.line.unwrap(), finding.code)).collect()
    }

    const ALL: &str = "[rabbitmq_management, rabbitmq_mqtt].\n";
    const PAIR: &str = "ssl_options.certfile = /c\nssl_options.keyfile = /k\n";

    #[test]
    fn a_listener_with_tls_needs_certificate_and_key() {
        assert_eq!(codes(&format!("{PAIR}listeners.ssl.default = 5671\nlisteners.tcp = none\n"), ALL), []);
        assert_eq!(
            codes("ssl_options.certfile = /c\nmqtt.listeners.ssl.default = 8883\n", ALL),
            [(2, "listener-without-certificate")]
        );
        assert_eq!(codes(&format!("{PAIR}management.ssl.port = 15671\n"), ALL), [(3, "listener-without-certificate")]);
    }

    #[test]
    fn one_file_may_hold_certificate_and_key() {
        let certificate = HIERARCHY.server.pem();
        let both = certificate.clone() + &key(KeyType::EcdsaP256, 0).to_pem();
        let conf = "listeners.tcp = none\nlisteners.ssl.default = 5671\nssl_options.certfile = /etc/certs/both.pem\n";
        for (text, told) in [(&both, 0), (&certificate, 1)] {
            let case = Case::of(&[("etc/certs/both.pem", text), ("etc/rabbitmq.conf", conf)]);
            let mut findings = Vec::new();
            check(&case, &mut findings);
            assert_eq!(findings.len(), told, "{findings:?}");
        }
    }

    #[test]
    fn a_protocol_needs_its_plugin() {
        let conf = format!("{PAIR}mqtt.listeners.ssl.default = 8883\n");
        assert_eq!(codes(&conf, "[rabbitmq_management].\n"), [(3, "plugin-not-enabled")]);
        assert_eq!(codes(&conf, "[rabbitmq_web_mqtt].\n"), []);
    }

    #[test]
    fn numbers_of_ports_mean_something() {
        assert_eq!(codes("mqtt.listeners.tcp.1 = 8883\n", ALL), [(1, "plain-on-tls-port")]);
        assert_eq!(codes("listeners.tcp.1 = 127.0.0.1:5671\n", ALL), [(1, "plain-on-tls-port")]);
        let twice = format!("{PAIR}listeners.tcp.1 = 5000\nmqtt.listeners.ssl.1 = 5000\n");
        assert_eq!(codes(&twice, ALL), [(4, "port-twice")]);
    }

    #[test]
    fn a_plain_port_beside_demanded_certificates_is_told_unless_it_is_named() {
        let mutual = format!("{PAIR}ssl_options.fail_if_no_peer_cert = true\nlisteners.ssl.default = 5671\n");
        assert_eq!(codes(&mutual, ALL), [(4, "plain-port-open")]);
        assert_eq!(codes(&format!("{mutual}listeners.tcp.default = 5672\n"), ALL), []);
        assert_eq!(codes(&format!("{PAIR}listeners.ssl.default = 5671\n"), ALL), []);
    }

    #[test]
    fn revocation_needs_lists() {
        assert_eq!(codes("ssl_options.crl_check = peer\n", ALL), [(1, "revocation-without-lists")]);
        assert_eq!(codes("ssl_options.crl_check = best_effort\n", ALL), []);
    }
}
