//! As much of Python as settings and calls need: names, literals, keyword arguments, with their lines.
//!
//! This is no grammar of Python. A file is a row of statements; each is an expression, perhaps with a name that it is given to.
//! What an expression does not say by itself (a loop, a condition) is passed over, and what it says through names is looked up
//! as far as one assignment decides it.

mod parse;
mod tokens;
mod values;

use std::collections::HashMap;

pub use values::Known;

/// Longer files are data, not settings.
const LONGEST: usize = 1 << 20;

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// What names stand for: `mqtt` for `paho.mqtt.client`, `SSLOptions` for `pika.SSLOptions`.
    pub imports: HashMap<String, String>,
    /// The statements, in the order of the file.
    pub statements: Vec<Statement>,
}

/// An expression, with the name that it is given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// `app.conf.broker_url`; an index with a text is written as a further name.
    pub target: Option<String>,
    /// What it is given, or what is done.
    pub value: Expression,
}

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub value: Value,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string. Not exact: it has `{}` or `%s` where parts come from elsewhere.
    Text(String, bool),
    /// A number, as it is written.
    Number(String),
    /// Names with dots between them, as they are written.
    Name(String),
    /// A call.
    Call(Box<Call>),
    /// Something at an index.
    Item(Box<Expression>, Box<Expression>),
    /// A mapping.
    Dict(Vec<(Expression, Expression)>),
    /// A list, tuple or set.
    List(Vec<Expression>),
    /// Operands with one operator between them; an empty one where there are several.
    Operation(String, Vec<Expression>),
}

/// A call of something that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its full name, imports looked up: `pika.SSLOptions`. The result of another call is written `()`.
    pub name: String,
    /// What the name begins with, where that is more than a name.
    pub receiver: Option<Expression>,
    /// The arguments that have no name.
    pub positional: Vec<Expression>,
    /// The arguments with names.
    pub named: Vec<(String, Expression)>,
    /// There are more arguments, that only the running program knows.
    pub open: bool,
}

impl File {
    /// The file, if `text` is Python about a broker.
    pub fn recognise(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let about = ["celery", "kombu", "pika", "paho", "aiormq", "broker_url", "broker_use_ssl"];
        let is_fence = |line: &str| line.starts_with("```");
        if text.len() > LONGEST || !about.iter().any(|word| lower.contains(word)) || text.lines().any(is_fence) {
            return None;
        }
        if !text.lines().any(is_python) {
            return None;
        }
        parse::file(text)
    }

    /// The full name of what is written as `name`.
    pub fn resolved(&self, name: &str) -> String {
        let (first, rest) = name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let first = self.imports.get(first).map_or(first, String::as_str);
        rest.map_or_else(|| first.to_owned(), |rest| format!("{first}.{rest}"))
    }

    /// Every expression, those inside others too.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut all = Vec::new();
        self.statements.iter().for_each(|statement| statement.value.collect(&mut all));
        all
    }

    /// Every call with its line.
    pub fn calls(&self) -> impl Iterator<Item = (usize, &Call)> {
        self.expressions().into_iter().filter_map(|expression| match &expression.value {
            Value::Call(call) => Some((expression.line, &**call)),
            _ => None,
        })
    }

    /// Everything that is given a name somewhere: by an assignment, as a named argument, as a member of a mapping. An assignment
    /// gives its last name.
    pub fn settings(&self) -> Vec<(&str, &Expression)> {
        let assigned = self.statements.iter().filter_map(|statement| {
            let target = statement.target.as_deref()?;
            Some((target.rsplit('.').next().unwrap_or(target), &statement.value))
        });
        let inside = self.expressions().into_iter().flat_map(|expression| match &expression.value {
            Value::Call(call) => call.named.iter().map(|(name, value)| (name.as_str(), value)).collect::<Vec<_>>(),
            Value::Dict(entries) => entries.iter().filter_map(|(key, value)| Some((key.text()?, value))).collect(),
            _ => Vec::new(),
        });
        assigned.chain(inside).collect()
    }
}

/// A line that only Python has.
fn is_python(line: &str) -> bool {
    let line = line.trim_start();
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_name = |word: &str| word.trim_end_matches(',').chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    match words.as_slice() {
        ["import", name, ..] => is_name(name),
        ["from", name, "import", ..] => is_name(name),
        ["def" | "class", ..] => line.trim_end().ends_with(':'),
        [name, "=", value, ..] => {
            let name = name.to_ascii_lowercase();
            name.contains("broker_") && value.starts_with(['"', '\'', '{', 'f']) && is_name(&name)
        }
        _ => false,
    }
}

impl Expression {
    /// The text, where it is written there and then, whole.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text, true) => Some(text),
            _ => None,
        }
    }

    /// The value of `key`, in a mapping that is written there and then, as `{...}` or `dict(...)`.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Dict(entries) => entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value),
            Value::Call(call) if call.name == "dict" => call.argument(key),
            _ => None,
        }
    }

    /// The keys of such a mapping; `None` where it is none, or where only the running program knows them all.
    pub fn keys(&self) -> Option<Vec<(&str, usize)>> {
        match &self.value {
            Value::Dict(entries) => entries.iter().map(|(key, _)| Some((key.text()?, key.line))).collect(),
            Value::Call(call) if call.name == "dict" && !call.open && call.positional.is_empty() => {
                Some(call.named.iter().map(|(name, value)| (name.as_str(), value.line)).collect())
            }
            _ => None,
        }
    }

    fn collect<'a>(&'a self, all: &mut Vec<&'a Self>) {
        all.push(self);
        match &self.value {
            Value::Text(..) | Value::Number(_) | Value::Name(_) => {}
            Value::Call(call) => {
                call.receiver.iter().for_each(|receiver| receiver.collect(all));
                call.positional.iter().for_each(|argument| argument.collect(all));
                call.named.iter().for_each(|(_, argument)| argument.collect(all));
            }
            Value::Item(of, index) => {
                of.collect(all);
                index.collect(all);
            }
            Value::Dict(entries) => entries.iter().for_each(|(key, value)| {
                key.collect(all);
                value.collect(all);
            }),
            Value::List(members) | Value::Operation(_, members) => members.iter().for_each(|m| m.collect(all)),
        }
    }
}

impl Call {
    /// The argument of that name.
    pub fn argument(&self, name: &str) -> Option<&Expression> {
        self.named.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The argument of that name, or at that place where it has none.
    pub fn argument_at(&self, place: usize, name: &str) -> Option<&Expression> {
        self.argument(name).or_else(|| self.positional.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> File {
        File::recognise(text).expect("Python")
    }

    #[test]
    fn settings_are_found_wherever_they_are_written() {
        for text in [
            "broker_use_ssl = {'a': 1}\n",
            "import celery\napp.conf.broker_use_ssl = {'a': 1}\n",
            "import celery\napp.conf['broker_use_ssl'] = dict(a=1)\n",
            "import celery\napp.conf.update(\n    x=1,  # y\n    broker_use_ssl={'a': 1},\n)\n",
            "import celery\napp = celery.Celery('x', broker_use_ssl=dict(a=1))\n",
            "import celery\nclass Config:\n    broker_use_ssl: dict = {'a': 1}\n",
            "import celery\napp.conf.update({'broker_use_ssl': {'a': 1}})\n",
            "import celery\nif x: broker_use_ssl = {'a': 1}\n",
        ] {
            let file = read(text);
            let found: Vec<_> = file.settings().into_iter().filter(|(name, _)| *name == "broker_use_ssl").collect();
            let [(_, value)] = found.as_slice() else { panic!("{text}: {found:?}") };
            assert_eq!(value.keys().map(|keys| keys.len()), Some(1), "{text}");
        }
    }

    #[test]
    fn calls_have_full_names_and_lines() {
        let text = "import ssl\nimport paho.mqtt.client as mqtt\nfrom pika import (SSLOptions as O, ConnectionParameters)\n\
                    def f():\n    with x(ConnectionParameters('h', 5671,\n        ssl_options=O(c, server_hostname='h'))) as y:\n\
                            return mqtt.Client().tls_set(**z)\n";
        let file = read(text);
        let calls: Vec<_> = file.calls().map(|(line, call)| (line, call.name.as_str())).collect();
        assert_eq!(
            calls,
            [
                (5, "x"),
                (5, "pika.ConnectionParameters"),
                (6, "pika.SSLOptions"),
                (7, "().tls_set"),
                (7, "paho.mqtt.client.Client")
            ]
        );
        let (_, call) = file.calls().nth(1).expect("there");
        assert_eq!(call.argument_at(1, "port").map(|port| &port.value), Some(&Value::Number("5671".into())));
        assert!(call.argument("ssl_options").is_some() && !call.open);
        assert!(file.calls().nth(3).is_some_and(|(_, call)| call.open));
    }

    #[test]
    fn strings_end_where_they_end() {
        let text =
            "import pika\na = r'c:\\x' # don't\nb = '''it's\n\"x\" '''\nc = 'open\nd = \"\\\"q\\\"\"\ne = b'z'\n";
        let file = read(text);
        let texts: Vec<_> = file.statements.iter().map(|s| (s.value.line, s.value.text())).collect();
        let expected = [(2, "c:\\x"), (3, "it's\n\"x\" "), (5, "open"), (6, "\"q\""), (7, "z")];
        assert_eq!(texts, expected.map(|(line, text)| (line, Some(text))));
    }

    #[test]
    fn other_texts_are_not_taken() {
        for text in [
            "",
            "import os\n",
            "listeners.ssl.default = 5671\n# for celery\n",
            "CELERY_BROKER_URL=amqps://h\nX='y'\n",
            "We moved celery from Redis to RabbitMQ.\nThis is how you import definitions.\n",
            "News\n====\n\nThe settings of celery have moved to another place, as you may know.\n\n    import celery\n\nThen run it again \
             and see what happens now that it has been done.\n",
            "# Guide\n```python\nimport pika\n```\n",
            "services:\n  celery:\n    command: import x\n",
        ] {
            assert_eq!(File::recognise(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_breaks_the_reader() {
        let head = "import pika\n";
        let broken = [
            "x = ((((", "x = }])", "= = =", "f(a=", "x[", "x.", "'''", "f'{", "{1: ", "a b c d", ": : :", "if", "from",
        ];
        for text in
            broken.into_iter().chain(["\\", "else: x = 1", "lambda: 1", "x = lambda a: {1: 2}", "\u{feff}é = 'ß'"])
        {
            assert!(File::recognise(&format!("{head}{text}")).is_some(), "{text}");
            assert!(File::recognise(&format!("{head}{text}\nx = 1\n")).is_some(), "{text}");
        }
        for deep in ["(", "[", "{", "f(", "x[", "- (", "f()."] {
            File::recognise(&format!("{head}x = {}", deep.repeat(100_000)));
        }
        let long = format!("{head}x = f({})\n", "'a', ".repeat(100_000));
        assert!(File::recognise(&long).is_some());
    }
}
