//! `certgen apply`

use std::collections::HashMap;

use crate::apply::{self, Change, Done, NewPassword, Plan, Unlock, Vault, World, Written};
use crate::commands::plan::{self, Item, PlannedArgs};
use crate::commands::seal::NewKeysArgs;
use crate::commands::{Answer, shared};
use crate::emit::{RABBITMQ, TARGETS, diff};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::plan::{Act, Step, Thing};
use crate::profile::Role;
use crate::store::layout;
use crate::ui;

/// Bring everything to what certgen.toml says
///
/// Does what certgen plan shows, all of it or nothing; a second run finds nothing to do. An identity that was revoked is
/// not issued again, and a file that somebody edited is left alone: the new text goes beside it, to FILE.new. An authority
/// is made only in a directory without certificates, or with --create-authority.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen apply --check\n  certgen apply --diff\n  certgen apply --prune --yes\n  \
                        certgen apply --create-authority devices")]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    what: PlannedArgs,
    /// Only say whether there is something to do: exit 3 if so
    #[arg(long)]
    check: bool,
    /// Only show how the texts of files would change; exit 3 if there is something to do
    #[arg(long, conflicts_with = "check")]
    diff: bool,
    /// Replace files that somebody edited
    #[arg(long)]
    force: bool,
    /// Do not ask before --prune revokes
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    keys: NewKeysArgs,
}

/// For how many users the commands are written out.
const TOLD: usize = 5;

pub(crate) fn run(args: &ApplyArgs, env: &mut Env) -> Result<Answer> {
    let options = args.what.options();
    if args.check || args.diff {
        return look(args, env);
    }
    let (mut world, mut locked) = World::lock("apply", env)?;
    let mut plan = world.plan(&options, env)?;
    confirm(args, &plan, env)?;
    let to = if plan.to_do().any(|step| step.act == Act::Create) { args.keys.seal_to(env)? } else { None };
    let mut vault = Vault::new(&args.keys.unlock);
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        if args.force {
            change.forced = TARGETS.iter().map(|target| target.name).chain([RABBITMQ.0]).map(str::to_owned).collect();
        }
        change.follow(&mut plan, to.as_ref())?;
        change.plan_written(&mut plan);
        change.commit(&mut locked)?
    };
    drop(locked);
    tell(&plan, &done, env)?;
    tell_users(&world, &done, env);
    Ok(Answer::Yes)
}

/// Changes nothing.
fn look(args: &ApplyArgs, env: &mut Env) -> Result<Answer> {
    let mut world = World::read(env)?;
    let mut plan = world.plan(&args.what.options(), env)?;
    let mut vault = Vault::new(&Unlock::default());
    let texts = {
        let mut change = Change::new(&mut world, &mut vault, env);
        change.plan_files(&mut plan)?;
        change.texts()
    };
    if args.check {
        plan::show(&plan, env)?;
        return Ok(plan::answer(&plan));
    }
    for (path, old, new) in texts {
        let shown = ui::path(env.shown(&env.pki.join(&path)));
        write!(env.out(), "{}", diff(old.as_deref(), &new, &shown))?;
    }
    for step in plan.to_do().filter(|step| !matches!(step.thing, Thing::File(_))) {
        env.say(format!("{} {}: {}", step.act.as_str(), step.thing, ui::sentence(&step.reasons.join("; "))));
    }
    Ok(plan::answer(&plan))
}

/// Whoever is pruned can log in no more: that is asked for, or said.
fn confirm(args: &ApplyArgs, plan: &Plan, env: &mut Env) -> Result<()> {
    if plan.unwanted().is_empty() {
        return Ok(());
    }
    env.say("to be revoked and taken out:");
    for (role, name) in plan.unwanted() {
        env.say(format!("  {role}/{}", ui::plain(name)));
    }
    if args.yes {
        return Ok(());
    }
    let question = match plan.unwanted().len() {
        1 => "Revoke it and take it out?".to_owned(),
        n => format!("Revoke these {n} and take them out?"),
    };
    match ui::confirm(env, &question, "add --yes if this is meant")? {
        true => Ok(()),
        false => Err(Error::failed("nothing was changed")),
    }
}

/// Facts on standard output, in the order in which they were done.
fn tell(plan: &Plan, done: &Done, env: &mut Env) -> Result<()> {
    if !done.issued.is_empty() {
        shared::tell_clock(env);
    }
    let issued: HashMap<(&str, &str), &Written> = done.issued.iter().map(|w| ((w.role, &*w.name), w)).collect();
    let steps = plan.to_do().map(|step| (step, identity(&step.thing).and_then(|named| issued.get(&named).copied())));
    if env.json {
        let items: Vec<Item> = steps.map(|(step, written)| item(step, written, env)).collect();
        ui::items(env, &items)?;
    } else {
        for (step, written) in steps {
            let line = line(step, written, env);
            writeln!(env.out(), "{line}")?;
        }
    }
    for note in &done.notes {
        env.say(note);
    }
    for NewPassword { user, file, .. } in &done.passwords {
        env.say(format!("the password of {} is in {}", ui::quote(user), ui::path(env.shown(file))));
    }
    shared::warn_of_edited(&done.edited, env);
    plan::tell_left(plan, env);
    if plan.to_do().next().is_none() {
        plan::tell_done(plan, env);
    }
    Ok(())
}

/// What brokers that run have to be told: of the first few users; for many there is the whole definitions.json.
fn tell_users(world: &World, done: &Done, env: &mut Env) {
    if done.new_vhosts.is_empty() {
        return; // no broker had definitions before, so none runs
    }
    let new = |written: &&Written| written.role == Role::Client.as_str() && !written.renewed;
    for written in done.issued.iter().filter(new).take(TOLD) {
        apply::lines_for_running_brokers(world, done, &written.name, env).iter().for_each(|line| env.say(line));
    }
    done.users_gone.iter().take(TOLD).for_each(|user| shared::tell_user_gone(user, env));
    let rest =
        (done.issued.iter().filter(new).count().saturating_sub(TOLD), done.users_gone.len().saturating_sub(TOLD));
    if rest != (0, 0) {
        env.say(format!(
            "the same for {} more new users and {} that are gone: certgen emit rabbitmqctl writes the commands of those who stay",
            rest.0, rest.1
        ));
    }
}

/// A step in the past tense; for certificates with what came of it.
fn line(step: &Step, written: Option<&Written>, env: &Env) -> String {
    let verb = match step.act {
        Act::Create => "created",
        Act::Issue => "issued",
        Act::Reissue => "reissued",
        Act::Secure => "secured",
        Act::Write => "wrote",
        Act::Remove => "removed",
        Act::Prune => "pruned",
        Act::Leave => "left",
    };
    let what = plan::shown(&step.thing, env);
    match written {
        Some(written) => {
            let until = ui::date(written.certificate.validity().not_after);
            format!("{verb:9} {what}  until {}  {}", &until[..10], ui::path(env.shown(&written.directory)))
        }
        None => format!("{verb:9} {what}  {}", ui::sentence(&step.reasons.join("; "))),
    }
}

fn item(step: &Step, written: Option<&Written>, env: &Env) -> Item {
    let item = Item::of(step, env);
    match written {
        Some(written) => item.with_certificate(&written.certificate),
        None => item,
    }
}

/// Role and name of what a certificate is issued for.
fn identity(thing: &Thing) -> Option<(&str, &str)> {
    match thing {
        Thing::Authority(name) => Some((layout::AUTHORITY, name)),
        Thing::Identity(role, name) => Some((role.as_str(), name)),
        Thing::File(_) => None,
    }
}
