//! In this process: the verifiers that a rustls client and a rustls server use, a client's handshake with whom they accept,
//! and how a server loads its pair.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};

use super::real::{Question, Verdicts};

pub(super) fn rustls(cases: &[Question<'_>], directory: &Path) -> Verdicts {
    let asked = cases.iter().filter(|case| case.about != "key-store");
    asked.map(|case| (case.name.to_owned(), judge(case, &directory.join(case.name)).err())).collect()
}

fn judge(case: &Question<'_>, directory: &Path) -> Result<(), String> {
    if case.about == "key" || case.about == "pem" {
        load(directory)?;
    }
    if case.about == "key" {
        return Ok(());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&directory.join("anchors.pem"))?);
    if roots.is_empty() {
        return Err("no anchor could be read".to_owned());
    }
    let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
    let chain = certificates(&directory.join("chain.pem"))?;
    let (leaf, untrusted) = chain.split_first().ok_or("there is no certificate")?;
    let lists = match case.about {
        "crl" => vec![CertificateRevocationListDer::from_pem_file(directory.join("crl.pem")).map_err(text)?],
        _ => Vec::new(),
    };
    let now = UnixTime::now();
    if case.purpose == "server" {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).with_crls(lists);
        let verifier = verifier.only_check_end_entity_revocation().enforce_revocation_expiration().build();
        let name = ServerName::try_from(case.host.to_owned()).expect("a name");
        let verifier = verifier.map_err(text)?;
        verifier.verify_server_cert(leaf, untrusted, &name, &[], now).map_err(text)?;
        if case.about == "chain" { shake(verifier, name, directory) } else { Ok(()) }
    } else {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).with_crls(lists);
        let verifier = verifier.only_check_end_entity_revocation().enforce_revocation_expiration().build();
        verifier.map_err(text)?.verify_client_cert(leaf, untrusted, now).map(drop).map_err(text)
    }
}

/// The handshake looks at the key as well. Only openssl shows every key.
fn shake(verifier: Arc<WebPkiServerVerifier>, name: ServerName<'static>, directory: &Path) -> Result<(), String> {
    let mut server = Command::new("openssl");
    server.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-cipher", "ALL:@SECLEVEL=0"]);
    let file = |name: &str| directory.join(name);
    server
        .arg("-cert")
        .arg(file("leaf.pem"))
        .arg("-cert_chain")
        .arg(file("chain.pem"))
        .arg("-key")
        .arg(file("key.pem"));
    server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut server) = server.spawn() else { return Ok(()) };
    let lines = BufReader::new(server.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let port = lines.into_iter().find_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse::<u16>().ok());
    // Where openssl cannot show it, nothing more is known.
    let shaken = port.map_or(Ok(()), |port| {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("the provider has them").dangerous();
        let config = config.with_custom_certificate_verifier(verifier).with_no_client_auth();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let mut connection = ClientConnection::new(Arc::new(config), name).map_err(text)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(text)?;
        }
        Ok(())
    });
    let _ = server.kill();
    let _ = server.wait();
    shaken
}

/// The chain with its key.
fn load(directory: &Path) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_file(directory.join("key.pem")).map_err(text)?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("the provider has them").with_no_client_auth();
    config.with_single_cert(certificates(&directory.join("chain.pem"))?, key).map(drop).map_err(text)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
