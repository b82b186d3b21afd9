//! A text as it is compared: without the marks that a terminal, a log collector or a chat program left in it, without
//! white space and without case, and with a way back to what it was.

use std::ops::Range;

/// A text for comparing.
#[derive(Clone, Debug, Default)]
pub(super) struct Plain {
    /// Readable: one space for any white space, escapes of JSON taken back.
    readable: String,
    /// In lower case and without white space.
    pub(super) squeezed: Vec<u8>,
    /// Where in `readable` each byte of `squeezed` stands.
    origin: Vec<u32>,
}

impl Plain {
    /// Takes any bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut readable = without_controls(&text);
        // JSON in JSON in a log collector: each layer escaped the one below.
        for _ in 0..3 {
            match without_escapes(&readable) {
                Some(next) => readable = next,
                None => break,
            }
        }
        let mut plain = Self { squeezed: Vec::with_capacity(readable.len()), origin: Vec::new(), readable };
        plain.origin.reserve(plain.readable.len());
        for (at, byte) in plain.readable.bytes().enumerate() {
            if byte != b' ' {
                plain.squeezed.push(byte.to_ascii_lowercase());
                plain.origin.push(u32::try_from(at).unwrap_or(u32::MAX));
            }
        }
        plain
    }

    /// The text as it can be read.
    pub(super) fn readable(&self) -> &str {
        &self.readable
    }

    /// Whether a span does not begin or end inside a longer word. Words that are put together with `_` may have more in front.
    pub(super) fn is_word(&self, span: Range<usize>) -> bool {
        let bytes = self.readable.as_bytes();
        let (first, last) = (self.at(span.start), self.at(span.end - 1));
        let before = first.checked_sub(1).map(|at| bytes[at]);
        let behind = bytes.get(last + 1);
        let begins = !bytes[first].is_ascii_alphanumeric() || !before.is_some_and(|b| b.is_ascii_alphanumeric());
        let ends =
            !bytes[last].is_ascii_alphanumeric() || !behind.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        begins && ends
    }

    /// What stands between two squeezed places, as it was.
    pub(super) fn original(&self, span: Range<usize>) -> Option<String> {
        let from = self.at(span.start.checked_sub(1)?) + 1;
        let to = if span.end == self.squeezed.len() { self.readable.len() } else { self.at(span.end) };
        Some(self.readable.get(from..to)?.trim_matches(' ').to_owned())
    }

    /// The word that begins behind a squeezed place.
    pub(super) fn token_from(&self, from: usize) -> Option<String> {
        let rest = self.readable.get(self.at(from.checked_sub(1)?) + 1..)?.trim_start();
        let token: String = rest.chars().take_while(|c| !ends_token(*c)).collect();
        Some(token.trim_end_matches('.').to_owned())
    }

    /// The word that ends before a squeezed place.
    pub(super) fn token_before(&self, to: usize) -> Option<String> {
        let rest = self.readable.get(..self.at(to))?.trim_end();
        let start = rest.char_indices().rev().take_while(|(_, c)| !ends_token(*c)).last().map(|(at, _)| at)?;
        Some(rest[start..].to_owned())
    }

    fn at(&self, squeezed: usize) -> usize {
        self.origin.get(squeezed).map_or(self.readable.len(), |at| *at as usize)
    }
}

fn ends_token(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}')
}

/// Takes colours, control characters and invisible ones out, and makes typographic quotes straight.
fn without_controls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                // Parameters, then one letter.
                while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
            '\u{2018}' | '\u{2019}' => out.push('\''),
            '\u{201c}' | '\u{201d}' => out.push('"'),
            c if c.is_whitespace() => push_space(&mut out),
            c if c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2069}' | '\u{feff}') => {}
            c => out.push(c),
        }
    }
    out
}

fn push_space(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// Takes back one layer of `\"`, `\n`, `\u0027`; `None` when there is none.
fn without_escapes(text: &str) -> Option<String> {
    memchr::memchr(b'\\', text.as_bytes())?;
    let mut out = String::with_capacity(text.len());
    let mut changed = false;
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (taken, put) = unescape(&rest[at + 1..]);
        match put {
            Some(' ') => push_space(&mut out),
            Some(c) => out.push(c),
            None => out.push('\\'),
        }
        changed |= put.is_some();
        rest = &rest[at + 1 + taken..];
    }
    out.push_str(rest);
    changed.then_some(out)
}

/// What stands behind a backslash: how many bytes of it are taken, and what they mean.
fn unescape(behind: &str) -> (usize, Option<char>) {
    match behind.bytes().next() {
        Some(c @ (b'"' | b'\'' | b'\\' | b'/')) => (1, Some(char::from(c))),
        Some(b'n' | b'r' | b't') => (1, Some(' ')),
        Some(b'u') => {
            let code = behind.get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            match code.and_then(char::from_u32).filter(|c| !c.is_control()) {
                Some(c) => (5, Some(c)),
                None => (0, None),
            }
        }
        _ => (0, None),
    }
}
