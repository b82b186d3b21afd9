//! `--from FILE`: names with their settings, one a row. The file is read twice, a row at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::SystemTime;

use super::Wish;
use crate::apply::Dates;
use crate::env::{Env, parse_time};
use crate::error::{Error, Result, io_reason};
use crate::manifest::{EntrySpec, Manifest};
use crate::profile::{Role, nearest};
use crate::store;
use crate::ui;

/// Columns about the certificate.
const CERTIFICATE: [&str; 11] = [
    "name",
    "san",
    "issuer",
    "subject",
    "key_type",
    "validity",
    "not_before",
    "not_after",
    "owner",
    "key_mode",
    "key_password_file",
];
/// Columns about a client's user.
const USER: [&str; 10] =
    ["vhost", "broker", "access", "configure", "write", "read", "topic_write", "topic_read", "tags", "like"];

/// No row is longer: what is, is no list of names.
const LONGEST_LINE: usize = 1 << 20;

/// A list of names in a file.
pub(super) struct Rows {
    what: String,
    file: File,
    /// What the file looked like when it was opened.
    state: (u64, Option<SystemTime>),
    columns: Vec<String>,
    has_header: bool,
}

/// A row, or why it is none, with the line on which it begins.
pub(super) struct Row {
    pub(super) lines: RangeInclusive<u64>,
    pub(super) record: Result<csv::StringRecord, String>,
}

impl Rows {
    /// Opens the list and reads its header; `-` is standard input.
    pub(super) fn open(from: &Path, role: Role, env: &Env) -> Result<Self> {
        let is_stream = from == Path::new("-");
        let what = if is_stream { "standard input".to_owned() } else { ui::path(from) };
        let path = if is_stream { from.to_owned() } else { env.cwd.join(from) };
        let file = store::open_twice(&path)?;
        let state = state(&file);
        let mut rows = Self { what, file, state, columns: vec!["name".to_owned()], has_header: false };
        let first = rows.pass()?.find_map(|row| match row {
            Ok(row) => row.record.ok().map(Ok),
            Err(e) => Some(Err(e)),
        });
        if let Some(first) = first.transpose()?.filter(|first| first.get(0).is_some_and(|cell| cell.trim() == "name")) {
            rows.columns = header(&first, role).map_err(|e| e.context(format!("{}: its header", rows.what)))?;
            rows.has_header = true;
        }
        Ok(rows)
    }

    /// What messages call it.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The rows from the first to the last. One pass at a time: they share the file.
    pub(super) fn pass(&self) -> Result<impl Iterator<Item = Result<Row>> + Send + use<>> {
        let failed = |e: io::Error| Error::failed(format!("reading {}: {}", self.what, io_reason(&e)));
        let mut file = self.file.try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let lines = Lines::new(file);
        let mut builder = csv::ReaderBuilder::new();
        let reader = builder.has_headers(false).flexible(true).comment(Some(b'#')).from_reader(lines);
        let mut pass = Pass { what: self.what.clone(), reader, waiting: None, over: false };
        if self.has_header {
            // The header is the first record; what stands before it is no row either.
            for row in pass.by_ref() {
                if row?.record.is_ok() {
                    break;
                }
            }
        }
        Ok(pass)
    }

    /// A list that changes between its two readings is no list.
    pub(super) fn refuse_changed(&self) -> Result<()> {
        match state(&self.file) == self.state {
            true => Ok(()),
            false => Err(Error::failed(format!("{} changed while it was read", self.what))
                .hint("run this again when nobody writes to it: what was issued stays")),
        }
    }

    /// What a row asks for; what it does not say, `defaults` and `dates` do.
    pub(super) fn wish(
        &self,
        record: &csv::StringRecord,
        manifest: &Manifest,
        defaults: &EntrySpec,
        dates: Dates,
    ) -> Result<Wish, String> {
        if record.len() != self.columns.len() {
            return Err(format!("{} columns, and there should be {}", record.len(), self.columns.len()));
        }
        let mut wish = Wish { name: String::new(), spec: defaults.clone(), dates, csr: None };
        let cells = self.columns.iter().zip(record).filter(|(column, cell)| *column == "name" || !cell.is_empty());
        let says =
            |wanted: &str| self.columns.iter().zip(record).any(|(column, cell)| column == wanted && !cell.is_empty());
        if says("like") && USER.iter().any(|column| *column != "like" && says(column)) {
            return Err("like says all of the user, and another column says something too".to_owned());
        }
        if says("not_after") && says("validity") {
            return Err("not_after and validity contradict each other".to_owned());
        }
        // Whoever says something about the permissions says all of them.
        if says("access") || says("configure") || says("write") || says("read") {
            let spec = &mut wish.spec;
            (spec.access, spec.configure, spec.write, spec.read) = (None, None, None, None);
        }
        for (column, cell) in cells {
            set(&mut wish, column, cell, manifest)?;
        }
        Ok(wish)
    }
}

fn state(file: &File) -> (u64, Option<SystemTime>) {
    file.metadata().map_or((0, None), |facts| (facts.len(), facts.modified().ok()))
}

fn header(record: &csv::StringRecord, role: Role) -> Result<Vec<String>> {
    let about_users: &[&str] = if role == Role::Client { &USER } else { &[] };
    let known: Vec<&str> = CERTIFICATE.iter().chain(about_users).copied().collect();
    let mut columns: Vec<String> = Vec::new();
    for column in record {
        let column = column.trim().replace('-', "_");
        let column = if column == "tag" { "tags".to_owned() } else { column };
        if !known.contains(&column.as_str()) {
            let mut error = Error::failed(format!("{} is not a column", ui::quote(&column)));
            if let Some(near) = nearest(&column, known.iter().copied()) {
                error = error.hint(format!("did you mean {near}?"));
            }
            return Err(error.hint(format!("the columns are {}", known.join(", "))));
        }
        if columns.contains(&column) {
            return Err(Error::failed(format!("the column {column} stands there twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn set(wish: &mut Wish, column: &str, cell: &str, manifest: &Manifest) -> Result<(), String> {
    let text = || Some(cell.to_owned());
    let list = || Some(cell.split(';').map(|member| member.trim().to_owned()).collect());
    let time = || parse_time(cell, column).map(Some).map_err(|e| e.message().to_owned());
    let spec = &mut wish.spec;
    match column {
        "name" if cell.trim().is_empty() => return Err("the name is empty".to_owned()),
        "name" => wish.name = cell.to_owned(),
        "san" => spec.san = list(),
        "vhost" => spec.vhost = list(),
        "broker" => spec.broker = list(),
        "access" => spec.access = list(),
        "tags" => spec.tags = list(),
        "issuer" => spec.issuer = text(),
        "subject" => spec.subject = text(),
        "key_type" => spec.key_type = text(),
        "validity" => (spec.validity, wish.dates.not_after) = (text(), None),
        "not_before" => wish.dates.not_before = time()?,
        "not_after" => (spec.validity, wish.dates.not_after) = (None, time()?),
        "owner" => spec.owner = text(),
        "key_mode" => spec.key_mode = text(),
        "key_password_file" => spec.key_password_file = text(),
        "configure" => spec.configure = text(),
        "write" => spec.write = text(),
        "read" => spec.read = text(),
        "topic_write" => spec.topic_write = text(),
        "topic_read" => spec.topic_read = text(),
        "like" => {
            let model = manifest.entry(Role::Client, cell);
            let model = model.ok_or_else(|| format!("certgen.toml has no client {}", ui::quote(cell)))?;
            *spec = user_like(spec, EntrySpec::user_of(model));
        }
        other => return Err(format!("the column {other} is not understood")),
    }
    Ok(())
}

/// `spec` with the user of another.
fn user_like(spec: &EntrySpec, user: EntrySpec) -> EntrySpec {
    EntrySpec {
        vhost: user.vhost,
        access: user.access,
        configure: user.configure,
        write: user.write,
        read: user.read,
        topic_exchange: user.topic_exchange,
        topic_write: user.topic_write,
        topic_read: user.topic_read,
        tags: user.tags,
        broker: user.broker,
        ..spec.clone()
    }
}

/// One reading of the list.
struct Pass {
    what: String,
    reader: csv::Reader<Lines<File>>,
    /// A record that waits for the empty lines before it.
    waiting: Option<Row>,
    over: bool,
}

impl Iterator for Pass {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.waiting.is_none() && !self.over {
            match self.read() {
                Ok(row) => self.waiting = row,
                Err(e) => {
                    self.over = true;
                    return Some(Err(e));
                }
            }
            self.over = self.waiting.is_none();
        }
        let before = self.waiting.as_ref().map_or(u64::MAX, |row| *row.lines.start());
        let mut passed = self.reader.get_ref().passed.borrow_mut();
        while passed.front().is_some_and(|over| *over.lines.start() < before) {
            let over = passed.pop_front()?;
            if over.is_empty {
                return Some(Ok(Row { lines: over.lines, record: Err("there is nothing in it".to_owned()) }));
            }
        }
        self.waiting.take().map(Ok)
    }
}

impl Pass {
    fn read(&mut self) -> Result<Option<Row>> {
        let mut record = csv::StringRecord::new();
        let read = self.reader.read_record(&mut record);
        let lines = self.reader.get_ref();
        let at = |position: Option<&csv::Position>| lines.first_used(position.map_or(0, csv::Position::line));
        match read {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = at(record.position());
                Ok(Some(Row { lines: line..=line, record: Ok(record) }))
            }
            Err(e) => match e.kind() {
                csv::ErrorKind::Io(e) => Err(Error::failed(format!("reading {}: {}", self.what, io_reason(e)))),
                kind => {
                    let why = if matches!(kind, csv::ErrorKind::Utf8 { .. }) {
                        "not UTF-8".to_owned()
                    } else {
                        e.to_string()
                    };
                    let line = at(e.position());
                    Ok(Some(Row { lines: line..=line, record: Err(why) }))
                }
            },
        }
    }
}

/// Passes on what it reads until a line goes on for too long, and notes the lines that the reader of rows passes over:
/// comments, and those with nothing in them.
struct Lines<R> {
    inner: R,
    line: u64,
    length: usize,
    kind: Kind,
    passed: RefCell<VecDeque<PassedOver>>,
}

/// What a line is, as far as it was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    Comment,
    Used,
}

/// Lines of one kind, one after the other.
struct PassedOver {
    lines: RangeInclusive<u64>,
    is_empty: bool,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        for piece in buffer[..read].split_inclusive(|byte| *byte == b'\n') {
            let content = piece.strip_suffix(b"\n").unwrap_or(piece);
            self.kind = match (self.kind, content) {
                (Kind::Empty, [] | b"\r") => Kind::Empty,
                (Kind::Empty, [b'#', ..]) if self.length == 0 => Kind::Comment,
                (Kind::Comment, _) => Kind::Comment,
                _ => Kind::Used,
            };
            self.length += content.len();
            if self.length > LONGEST_LINE {
                return Err(io::Error::other(format!("a line has more than {LONGEST_LINE} bytes")));
            }
            if content.len() < piece.len() {
                if self.kind != Kind::Used {
                    self.pass_over();
                }
                (self.line, self.length, self.kind) = (self.line + 1, 0, Kind::Empty);
            }
        }
        Ok(read)
    }
}

impl<R> Lines<R> {
    fn new(inner: R) -> Self {
        Self { inner, line: 1, length: 0, kind: Kind::Empty, passed: RefCell::default() }
    }

    fn pass_over(&self) {
        let (line, is_empty) = (self.line, self.kind == Kind::Empty);
        let mut passed = self.passed.borrow_mut();
        match passed.back_mut().filter(|last| last.is_empty == is_empty && *last.lines.end() + 1 == line) {
            Some(last) => last.lines = *last.lines.start()..=line,
            None => passed.push_back(PassedOver { lines: line..=line, is_empty }),
        }
    }

    /// The first line from `line` on that was not passed over.
    fn first_used(&self, mut line: u64) -> u64 {
        for over in self.passed.borrow().iter() {
            if over.lines.contains(&line) {
                line = *over.lines.end() + 1;
            }
        }
        line
    }
}
