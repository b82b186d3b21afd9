//! Node's `tls`: its own OpenSSL verifies at security level 1, then `tls.checkServerIdentity` compares the name. Run with
//! Node 20.20.
//!
//! The common name counts when there is no dNSName; a wildcard may be a part of the left-most label, with two labels
//! after it. A server that refuses a client does not say why: its `tlsClientError` is "socket hang up".

use super::ask::Ask;
use super::libcrypto::{self, Fault, Manner};
use super::names::{CommonName, NameRule, addresses, part_of_label, wanted};
use crate::ui;
use crate::verify::{PeerName, Purpose};

const NAMES: NameRule =
    NameRule { common_name: CommonName::WithoutDnsName, matches: |host, pattern| part_of_label(host, pattern, 2) };

pub(super) fn refusal(ask: &Ask<'_>) -> Option<String> {
    let manner = Manner { level: 1, strict: false, partial: false, name: None };
    match libcrypto::fault(ask, &manner) {
        Some(_) if ask.purpose() == Purpose::Client => Some("socket hang up".to_owned()),
        Some(fault) => Some(in_words(fault).to_owned()),
        None => NAMES.misses(ask).then(|| format!("Hostname/IP does not match certificate's altnames: {}", other(ask))),
    }
}

fn in_words(fault: Fault) -> &'static str {
    match fault {
        Fault::NoIssuer(1) => "unable to verify the first certificate",
        Fault::NoCertificateSigning => "key usage does not include certificate signing",
        Fault::NotAnAuthority => "unsuitable certificate purpose",
        fault => fault.text(),
    }
}

fn other(ask: &Ask<'_>) -> String {
    let (names, host) = (ask.names(), wanted(ask));
    if matches!(ask.name(), Some(PeerName::Ip(_))) {
        let own: Vec<_> = addresses(&names).take(20).map(|address| address.to_string()).collect();
        return format!("IP: {host} is not in the cert's list: {}", own.join(", "));
    }
    let common_names = ask.leaf().subject().common_names();
    let listed = names.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let has_dns = names.iter().any(|name| matches!(name, crate::verify::general_name::RawName::Dns(_)));
    match common_names.first() {
        _ if has_dns => {
            format!("Host: {host}. is not in the cert's altnames: {}", listed.replace("IP:", "IP Address:"))
        }
        Some(common_name) => format!("Host: {host}. is not cert's CN: {}", ui::plain(common_name)),
        None => "Cert does not contain a DNS name".to_owned(),
    }
}
