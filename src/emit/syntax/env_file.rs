//! Files of `KEY=VALUE` lines that a shell, systemd's `EnvironmentFile=` and Compose's `env_file` all read alike.
//!
//! They agree on words without special characters, on single quotes around a text without one, and on double quotes with
//! `\`, `"`, `$` and a backtick escaped. `docker run --env-file` reads no quotes at all.

use super::refuse;
use crate::error::Result;

/// One line, with its end.
///
/// # Errors
/// The value has a control character.
pub(in crate::emit) fn line(key: &str, value: &str) -> Result<String> {
    if value.chars().any(char::is_control) {
        return refuse("a file of variables", value, "it has a control character");
    }
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/@:+,%".contains(c);
    if value.chars().all(harmless) {
        return Ok(format!("{key}={value}\n"));
    }
    if !value.contains('\'') {
        return Ok(format!("{key}='{value}'\n"));
    }
    let mut quoted = String::new();
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    Ok(format!("{key}=\"{quoted}\"\n"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        for text in HOSTILE {
            let Ok(line) = line("X", text) else {
                assert!(text.chars().any(char::is_control), "{text:?}");
                continue;
            };
            let said = Command::new("sh").args(["-c", &format!("{line}printf %s \"$X\"")]).output().expect("sh runs");
            assert_eq!(String::from_utf8_lossy(&said.stdout), *text);
        }
        assert_eq!(line("X", "it's $x").unwrap(), "X=\"it's \\$x\"\n");
    }
}
