//! `certgen revoke`

mod advice;
mod targets;

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{self, Change, NameRefusals, Order, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Editor, Entry};
use crate::profile::Role;
use crate::store::{Locked, Revocation, layout};
use crate::ui;
use crate::x509::RevocationReason;

use advice::Advice;
use targets::Target;

/// Revoke certificates: the authority's list names them, and the user leaves the broker
///
/// A NAME means every certificate of it that has not expired, those too that a renewal replaced; a SERIAL means one. The
/// issuer's revocation list is written with it, and the command says what stops the key now. The entry stays in
/// certgen.toml, but nothing issues it again by itself, and a client's user leaves definitions.json. What is revoked
/// already stays as it is; where there is nothing else to do, that is an error.
///
/// Reasons (RFC 5280): unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation,
/// certificateHold, privilegeWithdrawn, aACompromise. With keyCompromise the keys of the pair in history/ are erased. A
/// certificateHold can be taken back with removeFromCRL; every other revocation is for good.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen revoke client/reporting --reason keyCompromise\n  \
                  certgen revoke reporting --replace-with reporting-2\n  \
                  certgen revoke client/reporting --reason certificateHold")]
pub(crate) struct RevokeArgs {
    /// The identities, intermediate authorities (authority/NAME) or serial numbers
    #[arg(value_name = "NAME|SERIAL", required = true, add = shared::complete_all_names())]
    what: Vec<String>,
    /// Why, in RFC 5280's words; removeFromCRL takes a hold back
    #[arg(long, value_name = "REASON", default_value = "unspecified", hide_default_value = true, value_parser = parse_reason, add = clap_complete::engine::ArgValueCompleter::new(complete_reasons))]
    reason: RevocationReason,
    /// Issue client NEWNAME with the same names, virtual hosts, permissions and tags (one NAME)
    #[arg(long, value_name = "NEWNAME")]
    replace_with: Option<String>,
    /// Run what takes the user out of the broker, on this host, instead of printing it
    #[arg(long)]
    run: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// What was done, one line each.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    role: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    not_after: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// What stops the key now, to be run on the broker's host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<String>,
}

pub(crate) fn run(args: RevokeArgs, env: &mut Env) -> Result<Answer> {
    let release = args.reason == RevocationReason::RemoveFromCrl;
    if release && args.replace_with.is_some() {
        return Err(Error::usage("--replace-with does not go with --reason removeFromCRL"));
    }
    let (mut world, mut locked) = World::lock("revoke", env)?;
    let mut targets: Vec<Target> = Vec::new();
    for text in &args.what {
        for target in targets::find(&world, text, env)? {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
    }
    let replacement = match &args.replace_with {
        Some(name) => Some(replacement(&mut world, &targets, name, env)?),
        None => None,
    };
    let mut advice = Advice::before(&world, &targets, env)?;
    let mut vault = Vault::new(&args.unlock);
    let (mut items, done) =
        carry_out(&args, &mut world, &targets, replacement, &mut vault, &mut locked, &mut advice, env)?;
    drop(locked);
    let ran = if args.run { advice.run(env) } else { Ok(()) };
    for item in items.iter_mut().filter(|item| item.action == "revoked") {
        item.commands = advice.commands_for(&item.role, &item.name);
    }
    for list in &done.lists {
        items.push(Item {
            path: Some(ui::path(env.shown(&list.path))),
            not_after: list.crl.next_update(),
            ..Item::about("wrote", layout::AUTHORITY, &list.authority)
        });
    }
    tell(&items, env)?;
    shared::tell_clock(env);
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    if release {
        tell_released(&items, &world, &done, env);
    } else {
        advice.tell(args.run, env);
    }
    if let Some(name) = &args.replace_with {
        apply::lines_for_running_brokers(&world, &done, name, env).iter().for_each(|line| env.say(line));
    }
    ran.map(|()| Answer::Yes)
}

/// Decides for each certificate, and makes the change.
#[allow(clippy::too_many_arguments, reason = "the parts of one change, each borrowed by the next")]
fn carry_out(
    args: &RevokeArgs,
    world: &mut World,
    targets: &[Target],
    replacement: Option<(Entry, String)>,
    vault: &mut Vault,
    locked: &mut Locked,
    advice: &mut Advice,
    env: &Env,
) -> Result<(Vec<Item>, apply::Done)> {
    let release = args.reason == RevocationReason::RemoveFromCrl;
    let reason = Some(args.reason).filter(|reason| *reason != RevocationReason::Unspecified);
    let mut change = Change::new(world, vault, env);
    let issuers: BTreeSet<&str> = targets.iter().map(|target| target.issued.issuer.as_str()).collect();
    issuers.into_iter().try_for_each(|issuer| change.recover(issuer))?;
    let recovered = !change.is_empty();
    for target in targets.iter().filter(|_| !release) {
        if change.world.authority(target.issued.issuer.as_str()).is_some()
            && !change.world.may_sign_lists(target.issued.issuer.as_str())?
        {
            return Err(advice.without_list(&target.role, &target.name));
        }
    }
    let mut items = Vec::new();
    for target in targets {
        let standing = change.standing(&target.issued.issuer, &target.issued.serial);
        let action = match (&standing, release) {
            (None, false) => "revoked",
            (Some(old), false) if old.gives_way_to(reason.map(RevocationReason::as_str)) => "revoked",
            (Some(old), true) if old.is_hold() => "released",
            _ => "unchanged",
        };
        match action {
            "revoked" => change.revoke(&target.role, &target.name, &target.issued, reason)?,
            "released" => change.release(&target.role, &target.name, &target.issued)?,
            _ => {}
        }
        let told =
            if action == "unchanged" { standing.and_then(|old| old.reason) } else { reason.map(|r| r.to_string()) };
        items.push(Item {
            serial_number: Some(target.issued.serial.clone()),
            issuer: Some(target.issued.issuer.clone()),
            reason: told.filter(|_| !release),
            not_after: target.issued.not_after,
            ..Item::about(action, &target.role, &target.name)
        });
    }
    if items.iter().all(|item| item.action == "unchanged") && replacement.is_none() && !recovered {
        return Err(nothing_to_do(targets, release, &change));
    }
    if let Some((entry, text)) = replacement {
        items.push(issue(&mut change, entry)?);
        change.manifest(text);
    }
    change.refresh_revocation_lists()?;
    change.refresh_configuration()?;
    advice.after(&change);
    Ok((items, change.commit(locked)?))
}

/// The client that takes the place of a revoked one: its entry, and the manifest with it.
fn replacement(world: &mut World, targets: &[Target], name: &str, env: &Env) -> Result<(Entry, String)> {
    let identities: BTreeSet<(&str, &str)> = targets.iter().map(|t| (t.role.as_str(), t.name.as_str())).collect();
    let old = match identities.first() {
        Some((role, old)) if identities.len() == 1 && *role == Role::Client.as_str() => (*old).to_owned(),
        _ => return Err(Error::usage("--replace-with goes with exactly one client")),
    };
    let refuse = |why: String| Error::failed(format!("client {} was not replaced: {why}", ui::quote(&old)));
    let Some(mut spec) = world.spec(Role::Client, &old).as_deref().cloned() else {
        return Err(refuse("it has no entry any more".to_owned()).hint(format!(
            "issue the new one by itself: certgen issue client {} --vhost V --access ACCESS",
            ui::shell(name)
        )));
    };
    if world.knows(Role::Client, name) {
        return Err(refuse(format!("client {} exists already", ui::quote(name))).hint("choose another name"));
    }
    spec.existing_user = None;
    let mut editor = Editor::new(&world.manifest_text, "certgen.toml")?;
    world.manifest.entry_from(Role::Client, name, &spec).map_err(|e| shared::blame(e, Role::Client, name, &spec))?;
    editor.put_entry(Role::Client, name, &spec)?;
    let text = editor.into_text();
    let manifest = world.parse(&text)?;
    let entry = manifest.entry(Role::Client, name).cloned();
    let entry = entry.ok_or_else(|| refuse(format!("client {} got lost", ui::quote(name))))?;
    let before = world.entry(Role::Client, &old).as_deref().cloned();
    for broker in world.manifest.brokers_of(&entry).filter(|_| entry.user.is_some()) {
        let user = apply::user_name(&entry, broker.login_from)?;
        if before.as_ref().is_some_and(|b| apply::user_name(b, broker.login_from).is_ok_and(|old| old == user)) {
            return Err(refuse(format!(
                "the broker does not take the user from the common name, and the new certificate would be the user {} again",
                ui::quote(&user)
            ))
            .hint("issue one with other names: certgen issue client NAME --san VALUE"));
        }
    }
    let mut refusals = NameRefusals::new(world);
    refusals.privileged_user(&entry)?;
    refusals.case_twin(&entry)?;
    world.refuse_owner(&entry)?;
    world.refuse_leaked(&entry, env)?;
    world.save(manifest);
    Ok((entry, text))
}

fn issue(change: &mut Change<'_>, entry: Entry) -> Result<Item> {
    let trust = change.trust()?;
    let name = entry.name.clone();
    change.identity(Order::new(entry), &trust)?;
    let written = change.done.issued.last().ok_or_else(|| Error::failed("nothing was issued"))?;
    Ok(Item {
        serial_number: Some(written.certificate.serial().to_string()),
        issuer: Some(written.issuer.clone()),
        not_after: Some(written.certificate.validity().not_after),
        path: Some(ui::path(change.env.shown(&written.directory))),
        ..Item::about("issued", Role::Client.as_str(), &name)
    })
}

/// Whoever revokes twice may believe that something happened.
fn nothing_to_do(targets: &[Target], release: bool, change: &Change<'_>) -> Error {
    let Some(first) = targets.first() else { return Error::failed("nothing to revoke") };
    let shown = ui::plain(&format!("{}/{}", first.role, first.name));
    let told = |old: &Revocation| {
        let reason = old.reason.as_ref().map_or_else(String::new, |reason| format!(", {reason}"));
        format!("on {}{}", ui::date(old.time), ui::plain(&reason))
    };
    let standing = targets.iter().find_map(|t| change.standing(&t.issued.issuer, &t.issued.serial));
    match (release, standing) {
        (true, None) => Error::failed(format!("{shown} is not on hold: it was not revoked")),
        (true, Some(old)) => Error::failed(format!("{shown} is not on hold: it was revoked {}", told(&old)))
            .hint("only a certificateHold can be taken back"),
        (false, Some(old)) => Error::failed(format!("{shown} is revoked already, {}", told(&old)))
            .hint("nothing was changed; its authority's list is written again with certgen crl"),
        (false, None) => Error::failed(format!("{shown}: nothing to revoke")),
    }
}

fn tell(items: &[Item], env: &mut Env) -> Result<()> {
    if env.json {
        return ui::items(env, items);
    }
    for item in items {
        let what = ui::plain(&format!("{}/{}", item.role, item.name));
        let until = item.not_after.map(|end| format!("until {}", &ui::date(end)[..10]));
        let words = match item.action {
            "issued" | "wrote" => [until, item.path.clone()],
            _ => [item.serial_number.clone(), item.reason.as_deref().map(ui::plain)],
        };
        let words: Vec<String> = words.into_iter().flatten().collect();
        writeln!(env.out(), "{:9} {what}  {}", item.action, words.join("  "))?;
    }
    Ok(())
}

fn tell_released(items: &[Item], world: &World, done: &apply::Done, env: &mut Env) {
    let names: BTreeSet<&str> =
        items.iter().filter(|i| i.action == "released" && i.role == "client").map(|i| i.name.as_str()).collect();
    for name in names {
        apply::lines_for_running_brokers(world, done, name, env).iter().for_each(|line| env.say(line));
    }
}

impl Item {
    fn about(action: &'static str, role: &str, name: &str) -> Self {
        Self {
            action,
            role: role.to_owned(),
            name: name.to_owned(),
            serial_number: None,
            issuer: None,
            reason: None,
            not_after: None,
            path: None,
            commands: Vec::new(),
        }
    }
}

fn parse_reason(text: &str) -> Result<RevocationReason, String> {
    text.parse().map_err(|e: crate::x509::X509Error| e.to_string())
}

fn complete_reasons(typed: &std::ffi::OsStr) -> Vec<clap_complete::CompletionCandidate> {
    let typed = typed.to_string_lossy().to_lowercase();
    let words = RevocationReason::ALL.into_iter().map(RevocationReason::as_str);
    words.filter(|w| w.to_lowercase().starts_with(&typed)).map(clap_complete::CompletionCandidate::new).collect()
}
