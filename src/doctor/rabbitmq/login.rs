//! Who may log in, and how: EXTERNAL with all that it needs.

use super::broker::{Broker, Line};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Finding, Severity};

const PLUGIN: &str = "rabbitmq_auth_mechanism_ssl";

/// Everything about logins by certificate.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for broker in Broker::all(case) {
        contradiction(&broker, findings);
        let asked = broker.below("auth_mechanisms").find(|line| line.value() == "EXTERNAL");
        match asked {
            Some(line) => external(&broker, line, findings),
            None => not_offered(&broker, findings),
        }
        lower_case(&broker, findings);
    }
}

/// EXTERNAL is offered: it takes the name from a certificate, so there must be one, with a name that is a user's.
fn external(broker: &Broker<'_>, line: Line<'_>, findings: &mut Vec<Finding>) {
    if broker.has_plugin(PLUGIN) == Some(false) {
        findings.push(
            line.finding(Severity::Error, "external-without-plugin", format!("EXTERNAL needs the plugin {PLUGIN}, which is not enabled"))
                .cause(CauseId::MechanismNotOffered)
                .effect("the broker does not offer EXTERNAL: pika says \"could not negotiate use of the ... authentication mechanism\", kombu \"Couldn't find appropriate auth mechanism\"")
                .remedy(format!("rabbitmq-plugins enable {PLUGIN}")),
        );
    }
    let only = broker.mechanisms().iter().all(|mechanism| *mechanism == "EXTERNAL");
    let option = |name: &str| broker.ssl_option(name);
    let place = |name: &str| broker.get(&format!("ssl_options.{name}")).unwrap_or(line);
    if option("verify").as_deref() != Some("verify_peer") {
        findings.push(
            place("verify")
                .finding(Severity::Error, "external-without-verify", "EXTERNAL is offered, and clients are not asked for a certificate: ssl_options.verify is not verify_peer")
                .cause(CauseId::CertificateNotAsked)
                .effect("every EXTERNAL login is refused: \"connection peer presented no TLS (x.509) certificate\"")
                .remedy("ssl_options.verify = verify_peer")
                .remedy("ssl_options.fail_if_no_peer_cert = true"),
        );
    } else if option("fail_if_no_peer_cert").as_deref() != Some("true") {
        // With PLAIN beside it, clients without a certificate are meant.
        let severity = if only { Severity::Warning } else { Severity::Note };
        findings.push(
            place("fail_if_no_peer_cert")
                .finding(severity, "external-certificate-optional", "a client may come without a certificate, and EXTERNAL has no name then: ssl_options.fail_if_no_peer_cert is not true")
                .cause(CauseId::CertificateNotAsked)
                .effect("such a client is refused at the login, not at the handshake: \"connection peer presented no TLS (x.509) certificate\"")
                .remedy("ssl_options.fail_if_no_peer_cert = true"),
        );
    }
    if broker.get("ssl_cert_login_from").is_none() {
        findings.push(
            line.finding(Severity::Warning, "login-name-not-set", "ssl_cert_login_from is not set, so the user name is the whole distinguished name of the certificate")
                .cause(CauseId::LoginNameDistinguished)
                .effect("a client with CN=celery_worker is refused unless there is a user of its whole name: \"EXTERNAL login refused: user 'CN=celery_worker,O=...' - invalid credentials\"")
                .remedy("ssl_cert_login_from = common_name"),
        );
    }
}

/// The plugin is there, and the mechanism is not asked for.
fn not_offered(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    if broker.has_plugin(PLUGIN) != Some(true) {
        return;
    }
    let line = broker.below("auth_mechanisms").next();
    let problem = format!("{PLUGIN} is enabled, and no auth_mechanisms line asks for EXTERNAL");
    let finding = match line {
        Some(line) => line.finding(Severity::Warning, "external-not-offered", problem),
        None => Finding::new(Severity::Warning, "external-not-offered", &broker.main().path, problem),
    };
    findings.push(
        finding
            .cause(CauseId::MechanismNotOffered)
            .effect("clients cannot log in with their certificate: pika says \"could not negotiate use of the ... authentication mechanism\"")
            .remedy("auth_mechanisms.1 = EXTERNAL"),
    );
}

/// Mechanisms are atoms, and atoms have a case.
fn lower_case(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    for line in broker.below("auth_mechanisms") {
        let upper = line.value().to_ascii_uppercase();
        if line.value() != upper && matches!(upper.as_str(), "EXTERNAL" | "PLAIN" | "AMQPLAIN") {
            findings.push(
                line.finding(Severity::Error, "mechanism-case", format!("the mechanism is written {upper}"))
                    .cause(CauseId::MechanismNotOffered)
                    .effect("the broker does not offer it, and no client can log in with it")
                    .remedy(format!("{} = {upper}", line.key())),
            );
        }
    }
}

/// Erlang refuses to demand what it does not check.
fn contradiction(broker: &Broker<'_>, findings: &mut Vec<Finding>) {
    for prefix in ["ssl_options", "management.ssl", "prometheus.ssl", "web_mqtt.ssl", "web_stomp.ssl"] {
        let demands = broker.get(&format!("{prefix}.fail_if_no_peer_cert")).filter(|line| line.value() == "true");
        let checks = broker.value(&format!("{prefix}.verify")) == Some("verify_peer");
        let replaced = prefix == "ssl_options" && broker.options_are_replaced();
        if let (Some(line), false, false) = (demands, checks, replaced) {
            let problem =
                format!("a client certificate is demanded and not verified: {prefix}.verify is not verify_peer");
            findings.push(
                line.finding(Severity::Error, "demanded-not-verified", problem)
                    .cause(CauseId::ListenerDead)
                    .effect("Erlang refuses the two together (OTP 27: \"{options,incompatible,[{verify,verify_none},{fail_if_no_peer_cert,true}]}\"), so the listener takes no connection")
                    .remedy(format!("{prefix}.verify = verify_peer")),
            );
        }
    }
    let browsers = broker.get("management.ssl.fail_if_no_peer_cert").filter(|line| line.value() == "true");
    if let Some(line) = browsers.filter(|_| broker.value("management.ssl.verify") == Some("verify_peer")) {
        findings.push(
            line.finding(Severity::Warning, "management-asks-certificate", "the management UI lets in only browsers that have a client certificate")
                .cause(CauseId::ManagementAsksCertificate)
                .effect("browsers say ERR_BAD_SSL_CLIENT_AUTH_CERT, and the log \"certificate_required\"; nobody logs in to the UI with a certificate anyway")
                .remedy("management.ssl.verify = verify_none")
                .remedy("management.ssl.fail_if_no_peer_cert = false"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(conf: &str, plugins: &str) -> Vec<(Severity, &'static str)> {
        let case = Case::of(&[("etc/enabled_plugins", plugins), ("etc/rabbitmq.conf", conf)]);
        let mut findings = Vec::new();
        check(&case, &mut findings);
        findings.iter().map(|finding| (finding.severity, finding.code)).collect()
    }

    const ON: &str = "[rabbitmq_auth_mechanism_ssl].\n";
    const GOOD: &str = "auth_mechanisms.1 = EXTERNAL\nssl_options.verify = verify_peer\n\
                        ssl_options.fail_if_no_peer_cert = true\nssl_cert_login_from = common_name\n";

    #[test]
    fn a_login_by_certificate_needs_plugin_certificate_and_name() {
        assert_eq!(codes(GOOD, ON), []);
        assert_eq!(codes(GOOD, "[rabbitmq_management].\n"), [(Severity::Error, "external-without-plugin")]);
        let without = |line: &str| codes(&GOOD.replace(line, ""), ON);
        assert_eq!(without("ssl_cert_login_from = common_name\n"), [(Severity::Warning, "login-name-not-set")]);
        assert_eq!(
            without("ssl_options.fail_if_no_peer_cert = true\n"),
            [(Severity::Warning, "external-certificate-optional")]
        );
        assert_eq!(
            without("ssl_options.verify = verify_peer\n"),
            [(Severity::Error, "demanded-not-verified"), (Severity::Error, "external-without-verify")]
        );
    }

    #[test]
    fn with_a_password_beside_it_the_certificate_is_optional_by_intent() {
        let both = GOOD.replace("_cert = true", "_cert = false") + "auth_mechanisms.2 = PLAIN\n";
        assert_eq!(codes(&both, ON), [(Severity::Note, "external-certificate-optional")]);
    }

    #[test]
    fn a_plugin_without_its_mechanism_is_told() {
        assert_eq!(codes("listeners.ssl.default = 5671\n", ON), [(Severity::Warning, "external-not-offered")]);
        let lower = codes("auth_mechanisms.1 = external\n", ON);
        assert!(lower.contains(&(Severity::Error, "mechanism-case")), "{lower:?}");
    }

    #[test]
    fn advanced_config_takes_the_place_of_the_options() {
        let advanced = "[{rabbit, [{ssl_options, [{verify, verify_peer}, {fail_if_no_peer_cert, true}]}]}].\n";
        let conf = "auth_mechanisms.1 = EXTERNAL\nssl_cert_login_from = common_name\n";
        let case = Case::of(&[("etc/advanced.config", advanced), ("etc/rabbitmq.conf", conf)]);
        let mut findings = Vec::new();
        check(&case, &mut findings);
        assert_eq!(findings, []);
    }

    #[test]
    fn browsers_have_no_client_certificate() {
        let conf = "management.ssl.verify = verify_peer\nmanagement.ssl.fail_if_no_peer_cert = true\n";
        assert_eq!(codes(conf, "[rabbitmq_management].\n"), [(Severity::Warning, "management-asks-certificate")]);
    }
}
