//! One TLS handshake, with everything that it tells written down.
//!
//! Any chain is accepted here, so that it can be judged afterwards. What a client would do for itself is done too and
//! recorded: whether the server holds the key of the certificate that it shows.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, InvalidMessage,
    ProtocolVersion, SignatureScheme, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use super::connect::{Deadline, connect};
use super::{ProbeError, Target};
use crate::error::{Error, Result, io_reason};
use crate::x509::{Certificate, DistinguishedName, PrivateKey, X509Error};

/// What is kept of the first octets that a server sent, for a server that does not speak TLS.
const FIRST: usize = 512;

/// The certificate and key that a client presents.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Leaf first, as it is sent.
    pub chain: Vec<Certificate>,
    key: Arc<CertifiedKey>,
}

impl Credentials {
    /// A chain, leaf first, and the key of its leaf.
    ///
    /// # Errors
    /// The key is none for TLS, or none of this certificate.
    pub fn new(chain: Vec<Certificate>, key: &PrivateKey) -> Result<Self> {
        if chain.first().is_none_or(|leaf| leaf.public_key() != key.public_key()) {
            return Err(Error::failed("the private key does not belong to the certificate")
                .hint("give the pair that was made together: certgen inspect FILE shows the mark of each key"));
        }
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
        let signer = aws_lc_rs::default_provider().key_provider.load_private_key(der);
        let signer = signer.map_err(|e| Error::failed(format!("the private key cannot be used for TLS: {e}")))?;
        let sent = chain.iter().map(|c| CertificateDer::from(c.der().to_vec())).collect();
        Ok(Self { chain, key: Arc::new(CertifiedKey::new(sent, signer)) })
    }

    /// As rustls presents it, whoever asks.
    pub(super) fn certified(&self) -> SingleCertAndKey {
        SingleCertAndKey::from(Arc::clone(&self.key))
    }
}

/// Whether the server showed that it holds the key of its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Possession {
    /// Its signature is by the key of the certificate.
    Proven,
    /// Its signature is by another key.
    Refuted,
    /// The handshake did not come so far, or the key is of a kind that cannot be checked here.
    Unseen,
}

/// A handshake that was tried.
pub(super) struct Attempt {
    pub(super) address: SocketAddr,
    pub(super) version: Option<ProtocolVersion>,
    pub(super) suite: Option<String>,
    pub(super) group: Option<String>,
    pub(super) chain: Option<Vec<Result<Certificate, X509Error>>>,
    pub(super) authorities: Option<Vec<Result<DistinguishedName, X509Error>>>,
    pub(super) possession: Possession,
    /// The first octets that came, as they are.
    pub(super) first: Vec<u8>,
    /// How the handshake ended; the connection where it held.
    pub(super) end: Result<Connection, ProbeError>,
}

/// A connection after its handshake.
pub(super) struct Connection {
    pub(super) client: ClientConnection,
    pub(super) stream: TcpStream,
}

/// Tries one.
///
/// # Errors
/// There is no connection to try it on.
pub(super) fn attempt(
    target: &Target,
    versions: &[&'static SupportedProtocolVersion],
    credentials: Option<&Credentials>,
    deadline: &Deadline,
) -> Result<Attempt, ProbeError> {
    let witness = Arc::new(Witness::new(credentials));
    let mut client = client(target, versions, &witness)?;
    let mut stream = connect(target, deadline)?;
    let address = stream.peer_addr().map_err(|e| ProbeError::Closed(io_reason(&e)))?;
    let mut first = Vec::new();
    let ended = handshake(&mut client, &mut stream, &mut first, deadline);
    Ok(Attempt {
        address,
        version: client.protocol_version(),
        suite: client.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())),
        group: client.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
        chain: witness.chain.get().map(|chain| chain.iter().map(|der| Certificate::from_der(der)).collect()),
        authorities: witness
            .authorities
            .get()
            .map(|names| names.iter().map(|der| DistinguishedName::from_der(der)).collect()),
        possession: witness.possession.get().copied().unwrap_or(Possession::Unseen),
        first,
        end: ended.map(|()| Connection { client, stream }),
    })
}

/// `TLS 1.3`
pub(super) fn name_of(version: ProtocolVersion) -> &'static str {
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
fn handshake(
    client: &mut ClientConnection,
    stream: &mut TcpStream,
    first: &mut Vec<u8>,
    deadline: &Deadline,
) -> Result<(), ProbeError> {
    loop {
        let written = write(client, stream, deadline);
        if written.is_ok() && !client.is_handshaking() {
            return Ok(());
        }
        // A server that refuses may be gone before everything is written; its alert is still there to be read.
        match (read(client, stream, Some(first), deadline), written) {
            (Err(ProbeError::Closed(_)), Err(unwritten)) => return Err(unwritten),
            (Ok(false), Err(unwritten)) => return Err(unwritten),
            (Ok(false), Ok(())) => return Err(ProbeError::Closed("the connection was closed".into())),
            (Ok(true), _) => {}
            (Err(other), _) => return Err(other),
        }
    }
}

/// Sends what rustls has to send.
pub(super) fn write(
    client: &mut ClientConnection,
    stream: &mut TcpStream,
    deadline: &Deadline,
) -> Result<(), ProbeError> {
    while client.wants_write() {
        stream.set_write_timeout(Some(deadline.left()?)).map_err(|e| broken(&e, deadline))?;
        client.write_tls(stream).map_err(|e| broken(&e, deadline))?;
    }
    Ok(())
}

/// Takes what comes; false at the end of the connection.
pub(super) fn read(
    client: &mut ClientConnection,
    stream: &mut TcpStream,
    first: Option<&mut Vec<u8>>,
    deadline: &Deadline,
) -> Result<bool, ProbeError> {
    stream.set_read_timeout(Some(deadline.left()?)).map_err(|e| broken(&e, deadline))?;
    let mut kept = Vec::new();
    let read = client.read_tls(&mut Kept { stream, into: first.unwrap_or(&mut kept) });
    if read.map_err(|e| broken(&e, deadline))? == 0 {
        return Ok(false);
    }
    client.process_new_packets().map(|_| true).map_err(|e| in_words(&e))
}

/// Reads from the network and keeps the first octets.
struct Kept<'a> {
    stream: &'a mut TcpStream,
    into: &'a mut Vec<u8>,
}

impl Read for Kept<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let room = FIRST.saturating_sub(self.into.len());
        self.into.extend_from_slice(&buffer[..count.min(room)]);
        Ok(count)
    }
}

fn broken(e: &std::io::Error, deadline: &Deadline) -> ProbeError {
    match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => deadline.over(),
        _ => ProbeError::Closed(io_reason(e)),
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
    // RFC 8446 6.2 has no other abbreviation in it.
    let name = name.replace("CA", "Ca");
    name.char_indices().fold(String::new(), |mut words, (at, c)| {
        if at > 0 && c.is_ascii_uppercase() {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
        words
    })
}

/// Takes part in a handshake to see it: accepts every chain and remembers what it saw.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    credentials: Option<Arc<CertifiedKey>>,
    chain: OnceLock<Vec<Vec<u8>>>,
    authorities: OnceLock<Vec<Vec<u8>>>,
    possession: OnceLock<Possession>,
}

impl Witness {
    fn new(credentials: Option<&Credentials>) -> Self {
        Self {
            provider: Arc::new(aws_lc_rs::default_provider()),
            credentials: credentials.map(|credentials| Arc::clone(&credentials.key)),
            chain: OnceLock::new(),
            authorities: OnceLock::new(),
            possession: OnceLock::new(),
        }
    }

    /// A signature that does not verify is recorded, and the handshake goes on to what else there is to see.
    fn record(&self, checked: Result<HandshakeSignatureValid, rustls::Error>) -> HandshakeSignatureValid {
        self.possession.get_or_init(|| match checked {
            Ok(_) => Possession::Proven,
            Err(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => Possession::Refuted,
            Err(_) => Possession::Unseen,
        });
        HandshakeSignatureValid::assertion()
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        Ok(self.record(verify_tls12_signature(message, certificate, signed, known)))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        Ok(self.record(verify_tls13_signature(message, certificate, signed, known)))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Witness {
    fn resolve(&self, root_hint_subjects: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.authorities.get_or_init(|| root_hint_subjects.iter().map(|der| der.to_vec()).collect());
        self.credentials.clone()
    }

    fn has_certs(&self) -> bool {
        self.credentials.is_some()
    }
}
