//! What authorities have revoked: by their lists, and by the databases of `openssl ca`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::authorities::Authorities;
use super::database::{Database, Row};
use super::links::Link;
use super::pool::Pool;
use crate::x509::{Certificate, RevocationReason, RevokedCertificate, SerialNumber};

/// Revocations by authority and serial number.
pub(super) type Revoked = BTreeMap<(usize, SerialNumber), RevokedCertificate>;

/// Gives every authority its revocations, its newest list and its number; and all revocations, to be looked up.
pub(super) fn collect(pool: &mut Pool, links: &[Option<Link>], authorities: &mut Authorities) -> Revoked {
    let mut revoked = Revoked::new();
    lists(pool, authorities, &mut revoked);
    databases(pool, links, authorities, &mut revoked);
    counters(pool, authorities);
    for ((authority, _), entry) in &revoked {
        authorities.found[*authority].revoked.push(entry.clone());
    }
    for authority in &mut authorities.found {
        authority.paths.sort();
        authority.paths.dedup();
        authority.revoked.sort_by(|a, b| (a.revocation_time, &a.serial).cmp(&(b.revocation_time, &b.serial)));
    }
    revoked
}

fn lists(pool: &mut Pool, authorities: &mut Authorities, revoked: &mut Revoked) {
    for at in 0..pool.lists.len() {
        let list = &pool.lists.get(at).value;
        let signer = authorities.found.iter().position(|authority| list.is_signed_by(&authority.certificate));
        let Some(place) = signer else { continue };
        let authority = &mut authorities.found[place];
        for entry in list.revoked() {
            add(revoked, place, entry);
        }
        authority.crl_number = authority.crl_number.max(list.number());
        authority.paths.extend(pool.lists.get(at).paths.iter().cloned());
        let age = |list: &crate::x509::Crl| (list.number(), list.this_update());
        if authority.crl.as_ref().is_none_or(|known| age(known) < age(list)) {
            authority.crl = Some(list.clone());
        }
        pool.lists.mark_used(at);
    }
}

/// An entry that gives a reason is better than one that does not; then the earlier one counts.
fn add(revoked: &mut Revoked, authority: usize, mut entry: RevokedCertificate) {
    if entry.reason == Some(RevocationReason::RemoveFromCrl) {
        return;
    }
    // No reason says the same, and is what may be written.
    entry.reason = entry.reason.filter(|reason| *reason != RevocationReason::Unspecified);
    let rank = |entry: &RevokedCertificate| (entry.reason.is_none(), entry.revocation_time);
    let key = (authority, entry.serial.clone());
    match revoked.get(&key) {
        Some(known) if rank(known) <= rank(&entry) => {}
        _ => {
            revoked.insert(key, entry);
        }
    }
}

fn databases(pool: &mut Pool, links: &[Option<Link>], authorities: &mut Authorities, revoked: &mut Revoked) {
    let mut by_serial: BTreeMap<&SerialNumber, Vec<(&Certificate, usize)>> = BTreeMap::new();
    for (at, link) in links.iter().enumerate() {
        if let Some(place) = link.and_then(|link| authorities.places.get(&link.issuer)) {
            let certificate = &pool.certificates.get(at).value;
            by_serial.entry(certificate.serial()).or_default().push((certificate, *place));
        }
    }
    let mut used = BTreeSet::new();
    for (number, database) in pool.databases.iter().enumerate() {
        let issuers: Vec<Option<usize>> = database.rows.iter().map(|row| issuer_of(row, &by_serial)).collect();
        let Some(owner) = owner(authorities, &database.path, &issuers) else { continue };
        // A database that names one authority's certificates may hold those of another: tls-gen counts the serial numbers
        // of all its authorities in one.
        let mut missing = 0;
        for (row, issuer) in database.rows.iter().zip(&issuers) {
            missing += usize::from(issuer.is_none());
            if let Some(entry) = &row.revoked {
                add(revoked, issuer.unwrap_or(owner), entry.clone());
            }
        }
        let authority = &mut authorities.found[owner];
        authority.paths.push(database.path.clone());
        if missing > 0 {
            authority.notes.push(listed_alone(database, missing));
        }
        used.insert(number);
    }
    for (number, database) in pool.databases.iter_mut().enumerate() {
        database.used = used.contains(&number);
    }
}

fn listed_alone(database: &Database, missing: usize) -> String {
    let certificates = if missing == 1 { "certificate" } else { "certificates" };
    format!(
        "{} lists {missing} {certificates} of which no file is here: nobody will renew them, and those that it calls revoked \
         stay so",
        crate::ui::path(&database.path)
    )
}

/// The authority that signed the certificate of a line; `None` if no file, or more than one authority, fits.
fn issuer_of(row: &Row, by_serial: &BTreeMap<&SerialNumber, Vec<(&Certificate, usize)>>) -> Option<usize> {
    let of_serial = by_serial.get(&row.serial)?;
    let fits = |certificate: &Certificate| match certificate.subject().common_name() {
        Some(name) => row.names(name),
        None => !row.subject.contains("/CN="),
    };
    let issuers: BTreeSet<usize> = of_serial.iter().filter(|(c, _)| fits(c)).map(|(_, place)| *place).collect();
    if issuers.len() == 1 { issuers.into_iter().next() } else { None }
}

/// Whose directory it is: that of the authority with a certificate in it, or of the one that signed most of its lines, or
/// of the only one.
fn owner(authorities: &Authorities, path: &Path, issuers: &[Option<usize>]) -> Option<usize> {
    let mut signed: BTreeMap<usize, usize> = BTreeMap::new();
    for place in issuers.iter().flatten() {
        *signed.entry(*place).or_default() += 1;
    }
    let directory = path.parent()?;
    let inside = |place: &usize| {
        // Where the certificate of an authority is kept beside its database, by all who do so.
        let near = |path: &Path| {
            path.strip_prefix(directory).is_ok_and(|rest| {
                let mut parents = rest.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
                parents.all(|parent| parent == Path::new("certs") || parent == Path::new("private"))
            })
        };
        authorities.found[*place].paths.iter().any(|path| near(path))
    };
    let all = || 0..authorities.found.len();
    let near: Vec<usize> = all().filter(inside).collect();
    match near.as_slice() {
        [one] => Some(*one),
        // A bundle in the directory names several.
        _ => {
            let most = signed.iter().filter(|(place, _)| near.is_empty() || near.contains(place));
            let most = most.max_by_key(|(_, count)| **count).map(|(place, _)| *place);
            most.or_else(|| near.first().copied()).or_else(|| (authorities.found.len() == 1).then_some(0))
        }
    }
}

/// `crlnumber` holds the number that the next list would get.
fn counters(pool: &mut Pool, authorities: &mut Authorities) {
    for (path, next) in std::mem::take(&mut pool.counters) {
        match owner(authorities, &path, &[]) {
            Some(place) => {
                let authority = &mut authorities.found[place];
                authority.crl_number = authority.crl_number.max(next.checked_sub(1).filter(|number| *number > 0));
                authority.paths.push(path);
            }
            None => pool.leave(&path, "nothing says of which authority it counts the lists"),
        }
    }
}
