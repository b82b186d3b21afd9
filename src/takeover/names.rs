//! What things are called here. Names that people chose are kept; a common name that nobody would type is shortened.

use std::collections::BTreeSet;
use std::path::Path;

use super::{FoundAuthority, Maker};
use crate::profile::Role;
use crate::x509::{Certificate, GeneralName};

/// An authority's name is typed in commands.
const LONGEST_OF_AUTHORITY: usize = 40;

/// Gives every authority a name that no other has: `root` for the only root, else words of its subject.
pub(super) fn give_to_authorities(found: &mut [FoundAuthority]) {
    let roots = found.iter().filter(|authority| authority.certificate.is_self_issued()).count();
    let mut taken = BTreeSet::new();
    for authority in found {
        let subject = authority.certificate.subject();
        let mut name = match authority.certificate.is_self_issued() && roots == 1 {
            true => "root".to_owned(),
            false => words(distinguishing(&authority.certificate).unwrap_or(&subject.to_string())),
        };
        if name.is_empty() {
            name = "authority".to_owned();
        }
        if taken.contains(&name) {
            name = told_apart(&name, &authority.certificate);
        }
        taken.insert(name.clone());
        authority.name = name;
    }
}

/// A name that something else has already, with what tells its key from any other.
pub(crate) fn told_apart(name: &str, certificate: &Certificate) -> String {
    format!("{name}-{}", certificate.public_key().mark())
}

/// tls-gen gives its intermediates the common name of the leaf and tells them apart by the organization.
fn distinguishing(certificate: &Certificate) -> Option<&str> {
    const ORGANIZATION: &str = "O";
    let organization = certificate.subject().attributes().find(|attribute| attribute.short_name == ORGANIZATION);
    let organization = organization.map(|attribute| attribute.value.as_str());
    organization.filter(|text| text.starts_with("Intermediate CA")).or_else(|| certificate.subject().common_name())
}

/// Letters and digits, in lower case, with one hyphen for all that stands between.
fn words(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().map(|c| c.to_ascii_lowercase()) {
        if character.is_ascii_alphanumeric() {
            out.push(character);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() == LONGEST_OF_AUTHORITY {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// The name of an end entity: the common name of a client, which is its user; the host of a server.
pub(super) fn of_pair(role: Role, certificate: &Certificate, path: &Path, maker: Option<Maker>) -> String {
    let common_name = certificate.subject().common_name().filter(|name| !name.is_empty());
    let alternatives = certificate.subject_alt_names().unwrap_or_default();
    let first = alternatives.iter().find_map(text);
    if role == Role::Client {
        return common_name.map(str::to_owned).or(first).unwrap_or_else(|| stem(path));
    }
    match maker {
        // minica's directories are named after the first host, Consul's files after data centre and number, and all its
        // servers have one common name.
        Some(Maker::Minica | Maker::Consul) => stem(path),
        _ => {
            let is_host =
                |name: &&str| alternatives.iter().filter_map(text).any(|host| host.eq_ignore_ascii_case(name));
            let host = common_name.filter(is_host).map(str::to_owned);
            host.or(first).or_else(|| common_name.map(str::to_owned)).unwrap_or_else(|| stem(path))
        }
    }
}

/// All names that a certificate has.
pub(super) fn of_certificate(certificate: &Certificate) -> impl Iterator<Item = String> {
    let common_names = certificate.subject().common_names().into_iter().map(str::to_owned);
    common_names.chain(certificate.subject_alt_names().unwrap_or_default().iter().filter_map(text))
}

fn text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Dns(dns) => Some(dns.as_str().to_owned()),
        GeneralName::Ip(address) => Some(address.to_string()),
        GeneralName::Email(text) | GeneralName::Uri(text) => Some(text.clone()),
        GeneralName::Other(_) => None,
    }
}

/// The name of a file without what says that it is a certificate; the directory's where that is all it says.
pub(super) fn stem(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if is_general(path) {
        return directory(path).unwrap_or(stem);
    }
    let endings = ["_certificate", "-certificate", "_cert", "-cert", ".cert", ".crt"];
    match endings.iter().find_map(|ending| stem.strip_suffix(ending)) {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => stem,
    }
}

/// `cert.pem`, `tls.crt`: the directory says whose it is.
pub(super) fn is_general(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    matches!(&*stem, "cert" | "certificate" | "keycert" | "tls" | "fullchain" | "chain" | "bundle" | "keystore")
}

fn directory(path: &Path) -> Option<String> {
    // minica writes `*` of a wildcard as `_`.
    let name = path.parent()?.file_name()?.to_string_lossy().into_owned();
    Some(name.strip_prefix("_.").map_or_else(|| name.clone(), |rest| format!("*.{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_becomes_words() {
        for (text, wanted) in [
            ("TLSGenSelfSignedRootCA 2026-11-28T19:00:00.123", "tlsgenselfsignedrootca-2026-11-28t19-00"),
            ("Easy-RSA CA", "easy-rsa-ca"),
            ("  Ünder  ", "nder"),
            ("***", ""),
        ] {
            assert_eq!(words(text), wanted);
        }
    }

    #[test]
    fn a_file_is_called_without_its_kind() {
        for (path, wanted) in [
            ("a/server_certificate.pem", "server"),
            ("dc1-server-consul-0.pem", "dc1-server-consul-0"),
            ("www-cert.pem", "www"),
            ("_cert.pem", "_cert"),
            ("cert.pem", "cert"),
            ("rabbit.example.com/cert.pem", "rabbit.example.com"),
            ("a/_.example.com/cert.pem", "*.example.com"),
        ] {
            assert_eq!(stem(Path::new(path)), wanted);
        }
    }
}
