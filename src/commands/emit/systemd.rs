//! `certgen emit systemd`

use std::path::Path;

use super::{EmitArgs, item, out, print, tell};
use crate::apply::{AuthorityState, Change, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::emit::systemd::{self, SystemdFacts};
use crate::env::Env;
use crate::error::{Error, Result};

pub(super) fn run(args: &EmitArgs, env: &mut Env) -> Result<Answer> {
    if args.into.is_some() {
        return Err(Error::usage("--into is for rabbitmq").hint("certgen emit systemd --out /etc/systemd/system"));
    }
    let world = World::read(env)?;
    let pki = env.pki.to_str().ok_or_else(|| Error::failed("the path of the PKI is not UTF-8"))?;
    let sealed = world.authority_names().any(|name| world.authority_state(name) == AuthorityState::Sealed);
    let files = systemd::emit(&SystemdFacts {
        program: Env::program(),
        pki: pki.to_owned(),
        sealed,
        broker: !world.manifest.brokers().is_empty(),
        revocation: world.manifest.brokers().iter().any(|broker| broker.revocation),
    })?;
    match args.out.as_deref() {
        Some(out) if out == Path::new("-") => return print("systemd", &files, env),
        Some(out) => {
            let items = out::write(&env.cwd.join(out), "systemd", files, None, args.force, env)?;
            tell(&items, env)?;
        }
        None => {
            let (mut world, mut locked) = World::lock("emit", env)?;
            let mut vault = Vault::new(&Unlock::default());
            let mut change = Change::new(&mut world, &mut vault, env);
            change.force = args.force;
            change.emit_consumer("systemd", files)?;
            let written: Vec<_> = change.files.iter().map(|file| file.path.clone()).collect();
            let done = change.commit(&mut locked)?;
            drop(locked);
            shared::warn_of_edited(&done.edited, env);
            let items: Vec<_> = written.iter().map(|path| item("systemd", &world.store.path(path), env)).collect();
            tell(&items, env)?;
        }
    }
    if sealed {
        env.say(
            "the authority keys are sealed: put their passphrase into /etc/certgen/passphrase, readable by root alone",
        );
    }
    env.say("copy both to /etc/systemd/system, then: systemctl enable --now certgen-renew.timer");
    Ok(Answer::Yes)
}
