//! The short look: what a server shows before anybody presents a certificate.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedProtocolVersion};

use super::connect::Deadline;
use super::handshake::{attempt, name_of};
use super::{ProbeError, Target};
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

/// Looks at `target` for at most `patience`.
///
/// # Errors
/// Nothing was learned; see [`ProbeError`]. A server that ends the handshake after it has shown its chain, as it does
/// when it wants a client certificate, is no failure.
pub fn probe(target: &Target, patience: Duration) -> Result<Sighting, ProbeError> {
    let deadline = Deadline::after(patience);
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
    let seen = attempt(target, versions, None, deadline)?;
    match (seen.chain, seen.version) {
        (Some(chain), Some(version)) => Ok(Sighting {
            address: seen.address,
            protocol: name_of(version),
            chain,
            client_authorities: seen.authorities,
        }),
        _ => Err(seen.end.err().unwrap_or_else(|| ProbeError::Handshake("the server showed no certificate".into()))),
    }
}
