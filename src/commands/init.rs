//! `certgen init`

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::apply::{self, Change, PlanOptions, Vault, World};
use crate::commands::seal::NewKeysArgs;
use crate::commands::{Answer, told};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Editor, Manifest, Value};
use crate::profile::{self, Context, Profile, Role};
use crate::store::{self, Store};
use crate::ui;
use crate::x509::is_host;

/// Start a PKI from a profile: authorities, certificates, RabbitMQ's files
///
/// Writes certgen.toml from the profile and makes everything that it names. On a terminal it asks; elsewhere it takes
/// the defaults.
#[derive(Debug, clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct InitArgs {
    /// A built-in profile, or a manifest to start from
    #[arg(long, value_name = "P|FILE", add = clap_complete::engine::ArgValueCompleter::new(complete_profiles))]
    profile: Option<String>,
    /// A setting of the profile; certgen init --help --profile P lists them (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Common name of the root authority; a mark from its key is added
    #[arg(long, value_name = "CN")]
    name: Option<String>,
    /// Exit 0 if a PKI from the same profile and settings is there already
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    keys: NewKeysArgs,
}

pub(crate) fn run(args: InitArgs, env: &mut Env) -> Result<Answer> {
    let mut settings = settings(&args.settings)?;
    let store = Store::open(&env.pki);
    if store.exists() && !args.keep {
        let refused =
            holds_one(env).hint("add to it with certgen issue, start another with --pki DIR, or accept it with --keep");
        return Err(if is_untouched(&store) {
            refused.hint(format!("nothing was issued since: to begin again, rm -r {}", ui::path(env.shown(&env.pki))))
        } else {
            refused
        });
    }
    refuse_inside_another(env)?;
    let profile = choose(args.profile.as_deref(), env)?;
    let has_name = profile.settings().iter().any(|s| s.key == "name");
    if let Some(name) = args.name.clone().filter(|_| has_name) {
        settings.insert("name".to_owned(), name);
    }
    if store.exists() {
        return existing(&args, &profile, &settings, env);
    }
    ask_settings(&profile, &mut settings, env)?;
    let text = profile.render(&settings, &Context { host_name: env.host_name.clone() })?;
    let text = match &args.name {
        Some(name) if !has_name => named_roots(&text, name)?,
        _ => text,
    };
    let manifest = Manifest::parse(&text, "certgen.toml")?;
    if profile.sha256().is_none() {
        refuse_odd_hosts(&manifest)?;
    }
    let to = args.keys.seal_to(env)?;

    let (mut world, mut locked) = World::create("init", manifest, text.clone(), env)?;
    let mut vault = Vault::new(&args.keys.unlock);
    // Nothing exists yet, so the plan has everything that the manifest names.
    let mut plan = world.plan(&PlanOptions::default(), env)?;
    let mut change = Change::new(&mut world, &mut vault, env);
    change.manifest(text);
    change.follow(&mut plan, to.as_ref())?;
    change.initialized(&profile, &settings, args.name.as_deref())?;
    let done = change.commit(&mut locked)?;
    drop(locked);
    told::tell(&done, &[], env)?;
    if to.is_none() {
        env.say("the authority keys are not encrypted; to seal them with a passphrase: certgen seal");
    }
    for line in apply::first_steps(&world, env) {
        env.say(line);
    }
    Ok(Answer::Yes)
}

/// There is a PKI: `--keep` is content with one that came from the same beginnings.
fn existing(args: &InitArgs, profile: &Profile, settings: &BTreeMap<String, String>, env: &mut Env) -> Result<Answer> {
    let shown = ui::path(env.shown(&env.pki));
    // What an `init` was killed in the middle of is not there yet: taking the lock finishes it.
    let was_killed = Store::open(&env.pki).has_leftovers();
    let world = if was_killed { World::lock("init", env)?.0 } else { World::read(env)? };
    let exists = || Error::failed(format!("{shown} holds a PKI already"));
    let wanted = profile.name();
    let differs = |what: &str, is: &str, asked: &str| {
        Err(exists().hint(format!("its {what} was {is}, not {asked}: start another with --pki DIR")))
    };
    let Some(origin) = world.inventory.initialized() else {
        return Err(exists().hint("it does not say what profile it came from; leave out --keep and --profile"));
    };
    let is = origin.profile.as_deref().unwrap_or_default();
    match (origin.sha256.as_deref(), profile.sha256()) {
        (Some(is), Some(asked)) if is == asked => {}
        (None, None) if is == wanted => {}
        _ if is == wanted => return differs("profile", "another text then", "what the file holds now"),
        _ => return differs("profile", &ui::quote(is), &ui::quote(wanted)),
    }
    if origin.settings != *settings || origin.name.as_deref() != args.name.as_deref() {
        return differs("settings", &shown_settings(&origin.settings), &shown_settings(settings));
    }
    env.say(format!("{shown} is kept: it came from the same profile and settings"));
    if env.json {
        told::print(&[], env)?;
    }
    Ok(Answer::Yes)
}

/// Only the command that made it ever wrote into it, so that nothing but its own certificates would be lost.
fn is_untouched(store: &Store) -> bool {
    let Ok(inventory) = store.inventory() else { return false };
    let recorded = inventory.initialized().and_then(|event| event.events);
    recorded.is_some_and(|recorded| inventory.events().take(recorded + 1).count() == recorded)
}

/// A second PKI inside the first is what somebody gets who stands in the wrong directory.
fn refuse_inside_another(env: &Env) -> Result<()> {
    let around = env.pki.ancestors().skip(1).find(|above| Store::open(above).exists());
    match around {
        Some(around) => Err(Error::failed(format!("{} lies inside another PKI", ui::path(env.shown(&env.pki))))
            .hint(format!("to work with that one: certgen --pki {}", ui::shell(&around.to_string_lossy())))),
        None => Ok(()),
    }
}

/// A node is a host: Erlang knows it by that name, and so do its peers.
fn refuse_odd_hosts(manifest: &Manifest) -> Result<()> {
    match manifest.entries().iter().find(|entry| entry.role == Role::Node && !is_host(&entry.name)) {
        Some(entry) => {
            Err(Error::usage(format!("{} is no host name, and a node is called like its host", ui::quote(&entry.name)))
                .hint("one name such as rabbit.example.com: more names go into san in certgen.toml"))
        }
        None => Ok(()),
    }
}

fn holds_one(env: &Env) -> Error {
    Error::failed(format!("{} holds a PKI already", ui::path(env.shown(&env.pki))))
}

fn shown_settings(settings: &BTreeMap<String, String>) -> String {
    if settings.is_empty() {
        return "none".to_owned();
    }
    ui::plain(&settings.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" "))
}

fn settings(pairs: &[String]) -> Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    for pair in pairs {
        let Some((key, value)) = pair.split_once('=') else {
            return Err(
                Error::usage(format!("--set {}: there is no = in it", ui::quote(pair))).hint("write --set KEY=VALUE")
            );
        };
        if settings.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::usage(format!("--set {key} is given twice")));
        }
    }
    Ok(settings)
}

/// A built-in profile by name, or a manifest that the user wrote.
fn find(named: &str, env: &Env) -> Result<Profile> {
    let path = env.cwd.join(named);
    if !named.contains(['/', '\\', '.']) || !path.is_file() {
        return Profile::find(named).cloned();
    }
    let bytes = store::read_limited(&path, store::INPUT_LIMIT)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| Error::failed(format!("{named}: byte {} is not UTF-8", e.valid_up_to())))?;
    Profile::from_file(named, text)
}

fn choose(named: Option<&str>, env: &Env) -> Result<Profile> {
    if let Some(named) = named {
        return find(named, env);
    }
    if !env.interactive {
        return find(profile::DEFAULT, env);
    }
    let profiles = profile::builtin();
    let lines: Vec<String> = profiles.iter().map(|p| format!("{:26} {}", p.name(), p.summary())).collect();
    let chosen = ui::choose(env, "Profile", &lines, "name it with --profile P")?;
    Ok(profiles[chosen].clone())
}

/// On a terminal, asks for what was not set; elsewhere the defaults are taken.
fn ask_settings(profile: &Profile, settings: &mut BTreeMap<String, String>, env: &Env) -> Result<()> {
    if !env.interactive {
        return Ok(());
    }
    for setting in profile.settings() {
        if settings.contains_key(&setting.key) {
            continue;
        }
        let default = setting.default.clone().unwrap_or_default().replace("{{host}}", &env.host_name);
        let question = format!("{} ({})", setting.help, setting.key);
        let answer = ui::ask(env, &question, &default, &format!("set it with --set {}=VALUE", setting.key))?;
        if answer != default {
            settings.insert(setting.key.clone(), answer);
        }
    }
    Ok(())
}

/// The text of a manifest whose roots carry the common name that was asked for; where there are several, each adds its own.
fn named_roots(text: &str, name: &str) -> Result<String> {
    let manifest = Manifest::parse(text, "certgen.toml")?;
    let roots: Vec<&str> = manifest.authorities().iter().filter(|a| a.is_root()).map(|a| a.name.as_str()).collect();
    let mut editor = Editor::new(text, "certgen.toml")?;
    for root in &roots {
        let common_name = if roots.len() == 1 { name.to_owned() } else { format!("{name} {root}") };
        editor.set(&["authority", root], "common_name", &Value::String(common_name))?;
    }
    Ok(editor.into_text())
}

/// `certgen init --help --profile P`: the settings of P stand at the end of the help.
///
/// Clap prints help as soon as it meets `--help`, so the profile is looked up before.
pub(crate) fn profile_help(args: &[OsString]) -> Option<String> {
    let words: Vec<&str> = args.iter().skip(1).filter_map(|a| a.to_str()).collect();
    if !words.contains(&"init") || !words.iter().any(|w| *w == "--help" || *w == "-h") {
        return None;
    }
    let named = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--profile") {
        Some("") => words.get(at + 1).copied(),
        Some(value) => value.strip_prefix('='),
        None => None,
    })?;
    let profile = Profile::find(named).ok()?;
    let mut text = format!("SETTINGS OF PROFILE {}:\n", profile.name());
    for setting in profile.settings() {
        let default = match &setting.default {
            Some(default) => format!(" [default: {}]", default.replace("{{host}}", "this host's name")),
            None if setting.required => " [required]".to_owned(),
            None => String::new(),
        };
        text.push_str(&format!("  --set {}=...\n          {}{default}\n", setting.key, setting.help));
    }
    Some(text)
}

fn after_help() -> String {
    let mut text = String::from("PROFILES:\n");
    for profile in profile::builtin() {
        text.push_str(&format!("  {:28} {}\n", profile.name(), profile.summary()));
    }
    text.push_str(
        "\nEXAMPLES:\n  certgen init\n  certgen init --profile celery\n  \
         certgen init --profile cluster --set nodes=a.example,b.example,c.example\n  \
         certgen init --profile kubernetes --set namespace=default --set cluster=rabbitmq\n  \
         certgen init --help --profile cluster",
    );
    text
}

fn complete_profiles(typed: &std::ffi::OsStr) -> Vec<clap_complete::CompletionCandidate> {
    let typed = typed.to_string_lossy();
    profile::builtin()
        .iter()
        .filter(|p| p.name().starts_with(&*typed))
        .map(|p| clap_complete::CompletionCandidate::new(p.name()).help(Some(p.summary().to_owned().into())))
        .collect()
}
