//! The syntax of rabbitmq-env-conf.bat, which RabbitMQ's scripts `call` on Windows, with delayed expansion switched on.

use crate::error::{Error, Result};
use crate::ui;

/// A rabbitmq-env-conf.bat being written; lines end as Windows expects.
#[derive(Debug)]
pub(super) struct Bat {
    text: String,
}

impl Bat {
    pub(super) fn new() -> Self {
        Self { text: "@echo off\r\n".into() }
    }

    pub(super) fn comment(&mut self, text: &str) {
        for line in text.lines() {
            // A percent sign or a caret would still be looked at in a remark.
            let line: String =
                line.chars().map(|c| if c.is_control() || "%^!&<>|".contains(c) { ' ' } else { c }).collect();
            self.text.push_str(format!("rem {line}").trim_end());
            self.text.push_str("\r\n");
        }
    }

    pub(super) fn blank(&mut self) {
        self.text.push_str("\r\n");
    }

    /// Sets a variable; `value` consists of words and of paths that went through [`argument`].
    pub(super) fn assign(&mut self, name: &str, value: &str) {
        self.text.push_str(&format!("set {name}={}\r\n", value.replace('%', "%%")));
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// A path as one argument: in double quotes when it has spaces.
pub(super) fn argument(what: &str, path: &str) -> Result<String> {
    if let Some(c) = path.chars().find(|c| c.is_control() || "\"!^&<>|*?;,=()".contains(*c)) {
        return Err(Error::failed(format!(
            "writing rabbitmq-env-conf.bat: {what} {} has the character {c:?}, which a batch file cannot pass on",
            ui::quote(path)
        ))
        .hint("choose a directory of letters, digits, spaces, '/', '.', '-' and '_'"));
    }
    if path.is_empty() {
        return Err(Error::failed(format!("writing rabbitmq-env-conf.bat: {what} is empty")));
    }
    Ok(if path.contains(' ') { format!("\"{path}\"") } else { path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_not_expanded() {
        let mut bat = Bat::new();
        bat.assign("A", "-x C:/100%/y");
        assert_eq!(bat.text(), "@echo off\r\nset A=-x C:/100%%/y\r\n");
    }

    #[test]
    fn a_remark_cannot_do_anything() {
        let mut bat = Bat::new();
        bat.comment("a & del x\n%PATH% ^\u{7}");
        assert_eq!(bat.text(), "@echo off\r\nrem a   del x\r\nrem  PATH\r\n");
    }

    #[test]
    fn paths_with_spaces_are_quoted_and_hostile_ones_refused() {
        assert_eq!(argument("p", "C:/Program Files/x").unwrap(), "\"C:/Program Files/x\"");
        assert_eq!(argument("p", "C:/x").unwrap(), "C:/x");
        for path in ["", "a\"b", "a&b", "a\nb", "a!b!", "a^b", "a|b", "a>b"] {
            assert!(argument("p", path).is_err(), "{path:?}");
        }
    }
}
