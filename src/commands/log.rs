//! `certgen log`

use crate::apply::World;
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::Result;
use crate::ui::{self, Table};

/// Show who did what, and when
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen log\n  certgen log client/celery_worker\n  certgen log -n 20 --json")]
pub(crate) struct LogArgs {
    /// Only what happened to these: a role, NAME or ROLE/NAME
    #[arg(value_name = "ROLE|NAME", add = shared::complete_names())]
    what: Vec<String>,
    /// Only the last N events
    #[arg(long, short = 'n', value_name = "N")]
    last: Option<usize>,
}

pub(crate) fn run(args: &LogArgs, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    let events: Vec<_> = world.inventory.events().cloned().collect();
    let mut events = shared::select(&args.what, events, |e| (e.role.as_str(), e.name.as_str()))?;
    if let Some(last) = args.last {
        events.drain(..events.len().saturating_sub(last));
    }
    if env.json {
        ui::items(env, &events)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["TIME", "ACTOR", "ACTION", "NAME", "SERIAL"]);
    for event in &events {
        let name = if event.name.is_empty() { event.role.clone() } else { format!("{}/{}", event.role, event.name) };
        table.row([
            ui::date(event.time),
            ui::plain(&event.actor),
            event.action.as_str().replace('_', " "),
            ui::plain(&name),
            event.serial.as_deref().unwrap_or("-").chars().take(16).collect(),
        ]);
    }
    table.print(env)?;
    Ok(Answer::Yes)
}
