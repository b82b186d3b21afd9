//! Arguments and habits that several commands share.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::apply::{AuthorityState, Edited, World};
use crate::emit::rabbitmq::ctl_words;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{EntrySpec, KubernetesSpec, Manifest, ManifestError};
use crate::profile::{Role, nearest};
use crate::store::{self, Inventory, Store, layout};
use crate::ui;
use crate::x509::Duration;

/// Flags that say what a key and its files are like, wherever the key is made.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Keys and files")]
pub(crate) struct KeyArgs {
    /// Type of the key: ecdsa-p256, ecdsa-p384, ecdsa-p521, ed25519, rsa-2048, rsa-3072, rsa-4096
    #[arg(long, value_name = "TYPE", add = ArgValueCompleter::new(complete_key_types))]
    pub(crate) key_type: Option<String>,
    /// File with a password; the key is written encrypted with it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) key_password_file: Option<PathBuf>,
    /// Owner of the directory and all in it, names or numbers (999:999 in the Docker image)
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) owner: Option<String>,
    /// Mode of the files with a key: 0600 or 0640
    #[arg(long, value_name = "MODE")]
    pub(crate) key_mode: Option<String>,
}

impl KeyArgs {
    /// Adds the flags that were given to what an entry of the manifest says.
    pub(crate) fn add_to(&self, spec: &mut EntrySpec, cwd: &std::path::Path) -> Result<()> {
        spec.key_type.clone_from(&self.key_type);
        spec.owner.clone_from(&self.owner);
        spec.key_mode.clone_from(&self.key_mode);
        spec.key_password_file = self
            .key_password_file
            .as_ref()
            .map(|path| {
                cwd.join(path).into_os_string().into_string().map_err(|_| {
                    Error::usage(format!("--key-password-file {}: the manifest can hold only UTF-8", ui::path(path)))
                })
            })
            .transpose()?;
        Ok(())
    }
}

/// Flags that name what a certificate is for.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Names")]
pub(crate) struct NameArgs {
    /// Subject alternative name: DNS name, IP address, URI or e-mail address; or dns:, ip:, uri:, email: in front (repeatable)
    #[arg(long, value_name = "VALUE")]
    pub(crate) san: Vec<String>,
    /// More of the subject, RFC 4514, without CN: "O=Example,OU=Broker"
    #[arg(long, value_name = "RDNS")]
    pub(crate) subject: Option<String>,
    /// The names of a RabbitMQ cluster on Kubernetes: its pods and its service
    #[arg(long, value_name = "NAMESPACE/CLUSTER")]
    pub(crate) kubernetes: Option<String>,
    /// Name each of the first N pods too (a ceiling)
    #[arg(long, value_name = "N", requires = "kubernetes")]
    pub(crate) replicas: Option<u32>,
    /// Domain of the Kubernetes cluster [default: cluster.local]
    #[arg(long, value_name = "DOMAIN", requires = "kubernetes")]
    pub(crate) cluster_domain: Option<String>,
    /// Service that clients use [default: CLUSTER]
    #[arg(long, value_name = "NAME", requires = "kubernetes")]
    pub(crate) service: Option<String>,
    /// Headless service of the pods [default: CLUSTER-nodes]
    #[arg(long, value_name = "NAME", requires = "kubernetes")]
    pub(crate) headless_service: Option<String>,
    /// What stands before a pod's number [default: CLUSTER-server]
    #[arg(long, value_name = "PREFIX", requires = "kubernetes")]
    pub(crate) pod_prefix: Option<String>,
}

impl NameArgs {
    /// Adds the flags that were given to what an entry of the manifest says.
    ///
    /// # Errors
    /// `--kubernetes` without a slash.
    pub(crate) fn add_to(&self, spec: &mut EntrySpec) -> Result<()> {
        spec.san = list(&self.san);
        spec.subject.clone_from(&self.subject);
        let Some(kubernetes) = &self.kubernetes else { return Ok(()) };
        let Some((namespace, cluster)) = kubernetes.split_once('/') else {
            return Err(Error::usage(format!("--kubernetes {}: there is no slash in it", ui::quote(kubernetes)))
                .hint("write --kubernetes NAMESPACE/CLUSTER"));
        };
        spec.kubernetes = Some(KubernetesSpec {
            namespace: Some(namespace.to_owned()),
            cluster: Some(cluster.to_owned()),
            replicas: self.replicas.map(i64::from),
            service: self.service.clone(),
            headless_service: self.headless_service.clone(),
            pod_prefix: self.pod_prefix.clone(),
            cluster_domain: self.cluster_domain.clone(),
        });
        Ok(())
    }
}

/// A fault of `spec` for the exit code: the command line is wrong where a value is wrong by itself, without any manifest.
pub(crate) fn blame(fault: ManifestError, role: Role, name: &str, spec: &EntrySpec) -> Error {
    // Who signs, for how long they may, and which brokers there are is the manifest's affair.
    let good_validity = spec.validity.as_deref().is_some_and(|text| text.parse::<Duration>().is_ok());
    let validity = spec.validity.clone().filter(|_| !good_validity);
    let alone = EntrySpec { issuer: None, validity, broker: None, ..spec.clone() };
    let fault = Error::from(fault);
    if Manifest::lone_entry(role, name, &alone).is_err() { fault.as_usage() } else { fault }
}

/// The passwords in files that an option names.
pub(crate) fn passwords(files: &[PathBuf], env: &Env) -> Result<Vec<Zeroizing<String>>> {
    files.iter().map(|file| store::read_required_password(&env.cwd.join(file))).collect()
}

/// How an authority gets a successor.
pub(crate) fn rotate(authority: &str) -> String {
    format!("certgen rotate start {}", ui::shell(authority))
}

/// A repeatable flag: absent where it was not given.
pub(crate) fn list(values: &[String]) -> Option<Vec<String>> {
    (!values.is_empty()).then(|| values.to_vec())
}

/// `2027-03-01 (364 days)`, or how long ago it ended.
pub(crate) fn expires(not_after: OffsetDateTime, now: OffsetDateTime) -> String {
    let left = not_after - now;
    let day = &ui::date(not_after)[..10];
    if left.is_negative() {
        format!("{day} (expired {} ago)", ui::span(left))
    } else {
        format!("{day} ({})", ui::span(left))
    }
}

/// `ROLE/NAME` or `NAME`, where a role is `authority`, `server`, `node`, `client` or `external`.
pub(crate) fn split_role(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((role @ ("authority" | "server" | "node" | "client" | "external"), name)) => (Some(role), name),
        _ => (None, text),
    }
}

/// The words on a command line that say whom it is about: a role, NAME or ROLE/NAME; without any, everybody.
pub(crate) struct Words<'a> {
    words: &'a [String],
    named: BTreeSet<(String, String)>,
}

impl<'a> Words<'a> {
    /// Finds out whom they mean.
    ///
    /// # Errors
    /// A word means nobody in the inventory.
    pub(crate) fn of(words: &'a [String], inventory: &Inventory) -> Result<Self> {
        let mut named = BTreeSet::new();
        for word in words.iter().filter(|word| !is_role(word)) {
            let roles = Role::ALL.into_iter().map(Role::as_str).chain([layout::AUTHORITY, "external"]);
            let found: Vec<_> = roles
                .map(|role| (role, word.strip_prefix(role).and_then(|rest| rest.strip_prefix('/')).unwrap_or(word)))
                .filter(|(role, name)| inventory.history(role, name).is_some())
                .map(|(role, name)| (role.to_owned(), name.to_owned()))
                .collect();
            if found.is_empty() {
                return Err(unknown(word));
            }
            named.extend(found);
        }
        Ok(Self { words, named })
    }

    /// Whether they mean an identity or authority.
    pub(crate) fn mean(&self, role: &str, name: &str) -> bool {
        let by_role = || self.words.iter().any(|word| is_role(word) && word.trim_end_matches('/') == role);
        self.words.is_empty() || by_role() || self.named.iter().any(|(r, n)| r == role && n == name)
    }

    /// Role and name of all that they mean, where no word is a role.
    pub(crate) fn named(&self) -> Option<&BTreeSet<(String, String)>> {
        (!self.words.is_empty() && !self.words.iter().any(|word| is_role(word))).then_some(&self.named)
    }
}

/// A role is a filter, and a filter may leave nothing.
fn is_role(word: &str) -> bool {
    matches!(word.trim_end_matches('/'), "authority" | "crl" | "server" | "node" | "client" | "external")
}

/// Whether one of the words on a command line names that identity; without any, all do.
pub(crate) fn names(words: &[String], role: &str, name: &str) -> bool {
    let means = |word: &String| {
        let of_role = word.strip_prefix(role).and_then(|rest| rest.strip_prefix('/'));
        word == role || of_role.map_or(word == name, |n| n == name || n.is_empty())
    };
    words.is_empty() || words.iter().any(means)
}

/// Every word must have named at least one of `items`, unless it is a role.
///
/// # Errors
/// A word that names nothing.
pub(crate) fn refuse_unknown<T>(words: &[String], items: &[T], key: impl Fn(&T) -> (&str, &str)) -> Result<()> {
    let is_known = |word: &String| {
        is_role(word) || items.iter().map(&key).any(|(role, name)| names(std::slice::from_ref(word), role, name))
    };
    words.iter().find(|word| !is_known(word)).map_or(Ok(()), |word| Err(unknown(word)))
}

fn unknown(word: &str) -> Error {
    Error::failed(format!("the inventory has no {}", ui::quote(word))).hint("see what it has with certgen list")
}

/// One identity by `NAME` or `ROLE/NAME`.
///
/// # Errors
/// There is none, or there are two and the role is missing.
pub(crate) fn identity(world: &World, text: &str) -> Result<(Role, String)> {
    let (role, name) = split_role(text);
    let mut found: Vec<Role> =
        Role::ALL.into_iter().filter(|r| role.is_none_or(|w| w == r.as_str()) && world.knows(*r, name)).collect();
    match (found.pop(), found.pop()) {
        (Some(role), None) => Ok((role, name.to_owned())),
        (Some(a), Some(b)) => Err(Error::failed(format!("there is a {b} and a {a} named {}", ui::quote(name)))
            .hint(format!("write {b}/{0} or {a}/{0}", ui::shell(name)))),
        _ => Err(no_identity(world, text, "identity")),
    }
}

/// Nothing here has the name `text`: says which was meant. `what` is everything that it could have been.
pub(crate) fn no_identity(world: &World, text: &str, what: &str) -> Error {
    let (role, name) = split_role(text);
    let entries = world.manifest.entries().iter().chain(world.unmanaged());
    let names = entries.filter(|entry| role.is_none_or(|role| role == entry.role.as_str())).map(|e| e.name.as_str());
    let error = Error::failed(format!("there is no {what} {}", ui::quote(text)));
    let error = match nearest(name, names) {
        Some(near) => {
            let role = role.map(|role| format!("{role}/")).unwrap_or_default();
            error.hint(format!("did you mean {role}{}?", ui::shell(near)))
        }
        None => error,
    };
    error.hint("see what there is with certgen list")
}

/// Says whose hook has not succeeded since they were renewed.
pub(crate) fn tell_owed_hooks(world: &World, env: &mut Env) {
    let owed = world.awaiting_hook();
    let names: Vec<String> = owed.iter().map(|(role, name)| format!("{role}/{}", ui::plain(name))).collect();
    match names.as_slice() {
        [] => {}
        [only] => env.say(format!("the hook of {only} has not succeeded yet: certgen renew --due --hook CMD")),
        [first, rest @ ..] => env.say(format!(
            "the hooks of {first} and {} more have not succeeded yet: certgen renew --due --hook CMD",
            rest.len()
        )),
    }
}

/// A command that signs with another clock than the machine's says so.
pub(crate) fn tell_clock(env: &mut Env) {
    if env.clock_is_set() {
        env.say(format!("signed with the clock at {}, as --at asks", ui::date(env.now)));
    }
}

/// The words that delete a user from a running broker. A name is never taken for an option.
pub(crate) fn deletion_of(user: &str) -> Vec<String> {
    let end = user.starts_with('-').then_some("--");
    ctl_words(std::iter::once("delete_user").chain(end).chain([user]))
}

/// The same as somebody types it.
pub(crate) fn deletion_line(user: &str) -> String {
    deletion_of(user).iter().map(|word| ui::shell(word)).collect::<Vec<_>>().join(" ")
}

/// A user left the definitions: what removes it from a broker that runs.
pub(crate) fn tell_user_gone(user: &str, env: &mut Env) {
    env.say(format!(
        "a running broker still knows the user; this removes it and closes its connections:\n  {}\n\
         give the broker the new definitions.json too: with the old one its next boot brings the user back",
        deletion_line(user)
    ));
}

/// Tells of emitted files that somebody edited, and how to have ours after all.
pub(crate) fn warn_of_edited(files: &[Edited], env: &mut Env) {
    let mut commands: Vec<&str> = Vec::new();
    for Edited { file, by } in files {
        let shown = ui::path(env.shown(file));
        env.warn(format!("{shown} was edited by hand and left alone: the new text is in {shown}.new"));
        if !commands.contains(&by.as_str()) {
            commands.push(by);
        }
    }
    for command in commands {
        env.say(format!("to put the new text in their place: certgen emit {command} --force"));
    }
}

/// The same where nobody knows who made the difference.
pub(crate) fn warn_of_differing(files: &[PathBuf], env: &mut Env) {
    for path in files {
        let shown = ui::path(env.shown(path));
        env.warn(format!("{shown} differs and was left alone: the new text is in {shown}.new"));
    }
    if !files.is_empty() {
        env.say("to put the new text in their place, run this again with --force");
    }
}

/// The word for where an authority's key is.
pub(crate) fn authority_key(state: AuthorityState) -> &'static str {
    match state {
        AuthorityState::Here => "here",
        AuthorityState::Sealed => "sealed",
        AuthorityState::Elsewhere => "elsewhere",
    }
}

/// Completes identities, as ROLE/NAME.
pub(crate) fn complete_names() -> ArgValueCompleter {
    completer(|role, name| (role != layout::AUTHORITY).then(|| format!("{role}/{name}")))
}

/// Completes names of authorities.
pub(crate) fn complete_authorities() -> ArgValueCompleter {
    completer(|role, name| (role == layout::AUTHORITY).then(|| name.to_owned()))
}

/// Completes identities and authorities, as ROLE/NAME and authority/NAME.
pub(crate) fn complete_all_names() -> ArgValueCompleter {
    completer(|role, name| Some(format!("{role}/{name}")))
}

fn complete_key_types(typed: &std::ffi::OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    crate::x509::KeyType::ALL
        .iter()
        .map(ToString::to_string)
        .filter(|t| t.starts_with(&*typed))
        .map(CompletionCandidate::new)
        .collect()
}

/// Completes the bare names of clients.
pub(crate) fn complete_clients() -> ArgValueCompleter {
    completer(|role, name| (role == Role::Client.as_str()).then(|| name.to_owned()))
}

/// Completion must neither fail nor print: where there is no PKI, there is nothing to offer. `offer` says how an entry is
/// written on the line, if it fits there.
fn completer(offer: fn(role: &str, name: &str) -> Option<String>) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &std::ffi::OsStr| {
        let typed = typed.to_string_lossy();
        let Ok(disk) = Store::open(&pki_of_the_line()).entries_on_disk() else { return Vec::new() };
        let names = disk.iter().filter_map(|entry| offer(&entry.role, &entry.name));
        names.filter(|n| n.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    })
}

/// Where the command that is being typed will look: the shell hands its words to us as they stand.
fn pki_of_the_line() -> PathBuf {
    let words: Vec<_> = std::env::args_os().collect();
    let next = words.windows(2).rev().find(|pair| pair[0] == "--pki").map(|pair| pair[1].clone());
    let joined = || words.iter().rev().find_map(|word| Some(word.to_str()?.strip_prefix("--pki=")?.into()));
    let said = next.or_else(joined).or_else(|| std::env::var_os("CERTGEN_PKI"));
    said.filter(|v| !v.is_empty()).map_or_else(|| "pki".into(), PathBuf::from)
}

/// What a word on the command line of a reading command means.
pub(crate) enum Thing {
    /// An identity of the PKI.
    Identity(Role, String),
    /// An authority of the PKI.
    Authority(String),
    /// The certificate of a pair that somebody else renews.
    External(PathBuf),
    /// Standard input.
    Stream(zeroize::Zeroizing<Vec<u8>>),
    /// A file.
    File(PathBuf),
}

/// Finds out what `text` is: `-`, an identity of the PKI, or a file. A file below the PKI that belongs to an identity is
/// that identity, so that it is judged by what its peers trust and not by what it trusts.
///
/// # Errors
/// It is none of these.
pub(crate) fn find_thing(text: &str, env: &mut Env) -> Result<Thing> {
    known_thing(text, env)?.ok_or_else(|| no_such_thing(text))
}

/// `text` is none of the things that are known.
pub(crate) fn no_such_thing(text: &str) -> Error {
    Error::failed(format!("there is no identity and no file {}", ui::quote(text)))
        .hint("name a file, or an identity that certgen list shows")
}

/// The same as [`find_thing`] where `text` may be something else.
///
/// # Errors
/// It is known and cannot be read.
pub(crate) fn known_thing(text: &str, env: &mut Env) -> Result<Option<Thing>> {
    if text == "-" {
        return store::read_limited(std::path::Path::new("-"), store::INPUT_LIMIT)
            .map(|bytes| Some(Thing::Stream(bytes)));
    }
    let path = env.cwd.join(text);
    if Store::open(&env.pki).exists() {
        if let Some((role, name)) = identity_at(&path, env) {
            return Ok(Some(Thing::Identity(role, name)));
        }
        let (role, name) = split_role(text);
        if role.is_some() || !path.exists() {
            let world = World::read(env)?;
            if Role::ALL.into_iter().any(|r| role.is_none_or(|w| w == r.as_str()) && world.knows(r, name)) {
                return identity(&world, text).map(|(role, name)| Some(Thing::Identity(role, name)));
            }
            if role == Some(layout::AUTHORITY) || (role.is_none() && world.authority(name).is_some()) {
                return world.authority_certificate(name).map(|_| Some(Thing::Authority(name.to_owned())));
            }
            if (role.is_none() || role == Some(layout::EXTERNAL)) && world.knows_external(name) {
                let path = layout::certificate(layout::EXTERNAL, name)?;
                return Ok(Some(Thing::External(world.store.path(path))));
            }
        }
    }
    Ok(path.exists().then_some(Thing::File(path)))
}

/// The identity whose certificate `path` is, however it was typed.
fn identity_at(path: &std::path::Path, env: &Env) -> Option<(Role, String)> {
    let path = path.canonicalize().ok()?;
    let mut parts = path.strip_prefix(env.pki.canonicalize().ok()?).ok()?.iter().map(|p| p.to_str());
    let role: Role = parts.next()??.parse().ok()?;
    let name = store::name_of_directory(parts.next()??)?;
    let file = parts.next()??;
    let is_certificate = file == role.certificate_file() || Some(file) == role.combined_file();
    (is_certificate && parts.next().is_none()).then_some((role, name))
}
