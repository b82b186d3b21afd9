//! The index is never needed: with it every answer is the same as without.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::macros::datetime;

use super::super::event::Location;
use super::super::inventory::{EntryHistory, Issued, Revocation};
use super::super::testing::TempDir;
use super::*;

const DAY: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);
const ROLES: [&str; 4] = ["client", "server", "authority", "o\0d"];
const NAMES: [&str; 6] = ["a", "A", "b", "b\0c", "\u{e9}", "\u{c9}"];
const ISSUERS: [&str; 2] = ["ca", "c\0a"];

/// Xorshift: the same sequence in every run, told by the seed that a failure names.
struct Dice(u64, Vec<Event>);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.roll(all.len())]
    }

    /// Anything that a merge, a clock or a later version may bring, with few names so that events meet.
    fn event(&mut self) -> Event {
        const ACTIONS: [Action; 17] = [
            Action::Initialized,
            Action::AuthorityCreated,
            Action::Issued,
            Action::Issued,
            Action::Renewed,
            Action::Revoked,
            Action::Revoked,
            Action::Released,
            Action::Hooked,
            Action::Removed,
            Action::Adopted,
            Action::RotationSwitched,
            Action::Delivered,
            Action::Sealed,
            Action::Requested,
            Action::Emitted,
            Action::Unknown,
        ];
        // One that two branches share.
        if !self.1.is_empty() && self.roll(8) == 0 {
            let which = self.roll(self.1.len());
            return self.1[which].clone();
        }
        let at = DAY + time::Duration::seconds(self.roll(40) as i64);
        let mut event = Event::new(ACTIONS[self.roll(ACTIONS.len())], "me", at, at).unwrap();
        event.recorded = (self.roll(4) == 0).then(|| (at - time::Duration::days(30_000)).into());
        event.role = (self.roll(8) > 0).then(|| self.pick(&ROLES).to_owned());
        event.name = (self.roll(8) > 0).then(|| self.pick(&NAMES).to_owned());
        event.serial = (self.roll(6) > 0).then(|| self.pick(&["01", "02", "0A:0b", "0a0b", "odd", "1", ""]).to_owned());
        event.issuer = (self.roll(6) > 0).then(|| self.pick(&ISSUERS).to_owned());
        event.key = (self.roll(3) == 0).then(|| self.pick(&["ff", "FF", "key"]).to_owned());
        event.not_before = (self.roll(3) > 0).then(|| at.into());
        event.not_after = (self.roll(3) > 0).then(|| (at + time::Duration::days(self.roll(900) as i64)).into());
        event.location = (self.roll(3) > 0).then(|| [Location::Csr, Location::Archive, Location::Pki][self.roll(3)]);
        event.managed = (self.roll(2) > 0).then_some(false);
        event.bulk = (self.roll(3) == 0).then_some(true);
        event.hook = (self.roll(3) == 0).then_some(true);
        event.reason = (self.roll(2) > 0).then(|| self.pick(&["certificateHold", "keyCompromise", "new"]).to_owned());
        event.path = (self.roll(3) > 0).then(|| self.pick(&["x", "y"]).to_owned());
        event.sha256 = (self.roll(3) > 0).then(|| self.roll(99).to_string());
        event.users = (self.roll(3) == 0).then(|| vec![self.roll(99).to_string()]);
        event.recipients = vec!["age1x".to_owned(); self.roll(3)];
        self.1.push(event.clone());
        event
    }
}

/// Every answer there is.
#[derive(Debug, PartialEq)]
struct Answers {
    entries: Vec<((String, String), EntryHistory)>,
    by_role: Vec<Vec<(String, EntryHistory)>>,
    authorities: BTreeMap<String, EntryHistory>,
    histories: Vec<Option<EntryHistory>>,
    serials: Vec<Vec<(String, String, Issued)>>,
    revocations: Vec<Option<Revocation>>,
    revoked: Vec<Vec<(String, String, String)>>,
    strangers: Vec<BTreeMap<String, Revocation>>,
    events: Vec<Event>,
    back: Vec<Event>,
    twins: Vec<Vec<String>>,
    names: [Vec<(String, String)>; 2],
    small: (usize, BTreeMap<String, String>, Option<Event>, Vec<Vec<String>>),
    bulk_issuers: Vec<String>,
}

fn answers(inventory: &Inventory) -> Answers {
    let serials = ["01", "02", "0a0b", "odd", "1", "", "unknown"];
    let identities = || ROLES.iter().flat_map(|role| NAMES.iter().map(move |name| (*role, *name)));
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    let of_issuer = |issuer: &str| {
        let all = inventory.revoked(issuer);
        let mut all: Vec<_> = all.map(|(role, name, issued)| (role, name, format!("{issued:?}"))).collect();
        all.sort();
        all
    };
    inventory.check().unwrap();
    Answers {
        entries: inventory.entries().collect(),
        by_role: ROLES.iter().map(|role| inventory.entries_of(role).collect()).collect(),
        authorities: inventory.authorities().clone(),
        histories: identities().map(|(role, name)| inventory.history(role, name)).collect(),
        serials: serials.iter().map(|serial| inventory.by_serial(serial)).collect(),
        revocations: ISSUERS
            .iter()
            .flat_map(|issuer| serials.iter().map(|serial| inventory.revocation(issuer, serial)))
            .collect(),
        revoked: ISSUERS.iter().map(|issuer| of_issuer(issuer)).collect(),
        strangers: ISSUERS.iter().map(|issuer| inventory.strangers(issuer).collect()).collect(),
        events: inventory.events().collect(),
        back: inventory.events_back().collect(),
        twins: identities()
            .filter(|(role, _)| *role != layout::AUTHORITY)
            .map(|(role, name)| sorted(inventory.twins(role, name)))
            .collect(),
        names: [inventory.unmanaged(), inventory.awaiting_hook()],
        small: (
            inventory.len(),
            inventory.emitted.clone(),
            inventory.initialized(),
            ["x", "y"].iter().map(|path| inventory.users_made_in(path)).collect(),
        ),
        bulk_issuers: inventory.bulk_issuers().map(|issuer| format!("{issuer:?}")).collect(),
    }
}

/// Says which answer is another one, not all of them.
fn same(with: &Answers, without: &Answers, when: &str) {
    let lines = |answers: &Answers| format!("{answers:#?}").lines().map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (lines(with), lines(without));
    if let Some(at) = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at)) {
        let around = at.saturating_sub(20)..at + 5;
        let part =
            |lines: &[String]| lines.get(around.start..around.end.min(lines.len())).unwrap_or_default().join("\n");
        panic!("{when}:\n{}\n--- without the index ---\n{}", part(&a), part(&b));
    }
}

fn read(path: &Path) -> Inventory {
    super::read(path, &mut |_, _| {}).unwrap()
}

fn append(path: &Path, events: &[Event]) {
    let text = fs::read_to_string(path).unwrap_or_else(|_| header_line());
    fs::write(path, text + &lines(events.to_vec()).unwrap()).unwrap();
}

/// Covers all that is there.
fn cover(path: &Path) {
    let log = Log { file: files::open_own(path).unwrap(), fault: Fault::default() };
    let index = Index::open(path, &log);
    let length = log.file.metadata().unwrap().len();
    let index = grow(path, &log, index, 0, &mut |_, _| {});
    assert_eq!(index.map(|index| index.covered().0), Some(length));
}

fn index_of(path: &Path) -> Option<(u64, u64)> {
    let log = Log { file: files::open_own(path).unwrap(), fault: Fault::default() };
    Index::open(path, &log).map(|index| index.covered())
}

/// An inventory of which the beginning is covered.
fn covered(dir: &TempDir) -> PathBuf {
    let mut dice = Dice(7, Vec::new());
    let path = dir.path().join("inventory.jsonl");
    append(&path, &(0..300).map(|_| dice.event()).collect::<Vec<_>>());
    cover(&path);
    append(&path, &(0..5).map(|_| dice.event()).collect::<Vec<_>>());
    path
}

#[test]
fn every_answer_is_the_same_with_and_without() {
    for seed in 1..=60u64 {
        let dir = TempDir::new();
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), Vec::new());
        let path = dir.path().join("inventory.jsonl");
        for _ in 0..=dice.roll(4) {
            let events: Vec<Event> = (0..1 + dice.roll(60)).map(|_| dice.event()).collect();
            append(&path, &events);
            cover(&path);
        }
        let events: Vec<Event> = (0..dice.roll(30)).map(|_| dice.event()).collect();
        append(&path, &events);
        assert!(index_of(&path).is_some());
        let with = answers(&read(&path));
        fs::remove_file(path.with_extension("idx")).unwrap();
        let without = answers(&read(&path));
        same(&with, &without, &format!("seed {seed}"));
        let mut back = with.back;
        back.reverse();
        assert_eq!(back, with.events, "seed {seed}");
    }
}

#[test]
fn what_is_added_in_memory_counts() {
    let dir = TempDir::new();
    let path = covered(&dir);
    let mut dice = Dice(11, Vec::new());
    let more: Vec<Event> = (0..20).map(|_| dice.event()).collect();
    let with = answers(&read(&path).with(more.clone()));
    fs::remove_file(path.with_extension("idx")).unwrap();
    same(&with, &answers(&read(&path).with(more)), "with more");
}

#[test]
fn an_index_that_is_not_of_this_inventory_is_not_believed() {
    let dir = TempDir::new();
    let path = covered(&dir);
    let index = path.with_extension("idx");
    let (text, good) = (fs::read_to_string(&path).unwrap(), fs::read(&index).unwrap());
    let expected = answers(&read(&path));
    // The same bytes, however often they are copied.
    fs::write(&path, &text).unwrap();
    assert!(index_of(&path).is_some());
    // An edit of the same length in the covered part.
    fs::write(&path, text.replacen("\"me\"", "\"ME\"", 1)).unwrap();
    assert!(index_of(&path).is_none() && read(&path).events().any(|event| event.actor == "ME"));
    fs::write(&path, &text).unwrap();
    // Torn, of another version, of nobody.
    for bad in [&good[..good.len() / 2], &good[..70], &good[..10], b"", b"{\"length\":1,\"last_line\":0}", &[0; 4096]] {
        fs::write(&index, bad).unwrap();
        assert!(index_of(&path).is_none());
        same(&answers(&read(&path)), &expected, "read whole");
    }
    let newer = [b"certgen index 9\n", &good[16..]].concat();
    fs::write(&index, newer).unwrap();
    assert!(index_of(&path).is_none());
    same(&answers(&read(&path)), &expected, "read whole");
}

#[test]
fn a_block_that_was_changed_is_noticed_when_it_is_read() {
    let dir = TempDir::new();
    let path = covered(&dir);
    let index = path.with_extension("idx");
    let good = fs::read(&index).unwrap();
    let mut bad = good.clone();
    bad[200] ^= 1;
    fs::write(&index, &bad).unwrap();
    let inventory = read(&path);
    let _ = inventory.entries().count() + inventory.events().count();
    assert!(inventory.check().unwrap_err().message().contains("inventory.idx is damaged"));
}

#[test]
fn under_the_lock_a_foreign_index_goes_and_the_right_one_stays() {
    let dir = TempDir::new();
    let path = covered(&dir);
    let text = fs::read_to_string(&path).unwrap();
    repair(&path).unwrap();
    assert!(index_of(&path).is_some());
    fs::write(&path, text.replacen("\"me\"", "\"ME\"", 1)).unwrap();
    repair(&path).unwrap();
    remember(&path, &dir.path().join("staged"));
    assert!(Mark::read(&path).is_some() && index_of(&path).is_none());
}

#[test]
fn conflict_markers_and_torn_lines_are_never_covered() {
    let dir = TempDir::new();
    let path = covered(&dir);
    let whole = fs::metadata(&path).unwrap().len();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}<<<<<<< ours\n")).unwrap();
    let log = Log { file: files::open_own(&path).unwrap(), fault: Fault::default() };
    let before = index_of(&path);
    let index = grow(&path, &log, Index::open(&path, &log), 0, &mut |_, _| {});
    assert_eq!(index.map(|index| index.covered()), before);
    assert_eq!(read(&path).warnings.len(), 1);
    fs::write(&path, format!("{text}{{\"id\":")).unwrap();
    let log = Log { file: files::open_own(&path).unwrap(), fault: Fault::default() };
    let index = grow(&path, &log, Index::open(&path, &log), 0, &mut |_, _| {});
    assert_eq!(index.map(|index| index.covered().0), Some(whole));
}
