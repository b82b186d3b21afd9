//! The JSON that scripts read: one envelope for every command, whose keys are only ever added to.

use serde::Serialize;
use serde_json::{Map, Value};

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

/// Prints the same one after the other, however many they are.
///
/// # Errors
/// Standard output cannot be written.
pub fn stream<T: Serialize>(env: &mut Env, items: impl IntoIterator<Item = T>) -> Result<()> {
    let mut stream = Stream::begin(env)?;
    items.into_iter().try_for_each(|item| stream.item(env, &item))?;
    stream.end(env, &Map::new())
}

/// An envelope that is printed as its items come.
pub struct Stream {
    is_empty: bool,
}

impl Stream {
    /// Opens the envelope.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn begin(env: &mut Env) -> Result<Self> {
        write!(env.out(), "{{\n  \"version\": 1,\n  \"items\": [")?;
        Ok(Self { is_empty: true })
    }

    /// Prints the next item.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn item<T: Serialize>(&mut self, env: &mut Env, item: &T) -> Result<()> {
        let comma = if std::mem::take(&mut self.is_empty) { "" } else { "," };
        write!(env.out(), "{comma}\n    {}", indented(item, "    ")?)?;
        Ok(())
    }

    /// Says what else the envelope has to say, and closes it.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn end(self, env: &mut Env, rest: &Map<String, Value>) -> Result<()> {
        write!(env.out(), "{}]", if self.is_empty { "" } else { "\n  " })?;
        for (key, value) in rest {
            write!(env.out(), ",\n  \"{key}\": {}", indented(value, "  ")?)?;
        }
        writeln!(env.out(), "\n}}")?;
        Ok(())
    }
}

fn indented(value: &impl Serialize, by: &str) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
    Ok(text.replace('\n', &format!("\n{by}")))
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
