//! What the command line and the PKI at hand say, before anything goes over the network.

use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

use super::{ClientArgs, ProbeArgs};
use crate::apply::{Trust, World};
use crate::commands::{shared, verify};
use crate::env::Env;
use crate::error::{Context, Error, Result};
use crate::probe::{Credentials, Login, Protocol, Question, Secret, Target};
use crate::profile::Role;
use crate::store::{self, Store, layout};
use crate::ui;
use crate::verify::{PeerName, Verifier};
use crate::x509::{Certificate, PrivateKey, unreadable_key};

/// Everything that a question is made of.
pub(super) struct Asked {
    pub(super) world: Option<World>,
    pub(super) identity: Option<(Role, String)>,
    bundle: Option<Vec<Certificate>>,
    bundle_name: String,
    peers: Option<Vec<Certificate>>,
    known: Vec<Certificate>,
    current: Vec<(String, Certificate)>,
    credentials: Option<Credentials>,
    login: Login,
    pub(super) vhost: String,
    name: Option<PeerName>,
    protocol: Option<Protocol>,
    judges: Vec<Verifier>,
    patience: Duration,
}

impl Asked {
    /// Reads it all.
    ///
    /// # Errors
    /// A flag is wrong, or a file cannot be read.
    pub(super) fn of(args: &ProbeArgs, env: &mut Env) -> Result<Self> {
        let patience = super::patience(&args.timeout)?;
        let protocol = args.protocol.as_deref().map(str::parse).transpose().map_err(Error::usage)?;
        let name = args.name.as_deref().map(|name| PeerName::parse(name, None));
        let name = name.transpose().map_err(|e| Error::from(e).as_usage().context("--name"))?;
        let world = world(args, env)?;
        let (identity, credentials) = credentials(&args.client, world.as_ref(), env)?;
        let trust = world.as_ref().map(Trust::of).transpose();
        let (bundle, bundle_name, peers) = if args.bundle.is_empty() {
            let trust = trust?;
            let peers = trust.as_ref().map(|trust| trust.peers.clone());
            (trust.map(|trust| trust.servers), "this PKI".to_owned(), peers)
        } else {
            let names: Vec<String> = args.bundle.iter().map(|path| ui::path(path)).collect();
            (Some(read_all(&args.bundle, env)?), names.join(", "), None)
        };
        let mut known: Vec<Certificate> = credentials.iter().flat_map(|c| c.chain.iter().skip(1)).cloned().collect();
        known.extend(world.iter().flat_map(|world| world.authorities().map(|(_, ca)| ca.clone())));
        let vhost = vhost(&args.client, world.as_ref(), identity.as_ref())?;
        Ok(Self {
            login: login(&args.client, credentials.is_some(), env)?,
            current: world.as_ref().map(current).unwrap_or_default(),
            world,
            identity,
            bundle,
            bundle_name,
            peers,
            known,
            credentials,
            vhost,
            name,
            protocol,
            judges: verify::verifiers(&args.judges)?,
            patience,
        })
    }

    /// The question about one place.
    ///
    /// # Errors
    /// Its host can be no name of a certificate.
    pub(super) fn question<'a>(&'a self, target: &'a Target, now: OffsetDateTime) -> Result<Question<'a>> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => PeerName::parse(target.host(), None).map_err(|e| Error::from(e).as_usage())?,
        };
        let between_nodes = self.protocol.or_else(|| Protocol::of_port(target.port())) == Some(Protocol::Erlang);
        let anchors = self.peers.as_ref().filter(|_| between_nodes).or(self.bundle.as_ref());
        Ok(Question {
            target,
            patience: self.patience,
            name,
            anchors: anchors.map(Vec::as_slice),
            bundle: &self.bundle_name,
            known: &self.known,
            current: &self.current,
            credentials: self.credentials.as_ref(),
            login: self.login.clone(),
            vhost: &self.vhost,
            protocol: self.protocol,
            judges: &self.judges,
            now,
        })
    }
}

/// The PKI at hand. One that cannot be read matters only where something of it is needed.
fn world(args: &ProbeArgs, env: &mut Env) -> Result<Option<World>> {
    let needed = args.client.client.is_some();
    if !Store::open(&env.pki).exists() {
        // Its error says where it was looked for.
        return if needed { World::read(env).map(Some) } else { Ok(None) };
    }
    match World::read(env) {
        Ok(world) => Ok(Some(world)),
        Err(e) if needed || args.bundle.is_empty() => Err(e),
        Err(e) => {
            env.say(format!("this PKI was not asked: {}", e.message()));
            Ok(None)
        }
    }
}

type Presented = (Option<(Role, String)>, Option<Credentials>);

fn credentials(args: &ClientArgs, world: Option<&World>, env: &mut Env) -> Result<Presented> {
    let password =
        args.key_password_file.as_ref().map(|path| store::read_required_password(&env.cwd.join(path))).transpose()?;
    if let (Some(word), Some(world)) = (&args.client, world) {
        let (role, name) = match shared::split_role(word) {
            (None, name) if world.knows(Role::Client, name) => (Role::Client, name.to_owned()),
            _ => shared::identity(world, word)?,
        };
        let chain = world.store.path(layout::certificate(role.as_str(), &name)?);
        let key = world.store.path(layout::key(role.as_str(), &name)?);
        let known = match (&password, world.entry(role, &name).and_then(|entry| entry.key_password_file.clone())) {
            (None, Some(file)) => Some(world.key_password(&file, false)?),
            _ => password,
        };
        let credentials = pair(&chain, &key, known.as_ref().map(|p| p.as_bytes()))?;
        return Ok((Some((role, name)), Some(credentials)));
    }
    let (Some(chain), Some(key)) = (&args.certificate, &args.key) else { return Ok((None, None)) };
    let password = password.as_ref().map(|p| p.as_bytes());
    Ok((None, Some(pair(&env.cwd.join(chain), &env.cwd.join(key), password)?)))
}

fn pair(chain: &Path, key: &Path, password: Option<&[u8]>) -> Result<Credentials> {
    let certificates = Certificate::all_from_bytes(&store::read_limited(chain, store::INPUT_LIMIT)?)
        .context(|| format!("reading {}", ui::path(chain)))?;
    if certificates.is_empty() {
        return Err(Error::failed(format!("{} has no certificate", ui::path(chain))));
    }
    let read = PrivateKey::from_pem(&store::read_limited(key, store::INPUT_LIMIT)?, password)
        .map_err(|error| unreadable_key(error, key))?;
    Credentials::new(certificates, &read).map_err(|e| e.context(format!("presenting {}", ui::path(chain))))
}

fn login(args: &ClientArgs, with_certificate: bool, env: &mut Env) -> Result<Login> {
    if let (Some(user), Some(file)) = (&args.user, &args.password_file) {
        let path = if file == Path::new("-") { file.clone() } else { env.cwd.join(file) };
        let password = Secret(store::read_required_password(&path)?);
        return Ok(Login::Password { user: user.clone(), password });
    }
    Ok(if with_certificate { Login::Certificate } else { Login::Nobody })
}

fn vhost(args: &ClientArgs, world: Option<&World>, identity: Option<&(Role, String)>) -> Result<String> {
    let of_entry = || {
        let (role, name) = identity?;
        world?.entry(*role, name)?.user.as_ref()?.vhosts.first().cloned()
    };
    let vhost = args.vhost.clone().or_else(of_entry).unwrap_or_else(|| "/".to_owned());
    if vhost.len() > 255 {
        return Err(Error::usage(format!("--vhost {}: a virtual host has at most 255 octets", ui::quote(&vhost))));
    }
    Ok(vhost)
}

/// The certificates that servers and nodes of the PKI should show.
fn current(world: &World) -> Vec<(String, Certificate)> {
    let serving = world.directories().iter().filter(|(role, _)| role.serves());
    let read = serving.filter_map(|(role, name)| {
        let certificate = world.pair(*role, name).ok()??.certificate.ok()?;
        Some((format!("{role}/{name}"), certificate))
    });
    read.collect()
}

fn read_all(paths: &[std::path::PathBuf], env: &Env) -> Result<Vec<Certificate>> {
    let mut all = Vec::new();
    for path in paths {
        let bytes = store::read_limited(&env.cwd.join(path), store::INPUT_LIMIT)?;
        let read = Certificate::all_from_bytes(&bytes).context(|| format!("reading {}", ui::path(path)))?;
        if read.is_empty() {
            return Err(Error::failed(format!("{} has no certificate", ui::path(path))));
        }
        all.extend(read);
    }
    Ok(all)
}
