//! HTTP/1.1: one GET and the head of its answer (RFC 9112).

use time::OffsetDateTime;
use time::macros::format_description;
use zeroize::Zeroizing;

use super::application::{Application, Login, Outcome, Protocol};
use super::channel::{Break, Channel};
use super::octets::text;

const LONGEST_HEAD: usize = 32 << 10;
/// RabbitMQ's management: answers to any user with its name.
const MANAGEMENT: u16 = 15671;

/// Asks for the root; with a password, for who that is.
pub(super) fn talk(channel: &mut Channel, login: &Login, host: &str, port: u16) -> Result<Application, Break> {
    let asked_who = login.password().is_some() && port == MANAGEMENT;
    let path = if asked_who { "/api/whoami" } else { "/" };
    let mut request = Zeroizing::new(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: certgen-probe\r\nAccept: */*\r\nConnection: close\r\n"
    ));
    if let Some((user, password)) = login.password() {
        let pair = Zeroizing::new(format!("{user}:{password}"));
        request.push_str("Authorization: Basic ");
        request.push_str(&base64(pair.as_bytes()));
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    channel.send(request.as_bytes())?;
    if !channel.peek(5)?.starts_with(b"HTTP/") {
        return Err(Break::Unlike(channel.so_far()));
    }
    let head = text(&channel.until(b"\r\n\r\n", LONGEST_HEAD)?);
    let (status, server, date) = head_of(&head).ok_or_else(|| Break::Broken("the answer is no HTTP".into()))?;
    let mut seen = Application::seen(Protocol::Https);
    (seen.product, seen.status, seen.date) = (server, Some(status), date);
    seen.outcome = match (status, asked_who) {
        (200, true) => Outcome::LoggedIn(None),
        (401 | 403, true) => Outcome::LoginRefused(status, head.lines().next().unwrap_or_default().to_owned()),
        _ => Outcome::Seen,
    };
    Ok(seen)
}

/// Status, `Server`, `Date`.
fn head_of(head: &str) -> Option<(u16, Option<String>, Option<OffsetDateTime>)> {
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let field = |name: &str| {
        let found =
            head.lines().skip(1).find_map(|line| line.split_once(':').filter(|f| f.0.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.trim().to_owned())
    };
    Some((status, field("server"), field("date").and_then(|date| moment(&date))))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
fn moment(date: &str) -> Option<OffsetDateTime> {
    let form = format_description!("[day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let (_, date) = date.split_once(", ")?;
    time::PrimitiveDateTime::parse(date, form).ok().map(time::PrimitiveDateTime::assume_utc)
}

/// RFC 4648 section 4.
fn base64(octets: &[u8]) -> Zeroizing<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Zeroizing::new(String::with_capacity(octets.len().div_ceil(3) * 4));
    for three in octets.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_an_answer_is_read() {
        let head = "HTTP/1.1 200 OK\r\nserver: Cowboy\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        let (status, server, date) = head_of(head).unwrap();
        assert_eq!((status, server.as_deref()), (200, Some("Cowboy")));
        assert_eq!(date.unwrap().unix_timestamp(), 784_111_777);
        for other in ["HTTP/1.1\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "\r\n\r\n"] {
            assert_eq!(head_of(other), None, "{other:?}");
        }
        assert_eq!(head_of("HTTP/1.0 400\r\nDate: yesterday\r\n\r\n"), Some((400, None, None)));
    }

    #[test]
    fn a_pair_is_written_as_the_rfc_has_it() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(*base64(plain.as_bytes()), coded);
        }
    }
}
