//! Showing text that somebody else wrote.

use std::fmt::Write;
use std::path::Path;

use time::{Duration, OffsetDateTime};

/// More than this many characters of a foreign text say nothing that fewer would not.
const LONGEST: usize = 100;

/// `text` in double quotes, safe for a terminal and a log: control characters, bidirectional overrides and quotes are
/// escaped, and a very long text is cut.
pub fn quote(text: &str) -> String {
    format!("\"{}\"", escaped(text, true, LONGEST))
}

/// `text` without quotes, for tables; unsafe characters are escaped just the same.
pub fn plain(text: &str) -> String {
    escaped(text, false, LONGEST)
}

/// A sentence of ours with foreign texts in it, which are cut already: whole, on one line.
pub fn sentence(text: &str) -> String {
    escaped(text, false, usize::MAX)
}

/// A path as people type it; bytes that are not UTF-8 or would disturb the terminal are escaped.
pub fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text.chars().any(is_unsafe) { quote(&text) } else { text.into_owned() }
}

/// A date as people read it, in UTC.
pub fn date(time: OffsetDateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute()
    )
}

/// A stretch of time in its largest unit that still says something: `89 days`, `5 hours`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.whole_seconds().abs();
    let (count, unit) = match seconds {
        // To the nearest day: what was issued for a year a minute ago has 365 days, not 364, and ten years are not nine.
        s if s >= 3 * 365 * 86_400 => ((s + 43_200) / (365 * 86_400), "year"),
        s if s >= 2 * 86_400 => ((s + 43_200) / 86_400, "day"),
        s if s >= 2 * 3_600 => (s / 3_600, "hour"),
        s if s >= 120 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// `text` as one word of a POSIX shell, for commands that a message offers to type.
pub fn shell(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-/@:=+,%".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.to_owned();
    }
    if text.chars().any(is_unsafe) {
        // No quoting makes a control character safe to paste; the escaped form at least shows what it is.
        return quote(text);
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn escaped(text: &str, quoted: bool, longest: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (count, c) in text.chars().enumerate() {
        if count == longest {
            out.push_str("...");
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\\' if quoted => {
                out.push('\\');
                out.push(c);
            }
            c if is_unsafe(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Control characters, and the marks that reorder or hide what stands next to them (Unicode TR 36).
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidirectional_characters_never_reach_the_terminal() {
        assert_eq!(quote("a\u{1b}[31mb\nc\0"), r#""a\u{1b}[31mb\nc\u{0}""#);
        assert_eq!(quote("user\u{202e}nimda"), r#""user\u{202e}nimda""#);
        assert_eq!(quote(r#"say "hi" \"#), r#""say \"hi\" \\""#);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let shown = quote(&"ж".repeat(5000));
        assert_eq!(shown.chars().count(), LONGEST + 3 + 2);
    }

    #[test]
    fn words_for_a_shell_are_quoted_only_where_needed() {
        assert_eq!(shell("celery_worker"), "celery_worker");
        assert_eq!(shell("a b"), "'a b'");
        assert_eq!(shell("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell(""), "''");
    }

    #[test]
    fn spans_are_told_in_one_unit() {
        assert_eq!(span(Duration::days(364)), "364 days");
        assert_eq!(span(Duration::days(365) - Duration::SECOND), "365 days");
        assert_eq!(span(Duration::days(3650)), "10 years");
        assert_eq!(span(Duration::days(3650) - Duration::SECOND), "10 years");
        assert_eq!(span(Duration::minutes(59)), "59 minutes");
        assert_eq!(span(Duration::seconds(1)), "1 second");
    }

    #[test]
    fn an_ordinary_path_is_shown_as_typed() {
        assert_eq!(path(Path::new("pki/client/a b.pem")), "pki/client/a b.pem");
        assert_eq!(path(Path::new("pki/a\nb")), r#""pki/a\nb""#);
    }
}
