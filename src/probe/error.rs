//! Why a server has nothing to tell.

use std::net::SocketAddr;
use std::time::Duration;

use super::Target;
use crate::error::Error;

/// Why there is nothing to tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// No address is known for the host.
    #[error("no address is known: {0}")]
    UnknownHost(String),
    /// None of the addresses took the connection; the reason of the first.
    #[error("{1} ({0})")]
    NotConnected(SocketAddr, String),
    /// Nothing, or not enough, came in time.
    #[error("no answer within {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The connection broke or was closed before the server had said anything of itself.
    #[error("{0} in the handshake")]
    Closed(String),
    /// What came is not TLS.
    #[error("what answers there does not speak TLS")]
    NotTls,
    /// The server ended the handshake with this alert (RFC 8446 6.2).
    #[error("the server ended the handshake with the alert {0}")]
    Alert(String),
    /// There is no common ground, or the server broke the protocol.
    #[error("{0}")]
    Handshake(String),
}

impl ProbeError {
    /// The failure in front of the user, who typed `target`.
    pub fn at(&self, target: &Target) -> Error {
        let error = Error::failed(format!("looking at {target}: {self}"));
        match self {
            Self::UnknownHost(_) => error.hint("give a host name that this machine can resolve, or an address"),
            Self::NotConnected(..) | Self::TimedOut(_) => {
                error.hint("rabbitmq-diagnostics listeners, on the broker, says what listens where")
            }
            Self::NotTls => {
                error.hint("name a TLS listener: the broker's are 5671 (AMQP), 8883 (MQTT), 15671 (management)")
            }
            _ => error,
        }
    }
}
