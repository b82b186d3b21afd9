//! Who the broker is in its container, and what it may read.

use std::path::Path;

use super::at;
use super::service::{Kind, Service, normal};
use crate::diagnosis::CauseId;
use crate::doctor::{Access, Case, Finding, Severity};
use crate::ui;

/// User and group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    uid: u32,
    gid: u32,
}

pub(super) fn check(case: &Case, broker: &Service<'_>, findings: &mut Vec<Finding>) {
    let Some(identity) = identity(broker) else { return };
    for mount in broker.mounts.iter().filter(|mount| mount.kind != Kind::Volume) {
        let crypto = mount.files.iter().filter(|exhibit| !exhibit.things().is_empty());
        let closed: Vec<_> = crypto
            .filter(|exhibit| {
                let source = mount.source.as_deref().unwrap_or(Path::new(""));
                exhibit.access.is_some_and(|access| !may_read(access, identity))
                    || !may_enter(case, &exhibit.path, source, identity)
            })
            .collect();
        let Some(first) = closed.first() else { continue };
        let others = if closed.len() > 1 { format!(" and {} more", closed.len() - 1) } else { String::new() };
        let how = first
            .access
            .map_or(String::new(), |a| format!(" (mode {:04o}, owner {}:{})", a.mode & 0o7777, a.uid, a.gid));
        let Identity { uid, gid } = identity;
        let problem = format!("the broker runs as {uid}:{gid} and cannot read {}{how}{others}", ui::path(&first.path));
        findings.push(
            at(Severity::Error, "file-unreadable", broker.exhibit, mount.line, problem)
                .cause(CauseId::FileUnreadable)
                .effect("the broker does not boot: \"ssl_options.keyfile invalid, file does not exist or cannot be read by the node\"")
                .remedy(format!("chown -R {uid}:{gid} {}", ui::shell(&mount.source.as_deref().unwrap_or(&first.path).to_string_lossy())))
                .remedy("certgen emit compose, which hands each its files; never make a key readable for all"),
        );
    }
}

/// Who the broker is; `None` where a variable or a name decides.
fn identity(broker: &Service<'_>) -> Option<Identity> {
    let Some(user) = broker.text("user") else {
        return Some(if broker.is_bitnami() {
            Identity { uid: 1001, gid: 0 }
        } else {
            Identity { uid: 999, gid: 999 }
        });
    };
    let (uid, gid) = user.split_once(':').unwrap_or((user, "0"));
    let id = |text: &str| if text == "rabbitmq" { Some(999) } else { text.parse().ok() };
    Some(Identity { uid: id(uid)?, gid: id(gid)? })
}

fn may_read(access: Access, identity: Identity) -> bool {
    allowed(access, identity, 0o4)
}

/// Every directory from the mounted one to the file can be passed.
fn may_enter(case: &Case, file: &Path, source: &Path, identity: Identity) -> bool {
    let inside = case.directories.iter().filter(|(path, _)| {
        let path = normal(path);
        normal(file).starts_with(&path) && path.starts_with(source)
    });
    inside.into_iter().all(|(_, access)| allowed(*access, identity, 0o1))
}

fn allowed(access: Access, identity: Identity, bit: u32) -> bool {
    let shift = match (access.uid == identity.uid, access.gid == identity.gid) {
        _ if identity.uid == 0 => return true,
        (true, _) => 6,
        (false, true) => 3,
        _ => 0,
    };
    access.mode >> shift & bit != 0
}
