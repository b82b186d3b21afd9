//! How far rotations are: for `certgen rotate status`, and in a line for `certgen status`.

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use super::tell::{LISTED, files};
use crate::apply::{Delivery, Dependent, Phase, Rotation, World};
use crate::commands::Answer;
use crate::env::Env;
use crate::error::Result;
use crate::ui::{self, Table};

/// How long the end of a rotation is told of while its bundles are not confirmed.
const REMEMBERED: Duration = Duration::days(30);

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
                    phase: rotation.stage(),
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
        let (phase, next) = (rotation.stage(), next(&rotation, &waiting, env.now));
        items.push(RotationItem { authority: rotation.authority, phase, next });
    }
    Ok(items)
}

/// The command that is safe now, and when.
pub(super) fn next(rotation: &Rotation, waiting: &[Dependent], now: OffsetDateTime) -> String {
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
