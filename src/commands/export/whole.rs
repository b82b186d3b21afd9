//! `export --all`: the whole PKI in an age file.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::apply::World;
use crate::commands::Answer;
use crate::commands::export::{ExportArgs, seal_to};
use crate::env::Env;
use crate::error::Result;
use crate::store::{self, Action, Event, Locked, Snapshot, seal::SealTo};
use crate::ui;

/// What was written.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    path: String,
    files: u64,
    bytes: u64,
    recipients: Vec<String>,
}

pub(super) fn run(args: &ExportArgs, to_stream: bool, env: &mut Env) -> Result<Answer> {
    let (_, locked) = World::lock("export", env)?;
    let to = seal_to(args, env)?;
    let out = args.out.as_deref().unwrap_or(Path::new("-"));
    let snapshot = if to_stream {
        pack(&locked, env.out(), &to)?
    } else {
        store::write_stream(&env.cwd.join(out), locked.store(), |file| pack(&locked, file, &to))?
    };
    record(&locked, args, out, env)?;
    drop(locked);
    tell(args, out, &snapshot, to_stream, env)
}

fn pack(locked: &Locked, out: &mut dyn Write, to: &SealTo) -> Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let out = store::seal::seal_stream(out, to, |writer| {
        snapshot = locked.pack(writer)?;
        Ok(())
    })?;
    out.flush()?;
    Ok(snapshot)
}

/// The keys are in one more place now.
fn record(locked: &Locked, args: &ExportArgs, out: &Path, env: &Env) -> Result<()> {
    let mut event = Event::new(Action::Exported, &env.actor, env.now, env.real_now)?;
    event.path = Some(ui::path(out));
    event.recipients.clone_from(&args.recipient);
    event.note = Some("the whole PKI, in an age file".to_owned());
    let mut transaction = locked.transaction();
    transaction.append([event]);
    transaction.commit()
}

fn tell(args: &ExportArgs, out: &Path, snapshot: &Snapshot, to_stream: bool, env: &mut Env) -> Result<Answer> {
    let Snapshot { files, bytes, left_out, .. } = snapshot;
    for path in left_out {
        env.say(format!("left out: {}, which is no file of a PKI", ui::path(path)));
    }
    let shown = ui::path(out);
    if to_stream {
        env.say(format!("exported {files} files"));
    } else if env.json {
        let recipients = args.recipient.clone();
        ui::items(env, &[Item { action: "exported", path: shown, files: *files, bytes: *bytes, recipients }])?;
    } else {
        writeln!(env.out(), "exported  {files} files  {shown}")?;
    }
    env.say("to restore it into an empty directory: certgen --pki DIR import FILE");
    Ok(Answer::Yes)
}
