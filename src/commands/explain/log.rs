//! What was found in a log: a table of what is known, then the explanations of the most frequent.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::tell;
use crate::commands::Answer;
use crate::diagnosis::CauseId;
use crate::env::Env;
use crate::error::Result;
use crate::explain::{Group, Spot, Summary};
use crate::ui::{self, Table};

/// How many groups are shown.
const SHOWN: usize = 40;
/// How many of them are explained.
const EXPLAINED: usize = 3;
/// How many addresses are named.
const PEERS: usize = 2;

/// Events of one kind, as `--json` has them.
#[derive(Serialize)]
struct Item<'s> {
    count: u64,
    causes: Vec<tell::Item<'s>>,
    first: Place<'s>,
    last: Place<'s>,
    peers: Vec<String>,
}

#[derive(Serialize)]
struct Place<'s> {
    line: u64,
    time: Option<&'s str>,
}

impl<'s> Place<'s> {
    fn of(spot: &'s Spot) -> Self {
        Self { line: spot.line, time: spot.time.as_deref() }
    }
}

/// Tells it.
pub(super) fn tell(summary: &Summary, env: &mut Env) -> Result<Answer> {
    if env.json {
        scripts(summary, env)?;
    } else {
        people(summary, env)?;
    }
    Ok(Answer::Yes)
}

fn scripts(summary: &Summary, env: &mut Env) -> Result<()> {
    let mut items = ui::Items::new(env);
    for group in &summary.groups {
        items.item(env, |_| Item {
            count: group.count,
            causes: group.matches.iter().map(tell::Item::of).collect(),
            first: Place::of(&group.first),
            last: Place::of(&group.last),
            peers: group.peers.iter().map(ToString::to_string).collect(),
        })?;
    }
    let samples: Vec<Value> = summary
        .unknown
        .samples
        .iter()
        .map(|(spot, text)| json!({ "line": spot.line, "time": spot.time, "text": ui::plain(text) }))
        .collect();
    let mut rest = Map::new();
    rest.insert("lines".to_owned(), summary.lines.into());
    rest.insert("unknown".to_owned(), json!({ "count": summary.unknown.count, "samples": samples }));
    items.end_with(env, &rest)
}

fn people(summary: &Summary, env: &mut Env) -> Result<()> {
    if summary.groups.is_empty() {
        writeln!(env.out(), "{}: nothing known is wrong", count(summary.lines, "line"))?;
        return unknown(summary, env);
    }
    let mut table = Table::new(&["COUNT", "CAUSE", "FIRST", "LAST", "ABOUT"]);
    for group in summary.groups.iter().take(SHOWN) {
        table.row([group.count.to_string(), causes(group), place(&group.first), place(&group.last), about(group)]);
    }
    table.print(env)?;
    let hidden = &summary.groups[summary.groups.len().min(SHOWN)..];
    if !hidden.is_empty() {
        let events = hidden.iter().map(|group| group.count).sum();
        writeln!(
            env.out(),
            "and {} in {} more (--json has all)",
            count(events, "event"),
            count(hidden.len() as u64, "row")
        )?;
    }
    unknown(summary, env)?;
    let mut told: Vec<Vec<CauseId>> = Vec::new();
    for group in &summary.groups {
        let same: Vec<CauseId> = group.matches.iter().map(|one| one.cause.id).collect();
        if told.contains(&same) {
            continue;
        }
        if told.len() == EXPLAINED {
            writeln!(env.out(), "\nThe others: certgen explain WORD, with a word of the column CAUSE.")?;
            break;
        }
        told.push(same);
        writeln!(env.out(), "\n--- {} (line {}) ---\n", causes(group), group.first.line)?;
        tell::people(&group.matches, env)?;
    }
    Ok(())
}

fn unknown(summary: &Summary, env: &mut Env) -> Result<()> {
    let unknown = &summary.unknown;
    if unknown.count == 0 {
        return Ok(());
    }
    let look = if unknown.count == 1 { "looks" } else { "look" };
    writeln!(
        env.out(),
        "{} {look} like TLS in trouble and {} not known, such as:",
        count(unknown.count, "event"),
        if unknown.count == 1 { "is" } else { "are" }
    )?;
    for (spot, text) in &unknown.samples {
        writeln!(env.out(), "  line {}: {}", spot.line, ui::plain(text))?;
    }
    Ok(())
}

fn causes(group: &Group) -> String {
    let first = group.matches.first().map(|one| one.cause.id.word()).unwrap_or_default();
    match group.matches.len() {
        0 | 1 => first,
        many => format!("{first}, or {} more", many - 1),
    }
}

fn place(spot: &Spot) -> String {
    match &spot.time {
        Some(time) => format!("{} (line {})", ui::plain(time), spot.line),
        None => format!("line {}", spot.line),
    }
}

/// What the events name, and from where they came.
fn about(group: &Group) -> String {
    let mut about: Vec<String> = match group.mixed {
        true => vec!["several".to_owned()],
        false => group.matches.first().map(crate::explain::Match::named).unwrap_or_default(),
    };
    let peers: Vec<String> = group.peers.iter().take(PEERS).map(ToString::to_string).collect();
    if !peers.is_empty() {
        let more = group.peers.len().saturating_sub(PEERS);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        about.push(format!("from {}{more}", peers.join(", ")));
    }
    about.join("; ")
}

fn count(number: u64, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
