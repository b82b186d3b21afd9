//! From a text that somebody saw to its causes: which entries of the catalogue print it, most likely first.
//!
//! A text comes out of a terminal, a browser or a log collector: wrapped, indented, escaped for JSON, in any mixture of
//! cases. So both the text and the catalogue's patterns are compared without white space and without case
//! ([`plain`]), by one automaton that looks for all patterns at once ([`index`]), and what a pattern names is read from the
//! text as it was. [`log`] does the same to a stream of any length.
//!
//! This room knows no files, no network and no terminal.

mod index;
mod likelihood;
mod log;
mod moment;
mod named;
mod pattern;
mod plain;

pub use log::{Group, Log, Spot, Summary};
pub use named::{fill, peer, shell_fill};

use std::collections::BTreeMap;

use serde::Serialize;

use crate::diagnosis::{self, Cause, CauseId, Saying};
use index::Index;
use plain::Plain;

/// Where reading of a pasted text ends: nobody looks at more than that.
const LONGEST_TEXT: usize = 256 * 1024;

/// How sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Likelihood {
    /// The text names it, and nothing else prints that.
    Certain,
    /// Other causes print it too; it is most often this one.
    Likely,
    /// Other causes print it too, and more often.
    Possible,
}

/// One cause of a text.
#[derive(Clone, Debug)]
pub struct Match {
    /// The cause.
    pub cause: &'static Cause,
    /// What of it stands in the text: the most telling one, where there are several.
    pub saying: &'static Saying,
    /// How sure it is.
    pub likelihood: Likelihood,
    /// What the text names, by the word of the pattern: `name`, `vhost`, `host`.
    pub captures: BTreeMap<String, String>,
}

impl Match {
    /// What the text says beyond that it happened: `there is no user "ghost"`. Safe to print.
    pub fn named(&self) -> Vec<String> {
        named::told(self.cause, &self.captures)
    }

    /// What to type, with the names of the text in it.
    pub fn remedy(&self) -> Vec<String> {
        self.cause.remedy.iter().map(|remedy| shell_fill(remedy, &self.captures)).collect()
    }
}

/// The causes of a text, most likely first; empty, where nothing in it is known.
pub fn explain(text: &str) -> Vec<Match> {
    if let Some(cause) = cause_called(text) {
        return vec![cause];
    }
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let plain = Plain::of(&text.as_bytes()[..end]);
    likelihood::rank(Index::whole().find(&plain, true))
}

/// The word of a cause is a question too: `doctor` and `probe` print it.
fn cause_called(word: &str) -> Option<Match> {
    let cause = diagnosis::causes().iter().find(|cause| cause.id.word() == word.trim())?;
    let saying = cause.says.first()?;
    Some(Match { cause, saying, likelihood: Likelihood::Certain, captures: BTreeMap::new() })
}

/// What has to be known about the texts themselves, where they mislead.
pub fn notes(matches: &[Match]) -> Vec<&'static str> {
    let said: Vec<&str> = matches.iter().map(|one| one.saying.text.as_str()).collect();
    let applies = |note: &&diagnosis::Note| note.texts.iter().any(|text| said.contains(&text.as_str()));
    diagnosis::notes().iter().filter(applies).map(|note| note.note.as_str()).collect()
}

/// What has to be known about a text that looks like trouble and is none.
pub fn harmless(text: &str) -> Vec<&'static str> {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    harmless_in(&Plain::of(&text.as_bytes()[..end]))
}

fn harmless_in(plain: &Plain) -> Vec<&'static str> {
    let stands = |text: &String| {
        let wanted = Plain::of(text.as_bytes()).squeezed;
        memchr::memmem::find(&plain.squeezed, &wanted).is_some()
    };
    let notes = diagnosis::notes().iter().filter(|note| note.harmless && note.texts.iter().any(stands));
    notes.map(|note| note.note.as_str()).collect()
}

/// The texts of the catalogue that share most words with `text`, best first: what somebody who got no answer may have meant.
pub fn nearest(text: &str) -> Vec<(CauseId, &'static str)> {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric()).map(str::to_ascii_lowercase);
        parts.filter(|word| word.len() > 3).collect()
    };
    let mut end = text.len().min(4096);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let asked = words(&text[..end]);
    let mut scored: Vec<(usize, CauseId, &'static str)> = Vec::new();
    for cause in diagnosis::causes() {
        for saying in &cause.says {
            let known = words(&saying.text);
            let shared = known.iter().filter(|word| asked.contains(word)).count();
            // Two words in common, and at least half of what the catalogue has.
            if shared >= 2 && shared * 2 >= known.len() && !scored.iter().any(|(_, _, text)| *text == saying.text) {
                scored.push((shared, cause.id, &saying.text));
            }
        }
    }
    scored.sort_by_key(|(shared, _, _)| std::cmp::Reverse(*shared));
    scored.into_iter().take(3).map(|(_, id, text)| (id, text)).collect()
}

#[cfg(test)]
mod tests;
