//! Values that are the rest of a line after a key, without quoting: mosquitto.conf.

use super::refuse;
use crate::error::Result;

/// The text as it stands, if the line keeps it.
///
/// # Errors
/// It is empty, or has a control character or a space at an end.
pub(in crate::emit) fn value<'t>(syntax: &str, text: &'t str) -> Result<&'t str> {
    if text.is_empty() {
        return refuse(syntax, text, "it is empty");
    }
    if text.chars().any(char::is_control) {
        return refuse(syntax, text, "it has a control character, and a value is the rest of a line");
    }
    if text.trim() != text {
        return refuse(syntax, text, "it begins or ends with a space, which is lost");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_loses_is_refused() {
        for (text, why) in [("", "empty"), ("a\nb", "control"), ("nul\0", "control"), (" a", "space"), ("a ", "space")]
        {
            assert!(value("mosquitto.conf", text).unwrap_err().message().contains(why), "{text:?}");
        }
        assert_eq!(value("mosquitto.conf", "# a b'\"${{x}}").unwrap(), "# a b'\"${{x}}");
    }
}
