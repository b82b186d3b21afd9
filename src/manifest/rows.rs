//! Lists of names: a row for each, with the same columns as the flags of `issue`. They are read a row at a time, however
//! long they are, and every row and every fault knows its line.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::RangeInclusive;

use crate::error::{Error, Result};
use crate::manifest::{EntrySpec, Manifest};
use crate::profile::{Role, nearest};
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

/// A row, or why it is none, with the lines that it is about.
pub struct Row {
    /// From the first to the last.
    pub lines: RangeInclusive<u64>,
    /// Its cells.
    pub record: Result<csv::StringRecord, String>,
}

/// What a row asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The name.
    pub name: String,
    /// Its settings.
    pub spec: EntrySpec,
    /// The first moment of validity, as it is written.
    pub not_before: Option<String>,
    /// The last moment of validity, as it is written.
    pub not_after: Option<String>,
}

/// The columns of a list.
#[derive(Debug, Clone)]
pub struct Columns(Vec<String>);

impl Default for Columns {
    /// A list without a header has a name on each line.
    fn default() -> Self {
        Self(vec!["name".to_owned()])
    }
}

impl Columns {
    /// True for the first row of a list that says what its columns are, be it with another separator.
    pub fn is_header(record: &csv::StringRecord) -> bool {
        let first = record.get(0).and_then(|cell| cell.split([';', '\t', '|']).next());
        first.is_some_and(|cell| cell.trim() == "name")
    }

    /// From the header of a list. Says of a column that does not exist which was meant.
    ///
    /// # Errors
    /// A column is unknown to the role, or stands there twice.
    pub fn from_header(record: &csv::StringRecord, role: Role) -> Result<Self> {
        let about_users: &[&str] = if role == Role::Client { &USER } else { &[] };
        let known: Vec<&str> = CERTIFICATE.iter().chain(about_users).copied().collect();
        let mut columns: Vec<String> = Vec::new();
        for column in record {
            if column.contains([';', '\t', '|']) {
                return Err(Error::failed(format!("{} is not a column", ui::quote(column)))
                    .hint("columns are separated by commas; export the list as CSV with commas"));
            }
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
        Ok(Self(columns))
    }

    /// Whether a row has something in a column.
    pub fn says(&self, record: &csv::StringRecord, wanted: &str) -> bool {
        self.0.iter().zip(record).any(|(column, cell)| column == wanted && !cell.is_empty())
    }

    /// What a row asks for; what it does not say, `defaults` does.
    ///
    /// # Errors
    /// What is wrong with it, as a phrase.
    pub fn row(&self, record: &csv::StringRecord, manifest: &Manifest, defaults: &EntrySpec) -> Result<Asked, String> {
        if record.len() != self.0.len() {
            return Err(format!("{} columns, and there should be {}", record.len(), self.0.len()));
        }
        let says = |wanted: &str| self.says(record, wanted);
        if says("like") && USER.iter().any(|column| *column != "like" && says(column)) {
            return Err("like says all of the user, and another column says something too".to_owned());
        }
        if says("not_after") && says("validity") {
            return Err("not_after and validity contradict each other".to_owned());
        }
        let mut asked = Asked { name: String::new(), spec: defaults.clone(), not_before: None, not_after: None };
        // Whoever says something about the permissions says all of them.
        if says("access") || says("configure") || says("write") || says("read") {
            let spec = &mut asked.spec;
            (spec.access, spec.configure, spec.write, spec.read) = (None, None, None, None);
        }
        for (column, cell) in self.0.iter().zip(record).filter(|(column, cell)| *column == "name" || !cell.is_empty()) {
            set(&mut asked, column, cell, manifest)?;
        }
        Ok(asked)
    }
}

fn set(asked: &mut Asked, column: &str, cell: &str, manifest: &Manifest) -> Result<(), String> {
    let text = || Some(cell.to_owned());
    let list = || Some(cell.split(';').map(|member| member.trim().to_owned()).collect());
    let spec = &mut asked.spec;
    match column {
        "name" if cell.trim().is_empty() => return Err("the name is empty".to_owned()),
        "name" => asked.name = cell.to_owned(),
        "san" => spec.san = list(),
        "vhost" => spec.vhost = list(),
        "broker" => spec.broker = list(),
        "access" => spec.access = list(),
        "tags" => spec.tags = list(),
        "issuer" => spec.issuer = text(),
        "subject" => spec.subject = text(),
        "key_type" => spec.key_type = text(),
        "validity" => spec.validity = text(),
        "not_before" => asked.not_before = text(),
        "not_after" => (spec.validity, asked.not_after) = (None, text()),
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

/// Reads the rows of a list one after the other; a line with nothing in it is a row that is none.
pub struct Rows<R> {
    reader: csv::Reader<Lines<R>>,
    /// A record that waits for the empty lines before it.
    waiting: Option<Row>,
    over: bool,
}

impl<R: Read> Rows<R> {
    /// Over the bytes of a list.
    pub fn new(list: R) -> Self {
        let mut builder = csv::ReaderBuilder::new();
        let reader = builder.has_headers(false).flexible(true).comment(Some(b'#')).from_reader(Lines::new(list));
        Self { reader, waiting: None, over: false }
    }

    fn read(&mut self) -> io::Result<Option<Row>> {
        let mut record = csv::StringRecord::new();
        let read = self.reader.read_record(&mut record);
        let lines = self.reader.get_ref();
        let at = |position: Option<&csv::Position>| lines.first_used(position.map_or(0, csv::Position::line));
        let e = match read {
            Ok(false) => return Ok(None),
            Ok(true) => {
                let line = at(record.position());
                return Ok(Some(Row { lines: line..=line, record: Ok(record) }));
            }
            Err(e) => e,
        };
        let line = at(e.position());
        let said = e.to_string();
        let why = match e.into_kind() {
            csv::ErrorKind::Io(e) => return Err(e),
            csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
            _ => said,
        };
        Ok(Some(Row { lines: line..=line, record: Err(why) }))
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = io::Result<Row>;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(list: &str) -> Vec<(u64, Result<Vec<String>, String>)> {
        let cells = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
        Rows::new(list.as_bytes())
            .map(|row| row.unwrap())
            .map(|row| (*row.lines.start(), row.record.map(cells)))
            .collect()
    }

    #[test]
    fn a_row_knows_its_line_whatever_stands_before_it() {
        let row = |line, cells: &[&str]| (line, Ok(cells.iter().map(|cell| (*cell).to_owned()).collect()));
        let nothing = |line| (line, Err("there is nothing in it".to_owned()));
        assert_eq!(
            told("# devices\nname,san\na,x\n\n\"b\nc\",y\nd,z"),
            [row(2, &["name", "san"]), row(3, &["a", "x"]), nothing(4), row(5, &["b\nc", "y"]), row(7, &["d", "z"]),]
        );
    }

    #[test]
    fn a_row_goes_before_the_defaults() {
        let mut rows =
            Rows::new("name,vhost,validity\na,x;y,\nb,,30d\n".as_bytes()).map(|row| row.unwrap().record.unwrap());
        let columns = Columns::from_header(&rows.next().unwrap(), Role::Client).unwrap();
        let defaults = EntrySpec { vhost: Some(vec!["z".to_owned()]), ..EntrySpec::default() };
        let mut next = || columns.row(&rows.next().unwrap(), &Manifest::default(), &defaults).unwrap();
        let (a, b) = (next(), next());
        assert_eq!((a.name.as_str(), a.spec.vhost, a.spec.validity), ("a", Some(vec!["x".into(), "y".into()]), None));
        assert_eq!((b.name.as_str(), b.spec.vhost, b.spec.validity), ("b", defaults.vhost.clone(), Some("30d".into())));
    }

    #[test]
    fn a_column_that_does_not_exist_is_refused_with_the_one_that_was_meant() {
        let record = csv::StringRecord::from(vec!["name", "vhosts"]);
        let error = Columns::from_header(&record, Role::Client).unwrap_err();
        assert!(error.hints().iter().any(|hint| hint == "did you mean vhost?"), "{:?}", error.hints());
        assert!(Columns::from_header(&csv::StringRecord::from(vec!["name", "vhost"]), Role::Server).is_err());
        // As spreadsheets write it in half of Europe: it is a header, and no client is called name;san.
        for record in ["name;san", "name\tsan"].map(|cell| csv::StringRecord::from(vec![cell])) {
            assert!(Columns::is_header(&record));
            assert!(format!("{:?}", Columns::from_header(&record, Role::Client).unwrap_err()).contains("commas"));
        }
    }
}
