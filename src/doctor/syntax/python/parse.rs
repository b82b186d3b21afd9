//! Statements and expressions from tokens.

use super::tokens::{Token, tokens};
use super::{Call, Expression, File, Statement, Value};

/// So deep may expressions lie in one another.
const DEEPEST: usize = 48;

/// Words before an expression that say nothing about its value.
const BEFORE: &[&str] = &["await", "return", "yield", "assert", "raise", "del", "not", "else", "try", "finally"];
/// Statements whose first line is about their body alone.
const HEADS: &[&str] =
    &["def", "class", "for", "async", "except", "lambda", "global", "nonlocal", "pass", "break", "continue"];

/// Words that stand between two operands.
const BETWEEN: &[&str] =
    &["if", "else", "in", "is", "not", "and", "or", "for", "async", "as", "from", "lambda", "await"];

/// The whole file; `None` where it lies too deep, or where it is prose: words that follow one another.
pub(super) fn file(text: &str) -> Option<File> {
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens, at: 0, file: File::default(), words: 0 };
    while parser.at < tokens.len() {
        parser.statement()?;
    }
    let names = tokens.iter().filter(|(token, _)| matches!(token, Token::Name(_))).count();
    (parser.words <= 5 || parser.words * 10 <= names).then_some(parser.file)
}

struct Parser<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
    file: File,
    /// How many names followed a name, as they do in prose.
    words: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |(_, line)| *line)
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.peek(), Some(Token::Op(known)) if *known == op)
    }

    /// Passes over `op`, if it is next.
    fn accept(&mut self, op: &str) -> bool {
        let is = self.is(op);
        self.at += usize::from(is);
        is
    }

    fn name(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Name(name)) => Some(name),
            _ => None,
        }
    }

    fn ends(&self) -> bool {
        matches!(self.peek(), None | Some(Token::Newline))
    }

    fn skip_line(&mut self) {
        while !self.ends() {
            self.at += 1;
        }
    }

    fn statement(&mut self) -> Option<()> {
        let mut has_body = matches!(self.name(), Some("else" | "try" | "finally"));
        match self.name() {
            Some("import") => self.import(),
            Some("from") => self.import_from(),
            Some(word) if HEADS.contains(&word) => self.skip_line(),
            Some("if" | "elif" | "while" | "with") => {
                self.at += 1;
                has_body = true;
            }
            _ => {}
        }
        while !self.ends() {
            let before = self.at;
            let mut value = self.expression(0)?;
            if self.accept(":") && !self.ends() && !self.is("=") {
                // An annotation, or a body on the same line.
                let after = self.expression(0)?;
                if has_body || !self.is("=") {
                    self.keep(None, std::mem::replace(&mut value, after));
                }
            }
            let mut targets = Vec::new();
            while self.accept("=") {
                targets.push(std::mem::replace(&mut value, self.expression(0)?));
            }
            let target = targets.first().and_then(chain);
            self.keep(target, value);
            self.at += usize::from(self.at == before || self.is(","));
        }
        self.at += 1;
        Some(())
    }

    fn keep(&mut self, target: Option<String>, value: Expression) {
        self.file.statements.push(Statement { target, value });
    }

    /// `import a.b as c, d`
    fn import(&mut self) {
        self.at += 1;
        while let Some(name) = self.dotted() {
            let (known, full) = match self.alias() {
                Some(alias) => (alias, name),
                None => {
                    let first = name.split('.').next().unwrap_or_default().to_owned();
                    (first.clone(), first)
                }
            };
            self.file.imports.insert(known, full);
            if !self.accept(",") {
                break;
            }
        }
        self.skip_line();
    }

    /// `from a.b import (c as d, e)`
    fn import_from(&mut self) {
        self.at += 1;
        let module = self.dotted().unwrap_or_default();
        if self.name() == Some("import") {
            self.at += 1;
            self.accept("(");
            while let Some(name) = self.dotted() {
                let known = self.alias().unwrap_or_else(|| name.clone());
                self.file.imports.insert(known, format!("{module}.{name}"));
                if !self.accept(",") {
                    break;
                }
            }
        }
        self.skip_line();
    }

    fn dotted(&mut self) -> Option<String> {
        while self.accept(".") {}
        let mut name = self.name()?.to_owned();
        self.at += 1;
        while self.accept(".") {
            name = format!("{name}.{}", self.name()?);
            self.at += 1;
        }
        Some(name)
    }

    fn alias(&mut self) -> Option<String> {
        if self.name() != Some("as") {
            return None;
        }
        self.at += 1;
        let alias = self.name()?.to_owned();
        self.at += 1;
        Some(alias)
    }

    /// Operands and operators up to whatever ends them.
    fn expression(&mut self, depth: usize) -> Option<Expression> {
        let line = self.line();
        let mut operands = vec![self.operand(depth)?];
        let mut operator: Option<String> = None;
        loop {
            let next = match self.peek() {
                None | Some(Token::Newline | Token::Op("," | ")" | "]" | "}" | ":" | "=")) => break,
                Some(Token::Op(op)) => (*op).to_owned(),
                Some(Token::Name(name)) => name.clone(),
                Some(_) => String::new(),
            };
            let is_word = matches!(self.peek(), Some(Token::Name(name)) if !BETWEEN.contains(&name.as_str()));
            self.words += usize::from(is_word);
            self.at += usize::from(!next.is_empty());
            operator = Some(match operator {
                Some(known) if known != next => String::new(),
                _ => next,
            });
            operands.push(self.operand(depth)?);
        }
        Some(match operator {
            None => operands.swap_remove(0),
            Some(operator) => Expression { line, value: Value::Operation(operator, operands) },
        })
    }

    fn operand(&mut self, depth: usize) -> Option<Expression> {
        if depth > DEEPEST {
            return None;
        }
        while self.name().is_some_and(|name| BEFORE.contains(&name))
            || ["-", "*", "**", "~", "!"].iter().any(|op| self.is(op))
        {
            self.at += 1;
        }
        let line = self.line();
        let nothing = Value::Operation(String::new(), Vec::new());
        let value = match self.peek().cloned() {
            Some(Token::Name(name)) => {
                self.at += 1;
                Value::Name(name)
            }
            Some(Token::Number(number)) => {
                self.at += 1;
                Value::Number(number)
            }
            Some(Token::Text(..)) => self.texts(),
            Some(Token::Op("{")) => self.braces(depth)?,
            Some(Token::Op("(" | "[")) => {
                let is_tuple = self.is("(");
                self.at += 1;
                let (mut members, commas) = self.members(depth)?;
                if is_tuple && !commas && members.len() == 1 {
                    members.swap_remove(0).value
                } else {
                    Value::List(members)
                }
            }
            _ => nothing,
        };
        self.trailers(Expression { line, value }, depth)
    }

    /// Strings that follow one another are one.
    fn texts(&mut self) -> Value {
        let (mut whole, mut exact) = (String::new(), true);
        while let Some(Token::Text(text, is_exact)) = self.peek() {
            whole += text;
            exact &= *is_exact;
            self.at += 1;
        }
        Value::Text(whole, exact)
    }

    /// What stands in brackets, up to the one that closes, and whether there was a comma.
    fn members(&mut self, depth: usize) -> Option<(Vec<Expression>, bool)> {
        let (mut members, mut commas) = (Vec::new(), false);
        while !self.ends_bracket() {
            let before = self.at;
            members.push(self.expression(depth + 1)?);
            commas |= self.is(",");
            self.at += usize::from(self.at == before || !self.ends_bracket());
        }
        self.at += 1;
        Some((members, commas))
    }

    /// The next token closes a bracket, or there is nothing more that could.
    fn ends_bracket(&self) -> bool {
        self.ends() || [")", "]", "}"].iter().any(|op| self.is(op))
    }

    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let (mut entries, mut members) = (Vec::new(), Vec::new());
        while !self.ends_bracket() {
            let before = self.at;
            let key = self.expression(depth + 1)?;
            if self.accept(":") {
                entries.push((key, self.expression(depth + 1)?));
            } else {
                members.push(key);
            }
            self.at += usize::from(self.at == before || !self.ends_bracket());
        }
        self.at += 1;
        if members.is_empty() {
            return Some(Value::Dict(entries));
        }
        if entries.is_empty() {
            return Some(Value::List(members));
        }
        // `{**defaults, "a": 1}`: what is spread out is kept as a key without a text.
        let spread = members.into_iter().map(|member| {
            let nothing = Expression { line: member.line, value: Value::List(Vec::new()) };
            (member, nothing)
        });
        entries.extend(spread);
        Some(Value::Dict(entries))
    }

    /// `.name`, `(...)` and `[...]` after an operand.
    fn trailers(&mut self, mut value: Expression, depth: usize) -> Option<Expression> {
        let mut trailers = 0;
        loop {
            trailers += 1;
            if trailers > DEEPEST {
                return None;
            }
            if self.is(".") && matches!(self.tokens.get(self.at + 1), Some((Token::Name(_), _))) {
                self.at += 1;
                let Some(name) = self.name().map(str::to_owned) else { return Some(value) };
                self.at += 1;
                value = self.member(value, name);
            } else if self.is("(") {
                value = self.call(value, depth)?;
            } else if self.is("[") {
                self.at += 1;
                let line = value.line;
                let (mut index, _) = self.members(depth)?;
                let index = if index.len() == 1 {
                    index.swap_remove(0)
                } else {
                    Expression { line, value: Value::List(index) }
                };
                value = Expression { line, value: Value::Item(Box::new(value), Box::new(index)) };
            } else {
                return Some(value);
            }
        }
    }

    /// `value.name`, before it is known whether it is called.
    fn member(&self, value: Expression, name: String) -> Expression {
        let line = value.line;
        match value.value {
            Value::Name(first) => Expression { line, value: Value::Name(format!("{first}.{name}")) },
            other => {
                let name = Expression { line, value: Value::Text(name, true) };
                Expression { line, value: Value::Item(Box::new(Expression { line, value: other }), Box::new(name)) }
            }
        }
    }

    fn call(&mut self, callee: Expression, depth: usize) -> Option<Expression> {
        self.at += 1;
        let line = callee.line;
        let (name, receiver) = match callee.value {
            Value::Name(name) => (self.file.resolved(&name), None),
            Value::Item(of, member) => (format!("().{}", member.text().unwrap_or_default()), Some(*of)),
            other => ("()".to_owned(), Some(Expression { line, value: other })),
        };
        let mut call = Call { name, receiver, positional: Vec::new(), named: Vec::new(), open: false };
        while !self.ends_bracket() {
            let before = self.at;
            call.open |= self.is("*") || self.is("**");
            let argument = self.expression(depth + 1)?;
            match argument.value {
                Value::Name(name) if self.accept("=") => call.named.push((name, self.expression(depth + 1)?)),
                _ => call.positional.push(argument),
            }
            self.at += usize::from(self.at == before || !self.ends_bracket());
        }
        self.at += 1;
        Some(Expression { line, value: Value::Call(Box::new(call)) })
    }
}

/// The names of a target: `app.conf["broker_url"]` is `app.conf.broker_url`.
fn chain(target: &Expression) -> Option<String> {
    match &target.value {
        Value::Name(name) => Some(name.clone()),
        Value::Item(of, index) => Some(format!("{}.{}", chain(of)?, index.text()?)),
        _ => None,
    }
}
