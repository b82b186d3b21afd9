//! `certgen inspect`

use serde::Serialize;

use crate::apply::World;
use crate::commands::{Answer, shared};
use crate::env::Env;
use crate::error::{Context, Result};
use crate::inspect::{self, Facts};
use crate::probe::{self, Target};
use crate::store;
use crate::ui;

/// Tell what a file, an identity or a server is, in people's words
///
/// Certificates, requests, revocation lists and keys, PEM or DER, and key stores (PKCS#12, JKS), recognised by their content
/// and never by their names. Of a private key it tells everything but the key. On a key store no password, changeit and
/// changeme are tried too.
///
/// HOST:PORT is a TLS server: which chain it serves, and whose client certificates it asks for. Nothing is verified, no
/// client certificate is given, and a broker that insists on one logs a refused handshake. A file or an identity of that
/// name comes first. Whatever does not answer is given up after 5 seconds.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "EXAMPLES:\n  certgen inspect client/celery_worker\n  certgen inspect server.pem request.csr\n  \
                        certgen inspect --password-file password keystore.p12\n  \
                        certgen inspect localhost:5671\n  \
                        openssl s_client -connect localhost:5671 -showcerts </dev/null | certgen inspect -"
)]
pub(crate) struct InspectArgs {
    /// A file, - for standard input, an identity (NAME or ROLE/NAME), or a TLS server (HOST:PORT)
    #[arg(value_name = "THING", required = true, add = shared::complete_all_names())]
    things: Vec<String>,
    /// File with the password of an encrypted key or a key store
    #[arg(long, visible_alias = "password-file", value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    key_password_file: Option<std::path::PathBuf>,
}

/// Columns for what stands behind a label.
const WIDTH: usize = 80;

/// One object: what the output shows and what `--json` prints.
#[derive(Debug, Serialize)]
struct Item<'a> {
    thing: &'a str,
    #[serde(flatten)]
    facts: Facts,
}

pub(crate) fn run(args: &InspectArgs, env: &mut Env) -> Result<Answer> {
    let password = match &args.key_password_file {
        Some(path) => Some(store::read_required_password(&env.cwd.join(path))?),
        None => None,
    };
    let mut items = Vec::new();
    for thing in &args.things {
        let found = match bytes_of(thing, env)? {
            Some(bytes) => inspect::read_with_password(&bytes, password.as_ref().map(|p| p.as_bytes()))
                .context(|| format!("reading {}", ui::quote(thing)))?,
            None => served_by(thing)?,
        };
        for found in &found {
            let inside = if let inspect::Thing::KeyStore(store) = found { store.contents.as_slice() } else { &[] };
            let all = std::iter::once(found).chain(inside);
            items.extend(all.map(|found| Item { thing, facts: Facts::of(found) }));
        }
    }
    if env.json {
        ui::items(env, &items)?;
        return Ok(Answer::Yes);
    }
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            writeln!(env.out())?;
        }
        show(item.thing, &item.facts, env)?;
    }
    Ok(Answer::Yes)
}

/// One object in people's words.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn show(thing: &str, facts: &Facts, env: &mut Env) -> Result<()> {
    let description = inspect::describe(facts, env.now);
    writeln!(env.out(), "{}: {}", ui::plain(thing), description.title)?;
    let width = description.lines.iter().map(|(label, _)| label.len()).max().unwrap_or_default();
    for (label, text) in &description.lines {
        for (at, text) in at_commas(text).iter().enumerate() {
            let label = if at == 0 { *label } else { "" };
            writeln!(env.out(), "  {label:width$}  {text}")?;
        }
    }
    for warning in &description.warnings {
        writeln!(env.out(), "  note: {warning}")?;
    }
    Ok(())
}

/// A long list in lines that a terminal holds.
fn at_commas(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in text.split_inclusive(", ") {
        match lines.last_mut() {
            Some(line) if line.len() + part.trim_end().len() <= WIDTH => line.push_str(part),
            _ => lines.push(part.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// An identity or an authority shows its certificate; a file shows all that it has. `None`: a server is meant.
fn bytes_of(thing: &str, env: &mut Env) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>> {
    let file = Some(env.cwd.join(thing)).filter(|path| shared::split_role(thing).0.is_none() && path.is_file());
    if let Some(path) = file {
        return store::read_limited(&path, inspect::LARGEST as u64).map(Some);
    }
    let bytes = match shared::known_thing(thing, env)? {
        Some(shared::Thing::Stream(bytes)) => bytes,
        Some(shared::Thing::File(path) | shared::Thing::External(path)) => {
            store::read_limited(&path, inspect::LARGEST as u64)?
        }
        Some(shared::Thing::Authority(name)) => {
            let world = World::read(env)?;
            zeroize::Zeroizing::new(world.authority_certificate(&name)?.pem().into_bytes())
        }
        Some(shared::Thing::Identity(role, name)) => {
            let world = World::read(env)?;
            world.store.read(store::layout::certificate(role.as_str(), &name)?)?
        }
        None if Target::is_meant(thing) => return Ok(None),
        None => return Err(shared::no_such_thing(thing)),
    };
    Ok(Some(bytes))
}

/// What the TLS server at HOST:PORT says of itself, then the chain that it serves.
fn served_by(target: &str) -> Result<Vec<inspect::Thing>> {
    let target: Target = target.parse()?;
    let sighting = probe::probe(&target, probe::PATIENCE).map_err(|e| e.at(&target))?;
    let served = sighting.chain.iter().map(|certificate| match certificate {
        Ok(certificate) => inspect::Thing::Certificate(Box::new(certificate.clone())),
        Err(fault) => inspect::Thing::Unreadable { label: "certificate".into(), reason: fault.to_string() },
    });
    let served: Vec<_> = served.collect();
    Ok(std::iter::once(inspect::Thing::Server(Box::new(sighting))).chain(served).collect())
}
