//! A conversation over TLS: what comes in on one side goes out on the other, as `openssl s_server` and `s_client` do it.
//!
//! It shows that a pair works, on this machine and by hand; it is no server for anything else. One peer is served at a
//! time, one that does not come to the end of its handshake is given up, and what waits to be sent is bounded.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, ServerName};

use super::connect::{Deadline, connect};
use super::handshake::name_of;
use super::{Credentials, PATIENCE, Target};
use crate::error::{Error, Result, io_reason};
use crate::x509::Certificate;

/// How long one look at the network takes before the other side is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// The same when there is something to say.
const AT_ONCE: Duration = Duration::from_millis(1);
/// How long a peer that was told that nothing follows may stay silent.
const QUIET: Duration = Duration::from_secs(10);
/// What is ready to be said is there by then.
const READY: Duration = Duration::from_millis(500);
/// Octets that are read at once, and pieces that wait.
const PIECE: usize = 8 << 10;
const WAITING: usize = 16;

/// What somebody has to say, read by a thread of its own.
pub struct Input {
    pieces: Receiver<Vec<u8>>,
    ended: bool,
}

/// Where a conversation goes: what the peer says, and what is to be known about the connection.
pub struct Talk<'a> {
    /// The peer's octets.
    pub heard: &'a mut dyn FnMut(&[u8]) -> Result<()>,
    /// A sentence about the connection.
    pub note: &'a mut dyn FnMut(String),
}

impl Input {
    /// Reads `from` to its end.
    pub fn new(mut from: impl Read + Send + 'static) -> Self {
        let (sender, pieces) = sync_channel(WAITING);
        std::thread::spawn(move || {
            let mut buffer = vec![0; PIECE];
            while let Ok(count) = from.read(&mut buffer) {
                // Nobody listens any more, or nothing more comes: both end it.
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { pieces, ended: false }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        match self.pieces.try_recv() {
            Ok(piece) => Some(piece),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.ended = true;
                None
            }
        }
    }
}

/// Listens on an address, or on `host:0` for a port that is free.
///
/// # Errors
/// It is taken, or not of this machine.
pub fn listen(host: &str, port: u16) -> Result<TcpListener> {
    let failed = |e: std::io::Error| Error::failed(format!("listening on {host}:{port}: {}", io_reason(&e)));
    let listener = TcpListener::bind((host, port)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Serves one peer after the other until the input has ended and somebody has heard it.
///
/// # Errors
/// What the peer said cannot be passed on.
pub fn serve(listener: &TcpListener, identity: &Credentials, input: &mut Input, talk: &mut Talk<'_>) -> Result<()> {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity.certified()));
    let config = Arc::new(config);
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let connection = ServerConnection::new(Arc::clone(&config)).map_err(unusable)?;
                match converse(connection.into(), stream, input, talk) {
                    Err(Stop::Peer(reason)) => (talk.note)(format!("{peer}: {reason}")),
                    Err(Stop::Here(error)) => return Err(error),
                    Ok(()) if input.ended => return Ok(()),
                    Ok(()) => (talk.note)(format!("{peer}: closed")),
                }
            }
            Err(_) => std::thread::sleep(GLANCE),
        }
    }
}

/// Connects, checks the server's certificate for `name` against `anchors`, and converses until one side ends it.
///
/// # Errors
/// Nobody answers, the server is not who it should be, or what it said cannot be passed on.
pub fn connect_to(
    target: &Target,
    name: &str,
    anchors: &[Certificate],
    identity: &Credentials,
    input: &mut Input,
    talk: &mut Talk<'_>,
) -> Result<()> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots.add(CertificateDer::from(anchor.der().to_vec())).map_err(unusable)?;
    }
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| Error::failed(format!("{} is no name that a server can have", crate::ui::quote(name))))?;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(identity.certified()));
    let stream = connect(target, &Deadline::after(PATIENCE)).map_err(|e| e.at(target))?;
    let connection = ClientConnection::new(Arc::new(config), name).map_err(unusable)?;
    converse(connection.into(), stream, input, talk).map_err(|stop| match stop {
        Stop::Peer(reason) => Error::failed(format!("talking to {target}: {reason}")),
        Stop::Here(error) => error,
    })
}

fn unusable(error: rustls::Error) -> Error {
    Error::failed(format!("preparing TLS: {error}"))
}

/// Why a conversation broke off.
enum Stop {
    /// The peer, or the way to it.
    Peer(String),
    /// We ourselves.
    Here(Error),
}

fn converse(mut tls: Connection, mut stream: TcpStream, input: &mut Input, talk: &mut Talk<'_>) -> Result<(), Stop> {
    let lost = |e: std::io::Error| Stop::Peer(io_reason(&e));
    stream.set_nonblocking(false).map_err(lost)?;
    stream.set_read_timeout(Some(GLANCE)).map_err(lost)?;
    stream.set_write_timeout(Some(QUIET)).map_err(lost)?;
    shake_hands(&mut tls, &mut stream, talk)?;
    // When each side said that nothing follows, and when we said something last.
    let (mut we_end, mut peer_ends, mut said) = (None::<Instant>, None::<Instant>, Instant::now());
    loop {
        if we_end.is_none() {
            // Piece by piece, and heard in between: two sides that only talk would wait for each other.
            let is_busy = say(&mut tls, &mut stream, input)?;
            if is_busy {
                said = Instant::now();
            }
            stream.set_read_timeout(Some(if is_busy { AT_ONCE } else { GLANCE })).map_err(lost)?;
            // A peer that has nothing more to say may listen still: it hears what is ready to be said.
            let nobody_waits = peer_ends.is_some_and(|at| at.max(said).elapsed() > READY);
            if input.ended || nobody_waits {
                tls.send_close_notify();
                we_end = Some(Instant::now());
            }
        }
        send(&mut tls, &mut stream)?;
        if we_end.is_some_and(|at| peer_ends.is_some() || at.elapsed() > QUIET) {
            return Ok(());
        }
        match peer_ends {
            Some(_) => std::thread::sleep(GLANCE),
            None => match hear(&mut tls, &mut stream, talk)? {
                Heard::More => {}
                Heard::End => peer_ends = Some(Instant::now()),
                Heard::Gone => return Ok(()),
            },
        }
    }
}

/// A peer that does not come to the end of it would keep all others waiting.
fn shake_hands(tls: &mut Connection, stream: &mut TcpStream, talk: &mut Talk<'_>) -> Result<(), Stop> {
    let began = Instant::now();
    while tls.is_handshaking() {
        if began.elapsed() > PATIENCE {
            return Err(Stop::Peer("it did not finish the handshake".to_owned()));
        }
        send(tls, stream)?;
        if !matches!(hear(tls, stream, talk)?, Heard::More) && tls.is_handshaking() {
            return Err(Stop::Peer("it ended the connection in the handshake".to_owned()));
        }
    }
    let version = tls.protocol_version().map_or("TLS", name_of);
    let suite = tls.negotiated_cipher_suite().map(|suite| format!(", {:?}", suite.suite())).unwrap_or_default();
    (talk.note)(format!("connected: {version}{suite}"));
    Ok(())
}

/// The next piece. False when there is none yet, or none any more.
fn say(tls: &mut Connection, stream: &mut TcpStream, input: &mut Input) -> Result<bool, Stop> {
    let Some(piece) = input.next() else { return Ok(false) };
    tls.writer().write_all(&piece).map_err(|e| Stop::Peer(io_reason(&e)))?;
    send(tls, stream)?;
    Ok(true)
}

fn send(tls: &mut Connection, stream: &mut TcpStream) -> Result<(), Stop> {
    while tls.wants_write() {
        tls.write_tls(stream).map_err(|e| Stop::Peer(io_reason(&e)))?;
    }
    Ok(())
}

/// What a look at the network found.
enum Heard {
    /// Something or nothing; more may come.
    More,
    /// The peer has said that nothing follows.
    End,
    /// The connection is closed.
    Gone,
}

fn hear(tls: &mut Connection, stream: &mut TcpStream, talk: &mut Talk<'_>) -> Result<Heard, Stop> {
    let is_gone = match tls.read_tls(stream) {
        Ok(count) => count == 0,
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => false,
        Err(e) if e.kind() == ErrorKind::ConnectionReset => true,
        Err(e) => return Err(Stop::Peer(io_reason(&e))),
    };
    let state = tls.process_new_packets().map_err(|e| {
        // The alert says why to the other side.
        let _ = tls.write_tls(stream);
        Stop::Peer(e.to_string())
    })?;
    let mut heard = vec![0; state.plaintext_bytes_to_read()];
    if tls.reader().read_exact(&mut heard).is_ok() && !heard.is_empty() {
        (talk.heard)(&heard).map_err(Stop::Here)?;
    }
    Ok(match () {
        () if state.peer_has_closed() => Heard::End,
        () if is_gone => Heard::Gone,
        () => Heard::More,
    })
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::issuer::Publication;
    use crate::tls_gen::{Authorities, NewAuthorities, NewPair, Profile, Settings, Variables};

    /// A root and a server for `localhost`, of today: rustls looks at the machine's clock.
    fn pair() -> (Certificate, Credentials) {
        let mut variables = Variables::default();
        variables.set("USE_ECC", "true").unwrap();
        let settings = Settings::new(&variables, "localhost").unwrap();
        let (profile, now, hour) = (Profile::Basic, OffsetDateTime::now_utc(), time::Duration::HOUR);
        let new = Authorities::make(profile, &settings, &Publication::default(), now, hour).unwrap();
        let NewAuthorities { authorities, .. } = new;
        let made = NewPair::make(profile.pairs()[0], &authorities, &settings, now, hour).unwrap();
        (made.issuer, Credentials::new(vec![made.certificate], &made.key).unwrap())
    }

    /// What a client hears from a server that says `said`, when it trusts `anchor` and wants to meet `name`.
    fn heard(name: &str, anchor: &Certificate, identity: &Credentials, said: Vec<u8>) -> Result<Vec<u8>> {
        let listener = listen("127.0.0.1", 0)?;
        let target: Target = listener.local_addr().unwrap().to_string().parse()?;
        let server = identity.clone();
        let serving = std::thread::spawn(move || {
            let mut talk = Talk { heard: &mut |_| Ok(()), note: &mut |_| {} };
            let mut input = Input::new(std::io::Cursor::new(said));
            serve(&listener, &server, &mut input, &mut talk)
        });
        let mut all = Vec::new();
        let mut hear = |octets: &[u8]| {
            all.extend_from_slice(octets);
            Ok(())
        };
        let mut talk = Talk { heard: &mut hear, note: &mut |_| {} };
        connect_to(&target, name, std::slice::from_ref(anchor), identity, &mut Input::new(&b""[..]), &mut talk)?;
        serving.join().unwrap()?;
        Ok(all)
    }

    #[test]
    fn what_one_side_says_the_other_hears_to_the_last_octet() {
        let (anchor, identity) = pair();
        for length in [0, 5, 300_000] {
            let said = vec![b'x'; length];
            assert_eq!(heard("localhost", &anchor, &identity, said.clone()).unwrap().len(), length);
        }
    }

    #[test]
    fn another_name_and_another_root_are_refused() {
        let (anchor, identity) = pair();
        let error = heard("other.example", &anchor, &identity, Vec::new()).unwrap_err();
        assert!(error.message().contains("talking to 127.0.0.1:"), "{error}");
        assert!(heard("localhost", &pair().0, &identity, Vec::new()).is_err());
    }
}
