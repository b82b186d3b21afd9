//! `certgen issue server|node|client NAME...`: what is missing or due is issued, and other facts are a question.

use super::asked::spec;
use super::csr::read_csr;
use super::deliver::Delivery;
use super::{ClientArgs, CommonArgs, MANIFEST, bulk, dates, differences};
use crate::apply::{self, Change, Dates, Done, KeySource, NameRefusals, Order, Vault, World};
use crate::commands::{Answer, shared, told};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Editor, Entry, EntrySpec, Manifest};
use crate::plan::Reason;
use crate::profile::Role;
use crate::store;
use crate::ui;
use crate::x509::{Certificate, Csr};

/// One name to issue, with what the command line says about it.
struct Wish {
    name: String,
    spec: EntrySpec,
}

pub(super) fn run(role: Role, args: &ClientArgs, env: &mut Env) -> Result<Answer> {
    let common = &args.identity.common;
    if common.from.is_some() || common.csr_dir.is_some() {
        return bulk::run(role, args, env);
    }
    if common.keep_going {
        return Err(Error::usage("--keep-going goes with --from or --csr-dir"));
    }
    let dates = dates(common.not_before.as_deref(), common.not_after.as_deref())?;
    let (mut world, mut locked) = World::lock("issue", env)?;
    let csr = read_csr(common.csr.as_deref(), &args.identity.names, env)?;
    let spec = spec(role, args, csr.as_ref(), &world, env)?;
    let names = args.identity.names.iter();
    let mut wishes: Vec<Wish> = names.map(|name| Wish { name: name.clone(), spec: spec.clone() }).collect();
    refuse_twins(&wishes)?;
    for wish in &mut wishes {
        let known = world.spec(role, &wish.name).as_deref().cloned().unwrap_or_default();
        wish.spec = std::mem::take(&mut wish.spec).over(known);
    }

    let mut refusals = NameRefusals::new(&world);
    for wish in &wishes {
        // First as typed, without a place in a file that does not hold it yet.
        let entry = world
            .manifest
            .entry_from(role, &wish.name, &wish.spec)
            .map_err(|e| shared::blame(e, role, &wish.name, &wish.spec))?;
        refusals.privileged_user(&entry)?;
    }
    // What came from a list stays known by the inventory alone when it is swapped.
    let is_of_a_list =
        |name: &str| world.inventory.current(role.as_str(), name).is_some_and(|issued| issued.bulk && !issued.managed);
    let no_save = common.no_save || (args.replace && wishes.iter().all(|wish| is_of_a_list(&wish.name)));
    let text = edited(role, &wishes, &world)?;
    let manifest = world.parse(&text)?;
    let mut entries = entries(role, &wishes, &manifest, !no_save)?;
    for entry in entries.iter_mut().filter(|entry| no_save && is_of_a_list(&entry.name)) {
        entry.user = None;
    }
    for entry in &entries {
        world.refuse_owner(entry)?;
        refusals.case_twin(entry)?;
    }

    if args.replace {
        entries.iter().try_for_each(|entry| refuse_unknown(entry, &world))?;
    }
    let (todo, unchanged) = sort_out(&entries, &world, args, csr.as_ref(), dates, env)?;
    for (entry, _) in &todo {
        match common.force {
            false => world.refuse_leaked(entry, env)?,
            true => {
                if let Some(accepted) = world.accepts_revoked(entry, env) {
                    env.warn(format!("client {} comes back: {accepted}", ui::quote(&entry.name)));
                }
            }
        }
    }
    let unsaved = if no_save {
        Some(manifest)
    } else {
        world.save(manifest);
        None
    };
    let delivery = Delivery::new(common.out.as_deref(), common.archive.as_deref(), env)?;
    let mut vault = Vault::new(&common.unlock);
    let saves = !no_save && text != world.manifest_text;
    let order = |(entry, replaces): (Entry, Option<Certificate>)| {
        Ok(Order {
            unmanaged: unsaved.as_ref().and_then(|asked| asked.spec(role, &entry.name)).cloned(),
            key: csr.clone().map_or(KeySource::Generate(entry.key_type), |csr| KeySource::Request(Box::new(csr))),
            dates,
            replaces,
            destination: delivery.destination(&entry)?,
            supersedes: args.replace,
            entry,
        })
    };
    let todo: Vec<Order> = todo.into_iter().map(order).collect::<Result<_>>()?;
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        if todo.is_empty() && !saves {
            // What a user may do can have been changed in the manifest by hand, which no certificate shows.
            change.refresh_configuration()?;
        } else {
            let trust = change.trust()?;
            change.issue(todo, &trust, |_, e| Err(e))?;
            if saves {
                change.manifest(text);
                change.adopt()?;
            }
            change.refresh_revocation_lists()?;
            change.refresh(&trust)?;
        }
        delivery.commit(change, &mut locked)?
    };
    drop(locked);
    tell(&done, &unchanged, role, &world, env)
}

fn refuse_twins(wishes: &[Wish]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    match wishes.iter().find(|wish| !seen.insert(wish.name.as_str())) {
        Some(twin) => Err(Error::usage(format!("{} is named twice", ui::quote(&twin.name)))),
        None => Ok(()),
    }
}

/// The manifest's text with the wishes in it.
fn edited(role: Role, wishes: &[Wish], world: &World) -> Result<String> {
    let mut editor = Editor::new(&world.manifest_text, MANIFEST)?;
    editor.put_entries(role, wishes.iter().map(|wish| (wish.name.as_str(), &wish.spec)))?;
    Ok(editor.into_text())
}

fn entries(role: Role, wishes: &[Wish], manifest: &Manifest, managed: bool) -> Result<Vec<Entry>> {
    wishes
        .iter()
        .map(|wish| {
            let mut entry = manifest
                .entry(role, &wish.name)
                .cloned()
                .ok_or_else(|| Error::failed(format!("{role} {} got lost", ui::quote(&wish.name))))?;
            entry.managed = managed;
            Ok(entry)
        })
        .collect()
}

type Todo = Vec<(Entry, Option<Certificate>)>;

/// What must be issued and what is as it should be; differences stop everything unless `--force`.
fn sort_out(
    entries: &[Entry],
    world: &World,
    args: &ClientArgs,
    csr: Option<&Csr>,
    dates: Dates,
    env: &Env,
) -> Result<(Todo, Vec<Entry>)> {
    let common = &args.identity.common;
    let force = common.force || args.replace;
    let (mut todo, mut unchanged) = (Vec::new(), Vec::new());
    for entry in entries {
        let (reasons, current) = world.judge(entry, env)?;
        let old = world.entry(entry.role, &entry.name);
        let differences = differences::of(entry, old.as_deref(), current.as_ref(), &reasons, csr, dates);
        if !differences.is_empty() && !force {
            let mut error = Error::failed(format!(
                "{} {} exists with other facts: {}",
                entry.role,
                ui::quote(&entry.name),
                differences.join("; ")
            ));
            error = error.hint("add --force to issue it again with these facts");
            return Err(error);
        }
        let is_new = reasons.contains(&Reason::Missing);
        if reasons.is_empty() && differences.is_empty() && !force {
            refuse_empty_delivery(entry, common)?;
            unchanged.push(entry.clone());
            continue;
        }
        refuse_second_place(entry, common, world)?;
        if common.csr.is_none() {
            world.refuse_key_elsewhere(entry)?;
        }
        let replaces = if is_new { None } else { current };
        todo.push((entry.clone(), replaces));
    }
    Ok((todo, unchanged))
}

/// What nobody has cannot be replaced.
fn refuse_unknown(entry: &Entry, world: &World) -> Result<()> {
    match world.inventory.current(entry.role.as_str(), &entry.name) {
        Some(_) => Ok(()),
        None => {
            Err(Error::failed(format!("{} {} has no certificate to be replaced", entry.role, ui::quote(&entry.name)))
                .hint("issue it without --replace"))
        }
    }
}

/// A place was named, and nothing would be written there.
fn refuse_empty_delivery(entry: &Entry, common: &CommonArgs) -> Result<()> {
    if common.out.is_none() && common.archive.is_none() {
        return Ok(());
    }
    Err(Error::failed(format!(
        "{} {} was issued already, and its key is not here to be written again",
        entry.role,
        ui::quote(&entry.name)
    ))
    .hint("add --force for a new key and certificate there"))
}

/// One identity has one pair: a new one elsewhere would leave the one in the PKI behind.
fn refuse_second_place(entry: &Entry, common: &CommonArgs, world: &World) -> Result<()> {
    let elsewhere = common.out.is_some() || common.archive.is_some();
    if !elsewhere || !world.store.holds(store::layout::entry_dir(entry.role.as_str(), &entry.name)?) {
        return Ok(());
    }
    let shown = ui::shell(&format!("{}/{}", entry.role, entry.name));
    Err(Error::failed(format!("{} {} has its pair in the PKI", entry.role, ui::quote(&entry.name)))
        .hint(format!("take it out first with certgen remove {shown}, or issue it without --out and --archive")))
}

/// Where the files of a host that only runs CLI tools go.
fn cli_host(written: &apply::Written, env: &Env) -> String {
    let from = ui::path(env.shown(&written.directory));
    format!(
        "next, on that host: {from}/*.pem go to /etc/rabbitmq/certs, the other two files to /etc/rabbitmq,\n\
         and the Erlang cookie of the nodes to ~/.erlang.cookie"
    )
}

/// Says what was done: facts on standard output, the next step on standard error.
fn tell(done: &Done, unchanged: &[Entry], role: Role, world: &World, env: &mut Env) -> Result<Answer> {
    told::tell(done, unchanged, env)?;
    for written in done.issued.iter().filter(|_| role == Role::Node) {
        let unlisted = |broker: &&crate::manifest::Broker| {
            let host = |node: &String| node.split_once('@').map_or(node.as_str(), |(_, host)| host) == written.name;
            !broker.nodes.is_empty() && !broker.nodes.iter().any(host)
        };
        let shows = |broker: &&crate::manifest::Broker| broker.certificates.iter().any(|c| c.name == written.name);
        if world.manifest.brokers().iter().filter(shows).any(|broker| unlisted(&broker)) {
            env.say(format!(
                "the nodes that find each other stand in nodes of [broker], and {} is not among them: add it, then certgen emit rabbitmq",
                ui::quote(&written.name)
            ));
        }
    }
    if role == Role::Client {
        for written in done.issued.iter().take(5) {
            let entry = world.entry(role, &written.name);
            let entry = entry.as_deref();
            let is_theirs = |entry: &Entry| world.manifest.brokers_of(entry).any(|b| apply::is_the_brokers(entry, b));
            if entry.is_some_and(is_theirs) {
                env.say(format!("it logs in as the user {} that the broker has", ui::quote(&written.name)));
            } else if entry.and_then(|e| e.user.as_ref()).is_some_and(|u| !u.may_do_anything()) {
                env.say(format!(
                    "the user {} may do nothing yet: give it --vhost V --access ACCESS, or set [defaults.client]",
                    ui::quote(&written.name)
                ));
            }
            let lines = apply::lines_for_running_brokers(world, done, &written.name, env);
            lines.iter().for_each(|line| env.say(line));
            if !lines.is_empty() {
                continue;
            }
            if world.entry(Role::Client, &written.name).is_some_and(|e| e.cli) {
                env.say(cli_host(written, env));
            }
        }
    }
    Ok(Answer::Yes)
}
