//! What a renewal sets off: a command of the user's, once for each identity. That it is owed is recorded with the
//! renewal itself, so that neither a failure nor a crash loses it.

use time::format_description::well_known::Rfc3339;

use crate::apply::{Files, World};
use crate::env::Env;
use crate::error::{Error, Result, io_reason};
use crate::profile::Role;
use crate::store::{Action, Event, Store};
use crate::ui;

/// Runs the hook of every identity that waits for one, and records which succeeded.
pub(super) fn run(command: &str, store: &Store, env: &mut Env) -> Result<()> {
    // Read again: another command may have renewed, or run hooks, meanwhile.
    let world = World::read(env)?;
    let mut failed: Vec<String> = Vec::new();
    let mut succeeded = Vec::new();
    for (role, name) in world.awaiting_hook() {
        match call(command, role, &name, store, &world, env) {
            Ok(()) => succeeded.push((role, name)),
            Err(e) => failed.push(e.to_string()),
        }
    }
    if !succeeded.is_empty() {
        let (_, locked) = World::lock("renew", env)?;
        let mut transaction = locked.transaction();
        for (role, name) in succeeded {
            let event = Event::new(Action::Hooked, &env.actor, env.now, env.real_now)?;
            transaction.append([event.about(role.as_str(), &name)]);
        }
        transaction.commit()?;
    }
    match failed.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            Err(Error::failed(format!("{first}{more}")).hint(format!(
                "the renewal stands; to try the hook again: certgen renew --due --hook {}",
                ui::shell(command)
            )))
        }
    }
}

fn call(command: &str, role: Role, name: &str, store: &Store, world: &World, env: &mut Env) -> Result<()> {
    let files = Files::of(store, role, name)?;
    let ends = world.validity_of(role, name)?.map(|validity| validity.not_after);
    let ends = ends.and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default();
    env.finish()?;
    let status = Env::child("/bin/sh")
        .args(["-c", command])
        .env("CERTGEN_NAME", name)
        .env("CERTGEN_ROLE", role.as_str())
        .env("CERTGEN_CERT", files.certificate)
        .env("CERTGEN_KEY", files.key)
        .env("CERTGEN_BUNDLE", files.bundle)
        .env("CERTGEN_NOT_AFTER", ends)
        .current_dir(&env.cwd)
        .status();
    let whose = format!("the hook of {role} {}", ui::quote(name));
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::failed(format!("{whose} failed: {status}"))),
        Err(e) => Err(Error::failed(format!("{whose} did not start: {}", io_reason(&e)))),
    }
}
