//! What a text names, put into the answer: the user, the virtual host, the byte that is the first letter of a protocol.

use std::collections::BTreeMap;

use crate::diagnosis::Cause;
use crate::ui;

/// The sentences of a cause about what was named, whose words are all known. Safe to print.
pub(super) fn told(cause: &Cause, captures: &BTreeMap<String, String>) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut used: Vec<&str> = Vec::new();
    for sentence in &cause.named {
        let words: Vec<&str> =
            captures.keys().map(String::as_str).filter(|word| has_word(sentence, &word.to_uppercase())).collect();
        let filled = fill(sentence, &shown(captures));
        // Every placeholder is filled, and a sentence before it has not said as much.
        if placeholders(sentence).count() == words.len() && !words.iter().all(|word| used.contains(word)) {
            told.push(filled);
            used.extend(words);
        }
    }
    told
}

/// Names for people: quoted, and a byte with what it means.
fn shown(captures: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let quoted = |word: &String, value: &String| match word.as_str() {
        "record" => first_byte(value),
        "received" | "mechanism" => ui::plain(value),
        _ => ui::quote(value),
    };
    captures.iter().map(|(word, value)| (word.clone(), quoted(word, value))).collect()
}

/// The protocol that begins with this byte.
fn first_byte(number: &str) -> String {
    let meaning = match number.parse::<u8>() {
        Ok(65) => "A: AMQP without TLS",
        Ok(71) => "G: an HTTP GET without TLS",
        Ok(72) => "H: an HTTP HEAD without TLS, or HELO",
        Ok(80) => "P: an HTTP POST or PUT, or a PROXY header, without TLS",
        Ok(67) => "C: STOMP or an HTTP CONNECT without TLS",
        Ok(83) => "S: STOMP without TLS",
        Ok(79) => "O: an HTTP OPTIONS without TLS",
        Ok(16) => "an MQTT CONNECT without TLS",
        Ok(0) => "the stream protocol or Erlang without TLS",
        Ok(13) => "a PROXY header of version 2",
        Ok(128..) => "TLS of the time of SSL 2, or no protocol that is known",
        _ => "no protocol that is known",
    };
    format!("{} ({meaning})", ui::plain(number))
}

/// Puts what is known in the place of the words that stand for it.
pub fn fill(text: &str, known: &BTreeMap<String, String>) -> String {
    replace(text, |word| known.get(&word.to_ascii_lowercase()).cloned())
}

/// The same for something that is typed: quoted for a shell. What could be taken for an option, or cannot be typed, stays open.
pub fn shell_fill(text: &str, known: &BTreeMap<String, String>) -> String {
    let can_be_typed = |value: &&String| {
        !value.starts_with('-') && value.len() <= 100 && ui::plain(value) == **value && !value.contains('`')
    };
    replace(text, |word| known.get(&word.to_ascii_lowercase()).filter(can_be_typed).map(|value| ui::shell(value)))
}

fn has_word(text: &str, word: &str) -> bool {
    placeholders(text).any(|other| other == word)
}

/// The words that stand for something: `NAME` and the like.
const WORDS: &[&str] =
    &["NAME", "VHOST", "HOST", "FILE", "SETTING", "RECEIVED", "RECORD", "MECHANISM", "ARGUMENT", "PORT"];

fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| WORDS.contains(word))
}

fn replace(text: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        let length = rest[start..].find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        out.push_str(&rest[..start]);
        let filled = WORDS.contains(&word).then(|| known(word)).flatten();
        out.push_str(filled.as_deref().unwrap_or(word));
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

/// The address of the other side, where the text has one: `peer 10.0.0.5:53422`, `10.0.0.5:53422 -> 10.0.0.1:5671`.
pub fn peer(text: &str) -> Option<std::net::IpAddr> {
    let address = |part: &str| -> Option<std::net::IpAddr> {
        let part = part.trim_matches(|c: char| !c.is_ascii_hexdigit() && c != ':' && c != '[' && c != ']');
        let (host, port) = part.rsplit_once(':')?;
        port.parse::<u16>().ok()?;
        host.trim_start_matches('[').trim_end_matches(']').trim_start_matches("::ffff:").parse().ok()
    };
    let before = |mark: &str| text.find(mark).and_then(|at| address(text[..at].rsplit([' ', '(', '<']).next()?));
    let behind = |mark: &str| text.find(mark).and_then(|at| address(text[at + mark.len()..].split(' ').next()?));
    behind(" and peer ").or_else(|| before(" is connecting to ")).or_else(|| before(" -> "))
}
