//! `certgen completions`

use clap_complete::env::Shells;

use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};

/// Print the completion script of a shell
///
/// The script asks certgen itself, so it also completes the names in the inventory, authorities and profiles.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen completions bash > /etc/bash_completion.d/certgen\n  \
                        certgen completions zsh > \"${fpath[1]}/_certgen\"\n  \
                        certgen completions fish > ~/.config/fish/completions/certgen.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(["bash", "elvish", "fish", "powershell", "zsh"]))]
    shell: String,
}

pub(crate) fn run(args: &CompletionsArgs, env: &mut Env) -> Result<Answer> {
    let shells = Shells::builtins();
    let shell = shells
        .completer(&args.shell)
        .ok_or_else(|| Error::usage(format!("there is no completion for {}", args.shell)))?;
    let mut script = Vec::new();
    shell.write_registration("COMPLETE", "certgen", "certgen", "certgen", &mut script)?;
    env.out().write_all(&script)?;
    Ok(Answer::Yes)
}
