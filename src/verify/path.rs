//! Finds the ways from a leaf to a trust anchor. Bounded in certificates, depth, steps and signature checks, because the
//! certificates that a peer sends are chosen by the peer; a certificate never stands in a path twice, so cycles end.

use crate::x509::Certificate;

/// More untrusted certificates than this are not looked at.
pub(super) const MOST_UNTRUSTED: usize = 200;
/// Leaf and anchor included.
pub(super) const LONGEST_PATH: usize = 12;
/// A tenth of a second or so, whatever the keys; a real chain needs a handful.
const MOST_SIGNATURES: usize = 400;
const MOST_PATHS: usize = 24;
/// Authorities that all certify one another make more paths than there are signatures to check.
const MOST_STEPS: usize = 5_000;

/// Signatures with MD2, MD5 and SHA-1: RSA, OIW's RSA, ECDSA, DSA.
const OLD_HASHES: [&str; 6] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10045.4.1",
    "1.2.840.10040.4.3",
];

/// What the search found.
#[derive(Default)]
pub(super) struct Paths<'a> {
    /// Leaf first, anchor last.
    pub(super) complete: Vec<Vec<&'a Certificate>>,
    /// The longest way that ended nowhere, and why it could not go on.
    pub(super) dead_end: Option<DeadEnd<'a>>,
    /// The search was cut off by one of the bounds.
    pub(super) cut_off: Option<&'static str>,
}

/// A way that ended nowhere.
pub(super) struct DeadEnd<'a> {
    pub(super) path: Vec<&'a Certificate>,
    /// Certificates with the issuer's name whose key did not make the signature: (certificate, it is an anchor).
    pub(super) same_name: Vec<(&'a Certificate, bool)>,
}

struct Search<'a> {
    anchors: &'a [Certificate],
    untrusted: &'a [Certificate],
    signatures_left: usize,
    steps_left: usize,
    /// (issuer, child) by address: a signature is checked once, whatever the number of paths through it.
    known: std::collections::HashMap<(*const Certificate, *const Certificate), bool>,
    /// A signature with a hash that we do not check is believed where the names fit: others do check it.
    old_hashes: bool,
    paths: Paths<'a>,
}

/// The same for verifiers that know SHA-1: whether they also like it is theirs to say.
pub(super) fn find_with_old_hashes<'a>(
    leaf: &'a Certificate,
    untrusted: &'a [Certificate],
    anchors: &'a [Certificate],
) -> Paths<'a> {
    search(leaf, untrusted, anchors, true)
}

/// All paths within the bounds, in order of preference: anchors before intermediates, matching key identifiers first.
pub(super) fn find<'a>(leaf: &'a Certificate, untrusted: &'a [Certificate], anchors: &'a [Certificate]) -> Paths<'a> {
    search(leaf, untrusted, anchors, false)
}

fn search<'a>(
    leaf: &'a Certificate,
    untrusted: &'a [Certificate],
    anchors: &'a [Certificate],
    old_hashes: bool,
) -> Paths<'a> {
    let mut search = Search {
        anchors,
        untrusted: &untrusted[..untrusted.len().min(MOST_UNTRUSTED)],
        signatures_left: MOST_SIGNATURES,
        steps_left: MOST_STEPS,
        known: Default::default(),
        old_hashes,
        paths: Paths::default(),
    };
    if untrusted.len() > MOST_UNTRUSTED {
        search.paths.cut_off = Some("only the first 200 intermediates were looked at");
    }
    search.extend(&mut vec![leaf]);
    let itself = |anchor: &Certificate| anchor.der() == leaf.der();
    if search.paths.complete.is_empty() && leaf.is_self_issued() && anchors.iter().any(itself) {
        search.paths.complete.push(vec![leaf]);
    }
    search.paths
}

impl<'a> Search<'a> {
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) {
        let Some(&head) = path.last() else { return };
        self.steps_left = self.steps_left.saturating_sub(1);
        let mut dead = DeadEnd { path: path.clone(), same_name: Vec::new() };
        for (candidate, is_anchor) in self.candidates(head) {
            if self.paths.complete.len() >= MOST_PATHS || self.signatures_left == 0 || self.steps_left == 0 {
                self.paths.cut_off = Some("there are too many ways to build a chain");
                return;
            }
            let seen = |c: &&Certificate| c.der() == candidate.der() || same_authority(c, candidate);
            if path.iter().any(seen) {
                continue;
            }
            if !self.signed_by(head, candidate) {
                dead.same_name.push((candidate, is_anchor));
                continue;
            }
            if path.len() >= LONGEST_PATH {
                self.paths.cut_off = Some("a chain of more than 12 certificates was not followed");
                continue;
            }
            path.push(candidate);
            if is_anchor {
                self.paths.complete.push(path.clone());
            } else {
                self.extend(path);
            }
            path.pop();
        }
        let longest = self.paths.dead_end.as_ref().is_none_or(|known| known.path.len() < dead.path.len());
        if longest {
            self.paths.dead_end = Some(dead);
        }
    }

    /// Whoever bears the issuer's name, best first.
    fn candidates(&self, child: &Certificate) -> Vec<(&'a Certificate, bool)> {
        let (anchors, untrusted) = (self.anchors, self.untrusted);
        let named = |c: &&'a Certificate| c.subject().der() == child.issuer().der();
        let mut found: Vec<(&'a Certificate, bool)> = Vec::new();
        let anchors = anchors.iter().filter(named).map(|c| (c, true));
        for candidate in anchors.chain(untrusted.iter().filter(named).map(|c| (c, false))) {
            // Peers send the root along, and bundles repeat themselves.
            if !found.iter().any(|(known, _)| known.der() == candidate.0.der()) {
                found.push(candidate);
            }
        }
        let wanted = child.authority_key_id();
        found.sort_by_key(|(c, is_anchor)| (wanted.is_some() && c.subject_key_id() != wanted, !is_anchor));
        found
    }

    fn signed_by(&mut self, child: &'a Certificate, issuer: &'a Certificate) -> bool {
        let key = (std::ptr::from_ref(issuer), std::ptr::from_ref(child));
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.signatures_left = self.signatures_left.saturating_sub(1);
        let good =
            child.is_signed_by(issuer) || (self.old_hashes && has_old_hash(child) && !names_other_key(child, issuer));
        self.known.insert(key, good);
        good
    }
}

/// MD5 or SHA-1: we do not check such a signature.
pub(super) fn has_old_hash(certificate: &Certificate) -> bool {
    OLD_HASHES.contains(&certificate.signature_algorithm())
}

fn names_other_key(child: &Certificate, issuer: &Certificate) -> bool {
    matches!((child.authority_key_id(), issuer.subject_key_id()), (Some(named), Some(own)) if named != own)
}

/// RFC 4158 section 5.2: the same name with the same key is the same authority, however often it was certified. Two
/// self-issued certificates of one authority with different keys (a key change) may follow one another.
fn same_authority(a: &Certificate, b: &Certificate) -> bool {
    a.subject().der() == b.subject().der() && a.public_key() == b.public_key()
}
