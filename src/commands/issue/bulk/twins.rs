//! Names that occur twice in a list of a million, found with some fifty bytes for each.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use aws_lc_rs::{digest, rand};

use crate::error::{Error, Result};

/// The names so far. Instead of a name stands 128 bits of a hash of it and a key: among a million of them the chance of a
/// false twin is below 10^-26, and without the key nobody can make one.
pub(super) struct Twins {
    key: [u8; 32],
    /// By what the name is in lower case: the line, and some bits of the name as it is written.
    seen: [HashMap<[u8; 16], (u32, u32)>; SHARDS],
}

/// A table that grows is there twice for a moment, so there are many small ones.
const SHARDS: usize = 64;

impl Twins {
    pub(super) fn new() -> Result<Self> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| Error::failed("reading random numbers from the operating system"))?;
        Ok(Self { key, seen: std::array::from_fn(|_| HashMap::new()) })
    }

    /// Remembers the name on `line`; or says on which earlier line it stands, and whether it differs in case there.
    pub(super) fn find(&mut self, name: &str, line: u32) -> Option<(u32, bool)> {
        let lower = name.to_lowercase();
        let hash = self.hash(&lower);
        let [a, b, c, d, ..] = if lower == name { hash } else { self.hash(name) };
        let exact = u32::from_be_bytes([a, b, c, d]);
        let shard = usize::from(hash[15]) % SHARDS;
        match self.seen[shard].entry(hash) {
            Occupied(first) => Some((first.get().0, first.get().1 != exact)),
            Vacant(place) => {
                place.insert((line, exact));
                None
            }
        }
    }

    fn hash(&self, text: &str) -> [u8; 16] {
        let hash = digest::digest(&digest::SHA256, &[&self.key, text.as_bytes()].concat());
        std::array::from_fn(|at| hash.as_ref()[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_whatever_their_case() {
        let mut twins = Twins::new().unwrap();
        let found: Vec<_> =
            ["a", "b", "A", "ä", "Ä", "b"].iter().zip(0..).map(|(name, line)| twins.find(name, line)).collect();
        assert_eq!(found, [None, None, Some((0, true)), None, Some((3, true)), Some((1, false))]);
    }
}
