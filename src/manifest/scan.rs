//! Where the statements of a TOML document begin and end.
//!
//! The editor changes text and not a tree, so that every byte that it was not asked to change stays: comments, blank lines,
//! line ends, the order of keys. It only ever scans documents that the TOML parser has accepted, so this is a tokenizer
//! without judgement; on a text that is no TOML it returns nothing rather than nonsense.

use std::ops::Range;

/// One header or one `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) kind: Kind,
    /// From the first character of the statement to its last, without the comment behind it.
    pub(crate) range: Range<usize>,
    /// The whole lines that it stands on, with the line end.
    pub(crate) lines: Range<usize>,
}

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[path]` or `[[path]]`.
    Header { path: Vec<String>, array: bool },
    /// `path = value` below the last header.
    Assignment { path: Vec<String>, value: Range<usize> },
}

/// One `key = value` of an inline table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) path: Vec<String>,
    pub(crate) range: Range<usize>,
    pub(crate) value: Range<usize>,
}

/// The statements of a document in order.
pub(crate) fn statements(text: &str) -> Option<Vec<Statement>> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_byte_order_mark();
    let mut statements = Vec::new();
    loop {
        scanner.skip_blank();
        let start = scanner.at;
        let Some(byte) = scanner.peek() else { return Some(statements) };
        let kind = if byte == b'[' { scanner.header()? } else { scanner.assignment()? };
        let range = start..scanner.at;
        scanner.skip_spaces();
        scanner.skip_comment();
        let end = scanner.line_end();
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        statements.push(Statement { kind, range, lines: line_start..end });
    }
}

/// The members of the inline table that stands at `range`; nothing when another value stands there.
pub(crate) fn members(text: &str, range: &Range<usize>) -> Option<Vec<Member>> {
    let mut scanner = Scanner { text: &text[..range.end], at: range.start };
    scanner.eat(b'{')?;
    let mut members = Vec::new();
    loop {
        scanner.skip_blank();
        if scanner.peek()? == b',' {
            scanner.at += 1;
            continue;
        }
        if scanner.peek()? == b'}' {
            return Some(members);
        }
        let start = scanner.at;
        let Kind::Assignment { path, value } = scanner.assignment()? else { return None };
        members.push(Member { path, range: start..scanner.at, value });
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn starts_with(&self, bytes: &[u8]) -> bool {
        self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(bytes))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn skip_byte_order_mark(&mut self) {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
    }

    fn skip_while(&mut self, is: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&is) {
            self.at += 1;
        }
    }

    fn skip_spaces(&mut self) {
        self.skip_while(|b| b == b' ' || b == b'\t');
    }

    fn skip_comment(&mut self) {
        if self.peek() == Some(b'#') {
            self.skip_while(|b| b != b'\n');
        }
    }

    /// Spaces, line ends and comments.
    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|b| b.is_ascii_whitespace());
            if self.peek() != Some(b'#') {
                return;
            }
            self.skip_comment();
        }
    }

    fn line_end(&self) -> usize {
        self.text[self.at..].find('\n').map_or(self.text.len(), |at| self.at + at + 1)
    }

    fn header(&mut self) -> Option<Kind> {
        self.eat(b'[')?;
        let array = self.eat(b'[').is_some();
        let path = self.key()?;
        self.eat(b']')?;
        if array {
            self.eat(b']')?;
        }
        Some(Kind::Header { path, array })
    }

    fn assignment(&mut self) -> Option<Kind> {
        let path = self.key()?;
        self.eat(b'=')?;
        self.skip_spaces();
        let start = self.at;
        self.value()?;
        Some(Kind::Assignment { path, value: start..self.at })
    }

    /// A dotted key and the spaces around its parts.
    fn key(&mut self) -> Option<Vec<String>> {
        let mut path = Vec::new();
        loop {
            self.skip_spaces();
            path.push(self.key_part()?);
            self.skip_spaces();
            if self.eat(b'.').is_none() {
                return Some(path);
            }
        }
    }

    fn key_part(&mut self) -> Option<String> {
        let start = self.at;
        match self.peek()? {
            b'"' | b'\'' => self.string()?,
            _ => self.skip_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        }
        let part = &self.text[start..self.at];
        match toml_edit::Key::parse(part).ok()?.as_slice() {
            [key] => Some(key.get().to_owned()),
            _ => None,
        }
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' | b'\'' => self.string(),
            b'[' | b'{' => self.brackets(),
            _ => {
                let start = self.at;
                self.skip_while(|b| !matches!(b, b',' | b']' | b'}' | b'#' | b'\n'));
                // A date may have a space inside, so spaces only end a scalar at its end.
                self.at = start + self.text[start..self.at].trim_end().len();
                (self.at > start).then_some(())
            }
        }
    }

    /// Everything from an opening bracket to the one that closes it.
    fn brackets(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                b'"' | b'\'' => {
                    self.string()?;
                    continue;
                }
                b'#' => {
                    self.skip_comment();
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// A string of any of the four kinds.
    fn string(&mut self) -> Option<()> {
        let quote = self.peek()?;
        let triple = [quote; 3];
        let multiline = self.starts_with(&triple);
        let escapes = quote == b'"';
        self.at += if multiline { 3 } else { 1 };
        loop {
            match self.peek()? {
                b'\\' if escapes => self.at += 2,
                b if b == quote && !multiline => {
                    self.at += 1;
                    return Some(());
                }
                b if b == quote && self.starts_with(&triple) => {
                    self.at += 3;
                    // Up to two more quotes may stand before the closing three.
                    for _ in 0..2 {
                        let _ = self.eat(quote);
                    }
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_found_in_a_nasty_layout() {
        let text = concat!(
            "\u{feff}# top\r\nversion = 1 # one\r\n\r\n  [ \"a.b\" . 'c' ]  # header\n",
            "list = [ # ]\n  \"]\", '#',\n] # end\nx.\"y z\" = \"\"\"a\n\"\"\"\"\"\nd = 1979-05-27 07:32:00 # date\n[[from]]",
        );
        toml::from_str::<toml::Table>(text).unwrap();
        let found: Vec<_> = statements(text).unwrap().into_iter().map(|s| text[s.range].to_owned()).collect();
        assert_eq!(
            found,
            [
                "version = 1",
                "[ \"a.b\" . 'c' ]",
                "list = [ # ]\n  \"]\", '#',\n]",
                "x.\"y z\" = \"\"\"a\n\"\"\"\"\"",
                "d = 1979-05-27 07:32:00",
                "[[from]]",
            ]
        );
        let statements = statements(text).unwrap();
        assert_eq!(statements[1].kind, Kind::Header { path: vec!["a.b".into(), "c".into()], array: false });
        assert_eq!(
            &text[statements[0].lines.clone()],
            "\u{feff}# top\r\nversion = 1 # one\r\n".split_once("\r\n").unwrap().1
        );
        assert_eq!(&text[statements[2].lines.clone()], "list = [ # ]\n  \"]\", '#',\n] # end\n");
    }

    #[test]
    fn members_of_an_inline_table() {
        let text = "a = { b = { c = 1 }, \"d}\" = '}', e.f = [1, 2], }";
        let found = members(text, &(4..text.len())).unwrap();
        let found: Vec<_> = found.iter().map(|m| (m.path.join("/"), &text[m.value.clone()])).collect();
        assert_eq!(found, [("b".into(), "{ c = 1 }"), ("d}".into(), "'}'"), ("e/f".into(), "[1, 2]")]);
        assert_eq!(members("a = 1", &(4..5)), None);
    }

    #[test]
    fn a_text_that_is_no_toml_ends_the_scan() {
        for text in ["[", "a", "a =", "a = \"", "a = [", "= 1", "a = \"\\", "[a", "]"] {
            assert_eq!(statements(text), None, "{text}");
        }
    }
}
