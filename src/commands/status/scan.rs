//! `status --scan DIR`: every certificate in a tree that certgen did not make, before it expires on a Sunday.

use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use crate::commands::fixtures::fixtures_among;
use crate::commands::status::StatusArgs;
use crate::commands::status::state_word;
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::Result;
use crate::fixtures::is_fixture;
use crate::inspect::{self, LARGEST, Unreadable};
use crate::plan::{self, State};
use crate::store;
use crate::ui::{self, Table};
use crate::x509::Duration;

/// One certificate in the tree.
#[derive(Debug, Serialize)]
struct Item {
    path: String,
    container: &'static str,
    subject: Option<String>,
    issuer: Option<String>,
    serial_number: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    not_after: Option<OffsetDateTime>,
    expires_in_seconds: Option<i64>,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// It ends, or cannot be read, before --fail-within allows.
    #[serde(skip)]
    fails: bool,
}

pub(super) fn run(args: &StatusArgs, env: &mut Env) -> Result<Answer> {
    let passwords = shared::passwords(&args.password_file, env)?;
    let passwords: Vec<&str> = passwords.iter().map(|password| password.as_str()).collect();
    let excluded: Vec<PathBuf> = args.exclude.iter().map(|path| env.cwd.join(path)).collect();
    let (mut items, mut fixtures) = (Vec::new(), 0);
    for directory in &args.scan {
        let walk = store::files_below(&env.cwd.join(directory), LARGEST as u64, &excluded)?;
        walk.unreadable.iter().for_each(|error| env.warn(error));
        let made_for_tests = fixtures_among(&walk.files);
        for file in walk.files {
            fixtures += look(&file, made_for_tests.contains(&file), args, &passwords, &mut items, env);
        }
    }
    if let Some(within) = args.fail_within {
        let end = env.now.saturating_add(within.into());
        for item in items.iter_mut().filter(|item| item.state != State::Locked) {
            item.fails = item.not_after.is_none_or(|not_after| not_after < end);
        }
        items.sort_by_key(|item| !item.fails);
    }
    let failing = items.iter().filter(|item| item.fails).count();
    let locked = items.iter().filter(|item| item.state == State::Locked).count();
    match env.json {
        true => ui::items(env, &items)?,
        false if items.is_empty() => env.say("no certificate was found"),
        false => print(&items, args.fail_within, env)?,
    }
    if fixtures > 0 {
        let what = if fixtures == 1 { "certificate" } else { "certificates" };
        env.say(format!("passed over {fixtures} {what} of certgen fixtures"));
    }
    if locked > 0 {
        let what = if locked == 1 { "1 key store was".to_owned() } else { format!("{locked} key stores were") };
        env.warn(format!("{what} not looked into: give the password with --password-file"));
    }
    if let (true, Some(within)) = (failing > 0, args.fail_within) {
        env.warn(format!("{failing} of {} end within {within} or cannot be read", items.len()));
        return Ok(Answer::No);
    }
    Ok(Answer::Yes)
}

/// The certificates of one file, and how many of fixtures were passed over. A file that cannot be opened is told; one that is
/// too large holds something else. In a file of fixtures (`made_for_tests`) what cannot be read is meant to be so; what can
/// be says itself what it is, wherever it lies.
fn look(
    file: &Path,
    made_for_tests: bool,
    args: &StatusArgs,
    passwords: &[&str],
    items: &mut Vec<Item>,
    env: &mut Env,
) -> usize {
    let bytes = match store::read_limited(file, LARGEST as u64) {
        Ok(bytes) => bytes,
        Err(e) => {
            env.warn(e.to_string());
            return 0;
        }
    };
    // As it is: a script opens it. The table shows it safely.
    let path = env.shown(file).to_string_lossy().into_owned();
    let mut fixtures = 0;
    for found in inspect::scan(&bytes, passwords) {
        if found.certificate.as_ref().map_or(made_for_tests, |certificate| is_fixture(certificate)) {
            fixtures += 1;
            continue;
        }
        let path = path.clone();
        items.push(match found.certificate {
            Err(reason) => {
                let (state, detail) = match reason {
                    Unreadable::Locked => (State::Locked, "no password that was given opens it".to_owned()),
                    Unreadable::Damaged(detail) => (State::Damaged, detail),
                };
                Item {
                    path,
                    container: found.container,
                    subject: None,
                    issuer: None,
                    serial_number: None,
                    not_before: None,
                    not_after: None,
                    expires_in_seconds: None,
                    state,
                    detail: Some(detail),
                    fails: false,
                }
            }
            Ok(certificate) => {
                let validity = *certificate.validity();
                let due = plan::due_within(validity, args.due_within.map(time::Duration::from));
                Item {
                    path,
                    container: found.container,
                    subject: Some(certificate.subject().to_string()),
                    issuer: Some(certificate.issuer().to_string()),
                    serial_number: Some(certificate.serial().to_string()),
                    not_before: Some(validity.not_before),
                    not_after: Some(validity.not_after),
                    expires_in_seconds: Some((validity.not_after - env.now).whole_seconds()),
                    state: State::by_time(validity, due, env.now).unwrap_or(State::Ok),
                    detail: None,
                    fails: false,
                }
            }
        });
    }
    fixtures
}

fn print(items: &[Item], within: Option<Duration>, env: &mut Env) -> Result<()> {
    let mut table = Table::new(&["FILE", "SUBJECT", "IN", "EXPIRES", "STATE"]);
    for item in items {
        let expires = item.not_after.map_or_else(|| "-".to_owned(), |end| shared::expires(end, env.now));
        let mut state = state_word(item.state, item.fails, within);
        if let Some(detail) = &item.detail {
            state += &format!(": {detail}");
        }
        let subject = item.subject.as_deref().map_or_else(|| "-".to_owned(), ui::plain);
        table.row([ui::path(Path::new(&item.path)), subject, item.container.to_owned(), expires, state]);
    }
    table.print(env)
}
