//! What an entry asks of a certificate, to be compared with what it asked for at another time.
//!
//! A certificate that was taken over is as somebody else made it, and no entry can say all of that. It is left as it is, as
//! long as its entry asks for what it asked for when the certificate was taken.

use std::collections::BTreeMap;

use crate::manifest::{Authority, Entry};
use crate::plan::Reason;

/// What an entry says of the form of its certificate, key by key.
pub type Wishes = BTreeMap<String, String>;

/// What the entry of an end entity asks for.
pub fn wishes(entry: &Entry) -> Wishes {
    let mut names: Vec<String> = entry.san.iter().map(ToString::to_string).collect();
    names.sort();
    of([
        ("subject", entry.full_subject().map(|subject| subject.to_string()).ok()),
        ("san", Some(names.join(" ")).filter(|names| !names.is_empty())),
        ("key_type", Some(entry.key_type.to_string())),
        ("validity", (!entry.validity_is_default).then(|| entry.validity.to_string())),
    ])
}

/// What the entry of an authority asks for.
pub fn authority_wishes(authority: &Authority) -> Wishes {
    let list = |list: &[String]| Some(list.join(" ")).filter(|list| !list.is_empty());
    of([
        ("issuer", authority.issuer.clone()),
        ("common_name", Some(authority.common_name.clone())),
        ("subject", Some(authority.subject.to_string())),
        ("key_type", Some(authority.key_type.to_string())),
        ("validity", (!authority.validity_is_default).then(|| authority.validity.to_string())),
        ("path_length", authority.path_length.map(|length| length.to_string())),
        ("permit", list(&authority.permit)),
        ("exclude", list(&authority.exclude)),
    ])
}

fn of<const N: usize>(all: [(&str, Option<String>); N]) -> Wishes {
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

impl Reason {
    /// True for a difference in what a certificate is like, which whoever made it decided; false for who signed it, for
    /// its key on disk and for what time does.
    pub fn is_about_form(&self) -> bool {
        matches!(
            self,
            Self::Purpose
                | Self::Subject { .. }
                | Self::Names { .. }
                | Self::KeyType { .. }
                | Self::Validity { .. }
                | Self::PathLength { .. }
                | Self::NameConstraints { .. }
        )
    }
}
