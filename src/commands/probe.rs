//! `certgen probe`

mod all;
mod asked;
mod facts;
mod places;
mod show;

use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;

use crate::commands::{Answer, shared, verify};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::probe::{Target, judge, observe};
use crate::ui;

/// Shake hands with a live server, up to the login: which side refuses, and why
///
/// The first line is the answer. It says which side refuses the other and because of what; below stand the facts, where the
/// cause is to be changed, and what to type. The server's certificate is judged for the host that was typed, with --bundle or
/// the roots of the PKI; never with the system's. A client certificate is presented with --client, or with --certificate and
/// --key, and then it also logs in: AMQP, MQTT, STOMP and streams with EXTERNAL. A refusal in TLS 1.3 is asked for again in
/// TLS 1.2, which tells its reason.
///
/// Nothing but a TLS handshake is sent to a port before it has answered in TLS. Into a broker's log it writes what a
/// connection writes. An MQTT session is clean and has a random client id. A password goes to no server whose certificate was
/// not accepted. A port of Erlang distribution sees the handshake of TLS and no cookie.
///
/// Exit code 3 when somebody refuses, or a server shows an older certificate than the PKI has; 1 when nothing answers.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen probe localhost:5671 --client celery_worker --name rabbit.example.com\n  \
                        certgen probe localhost:5671 --certificate worker.pem --key key.pem --name rabbit.example.com"
)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["target", "all"]))]
pub(crate) struct ProbeArgs {
    /// The server, such as broker.example.com:5671 or [2001:db8::1]:5671
    #[arg(value_name = "HOST:PORT")]
    target: Option<String>,
    /// Try the standard ports of this host: 5671, 5672, 8883, 1883, 15671, 15672, 61614, 5551, 25672, 15691, 15692
    #[arg(long, value_name = "HOST", conflicts_with = "protocol")]
    all: Option<String>,
    /// The name that the server's certificate must be for [default: HOST]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Trust anchors, instead of the PKI's (repeatable)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    bundle: Vec<PathBuf>,
    /// Judge the server's certificate as these programs do too, as certgen verify --as has them (with commas between them)
    #[arg(long = "as", value_name = "VERIFIER", value_delimiter = ',', add = ArgValueCompleter::new(verify::complete_verifiers))]
    judges: Vec<String>,
    /// What is spoken inside TLS: amqp, mqtt, https, stomp, stream or erlang [default: by the port, else it is found out]
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// How long all of it may take
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    timeout: String,
    #[command(flatten)]
    client: ClientArgs,
}

/// As whom to go there.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Client")]
pub(crate) struct ClientArgs {
    /// An identity of the PKI (NAME or ROLE/NAME): presents its certificate and logs in with it
    #[arg(long, value_name = "NAME", conflicts_with = "certificate", add = shared::complete_names())]
    client: Option<String>,
    /// The same with a certificate from a file, with its intermediates behind it
    #[arg(long, value_name = "FILE", requires = "key", value_hint = clap::ValueHint::FilePath)]
    certificate: Option<PathBuf>,
    /// The private key of --certificate
    #[arg(long, value_name = "FILE", requires = "certificate", value_hint = clap::ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// File with the password of that key
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key_password_file: Option<PathBuf>,
    /// Log in as this user with a password, instead of the certificate
    #[arg(long, value_name = "USER", requires = "password_file")]
    user: Option<String>,
    /// File with the password of --user, or - for standard input
    #[arg(long, value_name = "FILE", requires = "user", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// The virtual host to open [default: the client's in the PKI, else /]
    #[arg(long, value_name = "VHOST")]
    vhost: Option<String>,
}

pub(crate) fn run(args: &ProbeArgs, env: &mut Env) -> Result<Answer> {
    if let Some(host) = &args.all {
        return all::run(host, args, env);
    }
    let typed = args.target.as_deref().unwrap_or_default();
    let target: Target = typed.parse()?;
    let asked = asked::Asked::of(args, env)?;
    let question = asked.question(&target, env.now)?;
    let seen = match observe(&question) {
        Ok(seen) => seen,
        Err(error) => {
            let error = error.at(&target);
            if env.json {
                ui::items(env, &[facts::unreached(&target, error.message())])?;
            }
            return Err(error);
        }
    };
    let verdict = judge(&question, &seen);
    let places = places::of(&verdict, &seen, &asked, &target, env);
    if env.json {
        ui::items(env, &[facts::of(&target, &seen, &verdict, &places)])?;
    } else {
        show::print(&target, &question, &seen, &verdict, &places, env)?;
    }
    Ok(if verdict.good { Answer::Yes } else { Answer::No })
}

/// A duration of the command line.
fn patience(text: &str) -> Result<std::time::Duration> {
    let read: crate::x509::Duration =
        text.parse().map_err(|e: crate::x509::X509Error| Error::usage(format!("--timeout {e}")))?;
    let seconds = u64::try_from(read.as_time().whole_seconds()).unwrap_or_default();
    if !(1..=3600).contains(&seconds) {
        return Err(Error::usage(format!("--timeout {}: it is 1s to 1h", ui::plain(text))));
    }
    Ok(std::time::Duration::from_secs(seconds))
}
