//! AMQP 0-9-1 up to an open virtual host (specification, section 1.4 and 4.2).

use super::application::{Application, Login, Outcome, Protocol};
use super::channel::{Break, Channel};
use super::octets::{Octets, text};

const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
const METHOD: u8 = 1;
const FRAME_END: u8 = 0xCE;
/// The connection class.
const CONNECTION: u16 = 10;
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;
/// A frame in front of `tune` is not longer than this by the rules; RabbitMQ's `start` has about 500 octets.
const LONGEST_FRAME: u32 = 128 << 10;

/// Opens `vhost` as `login` and closes again.
pub(super) fn talk(channel: &mut Channel, login: &Login, vhost: &str) -> Result<Application, Break> {
    channel.send(HEADER)?;
    if channel.peek(1)?[0] != METHOD {
        // All of a short answer, or what came of a long one.
        let _ = channel.peek(8);
        return Err(Break::Unlike(channel.so_far()));
    }
    let (method, arguments) = frame(channel)?;
    let mut seen =
        (method == START).then(|| start(&arguments)).flatten().ok_or_else(|| unreadable("connection.start"))?;
    seen.by_sasl(login, |mechanism, response| log_in(channel, mechanism, response, vhost))?;
    Ok(seen)
}

fn log_in(channel: &mut Channel, mechanism: &str, response: &[u8], vhost: &str) -> Result<Outcome, Break> {
    let mut arguments = zeroize::Zeroizing::new(Vec::with_capacity(256 + response.len()));
    long(&mut arguments, &client_properties());
    short(&mut arguments, mechanism);
    long(&mut arguments, response);
    short(&mut arguments, "en_US");
    send(channel, START_OK, &arguments)?;
    let (method, arguments) = frame(channel)?;
    match method {
        TUNE => send(channel, TUNE_OK, &tuned(&arguments).ok_or_else(|| unreadable("connection.tune"))?)?,
        CLOSE => return closed(channel, &arguments).map(|(code, text)| Outcome::LoginRefused(code, text)),
        _ => return Err(unreadable("the answer to the login")),
    }
    let mut arguments = Vec::new();
    short(&mut arguments, vhost);
    arguments.extend([0, 0]);
    send(channel, OPEN, &arguments)?;
    let (method, arguments) = frame(channel)?;
    match method {
        OPEN_OK => {}
        CLOSE => return closed(channel, &arguments).map(|(code, text)| Outcome::VhostRefused(code, text)),
        _ => return Err(unreadable("the answer to connection.open")),
    }
    let mut goodbye = 200_u16.to_be_bytes().to_vec();
    short(&mut goodbye, "certgen probe is done");
    goodbye.extend([0; 4]);
    send(channel, CLOSE, &goodbye)?;
    // Waiting for its close-ok keeps a warning out of the broker's log; whether it comes changes nothing.
    let _ = frame(channel);
    Ok(Outcome::LoggedIn(Some(vhost.to_owned())))
}

/// One method of the connection class on channel 0.
fn frame(channel: &mut Channel) -> Result<(u16, Vec<u8>), Break> {
    let head = channel.take(7)?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    if head[0] != METHOD || size > LONGEST_FRAME {
        return Err(unreadable("a frame"));
    }
    let whole = channel.take(size as usize + 1)?;
    let (end, payload) = whole.split_last().ok_or_else(|| unreadable("a frame"))?;
    let mut octets = Octets(payload);
    match (*end, octets.two(), octets.two()) {
        (FRAME_END, Some(CONNECTION), Some(method)) => Ok((method, octets.0.to_vec())),
        _ => Err(unreadable("a frame")),
    }
}

fn unreadable(what: &str) -> Break {
    Break::Broken(format!("{what} is not as AMQP 0-9-1 has it"))
}

fn send(channel: &mut Channel, method: u16, arguments: &[u8]) -> Result<(), Break> {
    let size = u32::try_from(arguments.len() + 4).unwrap_or(u32::MAX);
    let mut frame = zeroize::Zeroizing::new(Vec::with_capacity(arguments.len() + 12));
    frame.extend([METHOD, 0, 0]);
    frame.extend(size.to_be_bytes());
    frame.extend(CONNECTION.to_be_bytes());
    frame.extend(method.to_be_bytes());
    frame.extend_from_slice(arguments);
    frame.push(FRAME_END);
    channel.send(&frame)
}

fn start(arguments: &[u8]) -> Option<Application> {
    let mut octets = Octets(arguments);
    octets.take(2)?;
    let properties = octets.long()?;
    let mechanisms = text(octets.long()?);
    let mut seen = Application::seen(Protocol::Amqp);
    seen.mechanisms = mechanisms.split_whitespace().map(str::to_owned).collect();
    let mut table = Octets(properties);
    while let Some((name, value)) = property(&mut table) {
        match name.as_str() {
            "product" => seen.product = value,
            "version" => seen.version = value,
            "platform" => seen.platform = value,
            _ => {}
        }
    }
    Some(seen)
}

/// One field of a table: its name, and its value where that is a text.
fn property(table: &mut Octets<'_>) -> Option<(String, Option<String>)> {
    let name = table.short_text()?;
    let fixed = match table.one()? {
        b'S' => return Some((name, Some(text(table.long()?)))),
        b'F' | b'A' | b'x' => {
            table.long()?;
            0
        }
        b't' | b'b' | b'B' => 1,
        b'U' | b'u' | b's' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'L' | b'l' | b'd' | b'T' => 8,
        b'V' => 0,
        _ => return None,
    };
    table.take(fixed)?;
    Some((name, None))
}

/// A refused login is then told by connection.close, and not by a closed connection alone.
fn client_properties() -> Vec<u8> {
    let mut capabilities = Vec::new();
    short(&mut capabilities, "authentication_failure_close");
    capabilities.extend(b"t\x01");
    let mut table = Vec::new();
    short(&mut table, "capabilities");
    table.push(b'F');
    long(&mut table, &capabilities);
    for (name, value) in [("product", "certgen"), ("connection_name", "certgen probe")] {
        short(&mut table, name);
        table.push(b'S');
        long(&mut table, value.as_bytes());
    }
    table
}

/// What the server proposes, without a heartbeat.
fn tuned(proposed: &[u8]) -> Option<Vec<u8>> {
    let kept = Octets(proposed).take(6)?;
    Some([kept, &[0, 0]].concat())
}

/// Why the server closes; it gets its close-ok.
fn closed(channel: &mut Channel, arguments: &[u8]) -> Result<(u16, String), Break> {
    let mut octets = Octets(arguments);
    let (code, text) = octets.two().zip(octets.short_text()).ok_or_else(|| unreadable("connection.close"))?;
    send(channel, CLOSE_OK, &[])?;
    Ok((code, text))
}

fn short(out: &mut Vec<u8>, text: &str) {
    // Whoever calls this with something longer was refused on the command line.
    let octets = &text.as_bytes()[..text.len().min(255)];
    out.push(octets.len() as u8);
    out.extend_from_slice(octets);
}

fn long(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend(u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(octets);
}
