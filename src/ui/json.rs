//! The JSON that scripts read: one envelope for every command, whose keys are only ever added to.

use serde::Serialize;

use crate::env::Env;
use crate::error::Result;

/// Prints `{"version":1,"items":[...]}`.
///
/// # Errors
/// Standard output cannot be written.
pub fn items<T: Serialize>(env: &mut Env, items: &[T]) -> Result<()> {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        version: u32,
        items: &'a [T],
    }
    document(env, &Envelope { version: 1, items })
}

/// Prints an envelope that says more than its items.
///
/// # Errors
/// Standard output cannot be written.
pub fn document<T: Serialize>(env: &mut Env, document: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(std::io::Error::other)?;
    writeln!(env.out(), "{text}")?;
    Ok(())
}
