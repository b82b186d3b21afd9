//! String literals of Java (JLS 3.10.5).

/// The text as a literal. Unicode escapes are read before anything else (JLS 3.3), so that `\u000a` would be a line
/// break: control characters are written in octal, and only what is not ASCII is written with `\u`, as UTF-16.
pub(in crate::emit) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_ascii() => out.push_str(&format!("\\{:03o}", u32::from(c))),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out + "\""
}

/// A comment in ASCII, as Java itself writes what is not (JLS 3.3): javac reads files in the encoding of its environment.
pub(in crate::emit) fn ascii(comment: &str) -> String {
    let mut out = String::new();
    for c in comment.chars() {
        match c {
            c if c.is_ascii() => out.push(c),
            c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn comments_are_ascii() {
        assert_eq!(ascii("// J\u{fc}rgen 😀\n"), "// J\\u00fcrgen \\ud83d\\ude00\n");
    }

    #[test]
    fn texts_stay_texts() {
        assert_eq!(string("a\"b\\u000a\n\0é😀"), r#""a\"b\\u000a\n\000\u00e9\ud83d\ude00""#);
        for text in HOSTILE {
            let written = string(text);
            assert!(written.is_ascii() && !written.chars().any(char::is_control), "{written}");
        }
    }
}
