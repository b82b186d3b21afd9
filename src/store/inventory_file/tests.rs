//! What is read, repaired and remembered.

use std::fs;
use std::path::PathBuf;

use time::OffsetDateTime;
use time::macros::datetime;

use super::super::fold::Moment;
use super::super::inventory::{EntryHistory, FoundCertificate};
use super::super::testing::TempDir;
use super::*;

fn read(path: &Path) -> Result<Inventory> {
    super::read(path, &mut |_, _| {})
}

/// All that an inventory says, whatever the places of its lines.
type Conclusions = (Vec<Event>, Vec<((String, String), EntryHistory)>);

fn conclusions(inventory: &Inventory) -> Conclusions {
    let mut entries: Vec<_> = inventory.entries().collect();
    for (_, history) in &mut entries {
        history.events.clear();
        history.certificates.iter_mut().for_each(|issued| issued.event = Moment::default());
    }
    (inventory.events().collect(), entries)
}

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
    header_line() + &String::from_utf8(lines(events.to_vec()).unwrap().into_bytes()).unwrap()
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
    assert_eq!(inventory.current_serial("client", "a").as_deref(), Some("02"));
    assert_eq!(inventory.current("client", "b"), None);
    assert!(inventory.is_revoked("ca", "01") && !inventory.is_revoked("ca", "02") && !inventory.is_revoked("x", "01"));
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
    assert_eq!(after(&[revoked(1, "superseded"), revoked(2, "keyCompromise")]).0, Some(("keyCompromise".into(), 1)));
    assert_eq!(after(&[revoked(1, "keyCompromise"), revoked(2, "superseded")]).0, Some(("keyCompromise".into(), 1)));
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
    assert_eq!(inventory.strangers("ca").count(), 1);
    (unknown.action, unknown.id) = (Action::Released, "another".to_owned());
    assert_eq!(Inventory::from_events([&all[..], &[unknown]].concat()).strangers("ca").count(), 0);
}

#[test]
fn merged_lines_in_any_order_mean_the_same() {
    let dir = TempDir::new();
    let straight = text(&history());
    let expected = conclusions(&read(&file(&dir, &straight)).unwrap());
    let mut shuffled: Vec<_> = straight.lines().rev().collect();
    shuffled.extend(straight.lines());
    let merged = shuffled.join("\n") + "\n<<<<<<< ours\n=======\n>>>>>>> theirs\n\n";
    let inventory = read(&file(&dir, merged)).unwrap();
    assert_eq!(conclusions(&inventory), expected);
    assert_eq!(inventory.warnings.len(), 3);
}

#[test]
fn a_torn_last_line_is_passed_over_and_then_removed() {
    let dir = TempDir::new();
    let whole = text(&history());
    for torn in ["{\"id\":\"x", "{\"id\":\"x\n", "\0\0\0\0", "x"] {
        let path = file(&dir, format!("{whole}{torn}"));
        let inventory = read(&path).unwrap();
        assert_eq!((inventory.events().count(), inventory.warnings.len()), (6, 1));
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
