//! RabbitMQ's stream protocol (deps/rabbitmq_stream/docs/PROTOCOL.adoc): who it is, what it offers, login, virtual host.

use zeroize::Zeroizing;

use super::application::{Application, Login, Outcome, Protocol};
use super::channel::{Break, Channel};
use super::octets::Octets;

const PEER_PROPERTIES: u16 = 0x0011;
const SASL_HANDSHAKE: u16 = 0x0012;
const SASL_AUTHENTICATE: u16 = 0x0013;
const TUNE: u16 = 0x0014;
const OPEN: u16 = 0x0015;
const CLOSE: u16 = 0x0016;
/// Set in the key of an answer.
const ANSWER: u16 = 0x8000;
const OK: u16 = 1;
const LONGEST_FRAME: u32 = 64 << 10;
/// RabbitMQ 3.10.8 hands EXTERNAL the state of its own handshake, and the process of the connection ends (measured; by its source
/// 3.10.25 and 3.11 do not).
const NO_EXTERNAL: &str = "the login by EXTERNAL with the end of the connection: RabbitMQ 3.10.8 and older cannot take it on \
                           streams, later releases can";

pub(super) fn talk(channel: &mut Channel, login: &Login, vhost: &str) -> Result<Application, Break> {
    ask(channel, PEER_PROPERTIES, &0_u32.to_be_bytes())?;
    let head = channel.peek(6)?;
    if head[4..6] != (PEER_PROPERTIES | ANSWER).to_be_bytes() {
        return Err(Break::Unlike(channel.so_far()));
    }
    let (_, properties) = answer(channel, PEER_PROPERTIES)?;
    let mut seen = Application::seen(Protocol::Stream);
    let mut octets = Octets(&properties);
    for _ in 0..octets.four().unwrap_or_default() {
        let Some((name, value)) = octets.text().zip(octets.text()) else { break };
        match name.as_str() {
            "product" => seen.product = Some(value),
            "version" => seen.version = Some(value),
            "platform" => seen.platform = Some(value),
            _ => {}
        }
    }
    ask(channel, SASL_HANDSHAKE, &[])?;
    let (_, offered) = answer(channel, SASL_HANDSHAKE)?;
    let mut octets = Octets(&offered);
    for _ in 0..octets.four().unwrap_or_default() {
        let Some(mechanism) = octets.text() else { break };
        seen.mechanisms.push(mechanism);
    }
    seen.by_sasl(login, |mechanism, response| log_in(channel, mechanism, response, vhost))?;
    Ok(seen)
}

fn log_in(channel: &mut Channel, mechanism: &str, response: &[u8], vhost: &str) -> Result<Outcome, Break> {
    let mut content = Zeroizing::new(Vec::with_capacity(64 + response.len()));
    string(&mut content, mechanism);
    content.extend(u32::try_from(response.len()).unwrap_or(u32::MAX).to_be_bytes());
    content.extend_from_slice(response);
    ask(channel, SASL_AUTHENTICATE, &content)?;
    let code = match answer(channel, SASL_AUTHENTICATE) {
        Ok((code, _)) => code,
        Err(Break::Closed(_)) if mechanism == "EXTERNAL" => return Ok(Outcome::Refused(0, NO_EXTERNAL.to_owned())),
        Err(other) => return Err(other),
    };
    if code != OK {
        return Ok(Outcome::LoginRefused(code, meaning(code).to_owned()));
    }
    // The server proposes limits, and takes what it proposed.
    let (key, proposed) = frame(channel)?;
    let limits = Octets(&proposed).take(8).filter(|_| key == TUNE).ok_or_else(unreadable)?.to_vec();
    send(channel, TUNE, &limits)?;
    let mut content = Vec::new();
    string(&mut content, vhost);
    ask(channel, OPEN, &content)?;
    let (code, _) = answer(channel, OPEN)?;
    if code != OK {
        return Ok(Outcome::VhostRefused(code, meaning(code).to_owned()));
    }
    let mut goodbye = OK.to_be_bytes().to_vec();
    string(&mut goodbye, "certgen probe is done");
    ask(channel, CLOSE, &goodbye)?;
    let _ = answer(channel, CLOSE);
    Ok(Outcome::LoggedIn(Some(vhost.to_owned())))
}

fn meaning(code: u16) -> &'static str {
    match code {
        7 => "SASL mechanism not supported",
        8 => "authentication failure",
        9 => "SASL error",
        11 => "this user may only log in from the broker's own host",
        12 => "access to the virtual host refused",
        _ => "refused",
    }
}

fn unreadable() -> Break {
    Break::Broken("a frame is not as the stream protocol has it".into())
}

/// A command that is answered. Only one is under way at a time, so all have the same correlation id.
fn ask(channel: &mut Channel, key: u16, content: &[u8]) -> Result<(), Break> {
    let content = Zeroizing::new([&1_u32.to_be_bytes(), content].concat());
    send(channel, key, &content)
}

fn send(channel: &mut Channel, key: u16, content: &[u8]) -> Result<(), Break> {
    let size = u32::try_from(content.len() + 4).unwrap_or(u32::MAX);
    let mut frame = Zeroizing::new(Vec::with_capacity(content.len() + 8));
    frame.extend(size.to_be_bytes());
    frame.extend(key.to_be_bytes());
    frame.extend(1_u16.to_be_bytes());
    frame.extend_from_slice(content);
    channel.send(&frame)
}

/// The code and the content of the answer to `key`.
fn answer(channel: &mut Channel, key: u16) -> Result<(u16, Vec<u8>), Break> {
    let (answered, content) = frame(channel)?;
    let mut octets = Octets(&content);
    match (answered == key | ANSWER, octets.four(), octets.two()) {
        (true, Some(_), Some(code)) => Ok((code, octets.0.to_vec())),
        _ => Err(unreadable()),
    }
}

/// The key and what follows the version.
fn frame(channel: &mut Channel) -> Result<(u16, Vec<u8>), Break> {
    let size = Octets(&channel.take(4)?).four().filter(|size| (4..=LONGEST_FRAME).contains(size));
    let frame = channel.take(size.ok_or_else(unreadable)? as usize)?;
    let mut octets = Octets(&frame);
    match (octets.two(), octets.two()) {
        (Some(key), Some(_)) => Ok((key, octets.0.to_vec())),
        _ => Err(unreadable()),
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    let octets = &text.as_bytes()[..text.len().min(32_767)];
    out.extend((octets.len() as u16).to_be_bytes());
    out.extend_from_slice(octets);
}
