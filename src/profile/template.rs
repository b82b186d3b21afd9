//! A profile is a manifest with blanks.
//!
//! The blanks are declared in comments that do not reach the result:
//!
//! ```text
//! # set: nodes (list) = {{host}} -- the host names of the nodes, with commas between them
//! # set: namespace (required) -- where the cluster runs
//! # set: service (optional) -- another name of the client service
//! ```
//!
//! and stand as `{{nodes}}` inside quoted strings, nowhere else. A string is read, its blanks are filled, and it is quoted
//! anew, so a value is data whatever it holds. A string that is only the blank of a number or a switch becomes that number
//! or switch; in an array, that of a list becomes its items. A paragraph that begins with `# each: nodes` is repeated for
//! every item. A line with the blank of an optional setting that nobody set is left out.

use std::collections::BTreeMap;

use super::nearest;
use super::quote::{quoted_key, quoted_string};
use crate::error::{Error, Result};
use crate::ui;

/// One `--set` key of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: String,
    /// What it is where nobody says; `None`: it must be said, or may be left out.
    pub default: Option<String>,
    /// What it is for, in one line.
    pub help: String,
    /// What its value may be.
    pub kind: Kind,
    /// It has no default and must be given.
    pub required: bool,
}

/// What the value of a setting may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Texts with commas between them.
    List,
    /// A whole number.
    Number,
    /// true or false.
    Switch,
}

/// What the world knows that a profile may want as a default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The name of this host, as `{{host}}`.
    pub host_name: String,
}

/// A profile, read but not filled in.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) summary: String,
    pub(crate) settings: Vec<Setting>,
    body: String,
}

#[derive(Debug, Clone)]
enum Filled {
    Text(String),
    List(Vec<String>),
    Bare(String),
    Nothing,
}

type Blanks = BTreeMap<String, Filled>;

const SET: &str = "# set: ";
const EACH: &str = "# each: ";

impl Template {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let (mut settings, mut body) = (Vec::new(), String::new());
        for (number, line) in text.lines().enumerate() {
            match line.strip_prefix(SET) {
                Some(declared) => settings.push(read_setting(declared).ok_or_else(|| {
                    Error::failed(format!("line {}: a setting is written {SET}KEY = VALUE -- HELP", number + 1))
                })?),
                None => {
                    body.push_str(line);
                    body.push('\n');
                }
            }
        }
        let summary = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default().to_owned();
        Ok(Self { summary, settings, body })
    }

    pub(crate) fn render(&self, given: &BTreeMap<String, String>, context: &Context) -> Result<String> {
        let blanks = self.fill(given, context)?;
        let mut out = String::with_capacity(self.body.len());
        let mut in_header = true;
        for paragraph in self.body.split("\n\n") {
            let rendered = render_paragraph(paragraph.trim_matches('\n'), &blanks)?;
            // The declarations leave gaps where they stood, and a paragraph may vanish as a whole.
            if rendered.trim().is_empty() {
                continue;
            }
            if !in_header {
                out.push('\n');
            }
            in_header = false;
            out.push_str(rendered.trim_end_matches('\n'));
            out.push('\n');
        }
        Ok(out)
    }

    /// The value of every setting: what was given, else its default.
    fn fill(&self, given: &BTreeMap<String, String>, context: &Context) -> Result<Blanks> {
        for key in given.keys() {
            if !self.settings.iter().any(|setting| setting.key == *key) {
                return Err(self.unknown_key(key));
            }
        }
        let mut blanks = Blanks::from([("host".to_owned(), Filled::Text(context.host_name.clone()))]);
        for setting in &self.settings {
            let value = match (given.get(&setting.key), &setting.default) {
                (Some(value), _) => fill_one(setting, value)?,
                (None, Some(default)) => fill_one(setting, &filled(default, &blanks)?.unwrap_or_default())?,
                (None, None) if setting.required => {
                    return Err(Error::usage(format!(
                        "the profile needs a value for {:?}: {}",
                        setting.key, setting.help
                    ))
                    .hint(format!("--set {}=VALUE", setting.key)));
                }
                (None, None) => Filled::Nothing,
            };
            blanks.insert(setting.key.clone(), value);
        }
        Ok(blanks)
    }

    fn unknown_key(&self, key: &str) -> Error {
        let known = self.settings.iter().map(|setting| setting.key.as_str());
        let message = format!("the profile has no setting {}", ui::quote(key));
        let error = match nearest(key, known.clone()) {
            Some(meant) => Error::usage(format!("{message}: did you mean {meant:?}?")),
            None => Error::usage(message),
        };
        match self.settings.is_empty() {
            true => error.hint("it takes no --set at all"),
            false => error.hint(format!("its settings: {}", known.collect::<Vec<_>>().join(", "))),
        }
    }
}

/// `KEY [(KIND)] [= DEFAULT] -- HELP`
fn read_setting(text: &str) -> Option<Setting> {
    let (head, help) = text.split_once(" -- ")?;
    let (head, default) = match head.split_once(" = ") {
        Some((head, default)) => (head, Some(default.trim().to_owned())),
        None => (head, None),
    };
    let (key, words) = match head.split_once('(') {
        Some((key, words)) => (key, words.trim_end().strip_suffix(')')?),
        None => (head, ""),
    };
    let (mut kind, mut required) = (Kind::Text, default.is_none());
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word {
            "text" => kind = Kind::Text,
            "list" => kind = Kind::List,
            "number" => kind = Kind::Number,
            "switch" => kind = Kind::Switch,
            "required" => required = true,
            "optional" => required = false,
            _ => return None,
        }
    }
    let key = key.trim();
    let valid = !key.is_empty()
        && key != "host"
        && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    valid.then(|| Setting { key: key.to_owned(), default, help: help.trim().to_owned(), kind, required })
}

fn fill_one(setting: &Setting, value: &str) -> Result<Filled> {
    let value = value.trim();
    let refuse = |why: &str| Err(Error::usage(format!("--set {}={}: {why}", setting.key, ui::quote(value))));
    match setting.kind {
        Kind::Text if value.is_empty() => refuse("it is empty"),
        Kind::Text => Ok(Filled::Text(value.to_owned())),
        Kind::List => {
            let items: Vec<String> = value.split(',').map(|item| item.trim().to_owned()).collect();
            match items.iter().any(String::is_empty) {
                true => refuse("an item is empty: items have commas between them"),
                false => Ok(Filled::List(items)),
            }
        }
        Kind::Number if !value.is_empty() && value.len() < 10 && value.bytes().all(|b| b.is_ascii_digit()) => {
            let digits = value.trim_start_matches('0');
            Ok(Filled::Bare(if digits.is_empty() { "0".into() } else { digits.into() }))
        }
        Kind::Number => refuse("it is not a whole number"),
        Kind::Switch if value == "true" || value == "false" => Ok(Filled::Bare(value.to_owned())),
        Kind::Switch => refuse("it is true or false"),
    }
}

fn render_paragraph(paragraph: &str, blanks: &Blanks) -> Result<String> {
    let Some((key, body)) = each(paragraph) else { return render_lines(paragraph, blanks) };
    let items = match blanks.get(key) {
        Some(Filled::List(items)) => items.clone(),
        Some(Filled::Nothing) => Vec::new(),
        _ => return Err(Error::failed(format!("the profile repeats {}, which is not a list", ui::quote(key)))),
    };
    let mut out = Vec::new();
    for item in items {
        let mut one = blanks.clone();
        one.insert(key.to_owned(), Filled::Text(item));
        out.push(render_lines(&body, &one)?);
    }
    Ok(out.join("\n"))
}

/// The key after `# each:` and the paragraph without that line.
fn each(paragraph: &str) -> Option<(&str, String)> {
    let line = paragraph.lines().find(|line| line.starts_with(EACH))?;
    let body = paragraph.lines().filter(|other| *other != line).map(|line| format!("{line}\n")).collect();
    Some((line[EACH.len()..].trim(), body))
}

fn render_lines(text: &str, blanks: &Blanks) -> Result<String> {
    let mut out = String::new();
    for line in text.lines() {
        if let Some(line) = render_line(line, blanks)? {
            out.push_str(&line);
            out.push('\n');
        }
    }
    Ok(out)
}

/// Fills the blanks of one line; `None`: the line belongs to a setting that nobody set.
fn render_line(line: &str, blanks: &Blanks) -> Result<Option<String>> {
    let is_header = line.trim_start().starts_with('[');
    let (mut out, mut rest) = (String::new(), line);
    while let Some(at) = rest.find(['"', '\'', '#']) {
        no_blank(&rest[..at])?;
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('#') {
            break;
        }
        let end = string_end(rest);
        let (string, after) = rest.split_at(end);
        match render_string(string, is_header, blanks)? {
            Some(text) => out.push_str(&text),
            None => return Ok(None),
        }
        rest = after;
    }
    no_blank(rest)?;
    out.push_str(rest);
    Ok(Some(out))
}

/// A value in a comment or in bare TOML could become anything.
fn no_blank(text: &str) -> Result<()> {
    match text.contains("{{") {
        true => Err(Error::failed(format!("the profile has a blank outside a string: {}", ui::quote(text)))),
        false => Ok(()),
    }
}

/// The length of the one-line string at the start of `text`; of all of it when it does not end.
fn string_end(text: &str) -> usize {
    let quote = text.chars().next().unwrap_or('"');
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn render_string(string: &str, is_header: bool, blanks: &Blanks) -> Result<Option<String>> {
    let inner = string.get(1..string.len().saturating_sub(1)).unwrap_or_default();
    if !inner.contains("{{") {
        return Ok(Some(string.to_owned()));
    }
    let only = inner.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    match only.map(|key| lookup(key, blanks)).transpose()? {
        Some(Filled::Bare(value)) => return Ok(Some(value.clone())),
        Some(Filled::List(items)) => {
            return Ok(Some(items.iter().map(|item| quoted_string(item)).collect::<Vec<_>>().join(", ")));
        }
        _ => {}
    }
    let text = filled(inner, blanks)?;
    Ok(text.map(|text| if is_header { quoted_key(&text) } else { quoted_string(&text) }))
}

/// `text` with its blanks filled; `None` when one of them is nothing.
fn filled(text: &str, blanks: &Blanks) -> Result<Option<String>> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((key, after)) = after.split_once("}}") else {
            return Err(Error::failed(format!("the profile has a blank without an end: {}", ui::quote(text))));
        };
        out.push_str(before);
        match lookup(key, blanks)? {
            Filled::Text(value) | Filled::Bare(value) => out.push_str(value),
            Filled::List(items) => out.push_str(&items.join(",")),
            Filled::Nothing => return Ok(None),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Some(out))
}

fn lookup<'b>(key: &str, blanks: &'b Blanks) -> Result<&'b Filled> {
    blanks.get(key).ok_or_else(|| {
        let message =
            format!("the profile mentions {}, which none of its \"{}\" lines declares", ui::quote(key), SET.trim());
        Error::failed(message)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"# A test: for the tests.
#
# set: name = {{host}} -- a name
# set: nodes (list) = a,b -- the nodes
# set: count (number, optional) -- how many
# Made for people.

version = 1
san = ["first", "{{nodes}}"] # with a comment
count = "{{count}}"
label = "node {{name}}"

# each: nodes
# A node.
[node."{{nodes}}"]
"#;

    fn render(given: &[(&str, &str)]) -> Result<String> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Template::read(TEXT).unwrap().render(&given, &Context { host_name: "here".into() })
    }

    #[test]
    fn blanks_are_filled_and_declarations_go() {
        let wanted = r#"# A test: for the tests.
#
# Made for people.

version = 1
san = ["first", "a", "b"] # with a comment
label = "node here"

# A node.
[node.a]

# A node.
[node.b]
"#;
        assert_eq!(render(&[]).unwrap(), wanted);
        assert!(render(&[("count", "007")]).unwrap().contains("count = 7\n"));
    }

    #[test]
    fn what_cannot_be_filled_says_so() {
        let message = |given: &[(&str, &str)]| render(given).unwrap_err().message().to_owned();
        assert_eq!(message(&[("nods", "a")]), r#"the profile has no setting "nods": did you mean "nodes"?"#);
        assert!(message(&[("count", "1.5")]).contains("not a whole number"));
        assert!(message(&[("nodes", "a,,b")]).contains("an item is empty"));
        assert!(message(&[("name", "")]).contains("it is empty"));
        let undeclared = Template::read("a = \"{{b}}\"\n").unwrap().render(&BTreeMap::new(), &Context::default());
        assert!(undeclared.unwrap_err().message().contains("mentions \"b\""));
    }

    proptest! {
        #[test]
        fn a_value_stays_a_value(text in "(\\PC|\\pC|[\"'\\\\\n#=\\[\\]{}]){1,20}") {
            if let Ok(rendered) = render(&[("name", &text)]) {
                let table: toml::Table = toml::from_str(&rendered).unwrap();
                prop_assert_eq!(table["label"].as_str().unwrap(), format!("node {}", text.trim()));
                prop_assert_eq!(table.len(), 4);
            }
            if let Ok(rendered) = render(&[("nodes", &text)]) {
                let table: toml::Table = toml::from_str(&rendered).unwrap();
                for item in text.trim().split(',') {
                    prop_assert!(table["node"].get(item.trim()).is_some());
                }
            }
        }
    }
}
