//! One consumer whose configuration is wanted, as people write it after `certgen emit` and in `emit` of the manifest.
//!
//! Both places take the same words, so that a line that was tried on the command line can be kept. Which targets there are
//! and what can be set for them is known where they are written; here the words are only read.

use std::fmt;

use crate::ui;

/// What is wanted of one target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consumer {
    /// The target's name.
    pub target: String,
    /// `--for`: only these clients.
    pub clients: Vec<String>,
    /// `--broker`: the broker that it is about, where there are several.
    pub broker: Option<String>,
    /// `--set`: keys and values, in order.
    pub settings: Vec<(String, String)>,
    /// `--with-keys`: private keys may stand in its files.
    pub with_keys: bool,
}

impl fmt::Display for Consumer {
    /// As it is typed after `certgen emit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.target)?;
        self.clients.iter().try_for_each(|name| write!(f, " --for={}", ui::shell(name)))?;
        self.broker.iter().try_for_each(|name| write!(f, " --broker={}", ui::shell(name)))?;
        self.settings
            .iter()
            .try_for_each(|(key, value)| write!(f, " --set {}", ui::shell(&format!("{key}={value}"))))?;
        if self.with_keys { f.write_str(" --with-keys") } else { Ok(()) }
    }
}

impl Consumer {
    /// Reads `TARGET [--for NAME]... [--broker NAME] [--set KEY=VALUE]... [--with-keys]`, with words quoted as in a shell.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("{} is not the name of a consumer: {why}", ui::quote(text));
        let mut words = words(text).map_err(refuse)?.into_iter();
        let target = words.next().ok_or_else(|| refuse("it is empty"))?;
        let is_word = target.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_word || target.starts_with('-') {
            return Err(refuse("it begins with a target, in lower-case letters"));
        }
        let mut consumer = Self { target, ..Self::default() };
        while let Some(word) = words.next() {
            let (flag, joined) = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
                _ => (word, None),
            };
            let mut value = || joined.clone().or_else(|| words.next()).ok_or_else(|| refuse("it ends in a flag"));
            match flag.as_str() {
                "--for" => consumer.clients.push(value()?),
                "--broker" => consumer.broker = Some(value()?),
                "--set" => consumer.settings.push(Self::setting(&value()?)?),
                "--with-keys" if joined.is_none() => consumer.with_keys = true,
                _ => {
                    return Err(refuse(
                        "after the target come --for NAME, --broker NAME, --set KEY=VALUE and --with-keys",
                    ));
                }
            }
        }
        Ok(consumer)
    }

    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// There is no `=` in it.
    pub fn setting(text: &str) -> Result<(String, String), String> {
        match text.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(format!("--set {}: it is --set KEY=VALUE", ui::quote(text))),
        }
    }
}

/// The words of a line, quoted as a POSIX shell quotes them; nothing is expanded.
fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let (mut words, mut word, mut chars) = (Vec::new(), None::<String>, line.chars());
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.extend(chars.next()),
                        Some(other) => word.push(other),
                        None => return Err("a quote is not closed"),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next().ok_or("it ends in a backslash")?),
            c if c.is_control() => return Err("it has a control character"),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_is_typed_after_emit() {
        let read = |text: &str| Consumer::parse(text).unwrap();
        assert_eq!(read("celery"), Consumer { target: "celery".into(), ..Consumer::default() });
        let all = read(r#"aio-pika --for worker --for="it's \"x\"" --set host=a.b --set 'path=/a b' --with-keys"#);
        assert_eq!(all.clients, ["worker", r#"it's "x""#]);
        assert_eq!(all.settings, [("host".into(), "a.b".into()), ("path".into(), "/a b".into())]);
        assert!(all.with_keys);
        assert_eq!(read(&all.to_string()), all);
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "empty"),
            ("Celery", "lower-case"),
            ("--for x", "lower-case"),
            ("celery worker", "--for NAME"),
            ("celery --for", "ends in a flag"),
            ("celery --set host", "KEY=VALUE"),
            ("celery --with-keys=no", "--with-keys"),
            ("celery 'x", "not closed"),
            ("celery\n", "control"),
            ("../celery", "lower-case"),
        ] {
            let error = Consumer::parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
