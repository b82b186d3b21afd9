//! What brings the files to a broker: Compose files, Dockerfiles, Kubernetes manifests.
//!
//! A certificate that is right on the disk may still not arrive: another directory lies over it, the user of the container
//! cannot read it, the manifest carries another one.

mod compose;
mod dockerfile;
mod kubernetes;

use super::finding::at;
use super::syntax::yaml;
use super::{Case, Check, Document, Exhibit};

pub(super) use kubernetes::is_carried;
pub use kubernetes::unfolded;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[compose::check, dockerfile::check, kubernetes::check];

/// The YAML files of a case.
fn manifests(case: &Case) -> impl Iterator<Item = (&Exhibit, &yaml::File)> {
    case.exhibits.iter().filter_map(|exhibit| match &exhibit.document {
        Document::Yaml(file) => Some((exhibit, file)),
        _ => None,
    })
}

/// It is a rabbitmq.conf with TLS, or a part of one, perhaps one that is not well formed.
pub(super) fn is_configuration(exhibit: &Exhibit) -> bool {
    let names_files = || exhibit.bytes.len() < 1 << 16 && exhibit.bytes.windows(12).any(|text| text == b"ssl_options.");
    match exhibit.document {
        Document::Conf(_) => true,
        Document::Other => names_files() && !named_files(exhibit).is_empty(),
        _ => false,
    }
}

/// The values of a rabbitmq.conf that name files, each with its key and its line.
pub(super) fn named_files(conf: &Exhibit) -> Vec<(usize, String, String)> {
    let text = String::from_utf8_lossy(&conf.bytes);
    let lines = text.lines().enumerate();
    let named = lines.filter_map(|(number, line)| {
        let (key, value) = line.trim_start().split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        let names_one = key.ends_with(".certfile") || key.ends_with(".keyfile") || key.ends_with(".cacertfile");
        let is_path = value.starts_with('/') && !value.contains(['$', '*']);
        (names_one && is_path).then(|| (number + 1, key.to_owned(), value.to_owned()))
    });
    named.collect()
}
