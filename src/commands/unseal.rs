//! `certgen unseal`

use crate::apply::{AuthorityState, Change, Unlock, Vault, World};
use crate::commands::{Answer, seal, shared};
use crate::env::Env;
use crate::error::Result;
use crate::store::{Action, layout};
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
    names.retain(|n| world.authority_state(n) == AuthorityState::Sealed);
    if names.is_empty() {
        env.say("nothing to do: no such key is sealed");
        seal::tell("unsealed", &[], env)?;
        return Ok(Answer::Yes);
    }
    let mut vault = Vault::new(&args.unlock);
    {
        let mut change = Change::new(&mut world, &mut vault, env);
        for name in &names {
            change.unseal_authority(name)?;
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
    fn unseal_authority(&mut self, name: &str) -> Result<()> {
        let pem = self.vault.key_pem(self.world, name, self.env)?;
        self.put_secret(layout::ca_key(name)?, pem.to_vec());
        self.removals.push(layout::ca_key_sealed(name)?);
        let event = self.event(Action::Unsealed, layout::AUTHORITY, name)?;
        self.events.push(event);
        Ok(())
    }
}
