//! String literals of Rust ("String literals" of its reference).

/// The text as a literal.
pub(in crate::emit) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
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
        assert_eq!(string("a\"b\\ {x}\n\0é😀"), r#""a\"b\\ {x}\n\u{0}\u{e9}\u{1f600}""#);
        for text in HOSTILE {
            let written = string(text);
            assert!(written.is_ascii() && !written.chars().any(char::is_control), "{written}");
        }
    }
}
