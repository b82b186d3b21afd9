//! Certificates, keys and revocation lists: what belongs together, what is missing, who may read it.
//!
//! The checks here look at every file for itself and at its neighbours. Which certificate is shown by whom stands in settings
//! that other rooms read; they ask [`pair`] whether two files belong together, and [`chain`] whether a file serves the purpose
//! that they found it in. How a certificate is judged is the business of [`crate::verify`].
//!
//! What certgen keeps of the past (`history/`) is not judged: it is expired, replaced and misplaced by intent. Only who may
//! read a key of it is asked.

mod access;
mod authorities;
mod chain;
mod content;
mod form;
mod index;
mod life;
mod lists;
mod names;
mod order;
mod pair;
mod protection;
mod stores;
mod usage;

use std::path::Path;

use super::{Case, Check, Exhibit, Finding};
use crate::inspect::Thing;
use crate::ui;
use crate::x509::{Certificate, ExtendedKeyUsage};
use index::Index;

pub(super) use chain::chain;
pub(super) use pair::pair;

/// The checks of this room. They share an index of all certificates, so they are one to those outside.
pub(super) const CHECKS: &[Check] = &[look];

/// One of them.
type Look = fn(&Case, &Index<'_>, &mut Vec<Finding>);

const LOOKS: &[Look] = &[
    content::check,
    pair::check,
    chain::check,
    order::check,
    authorities::check,
    life::check,
    names::check,
    usage::check,
    form::check,
    protection::check,
    stores::check,
    lists::check,
    access::check,
];

fn look(case: &Case, findings: &mut Vec<Finding>) {
    let index = Index::of(case);
    for check in LOOKS {
        check(case, &index, findings);
    }
}

/// The line on which the thing of that number begins, in a PEM file.
fn line_of(exhibit: &Exhibit, thing: usize) -> Option<usize> {
    let begins = |line: &&[u8]| line.starts_with(b"-----BEGIN ") && !line.starts_with(b"-----BEGIN EC PARAMETERS");
    let text = exhibit.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&exhibit.bytes);
    let mut lines = text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| begins(line));
    lines.nth(thing).map(|(line, _)| line + 1)
}

/// The finding with the line of what it is about.
fn at(finding: Finding, exhibit: &Exhibit, is_it: impl Fn(&Thing) -> bool) -> Finding {
    match exhibit.things().iter().position(is_it).and_then(|thing| line_of(exhibit, thing)) {
        Some(line) => finding.line(line),
        None => finding,
    }
}

/// The same for a certificate.
fn at_certificate(finding: Finding, exhibit: &Exhibit, certificate: &Certificate) -> Finding {
    at(finding, exhibit, |thing| matches!(thing, Thing::Certificate(other) if **other == *certificate))
}

/// Its extended key usage is that of a client and of nobody else.
fn is_client(leaf: &Certificate) -> bool {
    let usages = leaf.extended_key_usage().unwrap_or_default();
    usages.contains(&ExtendedKeyUsage::ClientAuth) && !usages.contains(&ExtendedKeyUsage::ServerAuth)
}

/// The path of an exhibit, for people.
fn shown(exhibit: &Exhibit) -> String {
    ui::path(&exhibit.path)
}

/// A path as a word to type.
fn argument(path: &Path) -> String {
    ui::shell(&path.to_string_lossy())
}

/// A subject, for people.
fn subject(certificate: &Certificate) -> String {
    match certificate.subject().is_empty() {
        true => format!("the certificate with serial number {}", certificate.serial()),
        false => ui::quote(&certificate.subject().to_string()),
    }
}

#[cfg(test)]
mod testing {
    //! Cases made of certificates.

    use super::*;
    use crate::x509::sample::{HIERARCHY, Hierarchy};

    /// What the check says of `files`: severity, code and file.
    pub(super) fn said(check: Look, files: &[(&str, String)]) -> Vec<(crate::doctor::Severity, &'static str, String)> {
        told(check, &case(files))
    }

    pub(super) fn told(check: Look, case: &Case) -> Vec<(crate::doctor::Severity, &'static str, String)> {
        let tell = |f: &Finding| (f.severity, f.code, f.file.as_ref().unwrap().display().to_string());
        findings(check, case).iter().map(tell).collect()
    }

    pub(super) fn findings(check: Look, case: &Case) -> Vec<Finding> {
        let mut findings = Vec::new();
        check(case, &Index::of(case), &mut findings);
        findings
    }

    pub(super) fn case(files: &[(&str, String)]) -> Case {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        Case::of(&files)
    }

    /// A server's directory as it should be.
    pub(super) fn healthy() -> Vec<(&'static str, String)> {
        let Hierarchy { root, intermediate, server, .. } = &*HIERARCHY;
        vec![("tls/server_certificate.pem", server.pem() + &intermediate.pem()), ("tls/ca_certificate.pem", root.pem())]
    }
}
