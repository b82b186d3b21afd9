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

/// Prints the same one after the other, however many they are, and what else the envelope says.
///
/// # Errors
/// Standard output cannot be written.
pub fn stream<T: Serialize>(
    env: &mut Env,
    items: impl IntoIterator<Item = T>,
    rest: &serde_json::Map<String, serde_json::Value>,
) -> Result<()> {
    let indented = |text: String, by: &str| text.replace('\n', &format!("\n{by}"));
    write!(env.out(), "{{\n  \"version\": 1,\n  \"items\": [")?;
    let mut is_first = true;
    for item in items {
        let text = serde_json::to_string_pretty(&item).map_err(std::io::Error::other)?;
        let comma = if std::mem::take(&mut is_first) { "" } else { "," };
        write!(env.out(), "{comma}\n    {}", indented(text, "    "))?;
    }
    write!(env.out(), "{}]", if is_first { "" } else { "\n  " })?;
    for (key, value) in rest {
        let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
        write!(env.out(), ",\n  \"{key}\": {}", indented(text, "  "))?;
    }
    writeln!(env.out(), "\n}}")?;
    Ok(())
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
