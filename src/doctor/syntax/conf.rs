//! rabbitmq.conf: `key = value`, one setting on a line.

/// One file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The settings, in the order of the file.
    pub settings: Vec<Setting>,
}

/// `key = value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The line, from 1.
    pub line: usize,
    /// `ssl_options.verify`
    pub key: String,
    /// The value, up to a comment and without the blanks around it.
    pub value: String,
}

/// Keys, or beginnings of keys, that RabbitMQ alone has.
const ROOTS: [&str; 14] = [
    "auth_mechanisms",
    "cluster_formation",
    "collect_statistics",
    "default_",
    "definitions",
    "disk_free_limit",
    "listeners",
    "load_definitions",
    "loopback_users",
    "management",
    "mqtt",
    "prometheus",
    "ssl_",
    "vm_memory_high_watermark",
];

impl File {
    /// The file, if `text` is one by its content.
    pub fn recognise(text: &str) -> Option<Self> {
        let mut file = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once('=')?;
            let key = key.trim();
            if key.is_empty() || !key.chars().all(|c| c.is_ascii_alphanumeric() || "_.-$*/:@".contains(c)) {
                return None;
            }
            file.settings.push(Setting { line: index + 1, key: key.to_owned(), value: value.trim().to_owned() });
        }
        let ours = |setting: &Setting| ROOTS.iter().any(|root| setting.key.starts_with(root));
        file.settings.iter().any(ours).then_some(file)
    }

    /// The setting under `key`; of several the last, which is the one that RabbitMQ takes.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().rev().find(|setting| setting.key == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_lines() {
        let file =
            File::recognise("# x\nlisteners.ssl.default = 5671\n\nssl_options.verify=verify_peer # why\n").unwrap();
        let expected = [(2, "listeners.ssl.default", "5671"), (4, "ssl_options.verify", "verify_peer")];
        let found: Vec<_> = file.settings.iter().map(|s| (s.line, s.key.as_str(), s.value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn other_syntaxes_are_left_alone() {
        for text in ["", "# x\n", "a = 1\n", "[x]\nlisteners.tcp = 1\n", "listeners:\n  tcp = 5\n"] {
            assert_eq!(File::recognise(text), None, "{text}");
        }
    }
}
