//! Whose tree it looks like. Names of files decide, so nothing rests on it but what things are called and what is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{Kind, Maker, Tree};

impl Maker {
    /// What people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TlsGen => "tls-gen",
            Self::EasyRsa => "easy-rsa",
            Self::Mkcert => "mkcert",
            Self::Minica => "minica",
            Self::Cfssl => "cfssl",
            Self::OpenSslCa => "openssl ca",
            Self::Vault => "Vault",
            Self::Consul => "Consul",
        }
    }
}

/// What every directory of the tree looks like that looks like something.
pub(super) fn kinds(tree: &Tree) -> Vec<Kind> {
    let mut directories: BTreeMap<&Path, BTreeSet<String>> = BTreeMap::new();
    for path in tree.files.keys() {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            directories.entry(parent).or_default().insert(name.to_string_lossy().into_owned());
        }
    }
    let below = |directory: &Path, file: &str| tree.files.contains_key(&directory.join(file));
    let mut kinds: Vec<Kind> = Vec::new();
    for (directory, names) in &directories {
        if let Some(maker) = maker(directory, names, &below) {
            kinds.push(Kind { path: directory.to_path_buf(), maker });
        }
    }
    for (path, bytes) in &tree.files {
        if let Some(maker) = maker_of_json(bytes) {
            let kind = Kind { path: path.parent().map(Path::to_path_buf).unwrap_or_default(), maker };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    }
    kinds.sort();
    kinds
}

fn maker(directory: &Path, names: &BTreeSet<String>, below: &dyn Fn(&Path, &str) -> bool) -> Option<Maker> {
    let has = |name: &str| names.contains(name);
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    if has("rootCA.pem") {
        return Some(Maker::Mkcert);
    }
    if has("minica.pem") {
        return Some(Maker::Minica);
    }
    if any(&|name| name.contains("consul-") && name.ends_with(".pem")) {
        return Some(Maker::Consul);
    }
    if has("ca.crt") && (below(directory, "private/ca.key") || below(directory, "index.txt")) {
        return Some(Maker::EasyRsa);
    }
    let leaf =
        |name: &str| (name.starts_with("server") || name.starts_with("client")) && name.ends_with("_certificate.pem");
    if has("ca_certificate.pem") && has("ca_key.pem") && any(&leaf) {
        return Some(Maker::TlsGen);
    }
    if has("ca.pem") && has("ca-key.pem") {
        return Some(Maker::Cfssl);
    }
    // tls-gen keeps the directories of `openssl ca` under these names.
    let name = directory.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let own = name == "testca" || name.starts_with("intermediate_ca_");
    has("index.txt").then_some(if own { Maker::TlsGen } else { Maker::OpenSslCa })
}

/// What cfssl and Vault print: an object with members of these names.
fn maker_of_json(bytes: &[u8]) -> Option<Maker> {
    const LONGEST: usize = 1 << 20;
    if bytes.len() > LONGEST || !bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let body = value.get("data").or_else(|| value.get("result")).unwrap_or(&value);
    let has = |name: &str| body.get(name).is_some_and(|member| !member.is_null());
    if has("issuing_ca") || (has("certificate") && has("private_key")) {
        return Some(Maker::Vault);
    }
    ((has("cert") || has("certificate")) && has("key") || (has("cert") && has("csr"))).then_some(Maker::Cfssl)
}

/// The maker of the nearest directory above a file that looks like something.
pub(super) fn of_path(kinds: &[Kind], path: &Path) -> Option<Maker> {
    let above: Vec<PathBuf> = path.ancestors().skip(1).map(Path::to_path_buf).collect();
    above.iter().find_map(|directory| kinds.iter().find(|kind| kind.path == *directory).map(|kind| kind.maker))
}
