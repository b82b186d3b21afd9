//! The syntax of rabbitmq.conf: `key = value`, one a line.
//!
//! It has no quoting that all versions agree on (3.10 takes quotes as part of the value, 4.x strips them), so a value
//! stands as it is or not at all. What was measured on 3.10, 4.0 and 4.3: `#` starts a comment even inside a word, spaces
//! at the ends are lost, anything but ASCII keeps the broker from booting; spaces, quotes and backslashes inside are fine.

use crate::error::{Error, Result};
use crate::ui;

/// A rabbitmq.conf being written.
#[derive(Debug, Default)]
pub(super) struct Conf {
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Comment(String),
    Blank,
    Set(String, String),
}

impl Conf {
    pub(super) fn comment(&mut self, text: &str) {
        self.lines.extend(text.lines().map(|line| Line::Comment(line.replace('\r', " "))));
    }

    pub(super) fn blank(&mut self) {
        self.lines.push(Line::Blank);
    }

    pub(super) fn set(&mut self, key: impl Into<String>, value: impl Into<String>) -> Result<()> {
        let (key, value) = (key.into(), value.into());
        if let Some(why) = unfit(&value) {
            let shown = if key.ends_with("password") { "its value".into() } else { ui::quote(&value) };
            return Err(Error::failed(format!("writing rabbitmq.conf: {key} cannot be set: {shown} {why}")));
        }
        self.lines.push(Line::Set(key, value));
        Ok(())
    }

    /// The settings, in order.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|line| match line {
            Line::Set(key, value) => Some((key.as_str(), value.as_str())),
            _ => None,
        })
    }

    /// Leaves out settings that somebody else makes.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.lines.retain(|line| !matches!(line, Line::Set(key, _) if !keep(key)));
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for line in &self.lines {
            match line {
                Line::Comment(text) if text.is_empty() => out.push('#'),
                Line::Comment(text) => out.extend(["# ", text]),
                Line::Blank => {}
                Line::Set(key, value) => out.extend([key, " = ", value]),
            }
            out.push('\n');
        }
        out
    }
}

/// Why rabbitmq.conf cannot carry this value, for instance the password of a private key; `None` when it can.
pub fn unfit(value: &str) -> Option<&'static str> {
    let wrapped = |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if value.is_empty() {
        Some("is empty")
    } else if value.chars().any(char::is_control) {
        Some("has a line break or another control character")
    } else if !value.is_ascii() {
        Some("is not plain ASCII, with which RabbitMQ does not boot")
    } else if value.contains('#') {
        Some("has a #, which starts a comment")
    } else if value.starts_with(' ') || value.ends_with(' ') {
        Some("begins or ends with a space, which is lost")
    } else if value.starts_with(['\'', '"']) || wrapped('\'') || wrapped('"') {
        Some("begins with a quote, which RabbitMQ 4 takes for quoting")
    } else if value.contains("$(") {
        Some("has $(, which stands for the value of another key")
    } else if value.starts_with("encrypted:") || value.starts_with("plain:") {
        Some("begins like an encrypted value")
    } else {
        None
    }
}

/// The settings of an existing file: line number (from 1), key, value.
pub(super) fn read(text: &str) -> Vec<(usize, String, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        if let Some((key, value)) = line.split_once('=') {
            found.push((index + 1, key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_and_comments_stand_one_a_line() {
        let mut conf = Conf::default();
        conf.comment("what\n\nwhy\r\nlisteners.tcp = 1");
        conf.blank();
        conf.set("listeners.tcp", "none").unwrap();
        assert_eq!(conf.text(), "# what\n#\n# why\n# listeners.tcp = 1\n\nlisteners.tcp = none\n");
    }

    #[test]
    fn what_the_syntax_cannot_carry_is_refused_with_the_reason() {
        for (value, why) in [
            ("a#b", "starts a comment"),
            (" a", "space"),
            ("a ", "space"),
            ("'a'", "quote"),
            ("\"a", "quote"),
            ("a\nb = c", "line break"),
            ("a\r", "control"),
            ("пароль", "ASCII"),
            ("$(x)", "another key"),
            ("", "empty"),
            ("encrypted:x", "encrypted"),
        ] {
            let error = Conf::default().set("k", value).unwrap_err();
            assert!(error.message().contains(why), "{value:?}: {error}");
        }
        for value in ["pw with space", "q'uote", "dq\"uote", r"back\slash", "per%cent$x", "{{x}}", "a=b", "C:/x y"] {
            Conf::default().set("k", value).unwrap();
        }
    }

    #[test]
    fn a_refused_password_is_not_shown() {
        let error = Conf::default().set("ssl_options.password", "geheim#1").unwrap_err();
        assert!(!error.message().contains("geheim"), "{error}");
    }

    #[test]
    fn an_existing_file_is_read_with_line_numbers() {
        let read = read("# a = b\n\nlisteners.tcp.1=127.0.0.1:5672 # plain\r\n  x =  y z \n");
        assert_eq!(read, [(3, "listeners.tcp.1".into(), "127.0.0.1:5672".into()), (4, "x".into(), "y z".into())]);
    }
}
