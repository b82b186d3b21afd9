//! `--from FILE`: names with their settings, one a row. Every bad row is reported before anything is signed.

use std::io::{self, Read};
use std::path::Path;

use crate::apply::{NameRefusals, World};
use crate::commands::issue::Wish;
use crate::env::Env;
use crate::error::{Error, Result, io_reason};
use crate::manifest::EntrySpec;
use crate::profile::{Role, nearest};
use crate::store;
use crate::ui;

/// Columns about the certificate.
const CERTIFICATE: [&str; 9] =
    ["name", "san", "issuer", "subject", "key_type", "validity", "owner", "key_mode", "key_password_file"];
/// Columns about a client's user.
const USER: [&str; 9] =
    ["vhost", "broker", "access", "configure", "write", "read", "topic_write", "topic_read", "tags"];

/// No row is longer: what is, is no list of names.
const LONGEST_LINE: usize = 1 << 20;
/// At most this many bad rows are told one by one.
const TOLD: usize = 20;

/// Reads the rows of `from` (`-` is standard input); what a row does not say, `defaults` does.
pub(super) fn read(role: Role, from: &Path, defaults: &EntrySpec, world: &World, env: &Env) -> Result<Vec<Wish>> {
    let what = if from == Path::new("-") { "standard input".to_owned() } else { ui::path(from) };
    let path = if from == Path::new("-") { from.to_owned() } else { env.cwd.join(from) };
    let lines = Lines { inner: store::open_stream(&path)?, length: 0 };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(lines);
    let mut columns: Vec<String> = vec!["name".to_owned()];
    let (mut wishes, mut faults): (Vec<Wish>, Vec<String>) = (Vec::new(), Vec::new());
    let mut seen = std::collections::BTreeMap::new();
    let mut refusals = NameRefusals::new(world);
    for (index, record) in reader.records().enumerate() {
        let record = match record {
            Ok(record) => record,
            Err(e) => {
                if let csv::ErrorKind::Io(e) = e.kind() {
                    return Err(Error::failed(format!("reading {what}: {}", io_reason(e))));
                }
                let line = e.position().map_or(index as u64 + 1, csv::Position::line);
                faults.push(format!("line {line}: {}", fault(&e)));
                continue;
            }
        };
        let line = record.position().map_or(index as u64 + 1, csv::Position::line);
        if index == 0 && record.get(0) == Some("name") {
            columns = header(&record, role).map_err(|e| e.context(format!("{what}: line 1")))?;
            continue;
        }
        match row(&record, &columns, defaults).and_then(|wish| judged(role, wish, world, &mut refusals)) {
            Ok(wish) => {
                if let Some((first, twin)) = seen.insert(wish.name.to_lowercase(), (line, wish.name.clone())) {
                    let how = if twin == wish.name { "stands" } else { "differs only in case from what stands" };
                    faults.push(format!("line {line}: {} {how} on line {first} already", ui::quote(&wish.name)));
                }
                wishes.push(wish);
            }
            Err(reason) => faults.push(format!("line {line}: {reason}")),
        }
    }
    refuse(&what, &faults)?;
    if wishes.is_empty() {
        return Err(Error::failed(format!("{what} has no names")));
    }
    Ok(wishes)
}

/// Everything that would be refused later, one at a time, is refused here with its line.
fn judged(role: Role, wish: Wish, world: &World, refusals: &mut NameRefusals<'_>) -> Result<Wish, String> {
    let known = world.spec(role, &wish.name).as_deref().cloned().unwrap_or_default();
    let judge = || -> Result<()> {
        let entry = world.manifest.entry_from(role, &wish.name, &wish.spec.clone().over(known))?;
        world.refuse_owner(&entry)?;
        refusals.case_twin(&entry)?;
        refusals.privileged_user(&entry)
    };
    match judge() {
        Ok(()) => Ok(wish),
        Err(e) => Err(e.message().to_owned()),
    }
}

/// Passes on what it reads until a line goes on for too long.
struct Lines<R> {
    inner: R,
    length: usize,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.length = match buffer[..read].iter().rposition(|byte| *byte == b'\n') {
            Some(at) => read - at,
            None => self.length + read,
        };
        if self.length > LONGEST_LINE {
            return Err(io::Error::other(format!("a line has more than {LONGEST_LINE} bytes")));
        }
        Ok(read)
    }
}

fn refuse(what: &str, faults: &[String]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let rows = if faults.len() == 1 { "1 bad row".to_owned() } else { format!("{} bad rows", faults.len()) };
    let mut error = Error::failed(format!("{what}: {rows}, nothing was issued"));
    for fault in faults.iter().take(TOLD) {
        error = error.hint(fault.clone());
    }
    if faults.len() > TOLD {
        error = error.hint(format!("and {} more", faults.len() - TOLD));
    }
    Err(error)
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

fn row(record: &csv::StringRecord, columns: &[String], defaults: &EntrySpec) -> Result<Wish, String> {
    if record.len() != columns.len() {
        return Err(format!("{} columns, the header has {}", record.len(), columns.len()));
    }
    let mut wish = Wish { name: String::new(), spec: defaults.clone() };
    for (column, cell) in columns.iter().zip(record).filter(|(column, cell)| *column == "name" || !cell.is_empty()) {
        let text = || Some(cell.to_owned());
        let list = || Some(cell.split(';').map(|member| member.trim().to_owned()).collect());
        let spec = &mut wish.spec;
        match column.as_str() {
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
            "validity" => spec.validity = text(),
            "owner" => spec.owner = text(),
            "key_mode" => spec.key_mode = text(),
            "key_password_file" => spec.key_password_file = text(),
            "configure" => spec.configure = text(),
            "write" => spec.write = text(),
            "read" => spec.read = text(),
            "topic_write" => spec.topic_write = text(),
            "topic_read" => spec.topic_read = text(),
            other => return Err(format!("the column {other} is not understood")),
        }
    }
    Ok(wish)
}

fn fault(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}
