//! What speaks inside TLS, and how far a login came.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::channel::Break;
use crate::ui;

/// The protocols that a broker speaks over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// AMQP 0-9-1.
    Amqp,
    /// MQTT 3.1.1.
    Mqtt,
    /// HTTP/1.1: management, Prometheus.
    Https,
    /// STOMP 1.2.
    Stomp,
    /// RabbitMQ streams.
    Stream,
    /// Erlang distribution: between nodes, and for the command line tools.
    Erlang,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Amqp, Self::Mqtt, Self::Https, Self::Stomp, Self::Stream, Self::Erlang];

    /// Its word on the command line and in `--json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Amqp => "amqp",
            Self::Mqtt => "mqtt",
            Self::Https => "https",
            Self::Stomp => "stomp",
            Self::Stream => "stream",
            Self::Erlang => "erlang",
        }
    }

    /// Its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Amqp => "AMQPS",
            Self::Mqtt => "MQTTS",
            Self::Https => "HTTPS",
            Self::Stomp => "STOMP over TLS",
            Self::Stream => "the stream protocol over TLS",
            Self::Erlang => "Erlang distribution over TLS",
        }
    }

    /// The protocol whose standard port this is.
    pub fn of_port(port: u16) -> Option<Self> {
        Some(match port {
            5671 => Self::Amqp,
            8883 => Self::Mqtt,
            443 | 15671 | 15691 => Self::Https,
            61614 => Self::Stomp,
            5551 => Self::Stream,
            25672 => Self::Erlang,
            _ => return None,
        })
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("{} is no protocol: known are {known}", ui::quote(text))
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// As whom to log in.
#[derive(Clone, Debug)]
pub enum Login {
    /// As nobody: it ends where a login would begin.
    Nobody,
    /// As the user that the client certificate names (EXTERNAL).
    Certificate,
    /// With a name and a password (PLAIN).
    Password {
        /// The user.
        user: String,
        /// Wiped when it is dropped; in no output.
        password: Secret,
    },
}

/// A password.
#[derive(Clone)]
pub struct Secret(pub Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Login {
    /// The mechanism and what it answers with (RFC 4422; RFC 4616).
    pub(super) fn sasl(&self) -> Option<(&'static str, Zeroizing<Vec<u8>>)> {
        match self {
            Self::Nobody => None,
            Self::Certificate => Some(("EXTERNAL", Zeroizing::default())),
            Self::Password { user, password } => {
                Some(("PLAIN", Zeroizing::new(format!("\0{user}\0{}", *password.0).into_bytes())))
            }
        }
    }

    /// User and password, where there is one.
    pub(super) fn password(&self) -> Option<(&str, &str)> {
        match self {
            Self::Password { user, password } => Some((user, &password.0)),
            _ => None,
        }
    }
}

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was recognised, and nobody was logged in.
    Seen,
    /// The login was accepted; what it reached, such as a virtual host.
    LoggedIn(Option<String>),
    /// The broker offers no mechanism of this name.
    NotOffered(&'static str),
    /// The login was refused, with this code and text.
    LoginRefused(u16, String),
    /// The login was accepted and the virtual host refused, with this code and text.
    VhostRefused(u16, String),
    /// Something else was refused.
    Refused(u16, String),
}

/// What a server said inside TLS. All texts are the server's own and not safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// What it speaks.
    pub protocol: Protocol,
    /// `RabbitMQ`, or what else it calls itself.
    pub product: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it runs on.
    pub platform: Option<String>,
    /// How it lets somebody in; empty where the protocol has no list.
    pub mechanisms: Vec<String>,
    /// The status of its answer, in HTTP.
    pub status: Option<u16>,
    /// The time on its clock, where it told.
    pub date: Option<OffsetDateTime>,
    /// How far it came.
    pub outcome: Outcome,
}

impl Application {
    /// Logs in with `log_in`, which takes the mechanism and its response, if somebody is to be logged in and may.
    pub(super) fn by_sasl(
        &mut self,
        login: &Login,
        log_in: impl FnOnce(&'static str, &[u8]) -> Result<Outcome, Break>,
    ) -> Result<(), Break> {
        if let Some((mechanism, response)) = login.sasl() {
            let is_offered = self.mechanisms.iter().any(|offered| offered == mechanism);
            self.outcome = if is_offered { log_in(mechanism, &response)? } else { Outcome::NotOffered(mechanism) };
        }
        Ok(())
    }

    /// Recognised, and nothing more is known.
    pub(super) fn seen(protocol: Protocol) -> Self {
        Self {
            protocol,
            product: None,
            version: None,
            platform: None,
            mechanisms: Vec::new(),
            status: None,
            date: None,
            outcome: Outcome::Seen,
        }
    }
}
