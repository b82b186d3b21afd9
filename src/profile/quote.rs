//! Values written as TOML.

use std::fmt::Write;

/// `text` as a TOML string on one line. Whatever it holds, it stays data; what could fool the eye is escaped.
pub fn quoted_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_deceptive(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `text` as a TOML key: bare where that is possible.
pub fn quoted_key(text: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !text.is_empty() && text.bytes().all(bare) { text.to_owned() } else { quoted_string(text) }
}

fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back_as_key_and_as_value(text in "(\\PC|\\pC|[\"'\\\\\n\r#=.\\[\\]]){0,20}") {
            let line = format!("{} = {}", quoted_key(&text), quoted_string(&text));
            prop_assert_eq!(line.lines().count(), 1);
            let table: toml::Table = toml::from_str(&line).unwrap();
            prop_assert_eq!(table.get(&text).and_then(|value| value.as_str()), Some(&*text));
        }
    }
}
