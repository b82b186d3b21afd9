//! The roles of end entities, and what each means for a certificate.

use std::fmt;
use std::str::FromStr;

use crate::x509::{Certificate, ExtendedKeyUsage, KeyType, KeyUsage};

/// What an end-entity certificate is for. An authority is not a role: it signs, and no peer ever meets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers TLS connections.
    Server,
    /// A RabbitMQ node: server of its clients and peers, and client of its peers.
    Node,
    /// Opens TLS connections; its name is the RabbitMQ user.
    Client,
}

impl Role {
    /// All roles, in the order in which they are shown.
    pub const ALL: [Self; 3] = [Self::Server, Self::Node, Self::Client];

    /// The word for it in the manifest, in commands and in directory names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Node => "node",
            Self::Client => "client",
        }
    }

    /// Whether the certificate is shown to those who connect: it then needs subject alternative names.
    pub fn serves(self) -> bool {
        self != Self::Client
    }

    /// The key usage of this role's certificates (RFC 5280 section 4.2.1.3).
    ///
    /// keyEncipherment serves only the RSA key exchange of TLS 1.2, which some old clients still choose; for any other
    /// key it would be wrong (RFC 5480 section 3, RFC 8410 section 5).
    pub fn key_usage(self, key_type: KeyType) -> KeyUsage {
        if self.serves() && is_rsa(key_type) {
            KeyUsage::DIGITAL_SIGNATURE | KeyUsage::KEY_ENCIPHERMENT
        } else {
            KeyUsage::DIGITAL_SIGNATURE
        }
    }

    /// The extended key usages. A node needs both: Erlang shows one certificate in both directions and refuses either
    /// alone, and does not count anyExtendedKeyUsage.
    pub fn extended_key_usage(self) -> Vec<ExtendedKeyUsage> {
        match self {
            Self::Server => vec![ExtendedKeyUsage::ServerAuth],
            Self::Node => vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
            Self::Client => vec![ExtendedKeyUsage::ClientAuth],
        }
    }

    /// Whether `certificate` has just the extended key usages of this role.
    pub fn fits(self, certificate: &Certificate) -> bool {
        let found = certificate.extended_key_usage().unwrap_or_default();
        let wanted = self.extended_key_usage();
        wanted.len() == found.len() && wanted.iter().all(|usage| found.contains(usage))
    }

    /// The file that holds the certificate and its intermediates.
    pub fn certificate_file(self) -> &'static str {
        if self.serves() { "server_certificate.pem" } else { "client_certificate.pem" }
    }

    /// The file that holds the private key.
    pub fn key_file(self) -> &'static str {
        if self.serves() { "server_key.pem" } else { "client_key.pem" }
    }

    /// The file that holds certificate and key together, so that one rename swaps the pair.
    pub fn combined_file(self) -> Option<&'static str> {
        self.serves().then_some("combined_keys.pem")
    }

    /// The bundle of the anchors that this entity verifies others against.
    pub fn bundle_file(self) -> &'static str {
        "ca_certificate.pem"
    }

    /// The bundle for its peers, which only a node has.
    pub fn inter_node_bundle_file(self) -> Option<&'static str> {
        (self == Self::Node).then_some("inter_node_ca_certificate.pem")
    }
}

fn is_rsa(key_type: KeyType) -> bool {
    matches!(key_type, KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text is not the name of a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a role: it is server, node or client", crate::ui::quote(.0))]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rsa_keys_that_serve_may_encipher_keys() {
        assert!(Role::Server.key_usage(KeyType::Rsa2048).contains(KeyUsage::KEY_ENCIPHERMENT));
        assert!(Role::Node.key_usage(KeyType::Rsa4096).contains(KeyUsage::KEY_ENCIPHERMENT));
        assert!(!Role::Client.key_usage(KeyType::Rsa2048).contains(KeyUsage::KEY_ENCIPHERMENT));
        for key_type in [KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::EcdsaP521, KeyType::Ed25519] {
            for role in Role::ALL {
                assert_eq!(role.key_usage(key_type), KeyUsage::DIGITAL_SIGNATURE);
            }
        }
    }

    #[test]
    fn a_node_is_server_and_client_of_its_peers() {
        assert_eq!(Role::Node.extended_key_usage(), [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth]);
        assert_eq!(Role::Client.extended_key_usage(), [ExtendedKeyUsage::ClientAuth]);
    }

    #[test]
    fn words_round_trip() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!(
            "sevrer".parse::<Role>().unwrap_err().to_string(),
            r#""sevrer" is not a role: it is server, node or client"#
        );
    }

    #[test]
    fn files_are_named_for_the_side_that_uses_them() {
        assert_eq!(
            (Role::Node.certificate_file(), Role::Node.key_file()),
            ("server_certificate.pem", "server_key.pem")
        );
        assert_eq!(Role::Client.certificate_file(), "client_certificate.pem");
        assert_eq!(Role::Client.combined_file(), None);
        assert_eq!(Role::Server.inter_node_bundle_file(), None);
    }
}
