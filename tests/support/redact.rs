//! What differs from run to run, made equal: serial numbers, fingerprints, dates, the marks in authority names.

/// Replaces hexadecimal runs of 16 digits or more (also with colons) by `[HEX]`, RFC 3339 times by `[TIME]`, dates by
/// `[DATE]`, and `directory` by `[DIR]`.
pub(crate) fn redact(text: &str, directory: &str) -> String {
    let text = text.replace(directory, "[DIR]");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let at_word_start = !out.ends_with(|c: char| c.is_ascii_alphanumeric());
        if at_word_start && let Some((mark, length)) = recognise(rest) {
            out.push_str(mark);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

fn recognise(text: &str) -> Option<(&'static str, usize)> {
    if let Some(length) = date(text) {
        return Some(match time_of_day(&text[length..]) {
            Some(more) => ("[TIME]", length + more),
            None => ("[DATE]", length),
        });
    }
    let hex = text.bytes().take_while(|b| b.is_ascii_hexdigit() || *b == b':').count();
    let digits = text[..hex].bytes().filter(u8::is_ascii_hexdigit).count();
    let ends = !text[hex..].starts_with(|c: char| c.is_ascii_alphanumeric());
    (digits >= 16 && ends).then(|| ("[HEX]", text[..hex].trim_end_matches(':').len()))
}

/// `2026-11-22`
fn date(text: &str) -> Option<usize> {
    let shape = text.as_bytes().get(..10)?;
    let fits = shape.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() });
    fits.then_some(10)
}

/// `T12:00:00Z`, ` 12:00:00`, ` 12:00`, with an optional ` UTC`
fn time_of_day(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('T').or_else(|| text.strip_prefix(' '))?;
    let clock = rest.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b':' | b'.')).count();
    if clock < 5 || !rest[..clock].contains(':') {
        return None;
    }
    let zone = ["Z", " UTC"].iter().find(|z| rest[clock..].starts_with(**z)).map_or(0, |z| z.len());
    Some(1 + clock + zone)
}

/// A line diff that is good enough to see what changed: common head and tail, the middle marked.
pub(crate) fn diff(expected: &str, found: &str) -> String {
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    let head = expected.iter().zip(&found).take_while(|(a, b)| a == b).count();
    let tail = expected[head..].iter().rev().zip(found[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut out = String::new();
    for line in &expected[head.saturating_sub(3)..head] {
        out += &format!("  {line}\n");
    }
    for line in &expected[head..expected.len() - tail] {
        out += &format!("- {line}\n");
    }
    for line in &found[head..found.len() - tail] {
        out += &format!("+ {line}\n");
    }
    for line in expected[expected.len() - tail..].iter().take(3) {
        out += &format!("  {line}\n");
    }
    out
}

#[test]
fn dates_serials_and_directories_become_marks() {
    let text = "made /tmp/x/pki: serial 3f:a0:11:22:33:44:55:66:77, until 2027-11-22 10:11:12 UTC, 2026-11-22T10:00:00Z; \
                2027-01-01; cafe, feedfacefeedfacefeedface";
    assert_eq!(redact(text, "/tmp/x"), "made [DIR]/pki: serial [HEX], until [TIME], [TIME]; [DATE]; cafe, [HEX]");
}
