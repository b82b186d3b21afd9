//! `certgen import`

mod external;
mod handoff;
mod lists;
mod report;
mod snapshot;
mod tree;

use std::path::{Path, PathBuf};

use crate::commands::Answer;
use crate::commands::seal::NewKeysArgs;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store::Store;
use crate::ui;

/// Take over what exists: trees of tls-gen, easy-rsa, openssl and others, pairs, lists, snapshots
///
/// Directories and files are looked through for authorities, for certificates of servers, nodes and clients, for their keys
/// and for revocations: tls-gen, easy-rsa, mkcert, minica, cfssl, openssl ca, Vault, PEM, DER, PKCS#12 and JKS. What is found
/// becomes authorities and entries of the PKI, which is made if there is none, so that renew, revoke and rotate work on it.
/// No certificate is changed, and nothing in the directories that are read. Where something stands in the way, nothing is
/// taken. Passwords that open nothing are such a thing.
///
/// With --external a pair that somebody else renews, certbot for instance, is put into external/NAME. The same again puts the
/// renewed one there.
///
/// A revocation list alone is one that an authority here has signed. What it revokes and the inventory does not know yet is
/// recorded, with its date and reason: after a restore from a backup, or where the authority's key is on another machine. The
/// list takes the place of the one here, and the broker's copies follow. A list that is older than the one here is refused.
///
/// A snapshot is what certgen export --all has written. All of it is restored into an empty directory, with the modes and, as
/// root, the owners, or nothing.
///
/// With --out it opens what certgen export NAME --format age has sealed for whoever runs a client: its pair and its
/// configuration, into a directory that is empty or does not exist yet. No PKI is needed there.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen --pki taken import tls-gen/basic/result\n  \
                        certgen --pki taken import tls-gen/basic --dry-run\n  \
                        certgen --pki taken import tls-gen/basic --authority clients --config rabbitmq.conf\n  \
                        certgen import --external www.example.com --certificate fullchain.pem --key privkey.pem\n  \
                        certgen import crl.pem\n  \
                        certgen --pki restored import --identity key.txt backup.age\n  \
                        certgen import --identity key.txt worker.age --out worker")]
pub(crate) struct ImportArgs {
    /// Directories and files to take over; or lists, or one snapshot or hand-over; - is standard input
    #[arg(value_name = "DIR|FILE|-", required_unless_present = "external", value_hint = clap::ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    taking: TakingArgs,
    /// Take in a pair that somebody else renews, under this name
    #[arg(long, value_name = "NAME", requires_all = ["certificate", "key"], conflicts_with_all = ["files", "out"])]
    external: Option<String>,
    /// With --external: its certificate, then those of its issuers
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "external")]
    certificate: Option<PathBuf>,
    /// With --external: its private key
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "external")]
    key: Option<PathBuf>,
    /// Open a hand-over into this directory
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    keys: NewKeysArgs,
}

/// How trees and pairs are taken.
#[derive(Debug, clap::Args)]
struct TakingArgs {
    /// File with a password that opens keys and key stores (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key_password_file: Vec<PathBuf>,
    /// Name of the authority that is taken, or of the one here that signed
    #[arg(long, value_name = "NAME")]
    authority: Option<String>,
    /// Role of every certificate that is no authority's: server, node or client [default: as its usages say]
    #[arg(long, value_name = "ROLE")]
    role: Option<Role>,
    /// Keep login_from and the users of a broker: its rabbitmq.conf, its definitions.json (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Vec<PathBuf>,
    /// A client may be a user that has a password or a tag
    #[arg(long)]
    existing_user: bool,
    /// Say what would be taken or opened, and write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: ImportArgs, env: &mut Env) -> Result<Answer> {
    if args.external.is_some() {
        return external::run(&args, env);
    }
    if let Some(out) = &args.out {
        return handoff::open(out, &args, env);
    }
    // Lists need the authority that signed them, and a snapshot a place where nothing is.
    let is_pki = Store::open(&env.pki).exists();
    if !is_pki && args.files.iter().any(|file| snapshot::is_one(file, env)) {
        return snapshot::restore(&args, env);
    }
    for file in &args.files {
        snapshot::refuse(file, env)?;
    }
    match lists::all(&args.files, env)? {
        Some(lists) if is_pki => lists::run(lists, &args, env),
        Some(_) => Err(Error::failed(format!(
            "there is no PKI in {} that could take over a revocation list",
            ui::path(env.shown(&env.pki))
        ))
        .hint("name the PKI with --pki DIR")),
        None => tree::run(&args, env),
    }
}

/// The first word of a line, as wide as the others.
fn action(word: &str, dry_run: bool) -> String {
    if !dry_run {
        return format!("{word:9}");
    }
    let told = match word {
        "imported" => "would import",
        "opened" => "would open",
        "released" => "would release",
        "replaced" => "would replace",
        "revoked" => "would revoke",
        other => other,
    };
    format!("{told:13}")
}

fn say_dry(env: &mut Env) {
    env.say("nothing was written, as --dry-run asks");
}

fn shown(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { ui::path(file) }
}
