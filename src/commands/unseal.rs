//! `certgen unseal`

use crate::apply::{AuthorityState, Change, Unlock, Vault, World};
use crate::commands::{Answer, seal, shared};
use crate::env::Env;
use crate::error::Result;
use crate::store::Action;
use crate::store::layout::{self, Ca};
use crate::ui;

/// Store authority keys in the clear again, readable by their owner alone
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen unseal --passphrase-file passphrase.txt\n  certgen unseal root --identity key.txt"
)]
pub(crate) struct UnsealArgs {
    /// The authorities [default: all whose keys are sealed]
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authorities: Vec<String>,
    #[command(flatten)]
    unlock: Unlock,
}

pub(crate) fn run(args: UnsealArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("unseal", env)?;
    let mut names = seal::wanted(&args.authorities, &world)?;
    let mut keys: Vec<_> = names.iter().flat_map(|name| world.keys_here(name)).collect();
    keys.retain(|ca| world.authority_state(ca) == AuthorityState::Sealed);
    names.retain(|name| keys.iter().any(|(sealed, _)| sealed == name));
    if names.is_empty() {
        env.say("nothing to do: no such key is sealed");
        seal::tell("unsealed", &[], env)?;
        return Ok(Answer::Yes);
    }
    let mut vault = Vault::new(&args.unlock);
    {
        let mut change = Change::new(&mut world, &mut vault, env);
        for ca in &keys {
            change.unseal_key(ca.into())?;
        }
        for name in &names {
            let event = change.event(Action::Unsealed, layout::AUTHORITY, name)?;
            change.events.push(event);
        }
        change.commit(&mut locked)?;
    }
    for name in &names {
        env.say(format!("the key of authority {} is in the clear again", ui::quote(name)));
    }
    seal::tell("unsealed", &names, env)?;
    Ok(Answer::Yes)
}

impl Change<'_> {
    fn unseal_key(&mut self, ca: Ca<'_>) -> Result<()> {
        let pem = self.vault.key_pem(self.world, ca, self.env)?;
        self.put_secret(layout::ca_key(ca)?, pem.to_vec());
        self.removals.push(layout::ca_key_sealed(ca)?);
        Ok(())
    }
}
