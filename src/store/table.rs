//! A sorted table in a file: keys and values, written once in order, read by position.
//!
//! Records lie in blocks of a few kilobytes, each with a check sum; a directory of the first key of each block stands at the
//! end and is held in memory. So one record costs one short read, a range is read in a row, and memory does not grow with
//! the table. What is wrong with a block is found when it is read; [`Fault`] keeps it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, OnceLock};

use super::platform;

/// Large enough to make the directory small, small enough to be searched in a row.
const BLOCK: usize = 4096;
/// Where the directory and the words of its owner stand: two lengths, an offset and a check sum.
const TRAILER: usize = 32;

/// The first thing that went wrong while reading lazily: whoever relies on what was read asks for it before acting.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<OnceLock<String>>);

impl Fault {
    /// The value, or nothing and a fault that is kept.
    pub(super) fn keep<T>(&self, result: io::Result<T>) -> Option<T> {
        result.map_err(|e| self.0.set(e.to_string())).ok()
    }

    pub(super) fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Writes a table; the keys must come in ascending order.
pub(super) struct TableWriter {
    out: BufWriter<File>,
    at: u64,
    block: Vec<u8>,
    first: Vec<u8>,
    directory: Vec<u8>,
}

impl TableWriter {
    /// Continues in `file`, of which `at` bytes are written already.
    pub(super) fn new(file: File, at: u64) -> Self {
        let out = BufWriter::with_capacity(1 << 18, file);
        Self { out, at, block: Vec::new(), first: Vec::new(), directory: Vec::new() }
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if self.block.is_empty() {
            self.first = key.to_vec();
        }
        for part in [key, value] {
            put_number(&mut self.block, part.len() as u64);
        }
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        if self.block.len() >= BLOCK { self.end_block() } else { Ok(()) }
    }

    /// Takes over a block of another table as it is, unless that would leave a short one behind.
    fn push_block(&mut self, first: &[u8], block: &[u8]) -> io::Result<bool> {
        if !self.block.is_empty() && self.block.len() < BLOCK / 2 {
            return Ok(false);
        }
        self.end_block()?;
        self.first = first.to_vec();
        self.block.extend_from_slice(block);
        self.end_block()?;
        Ok(true)
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        put_number(&mut self.directory, self.at);
        put_number(&mut self.directory, self.block.len() as u64);
        put_number(&mut self.directory, self.first.len() as u64);
        self.directory.extend_from_slice(&self.first);
        self.out.write_all(&self.block)?;
        self.out.write_all(&sum(&self.block).to_le_bytes())?;
        self.at += self.block.len() as u64 + 8;
        self.block.clear();
        Ok(())
    }

    /// Ends the table with `meta`, whatever its owner wants to know of it at once.
    pub(super) fn finish(mut self, meta: &[u8]) -> io::Result<()> {
        self.end_block()?;
        let end = [&self.directory, meta].concat();
        self.out.write_all(&end)?;
        for number in [self.at, self.directory.len() as u64, meta.len() as u64, sum(&end)] {
            self.out.write_all(&number.to_le_bytes())?;
        }
        self.out.flush()
    }
}

#[derive(Debug)]
struct Place {
    first: Vec<u8>,
    at: u64,
    length: usize,
}

/// A table to read.
#[derive(Debug)]
pub(super) struct Table {
    file: File,
    directory: Vec<Place>,
    /// What [`TableWriter::finish`] was given.
    pub(super) meta: Vec<u8>,
    pub(super) fault: Fault,
    last: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

/// A key and its value.
pub(super) type Record = (Vec<u8>, Vec<u8>);

impl Table {
    /// Opens the table that `file` ends with; an error where it is torn or none.
    pub(super) fn open(file: File, fault: Fault) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let trailer = read(&file, length.checked_sub(TRAILER as u64).ok_or_else(damaged)?, TRAILER)?;
        let number = |n: usize| trailer[n * 8..n * 8 + 8].try_into().map_or(0, u64::from_le_bytes);
        let (at, directory, meta) = (number(0), number(1), number(2));
        let end = [at, directory, meta, TRAILER as u64].iter().try_fold(0u64, |a, b| a.checked_add(*b));
        if end != Some(length) {
            return Err(damaged());
        }
        let bytes = read(&file, at, (directory + meta) as usize)?;
        if sum(&bytes) != number(3) {
            return Err(damaged());
        }
        let (mut rest, meta) = bytes.split_at(directory as usize);
        let mut directory = Vec::new();
        while !rest.is_empty() {
            let (at, length) = (take_number(&mut rest)?, take_number(&mut rest)? as usize);
            directory.push(Place { first: take_bytes(&mut rest)?.to_vec(), at, length });
        }
        Ok(Self { file, directory, meta: meta.to_vec(), fault, last: Mutex::default() })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let at = self.directory.partition_point(|place| place.first.as_slice() <= key).checked_sub(1)?;
        let block = self.fault.keep(self.block(at))?;
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let (found, value) = self.fault.keep(take_record(&mut rest))?;
            if found >= key {
                return (found == key).then(|| value.to_vec());
            }
        }
        None
    }

    /// Every record from `key` on.
    pub(super) fn from(&self, key: &[u8]) -> impl Iterator<Item = Record> + use<'_> {
        let start = self.directory.partition_point(|place| place.first.as_slice() <= key).saturating_sub(1);
        let key = key.to_vec();
        let from = move |at| if at == start { key.clone() } else { Vec::new() };
        (start..self.directory.len()).flat_map(move |at| self.records(at, from(at)))
    }

    /// The records whose keys begin with `prefix`.
    pub(super) fn below(&self, prefix: &[u8]) -> impl Iterator<Item = Record> + use<'_> {
        let prefix = prefix.to_vec();
        self.from(&prefix.clone()).take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// The same, the last one first.
    pub(super) fn below_back(&self, prefix: &[u8]) -> impl Iterator<Item = Record> + use<'_> {
        let prefix = prefix.to_vec();
        let end = self.directory.partition_point(|place| place.first <= prefix || place.first.starts_with(&prefix));
        let after = prefix.clone();
        (0..end)
            .rev()
            .flat_map(|at| self.records(at, Vec::new()).collect::<Vec<_>>().into_iter().rev())
            .skip_while(move |(key, _)| *key > after && !key.starts_with(&after))
            .take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// Writes what it has together with what is `new`, and of two with one key the new one. What `is_dropped` is left out.
    ///
    /// Where nothing new belongs into a block and `keeps_between` its first key and the next block's says that nothing of it
    /// is dropped, it is taken over as it is. Returns how many of the new keys it did not have, of those that are `counted`.
    pub(super) fn merge(
        &self,
        new: &[Record],
        is_dropped: impl Fn(&[u8]) -> bool,
        keeps_between: impl Fn(&[u8], &[u8]) -> bool,
        counted: impl Fn(&[u8]) -> bool,
        writer: &mut TableWriter,
    ) -> io::Result<u64> {
        let mut new = new.iter().peekable();
        let mut count = 0;
        let mut add = |(key, value): &Record, writer: &mut TableWriter| {
            count += u64::from(counted(key));
            writer.push(key, value)
        };
        for (at, place) in self.directory.iter().enumerate() {
            let block = self.block(at)?;
            let next = self.directory.get(at + 1).map(|next| next.first.as_slice());
            while let Some(record) = new.next_if(|(key, _)| *key < place.first) {
                add(record, writer)?;
            }
            let is_untouched = next.is_some_and(|next| {
                new.peek().is_none_or(|(key, _)| key.as_slice() >= next) && keeps_between(&place.first, next)
            });
            if is_untouched && writer.push_block(&place.first, &block)? {
                continue;
            }
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                let (key, value) = take_record(&mut rest)?;
                while let Some(record) = new.next_if(|(new, _)| new.as_slice() < key) {
                    add(record, writer)?;
                }
                match new.next_if(|(new, _)| new.as_slice() == key) {
                    Some((key, value)) => writer.push(key, value)?,
                    None if is_dropped(key) => {}
                    None => writer.push(key, value)?,
                }
            }
        }
        new.try_for_each(|record| add(record, writer))?;
        Ok(count)
    }

    /// The records of a block from `key` on, each copied when it is asked for: most who look up want one.
    fn records(&self, at: usize, key: Vec<u8>) -> impl Iterator<Item = Record> + use<'_> {
        let block = self.fault.keep(self.block(at)).unwrap_or_default();
        let mut read = 0;
        std::iter::from_fn(move || {
            let mut rest = &block[read..];
            while !rest.is_empty() {
                let (found, value) = self.fault.keep(take_record(&mut rest))?;
                if found >= key.as_slice() {
                    read = block.len() - rest.len();
                    return Some((found.to_vec(), value.to_vec()));
                }
            }
            None
        })
    }

    /// The one before is at hand: whoever asks in order reads each once.
    fn block(&self, at: usize) -> io::Result<Arc<Vec<u8>>> {
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, block)) = last.as_ref().filter(|(number, _)| *number == at) {
            return Ok(block.clone());
        }
        let place = &self.directory[at];
        let mut block = read(&self.file, place.at, place.length + 8)?;
        let written = block.split_off(place.length);
        if sum(&block).to_le_bytes() != *written {
            return Err(damaged());
        }
        let block = Arc::new(block);
        *last = Some((at, block.clone()));
        Ok(block)
    }
}

fn read(file: &File, at: u64, length: usize) -> io::Result<Vec<u8>> {
    // A length that is none of ours must not be given memory.
    if at.saturating_add(length as u64) > file.metadata()?.len() {
        return Err(damaged());
    }
    let mut bytes = vec![0; length];
    platform::read_at(file, &mut bytes, at)?;
    Ok(bytes)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "inventory.idx is damaged; it is a cache and may be deleted")
}

/// Against torn and mixed up blocks, not against somebody who means it: whoever can write here can write the inventory.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = bytes.len() as u64 ^ ODD;
    for word in bytes.chunks(8) {
        let mut whole = [0; 8];
        whole[..word.len()].copy_from_slice(word);
        sum = (sum.rotate_left(23) ^ u64::from_le_bytes(whole)).wrapping_mul(ODD);
    }
    sum ^ (sum >> 32)
}

fn take_record<'b>(rest: &mut &'b [u8]) -> io::Result<(&'b [u8], &'b [u8])> {
    let (key, value) = (take_number(rest)? as usize, take_number(rest)? as usize);
    let record = key.checked_add(value).and_then(|length| rest.split_at_checked(length)).ok_or_else(damaged)?;
    *rest = record.1;
    Ok(record.0.split_at(key))
}

/// Seven bits a byte, the lowest first.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take_number(rest: &mut &[u8]) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or_else(damaged)?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged())
}

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn take_bytes<'b>(rest: &mut &'b [u8]) -> io::Result<&'b [u8]> {
    let length = take_number(rest)? as usize;
    let (bytes, after) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *rest = after;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::TempDir;
    use super::*;

    fn file(directory: &TempDir, name: &str) -> File {
        let path = directory.path().join(name);
        File::options().create_new(true).read(true).write(true).open(path).unwrap()
    }

    fn open(directory: &TempDir, name: &str) -> Table {
        Table::open(File::open(directory.path().join(name)).unwrap(), Fault::default()).unwrap()
    }

    /// Keys of a kind that is never dropped and of one that may be, far more than fit a block.
    fn records(from: usize, step: usize, round: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let numbers = (0..400).map(|n| from + n * step);
        let key =
            |number: usize| format!("{}{number:06}", if number.is_multiple_of(3) { 'd' } else { 'k' }).into_bytes();
        numbers
            .map(|number| (key(number), format!("{round} {number} {}", "x".repeat(number % 90)).into_bytes()))
            .collect()
    }

    #[test]
    fn merged_tables_hold_what_a_map_would_whichever_blocks_are_taken_over() {
        let directory = TempDir::new();
        let mut model = records(0, 7, 0);
        let mut writer = TableWriter::new(file(&directory, "0"), 0);
        model.iter().for_each(|(key, value)| writer.push(key, value).unwrap());
        writer.finish(b"meta").unwrap();
        // At the end, at the beginning, within one block, everywhere, and nowhere.
        let rounds = [(9000, 1), (0, 1), (1400, 1), (3, 20), (9001, 0)];
        for (round, (from, step)) in (1..).zip(rounds) {
            let before = open(&directory, &(round - 1).to_string());
            let new: Vec<Record> = records(from, step, round).into_iter().collect();
            let is_dropped = |key: &[u8]| key.starts_with(b"d") && key.ends_with(&round.to_string().into_bytes());
            let keeps = |first: &[u8], next: &[u8]| first.starts_with(b"k") && next.starts_with(b"k");
            let mut writer = TableWriter::new(file(&directory, &round.to_string()), 0);
            let counted = |key: &[u8]| key.starts_with(b"k");
            let added = before.merge(&new, is_dropped, keeps, counted, &mut writer).unwrap();
            writer.finish(b"meta").unwrap();
            let unknown = new.iter().filter(|(key, _)| counted(key) && !model.contains_key(key)).count();
            assert_eq!(added, unknown as u64, "round {round}");
            model.retain(|key, _| !is_dropped(key));
            model.extend(new);
            let table = open(&directory, &round.to_string());
            assert!(table.from(&[]).eq(model.clone()), "round {round}");
            assert!(model.iter().all(|(key, value)| table.get(key).as_ref() == Some(value)), "round {round}");
            assert!(table.directory.len() * BLOCK < model.len() * 120, "blocks stay full: {}", table.directory.len());
        }
    }
}
