//! What a certificate and its key may be used for, and whether that is what they are there for.

use std::collections::HashSet;

use super::index::{Index, is_authority};
use super::{at_certificate, chain, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Place, Severity};
use crate::profile::Role;
use crate::verify::Purpose;
use crate::x509::{Certificate, KeyUsage, PublicKeyAlgorithm};

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut told = HashSet::new();
    for exhibit in &index.exhibits {
        findings.extend(of_place(case, exhibit));
        for certificate in exhibit.all_certificates().filter(|certificate| told.insert(certificate.der())) {
            let found = match is_authority(certificate) {
                true => [limited_authority(exhibit, certificate), None],
                false => [encipherment_alone(exhibit, certificate), kind_of_key(exhibit, certificate)],
            };
            findings.extend(found.into_iter().flatten().map(|finding| at_certificate(finding, exhibit, certificate)));
        }
    }
}

/// In a PKI the directory says what a certificate is for. Elsewhere its name may, and names lie: then it is a warning.
fn of_place(case: &Case, exhibit: &Exhibit) -> Vec<Finding> {
    exhibit.leaf().map_or_else(Vec::new, |_| match case.place(&exhibit.path) {
        Place::Identity(Role::Server) => chain::chain(exhibit, None, Purpose::Server, case),
        Place::Identity(Role::Client) => chain::chain(exhibit, None, Purpose::Client, case),
        Place::Identity(Role::Node) => chain::chain(exhibit, None, Purpose::Node, case),
        Place::Elsewhere => by_name(case, exhibit),
        _ => Vec::new(),
    })
}

fn by_name(case: &Case, exhibit: &Exhibit) -> Vec<Finding> {
    let name = exhibit.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let says = |word: &str| name.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    let purpose = match (says("server"), says("client")) {
        (true, false) => Purpose::Server,
        (false, true) => Purpose::Client,
        _ => return Vec::new(),
    };
    let mut findings = chain::chain(exhibit, None, purpose, case);
    findings.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
    findings
}

/// Every handshake of TLS 1.3 is signed, and so is every one of TLS 1.2 with forward secrecy.
fn encipherment_alone(exhibit: &Exhibit, leaf: &Certificate) -> Option<Finding> {
    let usage = leaf.key_usage()?;
    let is_rsa = matches!(leaf.public_key().algorithm(), PublicKeyAlgorithm::Rsa);
    if !is_rsa || usage.contains(KeyUsage::DIGITAL_SIGNATURE) || !usage.contains(KeyUsage::KEY_ENCIPHERMENT) {
        return None;
    }
    let problem = format!("the key usage of {} has keyEncipherment and no digitalSignature", subject(leaf));
    Some(
        Finding::new(Severity::Error, "no-digital-signature", &exhibit.path, problem)
            .cause(CauseId::FormTooOld)
            .effect(
                "Erlang 27 and later refuse it with TLS 1.3 (key_usage_mismatch); with TLS 1.2 there are no_suitable_ciphers",
            )
            .remedy("issue it again with digitalSignature and keyEncipherment"),
    )
}

fn kind_of_key(exhibit: &Exhibit, leaf: &Certificate) -> Option<Finding> {
    let (severity, kind, effect) = match leaf.public_key().algorithm() {
        PublicKeyAlgorithm::Ecdsa("secp256k1") => (
            Severity::Error,
            "on the curve secp256k1",
            "Erlang refuses every handshake with it: \"Insufficient Security\"",
        ),
        PublicKeyAlgorithm::RsaPss => (
            Severity::Warning,
            "an RSA key that is restricted to PSS",
            "Erlang/OTP 25 (RabbitMQ 3.10) cannot use it; 27 and 29 can",
        ),
        _ => return None,
    };
    let problem = format!("the key of {} is {kind}", subject(leaf));
    let finding = Finding::new(severity, "kind-of-key", &exhibit.path, problem).cause(CauseId::KeyUnusable);
    Some(finding.effect(effect).remedy("make a key of another kind: ECDSA P-256, or RSA"))
}

/// Erlang 27.1.3 and later want the key usage of an authority to fit its extended key usage, where it has one.
fn limited_authority(exhibit: &Exhibit, authority: &Certificate) -> Option<Finding> {
    authority.extended_key_usage()?;
    if authority.key_usage()?.contains(KeyUsage::DIGITAL_SIGNATURE) {
        return None;
    }
    let problem = format!(
        "the authority {} has an extended key usage, and no digitalSignature in its key usage",
        subject(authority)
    );
    Some(
        Finding::new(Severity::Warning, "authority-with-purpose", &exhibit.path, problem)
            .cause(CauseId::FormTooOld)
            .effect("Erlang 27.1.3 and some later releases refuse what it signed: key_usage_mismatch (erlang/otp#9641)")
            .remedy("make the authority without an extended key usage"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, healthy, said, told};
    use super::*;
    use crate::x509::sample::{Draft, HIERARCHY, element, hierarchy};
    use crate::x509::{KeyType, oid};

    #[test]
    fn certificates_in_their_places_are_right() {
        assert_eq!(said(check, &healthy()), []);
        let (server, client, node) = (HIERARCHY.server.pem(), HIERARCHY.client.pem(), HIERARCHY.node.pem());
        for (path, pem) in [
            ("client_certificate.pem", &client),
            ("server_certificate.pem", &node),
            ("observer.pem", &client),
            ("client-server.pem", &server),
        ] {
            assert_eq!(said(check, &[(path, pem.clone())]), [], "{path}");
        }
    }

    #[test]
    fn a_certificate_in_the_place_of_another_is_told() {
        let (server, client) = (HIERARCHY.server.pem(), HIERARCHY.client.pem());
        for (path, pem, severity) in [
            ("client.pem", &server, Severity::Warning),
            ("server.crt", &client, Severity::Warning),
            ("pki/server/x/server_certificate.pem", &client, Severity::Error),
            ("pki/client/x/client_certificate.pem", &server, Severity::Error),
            ("pki/node/x/server_certificate.pem", &server, Severity::Error),
        ] {
            let mut case = case(&[(path, pem.clone())]);
            case.pkis.push("pki".into());
            assert_eq!(told(check, &case), [(severity, "wrong-purpose", path.to_owned())]);
        }
    }

    #[test]
    fn usages_that_erlang_refuses_are_told() {
        let usage = |bits: u8, unused: u8| element(0x03, &[unused, bits]);
        let rsa = Draft::of(&hierarchy(KeyType::Rsa2048).server).without(oid::KEY_USAGE);
        let codes = |draft: Draft| -> Vec<_> {
            said(check, &[("a.pem", draft.certificate().pem())]).into_iter().map(|(_, code, _)| code).collect()
        };
        assert_eq!(codes(rsa.clone().with(oid::KEY_USAGE, true, usage(0x20, 5))), ["no-digital-signature"]);
        assert_eq!(codes(rsa.with(oid::KEY_USAGE, true, usage(0xa0, 5))), Vec::<&str>::new());
        let server_auth = element(0x30, &element(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, 1]));
        let root = Draft::of(&HIERARCHY.root).with(oid::EXTENDED_KEY_USAGE, false, server_auth);
        assert_eq!(codes(root), ["authority-with-purpose"]);
    }
}
