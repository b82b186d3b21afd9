//! `certgen issue authority NAME --csr FILE`: an authority whose key was made elsewhere.

use std::path::Path;

use super::MANIFEST;
use super::authorities::{self, AuthorityArgs};
use crate::apply::{AuthorityState, Change, Dates, Vault, World};
use crate::commands::{Answer, told};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{AuthoritySpec, Editor};
use crate::plan;
use crate::store::{self, layout};
use crate::ui;
use crate::x509::Csr;

/// Signs the request as the flags and the manifest say; what it asks for beside its key is told and not followed.
pub(super) fn run(args: &AuthorityArgs, file: &Path, dates: Dates, env: &mut Env) -> Result<Answer> {
    let [name] = args.names.as_slice() else {
        return Err(Error::usage("--csr goes with exactly one NAME"));
    };
    let csr = read(file, env)?;
    let (mut world, mut locked) = World::lock("issue", env)?;
    let text = match world.authority(name) {
        Some(_) if is_current(name, args, &csr, dates, &world, env)? => {
            return authorities::tell_unchanged(&args.names, env);
        }
        Some(_) => world.manifest_text.clone(),
        None => manifest_with(name, args, &csr, &world)?,
    };
    world.manifest = world.parse(&text)?;
    refuse_known_key(name, &csr, &world)?;
    let authority = world.manifest.authority(name).cloned();
    let authority =
        authority.ok_or_else(|| Error::failed(format!("certgen.toml has no authority {}", ui::quote(name))))?;
    tell_wishes(&csr, &authority.common_name, name, file, env)?;
    let mut vault = Vault::new(&args.keys.unlock);
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        change.subordinate(&authority, csr, dates)?;
        change.manifest(text);
        change.refresh_all()?;
        change.commit(&mut locked)?
    };
    drop(locked);
    told::tell(&done, &[], env)?;
    let chain = world.store.path(layout::ca_dir(name)?.join(layout::CA_CHAIN));
    env.say(format!(
        "next: bring {} to the site, and there: certgen request --finish {}",
        ui::path(env.shown(&chain)),
        layout::CA_CHAIN
    ));
    Ok(Answer::Yes)
}

fn read(file: &Path, env: &Env) -> Result<Csr> {
    let path = if file == Path::new("-") { file.to_owned() } else { env.cwd.join(file) };
    let what = || format!("the request {}", ui::path(file));
    let csr = Csr::from_bytes(&store::read_limited(&path, store::INPUT_LIMIT)?)
        .map_err(|e| Error::from(e).context(what()))?;
    match csr.public_key().key_type() {
        Some(_) => Ok(csr),
        None => Err(Error::failed(format!("{}: its key is of a type that no authority here has", what())).hint(
            "make it with certgen request authority NAME, or with an ECDSA P-256, P-384 or P-521, Ed25519 or RSA key",
        )),
    }
}

/// The manifest's text with the new authority in it. An entry that stands there already keeps its facts.
fn manifest_with(name: &str, args: &AuthorityArgs, csr: &Csr, world: &World) -> Result<String> {
    world.refuse_existing_authority(name)?;
    let spec = authorities::authority_spec(args);
    let mut editor = Editor::new(&world.manifest_text, MANIFEST)?;
    if world.manifest.authority(name).is_some() {
        if spec != AuthoritySpec::default() {
            return Err(Error::failed(format!("authority {} stands in certgen.toml already", ui::quote(name)))
                .hint(format!("change it there, then: certgen issue authority {} --csr FILE", ui::shell(name))));
        }
        return Ok(editor.into_text());
    }
    if spec.issuer.is_none() {
        return Err(Error::usage("--csr needs --issuer AUTHORITY: a request is signed by somebody else"));
    }
    let spec = AuthoritySpec { key_type: csr.public_key().key_type().map(|kind| kind.to_string()), ..spec };
    world.manifest.authority_from(name, &spec).map_err(|e| Error::from(e).as_usage())?;
    authorities::keep_only_issuer(&world.manifest, &mut editor)?;
    editor.put_authority(name, &spec)?;
    Ok(editor.into_text())
}

/// The same key with the same facts and time left: there is nothing to sign.
fn is_current(name: &str, args: &AuthorityArgs, csr: &Csr, dates: Dates, world: &World, env: &Env) -> Result<bool> {
    let certificate = world.authority_certificate(name)?;
    let exists = || Error::failed(format!("authority {} exists already", ui::quote(name)));
    if certificate.public_key() != csr.public_key() {
        return Err(exists()
            .context("the request is for another key")
            .hint("name another one: a second key for an authority would break every chain below it"));
    }
    if world.authority_state(name) != AuthorityState::Elsewhere {
        return Err(exists().context("its key is here, and needs no request"));
    }
    let as_asked = authorities::is_as_asked(name, args, dates, world)?;
    let due = plan::authority_due_at(*certificate.validity(), time::Duration::ZERO);
    let as_written = world.manifest.authority(name).is_none_or(|wanted| world.authority_reasons(wanted).is_empty());
    Ok(as_asked && as_written && !args.force && env.now < due)
}

/// One key for two authorities would let the one pass for the other.
fn refuse_known_key(name: &str, csr: &Csr, world: &World) -> Result<()> {
    let mut others = world.authorities().filter(|(ca, _)| ca.name != name);
    match others.find(|(_, certificate)| certificate.public_key() == csr.public_key()) {
        Some((ca, _)) => Err(Error::failed(format!(
            "authority {} was not issued: the request is for the key of authority {}",
            ui::quote(name),
            ui::quote(ca.name)
        ))
        .hint("have a request made for a key of its own: certgen request authority NAME")),
        None => Ok(()),
    }
}

/// A request for somebody else is refused, as it may be the wrong file; what else it asks for is not followed.
fn tell_wishes(csr: &Csr, common_name: &str, name: &str, file: &Path, env: &mut Env) -> Result<()> {
    let mark = csr.public_key().mark();
    let strange = csr.subject().common_names().into_iter().find(|cn| {
        *cn != common_name && cn.strip_suffix(&mark).and_then(|cn| cn.strip_suffix(' ')) != Some(common_name)
    });
    if let Some(strange) = strange {
        return Err(Error::failed(format!(
            "the request {} is for {}, not for {}",
            ui::path(file),
            ui::quote(strange),
            ui::quote(common_name)
        ))
        .hint(format!(
            "if it is the right one: certgen issue authority {} --common-name {}",
            ui::shell(name),
            ui::shell(strange)
        )));
    }
    if !csr.subject_alt_names().is_empty() {
        env.say("the names in the request are left out: an authority has none");
    }
    Ok(())
}
