//! Which of the causes it is, when a text has several.
//!
//! Each text that was found is a witness: it gives every cause that prints it the share of its weight. A cause that a witness does
//! not know loses almost everything by it, so the cause that all of them know wins, and two texts that have nothing in common
//! leave both their causes standing. A witness that knows all that another knows, and more, is not heard.

use std::collections::BTreeMap;

use super::index::Hit;
use super::{Likelihood, Match};

/// What a witness leaves of a cause that it does not know.
const UNKNOWN_TO_WITNESS: f64 = 0.0005;
/// What is less likely than this is not told.
const NOT_TOLD: f64 = 0.005;
/// From here on a cause stands alone.
const ALONE: f64 = 0.9;

/// The causes of what was found, most likely first.
pub(super) fn rank(hits: Vec<Hit>) -> Vec<Match> {
    let mut causes: Vec<Match> = Vec::new();
    let mut scores: BTreeMap<usize, f64> = BTreeMap::new();
    let mut witnesses: Vec<&Hit> = Vec::new();
    for hit in &hits {
        // One text is one witness, however often it is repeated with other names.
        if !witnesses.iter().any(|other| std::ptr::eq(other.text, hit.text)) {
            witnesses.push(hit);
        }
        for (cause, saying) in &hit.text.said {
            match causes.iter_mut().find(|known| known.cause.id == cause.id) {
                Some(known) => {
                    if saying.weight > known.saying.weight {
                        known.saying = saying;
                    }
                    for (word, value) in &hit.found.captures {
                        known.captures.entry(word.clone()).or_insert_with(|| value.clone());
                    }
                }
                None => causes.push(Match {
                    cause,
                    saying,
                    likelihood: Likelihood::Possible,
                    captures: hit.found.captures.clone(),
                }),
            }
        }
    }
    let told: Vec<&Hit> =
        witnesses.iter().enumerate().filter(|(at, _)| counts(*at, &witnesses)).map(|(_, hit)| *hit).collect();
    for (at, one) in causes.iter().enumerate() {
        scores.insert(at, told.iter().map(|hit| share(hit, one)).product());
    }
    let whole: f64 = scores.values().sum();
    let mut ranked: Vec<(f64, Match)> =
        causes.into_iter().enumerate().map(|(at, one)| (scores[&at] / whole, one)).collect();
    ranked.retain(|(score, _)| *score >= NOT_TOLD);
    // The sort is stable: of equals, the first in the catalogue.
    ranked.sort_by_key(|(_, one)| one.cause.id);
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let best = ranked.first().map_or(0.0, |(score, _)| *score);
    let named = |score: f64| match score {
        _ if score >= ALONE => Likelihood::Certain,
        _ if score * 2.0 >= best => Likelihood::Likely,
        _ => Likelihood::Possible,
    };
    ranked.into_iter().map(|(score, one)| Match { likelihood: named(score), ..one }).collect()
}

/// Whether a witness says something of its own. `certificate verify failed` knows every cause of the reason that stands
/// behind it, and the reason has weighed them already; of two that know the same, the first is heard.
fn counts(at: usize, witnesses: &[&Hit]) -> bool {
    let knows = |wide: &Hit, narrow: &Hit| {
        narrow.text.said.iter().all(|(cause, _)| wide.text.said.iter().any(|(other, _)| other.id == cause.id))
    };
    let own = witnesses[at];
    let echoes = |(other_at, other): (usize, &&Hit)| {
        other_at != at && knows(own, other) && (other_at < at || !knows(other, own))
    };
    !witnesses.iter().enumerate().any(echoes)
}

/// What one witness says about a cause.
fn share(hit: &Hit, one: &Match) -> f64 {
    let whole: u32 = hit.text.said.iter().map(|(_, saying)| saying.weight).sum();
    let own = hit.text.said.iter().find(|(cause, _)| cause.id == one.cause.id);
    own.map_or(UNKNOWN_TO_WITNESS, |(_, saying)| f64::from(saying.weight) / f64::from(whole))
}
