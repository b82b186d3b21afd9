//! How the index writes down what is known of one identity: short, and read back without loss.

use std::io;

use time::OffsetDateTime;

use super::event::Location;
use super::fold::Moment;
use super::inventory::{EntryHistory, Issued, Revocation};
use super::table::{put_bytes, put_number, take_bytes, take_number};

const LOCATIONS: [Location; 6] =
    [Location::Pki, Location::Csr, Location::Out, Location::Archive, Location::External, Location::Unknown];

pub(super) fn put_history(out: &mut Vec<u8>, history: &EntryHistory) {
    put_flags(out, [history.removed, history.awaits_hook, history.sealed]);
    put_option(out, history.requested.as_ref(), |out, key| put_option(out, key.as_deref(), put_text));
    put_option(out, history.in_use, |out, at| put_number(out, at as u64));
    put_option(out, history.delivered, put_moment);
    put_list(out, &history.recipients, |out, recipient| put_text(out, recipient));
    put_list(out, &history.events, |out, moment| put_moment(out, *moment));
    put_list(out, &history.certificates, put_issued);
}

pub(super) fn take_history(rest: &mut &[u8]) -> io::Result<EntryHistory> {
    let [removed, awaits_hook, sealed] = take_flags(rest)?;
    Ok(EntryHistory {
        removed,
        awaits_hook,
        sealed,
        requested: take_option(rest, |rest| take_option(rest, take_text))?,
        in_use: take_option(rest, |rest| Ok(take_number(rest)? as usize))?,
        delivered: take_option(rest, take_moment)?,
        recipients: take_list(rest, take_text)?,
        events: take_list(rest, take_moment)?,
        certificates: take_list(rest, take_issued)?,
    })
}

pub(super) fn put_issued(out: &mut Vec<u8>, issued: &Issued) {
    put_moment(out, issued.event);
    put_time(out, issued.issued_at);
    put_text(out, &issued.serial);
    put_text(out, &issued.issuer);
    put_option(out, issued.key.as_deref(), put_text);
    put_option(out, issued.not_before, put_time);
    put_option(out, issued.not_after, put_time);
    let location = LOCATIONS.iter().position(|location| *location == issued.location);
    put_number(out, location.unwrap_or(LOCATIONS.len() - 1) as u64);
    put_flags(out, [issued.managed, issued.bulk, false]);
    put_option(out, issued.revoked.as_ref(), put_revocation);
    put_option(out, issued.released, put_time);
}

pub(super) fn take_issued(rest: &mut &[u8]) -> io::Result<Issued> {
    let (event, issued_at, serial, issuer) = (take_moment(rest)?, take_time(rest)?, take_text(rest)?, take_text(rest)?);
    let key = take_option(rest, take_text)?;
    let (not_before, not_after) = (take_option(rest, take_time)?, take_option(rest, take_time)?);
    let location = LOCATIONS.get(take_number(rest)? as usize).copied().unwrap_or(Location::Unknown);
    let [managed, bulk, _] = take_flags(rest)?;
    let (revoked, released) = (take_option(rest, take_revocation)?, take_option(rest, take_time)?);
    Ok(Issued {
        event,
        issued_at,
        serial,
        issuer,
        key,
        not_before,
        not_after,
        location,
        managed,
        bulk,
        revoked,
        released,
    })
}

pub(super) fn put_revocation(out: &mut Vec<u8>, revocation: &Revocation) {
    put_time(out, revocation.time);
    put_option(out, revocation.reason.as_deref(), put_text);
}

pub(super) fn take_revocation(rest: &mut &[u8]) -> io::Result<Revocation> {
    Ok(Revocation { time: take_time(rest)?, reason: take_option(rest, take_text)? })
}

pub(super) fn put_moment(out: &mut Vec<u8>, moment: Moment) {
    put_signed(out, moment.time);
    put_number(out, moment.at);
}

pub(super) fn take_moment(rest: &mut &[u8]) -> io::Result<Moment> {
    Ok(Moment { time: take_signed(rest)?, at: take_number(rest)? })
}

fn put_time(out: &mut Vec<u8>, time: OffsetDateTime) {
    put_signed(out, time.unix_timestamp());
}

fn take_time(rest: &mut &[u8]) -> io::Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(take_signed(rest)?).map_err(io::Error::other)
}

/// The sign last, so that small numbers stay short.
pub(super) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}

pub(super) fn take_signed(rest: &mut &[u8]) -> io::Result<i64> {
    let number = take_number(rest)?;
    Ok((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// Serial numbers and fingerprints are hexadecimal, which takes half the room.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    let digits: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
            _ => None,
        })
        .collect();
    put_number(out, u64::from(digits.is_some()));
    put_bytes(out, digits.as_deref().unwrap_or(text.as_bytes()));
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

pub(super) fn take_text(rest: &mut &[u8]) -> io::Result<String> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let is_hex = take_number(rest)? == 1;
    let bytes = take_bytes(rest)?;
    if !is_hex {
        return String::from_utf8(bytes.to_vec()).map_err(io::Error::other);
    }
    // There are many of these: no iterator that does not know its length.
    let mut digits = Vec::with_capacity(bytes.len() * 2);
    for byte in bytes {
        digits.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    String::from_utf8(digits).map_err(io::Error::other)
}

fn put_flags(out: &mut Vec<u8>, flags: [bool; 3]) {
    put_number(out, flags.iter().rev().fold(0, |bits, flag| bits << 1 | u64::from(*flag)));
}

fn take_flags(rest: &mut &[u8]) -> io::Result<[bool; 3]> {
    let bits = take_number(rest)?;
    Ok([0, 1, 2].map(|at| bits >> at & 1 == 1))
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    put_number(out, u64::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

fn take_option<T>(rest: &mut &[u8], take: impl FnOnce(&mut &[u8]) -> io::Result<T>) -> io::Result<Option<T>> {
    if take_number(rest)? == 0 { Ok(None) } else { take(rest).map(Some) }
}

fn put_list<T>(out: &mut Vec<u8>, all: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_number(out, all.len() as u64);
    all.iter().for_each(|one| put(out, one));
}

fn take_list<T>(rest: &mut &[u8], mut take: impl FnMut(&mut &[u8]) -> io::Result<T>) -> io::Result<Vec<T>> {
    let length = take_number(rest)?;
    // Each takes a byte at least: a length that is none of ours gets no memory.
    let mut all = Vec::with_capacity(rest.len().min(length as usize));
    for _ in 0..length {
        all.push(take(rest)?);
    }
    Ok(all)
}
