//! What Erlang's `ssl` asks of a peer beyond RFC 5280, where it differs from openssl: as measured on OTP 25, 27 and 29.
//!
//! Its path validation is otherwise laxer (it does not look at path length or key usage of a trust anchor), so whoever
//! wants a chain that works on both sides asks [`super::verify`] too.

use time::OffsetDateTime;

use super::Purpose;
use crate::ui;
use crate::x509::Certificate;

/// Why a broker would refuse a peer that shows `presented`, leaf first, and is verified against `bundle`; `None`: it would
/// not.
pub fn erlang_refuses(
    presented: &[Certificate],
    bundle: &[Certificate],
    purpose: Purpose,
    now: OffsetDateTime,
) -> Option<String> {
    let leaf = presented.first()?;
    // OTP follows issuers through what it was shown and then through the bundle; there are no partial chains, so the end
    // must be a root that stands in the bundle.
    let mut path = vec![leaf];
    while let Some(last) = path.last().copied().filter(|last| !last.is_self_issued()) {
        let issues = |ca: &&Certificate| ca.subject().der() == last.issuer().der() && last.is_signed_by(ca);
        let found = bundle.iter().chain(presented).find(|ca| issues(ca) && !path.contains(ca));
        let Some(issuer) = found else {
            return Some(format!("unknown_ca: nobody trusts {}", ui::quote(&last.issuer().to_string())));
        };
        path.push(issuer);
    }
    let root = path.last().copied()?;
    if path.len() == 1 {
        return Some("selfsigned_peer: the certificate signed itself".to_owned());
    }
    if !bundle.contains(root) {
        return Some(format!("unknown_ca: {} is not in the bundle", ui::quote(&root.subject().to_string())));
    }
    // A client sends its chain only to a server that names the issuer of the chain's end among its authorities.
    let end = presented.last()?;
    if !bundle.iter().any(|ca| ca.subject().der() == end.issuer().der()) {
        return Some(format!(
            "certificate_required: the chain ends below {}, whom the server does not name",
            ui::quote(&end.issuer().to_string())
        ));
    }
    if let Some(over) = path.iter().find(|c| now < c.validity().not_before || now > c.validity().not_after) {
        return Some(format!("certificate_expired: {}", ui::quote(&over.subject().to_string())));
    }
    let usages = leaf.extended_key_usage().unwrap_or_default();
    if !usages.is_empty() && purpose.wanted().iter().any(|usage| !usages.contains(usage)) {
        return Some("invalid_ext_keyusage: the certificate is for another purpose".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::x509::sample::{Draft, HIERARCHY, hierarchy};
    use crate::x509::{KeyType, oid};

    const NOW: OffsetDateTime = datetime!(2026-11-01 0:00 UTC);

    /// The error's name, which Erlang puts into its log.
    fn refusal(presented: &[&Certificate], bundle: &[&Certificate], purpose: Purpose, now: OffsetDateTime) -> String {
        let owned = |certificates: &[&Certificate]| certificates.iter().map(|c| (*c).clone()).collect::<Vec<_>>();
        let refused = erlang_refuses(&owned(presented), &owned(bundle), purpose, now);
        refused.map_or_else(String::new, |why| why.split(':').next().unwrap().to_owned())
    }

    #[test]
    fn a_chain_in_any_order_with_its_root_in_the_bundle_is_accepted() {
        let h = &*HIERARCHY;
        let stranger = hierarchy(KeyType::EcdsaP256);
        for presented in [vec![&h.node, &h.intermediate], vec![&h.node, &h.intermediate, &h.root]] {
            assert_eq!(refusal(&presented, &[&stranger.root, &h.root], Purpose::Node, NOW), "");
        }
        assert_eq!(refusal(&[&h.server, &h.intermediate], &[&h.root], Purpose::Server, NOW), "");
    }

    #[test]
    fn nobody_trusts_what_does_not_end_in_the_bundle() {
        let h = &*HIERARCHY;
        let stranger = hierarchy(KeyType::EcdsaP256);
        assert_eq!(refusal(&[&h.client, &h.intermediate], &[&stranger.root], Purpose::Client, NOW), "unknown_ca");
        assert_eq!(
            refusal(&[&h.client], &[&h.root], Purpose::Client, NOW),
            "unknown_ca",
            "the intermediate is missing"
        );
        // No partial chains: openssl has an option for that, Erlang has none.
        let partial = refusal(&[&h.client, &h.intermediate], &[&h.intermediate], Purpose::Client, NOW);
        assert_eq!(partial, "unknown_ca");
        assert_eq!(refusal(&[&h.root], &[&h.root], Purpose::Any, NOW), "selfsigned_peer");
    }

    /// The cross-signed certificate of a successor at the end of the chain: the client then shows nothing at all.
    #[test]
    fn a_chain_that_ends_below_a_stranger_is_not_sent() {
        let h = &*HIERARCHY;
        let mut successor = Draft::of(&h.intermediate);
        successor.issuer = h.client.subject().der().to_vec();
        let cross = successor.certificate();
        let presented = [&h.client, &h.intermediate, &cross];
        assert_eq!(refusal(&presented, &[&h.root], Purpose::Client, NOW), "certificate_required");
    }

    #[test]
    fn times_and_purposes_are_looked_at() {
        let h = &*HIERARCHY;
        let chain = [&h.client, &h.intermediate];
        for now in [datetime!(2025-12-31 0:00 UTC), datetime!(2026-05-31 0:00 UTC), datetime!(2027-06-02 0:00 UTC)] {
            assert_eq!(refusal(&chain, &[&h.root], Purpose::Client, now), "certificate_expired", "{now}");
        }
        for purpose in [Purpose::Server, Purpose::Node] {
            assert_eq!(refusal(&chain, &[&h.root], purpose, NOW), "invalid_ext_keyusage");
        }
        // Without the extension Erlang asks for nothing.
        assert!(h.root.extension(oid::EXTENDED_KEY_USAGE).is_none());
    }
}
