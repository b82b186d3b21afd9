//! Words of haproxy.cfg (configuration manual 2.2, "Quoting and escaping"): spaces part them, `#` begins a comment, double
//! quotes expand variables, single quotes do not, and a backslash outside quotes makes the next character literal.

use super::refuse;
use crate::error::Result;

/// The text as one word.
///
/// # Errors
/// It has a control character: no quoting carries a line over its end.
pub(in crate::emit) fn word(text: &str) -> Result<String> {
    if text.chars().any(char::is_control) {
        return refuse("haproxy.cfg", text, "it has a control character");
    }
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/@:=+,%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return Ok(text.to_owned());
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::super::HOSTILE;
    use super::*;

    #[test]
    fn texts_are_one_word_or_refused() {
        assert_eq!(word("a b # $HOME \"x\"").unwrap(), "'a b # $HOME \"x\"'");
        assert_eq!(word("it's").unwrap(), r"'it'\''s'");
        assert_eq!(word("").unwrap(), "''");
        for text in HOSTILE {
            assert_eq!(word(text).is_err(), text.chars().any(char::is_control), "{text:?}");
        }
    }
}
