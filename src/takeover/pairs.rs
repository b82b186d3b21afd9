//! End entities: what each certificate is for, what it is called, and which of several is the one that counts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::authorities::Authorities;
use super::links::Link;
use super::pool::Pool;
use super::revocations::Revoked;
use super::{Asked, FoundPair, Kind, maker, names, verdict};
use crate::profile::Role;
use crate::ui;
use crate::x509::{Certificate, ExtendedKeyUsage, GeneralName, RevokedCertificate, order_chain};

/// A certificate of an end entity, before it is known which of its name counts.
struct Candidate {
    at: usize,
    role: Role,
    name: String,
    issuer: Option<usize>,
    has_key: bool,
    revoked: Option<RevokedCertificate>,
    /// It is valid at the moment that counts and not revoked.
    alive: bool,
}

/// What was found out about the tree before.
pub(super) struct Known<'a> {
    pub(super) links: &'a [Option<Link>],
    pub(super) authorities: &'a Authorities,
    pub(super) revoked: &'a Revoked,
    pub(super) kinds: &'a [Kind],
}

/// Finds them. Each certificate that is taken is marked in the pool.
pub(super) fn find(pool: &mut Pool, known: &Known<'_>, asked: &Asked<'_>) -> Vec<FoundPair> {
    let mut by_name: BTreeMap<(Role, String), Vec<Candidate>> = BTreeMap::new();
    for at in 0..pool.certificates.len() {
        // Also those of which there are too many.
        if known.authorities.places.contains_key(&at) || pool.certificates.get(at).used {
            continue;
        }
        match candidate(pool, known, asked, at) {
            Ok(candidate) => by_name.entry((candidate.role, candidate.name.clone())).or_default().push(candidate),
            Err(why) => leave(pool, at, &why),
        }
    }
    let anchors: Vec<Certificate> = known.authorities.found.iter().map(|found| found.certificate.clone()).collect();
    let mut taken: BTreeSet<(Role, String)> = by_name.keys().cloned().collect();
    let mut pairs = Vec::new();
    for (_, candidates) in by_name {
        for group in apart(pool, candidates, &mut taken) {
            pairs.push(pair(pool, &anchors, group));
        }
    }
    pairs
}

fn leave(pool: &mut Pool, at: usize, why: &str) {
    pool.certificates.mark_used(at);
    for path in pool.certificates.get(at).paths.clone() {
        pool.leave(&path, why);
    }
}

fn candidate(pool: &Pool, known: &Known<'_>, asked: &Asked<'_>, at: usize) -> Result<Candidate, String> {
    let held = pool.certificates.get(at);
    let certificate = &held.value;
    let path = best_path(&held.paths);
    let role = match asked.role {
        Some(role) => role,
        None => role_of(certificate, &held.paths).ok_or_else(|| not_for_tls(certificate))?,
    };
    let name = names::of_pair(role, certificate, path, maker::of_path(known.kinds, path));
    let issuer = known.links[at].and_then(|link| known.authorities.places.get(&link.issuer)).copied();
    let revoked = issuer.and_then(|place| known.revoked.get(&(place, certificate.serial().clone()))).cloned();
    let has_key = pool.keys.position(certificate.public_key()).is_some();
    let alive = revoked.is_none() && certificate.validity().contains(asked.at);
    Ok(Candidate { at, role, name, issuer, has_key, revoked, alive })
}

/// The file whose name says most: not the copy that a database keeps under its serial number.
fn best_path(paths: &[PathBuf]) -> &Path {
    let is_copy = |path: &&PathBuf| is_numbered(path) || is_put_away(path);
    let rank = |path: &&PathBuf| (is_copy(path), names::is_general(path), path.components().count());
    paths.iter().min_by_key(rank).map_or(Path::new(""), PathBuf::as_path)
}

/// `newcerts/01.pem`, `certs_by_serial/A1B2.crt`.
fn is_numbered(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.len() >= 2 && stem.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b))
}

/// Where easy-rsa puts what does not count any more.
fn is_put_away(path: &Path) -> bool {
    let away = |name: &str| matches!(name, "revoked" | "renewed" | "expired" | "newcerts" | "certs_by_serial");
    path.components().any(|part| part.as_os_str().to_str().is_some_and(away))
}

/// By the extended key usage; where there is none, by what the files are called, and by the names in the certificate.
fn role_of(certificate: &Certificate, paths: &[PathBuf]) -> Option<Role> {
    let purposes = certificate.extended_key_usage().unwrap_or_default();
    let has = |purpose| purposes.contains(&purpose);
    match (has(ExtendedKeyUsage::ServerAuth), has(ExtendedKeyUsage::ClientAuth)) {
        (true, true) => Some(Role::Node),
        (true, false) => Some(Role::Server),
        (false, true) => Some(Role::Client),
        (false, false) if purposes.is_empty() || has(ExtendedKeyUsage::Any) => Some(guess(certificate, paths)),
        (false, false) => None,
    }
}

fn guess(certificate: &Certificate, paths: &[PathBuf]) -> Role {
    let stems = || paths.iter().filter_map(|path| path.file_stem()).map(|stem| stem.to_string_lossy().to_lowercase());
    let called = |words: &[&str]| stems().any(|stem| words.iter().any(|word| stem.contains(word)));
    let organization = |word: &str| {
        certificate.subject().attributes().any(|attribute| attribute.short_name == "O" && attribute.value == word)
    };
    if called(&["server", "broker"]) || organization("server") {
        return Role::Server;
    }
    if called(&["client", "worker"]) || organization("client") {
        return Role::Client;
    }
    let host = |name: &GeneralName| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_));
    let in_names = certificate.subject_alt_names().unwrap_or_default().iter().any(host);
    let common_name = certificate.subject().common_name().unwrap_or_default();
    let is_host =
        in_names || common_name == "localhost" || crate::x509::is_host(common_name) && common_name.contains('.');
    if is_host { Role::Server } else { Role::Client }
}

fn not_for_tls(certificate: &Certificate) -> String {
    let purposes = certificate.extended_key_usage().unwrap_or_default();
    let purposes: Vec<&str> = purposes.iter().take(5).map(|purpose| purpose.oid()).collect();
    format!(
        "its certificate is for neither servers nor clients (extended key usage {}); --role takes it all the same",
        ui::plain(&purposes.join(", "))
    )
}

/// The candidates of one name, apart where they are two identities: servers with a key each that are called differently.
/// The second is called like its file, and `taken` learns of it: other trees have files of that name too.
fn apart(pool: &Pool, mut candidates: Vec<Candidate>, taken: &mut BTreeSet<(Role, String)>) -> Vec<Vec<Candidate>> {
    let stem = |candidate: &Candidate| {
        let path = best_path(&pool.certificates.get(candidate.at).paths);
        (!is_numbered(path) && !is_put_away(path)).then(|| names::stem(path))
    };
    candidates.sort_by_key(|candidate| {
        let Candidate { alive, has_key, .. } = *candidate;
        // tls-gen's pairs that the root itself has signed stand beside those of the intermediate.
        let beside = stem(candidate).is_some_and(|stem| stem.ends_with("_direct"));
        let end = pool.certificate(candidate.at).validity().not_after;
        std::cmp::Reverse((alive && has_key, alive, has_key, !beside, end))
    });
    let mut groups: Vec<(Option<String>, Vec<Candidate>)> = Vec::new();
    for candidate in candidates {
        let own = stem(&candidate).filter(|_| candidate.role.serves() && candidate.has_key && candidate.alive);
        let first = groups.first().map(|(stem, _)| stem.clone());
        let known = groups.iter().position(|(stem, _)| own.is_some() && *stem == own);
        match (first, known, own) {
            (None, ..) => {
                let stem = stem(&candidate);
                groups.push((stem, vec![candidate]));
            }
            (Some(_), Some(at), _) => groups[at].1.push(candidate),
            (Some(Some(_)), None, Some(own)) => {
                let apart = names::told_apart(&own, pool.certificate(candidate.at));
                let free = [own.clone(), apart].into_iter().find(|name| taken.insert((candidate.role, name.clone())));
                match free {
                    Some(name) => groups.push((Some(own), vec![Candidate { name, ..candidate }])),
                    None => groups[0].1.push(candidate),
                }
            }
            _ => groups[0].1.push(candidate),
        }
    }
    groups.into_iter().map(|(_, candidates)| candidates).collect()
}

/// One identity; the first candidate is the one that counts.
fn pair(pool: &mut Pool, anchors: &[Certificate], candidates: Vec<Candidate>) -> FoundPair {
    let mut candidates = candidates.into_iter();
    let first = candidates.next().expect("a group is made around its first candidate");
    let certificate = pool.certificate(first.at).clone();
    let mut paths = pool.certificates.get(first.at).paths.clone();
    pool.certificates.mark_used(first.at);
    let key = pool.take_key(certificate.public_key()).map(|(key, key_paths)| {
        paths.extend(key_paths);
        key
    });
    let mut notes = Vec::new();
    if first.revoked.is_some() {
        notes.push("it is revoked".to_owned());
    }
    if first.issuer.is_none() {
        notes.push(match certificate.is_self_issued() {
            true => "it signed itself; no authority here can renew it".to_owned(),
            false => format!(
                "its issuer {} is no authority that is in these files",
                ui::quote(&certificate.issuer().to_string())
            ),
        });
    }
    let mut former = Vec::new();
    for other in candidates {
        pool.certificates.mark_used(other.at);
        if other.alive && other.has_key {
            notes.push(format!(
                "{} holds another valid certificate of the same name: it is known, so that it can be revoked, and its key \
                 is not taken",
                ui::path(best_path(&pool.certificates.get(other.at).paths))
            ));
        }
        let earlier = pool.certificate(other.at).clone();
        // Its key is that of a certificate that is known, which is all there is to say about it.
        pool.take_key(earlier.public_key());
        former.push((earlier, other.issuer));
    }
    paths.sort();
    paths.dedup();
    let chain = order_chain(&certificate, anchors, false);
    let mut pair = FoundPair {
        role: first.role,
        name: first.name,
        certificate,
        chain,
        key,
        issuer: first.issuer,
        former,
        revoked: first.revoked,
        reissue: None,
        notes,
        paths,
    };
    verdict::judge_pair(&mut pair);
    pair
}
