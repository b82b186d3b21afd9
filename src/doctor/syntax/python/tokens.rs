//! Python's text as tokens with their lines.

/// A word of the language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name or a keyword.
    Name(String),
    /// A string. Not exact: parts of it come from elsewhere.
    Text(String, bool),
    /// A number, as it is written.
    Number(String),
    /// An operator or a bracket.
    Op(&'static str),
    /// The end of a logical line.
    Newline,
}

/// Longest first.
const OPERATORS: &[&str] = &[
    "**=", "//=", ">>=", "<<=", "...", "==", "!=", "<=", ">=", ":=", "->", "**", "//", "+=", "-=", "*=", "/=", "%=",
    "&=", "|=", "^=", "@=", "<<", ">>", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=", "+", "-", "*", "/", "%",
    "&", "|", "^", "~", "<", ">", "@", "!",
];

/// The tokens of `text`, each with its line from 1. What is no Python is passed over.
pub(super) fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut reader = Reader { rest: text, line: 1, depth: 0, tokens: Vec::new() };
    while reader.step() {}
    reader.push(Token::Newline);
    reader.tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    /// How many brackets are open: a line does not end in them.
    depth: usize,
    tokens: Vec<(Token, usize)>,
}

impl Reader<'_> {
    fn push(&mut self, token: Token) {
        self.tokens.push((token, self.line));
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }

    /// Reads one token or one stretch of nothing; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        match first {
            '\n' => {
                if self.depth == 0 {
                    self.push(Token::Newline);
                }
                self.skip(1);
            }
            '#' => self.skip(self.rest.find('\n').unwrap_or(self.rest.len())),
            '\\' if self.rest[1..].starts_with('\n') => self.skip(2),
            _ if self.string() => {}
            c if c.is_alphabetic() || c == '_' => {
                let word = self.word(|c| c.is_alphanumeric() || c == '_');
                self.push(Token::Name(word.clone()));
                self.skip(word.len());
            }
            c if c.is_ascii_digit() => {
                let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                self.push(Token::Number(word.clone()));
                self.skip(word.len());
            }
            c => match OPERATORS.iter().find(|op| self.rest.starts_with(**op)) {
                Some(op) => {
                    match *op {
                        "(" | "[" | "{" => self.depth += 1,
                        ")" | "]" | "}" => self.depth = self.depth.saturating_sub(1),
                        _ => {}
                    }
                    self.push(if *op == ";" { Token::Newline } else { Token::Op(op) });
                    self.skip(op.len());
                }
                None => self.skip(c.len_utf8()),
            },
        }
        true
    }

    fn word(&self, belongs: impl Fn(char) -> bool) -> String {
        self.rest.chars().take_while(|c| belongs(*c)).collect()
    }

    /// Reads a string with its prefix, if one begins here.
    fn string(&mut self) -> bool {
        let prefix = self.rest.bytes().take(3).take_while(|b| b"rRbBuUfFtT".contains(b)).count();
        let body = &self.rest[prefix..];
        let Some(quote) = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| body.starts_with(quote)) else {
            return false;
        };
        let prefixes = self.rest[..prefix].to_ascii_lowercase();
        let (raw, formatted) = (prefixes.contains('r'), prefixes.contains(['f', 't']));
        let content = &body[quote.len()..];
        let length = length(content, quote);
        let (mut text, mut exact) = (unescaped(&content[..length], raw), true);
        if formatted {
            (text, exact) = filled(&text);
        }
        self.push(Token::Text(text, exact));
        let end = prefix + quote.len() + length;
        let closing = if self.rest[end..].starts_with(quote) { quote.len() } else { 0 };
        self.skip(end + closing);
        true
    }
}

/// How long the content of a string is. One in single quotes ends with its line, whatever is missing.
fn length(content: &str, quote: &str) -> usize {
    let mut escaped = false;
    for (at, c) in content.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if content[at..].starts_with(quote) || (c == '\n' && quote.len() == 1) {
            return at;
        }
    }
    content.len()
}

/// The text with the escapes that paths and names have.
fn unescaped(content: &str, raw: bool) -> String {
    if raw || !content.contains('\\') {
        return content.to_owned();
    }
    let mut out = String::new();
    let mut chars = content.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some('\n')) => {}
            ('\\', Some(c @ ('\\' | '\'' | '"'))) => out.push(c),
            ('\\', Some(c)) => out.extend(['\\', c]),
            (c, _) => out.push(c),
        }
    }
    out
}

/// A formatted string with `{}` for each part that comes from elsewhere, and whether it has none of them.
fn filled(text: &str) -> (String, bool) {
    let (mut out, mut exact) = (String::new(), true);
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out += &rest[..at];
        let double = rest[at..].starts_with("{{") || rest[at..].starts_with("}}");
        let is_part = rest[at..].starts_with('{') && !double;
        if double {
            out += &rest[at..=at];
        }
        let end = if is_part { rest[at..].find('}').map_or(rest.len(), |end| at + end + 1) } else { at + 1 };
        rest = &rest[if double { at + 2 } else { end }..];
        if is_part {
            out += "{}";
            exact = false;
        }
    }
    (out + rest, exact)
}
