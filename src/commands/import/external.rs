//! `certgen import --external`: a pair that somebody else renews.

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{Change, Vault};
use crate::commands::import::{self, ImportArgs, tree};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::store;
use crate::ui;
use crate::x509::{Certificate, PrivateKey, X509Error};

/// What became of the pair.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    role: &'static str,
    name: String,
    issuer: String,
    serial_number: String,
    #[serde(with = "time::serde::rfc3339")]
    not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
    path: String,
    /// Nothing was written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// Puts the pair into its directory.
pub(super) fn run(args: &ImportArgs, env: &mut Env) -> Result<Answer> {
    let (Some(name), Some(certificate), Some(key)) = (&args.external, &args.certificate, &args.key) else {
        return Err(Error::usage("--external needs --certificate FILE and --key FILE"));
    };
    if args.taking.role.is_some() || args.taking.authority.is_some() || !args.taking.config.is_empty() {
        return Err(Error::usage("--external takes a pair as it is: it goes without --role, --authority and --config"));
    }
    let chain = read_chain(certificate, env)?;
    let key = read_key(key, args, env)?;
    let (mut world, locked) = tree::open(args.taking.dry_run, env)?;
    let mut vault = Vault::new(&args.keys.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    let taken = change.take_external(name, &chain, &key)?;
    if let Some(mut locked) = locked {
        let done = change.commit(&mut locked)?;
        done.notes.iter().for_each(|note| env.say(note));
        shared::warn_of_edited(&done.edited, env);
    }
    let Some(leaf) = chain.first() else { return Ok(Answer::Yes) };
    let validity = leaf.validity();
    let item = Item {
        action: taken.action,
        role: "external",
        name: name.clone(),
        issuer: leaf.issuer().to_string(),
        serial_number: leaf.serial().to_string(),
        not_before: validity.not_before,
        not_after: validity.not_after,
        path: ui::path(env.shown(&taken.directory)),
        dry_run: args.taking.dry_run,
    };
    tell(&item, env)?;
    if item.dry_run {
        import::say_dry(env);
    }
    if validity.not_after <= env.now {
        env.warn(format!("it expired on {}: whoever renews it has to", ui::date(validity.not_after)));
    }
    Ok(Answer::Yes)
}

fn tell(item: &Item, env: &mut Env) -> Result<()> {
    if env.json {
        return ui::items(env, &[item]);
    }
    let what = ui::plain(&format!("{}/{}", item.role, item.name));
    let action = import::action(item.action, item.dry_run);
    writeln!(env.out(), "{action} {what}  until {}  {}", &ui::date(item.not_after)[..10], item.path)?;
    Ok(())
}

/// The certificates of a file, the pair's own first.
fn read_chain(file: &Path, env: &Env) -> Result<Vec<Certificate>> {
    let bytes = store::read_limited(&env.cwd.join(file), store::INPUT_LIMIT)?;
    Certificate::all_from_bytes(&bytes).map_err(|e| Error::from(e).context(format!("reading {}", ui::path(file))))
}

/// The key, opened with the first password that fits.
fn read_key(file: &PathBuf, args: &ImportArgs, env: &Env) -> Result<PrivateKey> {
    let bytes = store::read_limited(&env.cwd.join(file), store::INPUT_LIMIT)?;
    let passwords = tree::passwords(&args.taking, env)?;
    let mut failure = match PrivateKey::from_pem(&bytes, None) {
        Ok(key) => return Ok(key),
        Err(e) => e,
    };
    for password in &passwords {
        match PrivateKey::from_pem(&bytes, Some(password.as_bytes())) {
            Ok(key) => return Ok(key),
            Err(e) => failure = e,
        }
    }
    let is_locked = matches!(failure, X509Error::Encrypted);
    let error = Error::from(failure).context(format!("reading {}", ui::path(file)));
    Err(if is_locked { error.hint("give its password with --key-password-file FILE") } else { error })
}
