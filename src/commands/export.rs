//! `certgen export`

mod etc_rabbitmq;
mod format;
mod hand_over;
mod secret;
mod stores;
mod subject;
mod tar_file;
mod texts;
mod whole;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::apply::World;
use crate::commands::export::format::{Format, Layout, Part};
use crate::commands::export::subject::Subject;
use crate::commands::{Answer, seal, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store::seal::SealTo;
use crate::store::{self, Action, Event, Locked, OutputFile, Transaction};
use crate::ui;

/// Put a certificate and its key into another container
///
/// NAME is an identity, a pair that somebody else renews as external/NAME (key stores, pem, der and combined), or for trust
/// stores, der and pem an authority, as authority/NAME. An authority's key is never exported. What holds a private key is
/// written with mode 0600 and recorded in the log, with its recipients. What exists is not replaced without --force.
///
/// A trust store holds those whom NAME trusts. A key store holds the key and its whole chain, up to the root.
///
/// tar holds a node's certificates and the broker's configuration under the paths that rabbitmq.conf names, with owner and
/// modes, to be unpacked on its host by root. age seals a client's directory, with --with also the configuration of its
/// programs, to who is to have it: certgen import --identity KEY FILE --out DIR opens it, or age -d FILE | tar x. A key that
/// is made where it is used need not be sent at all: certgen request client NAME.
///
/// With --all, the whole PKI as it is at one moment: keys, certificates, inventory, configuration, each file with its mode
/// and the numbers of its owner, as a tar file inside an age file. Sealed keys stay sealed in it. certgen import restores
/// it into an empty directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  \
                        certgen export client/celery_worker --format pkcs12 --password-file pass.txt --out worker.p12\n  \
                        certgen export client/celery_worker --format truststore-jks --password-file pass.txt --out trust.jks\n  \
                        certgen export authority/root --format der --out root.cer\n  \
                        certgen export node/rabbit.example.com --format tar --owner 999:999 | tar tv\n  \
                        certgen export celery_worker --format age --with celery --passphrase-file passphrase.txt --out worker.age\n  \
                        certgen import --passphrase-file passphrase.txt worker.age --out worker\n  \
                        certgen export --all --format age --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p --out backup.age\n  \
                        certgen export --all --format age --passphrase-file passphrase.txt --out backup.age\n  \
                        certgen --pki restored import --passphrase-file passphrase.txt backup.age")]
pub(crate) struct ExportArgs {
    /// What to export, NAME or ROLE/NAME
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all", add = shared::complete_all_names())]
    name: Option<String>,
    /// The whole PKI
    #[arg(long)]
    all: bool,
    /// The container
    #[arg(long, value_name = "F", value_enum, required = true)]
    format: Format,
    /// The file; - is standard output [default: standard output, unless it is a terminal]
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
    /// What of it goes into pem or der [default: chain in pem, certificate in der]
    #[arg(long, value_name = "PART", value_enum)]
    part: Option<Part>,
    /// File with the password of the store, an empty file for none; else a prompt. Of combined and --part key: encrypts the key
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Alias in the store [default: the name; of those who are trusted, their authorities' names]
    #[arg(long, value_name = "ALIAS")]
    alias: Option<String>,
    /// File with the password of an encrypted key [default: as in certgen.toml]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key_password_file: Option<PathBuf>,
    /// Paths in tar [default: etc-rabbitmq for what a broker shows, else directory]
    #[arg(long, value_name = "LAYOUT", value_enum)]
    layout: Option<Layout>,
    /// Owner of the files in tar, names or numbers [default: as in certgen.toml, else rabbitmq:rabbitmq]
    #[arg(long, value_name = "USER[:GROUP]")]
    owner: Option<String>,
    /// The broker, where certgen.toml has more than one
    #[arg(long, value_name = "NAME")]
    broker: Option<String>,
    /// Namespace of the Kubernetes Secret [default: that of its cluster]
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// Seal this consumer's configuration too, a target of emit (repeatable)
    #[arg(long, value_name = "TARGET", add = clap_complete::engine::ArgValueCompleter::new(super::emit::complete_targets))]
    with: Vec<String>,
    /// Set what the hand-over does not know: host, port, vhost, or a setting of --with (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Encrypt to this age recipient (repeatable) [default: to a passphrase]
    #[arg(long, value_name = "age1...")]
    recipient: Vec<String>,
    /// File with the passphrase, else CERTGEN_PASSPHRASE or a prompt
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Item<'a> {
    action: &'static str,
    /// `ROLE/NAME`.
    name: String,
    format: &'static str,
    path: String,
    bytes: usize,
    /// Whether a private key is in it.
    secret: bool,
    serial: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'a str>,
    recipients: &'a [String],
}

/// A container, ready to be written.
struct Product {
    bytes: Zeroizing<Vec<u8>>,
    /// A private key is in it.
    secret: bool,
    /// The alias of its first entry.
    alias: Option<String>,
    /// What to do with it.
    next: Vec<String>,
}

impl Product {
    fn secret(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self { bytes, secret: true, alias: None, next: Vec::new() }
    }

    fn public(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: Zeroizing::new(bytes.into()), secret: false, alias: None, next: Vec::new() }
    }
}

pub(crate) fn run(args: &ExportArgs, env: &mut Env) -> Result<Answer> {
    format::check(args)?;
    let to_stream = is_to_stream(args, env)?;
    let Some(name) = args.name.as_deref() else { return whole::run(args, to_stream, env) };
    // What holds no secret needs no line in the log, and so no right to write.
    if !format::holds_secret(args) {
        let world = World::read(env)?;
        let subject = Subject::find(name, &world)?;
        format::check_subject(args, &subject)?;
        let path = place(args, env)?;
        let product = make(args, &subject, world, env)?;
        if let Some(path) = path {
            put(Transaction::outside(path.parent().unwrap_or(&path))?, &path, &product, None)?;
        }
        return tell(args, &subject, &product, env);
    }
    let (world, locked) = World::lock("export", env)?;
    let subject = Subject::find(name, &world)?;
    format::check_subject(args, &subject)?;
    // Before anything is asked: a place that is taken is no reason to think of a password.
    let path = place(args, env)?;
    let product = make(args, &subject, world, env)?;
    let event = event(args, &subject, env)?;
    write(&locked, path.as_deref(), &product, event)?;
    drop(locked);
    tell(args, &subject, &product, env)
}

/// Whether the container goes to standard output, where a terminal cannot show it and a log may keep it.
fn is_to_stream(args: &ExportArgs, env: &Env) -> Result<bool> {
    let to_stream = match args.out.as_deref() {
        Some(out) => out == Path::new("-"),
        None if !std::io::stdout().is_terminal() => true,
        None => {
            return Err(Error::usage("to which file? Standard output is a terminal")
                .hint("name it with --out FILE, or give --out - all the same"));
        }
    };
    if to_stream && env.json {
        return Err(
            Error::usage("standard output cannot take both the export and --json").hint("name a file with --out FILE")
        );
    }
    if to_stream && args.force {
        return Err(Error::usage("--force is about a file, and standard output is none").hint("leave it out"));
    }
    Ok(to_stream)
}

/// Whether a file is named, and not standard output.
fn is_to_file(args: &ExportArgs) -> bool {
    args.out.as_deref().is_some_and(|out| out != Path::new("-"))
}

/// The file that is to be written, checked; none for standard output.
fn place(args: &ExportArgs, env: &Env) -> Result<Option<PathBuf>> {
    let named = args.out.as_deref().filter(|out| *out != Path::new("-"));
    let store = store::Store::open(&env.pki);
    let place = named.map(|out| store::place_outside(&env.cwd.join(out), &store, args.force)).transpose();
    place.map_err(|e| match args.force {
        false if e.message().ends_with("it exists already") => e.hint("or replace it with --force"),
        _ => e,
    })
}

fn make(args: &ExportArgs, subject: &Subject, world: World, env: &mut Env) -> Result<Product> {
    subject.warn(&world, env);
    match args.format {
        Format::Pkcs12 | Format::Pkcs12Legacy | Format::Jks | Format::TruststorePkcs12 | Format::TruststoreJks => {
            stores::make(args, subject, &world, env)
        }
        Format::Der | Format::Pem | Format::Combined => texts::make(args, subject, &world, env),
        Format::KubernetesSecret => secret::make(args, subject, &world, env),
        Format::Tar => etc_rabbitmq::make(args, subject, &world, env),
        Format::Age => hand_over::make(args, subject, world, env),
    }
}

fn event(args: &ExportArgs, subject: &Subject, env: &Env) -> Result<Event> {
    let event = Event::new(Action::Exported, &env.actor, env.now, env.real_now)?;
    let mut event = event.about(subject.role(), &subject.name);
    event.serial = Some(subject.leaf().serial().to_string());
    event.path = Some(args.out.as_deref().map_or_else(|| "-".to_owned(), ui::path));
    event.recipients.clone_from(&args.recipient);
    let to = if args.format == Format::Age && args.recipient.is_empty() { ", to a passphrase" } else { "" };
    event.note = Some(format!("as {}{to}", args.format.as_str()));
    Ok(event)
}

/// The file and its line in the log are one step. What goes to standard output is in the log before anybody has it.
fn write(locked: &Locked, path: Option<&Path>, product: &Product, event: Event) -> Result<()> {
    let mut transaction = locked.transaction();
    match path {
        Some(path) => {
            transaction.allow_outside(path.parent().unwrap_or(path))?;
            put(transaction, path, product, Some(event))
        }
        None => {
            transaction.append([event]);
            transaction.commit()
        }
    }
}

fn put(mut transaction: Transaction<'_>, path: &Path, product: &Product, event: Option<Event>) -> Result<()> {
    let file = OutputFile { bytes: product.bytes.clone(), ..OutputFile::public(path, Vec::new()) };
    transaction.put(if product.secret { file.with_mode(store::layout::PRIVATE_FILE) } else { file })?;
    transaction.append(event);
    transaction.commit()
}

fn tell(args: &ExportArgs, subject: &Subject, product: &Product, env: &mut Env) -> Result<Answer> {
    let name = format!("{}/{}", subject.role(), subject.name);
    match args.out.as_deref().filter(|out| *out != Path::new("-")) {
        None => env.out().write_all(&product.bytes)?,
        Some(out) if env.json => {
            let item = Item {
                action: "exported",
                name,
                format: args.format.as_str(),
                path: ui::path(out),
                bytes: product.bytes.len(),
                secret: product.secret,
                serial: subject.leaf().serial().to_string(),
                alias: product.alias.as_deref(),
                recipients: &args.recipient,
            };
            ui::items(env, &[item])?;
        }
        Some(out) => writeln!(env.out(), "exported  {}  {}", ui::plain(&name), ui::path(out))?,
    }
    for line in &product.next {
        env.say(line);
    }
    Ok(Answer::Yes)
}

/// To whom an age file is sealed.
fn seal_to(args: &ExportArgs, env: &Env) -> Result<SealTo> {
    match args.recipient.as_slice() {
        [] => {
            let file = args.passphrase_file.as_ref().map(|path| env.typed(path));
            seal::to_passphrase(file.as_deref(), "Passphrase of the file", env)
        }
        recipients => seal::to_recipients(recipients),
    }
}
