//! A live look at a TLS server: what it serves, and whose client certificates it asks for.
//!
//! The only room that uses the network. It says what the server said and judges nothing: any chain is
//! accepted, no client certificate is given, and nothing is sent after the handshake. A [`Sighting`] is no proof of who
//! answered; [`verify`](crate::verify) is for that.
//!
//! Which authorities a server trusts stands in its CertificateRequest (RFC 5246 7.4.4; RFC 8446 4.3.2, 4.2.4): a list in
//! every one of TLS 1.2, an extension that may be missing in TLS 1.3. Where it is missing the server is asked once more,
//! in TLS 1.2. Measured: Erlang/OTP 25 and 27 send it in both versions, RabbitMQ 3.10 and 4.0 on listeners and between
//! nodes, and a wider bundle shows in it as soon as both caches are emptied and not before. OTP's documentation has an option
//! that leaves it out of TLS 1.3 (certificate_authorities), and openssl without a CA file has no names in any version.
//!
//! The look ends where the client's part of the handshake does. A server that insists on a client certificate refuses
//! after that, and logs the refusal; everything worth seeing was said before.

mod target;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, DigitallySignedStruct, InvalidMessage, ProtocolVersion,
    SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

pub use target::Target;

use crate::error::{Error, io_reason};
use crate::x509::{Certificate, DistinguishedName, X509Error};

/// How long a look may take, from the name of the host to the end of the handshake.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The address that answered.
    pub address: SocketAddr,
    /// `TLS 1.3` or `TLS 1.2`: the best that both sides speak.
    pub protocol: &'static str,
    /// The chain it served, leaf first; what cannot be read is kept as the reason why.
    pub chain: Vec<Result<Certificate, X509Error>>,
    /// `None`: it asks for no client certificate. Else the subjects of the authorities whose certificates it wants; none
    /// at all means that it names none, not that it trusts none.
    pub client_authorities: Option<Vec<Result<DistinguishedName, X509Error>>>,
}

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

/// Looks at `target` for at most `patience`.
///
/// # Errors
/// Nothing was learned; see [`ProbeError`]. A server that ends the handshake after it has shown its chain, as it does
/// when it wants a client certificate, is no failure.
pub fn probe(target: &Target, patience: Duration) -> Result<Sighting, ProbeError> {
    let deadline = Deadline { end: Instant::now() + patience, patience };
    let sighting = look(target, &[&TLS13, &TLS12], &deadline)?;
    if sighting.protocol == name_of(ProtocolVersion::TLSv1_3) && sighting.client_authorities.as_deref() == Some(&[]) {
        // A server without TLS 1.2 has no list to show, which is what the first look has found.
        let client_authorities = look(target, &[&TLS12], &deadline).ok().and_then(|again| again.client_authorities);
        return Ok(Sighting { client_authorities: client_authorities.or(sighting.client_authorities), ..sighting });
    }
    Ok(sighting)
}

/// One handshake.
fn look(
    target: &Target,
    versions: &[&'static SupportedProtocolVersion],
    deadline: &Deadline,
) -> Result<Sighting, ProbeError> {
    let witness = Arc::new(Witness::new());
    let mut client = client(target, versions, &witness)?;
    let mut stream = connect(target, deadline)?;
    let address = stream.peer_addr().map_err(|e| ProbeError::Closed(io_reason(&e)))?;
    let ended = handshake(&mut client, &mut stream, deadline);
    match (witness.chain.get(), client.protocol_version()) {
        (Some(chain), Some(version)) => Ok(Sighting {
            address,
            protocol: name_of(version),
            chain: chain.iter().map(|der| Certificate::from_der(der)).collect(),
            client_authorities: witness
                .authorities
                .get()
                .map(|names| names.iter().map(|der| DistinguishedName::from_der(der)).collect()),
        }),
        _ => Err(ended.err().unwrap_or_else(|| ProbeError::Handshake("the server showed no certificate".into()))),
    }
}

fn name_of(version: ProtocolVersion) -> &'static str {
    if version == ProtocolVersion::TLSv1_3 { "TLS 1.3" } else { "TLS 1.2" }
}

fn client(
    target: &Target,
    versions: &[&'static SupportedProtocolVersion],
    witness: &Arc<Witness>,
) -> Result<ClientConnection, ProbeError> {
    let failed = |e: rustls::Error| ProbeError::Handshake(e.to_string());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&witness.provider))
        .with_protocol_versions(versions)
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(witness) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(Arc::clone(witness) as Arc<dyn ResolvesClientCert>);
    config.resumption = Resumption::disabled();
    ClientConnection::new(Arc::new(config), target.server_name()).map_err(failed)
}

/// Drives the handshake to its end, or to the reason why it has none.
fn handshake(client: &mut ClientConnection, stream: &mut TcpStream, deadline: &Deadline) -> Result<(), ProbeError> {
    let broken = |e: std::io::Error| match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => ProbeError::TimedOut(deadline.patience),
        _ => ProbeError::Closed(io_reason(&e)),
    };
    loop {
        while client.wants_write() {
            stream.set_write_timeout(Some(deadline.left()?)).map_err(broken)?;
            client.write_tls(stream).map_err(broken)?;
        }
        if !client.is_handshaking() {
            return Ok(());
        }
        stream.set_read_timeout(Some(deadline.left()?)).map_err(broken)?;
        if client.read_tls(stream).map_err(broken)? == 0 {
            return Err(ProbeError::Closed("the connection was closed".into()));
        }
        client.process_new_packets().map_err(|e| in_words(&e))?;
    }
}

fn in_words(error: &rustls::Error) -> ProbeError {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            ProbeError::NotTls
        }
        rustls::Error::AlertReceived(alert) => ProbeError::Alert(alert_name(*alert)),
        other => ProbeError::Handshake(other.to_string()),
    }
}

/// `handshake_failure`, as the RFC and the logs of brokers write it.
fn alert_name(alert: AlertDescription) -> String {
    let Some(name) = alert.as_str() else { return u8::from(alert).to_string() };
    name.char_indices().fold(String::new(), |mut words, (at, c)| {
        if at > 0 && c.is_ascii_uppercase() {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
        words
    })
}

/// The first address that takes the connection. Each gets its share of what time is left.
fn connect(target: &Target, deadline: &Deadline) -> Result<TcpStream, ProbeError> {
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
struct Deadline {
    end: Instant,
    patience: Duration,
}

impl Deadline {
    fn left(&self) -> Result<Duration, ProbeError> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ProbeError::TimedOut(self.patience)) } else { Ok(left) }
    }
}

/// Takes part in a handshake to see it: accepts every chain, gives no certificate, remembers both.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    chain: OnceLock<Vec<Vec<u8>>>,
    authorities: OnceLock<Vec<Vec<u8>>>,
}

impl Witness {
    fn new() -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Self { provider, chain: OnceLock::new(), authorities: OnceLock::new() }
    }
}

/// rustls asks this in TLS 1.2 after, in TLS 1.3 below the CertificateRequest: who has seen a chain knows whether a client
/// certificate is wanted.
impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        self.chain.get_or_init(|| chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Witness {
    fn resolve(&self, root_hint_subjects: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.authorities.get_or_init(|| root_hint_subjects.iter().map(|der| der.to_vec()).collect());
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
