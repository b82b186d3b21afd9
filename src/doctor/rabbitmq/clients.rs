//! Clients whose certificates are at hand: whether the broker that is at hand too would take them.

use std::path::Path;

use super::broker::Broker;
use crate::doctor::{Case, Exhibit, Finding, Place, crypto};
use crate::inspect::Thing;
use crate::profile::Role;
use crate::verify::Purpose;
use crate::x509::{Certificate, Crl, ExtendedKeyUsage};

/// Holds each client's certificate against the bundle of the broker, where there is one broker only: with several nobody knows
/// which client is whose. Clients of a PKI may be for other peers, and are verified by certgen itself.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let brokers = Broker::all(case);
    let [broker] = brokers.as_slice() else { return };
    if broker.ssl_option("verify").as_deref() != Some("verify_peer") {
        return;
    }
    let Some(bundle) = broker.ssl_option("cacertfile").and_then(|file| case.named(Path::new(&file))) else { return };
    for (exhibit, _) in clients(case).filter(|(exhibit, _)| case.place(&exhibit.path) == Place::Elsewhere) {
        findings.extend(crypto::chain(exhibit, Some(bundle), Purpose::Client, case));
    }
}

/// Certificates that log in: for clients, and neither an authority nor a server. Who is revoked has no user, and rightly so.
pub(super) fn clients(case: &Case) -> impl Iterator<Item = (&Exhibit, &Certificate)> {
    let lists: Vec<&Crl> = case
        .exhibits
        .iter()
        .flat_map(Exhibit::things)
        .filter_map(|thing| if let Thing::Crl(crl) = thing { Some(&**crl) } else { None })
        .collect();
    let revoked = move |certificate: &Certificate| {
        lists.iter().any(|crl| crl.issuer() == certificate.issuer() && crl.find(certificate.serial()).is_some())
    };
    let candidates = case.exhibits.iter().filter(|exhibit| {
        matches!(case.place(&exhibit.path), Place::Elsewhere | Place::Identity(Role::Client) | Place::Emitted)
    });
    candidates.filter_map(move |exhibit| {
        let leaf = exhibit.leaf()?;
        let usages = leaf.extended_key_usage()?;
        let client = usages.contains(&ExtendedKeyUsage::ClientAuth) && !usages.contains(&ExtendedKeyUsage::ServerAuth);
        (client && !revoked(leaf)).then_some((exhibit, leaf))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::CauseId;
    use crate::x509::KeyType;
    use crate::x509::sample::{HIERARCHY, hierarchy};

    const CONF: &str = "ssl_options.verify = verify_peer\nssl_options.cacertfile = /etc/rabbitmq/certs/ca.pem\n";

    fn causes(files: &[(&str, String)]) -> Vec<Option<CauseId>> {
        let mut all = vec![("etc/rabbitmq/rabbitmq.conf", CONF)];
        all.extend(files.iter().map(|(path, text)| (*path, text.as_str())));
        let mut findings = Vec::new();
        check(&Case::of(&all), &mut findings);
        findings.iter().map(|finding| finding.cause).collect()
    }

    #[test]
    fn a_client_is_held_against_the_bundle_of_the_only_broker() {
        let (own, other) = (&*HIERARCHY, hierarchy(KeyType::EcdsaP256));
        let bundle = ("etc/rabbitmq/certs/ca.pem", own.root.pem());
        let client = |text: String| [bundle.clone(), ("app/client.pem", text)];
        assert_eq!(causes(&client(own.client.pem() + &own.intermediate.pem())), []);
        assert_eq!(causes(&client(other.client.pem() + &other.intermediate.pem())).len(), 1);
        let between = [bundle.clone(), ("app/client.pem", own.client.pem()), ("ca/sub.pem", own.intermediate.pem())];
        assert_eq!(causes(&between), [Some(CauseId::ClientChainIncomplete)]);
        let two = [bundle, ("app/client.pem", own.client.pem()), ("other/rabbitmq.conf", CONF.to_owned())];
        assert_eq!(causes(&two), []);
    }
}
