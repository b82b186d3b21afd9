//! `tar`: a node's certificates and the broker's configuration under the paths that they have on its host.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use zeroize::Zeroizing;

use crate::apply::World;
use crate::commands::export::format::Layout;
use crate::commands::export::subject::{Subject, Who};
use crate::commands::export::tar_file::{TarFile, TarOwner, mode_of};
use crate::commands::export::{ExportArgs, Product, is_to_file};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{Broker, EntryRef, Platform};
use crate::store::{self, layout};
use crate::ui;

/// definitions.json of a large broker.
const LARGEST: u64 = 64 << 20;
/// The user of RabbitMQ's packages and of its image.
const RABBITMQ: &str = "rabbitmq:rabbitmq";
const OPEN_DIRECTORY: u32 = 0o755;
/// The broker's group may enter, nobody else.
const KEYS_DIRECTORY: u32 = 0o750;

pub(super) fn make(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Product> {
    // Without its key the rest is of no use.
    subject.check_key_file(world, env)?;
    let broker = broker_of(args, subject, world)?;
    let layout = args.layout.unwrap_or(if broker.is_some() { Layout::EtcRabbitmq } else { Layout::Directory });
    let (default_owner, broker) = match layout {
        Layout::Directory => (None, None),
        Layout::EtcRabbitmq => (Some(RABBITMQ.to_owned()), Some(broker.ok_or_else(|| no_broker(subject))?)),
    };
    let in_manifest = subject.entry(world).and_then(|entry| entry.owner.clone());
    let owner = args.owner.clone().or(in_manifest).or(default_owner);
    let owner = owner.map(|text| TarOwner::parse(&text)).transpose()?.unwrap_or_default();
    let mut packed = Packed { world, members: BTreeMap::new(), left_out: Vec::new() };
    match broker {
        Some(broker) => packed.on_host(subject, broker)?,
        None => packed.directory(&subject.directory, &store::directory_name(&subject.name)?, KEYS_DIRECTORY)?,
    }
    let mut product = Product::secret(packed.tar(owner, env)?);
    product.next = packed.left_out;
    if broker.is_some() && is_to_file(args) {
        product.next.push("on its host, as root: tar -xpmf FILE -C /".to_owned());
    }
    Ok(product)
}

/// The broker that shows the certificate.
fn broker_of<'w>(args: &ExportArgs, subject: &Subject, world: &'w World) -> Result<Option<&'w Broker>> {
    let Who::Identity(role) = subject.who else { return Ok(None) };
    let own = EntryRef { role, name: subject.name.clone() };
    let brokers = world.manifest.brokers();
    if let Some(name) = &args.broker {
        let known = || brokers.iter().filter_map(|broker| broker.name.as_deref());
        let named = brokers.iter().find(|broker| broker.name.as_ref() == Some(name));
        let named = named.ok_or_else(|| crate::emit::no_broker(name, known()))?;
        return match named.certificates.contains(&own) {
            true => Ok(Some(named)),
            false => Err(Error::failed(format!("broker {} does not show {own}", ui::quote(name)))
                .hint("its certificates stand in certgen.toml")),
        };
    }
    let mut showing = brokers.iter().filter(|broker| broker.certificates.contains(&own));
    match (showing.next(), showing.next()) {
        (Some(_), Some(_)) => {
            Err(Error::failed(format!("more than one broker shows {own}")).hint("name one with --broker NAME"))
        }
        (only, _) => Ok(only),
    }
}

fn no_broker(subject: &Subject) -> Error {
    Error::failed(format!(
        "no broker of certgen.toml shows {}/{}, so nothing says where its files go",
        subject.role(),
        ui::plain(&subject.name)
    ))
    .hint("its directory as it stands: --layout directory")
}

/// Mode and content; a directory has no content.
type Member = (u32, Option<Zeroizing<Vec<u8>>>);

/// What goes into the file, by path.
struct Packed<'w> {
    world: &'w World,
    members: BTreeMap<String, Member>,
    left_out: Vec<String>,
}

impl Packed<'_> {
    fn on_host(&mut self, subject: &Subject, broker: &Broker) -> Result<()> {
        if broker.platform == Platform::Windows {
            return Err(Error::failed("the broker's hosts run Windows, where tar keeps neither owner nor mode")
                .hint("copy the directory and rabbitmq/, and let their owner alone read them"));
        }
        let certs = below_root(&broker.certs_dir)?;
        self.directory(&subject.directory, &certs, KEYS_DIRECTORY)?;
        let own = broker.management.certificate.as_ref().filter(|c| !broker.certificates.contains(c));
        let own = own.map(|certificate| (certificate.role.as_str(), &certificate.name));
        if let Some((role, name)) = own.or(broker.management.external.as_ref().map(|name| (layout::EXTERNAL, name))) {
            self.directory(&layout::entry_dir(role, name)?, &format!("{certs}/management"), KEYS_DIRECTORY)?;
        }
        self.configuration(broker, &below_root(&broker.config_dir)?)
    }

    /// The broker's files; what only its administrator needs stays here.
    fn configuration(&mut self, broker: &Broker, config: &str) -> Result<()> {
        let from = layout::rabbitmq_dir(broker.name.as_deref())?;
        if !self.world.store.holds(from.join("rabbitmq.conf")) {
            let shown = ui::path(&self.world.store.path(&from));
            return Err(Error::failed(format!("there is no rabbitmq.conf in {shown}"))
                .hint("write the broker's files: certgen emit rabbitmq"));
        }
        self.directory(&from, config, OPEN_DIRECTORY)?;
        if self.world.store.holds(from.join("crls")) {
            self.directory(&from.join("crls"), &format!("{config}/crls"), OPEN_DIRECTORY)?;
        }
        Ok(())
    }

    /// The files of one directory.
    fn directory(&mut self, from: &Path, to: &str, mode: u32) -> Result<()> {
        // What is not ours alone, such as /etc or /srv, keeps its owner and its mode.
        if to.contains('/') || !to.starts_with("etc") {
            self.members.entry(format!("{to}/")).or_insert((mode, None)).0 |= mode;
        }
        for name in self.world.store.file_names(from)? {
            let path = from.join(&name);
            let full = self.world.store.path(&path);
            let Some(facts) = store::facts(&full).filter(|_| !full.is_dir()) else { continue };
            if name.ends_with(".new") {
                self.left_out.push(format!(
                    "{} was left out: the file beside it, edited by hand, is the one that was taken",
                    ui::path(&path)
                ));
            } else if !name.ends_with(".password") {
                let Some(bytes) = self.world.store.read_if_exists(&path, LARGEST)? else { continue };
                let mode = match name.as_str() {
                    // The hashes of passwords are in it.
                    "definitions.json" => facts.mode & 0o640,
                    _ => mode_of(facts.mode, &bytes),
                };
                self.members.insert(format!("{to}/{name}"), (mode, Some(bytes)));
            }
        }
        Ok(())
    }

    fn tar(&self, owner: TarOwner, env: &Env) -> Result<Zeroizing<Vec<u8>>> {
        let mut file = TarFile::new(owner, env.now);
        for (path, (mode, bytes)) in &self.members {
            match bytes {
                None => file.directory(path, *mode)?,
                Some(bytes) => file.file(path, *mode, bytes)?,
            }
        }
        file.finish()
    }
}

/// A path on the host, seen from its root.
fn below_root(path: &str) -> Result<String> {
    let mut parts = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::RootDir => {}
            _ => return Err(Error::failed(format!("the path {} in certgen.toml is not absolute", ui::quote(path)))),
        }
    }
    match parts.is_empty() {
        true => {
            Err(Error::failed(format!("the path {} in certgen.toml is no directory of RabbitMQ's", ui::quote(path))))
        }
        false => Ok(parts.join("/")),
    }
}
