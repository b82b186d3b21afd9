//! `--from FILE`: names with their settings, one a row. The file is read twice, a row at a time.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

use super::Wish;
use crate::apply::Dates;
use crate::env::{Env, parse_time};
use crate::error::{Error, Result, io_reason};
use crate::manifest::rows::{self, Columns, Row};
use crate::manifest::{EntrySpec, Manifest};
use crate::profile::Role;
use crate::store;
use crate::ui;
use crate::x509::sha256_hex_of;

/// A list of names in a file.
pub(super) struct Rows {
    what: String,
    file: File,
    /// What the file looked like when it was opened.
    state: (u64, Option<SystemTime>),
    columns: Columns,
    has_header: bool,
    /// What tells this list from others.
    pub(super) sha256: String,
}

impl Rows {
    /// Opens the list and reads its header; `-` is standard input.
    pub(super) fn open(from: &Path, role: Role, env: &Env) -> Result<Self> {
        let is_stream = from == Path::new("-");
        let what = if is_stream { "standard input".to_owned() } else { ui::path(from) };
        let path = if is_stream { from.to_owned() } else { env.cwd.join(from) };
        let file = store::open_twice(&path)?;
        let state = state(&file);
        let sha256 = sha256_hex_of(&file).map_err(|e| Error::failed(format!("reading {what}: {}", io_reason(&e))))?;
        let mut rows = Self { what, file, state, columns: Columns::default(), has_header: false, sha256 };
        let first = rows.pass()?.find_map(|row| match row {
            Ok(row) => row.record.ok().map(Ok),
            Err(e) => Some(Err(e)),
        });
        if let Some(first) = first.transpose()?.filter(Columns::is_header) {
            rows.columns =
                Columns::from_header(&first, role).map_err(|e| e.context(format!("{}: its header", rows.what)))?;
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
        let what = self.what.clone();
        let mut pass = rows::Rows::new(file)
            .map(move |row| row.map_err(|e| Error::failed(format!("reading {what}: {}", io_reason(&e)))));
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
        mut dates: Dates,
    ) -> Result<Wish, String> {
        let asked = self.columns.row(record, manifest, defaults)?;
        let time = |cell: &str, column| parse_time(cell, column).map(Some).map_err(|e| e.message().to_owned());
        if self.columns.says(record, "validity") {
            dates.not_after = None;
        }
        if let Some(cell) = &asked.not_before {
            dates.not_before = time(cell, "not_before")?;
        }
        if let Some(cell) = &asked.not_after {
            dates.not_after = time(cell, "not_after")?;
        }
        Ok(Wish { name: asked.name, spec: asked.spec, dates, csr: None })
    }
}

fn state(file: &File) -> (u64, Option<SystemTime>) {
    file.metadata().map_or((0, None), |facts| (facts.len(), facts.modified().ok()))
}
