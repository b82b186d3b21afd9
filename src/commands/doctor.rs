//! `certgen doctor`

use crate::commands::Answer;
use crate::env::Env;
use crate::error::{Error, Result};

/// Find what does not fit together, from files alone
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen doctor")]
pub(crate) struct DoctorArgs {}

pub(crate) fn run(_: &DoctorArgs, _: &mut Env) -> Result<Answer> {
    Err(Error::failed("not written yet"))
}
