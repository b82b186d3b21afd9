//! Revocation lists: does the broker find them, are they current, and whom do they name?

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::index::{Index, can_check};
use super::{argument, at, at_certificate, subject};
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Exhibit, Finding, Place, Severity};
use crate::inspect::Thing;
use crate::ui;
use crate::x509::{Certificate, Crl, SerialNumber};

/// Erlang/OTP 25 needs 190 ms for a list of 100,000 entries, and reads it at each handshake.
const MANY: usize = 10_000;

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let lists: Vec<(&Exhibit, &Crl)> =
        index.exhibits.iter().flat_map(|exhibit| crls(exhibit).map(move |crl| (*exhibit, crl))).collect();
    if lists.is_empty() {
        return;
    }
    let directories = hash_directories(&lists);
    for (exhibit, crl) in &lists {
        let in_use = exhibit.path.parent().is_some_and(|directory| directories.contains_key(directory));
        let found = [
            lapsed(case, exhibit, crl, in_use),
            issuer(exhibit, crl, index),
            long(case, exhibit, crl, in_use),
            misnamed(exhibit, crl).filter(|_| in_use),
        ];
        findings.extend(found.into_iter().flatten().map(|f| at(f, exhibit, |thing| matches!(thing, Thing::Crl(_)))));
    }
    for (directory, names) in &directories {
        gaps(directory, names, findings);
    }
    revoked(case, index, &lists, findings);
}

fn crls(exhibit: &Exhibit) -> impl Iterator<Item = &Crl> {
    exhibit.things().iter().filter_map(|thing| match thing {
        Thing::Crl(crl) => Some(&**crl),
        _ => None,
    })
}

/// The directories that Erlang looks for lists in: those with a file of the name `HASH.rN`. Each with hash and number of all.
fn hash_directories<'a>(lists: &[(&'a Exhibit, &Crl)]) -> BTreeMap<&'a Path, BTreeSet<(String, u32)>> {
    let mut found: BTreeMap<&Path, BTreeSet<(String, u32)>> = BTreeMap::new();
    for (exhibit, _) in lists {
        if let (Some(directory), Some(name)) = (exhibit.path.parent(), hash_name(&exhibit.path)) {
            found.entry(directory).or_default().insert(name);
        }
    }
    found
}

fn hash_name(path: &Path) -> Option<(String, u32)> {
    let (hash, number) = path.file_name()?.to_str()?.split_once(".r")?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase());
    Some((hash.to_owned(), number.parse().ok().filter(|_| is_hash)?))
}

const EVERYBODY: &str = "with crl_check = peer everybody is refused, not only the revoked: \"bad certificate\" and {bad_cert,...} in RabbitMQ's log";

fn lapsed(case: &Case, exhibit: &Exhibit, crl: &Crl, in_use: bool) -> Option<Finding> {
    let end = crl.next_update()?;
    if case.now <= end {
        return None;
    }
    let problem = format!("the revocation list expired {} ago, on {}", ui::span(case.now - end), ui::date(end));
    let severity = if in_use { Severity::Error } else { Severity::Warning };
    let finding = Finding::new(severity, "revocation-list-expired", &exhibit.path, problem);
    let remedy = match case.place(&exhibit.path) {
        Place::Elsewhere => {
            "fetch the list again from its authority, by a job that runs more often than the list lasts"
        }
        _ => "certgen crl",
    };
    Some(finding.cause(CauseId::RevocationListUnusable).effect(EVERYBODY).remedy(remedy))
}

/// The authority is known by its certificate; one that is not here cannot be asked.
fn issuer(exhibit: &Exhibit, crl: &Crl, index: &Index<'_>) -> Option<Finding> {
    let mut namesakes = index.named(crl.issuer()).peekable();
    let name = ui::quote(&crl.issuer().to_string());
    if namesakes.peek().is_none() {
        let problem = format!("no certificate here belongs to {name}, who made this revocation list");
        return Some(
            Finding::new(Severity::Note, "revocation-list-of-unknown-issuer", &exhibit.path, problem)
                .effect("a list of an authority that nobody here trusts revokes nothing")
                .remedy("look whether it is the list of the authority in cacertfile"),
        );
    }
    let may_have_signed =
        |ca: &Certificate| crl.is_signed_by(ca) || !can_check(ca.public_key(), crl.signature_algorithm());
    if namesakes.any(|(_, ca)| may_have_signed(ca)) {
        return None;
    }
    let problem = format!("the revocation list was not signed by the {name} whose certificate is here");
    Some(
        Finding::new(Severity::Error, "revocation-list-not-signed", &exhibit.path, problem)
            .cause(CauseId::RevocationListUnusable)
            .effect(EVERYBODY)
            .remedy("fetch the list of the authority that is trusted"),
    )
}

fn long(case: &Case, exhibit: &Exhibit, crl: &Crl, in_use: bool) -> Option<Finding> {
    if crl.len() <= MANY || !(in_use || case.place(&exhibit.path) == Place::Elsewhere) {
        return None;
    }
    let problem = format!("the revocation list has {} entries", crl.len());
    Some(
        Finding::new(Severity::Warning, "revocation-list-long", &exhibit.path, problem)
            .cause(CauseId::RevocationListUnusable)
            .effect("RabbitMQ reads and decodes it at each handshake: Erlang/OTP 25 took 190 ms for 100,000 entries")
            .remedy("leave out what has expired; certgen crl does"),
    )
}

/// Erlang finds a list by the hash of its issuer's name and by nothing else.
fn misnamed(exhibit: &Exhibit, crl: &Crl) -> Option<Finding> {
    let wanted = crl.issuer().erlang_hash();
    if hash_name(&exhibit.path).map(|(hash, _)| hash) == wanted {
        return None;
    }
    let (problem, remedy) = match &wanted {
        Some(hash) => (
            format!("Erlang looks for this revocation list under the name {hash}.r0"),
            format!("mv {} {}", argument(&exhibit.path), argument(&exhibit.path.with_file_name(format!("{hash}.r0")))),
        ),
        None => (
            "Erlang cannot look for the list of an issuer with two attributes in one part of its name".to_owned(),
            "give the authority a name of single attributes".to_owned(),
        ),
    };
    let finding = Finding::new(Severity::Error, "revocation-list-misnamed", &exhibit.path, problem);
    Some(finding.cause(CauseId::RevocationListUnusable).effect(EVERYBODY).remedy(remedy))
}

/// Erlang counts from r0 and stops at the first that is not there.
fn gaps(directory: &Path, names: &BTreeSet<(String, u32)>, findings: &mut Vec<Finding>) {
    let mut next: BTreeMap<&str, u32> = BTreeMap::new();
    for (hash, number) in names {
        let expected = next.entry(hash).or_default();
        if number == expected {
            *expected += 1;
            continue;
        }
        let file = directory.join(format!("{hash}.r{number}"));
        let problem = format!("there is no {hash}.r{expected} before it");
        findings.push(
            Finding::new(Severity::Error, "revocation-list-gap", &file, problem)
                .cause(CauseId::RevocationListUnusable)
                .effect(format!("Erlang does not get to this list; {EVERYBODY}"))
                .remedy(format!("mv {} {}", argument(&file), argument(&directory.join(format!("{hash}.r{expected}"))))),
        );
        return;
    }
}

/// Certificates that are in use here and on a list. What a PKI of certgen's revoked itself, `certgen list` tells.
fn revoked(case: &Case, index: &Index<'_>, lists: &[(&Exhibit, &Crl)], findings: &mut Vec<Finding>) {
    let mut issued: HashMap<(&[u8], &SerialNumber), _> = HashMap::new();
    for exhibit in index.exhibits.iter().filter(|exhibit| case.place(&exhibit.path) == Place::Elsewhere) {
        for certificate in exhibit.certificates() {
            let key = (certificate.issuer().der(), certificate.serial());
            issued.entry(key).or_insert((*exhibit, certificate));
        }
    }
    let mut told = BTreeSet::new();
    for (list, crl) in lists {
        for entry in crl.revoked().filter(|entry| entry.revocation_time <= case.now) {
            let Some((exhibit, certificate)) = issued.get(&(crl.issuer().der(), &entry.serial)) else { continue };
            if !told.insert(certificate.der()) {
                continue;
            }
            let problem = format!(
                "the certificate of {} is revoked since {}, says {}",
                subject(certificate),
                ui::date(entry.revocation_time),
                super::shown(list)
            );
            let finding = Finding::new(Severity::Error, "revoked", &exhibit.path, problem)
                .cause(CauseId::ClientRevoked)
                .effect("a broker that looks at the list refuses it: CERTIFICATE_REVOKED; one that does not still lets it in")
                .remedy("take the pair away, or issue a new one");
            findings.push(at_certificate(finding, exhibit, certificate));
        }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::super::testing::{case, told};
    use super::*;
    use crate::x509::test_support::{authority, issued, key, leaf, self_signed};
    use crate::x509::{CrlTemplate, KeyType, RevokedCertificate, Signer};

    struct Issuer {
        certificate: Certificate,
        client: Certificate,
    }

    fn issuer() -> Issuer {
        let key_of = |number| key(KeyType::EcdsaP256, number);
        let certificate = self_signed(&authority("root", key_of(0)), key_of(0));
        let client = issued(&leaf("worker", key_of(1)), key_of(0), &certificate);
        Issuer { certificate, client }
    }

    const NOW: time::OffsetDateTime = datetime!(2026-11-01 12:00 UTC);

    fn list(issuer: &Issuer, revoked: bool) -> String {
        let entry = || RevokedCertificate {
            serial: issuer.client.serial().clone(),
            revocation_time: NOW - Duration::DAY,
            reason: None,
            invalidity_date: None,
        };
        let template = CrlTemplate {
            this_update: NOW - Duration::DAY,
            next_update: NOW + Duration::DAY,
            number: 1,
            revoked: revoked.then(entry).into_iter().collect(),
        };
        let signer = Signer::authority(key(KeyType::EcdsaP256, 0), &issuer.certificate).unwrap();
        template.sign(&signer).unwrap().pem()
    }

    fn codes(files: &[(&str, String)], now: time::OffsetDateTime) -> Vec<&'static str> {
        let mut case = case(files);
        case.now = now;
        told(check, &case).into_iter().map(|(_, code, _)| code).collect()
    }

    #[test]
    fn a_list_where_erlang_looks_for_it_is_right() {
        let issuer = issuer();
        let hash = issuer.certificate.subject().erlang_hash().unwrap();
        let (r0, r1, r2) = (format!("crls/{hash}.r0"), format!("crls/{hash}.r1"), format!("crls/{hash}.r2"));
        let ca = ("ca.pem", issuer.certificate.pem());
        let at = |names: &[&str], now| {
            let mut files = vec![ca.clone()];
            files.extend(names.iter().map(|name| (*name, list(&issuer, false))));
            codes(&files, now)
        };
        assert_eq!(at(&[&r0, &r1], NOW), Vec::<&str>::new());
        assert_eq!(at(&["root.crl"], NOW), Vec::<&str>::new(), "a list that nobody looks up by name");
        assert_eq!(at(&[&r0, "crls/root.crl"], NOW), ["revocation-list-misnamed"]);
        assert_eq!(at(&["crls/00000000.r0"], NOW), ["revocation-list-misnamed"]);
        assert_eq!(at(&[&r0, &r2], NOW), ["revocation-list-gap"]);
        assert_eq!(at(&[&r0], NOW + Duration::DAY * 2), ["revocation-list-expired"]);
    }

    #[test]
    fn whom_a_list_names_and_who_made_it_is_told() {
        let issuer = issuer();
        let ca = ("ca.pem", issuer.certificate.pem());
        let client = ("client.pem", issuer.client.pem());
        assert_eq!(codes(&[ca.clone(), client.clone(), ("l.crl", list(&issuer, false))], NOW), Vec::<&str>::new());
        assert_eq!(codes(&[ca, client, ("l.crl", list(&issuer, true))], NOW), ["revoked"]);
        assert_eq!(codes(&[("l.crl", list(&issuer, true))], NOW), ["revocation-list-of-unknown-issuer"]);
        let other = key(KeyType::EcdsaP256, 2);
        let namesake = self_signed(&authority("root", other), other);
        assert_eq!(
            codes(&[("ca.pem", namesake.pem()), ("l.crl", list(&issuer, true))], NOW),
            ["revocation-list-not-signed"]
        );
    }
}
