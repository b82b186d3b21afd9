//! Erlang terms with their lines: advanced.config, inter_node_tls.config, enabled_plugins.
//!
//! Two readers of Erlang are meant: `file:consult/1`, which takes terms, and the one of `-ssl_dist_optfile`, which evaluates
//! expressions. Whatever is more than a term is kept as its text and not looked into.

mod read;
mod scan;

use std::ops::Range;

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its term; `None` where it cannot be read.
    pub term: Option<Term>,
    /// Why Erlang cannot read it.
    pub trouble: Option<Trouble>,
    /// What it is for; of one that cannot be read, by its first words.
    pub kind: Kind,
}

/// The first thing that Erlang stumbles over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, in this reader's own words.
    pub problem: &'static str,
}

/// A term, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// What a term is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `verify_peer`, `'tlsv1.3'`
    Atom(String),
    /// `"text"`
    Text(String),
    /// `<<"text">>`
    Binary(String),
    /// A number or a character, as it is written.
    Number(String),
    /// `{a, b}`
    Tuple(Vec<Term>),
    /// `[a, b]`
    List(Vec<Term>),
    /// `[a, b | tail]`
    Improper(Vec<Term>, Box<Term>),
    /// `#{key => value}`
    Map(Vec<(Term, Term)>),
    /// A call, a fun, an operator, a variable: its text.
    Expression(String),
}

/// What a file of Erlang is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// `[{server, [..]}, {client, [..]}].`: the option file of `-ssl_dist_optfile`.
    InterNode,
    /// `[{rabbit, [..]}, ..].`: advanced.config, or the rabbitmq.config of old.
    Applications,
    /// `[rabbitmq_management].`: enabled_plugins.
    Plugins,
    /// `[].`, or something else.
    #[default]
    Other,
}

impl File {
    /// The file, if `text` is one by its content. One with a mistake in it counts where nothing but Erlang looks like that.
    pub fn recognise(text: &str) -> Option<Self> {
        let start = scan::code(text)?;
        if !text[start..].starts_with(['[', '{']) {
            return None;
        }
        let mut file = read::file(text);
        file.kind = match &file.trouble {
            None => file.term.as_ref().map_or(Kind::Other, Kind::of),
            Some(_) => scan::purpose(&text[start..])?,
        };
        Some(file)
    }

    /// What stands under `name` in the term.
    pub fn get(&self, name: &str) -> Option<&Term> {
        self.term.as_ref()?.get(name)
    }
}

impl Kind {
    fn of(term: &Term) -> Self {
        let members = term.members();
        if members.is_empty() {
            return Self::Other;
        }
        if members.iter().all(|member| member.atom().is_some()) {
            return Self::Plugins;
        }
        let names: Vec<&str> = members.iter().filter_map(Term::pair).map(|(name, _)| name).collect();
        match names.len() == members.len() {
            true if names.iter().all(|name| matches!(*name, "server" | "client")) => Self::InterNode,
            true => Self::Applications,
            false => Self::Other,
        }
    }
}

impl Term {
    /// The name, if it is an atom.
    pub fn atom(&self) -> Option<&str> {
        match &self.value {
            Value::Atom(name) => Some(name),
            _ => None,
        }
    }

    /// The text, if it is a string or a binary.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Binary(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one written in decimal.
    pub fn integer(&self) -> Option<i64> {
        match &self.value {
            Value::Number(digits) => digits.replace('_', "").parse().ok(),
            _ => None,
        }
    }

    /// The members of a list; of anything else none.
    pub fn members(&self) -> &[Self] {
        match &self.value {
            Value::List(members) => members,
            _ => &[],
        }
    }

    /// The members of a tuple; of anything else none.
    pub fn elements(&self) -> &[Self] {
        match &self.value {
            Value::Tuple(elements) => elements,
            _ => &[],
        }
    }

    /// Name and value of `{name, value}`.
    pub fn pair(&self) -> Option<(&str, &Self)> {
        match self.elements() {
            [name, value] => Some((name.atom()?, value)),
            _ => None,
        }
    }

    /// The member `{name, ..}` or `name` of a list; of several the first, which is the one that Erlang takes.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.members()
            .iter()
            .find(|member| member.atom() == Some(name) || member.elements().first().and_then(Self::atom) == Some(name))
    }

    /// The value of `{name, value}` in a list.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.member(name)?.pair().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::recognise(text).unwrap_or_else(|| panic!("not recognised: {text}"))
    }

    fn only(text: &str) -> Value {
        let file = file(&format!("[{text}]."));
        assert_eq!(file.trouble, None, "{text}");
        file.term.as_ref().unwrap().members()[0].value.clone()
    }

    #[test]
    fn every_form_of_a_term_is_read() {
        for (text, expected) in [
            ("verify_peer", Value::Atom("verify_peer".into())),
            ("'tlsv1.3'", Value::Atom("tlsv1.3".into())),
            (r"'it\'s'", Value::Atom("it's".into())),
            (r#""a\"b\\c""#, Value::Text("a\"b\\c".into())),
            (r#""\x{e9}\x41\101\n\s""#, Value::Text("\u{e9}AA\n ".into())),
            (r#""two " "halves""#, Value::Text("two halves".into())),
            (r#"<<"bytes">>"#, Value::Binary("bytes".into())),
            (r#"<<"bytes"/utf8>>"#, Value::Binary("bytes".into())),
            ("-12", Value::Number("-12".into())),
            ("1_000", Value::Number("1_000".into())),
            ("16#FF", Value::Number("16#FF".into())),
            ("1.5e-3", Value::Number("1.5e-3".into())),
            ("$a", Value::Number("$a".into())),
            (r"$\n", Value::Number(r"$\n".into())),
            ("$,", Value::Number("$,".into())),
            ("{}", Value::Tuple(vec![])),
            ("X", Value::Expression("X".into())),
            (
                "public_key:pkix_verify_hostname_match_fun(https)",
                Value::Expression("public_key:pkix_verify_hostname_match_fun(https)".into()),
            ),
            ("fun public_key:f/2", Value::Expression("fun public_key:f/2".into())),
            ("fun(A, B) -> {A, [B]}, ok end", Value::Expression("fun(A, B) -> {A, [B]}, ok end".into())),
            (
                "fun(_) -> case X of a -> b; _ -> c end end",
                Value::Expression("fun(_) -> case X of a -> b; _ -> c end end".into()),
            ),
            ("1 + 2", Value::Expression("1 + 2".into())),
            ("#r{a = 1}", Value::Expression("#r{a = 1}".into())),
            ("<<1, 2>>", Value::Expression("<<1, 2>>".into())),
        ] {
            assert_eq!(only(text), expected, "{text}");
        }
        let Value::Improper(head, tail) = only("[a, b | c]") else { panic!() };
        assert!(head.len() == 2 && tail.atom() == Some("c"));
        let Value::Map(pairs) = only("#{a => 1, \"b\" => [x]}") else { panic!() };
        assert!(pairs.len() == 2 && pairs[1].1.members().len() == 1);
    }

    #[test]
    fn lines_and_places_are_kept() {
        let text = "%% head\n[\n  {a, \"x\ny\"}, % why\n  {b, [1,\n    2]}\n].\n";
        let file = file(text);
        let list = file.term.as_ref().unwrap();
        assert_eq!(list.members().iter().map(|m| m.line).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(&text[list.members()[1].span.clone()], "{b, [1,\n    2]}");
        assert_eq!(list.get("b").unwrap().members()[1].line, 6);
    }

    #[test]
    fn kinds_are_told_by_the_content() {
        for (text, kind) in [
            ("[{server, []}, {client, []}].", Kind::InterNode),
            ("[{client, [{verify, verify_peer}]}].", Kind::InterNode),
            ("[{rabbit, [{ssl_options, []}]}, {kernel, []}].", Kind::Applications),
            ("[rabbitmq_management,rabbitmq_mqtt].", Kind::Plugins),
            ("[].", Kind::Other),
            ("{a, b}.", Kind::Other),
            ("[{server, [}", Kind::InterNode),
            ("[{rabbit, [{ssl_options, []}]}", Kind::Applications),
            ("[rabbitmq_management, rabbitmq_mqtt]", Kind::Plugins),
        ] {
            assert_eq!(file(text).kind, kind, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (text, line, problem) in [
            ("[{server, []},\n {client, []}]\n", 2, "the full stop at the end is missing"),
            ("[{server, [\n {a, b}\n {c, d}]}].", 3, "a comma is missing before this"),
            ("[{server, [{a, b},\n ]}].", 2, "a comma stands before the closing bracket"),
            ("[{server, [{a, b}\n}].", 2, "the brackets do not match here"),
            ("[{server, [{a, b}]}\n", 1, "a bracket is opened here and never closed"),
            ("[{server, [{a, \"b}]}].\n", 1, "a quotation mark is opened here and never closed"),
            ("[{server, []}]].\n", 1, "the brackets do not match here"),
            ("[{server, []}].\n[].", 2, "a second term begins here, and one is expected"),
            ("[{server, []}],\n[].", 1, "a second term begins here, and one is expected"),
        ] {
            let file = file(text);
            assert_eq!(file.trouble, Some(Trouble { line, problem }), "{text}");
        }
    }

    #[test]
    fn other_syntaxes_are_left_alone() {
        for text in [
            "",
            "%% nothing\n",
            "[section]\nkey = value\n",
            "[authority.root]\ncommon_name = \"x\"\n",
            "[ req ]\ndistinguished_name = dn\n",
            "{\"users\": [}",
            "[1, 2, 3]",
            "listeners.ssl.default = 5671\n",
            "[{\"name\": \"a\"}]",
            "{% if tls %}\nlisteners.tcp = none\n{% endif %}\n",
            "{{ template }}\n",
        ] {
            assert_eq!(File::recognise(text), None, "{text}");
        }
    }

    #[test]
    fn depth_has_an_end() {
        let deep = format!("[{{server, {}", "[".repeat(200_000));
        assert_eq!(file(&deep).trouble.unwrap().problem, "the terms are nested too deeply to be read");
        let wide = format!("[{}a].", "{a,b},".repeat(10_000));
        assert_eq!(file(&wide).term.unwrap().members().len(), 10_001);
    }
}
