//! Facts in people's words. Whatever a stranger wrote into a certificate is made harmless on the way.

use time::OffsetDateTime;

use super::{
    CertificateFacts, CrlFacts, EntryFacts, Facts, KeyStoreFacts, PrivateKeyFacts, PublicKeyFacts, RequestFacts,
    ServerFacts,
};
use crate::ui;

/// So many names are listed in one line.
const NAMES_SHOWN: usize = 20;
/// A certificate that ends within so many days is worth a word.
const SOON: i64 = 30;

/// What is said about a thing: a heading, labelled lines, and what an eye should stop at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `certificate of a RabbitMQ node`, `revocation list`, ...
    pub title: String,
    /// Label and text, in the order of reading.
    pub lines: Vec<(&'static str, String)>,
    /// What is wrong or odd, most important first.
    pub warnings: Vec<String>,
}

impl Description {
    fn titled(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    fn line(&mut self, label: &'static str, text: impl Into<String>) {
        self.lines.push((label, text.into()));
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

/// `facts` for people at the moment `now`.
pub fn describe(facts: &Facts, now: OffsetDateTime) -> Description {
    match facts {
        Facts::Certificate(facts) => certificate(facts, now),
        Facts::CertificateRequest(facts) => request(facts),
        Facts::Crl(facts) => crl(facts, now),
        Facts::PrivateKey(facts) => private_key(facts),
        Facts::PublicKey { public_key } => {
            let mut description = Description::titled("public key");
            key_lines(&mut description, public_key);
            description
        }
        Facts::Server(facts) => server(facts),
        Facts::KeyStore(facts) => key_store(facts),
        Facts::Container { format } => Description::titled(*format),
        Facts::Unreadable { label, reason } => {
            let mut description = Description::titled(format!("{} that cannot be read", ui::plain(label)));
            description.warn(reason.clone());
            description
        }
    }
}

fn certificate(facts: &CertificateFacts, now: OffsetDateTime) -> Description {
    let mut description = Description::titled("certificate");
    description.line("subject", subject(&facts.subject));
    description.line("for", purpose(facts));
    if !facts.subject_alt_names.is_empty() {
        description.line("names", listed(&facts.subject_alt_names));
    }
    description.line("valid", validity(facts.not_before, facts.not_after, now));
    let issuer = if facts.self_signed { "itself (self-signed)".to_owned() } else { subject(&facts.issuer) };
    description.line("issuer", issuer);
    description.line("serial number", ui::plain(&facts.serial_number));
    if let Some(limit) = facts.basic_constraints.as_ref().and_then(|c| c.path_length) {
        description.line("path length", format!("{limit} (authorities that may follow)"));
    }
    if let Some(constraints) = &facts.name_constraints {
        if !constraints.permitted.is_empty() {
            description.line("permitted names", listed(&constraints.permitted));
        }
        if !constraints.excluded.is_empty() {
            description.line("excluded names", listed(&constraints.excluded));
        }
    }
    if let Some(usage) = &facts.key_usage {
        description.line("key usage", usage.join(", "));
    }
    key_lines(&mut description, &facts.public_key);
    description.line("signature", ui::plain(&facts.signature_algorithm));
    if let Some(id) = &facts.subject_key_identifier {
        description.line("key identifier", id.clone());
    }
    if let Some(id) = &facts.authority_key_identifier {
        description.line("issuer's key", id.clone());
    }
    if !facts.crl_distribution_points.is_empty() {
        description.line("revocation list", listed(&facts.crl_distribution_points));
    }
    description.line("fingerprint", format!("SHA-256 {}", facts.fingerprint_sha256));
    description.warnings = warnings(facts, now);
    description
}

/// What the certificate is for, in the words of this program.
fn purpose(facts: &CertificateFacts) -> String {
    if facts.basic_constraints.as_ref().is_some_and(|c| c.ca) {
        return "an authority: signs other certificates".to_owned();
    }
    let Some(usages) = &facts.extended_key_usage else {
        return "anything (no extended key usage)".to_owned();
    };
    let has = |usage: &str| usages.iter().any(|u| u == usage);
    let rest: Vec<String> =
        usages.iter().filter(|u| !["serverAuth", "clientAuth"].contains(&u.as_str())).map(|u| ui::plain(u)).collect();
    let mut text = match (has("serverAuth"), has("clientAuth")) {
        (true, true) => "server and client (a RabbitMQ node)".to_owned(),
        (true, false) => "server".to_owned(),
        (false, true) => match facts.common_names.as_slice() {
            [user] => format!("client (RabbitMQ user {})", ui::quote(user)),
            _ => "client".to_owned(),
        },
        (false, false) if rest.is_empty() => "nothing (an empty extended key usage)".to_owned(),
        (false, false) => String::new(),
    };
    if !rest.is_empty() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&rest.join(", "));
    }
    text
}

fn validity(not_before: OffsetDateTime, not_after: OffsetDateTime, now: OffsetDateTime) -> String {
    let state = if now < not_before {
        format!("not yet: begins in {}", ui::span(not_before - now))
    } else if now > not_after {
        format!("expired {} ago", ui::span(now - not_after))
    } else {
        format!("expires in {}", ui::span(not_after - now))
    };
    format!("{state}; {} to {} UTC", ui::date(not_before), ui::date(not_after))
}

/// What an eye sees at once; `verify` and `doctor` judge.
fn warnings(facts: &CertificateFacts, now: OffsetDateTime) -> Vec<String> {
    let mut found = Vec::new();
    let is_ca = facts.basic_constraints.as_ref().is_some_and(|c| c.ca);
    let is_server = facts.extended_key_usage.as_ref().is_none_or(|u| u.iter().any(|u| u == "serverAuth"));
    if now < facts.not_before {
        found.push("it is not valid yet".to_owned());
    } else if now > facts.not_after {
        found.push("it has expired".to_owned());
    } else if !is_ca && facts.not_after - now < time::Duration::days(SOON) {
        found.push(format!("it expires in {}", ui::span(facts.not_after - now)));
    }
    if facts.version < 3 {
        found.push(format!(
            "it is of X.509 version {}: no names, no usages; rustls and others cannot read it",
            facts.version
        ));
    }
    if !is_ca && is_server && facts.subject_alt_names.is_empty() {
        found.push("it has no subjectAltName, so no client will accept it for a host name".to_owned());
    }
    if facts.common_names.len() > 1 {
        found.push("it has more than one common name: RabbitMQ would join them to one user name".to_owned());
    }
    if facts.public_key.algorithm.starts_with("RSA") && facts.public_key.bits < 2048 {
        found.push(format!("its RSA key has only {} bits", facts.public_key.bits));
    }
    if !facts.self_signed && ["md5", "sha1", "SHA1"].iter().any(|weak| facts.signature_algorithm.contains(weak)) {
        found.push(format!("it is signed with {}", facts.signature_algorithm));
    }
    if facts.self_signed && !is_ca {
        found.push("it is self-signed: Erlang (RabbitMQ) refuses such a peer".to_owned());
    }
    found
}

fn request(facts: &RequestFacts) -> Description {
    let mut description = Description::titled("certificate request");
    description.line("subject", subject(&facts.subject));
    if !facts.subject_alt_names.is_empty() {
        description.line("names", listed(&facts.subject_alt_names));
    }
    key_lines(&mut description, &facts.public_key);
    description.line("signature", "made by this key");
    if facts.wants_ca {
        description.warn("it asks to become an authority, which certgen refuses");
    }
    description
}

fn crl(facts: &CrlFacts, now: OffsetDateTime) -> Description {
    let mut description = Description::titled("revocation list");
    description.line("issuer", subject(&facts.issuer));
    description.line("published", format!("{} UTC", ui::date(facts.this_update)));
    let next = match facts.next_update {
        Some(next) if now > next => {
            description.warn(format!("it is stale: the next one was due {} ago", ui::span(now - next)));
            format!("{} UTC, {} ago", ui::date(next), ui::span(now - next))
        }
        Some(next) => format!("{} UTC, in {}", ui::date(next), ui::span(next - now)),
        None => {
            description.warn("it does not say when the next one is due");
            "not said".to_owned()
        }
    };
    description.line("next", next);
    if now < facts.this_update {
        description.warn("it is not in force yet");
    }
    if let Some(number) = &facts.crl_number {
        description.line("number", ui::plain(number));
    }
    if let Some(id) = &facts.authority_key_identifier {
        description.line("issuer's key", id.clone());
    }
    description.line("revoked", facts.revoked_count.to_string());
    for entry in &facts.revoked_certificates {
        let reason = entry.reason_code.as_deref().map(|reason| format!(", {}", ui::plain(reason))).unwrap_or_default();
        description
            .line("", format!("{} on {}{reason}", ui::plain(&entry.serial_number), ui::date(entry.revocation_date)));
    }
    let rest = facts.revoked_count.saturating_sub(facts.revoked_certificates.len());
    if rest > 0 {
        description.line("", format!("and {rest} more"));
    }
    description
}

fn private_key(facts: &PrivateKeyFacts) -> Description {
    let title = if facts.encrypted { "private key, encrypted" } else { "private key, not encrypted" };
    let mut description = Description::titled(title);
    description.line("container", ui::plain(&facts.container));
    match &facts.public_key {
        Some(key) => key_lines(&mut description, key),
        None => description.line("key", "not known without the password"),
    }
    description
}

fn key_store(facts: &KeyStoreFacts) -> Description {
    let mut description = Description::titled(format!("{} key store", facts.format));
    for entry in facts.entries.iter().take(NAMES_SHOWN) {
        description.line("entry", self::entry(entry));
    }
    if let Some(more) = facts.entries.len().checked_sub(NAMES_SHOWN).filter(|more| *more > 0) {
        description.line("entry", format!("and {more} more"));
    }
    if facts.locked {
        let what = if facts.entries.is_empty() { "what is in it" } else { "its private keys" };
        description.warn(format!("{what} cannot be seen without the password: give it with --key-password-file FILE"));
    }
    let holds_key = facts.entries.iter().any(|entry| entry.private_key);
    if let Some(password) = facts.known_password.filter(|_| holds_key) {
        description.warn(match password {
            "" => "its private key has no password".to_owned(),
            known => format!("its password is {}, which everybody tries", ui::quote(known)),
        });
    }
    description
}

fn entry(entry: &EntryFacts) -> String {
    let kind = match (entry.private_key, entry.certificates) {
        (true, 1) => "private key with its certificate".to_owned(),
        (true, 0) => "private key without certificate".to_owned(),
        (true, count) => format!("private key with {count} certificates"),
        (false, _) => "certificate that is trusted".to_owned(),
    };
    match &entry.alias {
        Some(alias) => format!("{}: {kind}", ui::quote(alias)),
        None => kind,
    }
}

fn server(facts: &ServerFacts) -> Description {
    let mut description = Description::titled("TLS server");
    description.line("address", facts.address.clone());
    description.line("protocol", facts.protocol);
    let clients = match (facts.client_certificate_requested, facts.client_authorities.as_slice()) {
        (false, _) => "not asked for a certificate".to_owned(),
        (true, []) => "asked for a certificate; the server does not say of which authorities".to_owned(),
        (true, names) => {
            format!("asked for a certificate of {}", listed(names))
        }
    };
    description.line("clients", clients);
    description
}

fn key_lines(description: &mut Description, key: &PublicKeyFacts) {
    let text = match key.algorithm.contains(char::is_numeric) {
        true => ui::plain(&key.algorithm),
        false => format!("{} with {} bits", ui::plain(&key.algorithm), key.bits),
    };
    description.line("key", text);
    description.line("key fingerprint", format!("SHA-256 {}", key.sha256));
}

fn subject(text: &str) -> String {
    if text.is_empty() { "(empty)".to_owned() } else { ui::plain(text) }
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN).map(|name| ui::plain(name)).collect::<Vec<_>>().join(", ");
    if names.len() > NAMES_SHOWN {
        text.push_str(&format!(" and {} more", names.len() - NAMES_SHOWN));
    }
    text
}
