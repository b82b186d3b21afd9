//! A log of any length, read once in bounded memory: what is known in it is grouped by cause and by what it names, and
//! counted.
//!
//! The stream is searched for the marks of all texts at once; only around a mark are lines put together to the event they
//! belong to, and read closely.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use memchr::{memchr, memchr_iter, memrchr};

use super::index::{Index, automaton, traces};
use super::plain::Plain;
use super::{Match, harmless_in, likelihood, moment, named};
use crate::diagnosis::CauseId;

/// How much is read at once.
const BLOCK: usize = 1 << 20;
/// No event is longer; what follows is another.
const LONGEST_EVENT: usize = 64 * 1024;
/// How many groups are kept apart by what they name.
const MOST_GROUPS: usize = 1000;
/// How many addresses a group remembers.
const MOST_PEERS: usize = 100;
/// How many answers are remembered for events that say the same again, and how long such an event may be.
const MOST_ANSWERS: usize = 512;
const LONGEST_REMEMBERED: usize = 2048;
/// How many lines that are not understood are shown.
const MOST_SAMPLES: usize = 3;

/// What looks like TLS in trouble, whatever it may be.
const SUSPECTS: &[&str] = &[
    "alert: fatal",
    "tls_alert",
    "sslerror",
    "sslhandshakeexception",
    "sslv3 alert",
    "tlsv1 alert",
    "tlsv13 alert",
    "received fatal alert",
    "certificate_verify_failed",
    "certificate verify failed",
    "{bad_cert",
    "error during handshake",
    "tls handshake error",
    "ssl handshake failed",
    "invalid peer certificate",
    "remote error: tls",
    "x509: ",
    "[ssl: ",
];

/// A place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The line, from 1.
    pub line: u64,
    /// The time at its beginning, as the log writes it.
    pub time: Option<String>,
}

/// Events of the same causes that name the same.
#[derive(Clone, Debug)]
pub struct Group {
    /// How many there are.
    pub count: u64,
    /// The causes, most likely first.
    pub matches: Vec<Match>,
    /// The first event.
    pub first: Spot,
    /// The last one.
    pub last: Spot,
    /// The addresses that the log names, as many as are remembered.
    pub peers: BTreeSet<IpAddr>,
    /// Whether what the events name differs: there were too many to keep apart.
    pub mixed: bool,
}

/// What does look like TLS in trouble and is not known.
#[derive(Clone, Debug, Default)]
pub struct Unknown {
    /// How many events.
    pub count: u64,
    /// The first ones: where, and the text.
    pub samples: Vec<(Spot, String)>,
}

/// What was found in a log.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// How many lines it has.
    pub lines: u64,
    /// What is known, most frequent first.
    pub groups: Vec<Group>,
    /// What is not.
    pub unknown: Unknown,
}

/// A log that is being read.
#[derive(Default)]
pub struct Log {
    lines: u64,
    groups: BTreeMap<(Vec<CauseId>, BTreeMap<String, String>), Group>,
    unknown: Unknown,
    answers: HashMap<Vec<u8>, Rc<Answer>>,
}

/// What an event means, whenever it happens.
struct Answer {
    /// Its causes, most likely first.
    matches: Vec<Match>,
    /// The address that it names.
    peer: Option<IpAddr>,
    /// The text, where it looks like trouble and has no cause.
    unknown: Option<String>,
}

impl Answer {
    fn of(text: &[u8]) -> Self {
        let plain = Plain::of(text);
        let matches = likelihood::rank(Index::whole().find(&plain, false));
        let strange = matches.is_empty() && suspects().is_match(text) && harmless_in(&plain).is_empty();
        let unknown = strange.then(|| plain.readable().trim().to_owned());
        Self { matches, peer: named::peer(plain.readable()), unknown }
    }
}

impl Log {
    /// Reads all of it.
    pub fn read(mut from: impl Read) -> std::io::Result<Summary> {
        let mut log = Self::default();
        let mut buffer = vec![0; 2 * BLOCK];
        let (mut filled, mut cut) = (0, false);
        loop {
            let read = match from.read(&mut buffer[filled..]) {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            filled += read;
            let ends = read == 0;
            if !ends && filled < buffer.len() {
                continue;
            }
            let done = if ends { filled } else { complete(&buffer[..filled]) };
            // The end of a line that was too long to keep: its beginning has been read.
            let skipped = if cut { memchr(b'\n', &buffer[..done]).map_or(done, |at| at + 1) } else { 0 };
            log.lines += memchr_iter(b'\n', &buffer[..skipped]).count() as u64;
            log.region(&buffer[skipped..done]);
            if done > 0 {
                cut = buffer[done - 1] != b'\n';
            }
            buffer.copy_within(done..filled, 0);
            filled -= done;
            if ends {
                log.lines += u64::from(cut);
                return Ok(log.summary());
            }
        }
    }

    /// Reads complete events.
    fn region(&mut self, region: &[u8]) {
        let (mut read_to, mut counted_to, mut line) = (0, 0, self.lines);
        for mark in marks().find_iter(region) {
            if mark.start() < read_to {
                continue;
            }
            let event = event_around(region, mark.start(), read_to);
            line += memchr_iter(b'\n', &region[counted_to..event.start]).count() as u64;
            counted_to = event.start;
            read_to = event.end;
            self.event(&region[event], line + 1);
        }
        self.lines += memchr_iter(b'\n', region).count() as u64;
    }

    fn event(&mut self, event: &[u8], line: u64) {
        let text = &event[..event.len().min(LONGEST_EVENT)];
        let spot = || {
            let time = moment::head(text).time.map(|time| String::from_utf8_lossy(time).into_owned());
            Spot { line, time }
        };
        let answer = self.answer(text);
        let Some(first) = answer.matches.first() else {
            if let Some(strange) = &answer.unknown {
                self.unknown.count += 1;
                if self.unknown.samples.len() < MOST_SAMPLES {
                    self.unknown.samples.push((spot(), strange.clone()));
                }
            }
            return;
        };
        let causes: Vec<CauseId> = answer.matches.iter().map(|one| one.cause.id).collect();
        let mut key = (causes, first.captures.clone());
        let mixed = self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key);
        if mixed {
            // One last group for each set of causes, whatever the events name.
            key.1.clear();
        }
        let group = self.groups.entry(key).or_insert_with(|| Group {
            count: 0,
            matches: answer.matches.clone(),
            first: spot(),
            last: spot(),
            peers: BTreeSet::new(),
            mixed,
        });
        group.count += 1;
        group.last = spot();
        if let Some(peer) = answer.peer
            && group.peers.len() < MOST_PEERS
        {
            group.peers.insert(peer);
        }
    }

    /// A log of failures says the same again and again: it is understood once.
    fn answer(&mut self, text: &[u8]) -> Rc<Answer> {
        if text.len() > LONGEST_REMEMBERED {
            return Rc::new(Answer::of(text));
        }
        let said = moment::said(text);
        if let Some(known) = self.answers.get(&said) {
            return Rc::clone(known);
        }
        if self.answers.len() >= MOST_ANSWERS {
            self.answers.clear();
        }
        let answer = Rc::new(Answer::of(text));
        self.answers.insert(said, Rc::clone(&answer));
        answer
    }

    fn summary(self) -> Summary {
        let mut groups: Vec<Group> = self.groups.into_values().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.line.cmp(&b.first.line)));
        Summary { lines: self.lines, groups, unknown: self.unknown }
    }
}

/// How much of a full buffer is complete: up to the event before the one that may go on behind it.
fn complete(buffer: &[u8]) -> usize {
    let Some(last) = memrchr(b'\n', buffer) else { return buffer.len() };
    let partial = last + 1;
    let before = start_of_line(buffer, last);
    let start = start_of_event(buffer, before, buffer.len().saturating_sub(LONGEST_EVENT));
    if start == 0 { partial } else { start }
}

/// The lines that belong to what stands at `at`. Nothing before `from` is taken again.
fn event_around(region: &[u8], at: usize, from: usize) -> std::ops::Range<usize> {
    let from = from.max(at.saturating_sub(LONGEST_EVENT));
    let start = start_of_event(region, start_of_line(region, at).max(from), from);
    let longest = region.len().min(start + LONGEST_EVENT);
    let mut line = start;
    loop {
        let end = memchr(b'\n', &region[line..longest]).map_or(longest, |found| line + found + 1);
        if end == longest {
            // What is cut in the middle of a line goes on to its end.
            let rest = memchr(b'\n', &region[end - 1..]).map_or(region.len(), |found| end + found);
            return start..rest.max(at + 1);
        }
        let next = memchr(b'\n', &region[end..longest]).map_or(longest, |found| end + found);
        if end > at && !moment::joins(&region[line..end - 1], &region[end..next]) {
            return start..end;
        }
        line = end;
    }
}

fn start_of_line(text: &[u8], at: usize) -> usize {
    memrchr(b'\n', &text[..at]).map_or(0, |found| found + 1)
}

/// Goes back from the line that begins at `line`, not beyond `from`.
fn start_of_event(text: &[u8], mut line: usize, from: usize) -> usize {
    while line > from {
        let before = start_of_line(text, line - 1);
        let end = memchr(b'\n', &text[line..]).map_or(text.len(), |found| line + found);
        if before < from || !moment::joins(&text[before..line - 1], &text[line..end]) {
            break;
        }
        line = before;
    }
    line
}

/// What the stream is searched for.
fn marks() -> &'static AhoCorasick {
    static BUILT: OnceLock<AhoCorasick> = OnceLock::new();
    BUILT.get_or_init(|| {
        let suspects = SUSPECTS.iter().map(|text| (*text).to_owned());
        automaton(traces().into_iter().chain(suspects))
    })
}

fn suspects() -> &'static AhoCorasick {
    static BUILT: OnceLock<AhoCorasick> = OnceLock::new();
    BUILT.get_or_init(|| automaton(SUSPECTS.iter()))
}
