//! enabled_plugins: one Erlang list of atoms and a full stop. RabbitMQ rewrites it, without comments, at every
//! `rabbitmq-plugins enable`.

use super::erlang::{self, Term};
use crate::error::{Error, Result};
use crate::ui;

/// The file for these plugins, in this order.
pub(super) fn write(comments: &[String], plugins: &[String]) -> Result<String> {
    if let Some(bad) = plugins.iter().find(|name| !is_plugin_name(name)) {
        return Err(Error::failed(format!("writing enabled_plugins: {} is not the name of a plugin", ui::quote(bad))));
    }
    let list = Term::List(plugins.iter().map(|name| erlang::atom(name)).collect());
    Ok(erlang::file(comments, &list))
}

fn is_plugin_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The plugins in an existing file.
pub(super) fn read(text: &str) -> Result<Vec<String>> {
    let mut inside = text.lines().map(|line| line.split('%').next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    inside = inside.trim().to_owned();
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let list = inside.strip_suffix('.').map(str::trim_end).and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
    let list = list.ok_or_else(|| unreadable("it is not an Erlang list with a full stop"))?;
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for item in list.split(',').map(str::trim) {
        let name = item.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(item);
        if !is_plugin_name(name) {
            return Err(unreadable(&format!("{} is not the name of a plugin", ui::quote(item))));
        }
        found.push(name.to_owned());
    }
    Ok(found)
}

fn unreadable(why: &str) -> Error {
    Error::failed(format!("reading enabled_plugins: {why}"))
        .hint("rabbitmq-plugins list shows what RabbitMQ makes of it")
}

/// `existing` with `wanted` added at the end; the very same bytes when nothing is missing.
pub(super) fn add(existing: &str, wanted: &[String]) -> Result<String> {
    let mut all = read(existing)?;
    let missing: Vec<_> = wanted.iter().filter(|name| !all.contains(name)).cloned().collect();
    if missing.is_empty() {
        return Ok(existing.to_owned());
    }
    all.extend(missing);
    let comments: Vec<String> = existing
        .lines()
        .take_while(|line| line.trim_start().starts_with('%'))
        .map(|line| line.trim_start_matches([' ', '\t', '%']).trim_end().to_owned())
        .collect();
    write(&comments, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn a_list_is_written_and_read_back() {
        let written = write(&["by certgen".into()], &names(&["rabbitmq_management", "rabbitmq_mqtt"])).unwrap();
        assert_eq!(written, "%% by certgen\n[rabbitmq_management, rabbitmq_mqtt].\n");
        assert_eq!(read(&written).unwrap(), ["rabbitmq_management", "rabbitmq_mqtt"]);
    }

    #[test]
    fn plugins_are_added_and_nothing_else_changes() {
        let existing = "[rabbitmq_shovel,\n 'rabbitmq_management'].";
        assert_eq!(add(existing, &names(&["rabbitmq_management"])).unwrap(), existing);
        assert_eq!(
            add(existing, &names(&["rabbitmq_mqtt"])).unwrap(),
            "[rabbitmq_shovel, rabbitmq_management, rabbitmq_mqtt].\n"
        );
        assert_eq!(add("", &names(&["rabbitmq_mqtt"])).unwrap(), "[rabbitmq_mqtt].\n");
        assert_eq!(add("%% mine\n[].", &names(&["rabbitmq_mqtt"])).unwrap(), "%% mine\n[rabbitmq_mqtt].\n");
    }

    #[test]
    fn what_is_not_such_a_list_is_said() {
        for text in ["[a", "a.", "{a}.", "[A].", "[a b].", "[\"a\"].", "[a,].", "[a,{b}]."] {
            assert!(read(text).is_err(), "{text:?}");
        }
        assert!(write(&[], &names(&["a]. evil"])).is_err());
    }
}
