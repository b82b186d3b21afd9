//! Who may read what: keys that too many can read, and files that the broker cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::index::{Index, is_authority};
use super::{argument, at, is_client};
use crate::diagnosis::CauseId;
use crate::doctor::{Access, Account, Case, Document, Exhibit, Finding, Fix, Place, Severity};
use crate::inspect::Thing;
use crate::profile::Role;
use crate::ui;

pub(super) fn check(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    for exhibit in case.exhibits.iter().filter(|exhibit| holds_key(exhibit)) {
        findings.extend(open_to_others(case, exhibit, is_authority_key(exhibit, index)));
    }
    authority_key_beside_others(case, index, findings);
    if let Some(account) = &case.account {
        closed_to_broker(case, account, index, findings);
    }
}

fn holds_key(exhibit: &Exhibit) -> bool {
    exhibit.contents().any(|thing| match thing {
        Thing::PrivateKey(_) => true,
        Thing::Unreadable { label, .. } => label.ends_with("PRIVATE KEY"),
        _ => false,
    })
}

/// One of its keys is that of an authority whose certificate is here.
fn is_authority_key(exhibit: &Exhibit, index: &Index<'_>) -> bool {
    let is_authoritys = |sha256: &str| index.of_key(sha256).iter().any(|(_, certificate)| is_authority(certificate));
    exhibit.keys().filter_map(|key| key.public_key.as_ref()).any(|key| is_authoritys(&key.sha256))
}

/// The known directories above a path.
fn above<'a>(case: &'a Case, path: &'a Path) -> impl Iterator<Item = (&'a Path, Access)> {
    path.ancestors().skip(1).filter_map(|directory| Some((directory, *case.directories.get(directory)?)))
}

/// A key is for its owner, and at most for a group; that of an authority is for its owner alone.
fn open_to_others(case: &Case, exhibit: &Exhibit, of_authority: bool) -> Option<Finding> {
    let access = exhibit.access?;
    let shut = |bit: u32| above(case, &exhibit.path).any(|(_, directory)| directory.mode & bit == 0);
    let allowed = if of_authority { 0o700 } else { 0o750 };
    let mut open = access.mode & 0o077 & !allowed | access.mode & 0o020;
    if shut(0o001) {
        open &= !0o007;
    }
    if shut(0o010) {
        open &= !0o070;
    }
    if open & 0o066 == 0 {
        return None;
    }
    let who = if open & 0o006 != 0 { "everybody on this machine" } else { "its group" };
    let what = if open & 0o022 != 0 { "write" } else { "read" };
    let whose = if of_authority { "the key of an authority" } else { "the private key" };
    let mode = access.mode & allowed & 0o740;
    let problem = format!("{who} may {what} {whose} (mode {:04o})", access.mode);
    let finding = Finding::new(Severity::Warning, "key-open-to-others", &exhibit.path, problem)
        .effect(match of_authority {
            true => "whoever reads it makes certificates that every server and client of this authority accepts, for any name",
            false => "whoever reads it can pretend to be this server or client; RabbitMQ does not complain",
        })
        .remedy(format!("chmod {mode:04o} {}", argument(&exhibit.path)))
        .fix(Fix::Mode(mode));
    Some(at(finding, exhibit, |thing| matches!(thing, Thing::PrivateKey(_))))
}

/// The directory of a server is copied, mounted and backed up; the key of an authority must not travel with it.
fn authority_key_beside_others(case: &Case, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut deployed: BTreeMap<&Path, &Exhibit> = BTreeMap::new();
    for exhibit in &case.exhibits {
        let is_leafs = exhibit.leaf().is_some() || matches!(exhibit.document, Document::Conf(_));
        if let Some(directory) = exhibit.path.parent().filter(|_| is_leafs) {
            deployed.entry(directory).or_insert(exhibit);
        }
    }
    for exhibit in &index.exhibits {
        let Some(beside) = exhibit.path.parent().and_then(|directory| deployed.get(directory)) else { continue };
        if case.place(&exhibit.path) == Place::Authority || !is_authority_key(exhibit, index) {
            continue;
        }
        let problem = format!("the key of an authority lies beside {}", super::shown(beside));
        let finding = Finding::new(Severity::Warning, "authority-key-beside-others", &exhibit.path, problem)
            .effect("whoever mounts, copies or breaks into this directory can make certificates for any name and user")
            .remedy("move it to a place that no broker and no client sees; certgen seal encrypts it")
            .remedy("if it was ever on a broker, replace the authority");
        findings.push(at(finding, exhibit, |thing| matches!(thing, Thing::PrivateKey(_))));
    }
}

/// Files that the broker's user cannot read, and directories that it cannot enter.
fn closed_to_broker(case: &Case, account: &Account, index: &Index<'_>, findings: &mut Vec<Finding>) {
    let mut told: BTreeSet<PathBuf> = BTreeSet::new();
    for exhibit in case.exhibits.iter().filter(|exhibit| is_for_broker(case, exhibit, index)) {
        let shut = above(case, &exhibit.path).filter(|(_, access)| !account.may(*access, 0o1)).last();
        let who = ui::quote(&account.name);
        let finding = match (shut, exhibit.access) {
            (Some((directory, access)), _) if told.insert(directory.to_owned()) => {
                let problem = format!("{who} may not enter the directory ({})", owned(access));
                Finding::new(Severity::Error, "directory-closed", directory, problem)
            }
            (None, Some(access)) if !account.may(access, 0o4) => {
                let problem = format!("{who} may not read it ({})", owned(access));
                Finding::new(Severity::Error, "file-closed", &exhibit.path, problem)
            }
            _ => continue,
        };
        findings.push(closed(finding, case, account, exhibit));
    }
}

fn owned(access: Access) -> String {
    format!("mode {:04o}, owner {}, group {}", access.mode, access.uid, access.gid)
}

fn closed(finding: Finding, case: &Case, account: &Account, exhibit: &Exhibit) -> Finding {
    let effect = match exhibit.document {
        Document::Crypto(_) => {
            "RabbitMQ does not start: \"ssl_options.keyfile invalid, file does not exist or cannot be read by the node\" (4.3: \
             \"PEM file does not exist, cannot be read, ...\"); 3.8 starts and refuses every client without a word"
        }
        _ => "RabbitMQ does not start, or starts without what is in it",
    };
    let path = finding.file.clone().unwrap_or_default();
    let mode = if path == exhibit.path { 0o640 } else { 0o750 };
    let group = account.groups.first().map_or_else(|| account.uid.to_string(), ToString::to_string);
    let finding = finding.cause(CauseId::FileUnreadable).effect(effect);
    match case.place(&exhibit.path) {
        Place::Identity(_) | Place::Broker => finding.remedy(format!(
            "write owner = \"{}:{group}\" below [defaults] in certgen.toml, then: certgen apply",
            account.uid
        )),
        _ => finding.remedy(format!("chgrp {group} {0} && chmod {mode:04o} {0}", argument(&path))).remedy(format!(
            "or give it away: chown {} {}",
            account.uid,
            argument(&path)
        )),
    }
}

/// What a broker has to read: of a PKI the nodes, the servers and its own files; elsewhere every certificate, key and setting but
/// what is a client's and the keys of authorities.
fn is_for_broker(case: &Case, exhibit: &Exhibit, index: &Index<'_>) -> bool {
    let is_definitions = exhibit.path.file_name().is_some_and(|name| name == "definitions.json");
    let is_read = match &exhibit.document {
        Document::Crypto(_) => !is_of_others(exhibit, index),
        Document::Conf(_) | Document::Erlang(_) | Document::Environment(_) => true,
        Document::Json(_) => is_definitions,
        _ => false,
    };
    is_read
        && match case.place(&exhibit.path) {
            Place::Elsewhere | Place::External | Place::Broker => true,
            Place::Identity(role) => role != Role::Client,
            Place::Authority | Place::Emitted | Place::History | Place::Bookkeeping => false,
        }
}

/// The key of an authority, or the certificate or key of a client.
fn is_of_others(exhibit: &Exhibit, index: &Index<'_>) -> bool {
    if let Some(leaf) = exhibit.leaf() {
        return is_client(leaf);
    }
    let of_clients = |sha256: &str| {
        let certificates = index.of_key(sha256);
        !certificates.is_empty() && certificates.iter().all(|(_, certificate)| is_client(certificate))
    };
    let mut keys = exhibit.keys().filter_map(|key| key.public_key.as_ref());
    is_authority_key(exhibit, index) || keys.any(|key| of_clients(&key.sha256))
}

impl Account {
    /// Whether the bit (4 read, 1 enter) is set for it. Root may do everything.
    fn may(&self, access: Access, bit: u32) -> bool {
        let shift = match () {
            () if self.uid == 0 => return true,
            () if self.uid == access.uid => 6,
            () if self.groups.contains(&access.gid) => 3,
            () => 0,
        };
        access.mode >> shift & bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{case, findings, told};
    use super::*;
    use crate::x509::KeyType;
    use crate::x509::test_support::{authority, key, self_signed};

    fn secret(number: usize) -> String {
        key(KeyType::EcdsaP256, number).to_pem().to_string()
    }

    fn access(mode: u32, uid: u32, gid: u32) -> Access {
        Access { mode, uid, gid }
    }

    fn codes(case: &Case) -> Vec<&'static str> {
        told(check, case).into_iter().map(|(_, code, _)| code).collect()
    }

    #[test]
    fn a_key_for_its_owner_or_group_is_right_and_one_for_everybody_is_not() {
        let mut case = case(&[("etc/server_key.pem", secret(0))]);
        for (mode, wanted) in [
            (0o600, None),
            (0o400, None),
            (0o640, None),
            (0o644, Some(0o640)),
            (0o604, Some(0o600)),
            (0o777, Some(0o740)),
            (0o660, Some(0o640)),
        ] {
            case.exhibits[0].access = Some(access(mode, 0, 0));
            let found = findings(check, &case);
            let fixes: Vec<_> = found.iter().map(|finding| finding.fix.clone()).collect();
            assert_eq!(fixes, wanted.map(|mode| Some(Fix::Mode(mode))).into_iter().collect::<Vec<_>>(), "{mode:o}");
        }
        case.exhibits[0].access = Some(access(0o644, 0, 0));
        case.directories.insert("etc".into(), access(0o700, 0, 0));
        assert_eq!(codes(&case), Vec::<&str>::new(), "nobody can get to it");
    }

    #[test]
    fn the_key_of_an_authority_is_for_its_owner_alone_and_in_no_directory_that_travels() {
        let (ca, leaf) = (key(KeyType::EcdsaP256, 0), key(KeyType::EcdsaP256, 1));
        let root = self_signed(&authority("root", ca), ca).pem();
        let server = self_signed(&crate::x509::test_support::leaf("rabbit", leaf), leaf).pem();
        let mut apart =
            case(&[("ca/cert.pem", root.clone()), ("ca/key.pem", secret(0)), ("srv/cert.pem", server.clone())]);
        assert_eq!(codes(&apart), Vec::<&str>::new());
        apart.exhibits[1].access = Some(access(0o640, 0, 0));
        assert_eq!(codes(&apart), ["key-open-to-others"]);
        let together = case(&[("ca_cert.pem", root), ("ca_key.pem", secret(0)), ("cert.pem", server)]);
        assert_eq!(codes(&together), ["authority-key-beside-others"]);
    }

    #[test]
    fn the_broker_must_get_to_its_files() {
        let mut case = case(&[("etc/tls/server_key.pem", secret(0))]);
        case.account = Some(Account { name: "rabbitmq".to_owned(), uid: 999, groups: vec![999] });
        for (directory, file, wanted) in [
            (access(0o755, 0, 0), access(0o640, 0, 999), None),
            (access(0o700, 999, 0), access(0o400, 999, 0), None),
            (access(0o755, 0, 0), access(0o600, 0, 0), Some("file-closed")),
            (access(0o755, 0, 0), access(0o040, 999, 999), Some("file-closed")),
            (access(0o700, 0, 0), access(0o640, 0, 999), Some("directory-closed")),
            (access(0o750, 0, 999), access(0o640, 0, 999), None),
        ] {
            case.directories.insert("etc/tls".into(), directory);
            case.exhibits[0].access = Some(file);
            assert_eq!(codes(&case), wanted.into_iter().collect::<Vec<_>>(), "{directory:?} {file:?}");
        }
        let mut clients = super::super::testing::case(&[("client.pem", crate::x509::sample::HIERARCHY.client.pem())]);
        clients.account.clone_from(&case.account);
        clients.exhibits[0].access = Some(access(0o600, 0, 0));
        assert_eq!(codes(&clients), Vec::<&str>::new(), "a client's is not for the broker");
        case.account = Some(Account { name: "root".to_owned(), uid: 0, groups: vec![0] });
        case.exhibits[0].access = Some(access(0o000, 999, 0));
        assert_eq!(codes(&case), Vec::<&str>::new());
    }
}
