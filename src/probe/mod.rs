//! Live looks at servers: a short one that only sees, and an examination up to the login that says who refuses whom.
//!
//! The only room that uses the network. The look ([`probe`]) says what the server said and judges nothing: any chain is
//! accepted, no client certificate is given, and nothing is sent after the handshake. A [`Sighting`] is no proof of who
//! answered; [`verify`](crate::verify) is for that.
//!
//! Which authorities a server trusts stands in its CertificateRequest (RFC 5246 7.4.4; RFC 8446 4.3.2, 4.2.4): a list in
//! every one of TLS 1.2, an extension that may be missing in TLS 1.3. Where it is missing the server is asked once more,
//! in TLS 1.2. Measured: Erlang/OTP 25 and 27 send it in both versions, RabbitMQ 3.10 and 4.0 on listeners and between
//! nodes, and a wider bundle shows in it as soon as both caches are emptied, seldom before. OTP's documentation has an option
//! that leaves it out of TLS 1.3 (certificate_authorities), and openssl without a CA file has no names in any version.
//!
//! The look ends where the client's part of the handshake does. A server that insists on a client certificate refuses
//! after that, and logs the refusal; everything worth seeing was said before.

mod amqp;
mod application;
mod channel;
mod client;
mod connect;
mod distribution;
mod error;
mod examine;
mod handshake;
mod http;
mod look;
mod mqtt;
mod octets;
mod recognise;
mod server;
mod session;
mod stomp;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod verdict;

pub use application::{Application, Login, Outcome, Protocol, Secret};
pub use channel::Break;
pub use error::ProbeError;
pub use examine::{End, Observation, Question, Tls, observe};
pub use handshake::{Credentials, Possession};
pub use look::{PATIENCE, Sighting, probe};
pub use recognise::Plain;
pub use server::ServerVerdict;
pub use session::{Input, Talk, connect_to, listen, serve};
pub use target::Target;
pub use verdict::{Verdict, judge};
