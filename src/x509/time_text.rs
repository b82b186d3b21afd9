//! UTCTime and GeneralizedTime as RFC 5280 4.1.2.5 restricts them.

use time::{Date, Month, OffsetDateTime, Time};

use super::der::{Element, Fault, tag};

/// Which of the two types a time is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeEncoding {
    /// UTCTime: two digits for the year, 1950 to 2049.
    Utc,
    /// GeneralizedTime: four digits for the year.
    Generalized,
}

/// One time of a validity as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeText {
    pub(crate) time: OffsetDateTime,
    pub(crate) encoding: TimeEncoding,
    /// Parts of a second stand in the text. RFC 5280 forbids them; some authorities wrote them.
    pub(crate) fraction: bool,
}

impl TimeText {
    pub(crate) fn read(element: Element<'_>) -> Result<Self, Fault> {
        let text = element.content.strip_suffix(b"Z").ok_or(Fault::Value)?;
        let (encoding, year_digits) = match element.tag {
            tag::UTC_TIME => (TimeEncoding::Utc, 2),
            tag::GENERALIZED_TIME => (TimeEncoding::Generalized, 4),
            _ => return Err(Fault::Unexpected),
        };
        let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
            Some(point) if encoding == TimeEncoding::Generalized => (&text[..point], Some(&text[point + 1..])),
            _ => (text, None),
        };
        if whole.len() != year_digits + 10 || fraction.is_some_and(|digits| digits.is_empty() || !all_digits(digits)) {
            return Err(Fault::Value);
        }
        let time = read_digits(whole, year_digits).ok_or(Fault::Value)?;
        Ok(Self { time, encoding, fraction: fraction.is_some() })
    }
}

fn all_digits(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
}

fn read_digits(text: &[u8], year_digits: usize) -> Option<OffsetDateTime> {
    if !all_digits(text) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0u16, |number, digit| number * 10 + u16::from(digit - b'0'));
    let (year, rest) = text.split_at(year_digits);
    let year = match (year_digits, i32::from(number(year))) {
        // RFC 5280 4.1.2.5.1: 50 and above are the twentieth century.
        (2, year @ 50..) => 1900 + year,
        (2, year) => 2000 + year,
        (_, year) => year,
    };
    let mut pairs = rest.chunks_exact(2).map(|pair| number(pair) as u8);
    let month = Month::try_from(pairs.next()?).ok()?;
    let date = Date::from_calendar_date(year, month, pairs.next()?).ok()?;
    Some(date.with_time(Time::from_hms(pairs.next()?, pairs.next()?, pairs.next()?).ok()?).assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn read(tag: u8, text: &str) -> Result<TimeText, Fault> {
        TimeText::read(Element { tag, content: text.as_bytes(), whole: &[] })
    }

    #[test]
    fn both_types_are_read() {
        let utc = |text| read(tag::UTC_TIME, text).unwrap().time;
        assert_eq!(utc("500101000000Z"), datetime!(1950-01-01 00:00:00 UTC));
        assert_eq!(utc("491231235959Z"), datetime!(2049-12-31 23:59:59 UTC));
        let generalized = read(tag::GENERALIZED_TIME, "99991231235959Z").unwrap();
        assert_eq!(generalized.time, datetime!(9999-12-31 23:59:59 UTC));
        assert!(!generalized.fraction);
        assert!(read(tag::GENERALIZED_TIME, "20500101000000.5Z").unwrap().fraction);
        assert!(read(tag::GENERALIZED_TIME, "00000101000000Z").is_ok());
    }

    #[test]
    fn other_notations_and_no_times_are_refused() {
        for text in [
            "",
            "Z",
            "4912312359Z",
            "491231235959",
            "491231235959+0100",
            "491331235959Z",
            "490230000000Z",
            "490101240000Z",
            "490101006000Z",
            "49010100000aZ",
            "490101000000.5Z",
        ] {
            assert!(read(tag::UTC_TIME, text).is_err(), "{text}");
        }
        for text in ["20500101000000", "20500101000000.Z", "20500101000000.aZ", "205001010000Z", "20500101000060Z"] {
            assert!(read(tag::GENERALIZED_TIME, text).is_err(), "{text}");
        }
        assert!(read(tag::UTF8_STRING, "20500101000000Z").is_err());
    }
}
