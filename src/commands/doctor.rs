//! `certgen doctor`

mod fix;
mod gather;

use std::path::PathBuf;

use serde::Serialize;

use crate::commands::{Answer, shared};
use crate::doctor::{self, Account, Finding, Severity, Target};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::{store, ui};

/// Find what does not fit together, from files alone
///
/// Looks at the PKI, or at any directory and files: an /etc/rabbitmq, a project with Celery, a Kubernetes manifest, a folder
/// of PEM files. A file is recognised by its content, never by its name. What is wrong is told with its place, with what
/// will happen (the line in RabbitMQ's log or the client's error) and with what to type. Nothing is connected to, and no
/// key is ever shown.
///
/// Certificates, keys and revocation lists: which key belongs to which certificate, whether chains are complete and in
/// order, dates, names, usages, weak or old forms, encryption that Erlang cannot open, and who may read what. Settings:
/// what RabbitMQ does not know, what cancels what, and which files do not serve the purpose that a setting gives them.
///
/// Key stores (PKCS#12, JKS) are opened with the passwords given, with none, and with changeit and changeme; what is in
/// them is judged too, and one that stays locked is told.
///
/// Nothing is printed on standard output when nothing is wrong. The exit code is 3 with an error or a warning, 1 when
/// something could not be read; notes alone leave it 0.
///
/// A link is followed to a file in the same directory tree, as Kubernetes mounts Secrets; one that leads out of it is named.
/// At most 100,000 files and 512 MiB are read, settings and certificates up to 1 MiB, revocation lists and definitions up to
/// 64 MiB; larger files of another kind, and the libraries of Python and Node, are passed over.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen doctor\n  certgen doctor /etc/rabbitmq --user 999:999    as in RabbitMQ's image\n  \
                        certgen doctor /etc/rabbitmq --target rabbitmq-4.3    before an upgrade\n  \
                        certgen doctor --fix --dry-run /etc/rabbitmq\n  \
                        certgen doctor --json pki | jq -r '.items[].problem'"
)]
pub(crate) struct DoctorArgs {
    /// Directories and files; - for standard input [default: the PKI directory]
    #[arg(value_name = "DIR|FILE", value_hint = clap::ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Who the broker runs as: what it cannot read is told, below what was named. A name or a number, with a group if need be
    #[arg(long, value_name = "USER[:GROUP]", value_hint = clap::ValueHint::Username)]
    user: Option<String>,
    /// The release that the files are for: rabbitmq-4.3 or otp-27
    #[arg(long, value_name = "RELEASE")]
    target: Option<String>,
    /// File with the password of an encrypted key or a key store (repeatable); each is tried on all of them
    #[arg(long, visible_alias = "password-file", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key_password_file: Vec<PathBuf>,
    /// Make the changes that are safe: each is shown as a diff first, and asked about on a terminal
    #[arg(long)]
    fix: bool,
    /// With --fix: show the changes and make none
    #[arg(long, requires = "fix")]
    dry_run: bool,
}

/// A file is changed once in a round. What comes back after so many will not go away.
const MOST_ROUNDS: usize = 8;
/// More than these unreadable files are counted and not named.
const MOST_NAMED: usize = 20;
/// Columns for what stands behind a label.
const WIDTH: usize = 88;

pub(crate) fn run(args: &DoctorArgs, env: &mut Env) -> Result<Answer> {
    let question = Question::of(args, env)?;
    let mut gathered = gather::gather(&question, env);
    let mut findings = doctor::examine(&gathered.case);
    let mut changes = Vec::new();
    if args.fix {
        for _ in 0..MOST_ROUNDS {
            let Some(made) = fix::fix(&gathered.case, &findings, args.dry_run, env)? else { break };
            changes.extend(made);
            if args.dry_run {
                break;
            }
            gathered = gather::gather(&question, env);
            findings = doctor::examine(&gathered.case);
        }
    }
    tell(&findings, args.fix.then_some(changes), env)?;
    for link in &gathered.outside {
        env.say(format!("{} leads out of the directory and was not followed; name it to look at it", ui::path(link)));
    }
    summary(&findings, gathered.case.exhibits.len(), gathered.unreadable.len(), env);
    if let Some(error) = report(gathered.unreadable, env) {
        return Err(error);
    }
    let is_wrong = findings.iter().any(|finding| finding.severity != Severity::Note);
    Ok(if is_wrong { Answer::No } else { Answer::Yes })
}

/// What was asked, with names and passwords looked up.
struct Question {
    paths: Vec<PathBuf>,
    account: Option<Account>,
    target: Option<Target>,
    passwords: Vec<zeroize::Zeroizing<String>>,
}

impl Question {
    fn of(args: &DoctorArgs, env: &Env) -> Result<Self> {
        let account = |name: &String| -> Result<Account> {
            let (uid, groups) = store::account(name).map_err(|e| e.context("reading --user"))?;
            Ok(Account { name: name.clone(), uid, groups })
        };
        let mut paths = args.paths.clone();
        if paths.is_empty() {
            let pki = store::Store::open(&env.pki);
            if !pki.exists() {
                return Err(pki.missing().hint("or name what to look at: certgen doctor /etc/rabbitmq"));
            }
            paths.push(env.shown(&env.pki).to_path_buf());
        }
        Ok(Self {
            paths,
            account: args.user.as_ref().map(account).transpose()?,
            target: args.target.as_deref().map(str::parse).transpose()?,
            passwords: shared::passwords(&args.key_password_file, env)?,
        })
    }
}

/// One envelope; with `--fix` it says what was changed too.
#[derive(Serialize)]
struct Envelope<'a> {
    version: u32,
    items: &'a [Finding],
    changes: Vec<fix::Change>,
}

fn tell(findings: &[Finding], changes: Option<Vec<fix::Change>>, env: &mut Env) -> Result<()> {
    match changes {
        _ if !env.json => findings.iter().try_for_each(|finding| print(finding, env)),
        Some(changes) => ui::document(env, &Envelope { version: 1, items: findings, changes }),
        None => ui::items(env, findings),
    }
}

fn print(finding: &Finding, env: &mut Env) -> Result<()> {
    let severity = match finding.severity {
        Severity::Error | Severity::Warning => env.colour.alarming(finding.severity.as_str()),
        Severity::Note => finding.severity.as_str().to_owned(),
    };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let place = finding.file.as_ref().map(|file| format!("{}{line}: ", ui::path(file))).unwrap_or_default();
    writeln!(env.out(), "{severity}: {place}{}", ui::sentence(&finding.problem))?;
    let remedies = finding.remedy.iter().map(|remedy| ("to do: ", remedy));
    for (label, text) in std::iter::once(("effect: ", &finding.effect)).chain(remedies).filter(|(_, t)| !t.is_empty()) {
        for (at, line) in lines(&ui::sentence(text)).iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            writeln!(env.out(), "  {label:8}{line}")?;
        }
    }
    Ok(())
}

/// A long sentence in lines that a terminal holds. A command is one word too many to be cut: it stays whole.
fn lines(text: &str) -> Vec<String> {
    let is_command =
        ["certgen ", "chmod ", "chown ", "chgrp ", "openssl ", "cat ", "mv "].iter().any(|c| text.starts_with(c));
    if is_command {
        return vec![text.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn summary(findings: &[Finding], files: usize, unreadable: usize, env: &mut Env) {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let looked = count(files, "file");
    let told: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .map(|severity| (findings.iter().filter(|finding| finding.severity == severity).count(), severity.as_str()))
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| count(number, what))
        .collect();
    match told.is_empty() {
        true if unreadable > 0 => env.say(format!("looked at {looked}: nothing is wrong with what could be read")),
        true => env.say(format!("looked at {looked}: nothing is wrong")),
        false => env.say(format!("looked at {looked}: {}", told.join(", "))),
    }
}

/// Names what could not be read; the last of it is the error of the command.
fn report(mut unreadable: Vec<Error>, env: &mut Env) -> Option<Error> {
    let more = unreadable.len().saturating_sub(MOST_NAMED);
    unreadable.truncate(MOST_NAMED);
    if more > 0 {
        unreadable.push(Error::failed(format!("{more} more could not be read")));
    }
    let last = unreadable.pop()?;
    unreadable.iter().for_each(|error| env.report(error));
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words_and_a_command_is_not() {
        let long = "word ".repeat(40);
        assert!(lines(long.trim()).iter().all(|line| line.len() <= WIDTH));
        let command = format!("chmod 0600 {}", "d/".repeat(80));
        assert_eq!(lines(&command), [command]);
    }
}
