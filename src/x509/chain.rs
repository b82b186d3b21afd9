//! Putting a chain in order: leaf first, each certificate followed by the one that signed it.

use super::certificate::Certificate;

/// Longer than any chain that verifiers follow; a pool of cross-signed authorities ends here.
const LONGEST: usize = 16;

/// The chain from `leaf` upwards as far as `pool` goes. The pool's order does not matter and what does not belong is left
/// out. A self-signed root at the end is kept only with `include_root`: servers do not send it, bundles hold it.
pub fn order_chain(leaf: &Certificate, pool: &[Certificate], include_root: bool) -> Vec<Certificate> {
    let mut chain = vec![leaf];
    while let Some(last) = chain.last().copied() {
        if chain.len() == LONGEST || is_root(last) {
            break;
        }
        let Some(issuer) = find_issuer(last, pool, &chain) else { break };
        chain.push(issuer);
    }
    if !include_root && chain.len() > 1 && chain.last().is_some_and(|last| is_root(last)) {
        chain.pop();
    }
    chain.into_iter().cloned().collect()
}

/// Nothing rests on a root's own signature, and old roots have one that is no longer checked (SHA-1), so names and key
/// identifiers tell it from an authority that changed its key.
fn is_root(certificate: &Certificate) -> bool {
    let named = certificate.authority_key_id();
    certificate.is_self_issued() && (named.is_none() || named == certificate.subject_key_id())
}

/// The best certificate that made the signature: one whose key identifier is the one named, then one that ends the chain,
/// then the one that lasts longest. The signature decides; identifiers are only hints (RFC 5280 4.2.1.1).
fn find_issuer<'a>(subject: &Certificate, pool: &'a [Certificate], chain: &[&Certificate]) -> Option<&'a Certificate> {
    let mut candidates: Vec<&Certificate> =
        pool.iter().filter(|candidate| candidate.subject() == subject.issuer() && !chain.contains(candidate)).collect();
    candidates.sort_by_key(|candidate| {
        let named = subject.authority_key_id().is_some() && subject.authority_key_id() == candidate.subject_key_id();
        std::cmp::Reverse((named, candidate.is_self_issued(), candidate.validity().not_after))
    });
    candidates.into_iter().find(|candidate| subject.is_signed_by(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::sample::{Draft, HIERARCHY, algorithm};

    #[test]
    fn the_pool_may_be_in_any_order_and_hold_strangers() {
        let hierarchy = &*HIERARCHY;
        let stranger = crate::x509::sample::hierarchy(crate::x509::KeyType::EcdsaP256);
        let pool =
            [&stranger.intermediate, &stranger.root, &hierarchy.root, &hierarchy.server, &hierarchy.intermediate];
        let pool = pool.map(Clone::clone);
        let chain = order_chain(&hierarchy.server, &pool, true);
        assert_eq!(chain, [hierarchy.server.clone(), hierarchy.intermediate.clone(), hierarchy.root.clone()]);
        assert_eq!(order_chain(&hierarchy.server, &pool, false), chain[..2]);
        assert_eq!(order_chain(&hierarchy.server, &[], false), chain[..1]);
        assert_eq!(order_chain(&hierarchy.root, &pool, false), chain[2..]);
    }

    #[test]
    fn a_certificate_that_did_not_sign_is_no_issuer() {
        let hierarchy = &*HIERARCHY;
        let forged = Draft { public_key: Draft::of(&hierarchy.root).public_key, ..Draft::of(&hierarchy.intermediate) };
        assert_eq!(order_chain(&hierarchy.server, &[forged.certificate()], true).len(), 1);
    }

    #[test]
    fn many_authorities_of_one_name_and_key_end() {
        let intermediate = &HIERARCHY.intermediate;
        let pool: Vec<_> = (1..100)
            .map(|serial| {
                Draft { serial: vec![serial], issuer: intermediate.subject().der().to_vec(), ..Draft::of(intermediate) }
                    .certificate()
            })
            .collect();
        assert!(order_chain(&HIERARCHY.server, &pool, true).len() <= LONGEST);
    }

    #[test]
    fn a_root_is_told_by_its_names_even_if_its_own_signature_is_not_checked() {
        let root = &HIERARCHY.root;
        let old = Draft { outer_algorithm: algorithm("1.2.840.113549.1.1.5"), ..Draft::of(root) }.certificate();
        assert_eq!(
            order_chain(&HIERARCHY.intermediate, std::slice::from_ref(&old), true),
            [HIERARCHY.intermediate.clone(), old.clone()]
        );
        assert_eq!(order_chain(&HIERARCHY.intermediate, &[old], false).len(), 1);
    }
}
