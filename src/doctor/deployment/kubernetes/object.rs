//! An object of a manifest, with what others want to know of it.

use crate::doctor::syntax::yaml::Node;
use crate::doctor::{Case, Document, Exhibit};
use crate::x509::{Certificate, read_pem};

/// One object.
#[derive(Debug)]
pub(super) struct Object<'a> {
    pub(super) exhibit: &'a Exhibit,
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) node: &'a Node,
}

/// One value of a Secret or ConfigMap.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    pub(super) line: usize,
    /// What it holds; `None` where it is no base64.
    pub(super) bytes: Option<Vec<u8>>,
}

impl<'a> Object<'a> {
    pub(super) fn all(case: &'a Case) -> Vec<Self> {
        let objects = super::manifests(case).flat_map(|(exhibit, file)| Self::within(exhibit, file));
        objects.collect()
    }

    /// The objects of one file.
    pub(super) fn within(exhibit: &'a Exhibit, file: &'a crate::doctor::syntax::yaml::File) -> Vec<Self> {
        let read = |node: &'a Node| {
            let text = |path: &[&str]| node.at(path).and_then(Node::text);
            Some(Self {
                exhibit,
                kind: text(&["kind"])?,
                name: text(&["metadata", "name"])?,
                namespace: text(&["metadata", "namespace"]),
                node,
            })
        };
        file.objects().filter_map(read).collect()
    }

    pub(super) fn text(&self, path: &[&str]) -> Option<&'a str> {
        self.node.at(path)?.text()
    }

    /// The line on which a value stands, else the one on which the object begins.
    pub(super) fn line(&self, path: &[&str]) -> usize {
        self.node.at(path).map_or(self.node.line, |node| node.line)
    }

    /// Another object that this one names: of that kind, in the same namespace as far as both say theirs.
    pub(super) fn named<'b>(&self, objects: &'b [Self], kind: &str, name: &str) -> Option<&'b Self> {
        let is_near = |other: &&Self| match (self.namespace, other.namespace) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        };
        objects.iter().filter(|other| other.kind == kind && other.name == name).find(is_near)
    }

    /// What a Secret or ConfigMap holds.
    pub(super) fn entries(&self) -> Vec<Entry<'a>> {
        let read = |section: &str, encoded: bool| {
            let entries = self.node.get(section).map(Node::entries).unwrap_or_default();
            entries.iter().filter_map(move |(key, value)| {
                let text = value.text()?;
                let bytes = if encoded { decoded(text) } else { Some(text.as_bytes().to_vec()) };
                Some(Entry { key: key.text()?, line: key.line, bytes })
            })
        };
        let is_secret = self.kind == "Secret";
        let mut entries: Vec<Entry<'a>> = read("data", is_secret).collect();
        entries.extend(read("binaryData", true));
        for text in read("stringData", false) {
            // The API server lets the text win.
            entries.retain(|known| known.key != text.key);
            entries.push(text);
        }
        entries
    }

    /// The file that an entry becomes in a pod.
    pub(super) fn file(&self, entry: &Entry<'_>) -> Option<Exhibit> {
        let path =
            format!("{}#{}/{}/{}", self.exhibit.path.display(), self.kind.to_ascii_lowercase(), self.name, entry.key);
        let bytes = entry.bytes.clone()?;
        let document = Document::recognise(&bytes, None);
        Some(Exhibit { path: path.into(), bytes, access: None, document })
    }

    /// The certificate that a Secret gives a server.
    pub(super) fn leaf(&self) -> Option<Certificate> {
        let entries = self.entries();
        self.file(entries.iter().find(|entry| entry.key == "tls.crt")?)?.leaf().cloned()
    }
}

/// What base64 stands for. The reader of PEM does it, which does not tell a key by the time that it takes.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    if text.is_empty() {
        return Some(Vec::new());
    }
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN DATA-----\n{}\n-----END DATA-----\n", lines.join("\n"));
    Some(read_pem(pem.as_bytes()).ok()?.into_iter().next()?.der.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read() {
        assert_eq!(decoded("YQ==").as_deref(), Some(&b"a"[..]));
        assert_eq!(decoded("").as_deref(), Some(&b""[..]));
        assert_eq!(decoded("YWFh\n  YWFh\n").as_deref(), Some(&b"aaaaaa"[..]));
        assert_eq!(decoded("not base64!"), None);
    }
}
