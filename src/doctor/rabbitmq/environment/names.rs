//! The node's name, and whether its certificate carries it.

use std::path::Path;

use super::{SERVER, at, flags, is_tls, option_file_path, variable};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::environment::{Assignment, File};
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::ui;
use crate::x509::GeneralName;

/// The name that peers and tools look for in the node's certificate.
pub(super) fn check(case: &Case, exhibit: &Exhibit, file: &File) -> Option<Finding> {
    let server = variable(file, &SERVER).filter(|server| is_tls(server))?;
    let (certificate, matches_wildcards) = node_certificate(case, server)?;
    let leaf = certificate.leaf()?;
    let names = leaf.subject_alt_names()?;
    let long = variable(file, &["USE_LONGNAME"]).is_some_and(|assignment| assignment.value == "true");
    let given = variable(file, &["NODENAME"]).or_else(|| variable(file, &["HOSTNAME"]));
    let carries = |host: &str| {
        names.iter().any(|name| match name {
            GeneralName::Dns(dns) => dns.covers(host) && (matches_wildcards || !dns.is_wildcard()),
            GeneralName::Ip(address) => address.to_string() == host,
            _ => false,
        })
    };
    let shown = ui::path(&certificate.path);
    match given {
        Some(given) => {
            let host = given.value.rsplit('@').next().unwrap_or_default();
            let host = if long { host } else { host.split('.').next().unwrap_or(host) };
            if host.is_empty() || host.contains('$') || carries(host) {
                return None;
            }
            let problem = format!(
                "the node is called {}, and the certificate in {shown} does not carry that name",
                ui::quote(host)
            );
            let finding = at(Severity::Error, "node-name-not-in-certificate", exhibit, given.line, problem);
            let effect = format!(
                "peers and tools refuse the node: {{bad_cert,{{hostname_check_failed,{{requested,{:?}}},..}}}}",
                ui::plain(host)
            );
            Some(
                finding
                    .cause(CauseId::NodeNameMismatch)
                    .effect(effect)
                    .remedy(format!("certgen issue node NAME --san {}", ui::shell(host))),
            )
        }
        None if !long && !speaks_of_long_names(case) => {
            let hosts = names.iter().filter_map(|name| match name {
                GeneralName::Dns(host) => Some(host.as_str()),
                _ => None,
            });
            let hosts: Vec<&str> = hosts.collect();
            if hosts.is_empty() || hosts.iter().any(|host| !host.contains('.')) {
                return None;
            }
            let problem =
                format!("nodes have short names unless USE_LONGNAME=true, and the certificate in {shown} carries none");
            let finding = at(Severity::Warning, "short-name-not-in-certificate", exhibit, server.line, problem);
            Some(
                finding
                    .cause(CauseId::NodeNameMismatch)
                    .effect("peers and tools refuse the node: {bad_cert,{hostname_check_failed,..}} with the short name as the requested one")
                    .remedy("USE_LONGNAME=true, for a new cluster")
                    .remedy("or put the short name into the certificate: certgen issue node HOST.DOMAIN does"),
            )
        }
        None => None,
    }
}

/// The certificate that the node shows to its peers, and whether they match wildcards.
fn node_certificate<'c>(case: &'c Case, server: &Assignment) -> Option<(&'c Exhibit, bool)> {
    if let Some(path) =
        flags::pairs(&server.value).into_iter().find(|(flag, _)| *flag == "server_certfile").map(|(_, path)| path)
    {
        return case.named(Path::new(path)).map(|exhibit| (exhibit, false));
    }
    let path = Path::new(option_file_path(server)?);
    let Document::Erlang(file) = &case.named(path)?.document else { return None };
    let certificate = file.get("server")?.get("certfile")?.text()?;
    let matches = file.get("client").is_some_and(|client| client.member("customize_hostname_check").is_some());
    Some((case.named(Path::new(certificate))?, matches))
}

/// A manifest or a Compose file may set the variable.
fn speaks_of_long_names(case: &Case) -> bool {
    let word = b"USE_LONGNAME";
    case.exhibits.iter().any(|exhibit| {
        !matches!(exhibit.document, Document::Crypto(_))
            && exhibit.bytes.windows(word.len()).any(|window| window == word)
    })
}
