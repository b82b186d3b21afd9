//! Where a cause is to be changed, when the PKI at hand has the file, and what to type.

use std::collections::BTreeMap;
use std::path::Path;

use super::asked::Asked;
use crate::apply::World;
use crate::diagnosis::{CauseId, Side};
use crate::emit::rabbitmq::reload_commands;
use crate::env::Env;
use crate::explain::shell_fill;
use crate::probe::{Observation, Target, Verdict};
use crate::store::{self, layout};
use crate::ui;

/// A configuration is not longer.
const CONF_LIMIT: u64 = 1 << 20;
const DEFINITIONS_LIMIT: u64 = 64 << 20;

/// What helps.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Files and lines.
    pub(super) files: Vec<String>,
    /// What to type or to change.
    pub(super) remedies: Vec<String>,
}

/// Finds them.
pub(super) fn of(verdict: &Verdict, seen: &Observation, asked: &Asked, target: &Target, env: &Env) -> Places {
    let mut places = Places::default();
    let Some(cause) = verdict.cause else { return places };
    // Another PKI's server is not changed in our files.
    let served = seen.chain.first().and_then(|leaf| leaf.as_ref().ok());
    let world = asked.world.as_ref().filter(|world| served.is_none_or(|leaf| world.issuer_of(leaf).is_some()));
    let identity = world.zip(served).and_then(|(world, leaf)| served_identity(world, leaf));
    if let Some(world) = world {
        if is_of_identity(cause)
            && let Some((role, name)) = &identity
            && let Ok(path) = layout::certificate(role, name)
        {
            places.files.push(ui::path(env.shown(&world.store.path(path))));
        }
        for key in settings(cause, verdict.refused_by) {
            places.files.extend(line_of(world, key, env));
        }
        if let CauseId::UserUnknown | CauseId::VhostMissing | CauseId::VhostRefused = cause {
            places.files.extend(definitions(world, asked, env));
        }
    }
    let served = identity.as_ref().map(|(role, name)| ui::shell(&format!("{role}/{name}")));
    places.remedies = own(cause, verdict, asked, served.as_deref());
    // NAME is whose certificate is refused.
    let ours = asked.identity.as_ref().map(|(_, name)| name);
    let theirs = identity.as_ref().map(|(_, name)| name);
    let name = if verdict.refused_by == Side::Broker { ours } else { theirs };
    let mut known = BTreeMap::from([
        ("host".to_owned(), target.host().to_owned()),
        ("port".to_owned(), target.port().to_string()),
        ("vhost".to_owned(), asked.vhost.clone()),
    ]);
    known.extend(name.map(|name| ("name".to_owned(), name.clone())));
    for remedy in &cause.cause().remedy {
        let said = shell_fill(remedy, &known);
        // That one was just done.
        if !said.starts_with("certgen probe ") && !places.remedies.contains(&said) {
            places.remedies.push(said);
        }
    }
    places
}

/// The identity of the PKI whose certificate is served, or was before.
fn served_identity(world: &World, leaf: &crate::x509::Certificate) -> Option<(String, String)> {
    let name = leaf.subject().common_name()?;
    let found = world.directories().iter().find(|(role, directory)| role.serves() && directory == name)?;
    Some((found.0.to_string(), found.1.clone()))
}

/// Causes that lie in the certificate that the server shows.
fn is_of_identity(cause: CauseId) -> bool {
    matches!(
        cause,
        CauseId::ServerExpired
            | CauseId::ServerNotYetValid
            | CauseId::ServerNameMismatch
            | CauseId::ServerNameOnlyInCommonName
            | CauseId::ServerPurpose
            | CauseId::StaleCertificate
            | CauseId::NodeNameMismatch
            | CauseId::NodeWildcard
            | CauseId::NodePurpose
    )
}

/// The settings of rabbitmq.conf that decide about a cause.
fn settings(cause: CauseId, refused_by: Side) -> &'static [&'static str] {
    match cause {
        CauseId::ClientCaUnknown | CauseId::ClientChainIncomplete => &["ssl_options.cacertfile"],
        CauseId::AuthoritySameName if refused_by == Side::Broker => &["ssl_options.cacertfile"],
        CauseId::ClientMissing => &["ssl_options.fail_if_no_peer_cert"],
        CauseId::ServerChainIncomplete | CauseId::ServerSelfSigned => &["ssl_options.certfile"],
        CauseId::KeyMismatch => &["ssl_options.certfile", "ssl_options.keyfile"],
        CauseId::KeyUnusable | CauseId::KeyPasswordWrong => &["ssl_options.keyfile", "ssl_options.password"],
        CauseId::MechanismNotOffered => &["auth_mechanisms.1"],
        CauseId::UserUnknown | CauseId::LoginNameDistinguished | CauseId::LoginNameMissing => &["ssl_cert_login_from"],
        CauseId::ManagementAsksCertificate => &["management.ssl.verify", "management.ssl.fail_if_no_peer_cert"],
        CauseId::VersionTooOld => &["ssl_options.versions.1"],
        CauseId::CertificateNotAsked => &["ssl_options.verify"],
        _ => &[],
    }
}

/// `pki/rabbitmq/rabbitmq.conf:12: ssl_options.cacertfile = ...`, for each broker that has it.
fn line_of(world: &World, key: &str, env: &Env) -> Vec<String> {
    let mut found = Vec::new();
    for broker in world.manifest.brokers() {
        let Ok(path) =
            layout::rabbitmq_dir(broker.name.as_deref()).map(|dir| world.store.path(dir.join("rabbitmq.conf")))
        else {
            continue;
        };
        let Ok(bytes) = store::read_limited(&path, CONF_LIMIT) else { continue };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let is_key = |line: &&(usize, &str)| line.1.split('=').next().is_some_and(|k| k.trim() == key);
        let shown = ui::path(env.shown(&path));
        found.push(match text.lines().enumerate().find(|line| is_key(&line)) {
            Some((at, line)) => format!("{shown}:{}: {}", at + 1, ui::plain(line.trim())),
            None => format!("{shown}: {key} is not set"),
        });
    }
    found
}

/// Whether the definitions at hand have the user: if so, the broker has not been told.
fn definitions(world: &World, asked: &Asked, env: &Env) -> Vec<String> {
    let Some((_, name)) = &asked.identity else { return Vec::new() };
    let mut found = Vec::new();
    for broker in world.manifest.brokers() {
        let Ok(directory) = layout::rabbitmq_dir(broker.name.as_deref()).map(|dir| world.store.path(dir)) else {
            continue;
        };
        let files = [directory.join("definitions.json"), directory.join("definitions.d").join(format!("{name}.json"))];
        let has = files.iter().find(|path| names_user(path, name));
        found.push(match has {
            Some(path) => format!(
                "{} has the user {}: rabbitmqctl import_definitions brings it to a broker that runs",
                ui::path(env.shown(path)),
                ui::quote(name)
            ),
            None => format!("{} does not have the user {}", ui::path(env.shown(&files[0])), ui::quote(name)),
        });
    }
    found
}

fn names_user(path: &Path, name: &str) -> bool {
    let Ok(bytes) = store::read_limited(path, DEFINITIONS_LIMIT) else { return false };
    let read: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
    read.is_ok_and(|read| read["users"].as_array().is_some_and(|users| users.iter().any(|user| user["name"] == name)))
}

/// What this PKI can do about it.
fn own(cause: CauseId, verdict: &Verdict, asked: &Asked, served: Option<&str>) -> Vec<String> {
    let client = asked.identity.as_ref().map(|(role, name)| ui::shell(&format!("{role}/{name}")));
    let mut lines = Vec::new();
    let stale =
        cause == CauseId::StaleCertificate || verdict.also.iter().any(|(also, _)| *also == CauseId::StaleCertificate);
    if stale && let Some(world) = &asked.world {
        for broker in world.manifest.brokers() {
            for command in reload_commands(broker.platform, broker.inter_node_tls) {
                let line = command.iter().map(|word| ui::shell(word)).collect::<Vec<_>>().join(" ");
                let line = format!("on the broker's host, when the files are there: {line}");
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
        }
        return lines;
    }
    match (cause, served, client) {
        (CauseId::ServerExpired, Some(served), _) => lines.push(format!("certgen renew {served} --reload rabbitmq")),
        (CauseId::ClientExpired, _, Some(client)) => lines.push(format!("certgen renew {client}")),
        (CauseId::ClientMissing, ..) => lines.push("present a certificate: --client NAME".to_owned()),
        _ => {}
    }
    lines
}
