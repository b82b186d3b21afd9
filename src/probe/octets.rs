//! Reading the numbers and strings of binary protocols out of what a server sent.

/// What is left to read. Every step that finds too little is `None`.
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> Octets<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn one(&mut self) -> Option<u8> {
        self.take(1).map(|octets| octets[0])
    }

    pub(super) fn two(&mut self) -> Option<u16> {
        self.take(2).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    pub(super) fn four(&mut self) -> Option<u32> {
        self.take(4).map(|octets| u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]))
    }

    /// A text behind one octet of length.
    pub(super) fn short_text(&mut self) -> Option<String> {
        let length = self.one()?;
        self.take(usize::from(length)).map(text)
    }

    /// A text behind two octets of length.
    pub(super) fn text(&mut self) -> Option<String> {
        let length = self.two()?;
        self.take(usize::from(length)).map(text)
    }

    /// Octets behind four octets of length.
    pub(super) fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.four()?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// A server's text, whatever is in it. Whoever shows it makes it harmless.
pub(super) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
