//! `certgen explain`

use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};

/// Tell what an error text or a log line means, and what to do
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen explain 'Fatal - Unknown CA'")]
pub(crate) struct ExplainArgs {}

pub(crate) fn run(_: &ExplainArgs, _: &mut Env) -> Result<Answer> {
    Err(Error::failed("not written yet"))
}
