//! Where to look: `HOST:PORT`.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::ServerName;

use crate::error::Error;
use crate::ui;

/// A host and a port as they are typed: `broker.example.com:5671`, `192.0.2.1:5671`, `[2001:db8::1]:5671`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    server_name: ServerName<'static>,
}

impl Target {
    /// The text ends as a target does, and is neither a path nor ROLE/NAME. A file or an identity may be called so too.
    pub fn is_meant(text: &str) -> bool {
        text.rsplit_once(':').is_some_and(|(host, port)| !host.contains('/') && is_number(port))
    }

    /// The host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What goes into server_name (RFC 6066 section 3), which has no place for an address.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        self.server_name.clone()
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            Error::usage(format!("{} is no HOST:PORT: {why}", ui::quote(text)))
                .hint("write it like broker.example.com:5671 or [2001:db8::1]:5671")
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(|| refused("there is no port"))?;
        let port = Some(port).filter(|port| is_number(port)).and_then(|port| port.parse().ok());
        let port = port.filter(|port| *port != 0).ok_or_else(|| refused("a port is 1 to 65535"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(refused("an IPv6 address stands in brackets"));
        }
        let host = bare.unwrap_or(host);
        let server_name = ServerName::try_from(host.to_owned())
            .map_err(|_| refused("its host is neither a host name nor an address"))?;
        if bare.is_some() && !matches!(server_name, ServerName::IpAddress(rustls_pki_types::IpAddr::V6(_))) {
            return Err(refused("only an IPv6 address stands in brackets"));
        }
        Ok(Self { host: host.to_owned(), port, server_name })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// As it is typed; nothing in it can disturb a terminal.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
