//! `inventory.jsonl` as a file: read in any order, repaired at its end.
//!
//! It is only ever appended to, one event a line, and its lines may be in any order: two branches that both issued are
//! merged by taking all lines of both. Whatever order they arrive in, the events are put in the order of real time.
//!
//! `inventory.idx` remembers how long the file was when certgen wrote it last. It may be deleted at any time; while it is
//! there, a file that was cut in the middle is told from one whose last line is torn.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ui;

use super::event::{Action, Event};
use super::inventory::Inventory;
use super::{disk, files, journal, layout};

/// The format written; a file of a higher one is refused by name.
const FORMAT: u64 = 1;

/// No event is longer: what is, is no inventory.
const LONGEST_LINE: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    certgen_inventory: u64,
}

/// The content of `inventory.idx`.
#[derive(Serialize, Deserialize)]
struct Index {
    length: u64,
    last_line: u64,
}

pub(super) fn header_line() -> String {
    format!("{{\"certgen_inventory\":{FORMAT}}}\n")
}

pub(super) fn lines(events: Vec<Event>) -> Result<String> {
    let mut out = String::new();
    for mut event in events {
        if event.id.is_empty() {
            event.id = super::random_hex()?;
        }
        out.push_str(&event.to_line()?);
    }
    Ok(out)
}

/// Reads the inventory; needs no lock and no right to write.
pub(super) fn read(path: &Path) -> Result<Inventory> {
    if !journal::exists(path).map_err(|e| Error::io("reading", path, &e))? {
        return Ok(Inventory::default());
    }
    let mut inventory = Inventory::default();
    inventory.exists = true;
    let file = files::open_own(path)?;
    let missing = missing_lines(path, file.metadata().map_or(0, |m| m.len()));
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    let mut headers = 0;
    for number in 1.. {
        line.clear();
        let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if length.map_err(|e| Error::io("reading", path, &e))? == 0 {
            break;
        }
        match classify(&line) {
            Line::Blank => {}
            Line::Header(FORMAT) => headers += 1,
            Line::Header(format) => return Err(newer(path, format)),
            Line::Event(event) => inventory.add(*event),
            Line::Conflict => inventory
                .warnings
                .push(format!("{}: line {number} is a conflict marker of a merge and was passed over", ui::path(path))),
            // Only a line that was being written when the machine stopped may be torn: the last one, after others.
            Line::Garbage(_) if missing && is_at_end(&mut reader) => {
                return Err(garbage(path, &format!("it was cut off in line {number}, and more is missing after that")));
            }
            Line::Garbage(_) if headers > 0 && is_at_end(&mut reader) && line.len() < LONGEST_LINE as usize => {
                inventory.warnings.push(format!(
                    "{}: the last line is torn and was passed over; the next command that writes removes it",
                    ui::path(path)
                ));
            }
            Line::Garbage(why) => return Err(garbage(path, &format!("line {number} {why}"))),
        }
    }
    if headers == 0 {
        return Err(garbage(path, "it has no header line"));
    }
    inventory.is_short = missing;
    if missing {
        inventory.warnings.push(format!(
            "{}: it is shorter than when certgen wrote it last; some events may be missing",
            ui::path(path)
        ));
    }
    inventory.fold();
    Ok(inventory)
}

/// Has the file lost more than the end of its last line since certgen wrote it?
fn missing_lines(path: &Path, length: u64) -> bool {
    let index = files::read_own(&path.with_extension("idx"), files::INPUT_LIMIT).ok();
    let index = index.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
    index.is_some_and(|index| length <= index.last_line.min(index.length.saturating_sub(1)))
}

/// Writes the index, by way of `staged`. A cache: what goes wrong is not worth a word.
pub(super) fn remember(path: &Path, staged: &Path) {
    let written = || -> io::Result<()> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let Some((last_line, _)) = last_line(&mut file)? else { return Ok(()) };
        let text = serde_json::to_vec(&Index { length, last_line })?;
        disk::write_new(staged, &text, layout::PRIVATE_FILE, None)?;
        disk::rename(staged, &path.with_extension("idx"))
    };
    let _ = written();
}

fn newer(path: &Path, format: u64) -> Error {
    let shown = ui::path(path);
    Error::failed(format!("reading {shown}: its format is {format}, and this certgen knows formats up to {FORMAT}"))
        .hint("use the certgen that wrote it, or a later one")
}

fn garbage(path: &Path, why: &str) -> Error {
    Error::failed(format!("reading {}: {why}", ui::path(path)))
        .hint("bring it back from a backup or from version control, or move it away to have it rebuilt from the certificates on disk")
}

fn is_at_end(reader: &mut impl BufRead) -> bool {
    reader.fill_buf().is_ok_and(<[u8]>::is_empty)
}

enum Line {
    Blank,
    Header(u64),
    Event(Box<Event>),
    Conflict,
    Garbage(String),
}

fn classify(line: &[u8]) -> Line {
    if line.len() as u64 >= LONGEST_LINE {
        return Line::Garbage("is too long for an event".to_owned());
    }
    let line = line.trim_ascii();
    if line.is_empty() {
        return Line::Blank;
    }
    if [&b"<<<<<<<"[..], b"=======", b">>>>>>>", b"|||||||"].iter().any(|marker| line.starts_with(marker)) {
        return Line::Conflict;
    }
    match serde_json::from_slice::<Event>(line) {
        // A header parses as an event in which everything is missing, and nothing else does.
        Ok(event) if event.action == Action::Unknown && event.id.is_empty() => {
            match serde_json::from_slice::<Header>(line) {
                Ok(header) => Line::Header(header.certgen_inventory),
                Err(_) => Line::Event(Box::new(event)),
            }
        }
        Ok(event) => Line::Event(Box::new(event)),
        Err(e) => Line::Garbage(format!("is not an event: {}", plain_reason(&e))),
    }
}

/// Without "at line 1 column 7": the line is named already, and the column is of no help in a line nobody wrote.
fn plain_reason(e: &serde_json::Error) -> String {
    let text = e.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Removes a line that was torn when a machine stopped, and ends the last one with a newline. Under the lock only.
pub(super) fn repair(path: &Path) -> Result<Option<String>> {
    let failed = |e: io::Error| Error::io("repairing", path, &e);
    let cut_or_end = |at, bytes: &[u8]| disk::write_at_end(path, at, bytes).and_then(|file| disk::sync(&[file]));
    if !journal::exists(path).map_err(failed)? {
        return Ok(None);
    }
    let mut file = files::open_own(path)?;
    let Some((start, last)) = last_line(&mut file).map_err(failed)? else { return Ok(None) };
    let length = start + last.len() as u64;
    let torn = matches!(classify(&last), Line::Garbage(_)) && !missing_lines(path, length);
    if torn && start > 0 && is_inventory(&mut file).map_err(failed)? {
        cut_or_end(start, &[]).map_err(failed)?;
        let _ = disk::remove_file(&path.with_extension("idx"));
        return Ok(Some(format!("{}: removed a torn last line", ui::path(path))));
    }
    let whole = !matches!(classify(&last), Line::Garbage(_));
    if whole && !last.ends_with(b"\n") {
        cut_or_end(length, b"\n").map_err(failed)?;
    }
    Ok(None)
}

/// Where the last line begins, and the line; nothing if it is longer than any event.
fn last_line(file: &mut File) -> io::Result<Option<(u64, Vec<u8>)>> {
    let length = file.metadata()?.len();
    let window = length.min(LONGEST_LINE);
    file.seek(SeekFrom::Start(length - window))?;
    let mut tail = Vec::new();
    file.take(window).read_to_end(&mut tail)?;
    let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
    let start = match body.iter().rposition(|byte| *byte == b'\n') {
        Some(at) => at + 1,
        None if window == length => 0,
        None => return Ok(None),
    };
    Ok((length > 0).then(|| (length - window + start as u64, tail.split_off(start))))
}

/// Does it begin as an inventory does? What does not is not ours to cut.
fn is_inventory(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut first = Vec::new();
    BufReader::new(file).take(4096).read_until(b'\n', &mut first)?;
    Ok(matches!(classify(&first), Line::Header(_) | Line::Event(_) | Line::Conflict))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::super::inventory::FoundCertificate;
    use super::super::testing::TempDir;
    use super::*;

    const DAY: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

    fn event(action: Action, seconds: i64, name: &str, serial: &str) -> Event {
        let at = DAY + time::Duration::seconds(seconds);
        let mut event = Event::new(action, "a@b", at, at).unwrap().about("client", name);
        event.serial = Some(serial.to_owned());
        event.issuer = Some("ca".to_owned());
        event.not_after = Some((at + time::Duration::DAY).into());
        event
    }

    fn text(events: &[Event]) -> String {
        header_line() + &lines(events.to_vec()).unwrap()
    }

    fn file(dir: &TempDir, content: impl AsRef<[u8]>) -> PathBuf {
        let path = dir.path().join("inventory.jsonl");
        fs::write(&path, content).unwrap();
        path
    }

    fn history() -> Vec<Event> {
        let mut revoked = event(Action::Revoked, 3, "a", "01");
        revoked.reason = Some("keyCompromise".into());
        let mut emitted = event(Action::Emitted, 4, "a", "02");
        emitted.path = Some("rabbitmq/rabbitmq.conf".into());
        emitted.sha256 = Some("ff".into());
        vec![
            event(Action::Issued, 0, "a", "01"),
            event(Action::Renewed, 1, "a", "02"),
            event(Action::Issued, 2, "b", "0A:0b"),
            revoked,
            emitted,
            event(Action::Removed, 5, "b", "0a0b"),
        ]
    }

    #[test]
    fn what_follows_from_the_events() {
        let dir = TempDir::new();
        let inventory = read(&file(&dir, text(&history()))).unwrap();
        assert_eq!(inventory.current_serial("client", "a"), Some("02"));
        assert_eq!(inventory.current("client", "b"), None);
        assert!(
            inventory.is_revoked("ca", "01") && !inventory.is_revoked("ca", "02") && !inventory.is_revoked("x", "01")
        );
        assert_eq!(inventory.revoked("ca").count(), 1);
        assert_eq!(inventory.by_serial("0A:0B")[0].1, "b");
        assert_eq!(inventory.unexpired("client", "a", DAY).len(), 2);
        assert_eq!(inventory.unexpired("client", "a", DAY + time::Duration::seconds(86_401)).len(), 1);
        assert_eq!(inventory.emitted["rabbitmq/rabbitmq.conf"], "ff");
    }

    #[test]
    fn a_hold_is_released_and_nothing_else_is() {
        let revoked = |seconds, reason: &str| {
            let mut event = event(Action::Revoked, seconds, "a", "01");
            event.reason = Some(reason.into());
            event
        };
        let released = |seconds| event(Action::Released, seconds, "a", "01");
        let dir = TempDir::new();
        let after = |events: &[Event]| {
            let all = [&[event(Action::Issued, 0, "a", "01")], events].concat();
            let inventory = read(&file(&dir, text(&all))).unwrap();
            let issued = inventory.by_serial("01")[0].2.clone();
            (
                issued.revoked.map(|r| (r.reason.unwrap_or_default(), (r.time - DAY).whole_seconds())),
                issued.released.is_some(),
            )
        };
        let hold = || revoked(1, "certificateHold");
        assert_eq!(after(&[hold(), released(2)]), (None, true));
        assert_eq!(after(&[hold(), released(2), hold()]).0, None, "the same moment again is the same hold");
        assert_eq!(after(&[revoked(1, "superseded"), released(2)]), (Some(("superseded".into(), 1)), false));
        assert_eq!(after(&[hold(), revoked(2, "superseded"), released(3)]).0, Some(("superseded".into(), 1)));
        assert_eq!(
            after(&[revoked(1, "superseded"), revoked(2, "keyCompromise")]).0,
            Some(("keyCompromise".into(), 1))
        );
        assert_eq!(
            after(&[revoked(1, "keyCompromise"), revoked(2, "superseded")]).0,
            Some(("keyCompromise".into(), 1))
        );
    }

    #[test]
    fn a_revocation_of_an_unknown_certificate_is_remembered() {
        let dir = TempDir::new();
        let mut known = event(Action::Revoked, 1, "a", "01");
        let mut unknown = event(Action::Revoked, 1, "a", "AB:cd");
        (known.role, known.name, unknown.role, unknown.name) = (None, None, None, None);
        let all = [event(Action::Issued, 0, "a", "01"), known, unknown.clone()];
        let inventory = read(&file(&dir, text(&all))).unwrap();
        assert!(inventory.is_revoked("ca", "abcd") && inventory.is_revoked("ca", "01"));
        assert!(!inventory.is_revoked("x", "abcd"));
        assert_eq!(inventory.strangers.len(), 1);
        unknown.action = Action::Released;
        assert_eq!(Inventory::from_events([&all[..], &[unknown]].concat()).strangers.len(), 0);
    }

    #[test]
    fn merged_lines_in_any_order_mean_the_same() {
        let dir = TempDir::new();
        let straight = text(&history());
        let expected = read(&file(&dir, &straight)).unwrap();
        let mut shuffled: Vec<_> = straight.lines().rev().collect();
        shuffled.extend(straight.lines());
        let merged = shuffled.join("\n") + "\n<<<<<<< ours\n=======\n>>>>>>> theirs\n\n";
        let inventory = read(&file(&dir, merged)).unwrap();
        assert_eq!((&inventory.events, &inventory.entries), (&expected.events, &expected.entries));
        assert_eq!(inventory.warnings.len(), 3);
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_then_removed() {
        let dir = TempDir::new();
        let whole = text(&history());
        for torn in ["{\"id\":\"x", "{\"id\":\"x\n", "\0\0\0\0", "x"] {
            let path = file(&dir, format!("{whole}{torn}"));
            let inventory = read(&path).unwrap();
            assert_eq!((inventory.events.len(), inventory.warnings.len()), (6, 1));
            assert!(repair(&path).unwrap().unwrap().contains("torn"));
            assert_eq!(fs::read_to_string(&path).unwrap(), whole);
            assert_eq!(repair(&path).unwrap(), None);
        }
        let path = file(&dir, whole.trim_end());
        assert_eq!(repair(&path).unwrap(), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn what_is_no_inventory_is_refused_by_name_and_line_and_left_alone() {
        let dir = TempDir::new();
        let whole = text(&history());
        let garbage_inside = whole.replacen("\n{\"id\"", "\ngarbage\n{\"id\"", 1);
        for (content, why) in [
            (String::new(), "no header line"),
            ("garbage".to_owned(), "line 1 is not an event"),
            (garbage_inside, "line 2 is not an event"),
            ("\0".repeat(5000), "line 1 is not an event"),
            (whole.replacen(":1}", ":2}", 1), "its format is 2"),
            (whole.lines().nth(1).unwrap().to_owned(), "no header line"),
        ] {
            let path = file(&dir, &content);
            let error = read(&path).unwrap_err();
            assert!(error.message().contains(why) && error.message().contains("inventory.jsonl"), "{error}");
            let _ = repair(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap().trim_end(), content.trim_end());
        }
        assert!(read(dir.path()).unwrap_err().message().contains("is a directory"));
    }

    #[test]
    fn a_file_cut_in_the_middle_is_told_from_a_torn_last_line() {
        let dir = TempDir::new();
        let whole = text(&history());
        let last = whole.trim_end().rfind('\n').unwrap() + 1;
        let path = file(&dir, &whole);
        let index = || remember(&path, &dir.path().join("staged"));
        for cut in [whole.len() - 1, whole.len() - 9, last + 5] {
            fs::write(&path, &whole).unwrap();
            index();
            fs::write(&path, &whole[..cut]).unwrap();
            read(&path).unwrap();
            repair(&path).unwrap();
            assert!(fs::read_to_string(&path).unwrap().ends_with('\n'));
        }
        fs::write(&path, &whole).unwrap();
        index();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(read(&path).unwrap_err().message().contains("cut off in line"));
        assert_eq!(repair(&path).unwrap(), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), whole[..whole.len() / 2]);
        // Cut between two lines, as an older version from git is: worth a warning.
        fs::write(&path, &whole[..last]).unwrap();
        assert!(read(&path).unwrap().warnings[0].contains("shorter"));
        // Without the cache all is as before.
        fs::remove_file(dir.path().join("inventory.idx")).unwrap();
        assert!(read(&path).unwrap().warnings.is_empty());
    }

    #[test]
    fn sixty_four_mebibytes_of_nothing_take_no_time() {
        let dir = TempDir::new();
        let path = file(&dir, text(&history()));
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(64 << 20).unwrap();
        let start = std::time::Instant::now();
        assert!(read(&path).unwrap_err().message().contains("too long"));
        assert_eq!(repair(&path).unwrap(), None);
        assert!(start.elapsed().as_secs() < 2);
    }

    #[test]
    fn a_line_of_blanks_beyond_all_measure_is_no_blank_line() {
        let dir = TempDir::new();
        let mut bytes = text(&history()).into_bytes();
        bytes.resize(3 << 20, b' ');
        bytes.push(b'x');
        let path = file(&dir, &bytes);
        assert!(read(&path).unwrap_err().message().contains("too long"));
        assert_eq!(repair(&path).unwrap(), None);
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }

    #[test]
    fn certificates_that_the_inventory_lacks_are_added() {
        let dir = TempDir::new();
        let inventory = read(&file(&dir, text(&history()))).unwrap();
        let found = |name: &str, serial: &str| FoundCertificate {
            role: "client".into(),
            name: name.into(),
            serial: serial.into(),
            issuer: "ca".into(),
            key: "k".into(),
            certificate: "c".into(),
            not_before: DAY,
            not_after: DAY,
            subject: String::new(),
            san: vec![],
            key_type: None,
        };
        let events = inventory.rebuild(&[found("a", "02"), found("c", "0C")], "me", DAY).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].serial.as_deref(), Some("0c"));
        assert_eq!(events[0].note.as_deref(), Some("rebuilt from the certificate on disk"));
    }
}
