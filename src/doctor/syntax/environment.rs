//! Assignments as sh reads them: rabbitmq-env.conf, env files; and as `cmd` does: rabbitmq-env-conf.bat.

use std::collections::HashMap;

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The assignments, in the order of the file.
    pub assignments: Vec<Assignment>,
    /// The line of a quotation mark that is never closed.
    pub unclosed: Option<usize>,
    /// It is a batch file of Windows.
    pub batch: bool,
}

/// `NAME=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The name.
    pub name: String,
    /// The value without its quotation marks. Variables that the file itself sets are put in, others stay as `$NAME`.
    pub value: String,
    /// Words behind the value: a shell takes them for a command to run, and forgets the value.
    pub command: Option<String>,
}

impl File {
    /// The file, if `text` is one by its content: nothing but assignments, and shell's words around them.
    pub fn recognise(text: &str) -> Option<Self> {
        let file = if is_batch(text) { batch(text)? } else { Reader::new(text).file()? };
        let ours =
            |assignment: &Assignment| assignment.name.contains("ERL_ARGS") || assignment.name.contains("RABBITMQ");
        let sure = file.unclosed.is_none() || file.assignments.iter().any(ours);
        (sure && !file.assignments.is_empty()).then_some(file)
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A batch file says so: `set` before an assignment.
fn is_batch(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| set(line).is_some())
}

/// What stands behind `set `.
fn set(line: &str) -> Option<&str> {
    let line = line.strip_prefix('@').unwrap_or(line);
    let (word, rest) = line.split_at_checked(4)?;
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('"').map_or(rest, |inner| inner.trim_end().strip_suffix('"').unwrap_or(inner));
    let name = rest.split_once('=')?.0;
    (word.eq_ignore_ascii_case("set ") && is_name(name)).then_some(rest)
}

fn batch(text: &str) -> Option<File> {
    const WORDS: [&str; 8] = ["rem", "::", "setlocal", "endlocal", "echo", "if", "call", "goto"];
    let mut file = File { batch: true, ..File::default() };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some((name, value)) = set(line).and_then(|rest| rest.split_once('=')) {
            let value = value.replace("%%", "%");
            file.assignments.push(Assignment { line: index + 1, name: name.to_owned(), value, command: None });
            continue;
        }
        let word = line.trim_start_matches('@').to_ascii_lowercase();
        if !word.is_empty() && !WORDS.iter().any(|known| word.starts_with(known)) {
            return None;
        }
    }
    Some(file)
}

/// A value that is put in again and again must not grow without end.
const MOST_PUT_IN: usize = 1 << 20;

struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    file: File,
    /// Where each name was assigned last.
    known: HashMap<String, usize>,
    /// How many bytes of values were put in for variables.
    put_in: usize,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1, file: File::default(), known: HashMap::new(), put_in: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn skip(&mut self, fits: impl Fn(char) -> bool) {
        while self.rest().starts_with(&fits) {
            self.next();
        }
    }

    /// The whole file; `None` where it is something else.
    fn file(mut self) -> Option<File> {
        const WORDS: [&str; 16] = [
            "if", "then", "else", "elif", "fi", "case", "esac", ".", "source", "unset", "[", "[[", "test", ":", "set",
            "export",
        ];
        loop {
            self.skip(|c| c.is_whitespace() || c == ';' || c == '\u{feff}');
            let rest = self.rest();
            let Some(first) = rest.chars().next() else { return Some(self.file) };
            if first == '#' {
                self.skip(|c| c != '\n');
                continue;
            }
            let rest = match rest.strip_prefix("export") {
                Some(behind) if behind.starts_with([' ', '\t']) => behind.trim_start_matches([' ', '\t']),
                _ => rest,
            };
            let name = rest.find('=').map(|end| &rest[..end]).filter(|name| is_name(name));
            if let Some(name) = name {
                self.at = self.text.len() - rest.len() + name.len() + 1;
                self.assignment(name.to_owned());
            } else {
                let word = rest.split(char::is_whitespace).next().unwrap_or_default();
                if !WORDS.contains(&word) {
                    return None;
                }
                self.skip(|c| c != '\n');
            }
        }
    }

    fn assignment(&mut self, name: String) {
        let line = self.line;
        let value = self.value();
        self.skip(|c| matches!(c, ' ' | '\t' | '\r'));
        let command = self.rest().split('\n').next().unwrap_or_default().trim();
        let ends = command.is_empty() || command.starts_with(['#', ';', '&', '|']) || command.contains('=');
        let command = (!ends).then(|| command.to_owned());
        if !self.rest().split([' ', '\t', '\n']).next().is_some_and(|word| word.contains('=')) {
            self.skip(|c| c != '\n');
        }
        self.known.insert(name.clone(), self.file.assignments.len());
        self.file.assignments.push(Assignment { line, name, value, command });
    }

    /// One word, quotation marks taken off.
    fn value(&mut self) -> String {
        let mut value = String::new();
        let mut quote: Option<(char, usize)> = None;
        while let Some(c) = self.rest().chars().next() {
            if quote.is_none() && (c.is_whitespace() || matches!(c, ';' | '&' | '|')) {
                return value;
            }
            let line = self.line;
            self.next();
            match (quote, c) {
                (Some((open, _)), c) if c == open => quote = None,
                (None, '"' | '\'') => quote = Some((c, line)),
                (Some(('\'', _)), c) => value.push(c),
                (_, '\\') => self.escape(quote.is_some(), &mut value),
                (_, '$') => self.variable(&mut value),
                (_, c) => value.push(c),
            }
        }
        self.file.unclosed = self.file.unclosed.or(quote.map(|(_, line)| line));
        value
    }

    fn escape(&mut self, quoted: bool, value: &mut String) {
        match self.next() {
            Some('\n') | None => {}
            Some('\r') if self.rest().starts_with('\n') => drop(self.next()),
            Some(c) => {
                if quoted && !matches!(c, '"' | '\\' | '$' | '`') {
                    value.push('\\');
                }
                value.push(c);
            }
        }
    }

    /// `$NAME` and `${NAME}`; other forms stay as they are.
    fn variable(&mut self, value: &mut String) {
        let rest = self.rest();
        let inner = rest.strip_prefix('{');
        let text = inner.unwrap_or(rest);
        let name = &text[..text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())];
        let length = match inner {
            None => name.len(),
            Some(_) if text[name.len()..].starts_with('}') => name.len() + 2,
            Some(_) => 0,
        };
        let known = self.known.get(name).map(|index| self.file.assignments[*index].value.as_str());
        match known.filter(|known| length > 0 && self.put_in + known.len() <= MOST_PUT_IN) {
            Some(known) => {
                self.put_in += known.len();
                value.push_str(known);
            }
            None => {
                value.push('$');
                value.push_str(&rest[..length]);
            }
        }
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File::recognise(text).unwrap_or_else(|| panic!("not recognised: {text}"))
    }

    fn values(text: &str) -> Vec<(usize, String, String)> {
        file(text).assignments.into_iter().map(|a| (a.line, a.name, a.value)).collect()
    }

    #[test]
    fn values_are_read_as_a_shell_does() {
        let text = "# comment\nA=plain\nexport B=\"two words\" # why\n\nC='it is $A'\nD=\"$A ${B}/x \\\n more \\\"q\\\"\"\nE=a\\ b\nF=$HOME/x\n";
        let expected = [
            (2, "A", "plain"),
            (3, "B", "two words"),
            (5, "C", "it is $A"),
            (6, "D", "plain two words/x  more \"q\""),
            (8, "E", "a b"),
            (9, "F", "$HOME/x"),
        ];
        assert_eq!(values(text), expected.map(|(l, n, v)| (l, n.to_owned(), v.to_owned())));
    }

    #[test]
    fn newlines_inside_quotes_stay() {
        let found = values("SERVER_ADDITIONAL_ERL_ARGS=\"-proto_dist inet_tls\n  -ssl_dist_optfile /x\"\nA=b\n");
        assert_eq!(found[0].2, "-proto_dist inet_tls\n  -ssl_dist_optfile /x");
        assert_eq!(found[1].0, 3);
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_is_told() {
        let found =
            file("A=1\nSERVER_ADDITIONAL_ERL_ARGS=\"-pa $X \\\n -proto_dist inet_tls\n\nRABBITMQ_CTL_ERL_ARGS=-x\n");
        assert_eq!((found.unclosed, found.assignments.len()), (Some(2), 2));
        assert_eq!(File::recognise("name=\"never closed\n"), None, "could be anything");
    }

    #[test]
    fn words_behind_a_value_are_a_command() {
        let found = file("SERVER_ADDITIONAL_ERL_ARGS=-proto_dist inet_tls\nA=1 B=2\n");
        assert_eq!(found.assignments[0].command.as_deref(), Some("inet_tls"));
        assert_eq!(found.assignments.iter().map(|a| a.name.as_str()).collect::<Vec<_>>()[1..], ["A", "B"]);
        assert!(found.assignments[1].command.is_none());
    }

    #[test]
    fn batch_files_are_read_too() {
        let found =
            file("@echo off\r\nrem x\r\nset SERVER_ADDITIONAL_ERL_ARGS=-proto_dist inet_tls -x \"C:/a b/50%%\"\r\n");
        assert!(found.batch);
        let value = "-proto_dist inet_tls -x \"C:/a b/50%\"";
        assert_eq!((found.assignments[0].line, found.assignments[0].value.as_str()), (3, value));
    }

    #[test]
    fn other_syntaxes_are_left_alone() {
        for text in [
            "",
            "# nothing\n",
            "listeners.tcp = none\n",
            "[x]\na=1\n",
            "A = 1\n",
            "#!/bin/sh\nset -e\nA=1\nrm -f \"$A\"\n",
            "key: value\n",
            "a=1\nb.c=2\n",
            "import os\nA=1\n",
        ] {
            assert_eq!(File::recognise(text), None, "{text}");
        }
    }

    #[test]
    fn values_do_not_grow_without_end() {
        let mut text = String::from("A=xxxxxxxxxxxxxxxx\n");
        text.push_str(&"A=$A$A$A$A$A$A$A$A\n".repeat(100));
        text.push_str(&"B=$A\n".repeat(50_000));
        let sum: usize = file(&text).assignments.iter().map(|a| a.value.len()).sum();
        assert!(sum < 4 * MOST_PUT_IN, "{sum}");
    }

    #[test]
    fn other_forms_of_variables_stay() {
        assert_eq!(values("A=1\nB=\"${A} ${A:-x} ${ $( $A\"\n")[1].2, "1 ${A:-x} ${ $( 1");
    }
}
