//! Mounts: what never changes, what is hidden, what is not there, what should not be there.

use std::collections::HashMap;
use std::path::Path;

use super::service::{Kind, Mount, Service};
use super::{at, is_configuration, named_files};
use crate::diagnosis::CauseId;
use crate::doctor::case::is_authority;
use crate::doctor::deployment::is_carried;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use crate::ui;
use crate::x509::{Certificate, ExtendedKeyUsage};

/// Names of files that Docker would make a directory of.
const FILES: &[&str] = &["conf", "config", "json", "pem", "crt", "cer", "key", "p12"];

pub(super) fn check(case: &Case, broker: &Service<'_>, findings: &mut Vec<Finding>) {
    for mount in &broker.mounts {
        findings.extend(single(broker, mount));
        findings.extend(missing(case, broker, mount));
        findings.extend(hides_image(broker, mount));
        keys_of_others(case, broker, mount, findings);
    }
    findings.extend(twice(broker));
    not_there(case, broker, findings);
}

/// A rename gives the directory another file; the mount keeps the old one.
fn single(broker: &Service<'_>, mount: &Mount<'_>) -> Option<Finding> {
    let holds_crypto = mount.files.iter().any(|exhibit| !exhibit.things().is_empty());
    let looks_like_it = mount.files.is_empty()
        && mount.kind != Kind::Volume
        && mount.target.extension().is_some_and(|e| ["pem", "crt", "cer", "key"].iter().any(|known| e == *known));
    if !(looks_like_it || (holds_crypto && mount.is_single())) {
        return None;
    }
    let problem = format!("{} is handed to the broker as a single file", ui::quote(&mount.written));
    Some(
        at(Severity::Warning, "single-file-mount", broker.exhibit, mount.line, problem)
            .cause(CauseId::StaleCertificate)
            .effect(
                "a renewal that puts a new file in its place is never seen: the broker shows the old certificate until the \
                 container is made anew",
            )
            .remedy(format!("mount its directory: ./certs:{}:ro", ui::path(mount.target.parent().unwrap_or(Path::new("/"))))),
    )
}

/// What is not there Docker makes, as an empty directory of root's.
fn missing(case: &Case, broker: &Service<'_>, mount: &Mount<'_>) -> Option<Finding> {
    let source = mount.source.as_deref().filter(|source| source.is_relative() && !source.starts_with(".."))?;
    let directory = super::service::normal(broker.exhibit.path.parent()?);
    let was_walked = case.directories.keys().any(|known| super::service::normal(known) == directory);
    let is_file = mount.target.extension().is_some_and(|e| FILES.iter().any(|known| e == *known))
        || mount.target.ends_with("enabled_plugins");
    if !was_walked || !is_file || !mount.files.is_empty() || !source.starts_with(&directory) {
        return None;
    }
    let problem = format!("{} is mounted as a file, and is not there", ui::quote(&mount.written));
    Some(
        at(Severity::Error, "mount-source-missing", broker.exhibit, mount.line, problem)
            .cause(CauseId::FileUnreadable)
            .effect("Docker makes an empty directory of that name, and the broker finds a directory where it expects a file")
            .remedy("make the file first, or correct the path; it counts from the directory of the Compose file"),
    )
}

/// `/etc/rabbitmq` of the image holds what the broker is to load.
fn hides_image(broker: &Service<'_>, mount: &Mount<'_>) -> Option<Finding> {
    let hides = mount.kind == Kind::Bind && mount.target == Path::new("/etc/rabbitmq") && !mount.files.is_empty();
    let has = |name: &str| {
        let path = mount.target.join(name);
        broker.file_at(&path).is_some()
    };
    let image = broker.image().filter(|image| image.contains("management"))?;
    (hides && !has("enabled_plugins")).then(|| {
        let problem =
            format!("{} lies over the image's /etc/rabbitmq and has no enabled_plugins", ui::quote(&mount.written));
        at(Severity::Error, "mount-hides", broker.exhibit, mount.line, problem)
            .effect(format!(
                "no plugin is enabled: {} has no management UI, and EXTERNAL is not offered",
                ui::quote(image)
            ))
            .remedy(
                "put enabled_plugins into the directory, or mount at /etc/rabbitmq/certs and single settings beside it",
            )
            .remedy("certgen emit compose")
    })
}

/// Keys that the broker has no use for: one finding for each kind.
fn keys_of_others(case: &Case, broker: &Service<'_>, mount: &Mount<'_>, findings: &mut Vec<Finding>) {
    let users = users(case);
    let (mut authorities, mut clients) = (Vec::new(), Vec::new());
    let keys: Vec<_> = mount.files.iter().flat_map(|exhibit| exhibit.keys().map(move |key| (*exhibit, key))).collect();
    if keys.is_empty() {
        return;
    }
    let certificates = case.exhibits.iter().flat_map(Exhibit::certificates);
    let owners: HashMap<String, &Certificate> = certificates.map(|c| (c.public_key().sha256_hex(), c)).collect();
    for (exhibit, key) in keys {
        match key.public_key.as_ref().and_then(|key| owners.get(&key.sha256).copied()) {
            Some(owner) if is_authority(owner) => authorities.push(exhibit),
            Some(owner) if is_client(owner, &users) => clients.push(exhibit),
            _ => {}
        }
    }
    let told = |code, found: &[&Exhibit], whose: &str, effect: &str| {
        let others = if found.len() > 1 { format!(" and {} more", found.len() - 1) } else { String::new() };
        let path = ui::path(&found.first()?.path);
        let problem = format!("{} gives the broker {path}{others}, the key of {whose}", ui::quote(&mount.written));
        let finding = at(Severity::Warning, code, broker.exhibit, mount.line, problem).effect(effect);
        Some(finding.remedy("mount a directory with the broker's own files alone"))
    };
    let (issue, login) = (
        "whoever gets into the broker's container can issue certificates in any name",
        "whoever gets into the broker's container can log in elsewhere as that client",
    );
    findings.extend(told("authority-key-mounted", &authorities, "an authority", issue));
    findings.extend(told("client-key-mounted", &clients, "a client", login));
}

/// It says that it is for clients alone; or it says nothing, and has the name of a user.
fn is_client(certificate: &Certificate, users: &[String]) -> bool {
    match certificate.extended_key_usage() {
        Some(usages) => {
            usages.contains(&ExtendedKeyUsage::ClientAuth) && !usages.contains(&ExtendedKeyUsage::ServerAuth)
        }
        None => certificate.subject().common_names().iter().any(|name| users.iter().any(|user| user == name)),
    }
}

/// The users of all definitions.
fn users(case: &Case) -> Vec<String> {
    let definitions = case.exhibits.iter().filter_map(|exhibit| match &exhibit.document {
        Document::Json(value) => value.get("users")?.as_array(),
        _ => None,
    });
    definitions.flatten().filter_map(|user| Some(user.get("name")?.as_str()?.to_owned())).collect()
}

/// Compose takes the last of two, and says nothing.
fn twice(broker: &Service<'_>) -> Option<Finding> {
    let (first, second) = broker.mounts.iter().enumerate().find_map(|(at, mount)| {
        let before = broker.mounts[..at].iter().find(|known| known.target == mount.target)?;
        Some((before, mount))
    })?;
    let problem = format!("{} is mounted twice", ui::path(&second.target));
    Some(
        at(Severity::Error, "mount-hides", broker.exhibit, first.line, problem)
            .effect(format!("the last one counts: nothing of {} reaches the broker", ui::quote(&first.written)))
            .remedy("put the files into one directory, or mount the two at different paths"),
    )
}

/// What rabbitmq.conf names and the container does not have.
fn not_there(case: &Case, broker: &Service<'_>, findings: &mut Vec<Finding>) {
    for conf in configurations(case, broker) {
        for (line, key, value) in named_files(conf) {
            let path = Path::new(&value);
            let Some(mount) = broker.mount_of(path) else { continue };
            // What nobody looked into may hold it.
            if mount.files.is_empty() || broker.file_at(path).is_some() {
                continue;
            }
            let has: Vec<String> =
                mount.files.iter().filter_map(|file| file.path.file_name()?.to_str()).map(ui::plain).take(6).collect();
            let problem = format!(
                "{} names {}, and {} in {} has no such file (it has {})",
                ui::plain(&key),
                ui::quote(&value),
                ui::quote(&mount.written),
                ui::path(&broker.exhibit.path),
                has.join(", ")
            );
            findings.push(
                at(Severity::Error, "file-not-mounted", conf, line, problem)
                    .cause(CauseId::FileUnreadable)
                    .effect(format!(
                        "the broker does not boot: \"{key} invalid, file does not exist or cannot be read by the node\""
                    ))
                    .remedy(format!(
                        "mount the directory that holds it at {}",
                        ui::path(path.parent().unwrap_or(path))
                    )),
            );
        }
    }
}

/// The rabbitmq.conf of a broker: what is mounted into it; else the only one there is.
pub(super) fn configurations<'a>(case: &'a Case, broker: &Service<'a>) -> Vec<&'a Exhibit> {
    let is_conf = |exhibit: &&Exhibit| is_configuration(exhibit) && !is_carried(&exhibit.path);
    let mounted: Vec<_> = broker.files().map(|(_, exhibit, _)| exhibit).filter(is_conf).collect();
    if !mounted.is_empty() {
        return mounted;
    }
    let all: Vec<_> = case.exhibits.iter().filter(is_conf).collect();
    if all.len() == 1 { all } else { Vec::new() }
}
