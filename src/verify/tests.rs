//! One wrong thing at a time, and what is said about it.

use std::time::{Duration, Instant};

use time::macros::datetime;

use super::*;
use crate::x509::sample::{self, Draft, HIERARCHY, Hierarchy};
use crate::x509::{
    CertificateTemplate, CrlTemplate, DistinguishedName, ExtendedKeyUsage, KeyType, NameConstraints, PrivateKey,
    RevocationReason, RevokedCertificate, Signer, oid,
};

const NOW: OffsetDateTime = datetime!(2026-09-01 00:00:00 UTC);

/// Root and leaf with keys at hand, for what the shared hierarchy does not have.
struct Small {
    key: PrivateKey,
    root: Certificate,
}

impl Small {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut CertificateTemplate)) -> Self {
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        let mut template = sample::authority("root", &key, None);
        change(&mut template);
        let root = template.to_be_signed(&Signer::self_signed(&key)).unwrap().sign(&key).unwrap();
        Self { key, root }
    }

    fn sign(&self, template: &CertificateTemplate) -> Certificate {
        let signer = Signer::authority(&self.key, &self.root).unwrap();
        template.to_be_signed(&signer).unwrap().sign(&self.key).unwrap()
    }

    fn leaf(&self, cn: &str, names: &[&str], usages: &[ExtendedKeyUsage]) -> Certificate {
        let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
        self.sign(&sample::end_entity(cn, names, usages, &key))
    }

    fn server(&self, names: &[&str]) -> Certificate {
        self.leaf("server", names, &[ExtendedKeyUsage::ServerAuth])
    }

    fn crl(&self, revoked: &[&Certificate]) -> Crl {
        let entry = |certificate: &&Certificate| RevokedCertificate {
            serial: certificate.serial().clone(),
            revocation_time: datetime!(2026-08-01 00:00:00 UTC),
            reason: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        CrlTemplate {
            this_update: datetime!(2026-08-15 00:00:00 UTC),
            next_update: datetime!(2026-09-15 00:00:00 UTC),
            number: 1,
            revoked: revoked.iter().map(entry).collect(),
        }
        .sign(&Signer::authority(&self.key, &self.root).unwrap())
        .unwrap()
    }
}

fn one(certificate: &Certificate) -> &[Certificate] {
    std::slice::from_ref(certificate)
}

fn changed(certificate: &Certificate, change: impl FnOnce(&mut Draft)) -> Certificate {
    let mut draft = Draft::of(certificate);
    change(&mut draft);
    draft.certificate()
}

/// The question that the shared hierarchy answers with yes.
fn good<'a>(hierarchy: &'a Hierarchy, leaf: &'a Certificate, purpose: Purpose) -> Question<'a> {
    Question {
        untrusted: one(&hierarchy.intermediate),
        purpose: Some(purpose),
        ..Question::new(leaf, one(&hierarchy.root), NOW)
    }
}

#[track_caller]
fn assert_problem(report: &Report, check: Check, words: &str) {
    let sentences: Vec<_> = report.findings.iter().map(Finding::sentence).collect();
    let hit = report.problems().any(|f| f.check == check && f.sentence().contains(words));
    assert!(hit && !report.accepted(), "no {check:?} problem with {words:?} in {sentences:#?}");
}

#[track_caller]
fn assert_accepted(report: &Report) {
    let sentences: Vec<_> = report.findings.iter().map(Finding::sentence).collect();
    assert!(report.accepted() && report.anchored, "{sentences:#?}");
}

fn name(text: &str) -> Option<PeerName> {
    Some(PeerName::parse(text, None).unwrap())
}

#[test]
fn what_certgen_issues_has_nothing_against_it() {
    let h = &*HIERARCHY;
    for (leaf, purpose, asked) in [
        (&h.server, Purpose::Server, "rabbit.example.com"),
        (&h.server, Purpose::Server, "a.nodes.example.com"),
        (&h.server, Purpose::Server, "10.0.0.1"),
        (&h.client, Purpose::Client, "cn:celery_worker"),
        (&h.node, Purpose::Node, "node.example.com"),
    ] {
        let report = verify(&Question { name: name(asked), ..good(h, leaf, purpose) });
        assert_accepted(&report);
        assert_eq!(report.findings, [], "{asked}");
        assert_eq!(report.chain.len(), 3);
        assert!(report.name_checked);
    }
    assert!(!verify(&good(h, &h.server, Purpose::Server)).name_checked);
}

#[test]
fn every_key_type_is_understood_by_both_layers() {
    for key_type in [KeyType::EcdsaP384, KeyType::EcdsaP521, KeyType::Ed25519, KeyType::Rsa2048] {
        let h = sample::hierarchy(key_type);
        assert_accepted(&verify(&good(&h, &h.node, Purpose::Node)));
    }
}

#[test]
fn names_are_compared_with_the_right_kind_alone() {
    let h = &*HIERARCHY;
    let ask = |asked| verify(&Question { name: name(asked), ..good(h, &h.server, Purpose::Server) });
    assert_problem(
        &ask("other.example.com"),
        Check::Name,
        "DNS:rabbit.example.com, DNS:*.nodes.example.com, IP:10.0.0.1",
    );
    assert_problem(&ask("a.b.nodes.example.com"), Check::Name, "stands for one label");
    assert_problem(&ask("10.0.0.2"), Check::Name, "IP:10.0.0.2");
    assert_problem(&ask("a@example.com"), Check::Name, "email:a@example.com");
    assert_problem(&ask("cn:rabbit"), Check::Name, "CN=rabbit and no other");
    let ca = Small::new();
    let leaf = ca.leaf("rabbit.example.com", &[], &[ExtendedKeyUsage::ServerAuth]);
    let report = verify(&Question { name: name("rabbit.example.com"), ..Question::new(&leaf, one(&ca.root), NOW) });
    assert_problem(&report, Check::Name, "only in the subject's common name");
}

#[test]
fn purposes() {
    let h = &*HIERARCHY;
    assert_problem(&verify(&good(h, &h.server, Purpose::Client)), Check::Purpose, "expected clientAuth");
    assert_problem(&verify(&good(h, &h.server, Purpose::Node)), Check::Purpose, "expected clientAuth");
    assert_problem(&verify(&good(h, &h.client, Purpose::Server)), Check::Purpose, "found clientAuth");
    assert_accepted(&verify(&good(h, &h.client, Purpose::Any)));
    let authority = Question { purpose: Some(Purpose::Server), ..Question::new(&h.intermediate, one(&h.root), NOW) };
    assert_problem(&verify(&authority), Check::BasicConstraints, "CA:TRUE");
}

#[test]
fn times_of_every_certificate_count() {
    let h = &*HIERARCHY;
    let at = |time| verify(&Question { time, ..good(h, &h.server, Purpose::Server) });
    assert_accepted(&at(h.server.validity().not_before));
    assert_accepted(&at(h.server.validity().not_after));
    assert_accepted(&at(h.server.validity().not_after + time::Duration::milliseconds(500)));
    assert_problem(&at(h.server.validity().not_after + time::Duration::SECOND), Check::Time, "1 second ago");
    assert_problem(&at(datetime!(2026-05-31 23:59:59 UTC)), Check::Time, "in 1 second");
    let late = at(datetime!(2040-01-01 00:00:00 UTC));
    let expired: Vec<_> = late.problems().filter(|f| f.check == Check::Time).map(|f| f.certificate).collect();
    assert_eq!(expired, [Some(0), Some(1), Some(2)]);
    assert!(!at(datetime!(1955-01-01 00:00:00 UTC)).accepted());
}

#[test]
fn a_missing_intermediate_is_named() {
    let h = &*HIERARCHY;
    let report = verify(&Question { untrusted: &[], ..good(h, &h.server, Purpose::Server) });
    assert_problem(&report, Check::Chain, "the certificate of its issuer CN=intermediate with key identifier");
    assert!(!report.anchored);
    let report = verify(&Question { anchors: &[], ..good(h, &h.server, Purpose::Server) });
    assert_problem(&report, Check::Anchor, "an empty one");
    let with_root = [h.intermediate.clone(), h.root.clone()];
    let other = Small::with(|template| template.subject = DistinguishedName::common_name_only("unrelated").unwrap());
    let report =
        verify(&Question { untrusted: &with_root, anchors: one(&other.root), ..good(h, &h.server, Purpose::Server) });
    assert_problem(&report, Check::Anchor, "the self-signed CN=root, which is not in the bundle");
}

#[test]
fn an_authority_of_the_same_name_is_told_apart() {
    let (old, new) = (Small::new(), Small::new());
    let leaf = old.server(&["a.example.com"]);
    let report = verify(&Question::new(&leaf, one(&new.root), NOW));
    assert_problem(&report, Check::Anchor, "an authority of that name is in the bundle, but with another key");
    let both = [new.root.clone(), old.root.clone()];
    assert_accepted(&verify(&Question::new(&leaf, &both, NOW)));
    let forged = changed(&leaf, |draft| draft.serial = vec![1]);
    assert_problem(&verify(&Question::new(&forged, one(&old.root), NOW)), Check::Signature, "did not make");
}

#[test]
fn the_anchor_is_looked_at_too() {
    let ca = Small::new();
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let leaf = ca.server(&["a.example.com"]);
    let anchor = |draft: Draft| verify(&Question::new(&leaf, one(&draft.certificate()), NOW));
    let draft = Draft::of(&ca.root);
    assert_problem(
        &anchor(draft.clone().without(oid::BASIC_CONSTRAINTS)),
        Check::BasicConstraints,
        "no basicConstraints",
    );
    assert_problem(
        &anchor(draft.clone().with(oid::BASIC_CONSTRAINTS, true, vec![0x30, 0])),
        Check::BasicConstraints,
        "CA:FALSE",
    );
    assert_problem(
        &anchor(draft.clone().with(oid::KEY_USAGE, true, vec![3, 2, 7, 0x80])),
        Check::KeyUsage,
        "digitalSignature",
    );
    assert_problem(&anchor(draft.clone().with("1.2.3.4", true, vec![5, 0])), Check::CriticalExtension, "1.2.3.4");
    assert_problem(&anchor(draft.without(oid::SUBJECT_KEY_IDENTIFIER)), Check::Form, "subjectKeyIdentifier");
    let mut own = sample::end_entity("alone", &["alone.example.com"], &[ExtendedKeyUsage::ServerAuth], &key);
    own.public_key = key.public_key().clone();
    let own = own.to_be_signed(&Signer::self_signed(&key)).unwrap().sign(&key).unwrap();
    let report = verify(&Question::new(&own, one(&own), NOW));
    assert!(report.notes().any(|f| f.check == Check::Anchor && f.found.contains("selfsigned_peer")), "{report:?}");
    let report = verify(&Question::new(&ca.root, one(&ca.root), NOW));
    assert_problem(&report, Check::BasicConstraints, "an end-entity certificate");
}

#[test]
fn faults_of_form_are_notes_when_asked_so() {
    let ca = Small::new();
    let leaf = ca.server(&["a.example.com"]);
    let anchor = Draft::of(&ca.root).without(oid::SUBJECT_KEY_IDENTIFIER).certificate();
    let question = Question { strict: false, ..Question::new(&leaf, one(&anchor), NOW) };
    let report = verify(&question);
    assert_accepted(&report);
    assert!(report.notes().any(|f| f.check == Check::Form));
}

#[test]
fn path_length_and_depth() {
    let ca = Small::with(|template| template.basic_constraints.path_length = Some(0));
    let key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let mut template = sample::authority("below", &key, None);
    template.validity = *ca.root.validity();
    // The issuing side refuses this, so the constraint is put into the anchor afterwards.
    let free = Small {
        root: Draft::of(&ca.root).with(oid::BASIC_CONSTRAINTS, true, vec![0x30, 3, 1, 1, 0xff]).certificate(),
        key: ca.key,
    };
    let below = free.sign(&template);
    let leaf_key = PrivateKey::generate(KeyType::EcdsaP256).unwrap();
    let leaf = sample::end_entity("leaf", &["a.example.com"], &[ExtendedKeyUsage::ServerAuth], &leaf_key);
    let leaf = leaf.to_be_signed(&Signer::authority(&key, &below).unwrap()).unwrap().sign(&key).unwrap();
    let question = Question { untrusted: one(&below), ..Question::new(&leaf, one(&ca.root), NOW) };
    assert_problem(&verify(&question), Check::PathLength, "at most 0 intermediates below, found 1");
    let shallow = Question { anchors: one(&free.root), max_intermediates: Some(0), ..question.clone() };
    assert_problem(&verify(&shallow), Check::PathLength, "between leaf and trust anchor");
    assert_accepted(&verify(&Question { anchors: one(&free.root), ..question }));
}

#[test]
fn name_constraints_hold_and_a_common_name_is_only_noted() {
    let ca = Small::with(|template| {
        template.name_constraints = Some(NameConstraints {
            permitted: vec!["example.com".parse().unwrap()],
            excluded: vec!["bad.example.com".parse().unwrap()],
        });
    });
    let ask = |leaf: &Certificate| verify(&Question::new(leaf, one(&ca.root), NOW));
    // Made by an unconstrained twin with the same key: the issuing side would refuse.
    let twin = Small { root: Draft::of(&ca.root).without(oid::NAME_CONSTRAINTS).certificate(), key: ca.key };
    assert_accepted(&ask(&twin.server(&["a.example.com"])));
    assert_problem(
        &ask(&twin.server(&["a.example.org"])),
        Check::NameConstraints,
        "permitted DNS:example.com (constraint of CN=root)",
    );
    assert_problem(&ask(&twin.server(&["x.bad.example.com"])), Check::NameConstraints, "excluded DNS:bad.example.com");
    assert_problem(&ask(&twin.server(&["*.example.com"])), Check::NameConstraints, "DNS:*.example.com");
    let report = ask(&twin.leaf("user.example.org", &[], &[ExtendedKeyUsage::ClientAuth]));
    assert_accepted(&report);
    assert!(report.notes().any(|f| f.check == Check::NameConstraints && f.found.contains("openssl")));
}

#[test]
fn revocation_lists() {
    let ca = Small::new();
    let (leaf, other) = (ca.server(&["a.example.com"]), ca.server(&["b.example.com"]));
    let ask = |crls: &[Crl], time| {
        verify(&Question { crls, crl_required: true, time, ..Question::new(&leaf, one(&ca.root), time) })
    };
    assert_accepted(&ask(&[ca.crl(&[&other])], NOW));
    assert_problem(
        &ask(&[ca.crl(&[&other, &leaf])], NOW),
        Check::Revocation,
        "revoked on 2026-08-01T00:00:00Z, reason key",
    );
    assert_problem(&ask(&[], NOW), Check::Revocation, "found none");
    assert_problem(&ask(&[ca.crl(&[])], datetime!(2026-10-01 00:00:00 UTC)), Check::Revocation, "a stale one");
    assert_problem(&ask(&[ca.crl(&[])], datetime!(2026-08-01 00:00:00 UTC)), Check::Revocation, "this_update");
    let stranger = Small::with(|template| template.subject = DistinguishedName::common_name_only("stranger").unwrap());
    assert_problem(&ask(&[stranger.crl(&[])], NOW), Check::Revocation, "none, but one of CN=stranger");
    // The same name with another key: its key identifier gives it away.
    assert_problem(&ask(&[Small::new().crl(&[])], NOW), Check::Revocation, "of another key");
    let crls = [stranger.crl(&[])];
    let lenient = verify(&Question { crls: &crls, ..Question::new(&leaf, one(&ca.root), NOW) });
    assert_accepted(&lenient);
    assert!(lenient.notes().any(|f| f.check == Check::Revocation));
    assert!(!lenient.revocation_checked, "the list of somebody else says nothing about the leaf");
}

#[test]
fn cycles_and_crowds_end() {
    let h = &*HIERARCHY;
    // Fifty same-named authorities with other keys, and the good one last.
    let mut crowd: Vec<Certificate> =
        (1..=50).map(|serial| changed(&h.intermediate, |draft| draft.serial = vec![serial])).collect();
    crowd.push(h.intermediate.clone());
    crowd.push(h.root.clone());
    crowd.push(h.server.clone());
    let start = Instant::now();
    assert_accepted(&verify(&Question { untrusted: &crowd, ..good(h, &h.server, Purpose::Server) }));
    let strangers = Small::with(|template| template.subject = DistinguishedName::common_name_only("s").unwrap());
    assert!(
        !verify(&Question { untrusted: &crowd, anchors: one(&strangers.root), ..good(h, &h.server, Purpose::Server) })
            .accepted()
    );
    let many: Vec<Certificate> = std::iter::repeat_n(h.intermediate.clone(), 1000).collect();
    assert_accepted(&verify(&Question { untrusted: &many, ..good(h, &h.server, Purpose::Server) }));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn two_authorities_that_certify_each_other_end() {
    let keys = [PrivateKey::generate(KeyType::EcdsaP256).unwrap(), PrivateKey::generate(KeyType::EcdsaP256).unwrap()];
    let roots: Vec<Small> = ["a", "b"]
        .into_iter()
        .zip(keys)
        .map(|(cn, key)| {
            let template = sample::authority(cn, &key, None);
            Small { root: template.to_be_signed(&Signer::self_signed(&key)).unwrap().sign(&key).unwrap(), key }
        })
        .collect();
    let cross = |issuer: &Small, cn: &str, subject: &Small| issuer.sign(&sample::authority(cn, &subject.key, None));
    let untrusted = [cross(&roots[0], "b", &roots[1]), cross(&roots[1], "a", &roots[0])];
    let leaf = roots[0].server(&["a.example.com"]);
    let stranger = Small::new();
    let report = verify(&Question { untrusted: &untrusted, ..Question::new(&leaf, one(&stranger.root), NOW) });
    assert_problem(&report, Check::Chain, "neither in the bundle");
    assert_accepted(&verify(&Question { untrusted: &untrusted, ..Question::new(&leaf, one(&roots[1].root), NOW) }));
}

#[test]
fn authorities_that_all_certify_one_another_end() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let authority =
        |cn: &&str| Small::with(|template| template.subject = DistinguishedName::common_name_only(cn).unwrap());
    let all: Vec<Small> = names.iter().map(authority).collect();
    let cross = |issuer: &Small| {
        let others = names.iter().zip(&all).filter(|(_, other)| other.root != issuer.root);
        others.map(|(cn, other)| issuer.sign(&sample::authority(cn, &other.key, None))).collect::<Vec<_>>()
    };
    let untrusted: Vec<Certificate> = all.iter().flat_map(cross).collect();
    let leaf = all[0].server(&["a.example.com"]);
    let stranger = Small::new();
    let start = Instant::now();
    let report = verify(&Question { untrusted: &untrusted, ..Question::new(&leaf, one(&stranger.root), NOW) });
    assert_problem(&report, Check::Chain, "too many ways");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn every_flipped_bit_is_survived_and_none_is_accepted() {
    let h = &*HIERARCHY;
    for position in 0..h.server.der().len() {
        let flip = |certificate: &Certificate| {
            let mut der = certificate.der().to_vec();
            *der.get_mut(position)? ^= 1 << (position % 8);
            Certificate::from_der(&der).ok().filter(|changed| changed != certificate)
        };
        if let Some(leaf) = flip(&h.server) {
            assert!(!verify(&good(h, &leaf, Purpose::Server)).accepted(), "leaf, octet {position}");
        }
        if let Some(intermediate) = flip(&h.intermediate) {
            let question = Question { untrusted: one(&intermediate), ..good(h, &h.server, Purpose::Server) };
            assert!(!verify(&question).accepted(), "intermediate, octet {position}");
        }
    }
}

#[test]
fn hostile_text_is_made_harmless() {
    let ca = Small::new();
    let subject = sample::names(&[("2.5.4.3", 0x0c, "x\u{1b}[2J\u{202e}".as_bytes())]);
    let leaf = changed(&ca.server(&["a.example.com"]), |draft| draft.subject = subject);
    let report = verify(&Question { name: name("cn:y"), ..Question::new(&leaf, one(&ca.root), NOW) });
    let json = serde_json::to_string(&report.facts()).unwrap();
    let all: String = report.findings.iter().map(Finding::sentence).collect::<String>() + &json;
    assert!(!all.contains('\u{1b}') && !all.contains('\u{202e}'), "{all}");
}

#[test]
fn facts_use_the_words_of_the_enum() {
    let h = &*HIERARCHY;
    let report = verify(&good(h, &h.server, Purpose::Client));
    let json = serde_json::to_value(report.facts()).unwrap();
    assert_eq!(json["accepted"], false);
    assert_eq!(json["findings"][0]["check"], "purpose");
    assert_eq!(json["findings"][0]["severity"], "problem");
    assert_eq!(json["chain"][2], "CN=root");
}
