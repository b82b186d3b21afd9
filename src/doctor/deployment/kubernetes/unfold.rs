//! The files that a manifest carries, as the files that they become.

use std::path::Path;

use super::object::Object;
use crate::doctor::{Document, Exhibit};

/// What the RabbitmqCluster carries, and the file that the operator makes of it.
const PARTS: &[(&str, &str)] =
    &[("additionalConfig", "rabbitmq.conf"), ("advancedConfig", "advanced.config"), ("envConfig", "rabbitmq-env.conf")];

/// Whether a path is one of [`unfolded`]'s.
pub(in crate::doctor) fn is_carried(path: &Path) -> bool {
    let path = path.to_string_lossy();
    ["#secret/", "#configmap/", "#rabbitmqcluster/"].iter().any(|mark| path.contains(mark))
}

/// The files in `exhibit`: `FILE#secret/NAME/KEY`. They are no files on the disk, and nothing can be written to them.
pub fn unfolded(exhibit: &Exhibit) -> Vec<Exhibit> {
    let Document::Yaml(file) = &exhibit.document else { return Vec::new() };
    let mut files = Vec::new();
    for object in Object::within(exhibit, file) {
        match object.kind {
            "Secret" | "ConfigMap" => {
                files.extend(object.entries().iter().filter_map(|entry| object.file(entry)));
            }
            "RabbitmqCluster" => files.extend(PARTS.iter().filter_map(|(key, name)| {
                let text = object.text(&["spec", "rabbitmq", key])?;
                let path = format!("{}#rabbitmqcluster/{}/{name}", exhibit.path.display(), object.name);
                let bytes = text.as_bytes().to_vec();
                let document = Document::recognise(&bytes, None);
                Some(Exhibit { path: path.into(), bytes, access: None, document })
            })),
            _ => {}
        }
    }
    // A Secret of a manifest in a Secret is not unfolded further.
    files.retain(|file| !matches!(file.document, Document::Yaml(_) | Document::Other));
    files
}
