//! MQTT 3.1.1: CONNECT and its answer (OASIS MQTT 3.1.1, sections 3.1 and 3.2).
//!
//! The client id is random and the session is a clean one without a will, so no device that is connected is cut off and
//! nothing is left behind.

use zeroize::Zeroizing;

use super::application::{Application, Login, Outcome, Protocol};
use super::channel::{Break, Channel};
use crate::x509::SerialNumber;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const DISCONNECT: &[u8] = &[0xE0, 0];
const CLEAN_SESSION: u8 = 0x02;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

pub(super) fn talk(channel: &mut Channel, login: &Login) -> Result<Application, Break> {
    channel.send(&connect(login)?)?;
    // Two octets of any other protocol's answer do not look like this.
    if channel.peek(2)?[..2] != [CONNACK, 2] {
        return Err(Break::Unlike(channel.so_far()));
    }
    let code = channel.take(4)?[3];
    let mut seen = Application::seen(Protocol::Mqtt);
    seen.outcome = match (code, login) {
        (0, _) => Outcome::LoggedIn(None),
        (4 | 5, Login::Nobody) => Outcome::Seen,
        (4 | 5, _) => Outcome::LoginRefused(code.into(), meaning(code).to_owned()),
        _ => Outcome::Refused(code.into(), meaning(code).to_owned()),
    };
    if code == 0 {
        channel.send(DISCONNECT)?;
    }
    Ok(seen)
}

/// The words of section 3.2.2.3.
fn meaning(code: u8) -> &'static str {
    match code {
        1 => "unacceptable protocol version",
        2 => "identifier rejected",
        3 => "server unavailable",
        4 => "bad user name or password",
        5 => "not authorized",
        _ => "a reserved return code",
    }
}

fn connect(login: &Login) -> Result<Zeroizing<Vec<u8>>, Break> {
    let id = SerialNumber::random().map_err(|e| Break::Broken(e.to_string()))?;
    let id: String = id.as_bytes().iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    let mut body = Zeroizing::new(Vec::with_capacity(256));
    string(&mut body, b"MQTT");
    let with_password = login.password().is_some();
    body.extend([4, if with_password { CLEAN_SESSION | USER_NAME | PASSWORD } else { CLEAN_SESSION }, 0, 60]);
    string(&mut body, format!("certgen-probe-{id}").as_bytes());
    if let Some((user, password)) = login.password() {
        string(&mut body, user.as_bytes());
        string(&mut body, password.as_bytes());
    }
    let mut packet = Zeroizing::new(Vec::with_capacity(body.len() + 5));
    packet.push(CONNECT);
    let mut length = body.len();
    loop {
        let octet = (length & 0x7f) as u8;
        length >>= 7;
        packet.push(if length > 0 { octet | 0x80 } else { octet });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(&body);
    Ok(packet)
}

fn string(out: &mut Vec<u8>, octets: &[u8]) {
    let octets = &octets[..octets.len().min(usize::from(u16::MAX))];
    out.extend((octets.len() as u16).to_be_bytes());
    out.extend_from_slice(octets);
}
