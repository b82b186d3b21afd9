//! A unified diff for people.

use std::fmt::Write;

/// What changes in `path` from `old` to `new`, as `diff -u` shows it; empty when nothing does.
///
/// `old` is `None` for a file that is not there yet. Control characters other than a tab are escaped: the text is meant for
/// a terminal and half of it was written by somebody else.
pub fn diff(old: Option<&[u8]>, new: &[u8], path: &str) -> String {
    if old == Some(new) {
        return String::new();
    }
    let (before, after) = (String::from_utf8_lossy(old.unwrap_or_default()), String::from_utf8_lossy(new));
    let from = if old.is_some() { path } else { "/dev/null" };
    let lines = similar::TextDiff::from_lines(before.as_ref(), after.as_ref());
    visible(&lines.unified_diff().context_radius(3).header(from, path).to_string())
}

fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}') =>
            {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_line_is_shown_with_its_surroundings() {
        let shown = diff(Some(b"a\nb\nc\n"), b"a\nB\nc\n", "rabbitmq.conf");
        assert_eq!(shown, "--- rabbitmq.conf\n+++ rabbitmq.conf\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
    }

    #[test]
    fn no_change_is_no_text_and_a_new_file_comes_from_nowhere() {
        assert_eq!(diff(Some(b"a\n"), b"a\n", "x"), "");
        assert_eq!(diff(None, b"a\n", "x"), "--- /dev/null\n+++ x\n@@ -0,0 +1 @@\n+a\n");
    }

    #[test]
    fn a_foreign_file_does_not_drive_the_terminal() {
        assert!(diff(Some(b"\x1b[31mred\r\n"), b"", "x").contains("-\\u{1b}[31mred\\u{d}\n"));
    }
}
