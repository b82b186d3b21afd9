//! `certgen seal`

use std::path::Path;

use serde::Serialize;

use crate::apply::{AuthorityState, Change, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::nearest;
use crate::store::layout::{self, Ca, Generation};
use crate::store::{self, seal::SealTo, seal::SealedTo};
use crate::ui::{self, Table};

/// Encrypt authority keys with age, to a passphrase or to recipients
///
/// A key that is sealed already is sealed again: to another passphrase or to other recipients. Every command that signs
/// opens it for itself with --passphrase-file, CERTGEN_PASSPHRASE, --identity or a prompt.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen seal\n  certgen seal root --new-passphrase-file new.txt --passphrase-file old.txt\n  \
                        certgen seal --recipient age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n  certgen seal --list"
)]
pub(crate) struct SealArgs {
    /// The authorities [default: all whose keys are here]
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authorities: Vec<String>,
    /// Seal to this age recipient (repeatable)
    #[arg(long, value_name = "age1...")]
    recipient: Vec<String>,
    /// File with the new passphrase, where a key is sealed already and --passphrase-file opens it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "recipient")]
    new_passphrase_file: Option<std::path::PathBuf>,
    /// Show which keys are sealed, and to whom
    #[arg(long, conflicts_with_all = ["recipient", "new_passphrase_file"])]
    list: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// Whether the keys of new authorities are sealed, to whom, and how those that sign are opened.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct NewKeysArgs {
    /// Seal the keys of new authorities with the passphrase of --passphrase-file, CERTGEN_PASSPHRASE or a prompt
    #[arg(long)]
    seal: bool,
    /// Seal the keys of new authorities to this age recipient (repeatable)
    #[arg(long, value_name = "age1...")]
    recipient: Vec<String>,
    #[command(flatten)]
    pub(crate) unlock: Unlock,
}

impl NewKeysArgs {
    /// To whom new keys are sealed.
    ///
    /// # Errors
    /// No passphrase can be had, or a recipient is none.
    pub(crate) fn seal_to(&self, env: &Env) -> Result<Option<SealTo>> {
        seal_to(self.seal, &self.recipient, &self.unlock, env)
    }
}

/// One authority whose key was sealed or unsealed: what `--json` prints.
#[derive(Debug, Serialize)]
struct Changed<'a> {
    action: &'static str,
    authority: &'a str,
}

/// One authority key: what the table shows and what `--json` prints.
#[derive(Debug, Serialize)]
struct Item {
    authority: String,
    /// During a rotation, of the key beside the one that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<&'static str>,
    key: &'static str,
    sealed_to: Vec<String>,
}

pub(crate) fn run(args: SealArgs, env: &mut Env) -> Result<Answer> {
    if args.list {
        return list(&args, env);
    }
    let (mut world, mut locked) = World::lock("seal", env)?;
    let names = wanted(&args.authorities, &world)?;
    let keys: Vec<_> = names.iter().flat_map(|name| world.keys_here(name)).collect();
    let sealed_before = keys.iter().any(|ca| world.authority_state(ca) == AuthorityState::Sealed);
    let to = match &args.new_passphrase_file {
        Some(path) => SealTo::Passphrase(store::read_passphrase(&env.cwd.join(path))?),
        None if !args.recipient.is_empty() => to_recipients(&args.recipient)?,
        None if sealed_before => {
            let hint = "give the new one with --new-passphrase-file PATH, or --recipient age1...";
            SealTo::Passphrase(ui::new_secret(env, "New passphrase", hint)?)
        }
        None => passphrase_to_seal_with(&args.unlock, env)?,
    };
    let mut vault = Vault::new(&args.unlock);
    {
        let mut change = Change::new(&mut world, &mut vault, env);
        for ca in &keys {
            change.seal_key(ca.into(), &to)?;
        }
        names.iter().try_for_each(|name| change.sealed(name, &to))?;
        change.commit(&mut locked)?;
    }
    for name in &names {
        env.say(format!("sealed the key of authority {}", ui::quote(name)));
    }
    tell("sealed", &names, env)?;
    Ok(Answer::Yes)
}

fn list(args: &SealArgs, env: &mut Env) -> Result<Answer> {
    let world = World::read(env)?;
    for name in &args.authorities {
        known(name, &world)?;
    }
    let mut items = Vec::new();
    for (ca, _) in world.authorities() {
        if !args.authorities.is_empty() && !args.authorities.iter().any(|name| name == ca.name) {
            continue;
        }
        let state = world.authority_state(ca);
        let sealed_to = match state {
            AuthorityState::Sealed => {
                let path = layout::ca_key_sealed(ca)?;
                sealed_to(ca.name, &world.store.read(&path)?, &ui::path(&path), &world)?
            }
            _ => Vec::new(),
        };
        let generation = (ca.generation != Generation::Present).then(|| ca.generation.as_str());
        items.push(Item { authority: ca.name.to_owned(), generation, key: shared::authority_key(state), sealed_to });
    }
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    let mut table = Table::new(&["AUTHORITY", "KEY", "SEALED TO"]);
    for item in &items {
        let to = if item.sealed_to.is_empty() { "-".to_owned() } else { item.sealed_to.join(", ") };
        let beside = item.generation.map_or_else(String::new, |generation| format!(" ({generation})"));
        table.row([ui::plain(&item.authority) + &beside, item.key.to_owned(), ui::plain(&to)]);
    }
    table.print(env)?;
    Ok(Answer::Yes)
}

/// What was done, for scripts; people were told on standard error.
pub(crate) fn tell(action: &'static str, names: &[String], env: &mut Env) -> Result<()> {
    if !env.json {
        return Ok(());
    }
    let items: Vec<Changed<'_>> = names.iter().map(|authority| Changed { action, authority }).collect();
    ui::items(env, &items)
}

/// Refuses a name that no authority here has.
fn known(name: &str, world: &World) -> Result<()> {
    if world.authority(name).is_some() {
        return Ok(());
    }
    let mut error = Error::failed(format!("there is no authority {}", ui::quote(name)));
    if let Some(near) = nearest(name, world.authority_names()) {
        error = error.hint(format!("did you mean {}?", ui::quote(near)));
    }
    Err(error.hint("see the authorities and their keys with certgen seal --list"))
}

/// The authorities named, or all whose keys are here.
pub(crate) fn wanted(named: &[String], world: &World) -> Result<Vec<String>> {
    for name in named {
        known(name, world)?;
        if world.authority_state(name) == AuthorityState::Elsewhere {
            return Err(Error::failed(format!("the key of authority {} is not here", ui::quote(name)))
                .hint("run this where the key is"));
        }
    }
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let here: Vec<String> = world
        .authority_names()
        .filter(|n| world.authority_state(*n) != AuthorityState::Elsewhere)
        .map(str::to_owned)
        .collect();
    if here.is_empty() {
        return Err(Error::failed("there is no authority key here"));
    }
    Ok(here)
}

/// What `--seal` and `--recipient` ask for.
pub(crate) fn seal_to(seal: bool, recipients: &[String], unlock: &Unlock, env: &Env) -> Result<Option<SealTo>> {
    match (seal, recipients.is_empty()) {
        (_, false) => to_recipients(recipients).map(Some),
        (true, true) => passphrase_to_seal_with(unlock, env).map(Some),
        (false, true) => Ok(None),
    }
}

fn passphrase_to_seal_with(unlock: &Unlock, env: &Env) -> Result<SealTo> {
    let file = unlock.passphrase_file.as_ref().map(|path| env.cwd.join(path));
    to_passphrase(file.as_deref(), "Passphrase for the authority keys", env)
}

/// To whoever knows a passphrase: of a file, of the environment, or asked for as `prompt`.
pub(crate) fn to_passphrase(file: Option<&Path>, prompt: &str, env: &Env) -> Result<SealTo> {
    if let Some(path) = file {
        return Ok(SealTo::Passphrase(store::read_passphrase(path)?));
    }
    if let Some(passphrase) = &env.passphrase {
        return Ok(SealTo::Passphrase(passphrase.clone()));
    }
    let hint =
        "give a passphrase with --passphrase-file PATH or CERTGEN_PASSPHRASE, or a recipient with --recipient age1...";
    Ok(SealTo::Passphrase(ui::new_secret(env, prompt, hint)?))
}

/// To the owners of these keys.
pub(crate) fn to_recipients(recipients: &[String]) -> Result<SealTo> {
    store::seal::check_recipients(recipients)?;
    Ok(SealTo::Recipients(recipients.to_vec()))
}

/// An age file does not name its recipients; the log does, if it was sealed here.
fn sealed_to(name: &str, file: &[u8], shown: &str, world: &World) -> Result<Vec<String>> {
    Ok(match store::seal::recipients_of(file, shown)? {
        SealedTo::Passphrase => vec!["a passphrase".to_owned()],
        SealedTo::Recipients(count) => {
            let known =
                world.inventory.history(layout::AUTHORITY, name).map(|h| h.recipients.clone()).unwrap_or_default();
            if known.len() == count { known } else { vec![format!("{count} recipients")] }
        }
    })
}

impl Change<'_> {
    /// Seals a key, whatever it is now.
    fn seal_key(&mut self, ca: Ca<'_>, to: &SealTo) -> Result<()> {
        let pem = self.vault.key_pem(self.world, ca, self.env)?;
        let sealed = store::seal::seal(&pem, to)?;
        self.put_secret(layout::ca_key_sealed(ca)?, sealed);
        if self.world.authority_state(ca) == AuthorityState::Here {
            self.removals.push(layout::ca_key(ca)?);
        }
        Ok(())
    }
}
