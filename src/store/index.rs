//! `inventory.idx`: what follows from the beginning of the inventory, so that it need not be read again.
//!
//! It begins with a mark of fixed size, which every command that writes renews: how long the inventory is, and how it was
//! when it was last known to be the one that the index is of. Where the inventory is long, a table follows that covers it
//! up to some line. The rest is read as ever, and joined to the table when it has grown ([`Index::grown`]).
//!
//! All of it is a cache. It may be deleted; one that is torn, of another version or of another file is not believed, and a
//! file that anybody else has touched is compared with the digests that were taken when it was covered.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::digest;

use super::fold::{Fact, Fold, Moment};
use super::inventory::{EntryHistory, Issued, Revocation};
use super::inventory_file::Log;
use super::record;
use super::table::{Fault, Record, Table, TableWriter, put_bytes, put_number, sum, take_bytes, take_number};
use super::{disk, files, layout, platform};

/// The version is part of it: what another certgen wrote is written anew.
const MAGIC: &[u8; 16] = b"certgen index 1\n";
/// The mark, and room for the next one.
const MARK: usize = 64;

/// What stands at the beginning of `inventory.idx`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// How long the inventory was when certgen wrote it last.
    pub(super) length: u64,
    /// Where its last line began.
    pub(super) last_line: u64,
    /// How long it was when it was last known to be the one that the table is of.
    known_length: u64,
    /// When it was changed last before that, in nanoseconds.
    known_time: u64,
}

impl Mark {
    /// Of an inventory that nobody knows yet.
    pub(super) fn new(length: u64, last_line: u64) -> Self {
        Self { length, last_line, ..Self::default() }
    }

    /// The mark of an index, if there is one.
    pub(super) fn read(inventory: &Path) -> Option<Self> {
        Self::of(&files::open_own(&inventory.with_extension("idx")).ok()?)
    }

    fn of(file: &File) -> Option<Self> {
        let mut bytes = [0; MARK];
        platform::read_at(file, &mut bytes, 0).ok()?;
        let number = |at: usize| bytes[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        let is_whole = bytes.starts_with(MAGIC) && number(48) == sum(&bytes[..48]);
        is_whole.then(|| Self {
            length: number(16),
            last_line: number(24),
            known_length: number(32),
            known_time: number(40),
        })
    }

    /// Says that the inventory is the right one as it is now.
    #[must_use]
    pub(super) fn knowing(self, inventory: &Metadata) -> Self {
        Self { known_length: inventory.len(), known_time: nanoseconds(inventory), ..self }
    }

    fn knows(&self, inventory: &Metadata) -> bool {
        (self.known_length, self.known_time) == (inventory.len(), nanoseconds(inventory))
    }

    pub(super) fn bytes(&self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        bytes[..16].copy_from_slice(MAGIC);
        for (at, number) in [self.length, self.last_line, self.known_length, self.known_time].into_iter().enumerate() {
            bytes[16 + at * 8..24 + at * 8].copy_from_slice(&number.to_le_bytes());
        }
        let sum = sum(&bytes[..48]);
        bytes[48..56].copy_from_slice(&sum.to_le_bytes());
        bytes
    }
}

fn nanoseconds(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// What the table says of itself.
#[derive(Debug, Default)]
struct Meta {
    /// How many bytes of the inventory it covers.
    covered: u64,
    /// How many lines those are.
    lines: u64,
    identities: u64,
    /// A digest of each piece that was covered at once, and where the piece ends.
    pieces: Vec<(u64, Vec<u8>)>,
}

impl Meta {
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for number in [self.covered, self.lines, self.identities, self.pieces.len() as u64] {
            put_number(&mut out, number);
        }
        for (end, digest) in &self.pieces {
            put_number(&mut out, *end);
            put_bytes(&mut out, digest);
        }
        out
    }

    fn from_bytes(mut bytes: &[u8]) -> io::Result<Self> {
        let rest = &mut bytes;
        let (covered, lines, identities) = (take_number(rest)?, take_number(rest)?, take_number(rest)?);
        let pieces = (0..take_number(rest)?).map(|_| Ok((take_number(rest)?, take_bytes(rest)?.to_vec())));
        let pieces = pieces.collect::<io::Result<_>>()?;
        Ok(Self { covered, lines, identities, pieces })
    }
}

/// A part of the inventory that the table is to cover too.
pub(super) struct Piece {
    /// What its events say.
    pub(super) facts: Vec<Fact>,
    /// Where it ends.
    pub(super) end: u64,
    /// How many lines it has.
    pub(super) lines: u64,
    /// SHA-256 of its bytes.
    pub(super) digest: Vec<u8>,
}

/// The table of an index.
#[derive(Debug)]
pub(super) struct Index {
    table: Table,
    meta: Meta,
}

impl Index {
    /// The index beside an inventory, if its table is of this one.
    pub(super) fn open(inventory: &Path, log: &Log) -> Option<Self> {
        let file = files::open_own(&inventory.with_extension("idx")).ok()?;
        let mark = Mark::of(&file)?;
        let index = Self::of(file, log.fault.clone()).ok()?;
        // Asked after the index was opened, which may cover what was appended meanwhile.
        let metadata = log.file.metadata().ok()?;
        (index.meta.covered <= metadata.len() && (mark.knows(&metadata) || index.is_of(&log.file))).then_some(index)
    }

    fn of(file: File, fault: Fault) -> io::Result<Self> {
        let table = Table::open(file, fault)?;
        let meta = Meta::from_bytes(&table.meta)?;
        Ok(Self { table, meta })
    }

    /// Has the inventory the bytes that were covered?
    fn is_of(&self, inventory: &File) -> bool {
        let mut buffer = vec![0; 1 << 18];
        let mut at = 0;
        self.meta.pieces.iter().all(|(end, digest)| {
            let mut context = digest::Context::new(&digest::SHA256);
            while at < *end {
                let length = (end - at).min(buffer.len() as u64) as usize;
                if platform::read_at(inventory, &mut buffer[..length], at).is_err() {
                    return false;
                }
                context.update(&buffer[..length]);
                at += length as u64;
            }
            context.finish().as_ref() == digest.as_slice()
        })
    }

    /// Where the covered part ends, and how many lines it has.
    pub(super) fn covered(&self) -> (u64, u64) {
        (self.meta.covered, self.meta.lines)
    }

    pub(super) fn identities(&self) -> usize {
        self.meta.identities as usize
    }

    /// What follows from `facts` and from everything in the covered part that has to do with them.
    pub(super) fn fold(&self, mut facts: Vec<Fact>, log: &Log) -> Fold {
        // An event about nobody that a merge has brought a second time.
        facts.retain(|fact| fact.loose_id().is_none_or(|id| self.table.get(&key(b'd', &[id], &[])).is_none()));
        let mut read: BTreeSet<u64> = facts.iter().map(|fact| fact.moment.at).collect();
        let (mut names, mut serials) = (BTreeSet::new(), BTreeSet::new());
        let mut new = 0;
        while new < facts.len() {
            let (mut whom, mut which) = (BTreeSet::new(), BTreeSet::new());
            for fact in &facts[new..] {
                whom.extend(fact.whom().map(|(role, name)| (role.to_owned(), name.to_owned())));
                which.extend(fact.serial.clone());
            }
            new = facts.len();
            let mut lines = BTreeSet::new();
            // In order, so that each block is read once.
            for (role, name) in whom.difference(&names) {
                let history = self.history(role, name).unwrap_or_default();
                lines.extend(history.events.iter().map(|moment| moment.at));
            }
            for serial in which.difference(&serials) {
                lines.extend(self.lines_of(serial));
            }
            names.extend(whom);
            serials.extend(which);
            let lines: Vec<u64> = lines.difference(&read).copied().collect();
            facts.extend(lines.iter().filter_map(|at| Some(Fact::new(log.event(*at)?, *at))));
            read.extend(lines);
        }
        drop((names, serials, read));
        let mut fold = Fold::default();
        self.recall(&mut fold);
        fold.take(facts);
        for (name, history) in self.entries_of(layout::AUTHORITY) {
            fold.authorities.entry(name).or_insert(history);
        }
        fold
    }

    /// What every command wants to know.
    fn recall(&self, fold: &mut Fold) {
        let take = |(key, value): Record| -> io::Result<(Vec<u8>, Moment, Vec<u8>)> {
            let mut rest = value.as_slice();
            let moment = record::take_moment(&mut rest)?;
            Ok((key[1..].to_vec(), moment, rest.to_vec()))
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        for (path, moment, hash) in self.table.below(b"m").filter_map(|found| self.keep(take(found))) {
            fold.emitted.insert(text(path), (text(hash), moment));
        }
        for (path, moment, _) in self.table.below(b"p").filter_map(|found| self.keep(take(found))) {
            fold.users.insert(text(path), moment);
        }
        for (_, moment, _) in self.table.below(b"z").filter_map(|found| self.keep(take(found))) {
            fold.initialized = Some(moment);
        }
        for (key, value) in self.table.below(b"v") {
            let (mut key, mut value) = (&key[1..], value.as_slice());
            let parts = (take_part(&mut key), record::take_signed(&mut value).ok());
            if let (Some(role), Some(seconds)) = parts {
                fold.bulk_issuers.insert((role, text(key.to_vec())), seconds);
            }
        }
    }

    /// Remembers that a record could not be understood.
    fn keep<T>(&self, result: io::Result<T>) -> Option<T> {
        self.table.fault.keep(result)
    }

    pub(super) fn history(&self, role: &str, name: &str) -> Option<EntryHistory> {
        let value = self.table.get(&key(b'i', &[role], name.as_bytes()))?;
        self.keep(record::take_history(&mut value.as_slice()))
    }

    fn entry(&self, key: &[u8], value: &[u8]) -> Option<((String, String), EntryHistory)> {
        let mut rest = &key[1..];
        let role = take_part(&mut rest)?;
        let name = String::from_utf8(rest.to_vec()).ok()?;
        Some(((role, name), self.keep(record::take_history(&mut &*value))?))
    }

    /// Identities by role and name, authorities excepted.
    pub(super) fn entries(&self) -> impl Iterator<Item = ((String, String), EntryHistory)> {
        let all = self.table.below(b"i").filter_map(|(key, value)| self.entry(&key, &value));
        all.filter(|((role, _), _)| role != layout::AUTHORITY)
    }

    pub(super) fn entries_of(&self, role: &str) -> impl Iterator<Item = (String, EntryHistory)> + use<'_> {
        let prefix = key(b'i', &[role], &[]);
        let all = self.table.below(&prefix);
        all.filter_map(move |(mut key, value)| {
            let name = key.split_off(prefix.len());
            Some((String::from_utf8(name).ok()?, self.keep(record::take_history(&mut value.as_slice()))?))
        })
    }

    pub(super) fn unmanaged(&self) -> impl Iterator<Item = (String, String)> {
        self.names_under(b"u")
    }

    pub(super) fn awaiting_hook(&self) -> impl Iterator<Item = (String, String)> {
        self.names_under(b"h")
    }

    /// The identities that have a record of one kind.
    fn names_under(&self, kind: &[u8; 1]) -> impl Iterator<Item = (String, String)> + use<'_> {
        self.table.below(kind).filter_map(|(key, _)| {
            let mut rest = &key[1..];
            Some((take_part(&mut rest)?, String::from_utf8(rest.to_vec()).ok()?))
        })
    }

    /// The names in a role that read `lower` in lower case.
    pub(super) fn twins(&self, role: &str, lower: &str) -> Vec<String> {
        let itself = self.table.get(&key(b'i', &[role], lower.as_bytes())).map(|_| lower.to_owned());
        let others = self.table.below(&key(b'c', &[role, lower], &[]));
        itself.into_iter().chain(others.filter_map(|(_, name)| String::from_utf8(name).ok())).collect()
    }

    /// Where the lines begin that name a serial number.
    fn lines_of(&self, serial: &str) -> Vec<u64> {
        let all = self.table.below(&key(b's', &[serial], &[]));
        all.filter_map(|(key, _)| Some(u64::from_be_bytes(*key.last_chunk()?))).collect()
    }

    /// Who has had a certificate of that serial number.
    pub(super) fn owners(&self, serial: &str, log: &Log) -> Vec<(String, String)> {
        let events = self.lines_of(serial).into_iter().filter_map(|at| Some(Fact::new(log.event(at)?, at)));
        let mut facts: Vec<Fact> = events.collect();
        facts.sort_by_key(|fact| fact.moment);
        facts
            .iter()
            .filter(|fact| fact.issues())
            .filter_map(Fact::whom)
            .map(|(role, name)| (role.to_owned(), name.to_owned()))
            .collect()
    }

    pub(super) fn revocation(&self, issuer: &str, serial: &str) -> Option<Revocation> {
        let known = self.table.below(&key(b'r', &[issuer, serial], &[]));
        let known = known.filter_map(|(_, value)| self.keep(take_owned(&value))?.2.revoked);
        let stranger = || {
            let value = self.table.get(&key(b'x', &[issuer, serial], &[]))?;
            self.keep(record::take_revocation(&mut value.as_slice()))
        };
        known.min().or_else(stranger)
    }

    pub(super) fn revoked(&self, issuer: &str) -> impl Iterator<Item = (String, String, Issued)> + use<'_> {
        self.table.below(&key(b'r', &[issuer], &[])).filter_map(|(_, value)| self.keep(take_owned(&value)))
    }

    pub(super) fn strangers(&self, issuer: &str) -> impl Iterator<Item = (String, Revocation)> + use<'_> {
        let prefix = key(b'x', &[issuer], &[]);
        self.table.below(&prefix.clone()).filter_map(move |(key, value)| {
            let serial = take_part(&mut &key[prefix.len()..])?;
            Some((serial, self.keep(record::take_revocation(&mut value.as_slice()))?))
        })
    }

    pub(super) fn moments(&self) -> impl Iterator<Item = Moment> {
        self.table.below(b"e").filter_map(|(key, _)| take_moment(&key))
    }

    pub(super) fn moments_back(&self) -> impl Iterator<Item = Moment> {
        self.table.below_back(b"e").filter_map(|(key, _)| take_moment(&key))
    }

    /// An index that covers `piece` too, written to `staged`. Memory grows with the piece alone.
    pub(super) fn grown(
        before: Option<&Self>,
        piece: Piece,
        log: &Log,
        mark: &Mark,
        staged: &Path,
    ) -> io::Result<Self> {
        let fold = match before {
            Some(index) => index.fold(piece.facts, log),
            None => {
                let mut fold = Fold::default();
                fold.take(piece.facts);
                fold
            }
        };
        let mut pieces = before.map_or_else(Vec::new, |index| index.meta.pieces.clone());
        pieces.push((piece.end, piece.digest));
        let lines = before.map_or(0, |index| index.meta.lines) + piece.lines;
        let identities = before.map_or(0, |index| index.meta.identities);
        let mut meta = Meta { covered: piece.end, lines, identities, pieces };
        let mut file = disk::create_file(staged, layout::PRIVATE_FILE, None)?;
        io::Write::write_all(&mut file, &mark.bytes())?;
        let mut writer = TableWriter::new(file, MARK as u64);
        let authority = key(b'i', &[layout::AUTHORITY], &[]);
        let is_identity = |key: &[u8]| key.starts_with(b"i") && !key.starts_with(&authority);
        let new = records_of(fold);
        match before {
            Some(index) => {
                let is_replaced = |key: &[u8]| is_replaced(key, &new);
                let added = index.table.merge(&new, is_replaced, keeps_between, is_identity, &mut writer)?;
                meta.identities += added;
            }
            None => {
                meta.identities = new.iter().filter(|(key, _)| is_identity(key)).count() as u64;
                new.iter().try_for_each(|(key, value)| writer.push(key, value))?;
            }
        }
        if log.fault.get().is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        writer.finish(&meta.to_bytes())?;
        Self::of(files::open_own(staged).map_err(|e| io::Error::other(e.to_string()))?, log.fault.clone())
    }
}

/// Whether no record between two keys can be one of those that [`is_replaced`].
fn keeps_between(first: &[u8], next: &[u8]) -> bool {
    first.first() == next.first() && !matches!(first.first(), Some(b'r' | b'x' | b'u' | b'h'))
}

/// Records of the old table that the new ones have something else to say about: whoever names a serial number or an
/// identity says everything of it.
fn is_replaced(old: &[u8], new: &[Record]) -> bool {
    let mut rest = old.get(1..).unwrap_or_default();
    let has = |prefix: &[u8]| {
        let at = new.partition_point(|(key, _)| key.as_slice() < prefix);
        new.get(at).is_some_and(|(key, _)| key.starts_with(prefix))
    };
    match old.first() {
        Some(b'r' | b'x') => {
            take_part(&mut rest);
            take_part(&mut rest).is_some_and(|serial| has(&key(b's', &[&serial], &[])))
        }
        Some(b'u' | b'h') => new.binary_search_by(|(key, _)| key.as_slice().cmp(&[b"i", rest].concat())).is_ok(),
        _ => false,
    }
}

/// What a fold has to say, each under its key, in order.
///
/// `e`: an event. `s`: a serial number, and an event that names it. `d`: the number of an event about nobody. `i`: an
/// identity and its history. `c`: a name in lower case, where that is another. `u`: an identity that the manifest does not
/// hold. `h`: one whose hook has not run. `r`, `x`: a revoked certificate, and one that is not known. `m`, `p`: an emitted
/// file, and who is in it. `v`: who signed identities from lists. `z`: the beginning.
fn records_of(fold: Fold) -> Vec<Record> {
    let mut out: Vec<Record> = Vec::new();
    for fact in fold.facts {
        out.push((moment_key(fact.moment), Vec::new()));
        if let Some(serial) = &fact.serial {
            out.push((key(b's', &[serial], &fact.moment.at.to_be_bytes()), Vec::new()));
        }
        out.extend(fact.loose_id().map(|id| (key(b'd', &[id], &[]), Vec::new())));
    }
    let authorities = fold.authorities.into_iter().map(|(name, known)| ((layout::AUTHORITY.to_owned(), name), known));
    for ((role, name), history) in authorities.chain(fold.entries) {
        let mut value = Vec::new();
        record::put_history(&mut value, &history);
        out.push((key(b'i', &[&role], name.as_bytes()), value));
        let lower = name.to_lowercase();
        if lower != name {
            out.push((key(b'c', &[&role, &lower], name.as_bytes()), name.as_bytes().to_vec()));
        }
        if role != layout::AUTHORITY && history.is_unmanaged() {
            out.push((key(b'u', &[&role], name.as_bytes()), Vec::new()));
        }
        if role != layout::AUTHORITY && history.is_awaiting_hook() {
            out.push((key(b'h', &[&role], name.as_bytes()), Vec::new()));
        }
        for issued in history.certificates.iter().filter(|issued| issued.revoked.is_some()) {
            let mut value = Vec::new();
            for part in [&role, &name] {
                record::put_text(&mut value, part);
            }
            record::put_issued(&mut value, issued);
            out.push((key(b'r', &[&issued.issuer, &issued.serial, &role], name.as_bytes()), value));
        }
    }
    for ((issuer, serial), revocation) in &fold.strangers {
        let mut value = Vec::new();
        record::put_revocation(&mut value, revocation);
        out.push((key(b'x', &[issuer, serial], &[]), value));
    }
    let moment = |moment: Moment| {
        let mut value = Vec::new();
        record::put_moment(&mut value, moment);
        value
    };
    for (path, (hash, at)) in &fold.emitted {
        out.push((key(b'm', &[], path.as_bytes()), [moment(*at), hash.as_bytes().to_vec()].concat()));
    }
    out.extend(fold.users.iter().map(|(path, at)| (key(b'p', &[], path.as_bytes()), moment(*at))));
    out.extend(fold.initialized.map(|at| (key(b'z', &[], &[]), moment(at))));
    for ((role, issuer), seconds) in &fold.bulk_issuers {
        let mut value = Vec::new();
        record::put_signed(&mut value, *seconds);
        out.push((key(b'v', &[role], issuer.as_bytes()), value));
    }
    out.sort();
    out.dedup_by(|a, b| a.0 == b.0);
    out
}

/// A key: its kind, whole parts that sort as they read, and an end.
fn key(kind: u8, parts: &[&str], end: &[u8]) -> Vec<u8> {
    let mut key = vec![kind];
    for part in parts {
        for byte in part.bytes() {
            key.push(byte);
            // NUL is an honest character of a name, too.
            key.extend((byte == 0).then_some(0xff));
        }
        key.extend([0, 1]);
    }
    key.extend_from_slice(end);
    key
}

fn take_part(rest: &mut &[u8]) -> Option<String> {
    let mut part = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        if *byte != 0 {
            part.push(*byte);
            continue;
        }
        let (mark, after) = rest.split_first()?;
        *rest = after;
        match mark {
            0xff => part.push(0),
            _ => return String::from_utf8(part).ok(),
        }
    }
}

/// Times before 1970 come first.
fn moment_key(moment: Moment) -> Vec<u8> {
    let time = (moment.time as u64) ^ (1 << 63);
    key(b'e', &[], &[time.to_be_bytes(), moment.at.to_be_bytes()].concat())
}

fn take_moment(key: &[u8]) -> Option<Moment> {
    let (time, at) = key.get(1..17)?.split_at(8);
    let time = u64::from_be_bytes(time.try_into().ok()?) ^ (1 << 63);
    Some(Moment { time: time as i64, at: u64::from_be_bytes(at.try_into().ok()?) })
}

fn take_owned(mut value: &[u8]) -> io::Result<(String, String, Issued)> {
    let rest = &mut value;
    Ok((record::take_text(rest)?, record::take_text(rest)?, record::take_issued(rest)?))
}
