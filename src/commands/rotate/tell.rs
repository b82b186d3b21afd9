//! What a phase did, what has to be delivered, and what comes next.

use serde::Serialize;
use time::OffsetDateTime;

use super::standing;
use crate::apply::{Delivery, Dependent, Done, Phase, Rotation, Trust, World};
use crate::commands::{Answer, shared};
use crate::emit::rabbitmq::reload_commands;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::InterNodeTls;
use crate::store::layout::{self, Ca, Generation};
use crate::ui;

/// So many deliveries are listed for people; JSON has them all.
pub(super) const LISTED: usize = 50;

/// What was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Started,
    Switched,
    Finished,
    Aborted,
    SwitchedBack,
    Replaced,
}

impl Told {
    fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Switched => "switched",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
            Self::SwitchedBack => "went back",
            Self::Replaced => "replaced",
        }
    }
}

/// One line of what a phase did.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    role: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    not_after: Option<OffsetDateTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    elsewhere: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<bool>,
}

/// Says what was done with a rotation.
pub(super) fn phase(told: Told, was: &Rotation, done: &Done, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    let rotation = world.rotations().into_iter().find(|rotation| rotation.authority == was.authority);
    let deliveries = match &rotation {
        Some(rotation) => world.deliveries(rotation)?,
        None => world.deliveries_after(&was.authority)?,
    };
    let mut items: Vec<Item> = was.members.iter().filter_map(|name| member(told, name, &world, env)).collect();
    for written in &done.issued {
        items.push(Item {
            serial_number: Some(written.certificate.serial().to_string()),
            not_after: Some(written.certificate.validity().not_after),
            path: Some(ui::path(env.shown(&written.directory))),
            ..Item::of("renewed", written.role, &written.name)
        });
    }
    // A pair that was made just now is listed as such.
    let is_listed = |d: &Delivery| done.issued.iter().any(|w| w.role == d.role && w.name == d.name);
    let told_apart = |d: &&Delivery| !d.delivered && (env.json || !is_listed(d));
    items.extend(deliveries.iter().filter(told_apart).map(|d| delivery(d, &world, env)));
    if env.json {
        ui::items(env, &items)?;
    } else {
        print(&items, env)?;
    }
    shared::tell_clock(env);
    for note in &done.notes {
        env.say(note);
    }
    shared::warn_of_edited(&done.edited, env);
    if done.meetings > 0 && told != Told::Replaced {
        let meetings = if done.meetings == 1 { "one meeting".into() } else { format!("{} meetings", done.meetings) };
        env.say(format!("{meetings} of old and new files verified, by openssl's rules and Erlang's: they get along"));
    }
    explain(told, was, rotation.as_ref(), &deliveries, &world, env)?;
    Ok(Answer::Yes)
}

fn member(told: Told, name: &str, world: &World, env: &Env) -> Option<Item> {
    let generation = match told {
        Told::Started => Generation::Successor,
        _ => Generation::Present,
    };
    let ca = Ca::new(name, generation);
    let certificate = world.authority(ca)?;
    let path = layout::ca_certificate(ca).ok()?;
    Some(Item {
        serial_number: Some(certificate.serial().to_string()),
        not_after: Some(certificate.validity().not_after),
        path: Some(ui::path(env.shown(&world.store.path(path)))),
        ..Item::of(told.word(), layout::AUTHORITY, name)
    })
}

fn delivery(delivery: &Delivery, world: &World, env: &Env) -> Item {
    Item {
        files: Some(files(delivery, world, env)),
        elsewhere: Some(delivery.elsewhere),
        delivered: Some(delivery.delivered),
        ..Item::of("deliver", &delivery.role, &delivery.name)
    }
}

/// The files of a delivery, as they are typed.
pub(super) fn files(delivery: &Delivery, world: &World, env: &Env) -> Vec<String> {
    delivery.files.iter().map(|file| ui::path(env.shown(&world.store.path(file)))).collect()
}

fn print(items: &[Item], env: &mut Env) -> Result<()> {
    let (mut listed, mut more) = (0, 0);
    for item in items {
        let what = ui::plain(&format!("{}/{}", item.role, item.name));
        if let Some(files) = &item.files {
            listed += 1;
            if listed > LISTED {
                more += 1;
                continue;
            }
            let files = if files.is_empty() { "its copy elsewhere".to_owned() } else { files.join(" ") };
            writeln!(env.out(), "{:9} {what}  {files}", item.action)?;
        } else {
            let until = item.not_after.map_or_else(String::new, |end| format!("until {}", &ui::date(end)[..10]));
            writeln!(env.out(), "{:9} {what}  {until}  {}", item.action, item.path.as_deref().unwrap_or_default())?;
        }
    }
    if more > 0 {
        env.say(format!("and {more} more to deliver: certgen rotate status --json lists all"));
    }
    Ok(())
}

/// What all this means, and what to type next.
fn explain(
    told: Told,
    was: &Rotation,
    rotation: Option<&Rotation>,
    deliveries: &[Delivery],
    world: &World,
    env: &mut Env,
) -> Result<()> {
    let shown = ui::plain(&was.authority);
    let trust = Trust::of(world)?;
    let root = world.authority(was.authority.as_str()).filter(|root| root.is_self_issued());
    env.say(match (told, root.is_some()) {
        (Told::Started, true) => {
            format!("every bundle that holds {shown} holds its successor too; nothing is issued by it yet")
        }
        (Told::Started, false) => format!("nothing is issued by the successor of {shown} yet; no bundle changes"),
        (Told::Switched, true) => format!("{shown} signs with its new key; every bundle still holds both"),
        (Told::Switched, false) => format!("{shown} signs with its new key; no bundle changes"),
        (Told::Finished, _) if was.goes_back => {
            format!("the successor of {shown} that was given up is trusted by nobody any more, and its key is erased")
        }
        (Told::Finished, true) => format!("the old {shown} is in no bundle any more, and its key is erased"),
        (Told::Finished, false) => format!("the old key of {shown} is erased; no bundle changes"),
        (Told::Aborted, _) => {
            format!("the successor of {shown} is given up, and its key is erased; bundles are as before")
        }
        (Told::SwitchedBack, true) => format!("{shown} signs with its old key again; every bundle still holds both"),
        (Told::SwitchedBack, false) => format!("{shown} signs with its old key again; no bundle changes"),
        (Told::Replaced, true) => {
            format!("{shown} is another authority now, and nothing trusts the old one; its key is erased here")
        }
        (Told::Replaced, false) => format!("{shown} is another authority now; its old key is erased here"),
    });
    if told == Told::Replaced && root.is_none() {
        still_accepted(&was.authority, world, env)?;
    }
    if deliveries.iter().any(|d| !d.delivered) {
        let between_nodes = world.manifest.brokers().iter().any(|broker| broker.inter_node_tls != InterNodeTls::Off)
            && root.is_some_and(|root| trust.peers.contains(root));
        if told == Told::Replaced && between_nodes {
            // The tool has the new files at once, and the node that it talks to has not.
            env.say(
                "put the files where they are used; clients read them when they start, brokers after two minutes, or when they \
                 are restarted: until then rabbitmqctl on their hosts and the other nodes are refused",
            );
        } else {
            env.say(
                "put the files where they are used; clients read them when they start, brokers after two minutes, or at once \
                 after, on their hosts:",
            );
            for line in reloads(world) {
                env.say(format!("  {line}"));
            }
        }
    }
    if deliveries.iter().any(|d| d.elsewhere && d.files.is_empty())
        && let Some(bundle) = bundle_for_copies(told, &was.authority, world, env)?
    {
        env.say(bundle);
    }
    let listed = |target: &str| world.manifest.emit().iter().any(|consumer| consumer.target == target);
    for delivery in deliveries.iter().filter(|d| d.role == "emit" && !listed(&d.name)) {
        env.say(format!("what emit/{0} holds is as it was: certgen emit {0} writes it anew", delivery.name));
    }
    if told == Told::Started && world.manifest.brokers().iter().any(|broker| broker.management.enabled) {
        let path = layout::ca_certificate(Ca::new(&was.authority, Generation::Successor))?;
        if root.is_some_and(|root| trust.servers.contains(root)) {
            env.say(format!(
                "whoever imported {shown} into a browser imports its successor too: {}",
                ui::path(env.shown(&world.store.path(path)))
            ));
        }
    }
    if let Some(rotation) = rotation {
        let waiting = world.dependents(rotation, env.now)?;
        if rotation.phase == Phase::Switched {
            self::waiting(&waiting, env);
        }
        env.say(format!("next: {}", standing::next(rotation, &waiting, env.now)));
    }
    Ok(())
}

/// The root stays, and with it the way to whatever the stolen key signs.
fn still_accepted(authority: &str, world: &World, env: &mut Env) -> Result<()> {
    let chain = world.chain_from(authority)?;
    let Some(root) = chain.last().and_then(|root| world.issuer_of(root)) else { return Ok(()) };
    env.warn(format!(
        "whoever trusts {} accepts what the stolen key of {} signs: nobody asks whether an authority below the root is revoked",
        ui::quote(root.name),
        ui::quote(authority)
    ));
    if world.manifest.brokers().iter().any(|broker| broker.revocation) {
        env.say("brokers that check revocation lists refuse it once crls/ on their hosts holds no list but those of crls/ here");
    }
    env.say(format!("that ends with the root: certgen rotate start {} --compromised", ui::shell(root.name)));
    Ok(())
}

/// What a replacement without overlap does to those who are connected now.
pub(super) fn what_breaks(authority: &str, below: &[Dependent], env: &mut Env) {
    let names: Vec<String> = below.iter().take(LISTED).map(|d| ui::plain(&format!("{}/{}", d.role, d.name))).collect();
    let more = below.len().saturating_sub(names.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    env.say(format!(
        "there is no overlap: who has the new files and who has not refuse one another. It concerns authority {} and {}",
        ui::quote(authority),
        if names.is_empty() { "nothing that it signed".to_owned() } else { format!("{}{more}", names.join(", ")) }
    ));
}

/// What must still be issued again, and by whom.
pub(super) fn waiting(waiting: &[Dependent], env: &mut Env) {
    let elsewhere: Vec<&Dependent> = waiting.iter().filter(|d| d.elsewhere).collect();
    let here = waiting.len() - elsewhere.len();
    if here > 0 {
        env.say(format!("{here} still to be issued again by the next certgen rotate switch"));
    }
    if !elsewhere.is_empty() {
        env.say("to be issued again where the key is:");
    }
    for dependent in elsewhere.iter().take(LISTED) {
        env.say(format!("  {}/{}", dependent.role, ui::plain(&dependent.name)));
    }
    if elsewhere.len() > LISTED {
        env.say(format!("  and {} more", elsewhere.len() - LISTED));
    }
}

/// What makes the brokers of the manifest read their files.
pub(super) fn reloads(world: &World) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for broker in world.manifest.brokers() {
        for command in reload_commands(broker.platform, broker.inter_node_tls) {
            let line = command.iter().map(|word| ui::shell(word)).collect::<Vec<_>>().join(" ");
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// Where the bundle for a copy elsewhere is to be had.
fn bundle_for_copies(told: Told, authority: &str, world: &World, env: &Env) -> Result<Option<String>> {
    let generation = if told == Told::Started { Generation::Successor } else { Generation::Present };
    let path = ui::path(env.shown(&world.store.path(layout::ca_certificate(Ca::new(authority, generation))?)));
    Ok(match told {
        Told::Started => Some(format!("a copy elsewhere gets {path} appended to its ca_certificate.pem")),
        Told::Finished | Told::Replaced => {
            Some(format!("in a copy elsewhere {path} takes the place of the old certificate"))
        }
        _ => None,
    })
}

/// Names deliveries that nobody confirmed, with what follows if they have not arrived.
pub(super) fn unconfirmed(open: &[Delivery], consequence: &str, env: &mut Env) {
    for delivery in open.iter().take(LISTED) {
        let shown = ui::plain(&format!("{}/{}", delivery.role, delivery.name));
        env.warn(format!("nobody confirmed the delivery of {shown}: {consequence}"));
    }
    if open.len() > LISTED {
        env.warn(format!("nor that of {} more", open.len() - LISTED));
    }
}

/// Why a rotation cannot be finished yet.
pub(super) fn refused(rotation: &Rotation, dependents: &[Dependent]) -> Error {
    let name = ui::shell(&rotation.authority);
    let named: Vec<String> = dependents.iter().take(5).map(|d| ui::plain(&format!("{}/{}", d.role, d.name))).collect();
    let more = dependents.len().saturating_sub(named.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let error = Error::failed(format!(
        "the rotation of authority {} cannot be finished: the old one signed what {}{more} still show",
        ui::quote(&rotation.authority),
        named.join(", ")
    ));
    let error = match dependents.iter().any(|d| !d.elsewhere) {
        true => error.hint(format!("issue it again with certgen rotate switch {name}")),
        false => error,
    };
    let error = match dependents.iter().find(|d| d.elsewhere) {
        Some(d) => error
            .hint(format!("with a request: certgen issue {} {} --csr FILE --force", d.role, ui::shell(&d.name)))
            .hint(format!("what is not used any more goes with certgen remove {}/{}", d.role, ui::shell(&d.name))),
        None => error,
    };
    error.hint("or add --force, and it is refused from then on")
}

impl Item {
    fn of(action: &'static str, role: &str, name: &str) -> Self {
        Self {
            action,
            role: role.to_owned(),
            name: name.to_owned(),
            serial_number: None,
            not_after: None,
            path: None,
            files: None,
            elsewhere: None,
            delivered: None,
        }
    }
}
