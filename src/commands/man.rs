//! `certgen man`

use std::path::PathBuf;

use crate::commands::Answer;
use crate::env::Env;
use crate::error::Result;
use crate::store::{OutputFile, Transaction};
use crate::ui;

/// The page that describes the manifest is prose, so it is written by hand.
const MANIFEST_PAGE: &str = include_str!("../../man/certgen.toml.5");

/// Write the manual pages into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Where to; made if it is not there
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

pub(crate) fn run(args: &ManArgs, env: &mut Env) -> Result<Answer> {
    let dir = env.cwd.join(&args.dir);
    let mut transaction = Transaction::outside(&dir)?;
    for (name, page) in pages() {
        transaction.put(OutputFile::public(&name, page))?;
        env.say(format!("wrote {}", ui::path(&args.dir.join(&name))));
    }
    transaction.commit()?;
    Ok(Answer::Yes)
}

/// Every page by file name, made from the command line itself so that it cannot fall behind.
pub fn pages() -> Vec<(String, Vec<u8>)> {
    let mut root = super::command();
    root.build();
    let mut pages = vec![("certgen.1".to_owned(), page(&root, "certgen"))];
    for command in root.get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = format!("certgen-{}", command.get_name());
        pages.push((format!("{name}.1"), page(command, &name)));
    }
    pages.push(("certgen.toml.5".to_owned(), MANIFEST_PAGE.as_bytes().to_vec()));
    pages
}

fn page(command: &clap::Command, name: &str) -> Vec<u8> {
    let mut page = Vec::new();
    // The name with a dash is the page's; the usage line inside keeps the words as they are typed.
    let command = command.clone().name(name.to_owned()).disable_help_flag(true);
    clap_mangen::Man::new(command).date("").render(&mut page).expect("writing into memory does not fail");
    page
}
