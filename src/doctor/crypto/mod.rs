//! Certificates, keys and revocation lists: what belongs together, what is missing, who may read it.
//!
//! The checks here look at every file for itself and at its neighbours. Which certificate is shown by whom stands in settings
//! that other rooms read; they ask [`pair`] whether two files belong together, and [`chain`] whether a file serves the purpose
//! that they found it in. How a certificate is judged is the business of [`crate::verify`].

mod chain;
mod pair;

use super::{Check, Exhibit};
use crate::ui;

pub(super) use chain::chain;
pub(super) use pair::pair;

/// The checks of this room.
pub(super) const CHECKS: &[Check] = &[];

/// The line on which the thing of that number begins, in a PEM file.
fn line_of(exhibit: &Exhibit, thing: usize) -> Option<usize> {
    let begins = |line: &&[u8]| line.starts_with(b"-----BEGIN ") && !line.starts_with(b"-----BEGIN EC PARAMETERS");
    let text = exhibit.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&exhibit.bytes);
    let mut lines = text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| begins(line));
    lines.nth(thing).map(|(line, _)| line + 1)
}

/// The path of an exhibit, for people.
fn shown(exhibit: &Exhibit) -> String {
    ui::path(&exhibit.path)
}

/// A subject, for people.
fn subject(certificate: &crate::x509::Certificate) -> String {
    match certificate.subject().is_empty() {
        true => format!("the certificate with serial number {}", certificate.serial()),
        false => ui::quote(&certificate.subject().to_string()),
    }
}
