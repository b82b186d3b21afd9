//! `inventory.jsonl`: every event since the PKI was made, and what follows from them.
//!
//! The file is only ever appended to, one event a line, and its lines may be in any order: two branches that both issued
//! are merged by taking all lines of both. Whatever order they arrive in, the events are put in the order of real time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::{Error, Result};
use crate::ui;

use super::event::{Action, Event, Location};
use super::{disk, files, journal, layout};

/// The format written; a file of a higher one is refused by name.
const FORMAT: u64 = 1;

/// No event is longer: what is, is no inventory.
const LONGEST_LINE: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Header {
    certgen_inventory: u64,
}

/// A certificate that was issued, as the inventory remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The event that tells of it: an index into [`Inventory::events`].
    pub event: usize,
    /// Lowercase hexadecimal.
    pub serial: String,
    /// The authority that signed it.
    pub issuer: String,
    /// SHA-256 of the public key.
    pub key: Option<String>,
    /// Start of its validity.
    pub not_before: Option<OffsetDateTime>,
    /// End of its validity.
    pub not_after: Option<OffsetDateTime>,
    /// Where key and certificate are.
    pub location: Location,
    /// It has an entry in the manifest.
    pub managed: bool,
    /// When and why it was revoked.
    pub revoked: Option<Revocation>,
}

/// That a certificate was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// By the clock of the command.
    pub time: OffsetDateTime,
    /// RFC 5280's word, if one was given.
    pub reason: Option<String>,
}

/// All that is known of one identity or authority.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryHistory {
    /// Its certificates, oldest first.
    pub certificates: Vec<Issued>,
    /// It was taken out, and nothing was issued since.
    pub removed: bool,
    /// A request is out and not answered: the key's fingerprint, if recorded.
    pub requested: Option<Option<String>>,
    /// The key is sealed (authorities).
    pub sealed: bool,
    /// Whom it is sealed to; empty for a passphrase.
    pub recipients: Vec<String>,
    /// Its events, oldest first: indices into [`Inventory::events`].
    pub events: Vec<usize>,
}

impl EntryHistory {
    /// The certificate in use, unless the identity was taken out.
    pub fn current(&self) -> Option<&Issued> {
        self.certificates.last().filter(|_| !self.removed)
    }
}

/// The inventory as read.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// There is a file.
    pub exists: bool,
    /// Every event once, in the order of real time.
    pub events: Vec<Event>,
    /// Identities by role and name, authorities excepted.
    pub entries: BTreeMap<(String, String), EntryHistory>,
    /// Authorities by name.
    pub authorities: BTreeMap<String, EntryHistory>,
    /// The hash of each emitted file as certgen wrote it last, by path.
    pub emitted: BTreeMap<String, String>,
    /// What was odd: for standard error.
    pub warnings: Vec<String>,
    serials: HashMap<String, Vec<Place>>,
    ids: HashSet<String>,
}

/// Role, name and index of a certificate.
type Place = (String, String, usize);

impl Inventory {
    /// The history of an identity or authority.
    pub fn history(&self, role: impl AsRef<str>, name: &str) -> Option<&EntryHistory> {
        match role.as_ref() {
            layout::AUTHORITY => self.authorities.get(name),
            role => self.entries.get(&(role.to_owned(), name.to_owned())),
        }
    }

    /// The certificate that an identity or authority uses now.
    pub fn current(&self, role: impl AsRef<str>, name: &str) -> Option<&Issued> {
        self.history(role, name)?.current()
    }

    /// The serial number of that certificate.
    pub fn current_serial(&self, role: impl AsRef<str>, name: &str) -> Option<&str> {
        self.current(role, name).map(|issued| issued.serial.as_str())
    }

    /// Every certificate of an identity that has not expired at `now`, revoked or not, current or replaced.
    pub fn unexpired(&self, role: impl AsRef<str>, name: &str, now: OffsetDateTime) -> Vec<&Issued> {
        let all = self.history(role, name).map_or(&[][..], |history| &history.certificates);
        all.iter().filter(|issued| issued.not_after.is_none_or(|end| end >= now)).collect()
    }

    /// The certificates with that serial number: role, name and certificate. Foreign authorities count from 1, so there
    /// may be several.
    pub fn by_serial(&self, serial: &str) -> Vec<(&str, &str, &Issued)> {
        let places = self.serials.get(&canonical_serial(serial)).map_or(&[][..], Vec::as_slice);
        places.iter().filter_map(|(role, name, at)| Some((&**role, &**name, self.at(role, name, *at)?))).collect()
    }

    /// Was the certificate with that serial number of that authority revoked?
    pub fn is_revoked(&self, issuer: &str, serial: &str) -> bool {
        self.by_serial(serial).iter().any(|(_, _, issued)| issued.issuer == issuer && issued.revoked.is_some())
    }

    /// The revoked certificates of an authority: what its CRL lists.
    pub fn revoked(&self, issuer: &str) -> impl Iterator<Item = (&Issued, &Revocation)> {
        let all = self.entries.values().chain(self.authorities.values()).flat_map(|history| &history.certificates);
        all.filter(move |issued| issued.issuer == issuer).filter_map(|i| i.revoked.as_ref().map(|revoked| (i, revoked)))
    }

    fn at(&self, role: &str, name: &str, index: usize) -> Option<&Issued> {
        self.history(role, name)?.certificates.get(index)
    }

    /// The events that the inventory lacks for certificates that lie on the disk. The caller parsed them.
    pub fn rebuild(&self, found: &[FoundCertificate], actor: &str, now: OffsetDateTime) -> Result<Vec<Event>> {
        let unknown = found.iter().filter(|found| {
            let serial = canonical_serial(&found.serial);
            !self.by_serial(&serial).iter().any(|(role, name, _)| *role == found.role && *name == found.name)
        });
        unknown
            .map(|found| {
                let authority = found.role == layout::AUTHORITY;
                let action = if authority { Action::AuthorityCreated } else { Action::Issued };
                let mut event = Event::new(action, actor, now, now)?.about(&found.role, &found.name);
                event.serial = Some(canonical_serial(&found.serial));
                event.key = Some(found.key.clone());
                event.certificate = Some(found.certificate.clone());
                event.issuer = Some(found.issuer.clone());
                event.not_before = Some(found.not_before.into());
                event.not_after = Some(found.not_after.into());
                event.subject = Some(found.subject.clone());
                event.san.clone_from(&found.san);
                event.key_type.clone_from(&found.key_type);
                event.location = (found.role == "external").then_some(Location::External);
                event.note = Some("rebuilt from the certificate on disk".to_owned());
                Ok(event)
            })
            .collect()
    }

    fn add(&mut self, event: Event) {
        if event.id.is_empty() || self.ids.insert(event.id.clone()) {
            self.events.push(event);
        }
    }

    /// Orders the events and draws the conclusions.
    fn fold(&mut self) {
        self.ids = HashSet::new();
        // Stable: within one second the order of the lines decides.
        self.events.sort_by_key(Event::real_time);
        let events = std::mem::take(&mut self.events);
        for (index, event) in events.iter().enumerate() {
            self.apply(index, event);
        }
        // A revocation stands wherever its line is, even before the certificate's own after a merge.
        for event in events.iter().filter(|event| event.action == Action::Revoked) {
            self.revoke(event);
        }
        self.events = events;
    }

    fn apply(&mut self, index: usize, event: &Event) {
        if let (Action::Emitted, Some(path), Some(hash)) = (event.action, &event.path, &event.sha256) {
            self.emitted.insert(path.clone(), hash.clone());
        }
        let (Some(role), Some(name)) = (&event.role, &event.name) else { return };
        let history = if role == layout::AUTHORITY {
            self.authorities.entry(name.clone()).or_default()
        } else {
            self.entries.entry((role.clone(), name.clone())).or_default()
        };
        history.events.push(index);
        match event.action {
            Action::Issued | Action::Renewed | Action::AuthorityCreated => {
                let Some(issued) = issued(index, event) else { return };
                history.removed = false;
                history.requested = None;
                if history
                    .certificates
                    .iter()
                    .any(|known| known.serial == issued.serial && known.issuer == issued.issuer)
                {
                    return;
                }
                let place = (role.clone(), name.clone(), history.certificates.len());
                self.serials.entry(issued.serial.clone()).or_default().push(place);
                history.certificates.push(issued);
            }
            Action::Removed => history.removed = true,
            Action::Requested => history.requested = Some(event.key.clone()),
            Action::Sealed => {
                history.sealed = true;
                history.recipients.clone_from(&event.recipients);
            }
            Action::Unsealed => {
                history.sealed = false;
                history.recipients.clear();
            }
            _ => {}
        }
    }

    fn revoke(&mut self, event: &Event) {
        let Some(serial) = event.serial.as_deref().map(canonical_serial) else { return };
        for (role, name, index) in self.serials.get(&serial).cloned().unwrap_or_default() {
            let history = if role == layout::AUTHORITY {
                self.authorities.get_mut(&name)
            } else {
                self.entries.get_mut(&(role.clone(), name.clone()))
            };
            let Some(issued) = history.and_then(|history| history.certificates.get_mut(index)) else { continue };
            let meant = match &event.issuer {
                Some(issuer) => *issuer == issued.issuer,
                None => event.role.as_ref() == Some(&role) && event.name.as_ref() == Some(&name),
            };
            if meant && issued.revoked.is_none() {
                issued.revoked = Some(Revocation { time: event.time.into(), reason: event.reason.clone() });
            }
        }
    }
}

/// What a certificate on the disk says, for [`Inventory::rebuild`].
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are those of an event")]
pub struct FoundCertificate {
    pub role: String,
    pub name: String,
    pub serial: String,
    pub issuer: String,
    pub key: String,
    pub certificate: String,
    pub not_before: OffsetDateTime,
    pub not_after: OffsetDateTime,
    pub subject: String,
    pub san: Vec<String>,
    pub key_type: Option<String>,
}

/// Lowercase hexadecimal without colons, as the inventory has it.
pub fn canonical_serial(serial: &str) -> String {
    serial.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect()
}

fn issued(index: usize, event: &Event) -> Option<Issued> {
    Some(Issued {
        event: index,
        serial: canonical_serial(event.serial.as_deref()?),
        issuer: event.issuer.clone().unwrap_or_default(),
        key: event.key.clone(),
        not_before: event.not_before.map(Into::into),
        not_after: event.not_after.map(Into::into),
        location: event.location.unwrap_or_default(),
        managed: event.managed.unwrap_or(true),
        revoked: None,
    })
}

pub(super) fn header_line() -> Vec<u8> {
    format!("{{\"certgen_inventory\":{FORMAT}}}\n").into_bytes()
}

pub(super) fn lines(events: Vec<Event>) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for mut event in events {
        if event.id.is_empty() {
            event.id = super::random_hex()?;
        }
        out.extend(event.to_line()?);
    }
    Ok(out)
}

/// Reads the inventory; needs no lock and no right to write.
pub(super) fn read(path: &Path) -> Result<Inventory> {
    if !journal::exists(path).map_err(|e| Error::io("reading", path, &e))? {
        return Ok(Inventory::default());
    }
    let mut inventory = Inventory { exists: true, ..Inventory::default() };
    let mut reader = BufReader::with_capacity(1 << 16, files::open_own(path)?);
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
    inventory.fold();
    Ok(inventory)
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
    let line = line.trim_ascii();
    if line.is_empty() {
        return Line::Blank;
    }
    if [&b"<<<<<<<"[..], b"=======", b">>>>>>>", b"|||||||"].iter().any(|marker| line.starts_with(marker)) {
        return Line::Conflict;
    }
    if line.len() as u64 >= LONGEST_LINE - 1 {
        return Line::Garbage("is too long for an event".to_owned());
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
    if !journal::exists(path).map_err(failed)? {
        return Ok(None);
    }
    let mut file = files::open_own(path)?;
    let Some((start, last)) = last_line(&mut file).map_err(failed)? else { return Ok(None) };
    let torn = matches!(classify(&last), Line::Garbage(_));
    if torn && start > 0 && is_inventory(&mut file).map_err(failed)? {
        disk::write_at_end(path, start, &[]).map_err(failed)?;
        return Ok(Some(format!("{}: removed a torn last line", ui::path(path))));
    }
    if !torn && !last.ends_with(b"\n") {
        disk::write_at_end(path, start + last.len() as u64, b"\n").map_err(failed)?;
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

    use time::macros::datetime;

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
        let mut out = header_line();
        out.extend(lines(events.to_vec()).unwrap());
        String::from_utf8(out).unwrap()
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
