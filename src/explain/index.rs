//! All texts of the catalogue, looked for at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::pattern::{Found, Pattern, trace};
use super::plain::Plain;
use crate::diagnosis::{Cause, Saying, causes};

/// One text and all that print it.
pub(super) struct Text {
    pattern: Pattern,
    /// The causes that print it.
    pub(super) said: Vec<(&'static Cause, &'static Saying)>,
}

/// A text that stands in what was asked about.
pub(super) struct Hit {
    /// Which text.
    pub(super) text: &'static Text,
    /// Where, and what it names.
    pub(super) found: Found,
}

/// The catalogue, turned round.
pub(super) struct Index {
    texts: Vec<Text>,
    anchors: AhoCorasick,
}

impl Index {
    /// The only one.
    pub(super) fn whole() -> &'static Self {
        static BUILT: OnceLock<Index> = OnceLock::new();
        BUILT.get_or_init(|| {
            let mut texts: BTreeMap<String, Text> = BTreeMap::new();
            for cause in causes() {
                for saying in &cause.says {
                    let text = texts
                        .entry(saying.text.to_ascii_lowercase())
                        .or_insert_with(|| Text { pattern: Pattern::of(&saying.text), said: Vec::new() });
                    text.said.push((cause, saying));
                }
            }
            let texts: Vec<Text> = texts.into_values().collect();
            let anchors = automaton(texts.iter().map(|text| text.pattern.anchor()));
            Index { texts, anchors }
        })
    }

    /// Every text that stands in `plain`. What lies within a longer text that stands there too says nothing of its own.
    pub(super) fn find(&'static self, plain: &Plain, vague: bool) -> Vec<Hit> {
        let mut hits: Vec<Hit> = Vec::new();
        for anchor in self.anchors.find_overlapping_iter(&plain.squeezed) {
            let text = &self.texts[anchor.pattern().as_usize()];
            if !vague && text.said.iter().all(|(_, saying)| saying.vague) {
                continue;
            }
            let Some(found) = text.pattern.around(plain, anchor.start()) else { continue };
            let is_new = |hit: &Hit| !std::ptr::eq(hit.text, text) || hit.found.captures != found.captures;
            if hits.iter().all(is_new) && hits.len() < MOST_HITS {
                hits.push(Hit { text, found });
            }
        }
        let within: Vec<bool> = hits.iter().map(|hit| hits.iter().any(|other| hit.lies_within(other))).collect();
        let mut within = within.into_iter();
        hits.retain(|_| !within.next().unwrap_or_default());
        if hits.iter().any(|hit| !hit.is_vague()) {
            hits.retain(|hit| !hit.is_vague());
        }
        hits
    }
}

/// More different texts in one event are no event.
const MOST_HITS: usize = 200;

impl Hit {
    fn is_vague(&self) -> bool {
        self.text.said.iter().all(|(_, saying)| saying.vague)
    }

    fn lies_within(&self, other: &Self) -> bool {
        let covered = |span: &std::ops::Range<usize>| {
            other.found.spans.iter().any(|outer| outer.start <= span.start && span.end <= outer.end)
        };
        let stricter = other.text.pattern.strictness() > self.text.pattern.strictness();
        stricter && self.found.spans.iter().all(covered)
    }
}

/// An automaton that finds all of `texts` in any mixture of cases.
pub(super) fn automaton<T: AsRef<[u8]>>(texts: impl Iterator<Item = T>) -> AhoCorasick {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(texts.map(|text| text.as_ref().to_vec()).collect::<Vec<_>>())
        .expect("the catalogue is small")
}

/// What a stream is searched for: a part of each text that is no vague one.
pub(super) fn traces() -> BTreeSet<String> {
    let sayings = causes().iter().flat_map(|cause| &cause.says).filter(|saying| !saying.vague);
    sayings.map(|saying| trace(&saying.text).to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trace that stands in every line of a healthy log would make each of them worth a close look.
    #[test]
    fn what_a_log_is_searched_for_is_no_common_word() {
        for trace in traces() {
            assert!(trace.len() >= 5 && !["user", "vhost", "connection"].contains(&trace.as_str()), "{trace:?}");
        }
    }
}
