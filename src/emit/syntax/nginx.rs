//! Words of nginx.conf: in double quotes with `\"` and `\\`. A `$` begins a variable wherever a directive knows them, and
//! nothing escapes it.

use super::refuse;
use crate::error::Result;

/// The text as one word.
///
/// # Errors
/// It has a control character or a `$`.
pub(in crate::emit) fn word(text: &str) -> Result<String> {
    if text.chars().any(char::is_control) {
        return refuse("nginx.conf", text, "it has a control character");
    }
    if text.contains('$') {
        return refuse("nginx.conf", text, "it has a $, which begins a variable and cannot be escaped");
    }
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/@:=+,%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return Ok(text.to_owned());
    }
    Ok(format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_are_one_word_or_refused() {
        assert_eq!(word(r#"a; b {c} "d" \ it's"#).unwrap(), r#""a; b {c} \"d\" \\ it's""#);
        assert_eq!(word("").unwrap(), "\"\"");
        for text in HOSTILE {
            let refused = text.chars().any(char::is_control) || text.contains('$');
            assert_eq!(word(text).is_err(), refused, "{text:?}");
        }
    }
}
