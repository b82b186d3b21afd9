//! Key stores: PKCS#12 containers and those of Java. Their certificates are judged with all others; here is what concerns
//! the container itself.

use super::index::Index;
use super::{argument, shown, subject};
use crate::diagnosis::CauseId;
use crate::doctor::recognise::KEY_STORE;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::inspect::{KeyStore, Thing};
use crate::ui;
use crate::x509::Certificate;

pub(super) fn check(_: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    for exhibit in &index.exhibits {
        for thing in exhibit.things() {
            match thing {
                Thing::Unreadable { label, reason } if label == KEY_STORE => findings.push(damaged(exhibit, reason)),
                Thing::KeyStore(store) => look(exhibit, store, index, findings),
                _ => {}
            }
        }
    }
}

fn look(exhibit: &Exhibit, store: &KeyStore, index: &Index<'_>, findings: &mut Vec<Finding>) {
    if store.facts.locked {
        findings.push(locked(exhibit, store));
    }
    for (at, thing) in store.contents.iter().enumerate() {
        match thing {
            Thing::Unreadable { reason, .. } => findings.push(damaged(exhibit, reason)),
            Thing::PrivateKey(key) => {
                let chain: Vec<&Certificate> = store.contents[at + 1..].iter().map_while(certificate).collect();
                let Some(leaf) = chain.first() else { continue };
                if key.public_key.as_ref().is_some_and(|key| key.sha256 != leaf.public_key().sha256_hex()) {
                    findings.push(mismatch(exhibit, leaf));
                }
                findings.extend(missing(exhibit, &chain, index));
            }
            _ => {}
        }
    }
}

fn certificate(thing: &Thing) -> Option<&Certificate> {
    if let Thing::Certificate(certificate) = thing { Some(certificate) } else { None }
}

fn damaged(exhibit: &Exhibit, reason: &str) -> Finding {
    let problem = format!("the key store cannot be read whole: {}", ui::sentence(reason));
    Finding::new(Severity::Warning, "key-store-damaged", &exhibit.path, problem)
        .effect("who opens it fails, or goes on without what cannot be read")
        .remedy("copy the file again from where it was made, whole")
}

fn locked(exhibit: &Exhibit, store: &KeyStore) -> Finding {
    let problem = match store.facts.entries.is_empty() {
        true => "the key store needs a password, so nobody looked at what is in it",
        false => {
            "the keys of the key store need a password, so nobody looked whether they belong to their certificates"
        }
    };
    Finding::new(Severity::Note, "key-store-not-opened", &exhibit.path, problem)
        .effect("what has ended or does not fit in it shows only where it is used")
        .remedy(format!("certgen doctor --key-password-file FILE {}", argument(&exhibit.path)))
}

fn mismatch(exhibit: &Exhibit, leaf: &Certificate) -> Finding {
    let problem = format!("the key in the key store does not belong to the certificate of {}", subject(leaf));
    Finding::new(Severity::Error, "key-of-another-certificate", &exhibit.path, problem)
        .cause(CauseId::KeyMismatch)
        .effect("who opens it is refused at once, or fails every handshake: OpenSSL says \"key values mismatch\"")
        .remedy(format!("certgen inspect {}", argument(&exhibit.path)))
        .remedy("make the key store again from the key and the certificate of one issue")
}

/// The chain ends before a root, and what comes next is at hand.
fn missing(exhibit: &Exhibit, chain: &[&Certificate], index: &Index<'_>) -> Option<Finding> {
    // The certificates that follow a chain are others' or trusted ones.
    let end = chain.windows(2).take_while(|pair| pair[0].issuer() == pair[1].subject()).count();
    let last = chain.get(end).filter(|last| !last.is_self_issued())?;
    let (other, _) = index.named(last.issuer()).find(|(_, ca)| !ca.is_self_issued() && last.is_signed_by(ca))?;
    let issuer = ui::quote(&last.issuer().to_string());
    let problem = format!("the intermediate {issuer} is missing in the key store; {} has it", shown(other));
    Some(
        Finding::new(Severity::Warning, "intermediate-missing", &exhibit.path, problem)
            .effect("the other side refuses the certificate unless it has the intermediate: \"unknown CA\"")
            .remedy(format!("make the key store again with it: openssl pkcs12 -export -certfile {}", shown(other))),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::findings;
    use super::*;
    use crate::doctor::Document;
    use crate::keystore::{self, Entry, Pkcs12Form, Store};
    use crate::x509::KeyType;
    use crate::x509::sample::HIERARCHY;
    use crate::x509::test_support::{authority, issued, key, leaf, self_signed};

    fn store(chain: Vec<Certificate>, key: &crate::x509::PrivateKey, password: &str) -> Vec<u8> {
        let entry = Entry::Pair { alias: None, key: key.pkcs8_der().to_vec().into(), chain };
        let form = Pkcs12Form::Modern { iterations: 1 };
        let store = Store { entries: vec![entry] };
        keystore::write_pkcs12(&store, password, form, &mut crate::x509::fill_random).unwrap().to_vec()
    }

    fn codes(files: &[(&str, &[u8])], passwords: &[&str]) -> Vec<&'static str> {
        let names: Vec<(&str, &str)> = files.iter().map(|(path, _)| (*path, "")).collect();
        let mut case = Case::of(&names);
        let passwords: Vec<_> = passwords.iter().map(|password| (*password).to_owned().into()).collect();
        for (exhibit, (_, bytes)) in case.exhibits.iter_mut().zip(files) {
            exhibit.bytes = bytes.to_vec();
            exhibit.document = Document::open(bytes, &passwords);
        }
        findings(check, &case).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_locked_store_is_told_and_an_opened_one_is_looked_into() {
        let (ca, own) = (key(KeyType::EcdsaP256, 0), key(KeyType::EcdsaP256, 1));
        let root = self_signed(&authority("root", ca), ca);
        let chain = vec![issued(&leaf("worker", own), ca, &root), root];
        let good = store(chain.clone(), own, "secret");
        assert_eq!(codes(&[("a.p12", &good)], &[]), ["key-store-not-opened"]);
        assert_eq!(codes(&[("a.p12", &good)], &["other", "secret"]), [""; 0]);
        assert_eq!(codes(&[("a.p12", &store(chain.clone(), own, "changeit"))], &[]), [""; 0]);
        let wrong = store(chain, key(KeyType::EcdsaP256, 2), "");
        assert_eq!(codes(&[("a.p12", &wrong)], &[]), ["key-of-another-certificate"]);
    }

    #[test]
    fn a_damaged_store_is_told() {
        let chain = vec![HIERARCHY.server.clone()];
        let good = store(chain, key(KeyType::EcdsaP256, 0), "");
        let mut bad = good.clone();
        // In the salt of its checksum.
        let (middle, salt) = (bad.len() / 2, bad.len() - 6);
        bad[salt] ^= 1;
        assert_eq!(codes(&[("a.p12", &bad)], &[]), ["key-store-damaged"]);
        assert_eq!(codes(&[("a.p12", &good[..middle])], &[]), ["key-store-damaged"]);
        assert_eq!(codes(&[("a.jks", &[0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2])], &[]), ["key-store-damaged"]);
    }

    #[test]
    fn an_intermediate_that_is_at_hand_is_missed() {
        let (root_key, between_key, own) =
            (key(KeyType::EcdsaP256, 0), key(KeyType::EcdsaP256, 1), key(KeyType::EcdsaP256, 2));
        let root = self_signed(&authority("root", root_key), root_key);
        let between = issued(&authority("between", between_key), root_key, &root);
        let worker = issued(&leaf("worker", own), between_key, &between);
        let pem = between.pem().into_bytes();
        let alone = store(vec![worker.clone()], own, "");
        assert_eq!(codes(&[("a.p12", &alone), ("ca.pem", &pem)], &[]), ["intermediate-missing"]);
        let whole = store(vec![worker, between], own, "");
        assert_eq!(codes(&[("a.p12", &whole), ("ca.pem", &pem)], &[]), [""; 0]);
    }
}
