//! How a line of a log begins: its time, and the process that speaks. By that one knows which lines are one event.

/// How far into a line its time may stand: behind the name of a service, of a host, of a field of JSON.
const HEAD: usize = 160;

/// The beginning of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head<'l> {
    /// The time, to the second, as the log writes it.
    pub(super) time: Option<&'l [u8]>,
    /// Time, level and process, where the line is one of RabbitMQ: the same for all lines of one event.
    event: Option<&'l [u8]>,
}

/// Reads the beginning of a line.
pub(super) fn head(line: &[u8]) -> Head<'_> {
    let start = &line[..line.len().min(HEAD)];
    let at = time_in(start);
    let event = at.and_then(|(from, _)| {
        // `2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0> `
        let process = memchr::memmem::find(&start[from..], b"] <0.")? + from;
        let end = memchr::memchr(b'>', &start[process..])? + process;
        // Behind a collector's own time, RabbitMQ's counts.
        let own = time_in(&start[from + 1..]).filter(|(second, _)| from + 1 + second < process);
        Some(&start[own.map_or(from, |(second, _)| from + 1 + second)..=end])
    });
    Head { time: at.map(|(from, length)| &start[from..from + length]), event }
}

/// Whether `line` goes on with what `before` began.
pub(super) fn joins(before: &[u8], line: &[u8]) -> bool {
    let head_of_line = head(line);
    if head_of_line.time.is_some() {
        return head_of_line.event.is_some() && head_of_line.event == head(before).event;
    }
    let (before, line) = (without_service(before), without_service(line));
    let indented = |line: &[u8]| line.first().is_some_and(|b| b.is_ascii_whitespace());
    let words: [&[u8]; 5] =
        [b"Traceback (most", b"During handling of", b"The above exception", b"Caused by:", b"Trying again"];
    // The last line of a Python traceback is the first that is not indented.
    line.trim_ascii().is_empty()
        || indented(line)
        || words.iter().any(|word| line.starts_with(word))
        || (indented(before) && !before.trim_ascii().is_empty())
}

/// An event without the times, levels and processes of its lines: what events that say the same have in common.
pub(super) fn said(event: &[u8]) -> Vec<u8> {
    let mut said = Vec::with_capacity(event.len());
    for line in event.split(|byte| *byte == b'\n') {
        let start = &line[..line.len().min(HEAD)];
        let (from, to) = time_in(start).map_or((0, 0), |(from, length)| {
            let time_ends = from + length;
            (from, process_ends(&start[time_ends..]).map_or(time_ends, |ends| time_ends + ends))
        });
        said.extend_from_slice(&line[..from]);
        // Where it was taken out counts too.
        said.push(0);
        said.extend_from_slice(&line[to..]);
        said.push(b'\n');
    }
    said
}

/// Where the process ends in `.123456+00:00 [notice] <0.812.0> `, if nothing else stands before it.
fn process_ends(behind_time: &[u8]) -> Option<usize> {
    let level = memchr::memchr(b'[', behind_time)?;
    let process = level + memchr::memmem::find(&behind_time[level..], b"] <0.")?;
    let end = process + memchr::memchr(b'>', &behind_time[process..])?;
    let of_time = |byte: &u8| byte.is_ascii_digit() || b".+-: TZ".contains(byte);
    let alone = behind_time[..level].iter().all(of_time)
        && behind_time[level + 1..process].iter().all(u8::is_ascii_lowercase)
        && process - level <= b"[emergency".len()
        && behind_time[process + 3..end].iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    alone.then_some(end + 1)
}

/// The line behind `rabbitmq-1  | `, which Compose writes in front.
fn without_service(line: &[u8]) -> &[u8] {
    let start = &line[..line.len().min(40)];
    match memchr::memmem::find(start, b" | ") {
        Some(at) if !start[..at].trim_ascii().contains(&b' ') => &line[at + 3..],
        _ => line,
    }
}

/// Where the first time stands, and its length to the second.
fn time_in(start: &[u8]) -> Option<(usize, usize)> {
    const SHAPES: [&[u8]; 3] = [b"0000-00-00_00:00:00", b"00-AAA-0000::00:00:00", b"AAA_#0_00:00:00"];
    // All end alike: look at the colons alone.
    memchr::memchr_iter(b':', start).find_map(|colon| {
        let end = colon.checked_add(6).filter(|end| *end <= start.len())?;
        let fits = |shape: &&&[u8]| end >= shape.len() && has_shape(&start[end - shape.len()..end], shape);
        SHAPES.iter().find(fits).map(|shape| (end - shape.len(), shape.len()))
    })
}

fn has_shape(window: &[u8], shape: &[u8]) -> bool {
    window.iter().zip(shape).rev().all(|(byte, wanted)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'#' => byte.is_ascii_digit() || *byte == b' ',
        b'A' => byte.is_ascii_alphabetic(),
        b'_' => matches!(byte, b' ' | b'T'),
        wanted => byte == wanted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(line: &str) -> Option<String> {
        head(line.as_bytes()).time.map(|time| String::from_utf8_lossy(time).into_owned())
    }

    #[test]
    fn times_of_many_logs_are_read() {
        for (line, wanted) in [
            ("2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0> TLS server", "2026-11-22 10:15:31"),
            ("rabbitmq-1  | 2026-11-22 10:15:31.12 [info] <0.8.0> x", "2026-11-22 10:15:31"),
            ("[2026-11-22 10:15:31,123: ERROR/MainProcess] consumer", "2026-11-22 10:15:31"),
            (r#"{"time":"2026-11-22T10:15:31Z","msg":"x"}"#, "2026-11-22T10:15:31"),
            ("=ERROR REPORT==== 22-Nov-2026::10:15:31 ===", "22-Nov-2026::10:15:31"),
            ("Nov  2 10:15:31 host rabbitmq-server[12]: x", "Nov  2 10:15:31"),
        ] {
            assert_eq!(time(line).as_deref(), Some(wanted), "{line}");
        }
        assert_eq!(time("Traceback (most recent call last):"), None);
        assert_eq!(time(""), None);
    }

    #[test]
    fn what_is_said_is_what_stands_around_time_and_process() {
        let at = |time: &str, process: &str, text: &str| {
            said(format!("rabbit | 2026-11-22 10:15:{time}+00:00 [notice] <0.{process}.0> {text}").as_bytes())
        };
        assert_eq!(at("31.123456", "812", "Unknown CA"), at("59.000001", "9", "Unknown CA"));
        assert_ne!(at("31.123456", "812", "Unknown CA"), at("31.123456", "812", "Bad Certificate"));
        // A text in the place of the level, or before the time, is part of it.
        for (one, other) in [
            ("2026-11-22 10:15:31 unknown ca] <0.1.0> x", "2026-11-22 10:15:31 bad certificate] <0.1.0> x"),
            ("2026-11-22 10:15:31 [unknown ca] <0.1.0> x", "2026-11-22 10:15:31 [bad ca] <0.1.0> x"),
            ("ghost 2026-11-22 10:15:31 x", "other 2026-11-22 10:15:31 x"),
            ("a 2026-11-22 10:15:31 b", "a b2026-11-22 10:15:31 "),
        ] {
            assert_ne!(said(one.as_bytes()), said(other.as_bytes()), "{one}");
        }
    }

    #[test]
    fn lines_of_one_event_are_joined_and_no_others() {
        let first = b"2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0> TLS server: In state wait_cert";
        let second = b"2026-11-22 10:15:31.123456+00:00 [notice] <0.812.0>  - {record_type_mismatch,21}";
        let other = b"2026-11-22 10:15:31.123456+00:00 [notice] <0.813.0> TLS server: In state wait_cert";
        assert!(joins(first, second));
        assert!(!joins(first, other));
        let collected = [b"2026-11-22T10:15:32.1Z ".as_slice(), second].concat();
        assert!(joins(first, &collected), "behind the collector's own time");
        assert!(joins(b"Traceback (most recent call last):", b"  File \"x.py\", line 1"));
        assert!(joins(b"    self.do_handshake()", b"ssl.SSLError: [SSL] x"));
        assert!(!joins(b"ssl.SSLError: [SSL] x", b"starting again"));
        assert!(joins(b"rabbitmq-1  | x", b"rabbitmq-1  |   - {bad_cert"));
    }
}
