//! `certgen remove`

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::apply::{Change, Unlock, Vault, World};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Broker, Editor, Manifest};
use crate::profile::Role;
use crate::store::layout;
use crate::ui;

/// Take an identity out: its directory, its entry in certgen.toml, its user
///
/// Its key is erased. Whoever copied the key before can still use it until the certificate ends: --revoke withdraws the
/// certificate too. A pair of external/ goes the same way; who issued it revokes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES:\n  certgen remove client/reporting\n  certgen remove client/reporting --revoke")]
pub(crate) struct RemoveArgs {
    /// The identities
    #[arg(value_name = "ROLE/NAME", required = true, add = shared::complete_names())]
    names: Vec<String>,
    /// Revoke every certificate of it that has not expired, and write the authority's CRL
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// What was taken out.
#[derive(Debug, Serialize)]
struct Item {
    action: &'static str,
    role: String,
    name: String,
    revoked: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<String>,
}

pub(crate) fn run(args: RemoveArgs, env: &mut Env) -> Result<Answer> {
    let (mut world, mut locked) = World::lock("remove", env)?;
    let mut targets: Vec<(Role, String)> = Vec::new();
    let mut external: BTreeSet<&str> = BTreeSet::new();
    for text in &args.names {
        if let (Some(layout::EXTERNAL), name) = shared::split_role(text) {
            check_external(&args, &world, name)?;
            external.insert(name);
            continue;
        }
        let target = identity(&world, text)?;
        refuse_listed(&world, &target)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let mut users = users_made(&world, &targets)?;
    let mut editor = Editor::new(&world.manifest_text, "certgen.toml")?;
    for (role, name) in &targets {
        editor.remove_entry(*role, name)?;
    }
    let text = editor.into_text();
    world.manifest = without(&targets, &world, &text)?;
    let mut vault = Vault::new(&args.unlock);
    let mut items = Vec::new();
    let notes;
    {
        let mut change = Change::new(&mut world, &mut vault, env);
        for (role, name) in &targets {
            let revoked = if args.revoke { change.revoke_all(*role, name)? } else { Vec::new() };
            let users = users.remove(name).unwrap_or_default();
            change.remove_identity(*role, name)?;
            items.push(Item { action: "removed", role: role.to_string(), name: name.clone(), revoked, users });
        }
        for name in external {
            change.remove_external(name)?;
            let (role, name) = (layout::EXTERNAL.to_owned(), name.to_owned());
            items.push(Item { action: "removed", role, name, revoked: Vec::new(), users: Vec::new() });
        }
        if args.revoke {
            change.refresh_revocation_lists()?;
        }
        if text != change.world.manifest_text {
            change.manifest(text);
        }
        let trust = change.trust()?;
        change.refresh(&trust)?;
        notes = change.commit(&mut locked)?.notes;
    }
    for note in notes {
        env.say(note);
    }
    if args.revoke {
        shared::tell_clock(env);
    }
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    for item in &items {
        writeln!(env.out(), "removed   {}", ui::plain(&format!("{}/{}", item.role, item.name)))?;
        for serial in &item.revoked {
            writeln!(env.out(), "revoked   {serial}")?;
        }
        for user in &item.users {
            shared::tell_user_gone(user, env);
        }
    }
    Ok(Answer::Yes)
}

/// A pair that somebody else renews, which no broker shows.
fn check_external(args: &RemoveArgs, world: &World, name: &str) -> Result<()> {
    let named = format!("external/{}", ui::plain(name));
    if !world.knows_external(name) {
        return Err(Error::failed(format!("there is no {named}")).hint("see what there is with certgen list external"));
    }
    if args.revoke {
        return Err(Error::usage(format!("--revoke is not for {named}: who issued it revokes it")).hint("leave it out"));
    }
    let shows = |broker: &&Broker| broker.management.external.as_deref() == Some(name);
    match world.manifest.brokers().iter().find(shows) {
        None => Ok(()),
        Some(broker) => {
            let whose = broker.name.as_ref().map_or_else(String::new, |name| format!(" of broker {}", ui::quote(name)));
            Err(Error::failed(format!("{named} is the management certificate{whose} in certgen.toml"))
                .hint("give it another first: management = { certificate = \"server/NAME\" } in [broker]"))
        }
    }
}

/// What a list asks for would be issued again by the next `apply`.
fn refuse_listed(world: &World, (role, name): &(Role, String)) -> Result<()> {
    match world.manifest.list_of(*role, name) {
        None => Ok(()),
        Some(list) => Err(Error::failed(format!("{role}/{} stands in the list {}", ui::plain(name), ui::path(list)))
            .hint("take it out there, then: certgen apply --prune")),
    }
}

/// The manifest that remains. A broker keeps a certificate to show.
fn without(targets: &[(Role, String)], world: &World, text: &str) -> Result<Manifest> {
    let (before, after) = (&world.manifest, world.parse(text));
    let shown = targets.iter().find_map(|(role, name)| Some((role, name, before.broker_that_shows(*role, name)?)));
    let bare = |manifest: &Manifest| manifest.brokers().iter().any(|broker| broker.certificates.is_empty());
    match (after, shown) {
        (Ok(after), None) => Ok(after),
        (Ok(after), Some(_)) if !bare(&after) => Ok(after),
        (_, Some((role, name, broker))) => {
            Err(Error::failed(format!("{role}/{} is the certificate of {broker} in certgen.toml", ui::plain(name)))
                .hint("give the broker another first: certificate = \"node/NAME\" in [broker]"))
        }
        (Err(e), None) => Err(e),
    }
}

/// The users that go with the clients among `targets`; a user that was there before certgen stays.
fn users_made(world: &World, targets: &[(Role, String)]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut users = BTreeMap::new();
    for (role, name) in targets.iter().filter(|(role, _)| *role == Role::Client) {
        if let Some(entry) = world.entry(*role, name) {
            users.insert(name.clone(), world.users_made_for(&entry)?.into_iter().collect());
        }
    }
    Ok(users)
}

/// A removal names the role, so that nobody removes the wrong one of two.
fn identity(world: &World, text: &str) -> Result<(Role, String)> {
    let (role, name) = shared::split_role(text);
    match role {
        Some("authority") => Err(Error::failed(format!("{}: an authority is not removed", ui::quote(text)))
            .hint("its certificates would lose their issuer; certgen.toml and ca/ tell what depends on it")),
        Some(_) => shared::identity(world, text),
        None => Err(Error::usage(format!("{}: say which role it has", ui::quote(text))).hint(
            match shared::identity(world, name) {
                Ok((role, name)) => format!("certgen remove {role}/{}", ui::shell(&name)),
                Err(_) if world.knows_external(name) => format!("certgen remove external/{}", ui::shell(name)),
                Err(_) => "write server/NAME, node/NAME, client/NAME or external/NAME".to_owned(),
            },
        )),
    }
}
