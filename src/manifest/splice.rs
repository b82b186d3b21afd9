//! Changes to the text of a TOML document. Every function returns the whole new text, or nothing where it finds no place.

use std::ops::Range;

use super::scan::{Kind, Statement, members, statements};
use crate::profile::quoted_key;

/// Sets `key` of `table` to what `value` makes, in TOML already, of what stands there.
pub(crate) fn set(text: &str, table: &[&str], key: &str, value: impl Fn(Option<&str>) -> String) -> Option<String> {
    let path: Vec<&str> = table.iter().copied().chain([key]).collect();
    if let Some(range) = find_value(text, &path)? {
        let value = value(text.get(range.clone()));
        return Some(replaced(text, range, &value));
    }
    let value = value(None);
    // The key may stand there in parts (`key.part = 1`, `[table.key]`): they make way for the one value.
    let text = remove(text, &path)?;
    let assignment = format!("{} = {value}", quoted_key(key));
    insert(&text, table, &assignment)
}

/// A table to add, with its lines.
pub(crate) struct Section<'a> {
    /// Its name in parts.
    pub(crate) path: Vec<&'a str>,
    /// `key = value`, which is TOML already.
    pub(crate) assignments: Vec<String>,
}

/// Adds tables of one family where their like stand.
pub(crate) fn add_tables(text: &str, tables: &[Section<'_>]) -> Option<String> {
    let family = *tables.first()?.path.first()?;
    if find_value(text, &[family])?.is_some() {
        return tables.iter().try_fold(text.to_owned(), |text, table| add_member(&text, table));
    }
    let all = statements(text)?;
    let last = all
        .iter()
        .rposition(|s| matches!(&s.kind, Kind::Header { path, .. } if path.first().is_some_and(|p| p == family)));
    let at = last.map_or(text.len(), |at| body_end(text, &all, at));
    let newline = newline_of(text);
    let mut block = String::new();
    if at > 0 && !text[..at].ends_with('\n') {
        block.push_str(newline);
    }
    for Section { path, assignments } in tables {
        if at > 0 || !block.is_empty() {
            block.push_str(newline);
        }
        block.push_str(&format!("[{}]{newline}", joined(path)));
        for assignment in assignments {
            block.push_str(assignment);
            block.push_str(newline);
        }
    }
    let next = text[at..].lines().next();
    if next.is_some_and(|line| !line.trim().is_empty()) {
        block.push_str(newline);
    }
    Some(replaced(text, at..at, &block))
}

/// A table whose family is written on one line.
fn add_member(text: &str, table: &Section<'_>) -> Option<String> {
    let Section { path, assignments } = table;
    let assignments =
        if assignments.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", assignments.join(", ")) };
    (1..path.len()).find_map(|length| {
        let range = find_value(text, &path[..length])??;
        insert_member(text, &range, &format!("{} = {assignments}", joined(&path[length..])))
    })
}

/// Takes out everything at and below `path`, with the comment right above its headers.
pub(crate) fn remove(text: &str, path: &[&str]) -> Option<String> {
    let mut text = text.to_owned();
    while let Some(range) = piece(&text, path)? {
        text = replaced(&text, range, "");
    }
    Some(text)
}

/// A part of `path` that still stands in the text.
fn piece(text: &str, path: &[&str]) -> Option<Option<Range<usize>>> {
    let all = statements(text)?;
    let mut header: Option<Vec<String>> = Some(Vec::new());
    for (at, statement) in all.iter().enumerate() {
        match &statement.kind {
            Kind::Header { path: name, array } => {
                if !array && starts_with(name, path) {
                    return Some(Some(section_range(text, &all, at)));
                }
                header = (!array).then(|| name.clone());
            }
            Kind::Assignment { path: name, value } => {
                let Some(full) = full_path(&header, name) else { continue };
                if starts_with(&full, path) {
                    return Some(Some(statement.lines.clone()));
                }
                if let Some(range) = piece_inside(text, &full, value, path) {
                    return Some(Some(range));
                }
            }
        }
    }
    Some(None)
}

/// A part of `path` inside the inline table that stands at `full`.
fn piece_inside(text: &str, full: &[String], value: &Range<usize>, path: &[&str]) -> Option<Range<usize>> {
    if full.len() >= path.len() || full.iter().zip(path).any(|(a, b)| a != b) {
        return None;
    }
    let all = members(text, value)?;
    for (at, member) in all.iter().enumerate() {
        let name: Vec<String> = full.iter().chain(&member.path).cloned().collect();
        if starts_with(&name, path) {
            let range = match (at.checked_sub(1), all.get(at + 1)) {
                (_, Some(next)) => member.range.start..next.range.start,
                (Some(before), None) => all[before].range.end..member.range.end,
                (None, None) => member.range.start..after_comma(text, member.range.end),
            };
            return Some(range);
        }
        if let Some(range) = piece_inside(text, &name, &member.value, path) {
            return Some(range);
        }
    }
    None
}

fn after_comma(text: &str, at: usize) -> usize {
    let spaces = text[at..].len() - text[at..].trim_start().len();
    if text[at + spaces..].starts_with(',') { at + spaces + 1 } else { at }
}

/// Where the value of exactly `path` stands.
fn find_value(text: &str, path: &[&str]) -> Option<Option<Range<usize>>> {
    let mut header: Option<Vec<String>> = Some(Vec::new());
    for statement in statements(text)? {
        match statement.kind {
            Kind::Header { path: name, array } => header = (!array).then_some(name),
            Kind::Assignment { path: name, value } => {
                let Some(full) = full_path(&header, &name) else { continue };
                if let Some(found) = value_inside(text, &full, &value, path) {
                    return Some(Some(found));
                }
            }
        }
    }
    Some(None)
}

fn value_inside(text: &str, full: &[String], value: &Range<usize>, path: &[&str]) -> Option<Range<usize>> {
    if full.len() > path.len() || full.iter().zip(path).any(|(a, b)| a != b) {
        return None;
    }
    if full.len() == path.len() {
        return Some(value.clone());
    }
    members(text, value)?.into_iter().find_map(|member| {
        let name: Vec<String> = full.iter().chain(&member.path).cloned().collect();
        value_inside(text, &name, &member.value, path)
    })
}

/// Puts an assignment into a table, wherever and however that table is written.
fn insert(text: &str, table: &[&str], assignment: &str) -> Option<String> {
    let all = statements(text)?;
    if table.is_empty() {
        let body = all.iter().take_while(|s| matches!(s.kind, Kind::Assignment { .. }));
        return match body.last() {
            Some(last) => insert_line(text, last, assignment),
            None => Some(replaced(text, 0..0, &format!("{assignment}{}", newline_of(text)))),
        };
    }
    let is_header = |s: &Statement| matches!(&s.kind, Kind::Header { path, array: false } if path == table);
    if let Some(at) = all.iter().position(is_header) {
        let body = all[at + 1..].iter().take_while(|s| matches!(s.kind, Kind::Assignment { .. }));
        return insert_line(text, body.last().unwrap_or(&all[at]), assignment);
    }
    for length in (1..=table.len()).rev() {
        if let Some(range) = find_value(text, &table[..length])? {
            let prefix: String = table[length..].iter().map(|part| format!("{}.", quoted_key(part))).collect();
            return insert_member(text, &range, &format!("{prefix}{assignment}"));
        }
    }
    insert_dotted(text, &all, table, assignment)
        .or_else(|| add_tables(text, &[Section { path: table.to_vec(), assignments: vec![assignment.to_owned()] }]))
}

/// The table exists as dotted keys: one more of them.
fn insert_dotted(text: &str, all: &[Statement], table: &[&str], assignment: &str) -> Option<String> {
    let (mut header, mut last) = (Some(Vec::new()), None);
    for statement in all {
        match &statement.kind {
            Kind::Header { path, array } => header = (!array).then(|| path.clone()),
            Kind::Assignment { path, .. } => {
                let full = full_path(&header, path).unwrap_or_default();
                if full.len() > table.len() && starts_with(&full, table) {
                    let depth = header.as_ref().map_or(0, Vec::len);
                    last = (depth < table.len()).then_some((statement, depth)).or(last);
                }
            }
        }
    }
    let (statement, depth) = last?;
    let prefix: String = table[depth..].iter().map(|part| format!("{}.", quoted_key(part))).collect();
    insert_line(text, statement, &format!("{prefix}{assignment}"))
}

/// A new line after a statement's, indented alike.
fn insert_line(text: &str, after: &Statement, line: &str) -> Option<String> {
    let indent: String = text[after.lines.start..].chars().take_while(|c| *c == ' ' || *c == '\t').collect();
    let newline = newline_of(text);
    let at = after.lines.end;
    let line = match text[..at].ends_with('\n') {
        true => format!("{indent}{line}{newline}"),
        false => format!("{newline}{indent}{line}"),
    };
    Some(replaced(text, at..at, &line))
}

fn insert_member(text: &str, table: &Range<usize>, member: &str) -> Option<String> {
    match members(text, table)?.last() {
        Some(last) => Some(replaced(text, last.range.end..last.range.end, &format!(", {member}"))),
        None => Some(replaced(text, table.clone(), &format!("{{ {member} }}"))),
    }
}

/// A header with its own comment, its body, and one of the blank lines around it.
fn section_range(text: &str, all: &[Statement], header: usize) -> Range<usize> {
    let start = comment_start(text, all[header].lines.start);
    let mut end = body_end(text, all, header);
    let blank_before = start == 0 || text[..start].ends_with("\n\n") || text[..start].ends_with("\n\r\n");
    while blank_before || start == end {
        let line = text[end..].split_inclusive('\n').next().unwrap_or_default();
        if line.is_empty() || !line.trim().is_empty() {
            break;
        }
        end += line.len();
    }
    if end < text.len() || !blank_before {
        return start..end;
    }
    // It was the last: the blank line in front of it goes instead.
    let kept = text[..start].trim_end_matches(['\r', '\n']);
    let line_end = text[kept.len()..].find('\n').map_or(start, |at| kept.len() + at + 1);
    line_end.min(start)..end
}

/// The comment lines right above a header are its own, except those that open the file.
fn comment_start(text: &str, header: usize) -> usize {
    let mut start = header;
    for line in text[..header].split_inclusive('\n').rev() {
        if !line.trim_start().starts_with('#') {
            return start;
        }
        start -= line.len();
    }
    header
}

/// The end of what belongs to a header: its assignments, and comments that follow them directly and belong to nobody else.
fn body_end(text: &str, all: &[Statement], header: usize) -> usize {
    let body = all[header + 1..].iter().take_while(|s| matches!(s.kind, Kind::Assignment { .. }));
    let end = body.last().unwrap_or(&all[header]).lines.end;
    let mut at = end;
    for line in text[end..].split_inclusive('\n') {
        if line.trim().is_empty() {
            return at;
        }
        if !line.trim_start().starts_with('#') {
            return end;
        }
        at += line.len();
    }
    at
}

fn full_path(header: &Option<Vec<String>>, path: &[String]) -> Option<Vec<String>> {
    header.as_ref().map(|header| header.iter().chain(path).cloned().collect())
}

fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(a, b)| a == b)
}

fn joined(path: &[&str]) -> String {
    path.iter().map(|part| quoted_key(part)).collect::<Vec<_>>().join(".")
}

/// The line end that the document uses.
fn newline_of(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

fn replaced(text: &str, range: Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..range.start], &text[range.end..])
}
