//! What is refused before anything is signed, although the manifest alone would allow it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};

use crate::apply::World;
use crate::apply::broker::{self, Users};
use crate::apply::change::owner;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::lint;
use crate::manifest::Entry;
use crate::profile::Role;
use crate::store::{Location, Revocation, equal_but_for_case, layout};
use crate::ui;
use crate::x509::Certificate;

/// RabbitMQ's own default user, which is an administrator wherever it still exists.
const DEFAULT_USER: &str = "guest";

/// Refusals that look at every name there is. What they look at is gathered once, for one name asked about or a million.
pub struct NameRefusals<'a> {
    world: &'a World,
    /// The names of each role that have a directory, by how they read in lower case.
    names: BTreeMap<(Role, String), Vec<&'a str>>,
    /// The users of each broker's definitions.json, read when first asked for.
    users: BTreeMap<Option<String>, Users>,
}

impl<'a> NameRefusals<'a> {
    /// Looks at the names in `world`.
    pub fn new(world: &'a World) -> Self {
        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (role, name) in world.directories() {
            names.entry((*role, name.to_lowercase())).or_default().push(name.as_str());
        }
        Self { world, names, users: BTreeMap::new() }
    }

    /// Names that differ only in case are one file on some disks and one person in most heads.
    ///
    /// # Errors
    /// There is another identity of that role whose name is equal but for case.
    pub fn case_twin(&self, entry: &Entry) -> Result<()> {
        let alike = self.names.get(&(entry.role, entry.name.to_lowercase()));
        let on_disk = alike.into_iter().flatten().find(|name| **name != entry.name).map(|name| (*name).to_owned());
        let twin = on_disk.or_else(|| self.world.inventory.twins(entry.role.as_str(), &entry.name).pop());
        match twin {
            Some(twin) => Err(Error::failed(format!(
                "{} {} was not issued: {} exists and differs only in case",
                entry.role,
                ui::quote(&entry.name),
                ui::quote(&twin)
            ))
            .hint("choose another name")),
            None => Ok(()),
        }
    }

    /// EXTERNAL checks neither password nor tags: a certificate with the name of a privileged user is that user.
    ///
    /// # Errors
    /// The name is such a user's, and nobody said `--existing-user`.
    pub fn privileged_user(&mut self, entry: &Entry) -> Result<()> {
        if entry.user.as_ref().is_none_or(|user| user.existing) {
            return Ok(());
        }
        for broker in self.world.manifest.brokers_of(entry) {
            let name = broker::user_name(entry, broker.login_from)?;
            let refuse = |why: &str| {
                Err(Error::failed(format!(
                    "client {} was not issued: {why}, and its certificate would log in as that user",
                    ui::quote(&entry.name)
                ))
                .hint("choose another name, or say that this is meant with --existing-user"))
            };
            if broker.administrator.as_deref() == Some(&*name) {
                return refuse("it is the broker's administrator");
            }
            if name == DEFAULT_USER {
                return refuse("guest is RabbitMQ's default administrator");
            }
            if broker.has_login_user(&name) {
                return refuse("the manifest lists it among the users with a password");
            }
            let users = match self.users.entry(broker.name.clone()) {
                Occupied(users) => users.into_mut(),
                Vacant(place) => place.insert(self.world.broker_users(broker)?),
            };
            if users.is_foreign_and_privileged(&name) {
                return refuse("definitions.json has a user of that name with a password or a tag");
            }
        }
        Ok(())
    }
}

impl World {
    /// An owner is refused before anything is signed, when nothing has happened yet.
    ///
    /// # Errors
    /// There is no such user, or we may not give files away.
    pub fn refuse_owner(&self, entry: &Entry) -> Result<()> {
        owner(entry.owner.as_deref()).map(drop)
    }

    /// A key that leaked still opens what its name opens, wherever the revocation is not checked.
    ///
    /// # Errors
    /// A certificate of this client is on hold; or it was revoked and has not expired, and not every broker checks that.
    pub fn refuse_leaked(&self, entry: &Entry, env: &Env) -> Result<()> {
        // A server's or node's name opens nothing by itself, and it needs a new pair now.
        if entry.role != Role::Client {
            return Ok(());
        }
        let unexpired = self.inventory.unexpired(entry.role.as_str(), &entry.name, env.now);
        let held = unexpired.iter().any(|issued| issued.revoked.as_ref().is_some_and(Revocation::is_hold));
        if held {
            return Err(Error::failed(format!(
                "{} {} was not issued: a certificate of that name is on hold",
                entry.role,
                ui::quote(&entry.name)
            ))
            .hint(format!("take the hold back with certgen revoke {} --reason removeFromCRL", reference(entry)))
            .hint(format!("or for a new certificate beside it: {}", forced(entry))));
        }
        let Some(accepted) = self.accepts_revoked(entry, env) else { return Ok(()) };
        Err(Error::failed(format!("{} {} was not issued: {accepted}", entry.role, ui::quote(&entry.name)))
            .hint(format!("choose another name: certgen issue client NEWNAME --like {}", ui::shell(&entry.name)))
            .hint(format!("or, if every broker checks the CRL: {}", forced(entry))))
    }

    /// What is to be known of a name that comes back: whoever has the key of a revoked certificate is let in again with its
    /// user. `None` where no broker accepts such a certificate.
    pub fn accepts_revoked(&self, entry: &Entry, env: &Env) -> Option<String> {
        let unexpired = self.inventory.unexpired(entry.role.as_str(), &entry.name, env.now);
        let revoked = unexpired.iter().find(|issued| issued.revoked.is_some())?;
        if entry.role != Role::Client || self.brokers_check_revocation(entry) {
            return None;
        }
        let until = revoked.not_after.map_or_else(String::new, |t| format!(" until {}", ui::date(t)));
        Some(format!(
            "a certificate of that name was revoked, and brokers that do not check revocation accept it{until}"
        ))
    }

    /// Every broker that the client talks to refuses what a revocation list names.
    pub fn brokers_check_revocation(&self, entry: &Entry) -> bool {
        let mut brokers = self.manifest.brokers_of(entry).peekable();
        brokers.peek().is_some() && brokers.all(|broker| broker.revocation)
    }

    /// What a revoked authority signs is worth nothing, and so is what one signs whose certificate a verifier refuses.
    ///
    /// # Errors
    /// The authority was revoked, or it was taken over and can only be replaced.
    pub fn refuse_unfit_authority(&self, name: &str) -> Result<()> {
        let Some(certificate) = self.authority(name) else { return Ok(()) };
        if self.is_revoked(certificate) {
            return Err(Error::failed(format!("authority {} was revoked and signs nothing any more", ui::quote(name)))
                .hint("name another one with --issuer NAME, or as issuer in certgen.toml"));
        }
        match self.why_unfit(name, certificate) {
            Some(why) => Err(Error::failed(format!("authority {} signs nothing any more: {why}", ui::quote(name)))
                .hint(format!("put another in its place: certgen rotate start {}", ui::shell(name)))),
            None => Ok(()),
        }
    }

    /// Why the certificate of an authority lets it sign nothing that is accepted: as it is, or as was found when it was taken
    /// over.
    pub(super) fn why_unfit(&self, name: &str, certificate: &Certificate) -> Option<String> {
        let found = || self.taken_event(layout::AUTHORITY, name, certificate)?.note;
        lint::unfit_issuer(certificate).or_else(found)
    }

    /// Whoever made the request has the key: a new key here would help nobody.
    ///
    /// # Errors
    /// The identity's key never was in the PKI.
    pub fn refuse_key_elsewhere(&self, entry: &Entry) -> Result<()> {
        let current = self.inventory.current(entry.role.as_str(), &entry.name);
        if current.is_none_or(|issued| issued.location != Location::Csr) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{} {} was not issued: its key is not here, its owner sends a request",
            entry.role,
            ui::quote(&entry.name)
        ))
        .hint(format!("with the request: certgen issue {} {} --csr FILE", entry.role, ui::shell(&entry.name))))
    }

    /// # Errors
    /// The authority exists already.
    pub fn refuse_existing_authority(&self, name: &str) -> Result<()> {
        let others = self.authority_names().filter(|other| *other != name);
        if let Some(twin) = equal_but_for_case(name, others) {
            return Err(Error::failed(format!(
                "authority {} was not issued: {} exists and differs only in case",
                ui::quote(name),
                ui::quote(twin)
            )));
        }
        if self.authority(name).is_none() && !self.store.holds(layout::ca_dir(name)?) {
            if self.inventory.authorities().get(name).is_none_or(|history| history.current().is_none()) {
                return Ok(());
            }
            return Err(Error::failed(format!(
                "authority {} was not issued: the inventory knows one of that name, and its files are gone",
                ui::quote(name)
            ))
            .hint("restore its directory in ca/ from a backup, or choose another name"));
        }
        Err(Error::failed(format!("authority {} exists already", ui::quote(name)))
            .hint("name another one: a second key for an authority would break every chain below it"))
    }
}

/// What issues it in spite of what is known.
fn forced(entry: &Entry) -> String {
    format!("certgen issue {} {} --force", entry.role, ui::shell(&entry.name))
}

/// An identity as people type it.
fn reference(entry: &Entry) -> String {
    ui::shell(&format!("{}/{}", entry.role, entry.name))
}
