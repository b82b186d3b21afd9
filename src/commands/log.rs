//! `certgen log`

use crate::apply::World;
use crate::commands::Answer;
use crate::commands::shared::{self, Words};
use crate::env::Env;
use crate::error::Result;
use crate::store::{Action, Event};
use crate::ui::{self, Table};

/// Show who did what, and when
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen log\n  certgen log client/celery_worker\n  certgen log -n 20 --json")]
pub(crate) struct LogArgs {
    /// Only what happened to these: a role, NAME or ROLE/NAME
    #[arg(value_name = "ROLE|NAME", add = shared::complete_all_names())]
    what: Vec<String>,
    /// Only the last N events
    #[arg(long, short = 'n', value_name = "N", visible_alias = "limit")]
    last: Option<usize>,
    /// Show the files that were written for consumers too
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: &LogArgs, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    let words = Words::of(&args.what, &world.inventory)?;
    let is_meant = |event: &Event| {
        (args.all || event.action != Action::Emitted)
            && words.mean(event.role.as_deref().unwrap_or_default(), event.name.as_deref().unwrap_or_default())
    };
    let inventory = &world.inventory;
    let events: Box<dyn Iterator<Item = Event>> = match (words.named(), args.last) {
        (Some(named), _) => {
            let histories = named.iter().filter_map(|(role, name)| inventory.history(role, name));
            let mut moments: Vec<_> = histories.flat_map(|history| history.events).collect();
            moments.sort_unstable();
            let mut events: Vec<Event> =
                moments.into_iter().filter_map(|moment| inventory.event(moment)).filter(is_meant).collect();
            let first = events.len().saturating_sub(args.last.unwrap_or(usize::MAX));
            Box::new(events.split_off(first).into_iter())
        }
        (None, Some(last)) => {
            let events: Vec<Event> = inventory.events_back().filter(is_meant).take(last).collect();
            Box::new(events.into_iter().rev())
        }
        (None, None) => Box::new(inventory.events().filter(is_meant)),
    };
    if env.json {
        ui::stream(env, events)?;
        inventory.check()?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["TIME", "ACTOR", "ACTION", "NAME", "SERIAL"]);
    for event in events {
        let name = match (&event.role, &event.name, &event.path) {
            (Some(role), Some(name), _) => format!("{role}/{name}"),
            (_, _, Some(path)) => path.clone(),
            _ => event.profile.clone().unwrap_or_default(),
        };
        table.row([
            ui::date(event.time.0),
            ui::plain(&event.actor),
            word(event.action),
            ui::plain(&name),
            event.serial.as_deref().unwrap_or("-").chars().take(16).collect(),
        ]);
    }
    inventory.check()?;
    table.print(env)?;
    Ok(Answer::Yes)
}

/// The word for an action, as the inventory has it, with spaces.
fn word(action: Action) -> String {
    serde_json::to_value(action).ok().and_then(|v| v.as_str().map(|s| s.replace('_', " "))).unwrap_or_default()
}
