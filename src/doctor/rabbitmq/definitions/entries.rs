//! The entries of a list in a JSON text, each with its line: serde_json alone forgets where a value stood.

use std::collections::HashMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Entries with the lines on which they begin.
pub(in crate::doctor::rabbitmq) type Entries = Vec<(usize, Value)>;

/// The list under `name` in the object that `text` is.
pub(in crate::doctor::rabbitmq) fn read(text: &str, name: &str) -> Entries {
    let members: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let list = members.get(name).map(|raw| raw.get()).unwrap_or("[]");
    let entries: Vec<&RawValue> = serde_json::from_str(list).unwrap_or_default();
    let (mut at, mut line) = (0, 1);
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let start = entry.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[at..start].matches('\n').count();
        at = start;
        if let Ok(value) = serde_json::from_str(entry.get()) {
            found.push((line, value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        let text = "{\"a\": [],\n \"users\":\n [{\"name\": \"x\"},\n\n  {\"name\":\n \"y\"}, 5]}";
        let found: Vec<(usize, String)> =
            read(text, "users").into_iter().map(|(l, v)| (l, v["name"].to_string())).collect();
        assert_eq!(found, [(3, "\"x\"".to_owned()), (5, "\"y\"".to_owned()), (6, "null".to_owned())]);
        assert!(
            read(text, "b").is_empty() && read("[", "users").is_empty() && read("{\"users\": 3}", "users").is_empty()
        );
    }
}
