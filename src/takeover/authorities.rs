//! Which certificates are authorities', and what each of them is called here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::links::Link;
use super::names;
use super::pool::Pool;
use super::{Asked, FoundAuthority, verdict};
use crate::ui;
use crate::x509::{Certificate, GeneralName, order_chain};

/// The authorities of a pool.
pub(super) struct Authorities {
    pub(super) found: Vec<FoundAuthority>,
    /// The place in `found` of each certificate that is an authority's, also of one that another took the place of.
    pub(super) places: HashMap<usize, usize>,
}

/// More authorities than anybody has; each may be compared with each.
const MOST: usize = 500;
/// Longer than any chain that verifiers follow.
const DEEPEST: usize = 32;

/// Certificates of one name and one key: one authority, of which one certificate is taken.
struct Group {
    certificate: usize,
    others: Vec<usize>,
}

/// Finds them; issuers come before those whose certificates they signed.
pub(super) fn find(pool: &mut Pool, links: &[Option<Link>], asked: &Asked<'_>) -> Authorities {
    let mut groups = order(group(pool, links, asked), links);
    leave_beyond(pool, &mut groups);
    let places: HashMap<usize, usize> = groups
        .iter()
        .enumerate()
        .flat_map(|(place, group)| group.others.iter().chain([&group.certificate]).map(move |at| (*at, place)))
        .collect();
    let anchors: Vec<Certificate> = groups.iter().map(|group| pool.certificate(group.certificate).clone()).collect();
    let mut found: Vec<FoundAuthority> =
        groups.iter().map(|group| authority(pool, links, group, &places, &anchors)).collect();
    names::give_to_authorities(&mut found);
    for authority in &mut found {
        verdict::judge_authority(authority, asked.at);
    }
    Authorities { found, places }
}

/// Those of which there are too many.
fn leave_beyond(pool: &mut Pool, groups: &mut Vec<Group>) {
    let beyond = groups.split_off(groups.len().min(MOST));
    for at in beyond.iter().flat_map(|group| group.others.iter().chain([&group.certificate])) {
        pool.certificates.mark_used(*at);
        for path in pool.certificates.get(*at).paths.clone() {
            pool.leave(&path, format!("there are more than {MOST} authorities in these files"));
        }
    }
}

fn group(pool: &Pool, links: &[Option<Link>], asked: &Asked<'_>) -> Vec<Group> {
    let mut signs: BTreeSet<usize> = BTreeSet::new();
    for (at, link) in links.iter().enumerate() {
        signs.extend(link.map(|link| link.issuer).filter(|issuer| *issuer != at));
    }
    let mut groups: BTreeMap<(&[u8], &[u8]), Vec<usize>> = BTreeMap::new();
    for (at, held) in pool.certificates.iter().enumerate() {
        let own = links[at].is_some_and(|link| link.issuer == at);
        if is_authority(&held.value, &held.paths, own, signs.contains(&at)) {
            let key = (held.value.subject().der(), held.value.public_key().spki_der());
            groups.entry(key).or_default().push(at);
        }
    }
    let pick = |mut members: Vec<usize>| {
        members.sort_by_key(|at| {
            let certificate = pool.certificate(*at);
            let validity = certificate.validity();
            std::cmp::Reverse((validity.contains(asked.at), certificate.is_self_issued(), validity.not_after))
        });
        Group { certificate: members[0], others: members.split_off(1) }
    };
    let mut groups: Vec<Group> = groups.into_values().map(pick).collect();
    groups.sort_by_key(|group| group.certificate);
    groups
}

/// Whether a certificate is an authority's. What says CA:TRUE is one, but for the certificate that `openssl req -x509`
/// makes for a host; what does not say so is one if it behaves like one.
fn is_authority(certificate: &Certificate, paths: &[PathBuf], own: bool, signs: bool) -> bool {
    let host = certificate.subject_alt_names().unwrap_or_default().iter();
    let for_a_host = host.clone().any(|name| matches!(name, GeneralName::Dns(_) | GeneralName::Ip(_)));
    if certificate.is_ca() {
        return signs || !(own && for_a_host);
    }
    let silent = certificate.version() < 3 || certificate.basic_constraints().is_none();
    (signs && (silent || own)) || (own && silent && !for_a_host && paths.iter().any(|path| is_called_ca(path)))
}

/// `ca.crt`, `ca_certificate.pem`, `rootCA.pem`, `cacert.pem`, `my-ca.pem`.
fn is_called_ca(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let words = || stem.split(|c: char| !c.is_ascii_alphanumeric());
    words().any(|word| matches!(word, "ca" | "cacert" | "root" | "rootca" | "cacrt"))
}

/// Issuers first.
fn order(groups: Vec<Group>, links: &[Option<Link>]) -> Vec<Group> {
    let place: HashMap<usize, usize> = groups
        .iter()
        .enumerate()
        .flat_map(|(place, group)| group.others.iter().chain([&group.certificate]).map(move |at| (*at, place)))
        .collect();
    // How many issuers stand above; a ring of cross-signed authorities ends where it began.
    let depth = |start: usize| {
        let (mut at, mut seen) = (start, BTreeSet::from([start]));
        while let Some(issuer) = links[groups[at].certificate].and_then(|link| place.get(&link.issuer)) {
            if seen.len() == DEEPEST || !seen.insert(*issuer) {
                break;
            }
            at = *issuer;
        }
        seen.len()
    };
    let mut depths: Vec<(usize, usize)> = (0..groups.len()).map(|at| (depth(at), at)).collect();
    depths.sort_unstable();
    let mut groups: Vec<Option<Group>> = groups.into_iter().map(Some).collect();
    depths.into_iter().filter_map(|(_, at)| groups[at].take()).collect()
}

fn authority(
    pool: &mut Pool,
    links: &[Option<Link>],
    group: &Group,
    places: &HashMap<usize, usize>,
    anchors: &[Certificate],
) -> FoundAuthority {
    let certificate = pool.certificate(group.certificate).clone();
    let mut notes = Vec::new();
    let mut paths = Vec::new();
    for at in [&group.certificate].into_iter().chain(&group.others) {
        pool.certificates.mark_used(*at);
        paths.extend(pool.certificates.get(*at).paths.iter().cloned());
        if *at != group.certificate {
            let end = ui::date(pool.certificate(*at).validity().not_after);
            notes.push(format!("another certificate of the same name and key, which ends on {end}, is not taken"));
        }
    }
    let link = links[group.certificate].filter(|link| link.issuer != group.certificate);
    let own = places.get(&group.certificate);
    let issuer = link.and_then(|link| places.get(&link.issuer)).filter(|place| Some(*place) != own).copied();
    // The order of the list holds only issuers that come first.
    let issuer = issuer.filter(|issuer| own.is_some_and(|own| issuer < own));
    if link.is_some_and(|link| !link.checked) {
        notes.push(
            "its signature is of a kind that is not checked any more: its issuer is known by name alone".to_owned(),
        );
    }
    if issuer.is_none() && !certificate.is_self_issued() {
        let name = ui::quote(&certificate.issuer().to_string());
        notes.push(format!("its issuer {name} is not in these files"));
    }
    let key = pool.take_key(certificate.public_key());
    let key = key.map(|(key, key_paths)| {
        paths.extend(key_paths);
        key
    });
    paths.sort();
    paths.dedup();
    FoundAuthority {
        name: String::new(),
        chain: order_chain(&certificate, anchors, true),
        certificate,
        issuer,
        key,
        revoked: Vec::new(),
        crl: None,
        crl_number: None,
        replace_only: None,
        notes,
        paths,
    }
}
