//! What a phase did, what has to be delivered, and what comes next.

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::apply::{Delivery, Dependent, Done, Phase, Rotation, World};
use crate::commands::{Answer, shared};
use crate::emit::rabbitmq::reload_commands;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::layout::{self, Ca, Generation};
use crate::ui::{self, Table};

/// So many deliveries are listed for people; JSON has them all.
const LISTED: usize = 50;
/// How long the end of a rotation is told of while its bundles are not confirmed.
const REMEMBERED: Duration = Duration::days(30);

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

/// How far one rotation is.
#[derive(Debug, Serialize)]
struct StatusItem {
    authority: String,
    phase: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    members: Vec<String>,
    /// What the old authority signed and somebody still shows.
    waiting: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_seconds: Option<i64>,
    next: Option<String>,
    deliveries: Vec<DeliveryItem>,
}

#[derive(Debug, Serialize)]
struct DeliveryItem {
    role: String,
    name: String,
    files: Vec<String>,
    elsewhere: bool,
    delivered: bool,
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
    items.extend(deliveries.iter().filter(|d| !d.delivered && !is_listed(d)).map(|d| delivery(d, &world, env)));
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
    if done.meetings > 0 {
        let meetings = if done.meetings == 1 { "one meeting".into() } else { format!("{} meetings", done.meetings) };
        env.say(format!(
            "{meetings} of old and new files verified, by openssl's rules and Erlang's: nobody is refused"
        ));
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

fn files(delivery: &Delivery, world: &World, env: &Env) -> Vec<String> {
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
    env.say(match told {
        Told::Started => {
            format!("every bundle that holds {shown} holds its successor too; nothing is issued by it yet")
        }
        Told::Switched => format!("{shown} signs with its new key; every bundle still holds both"),
        Told::Finished => format!("the old {shown} is in no bundle any more, and its key is erased"),
        Told::Aborted => format!("the successor of {shown} is given up, and its key is erased; bundles are as before"),
        Told::SwitchedBack => format!("{shown} signs with its old key again; every bundle still holds both"),
        Told::Replaced => {
            format!("{shown} is another authority now, and nothing trusts the old one; its key is erased here")
        }
    });
    if deliveries.iter().any(|d| !d.delivered) {
        env.say(
            "put the files where they are used; brokers read them after two minutes, or at once after, on their hosts:",
        );
        for line in reloads(world) {
            env.say(format!("  {line}"));
        }
    }
    if deliveries.iter().any(|d| d.elsewhere && d.files.is_empty())
        && let Some(bundle) = bundle_for_copies(told, &was.authority, world, env)?
    {
        env.say(bundle);
    }
    if told == Told::Started && world.manifest.brokers().iter().any(|broker| broker.management.enabled) {
        let path = layout::ca_certificate(Ca::new(&was.authority, Generation::Successor))?;
        let root = world.authority(was.authority.as_str()).is_some_and(|ca| ca.is_self_issued());
        if root {
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
        env.say(format!("next: {}", next(rotation, &waiting, env.now)));
    }
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

/// The command that is safe now, and when.
fn next(rotation: &Rotation, waiting: &[Dependent], now: OffsetDateTime) -> String {
    let name = ui::shell(&rotation.authority);
    match rotation.phase {
        Phase::Started => {
            let wait =
                if rotation.left_to_wait(now).is_some() { ", five minutes after the files are in use" } else { "" };
            format!("certgen rotate switch {name}{wait}")
        }
        Phase::Switched if waiting.iter().any(|dependent| !dependent.elsewhere) => {
            format!("certgen rotate switch {name}")
        }
        Phase::Switched => format!("certgen rotate finish {name}, when the files are in use"),
    }
}

/// What makes the brokers of the manifest read their files.
fn reloads(world: &World) -> Vec<String> {
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

/// The deliveries that can be confirmed.
pub(super) fn open_deliveries(world: &World, authority: Option<&str>, env: &Env) -> Result<Vec<Delivery>> {
    let mut all: Vec<Delivery> = Vec::new();
    for (_, deliveries) in known(world, authority, env)? {
        for delivery in deliveries {
            if !all.iter().any(|d| d.role == delivery.role && d.name == delivery.name && !d.delivered) {
                all.push(delivery);
            }
        }
    }
    Ok(all)
}

/// Rotations in progress, and the end of those of which not everything is confirmed.
type Known = (std::result::Result<Rotation, Ended>, Vec<Delivery>);

struct Ended {
    authority: String,
    time: OffsetDateTime,
    given_up: bool,
}

fn known(world: &World, authority: Option<&str>, env: &Env) -> Result<Vec<Known>> {
    let mut all = Vec::new();
    let rotations = match authority {
        Some(name) => {
            world.authority_certificate(name)?;
            let all = world.rotations().into_iter();
            all.filter(|rotation| rotation.members.iter().any(|member| member == name)).collect()
        }
        None => world.rotations(),
    };
    let busy: Vec<String> = rotations.iter().flat_map(|rotation| rotation.members.clone()).collect();
    for rotation in rotations {
        let deliveries = world.deliveries(&rotation)?;
        all.push((Ok(rotation), deliveries));
    }
    for name in world.authority_names().filter(|name| authority.is_none_or(|one| one == *name)) {
        let ended = world.rotation_ended(name).filter(|_| !busy.iter().any(|b| b == name));
        let Some((time, given_up)) = ended else { continue };
        let deliveries = world.deliveries_after(name)?;
        let open = deliveries.iter().any(|d| !d.delivered) && env.now - time < REMEMBERED;
        if authority.is_some() || open {
            all.push((Err(Ended { authority: name.to_owned(), time, given_up }), deliveries));
        }
    }
    Ok(all)
}

/// Shows every rotation.
pub(super) fn status(authority: Option<&str>, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    let mut items = Vec::new();
    for (rotation, deliveries) in known(&world, authority, env)? {
        let deliveries = deliveries.iter().map(|d| DeliveryItem {
            role: d.role.clone(),
            name: d.name.clone(),
            files: files(d, &world, env),
            elsewhere: d.elsewhere,
            delivered: d.delivered,
        });
        let deliveries = deliveries.collect();
        items.push(match rotation {
            Ok(rotation) => {
                let waiting = match rotation.phase {
                    Phase::Started => Vec::new(),
                    Phase::Switched => world.dependents(&rotation, env.now)?,
                };
                StatusItem {
                    phase: rotation.phase.as_str(),
                    since: rotation.since,
                    wait_seconds: rotation.left_to_wait(env.now).map(Duration::whole_seconds),
                    next: Some(next(&rotation, &waiting, env.now)),
                    waiting: waiting.iter().map(|d| format!("{}/{}", d.role, d.name)).collect(),
                    authority: rotation.authority,
                    members: rotation.members,
                    deliveries,
                }
            }
            Err(Ended { authority, time, given_up }) => StatusItem {
                members: vec![authority.clone()],
                authority,
                phase: if given_up { "aborted" } else { "finished" },
                since: time,
                waiting: Vec::new(),
                wait_seconds: None,
                next: None,
                deliveries,
            },
        });
    }
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    if items.is_empty() {
        env.say(match authority {
            Some(name) => format!("authority {} is not being rotated", ui::quote(name)),
            None => "no authority is being rotated".to_owned(),
        });
    }
    for item in &items {
        show(item, env)?;
    }
    Ok(Answer::Yes)
}

fn show(item: &StatusItem, env: &mut Env) -> Result<()> {
    let since = ui::date(item.since);
    let members = match item.members.len() {
        1 => String::new(),
        n => format!(", with {} below it", n - 1),
    };
    writeln!(env.out(), "authority/{}  {} on {since}{members}", ui::plain(&item.authority), item.phase)?;
    let mut table = Table::new(&["TO DELIVER", "FILES", "CONFIRMED"]);
    for delivery in item.deliveries.iter().take(LISTED) {
        let files = if delivery.files.is_empty() { "its copy elsewhere".to_owned() } else { delivery.files.join(" ") };
        let confirmed = if delivery.delivered { "yes" } else { "no" };
        table.row([ui::plain(&format!("{}/{}", delivery.role, delivery.name)), files, confirmed.to_owned()]);
    }
    if !item.deliveries.is_empty() {
        table.print(env)?;
    }
    if item.deliveries.len() > LISTED {
        env.say(format!("and {} more: certgen rotate status --json lists all", item.deliveries.len() - LISTED));
    }
    if !item.waiting.is_empty() {
        let first: Vec<String> = item.waiting.iter().take(5).map(|w| ui::plain(w)).collect();
        let more = item.waiting.len().saturating_sub(first.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        env.say(format!("the old authority signed what these still show: {}{more}", first.join(", ")));
    }
    if item.deliveries.iter().any(|d| !d.delivered) {
        env.say("confirm what is in use: certgen rotate status --delivered NAME...");
    }
    if let Some(next) = &item.next {
        env.say(format!("next: {next}"));
    }
    Ok(())
}

/// How far a rotation is, for `certgen status`.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct RotationItem {
    pub(in crate::commands) authority: String,
    pub(in crate::commands) phase: &'static str,
    pub(in crate::commands) next: String,
}

/// The rotations in progress.
pub(in crate::commands) fn in_progress(world: &World, env: &Env) -> Result<Vec<RotationItem>> {
    let mut items = Vec::new();
    for rotation in world.rotations() {
        let waiting = world.dependents(&rotation, env.now)?;
        let (phase, next) = (rotation.phase.as_str(), next(&rotation, &waiting, env.now));
        items.push(RotationItem { authority: rotation.authority, phase, next });
    }
    Ok(items)
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
