//! Small changes of an option file: one member of a list goes or comes, and every other byte stays.

use crate::doctor::syntax::erlang::Term;
use crate::doctor::{Exhibit, Fix};

/// The file without `member` of `list`.
pub(super) fn without(exhibit: &Exhibit, list: &Term, member: &Term) -> Option<Fix> {
    let text = text(exhibit)?;
    let members = list.members();
    let at = members.iter().position(|other| other.span == member.span)?;
    let mut cuts = vec![member.span.clone()];
    // The comma behind it goes; behind the last member the one before it.
    let between = match members.get(at + 1) {
        Some(next) => Some(member.span.end..next.span.start),
        None if at > 0 => Some(members[at - 1].span.end..member.span.start),
        None => None,
    };
    if let Some(between) = between {
        let comma = between.start + comma(&text[between.clone()])?;
        cuts.push(comma..comma + 1);
    }
    cuts.sort_by_key(|cut| std::cmp::Reverse(cut.start));
    let mut new = text.to_owned();
    for cut in cuts {
        new.replace_range(cut.clone(), "");
        drop_blank_line(&mut new, cut.start);
    }
    Some(content(exhibit, &new))
}

/// The file with `member` behind the last one of `list`.
pub(super) fn with(exhibit: &Exhibit, list: &Term, member: &str) -> Option<Fix> {
    let text = text(exhibit)?;
    let last = list.members().last()?;
    let line = text[..last.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let margin = &text[line..last.span.start];
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let separator = match margin.trim().is_empty() {
        true => format!(",{ending}{margin}"),
        false => ", ".to_owned(),
    };
    let mut new = text.to_owned();
    new.insert_str(last.span.end, &format!("{separator}{member}"));
    Some(content(exhibit, &new))
}

fn text(exhibit: &Exhibit) -> Option<&str> {
    std::str::from_utf8(exhibit.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&exhibit.bytes)).ok()
}

/// A byte order mark is no part of the text, and of the file it is.
fn content(exhibit: &Exhibit, text: &str) -> Fix {
    let mark: &[u8] = if exhibit.bytes.starts_with(b"\xef\xbb\xbf") { b"\xef\xbb\xbf" } else { b"" };
    Fix::Content([mark, text.as_bytes()].concat())
}

/// The first comma outside comments.
fn comma(text: &str) -> Option<usize> {
    let mut comment = false;
    for (at, c) in text.char_indices() {
        match c {
            '%' => comment = true,
            '\n' => comment = false,
            ',' if !comment => return Some(at),
            _ => {}
        }
    }
    None
}

/// Takes out the line around `at` if nothing is left on it.
fn drop_blank_line(text: &mut String, at: usize) {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let Some(end) = text[at..].find('\n').map(|newline| at + newline + 1) else { return };
    if text[start..end].trim().is_empty() {
        text.replace_range(start..end, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Case, Document};

    fn change(before: &str, edit: impl Fn(&Exhibit, &Term) -> Option<Fix>) -> String {
        let case = Case::of(&[("x", before)]);
        let Document::Erlang(file) = &case.exhibits[0].document else { panic!("{before}") };
        let Some(Fix::Content(bytes)) = edit(&case.exhibits[0], file.get("client").unwrap()) else {
            panic!("{before}")
        };
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_member_goes_and_nothing_else_does() {
        for (before, after) in [
            ("[{client, [\n  {a, 1},\n  {x, true},\n  {b, 2}\n]}].\n", "[{client, [\n  {a, 1},\n  {b, 2}\n]}].\n"),
            ("[{client, [\n  {a, 1}, %% why, so\n  {x, true}\n]}].\n", "[{client, [\n  {a, 1} %% why, so\n]}].\n"),
            ("[{client, [{x, true}, {a, 1}]}].", "[{client, [ {a, 1}]}]."),
            ("[{client, [{a, 1}, {x, true}]}].", "[{client, [{a, 1} ]}]."),
            ("[{client, [{x, true}]}].", "[{client, []}]."),
            ("[{client, [\r\n  {a, 1},\r\n  {x, true}\r\n]}].\r\n", "[{client, [\r\n  {a, 1}\r\n]}].\r\n"),
            ("[{client, [{a, 1}\n  ,{x, true}\n]}].", "[{client, [{a, 1}\n]}]."),
        ] {
            assert_eq!(change(before, |exhibit, list| without(exhibit, list, list.member("x")?)), after);
        }
    }

    #[test]
    fn a_member_comes_behind_the_last() {
        for (before, after) in [
            (
                "[{client, [\n    {a, 1},\n    {b, 2} % so\n]}].",
                "[{client, [\n    {a, 1},\n    {b, 2},\n    {x, y} % so\n]}].",
            ),
            ("[{client, [{a, 1}]}].", "[{client, [{a, 1}, {x, y}]}]."),
        ] {
            assert_eq!(change(before, |exhibit, list| with(exhibit, list, "{x, y}")), after);
        }
    }
}
