//! `certgen man`

use std::path::PathBuf;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::commands::Answer;
use crate::env::Env;
use crate::error::Result;
use crate::store::{OutputFile, Transaction};
use crate::ui;

/// The page that describes the manifest is prose, so it is written by hand.
const MANIFEST_PAGE: &str = include_str!("../../man/certgen.toml.5");

/// What certgen(1) says beyond its command line.
const ROOT_SECTIONS: &str = include_str!("man.roff");

const SEE_ALSO: &str =
    ".SH \"SEE ALSO\"\n\\fBcertgen\\fR(1) has the global options, \\fBcertgen.toml\\fR(5) the manifest.\n";

/// Write the manual pages into a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen man pages\n  \
                        certgen man pages && install -D -m 644 -t /usr/local/share/man/man1 pages/*.1")]
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
    let mut pages = Vec::new();
    add_pages(&root, "certgen", &mut pages);
    pages.push(("certgen.toml.5".to_owned(), MANIFEST_PAGE.as_bytes().to_vec()));
    pages
}

fn add_pages(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) {
    let page = page(command, name).expect("writing into memory does not fail");
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        add_pages(sub, &format!("{name}-{}", sub.get_name()), pages);
    }
}

fn page(command: &clap::Command, name: &str) -> std::io::Result<Vec<u8>> {
    let is_root = name == "certgen";
    let usage = command.clone().render_usage().to_string();
    // The name with a dash is the page's; the synopsis keeps the words as they are typed.
    let mut shown = command.clone().name(name.to_owned()).display_name(name.to_owned());
    shown = shown.override_usage(usage.trim_start_matches("Usage:").trim().to_owned());
    if !is_root {
        shown = shown.mut_args(|arg| match arg.get_help_heading() {
            Some(super::GLOBAL_OPTIONS) => arg.hide(true),
            _ => arg,
        });
    }
    let has_subcommands = command.has_subcommands();
    let man = Man::new(shown).date("").source(concat!("certgen ", env!("CARGO_PKG_VERSION"))).manual("certgen manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    sections(&after).to_writer(&mut page)?;
    page.extend_from_slice(if is_root { ROOT_SECTIONS } else { SEE_ALSO }.as_bytes());
    Ok(page)
}

/// The paragraphs that stand below a help, `HEADING:` with indented lines: here each is a section.
fn sections(after_help: &str) -> Roff {
    let mut roff = Roff::default();
    for paragraph in after_help.split("\n\n") {
        let Some((heading, lines)) = paragraph.split_once(":\n") else { continue };
        if heading == "EXIT CODES" {
            continue; // EXIT STATUS says more
        }
        roff.control("SH", [heading]);
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}
