//! Rules of the frame are asked once for a fleet, so what they look at has to be what they say.

use super::support::{self, context, general_names};
use super::{Context, LINTS, LooksAt, Purpose, check, check_beside};
use crate::x509::sample::{self, Draft};
use crate::x509::{Certificate, Extension, KeyType, oid};

/// Certificates that share the frame of `draft`, right ones and wrong ones.
fn others_of_its_frame(draft: &Draft, issuer: &Certificate, other_key: &[u8]) -> Vec<Draft> {
    let of_issuer = (issuer.subject().der().to_vec(), issuer.public_key().spki_der().to_vec());
    let serials = [vec![0], vec![0x80], vec![0x55; 30], vec![0x55; 18]];
    let subjects = [
        of_issuer.0,
        sample::name("2.5.4.6", 0x0c, b"x"),
        sample::name("2.5.4.10", 0x13, b"*"),
        sample::names(&[("2.5.4.3", 0x0c, b"a\xe2\x80\xaeb"), ("2.5.4.3", 0x14, &[0x41; 70])]),
    ];
    let names: [&[(u8, &[u8])]; 4] = [
        &[(0x82, b"other.example.net"), (0x87, &[192, 0, 2, 1])],
        &[(0x82, b"a_b"), (0x82, b"a_b"), (0x82, b"")],
        &[(0x81, b"@"), (0x86, b"no uri"), (0x87, &[1, 2, 3])],
        &[(0x88, &[0x2a, 3])],
    ];
    let mut drafts = vec![draft.clone()];
    drafts.extend(serials.map(|serial| Draft { serial, ..draft.clone() }));
    drafts.extend(subjects.map(|subject| Draft { subject, ..draft.clone() }));
    drafts.extend([of_issuer.1, other_key.to_vec()].map(|public_key| Draft { public_key, ..draft.clone() }));
    for (oid, value) in names
        .iter()
        .map(|names| (oid::SUBJECT_ALT_NAME, general_names(names)))
        .chain([(oid::SUBJECT_KEY_IDENTIFIER, vec![4, 1, 7])])
    {
        let mut other = draft.clone();
        if let Some(extension) = other.extensions.iter_mut().find(|extension| extension.oid == oid) {
            extension.value = value;
            drafts.push(other);
        }
    }
    drafts
}

/// Frames, right ones and wrong ones.
fn frames(draft: &Draft) -> Vec<Draft> {
    let mut frames = vec![
        draft.clone(),
        Draft { issuer: sample::element(0x30, b""), ..draft.clone() },
        Draft { inner_algorithm: sample::algorithm("1.3.101.112"), ..draft.clone() },
        Draft { outer_algorithm: sample::algorithm("1.2.840.10045.4.1"), ..draft.clone() },
        Draft { not_after: sample::element(0x18, b"20400101000000.5Z"), ..draft.clone() },
        Draft { not_before: sample::element(0x17, b"500101000000Z"), ..draft.clone() },
        draft.clone().with("1.2.3.4", true, vec![5, 0]),
        draft.clone().with(oid::BASIC_CONSTRAINTS, true, vec![0x30, 3, 1, 1, 0xff]),
        draft.clone().with(oid::KEY_USAGE, true, vec![3, 2, 1, 6]),
        draft.clone().with(oid::CERTIFICATE_POLICIES, false, vec![0x30, 0]),
    ];
    for at in 0..draft.extensions.len() {
        let changed = |change: &dyn Fn(&mut Vec<Extension>)| {
            let mut other = draft.clone();
            change(&mut other.extensions);
            other
        };
        frames.push(changed(&|extensions| drop(extensions.remove(at))));
        frames.push(changed(&|extensions| extensions[at].critical ^= true));
        if ![oid::SUBJECT_ALT_NAME, oid::SUBJECT_KEY_IDENTIFIER].contains(&&*draft.extensions[at].oid) {
            frames.push(changed(&|extensions| extensions.push(extensions[at].clone())));
        }
    }
    frames
}

/// [`LooksAt`] tells the truth: a rule of the frame says the same about all who share it. And what is found beside a
/// certificate that passed is what is found anyway.
#[test]
fn a_rule_of_the_frame_does_not_look_at_particulars() {
    let mut compared = 0;
    for key_type in [KeyType::EcdsaP256, KeyType::Ed25519, KeyType::Rsa2048] {
        let (hierarchy, other) = (sample::hierarchy(key_type), sample::hierarchy(key_type));
        for (certificate, issuer, role) in support::cases_of(&hierarchy) {
            let Some(authority) = issuer else { continue };
            for frame in frames(&Draft::of(certificate)) {
                let known = frame.certificate();
                let context = Context { certificate, issuer, above: &[], role };
                let passed = check(&Context { certificate: &known, ..context }).is_empty();
                for draft in others_of_its_frame(&frame, authority, other.server.public_key().spki_der()) {
                    let one = Certificate::from_owned_der(draft.der(), Some(&known)).unwrap();
                    assert!(one.shares_frame_with(&known), "{one:?}");
                    for lint in LINTS.iter().filter(|lint| lint.looks_at == LooksAt::Frame) {
                        let verdicts = (
                            lint.check(&Context { certificate: &one, ..context }),
                            lint.check(&Context { certificate: &known, ..context }),
                        );
                        assert_eq!(verdicts.0, verdicts.1, "{} looks at particulars", lint.name);
                        compared += 1;
                    }
                    assert!(
                        !passed
                            || check_beside(Some(&known), &Context { certificate: &one, ..context })
                                == check(&Context { certificate: &one, ..context })
                    );
                }
            }
        }
    }
    assert!(compared > 10_000, "{compared}");
}

#[test]
fn all_rules_are_asked_about_another_frame_and_about_roots() {
    let known = &sample::HIERARCHY.server;
    let wrong = Draft::of(known).without(oid::KEY_USAGE);
    let wrong = Certificate::from_owned_der(wrong.der(), Some(known)).unwrap();
    let context = Context { certificate: &wrong, ..context(Purpose::Server) };
    assert_eq!(check_beside(Some(known), &context), check(&context));
    assert!(!check(&context).is_empty());
    let root = &sample::HIERARCHY.root;
    let other = Draft { subject: sample::name("2.5.4.3", 0x0c, b"other"), ..Draft::of(root) };
    let other = Certificate::from_owned_der(other.der(), Some(root)).unwrap();
    let context = Context { certificate: &other, issuer: None, above: &[], role: Purpose::RootAuthority };
    assert!(other.shares_frame_with(root));
    assert!(check_beside(Some(root), &context).iter().any(|finding| finding.lint == "issuer_name_matches"));
}
