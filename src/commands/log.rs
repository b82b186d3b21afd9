//! `certgen log`

use crate::apply::World;
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::Result;
use crate::store::Action;
use crate::ui::{self, Table};

/// Show who did what, and when
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen log\n  certgen log client/celery_worker\n  certgen log -n 20 --json")]
pub(crate) struct LogArgs {
    /// Only what happened to these: a role, NAME or ROLE/NAME
    #[arg(value_name = "ROLE|NAME", add = shared::complete_all_names())]
    what: Vec<String>,
    /// Only the last N events
    #[arg(long, short = 'n', value_name = "N")]
    last: Option<usize>,
    /// Show the files that were written for consumers too
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(args: &LogArgs, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    let events: Vec<_> =
        world.inventory.events.iter().filter(|e| args.all || e.action != Action::Emitted).cloned().collect();
    let mut events = shared::select(&args.what, events, |e| {
        (e.role.as_deref().unwrap_or_default(), e.name.as_deref().unwrap_or_default())
    })?;
    if let Some(last) = args.last {
        events.drain(..events.len().saturating_sub(last));
    }
    if env.json {
        ui::items(env, &events)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["TIME", "ACTOR", "ACTION", "NAME", "SERIAL"]);
    for event in &events {
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
    table.print(env)?;
    Ok(Answer::Yes)
}

/// The word for an action, as the inventory has it, with spaces.
fn word(action: Action) -> String {
    serde_json::to_value(action).ok().and_then(|v| v.as_str().map(|s| s.replace('_', " "))).unwrap_or_default()
}
