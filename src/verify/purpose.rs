//! What a certificate is for: extended key usage, and the key usage that a TLS handshake needs.

use std::fmt;

use serde::Serialize;

use super::finding::{Check, Findings, Place};
use crate::{
    ui,
    x509::{ExtendedKeyUsage, KeyUsage},
};

/// The use that is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A TLS server.
    Server,
    /// A TLS client.
    Client,
    /// A RabbitMQ node: server, and client of its peers.
    Node,
    /// Any use: extended key usage is not looked at.
    Any,
}

impl Purpose {
    /// The word people type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Node => "node",
            Self::Any => "any",
        }
    }

    pub(super) fn wanted(self) -> &'static [ExtendedKeyUsage] {
        match self {
            Self::Server => &[ExtendedKeyUsage::ServerAuth],
            Self::Client => &[ExtendedKeyUsage::ClientAuth],
            Self::Node => &[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
            Self::Any => &[],
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Server, Self::Client, Self::Node, Self::Any]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or_else(|| format!("{} is none of server, client, node, any", ui::quote(text)))
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Extended key usage of one certificate of the path. An authority that has one limits everything under it, for every
/// verifier that we know.
pub(super) fn check(purpose: Purpose, at: Place<'_>, findings: &mut Findings) {
    let Some(usages) = at.certificate.extended_key_usage() else {
        return;
    };
    if usages.is_empty() {
        findings.problem(at, Check::Purpose, "at least one usage in extendedKeyUsage", "an empty extendedKeyUsage");
        return;
    }
    let missing: Vec<_> = purpose.wanted().iter().filter(|wanted| !usages.contains(wanted)).collect();
    if missing.is_empty() {
        return;
    }
    let expected = missing.iter().map(|usage| usage_text(usage)).collect::<Vec<_>>().join(" and ");
    let found = usages.iter().map(usage_text).collect::<Vec<_>>().join(", ");
    if usages.contains(&ExtendedKeyUsage::Any) {
        // RFC 5280 lets the application choose; webpki refuses and openssl accepts, so it is told and the library decides.
        findings.note(at, Check::Purpose, format!("{expected} in extendedKeyUsage"), found);
        return;
    }
    findings.problem(at, Check::Purpose, format!("{expected} in extendedKeyUsage (purpose {purpose})"), found);
}

/// Key usage of the leaf: TLS 1.3 and every (EC)DHE suite sign the handshake.
pub(super) fn check_key_usage(purpose: Purpose, leaf: Place<'_>, findings: &mut Findings) {
    let Some(usage) = leaf.certificate.key_usage() else {
        return;
    };
    if purpose == Purpose::Any || usage.contains(KeyUsage::DIGITAL_SIGNATURE) {
        return;
    }
    let found = match usage.names().join(", ") {
        names if names.is_empty() => "no usage at all".to_owned(),
        names => names,
    };
    let expected = "digitalSignature in keyUsage";
    if purpose == Purpose::Server && usage.contains(KeyUsage::KEY_ENCIPHERMENT) {
        findings.note(
            leaf,
            Check::KeyUsage,
            expected,
            format!("{found}: good for TLS 1.2 with RSA key transport alone"),
        );
    } else {
        findings.problem(leaf, Check::KeyUsage, expected, found);
    }
}

/// The standard's word for a usage.
fn usage_text(usage: &ExtendedKeyUsage) -> String {
    match usage {
        ExtendedKeyUsage::ServerAuth => "serverAuth".into(),
        ExtendedKeyUsage::ClientAuth => "clientAuth".into(),
        ExtendedKeyUsage::Any => "anyExtendedKeyUsage".into(),
        ExtendedKeyUsage::Other(dotted) => ui::plain(dotted),
    }
}
