//! The chain in a file: leaf first, each followed by its issuer, none missing, none too many.

use std::collections::HashMap;

use super::index::{Index, is_authority, is_unknowable};
use super::{argument, at_certificate, is_client, shown, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Fix, Severity};
use crate::ui;
use crate::x509::{Certificate, order_chain};

/// A file with more certificates of one name is no chain, and looking for one would take as many signatures.
const MOST_NAMESAKES: usize = 8;

pub(super) fn check(_: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    for exhibit in &index.exhibits {
        let Some(leaf) = exhibit.certificates().find(|certificate| !is_authority(certificate)) else { continue };
        let there: Vec<Certificate> = exhibit.certificates().cloned().collect();
        if namesakes(&there) > MOST_NAMESAKES {
            continue;
        }
        let chain = order_chain(leaf, &there, true);
        if chain.last().is_some_and(|last| !last.is_self_issued() && is_unknowable(last, there.iter())) {
            continue;
        }
        order(exhibit, &there, &chain, findings);
        strangers(exhibit, &there, &chain, findings);
        end(exhibit, &chain, index, findings);
    }
}

/// How many bear the most frequent name.
fn namesakes(certificates: &[Certificate]) -> usize {
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    certificates.iter().for_each(|certificate| *counts.entry(certificate.subject().der()).or_default() += 1);
    counts.into_values().max().unwrap_or_default()
}

/// TLS 1.2 demands the order (RFC 5246 section 7.4.2). Everybody insists on the first.
fn order(exhibit: &Exhibit, there: &[Certificate], chain: &[Certificate], findings: &mut Vec<Finding>) {
    let stands: Vec<&Certificate> = there.iter().filter(|certificate| chain.contains(certificate)).collect();
    if stands.iter().copied().eq(chain) || stands.len() != chain.len() {
        return;
    }
    let mut finding = match there.first() == chain.first() {
        true => {
            let problem = "the certificates are not in the order of the chain";
            Finding::new(Severity::Note, "chain-out-of-order", &exhibit.path, problem)
                .effect("Erlang and OpenSSL put them right; TLS 1.2 demands the order, and a device may insist on it")
        }
        false => {
            let problem = format!("the certificate of {} is not the first in the file", subject(&chain[0]));
            Finding::new(Severity::Error, "leaf-not-first", &exhibit.path, problem).cause(CauseId::KeyMismatch).effect(
                "Erlang shows the first and every handshake fails: Python says \"unsuitable certificate purpose\" or, with TLS 1.2, \
                 \"insufficient security\"; Erlang clients say \"Bad Certificate\" or \"Unknown CA\"",
            )
        }
    };
    finding = finding.remedy(format!("certgen doctor --fix {}", argument(&exhibit.path)));
    finding.fix = reordered(&exhibit.bytes, there, chain).map(Fix::Content);
    findings.push(at_certificate(finding, exhibit, &there[0]));
}

/// The text of the file with the blocks of the chain in their order; whatever else is in it stays where it is.
fn reordered(bytes: &[u8], there: &[Certificate], chain: &[Certificate]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    // A certificate ends with its line of dashes; what stands before it (its names, as openssl prints them) goes along.
    let mut parts: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("-----END ") {
        let end = rest[at..].find('\n').map_or(rest.len(), |line| at + line + 1);
        parts.push(&rest[..end]);
        rest = &rest[end..];
    }
    let is_certificate = |part: &&&str| part.contains("-----BEGIN CERTIFICATE-----");
    let places: Vec<&str> = parts.iter().filter(is_certificate).copied().collect();
    if places.len() != there.len() || !text.ends_with('\n') {
        return None;
    }
    let place_of = |wanted: &Certificate| there.iter().position(|certificate| certificate == wanted);
    let mut in_order = chain.iter().map(|wanted| place_of(wanted).map(|at| places[at]));
    let mut certificates = there.iter();
    let mut new = String::with_capacity(text.len());
    for part in &parts {
        match is_certificate(&part).then(|| certificates.next()).flatten() {
            Some(certificate) if chain.contains(certificate) => new.push_str(in_order.next()??),
            _ => new.push_str(part),
        }
    }
    new.push_str(rest);
    Some(new.into_bytes())
}

/// What stands in the file and has nothing to do with its first certificate; and a root, which nobody needs to be sent.
fn strangers(exhibit: &Exhibit, there: &[Certificate], chain: &[Certificate], findings: &mut Vec<Finding>) {
    if let Some(root) = chain.last().filter(|last| chain.len() > 1 && last.is_self_issued()) {
        let problem = format!("the chain ends with the root {}", subject(root));
        let finding = Finding::new(Severity::Note, "root-in-chain", &exhibit.path, problem)
            .effect(
                "it is sent with every handshake, and nobody trusts it for that: the other side has it or refuses it",
            )
            .remedy("leave it out of this file; it belongs into the bundle of the other side");
        findings.push(at_certificate(finding, exhibit, root));
    }
    let others: Vec<&Certificate> = there.iter().filter(|certificate| !chain.contains(certificate)).collect();
    if let Some(first) = others.first() {
        let more = if others.len() > 1 { format!(" and {} more", others.len() - 1) } else { String::new() };
        let problem = format!("{}{more} does not belong to the chain of {}", subject(first), subject(&chain[0]));
        let finding = Finding::new(Severity::Note, "stranger-in-chain", &exhibit.path, problem)
            .effect("whoever shows this file sends it along for nothing")
            .remedy("take it out, unless the file is a list of certificates to trust");
        findings.push(at_certificate(finding, exhibit, first));
    }
}

/// Where the chain of the file ends, and what is known of the next.
fn end(exhibit: &Exhibit, chain: &[Certificate], index: &Index<'_>, findings: &mut Vec<Finding>) {
    let Some(last) = chain.last() else { return };
    if last.is_self_issued() {
        findings.extend(self_signed(exhibit, last).filter(|_| chain.len() == 1));
        return;
    }
    let namesakes: Vec<(&Exhibit, &Certificate)> = index.named(last.issuer()).filter(|(_, ca)| *ca != last).collect();
    let issuer = ui::quote(&last.issuer().to_string());
    match namesakes.iter().find(|(_, ca)| last.is_signed_by(ca)) {
        Some((_, ca)) if ca.is_self_issued() => {}
        Some((other, _)) => {
            let client = is_client(&chain[0]);
            let cause = if client { CauseId::ClientChainIncomplete } else { CauseId::ServerChainIncomplete };
            let problem =
                format!("the intermediate {issuer} is missing behind the certificate; {} has it", shown(other));
            let finding = Finding::new(Severity::Warning, "intermediate-missing", &exhibit.path, problem)
                .cause(cause)
                .effect(match client {
                    true => {
                        "RabbitMQ refuses the client unless its own bundle has the intermediate, and logs \"Fatal - Unknown CA\""
                    }
                    false => {
                        "clients that do not have the intermediate refuse the server: Python says \"unable to get local issuer \
                         certificate\", Node UNABLE_TO_VERIFY_LEAF_SIGNATURE"
                    }
                })
                .remedy(format!("cat {} >> {}", argument(&other.path), argument(&exhibit.path)));
            findings.push(at_certificate(finding, exhibit, last));
        }
        None if namesakes.is_empty() || is_unknowable(last, namesakes.iter().map(|(_, ca)| *ca)) => {}
        None => {
            let place = shown(namesakes[0].0);
            let problem =
                format!("{} was not signed by the {issuer} in {place}, but by another of that name", subject(last));
            let finding = Finding::new(Severity::Error, "issuer-of-same-name", &exhibit.path, problem)
                .cause(CauseId::AuthoritySameName)
                .effect(
                    "whoever trusts the one in that file refuses this certificate: \"Fatal - Unknown CA\", or with TLS 1.3 a \
                     closed connection and \"Bad Record MAC\" in RabbitMQ's log",
                )
                .remedy(format!("certgen inspect {place} {}", argument(&exhibit.path)))
                .remedy("issue the certificate again with the authority that is trusted; a script that makes a new authority under the old name is the usual cause");
            findings.push(at_certificate(finding, exhibit, last));
        }
    }
}

/// A certificate that signed itself can be trusted by a client that is given it; Erlang never takes one from a client.
fn self_signed(exhibit: &Exhibit, leaf: &Certificate) -> Option<Finding> {
    let client = is_client(leaf);
    let severity = if client { Severity::Error } else { Severity::Note };
    let finding = Finding::new(severity, "self-signed", &exhibit.path, format!("the certificate of {} signed itself", subject(leaf)))
        .cause(if client { CauseId::ClientCaUnknown } else { CauseId::ServerSelfSigned })
        .effect(match client {
            true => "RabbitMQ refuses it whatever its bundle says: selfsigned_peer, \"Fatal - Unknown CA\"",
            false => {
                "a client must be given this certificate itself as its bundle, else it says \"self-signed certificate\"; nodes of a \
                 cluster refuse it as a peer's"
            }
        })
        .remedy("certgen init makes an authority, and certgen issue the certificates below it");
    Some(at_certificate(finding, exhibit, leaf))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, findings, healthy, said};
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::sample::{HIERARCHY, Hierarchy, hierarchy};
    use crate::x509::test_support::{authority, issued, key, leaf, self_signed};

    #[test]
    fn a_whole_chain_in_order_is_right() {
        assert_eq!(said(check, &healthy()), []);
        let node = HIERARCHY.node.pem() + &HIERARCHY.intermediate.pem();
        assert_eq!(said(check, &[("node.pem", node), ("ca.pem", HIERARCHY.root.pem())]), []);
    }

    #[test]
    fn the_blocks_of_a_file_are_put_in_order_and_the_rest_stays() {
        let Hierarchy { intermediate, server, .. } = &*HIERARCHY;
        let text = format!("# intermediate\n{}# server\n{}# the end\n", intermediate.pem(), server.pem());
        let told = findings(check, &case(&[("server.pem", text)]));
        let [finding] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((finding.code, finding.severity, finding.line), ("leaf-not-first", Severity::Error, Some(2)));
        let Some(Fix::Content(bytes)) = &finding.fix else { panic!("{finding:?}") };
        let wanted = format!("# server\n{}# intermediate\n{}# the end\n", server.pem(), intermediate.pem());
        assert_eq!(String::from_utf8_lossy(bytes), wanted);
        assert_eq!(said(check, &[("server.pem", wanted)]), []);
    }

    #[test]
    fn intermediates_that_are_swapped_are_only_noted() {
        let root = key(KeyType::EcdsaP256, 0);
        let top = self_signed(&authority("top", root), root);
        let upper = issued(&authority("upper", key(KeyType::EcdsaP256, 1)), root, &top);
        let lower = issued(&authority("lower", key(KeyType::EcdsaP256, 2)), key(KeyType::EcdsaP256, 1), &upper);
        let leaf = issued(&leaf("rabbit", key(KeyType::EcdsaP256, 3)), key(KeyType::EcdsaP256, 2), &lower);
        let swapped = leaf.pem() + &upper.pem() + &lower.pem();
        let told = findings(check, &case(&[("a.pem", swapped)]));
        let [finding] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((finding.code, finding.severity), ("chain-out-of-order", Severity::Note));
        assert_eq!(finding.fix, Some(Fix::Content((leaf.pem() + &lower.pem() + &upper.pem()).into_bytes())));
    }

    #[test]
    fn what_is_missing_or_too_much_is_told() {
        let Hierarchy { root, intermediate, server, client, .. } = &*HIERARCHY;
        let (note, warning) = (Severity::Note, Severity::Warning);
        for (text, wanted) in [
            (server.pem(), (warning, "intermediate-missing")),
            (client.pem(), (warning, "intermediate-missing")),
            (server.pem() + &intermediate.pem() + &root.pem(), (note, "root-in-chain")),
            (server.pem() + &intermediate.pem() + &client.pem(), (note, "stranger-in-chain")),
        ] {
            let told = said(check, &[("leaf.pem", text), ("others.pem", intermediate.pem() + &root.pem())]);
            assert_eq!(told, [(wanted.0, wanted.1, "leaf.pem".to_owned())]);
        }
    }

    #[test]
    fn an_issuer_of_the_same_name_is_no_issuer() {
        let other = hierarchy(KeyType::EcdsaP256);
        let chain = HIERARCHY.server.pem() + &HIERARCHY.intermediate.pem();
        let told = said(check, &[("server.pem", chain), ("ca.pem", other.root.pem())]);
        assert_eq!(told, [(Severity::Error, "issuer-of-same-name", "server.pem".to_owned())]);
    }
}
