//! From observations to causes, one row for each; the servers are made up, what they say is not.

use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::probe::{Credentials, Possession, Target, Tls};
use crate::verify::PeerName;
use crate::x509::sample::{HIERARCHY, end_entity};
use crate::x509::test_support::{authority, issued, key, self_signed};
use crate::x509::{Certificate, ExtendedKeyUsage, KeyType};

const NOW: OffsetDateTime = datetime!(2026-11-01 12:00 UTC);

/// What is changed about a server and a client that fit.
#[derive(Default)]
struct Case {
    served: Option<Vec<Certificate>>,
    anchors: Option<Vec<Certificate>>,
    known: Vec<Certificate>,
    current: Vec<(String, Certificate)>,
    client: Option<Vec<Certificate>>,
    nobody: bool,
    not_asked: bool,
    named: Option<Vec<Certificate>>,
    end: Option<End>,
    outcome: Option<Outcome>,
    name: Option<&'static str>,
    place: Option<&'static str>,
    now: Option<OffsetDateTime>,
    key_refuted: bool,
}

/// The key of every client here.
fn client_key() -> &'static crate::x509::PrivateKey {
    key(KeyType::EcdsaP256, 7)
}

fn client_of(ca: &Certificate, ca_key: &crate::x509::PrivateKey, usage: ExtendedKeyUsage) -> Certificate {
    issued(&end_entity("celery_worker", &[], &[usage], client_key()), ca_key, ca)
}

/// A root of this name with this key.
fn root(name: &str, number: usize) -> Certificate {
    let key = key(KeyType::EcdsaP256, number);
    self_signed(&authority(name, key), key)
}

fn judged(case: Case) -> Verdict {
    let target: Target = case.place.unwrap_or("rabbit.example.com:5671").parse().unwrap();
    let clients = root("clients", 1);
    let chain = case
        .client
        .unwrap_or_else(|| vec![client_of(&clients, key(KeyType::EcdsaP256, 1), ExtendedKeyUsage::ClientAuth)]);
    let credentials = (!case.nobody).then(|| Credentials::new(chain, client_key()).unwrap());
    let anchors = case.anchors.unwrap_or_else(|| vec![HIERARCHY.root.clone()]);
    let question = Question {
        target: &target,
        patience: std::time::Duration::from_secs(1),
        name: PeerName::parse(case.name.unwrap_or("rabbit.example.com"), None).unwrap(),
        anchors: Some(&anchors),
        bundle: "the bundle",
        known: &case.known,
        current: &case.current,
        login: if case.nobody { Login::Nobody } else { Login::Certificate },
        credentials: credentials.as_ref(),
        vhost: "my_vhost",
        protocol: None,
        judges: &[],
        now: case.now.unwrap_or(NOW),
    };
    let served = case.served.unwrap_or_else(|| vec![HIERARCHY.server.clone(), HIERARCHY.intermediate.clone()]);
    let named = case.named.unwrap_or_else(|| vec![clients]);
    let end = case.end.unwrap_or(End::Held);
    let application = case.outcome.map(|outcome| Application {
        mechanisms: vec!["PLAIN".into(), "EXTERNAL".into()],
        outcome,
        ..Application::seen(Protocol::Amqp)
    });
    let seen = Observation {
        address: "192.0.2.1:5671".parse().unwrap(),
        tls: (!served.is_empty()).then(|| Tls {
            version: "TLS 1.3",
            suite: None,
            group: None,
            versions: vec!["TLS 1.3"],
        }),
        chain: served.into_iter().map(Ok).collect(),
        client_authorities: (!case.not_asked).then(|| named.iter().map(|ca| Ok(ca.subject().clone())).collect()),
        possession: if case.key_refuted { Possession::Refuted } else { Possession::Proven },
        presented: !case.nobody && !case.not_asked,
        end,
        application,
        unanswered: None,
        password_withheld: false,
    };
    judge(&question, &seen)
}

fn alert(name: &str) -> Option<End> {
    Some(End::Alert(name.into()))
}

#[test]
fn what_fits_is_good() {
    for outcome in [None, Some(Outcome::LoggedIn(Some("my_vhost".into())))] {
        let verdict = judged(Case { outcome, ..Case::default() });
        assert!(verdict.good && verdict.cause.is_none() && verdict.also.is_empty(), "{verdict:?}");
    }
}

#[test]
fn a_client_refuses_a_server() {
    let (one, other) = (key(KeyType::EcdsaP256, 3), key(KeyType::EcdsaP256, 4));
    let serves = [ExtendedKeyUsage::ServerAuth];
    let host = end_entity("rabbit.example.com", &["rabbit.example.com"], &serves, one);
    let only_cn = end_entity("rabbit.example.com", &[], &serves, one);
    let asks = end_entity("rabbit.example.com", &["rabbit.example.com"], &[ExtendedKeyUsage::ClientAuth], one);
    let (mine, twin) = (root("root", 2), root("root", 4));
    let by_mine = |template| Some(vec![issued(template, key(KeyType::EcdsaP256, 2), &mine)]);
    let trusted = || Some(vec![mine.clone()]);
    for (cause, case) in [
        (CauseId::ServerCaUnknown, Case { anchors: Some(vec![root("another", 2)]), ..Case::default() }),
        (
            CauseId::ServerChainIncomplete,
            Case {
                served: Some(vec![HIERARCHY.server.clone()]),
                known: vec![HIERARCHY.intermediate.clone()],
                ..Case::default()
            },
        ),
        (CauseId::ServerSelfSigned, Case { served: Some(vec![self_signed(&host, one)]), ..Case::default() }),
        (
            CauseId::AuthoritySameName,
            Case { served: Some(vec![issued(&host, other, &twin)]), anchors: trusted(), ..Case::default() },
        ),
        (CauseId::ServerNameMismatch, Case { name: Some("other.example.com"), ..Case::default() }),
        (CauseId::ServerNameMismatch, Case { name: Some("10.0.0.2"), ..Case::default() }),
        (
            CauseId::ServerNameOnlyInCommonName,
            Case { served: by_mine(&only_cn), anchors: trusted(), ..Case::default() },
        ),
        (CauseId::ServerPurpose, Case { served: by_mine(&asks), anchors: trusted(), ..Case::default() }),
        (CauseId::ServerExpired, Case { now: Some(datetime!(2028-01-01 0:00 UTC)), ..Case::default() }),
        (CauseId::ServerNotYetValid, Case { now: Some(datetime!(2026-02-01 0:00 UTC)), ..Case::default() }),
        (CauseId::KeyMismatch, Case { key_refuted: true, ..Case::default() }),
    ] {
        let verdict = judged(case);
        assert_eq!((verdict.cause, verdict.refused_by), (Some(cause), Side::Client), "{verdict:?}");
        assert!(!verdict.good);
    }
    let incomplete = judged(Case { served: Some(vec![HIERARCHY.server.clone()]), ..Case::default() });
    let also: Vec<_> = incomplete.also.iter().map(|(cause, _)| *cause).collect();
    assert_eq!((incomplete.cause, also), (Some(CauseId::ServerCaUnknown), vec![CauseId::ServerChainIncomplete]));
}

#[test]
fn a_broker_refuses_a_client() {
    let clients = root("clients", 1);
    let clients_key = key(KeyType::EcdsaP256, 1);
    let stranger_key = key(KeyType::EcdsaP256, 5);
    let of_stranger = client_of(&root("stranger", 5), stranger_key, ExtendedKeyUsage::ClientAuth);
    let of_twin = client_of(&root("clients", 5), stranger_key, ExtendedKeyUsage::ClientAuth);
    let middle_key = key(KeyType::EcdsaP256, 6);
    let middle = issued(&authority("middle", middle_key), clients_key, &clients);
    let below = client_of(&middle, middle_key, ExtendedKeyUsage::ClientAuth);
    let serves = client_of(&clients, clients_key, ExtendedKeyUsage::ServerAuth);
    let with = |leaf: &Certificate, end: Option<End>| Case { client: Some(vec![leaf.clone()]), end, ..Case::default() };
    let reset = || Some(End::Closed("connection reset by peer".into()));
    for (cause, case) in [
        (CauseId::ClientMissing, Case { nobody: true, end: alert("certificate_required"), ..Case::default() }),
        (CauseId::ClientMissing, Case { nobody: true, end: alert("handshake_failure"), ..Case::default() }),
        (CauseId::ClientMissing, Case { nobody: true, end: reset(), ..Case::default() }),
        (
            CauseId::ManagementAsksCertificate,
            Case {
                nobody: true,
                end: alert("certificate_required"),
                place: Some("rabbit.example.com:15671"),
                ..Case::default()
            },
        ),
        (CauseId::ClientCaUnknown, with(&of_stranger, alert("unknown_ca"))),
        (CauseId::ClientCaUnknown, with(&of_stranger, reset())),
        (CauseId::AuthoritySameName, with(&of_twin, alert("unknown_ca"))),
        (CauseId::ClientChainIncomplete, Case { known: vec![middle.clone()], ..with(&below, alert("unknown_ca")) }),
        (CauseId::ClientCaUnknown, with(&below, alert("unknown_ca"))),
        (CauseId::ClientPurpose, with(&serves, alert("handshake_failure"))),
        (CauseId::ClientPurpose, with(&serves, alert("unsupported_certificate"))),
        (CauseId::ClientRevoked, Case { end: alert("certificate_revoked"), ..Case::default() }),
        (CauseId::RevocationListUnusable, Case { end: alert("bad_certificate"), ..Case::default() }),
        // By our clock it is valid: its end is far, so the broker's clock is ahead.
        (CauseId::ClientExpired, Case { end: alert("certificate_expired"), ..Case::default() }),
    ] {
        let verdict = judged(case);
        assert_eq!((verdict.cause, verdict.refused_by), (Some(cause), Side::Broker), "{verdict:?}");
    }
    // Our clock decides where it can; the server's certificate has the same period.
    let past = Case { end: alert("certificate_expired"), now: Some(datetime!(2028-01-01 0:00 UTC)), ..Case::default() };
    assert!(judged(past).also.iter().any(|(cause, _)| *cause == CauseId::ClientExpired));
    let soon = Case { end: alert("certificate_expired"), now: Some(datetime!(2026-02-01 0:00 UTC)), ..Case::default() };
    assert!(judged(soon).also.iter().any(|(cause, _)| *cause == CauseId::ClientNotYetValid));
}

#[test]
fn nodes_have_causes_of_their_own() {
    let place = Some("rabbit.example.com:25672");
    let stranger_key = key(KeyType::EcdsaP256, 5);
    let stranger = client_of(&root("stranger", 5), stranger_key, ExtendedKeyUsage::ClientAuth);
    let served = || Some(vec![HIERARCHY.node.clone(), HIERARCHY.intermediate.clone()]);
    for (cause, case) in [
        (CauseId::NodeNameMismatch, Case { place, served: served(), ..Case::default() }),
        (CauseId::NodeCaUnknown, Case { place, anchors: Some(vec![root("another", 2)]), ..Case::default() }),
        (
            CauseId::NodeCaUnknown,
            Case {
                place,
                served: served(),
                name: Some("node.example.com"),
                client: Some(vec![stranger]),
                end: alert("unknown_ca"),
                ..Case::default()
            },
        ),
        (CauseId::NodePurpose, Case { place, ..Case::default() }),
    ] {
        assert_eq!(judged(case).cause, Some(cause));
    }
}

#[test]
fn a_login_is_refused() {
    let refused = |text: &str| Some(Outcome::LoginRefused(403, text.into()));
    let vhost = |text: &str| Some(Outcome::VhostRefused(530, text.into()));
    for (cause, case) in [
        (CauseId::UserUnknown, Case { outcome: refused("ACCESS_REFUSED"), ..Case::default() }),
        (CauseId::CertificateNotAsked, Case { outcome: refused("ACCESS_REFUSED"), not_asked: true, ..Case::default() }),
        (CauseId::MechanismNotOffered, Case { outcome: Some(Outcome::NotOffered("EXTERNAL")), ..Case::default() }),
        (CauseId::VhostMissing, Case { outcome: vhost("NOT_ALLOWED - vhost my_vhost not found"), ..Case::default() }),
        (CauseId::VhostRefused, Case { outcome: vhost("NOT_ALLOWED - access to vhost refused"), ..Case::default() }),
    ] {
        let verdict = judged(case);
        assert_eq!((verdict.cause, verdict.refused_by), (Some(cause), Side::Broker), "{verdict:?}");
    }
    let optional = judged(Case { nobody: true, outcome: Some(Outcome::Seen), ..Case::default() });
    assert!(optional.good && optional.also.iter().any(|(cause, _)| *cause == CauseId::CertificateNotAsked));
}

#[test]
fn no_certificate_is_seen() {
    let none = |end| Case { served: Some(Vec::new()), end: Some(end), ..Case::default() };
    for (cause, end) in [
        (CauseId::TlsClientOnPlain, End::Plain(Plain::Amqp)),
        (CauseId::VersionTooOld, End::Alert("protocol_version".into())),
        (CauseId::VersionTooOld, End::Broken("peer is incompatible: ServerDoesNotSupportTls12Or13".into())),
        (CauseId::KeyUnusable, End::Closed("connection reset by peer".into())),
    ] {
        assert_eq!(judged(none(end)).cause, Some(cause));
    }
}

#[test]
fn an_older_certificate_is_shown_than_the_pki_has() {
    let names = ["rabbit.example.com", "*.nodes.example.com", "10.0.0.1"];
    let mut newer = end_entity("rabbit.example.com", &names, &[ExtendedKeyUsage::ServerAuth], client_key());
    newer.validity =
        crate::x509::Validity::new(datetime!(2026-10-01 0:00 UTC), datetime!(2027-10-01 0:00 UTC)).unwrap();
    let newer = self_signed(&newer, client_key());
    let current = vec![("node/rabbit.example.com".to_owned(), newer)];
    let verdict = judged(Case { current: current.clone(), ..Case::default() });
    assert_eq!((verdict.cause, verdict.good), (Some(CauseId::StaleCertificate), false));
    let same = vec![("node/rabbit.example.com".to_owned(), HIERARCHY.server.clone())];
    assert!(judged(Case { current: [current, same].concat(), ..Case::default() }).good);
}
