//! `certgen export`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use serde::Serialize;

use crate::apply::{Unlock, World};
use crate::commands::{Answer, seal};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::{self, Action, Event, Locked, Snapshot, seal::SealTo};
use crate::ui;

/// Put secrets into another container
///
/// With --all, the whole PKI as it is at one moment: keys, certificates, inventory, configuration, each file with its mode
/// and the numbers of its owner, as a tar file inside an age file. Sealed keys stay sealed in it. certgen import restores
/// it into an empty directory; age -d FILE | tar x reads it too. The log remembers that it was made, and for whom.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  \
                        certgen export --all --format age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p --out backup.age\n  \
                        certgen export --all --format age --passphrase-file passphrase.txt --out backup.age\n  \
                        certgen --pki restored import --passphrase-file passphrase.txt backup.age")]
pub(crate) struct ExportArgs {
    /// The whole PKI
    #[arg(long, required = true)]
    all: bool,
    /// The container
    #[arg(long, value_name = "F", value_enum, required = true)]
    format: Format,
    /// The file (0600), which must not exist; - is standard output
    #[arg(long, value_name = "FILE|-", required = true, value_hint = clap::ValueHint::FilePath)]
    out: PathBuf,
    /// Encrypt to this age recipient (repeatable) [default: to a passphrase]
    #[arg(long, value_name = "age1...")]
    recipient: Vec<String>,
    /// File with the passphrase, else CERTGEN_PASSPHRASE or a prompt
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
}

/// In which container.
#[derive(Debug, Clone, Copy)]
enum Format {
    Age,
}

impl clap::ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Age]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Age => PossibleValue::new("age").help("a tar file, encrypted with age"),
        })
    }
}

/// What was written.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    path: String,
    files: u64,
    bytes: u64,
    recipients: Vec<String>,
}

pub(crate) fn run(args: &ExportArgs, env: &mut Env) -> Result<Answer> {
    debug_assert!(args.all, "clap asks for it");
    let Format::Age = args.format;
    let (_, locked) = World::lock("export", env)?;
    let unlock = Unlock { passphrase_file: args.passphrase_file.clone(), identity: Vec::new() };
    let to = seal::seal_to(true, &args.recipient, &unlock, env)?;
    let to = to.ok_or_else(|| Error::usage("to whom is it encrypted?"))?;
    let to_stream = args.out == Path::new("-");
    let snapshot = if to_stream {
        pack(&locked, env.out(), &to)?
    } else {
        let path = env.cwd.join(&args.out);
        store::write_stream(&path, locked.store(), |file| pack(&locked, file, &to))?
    };
    record(&locked, args, env)?;
    drop(locked);
    tell(args, &snapshot, to_stream, env)
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
fn record(locked: &Locked, args: &ExportArgs, env: &Env) -> Result<()> {
    let mut event = Event::new(Action::Exported, &env.actor, env.now, env.real_now)?;
    event.path = Some(ui::path(&args.out));
    event.recipients.clone_from(&args.recipient);
    event.note = Some("the whole PKI, in an age file".to_owned());
    let mut transaction = locked.transaction();
    transaction.append([event]);
    transaction.commit()
}

fn tell(args: &ExportArgs, snapshot: &Snapshot, to_stream: bool, env: &mut Env) -> Result<Answer> {
    let Snapshot { files, bytes, left_out, .. } = snapshot;
    for path in left_out {
        env.say(format!("left out: {}, which is no file of a PKI", ui::path(path)));
    }
    let shown = ui::path(&args.out);
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
