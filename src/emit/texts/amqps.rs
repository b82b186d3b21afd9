@header@
//
// In Cargo.toml: lapin = "4". With its default features the authorities of the system are trusted beside those of CA_FILE.

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, SASLMechanism};
use lapin::{Connection, ConnectionProperties};

@constants@

/// A connection; the user is the name in the certificate.
pub async fn connect() -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
    let uri = AMQPUri {
        scheme: AMQPScheme::AMQPS,
        authority: AMQPAuthority { host: HOST.into(), port: PORT, ..Default::default() },
        vhost: VHOST.into(),
        query: AMQPQueryString { auth_mechanism: Some(SASLMechanism::External), ..Default::default() },
    };
    // The host name is checked against the certificate of the broker.
    let tls = OwnedTLSConfig {
        identity: Some(OwnedIdentity::PKCS8 { pem: std::fs::read(CERTIFICATE_FILE)?, key: std::fs::read(KEY_FILE)? }),
        cert_chain: Some(std::fs::read_to_string(CA_FILE)?),
    };
    let runtime = lapin::runtime::default_runtime()?;
    Ok(Connection::connect_uri_with_config(uri, ConnectionProperties::default(), tls, runtime).await?)
}
