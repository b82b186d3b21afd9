//! A service of a Compose file, and what is mounted into it.

use std::path::{Component, Path, PathBuf};

use crate::doctor::deployment::is_carried;
use crate::doctor::syntax::yaml::Node;
use crate::doctor::{Case, Exhibit};

/// One service.
#[derive(Debug)]
pub(super) struct Service<'a> {
    pub(super) exhibit: &'a Exhibit,
    pub(super) name: &'a str,
    pub(super) line: usize,
    pub(super) node: &'a Node,
    pub(super) mounts: Vec<Mount<'a>>,
}

/// Something that a container sees at a path.
#[derive(Debug)]
pub(super) struct Mount<'a> {
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// As it is written.
    pub(super) written: String,
    /// The path in the container.
    pub(super) target: PathBuf,
    /// Where it comes from, on this machine; `None` for what Docker keeps itself, or where a variable decides.
    pub(super) source: Option<PathBuf>,
    /// The files of the case in it.
    pub(super) files: Vec<&'a Exhibit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory or file of the host.
    Bind,
    /// What Docker keeps.
    Volume,
    /// A secret or a config from a file.
    Handed,
}

impl<'a> Service<'a> {
    pub(super) fn all(case: &'a Case, exhibit: &'a Exhibit, project: &'a Node) -> Vec<Self> {
        let services = project.get("services").map(Node::entries).unwrap_or_default();
        let read = |(name, node): &'a (Node, Node)| {
            let directory = exhibit.path.parent().unwrap_or(Path::new(""));
            let mut mounts: Vec<Mount<'a>> =
                items(node, "volumes").filter_map(|item| volume(item, directory)).collect();
            mounts.extend(handed(node, project, "secrets", directory));
            mounts.extend(handed(node, project, "configs", directory));
            for mount in &mut mounts {
                mount.files = mount.source.as_deref().map(|source| within(case, source)).unwrap_or_default();
            }
            Some(Self { exhibit, name: name.text()?, line: name.line, node, mounts })
        };
        services.iter().filter_map(read).collect()
    }

    /// It runs RabbitMQ itself. A service that only hands files out from the same image has an own entrypoint.
    pub(super) fn is_broker(&self) -> bool {
        if self.node.get("entrypoint").is_some() {
            return false;
        }
        let mounts_there = |mount: &Mount<'_>| mount.target.starts_with("/etc/rabbitmq");
        match self.image() {
            Some(image) => repository(image) == "rabbitmq",
            None => self.name.contains("rabbit") || self.mounts.iter().any(mounts_there),
        }
    }

    pub(super) fn image(&self) -> Option<&'a str> {
        self.text("image")
    }

    pub(super) fn is_bitnami(&self) -> bool {
        self.image().is_some_and(|image| image.contains("bitnami"))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.node.get(key)?.text()
    }

    /// The variables that the file itself sets: name, value, line.
    pub(super) fn environment(&self) -> Vec<(&'a str, &'a str, usize)> {
        let Some(environment) = self.node.get("environment") else { return Vec::new() };
        let listed = environment.items().iter().filter_map(|item| {
            let (name, value) = item.text()?.split_once('=')?;
            Some((name, value, item.line))
        });
        let mapped =
            environment.entries().iter().filter_map(|(name, value)| Some((name.text()?, value.text()?, name.line)));
        listed.chain(mapped).collect()
    }

    /// The mount that decides what is at `path`: the deepest one.
    pub(super) fn mount_of(&self, path: &Path) -> Option<&Mount<'a>> {
        let over = self.mounts.iter().filter(|mount| path.starts_with(&mount.target));
        // The last of two with the same target wins.
        over.max_by_key(|mount| mount.target.components().count())
    }

    /// The file that the container sees at `path`.
    pub(super) fn file_at(&self, path: &Path) -> Option<&'a Exhibit> {
        let mount = self.mount_of(path)?;
        mount.files.iter().copied().find(|exhibit| mount.path_of(exhibit).as_deref() == Some(path))
    }

    /// The files that the container sees, each with its path there.
    pub(super) fn files(&self) -> impl Iterator<Item = (&Mount<'a>, &'a Exhibit, PathBuf)> {
        self.mounts.iter().flat_map(|mount| {
            mount.files.iter().filter_map(move |exhibit| Some((mount, *exhibit, mount.path_of(exhibit)?)))
        })
    }
}

impl Mount<'_> {
    /// It is one file, not a directory.
    pub(super) fn is_single(&self) -> bool {
        self.kind == Kind::Handed
            || self.files.iter().any(|exhibit| self.source.as_deref() == Some(normal(&exhibit.path).as_path()))
    }

    /// Where the container sees a file.
    pub(super) fn path_of(&self, exhibit: &Exhibit) -> Option<PathBuf> {
        let path = normal(&exhibit.path);
        let inside = path.strip_prefix(self.source.as_deref()?).ok()?;
        Some(if inside.as_os_str().is_empty() { self.target.clone() } else { self.target.join(inside) })
    }
}

fn items<'a>(node: &'a Node, key: &str) -> impl Iterator<Item = &'a Node> {
    node.get(key).map(Node::items).unwrap_or_default().iter()
}

/// An entry of `volumes:`, in either way of writing it.
fn volume<'a>(item: &Node, directory: &Path) -> Option<Mount<'a>> {
    let mount = |source: Option<&str>, target: &str, is_bind: bool| Mount {
        line: item.line,
        kind: if is_bind { Kind::Bind } else { Kind::Volume },
        written: source.unwrap_or(target).to_owned(),
        target: normal(Path::new(target)),
        source: source.filter(|source| is_bind && !source.contains('$')).map(|source| normal(&directory.join(source))),
        files: Vec::new(),
    };
    if let Some(target) = item.get("target").and_then(Node::text) {
        let source = item.get("source").and_then(Node::text);
        return Some(mount(source, target, item.get("type").and_then(Node::text) == Some("bind")));
    }
    let text = item.text()?;
    // A drive letter of Windows is no source; what follows it is.
    let skip = if text.as_bytes().get(1) == Some(&b':') && text[2..].starts_with(['\\', '/']) { 2 } else { 0 };
    // `${NAME:-default}` has colons of its own.
    let mut depth = 0;
    let colon = text.bytes().enumerate().skip(skip).find_map(|(at, byte)| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        (byte == b':' && depth == 0).then_some(at)
    });
    let Some((source, rest)) = colon.map(|colon| (&text[..colon], &text[colon + 1..])) else {
        return Some(mount(None, text, false));
    };
    let target = rest.split(':').next().unwrap_or(rest);
    Some(mount(Some(source), target, skip > 0 || source.starts_with(['.', '/', '~', '$'])))
}

/// Secrets and configs that come from files.
fn handed<'a>(node: &'a Node, project: &'a Node, key: &'a str, directory: &Path) -> Vec<Mount<'a>> {
    let below = if key == "secrets" { "/run/secrets" } else { "/" };
    let read = |item: &'a Node| {
        let source = item.text().or_else(|| item.get("source")?.text())?;
        let target = item.get("target").and_then(Node::text).unwrap_or(source);
        let file = project.get(key)?.get(source)?.get("file")?.text()?;
        Some(Mount {
            line: item.line,
            kind: Kind::Handed,
            written: file.to_owned(),
            target: normal(&Path::new(below).join(target)),
            source: (!file.contains('$')).then(|| normal(&directory.join(file))),
            files: Vec::new(),
        })
    };
    items(node, key).filter_map(read).collect()
}

/// The files of the case at or below a path.
fn within<'a>(case: &'a Case, source: &Path) -> Vec<&'a Exhibit> {
    let is_within = |exhibit: &&Exhibit| normal(&exhibit.path).starts_with(source) && !is_carried(&exhibit.path);
    case.exhibits.iter().filter(is_within).collect()
}

/// A path without `.` and, as far as its text allows, without `..`.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some_and(|name| name != "..") => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// The name of an image without registry, tag and digest.
fn repository(image: &str) -> &str {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split([':', '@']).next().unwrap_or(last)
}
