//! Scalars of YAML, as YAML 1.1 and 1.2 readers agree on them.

use std::fmt::Write;

/// The text as a scalar: plain where every reader takes it for a string, else in double quotes (YAML 1.2.2, 7.3.1).
pub(in crate::emit) fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            ' '..='~' => out.write_char(c),
            c if u32::from(c) < 0x100 => write!(out, "\\x{:02x}", u32::from(c)),
            c if u32::from(c) < 0x1_0000 => write!(out, "\\u{:04x}", u32::from(c)),
            c => write!(out, "\\U{:08x}", u32::from(c)),
        };
    }
    out + "\""
}

/// The same for a file in which Compose replaces `$NAME` and `${NAME}`: a dollar sign is written twice.
pub(in crate::emit) fn compose(text: &str) -> String {
    scalar(&text.replace('$', "$$"))
}

/// The text as a literal block below a key, to be written after `key: `, indented by `indent` spaces; in quotes where a
/// block would not keep it.
pub(in crate::emit) fn block(text: &str, indent: usize) -> String {
    let kept = |c: char| c == '\n' || (' '..='~').contains(&c);
    let fits =
        text.ends_with('\n') && !text.ends_with("\n\n") && !text.starts_with([' ', '\n']) && text.chars().all(kept);
    if !fits {
        return scalar(text) + "\n";
    }
    let mut out = String::from("|\n");
    for line in text.lines() {
        let indented = if line.is_empty() { String::new() } else { format!("{:indent$}{line}", "") };
        out.push_str(&indented);
        out.push('\n');
    }
    out
}

/// Letters, digits and harmless marks, beginning with a letter or a slash, and no word that some reader takes for
/// something else: YAML 1.1 has `yes`, `on` and their like, and numbers with letters begin with a digit or a dot.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/@".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(harmless)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_are_plain_only_where_nobody_takes_them_for_more() {
        for text in ["rabbit.example.com", "/etc/rabbitmq", "amq.topic", "my_vhost", "a-b@c"] {
            assert_eq!(scalar(text), text);
        }
        for text in
            HOSTILE.iter().chain(&["No", "~", "<<", "=", "1", ".5", "-1", "2026-11-28", "a:b", "a #b", "*a", "&a"])
        {
            let written = scalar(text);
            assert!(written.starts_with('"') && written.ends_with('"') && written.is_ascii(), "{written}");
            assert!(!written.chars().any(char::is_control), "{written}");
        }
        assert_eq!(scalar("a\"\\\n\0é😀"), r#""a\"\\\n\x00\xe9\U0001f600""#);
        assert_eq!(compose("${X} $y"), r#""$${X} $$y""#);
    }

    #[test]
    fn a_block_keeps_a_file_byte_for_byte() {
        assert_eq!(block("a: b\n\n  c\n", 4), "|\n    a: b\n\n      c\n");
        for text in ["no end", "two ends\n\n", " begins with a space\n", "é\n", "tab\t\n", ""] {
            assert!(block(text, 2).starts_with('"'), "{text:?}");
        }
    }
}
