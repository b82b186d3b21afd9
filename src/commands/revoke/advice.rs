//! What a revocation stops, what it does not, and what stops the rest: said for each identity, and run with `--run`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use time::OffsetDateTime;

use super::targets::Target;
use crate::apply::{Change, World};
use crate::commands::shared;
use crate::env::Env;
use crate::error::{Error, Result, io_reason};
use crate::profile::Role;
use crate::store::layout;
use crate::ui;

/// rabbitmqctl's exit code when there is no such user: EX_NOUSER of sysexits.h.
const NO_SUCH_USER: i32 = 67;

/// What there is to say about each identity of which something was revoked.
#[derive(Default)]
pub(super) struct Advice {
    about: BTreeMap<(String, String), About>,
    lines: Vec<String>,
}

/// One identity.
struct About {
    /// Until when the last of its certificates would be accepted.
    until: Option<OffsetDateTime>,
    issuer: String,
    /// The users in brokers that certgen made for it.
    users: BTreeSet<String>,
    /// It is a user that somebody else made.
    foreign: bool,
    /// It is for command line tools, which talk to nodes as nodes do.
    cli: bool,
    /// None of its certificates is good any more.
    withdrawn: bool,
    /// Something of it was revoked now.
    revoked: bool,
    /// The brokers of it that check revocation, and those that do not, as sentences call them.
    checking: Vec<String>,
    trusting: Vec<String>,
    /// Where the lists go on the hosts of those that check.
    copies: BTreeSet<(String, String)>,
}

impl Advice {
    /// Looks at everything that the change itself will make different.
    pub(super) fn before(world: &World, targets: &[Target], env: &Env) -> Result<Self> {
        let mut advice = Self::default();
        for target in targets {
            let key = (target.role.clone(), target.name.clone());
            if !advice.about.contains_key(&key) {
                advice.about.insert(key.clone(), About::of(world, target, env)?);
            }
            if let Some(about) = advice.about.get_mut(&key) {
                about.until = about.until.max(target.issued.not_after);
            }
        }
        Ok(advice)
    }

    /// Takes note of what the change does.
    pub(super) fn after(&mut self, change: &Change<'_>) {
        for ((role, name), about) in &mut self.about {
            let unexpired = change.world.inventory.unexpired(role.as_str(), name, change.env.now);
            about.withdrawn = unexpired.iter().all(|issued| change.standing(&issued.issuer, &issued.serial).is_some());
            about.revoked = change.revokes(role, name);
        }
    }

    /// What takes the users of an identity out of its brokers.
    pub(super) fn commands_for(&self, role: &str, name: &str) -> Vec<String> {
        let about = self.about.get(&(role.to_owned(), name.to_owned()));
        let users = about.filter(|about| about.withdrawn && about.revoked).map(|about| &about.users);
        users.into_iter().flatten().map(|user| shared::deletion_line(user)).collect()
    }

    /// The refusal where the authority can sign no list, with what stops the key all the same.
    pub(super) fn without_list(&self, role: &str, name: &str) -> Error {
        let about = self.about.get(&(role.to_owned(), name.to_owned()));
        let issuer = about.map(|about| about.issuer.as_str()).unwrap_or_default();
        let error = Error::failed(format!(
            "{} was not revoked: the certificate of authority {} does not allow it to sign revocation lists (cRLSign)",
            ui::plain(&format!("{role}/{name}")),
            ui::quote(issuer)
        ));
        let users = about.into_iter().flat_map(|about| &about.users);
        let error = users.fold(error, |error, user| {
            error.hint(format!("to cut it off now, on the broker's host: {}", shared::deletion_line(user)))
        });
        error
            .hint(format!(
                "if the key leaked, only another authority ends that: {} --compromised",
                shared::rotate(issuer)
            ))
            .hint(format!("otherwise without haste, for one that can sign lists: {}", shared::rotate(issuer)))
    }

    /// Runs it on this host. What fails is told with what to type, and does not undo the revocation.
    pub(super) fn run(&mut self, env: &Env) -> Result<()> {
        let users: BTreeSet<String> = self
            .about
            .values()
            .filter(|about| about.withdrawn && about.revoked)
            .flat_map(|about| about.users.iter().cloned())
            .collect();
        let mut failed: Option<Error> = None;
        for user in users {
            match delete_user(&user, env) {
                Ok(said) => self.lines.push(said),
                Err(why) => {
                    let error = failed.unwrap_or_else(|| {
                        Error::failed(format!("the certificate is revoked, but the broker was not told: {why}"))
                    });
                    failed = Some(error.hint(format!("on the broker's host: {}", shared::deletion_line(&user))));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Says it. `ran`: the commands were run and are not offered.
    pub(super) fn tell(&self, ran: bool, env: &mut Env) {
        for ((role, name), about) in self.about.iter().filter(|(_, about)| about.revoked) {
            let shown = ui::plain(&format!("{role}/{name}"));
            let until =
                about.until.map_or_else(|| "for ever".to_owned(), |end| format!("until {}", &ui::date(end)[..10]));
            if about.cli {
                env.say(format!(
                    "nodes do not read revocation lists among themselves: who has the key of {shown} and the cookie reaches them {until}\n\
                     if the key leaked, only another authority in the place of {} ends that: {} --compromised",
                    ui::plain(&about.issuer),
                    shared::rotate(&about.issuer)
                ));
            } else if role == Role::Client.as_str() {
                about.tell_client(name, &shown, &until, ran, env);
            } else if role == layout::AUTHORITY {
                env.say(format!(
                    "brokers look only the client's own certificate up: what {shown} has signed still opens connections {until}\n\
                     to end that, put another authority in its place: {} --compromised",
                    shared::rotate(name)
                ));
            } else {
                env.say(format!(
                    "clients do not read revocation lists: who has the key of {shown} can pose as it {until}\n\
                     a new pair for it: certgen issue {role} {} --force\n\
                     if the key leaked, only another authority in the place of {} ends that: {} --compromised",
                    ui::shell(name),
                    ui::plain(&about.issuer),
                    shared::rotate(&about.issuer)
                ));
            }
        }
        for line in &self.lines {
            env.say(line);
        }
    }
}

impl About {
    fn of(world: &World, target: &Target, env: &Env) -> Result<Self> {
        let mut about = Self {
            until: None,
            issuer: target.issued.issuer.clone(),
            users: BTreeSet::new(),
            foreign: false,
            cli: false,
            withdrawn: false,
            revoked: false,
            checking: Vec::new(),
            trusting: Vec::new(),
            copies: BTreeSet::new(),
        };
        if target.role != Role::Client.as_str() {
            return Ok(about);
        }
        let entry = world.entry(Role::Client, &target.name);
        let entry = entry.as_deref();
        let brokers: Vec<_> = match entry {
            Some(entry) => world.manifest.brokers_of(entry).collect(),
            None => world.manifest.brokers().iter().collect(),
        };
        match entry {
            Some(entry) => {
                about.users = world.users_made_for(entry)?;
                about.foreign =
                    !brokers.is_empty() && entry.user.is_some() && about.users.is_empty() && !world.is_withdrawn(entry);
                about.cli = entry.cli;
            }
            // It was taken out of the manifest; a broker that runs may not know that yet.
            None if !brokers.is_empty() => about.users = BTreeSet::from([target.name.clone()]),
            None => {}
        }
        for broker in brokers {
            let called =
                broker.name.as_ref().map_or_else(|| "the broker".to_owned(), |n| format!("broker {}", ui::quote(n)));
            if broker.revocation {
                about.checking.push(called);
                let from = world.store.path(layout::rabbitmq_dir(broker.name.as_deref())?.join("crls"));
                about.copies.insert((ui::path(env.shown(&from)), format!("{}/crls", broker.config_dir)));
            } else {
                about.trusting.push(called);
            }
        }
        Ok(about)
    }

    fn tell_client(&self, name: &str, shown: &str, until: &str, ran: bool, env: &mut Env) {
        if self.checking.is_empty() && self.trusting.is_empty() {
            env.say(format!(
                "certgen.toml has no broker: who does not read the authority's list accepts {shown} {until}"
            ));
        }
        for (from, to) in &self.copies {
            env.say(format!(
                "{} checks revocation lists: copy {from}/ to {to} on its hosts, and new connections are refused",
                self.checking.join(", ")
            ));
        }
        if !self.trusting.is_empty() {
            env.say(format!(
                "{} does not check revocation lists: the certificate works {until} wherever the user exists",
                self.trusting.join(", ")
            ));
        }
        if !self.withdrawn {
            if !self.trusting.is_empty() {
                env.say(format!(
                    "{shown} has another certificate that is good, so its user stays, and the revoked one logs in as that user\n\
                     to end that: certgen revoke {shown} --replace-with NEWNAME"
                ));
            }
            return;
        }
        if self.foreign {
            env.say(format!(
                "the user {} was not made for this certificate and stays: delete or rename it in the broker yourself",
                ui::quote(name)
            ));
        }
        if !ran && !self.users.is_empty() {
            let commands: Vec<String> =
                self.users.iter().map(|user| format!("\n  {}", shared::deletion_line(user))).collect();
            env.say(format!(
                "to cut it off now, with its open connections, on the broker's host:{}\n\
                 give the broker the new definitions.json too: with the old one its next boot brings the user back",
                commands.concat()
            ));
        }
    }
}

/// Deletes the user, which closes its connections. One that the broker does not know is gone already.
fn delete_user(user: &str, env: &Env) -> Result<String, String> {
    let words = shared::deletion_of(user);
    let mut command_line = Env::child(&words[0]);
    command_line.args(&words[1..]);
    command_line.current_dir(&env.cwd).stdout(Stdio::piped());
    let done = command_line.output().map_err(|e| format!("starting rabbitmqctl: {}", io_reason(&e)))?;
    if done.status.success() {
        return Ok(format!("ran: {}", shared::deletion_line(user)));
    }
    if done.status.code() == Some(NO_SUCH_USER) {
        return Ok(format!("the broker does not know the user {}", ui::quote(user)));
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    Err(format!("rabbitmqctl delete_user failed: {}", ui::plain(last.trim())))
}
