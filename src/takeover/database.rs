//! `index.txt`, in which `openssl ca` and easy-rsa keep what was issued and revoked: one certificate on a line, six columns
//! with tabs between them (openssl-ca(1), and `apps/ca.c` for the reasons).

use std::path::PathBuf;

use time::{Date, Month, OffsetDateTime, Time};

use crate::x509::{RevocationReason, RevokedCertificate, SerialNumber};

/// One file.
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) rows: Vec<Row>,
    /// Lines that cannot be read, from 1.
    pub(super) faults: Vec<usize>,
    pub(super) used: bool,
}

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) serial: SerialNumber,
    /// The subject in OpenSSL's old form: `/CN=x/O=y`.
    pub(super) subject: String,
    pub(super) revoked: Option<RevokedCertificate>,
}

impl Database {
    /// The file, if it is one by its content.
    pub(super) fn recognise(path: PathBuf, text: &str) -> Option<Self> {
        let first = text.lines().find(|line| !line.trim().is_empty())?;
        columns(first)?;
        let mut database = Self { path, rows: Vec::new(), faults: Vec::new(), used: false };
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match columns(line).and_then(|columns| Row::read(&columns)) {
                Some(row) => database.rows.push(row),
                None => database.faults.push(number + 1),
            }
        }
        Some(database)
    }
}

/// Status, end, revocation, serial number, file and subject.
fn columns(line: &str) -> Option<[&str; 6]> {
    let columns: Vec<&str> = line.trim_end_matches('\r').splitn(6, '\t').collect();
    let columns: [&str; 6] = columns.try_into().ok()?;
    matches!(columns[0], "V" | "R" | "E").then_some(columns)
}

impl Row {
    fn read([status, _, revocation, serial, _, subject]: &[&str; 6]) -> Option<Self> {
        let serial: SerialNumber = serial.parse().ok()?;
        // A certificate that ended after it was revoked is marked as ended, and its revocation stays.
        let revoked = match (*status, *revocation) {
            ("R", text) => Some(read_revocation(&serial, text)?),
            ("E", text) if !text.is_empty() => Some(read_revocation(&serial, text)?),
            _ => None,
        };
        Some(Self { serial, subject: (*subject).to_owned(), revoked })
    }

    /// Whether the subject in the line has this common name.
    pub(super) fn names(&self, common_name: &str) -> bool {
        let mut rest = self.subject.as_str();
        while let Some(at) = rest.find("/CN=") {
            rest = &rest[at + 4..];
            if rest.strip_prefix(common_name).is_some_and(|after| after.is_empty() || after.starts_with('/')) {
                return true;
            }
        }
        false
    }
}

/// `TIME`, `TIME,reason`, `TIME,holdInstruction,OID`, `TIME,keyTime,TIME` or `TIME,CAkeyTime,TIME`.
fn read_revocation(serial: &SerialNumber, text: &str) -> Option<RevokedCertificate> {
    let mut parts = text.split(',');
    let revocation_time = read_time(parts.next()?)?;
    let (reason, invalidity_date) = match parts.next() {
        None | Some("") => (None, None),
        Some("keyTime") => (Some(RevocationReason::KeyCompromise), Some(read_time(parts.next()?)?)),
        Some("CAkeyTime") => (Some(RevocationReason::CaCompromise), Some(read_time(parts.next()?)?)),
        Some("holdInstruction") => (Some(RevocationReason::CertificateHold), None),
        Some(reason) => (Some(reason.parse().ok()?), None),
    };
    // It is never written; no reason says the same.
    let reason = reason.filter(|reason| *reason != RevocationReason::Unspecified);
    Some(RevokedCertificate { serial: serial.clone(), revocation_time, reason, invalidity_date })
}

/// The text of a UTCTime or of a GeneralizedTime.
fn read_time(text: &str) -> Option<OffsetDateTime> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|digits| digits.parse::<u16>().ok());
    let (year, rest) = match digits.len() {
        // RFC 5280 4.1.2.5.1: 50 and above are the twentieth century.
        12 => (number(0, 2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        14 => (number(0, 4)?, 4),
        _ => return None,
    };
    let part = |at: usize| number(rest + 2 * at, rest + 2 * at + 2).and_then(|part| u8::try_from(part).ok());
    let date = Date::from_calendar_date(i32::from(year), Month::try_from(part(0)?).ok()?, part(1)?).ok()?;
    Some(date.with_time(Time::from_hms(part(2)?, part(3)?, part(4)?).ok()?).assume_utc())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn read(text: &str) -> Option<Database> {
        Database::recognise("index.txt".into(), text)
    }

    #[test]
    fn every_way_in_which_openssl_writes_a_revocation_is_read() {
        let line =
            |status: &str, revocation: &str| format!("{status}\t350101000000Z\t{revocation}\t0A\tunknown\t/CN=a\n");
        for (status, revocation, reason, invalidity) in [
            ("R", "261128191500Z", None, None),
            ("R", "20261128191500Z,unspecified", None, None),
            ("R", "261128191500Z,keyCompromise", Some(RevocationReason::KeyCompromise), None),
            ("R", "261128191500Z,CACompromise", Some(RevocationReason::CaCompromise), None),
            ("R", "261128191500Z,superseded", Some(RevocationReason::Superseded), None),
            ("R", "261128191500Z,holdInstruction,1.2.840.10040.2.1", Some(RevocationReason::CertificateHold), None),
            (
                "R",
                "261128191500Z,keyTime,20261101000000Z",
                Some(RevocationReason::KeyCompromise),
                Some(datetime!(2026-11-01 00:00 UTC)),
            ),
            ("E", "261128191500Z,cessationOfOperation", Some(RevocationReason::CessationOfOperation), None),
        ] {
            let database = read(&line(status, revocation)).unwrap();
            let revoked = database.rows[0].revoked.clone().unwrap_or_else(|| panic!("{revocation}"));
            assert_eq!(revoked.revocation_time, datetime!(2026-11-28 19:15 UTC), "{revocation}");
            assert_eq!((revoked.reason, revoked.invalidity_date), (reason, invalidity), "{revocation}");
            assert_eq!(revoked.serial.to_string(), "0a");
        }
        for valid in ["V\t350101000000Z\t\t01\tunknown\t/CN=a\n", "E\t250101000000Z\t\t01\tunknown\t/CN=a\r\n"] {
            assert_eq!(read(valid).unwrap().rows[0].revoked, None);
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_told_and_the_others_taken() {
        let text = "V\t350101000000Z\t\t01\tunknown\t/CN=a\n\nR\t350101000000Z\tyesterday\t02\tunknown\t/CN=b\n\
                    R\t350101000000Z\t261128191500Z,never\t03\tunknown\t/CN=c\nV\t350101000000Z\t\tzz\tunknown\t/CN=d\n\
                    rubbish\nR\t350101000000Z\t\t04\tunknown\t/CN=e\n";
        let database = read(text).unwrap();
        assert_eq!((database.rows.len(), database.faults.as_slice()), (1, &[3, 4, 5, 6, 7][..]));
    }

    #[test]
    fn other_texts_are_no_database() {
        for text in ["", "\n", "V", "unique_subject = yes\n", "a\tb\tc\td\te\tf\n", "01\n", "V 1 2 3 4 5\n"] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_common_name_is_compared_whole() {
        let row = |subject: &str| Row { serial: "01".parse().unwrap(), subject: subject.into(), revoked: None };
        assert!(row("/CN=a/O=b").names("a") && row("/O=b/CN=a").names("a") && row("/CN=x/CN=a").names("a"));
        assert!(!row("/CN=ab").names("a") && !row("/O=a").names("a") && !row("").names("a"));
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for wrong in
            ["", "Z", "261328191500Z", "261131191500Z", "261128241500Z", "2611281915Z", "26112819150éZ", "261128191500"]
        {
            assert_eq!(read_time(wrong), None, "{wrong}");
        }
        assert_eq!(read_time("991231235959Z"), Some(datetime!(1999-12-31 23:59:59 UTC)));
    }
}
