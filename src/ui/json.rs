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
    let mut told = Items::new(env);
    items.into_iter().try_for_each(|item| told.item(env, |_| item))?;
    told.end(env)
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

/// The same envelope for items that come one by one and are not kept. Where JSON was not asked for it prints nothing.
pub struct Items {
    count: Option<usize>,
}

impl Items {
    /// Nothing is printed before the first item.
    pub fn new(env: &Env) -> Self {
        Self { count: env.json.then_some(0) }
    }

    /// Prints what `item` makes.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn item<T: Serialize>(&mut self, env: &mut Env, item: impl FnOnce(&Env) -> T) -> Result<()> {
        let Some(count) = &mut self.count else { return Ok(()) };
        let separator = if *count == 0 { "{\n  \"version\": 1,\n  \"items\": [\n    " } else { ",\n    " };
        *count += 1;
        let text = serde_json::to_string(&item(env)).map_err(std::io::Error::other)?;
        write!(env.out(), "{separator}{text}")?;
        Ok(())
    }

    /// Prints the end where something failed: nothing, if nothing was printed.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn end_early(self, env: &mut Env) -> Result<()> {
        if self.count == Some(0) { Ok(()) } else { self.end(env) }
    }

    /// Prints the end.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn end(self, env: &mut Env) -> Result<()> {
        self.end_with(env, &Map::new())
    }

    /// Prints what else the envelope has to say, and the end.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn end_with(self, env: &mut Env, rest: &Map<String, Value>) -> Result<()> {
        match self.count {
            None => return Ok(()),
            Some(0) => write!(env.out(), "{{\n  \"version\": 1,\n  \"items\": []")?,
            Some(_) => write!(env.out(), "\n  ]")?,
        }
        for (key, value) in rest {
            write!(env.out(), ",\n  \"{key}\": {value}")?;
        }
        writeln!(env.out(), "\n}}")?;
        Ok(())
    }
}
