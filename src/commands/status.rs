//! `certgen status`

mod prometheus;
mod scan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use crate::apply::{Standing, SurveyOptions, World};
use crate::commands::rotate::{self, RotationItem};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::plan::State;
use crate::ui::{self, Table};
use crate::x509::Duration;

/// Say what expires, what is due, what is broken and what nobody checks
///
/// An end entity is due when a third of its lifetime is left, an authority when less is left than the longest validity
/// below it and 30 days, a revocation list when a third of its 30 days is left. A key that others may read counts as
/// damaged. Above 10,000 identities the inventory's word is taken unless --files asks for the files, and the table shows
/// what somebody has to look at and counts the others; --json has them all. With --scan, certificates in any
/// directory: PEM, DER, PKCS#12, JKS, and base64 in YAML and JSON. A key store that no password opens is locked: that is
/// told, and --fail-within does not count it. The test certificates that certgen fixtures made are passed over, and counted:
/// some of them ended long ago. With --fail-within what fails comes first.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen status\n  certgen status --fail-within 30d\n  \
                        certgen status --prometheus certgen.prom\n  \
                        certgen status --scan . --fail-within 30d\n  \
                        certgen status --scan . --exclude node_modules --fail-within 30d\n  certgen status --at 2027-03-01")]
pub(crate) struct StatusArgs {
    /// Only these: a role (authority, crl, server, node, client, external), NAME or ROLE/NAME
    #[arg(value_name = "ROLE|NAME", add = shared::complete_all_names(), conflicts_with = "scan")]
    what: Vec<String>,
    /// Exit with 3 if something in use ends within DUR (a revocation list: once it is due), has ended, is missing or damaged
    #[arg(long, value_name = "DUR")]
    fail_within: Option<Duration>,
    /// Due is what ends within DUR, instead of a third of its lifetime
    #[arg(long, value_name = "DUR")]
    due_within: Option<Duration>,
    /// Write metrics for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "scan")]
    prometheus: Option<PathBuf>,
    /// Read every certificate file, also where there are more than 10,000 identities
    #[arg(long, conflicts_with = "scan")]
    files: bool,
    /// Look at all certificates below DIR instead of at the PKI (repeatable)
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    scan: Vec<PathBuf>,
    /// Pass over PATH and what lies below it (repeatable)
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath, requires = "scan")]
    exclude: Vec<PathBuf>,
    /// File with the password of key stores that --scan finds (repeatable); none, changeit and changeme are tried anyway
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "scan")]
    password_file: Vec<PathBuf>,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Item {
    name: String,
    role: String,
    issuer: Option<String>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    due: Option<OffsetDateTime>,
    expires_in_seconds: Option<i64>,
    path: Option<String>,
    /// It ends, or is broken, before --fail-within allows.
    #[serde(skip)]
    fails: bool,
}

/// A broker whose clients are on their way from plain to TLS.
#[derive(Debug, Serialize)]
struct MigrationItem {
    broker: Option<String>,
    phase: &'static str,
    #[serde(skip)]
    standing: &'static str,
    next: String,
}

pub(crate) fn run(args: &StatusArgs, env: &mut Env) -> Result<Answer> {
    if !args.scan.is_empty() {
        return scan::run(args, env);
    }
    if env.json && args.prometheus.as_deref() == Some(Path::new("-")) {
        return Err(Error::usage("--json and --prometheus - both write to standard output"));
    }
    let world = World::read(env)?;
    let due_within = args.due_within.map(time::Duration::from);
    let options = SurveyOptions { files: args.files, due_within };
    let end = args.fail_within.map(|within| env.now.saturating_add(within.into()));
    // Of very many, the table shows what somebody has to look at, and counts the others.
    let only_faults = world.is_large() && args.what.is_empty() && !env.json;
    let mut told = args.what.is_empty().then(|| ui::Items::new(env));
    let (mut all, mut items, mut counts) = (Vec::new(), Vec::new(), Counts::default());
    world.survey(options, env, &mut |standing, env| {
        if !shared::names(&args.what, &standing.role, &standing.name) {
            return Ok(());
        }
        counts.add(&standing, end);
        match &mut told {
            Some(told) if env.json => told.item(env, |env| item(&standing, end, &world, env))?,
            _ if only_faults && !needs_a_look(&standing, end) => {}
            _ => items.push(item(&standing, end, &world, env)),
        }
        if args.prometheus.is_some() {
            all.push(standing);
        }
        Ok(())
    })?;
    if let Some(file) = &args.prometheus {
        prometheus::write(&all, &world, file, env)?;
    }
    shared::refuse_unknown(&args.what, &items, |item| (item.role.as_str(), item.name.as_str()))?;
    let (rotations, migrations) = (rotate::in_progress(&world, env)?, migrations(&world.manifest));
    if env.json {
        let mut rest = serde_json::Map::new();
        let revocation_checked = world.manifest.brokers().iter().any(|broker| broker.revocation);
        rest.insert("revocation_checked".to_owned(), revocation_checked.into());
        rest.insert("rotations".to_owned(), serde_json::to_value(&rotations).map_err(std::io::Error::other)?);
        rest.insert("migrations".to_owned(), serde_json::to_value(&migrations).map_err(std::io::Error::other)?);
        let mut told = told.unwrap_or_else(|| ui::Items::new(env));
        items.iter().try_for_each(|item| told.item(env, |_| item))?;
        told.end_with(env, &rest)?;
    } else if args.prometheus.is_none() || !args.what.is_empty() {
        print(&items, args.fail_within, env)?;
        if only_faults {
            env.say(counts.told());
        }
        env.say(who_checks(&world.manifest));
        for MigrationItem { broker, standing, next, .. } in migrations {
            let whose = broker.map_or_else(String::new, |name| format!(" of broker {}", ui::quote(&name)));
            env.say(format!("migration{whose}: {standing}: {next}"));
        }
        for RotationItem { authority, phase, next } in &rotations {
            env.say(format!("rotation of authority {}: {phase}: {next}", ui::plain(authority)));
        }
        next_steps(&items, &world, rotations.is_empty(), args.due_within, env);
        shared::tell_owed_hooks(&world, env);
    }
    if let (true, Some(within)) = (counts.failing > 0, args.fail_within) {
        env.warn(format!("{} of {} end within {within} or are broken", counts.failing, counts.all));
        return Ok(Answer::No);
    }
    Ok(Answer::Yes)
}

/// What was looked at.
#[derive(Debug, Default)]
struct Counts {
    all: usize,
    failing: usize,
    by_state: BTreeMap<State, usize>,
}

impl Counts {
    fn add(&mut self, standing: &Standing, end: Option<OffsetDateTime>) {
        self.all += 1;
        self.failing += usize::from(end.is_some_and(|end| standing.fails_before(end)));
        *self.by_state.entry(standing.state).or_default() += 1;
    }

    /// `1000003 in all: 12 due, 1000000 elsewhere, ...`, the worst first.
    fn told(&self) -> String {
        let states: Vec<String> = self.by_state.iter().map(|(state, count)| format!("{count} {state}")).collect();
        format!("{} in all: {}", self.all, states.join(", "))
    }
}

/// Whether a table that leaves out what is well has a line for it.
fn needs_a_look(standing: &Standing, end: Option<OffsetDateTime>) -> bool {
    matches!(standing.role.as_str(), "authority" | "crl")
        || !matches!(standing.state, State::Ok | State::Elsewhere | State::External | State::Revoked)
        || end.is_some_and(|end| standing.fails_before(end))
}

fn item(standing: &Standing, end: Option<OffsetDateTime>, world: &World, env: &Env) -> Item {
    Item {
        name: standing.name.clone(),
        role: standing.role.clone(),
        issuer: standing.issuer.clone(),
        state: standing.state,
        detail: standing.detail.clone(),
        serial_number: standing.serial.clone(),
        not_before: standing.not_before,
        not_after: standing.not_after,
        due: standing.due,
        expires_in_seconds: standing.not_after.map(|end| (end - env.now).whole_seconds()),
        path: standing.path.as_ref().map(|path| ui::path(env.shown(&world.store.path(path)))),
        fails: end.is_some_and(|end| standing.fails_before(end)),
    }
}

/// The word for a state in a table, where what fails is what somebody looks for.
fn state_word(state: State, fails: bool, within: Option<Duration>) -> String {
    match within.filter(|_| fails) {
        Some(within) if matches!(state, State::Ok | State::External | State::Elsewhere) => {
            format!("ends within {within}")
        }
        Some(within) if state == State::Due => format!("due, ends within {within}"),
        _ => state.to_string(),
    }
}

fn print(items: &[Item], within: Option<Duration>, env: &mut Env) -> Result<()> {
    let mut table = Table::new(&["NAME", "ROLE", "ISSUER", "EXPIRES", "STATE"]);
    let (failing, others): (Vec<&Item>, Vec<&Item>) = items.iter().partition(|item| item.fails);
    for item in failing.into_iter().chain(others) {
        let expires = item.not_after.map_or_else(|| "-".to_owned(), |end| shared::expires(end, env.now));
        let mut state = state_word(item.state, item.fails, within);
        if let Some(detail) = &item.detail {
            state += &format!(": {}", ui::plain(detail));
        }
        let issuer = item.issuer.as_deref().unwrap_or("-");
        table.row([ui::plain(&item.name), item.role.clone(), ui::plain(issuer), expires, state]);
    }
    table.print(env)
}

/// Whether a revocation list is worth anything to the brokers of this manifest.
fn who_checks(manifest: &Manifest) -> String {
    let brokers = manifest.brokers();
    let checking: Vec<String> = brokers
        .iter()
        .filter(|broker| broker.revocation)
        .map(|broker| broker.name.as_deref().map_or_else(|| "the broker".to_owned(), ui::quote))
        .collect();
    match (checking.len(), brokers.len()) {
        (0, 0) => "revocation: there is no broker in certgen.toml that could check it".to_owned(),
        (0, _) => "revocation: no configuration checks it; what stops a client is to delete its user".to_owned(),
        (n, all) if n == all => "revocation: every broker's configuration checks it".to_owned(),
        _ => format!("revocation: checked by {} only", checking.join(", ")),
    }
}

/// Where plain is open, and what comes next.
fn migrations(manifest: &Manifest) -> Vec<MigrationItem> {
    let on_their_way = manifest.brokers().iter().filter_map(|broker| {
        let (standing, next) = super::emit::standing(broker)?;
        Some(MigrationItem { broker: broker.name.clone(), phase: broker.migration?.as_str(), standing, next })
    });
    on_their_way.collect()
}

/// What to type about what is not well.
fn next_steps(items: &[Item], world: &World, names_rotation: bool, due_within: Option<Duration>, env: &mut Env) {
    let is = |item: &&Item, state: State, role: fn(&str) -> bool| item.state == state && role(&item.role);
    let authority = |role: &str| role == "authority";
    let list = |role: &str| role == "crl";
    let identity = |role: &str| !matches!(role, "authority" | "crl" | "external");
    if items.iter().any(|i| is(&i, State::Due, identity) || is(&i, State::Expired, identity)) {
        let within = due_within.map_or_else(String::new, |within| format!(" --due-within {within}"));
        env.say(format!("to renew what is due: certgen renew --due{within}"));
    }
    let runs_out = |i: &&Item| is(i, State::Due, authority) || is(i, State::Expired, authority);
    for item in items.iter().filter(runs_out).filter(|_| names_rotation) {
        env.say(format!("to replace authority {}: {}", ui::plain(&item.name), world.how_to_replace(&item.name, env)));
    }
    if items.iter().any(|i| is(&i, State::Due, list) || is(&i, State::Expired, list)) {
        env.say("to write the revocation lists anew: certgen crl --due");
    }
}
