//! What tls-gen makes: four profiles of authorities and pairs, under its names and with its subjects.
//!
//! The room is pure: settings and the contents of files in, files out. It knows what rabbitmq/tls-gen promises to those
//! who read its results, and where certgen departs from that on purpose: what is signed here goes the house's one way,
//! through an issuer that lints it. Where the files are, what becomes of an older tree and who is told what belongs to the
//! command.

mod authorities;
mod common_name;
mod pairs;
mod profile;
mod settings;
mod target;
#[cfg(test)]
mod tests;

use std::path::Path;

use zeroize::Zeroizing;

pub use authorities::{Authorities, NewAuthorities, read_key};
pub use common_name::CommonName;
pub use pairs::{NewPair, PairFiles};
pub use profile::{ChainFile, Intermediate, Pair, Profile};
pub use settings::{Days, NAMES, Settings, Variables};
pub use target::Target;

/// The root's certificate among the results.
pub const ROOT_CERTIFICATE: &str = "ca_certificate.pem";
/// The root's key, which tls-gen puts among the results.
pub const ROOT_KEY: &str = "ca_key.pem";

/// A file to be written.
pub struct File {
    /// Below the directory that it is meant for.
    pub path: String,
    /// The content.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Only its owner may read it.
    pub secret: bool,
}

impl File {
    /// A file that everybody may read.
    pub fn public(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), secret: false }
    }

    /// A file with a key in it.
    pub fn secret(path: impl Into<String>, bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes, secret: true }
    }
}

/// What a file among the results is by its name: one of those that this profile writes, for whatever common name.
pub fn is_result(profile: Profile, name: &str) -> bool {
    let fixed = [ROOT_CERTIFICATE, ROOT_KEY];
    let is_chain = profile.chain_files().iter().any(|file| file.name == name);
    let is_list = name.strip_suffix(".crl.pem").or_else(|| name.strip_suffix(".crl")).is_some_and(|list| {
        list == profile.as_str() || profile.intermediates().iter().any(|intermediate| intermediate.directory() == list)
    });
    fixed.contains(&name) || is_chain || is_list || profile.pairs().iter().any(|pair| is_of_pair(profile, pair, name))
}

/// Something that a tree has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A file.
    File,
    /// A directory, of an intermediate.
    Directory,
}

/// What lies at a path of a tree, of whatever profile; nothing where no run ever writes. The intermediates lie among the
/// results here.
pub fn part(path: &Path) -> Option<Part> {
    let all = || Profile::ALL.into_iter().flat_map(|profile| profile.intermediates());
    let files = || all().flat_map(|intermediate| [intermediate.certificate_file(), intermediate.key_file()]);
    let is_result = |name: &str| Profile::ALL.into_iter().any(|profile| is_result(profile, name));
    let is_name = path.components().count() == 1;
    if files().any(|file| path == Path::new(&file)) || (is_name && path.to_str().is_some_and(is_result)) {
        return Some(Part::File);
    }
    let is_above = |file: String| Path::new(&file).ancestors().skip(1).any(|above| above == path);
    (!path.as_os_str().is_empty() && files().any(is_above)).then_some(Part::Directory)
}

fn is_of_pair(profile: Profile, pair: &Pair, name: &str) -> bool {
    let ending = ["_certificate.pem", "_key.pem", ".p12"].iter().find_map(|ending| name.strip_suffix(ending));
    let Some(rest) = ending.and_then(|stem| stem.strip_prefix(pair.stem)) else { return false };
    rest.is_empty() || (profile.names_files_by_common_name() && rest.starts_with('_'))
}

/// The common names of which pairs lie among `results`, sorted.
pub fn common_names<'n>(stem: &str, results: impl IntoIterator<Item = &'n str>) -> Vec<CommonName> {
    let of = |name: &str| {
        let part = name.strip_prefix(stem)?.strip_prefix('_')?.strip_suffix("_certificate.pem")?;
        CommonName::of_file_part(part)
    };
    let mut names: Vec<CommonName> = results.into_iter().filter_map(of).collect();
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names
}

/// A Makefile for a profile's directory, with tls-gen's targets and variables.
pub fn makefile(profile: Profile) -> String {
    include_str!("makefile.mk").replace("PROFILE", profile.as_str())
}
