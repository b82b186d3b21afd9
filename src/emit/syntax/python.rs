//! String literals of Python 3 ("String and Bytes literals" of its reference).

/// The text as a literal in double quotes, in ASCII: no encoding of the file changes it.
pub(in crate::emit) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if u32::from(c) < 0x100 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out + "\""
}

/// Constants that the environment can replace: each with the name of its variable and its value. A port is a number.
pub(in crate::emit) fn variables(all: &[(String, String)]) -> String {
    let mut out = String::new();
    for (variable, value) in all {
        let constant = variable.split_once('_').map_or(variable.as_str(), |(_, rest)| rest);
        let read = format!("os.environ.get({}, {})", string(variable), string(value));
        let read = if constant == "PORT" { format!("int({read})") } else { read };
        out.push_str(&format!("{constant} = {read}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(string("it's \"a\" \\ {x} ${y}\n\0é😀"), r#""it's \"a\" \\ {x} ${y}\n\x00\xe9\U0001f600""#);
        for text in HOSTILE {
            let written = string(text);
            assert!(written.is_ascii() && !written.chars().any(char::is_control), "{written}");
        }
    }
}
