//! String literals of JavaScript (ECMA-262 12.9.4).

/// The text as a literal: JSON's form is one, if the separators U+2028 and U+2029 are escaped, which older engines take for
/// line breaks.
pub(in crate::emit) fn string(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_stay_texts() {
        assert_eq!(string("a\"b\\ ${x} `\n\0\u{2028}"), r#""a\"b\\ ${x} `\n\u0000\u2028""#);
        for text in HOSTILE {
            assert_eq!(serde_json::from_str::<String>(&string(text)).unwrap(), *text);
        }
    }
}
