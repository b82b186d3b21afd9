//! `--check HOST:PORT`: asks a listener whom it accepts.

use crate::apply::{Rotation, World};
use crate::env::Env;
use crate::error::{Error, Result};

pub(super) fn listeners(_places: &[String], _rotation: &Rotation, _world: &World, _env: &mut Env) -> Result<()> {
    Err(Error::failed("TODO"))
}
