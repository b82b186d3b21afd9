//! Names: what a client compares with the host, and what RabbitMQ takes for the user.

use super::index::{Index, is_authority};
use super::{at_certificate, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Place, Severity};
use crate::profile::Role;
use crate::ui;
use crate::x509::{Certificate, ExtendedKeyUsage, GeneralName, StringType};

/// X.520's bound for a common name.
const LONGEST_COMMON_NAME: usize = 64;

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut told = std::collections::HashSet::new();
    for exhibit in &index.exhibits {
        for certificate in exhibit.all_certificates() {
            if is_authority(certificate) || !told.insert(certificate.der()) {
                continue;
            }
            let place = case.place(&exhibit.path);
            let mut found = Vec::new();
            if is_for(certificate, &ExtendedKeyUsage::ServerAuth, place != Place::Identity(Role::Client)) {
                server(exhibit, certificate, &mut found);
            }
            let is_user = place != Place::Identity(Role::Node) && place != Place::Identity(Role::Server);
            if is_user && is_for(certificate, &ExtendedKeyUsage::ClientAuth, false) {
                client(exhibit, certificate, &mut found);
            }
            long(exhibit, certificate, &mut found);
            findings.extend(found.into_iter().map(|finding| at_certificate(finding, exhibit, certificate)));
        }
    }
}

/// Its extended key usage says so; without one, `otherwise`.
fn is_for(certificate: &Certificate, usage: &ExtendedKeyUsage, otherwise: bool) -> bool {
    certificate.extended_key_usage().map_or(otherwise, |usages| usages.contains(usage))
}

/// Who connects by name looks at the subject alternative names.
fn server(exhibit: &Exhibit, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let names = certificate.subject_alt_names().unwrap_or_default();
    let for_clients_too = is_for(certificate, &ExtendedKeyUsage::ClientAuth, false);
    if !names.iter().any(|name| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_))) {
        // A pair for a client that was given both usages needs no host name.
        let looks_like_host = certificate.subject().common_name().is_some_and(|cn| cn.contains('.'));
        if certificate.version() < 3 || (for_clients_too && !looks_like_host) {
            return;
        }
        let problem = format!(
            "the certificate of {} has no subject alternative name for a host: its name stands in the common name alone",
            subject(certificate)
        );
        findings.push(
            Finding::new(Severity::Error, "no-subject-alternative-name", &exhibit.path, problem)
                .cause(CauseId::ServerNameOnlyInCommonName)
                .effect(
                    "Go says \"certificate relies on legacy Common Name field\", browsers, rustls and Erlang 27 nodes refuse it too; \
                     OpenSSL, Python, Node and Java still look at the common name",
                )
                .remedy("certgen issue server NAME --san NAME"),
        );
    }
    if let Some(address) = addresses_as_dns_names(certificate).next() {
        let problem = format!("the IP address {} stands in the certificate as a DNS name", ui::plain(address));
        findings.push(
            Finding::new(Severity::Error, "address-as-dns-name", &exhibit.path, problem)
                .cause(CauseId::ServerNameMismatch)
                .effect(
                    "who connects to the address is refused: \"IP address mismatch\" (Python), \"doesn't contain any IP SANs\" (Go)",
                )
                .remedy(format!("certgen issue server NAME --san ip:{}", ui::plain(address))),
        );
    }
}

/// The addresses that were written as names.
pub(super) fn addresses_as_dns_names(certificate: &Certificate) -> impl Iterator<Item = &str> {
    certificate.subject_alt_names().unwrap_or_default().iter().filter_map(|name| match name {
        GeneralName::Dns(name) if name.as_str().parse::<std::net::IpAddr>().is_ok() => Some(name.as_str()),
        _ => None,
    })
}

/// RabbitMQ takes the common name, as its default or as `ssl_cert_login_from = common_name` says.
fn client(exhibit: &Exhibit, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let server_too = is_for(certificate, &ExtendedKeyUsage::ServerAuth, false);
    let names: Vec<_> = certificate.subject().common_name_attributes().collect();
    let finding = |severity, code, problem: String| {
        Finding::new(severity, code, &exhibit.path, problem).cause(CauseId::LoginNameMissing)
    };
    match names.as_slice() {
        [] if server_too => {}
        [] => findings.push(
            finding(
                Severity::Warning,
                "no-common-name",
                format!("the client certificate {} has no common name", subject(certificate)),
            )
            .effect("with ssl_cert_login_from = common_name RabbitMQ logs \"EXTERNAL login refused: no name found\"")
            .remedy("certgen issue client NAME"),
        ),
        [name] if name.string_type == StringType::Ia5 => findings.push(
            finding(
                Severity::Error,
                "common-name-as-ia5",
                format!("the common name {} is encoded as an IA5String", ui::quote(&name.value)),
            )
            .effect(
                "Erlang cannot decode it: RabbitMQ 3.10's connection crashes, 4.x refuses the client with \"Certificate Unknown\"",
            )
            .remedy("issue it again with a UTF8String, as certgen and OpenSSL do"),
        ),
        [_] => {}
        [first, ..] => {
            let user: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "several-common-names",
                    &exhibit.path,
                    format!("the client certificate has {} common names, the first is {}", names.len(), ui::quote(&first.value)),
                )
                .cause(CauseId::UserUnknown)
                .effect(format!("RabbitMQ takes them together for the user {}", ui::quote(&user.join(","))))
                .remedy("issue it again with one common name: certgen issue client NAME"),
            );
        }
    }
}

fn long(exhibit: &Exhibit, certificate: &Certificate, findings: &mut Vec<Finding>) {
    let names = certificate.subject().common_names();
    let Some(longest) = names.iter().map(|name| name.chars().count()).max().filter(|n| *n > LONGEST_COMMON_NAME) else {
        return;
    };
    let problem = format!("the common name has {longest} characters, more than the {LONGEST_COMMON_NAME} of X.520");
    findings.push(
        Finding::new(Severity::Warning, "common-name-too-long", &exhibit.path, problem)
            .effect("some releases of Erlang/OTP cannot decode the certificate (erlang/otp#10606, #11358), and OpenSSL makes none")
            .remedy("issue it with a short common name, and the long name as a subject alternative name"),
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{healthy, said};
    use super::*;
    use crate::x509::sample::{Draft, HIERARCHY, element, name, names};

    fn one(severity: Severity, code: &'static str) -> Vec<(Severity, &'static str, String)> {
        vec![(severity, code, "a.pem".to_owned())]
    }

    fn of(draft: &Draft) -> Vec<(Severity, &'static str, String)> {
        said(check, &[("a.pem", draft.certificate().pem())])
    }

    #[test]
    fn the_names_of_servers_clients_and_nodes_are_right() {
        assert_eq!(said(check, &healthy()), []);
        assert_eq!(said(check, &[("client.pem", HIERARCHY.client.pem()), ("node.pem", HIERARCHY.node.pem())]), []);
    }

    #[test]
    fn a_server_without_alternative_names_is_told() {
        let draft = Draft::of(&HIERARCHY.server).without(crate::x509::oid::SUBJECT_ALT_NAME);
        assert_eq!(of(&draft), one(Severity::Error, "no-subject-alternative-name"));
    }

    #[test]
    fn an_address_among_the_dns_names_is_told() {
        let san = element(0x30, &element(0x82, b"10.0.0.5"));
        let draft = Draft::of(&HIERARCHY.server).without(crate::x509::oid::SUBJECT_ALT_NAME).with(
            crate::x509::oid::SUBJECT_ALT_NAME,
            false,
            san,
        );
        assert_eq!(of(&draft), one(Severity::Error, "address-as-dns-name"));
    }

    #[test]
    fn a_client_that_rabbitmq_has_no_good_name_for_is_told() {
        let client = |subject: Vec<u8>| of(&Draft { subject, ..Draft::of(&HIERARCHY.client) });
        let cn = "2.5.4.3";
        assert_eq!(client(names(&[("2.5.4.10", 0x0c, b"Org")])), one(Severity::Warning, "no-common-name"));
        assert_eq!(client(name(cn, 0x16, b"worker")), one(Severity::Error, "common-name-as-ia5"));
        assert_eq!(
            client(names(&[(cn, 0x0c, b"first"), (cn, 0x0c, b"second")])),
            one(Severity::Warning, "several-common-names")
        );
        assert_eq!(client(name(cn, 0x0c, &[b'x'; 65])), one(Severity::Warning, "common-name-too-long"));
        assert_eq!(client(name(cn, 0x0c, &[b'x'; 64])), []);
    }
}
