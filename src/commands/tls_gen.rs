//! `certgen tls-gen`

mod check;
mod contents;
mod generate;
mod makefiles;
mod place;
mod session;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::issuer::Publication;
use crate::profile::Role;
use crate::store::{self, LockedDirectory};
use crate::tls_gen::{NAMES, Profile, Settings, Target, Variables};
use crate::ui;
use place::{Modes, Place};

/// Where `openssl s_server` listens and `s_client` connects.
const PORT: u16 = 4433;

/// Make what rabbitmq/tls-gen makes, under its names, without openssl, python and make
///
/// PROFILE is basic, one_intermediate, separate_intermediates or two_shared_intermediates, with underscores or dashes. The
/// results are in result/, or in the directory of --out. The key of the authority, ca_key.pem, is among them, as in tls-gen and
/// nowhere else in certgen: do not deploy it.
///
/// A variable is taken from VAR=VALUE, else from its flag, else from the environment: CN, CLIENT_ALT_NAME, SERVER_ALT_NAME,
/// NUMBER_OF_PRIVATE_KEY_BITS, DAYS_OF_VALIDITY, USE_ECC, ECC_CURVE and PASSWORD. PYTHON and OPENSSL are accepted and not
/// needed.
#[derive(Debug, clap::Args)]
#[command(after_help = include_str!("tls_gen/help.txt").trim_end())]
pub(crate) struct TlsGenArgs {
    /// basic, one_intermediate, separate_intermediates or two_shared_intermediates
    #[arg(value_name = "PROFILE", required_unless_present = "makefile")]
    profile: Option<String>,
    /// Targets (all when there is none; help lists them) and variables
    #[arg(value_name = "TARGET|VAR=VALUE")]
    words: Vec<String>,
    /// Name of server and client [default: $CN, else the machine's]
    #[arg(long, value_name = "NAME", alias = "common-name")]
    cn: Option<String>,
    /// One more alternative name of clients (repeatable) [default: $CLIENT_ALT_NAME, else the machine's]
    #[arg(long, value_name = "NAME", alias = "client-alt-name")]
    client_san: Vec<String>,
    /// One more alternative name of servers (repeatable) [default: $SERVER_ALT_NAME, else the machine's]
    #[arg(long, value_name = "NAME", alias = "server-alt-name")]
    server_san: Vec<String>,
    /// Size of RSA keys: 2048, 3072 or 4096 [default: $NUMBER_OF_PRIVATE_KEY_BITS, else 2048]
    #[arg(long, value_name = "BITS", alias = "key-bits")]
    rsa_bits: Option<String>,
    /// Days of validity; a negative number makes pairs that have expired [default: $DAYS_OF_VALIDITY, else 3650]
    #[arg(long, value_name = "DAYS", alias = "days-of-validity", allow_hyphen_values = true)]
    days: Option<String>,
    /// Kind of all keys [default: ec if $USE_ECC is true, else rsa]
    #[arg(long, value_name = "KIND", value_parser = ["rsa", "ec"])]
    key_type: Option<String>,
    /// Curve: prime256v1, secp384r1 or secp521r1, also as P-256, P-384 or P-521 [default: $ECC_CURVE, else prime256v1]
    #[arg(long, value_name = "CURVE", alias = "ecc-curve")]
    curve: Option<String>,
    /// File with the password of keys and PKCS#12 files, in place of PASSWORD
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// Where the results go; nothing outside of it is written but DIR.previous [default: result]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Keep no older tree, and write over what is in the way
    #[arg(long)]
    force: bool,
    /// Leave out the names without a host that older versions of tls-gen had
    #[arg(long)]
    no_aliases: bool,
    /// Mode of the keys of pairs; that of an authority's key is always 0600
    #[arg(long, value_name = "MODE", value_parser = ["0600", "0640"], default_value = "0600")]
    key_mode: String,
    /// URL of a revocation list, to stand in what is issued (repeatable)
    #[arg(long, value_name = "URL")]
    crl_url: Vec<String>,
    /// Address of server and client [default: 127.0.0.1 to listen on, localhost to connect to]
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Port of server and client; 0 listens on one that is free
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
    /// Write tls-gen's four directories with Makefiles that call this command
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    makefile: Option<PathBuf>,
}

/// One run: what was asked, where, and what was done so far.
struct Run<'e> {
    profile: Profile,
    settings: Settings,
    publication: Publication,
    place: Place,
    force: bool,
    aliases: bool,
    modes: Modes,
    host: Option<String>,
    port: u16,
    items: Vec<Value>,
    env: &'e mut Env,
}

pub(crate) fn run(args: &TlsGenArgs, env: &mut Env) -> Result<Answer> {
    if let Some(directory) = &args.makefile {
        return write_makefiles(args, directory, env);
    }
    let profile = profile(args)?;
    let mut variables = variables(args, env)?;
    let targets = targets(&args.words, &mut variables)?;
    let settings = Settings::new(&variables, &env.host_name).map_err(Error::usage)?;
    let mut run = Run {
        profile,
        settings,
        publication: Publication { crl_urls: args.crl_url.clone(), ..Publication::default() },
        place: Place::new(args.out.as_deref(), env)?,
        force: args.force,
        aliases: !args.no_aliases,
        modes: Modes { key: if args.key_mode == "0640" { 0o640 } else { 0o600 } },
        host: args.host.clone(),
        port: args.port,
        items: Vec::new(),
        env,
    };
    let answer = run.all(&targets);
    if run.env.json && answer.is_ok() {
        ui::items(run.env, &run.items)?;
    }
    answer
}

/// The first word. One that comes later is a slip: make has it before everything, as the name of a directory.
fn profile(args: &TlsGenArgs) -> Result<Profile> {
    Profile::parse(args.profile.as_deref().unwrap_or_default()).map_err(|e| {
        let later = args.words.iter().find_map(|word| Profile::parse(word).ok());
        later.into_iter().fold(Error::usage(e), |error, profile| {
            error.hint(format!("the profile comes first: certgen tls-gen {profile} [TARGET...] [VAR=VALUE...]"))
        })
    })
}

/// From the flags and, where there is none, from the environment.
fn variables(args: &TlsGenArgs, env: &Env) -> Result<Variables> {
    let mut variables = Variables::default();
    for name in NAMES {
        if let Some(value) = env.variable(name)? {
            variables.set(name, &value).map_err(Error::usage)?;
        }
    }
    let flags = [
        ("CN", &args.cn),
        ("NUMBER_OF_PRIVATE_KEY_BITS", &args.rsa_bits),
        ("DAYS_OF_VALIDITY", &args.days),
        ("ECC_CURVE", &args.curve),
    ];
    for (name, value) in flags.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        variables.set(name, value).map_err(Error::usage)?;
    }
    if let Some(kind) = &args.key_type {
        variables.use_ecc = Some((kind == "ec").to_string());
    }
    if !args.client_san.is_empty() {
        variables.client_alt_names.clone_from(&args.client_san);
    }
    if !args.server_san.is_empty() {
        variables.server_alt_names.clone_from(&args.server_san);
    }
    if let Some(path) = &args.password_file {
        variables.password = Some(store::read_required_password(&env.cwd.join(path))?);
    }
    Ok(variables)
}

/// `NAME=VALUE` is a variable, every other word a target, as for make.
fn targets(words: &[String], variables: &mut Variables) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => variables
                .set(name, value)
                .map_err(|e| Error::usage(e).hint(format!("the variables are {}", NAMES.join(", "))))?,
            None => targets.push(Target::parse(word).map_err(|e| {
                let known: Vec<&str> = Target::described().map(|(word, _)| word).collect();
                Error::usage(e).hint(format!("the targets are {}; a variable is written NAME=VALUE", known.join(", ")))
            })?),
        }
    }
    if targets.is_empty() {
        targets.push(Target::All);
    }
    Ok(targets)
}

impl Run<'_> {
    /// One target after the other, until one fails. Who looks waits for who writes, so that nobody sees half a tree.
    fn all(&mut self, targets: &[Target]) -> Result<Answer> {
        let mut lock = None;
        for target in targets {
            let talks = matches!(target, Target::Server | Target::Client | Target::Help);
            if talks {
                lock = None;
            } else if lock.is_none() {
                lock = self.lock(*target)?;
            }
            if self.one(*target)? == Answer::No {
                return Ok(Answer::No);
            }
        }
        Ok(Answer::Yes)
    }

    /// Nothing where there is nothing yet, and nothing is made.
    fn lock(&mut self, target: Target) -> Result<Option<LockedDirectory>> {
        let parent = self.place.parent().to_path_buf();
        if !parent.exists() && !matches!(target, Target::All | Target::Generate | Target::Regenerate) {
            return Ok(None);
        }
        let env = &mut *self.env;
        let mut waiting = |_: Option<&store::Holder>| env.say("waiting for another certgen in this directory");
        let locked = LockedDirectory::wait(&parent, &mut waiting)?;
        self.place.sweep();
        Ok(Some(locked))
    }

    fn one(&mut self, target: Target) -> Result<Answer> {
        let done = |()| Answer::Yes;
        match target {
            Target::All => self.regenerate().and_then(|()| self.verify()),
            Target::Generate => self.generate().map(done),
            Target::Regenerate => self.regenerate().map(done),
            Target::GenerateClient => self.add_role(Role::Client).map(done),
            Target::GenerateServer => self.add_role(Role::Server).map(done),
            Target::GenerateCrl => self.generate_lists().map(done),
            Target::Alias => self.alias().map(done),
            Target::Clean => self.clean().map(done),
            Target::Verify => self.verify(),
            Target::VerifyPkcs12 => self.verify_pkcs12(),
            Target::Info => self.info(),
            Target::Server => self.serve().map(done),
            Target::Client => self.connect().map(done),
            Target::Help => self.help().map(done),
        }
    }

    fn help(&mut self) -> Result<()> {
        let profile = self.profile;
        if self.env.json {
            let item = |(word, says)| serde_json::json!({"action": "help", "target": word, "summary": says});
            self.items.extend(Target::described().map(item));
            return Ok(());
        }
        let out = self.env.out();
        writeln!(out, "certgen tls-gen {profile} [TARGET...] [VAR=VALUE...]\n\nTargets:")?;
        for (word, says) in Target::described() {
            writeln!(out, "  {word:20}  {says}")?;
        }
        writeln!(out, "\nVariables, also from the environment:\n  {}", NAMES.join("\n  "))?;
        Ok(())
    }

    fn tell_written(&mut self, paths: &[PathBuf]) -> Result<()> {
        paths.iter().try_for_each(|path| self.tell("wrote", path))
    }

    fn tell(&mut self, action: &str, path: &Path) -> Result<()> {
        tell(action, path, &mut self.items, self.env)
    }
}

/// A line for people; with `--json` one of the items that are printed at the end.
fn tell(action: &str, path: &Path, items: &mut Vec<Value>, env: &mut Env) -> Result<()> {
    let shown = env.shown(path);
    if env.json {
        items.push(serde_json::json!({"action": action, "path": shown.display().to_string()}));
        return Ok(());
    }
    let line = format!("{action} {}", ui::path(shown));
    writeln!(env.out(), "{line}")?;
    Ok(())
}

fn write_makefiles(args: &TlsGenArgs, directory: &Path, env: &mut Env) -> Result<Answer> {
    if args.profile.is_some() {
        return Err(Error::usage("--makefile writes the Makefiles of all profiles and makes nothing else")
            .hint(format!("certgen tls-gen --makefile {}", ui::shell(&directory.to_string_lossy()))));
    }
    let written = makefiles::write(&env.cwd.join(directory), args.force, env)?;
    let mut items = Vec::new();
    written.iter().try_for_each(|path| tell("wrote", path, &mut items, env))?;
    if env.json {
        ui::items(env, &items)?;
    }
    Ok(Answer::Yes)
}
