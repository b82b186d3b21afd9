//! The whole examination: as many connections as it takes to know who refuses whom.
//!
//! The first handshake offers TLS 1.3 and 1.2 with the client's certificate, and goes on to the application. A server that
//! speaks TLS 1.3 may refuse a client after the handshake, and the alert may be lost to a reset; so it is asked again in
//! TLS 1.2, where the refusal belongs to the handshake and carries its reason.

use std::net::SocketAddr;
use std::time::Duration;

use rustls::ProtocolVersion;
use rustls::version::{TLS12, TLS13};
use time::OffsetDateTime;

use super::application::{Application, Login, Protocol};
use super::channel::{Break, Channel};
use super::connect::Deadline;
use super::handshake::{Attempt, Connection, Credentials, Possession, attempt, name_of};
use super::recognise::{self, Plain};
use super::{ProbeError, Target, amqp, distribution, http, mqtt, server, stomp, stream};
use crate::verify::{PeerName, Verifier};
use crate::x509::{Certificate, DistinguishedName, X509Error};

/// How long a protocol may keep silent that was only guessed.
const GUESS: Duration = Duration::from_secs(2);

/// What is asked.
pub struct Question<'a> {
    /// Where.
    pub target: &'a Target,
    /// How long all of it may take.
    pub patience: Duration,
    /// For whom the server's certificate must be.
    pub name: PeerName,
    /// Whom the client trusts; `None`: nobody said, and the chain is not judged.
    pub anchors: Option<&'a [Certificate]>,
    /// What the bundle is called in a sentence.
    pub bundle: &'a str,
    /// Other authorities that are known here: they vouch for nobody, and explain what is missing.
    pub known: &'a [Certificate],
    /// The certificates that the server should show, each with the name of its identity.
    pub current: &'a [(String, Certificate)],
    /// What the client presents.
    pub credentials: Option<&'a Credentials>,
    /// As whom it logs in.
    pub login: Login,
    /// Where it logs in.
    pub vhost: &'a str,
    /// What is spoken inside TLS, where it is known.
    pub protocol: Option<Protocol>,
    /// The programs as which the server is judged too.
    pub judges: &'a [Verifier],
    /// The moment at which certificates are judged.
    pub now: OffsetDateTime,
}

/// How the connection ended, as far as TLS goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It held.
    Held,
    /// The server ended it with this alert.
    Alert(String),
    /// The server closed or reset it without a word.
    Closed(String),
    /// It answered without TLS.
    Plain(Plain),
    /// The two have nothing in common, or the server broke the rules of TLS.
    Broken(String),
}

/// What was negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `TLS 1.3` or `TLS 1.2`: the best that both sides speak.
    pub version: &'static str,
    /// The cipher suite.
    pub suite: Option<String>,
    /// The group of the key exchange.
    pub group: Option<String>,
    /// Every version that both sides speak.
    pub versions: Vec<&'static str>,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The address that answered.
    pub address: SocketAddr,
    /// What was negotiated; `None`: it did not come so far.
    pub tls: Option<Tls>,
    /// What the server served, leaf first.
    pub chain: Vec<Result<Certificate, X509Error>>,
    /// As in [`Sighting`](super::Sighting).
    pub client_authorities: Option<Vec<Result<DistinguishedName, X509Error>>>,
    /// Whether it has the key of its certificate.
    pub possession: Possession,
    /// A client certificate was at hand and was asked for.
    pub presented: bool,
    /// How TLS ended.
    pub end: End,
    /// What spoke inside TLS.
    pub application: Option<Application>,
    /// Why nothing was recognised inside TLS.
    pub unanswered: Option<Break>,
    /// A password was not sent, because the server was not accepted.
    pub password_withheld: bool,
}

impl Observation {
    /// The certificates of the chain that can be read.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.chain.iter().flatten().cloned().collect()
    }
}

/// Goes there and looks.
///
/// # Errors
/// Nothing answered.
pub fn observe(question: &Question<'_>) -> Result<Observation, ProbeError> {
    let deadline = Deadline::after(question.patience);
    let first = attempt(question.target, &[&TLS13, &TLS12], question.credentials, &deadline)?;
    let version = first.version;
    let (mut seen, ended) = recorded(first, question)?;
    if seen.chain.is_empty() {
        return Ok(seen);
    }
    let mut talk = Talk { question, deadline, withheld: false };
    let heard = ended.map(|connection| talk.begin(connection, &seen));
    let mut again = None;
    if version == Some(ProtocolVersion::TLSv1_3)
        && let Ok(second) = attempt(question.target, &[&TLS12], question.credentials, &deadline)
        && second.chain.is_some()
    {
        again = Some(second.end.as_ref().map(|_| ()).map_err(Clone::clone));
        seen.learn(second);
    }
    match heard {
        Ok(Heard::Answer(application)) => seen.application = Some(application),
        Ok(Heard::Ended(reason)) => {
            seen.end = after_handshake(&reason, again, version, seen.client_authorities.is_some());
            if seen.end == End::Held {
                talk.go_on(reason, &mut seen);
            }
        }
        Err(refused) => seen.end = in_handshake(refused, again)?,
    }
    seen.password_withheld = talk.withheld;
    Ok(seen)
}

/// What it means that a connection ended for `reason` when its handshake was done. `again`: how the one in TLS 1.2 ended,
/// where the true alert is part of the handshake.
fn after_handshake(
    reason: &Break,
    again: Option<Result<(), ProbeError>>,
    version: Option<ProtocolVersion>,
    asked: bool,
) -> End {
    match (reason, again) {
        (Break::Alert(_) | Break::Closed(_), Some(Err(ProbeError::Alert(alert)))) => End::Alert(alert),
        (Break::Alert(alert), _) => End::Alert(alert.clone()),
        (Break::Closed(_), Some(Err(ProbeError::Closed(reason)))) => End::Closed(reason),
        // Without TLS 1.2 a refused certificate and a closed application look the same.
        (Break::Closed(reason), None) if asked && version == Some(ProtocolVersion::TLSv1_3) => {
            End::Closed(reason.clone())
        }
        _ => End::Held,
    }
}

/// The same for a handshake that was not done.
fn in_handshake(reason: ProbeError, again: Option<Result<(), ProbeError>>) -> Result<End, ProbeError> {
    Ok(match (reason, again) {
        (ProbeError::Closed(_), Some(Err(ProbeError::Alert(alert)))) | (ProbeError::Alert(alert), _) => {
            End::Alert(alert)
        }
        (ProbeError::Closed(reason), _) => End::Closed(reason),
        (ProbeError::TimedOut(patience), _) => return Err(ProbeError::TimedOut(patience)),
        (other, _) => End::Broken(other.to_string()),
    })
}

/// A first handshake as an observation, and how it ended.
fn recorded(
    first: Attempt,
    question: &Question<'_>,
) -> Result<(Observation, Result<Connection, ProbeError>), ProbeError> {
    let tls = first.version.map(|version| Tls {
        version: name_of(version),
        suite: first.suite,
        group: first.group,
        versions: vec![name_of(version)],
    });
    let mut seen = Observation {
        address: first.address,
        tls: tls.filter(|_| first.chain.is_some()),
        chain: first.chain.unwrap_or_default(),
        presented: question.credentials.is_some() && first.authorities.is_some(),
        client_authorities: first.authorities,
        possession: first.possession,
        end: End::Held,
        application: None,
        unanswered: None,
        password_withheld: false,
    };
    if seen.chain.is_empty() {
        let reason = first.end.err().unwrap_or_else(|| ProbeError::Handshake("it showed no certificate".into()));
        seen.end = without_chain(reason, &first.first, question.target.port())?;
        return Ok((seen, Err(ProbeError::NotTls)));
    }
    Ok((seen, first.end))
}

/// What it means when no certificate came.
fn without_chain(reason: ProbeError, first: &[u8], port: u16) -> Result<End, ProbeError> {
    Ok(match reason {
        ProbeError::NotTls => End::Plain(recognise::plain(first)),
        ProbeError::Alert(alert) => End::Alert(alert),
        // What waits for more of its own protocol, or ends there, is known by its port.
        ProbeError::Closed(_) | ProbeError::TimedOut(_) if first.is_empty() && Plain::of_port(port).is_some() => {
            End::Plain(Plain::of_port(port).unwrap_or(Plain::Other))
        }
        ProbeError::Closed(reason) => End::Closed(reason),
        ProbeError::TimedOut(patience) => return Err(ProbeError::TimedOut(patience)),
        other => End::Broken(other.to_string()),
    })
}

impl Observation {
    /// What the handshake in TLS 1.2 has to add.
    fn learn(&mut self, again: Attempt) {
        if again.chain.is_none() {
            return;
        }
        if let Some(tls) = &mut self.tls {
            tls.versions.push(name_of(ProtocolVersion::TLSv1_2));
        }
        if self.client_authorities.as_deref() == Some(&[]) && again.authorities.is_some() {
            self.client_authorities = again.authorities;
        }
        if self.possession == Possession::Unseen {
            self.possession = again.possession;
        }
    }
}

/// The conversation inside TLS.
struct Talk<'a> {
    question: &'a Question<'a>,
    deadline: Deadline,
    withheld: bool,
}

/// What came of one.
enum Heard {
    Answer(Application),
    Ended(Break),
}

impl Talk<'_> {
    /// The protocols that may be spoken there, likeliest first. AMQP's header is a question that all of them survive.
    fn candidates(&self) -> Vec<Protocol> {
        let standard = || Protocol::of_port(self.question.target.port());
        match self.question.protocol.or_else(standard) {
            Some(protocol) => vec![protocol],
            None => vec![Protocol::Amqp, Protocol::Https, Protocol::Mqtt, Protocol::Stomp],
        }
    }

    /// On the connection that is there.
    fn begin(&mut self, connection: Connection, seen: &Observation) -> Heard {
        self.try_one(self.candidates()[0], connection, seen)
    }

    /// TLS held and the first protocol was not answered: what else may it be?
    fn go_on(&mut self, first: Break, seen: &mut Observation) {
        let mut waiting = self.candidates();
        let tried = waiting.remove(0);
        let mut reason = first;
        if self.question.protocol.is_none()
            && let Break::Unlike(octets) = &reason
            && let Some(other) = recognise::inside(octets).filter(|other| *other != tried)
        {
            waiting = vec![other];
        }
        for protocol in waiting {
            let Ok(Attempt { end: Ok(connection), .. }) =
                attempt(self.question.target, &[&TLS13, &TLS12], self.question.credentials, &self.deadline)
            else {
                break;
            };
            match self.try_one(protocol, connection, seen) {
                Heard::Answer(application) => {
                    seen.application = Some(application);
                    return;
                }
                Heard::Ended(Break::TimedOut) => {}
                Heard::Ended(why) => reason = why,
            }
        }
        seen.unanswered = Some(reason);
    }

    fn try_one(&mut self, protocol: Protocol, connection: Connection, seen: &Observation) -> Heard {
        let question = self.question;
        let left = self.deadline.left().unwrap_or_default() / 2;
        // A guess is given up sooner than what must be there.
        let share = if self.candidates().len() > 1 { left.min(GUESS) } else { left };
        let mut channel = Channel::new(connection, self.deadline.within(share));
        let login = self.login(seen);
        let heard = match protocol {
            Protocol::Amqp => amqp::talk(&mut channel, &login, question.vhost),
            Protocol::Mqtt => mqtt::talk(&mut channel, &login),
            Protocol::Https => http::talk(&mut channel, &login, question.target.host(), question.target.port()),
            Protocol::Stomp => stomp::talk(&mut channel, &login, question.vhost),
            Protocol::Stream => stream::talk(&mut channel, &login, question.vhost),
            Protocol::Erlang => distribution::talk(&mut channel, &self.deadline),
        };
        channel.close();
        match heard {
            Ok(application) => Heard::Answer(application),
            Err(reason) => Heard::Ended(reason),
        }
    }

    /// A password is for a server that was accepted, and for no other.
    fn login(&mut self, seen: &Observation) -> Login {
        if self.question.login.password().is_some() && !server::judge(self.question, seen).accepted() {
            self.withheld = true;
            return Login::Nobody;
        }
        self.question.login.clone()
    }
}
