//! `certgen issue authority`: a new key for a new authority, once.

use std::path::PathBuf;

use super::{MANIFEST, dates, subordinate};
use crate::apply::{Change, Dates, Vault, World};
use crate::commands::seal::NewKeysArgs;
use crate::commands::told::{self, Item};
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{AuthoritySpec, Editor, Manifest, Value};
use crate::store::{layout, seal::SealTo};
use crate::ui;

#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct AuthorityArgs {
    /// The names
    #[arg(value_name = "NAME", required = true)]
    pub(super) names: Vec<String>,
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
    pub(super) csr: Option<PathBuf>,
    /// Sign the request again although its certificate is not due
    #[arg(long, requires = "csr")]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) keys: NewKeysArgs,
}

pub(super) fn run(args: &AuthorityArgs, env: &mut Env) -> Result<Answer> {
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
    told::tell(&done, &[], env)?;
    Ok(Answer::Yes)
}

/// An authority that exists with the facts that are asked for; other facts are listed and refused.
pub(super) fn is_as_asked(name: &str, args: &AuthorityArgs, dates: Dates, world: &World) -> Result<bool> {
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

pub(super) fn tell_unchanged(names: &[String], env: &mut Env) -> Result<Answer> {
    let items: Vec<Item> = names.iter().map(|name| Item::about("unchanged", layout::AUTHORITY, name)).collect();
    told::print(&items, env)?;
    Ok(Answer::Yes)
}

/// Where the only authority signs whatever does not name its issuer, it goes on doing so beside another one.
pub(super) fn keep_only_issuer(manifest: &Manifest, editor: &mut Editor) -> Result<()> {
    if let [only] = manifest.authorities() {
        editor.set(&["defaults"], "issuer", &Value::String(only.name.clone()))?;
    }
    Ok(())
}

pub(super) fn authority_spec(args: &AuthorityArgs) -> AuthoritySpec {
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
