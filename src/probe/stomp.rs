//! STOMP 1.2: CONNECT and its answer.

use zeroize::Zeroizing;

use super::application::{Application, Login, Outcome, Protocol};
use super::channel::{Break, Channel};
use super::octets::text;

const LONGEST_FRAME: usize = 32 << 10;

pub(super) fn talk(channel: &mut Channel, login: &Login, vhost: &str) -> Result<Application, Break> {
    let mut frame = Zeroizing::new(format!("CONNECT\naccept-version:1.2\nhost:{}\nheart-beat:0,0\n", *escaped(vhost)));
    if let Some((user, password)) = login.password() {
        frame.push_str(&format!("login:{}\n", *escaped(user)));
        frame.push_str("passcode:");
        frame.push_str(&escaped(password));
        frame.push('\n');
    }
    frame.push_str("\n\0");
    channel.send(frame.as_bytes())?;
    let answer = channel.peek(5)?;
    let connected = answer.starts_with(b"CONNE");
    if !connected && !answer.starts_with(b"ERROR") {
        return Err(Break::Unlike(channel.so_far()));
    }
    let answer = text(&channel.until(b"\0", LONGEST_FRAME)?);
    let (head, body) = answer.split_once("\n\n").unwrap_or((&answer, ""));
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(':').filter(|(n, _)| *n == name))
            .map(|(_, value)| value.to_owned())
    };
    let mut seen = Application::seen(Protocol::Stomp);
    // `RabbitMQ/3.10.8`
    match header("server").as_deref().and_then(|server| server.split_once('/')) {
        Some((product, version)) => {
            (seen.product, seen.version) = (Some(product.to_owned()), Some(version.to_owned()));
        }
        None => seen.product = header("server"),
    }
    let said = format!("{}: {}", header("message").unwrap_or_default(), body.trim_end_matches(['\0', '\n']));
    seen.outcome = match (connected, login) {
        (true, _) => Outcome::LoggedIn(Some(vhost.to_owned())),
        (false, Login::Nobody) => Outcome::Seen,
        (false, _) => Outcome::LoginRefused(0, said),
    };
    if connected {
        channel.send(b"DISCONNECT\n\n\0")?;
    }
    Ok(seen)
}

/// CONNECT takes no escapes in STOMP 1.2; what would end a line has no place in it.
fn escaped(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.chars().filter(|c| !matches!(c, '\n' | '\r' | '\0')).collect())
}
