//! A list of strings that is written over several lines gets other members, and keeps its lines and their comments.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// `old`, an array in TOML, with the members `wanted` in its layout: a member that stays keeps its line, with what is said
/// before and behind it; one that goes takes them along. Nothing where not every member has a line of its own.
pub(super) fn relisted(old: &str, wanted: &[String], quoted: impl Fn(&str) -> String) -> Option<String> {
    let members = members_of(old)?;
    let newline = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let head = old.find('\n')? + 1;
    let mut lines: Vec<(&str, Line<'_>)> = Vec::new();
    let mut at = head;
    for (text, span) in &members {
        let end = span.end + old[span.end..].find('\n')? + 1;
        // The line of the bracket, of the member before or of the closing bracket is none of its own.
        if span.start < at || end > old.rfind(']')? {
            return None;
        }
        let (before, behind) = (&old[at..span.end], &old[span.end..end]);
        let (comma, behind) = match behind.trim_start().strip_prefix(',') {
            Some(rest) => (true, rest),
            None => (false, behind),
        };
        lines.push((text.as_str(), Line { before, comma, behind }));
        at = end;
    }
    let indent = lines.first().map_or("  ", |(_, line)| {
        let last = line.before.rsplit('\n').next().unwrap_or_default();
        &last[..last.len() - last.trim_start().len()]
    });
    let ends_with_comma = lines.last().is_none_or(|(_, line)| line.comma);
    let mut new = old[..head].to_owned();
    for (number, text) in wanted.iter().enumerate() {
        let comma = if number + 1 < wanted.len() || ends_with_comma { "," } else { "" };
        match lines.iter().position(|(known, _)| known == text).map(|at| lines.remove(at).1) {
            Some(Line { before, behind, .. }) => new.extend([before, comma, behind]),
            None => new.extend([indent, &quoted(text), comma, newline]),
        }
    }
    new += &old[at..];
    members_of(&new)?.iter().map(|(text, _)| text).eq(wanted).then_some(new)
}

/// A member with its line: what stands before it and itself, whether a comma follows, and what stands behind that.
struct Line<'t> {
    before: &'t str,
    comma: bool,
    behind: &'t str,
}

/// The members of an array of strings, and where they stand.
fn members_of(array: &str) -> Option<Vec<(String, Range<usize>)>> {
    const KEY: &str = "x=";
    let text = format!("{KEY}{array}");
    let table = DeTable::parse(&text).ok()?;
    let DeValue::Array(array) = table.get_ref().get("x")?.get_ref() else { return None };
    let member = |value: &toml::Spanned<DeValue<'_>>| {
        let span = value.span();
        let DeValue::String(text) = value.get_ref() else { return None };
        Some((text.to_string(), span.start - KEY.len()..span.end - KEY.len()))
    };
    array.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    fn relisted(old: &str, wanted: &[&str]) -> Option<String> {
        let wanted: Vec<String> = wanted.iter().map(|text| (*text).to_owned()).collect();
        super::relisted(old, &wanted, |text| format!("\"{text}\""))
    }

    const OLD: &str = "[ # names\n  \"a\", # one\n  # before b\n  'b',\n\n  \"c\" # three\n  # end\n]";

    #[test]
    fn lines_and_their_comments_stay_with_their_members() {
        let found = relisted(OLD, &["a", "b", "c", "d"]).unwrap();
        assert_eq!(found, "[ # names\n  \"a\", # one\n  # before b\n  'b',\n\n  \"c\", # three\n  \"d\"\n  # end\n]");
        let found = relisted(OLD, &["c", "a"]).unwrap();
        assert_eq!(found, "[ # names\n\n  \"c\", # three\n  \"a\" # one\n  # end\n]");
        assert_eq!(relisted(OLD, &["x"]).unwrap(), "[ # names\n  \"x\"\n  # end\n]");
        assert_eq!(relisted(OLD, &[]).unwrap(), "[ # names\n  # end\n]");
        assert_eq!(relisted(OLD, &["a", "b", "c"]).unwrap(), OLD);
    }

    #[test]
    fn windows_lines_tabs_and_odd_strings() {
        let old = "[\r\n\t\"a,]\", # ]\r\n\t\"\"\"b\r\nc\"\"\",\r\n]";
        let found = relisted(old, &["a,]", "b\nc", "d"]).or_else(|| relisted(old, &["a,]", "b\r\nc", "d"])).unwrap();
        assert_eq!(found, "[\r\n\t\"a,]\", # ]\r\n\t\"\"\"b\r\nc\"\"\",\r\n\t\"d\",\r\n]");
    }

    #[test]
    fn what_shares_a_line_is_left_to_be_written_anew() {
        for old in [
            "[\"a\", \"b\"]",
            "[\n  \"a\", \"b\",\n]",
            "[\"a\",\n  \"b\"]",
            "[\n  \"a\"]",
            "[\n  1,\n]",
            "[\n\"a\"\n, \"b\"\n]",
        ] {
            assert_eq!(relisted(old, &["a", "b", "c"]), None, "{old}");
        }
    }
}
