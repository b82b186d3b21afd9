//! What every verifier is asked: the question, the ways from leaf to anchor, and what the walk found on each.

use time::OffsetDateTime;

use super::super::finding::{Check, Finding, Findings, Severity};
use super::super::general_name::RawName;
use super::super::path::{self, DeadEnd, Paths};
use super::super::{PeerName, Purpose, Question, name_constraints, peer_name, walk};
use crate::x509::{Certificate, ExtendedKeyUsage, KeyUsage, PublicKeyAlgorithm};

/// The question and its ways.
pub(super) struct Ask<'a> {
    pub(super) question: &'a Question<'a>,
    /// Chains that end at any certificate of the bundle: Go, Java, rustls and whoever allows partial chains.
    pub(super) to_anchors: Ways<'a>,
    /// Chains that end at a self-issued certificate of the bundle; what else is in it may stand between.
    pub(super) to_roots: Ways<'a>,
}

/// The result of one search.
pub(super) struct Ways<'a> {
    pub(super) complete: Vec<Chain<'a>>,
    pub(super) dead_end: Option<DeadEnd<'a>>,
}

/// A chain, leaf first, anchor last.
pub(super) struct Chain<'a> {
    pub(super) certificates: Vec<&'a Certificate>,
    pub(super) now: OffsetDateTime,
    findings: Findings,
}

impl<'a> Ask<'a> {
    /// Searches once, for whoever asks.
    pub(super) fn with<T>(question: &Question<'_>, answer: impl FnOnce(&Ask<'_>) -> T) -> T {
        let (roots, others): (Vec<_>, Vec<_>) = question.anchors.iter().cloned().partition(Certificate::is_self_issued);
        let between: Vec<_> = question.untrusted.iter().cloned().chain(others).collect();
        answer(&Ask {
            question,
            to_anchors: Ways::new(
                question,
                path::find_with_old_hashes(question.leaf, question.untrusted, question.anchors),
            ),
            to_roots: Ways::new(question, path::find_with_old_hashes(question.leaf, &between, &roots)),
        })
    }

    pub(super) fn leaf(&self) -> &'a Certificate {
        self.question.leaf
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.question.purpose.unwrap_or(Purpose::Any)
    }

    /// The leaf itself stands in the bundle.
    pub(super) fn is_pinned(&self) -> bool {
        self.question.anchors.iter().any(|anchor| anchor.der() == self.leaf().der())
    }

    /// The host or address that a client compares. Nobody compares the name of a client, a mailbox or a URI here.
    pub(super) fn name(&self) -> Option<&'a PeerName> {
        let name = self.question.name.as_ref().filter(|_| self.purpose() != Purpose::Client)?;
        matches!(name, PeerName::Dns(_) | PeerName::Ip(_)).then_some(name)
    }

    /// The subjectAltName of the leaf.
    pub(super) fn names(&self) -> Vec<RawName<'a>> {
        peer_name::presented(self.leaf())
    }
}

impl<'a> Ways<'a> {
    fn new(question: &Question<'_>, paths: Paths<'a>) -> Self {
        let plain = Question::new(question.leaf, question.anchors, question.time);
        let chain = |certificates: Vec<&'a Certificate>| Chain {
            findings: walk::check(&plain, &certificates, true),
            certificates,
            now: question.time,
        };
        Self { complete: paths.complete.into_iter().map(chain).collect(), dead_end: paths.dead_end }
    }

    /// The refusal of the first chain, unless one of them is good; `None` within: there is no chain.
    pub(super) fn judge<T>(&self, refusal: impl Fn(&Chain<'a>) -> Option<T>) -> Option<Result<(), T>> {
        let mut first = None;
        for chain in &self.complete {
            match refusal(chain) {
                None => return Some(Ok(())),
                Some(fault) => first = first.or(Some(Err(fault))),
            }
        }
        first
    }

    /// How many certificates the longest way has that ends nowhere.
    pub(super) fn dead_length(&self) -> usize {
        self.dead_end.as_ref().map_or(1, |dead| dead.path.len())
    }

    /// The end of that way signed itself, and nobody trusts it.
    pub(super) fn ends_in_stranger(&self) -> bool {
        self.dead_end.as_ref().and_then(|dead| dead.path.last()).is_some_and(|last| last.is_self_issued())
    }

    /// An authority of the issuer's name is at hand, but its key did not make the signature.
    pub(super) fn same_name(&self) -> Option<&'a Certificate> {
        self.dead_end.as_ref()?.same_name.first().map(|(certificate, _)| *certificate)
    }
}

impl Chain<'_> {
    /// The place of the anchor.
    pub(super) fn last(&self) -> usize {
        self.certificates.len() - 1
    }

    /// The places of leaf and intermediates.
    pub(super) fn below_anchor(&self) -> std::ops::Range<usize> {
        0..self.last().max(1)
    }

    /// The places of the intermediates.
    pub(super) fn between(&self) -> std::ops::Range<usize> {
        1..self.last().max(1)
    }

    /// The places of everybody but the leaf.
    pub(super) fn issuers(&self) -> std::ops::Range<usize> {
        1..self.certificates.len()
    }

    /// The walk has something of this kind against the certificate at `index`.
    pub(super) fn has(&self, check: Check, index: usize) -> bool {
        self.problems(check).any(|finding| finding.certificate == Some(index))
    }

    fn problems(&self, check: Check) -> impl Iterator<Item = &Finding> {
        self.findings.list.iter().filter(move |f| f.check == check && f.severity == Severity::Problem)
    }

    /// A name outside constraints; `with_anchor`: those of the anchor count. The certificate's place, and what was said.
    pub(super) fn constrained_name(&self, with_anchor: bool) -> Option<Finding> {
        let end = if with_anchor { self.certificates.len() } else { self.last().max(1) };
        let mut findings = Findings::default();
        name_constraints::check_with_dots(&self.certificates[..end], &mut findings);
        findings.list.into_iter().find(|f| f.check == Check::NameConstraints && f.severity == Severity::Problem)
    }

    /// The common name looks like a host outside the constraints.
    pub(super) fn constrained_common_name(&self) -> bool {
        self.findings.list.iter().any(|f| f.check == Check::NameConstraints && f.severity == Severity::Note)
    }

    /// The key identifier that the certificate at `index` names is not that of its issuer.
    pub(super) fn names_other_key(&self, index: usize) -> bool {
        self.has(Check::Chain, index)
    }

    pub(super) fn is_expired(&self, index: usize) -> bool {
        self.has(Check::Time, index) && self.now > self.certificates[index].validity().not_after
    }

    pub(super) fn is_early(&self, index: usize) -> bool {
        self.has(Check::Time, index) && !self.is_expired(index)
    }
}

/// The extended key usage lets the certificate serve `purpose`; `any`: anyExtendedKeyUsage counts for everything.
pub(super) fn serves(certificate: &Certificate, purpose: Purpose, any: bool) -> bool {
    let Some(usages) = certificate.extended_key_usage() else { return true };
    (any && usages.contains(&ExtendedKeyUsage::Any)) || purpose.wanted().iter().all(|wanted| usages.contains(wanted))
}

/// keyUsage is there and has none of `usages`.
pub(super) fn lacks(certificate: &Certificate, usages: &[KeyUsage]) -> bool {
    certificate.key_usage().is_some_and(|own| !usages.iter().any(|usage| own.contains(*usage)))
}

/// Bits of an RSA key; other keys have no floor that anybody misses.
pub(super) fn rsa_bits(certificate: &Certificate) -> Option<u32> {
    let key = certificate.public_key();
    matches!(key.algorithm(), PublicKeyAlgorithm::Rsa | PublicKeyAlgorithm::RsaPss).then(|| key.bits())
}

/// Signed with SHA-1, or with what is weaker still.
pub(super) fn hash(certificate: &Certificate) -> Hash {
    match certificate.signature_algorithm() {
        "1.2.840.113549.1.1.2" | "1.2.840.113549.1.1.4" => Hash::Md5,
        _ if path::has_old_hash(certificate) => Hash::Sha1,
        _ => Hash::Good,
    }
}

/// The hash of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Good,
}
