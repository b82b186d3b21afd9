//! `certgen issue`

mod bulk;
mod deliver;
mod differences;
mod subordinate;

use std::path::PathBuf;

use crate::apply::{self, Change, Dates, Done, KeySource, NameRefusals, Order, Unlock, Vault, World};
use crate::commands::Answer;
use crate::commands::issue::deliver::Delivery;
use crate::commands::seal::NewKeysArgs;
use crate::commands::shared::{self, KeyArgs, NameArgs};
use crate::commands::told::{self, Item};
use crate::env::{Env, parse_time};
use crate::error::{Error, Result};
use crate::manifest::{AuthoritySpec, Editor, Entry, EntrySpec, Manifest, Value};
use crate::plan::Reason;
use crate::profile::Role;
use crate::store::{self, layout, seal::SealTo};
use crate::ui;
use crate::x509::Csr;

/// What messages call the manifest.
const MANIFEST: &str = "certgen.toml";

/// Issue certificates for servers, nodes, clients and authorities
///
/// A new name is added to certgen.toml, gets its key and certificate, and the files in rabbitmq/ follow. A name that
/// exists with the same facts and is not due is left as it is.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "EXAMPLES:\n  certgen issue client reporting --like celery_worker\n  \
                  certgen issue server api.example.com --san 10.0.0.7\n  \
                  certgen issue node rabbit-2.example.com --owner 999:999\n  \
                  certgen issue node rabbitmq --kubernetes default/rabbitmq --replicas 5\n  \
                  certgen issue client sensor-17 --csr sensor-17.csr --access mqtt\n  \
                  certgen issue authority devices --issuer root --path-length 0"
)]
pub(crate) struct IssueArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A server certificate: TLS server authentication
    #[command(after_help = "EXAMPLES:\n  certgen issue server api.example.com --san 10.0.0.7\n  \
                            certgen issue server \"*.example.com\" --key-type rsa-2048")]
    Server(IdentityArgs),
    /// A RabbitMQ node: server of its clients and peers, client of its peers
    #[command(after_help = "EXAMPLES:\n  certgen issue node rabbit-2.example.com --owner 999:999\n  \
                            certgen issue node rabbitmq --kubernetes default/rabbitmq --replicas 5")]
    Node(IdentityArgs),
    /// A client: its name is the common name and so the RabbitMQ user
    #[command(after_help = "EXAMPLES:\n  certgen issue client reporting --like celery_worker\n  \
                            certgen issue client collector --access consume:reports --validity 90d\n  \
                            certgen issue client --from devices.csv --access mqtt --archive fleet.tar --users users.json\n  \
                            certgen issue client reporting --replace\n  \
                            certgen issue client --from swapped.csv --replace --archive swapped.tar\n  \
                            certgen issue client --cli admin.example.com")]
    Client(Box<ClientArgs>),
    /// An authority: a root, or an intermediate with --issuer
    #[command(after_help = "EXAMPLES:\n  certgen issue authority devices --issuer root --path-length 0\n  \
                            certgen issue authority site-a --csr request.pem --issuer root --permit site-a.example.com\n  \
                            certgen issue authority web --permit example.com --validity 5y")]
    Authority(AuthorityArgs),
}

#[derive(Debug, Clone, Default, clap::Args)]
struct IdentityArgs {
    /// The names; flags apply to each
    #[arg(value_name = "NAME", required_unless_present_any = ["from", "csr_dir"])]
    names: Vec<String>,
    #[command(flatten)]
    called: NameArgs,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct CommonArgs {
    /// How long it is valid: 12h, 90d, 8w, 2y [default: 365d]
    #[arg(long, value_name = "DUR", conflicts_with = "not_after")]
    validity: Option<String>,
    /// Valid from TIME (RFC 3339) [default: an hour ago]
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Valid until TIME (RFC 3339)
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
    /// The authority that signs
    #[arg(long, value_name = "AUTHORITY", add = shared::complete_authorities())]
    issuer: Option<String>,
    /// Sign this request; the key stays where it is (one NAME)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["from", "key_type", "key_password_file"])]
    csr: Option<PathBuf>,
    /// A list, three names or a million, from FILE or - : CSV with a header of flag names, or one name a line; lists in a cell with ;
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["names", "csr_dir"])]
    from: Option<PathBuf>,
    /// Sign every request in DIR; each is called NAME.csr, and the keys stay where they are
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with_all = ["names", "csr", "key_type", "key_password_file"])]
    csr_dir: Option<PathBuf>,
    /// Issue the good rows of a list although others are bad, and end with exit code 1
    #[arg(long)]
    keep_going: bool,
    /// Write the directories into DIR instead of the PKI
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "archive")]
    out: Option<PathBuf>,
    /// What --out holds of a list: a directory for each NAME, or NAME.pem and NAME.key side by side
    #[arg(
        long,
        value_name = "LAYOUT",
        default_value = "directories",
        hide_default_value = true,
        requires = "out",
        conflicts_with = "names"
    )]
    layout: Layout,
    /// Write the directories into a tar file (0600) instead of the PKI
    #[arg(long, value_name = "FILE.tar", value_hint = clap::ValueHint::FilePath)]
    archive: Option<PathBuf>,
    /// Do not add it to certgen.toml
    #[arg(long)]
    no_save: bool,
    /// Issue again where facts differ
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    unlock: Unlock,
}

/// How the files of a list lie in a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Layout {
    /// A complete directory for each identity
    #[default]
    Directories,
    /// NAME.pem and NAME.key of all of them side by side, with one bundle
    Flat,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct ClientArgs {
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    user: UserArgs,
    /// The device was swapped: a new certificate, and those it had are revoked as superseded. A list replaces each of its devices
    /// once, however often it is run
    #[arg(long)]
    replace: bool,
    /// Write the users of a list to FILE (0600), to be imported into a broker
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "names", help_heading = "RabbitMQ user")]
    users: Option<PathBuf>,
}

/// What the RabbitMQ user of a client may do.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "RabbitMQ user")]
struct UserArgs {
    /// Virtual host (repeatable)
    #[arg(long, value_name = "VHOST")]
    vhost: Vec<String>,
    /// What it does: celery[:QUEUE,...], mqtt, publish:EXCHANGE, consume:QUEUE, monitor, all (repeatable)
    #[arg(long, value_name = "ACCESS", conflicts_with_all = ["configure", "write", "read"])]
    access: Vec<String>,
    /// Regular expression of what it may configure
    #[arg(long, value_name = "RE")]
    configure: Option<String>,
    /// Regular expression of what it may write
    #[arg(long, value_name = "RE")]
    write: Option<String>,
    /// Regular expression of what it may read
    #[arg(long, value_name = "RE")]
    read: Option<String>,
    /// Regular expression of topics it may publish
    #[arg(long, value_name = "RE")]
    topic_write: Option<String>,
    /// Regular expression of topics it may consume
    #[arg(long, value_name = "RE")]
    topic_read: Option<String>,
    /// Tag (repeatable)
    #[arg(long, value_name = "T")]
    tag: Vec<String>,
    /// The same virtual hosts, permissions and tags as client NAME
    #[arg(long, value_name = "NAME", add = shared::complete_names(), conflicts_with_all = ["vhost", "access", "configure", "write", "read", "topic_write", "topic_read", "tag"])]
    like: Option<String>,
    /// The broker whose user it is, where certgen.toml has more than one (repeatable)
    #[arg(long, value_name = "NAME")]
    broker: Vec<String>,
    /// Give the user a generated password too
    #[arg(long)]
    with_password: bool,
    /// The host only runs CLI tools: a certificate for inter-node TLS and an option file, no user
    #[arg(long, conflicts_with_all = ["vhost", "access", "configure", "write", "read", "tag", "like", "with_password"])]
    cli: bool,
    /// Allow a name that is a user with a password or a tag already
    #[arg(long)]
    existing_user: bool,
}

#[derive(Debug, Clone, Default, clap::Args)]
struct AuthorityArgs {
    /// The names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Common name; a mark from its key is added [default: NAME]
    #[arg(long, value_name = "CN")]
    common_name: Option<String>,
    /// More of the subject, RFC 4514, without CN
    #[arg(long, value_name = "RDNS")]
    subject: Option<String>,
    /// Type of the key
    #[arg(long, value_name = "TYPE")]
    key_type: Option<String>,
    /// How long it is valid [default: 10y]
    #[arg(long, value_name = "DUR", conflicts_with = "not_after")]
    validity: Option<String>,
    /// Valid from TIME (RFC 3339)
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Valid until TIME (RFC 3339)
    #[arg(long, value_name = "TIME")]
    not_after: Option<String>,
    /// The authority above it; without one it is a root
    #[arg(long, value_name = "AUTHORITY", add = shared::complete_authorities())]
    issuer: Option<String>,
    /// How many authorities may stand below it
    #[arg(long, value_name = "N")]
    path_length: Option<u8>,
    /// Name constraint: DNS suffix, address range or e-mail domain that it may certify (repeatable)
    #[arg(long, value_name = "NAME")]
    permit: Vec<String>,
    /// Name constraint: what it may not certify (repeatable)
    #[arg(long, value_name = "NAME")]
    exclude: Vec<String>,
    /// Sign this request of a site: its key stays there (one NAME, with --issuer)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["key_type", "seal", "recipient"])]
    csr: Option<PathBuf>,
    /// Sign the request again although its certificate is not due
    #[arg(long, requires = "csr")]
    force: bool,
    #[command(flatten)]
    keys: NewKeysArgs,
}

pub(crate) fn run(args: IssueArgs, env: &mut Env) -> Result<Answer> {
    match args.what {
        What::Authority(args) => authorities(&args, env),
        What::Server(args) => identities(Role::Server, &ClientArgs { identity: args, ..ClientArgs::default() }, env),
        What::Node(args) => identities(Role::Node, &ClientArgs { identity: args, ..ClientArgs::default() }, env),
        What::Client(args) => identities(Role::Client, &args, env),
    }
}

/// One name to issue, with what the command line says about it.
struct Wish {
    name: String,
    spec: EntrySpec,
}

fn identities(role: Role, args: &ClientArgs, env: &mut Env) -> Result<Answer> {
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
    let text = edited(role, &wishes, &world)?;
    let manifest = world.parse(&text)?;
    let entries = entries(role, &wishes, &manifest, !common.no_save)?;
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
    let unsaved = if common.no_save {
        Some(manifest)
    } else {
        world.save(manifest);
        None
    };
    let delivery = Delivery::new(common.out.as_deref(), common.archive.as_deref(), env)?;
    let mut vault = Vault::new(&common.unlock);
    let saves = !common.no_save && text != world.manifest_text;
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        if !todo.is_empty() || saves {
            let trust = change.trust()?;
            let progress = ui::Progress::new(env, "issuing", todo.len());
            for (entry, replaces) in todo {
                let key = match &csr {
                    Some(csr) => KeySource::Request(Box::new(csr.clone())),
                    None => KeySource::Generate(entry.key_type),
                };
                let destination = delivery.destination(&entry)?;
                if args.replace {
                    change.supersede(role, &entry.name)?;
                }
                let unmanaged = unsaved.as_ref().and_then(|asked| asked.spec(role, &entry.name)).cloned();
                change.identity(Order { entry, unmanaged, key, dates, replaces, destination }, &trust)?;
                progress.step();
            }
            if saves {
                change.manifest(text);
                change.adopt()?;
            }
            change.refresh_bundles(&trust)?;
            change.refresh_revocation_lists()?;
        }
        // What a user may do can have been changed in the manifest by hand, which no certificate shows.
        change.refresh_brokers()?;
        delivery.commit(change, &mut locked)?
    };
    drop(locked);
    tell(&done, &unchanged, role, &world, env)
}

/// What the flags say, as an entry of the manifest says it.
fn spec(role: Role, args: &ClientArgs, csr: Option<&Csr>, world: &World, env: &mut Env) -> Result<EntrySpec> {
    let identity = &args.identity;
    let mut spec = if role == Role::Client { user_spec(&args.user, world)? } else { EntrySpec::default() };
    spec.issuer.clone_from(&identity.common.issuer);
    spec.validity.clone_from(&identity.common.validity);
    identity.called.add_to(&mut spec)?;
    identity.key.add_to(&mut spec, &env.cwd)?;
    if let Some(csr) = csr.filter(|_| identity.called.san.is_empty()) {
        spec.san = shared::list(&names_of_request(csr, role, env));
    }
    Ok(spec)
}

impl UserArgs {
    /// Something is said about a user.
    fn says_something(&self) -> bool {
        let texts = [&self.configure, &self.write, &self.read, &self.topic_write, &self.topic_read, &self.like];
        let lists = [&self.vhost, &self.access, &self.tag, &self.broker];
        texts.iter().any(|text| text.is_some()) || lists.iter().any(|list| !list.is_empty())
    }
}

fn user_spec(user: &UserArgs, world: &World) -> Result<EntrySpec> {
    let mut spec = EntrySpec::default();
    if let Some(like) = &user.like {
        let (_, name) = shared::split_role(like);
        let model = world.entry(Role::Client, name).ok_or_else(|| {
            Error::failed(format!("--like {}: there is no such client", ui::quote(like)))
                .hint("see the clients with certgen list client")
        })?;
        spec = EntrySpec::user_of(&model);
    } else {
        spec.vhost = shared::list(&user.vhost);
        spec.access = shared::list(&user.access);
        spec.configure.clone_from(&user.configure);
        spec.write.clone_from(&user.write);
        spec.read.clone_from(&user.read);
        spec.topic_write.clone_from(&user.topic_write);
        spec.topic_read.clone_from(&user.topic_read);
        spec.tags = shared::list(&user.tag);
        // Whoever says something about the user says all of it: the defaults' permissions do not come on top.
        let says_permissions =
            [&spec.configure, &spec.write, &spec.read].iter().any(|p| p.is_some()) || spec.access.is_some();
        if !says_permissions && spec != EntrySpec::default() {
            (spec.configure, spec.write, spec.read) = (Some(String::new()), Some(String::new()), Some(String::new()));
        }
    }
    spec.broker = shared::list(&user.broker).or(spec.broker);
    spec.password = user.with_password.then_some(true).or(spec.password);
    spec.cli = user.cli.then_some(true);
    spec.existing_user = user.existing_user.then_some(true);
    Ok(spec)
}

/// The names that a request asks for, said aloud.
fn names_of_request(csr: &Csr, role: Role, env: &mut Env) -> Vec<String> {
    let names = names_in_request(csr, role);
    if !names.is_empty() {
        env.say(format!("names from the request: {}", names.join(", ")));
    }
    names
}

/// The names that a request asks for. A client's own name as a host name is dropped: it is a user, not a host.
fn names_in_request(csr: &Csr, role: Role) -> Vec<String> {
    let own = csr.subject().common_name().map(|name| format!("dns:{name}"));
    let is_own = |name: &String| role == Role::Client && own.as_ref().is_some_and(|own| name.eq_ignore_ascii_case(own));
    csr.subject_alt_names().iter().map(ToString::to_string).filter(|name| !is_own(name)).collect()
}

fn read_csr(path: Option<&std::path::Path>, names: &[String], env: &Env) -> Result<Option<Csr>> {
    let Some(path) = path else { return Ok(None) };
    let [name] = names else {
        return Err(Error::usage("--csr goes with exactly one NAME"));
    };
    let file = if path == std::path::Path::new("-") { path.to_owned() } else { env.cwd.join(path) };
    let csr = read_request(&store::read_limited(&file, store::INPUT_LIMIT)?, name);
    csr.map(Some).map_err(|e| e.context(format!("the request {}", ui::path(path))))
}

/// Reads a request for `name`. One that asks to be an authority, or for somebody else, is refused.
fn read_request(bytes: &[u8], name: &str) -> Result<Csr> {
    let csr = Csr::from_bytes(bytes)?;
    if csr.wants_ca() {
        return Err(
            Error::failed("it asks to be an authority").hint("make the request without CA:TRUE; certgen request does")
        );
    }
    let common_names = csr.subject().common_names();
    if common_names.iter().any(|cn| *cn != name) {
        let found: Vec<String> = common_names.iter().map(|cn| ui::quote(cn)).collect();
        return Err(Error::failed(format!("it is for {}, not for {}", found.join(" and "), ui::quote(name)))
            .hint("issue it under its own name, or have it made anew"));
    }
    Ok(csr)
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

type Todo = Vec<(Entry, Option<crate::x509::Certificate>)>;

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

fn dates(not_before: Option<&str>, not_after: Option<&str>) -> Result<Dates> {
    Ok(Dates {
        not_before: not_before.map(|t| parse_time(t, "--not-before")).transpose()?,
        not_after: not_after.map(|t| parse_time(t, "--not-after")).transpose()?,
    })
}

fn authorities(args: &AuthorityArgs, env: &mut Env) -> Result<Answer> {
    let dates = dates(args.not_before.as_deref(), args.not_after.as_deref())?;
    if let Some(csr) = &args.csr {
        return subordinate::run(args, csr, dates, env);
    }
    let (mut world, mut locked) = World::lock("issue", env)?;
    let mut editor = Editor::new(&world.manifest_text, MANIFEST)?;
    keep_only_issuer(&world.manifest, &mut editor)?;
    let mut unchanged = 0;
    for name in &args.names {
        if is_as_asked(name, args, dates, &world)? {
            refuse_edited(name, &world, env)?;
            unchanged += 1;
            continue;
        }
        world.refuse_existing_authority(name)?;
        if world.manifest.authority(name).is_some() {
            if authority_spec(args) == AuthoritySpec::default() {
                continue;
            }
            return Err(Error::failed(format!("authority {} stands in certgen.toml already", ui::quote(name)))
                .hint(format!("change it there, then: certgen issue authority {}", ui::shell(name))));
        }
        world.manifest.authority_from(name, &authority_spec(args)).map_err(|e| Error::from(e).as_usage())?;
        editor.put_authority(name, &authority_spec(args))?;
    }
    if unchanged == args.names.len() {
        return tell_unchanged(&args.names, env);
    }
    let text = editor.into_text();
    world.manifest = world.parse(&text)?;
    let seal = args.keys.seal_to(env)?;
    let existing: Vec<String> = world.authority_names().map(str::to_owned).collect();
    let mut vault = Vault::new(&args.keys.unlock);
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        for name in args.names.iter().filter(|name| !existing.contains(*name)) {
            let authority = change.manifest_authority(name)?;
            change.authority(&authority, dates, seal.as_ref())?;
        }
        change.manifest(text);
        change.refresh_all()?;
        change.commit(&mut locked)?
    };
    drop(locked);
    warn_unsealed(seal.as_ref(), env);
    tell(&done, &[], Role::Server, &world, env)
}

/// An authority that exists with the facts that are asked for; other facts are listed and refused.
fn is_as_asked(name: &str, args: &AuthorityArgs, dates: Dates, world: &World) -> Result<bool> {
    let (Some(_), Some(known)) = (world.authority(name), world.manifest.authority(name)) else { return Ok(false) };
    let spec = authority_spec(args);
    let mut differs = Vec::new();
    let mut compare = |what: &str, asked: Option<String>, is: String| {
        if let Some(asked) = asked.filter(|asked| *asked != is) {
            differs.push(format!("{what}: is {is}, asked {asked}"));
        }
    };
    compare("issuer", spec.issuer, known.issuer.clone().unwrap_or_else(|| "none".to_owned()));
    compare("common name", spec.common_name, known.common_name.clone());
    compare("subject", spec.subject, known.subject.to_string());
    compare("key type", spec.key_type, known.key_type.to_string());
    compare("validity", spec.validity, known.validity.to_string());
    let is = known.path_length.map_or_else(|| "none".to_owned(), |n| n.to_string());
    compare("path length", spec.path_length.map(|n| n.to_string()), is);
    compare("permit", spec.permit.map(|p| p.join(", ")), known.permit.join(", "));
    compare("exclude", spec.exclude.map(|e| e.join(", ")), known.exclude.join(", "));
    if dates.not_before.is_some() || dates.not_after.is_some() {
        differs.push("dates are asked for by name".to_owned());
    }
    if differs.is_empty() {
        return Ok(true);
    }
    Err(Error::failed(format!("authority {} exists with other facts: {}", ui::quote(name), differs.join("; ")))
        .hint("name another one: a second key for an authority would break every chain below it"))
}

/// The manifest was edited since the authority was made.
fn refuse_edited(name: &str, world: &World, env: &Env) -> Result<()> {
    let reasons = world.manifest.authority(name).map_or_else(Vec::new, |wanted| world.authority_reasons(wanted));
    if reasons.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    Err(Error::failed(format!("authority {} is not what certgen.toml says: {}", ui::quote(name), reasons.join("; ")))
        .hint(format!("an authority is replaced, not changed: {}", world.how_to_replace(name, env))))
}

fn tell_unchanged(names: &[String], env: &mut Env) -> Result<Answer> {
    let items: Vec<Item> = names.iter().map(|name| Item::about("unchanged", layout::AUTHORITY, name)).collect();
    told::print(&items, env)?;
    Ok(Answer::Yes)
}

/// Where the only authority signs whatever does not name its issuer, it goes on doing so beside another one.
fn keep_only_issuer(manifest: &Manifest, editor: &mut Editor) -> Result<()> {
    if let [only] = manifest.authorities() {
        editor.set(&["defaults"], "issuer", &Value::String(only.name.clone()))?;
    }
    Ok(())
}

fn authority_spec(args: &AuthorityArgs) -> AuthoritySpec {
    AuthoritySpec {
        issuer: args.issuer.clone(),
        common_name: args.common_name.clone(),
        subject: args.subject.clone(),
        key_type: args.key_type.clone(),
        validity: args.validity.clone(),
        path_length: args.path_length.map(i64::from),
        permit: shared::list(&args.permit),
        exclude: shared::list(&args.exclude),
        ..AuthoritySpec::default()
    }
}

fn warn_unsealed(seal: Option<&SealTo>, env: &mut Env) {
    if seal.is_none() {
        env.say("its key is not encrypted; to seal it with a passphrase: certgen seal");
    }
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
            if let Some(line) = apply::line_for_running_broker(world, done, &written.name, env) {
                env.say(line);
            } else if world.entry(Role::Client, &written.name).is_some_and(|e| e.cli) {
                env.say(cli_host(written, env));
            }
        }
    }
    Ok(Answer::Yes)
}
