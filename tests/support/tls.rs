//! A TLS server in this process, for what needs one on the machine and no judge: it shows an identity of a world's PKI and
//! asks for client certificates of the bundle beside it.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What a server says inside TLS.
pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Starts it on loopback and returns its port. It serves until the process ends.
pub(crate) fn server(identity: &Path) -> u16 {
    serving(identity, identity, |_| {})
}

/// The same with the key of another identity, and with something to say when a handshake is done.
pub(crate) fn serving(identity: &Path, key: &Path, say: impl Fn(&mut Stream) + Send + 'static) -> u16 {
    let certificates = |file: &str| {
        let found = CertificateDer::pem_file_iter(identity.join(file)).expect("an identity is complete");
        found.collect::<Result<Vec<_>, _>>().expect("certificates are PEM")
    };
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca_certificate.pem"));
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(key.join("server_key.pem")).expect("a key is PEM");
    let key = provider.key_provider.load_private_key(key).expect("a key is for TLS");
    let shown = Shown(Arc::new(CertifiedKey::new(certificates("server_certificate.pem"), key)));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_client_cert_verifier(clients.build().expect("the bundle is not empty"))
        .with_cert_resolver(Arc::new(shown));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).expect("the configuration is good");
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            if connection.is_handshaking() {
                let _ = stream.flush();
                continue;
            }
            let mut stream = StreamOwned::new(connection, stream);
            say(&mut stream);
            let _ = stream.flush();
        }
    });
    port
}

/// Shows the same to everybody, whether or not it fits together.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
