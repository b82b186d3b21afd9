//! Periods of time: a certificate's validity (RFC 5280 4.1.2.5) and the durations people write.

use std::fmt;
use std::str::FromStr;

use time::macros::datetime;
use time::{OffsetDateTime, UtcOffset};

use super::X509Error;
use crate::ui::quote;

/// The two ends of a certificate's life, both inclusive, in whole seconds of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    /// The first second.
    pub not_before: OffsetDateTime,
    /// The last second.
    pub not_after: OffsetDateTime,
}

/// The first second that UTCTime can say.
const EARLIEST: OffsetDateTime = datetime!(1950-01-01 00:00:00 UTC);
/// RFC 5280 4.1.2.5: this value means "no well-defined expiration date"; nothing later can be written.
const LATEST: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);

impl Validity {
    /// Parts of a second are cut, because DER has none in a certificate.
    pub fn new(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Result<Self, X509Error> {
        let (not_before, not_after) = (whole_seconds(not_before)?, whole_seconds(not_after)?);
        if not_after <= not_before {
            return Err(X509Error::Invalid(format!(
                "a certificate cannot end ({}) before it begins ({})",
                day_and_time(not_after),
                day_and_time(not_before)
            )));
        }
        Ok(Self { not_before, not_after })
    }

    /// A validity that begins at `not_before` and lasts `duration`.
    pub fn starting(not_before: OffsetDateTime, duration: Duration) -> Result<Self, X509Error> {
        Self::new(not_before, duration.checked_add_to(not_before)?)
    }

    /// What was read, however strange.
    pub(crate) fn as_read(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Self {
        Self { not_before, not_after }
    }

    /// `time` is within the validity; both ends belong to it.
    pub fn contains(&self, time: OffsetDateTime) -> bool {
        self.not_before <= time && time <= self.not_after
    }

    /// `other` lies within this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.not_before <= other.not_before && other.not_after <= self.not_after
    }

    /// From one end to the other.
    pub fn length(&self) -> time::Duration {
        self.not_after - self.not_before
    }
}

fn whole_seconds(time: OffsetDateTime) -> Result<OffsetDateTime, X509Error> {
    // The comparison comes first: converting a time at the edge of the calendar to UTC could leave the calendar.
    if time < EARLIEST || time.truncate_to_second() > LATEST {
        return Err(X509Error::Invalid("a certificate's times lie between 1950-01-01 and 9999-12-31T23:59:59Z".into()));
    }
    Ok(time.to_offset(UtcOffset::UTC).truncate_to_second())
}

fn day_and_time(time: OffsetDateTime) -> String {
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_else(|_| time.to_string())
}

/// A positive length of time as people write it: `30m`, `12h`, `90d`, `8w`, `2y`. A year is 365 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(time::Duration);

const DAY: i64 = 86_400;
/// Units and their seconds, longest first.
const UNITS: [(char, i64); 6] = [('y', 365 * DAY), ('w', 7 * DAY), ('d', DAY), ('h', 3_600), ('m', 60), ('s', 1)];
/// Longer than the calendar that certificates know.
const LONGEST_SECONDS: i64 = 9_999 * 365 * DAY;

impl Duration {
    /// So many days of 24 hours. Days that make no duration (none, or too many) become the nearest that does.
    pub const fn days(days: u32) -> Self {
        let seconds = days as i64 * DAY;
        Self(time::Duration::seconds(if seconds == 0 {
            1
        } else if seconds > LONGEST_SECONDS {
            LONGEST_SECONDS
        } else {
            seconds
        }))
    }

    /// The same, for arithmetic.
    pub const fn as_time(self) -> time::Duration {
        self.0
    }

    /// `start` plus this duration, if that is a time a certificate can say. It is refused, not clipped: what was asked for
    /// and cannot be had is an error.
    pub fn checked_add_to(self, start: OffsetDateTime) -> Result<OffsetDateTime, X509Error> {
        start.checked_add(self.0).filter(|end| end.truncate_to_second() <= LATEST).ok_or_else(|| {
            X509Error::Invalid(format!(
                "{self} from {} is after 9999-12-31T23:59:59Z, the last time a certificate can say",
                day_and_time(start)
            ))
        })
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = X509Error;

    fn from_str(text: &str) -> Result<Self, X509Error> {
        let refuse = |why: &str| {
            X509Error::Invalid(format!(
                "{} is not a duration: {why}; write a number and a unit, for example 12h, 90d, 8w or 2y",
                quote(text)
            ))
        };
        if text.starts_with('-') {
            return Err(refuse("it cannot be negative"));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(refuse("it does not begin with a number"));
        }
        if unit.is_empty() {
            return Err(refuse("it has no unit"));
        }
        let Some((_, seconds)) = UNITS.iter().find(|(name, _)| unit.chars().eq([*name])) else {
            return Err(refuse("its unit is not one of s, m, h, d, w, y"));
        };
        let total = number.parse::<i64>().ok().and_then(|number| number.checked_mul(*seconds));
        match total {
            Some(0) => Err(refuse("it is zero")),
            Some(total) if total <= LONGEST_SECONDS => Ok(Self(time::Duration::seconds(total))),
            _ => Err(refuse("it is longer than 9999 years")),
        }
    }
}

/// In the longest unit that divides it, weeks left aside: `14d` stays `14d`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.whole_seconds();
        let (unit, seconds) = UNITS
            .into_iter()
            .filter(|(unit, _)| *unit != 'w')
            .find(|(_, seconds)| total % seconds == 0)
            .unwrap_or(('s', 1));
        write!(f, "{}{unit}", total / seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Duration, X509Error> {
        text.parse()
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, days) in [("90d", 90), ("8w", 56), ("2y", 730), ("1y", 365)] {
            assert_eq!(parse(text).unwrap(), Duration::days(days));
        }
        assert_eq!(parse("12h").unwrap().as_time(), time::Duration::hours(12));
        assert_eq!(parse("30m").unwrap().as_time(), time::Duration::minutes(30));
        assert_eq!(parse("14d").unwrap().to_string(), "14d");
        assert_eq!(parse("48h").unwrap().to_string(), "2d");
    }

    #[test]
    fn what_makes_no_duration_is_refused_with_an_example() {
        for (text, why) in [
            ("0d", "zero"),
            ("-1d", "negative"),
            ("90", "no unit"),
            ("d", "number"),
            ("", "number"),
            ("1000000000y", "9999 years"),
            ("99999999999999999999d", "9999 years"),
            ("9223372036854775807y", "9999 years"),
            ("1.5d", "unit"),
            ("1d12h", "unit"),
            ("90D", "unit"),
            ("٣d", "number"),
            ("1 d", "unit"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(why) && message.contains("12h, 90d"), "{text}: {message}");
        }
    }

    #[test]
    fn the_end_of_the_calendar_is_refused_not_clipped() {
        let start = datetime!(9999-01-01 00:00:00 UTC);
        assert!(Duration::days(364).checked_add_to(start).is_ok());
        assert!(Duration::days(365).checked_add_to(start).is_err());
        assert!(parse("9999y").unwrap().checked_add_to(datetime!(2026-01-01 00:00:00 UTC)).is_err());
        assert!(Validity::new(datetime!(1949-12-31 23:59:59 UTC), start).is_err());
        assert!(Validity::new(start, datetime!(9999-12-31 23:59:59.5 UTC)).is_ok());
        assert!(Validity::new(start, datetime!(9999-12-31 23:59:59 -5)).is_err());
    }

    #[test]
    fn seconds_are_whole_and_times_are_utc() {
        let validity =
            Validity::new(datetime!(2026-01-01 02:00:00.9 +2), datetime!(2026-01-01 00:00:01.1 UTC)).unwrap();
        assert_eq!(validity.not_before, datetime!(2026-01-01 00:00:00 UTC));
        assert_eq!(validity.length(), time::Duration::SECOND);
        assert!(validity.contains(validity.not_before) && validity.contains(validity.not_after));
        assert!(Validity::new(validity.not_before, validity.not_before).is_err());
        assert!(Validity::new(validity.not_after, validity.not_before).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_duration_round_trips(number in 1i64..9_999, unit in "[smhdw]") {
            let duration = parse(&format!("{number}{unit}")).unwrap();
            prop_assert_eq!(parse(&duration.to_string()).unwrap(), duration);
        }
    }
}
