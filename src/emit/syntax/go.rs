//! String literals of Go ("String literals" of its specification).

/// The text as an interpreted literal.
pub(in crate::emit) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(string("a\"b\\ %s `\n\0é😀"), r#""a\"b\\ %s `\n\u0000\u00e9\U0001f600""#);
        for text in HOSTILE {
            let written = string(text);
            assert!(written.is_ascii() && !written.chars().any(char::is_control), "{written}");
        }
    }
}
