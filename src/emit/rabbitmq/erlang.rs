//! Erlang terms, as `file:consult/1` and the option file of `-ssl_dist_optfile` read them.
//!
//! Everything beyond ASCII is written as `\x{..}`: one of the readers takes a file without a coding comment for Latin-1.

use std::fmt::Write;

/// A term with room for comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    Atom(String),
    Text(String),
    List(Vec<Term>),
    Tuple(Vec<Term>),
    /// An expression, for the option file alone, which is evaluated.
    Expression(&'static str),
    /// A comment on the line above a member of a list.
    Commented(&'static str, Box<Term>),
}

pub(super) fn atom(name: &str) -> Term {
    Term::Atom(name.into())
}

pub(super) fn text(value: &str) -> Term {
    Term::Text(value.into())
}

/// `{name, value}`
pub(super) fn pair(name: &str, value: Term) -> Term {
    Term::Tuple(vec![atom(name), value])
}

/// A whole file: comment lines, then the term and its full stop.
pub(super) fn file(comments: &[String], term: &Term) -> String {
    let mut out = String::new();
    for line in comments.iter().flat_map(|comment| comment.split('\n')) {
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Comments are read with the same doubt about the encoding, so they are kept in ASCII too.
        let line: String = line.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
        let _ = writeln!(out, "{}", format!("%% {line}").trim_end());
    }
    write_term(&mut out, term, 0);
    out.push_str(".\n");
    out
}

fn write_term(out: &mut String, term: &Term, depth: usize) {
    match term {
        Term::Atom(name) => write_atom(out, name),
        Term::Text(value) => write_quoted(out, value, '"'),
        Term::Expression(text) => out.push_str(text),
        Term::Tuple(items) => {
            out.push('{');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_term(out, item, depth);
            }
            out.push('}');
        }
        Term::List(items) if is_short(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_term(out, item, depth);
            }
            out.push(']');
        }
        Term::List(items) => write_long_list(out, items, depth),
        Term::Commented(_, inner) => write_term(out, inner, depth),
    }
}

fn write_long_list(out: &mut String, items: &[Term], depth: usize) {
    let margin = "  ".repeat(depth + 1);
    out.push_str("[\n");
    for (index, item) in items.iter().enumerate() {
        if let Term::Commented(comment, _) = item {
            for line in comment.lines() {
                let _ = writeln!(out, "{margin}%% {line}");
            }
        }
        out.push_str(&margin);
        write_term(out, item, depth + 1);
        out.push_str(if index + 1 < items.len() { ",\n" } else { "\n" });
    }
    let _ = write!(out, "{}]", "  ".repeat(depth));
}

fn is_short(items: &[Term]) -> bool {
    let flat = |item: &Term| matches!(item, Term::Atom(_) | Term::Text(_));
    let single = |item: &Term| match item {
        Term::Tuple(inner) => {
            inner.iter().all(|term| matches!(term, Term::Atom(_) | Term::Text(_) | Term::Expression(_)))
        }
        _ => false,
    };
    items.iter().all(flat) || (items.len() == 1 && single(&items[0]))
}

fn write_atom(out: &mut String, name: &str) {
    const RESERVED: [&str; 28] = [
        "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond",
        "div", "else", "end", "fun", "if", "let", "maybe", "not", "of", "or", "orelse", "receive", "rem", "try",
        "when",
    ];
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
        && !RESERVED.contains(&name)
        && name != "xor";
    if bare {
        out.push_str(name);
    } else {
        write_quoted(out, name, '\'');
    }
}

fn write_quoted(out: &mut String, value: &str, quote: char) {
    out.push(quote);
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            ' '..='~' => out.push(c),
            c => {
                let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
            }
        }
    }
    out.push(quote);
}

/// The words of an existing file that stand outside comments and strings: line number (from 1) and word. Enough to see
/// which settings a file mentions; not a parser.
pub(super) fn words(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut word = String::new();
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' || c == '@' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            found.push((line, std::mem::take(&mut word)));
        }
        match c {
            '\n' => line += 1,
            '%' => while chars.next_if(|&c| c != '\n').is_some() {},
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => drop(chars.next()),
                        '\n' => line += 1,
                        _ => {}
                    }
                }
            }
            '$' => drop(chars.next()),
            _ => {}
        }
    }
    if !word.is_empty() {
        found.push((line, word));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::doctor::syntax::erlang;

    fn written(term: &Term) -> String {
        let mut out = String::new();
        write_term(&mut out, term, 0);
        out
    }

    #[test]
    fn strings_carry_anything() {
        assert_eq!(written(&text(r#"a"b\c # $ % {{ }}"#)), r#""a\"b\\c # $ % {{ }}""#);
        assert_eq!(written(&text("line\nnext\u{0}\té€")), r#""line\nnext\x{0}\x{9}\x{E9}\x{20AC}""#);
    }

    #[test]
    fn atoms_are_quoted_when_they_must_be() {
        for (name, expected) in [
            ("verify_peer", "verify_peer"),
            ("tlsv1.3", "'tlsv1.3'"),
            ("Upper", "'Upper'"),
            ("end", "'end'"),
            ("xor", "'xor'"),
            ("it's", r"'it\'s'"),
            ("", "''"),
            ("rabbit@host", "rabbit@host"),
        ] {
            assert_eq!(written(&atom(name)), expected);
        }
    }

    #[test]
    fn lists_break_into_lines_when_they_hold_more_than_words() {
        let term = Term::List(vec![
            pair("versions", Term::List(vec![atom("tlsv1.3"), atom("tlsv1.2")])),
            Term::Commented(
                "why",
                Box::new(pair("check", Term::List(vec![pair("match_fun", Term::Expression("f(x)"))]))),
            ),
        ]);
        let expected =
            "%% head\n%%\n[\n  {versions, ['tlsv1.3', 'tlsv1.2']},\n  %% why\n  {check, [{match_fun, f(x)}]}\n].\n";
        assert_eq!(file(&["head\n".into()], &term), expected);
    }

    #[test]
    fn a_comment_cannot_end_early() {
        assert_eq!(file(&["a\rb\u{e9}\n[evil]".into()], &Term::List(vec![])), "%% a b?\n%% [evil]\n[].\n");
    }

    /// What the doctor reads must be what was written here, so that it may speak about it.
    fn same(written: &Term, read: &erlang::Term) -> bool {
        let all = |written: &[Term], read: &[erlang::Term]| {
            written.len() == read.len() && written.iter().zip(read).all(|(a, b)| same(a, b))
        };
        match (written, &read.value) {
            (Term::Atom(a), erlang::Value::Atom(b)) | (Term::Text(a), erlang::Value::Text(b)) => a == b,
            (Term::Expression(a), erlang::Value::Expression(b)) => a == b,
            (Term::List(a), erlang::Value::List(b)) | (Term::Tuple(a), erlang::Value::Tuple(b)) => all(a, b),
            (Term::Commented(_, a), _) => same(a, read),
            _ => false,
        }
    }

    fn any_term() -> impl Strategy<Value = Term> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Term::Atom),
            any::<String>().prop_map(Term::Text),
            Just(Term::Expression("public_key:pkix_verify_hostname_match_fun(https)")),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Term::List),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Term::Tuple),
                inner.prop_map(|term| Term::Commented("why [\"", Box::new(term))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(term in any_term(), comment in any::<String>()) {
            let term = Term::List(vec![term]);
            let text = file(&[comment], &term);
            let read = erlang::File::recognise(&text).expect("a file of Erlang");
            prop_assert_eq!(&read.trouble, &None, "{}", text);
            prop_assert!(same(&term, read.term.as_ref().expect("one term")), "{}\n{:?}", text, read);
        }
    }

    #[test]
    fn words_outside_comments_and_strings_are_found() {
        let source = "%% ssl_options\n[{rabbit, [{note, \"ssl_options \\\" \"},\n {ssl_options, []}]}].\n";
        assert_eq!(
            words(source).iter().filter(|(_, word)| word == "ssl_options").map(|(line, _)| *line).collect::<Vec<_>>(),
            [3]
        );
    }
}
