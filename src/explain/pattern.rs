//! One text of the catalogue as something to look for: literals, and what stands between them.

use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memmem;

use super::plain::Plain;

/// How far apart two literals of one pattern may stand.
const FARTHEST: usize = 2000;
/// No name is longer; a list of names may be.
const LONGEST_NAME: usize = 160;
/// What healthy brokers write all day: a log is not searched for it.
const HEALTHY: &[&str] = &["access to vhost"];
/// How many places are tried for the beginning of one pattern.
const MOST_BEGINNINGS: usize = 4;

/// What stands between, before or behind literals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    /// The word by which it is told; `None`: anything.
    name: Option<String>,
    /// What it must have in it, in lower case.
    needs: Option<String>,
}

/// A text of the catalogue.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// What must stand there, without white space and in lower case.
    literals: Vec<Vec<u8>>,
    /// One more than literals: `gaps[i]` stands before `literals[i]`, the last one behind all. `None`: nothing.
    gaps: Vec<Option<Gap>>,
    /// The longest literal: what is looked for first.
    anchor: usize,
}

/// A pattern that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Where its literals stand in the squeezed text.
    pub(super) spans: Vec<Range<usize>>,
    /// What stands in its gaps.
    pub(super) captures: BTreeMap<String, String>,
}

impl Pattern {
    /// Reads `user '<name>' - *invalid`.
    pub(super) fn of(text: &str) -> Self {
        let mut literals = Vec::new();
        let mut gaps = Vec::new();
        let mut gap = None;
        for piece in pieces(text) {
            match piece {
                Piece::Literal(literal) => {
                    literals.push(Plain::of(literal.as_bytes()).squeezed);
                    gaps.push(gap.take());
                }
                Piece::Gap(between) => gap = Some(between),
            }
        }
        gaps.push(gap);
        let anchor = (0..literals.len()).max_by_key(|at| literals[*at].len()).unwrap_or(0);
        Self { literals, gaps, anchor }
    }

    /// What to look for first.
    pub(super) fn anchor(&self) -> &[u8] {
        &self.literals[self.anchor]
    }

    /// How much a text has to agree with it.
    pub(super) fn strictness(&self) -> usize {
        let needed = self.gaps.iter().flatten().filter_map(|gap| gap.needs.as_ref()).map(String::len);
        self.literals.iter().map(Vec::len).chain(needed).sum()
    }

    /// Whether the whole pattern stands around its anchor at `at`.
    pub(super) fn around(&self, text: &Plain, at: usize) -> Option<Found> {
        let squeezed = &text.squeezed[..];
        let mut spans = vec![0..0; self.literals.len()];
        spans[self.anchor] = at..at + self.anchor().len();
        for i in self.anchor + 1..self.literals.len() {
            let start = spans[i - 1].end;
            let until = squeezed.len().min(start + FARTHEST);
            let start = start + memmem::find(&squeezed[start..until], &self.literals[i])?;
            spans[i] = start..start + self.literals[i].len();
        }
        for i in (1..self.anchor).rev() {
            spans[i] = self.before(i, squeezed, spans[i + 1].start)?;
        }
        if self.anchor == 0 {
            return self.found(text, spans);
        }
        // The nearest beginning may be part of the name: `vhost my_vhost not found`.
        let mut end = spans[1].start;
        (0..MOST_BEGINNINGS).find_map(|_| {
            spans[0] = self.before(0, squeezed, end)?;
            end = spans[0].end.saturating_sub(1);
            self.found(text, spans.clone())
        })
    }

    /// Where literal `i` stands nearest before `end`.
    fn before(&self, i: usize, squeezed: &[u8], end: usize) -> Option<Range<usize>> {
        let from = end.saturating_sub(FARTHEST);
        let start = from + memmem::rfind(&squeezed[from..end], &self.literals[i])?;
        Some(start..start + self.literals[i].len())
    }

    /// What stands in the gaps, if all of it fits.
    fn found(&self, text: &Plain, spans: Vec<Range<usize>>) -> Option<Found> {
        text.is_word(spans.first()?.start..spans.last()?.end).then_some(())?;
        let mut captures = BTreeMap::new();
        for (i, gap) in self.gaps.iter().enumerate() {
            let Some(Gap { name: Some(name), needs }) = gap else { continue };
            let value = match (i.checked_sub(1).map(|before| spans[before].end), spans.get(i).map(|span| span.start)) {
                (Some(from), Some(to)) => text.original(from..to),
                (Some(from), None) => text.token_from(from),
                (None, Some(to)) => text.token_before(to),
                (None, None) => None,
            }?;
            let fits = needs.as_ref().is_none_or(|needs| value.to_lowercase().contains(needs));
            let longest = if name == "received" { FARTHEST } else { LONGEST_NAME };
            (fits && !value.is_empty() && value.len() <= longest).then_some(())?;
            captures.insert(name.clone(), value);
        }
        Some(Found { spans, captures })
    }
}

/// A part of a text of the catalogue.
enum Piece<'t> {
    Literal(&'t str),
    Gap(Gap),
}

/// The parts of a text, in order.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (literal, next) = rest.split_at(next_gap(rest).unwrap_or(rest.len()));
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        rest = match next.as_bytes().first() {
            Some(b'*') => {
                pieces.push(Piece::Gap(Gap::default()));
                &next[1..]
            }
            Some(_) => {
                let end = next.find('>').expect("next_gap saw it");
                pieces.push(Piece::Gap(named(&next[1..end])));
                &next[end + 1..]
            }
            None => "",
        };
    }
    pieces
}

/// The longest part of a text that every log writes the same way: without what JSON escapes and Erlang may break.
pub(super) fn trace(text: &str) -> &str {
    let literals = pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Literal(literal) => Some(literal),
        Piece::Gap(_) => None,
    });
    let parts = literals.flat_map(|literal| literal.split(['"', '\'', '\\', '{', '}', '[', ']', ',', '<', '>', '=']));
    parts.map(str::trim).filter(|part| !HEALTHY.contains(part)).max_by_key(|part| part.len()).unwrap_or_default()
}

/// Where the next `*` or `<word>` begins. An Erlang binary (`<<`) or a process number is neither.
fn next_gap(text: &str) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).find(|at| match text.as_bytes()[*at] {
        b'*' => true,
        b'<' => text[at + 1..].find('>').is_some_and(|end| {
            let inside = &text[at + 1..at + 1 + end];
            let word = inside.split('=').next().unwrap_or_default();
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
        }),
        _ => false,
    })
}

/// `name` or `name=NEEDS`.
fn named(inside: &str) -> Gap {
    let (name, needs) = inside.split_once('=').map_or((inside, None), |(name, needs)| (name, Some(needs)));
    Gap { name: Some(name.to_owned()), needs: needs.map(str::to_lowercase) }
}
