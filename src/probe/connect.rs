//! The way to a server: the name resolved, an address that takes the connection, one end for everything.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{ProbeError, Target};
use crate::error::io_reason;

/// The first address that takes the connection. Each gets its share of what time is left.
pub(super) fn connect(target: &Target, deadline: &Deadline) -> Result<TcpStream, ProbeError> {
    let addresses = resolve(target, deadline)?;
    let mut first_failure = None;
    for (tried, address) in addresses.iter().enumerate() {
        let share = deadline.left()? / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(stream) => return Ok(stream),
            Err(e) if e.kind() == ErrorKind::TimedOut => {
                first_failure.get_or_insert(ProbeError::TimedOut(deadline.patience))
            }
            Err(e) => first_failure.get_or_insert(ProbeError::NotConnected(*address, io_reason(&e))),
        };
    }
    Err(first_failure.unwrap_or_else(|| ProbeError::UnknownHost("the name stands for nothing".into())))
}

/// The resolver of the system has no time limit of its own, so it works in a thread that is left behind when it is late.
fn resolve(target: &Target, deadline: &Deadline) -> Result<Vec<SocketAddr>, ProbeError> {
    let (sender, receiver) = mpsc::channel();
    let place = (target.host().to_owned(), target.port());
    std::thread::spawn(move || {
        let found = place.to_socket_addrs().map(Iterator::collect);
        // Nobody waits any more: nothing is lost.
        let _ = sender.send(found);
    });
    match receiver.recv_timeout(deadline.left()?) {
        Ok(found) => found.map_err(|e| ProbeError::UnknownHost(io_reason(&e))),
        Err(RecvTimeoutError::Timeout) => Err(ProbeError::TimedOut(deadline.patience)),
        Err(RecvTimeoutError::Disconnected) => Err(ProbeError::UnknownHost("the resolver failed".into())),
    }
}

/// One end for all steps: a server that sends an octet a second does not hold us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    end: Instant,
    patience: Duration,
}

impl Deadline {
    pub(super) fn after(patience: Duration) -> Self {
        Self { end: Instant::now() + patience, patience }
    }

    /// An earlier end, for a step that need not take all of it.
    pub(super) fn within(self, share: Duration) -> Self {
        Self { end: self.end.min(Instant::now() + share), patience: self.patience }
    }

    /// What is said when it is over.
    pub(super) fn over(&self) -> ProbeError {
        ProbeError::TimedOut(self.patience)
    }

    pub(super) fn left(&self) -> Result<Duration, ProbeError> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ProbeError::TimedOut(self.patience)) } else { Ok(left) }
    }
}
