//! What a broker's own configuration says of logins, kept when its certificates come here.

use std::collections::BTreeSet;

use crate::apply::{Change, user_name};
use crate::error::{Error, Result};
use crate::manifest::{Broker, Editor, Entry, LoginFrom, Value};
use crate::store::{OutputFile, layout};
use crate::takeover::{Kept, KeptUser};
use crate::ui;

/// A list of names that people keep in a manifest.
const MOST_USERS: usize = 1000;

/// What a broker's own files say.
#[derive(Debug, Default)]
pub struct KeptConfiguration {
    /// Logins and users.
    pub kept: Kept,
    /// Its definitions as they are, if they were given.
    pub definitions: Option<Vec<u8>>,
}

/// What a client is to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// A user that it has.
    Known,
    /// Nobody.
    Unknown,
}

impl KeptConfiguration {
    /// What the broker takes for the user's name. Where no file says so, its users do: one who is called like a whole subject
    /// shows RabbitMQ's default.
    fn login_from(&self) -> LoginFrom {
        let by_subject = || self.kept.users.iter().any(|user| user.name.contains("CN="));
        let default = || if by_subject() { LoginFrom::DistinguishedName } else { LoginFrom::CommonName };
        self.kept.login_from.unwrap_or_else(default)
    }

    /// Whether a client is one of the broker's users.
    ///
    /// # Errors
    /// It would be one with a password or a tag.
    pub(super) fn standing(&self, entry: &Entry) -> Result<Standing> {
        let Some(user) = self.user_of(entry) else { return Ok(Standing::Unknown) };
        let what = match (user.with_password, user.tags.as_slice()) {
            (true, _) => "a password".to_owned(),
            (_, [tag, ..]) => format!("the tag {}", ui::quote(tag)),
            _ => return Ok(Standing::Known),
        };
        Err(Error::failed(format!(
            "client {} would be the user {} of the broker, which has {what}",
            ui::quote(&entry.name),
            ui::quote(&user.name)
        ))
        .hint("if that is meant, say so with --existing-user"))
    }

    fn user_of(&self, entry: &Entry) -> Option<&KeptUser> {
        let name = user_name(entry, self.login_from()).ok()?;
        self.kept.users.iter().find(|user| user.name == name)
    }

    /// The users that certgen leaves alone: those with a password or a tag, and those that clients are.
    fn users_of_others(&self, clients: &[Entry]) -> BTreeSet<String> {
        let privileged = self.kept.users.iter().filter(|user| user.with_password || !user.tags.is_empty());
        let known = clients.iter().filter_map(|entry| self.user_of(entry));
        let names = privileged.chain(known).map(|user| user.name.clone());
        names.filter(|name| !name.is_empty() && !name.chars().any(char::is_control)).collect()
    }
}

impl Change<'_> {
    /// Writes what is kept into the manifest's broker, which is made if there is none.
    pub(super) fn keep_configuration(&mut self, configuration: &KeptConfiguration, editor: &mut Editor) -> Result<()> {
        let table: Vec<String> = match self.world.manifest.brokers() {
            [] => vec!["broker".to_owned()],
            [Broker { name: None, .. }] => vec!["broker".to_owned()],
            [Broker { name: Some(name), .. }] => vec!["broker".to_owned(), name.clone()],
            _ => {
                return Err(Error::usage("--config is about one broker, and certgen.toml has several")
                    .hint("write login_from into the broker's table in certgen.toml"));
            }
        };
        let is_new = self.world.manifest.brokers().is_empty();
        let table: Vec<&str> = table.iter().map(String::as_str).collect();
        let login_from = configuration.login_from();
        if configuration.kept.login_from.is_some() || is_new {
            editor.set(&table, "login_from", &Value::String(login_from.to_string()))?;
        }
        let clients: Vec<Entry> = self.world.parse(editor.text())?.entries().to_vec();
        let clients: Vec<Entry> = clients.into_iter().filter(|entry| entry.user.is_some()).collect();
        let mut names = configuration.users_of_others(&clients);
        let known = self.world.manifest.brokers().first();
        names.extend(known.and_then(|broker| broker.login_users.clone()).into_iter().flatten());
        if names.len() > MOST_USERS {
            return Err(Error::failed(format!(
                "the broker has {} users, and certgen.toml takes {MOST_USERS} as login_users",
                names.len()
            ))
            .hint("leave the definitions out of --config"));
        }
        if !names.is_empty() {
            editor.set(&table, "login_users", &Value::Strings(names.into_iter().collect()))?;
        }
        let has_administrator =
            configuration.kept.users.iter().any(|user| user.tags.iter().any(|tag| tag == "administrator"));
        if is_new && has_administrator {
            editor.set(&table, "administrator", &Value::Boolean(false))?;
        }
        self.keep_definitions(configuration, known_name(&table))
    }

    /// The definitions stay as they are but for what clients of ours need; those that are here already stay.
    fn keep_definitions(&mut self, configuration: &KeptConfiguration, broker: Option<&str>) -> Result<()> {
        let Some(definitions) = &configuration.definitions else { return Ok(()) };
        let path = layout::rabbitmq_dir(broker)?.join("definitions.json");
        if self.world.store.holds(&path) {
            self.done
                .notes
                .push("the definitions here stay as they are: users and permissions were not added".to_owned());
        } else {
            self.stage_file(OutputFile::private(path, definitions.clone()));
        }
        Ok(())
    }
}

fn known_name<'t>(table: &[&'t str]) -> Option<&'t str> {
    table.get(1).copied()
}
