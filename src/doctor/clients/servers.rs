//! Which certificates of a case a server may show, and for which names.

use std::net::IpAddr;
use std::path::Path;

use crate::diagnosis::CauseId;
use crate::doctor::deployment::{is_configuration, named_files};
use crate::doctor::{Case, Exhibit, Finding, Place, Severity};
use crate::profile::Role;
use crate::ui;
use crate::x509::{Certificate, ExtendedKeyUsage};

/// The certificates that servers show, as far as the files tell.
#[derive(Debug)]
pub(in crate::doctor) struct Servers<'a> {
    certificates: Vec<(&'a Exhibit, &'a Certificate)>,
}

impl<'a> Servers<'a> {
    /// Those that say that they are for servers, and those that rabbitmq.conf names. A certificate that says nothing and that
    /// nobody names may belong to anyone.
    pub(in crate::doctor) fn of(case: &'a Case) -> Self {
        let paths = configured(case);
        let named: Vec<&Path> = paths.iter().filter_map(|path| Some(&*case.named(path.as_ref())?.path)).collect();
        let is_server = |exhibit: &Exhibit, certificate: &Certificate| match certificate.extended_key_usage() {
            Some(usages) => usages.contains(&ExtendedKeyUsage::ServerAuth),
            None => named.contains(&&*exhibit.path),
        };
        let may_serve = |exhibit: &&Exhibit| {
            !matches!(case.place(&exhibit.path), Place::History | Place::Identity(Role::Client) | Place::Authority)
        };
        let leaves = case.exhibits.iter().filter(may_serve).filter_map(|exhibit| Some((exhibit, exhibit.leaf()?)));
        Self { certificates: leaves.filter(|(exhibit, leaf)| is_server(exhibit, leaf)).collect() }
    }

    /// The certificates of some files alone.
    pub(in crate::doctor) fn within(exhibits: impl IntoIterator<Item = &'a Exhibit>) -> Self {
        let leaves = exhibits.into_iter().filter_map(|exhibit| Some((exhibit, exhibit.leaf()?)));
        let is_server = |leaf: &Certificate| {
            leaf.extended_key_usage().is_none_or(|usages| usages.contains(&ExtendedKeyUsage::ServerAuth))
        };
        Self { certificates: leaves.filter(|(_, leaf)| is_server(leaf)).collect() }
    }

    /// What is wrong with connecting to `host`: no certificate here is for it. Nothing, where there is none to compare.
    pub(in crate::doctor) fn refuse(&self, host: &str) -> Option<Refusal<'a>> {
        if self.certificates.is_empty() || self.certificates.iter().any(|(_, certificate)| covers(certificate, host)) {
            return None;
        }
        let (exhibit, certificate) = self.certificates[0];
        Some(Refusal { exhibit, names: names(certificate), others: self.certificates.len() - 1 })
    }
}

/// Why no server can prove that it is a host.
#[derive(Debug)]
pub(in crate::doctor) struct Refusal<'a> {
    exhibit: &'a Exhibit,
    names: String,
    others: usize,
}

impl Refusal<'_> {
    /// `the certificate in X is for a, b` and how many more there are.
    pub(in crate::doctor) fn clause(&self) -> String {
        let others = match self.others {
            0 => String::new(),
            1 => ", and another one is not for it either".to_owned(),
            n => format!(", and {n} others are not for it either"),
        };
        format!("the certificate in {} is for {}{others}", ui::path(&self.exhibit.path), self.names)
    }

    /// The finding about `host`, where something at `path` checks it.
    pub(in crate::doctor) fn finding(&self, path: &Path, line: usize, host: &str) -> Finding {
        let kind = if host.parse::<IpAddr>().is_ok() { "IP address" } else { "Hostname" };
        let problem = format!("no server certificate here is for {}: {}", ui::quote(host), self.clause());
        Finding::new(Severity::Error, "server-name", path, problem)
            .line(line)
            .cause(CauseId::ServerNameMismatch)
            .effect(format!("{kind} mismatch, certificate is not valid for '{}'", ui::plain(host)))
            .remedy(format!("certgen issue server NAME --san {}", ui::shell(host)))
    }
}

/// Whether a client that compares takes the certificate for `host`. OpenSSL looks at the common name where there is no other
/// name.
pub(in crate::doctor) fn covers(certificate: &Certificate, host: &str) -> bool {
    match certificate.subject_alt_names() {
        Some(names) if !names.is_empty() => names.iter().any(|name| name.covers_host(host)),
        _ => certificate.subject().common_names().iter().any(|name| name.eq_ignore_ascii_case(host)),
    }
}

/// What the certificate is for, for people.
fn names(certificate: &Certificate) -> String {
    let alternative = certificate.subject_alt_names().unwrap_or_default();
    let mut names: Vec<String> = alternative.iter().take(4).map(|name| ui::plain(&name.to_string())).collect();
    if alternative.len() > 4 {
        names.push(format!("{} more", alternative.len() - 4));
    }
    if names.is_empty() {
        names.extend(certificate.subject().common_names().iter().map(|name| format!("CN={}", ui::plain(name))));
    }
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

/// The paths that rabbitmq.conf gives as certificates of listeners.
fn configured(case: &Case) -> Vec<String> {
    let files = case.exhibits.iter().filter(|exhibit| is_configuration(exhibit)).flat_map(named_files);
    files.filter(|(_, key, _)| key.ends_with(".certfile")).map(|(_, _, value)| value).collect()
}
