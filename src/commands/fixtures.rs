//! `certgen fixtures`

mod broker;
mod index;
mod place;
mod scanners;
mod stores;
mod variables;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::commands::Answer;
use crate::env::Env;
use crate::error::Result;
use crate::fixtures::{CASES, Case, Catalogue, Request, chosen, make};
use crate::store::{self, OutputFile};
use crate::ui::{self, Table};
use crate::x509::GeneralName;
use index::{Item, Listed};
pub(in crate::commands) use place::fixtures_among;

/// Make certificates for tests, good ones and bad ones
///
/// Each case is a directory with a chain, its key and the bundle of authorities to trust, in which nothing or exactly one
/// thing is wrong. index.json says for every case which files it has, what is wrong by which standard, and whether
/// OpenSSL, Python, Go, Java, Node, rustls and Erlang accept it, with the error text that each prints. Nothing of it is
/// for anything but tests, and every subject says so.
///
/// In index.json items[].verdicts["python-3.11"] has a verdict: accepted, refused or stalls. With refused it has a text, which
/// the program's error contains; each * in it stands for what differs from run to run. stalls is no answer after
/// two seconds: give a loop over all cases a time limit.
///
/// Dates are relative to now, or to --at. With --seed the same text gives the same keys, serial numbers and bytes on every
/// machine, so that nothing need be committed; such a key is known to everybody who knows the text.
///
/// DIR appears when it is complete. It must be new or empty, or with --force a directory of fixtures, which is replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen fixtures fixtures\n  certgen fixtures --list\n  \
                        certgen fixtures fixtures --only expired,unknown-ca,good-root-server --name rabbit.test\n  \
                        certgen fixtures fixtures --seed my-tests --at 2026-01-01\n  \
                        certgen fixtures fixtures --with pkcs12,jks --password-file password.txt\n  \
                        certgen fixtures fixtures --env variables.env\n  \
                        certgen fixtures fixtures --broker\n  \
                        certgen fixtures fixtures --force --allow-file")]
pub(crate) struct FixturesArgs {
    /// The directory
    #[arg(value_name = "DIR", required_unless_present = "list", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// Only these cases
    #[arg(long, value_name = "CASE,...", value_delimiter = ',', add = ArgValueCompleter::new(complete_cases))]
    only: Vec<String>,
    /// List the cases, with --json also what each program says of them
    #[arg(long, conflicts_with = "dir")]
    list: bool,
    /// The host names and addresses of servers and nodes; a client connects to the first
    #[arg(long, value_name = "HOST", num_args = 1.., value_delimiter = ',', default_values = DEFAULT_NAMES)]
    name: Vec<String>,
    /// Text from which keys, serial numbers and everything else random is made
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Also a key store and a trust store in each case
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', requires = "password_file")]
    with: Vec<Container>,
    /// File with the password of the key stores
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "with")]
    password_file: Option<PathBuf>,
    /// Add a line KEY=PATH for each file, such as $GITHUB_ENV
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    env: Option<PathBuf>,
    /// Also broker/, an /etc/rabbitmq in which the good clients are users
    #[arg(long)]
    broker: bool,
    /// Also lists for gitleaks, detect-secrets and TruffleHog, which find keys
    #[arg(long)]
    allow_file: bool,
    /// Replace a directory of fixtures
    #[arg(long)]
    force: bool,
}

const DEFAULT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Another form for keys and certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Pkcs12,
    Jks,
}

impl clap::ValueEnum for Container {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Pkcs12, Self::Jks]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Pkcs12 => PossibleValue::new("pkcs12").help("keystore.p12 and truststore.p12"),
            Self::Jks => PossibleValue::new("jks").help("keystore.jks and truststore.jks"),
        })
    }
}

/// A file to be written, and how the index lists it.
struct Made {
    listed: Listed,
    file: OutputFile,
}

impl Made {
    fn new(path: String, kind: &str, bytes: &[u8], is_secret: bool) -> Self {
        let file = if is_secret { OutputFile::private(&path, bytes) } else { OutputFile::public(&path, bytes) };
        Self { listed: Listed { path, kind: kind.to_owned() }, file }
    }
}

/// Everything that goes into the directory.
#[derive(Default)]
struct Contents {
    items: Vec<Item>,
    cases: Vec<Made>,
    others: Vec<Made>,
}

pub(crate) fn run(args: &FixturesArgs, env: &mut Env) -> Result<Answer> {
    let request = request(args, env)?;
    let Some(named) = args.dir.as_ref().filter(|_| !args.list) else { return list(&request, env) };
    let dir = place::at(named, args.force, env)?;
    let variables = args.env.as_ref().map(|file| env.cwd.join(file));
    // Known before anything is made: that the path can stand in such files, and that the file can be written.
    if let Some(file) = &variables {
        variables::check(&dir, "--env")?;
        store::append_lines(file, "")?;
    }
    if args.allow_file {
        variables::check(&dir, "--allow-file")?;
    }
    let catalogue = make(&request)?;
    let contents = contents(args, &request, &catalogue, &dir, env)?;
    let paths: Vec<String> = contents.paths();
    let Contents { items, cases, others } = contents;
    let count = cases.len() + others.len();
    // Another run may have been here since.
    let locked = place::lock(&dir, env)?;
    place::at(named, args.force, env)?;
    store::write_directory(&dir, cases.into_iter().chain(others).map(|made| made.file).collect())?;
    drop(locked);
    if let Some(file) = variables {
        store::append_lines(&file, &variables::lines(&dir, paths.iter().map(String::as_str)))?;
    }
    tell(&items, count, &dir, args, env)?;
    Ok(Answer::Yes)
}

fn request(args: &FixturesArgs, env: &Env) -> Result<Request> {
    let names = args.name.iter().map(|name| GeneralName::parse(name)).collect::<std::result::Result<_, _>>();
    let names = names.map_err(|fault| crate::error::Error::from(fault).context("--name").as_usage())?;
    let mut only = args.only.clone();
    if args.broker && !only.is_empty() {
        broker::add_needed(&mut only);
    }
    Ok(Request { names, seed: args.seed.clone(), only, ..Request::new(env.now) })
}

/// Everything but the writing.
fn contents(
    args: &FixturesArgs,
    request: &Request,
    catalogue: &Catalogue,
    dir: &Path,
    env: &mut Env,
) -> Result<Contents> {
    let mut stores = match &args.password_file {
        Some(file) => Some(stores::Stores::new(&args.with, &env.cwd.join(file), catalogue, request.at)?),
        None => None,
    };
    let mut contents = Contents::default();
    for case in &catalogue.cases {
        let mut made = files(case);
        if let Some(stores) = &mut stores {
            made.extend(stores.of(case)?);
        }
        let listed: Vec<Listed> = made.iter().map(|made| made.listed.clone()).collect();
        contents.items.push(Item::made(case, &listed));
        contents.cases.extend(made);
    }
    for left in stores.iter().flat_map(|stores| &stores.left_out) {
        env.say(left);
    }
    if args.broker {
        contents.others.extend(broker::files(catalogue)?);
    }
    if args.allow_file {
        contents.allow(dir, request, env);
    }
    let others: Vec<Listed> = contents.others.iter().map(|made| made.listed.clone()).collect();
    let text = index::write(request, &args.name, &contents.items, &others);
    contents.others.push(Made::new(index::FILE.to_owned(), "index", text.as_bytes(), false));
    Ok(contents)
}

fn files(case: &Case) -> Vec<Made> {
    let made = |file: &crate::fixtures::File| {
        let name = file.kind.file_name();
        let kind = name.split('.').next().unwrap_or(name);
        Made::new(file.path.clone(), kind, &file.bytes, file.kind.is_secret())
    };
    case.files.iter().map(made).collect()
}

impl Contents {
    fn paths(&self) -> Vec<String> {
        self.cases.iter().chain(&self.others).map(|made| made.listed.path.clone()).collect()
    }

    /// What the scanners are told about the files so far.
    fn allow(&mut self, dir: &Path, request: &Request, env: &Env) {
        // From where the scanner is started. The same directory is no part of a path.
        let above = dir.strip_prefix(&env.cwd).unwrap_or(dir);
        let path = |made: &Made| slashed(&above.join(&made.listed.path));
        let all = self.cases.iter().chain(&self.others);
        let scanned: Vec<_> = all.map(|made| scanners::Scanned { path: path(made), bytes: &made.file.bytes }).collect();
        let above = slashed(above);
        let lists = scanners::lists(&above, &scanned, &index::moment(request.at));
        let kinds = ["gitleaks", "detect_secrets", "trufflehog"];
        self.others.extend(
            kinds
                .iter()
                .zip(lists)
                .map(|(kind, (name, text))| Made::new(name.to_owned(), kind, text.as_bytes(), false)),
        );
    }
}

/// A path as the scanners write it, on every platform.
fn slashed(path: &Path) -> String {
    let text = path.to_string_lossy();
    if cfg!(windows) { text.replace('\\', "/") } else { text.into_owned() }
}

/// `--list`
fn list(request: &Request, env: &mut Env) -> Result<Answer> {
    let cases = chosen(&request.only)?.into_iter();
    if env.json {
        let items: Vec<Item> = cases.map(Item::defined).collect();
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["CASE", "ROLE", "IS", "SECTION", "WHAT"]);
    for case in cases {
        let cells = [case.name, case.role.as_str(), case.standing.as_str(), case.section, case.summary];
        table.row(cells.map(str::to_owned));
    }
    table.print(env)?;
    Ok(Answer::Yes)
}

fn tell(items: &[Item], files: usize, dir: &Path, args: &FixturesArgs, env: &mut Env) -> Result<()> {
    let shown = ui::path(env.shown(dir));
    if env.json {
        ui::items(env, items)?;
    } else {
        let cases = if items.len() == 1 { "case" } else { "cases" };
        writeln!(env.out(), "made  {} {cases} in {files} files  {shown}", items.len())?;
        env.say(format!("{shown}/{} says what each of them is", index::FILE));
    }
    if args.seed.is_some() {
        env.say("their keys are no secret: whoever knows the seed can make them");
    }
    if env.clock_is_set() {
        env.say(format!("all dates are relative to {}, and not to now", index::moment(env.now)));
    }
    Ok(())
}

fn complete_cases(current: &OsStr) -> Vec<CompletionCandidate> {
    // What stands before the last comma is there already.
    let Some(current) = current.to_str() else { return Vec::new() };
    let (before, begun) = current.rfind(',').map_or(("", current), |at| current.split_at(at + 1));
    CASES
        .iter()
        .filter(|case| case.name.starts_with(begun))
        .map(|case| CompletionCandidate::new(format!("{before}{}", case.name)).help(Some(case.summary.into())))
        .collect()
}
