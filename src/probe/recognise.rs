//! What answers where no TLS is, or another protocol than was spoken to: known by its first octets, else by its port.

use super::Protocol;

/// Something that speaks without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plain {
    /// AMQP.
    Amqp,
    /// MQTT.
    Mqtt,
    /// HTTP.
    Http,
    /// STOMP.
    Stomp,
    /// RabbitMQ streams.
    Stream,
    /// Erlang distribution.
    Erlang,
    /// Erlang's port mapper.
    Epmd,
    /// Mail.
    Smtp,
    /// A secure shell.
    Ssh,
    /// Nothing that is known here.
    Other,
}

impl Plain {
    /// What it is, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Amqp => "AMQP without TLS",
            Self::Mqtt => "MQTT without TLS",
            Self::Http => "HTTP without TLS",
            Self::Stomp => "STOMP without TLS",
            Self::Stream => "the stream protocol without TLS",
            Self::Erlang => "Erlang distribution without TLS",
            Self::Epmd => "epmd, Erlang's port mapper, which knows no TLS",
            Self::Smtp => "mail (SMTP) without TLS",
            Self::Ssh => "a secure shell (SSH)",
            Self::Other => "something that is no TLS",
        }
    }

    /// The port on which RabbitMQ has the same with TLS by default.
    pub fn with_tls(self) -> Option<u16> {
        match self {
            Self::Amqp => Some(5671),
            Self::Mqtt => Some(8883),
            Self::Http => Some(15671),
            Self::Stomp => Some(61614),
            Self::Stream => Some(5551),
            Self::Erlang | Self::Epmd | Self::Smtp | Self::Ssh | Self::Other => None,
        }
    }

    /// The one whose standard port this is.
    pub fn of_port(port: u16) -> Option<Self> {
        Some(match port {
            5672 => Self::Amqp,
            1883 => Self::Mqtt,
            80 | 8080 | 15672 | 15692 => Self::Http,
            61613 => Self::Stomp,
            5552 => Self::Stream,
            25672 => Self::Erlang,
            4369 => Self::Epmd,
            25 | 587 => Self::Smtp,
            22 => Self::Ssh,
            _ => return None,
        })
    }
}

/// What the first octets of a server without TLS say.
pub(super) fn plain(first: &[u8]) -> Plain {
    const BEGINNINGS: [(&[u8], Plain); 7] = [
        (b"AMQP", Plain::Amqp),
        (b"HTTP/", Plain::Http),
        (b"SSH-", Plain::Ssh),
        (b"220 ", Plain::Smtp),
        (b"220-", Plain::Smtp),
        (b"ERROR\n", Plain::Stomp),
        (b"CONNECTED\n", Plain::Stomp),
    ];
    let known = BEGINNINGS.iter().find(|(beginning, _)| first.starts_with(beginning));
    known.map_or(Plain::Other, |(_, plain)| *plain)
}

/// What the first octets inside TLS say.
pub(super) fn inside(first: &[u8]) -> Option<Protocol> {
    match plain(first) {
        Plain::Amqp => Some(Protocol::Amqp),
        Plain::Http => Some(Protocol::Https),
        Plain::Stomp => Some(Protocol::Stomp),
        _ => None,
    }
}
