//! What is said inside TLS, octet by octet: bounded in time and in memory.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::ClientConnection;

use super::ProbeError;
use super::connect::Deadline;
use super::handshake::{Connection, read, write};

/// More than any first answer of the protocols here.
const MOST: usize = 256 << 10;

/// A few octets are sent at once or not at all.
const GOODBYE: Duration = Duration::from_millis(200);

/// Why a conversation has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// The server ended TLS with this alert.
    Alert(String),
    /// The connection was closed or reset.
    Closed(String),
    /// Nothing came in time.
    TimedOut,
    /// Something else answered; its first octets.
    Unlike(Vec<u8>),
    /// The answer breaks the rules of its protocol, or TLS did.
    Broken(String),
}

impl From<ProbeError> for Break {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Alert(alert) => Self::Alert(alert),
            ProbeError::Closed(reason) => Self::Closed(reason),
            ProbeError::TimedOut(_) => Self::TimedOut,
            other => Self::Broken(other.to_string()),
        }
    }
}

/// An open connection with TLS.
pub(super) struct Channel {
    client: ClientConnection,
    stream: TcpStream,
    deadline: Deadline,
    received: Vec<u8>,
}

impl Channel {
    pub(super) fn new(connection: Connection, deadline: Deadline) -> Self {
        Self { client: connection.client, stream: connection.stream, deadline, received: Vec::new() }
    }

    /// Gives up earlier than the whole examination does.
    pub(super) fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    /// Sends these octets. A server that has closed already is heard by the next read, which may find its reason.
    pub(super) fn send(&mut self, octets: &[u8]) -> Result<(), Break> {
        self.client.writer().write_all(octets).map_err(|e| Break::Broken(e.to_string()))?;
        match write(&mut self.client, &mut self.stream, &self.deadline) {
            Ok(()) | Err(ProbeError::Closed(_)) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }

    /// Exactly so many octets.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<u8>, Break> {
        self.peek(count)?;
        Ok(self.received.drain(..count).collect())
    }

    /// At least so many octets, which stay where they are.
    pub(super) fn peek(&mut self, count: usize) -> Result<&[u8], Break> {
        if count > MOST {
            return Err(Break::Broken(format!("it announces {count} octets")));
        }
        while self.received.len() < count {
            self.more()?;
        }
        Ok(&self.received)
    }

    /// Everything up to and with `end`, which must come within `most` octets.
    pub(super) fn until(&mut self, end: &[u8], most: usize) -> Result<Vec<u8>, Break> {
        loop {
            if let Some(at) = self.received.windows(end.len()).position(|window| window == end) {
                return Ok(self.received.drain(..at + end.len()).collect());
            }
            if self.received.len() > most {
                return Err(Break::Unlike(self.so_far()));
            }
            self.more()?;
        }
    }

    /// The beginning of what came and was not taken.
    pub(super) fn so_far(&self) -> Vec<u8> {
        self.received[..self.received.len().min(512)].to_vec()
    }

    /// Waits for more.
    fn more(&mut self) -> Result<(), Break> {
        let mut buffer = [0; 4096];
        loop {
            match self.client.reader().read(&mut buffer) {
                Ok(0) => return Err(Break::Closed("the connection was closed".into())),
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(Break::Closed("the connection was closed without close_notify".into())),
            }
            if !read(&mut self.client, &mut self.stream, None, &self.deadline)? {
                // What was received before the end is still to be taken.
                return match self.client.reader().read(&mut buffer) {
                    Ok(count) if count > 0 => {
                        self.received.extend_from_slice(&buffer[..count]);
                        Ok(())
                    }
                    _ => Err(Break::Closed("the connection was closed".into())),
                };
            }
            // An answer of TLS to TLS, such as a key update.
            let _ = write(&mut self.client, &mut self.stream, &self.deadline);
        }
    }

    /// Says that nothing more follows, also when there was no time for an answer. Whether the server hears it changes
    /// nothing.
    pub(super) fn close(mut self) {
        self.client.send_close_notify();
        let _ = write(&mut self.client, &mut self.stream, &Deadline::after(GOODBYE));
    }
}
