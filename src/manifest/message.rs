//! What is wrong with a manifest, where exactly, and what was probably meant.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::ui;

/// Why a manifest was refused. Shown as `certgen.toml:12:5: ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    place: Option<Place>,
    message: String,
    hints: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    file: String,
    line: usize,
    column: usize,
}

impl ManifestError {
    /// The sentence without its place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Line and column, counted from one in characters, when a place in the file is to blame.
    pub fn position(&self) -> Option<(usize, usize)> {
        self.place.as_ref().map(|place| (place.line, place.column))
    }

    /// What to type.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { file, line, column }) = &self.place {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ManifestError {}

impl From<ManifestError> for crate::error::Error {
    fn from(error: ManifestError) -> Self {
        let mut out = Self::failed(error.to_string());
        for hint in error.hints {
            out = out.hint(hint);
        }
        out
    }
}

/// A fault that knows its key and not its place: the same checks serve the manifest, the flags and the rows of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    table: Option<&'static str>,
    key: Option<&'static str>,
    item: Option<usize>,
    message: String,
    hints: Vec<String>,
}

impl Problem {
    /// A fault of the whole entry.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { table: None, key: None, item: None, message: message.into(), hints: Vec::new() }
    }

    /// A fault of one of its keys.
    pub(crate) fn of(key: &'static str, message: impl Into<String>) -> Self {
        Self { key: Some(key), ..Self::new(message) }
    }

    /// A fault of one item in a key's list.
    pub(crate) fn item(key: &'static str, item: usize, message: impl Into<String>) -> Self {
        Self { item: Some(item), ..Self::of(key, message) }
    }

    /// The key stands in a table of its own within the entry.
    pub(crate) fn inside(mut self, table: &'static str) -> Self {
        self.table = Some(table);
        self
    }

    /// Adds what to type.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says which entry, in front of the message.
    pub(crate) fn within(mut self, section: &str) -> Self {
        self.message = format!("{section}: {}", self.message);
        self
    }

    /// The fault of something that stands in no file.
    pub(crate) fn unplaced(self) -> ManifestError {
        ManifestError { place: None, message: self.message, hints: self.hints }
    }

    /// The fault at its place in the file.
    pub(crate) fn placed(self, text: &Text<'_>, spots: &Spots) -> ManifestError {
        let offset = spots.find(self.table, self.key, self.item);
        ManifestError { place: Some(text.place(offset)), message: self.message, hints: self.hints }
    }
}

/// Where a section and its keys stand, as byte offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spots {
    /// Where the section begins.
    pub(crate) section: usize,
    /// For each key that was written: its value, then the items of its list.
    pub(crate) keys: BTreeMap<&'static str, Vec<usize>>,
    /// The same for the tables within it.
    pub(crate) tables: BTreeMap<&'static str, Self>,
}

impl Spots {
    fn find(&self, table: Option<&str>, key: Option<&str>, item: Option<usize>) -> usize {
        if let Some(table) = table {
            return self.tables.get(table).map_or(self.section, |spots| spots.find(None, key, item));
        }
        let Some(spots) = key.and_then(|key| self.keys.get(key)) else { return self.section };
        let item = item.and_then(|item| spots.get(item + 1));
        item.or(spots.first()).copied().unwrap_or(self.section)
    }
}

/// A manifest's text with the name under which it is shown.
#[derive(Debug)]
pub(crate) struct Text<'t> {
    pub(crate) file: &'t str,
    pub(crate) text: &'t str,
}

impl Text<'_> {
    /// A fault at a byte offset.
    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> ManifestError {
        ManifestError { place: Some(self.place(offset)), message: message.into(), hints: Vec::new() }
    }

    fn place(&self, offset: usize) -> Place {
        let (line, column) = line_and_column(self.text.as_bytes(), offset);
        Place { file: ui::path(Path::new(self.file)), line, column }
    }
}

/// Line and column of a byte offset, counted from one; columns count characters, as editors do.
pub(crate) fn line_and_column(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset.min(bytes.len())];
    let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
    // A byte order mark at the very start takes no column.
    let visible = before[line_start..].strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&before[line_start..]);
    (line, String::from_utf8_lossy(visible).chars().count() + 1)
}

impl ManifestError {
    /// A fault in bytes that are not even text.
    pub(crate) fn at(file: &str, bytes: &[u8], offset: usize, message: impl Into<String>) -> Self {
        let (line, column) = line_and_column(bytes, offset);
        let place = Place { file: ui::path(Path::new(file)), line, column };
        Self { place: Some(place), message: message.into(), hints: Vec::new() }
    }

    /// A fault of the file as a whole.
    pub(crate) fn of_file(file: &str, message: impl fmt::Display) -> Self {
        Self { place: None, message: format!("{}: {message}", ui::path(Path::new(file))), hints: Vec::new() }
    }

    /// Adds what to type.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        assert_eq!(line_and_column("a\nжж=1".as_bytes(), 6), (2, 3));
        assert_eq!(line_and_column(b"", 10), (1, 1));
        assert_eq!(line_and_column("\u{feff}abc".as_bytes(), 3), (1, 1));
    }

    #[test]
    fn a_hostile_file_name_is_quoted() {
        let error = Text { file: "a\u{1b}[31m.toml", text: "" }.error(0, "x");
        assert!(!error.to_string().contains('\u{1b}'), "{error}");
    }
}
