//! The syntax of rabbitmq-env.conf, which `sh` sources; the values are then split into words again, unquoted.
//!
//! So two things can go wrong with a path inside the arguments for Erlang: the quoting of the assignment, which this writer
//! does, and the second splitting, against which nothing helps (a backslash or quotes stay part of the word: RabbitMQ then
//! does not boot). Such a path is refused.

use crate::error::{Error, Result};
use crate::ui;

/// A rabbitmq-env.conf being written.
#[derive(Debug, Default)]
pub(super) struct Env {
    text: String,
}

impl Env {
    pub(super) fn comment(&mut self, text: &str) {
        for line in text.lines() {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.text.push_str(format!("# {line}").trim_end());
            self.text.push('\n');
        }
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn assign(&mut self, name: &str, value: &str) {
        self.text.push_str(&format!("{name}={}\n", quoted(value)));
    }

    /// Arguments for Erlang after what `before` (already in shell syntax, such as `$NAME`) holds.
    pub(super) fn assign_arguments(&mut self, name: &str, before: &str, arguments: &[String]) {
        let escaped: Vec<String> = arguments.iter().map(|argument| escape(argument)).collect();
        let before = if before.is_empty() { String::new() } else { format!("{before} ") };
        let line = format!("{name}=\"{before}{}\"", escaped.join(" "));
        if line.len() <= 120 {
            self.text.push_str(&line);
        } else {
            self.text.push_str(&format!("{name}=\"{before}{}\"", escaped.join(" \\\n ")));
        }
        self.text.push('\n');
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// `value` as one word of a command that somebody types into a shell.
pub(super) fn word(value: &str) -> String {
    let quoted = quoted(value);
    if quoted == value { quoted } else { format!("'{}'", value.replace('\'', "'\\''")) }
}

/// `value` of an assignment, for `sh`.
pub(super) fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:@,+".contains(c));
    if plain { value.to_owned() } else { format!("\"{}\"", escape(value)) }
}

fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A path that survives as one argument on Erlang's command line.
pub(super) fn argument(what: &str, path: &str) -> Result<String> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "\"'\\$`*?[]~;&|<>(){}".contains(c);
    match path.chars().find(|&c| bad(c)) {
        None if !path.is_empty() && !path.starts_with('-') => Ok(path.to_owned()),
        None => Err(Error::failed(format!("writing rabbitmq-env.conf: {what} {} is no path", ui::quote(path)))),
        Some(c) => Err(Error::failed(format!(
            "writing rabbitmq-env.conf: {what} {} has the character {c:?}, which RabbitMQ's scripts cannot pass on",
            ui::quote(path)
        ))
        .hint("choose a directory of letters, digits, '/', '.', '-' and '_'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_the_shell() {
        assert_eq!(quoted("true"), "true");
        assert_eq!(quoted(r#"a "b" $HOME `x` \ # % {{"#), r#""a \"b\" \$HOME \`x\` \\ # % {{""#);
        assert_eq!(quoted("a\nb é"), "\"a\nb é\"");
        assert_eq!(quoted(""), "\"\"");
    }

    #[test]
    fn long_arguments_are_continued_inside_the_quotes() {
        let mut env = Env::default();
        env.assign_arguments("A", "$A", &["-x".into(), "-y".repeat(60)]);
        assert_eq!(env.text(), format!("A=\"$A -x \\\n {}\"\n", "-y".repeat(60)));
    }

    #[test]
    fn a_path_that_would_be_split_or_expanded_is_refused() {
        for path in ["/etc/my rabbit/x", "/etc/*/x", "/a\nb", "/a'b", "/a\\b", "/$HOME", "", "-x"] {
            assert!(argument("the path", path).is_err(), "{path:?}");
        }
        assert_eq!(argument("the path", "/etc/rabbitmq/é-1_2.config").unwrap(), "/etc/rabbitmq/é-1_2.config");
    }

    #[test]
    fn a_comment_stays_a_comment() {
        let mut env = Env::default();
        env.comment("a\nb\rrm -rf");
        assert_eq!(env.text(), "# a\n# b rm -rf\n");
    }
}
