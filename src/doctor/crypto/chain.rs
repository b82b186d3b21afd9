//! Does this certificate serve its purpose: for its usage, and up to an authority that the other side trusts?

use super::index::{Index, is_unknowable};
use super::{argument, at_certificate, is_client, shown, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Place, Severity};
use crate::ui;
use crate::verify::Purpose;
use crate::x509::{Certificate, ExtendedKeyUsage, order_chain};

/// What is wrong with `certificate` where it is shown by a server, a client or a node, to somebody who trusts `bundle`; without
/// a bundle the authority is not asked about. Dates and form are told of every certificate anyway.
pub(in crate::doctor) fn chain(
    certificate: &Exhibit,
    bundle: Option<&Exhibit>,
    purpose: Purpose,
    case: &Case,
) -> Vec<Finding> {
    let Some(leaf) = certificate.leaf().or_else(|| certificate.certificates().next()) else {
        let problem = "a certificate is expected in this file, and there is none";
        let finding = Finding::new(Severity::Error, "no-certificate", &certificate.path, problem);
        return vec![finding.cause(CauseId::FileUnreadable).remedy("name the file with the certificate")];
    };
    let mut findings: Vec<Finding> = usage(certificate, leaf, purpose).into_iter().collect();
    if let Some(bundle) = bundle.filter(|bundle| bundle.certificates().next().is_some()) {
        findings.extend(anchor(certificate, leaf, bundle, purpose, case));
    }
    findings
}

/// `certgen doctor ca.pem server.pem` asks whether the one comes from the other. A whole directory does not, and neither do
/// files with a key among them: there the bundle is for those who connect, and may know other authorities.
pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    if !case.together || index.exhibits.iter().any(|exhibit| exhibit.keys().next().is_some()) {
        return;
    }
    let is_bundle = |exhibit: &&Exhibit| exhibit.certificates().next().is_some() && exhibit.leaf().is_none();
    let bundles: Vec<&Exhibit> = index.exhibits.iter().copied().filter(is_bundle).collect();
    for exhibit in &index.exhibits {
        let Some(leaf) = exhibit.leaf().filter(|leaf| !leaf.is_self_issued()) else { continue };
        if matches!(case.place(&exhibit.path), Place::Identity(_)) {
            continue;
        }
        let purpose = if is_client(leaf) { Purpose::Client } else { Purpose::Server };
        let mut refusals: Vec<_> = bundles.iter().map(|bundle| anchor(exhibit, leaf, bundle, purpose, case)).collect();
        if !refusals.is_empty() && refusals.iter().all(Option::is_some) {
            findings.extend(refusals.swap_remove(0));
        }
    }
}

/// Extended key usage, where the certificate has one.
fn usage(exhibit: &Exhibit, leaf: &Certificate, purpose: Purpose) -> Option<Finding> {
    let has = leaf.extended_key_usage()?;
    let (wanted, cause, effect): (&[ExtendedKeyUsage], _, _) = match purpose {
        Purpose::Server => (
            &[ExtendedKeyUsage::ServerAuth],
            CauseId::ServerPurpose,
            "every client refuses it: Python and Node say \"unsuitable certificate purpose\"",
        ),
        Purpose::Client => (
            &[ExtendedKeyUsage::ClientAuth],
            CauseId::ClientPurpose,
            "RabbitMQ refuses the client and logs \"invalid_ext_keyusage\" (3.10: \"invalid_ext_key_usage\")",
        ),
        Purpose::Node => (
            &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
            CauseId::NodePurpose,
            "the nodes do not cluster: \"received SERVER ALERT: Fatal - Unsupported Certificate\"",
        ),
        Purpose::Any => return None,
    };
    let missing: Vec<String> = wanted.iter().filter(|w| !has.contains(w)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return None;
    }
    let has: Vec<String> = has.iter().map(ToString::to_string).collect();
    let problem = format!(
        "the certificate of {} is used as a {purpose}'s, and its extended key usage is {}, without {}",
        subject(leaf),
        ui::plain(&has.join(", ")),
        missing.join(" and ")
    );
    let finding = Finding::new(Severity::Error, "wrong-purpose", &exhibit.path, problem).cause(cause).effect(effect);
    Some(at_certificate(finding, exhibit, leaf).remedy(format!("certgen issue {purpose} NAME")))
}

/// The way from the certificate to a root in the bundle. Erlang, OpenSSL and Java want one that signed itself.
fn anchor(exhibit: &Exhibit, leaf: &Certificate, bundle: &Exhibit, purpose: Purpose, case: &Case) -> Option<Finding> {
    let pool: Vec<Certificate> = exhibit.certificates().chain(bundle.certificates()).cloned().collect();
    let path = order_chain(leaf, &pool, true);
    let end = path.last()?;
    if bundle.certificates().any(|anchor| anchor == end) && end.is_self_issued() {
        return None;
    }
    if is_unknowable(end, pool.iter()) {
        return None;
    }
    let issuer = ui::quote(&end.issuer().to_string());
    let (unknown, incomplete) = match purpose {
        Purpose::Client => (CauseId::ClientCaUnknown, CauseId::ClientChainIncomplete),
        Purpose::Node => (CauseId::NodeCaUnknown, CauseId::NodeCaUnknown),
        Purpose::Server | Purpose::Any => (CauseId::ServerCaUnknown, CauseId::ServerChainIncomplete),
    };
    let finding = |code, cause, problem| {
        let finding = Finding::new(Severity::Error, code, &exhibit.path, problem).cause(cause);
        at_certificate(finding, exhibit, leaf).effect(refusal(purpose))
    };
    if bundle.certificates().any(|ca| ca.subject() == end.issuer() && ca != end) {
        let problem = format!(
            "{} was not signed by the {issuer} in {}, but by another of that name",
            subject(end),
            shown(bundle)
        );
        return Some(
            finding("issuer-of-same-name", CauseId::AuthoritySameName, problem).remedy(
                "take the certificate of the authority that signed, or issue again with the one that is trusted",
            ),
        );
    }
    let elsewhere = case
        .exhibits
        .iter()
        .find(|other| other.certificates().any(|ca| ca != end && ca.subject() == end.issuer() && end.is_signed_by(ca)));
    let found = elsewhere.and_then(|other| {
        let ca = other.certificates().find(|ca| ca.subject() == end.issuer() && end.is_signed_by(ca))?;
        Some((other, ca.is_self_issued()))
    });
    Some(match found {
        Some((other, false)) => finding(
            "intermediate-missing",
            incomplete,
            format!("the intermediate {issuer} is missing behind the certificate; {} has it", shown(other)),
        )
        .remedy(format!("cat {} >> {}", argument(&other.path), argument(&exhibit.path))),
        _ => {
            let place = found.map(|(other, _)| format!("; {} has it", shown(other))).unwrap_or_default();
            let problem = format!("its issuer {issuer} is not in the bundle {}{place}", shown(bundle));
            finding("authority-not-trusted", unknown, problem)
                .remedy(format!("add the certificate of {issuer} to {}", shown(bundle)))
        }
    })
}

fn refusal(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Client => {
            "RabbitMQ refuses the client and logs \"generated SERVER ALERT: Fatal - Unknown CA\"; with TLS 1.3 pika says \
             IncompatibleProtocolError"
        }
        Purpose::Node => "the nodes do not cluster: \"CLIENT ALERT: Fatal - Unknown CA\"",
        Purpose::Server | Purpose::Any => {
            "clients refuse the server: Python says \"unable to get local issuer certificate\", Java \"PKIX path building \
             failed\"; RabbitMQ logs \"Fatal - Unknown CA\" or, with TLS 1.3, \"Bad Record MAC\""
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, told};
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::sample::{HIERARCHY, Hierarchy, hierarchy};
    use crate::x509::test_support::{authority, key, self_signed};

    /// Codes and causes for the file `a.pem` with the bundle `b.pem`, among others.
    fn asked(shown: String, bundle: String, purpose: Purpose) -> Vec<(&'static str, Option<CauseId>)> {
        let others = HIERARCHY.intermediate.pem() + &HIERARCHY.root.pem();
        let case = case(&[("a.pem", shown), ("b.pem", bundle), ("others.pem", others)]);
        let findings = chain(&case.exhibits[0], Some(&case.exhibits[1]), purpose, &case);
        findings.iter().map(|finding| (finding.code, finding.cause)).collect()
    }

    #[test]
    fn a_certificate_in_its_place_is_right() {
        let Hierarchy { root, intermediate, server, client, node } = &*HIERARCHY;
        for (leaf, purpose) in
            [(server, Purpose::Server), (client, Purpose::Client), (node, Purpose::Node), (node, Purpose::Server)]
        {
            assert_eq!(asked(leaf.pem() + &intermediate.pem(), root.pem(), purpose), [], "{purpose}");
            assert_eq!(asked(leaf.pem(), intermediate.pem() + &root.pem(), purpose), [], "{purpose}");
        }
    }

    #[test]
    fn files_that_are_named_together_must_fit_together() {
        let Hierarchy { root, intermediate, server, .. } = &*HIERARCHY;
        let stranger =
            self_signed(&authority("stranger", key(KeyType::EcdsaP256, 0)), key(KeyType::EcdsaP256, 0)).pem();
        let whole = server.pem() + &intermediate.pem();
        for (files, wanted) in [
            (vec![("s.pem", whole.clone()), ("ca.pem", root.pem())], None),
            (vec![("s.pem", whole.clone()), ("a.pem", stranger.clone()), ("ca.pem", root.pem())], None),
            (vec![("s.pem", whole.clone())], None),
            (vec![("s.pem", whole), ("ca.pem", stranger)], Some("authority-not-trusted")),
        ] {
            let mut case = case(&files);
            assert_eq!(told(check, &case), [], "{files:?}");
            case.together = true;
            let codes: Vec<_> = told(check, &case).into_iter().map(|(_, code, _)| code).collect();
            assert_eq!(codes, wanted.into_iter().collect::<Vec<_>>(), "{files:?}");
        }
    }

    #[test]
    fn one_that_is_out_of_place_is_told() {
        let Hierarchy { root, intermediate, server, client, .. } = &*HIERARCHY;
        let whole = |leaf: &Certificate| leaf.pem() + &intermediate.pem();
        let other = hierarchy(KeyType::EcdsaP256);
        for (leaf, purpose, cause) in [
            (client, Purpose::Server, CauseId::ServerPurpose),
            (server, Purpose::Client, CauseId::ClientPurpose),
            (server, Purpose::Node, CauseId::NodePurpose),
        ] {
            assert_eq!(asked(whole(leaf), root.pem(), purpose), [("wrong-purpose", Some(cause))]);
        }
        let missing = asked(client.pem(), root.pem(), Purpose::Client);
        assert_eq!(missing, [("intermediate-missing", Some(CauseId::ClientChainIncomplete))]);
        let partial = asked(server.pem(), intermediate.pem(), Purpose::Server);
        assert_eq!(partial, [("authority-not-trusted", Some(CauseId::ServerCaUnknown))]);
        let twin = asked(whole(server), other.root.pem(), Purpose::Server);
        assert_eq!(twin, [("issuer-of-same-name", Some(CauseId::AuthoritySameName))]);
        assert_eq!(asked(String::new(), root.pem(), Purpose::Server)[0].0, "no-certificate");
    }
}
