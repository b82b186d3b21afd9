//! Bytes of which no copy is to stay in memory.

use std::fmt;
use std::ops::Deref;

use zeroize::{Zeroize, Zeroizing};

/// Bytes with keys among them, many of them: they are wiped when they are dropped, and where they outgrow their place.
/// `Zeroizing<Vec<u8>>` wipes one byte after the other, and leaves a copy behind where it grows.
#[derive(Default)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// Adds bytes at the end.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Adds zeros, up to so many bytes.
    pub(crate) fn fill_up(&mut self, length: usize) {
        self.reserve(length.saturating_sub(self.0.len()));
        self.0.resize(length.max(self.0.len()), 0);
    }

    /// Wipes them; their room stays.
    pub(crate) fn clear(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }

    /// The bytes themselves, no copy of them; whoever has them wipes them.
    pub(crate) fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(std::mem::take(&mut self.0))
    }

    fn reserve(&mut self, more: usize) {
        let needed = self.0.len() + more;
        if needed > self.0.capacity() {
            let mut larger = Self(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // What stood behind them was wiped already.
        self.0.as_mut_slice().zeroize();
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_keeps_what_it_has() {
        let mut secret = Secret::default();
        (0..1000u32).for_each(|n| secret.extend(&n.to_be_bytes()));
        assert_eq!((secret.len(), &secret[396..400]), (4000, &99u32.to_be_bytes()[..]));
        secret.fill_up(4096);
        secret.fill_up(5);
        assert_eq!((secret.len(), &secret[4000..]), (4096, &[0; 96][..]));
        assert!(!format!("{secret:?}").contains("99"));
        secret.clear();
        assert!(secret.is_empty());
    }
}
