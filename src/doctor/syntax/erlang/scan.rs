//! The words of Erlang, with their places.

use std::ops::Range;

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Atom(String),
    /// A bare word that Erlang keeps for itself: `fun`, `end`.
    Reserved,
    Variable,
    Text(String),
    Number,
    /// A bracket, an operator, a separator.
    Sign(&'static str),
    /// The full stop.
    Stop,
}

/// Longer ones first. `.` that is no full stop is the one of a record.
const SIGNS: [&str; 45] = [
    "=:=", "=/=", "<<", ">>", "=>", ":=", "->", "<-", "<=", "++", "--", "==", "/=", "=<", ">=", "||", "::", "..", "[",
    "]", "{", "}", "(", ")", ",", ";", "|", ":", "#", "/", "*", "+", "-", "=", "<", ">", "!", "?", ".", "&", "^", "~",
    "@", "`", "\\",
];

const RESERVED: [&str; 27] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond", "div",
    "end", "fun", "if", "let", "not", "of", "or", "orelse", "receive", "rem", "try", "when", "xor",
];

/// Where the code begins, behind blanks and comments; `None` where there is none.
pub(super) fn code(text: &str) -> Option<usize> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        match rest.strip_prefix('%') {
            Some(comment) => rest = &comment[comment.find('\n')?..],
            None => return (!rest.is_empty()).then(|| text.len() - rest.len()),
        }
    }
}

/// What a text was meant for that Erlang cannot read: one of its words for RabbitMQ stands behind the bracket. `None`: it was
/// hardly meant for Erlang.
pub(super) fn purpose(text: &str) -> Option<super::Kind> {
    const APPLICATIONS: [&str; 3] = ["rabbit", "ssl", "kernel"];
    let word = |rest: &str| -> String {
        rest.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    if text.strip_prefix('[').is_some_and(|rest| word(rest).starts_with("rabbitmq_")) {
        return Some(super::Kind::Plugins);
    }
    // `[section]` on a line of its own, as INI files begin.
    if text.lines().next().is_some_and(|line| line.trim_end().ends_with(']') && !line.contains(['{', ','])) {
        return None;
    }
    text.match_indices('{').take(16).find_map(|(at, _)| {
        let rest = text[at + 1..].trim_start();
        let word = word(rest);
        if !rest[word.len()..].trim_start().starts_with(',') {
            return None;
        }
        match word.as_str() {
            "server" | "client" => Some(super::Kind::InterNode),
            word if APPLICATIONS.contains(&word) || word.starts_with("rabbitmq_") => Some(super::Kind::Applications),
            _ => None,
        }
    })
}

/// All words, and the place of a quotation mark that is never closed.
pub(super) fn words(text: &str) -> (Vec<Token>, Option<usize>) {
    let mut scanner = Scanner { text, at: 0, line: 1 };
    let mut words = Vec::new();
    loop {
        scanner.blank();
        let (line, start) = (scanner.line, scanner.at);
        match scanner.word() {
            Ok(Some(kind)) => words.push(Token { line, span: start..scanner.at, kind }),
            Ok(None) => return (words, None),
            Err(()) => return (words, Some(line)),
        }
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl Scanner<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.at += c.len_utf8();
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> String {
        let end = self.rest().find(|c| !fits(c)).unwrap_or(self.rest().len());
        let taken = self.rest()[..end].to_owned();
        self.at += end;
        taken
    }

    fn blank(&mut self) {
        while let Some(c) = self.rest().chars().next() {
            match c {
                '%' => drop(self.take_while(|c| c != '\n')),
                c if c.is_whitespace() || c == '\u{feff}' => drop(self.next()),
                _ => return,
            }
        }
    }

    /// The next word; an error where a quotation mark is never closed.
    fn word(&mut self) -> Result<Option<Kind>, ()> {
        let Some(c) = self.rest().chars().next() else { return Ok(None) };
        Ok(Some(match c {
            '"' => Kind::Text(self.quoted('"')?),
            '\'' => Kind::Atom(self.quoted('\'')?),
            '$' => {
                self.next();
                let escaped = self.next() == Some('\\');
                if escaped {
                    self.escape();
                }
                Kind::Number
            }
            '0'..='9' => self.number(),
            '_' => self.bare(|_| Kind::Variable),
            c if c.is_uppercase() => self.bare(|_| Kind::Variable),
            c if c.is_alphabetic() => {
                self.bare(|word| if RESERVED.contains(&word) { Kind::Reserved } else { Kind::Atom(word.to_owned()) })
            }
            '.' if self.rest()[1..].chars().next().is_none_or(|c| c.is_whitespace() || c == '%') => {
                self.next();
                Kind::Stop
            }
            _ => self.sign(),
        }))
    }

    fn bare(&mut self, kind: impl Fn(&str) -> Kind) -> Kind {
        kind(&self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '@'))
    }

    fn number(&mut self) -> Kind {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '#';
        self.take_while(word);
        let fraction = self.rest().strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if fraction {
            self.next();
            let digits = self.take_while(word);
            if digits.ends_with(['e', 'E']) && self.rest().starts_with(['+', '-']) {
                self.next();
                self.take_while(word);
            }
        }
        Kind::Number
    }

    fn sign(&mut self) -> Kind {
        let known = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
        match known {
            Some(sign) => self.at += sign.len(),
            None => drop(self.next()),
        }
        Kind::Sign(known.copied().unwrap_or("?"))
    }

    fn quoted(&mut self, quote: char) -> Result<String, ()> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next().ok_or(())? {
                '\\' => text.extend(self.escape()),
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            's' => ' ',
            'b' => '\u{8}',
            'd' => '\u{7f}',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '^' => char::from(u8::try_from(self.next()?).ok()? & 0x1f),
            'x' if self.rest().starts_with('{') => {
                self.next();
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                self.next();
                return char::from_u32(u32::from_str_radix(&digits, 16).ok()?);
            }
            'x' => self.digits(16, 2)?,
            c @ '0'..='7' => {
                self.at -= c.len_utf8();
                self.digits(8, 3)?
            }
            c => c,
        })
    }

    fn digits(&mut self, radix: u32, most: usize) -> Option<char> {
        let digits: String = self.rest().chars().take(most).take_while(|c| c.is_digit(radix)).collect();
        self.at += digits.len();
        char::from_u32(u32::from_str_radix(&digits, radix).ok()?)
    }
}
