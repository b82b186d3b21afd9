//! Terms from words.

use super::scan::{self, Kind, Token};
use super::{File, Term, Trouble, Value};

/// Deeper than any configuration, and far from the end of the stack.
const DEPTH: usize = 100;

const UNCLOSED_QUOTE: &str = "a quotation mark is opened here and never closed";
const UNCLOSED: &str = "a bracket is opened here and never closed";
const MISMATCH: &str = "the brackets do not match here";
const NO_STOP: &str = "the full stop at the end is missing";
const NO_COMMA: &str = "a comma is missing before this";
const COMMA_TOO_MANY: &str = "a comma stands before the closing bracket";
const TOO_DEEP: &str = "the terms are nested too deeply to be read";
const NOT_ONE: &str = "a second term begins here, and one is expected";
const NO_TERM: &str = "a value is missing here";

/// The whole file.
pub(super) fn file(text: &str) -> File {
    let (words, unclosed) = scan::words(text);
    let mut reader = Reader { text, words: &words, at: 0 };
    let mut file = File::default();
    match reader.form() {
        Ok(term) => file.term = Some(term),
        Err(trouble) => file.trouble = Some(trouble),
    }
    if let Some(word) = words.get(reader.at).filter(|_| file.trouble.is_none()) {
        file.trouble = Some(Trouble { line: word.line, problem: NOT_ONE });
    }
    if let Some(line) = unclosed {
        file.trouble = Some(Trouble { line, problem: UNCLOSED_QUOTE });
    }
    file
}

struct Reader<'t> {
    text: &'t str,
    words: &'t [Token],
    at: usize,
}

type Read<T> = Result<T, Trouble>;

impl<'t> Reader<'t> {
    fn sign(&self) -> Option<&'static str> {
        match self.words.get(self.at)?.kind {
            Kind::Sign(sign) => Some(sign),
            _ => None,
        }
    }

    fn accept(&mut self, sign: &str) -> bool {
        let fits = self.sign() == Some(sign);
        self.at += usize::from(fits);
        fits
    }

    /// Trouble at the word that comes next, or at the last one.
    fn trouble<T>(&self, problem: &'static str) -> Read<T> {
        let word = self.words.get(self.at).or(self.words.last());
        Err(Trouble { line: word.map_or(1, |word| word.line), problem })
    }

    /// A term and its full stop.
    fn form(&mut self) -> Read<Term> {
        let term = self.term(0)?;
        match self.words.get(self.at).map(|word| &word.kind) {
            Some(Kind::Stop) => self.at += 1,
            None => return self.trouble(NO_STOP),
            Some(Kind::Sign("]" | "}" | ")" | ">>")) => return self.trouble(MISMATCH),
            Some(Kind::Sign(",")) => return self.trouble(NOT_ONE),
            Some(_) => return self.trouble(NO_STOP),
        }
        Ok(term)
    }

    fn term(&mut self, depth: usize) -> Read<Term> {
        if depth > DEPTH {
            return self.trouble(TOO_DEEP);
        }
        let start = self.at;
        let value = self.primary(depth)?;
        // What stands behind a whole term makes it a part of an expression.
        let continues = match self.words.get(self.at).map(|word| &word.kind) {
            Some(Kind::Sign(sign)) => {
                !matches!(*sign, "," | "]" | "}" | ")" | ">>" | "|" | "=>" | ":=" | ";" | "[" | "{" | "#" | "<<")
            }
            Some(Kind::Reserved) => true,
            _ => false,
        };
        let value = match value {
            Some(value) if !continues => value,
            _ => {
                self.at = start;
                self.expression()?
            }
        };
        let (first, last) = (&self.words[start], &self.words[self.at - 1]);
        Ok(Term { line: first.line, span: first.span.start..last.span.end, value })
    }

    /// A term that begins here; `None` where it is an expression.
    fn primary(&mut self, depth: usize) -> Read<Option<Value>> {
        let Some(word) = self.words.get(self.at) else { return self.trouble(NO_TERM) };
        Ok(Some(match &word.kind {
            Kind::Atom(name) => {
                self.at += 1;
                Value::Atom(name.clone())
            }
            Kind::Text(_) => Value::Text(self.texts()),
            Kind::Number => {
                self.at += 1;
                Value::Number(self.text[word.span.clone()].to_owned())
            }
            Kind::Sign("-") if matches!(self.words.get(self.at + 1).map(|w| &w.kind), Some(Kind::Number)) => {
                self.at += 2;
                Value::Number(format!("-{}", &self.text[self.words[self.at - 1].span.clone()]))
            }
            Kind::Sign("{") => {
                self.at += 1;
                Value::Tuple(self.sequence("}", word, depth)?)
            }
            Kind::Sign("[") => return self.list(word, depth).map(Some),
            Kind::Sign("<<") => return Ok(self.binary()),
            Kind::Sign("#") if matches!(self.words.get(self.at + 1).map(|w| &w.kind), Some(Kind::Sign("{"))) => {
                self.at += 2;
                self.map(word, depth)?
            }
            Kind::Sign("]" | "}" | ")" | ">>") => return self.trouble(MISMATCH),
            Kind::Sign("," | "|" | ";" | "=>" | ":=") | Kind::Stop => return self.trouble(NO_TERM),
            Kind::Reserved | Kind::Variable | Kind::Sign(_) => return Ok(None),
        }))
    }

    /// Strings beside each other are one.
    fn texts(&mut self) -> String {
        let mut whole = String::new();
        while let Some(Token { kind: Kind::Text(text), .. }) = self.words.get(self.at) {
            whole.push_str(text);
            self.at += 1;
        }
        whole
    }

    fn list(&mut self, open: &Token, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut members = Vec::new();
        while !self.accept("]") {
            if !members.is_empty() {
                if self.accept("|") {
                    let tail = self.term(depth + 1)?;
                    return match self.accept("]") {
                        true => Ok(Value::Improper(members, Box::new(tail))),
                        false => self.unclosed(open),
                    };
                }
                self.comma(open, "]")?;
            }
            members.push(self.member(open, depth)?);
        }
        Ok(Value::List(members))
    }

    fn sequence(&mut self, close: &str, open: &Token, depth: usize) -> Read<Vec<Term>> {
        let mut members = Vec::new();
        while !self.accept(close) {
            if !members.is_empty() {
                self.comma(open, close)?;
            }
            members.push(self.member(open, depth)?);
        }
        Ok(members)
    }

    fn map(&mut self, open: &Token, depth: usize) -> Read<Value> {
        let mut pairs = Vec::new();
        while !self.accept("}") {
            if !pairs.is_empty() {
                self.comma(open, "}")?;
            }
            let key = self.member(open, depth)?;
            if !self.accept("=>") && !self.accept(":=") {
                return self.unclosed(open);
            }
            pairs.push((key, self.member(open, depth)?));
        }
        Ok(Value::Map(pairs))
    }

    fn member(&mut self, open: &Token, depth: usize) -> Read<Term> {
        match self.words.get(self.at) {
            Some(word) if word.kind != Kind::Stop => self.term(depth + 1),
            _ => Err(Trouble { line: open.line, problem: UNCLOSED }),
        }
    }

    fn comma(&mut self, open: &Token, close: &str) -> Read<()> {
        if !self.accept(",") {
            return self.unclosed(open);
        }
        if self.sign() == Some(close) { self.trouble(COMMA_TOO_MANY) } else { Ok(()) }
    }

    /// Neither a comma nor the closing bracket.
    fn unclosed<T>(&self, open: &Token) -> Read<T> {
        match self.words.get(self.at).map(|word| &word.kind) {
            None | Some(Kind::Stop) => Err(Trouble { line: open.line, problem: UNCLOSED }),
            Some(Kind::Sign("]" | "}" | ")" | ">>")) => self.trouble(MISMATCH),
            Some(_) => self.trouble(NO_COMMA),
        }
    }

    /// `<<"text">>` and `<<"text"/utf8>>`.
    fn binary(&mut self) -> Option<Value> {
        let start = self.at;
        self.at += 1;
        let text = self.texts();
        if self.accept("/") {
            self.at += 1;
        }
        if self.accept(">>") {
            return Some(Value::Binary(text));
        }
        self.at = start;
        None
    }

    /// Everything up to the separator or the bracket that ends it.
    fn expression(&mut self) -> Read<Value> {
        let start = self.at;
        let mut open = 0_usize;
        while let Some(word) = self.words.get(self.at) {
            match &word.kind {
                Kind::Stop => break,
                Kind::Sign("[" | "{" | "(" | "<<") => open += 1,
                Kind::Sign("]" | "}" | ")" | ">>") if open == 0 => break,
                Kind::Sign("]" | "}" | ")" | ">>") => open -= 1,
                Kind::Sign("," | "|" | ";" | "=>") if open == 0 => break,
                Kind::Reserved if self.opens_block() => open += 1,
                Kind::Reserved if &self.text[word.span.clone()] == "end" => open = open.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
        if open > 0 {
            return Err(Trouble { line: self.words[start].line, problem: UNCLOSED });
        }
        if self.at == start {
            return self.trouble(NO_TERM);
        }
        let span = self.words[start].span.start..self.words[self.at - 1].span.end;
        Ok(Value::Expression(self.text[span].to_owned()))
    }

    /// A word that an `end` closes.
    fn opens_block(&self) -> bool {
        match &self.text[self.words[self.at].span.clone()] {
            "begin" | "case" | "if" | "receive" | "try" => true,
            "fun" => {
                let behind = |n: usize| self.words.get(self.at + n).map(|word| &word.kind);
                let named = matches!(behind(1), Some(Kind::Variable)) && behind(2) == Some(&Kind::Sign("("));
                behind(1) == Some(&Kind::Sign("(")) || named
            }
            _ => false,
        }
    }
}
