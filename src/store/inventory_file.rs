//! `inventory.jsonl` as a file: read in any order, repaired at its end.
//!
//! It is only ever appended to, one event a line, and its lines may be in any order: two branches that both issued are
//! merged by taking all lines of both. Whatever order they arrive in, the events are put in the order of real time.
//!
//! `inventory.idx` remembers how long the file was when certgen wrote it last. It may be deleted at any time; while it is
//! there, a file that was cut in the middle is told from one whose last line is torn. Of a long file it holds what follows
//! from the beginning, so that only the end is read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ui;

use super::event::{Action, Event, Lines};
use super::fold::Fact;
use super::index::{Index, Mark, Piece};
use super::inventory::Inventory;
use super::table::Fault;
use super::{disk, files, journal, layout, platform};

/// The format written; a file of a higher one is refused by name.
const FORMAT: u64 = 1;

/// No event is longer: what is, is no inventory.
const LONGEST_LINE: u64 = 1 << 20;

/// So much is read faster than anything is looked up: ten thousand events.
const READ_WHOLE: u64 = 4 << 20;

/// So much takes about a second to read for the first time: a hundred thousand events.
const SLOW_TO_READ: u64 = 64 << 20;

/// So many lines are covered at once: more would cost memory, fewer would write the index more often.
const PIECE: u64 = 10_000;

/// How far the reading of a long inventory is: bytes, of how many.
pub type Reading<'a> = &'a mut dyn FnMut(u64, u64);

#[derive(Serialize, Deserialize)]
struct Header {
    certgen_inventory: u64,
}

/// The lines of an inventory, by place.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) file: File,
    pub(super) fault: Fault,
}

impl Log {
    /// The event whose line begins at `at`.
    pub(super) fn event(&self, at: u64) -> Option<Event> {
        self.fault.keep(self.read_event(at))
    }

    fn read_event(&self, at: u64) -> io::Result<Event> {
        let mut length = 1 << 10;
        loop {
            let left = self.file.metadata()?.len().saturating_sub(at);
            let mut line = vec![0; left.min(length) as usize];
            platform::read_at(&self.file, &mut line, at)?;
            let end = line.iter().position(|byte| *byte == b'\n');
            if end.is_none() && left > length && length < LONGEST_LINE {
                length *= 8;
                continue;
            }
            line.truncate(end.unwrap_or(line.len()));
            return serde_json::from_slice(&line).map_err(|_| io::Error::other("it was changed while it was read"));
        }
    }

    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.get()
    }
}

pub(super) fn header_line() -> String {
    format!("{{\"certgen_inventory\":{FORMAT}}}\n")
}

pub(super) fn lines(events: Vec<Event>) -> Result<Lines> {
    let mut lines = Lines::default();
    for mut event in events {
        if event.id.is_empty() {
            event.id = super::random_hex()?;
        }
        lines.push(&event)?;
    }
    Ok(lines)
}

/// Reads the inventory; needs no lock and no right to write.
pub(super) fn read(path: &Path, reading: Reading<'_>) -> Result<Inventory> {
    if !journal::exists(path).map_err(|e| Error::io("reading", path, &e))? {
        return Ok(Inventory::default());
    }
    let log = Log { file: files::open_own(path)?, fault: Fault::default() };
    let mut index = Index::open(path, &log);
    let missing = missing_lines(path, log.file.metadata().map_or(0, |m| m.len()));
    if !missing {
        index = grow(path, &log, index, READ_WHOLE, reading);
    }
    let mut tail = Tail::after(path, index.as_ref());
    tail.read(&log.file, missing)?;
    if missing {
        tail.warnings.push(format!(
            "{}: it is shorter than when certgen wrote it last; some events may be missing",
            ui::path(path)
        ));
    }
    let mut inventory = Inventory::new(log, index, tail.facts);
    inventory.is_short = missing;
    inventory.warnings = tail.warnings;
    Ok(inventory)
}

/// Covers what was appended, where it is so much that whoever reads next would wait.
pub(super) fn cover(path: &Path, reading: Reading<'_>) {
    let Ok(file) = files::open_own(path) else { return };
    let log = Log { file, fault: Fault::default() };
    let index = Index::open(path, &log);
    let covered = index.as_ref().map_or(0, |index| index.covered().0);
    if log.file.metadata().is_ok_and(|file| file.len() > covered + SLOW_TO_READ) {
        grow(path, &log, index, READ_WHOLE, reading);
    }
}

/// The end of the file, line by line.
struct Tail<'p> {
    path: &'p Path,
    at: u64,
    lines: u64,
    headers: usize,
    facts: Vec<Fact>,
    warnings: Vec<String>,
}

impl<'p> Tail<'p> {
    /// What `index` covers was read by whoever made it.
    fn after(path: &'p Path, index: Option<&Index>) -> Self {
        let (at, lines) = index.map_or((0, 0), Index::covered);
        Self { path, at, lines, headers: usize::from(index.is_some()), facts: Vec::new(), warnings: Vec::new() }
    }

    fn read(&mut self, file: &File, missing: bool) -> Result<()> {
        let path = self.path;
        let failed = |e: io::Error| Error::io("reading", path, &e);
        let mut reader = BufReader::with_capacity(1 << 16, file);
        reader.seek(SeekFrom::Start(self.at)).map_err(failed)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            if length.map_err(failed)? == 0 {
                break;
            }
            self.lines += 1;
            let number = self.lines;
            match classify(&line) {
                Line::Blank => {}
                Line::Header(FORMAT) => self.headers += 1,
                Line::Header(format) => return Err(newer(path, format)),
                Line::Event(event) => self.facts.push(Fact::new(*event, self.at)),
                Line::Conflict => self.warnings.push(format!(
                    "{}: line {number} is a conflict marker of a merge and was passed over",
                    ui::path(path)
                )),
                // Only a line that was being written when the machine stopped may be torn: the last one, after others.
                Line::Garbage(_) if missing && is_at_end(&mut reader) => {
                    let why = format!("it was cut off in line {number}, and more is missing after that");
                    return Err(garbage(path, &why));
                }
                Line::Garbage(_)
                    if self.headers > 0 && is_at_end(&mut reader) && line.len() < LONGEST_LINE as usize =>
                {
                    self.warnings.push(format!(
                        "{}: the last line is torn and was passed over; the next command that writes removes it",
                        ui::path(path)
                    ));
                }
                Line::Garbage(why) => return Err(garbage(path, &format!("line {number} {why}"))),
            }
            self.at += line.len() as u64;
        }
        if self.headers == 0 {
            return Err(garbage(path, "it has no header line"));
        }
        Ok(())
    }
}

/// Covers what is more than `rest` bytes after the index, and puts that in its place. A cache: what cannot be covered or
/// written is read.
fn grow(path: &Path, log: &Log, mut index: Option<Index>, rest: u64, reading: Reading<'_>) -> Option<Index> {
    let length = log.file.metadata().map_or(0, |m| m.len());
    let begun = index.as_ref().map_or(0, |index| index.covered().0);
    let mut staged: Option<PathBuf> = None;
    loop {
        let covered = index.as_ref().map_or(0, |index| index.covered().0);
        if length - covered.min(length) <= rest {
            break;
        }
        reading(covered - begun, length - begun);
        let grown = journal::new_staging_name().map_err(|e| io::Error::other(e.to_string())).and_then(|name| {
            let next = path.with_file_name(name);
            let piece = piece(log, covered)?;
            let grown = Index::grown(index.as_ref(), piece, log, &mark(path, log)?, &next);
            if grown.is_err() {
                let _ = disk::remove_file(&next);
            }
            Ok((next, grown?))
        });
        let Ok((next, grown)) = grown else { break };
        if let Some(before) = staged.replace(next) {
            let _ = disk::remove_file(&before);
        }
        index = Some(grown);
    }
    if let Some(staged) = staged
        && disk::rename(&staged, &path.with_extension("idx")).is_err()
    {
        let _ = disk::remove_file(&staged);
    }
    index
}

/// The next lines that an index may cover: whole ones, and nothing odd among them.
fn piece(log: &Log, start: u64) -> io::Result<Piece> {
    let mut reader = BufReader::with_capacity(1 << 18, &log.file);
    reader.seek(SeekFrom::Start(start))?;
    let mut context = digest::Context::new(&digest::SHA256);
    let (mut facts, mut end, mut lines, mut line) = (Vec::new(), start, 0, Vec::new());
    while lines < PIECE {
        line.clear();
        let length = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        match classify(&line) {
            _ if !line.ends_with(b"\n") => break,
            Line::Header(FORMAT) => {}
            Line::Blank if end > 0 => {}
            Line::Event(event) if end > 0 => facts.push(Fact::new(*event, end)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        context.update(&line);
        end += length as u64;
        lines += 1;
    }
    if lines == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Piece { facts, end, lines, digest: context.finish().as_ref().to_vec() })
}

/// How long the inventory is, for the index; what an earlier mark says of its end stands.
fn mark(path: &Path, log: &Log) -> io::Result<Mark> {
    let metadata = log.file.metadata()?;
    let mark = match Mark::read(path) {
        Some(mark) => mark,
        None => ending(&mut log.file.try_clone()?)?,
    };
    Ok(mark.knowing(&metadata))
}

fn ending(file: &mut File) -> io::Result<Mark> {
    let length = file.metadata()?.len();
    let last_line = last_line(file)?.map_or(length, |(start, _)| start);
    Ok(Mark::new(length, last_line))
}

/// Has the file lost more than the end of its last line since certgen wrote it?
fn missing_lines(path: &Path, length: u64) -> bool {
    Mark::read(path).is_some_and(|mark| length <= mark.last_line.min(mark.length.saturating_sub(1)))
}

/// Notes in the index how the file is now. A cache: what goes wrong is not worth a word.
///
/// Under the lock, when it is known that nobody else has changed the file since [`settle`].
pub(super) fn remember(path: &Path, staged: &Path) {
    let written = || -> io::Result<()> {
        let mut file = File::open(path)?;
        put_mark(path, staged, ending(&mut file)?.knowing(&file.metadata()?))
    };
    let _ = written();
}

fn put_mark(path: &Path, staged: &Path, mark: Mark) -> io::Result<()> {
    let index = path.with_extension("idx");
    if Mark::read(path).is_some() {
        return disk::write_over(&index, &mark.bytes());
    }
    disk::write_new(staged, &mark.bytes(), layout::PRIVATE_FILE, None)?;
    disk::rename(staged, &index)
}

/// Makes sure that the index is of this inventory, so that from now on only what is appended changes it. Under the lock.
fn settle(path: &Path) -> io::Result<()> {
    let Some(mark) = Mark::read(path) else { return Ok(()) };
    let file = files::open_own(path).map_err(|e| io::Error::other(e.to_string()))?;
    let known = mark.knowing(&file.metadata()?);
    if known == mark {
        return Ok(());
    }
    let log = Log { file, fault: Fault::default() };
    if Index::open(path, &log).is_none() {
        // The mark alone: what it says of the end of the file is as true as before.
        let index = path.with_extension("idx");
        let staged = path.with_file_name(journal::new_staging_name().map_err(|e| io::Error::other(e.to_string()))?);
        disk::write_new(&staged, &known.bytes(), layout::PRIVATE_FILE, None)?;
        return disk::rename(&staged, &index);
    }
    disk::write_over(&path.with_extension("idx"), &known.bytes())
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
    // A cache: the next reader notices by itself what could not be settled.
    let _ = settle(path);
    let Some((start, last)) = last_line(&mut file).map_err(failed)? else { return Ok(None) };
    let length = start + last.len() as u64;
    let torn = matches!(classify(&last), Line::Garbage(_)) && !missing_lines(path, length);
    if torn && start > 0 && is_inventory(&mut file).map_err(failed)? {
        cut_or_end(start, &[]).map_err(failed)?;
        if Mark::read(path).is_some() {
            let mark = ending(&mut file).and_then(|mark| Ok(mark.knowing(&file.metadata()?)));
            let _ = mark.and_then(|mark| disk::write_over(&path.with_extension("idx"), &mark.bytes()));
        }
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
mod index_tests;
#[cfg(all(test, unix))]
mod tests;
