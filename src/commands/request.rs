//! `certgen request`

mod authority;
mod finish;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::commands::Answer;
use crate::commands::shared::{KeyArgs, NameArgs};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Entry, EntrySpec, Manifest};
use crate::profile::Role;
use crate::store::{self, OutputFile, Owner, Transaction, layout};
use crate::ui;
use crate::x509::{CsrTemplate, PrivateKey};

/// Make a key and a request where the key will live, and put the answer beside it
///
/// No PKI is needed. The key never leaves this machine: only the request goes to whoever runs certgen issue ... --csr,
/// and only certificates come back. The key of an authority is made in the PKI itself, in ca/NAME; what comes back makes
/// that a PKI which issues on its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen request client sensor-17 --out /etc/sensor\n  \
                        certgen issue client sensor-17 --csr request.pem      (where the authority is)\n  \
                        certgen request --finish client_certificate.pem --finish ca_certificate.pem --out /etc/sensor\n  \
                        certgen request authority site-a\n  \
                        certgen issue authority site-a --csr request.pem --issuer root      (where the root is)\n  \
                        certgen request --finish ca_chain.pem")]
pub(crate) struct RequestArgs {
    /// server, node, client or authority
    #[arg(value_name = "ROLE", value_parser = ["server", "node", "client", "authority"], required_unless_present = "finish")]
    role: Option<String>,
    /// The name
    #[arg(value_name = "NAME", required_unless_present = "finish", allow_hyphen_values = true)]
    name: Option<String>,
    /// The directory of the key; made if it is not there [default: .; ca/NAME of the PKI for an authority]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// The answer: the certificate with its intermediates, and the bundle (repeatable; a directory takes all in it)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::AnyPath, conflicts_with_all = ["role", "name"])]
    finish: Vec<PathBuf>,
    #[command(flatten)]
    called: NameArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    authority: AuthorityArgs,
}

/// What only an authority has.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Authorities")]
struct AuthorityArgs {
    /// Common name; a mark from its key is added [default: NAME]
    #[arg(long, value_name = "CN", conflicts_with = "finish")]
    common_name: Option<String>,
    /// Seal its key with the passphrase of --passphrase-file, CERTGEN_PASSPHRASE or a prompt
    #[arg(long, conflicts_with = "finish")]
    seal: bool,
    /// Seal its key to this age recipient (repeatable)
    #[arg(long, value_name = "age1...", conflicts_with = "finish")]
    recipient: Vec<String>,
    /// File with the passphrase for --seal
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "seal")]
    passphrase_file: Option<PathBuf>,
}

impl AuthorityArgs {
    fn is_empty(&self) -> bool {
        self.common_name.is_none() && !self.seal && self.recipient.is_empty()
    }
}

/// What was written: what the output shows and what `--json` prints.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    path: String,
}

/// The request lies beside the key under one name, whatever the role.
pub(crate) const REQUEST_FILE: &str = "request.pem";

pub(crate) fn run(args: RequestArgs, env: &mut Env) -> Result<Answer> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("."));
    if !args.finish.is_empty() {
        if args.out.is_none() && authority::is_answered(&args.finish, env)? {
            return authority::finish(&args.finish, env);
        }
        let written = finish::finish(&args.finish, &env.cwd.join(&out), env)?;
        return tell("wrote", &written, env);
    }
    let (Some(role), Some(name)) = (&args.role, &args.name) else {
        return Err(Error::usage("a request needs a role and a name").hint("certgen request client NAME"));
    };
    if role == layout::AUTHORITY {
        return authority::request(name, &args, env);
    }
    if !args.authority.is_empty() {
        return Err(Error::usage(format!(
            "--common-name, --seal and --recipient are for an authority, not for a {role}"
        )));
    }
    let role: Role = role.parse().map_err(|e: crate::profile::UnknownRole| Error::usage(e.to_string()))?;
    let entry = entry(role, name, &args, env)?;
    let written = make(&entry, &env.cwd.join(&out), env)?;
    let request = out.join(REQUEST_FILE);
    let request = if out.as_os_str() == "." { REQUEST_FILE.into() } else { request.to_string_lossy() };
    let issue = format!("certgen issue {role} {} --csr {}", ui::shell(name), ui::shell(&request));
    tell("wrote", &written, env)?;
    env.say(format!("next, where the authority is: {issue}"));
    env.say(format!(
        "then bring the directory that it writes back here: certgen request --finish DIR --out {}",
        ui::shell(&out.to_string_lossy())
    ));
    Ok(Answer::Yes)
}

/// The entry as it would stand in a manifest: one set of rules for names, wherever they are typed.
fn entry(role: Role, name: &str, args: &RequestArgs, env: &Env) -> Result<Entry> {
    let mut spec = EntrySpec::default();
    args.called.add_to(&mut spec)?;
    args.key.add_to(&mut spec, &env.cwd)?;
    Manifest::lone_entry(role, name, &spec).map_err(|e| Error::from(e).as_usage())
}

fn make(entry: &Entry, dir: &Path, env: &Env) -> Result<Vec<PathBuf>> {
    let owner = entry.owner.as_deref().map(Owner::parse).transpose()?;
    if let Some(owner) = &owner {
        owner.check_permitted()?;
    }
    let key_path = dir.join(entry.role.key_file());
    let request_path = dir.join(REQUEST_FILE);
    for path in [&key_path, &request_path] {
        if path.symlink_metadata().is_ok() {
            return Err(Error::failed(format!("{} exists already", ui::path(env.shown(path))))
                .hint("finish it with certgen request --finish FILE, or name another directory with --out DIR"));
        }
    }
    let key = PrivateKey::generate(entry.key_type)?;
    let template = CsrTemplate {
        subject: entry.full_subject()?,
        subject_alt_names: entry.san.clone(),
        key_usage: entry.role.key_usage(entry.key_type),
        extended_key_usage: entry.role.extended_key_usage(),
    };
    let csr = template.sign(&key)?;
    let pem = match &entry.key_password_file {
        Some(path) => {
            let password = store::read_required_password(path)?;
            if let Some(why) = crate::emit::rabbitmq::unfit(&password) {
                return Err(Error::failed(format!("the key password {why}"))
                    .hint("use letters and digits: rabbitmq.conf cannot carry every password"));
            }
            key.to_encrypted_pem(password.as_bytes())?
        }
        None => key.to_pem(),
    };
    let mut transaction = Transaction::outside(dir)?;
    let key_file = OutputFile::private(entry.role.key_file(), pem.as_bytes().to_vec()).with_mode(entry.key_mode);
    transaction.put(key_file.owned_by(owner.clone()))?;
    transaction.put(OutputFile::public(REQUEST_FILE, csr.pem()).owned_by(owner))?;
    transaction.commit()?;
    Ok(vec![key_path, request_path])
}

fn tell(action: &'static str, written: &[PathBuf], env: &mut Env) -> Result<Answer> {
    let items: Vec<Item> = written.iter().map(|path| Item { action, path: ui::path(env.shown(path)) }).collect();
    if env.json {
        ui::items(env, &items)?;
    } else {
        for item in &items {
            writeln!(env.out(), "{action}  {}", item.path)?;
        }
    }
    Ok(Answer::Yes)
}
