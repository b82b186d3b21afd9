//! rustls 0.23 with rustls-webpki: no rules of ours, it is asked itself. Chains, time and purpose as its WebPkiServerVerifier
//! and WebPkiClientVerifier ask for them; the name as the former does.
//!
//! Never the common name; a wildcard is a whole label with two labels after it; of an anchor only name and key count, and
//! its name constraints. The handshake adds that an RSA key has 2048 bits (RSA_PSS_2048_8192 and its kin).

use std::sync::Arc;
use std::time::Duration;

use ::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use ::rustls::crypto::CryptoProvider;
use ::rustls::crypto::aws_lc_rs::default_provider;
use ::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use ::rustls::{Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::ask::{Ask, rsa_bits};
use crate::verify::path::MOST_UNTRUSTED;
use crate::verify::{PeerName, Purpose};

/// What is refused, whatever the certificate.
const NO_ISSUER: &str = "invalid peer certificate: UnknownIssuer";

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    let peer = Peer::of(ask);
    let verdict = match ask.purpose() {
        Purpose::Server => peer.server(ask),
        Purpose::Client => peer.client(),
        Purpose::Node => peer.server(ask).or_else(|| peer.client()),
        // It knows no purpose but these.
        Purpose::Any => peer.server(ask).and_then(|text| peer.client().map(|_| text)),
    };
    let short = rsa_bits(ask.leaf()).is_some_and(|bits| bits < 2048);
    verdict.or_else(|| short.then(|| "invalid peer certificate: BadSignature".to_owned()))
}

struct Peer<'a> {
    leaf: CertificateDer<'a>,
    between: Vec<CertificateDer<'a>>,
    roots: Arc<RootCertStore>,
    now: UnixTime,
    provider: Arc<CryptoProvider>,
}

impl<'a> Peer<'a> {
    fn of(ask: &Ask<'a>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(ask.question.anchors.iter().map(|ca| CertificateDer::from(ca.der())));
        let seconds = u64::try_from(ask.question.time.unix_timestamp()).unwrap_or(0);
        let between = ask.question.untrusted.iter().take(MOST_UNTRUSTED);
        Self {
            leaf: CertificateDer::from(ask.leaf().der()),
            between: between.map(|certificate| CertificateDer::from(certificate.der())).collect(),
            roots: Arc::new(roots),
            now: UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            provider: Arc::new(default_provider()),
        }
    }

    fn server(&self, ask: &Ask<'_>) -> Option<String> {
        let name = match ask.name() {
            Some(PeerName::Dns(host)) => ServerName::try_from(host.clone()).ok(),
            Some(PeerName::Ip(address)) => Some(ServerName::IpAddress((*address).into())),
            _ => None,
        };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verdict = ParsedCertificate::try_from(&self.leaf).and_then(|leaf| {
            verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, &self.between, self.now, algorithms)?;
            name.map_or(Ok(()), |name| verify_server_name(&leaf, &name))
        });
        verdict.err().map(|error| text(&error))
    }

    fn client(&self) -> Option<String> {
        let builder = WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone());
        let Ok(verifier) = builder.build() else { return Some(NO_ISSUER.to_owned()) };
        verifier.verify_client_cert(&self.leaf, &self.between, self.now).err().map(|error| text(&error))
    }
}

/// As it is printed, without the list of every algorithm that there is.
fn text(error: &Error) -> String {
    let text = error.to_string();
    match text.split_once(" { signature_algorithm_id") {
        Some((before, _)) => before.to_owned(),
        None => text,
    }
}
