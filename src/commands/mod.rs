//! The command line: one file per subcommand, each with its arguments, its help and the few lines that read, decide,
//! act and say. Commands may use every room; no room uses them.

mod apply;
mod completions;
mod crl;
mod doctor;
mod emit;
mod explain;
mod export;
mod fixtures;
mod import;
mod init;
mod inspect;
mod issue;
mod list;
mod log;
mod man;
mod plan;
mod probe;
mod remove;
mod renew;
mod request;
mod revoke;
mod rotate;
mod seal;
mod shared;
mod status;
mod tls_gen;
mod told;
mod unseal;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::env::{Env, GlobalFlags};
use crate::error::{Kind, Result, exit_code};
use crate::ui::Colour;

/// Certificates for RabbitMQ and its clients, with the configuration and the users that fit them
///
/// One manifest (certgen.toml) says which authorities, servers, nodes and clients exist. certgen issues their
/// certificates, writes the broker's configuration and a definitions.json whose users match the certificates, and keeps
/// all of it together in one directory.
#[derive(Debug, Parser)]
#[command(
    name = "certgen",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "EXIT CODES:\n  0 done   1 failed   2 wrong command line   3 the answer is no   130, 143 interrupted\n\n\
                  EXAMPLES:\n  certgen init --profile celery\n  certgen issue client reporting --like celery_worker\n  \
                  certgen verify client/reporting\n\nThe manual: certgen(1), certgen.toml(5)."
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// The heading of what every command takes.
const GLOBAL_OPTIONS: &str = "Global options";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = GLOBAL_OPTIONS)]
struct GlobalArgs {
    /// The PKI directory [default: $CERTGEN_PKI, else ./pki]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pki: Option<PathBuf>,
    /// Print facts as JSON: {"version":1,"items":[...]}
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing on standard error but errors and warnings
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Never ask; take defaults or fail
    #[arg(long, global = true)]
    no_input: bool,
    /// Colour on standard output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Colour,
    /// The clock of the whole command, RFC 3339, also for the dates it writes
    #[arg(long, global = true, value_name = "TIME")]
    at: Option<String>,
    /// Who does this, for the log [default: $CERTGEN_ACTOR, else user@host]
    #[arg(long, global = true, value_name = "WHO")]
    actor: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Issue(issue::IssueArgs),
    Request(request::RequestArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    List(list::ListArgs),
    Status(status::StatusArgs),
    Log(log::LogArgs),
    Inspect(inspect::InspectArgs),
    Verify(verify::VerifyArgs),
    Doctor(doctor::DoctorArgs),
    Probe(probe::ProbeArgs),
    Explain(explain::ExplainArgs),
    Renew(renew::RenewArgs),
    Remove(remove::RemoveArgs),
    Revoke(revoke::RevokeArgs),
    Crl(crl::CrlArgs),
    Rotate(rotate::RotateArgs),
    Import(import::ImportArgs),
    Seal(seal::SealArgs),
    Unseal(unseal::UnsealArgs),
    Emit(emit::EmitArgs),
    Export(export::ExportArgs),
    Fixtures(fixtures::FixturesArgs),
    TlsGen(tls_gen::TlsGenArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

pub use man::pages;

/// What a command that worked has to say to a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, or yes.
    Yes,
    /// The question was answered with no.
    No,
}

/// Runs the program: arguments in, exit code out.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    clap_complete::CompleteEnv::with_factory(command).complete();
    let args: Vec<OsString> = args.into_iter().collect();
    let mut command = command();
    if let Some(settings) = init::profile_help(&args) {
        command = command.mut_subcommand("init", |init| init.after_help(settings));
    }
    let cli = match command.try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(wrong) => return usage(&wrong),
    };
    exit_on_signals();
    let flags = GlobalFlags {
        pki: cli.global.pki,
        at: cli.global.at,
        actor: cli.global.actor,
        json: cli.global.json,
        quiet: cli.global.quiet,
        no_input: cli.global.no_input,
        colour: cli.global.color,
    };
    let mut env = match Env::from_process(&flags) {
        Ok(env) => env,
        Err(error) => {
            crate::ui::report(&mut std::io::stderr(), &error);
            return ExitCode::from(error.exit_code());
        }
    };
    let answer = run(cli.command, &mut env).and_then(|answer| env.finish().map(|()| answer));
    ExitCode::from(match answer {
        Ok(Answer::Yes) => exit_code::DONE,
        Ok(Answer::No) => exit_code::NO,
        Err(error) => {
            if !matches!(error.kind(), Kind::BrokenPipe | Kind::Interrupted) {
                // What was printed before belongs in front of the error; if that fails too, the error says enough.
                let _ = env.finish();
                env.report(&error);
            }
            error.exit_code()
        }
    })
}

/// The whole command line, also for manual pages and completions.
pub fn command() -> clap::Command {
    Cli::command()
}

fn run(command: Command, env: &mut Env) -> Result<Answer> {
    match command {
        Command::Init(args) => init::run(args, env),
        Command::Issue(args) => issue::run(args, env),
        Command::Request(args) => request::run(args, env),
        Command::Plan(args) => plan::run(&args, env),
        Command::Apply(args) => apply::run(&args, env),
        Command::List(args) => list::run(&args, env),
        Command::Status(args) => status::run(&args, env),
        Command::Log(args) => log::run(&args, env),
        Command::Inspect(args) => inspect::run(&args, env),
        Command::Verify(args) => verify::run(&args, env),
        Command::Doctor(args) => doctor::run(&args, env),
        Command::Probe(args) => probe::run(&args, env),
        Command::Explain(args) => explain::run(&args, env),
        Command::Renew(args) => renew::run(&args, env),
        Command::Remove(args) => remove::run(args, env),
        Command::Revoke(args) => revoke::run(args, env),
        Command::Rotate(args) => rotate::run(args, env),
        Command::Crl(args) => crl::run(args, env),
        Command::Import(args) => import::run(args, env),
        Command::Seal(args) => seal::run(args, env),
        Command::Unseal(args) => unseal::run(args, env),
        Command::Emit(args) => emit::run(args, env),
        Command::Export(args) => export::run(&args, env),
        Command::Fixtures(args) => fixtures::run(&args, env),
        Command::TlsGen(args) => tls_gen::run(&args, env),
        Command::Completions(args) => completions::run(&args, env),
        Command::Man(args) => man::run(&args, env),
    }
}

/// Prints what clap has to say: help on standard output with 0, a mistake on standard error with 2.
fn usage(wrong: &clap::Error) -> ExitCode {
    let help = matches!(wrong.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
    // Help that is shown for want of a subcommand is no error message.
    if wrong.use_stderr() && wrong.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"certgen: ");
    }
    // A reader that went away, or no standard error: the exit code is all that is left.
    let printed = wrong.print().is_ok();
    ExitCode::from(match (help, printed) {
        (true, true) => exit_code::DONE,
        (true, false) => exit_code::FAILED,
        (false, _) => exit_code::USAGE,
    })
}

/// SIGINT and SIGTERM end the program at once with the exit codes that scripts expect. What was being written is in the
/// same state as after a SIGKILL, and the next command puts that right.
fn exit_on_signals() {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) else { return };
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                let code = if signal == SIGINT { exit_code::INTERRUPTED } else { exit_code::TERMINATED };
                crate::ui::restore_cursor();
                std::process::exit(i32::from(code));
            }
        });
    }
}
