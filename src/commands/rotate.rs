//! `certgen rotate`

mod check;
mod standing;
mod tell;

use crate::apply::{Batch, Change, Delivery, Done, Phase, Rotation, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::ui;

pub(super) use standing::{RotationItem, in_progress};
use tell::Told;

/// Replace an authority in phases that refuse no connection
///
/// start makes the successor, with a key and a name of its own, and puts it beside the authority into every bundle. When
/// the bundles are in use everywhere, switch lets the successor sign and issues everything below it again. When those
/// certificates are in use everywhere, finish takes the old authority out of the bundles and erases its key. Each phase
/// lists the files that have to be delivered before the next is safe, and checks beforehand that every client and server
/// that can meet during it accept one another, by openssl's rules and by Erlang's. Authorities below the one that is
/// rotated are rotated with it. Until finish, abort goes back.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen rotate start root\n  certgen rotate status --delivered node\n  \
                        certgen rotate switch root\n  certgen rotate finish root\n  certgen rotate start root --compromised")]
pub(crate) struct RotateArgs {
    #[command(subcommand)]
    phase: PhaseArgs,
}

#[derive(Debug, clap::Subcommand)]
enum PhaseArgs {
    /// Make the successor and let everybody trust it
    #[command(
        long_about = "Make the successor of an authority and let everybody trust it\n\nThe successor has a new key, sealed to \
                      those who can open the old one, and lies in ca/NAME/successor/. Every bundle that holds the \
                      authority's root then holds the successor's too; nothing is issued by it yet. A root also certifies \
                      its successor: that certificate lies beside it and stands in no chain, because Erlang/OTP 25 stumbles \
                      over one. With --compromised there is no overlap: the successor signs at once, everything is issued \
                      again, the old authority leaves every bundle, and connections are refused until all files are in use.",
        after_help = "EXAMPLES:\n  certgen rotate start\n  certgen rotate start root\n  \
                      certgen rotate start root --compromised"
    )]
    Start(StartArgs),
    /// Let the successor sign, and issue everything below it again
    #[command(
        long_about = "Let the successor sign, and issue everything below it again\n\nIt waits until the bundles have been out \
                      for five minutes, or until --check says that listeners know the successor. With --batch it is done in \
                      parts; run it again for the next. Where a key is elsewhere its owner sends a request.",
        after_help = "EXAMPLES:\n  certgen rotate switch root\n  \
                      certgen rotate switch --check localhost:5671\n  \
                      certgen rotate switch --batch 100\n  certgen rotate switch --batch node/rabbit.example.com"
    )]
    Switch(SwitchArgs),
    /// Trust the old authority no longer
    #[command(
        long_about = "Trust the old authority no longer\n\nIts certificate leaves every bundle and goes to history/, its key is \
                      erased. Refused while something still shows a certificate that it signed; deliveries that nobody \
                      confirmed are named.",
        after_help = "EXAMPLES:\n  certgen rotate finish root\n  certgen rotate finish root --delivered node client"
    )]
    Finish(FinishArgs),
    /// Go back
    #[command(
        long_about = "Go back\n\nBefore switch the successor is given up. After it the old authority signs again, everything is \
                      issued again by it, and finish then takes the successor out of the bundles.",
        after_help = "EXAMPLES:\n  certgen rotate abort root"
    )]
    Abort(AbortArgs),
    /// Show how far rotations are, what is to be delivered, and what to do next
    #[command(
        after_help = "EXAMPLES:\n  certgen rotate status\n  certgen rotate status root --delivered node/rabbit.example.com\n  \
                      certgen rotate status --json"
    )]
    Status(StatusArgs),
}

#[derive(Debug, clap::Args)]
struct StartArgs {
    /// The authority [default: the only root]
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authority: Option<String>,
    /// Its key leaked: no overlap
    #[arg(long, conflicts_with = "delivered")]
    compromised: bool,
    #[command(flatten)]
    delivered: DeliveredArgs,
    #[command(flatten)]
    unlock: Unlock,
}

#[derive(Debug, clap::Args)]
struct SwitchArgs {
    /// The authority [default: the only one that is being rotated]
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authority: Option<String>,
    /// Only so many identities, or only these (with commas between them)
    #[arg(long, value_name = "N|NAME,...")]
    batch: Option<String>,
    /// Go on when these listeners know the successor, however short the bundles have been out
    #[arg(long, value_name = "HOST:PORT", num_args = 1..)]
    check: Vec<String>,
    /// Do not wait for bundles to be read
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    delivered: DeliveredArgs,
    #[command(flatten)]
    unlock: Unlock,
}

#[derive(Debug, clap::Args)]
struct FinishArgs {
    /// The authority [default: the only one that is being rotated]
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authority: Option<String>,
    /// Finish although something will be refused
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    delivered: DeliveredArgs,
    #[command(flatten)]
    unlock: Unlock,
}

#[derive(Debug, clap::Args)]
struct AbortArgs {
    /// The authority [default: the only one that is being rotated]
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authority: Option<String>,
    #[command(flatten)]
    unlock: Unlock,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    /// Only this authority
    #[arg(value_name = "AUTHORITY", add = shared::complete_authorities())]
    authority: Option<String>,
    #[command(flatten)]
    delivered: DeliveredArgs,
}

#[derive(Debug, clap::Args)]
struct DeliveredArgs {
    /// The files of these are where they are used: ROLE/NAME, or a role for all of it
    #[arg(long = "delivered", value_name = "NAME", num_args = 1.., id = "delivered", add = shared::complete_names())]
    names: Vec<String>,
}

pub(crate) fn run(args: RotateArgs, env: &mut Env) -> Result<Answer> {
    match args.phase {
        PhaseArgs::Start(args) => start(&args, env),
        PhaseArgs::Switch(args) => switch(&args, env),
        PhaseArgs::Finish(args) => finish(&args, env),
        PhaseArgs::Abort(args) => abort(&args, env),
        PhaseArgs::Status(args) => status(&args, env),
    }
}

fn start(args: &StartArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("rotate", env)?;
    let authority = match &args.authority {
        Some(name) => shared::split_role(name).1.to_owned(),
        None => only_root(&world)?,
    };
    if !args.delivered.names.is_empty() && world.rotation(Some(&authority)).is_ok() {
        drop(locked);
        let delivered = DeliveredArgs { names: args.delivered.names.clone() };
        return status(&StatusArgs { authority: Some(authority), delivered }, env);
    }
    let below = world.signed_below(&authority, env.now);
    if args.compromised {
        tell::what_breaks(&authority, &below, env);
        if env.interactive && !ui::confirm(env, "Replace the authority now?", "--no-input")? {
            return Err(Error::failed("nothing was changed"));
        }
    }
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    let rotation = match args.compromised {
        true => change.replace_compromised(&authority)?,
        false => change.start_rotation(&authority)?,
    };
    let done = change.commit(&mut locked)?;
    drop(locked);
    if !args.compromised {
        return tell::phase(Told::Started, &rotation, &done, env);
    }
    tell::phase(Told::Replaced, &rotation, &done, env)?;
    tell::waiting(&below.into_iter().filter(|dependent| dependent.elsewhere).collect::<Vec<_>>(), env);
    Ok(Answer::Yes)
}

/// The authority that a bare `rotate start` means.
fn only_root(world: &World) -> Result<String> {
    let roots: Vec<&str> =
        world.manifest.authorities().iter().filter(|a| a.is_root()).map(|a| a.name.as_str()).collect();
    match roots.as_slice() {
        [only] => Ok((*only).to_owned()),
        several => Err(Error::failed(format!("certgen.toml has {} roots", several.len())).hint(format!(
            "name one: certgen rotate start {}",
            several.first().map_or("AUTHORITY".into(), |n| ui::shell(n))
        ))),
    }
}

fn switch(args: &SwitchArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("rotate", env)?;
    let rotation = world.rotation(args.authority.as_deref())?;
    if rotation.phase == Phase::Started {
        ready_to_switch(args, &rotation, &world, env)?;
    }
    let batch = batch(args.batch.as_deref(), &world)?;
    let mut deliveries = world.deliveries(&rotation)?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    change.confirm(&mut deliveries, &args.delivered.names)?;
    let unconfirmed = match rotation.phase {
        Phase::Started => open(&deliveries),
        Phase::Switched => Vec::new(),
    };
    if rotation.phase == Phase::Switched && change.to_reissue(&rotation)?.is_empty() {
        change.commit(&mut locked)?;
        drop(locked);
        env.say("nothing is left to be issued again");
        return tell::phase(Told::Switched, &rotation, &Done::default(), env);
    }
    change.switch_rotation(&rotation, &batch)?;
    let done = change.commit(&mut locked)?;
    drop(locked);
    tell::unconfirmed(&unconfirmed, "it refuses what the successor signed until it has the bundle", env);
    tell::phase(Told::Switched, &rotation, &done, env)
}

/// The bundles must be where they are read before anything is issued that only they can verify.
fn ready_to_switch(args: &SwitchArgs, rotation: &Rotation, world: &World, env: &mut Env) -> Result<()> {
    if env.now < rotation.since {
        return Err(Error::failed(format!(
            "the clock says {}, and the rotation started at {}: the clock went back",
            ui::date(env.now),
            ui::date(rotation.since)
        ))
        .hint("set the clock"));
    }
    if !args.check.is_empty() {
        return check::listeners(&args.check, rotation, world, env);
    }
    let Some(left) = rotation.left_to_wait(env.now).filter(|_| !args.force) else { return Ok(()) };
    let until = ui::date(env.now + left + time::Duration::minutes(1));
    if !world.authority_certificate(&rotation.authority)?.is_self_issued() {
        return Err(Error::failed(format!(
            "the revocation list of the successor is out for less than five minutes, and a broker without it refuses \
             everybody below: wait until {until}"
        ))
        .hint("once it is in crls/ on every broker: add --force"));
    }
    Err(Error::failed(format!(
        "the bundles with the successor are out for less than five minutes, and a broker may not have read them: wait until {until}"
    ))
    .hint("or ask the listeners: certgen rotate switch --check HOST:PORT")
    .hint("if nothing uses these certificates yet: add --force"))
}

fn batch(text: Option<&str>, world: &World) -> Result<Batch> {
    let Some(text) = text else { return Ok(Batch::All) };
    if let Ok(most) = text.parse() {
        return match most {
            0 => Err(Error::usage("--batch 0: that is nothing")),
            most => Ok(Batch::Count(most)),
        };
    }
    let names = text.split(',').map(|name| shared::identity(world, name));
    Ok(Batch::These(names.collect::<Result<Vec<(Role, String)>>>()?))
}

fn finish(args: &FinishArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("rotate", env)?;
    // Killed after its work was safe, and asked again: the lock has just brought it to its end.
    let ended = |name: &str| world.rotation_ended(name).is_some() && world.rotation(Some(name)).is_err();
    if let Some(name) = args.authority.as_deref().filter(|name| !locked.notes().is_empty() && ended(name)) {
        env.say(format!("the rotation of authority {} is finished", ui::quote(name)));
        drop(locked);
        return standing::status(Some(name), env);
    }
    let rotation = world.rotation(args.authority.as_deref())?;
    if rotation.phase == Phase::Started {
        let name = ui::shell(&rotation.authority);
        return Err(Error::failed(format!(
            "the rotation of authority {} cannot be finished: everything is still issued by the old one",
            ui::quote(&rotation.authority)
        ))
        .hint(format!("certgen rotate switch {name}"))
        .hint(format!("or give it up: certgen rotate abort {name}")));
    }
    let dependents = world.dependents(&rotation, env.now)?;
    if !dependents.is_empty() && !args.force {
        return Err(tell::refused(&rotation, &dependents));
    }
    let mut deliveries = world.deliveries(&rotation)?;
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    change.confirm(&mut deliveries, &args.delivered.names)?;
    let unconfirmed = open(&deliveries);
    if !unconfirmed.is_empty() && env.interactive {
        ask_to_finish(&unconfirmed, env)?;
    }
    change.spared = dependents.iter().filter_map(|d| Some((d.role.parse().ok()?, d.name.clone()))).collect();
    change.finish_rotation(&rotation)?;
    let done = change.commit(&mut locked)?;
    drop(locked);
    tell::unconfirmed(
        &unconfirmed,
        "if it still shows its old certificate, it is refused once the new bundles are in use",
        env,
    );
    tell::phase(Told::Finished, &rotation, &done, env)
}

fn ask_to_finish(unconfirmed: &[Delivery], env: &Env) -> Result<()> {
    let question = format!("Nobody confirmed {} of the deliveries. Finish all the same?", unconfirmed.len());
    match ui::confirm(env, &question, "confirm them with --delivered NAME")? {
        true => Ok(()),
        false => Err(Error::failed("nothing was changed").hint("see what nobody confirmed with certgen rotate status")),
    }
}

fn abort(args: &AbortArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("rotate", env)?;
    let rotation = world.rotation(args.authority.as_deref())?;
    if rotation.goes_back && world.dependents(&rotation, env.now)?.is_empty() {
        return Err(Error::failed(format!(
            "the rotation of authority {} is given up already: the old one signs",
            ui::quote(&rotation.authority)
        ))
        .hint(format!("when the files are in use: certgen rotate finish {}", ui::shell(&rotation.authority))));
    }
    let mut vault = Vault::new(&args.unlock);
    let mut change = Change::new(&mut world, &mut vault, env);
    change.abort_rotation(&rotation)?;
    let done = change.commit(&mut locked)?;
    drop(locked);
    let how = if rotation.phase == Phase::Started { Told::Aborted } else { Told::SwitchedBack };
    tell::phase(how, &rotation, &done, env)
}

fn status(args: &StatusArgs, env: &mut Env) -> Result<Answer> {
    let authority = args.authority.as_deref().map(|name| shared::split_role(name).1);
    if !args.delivered.names.is_empty() {
        let (mut world, mut locked) = World::lock("rotate", env)?;
        let mut deliveries = standing::open_deliveries(&world, authority, env)?;
        let mut vault = Vault::new(&Unlock::default());
        let mut change = Change::new(&mut world, &mut vault, env);
        change.confirm(&mut deliveries, &args.delivered.names)?;
        change.commit(&mut locked)?;
    }
    standing::status(authority, env)
}

fn open(deliveries: &[Delivery]) -> Vec<Delivery> {
    deliveries.iter().filter(|delivery| !delivery.delivered).cloned().collect()
}
