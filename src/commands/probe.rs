//! `certgen probe`

use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};

/// Shake hands with a live server, up to the login: which side refuses, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen probe localhost:5671")]
pub(crate) struct ProbeArgs {}

pub(crate) fn run(_: &ProbeArgs, _: &mut Env) -> Result<Answer> {
    Err(Error::failed("not written yet"))
}
