//! A TLS server in this process, for what needs one on the machine and no judge: it shows an identity of a world's PKI and
//! asks for client certificates of the bundle beside it.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Starts it on loopback and returns its port. It serves until the process ends.
pub(crate) fn server(identity: &Path) -> u16 {
    let certificates = |file: &str| {
        let found = CertificateDer::pem_file_iter(identity.join(file)).expect("an identity is complete");
        found.collect::<Result<Vec<_>, _>>().expect("certificates are PEM")
    };
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca_certificate.pem"));
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(identity.join("server_key.pem")).expect("a key is PEM");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_client_cert_verifier(clients.build().expect("the bundle is not empty"))
        .with_single_cert(certificates("server_certificate.pem"), key)
        .expect("key and certificate belong together");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut connection = ServerConnection::new(Arc::clone(&config)).expect("the configuration is good");
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            let _ = stream.flush();
        }
    });
    port
}
