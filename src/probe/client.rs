//! Why a broker refuses a client: what its alert says, and what the certificates here say about it. Pure.
//!
//! The alerts are those of Erlang's `ssl`, which has one for several causes; what decides between them is our own
//! certificate and whom the server named in its CertificateRequest.

use time::Duration;

use crate::diagnosis::{CauseId, Side};
use crate::ui;
use crate::x509::{Certificate, ExtendedKeyUsage};

use super::application::{Login, Protocol};
use super::examine::{Observation, Question};
use super::server::{is_between_nodes, named};
use super::verdict::Stop;

/// TLS ended after the server had shown its chain: with this alert, or without a word.
pub(super) fn refused(question: &Question<'_>, seen: &Observation, alert: Option<&str>) -> Stop {
    let said = match alert {
        Some(alert) => format!("it says {}", ui::plain(alert)),
        None => "it ends the connection without a word".to_owned(),
    };
    let stop = because(question, seen, alert, &said);
    // Between nodes the same faults have names of their own.
    if !is_between_nodes(question) {
        return stop;
    }
    let cause = match stop.cause {
        Some(CauseId::ClientCaUnknown) => Some(CauseId::NodeCaUnknown),
        Some(CauseId::ClientPurpose) => Some(CauseId::NodePurpose),
        other => other,
    };
    Stop { cause, ..stop }
}

fn because(question: &Question<'_>, seen: &Observation, alert: Option<&str>, said: &str) -> Stop {
    let by_broker = |cause, why: String| Stop::at(cause, Side::Broker, why);
    let Some(names) = &seen.client_authorities else {
        return Stop::unknown(Side::Broker, format!("{said} and asked for no client certificate"));
    };
    let Some(credentials) = question.credentials else {
        let https = seen_protocol(question) == Some(Protocol::Https);
        let cause = if https { CauseId::ManagementAsksCertificate } else { CauseId::ClientMissing };
        return by_broker(cause, format!("{said}; {}", wanted(names)));
    };
    let Some(leaf) = credentials.chain.first() else {
        return by_broker(CauseId::ClientMissing, said.to_owned());
    };
    let whom = named(leaf);
    match alert {
        Some("certificate_revoked") => {
            return by_broker(CauseId::ClientRevoked, format!("{said} to {whom}, serial number {}", leaf.serial()));
        }
        Some("certificate_expired") => return expired(question, leaf, said),
        Some("unknown_ca") => return unknown_authority(question, seen, &credentials.chain, said),
        _ => {}
    }
    // The alerts that are left stand for several causes, and silence for all of them.
    let now = question.now;
    if now > leaf.validity().not_after || now < leaf.validity().not_before {
        return expired(question, leaf, said);
    }
    if let Some(usages) = other_purpose(leaf) {
        return by_broker(CauseId::ClientPurpose, format!("{said}, and {whom} is for {usages}"));
    }
    if matches!(alert, None | Some("certificate_required" | "bad_certificate" | "handshake_failure"))
        && !names.is_empty()
        && !is_named(seen, &credentials.chain)
    {
        return unknown_authority(question, seen, &credentials.chain, said);
    }
    match alert {
        Some("bad_certificate" | "certificate_unknown" | "handshake_failure") => by_broker(
            CauseId::RevocationListUnusable,
            format!(
                "{said} to {whom}, and nothing speaks against that certificate but a list that is missing or has lapsed"
            ),
        ),
        Some("certificate_required") => by_broker(CauseId::ClientMissing, format!("{said} though {whom} was sent")),
        Some("decrypt_error" | "decode_error") => {
            Stop::unknown(Side::Broker, format!("{said} to the signature of {whom}"))
        }
        _ => Stop::unknown(Side::Broker, format!("{said} to {whom}, and nothing here speaks against that certificate")),
    }
}

fn seen_protocol(question: &Question<'_>) -> Option<Protocol> {
    question.protocol.or_else(|| Protocol::of_port(question.target.port()))
}

/// Whose certificates it wants.
fn wanted(names: &[Result<crate::x509::DistinguishedName, crate::x509::X509Error>]) -> String {
    let known: Vec<String> = names.iter().flatten().take(5).map(|name| ui::quote(&name.to_string())).collect();
    if known.is_empty() {
        return "it wants a certificate and names no authority".to_owned();
    }
    format!("it wants a certificate from {}", known.join(" or "))
}

/// Erlang says the same of a certificate whose time has not come.
fn expired(question: &Question<'_>, leaf: &Certificate, said: &str) -> Stop {
    let (from, until) = (leaf.validity().not_before, leaf.validity().not_after);
    let whom = named(leaf);
    let by_broker = |cause, why: String| Stop::at(cause, Side::Broker, why);
    if question.now < from {
        return by_broker(CauseId::ClientNotYetValid, format!("{said}, and {whom} is valid from {}", ui::date(from)));
    }
    if question.now > until {
        return by_broker(CauseId::ClientExpired, format!("{said}, and {whom} was valid until {}", ui::date(until)));
    }
    let clock = "by the clock of this machine it is valid, so the broker's clock is";
    if question.now - from < Duration::DAY {
        return by_broker(
            CauseId::ClientNotYetValid,
            format!("{said} of {whom}, valid since {}: {clock} behind", ui::date(from)),
        );
    }
    by_broker(CauseId::ClientExpired, format!("{said} of {whom}, valid until {}: {clock} ahead", ui::date(until)))
}

/// What it is for, if that is not being a client.
fn other_purpose(leaf: &Certificate) -> Option<&'static str> {
    let usages = leaf.extended_key_usage()?;
    if usages.contains(&ExtendedKeyUsage::ClientAuth) {
        return None;
    }
    Some(if usages.contains(&ExtendedKeyUsage::ServerAuth) { "servers alone" } else { "something else" })
}

/// The server names an authority that the chain leads to, by name.
fn is_named(seen: &Observation, chain: &[Certificate]) -> bool {
    let names = seen.client_authorities.as_deref().unwrap_or_default();
    chain.iter().any(|sent| names.iter().flatten().any(|name| name.der() == sent.issuer().der()))
}

fn unknown_authority(question: &Question<'_>, seen: &Observation, chain: &[Certificate], said: &str) -> Stop {
    let by_broker = |cause, why: String| Stop::at(cause, Side::Broker, why);
    let Some(end) = chain.last() else { return by_broker(CauseId::ClientCaUnknown, said.to_owned()) };
    let names = seen.client_authorities.as_deref().unwrap_or_default();
    let is_in_list =
        |certificate: &Certificate| names.iter().flatten().any(|name| name.der() == certificate.issuer().der());
    if is_named(seen, chain) {
        return by_broker(
            CauseId::AuthoritySameName,
            format!(
                "{said}, though the broker trusts an authority called {}: that one has another key",
                ui::quote(&end.issuer().to_string())
            ),
        );
    }
    // One step further up, with what is known here, stands somebody whom the server names.
    let mut above = end;
    for _ in 0..8 {
        let Some(next) = question
            .known
            .iter()
            .find(|ca| ca.subject().der() == above.issuer().der() && above.is_signed_by(ca) && ca.der() != above.der())
        else {
            break;
        };
        if is_in_list(next) && !next.is_self_issued() {
            let missing = named(next);
            return by_broker(
                CauseId::ClientChainIncomplete,
                format!("{said}, and {missing} was not sent with {}", named(&chain[0])),
            );
        }
        above = next;
    }
    let stop = by_broker(
        CauseId::ClientCaUnknown,
        format!(
            "{said} to {}, which comes from {}; {}",
            named(&chain[0]),
            ui::quote(&end.issuer().to_string()),
            wanted(names)
        ),
    );
    if chain.len() == 1 && !end.is_self_issued() && !question.known.iter().any(|ca| end.is_signed_by(ca)) {
        return stop.or(
            CauseId::ClientChainIncomplete,
            format!(
                "so it is if {} is an intermediate one below those: then send it too",
                ui::quote(&end.issuer().to_string())
            ),
        );
    }
    stop
}

/// TLS held, and the login was refused.
pub(super) fn login_refused(question: &Question<'_>, seen: &Observation, said: &str) -> Stop {
    let by_broker = |cause, why: String| Stop::at(cause, Side::Broker, why);
    if let Login::Password { user, .. } = &question.login {
        return Stop::unknown(
            Side::Broker,
            format!("the login of {} with a password is answered with {said}", ui::quote(user)),
        );
    }
    if seen.client_authorities.is_none() {
        return by_broker(CauseId::CertificateNotAsked, format!("the login is answered with {said}"));
    }
    let Some(leaf) = question.credentials.and_then(|credentials| credentials.chain.first()) else {
        return Stop::unknown(Side::Broker, format!("the login is answered with {said}"));
    };
    let names = leaf.subject().common_names();
    if names.is_empty() {
        return by_broker(
            CauseId::LoginNameMissing,
            format!("{} has no common name, and the login is answered with {said}", named(leaf)),
        );
    }
    // Erlang joins several with a comma.
    let user = ui::quote(&names.join(","));
    by_broker(CauseId::UserUnknown, format!("the login as {user} is answered with {said}")).or(
        CauseId::LoginNameDistinguished,
        format!(
            "without ssl_cert_login_from = common_name in rabbitmq.conf the user would be {}",
            ui::quote(&leaf.subject().to_string())
        ),
    )
}
