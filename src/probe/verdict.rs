//! From what was seen to who refuses whom, and why: a sentence and a cause of the catalogue. Pure.

use crate::diagnosis::{CauseId, Side};
use crate::ui;

use super::application::{Application, Login, Outcome, Protocol};
use super::channel::Break;
use super::client;
use super::examine::{End, Observation, Question};
use super::recognise::Plain;
use super::server::{self, ServerVerdict, named};

/// What it comes to.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Nobody refuses anything.
    pub good: bool,
    /// The cause, where it is known.
    pub cause: Option<CauseId>,
    /// Who refuses.
    pub refused_by: Side,
    /// All of it in one sentence, without a full stop. Safe to print.
    pub sentence: String,
    /// What else is wrong, or may be behind it, each with its evidence.
    pub also: Vec<(CauseId, String)>,
    /// What should be known beside it.
    pub notes: Vec<String>,
    /// The judgement of the server's certificate.
    pub server: ServerVerdict,
}

/// Something that ends it.
pub(super) struct Stop {
    pub(super) cause: Option<CauseId>,
    pub(super) refused_by: Side,
    pub(super) why: String,
    pub(super) also: Vec<(CauseId, String)>,
}

impl Stop {
    pub(super) fn at(cause: CauseId, refused_by: Side, why: impl Into<String>) -> Self {
        Self { cause: Some(cause), refused_by, why: why.into(), also: Vec::new() }
    }

    pub(super) fn unknown(refused_by: Side, why: impl Into<String>) -> Self {
        Self { cause: None, refused_by, why: why.into(), also: Vec::new() }
    }

    pub(super) fn or(mut self, cause: CauseId, why: impl Into<String>) -> Self {
        self.also.push((cause, why.into()));
        self
    }
}

/// Judges what was seen.
pub fn judge(question: &Question<'_>, seen: &Observation) -> Verdict {
    let server = server::judge(question, seen);
    let mut stops: Vec<Stop> = Vec::new();
    stops.extend(before_tls(question, seen));
    stops.extend(of_server(&server));
    stops.extend(after_chain(question, seen));
    stops.extend(seen.application.as_ref().and_then(|application| of_application(question, seen, application)));
    stops.extend(unanswered(question, seen));
    let stale = stale(question, seen);
    let optional = optional(seen);
    let mut notes = notes(question, seen, &server);
    let mut stops = stops.into_iter();
    let Some(first) = stops.next() else {
        let sentence = well(question, seen, &server);
        return match stale {
            Some(why) => Verdict {
                good: false,
                cause: Some(CauseId::StaleCertificate),
                refused_by: Side::Nobody,
                sentence: format!("{}: {why}", CauseId::StaleCertificate.cause().title),
                also: Vec::new(),
                notes: std::iter::once(sentence).chain(notes).collect(),
                server,
            },
            None => Verdict {
                good: true,
                cause: None,
                refused_by: Side::Nobody,
                sentence,
                also: server.perhaps.iter().cloned().chain(optional).collect(),
                notes,
                server,
            },
        };
    };
    let mut also = first.also;
    for stop in stops {
        match stop.cause {
            Some(cause) => also.push((cause, stop.why)),
            None => notes.push(stop.why),
        }
        also.extend(stop.also);
    }
    also.extend(server.perhaps.iter().cloned().chain(optional));
    also.extend(stale.map(|why| (CauseId::StaleCertificate, why)));
    let who = match first.refused_by {
        Side::Client => "the client refuses the server",
        Side::Broker => "the broker refuses the client",
        Side::Node => "one node refuses the other",
        Side::Nobody => "nobody is let in",
    };
    let sentence = match first.cause {
        Some(cause) => format!("{who}: {}; {}", cause.cause().title, first.why),
        None => format!("{who}: {}", first.why),
    };
    Verdict { good: false, cause: first.cause, refused_by: first.refused_by, sentence, also, notes, server }
}

/// No certificate was seen.
fn before_tls(question: &Question<'_>, seen: &Observation) -> Option<Stop> {
    if !seen.chain.is_empty() {
        return None;
    }
    let port = question.target.port();
    Some(match &seen.end {
        End::Plain(plain) => {
            let instead = plain.with_tls().filter(|with_tls| *with_tls != port);
            let instead = instead.map(|port| format!("; with TLS it is on port {port} by default")).unwrap_or_default();
            let why = format!("port {port} speaks {}{instead}", plain.title());
            if *plain == Plain::Erlang {
                Stop::at(CauseId::TlsClientOnPlain, Side::Nobody, why)
            } else {
                Stop::at(CauseId::TlsClientOnPlain, Side::Client, why)
            }
        }
        End::Alert(alert) if is_no_common_ground(alert) => Stop::at(
            CauseId::VersionTooOld,
            Side::Broker,
            format!("it answers TLS 1.3 and TLS 1.2 with the alert {}", ui::plain(alert)),
        ),
        End::Alert(alert) => Stop::unknown(
            Side::Broker,
            format!("it answers the first message of TLS with the alert {}", ui::plain(alert)),
        ),
        End::Broken(reason) if reason.starts_with("peer is incompatible") => {
            Stop::at(CauseId::VersionTooOld, Side::Client, ui::plain(reason))
        }
        End::Broken(reason) => {
            Stop::unknown(Side::Client, format!("what answers breaks the rules of TLS: {}", ui::plain(reason)))
        }
        End::Closed(reason) => Stop::at(
            CauseId::KeyUnusable,
            Side::Nobody,
            format!("it takes the connection, and answers the first message of TLS with {}", closing(reason)),
        )
        .or(CauseId::KeyPasswordWrong, "a broker says no word about either: certgen doctor looks at the key file")
        .or(CauseId::TlsClientOnPlain, "a protocol without TLS that knows no such message closes too"),
        End::Held => return None,
    })
}

/// `connection reset by peer` in the middle of a sentence.
fn closing(reason: &str) -> String {
    if reason.contains("reset") { "a reset".to_owned() } else { "the end of the connection".to_owned() }
}

fn is_no_common_ground(alert: &str) -> bool {
    matches!(alert, "protocol_version" | "handshake_failure" | "insufficient_security")
}

fn of_server(server: &ServerVerdict) -> Vec<Stop> {
    let stop = |(cause, why): &(CauseId, String)| {
        let by = if cause.cause().refused_by == Side::Node { Side::Node } else { Side::Client };
        Stop::at(*cause, by, why.clone())
    };
    let others = server.others.iter().map(|why| Stop::unknown(Side::Client, why.clone()));
    server.causes.iter().map(stop).chain(others).collect()
}

/// The server showed its chain and ended TLS.
fn after_chain(question: &Question<'_>, seen: &Observation) -> Option<Stop> {
    if seen.chain.is_empty() {
        return None;
    }
    match &seen.end {
        End::Held | End::Plain(_) => None,
        End::Alert(alert) => Some(client::refused(question, seen, Some(alert))),
        End::Closed(_) => Some(client::refused(question, seen, None)),
        End::Broken(reason) => Some(Stop::unknown(Side::Client, ui::plain(reason))),
    }
}

/// TLS holds; the login does not.
fn of_application(question: &Question<'_>, seen: &Observation, application: &Application) -> Option<Stop> {
    let said =
        |code: &u16, text: &str| if *code == 0 { ui::plain(text) } else { format!("{code} {}", ui::plain(text)) };
    match &application.outcome {
        Outcome::Seen | Outcome::LoggedIn(_) => None,
        Outcome::NotOffered("EXTERNAL") => {
            Some(Stop::at(CauseId::MechanismNotOffered, Side::Broker, format!("it offers {}", offered(application))))
        }
        Outcome::NotOffered(mechanism) => Some(Stop::at(
            CauseId::MechanismNotChosen,
            Side::Client,
            format!("it offers {}, and {mechanism} was wanted", offered(application)),
        )),
        Outcome::LoginRefused(code, text) => Some(client::login_refused(question, seen, &said(code, text))),
        Outcome::VhostRefused(code, text) => {
            let vhost = ui::quote(question.vhost);
            let missing = text.contains("not found");
            let cause = if missing { CauseId::VhostMissing } else { CauseId::VhostRefused };
            let stop = Stop::at(cause, Side::Broker, format!("{vhost} is answered with {}", said(code, text)));
            // The stream protocol has one code for both.
            Some(if application.protocol == Protocol::Stream {
                stop.or(
                    CauseId::VhostMissing,
                    "the stream protocol says the same of a virtual host that does not exist",
                )
            } else {
                stop
            })
        }
        Outcome::Refused(code, text) => {
            Some(Stop::unknown(Side::Broker, format!("{} answers {}", application.protocol, said(code, text))))
        }
    }
}

fn offered(application: &Application) -> String {
    if application.mechanisms.is_empty() {
        return "no mechanism".to_owned();
    }
    application.mechanisms.iter().map(|m| ui::plain(m)).collect::<Vec<_>>().join(", ")
}

/// A protocol was expected inside TLS, and nothing of it came.
fn unanswered(question: &Question<'_>, seen: &Observation) -> Option<Stop> {
    let expected = question.protocol.or_else(|| Protocol::of_port(question.target.port()))?;
    let how = match seen.unanswered.as_ref()? {
        Break::Closed(reason) => closing(reason),
        Break::Alert(alert) => format!("the alert {}", ui::plain(alert)),
        Break::TimedOut => "silence".to_owned(),
        Break::Unlike(_) => "something else".to_owned(),
        Break::Broken(reason) => ui::plain(reason),
    };
    Some(Stop::unknown(Side::Broker, format!("TLS is good, and {expected} is answered with {how}")))
}

/// Whoever comes without a certificate is let in, and then offered a login that needs one.
fn optional(seen: &Observation) -> Option<(CauseId, String)> {
    let application = seen.application.as_ref()?;
    let external = application.mechanisms.iter().any(|mechanism| mechanism == "EXTERNAL");
    let without = !seen.presented && application.outcome == Outcome::Seen;
    (external && without).then(|| {
        let asked = if seen.client_authorities.is_some() { "and does not demand it" } else { "at no time" };
        (
            CauseId::CertificateNotAsked,
            format!("it asks for a certificate {asked}, and offers EXTERNAL to who has none"),
        )
    })
}

/// The PKI has a newer certificate for the same names than the server shows.
fn stale(question: &Question<'_>, seen: &Observation) -> Option<String> {
    let served = seen.chain.first()?.as_ref().ok()?;
    let names = |certificate: &crate::x509::Certificate| {
        let mut names: Vec<String> =
            certificate.subject_alt_names().unwrap_or_default().iter().map(|n| n.to_string().to_lowercase()).collect();
        names.sort();
        names
    };
    let is_served = |(_, certificate): &&(String, crate::x509::Certificate)| certificate.der() == served.der();
    if question.current.iter().any(|c| is_served(&c)) {
        return None;
    }
    let newer = question.current.iter().find(|(_, current)| {
        current.validity().not_before >= served.validity().not_before
            && names(current) == names(served)
            && current.subject().common_name() == served.subject().common_name()
    });
    let (identity, current) = newer?;
    Some(format!(
        "it shows serial number {}, and {} has {} since {}",
        served.serial(),
        ui::plain(identity),
        current.serial(),
        ui::date(current.validity().not_before),
    ))
}

fn notes(question: &Question<'_>, seen: &Observation, server: &ServerVerdict) -> Vec<String> {
    let mut notes = Vec::new();
    if !seen.chain.is_empty() && question.anchors.is_none() {
        notes.push("the chain was not judged: there is no PKI here and no --bundle FILE was given".to_owned());
    }
    if seen.password_withheld {
        notes.push("the password was not sent: the server was not accepted".to_owned());
    }
    if question.credentials.is_some() && seen.client_authorities.is_none() && seen.tls.is_some() {
        notes.push("the server asks for no client certificate, so none was presented".to_owned());
    }
    let date = seen.application.as_ref().and_then(|application| application.date);
    if let Some(apart) = date.map(|date| (date - question.now).abs()).filter(|apart| apart.whole_minutes() >= 5) {
        notes.push(format!("the server's clock and this one are {} apart", ui::span(apart)));
    }
    if let Some(application) = seen.application.as_ref().filter(|_| server.accepted() || question.anchors.is_none()) {
        let alone = matches!(question.login, Login::Nobody) && application.outcome == Outcome::Seen;
        if alone && application.protocol != Protocol::Https && application.protocol != Protocol::Erlang {
            notes.push("nobody was logged in: --client NAME presents a certificate and logs in with it".to_owned());
        }
    }
    notes
}

/// The sentence for a server that does everything right.
fn well(question: &Question<'_>, seen: &Observation, server: &ServerVerdict) -> String {
    let version = seen.tls.as_ref().map(|tls| tls.version).unwrap_or("TLS");
    let certificate = if server.accepted() {
        format!("its certificate is good for {}", question.name)
    } else {
        "its certificate was not judged".to_owned()
    };
    let client = match (&question.login, question.credentials) {
        (Login::Password { user, .. }, _) => ui::quote(user),
        (_, Some(credentials)) => credentials.chain.first().map(named).unwrap_or_default(),
        _ => String::new(),
    };
    let presented = if seen.presented { format!(" and accepts {client}") } else { String::new() };
    let Some(application) = &seen.application else {
        return format!("{version} is good{presented}, {certificate}; what speaks inside is not known");
    };
    let product = match (&application.product, &application.version) {
        (Some(product), Some(version)) => format!(" ({} {})", ui::plain(product), ui::plain(version)),
        (Some(product), None) => format!(" ({})", ui::plain(product)),
        _ => String::new(),
    };
    let speaks = format!("{}{product} on {version}", application.protocol);
    let status = application.status.map(|status| format!(", answers {status}")).unwrap_or_default();
    match &application.outcome {
        Outcome::LoggedIn(Some(vhost)) if !client.is_empty() => {
            format!("{speaks} lets {client} into the virtual host {}, {certificate}", ui::quote(vhost))
        }
        Outcome::LoggedIn(_) if !client.is_empty() => format!("{speaks} lets {client} in{status}, {certificate}"),
        Outcome::LoggedIn(_) => format!("{speaks} lets in whoever has no name, {certificate}"),
        _ => format!("{speaks}{presented}{status}, {certificate}"),
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
