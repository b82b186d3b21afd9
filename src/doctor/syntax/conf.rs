//! rabbitmq.conf: `key = value`, one setting on a line; `#` begins a comment wherever it stands.

use crate::doctor::rabbitmq::settings;

/// One file, or a part of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its settings, in the order of the file.
    pub settings: Vec<Setting>,
    /// Lines that are neither setting nor comment; RabbitMQ stops reading at the first.
    pub stray: Vec<usize>,
}

/// One line that sets something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The line, from 1.
    pub line: usize,
    /// Its name.
    pub key: String,
    /// What RabbitMQ takes for its value.
    pub value: String,
    /// What stands behind the value, from a `#` that nothing but the value's own text precedes: probably meant as part of it.
    pub cut: Option<String>,
}

impl File {
    /// The file, if `text` is one by its content: lines of settings, at least half of them RabbitMQ's own or such as are often
    /// taken for them.
    pub fn recognise(text: &str) -> Option<Self> {
        let file = Self::read(text);
        let known = file.settings.iter().filter(|setting| settings::is_meant(&setting.key)).count();
        (known > 0 && known * 2 >= file.settings.len() && file.stray.len() <= file.settings.len()).then_some(file)
    }

    /// Whatever settings stand in `text`.
    pub fn read(text: &str) -> Self {
        let mut file = Self::default();
        for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
            let (content, comment) = line.split_once('#').map_or((line, None), |(a, b)| (a, Some(b)));
            // An `include` of another file is no setting, and allowed.
            if content.trim().is_empty() || content.trim_start().starts_with("include ") {
                continue;
            }
            match content.split_once('=').filter(|(key, value)| is_key(key.trim()) && !value.trim().is_empty()) {
                Some((key, value)) => file.settings.push(Setting {
                    line: number,
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                    cut: comment.filter(|_| !content.ends_with([' ', '\t', '='])).map(str::to_owned),
                }),
                None => file.stray.push(number),
            }
        }
        file
    }

    /// The setting that counts: the last of that name.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.key == key)
    }

    /// The settings below a name: `listeners.ssl` gives `listeners.ssl.default`.
    pub fn below<'f>(&'f self, prefix: &str) -> impl Iterator<Item = &'f Setting> {
        let is_below = move |key: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        self.settings.iter().filter(move |setting| is_below(&setting.key))
    }
}

/// Words with dots between them.
fn is_key(text: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '@' | '$' | '*' | '/' | ':' | '\\');
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.split('.').all(|word| !word.is_empty() && word.chars().all(of_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_keep_their_lines_and_comments_end_them() {
        let file = File::read("# a\nlisteners.ssl.default = 5671 # TLS\n\nssl_options.password=a#b\nnonsense\n[x]\n");
        let settings: Vec<_> = file.settings.iter().map(|s| (s.line, &*s.key, &*s.value, s.cut.as_deref())).collect();
        assert_eq!(settings, [(2, "listeners.ssl.default", "5671", None), (4, "ssl_options.password", "a", Some("b"))]);
        assert_eq!(file.stray, [5, 6]);
        assert_eq!(File::read("include other.conf\nheartbeat =\n\u{feff}heartbeat = 1\n").stray, [2, 3]);
        assert_eq!(file.below("listeners").count(), 1);
        assert_eq!(file.below("listener").count(), 0);
    }

    #[test]
    fn only_what_is_rabbitmqs_is_recognised() {
        for text in [
            "listeners.tcp = none\n",
            "ssl_certfile = /x\nssl_keyfile = /y\n",
            "# head\n\nssl_options.cacertfile = /x\ninvented.key = 1\n",
        ] {
            assert!(File::recognise(text).is_some(), "{text}");
        }
        for text in [
            "",
            "listeners=PLAINTEXT://:9092\nlog.dirs=/tmp\nnum.partitions=1\nzookeeper.connect=x\n",
            "name = \"x\"\nversion = 1\n",
            "[section]\nkey = value\n",
            "a = b\n",
            "a text about ssl_options.certfile = /x\n",
        ] {
            assert!(File::recognise(text).is_none(), "{text}");
        }
    }
}
