//! The few DER values that path validation must see as they were written, before any parser made sense of them: a
//! constraint with a crooked mask or a name with a space in it has to be refused, not repaired.

/// One value: its tag and its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tlv<'a> {
    pub(super) tag: u8,
    pub(super) value: &'a [u8],
}

/// The values that stand next to one another in `bytes`; `None` as an item when the encoding is broken. It never
/// descends by itself, so nesting costs nothing.
pub(super) struct Values<'a> {
    rest: &'a [u8],
}

/// Reads the values in `bytes`.
pub(super) fn values(bytes: &[u8]) -> Values<'_> {
    Values { rest: bytes }
}

/// The content of the single value in `bytes`, if it has this tag and nothing follows it.
pub(super) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut all = values(bytes);
    let first = all.next()??;
    (first.tag == tag && all.rest.is_empty()).then_some(first.value)
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<Tlv<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = read(self.rest);
        // After a broken value nothing can be said about what follows.
        self.rest = read.map_or(&[], |(_, rest)| rest);
        Some(read.map(|(tlv, _)| tlv))
    }
}

fn read(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = octets.iter().fold(0usize, |sum, octet| sum << 8 | usize::from(*octet));
            if length < 0x80 || octets[0] == 0 {
                return None;
            }
            (length, rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((Tlv { tag, value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_value_ends_the_reading() {
        let seen: Vec<bool> = values(&[4, 1, 9, 4, 5, 1]).map(|v| v.is_some()).collect();
        assert_eq!(seen, [true, false]);
        for bad in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x81, 1, 0],
            &[0x3f, 1, 0],
            &[0x30, 0, 0],
            &[4, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(only(bad, 0x30), None, "{bad:?}");
        }
        assert_eq!(only(&[0x30, 2, 5, 0], 0x30), Some(&[5, 0][..]));
    }
}
