//! What NAME, ROLE/NAME and SERIAL mean.

use crate::apply::World;
use crate::commands::shared;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store::{Issued, layout};
use crate::ui;
use crate::x509::SerialNumber;

/// One certificate to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) issued: Issued,
}

/// The certificates that `text` names; those of a name that have not expired, revoked or not.
pub(super) fn find(world: &World, text: &str, env: &Env) -> Result<Vec<Target>> {
    let (role, name) = shared::split_role(text);
    if role == Some(layout::AUTHORITY) {
        return authority(world, name, env);
    }
    // An identity that was taken out has certificates that somebody may still hold.
    let has = |r: &Role| world.knows(*r, name) || !world.inventory.unexpired(r.as_str(), name, env.now).is_empty();
    let found: Vec<Role> =
        Role::ALL.into_iter().filter(|r| role.is_none_or(|wanted| wanted == r.as_str())).filter(has).collect();
    let is_authority = role.is_none() && world.authority(name).is_some();
    match (found.as_slice(), is_authority) {
        ([only], false) => certificates(world, only.as_str(), name, env),
        ([], true) => authority(world, name, env),
        ([], false) => serial(world, text, role.is_some(), env),
        (several, _) => {
            let roles = several.iter().map(|r| r.as_str()).chain(is_authority.then_some(layout::AUTHORITY));
            let written: Vec<String> = roles.map(|role| format!("{role}/{}", ui::shell(name))).collect();
            Err(Error::failed(format!("more than one has the name {}", ui::quote(name)))
                .hint(format!("write {}", written.join(" or "))))
        }
    }
}

fn certificates(world: &World, role: &str, name: &str, env: &Env) -> Result<Vec<Target>> {
    let unexpired = world.inventory.unexpired(role, name, env.now);
    if unexpired.is_empty() {
        let shown = ui::plain(&format!("{role}/{name}"));
        return Err(Error::failed(format!(
            "{shown} has no certificate that is still valid: there is nothing to revoke"
        ))
        .hint(format!("see its history with certgen log {shown}")));
    }
    let target = |issued| Target { role: role.to_owned(), name: name.to_owned(), issued };
    Ok(unexpired.into_iter().map(target).collect())
}

fn authority(world: &World, name: &str, env: &Env) -> Result<Vec<Target>> {
    if world.authority_certificate(name)?.is_self_issued() {
        return Err(Error::failed(format!(
            "authority {} is a root and cannot be revoked: there is nobody above it whose list could say so",
            ui::quote(name)
        ))
        .hint(format!("put another in its place: {}", shared::rotate(name))));
    }
    certificates(world, layout::AUTHORITY, name, env)
}

fn serial(world: &World, text: &str, has_role: bool, env: &Env) -> Result<Vec<Target>> {
    let unknown = || {
        let what = if has_role { "identity" } else { "identity and no certificate with the serial number" };
        shared::no_identity(world, text, what)
    };
    let number: SerialNumber = text.trim().parse().ok().filter(|_| !has_role).ok_or_else(unknown)?;
    let found = world.inventory.by_serial(&number.to_string());
    let (role, name, issued) = match found.as_slice() {
        [] => return Err(unknown()),
        [only] => only.clone(),
        several => {
            let names: Vec<String> =
                several.iter().map(|(role, name, _)| ui::plain(&format!("{role}/{name}"))).collect();
            return Err(Error::failed(format!(
                "more than one certificate has that serial number: {}",
                names.join(", ")
            ))
            .hint("name the identity instead"));
        }
    };
    if let Some(end) = issued.not_after.filter(|end| *end < env.now) {
        return Err(Error::failed(format!(
            "the certificate {number} of {} expired on {}: there is nothing to revoke",
            ui::plain(&format!("{role}/{name}")),
            ui::date(end)
        )));
    }
    if role == layout::AUTHORITY {
        return authority(world, &name, env)
            .map(|targets| targets.into_iter().filter(|t| t.issued.serial == number.to_string()).collect());
    }
    Ok(vec![Target { role, name, issued }])
}
