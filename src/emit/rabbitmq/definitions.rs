//! definitions.json: vhosts, users and permissions, as RabbitMQ imports them at boot or by `rabbitmqctl import_definitions`.
//!
//! What the versions demand (one bad entry is silent on 3.10 and keeps 4.x from booting): every user has `tags` (a list) and a
//! `password_hash`, empty for somebody who comes with a certificate alone (login by password is then refused); every vhost
//! and user that a permission names is in the file or in the broker. One entry stands on one line, so that people can read a
//! diff.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::facts::{BrokerFacts, UserFacts};
use crate::error::{Error, Result};
use crate::ui;

/// The entries that certgen is responsible for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definitions {
    /// Every vhost that a permission names.
    pub vhosts: Vec<String>,
    /// The users.
    pub users: Vec<User>,
    /// One for each user in each of its vhosts.
    pub permissions: Vec<Permission>,
    /// Permissions by topic.
    pub topic_permissions: Vec<TopicPermission>,
}

/// A user.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// What [`password_hash`] made; empty: no login by password.
    pub password_hash: String,
    /// Its tags.
    pub tags: Vec<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, password_hash, tags } = self;
        f.debug_struct("User")
            .field("name", name)
            .field("password", &!password_hash.is_empty())
            .field("tags", tags)
            .finish()
    }
}

/// What a user may do in a vhost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The user.
    pub user: String,
    /// The vhost.
    pub vhost: String,
    /// Which names it may declare and delete.
    pub configure: String,
    /// Which names it may publish to or bind.
    pub write: String,
    /// Which names it may consume from or bind to.
    pub read: String,
}

/// What a user may do with the topics of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermission {
    /// The user.
    pub user: String,
    /// The vhost.
    pub vhost: String,
    /// The topic exchange.
    pub exchange: String,
    /// Which topics it may publish to.
    pub write: String,
    /// Which topics it may subscribe to.
    pub read: String,
}

impl Definitions {
    /// Everything that a broker with these facts needs. Without any vhost there is `/`, or nobody could do anything.
    pub fn of_broker(facts: &BrokerFacts) -> Result<Self> {
        let mut all = Self::default();
        let mut known = BTreeSet::new();
        let vhosts = facts.vhosts.iter().chain(facts.users.iter().flat_map(|user| &user.vhosts));
        all.vhosts = vhosts.filter(|vhost| known.insert(*vhost)).cloned().collect();
        if all.vhosts.is_empty() {
            all.vhosts.push("/".into());
        }
        if let Some(administrator) = &facts.administrator {
            let everywhere = UserFacts {
                name: administrator.name.clone(),
                vhosts: all.vhosts.clone(),
                configure: ".*".into(),
                write: ".*".into(),
                read: ".*".into(),
                tags: vec!["administrator".into()],
                password_hash: Some(administrator.password_hash.clone()),
                ..UserFacts::default()
            };
            all.add_user(&everywhere)?;
        }
        let mut names: BTreeSet<&str> =
            facts.administrator.iter().map(|administrator| administrator.name.as_str()).collect();
        for user in &facts.users {
            if !names.insert(&user.name) {
                return Err(Error::failed(format!(
                    "writing definitions.json: two identities would be the user {}",
                    ui::quote(&user.name)
                )));
            }
            all.add_user(user)?;
        }
        Ok(all)
    }

    /// One user alone, to import into a running broker: it changes nobody else.
    ///
    /// Vhosts are left out: importing one that exists resets its description and tags (measured on 3.10.8 and 4.0.5). One that
    /// does not exist must be added first, see [`import_line`](super::import_line).
    pub fn of_user(user: &UserFacts) -> Result<Self> {
        let mut all = Self::default();
        all.add_user(user)?;
        Ok(all)
    }

    fn add_user(&mut self, user: &UserFacts) -> Result<()> {
        if user.name.is_empty() {
            return Err(Error::failed("writing definitions.json: a user has an empty name, which RabbitMQ refuses"));
        }
        self.users.push(User {
            name: user.name.clone(),
            password_hash: user.password_hash.clone().unwrap_or_default(),
            tags: user.tags.clone(),
        });
        let mut seen = BTreeSet::new();
        for vhost in user.vhosts.iter().filter(|vhost| seen.insert(*vhost)) {
            self.permissions.push(Permission {
                user: user.name.clone(),
                vhost: vhost.clone(),
                configure: user.configure.clone(),
                write: user.write.clone(),
                read: user.read.clone(),
            });
            self.topic_permissions.extend(user.topics.iter().map(|topic| TopicPermission {
                user: user.name.clone(),
                vhost: vhost.clone(),
                exchange: topic.exchange.clone(),
                write: topic.write.clone(),
                read: topic.read.clone(),
            }));
        }
        Ok(())
    }

    /// The entries of each section, in the order of the file.
    pub fn sections(&self) -> [(&'static str, Vec<String>); 4] {
        [
            ("vhosts", self.vhosts.iter().map(|vhost| vhost_entry(vhost)).collect()),
            ("users", self.users.iter().map(User::entry).collect()),
            ("permissions", self.permissions.iter().map(Permission::entry).collect()),
            ("topic_permissions", self.topic_permissions.iter().map(TopicPermission::entry).collect()),
        ]
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let sections = self.sections();
        let written: Vec<String> =
            sections.iter().filter(|(name, entries)| *name != "vhosts" || !entries.is_empty()).map(section).collect();
        format!("{{\n{}\n}}\n", written.join(",\n"))
    }
}

fn section((name, entries): &(&str, Vec<String>)) -> String {
    if entries.is_empty() {
        return format!("  \"{name}\": []");
    }
    format!("  \"{name}\": [\n    {}\n  ]", entries.join(",\n    "))
}

/// One entry on one line, with a space after colons and commas between members, as people write it.
fn line(members: &[(&str, Value)]) -> String {
    let written: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", written.join(", "))
}

pub(super) fn vhost_entry(name: &str) -> String {
    line(&[("name", json!(name))])
}

impl User {
    pub(super) fn entry(&self) -> String {
        line(&[
            ("name", json!(self.name)),
            ("password_hash", json!(self.password_hash)),
            ("hashing_algorithm", json!("rabbit_password_hashing_sha256")),
            ("tags", json!(self.tags)),
            ("limits", json!({})),
        ])
    }
}

impl Permission {
    pub(super) fn entry(&self) -> String {
        line(&[
            ("user", json!(self.user)),
            ("vhost", json!(self.vhost)),
            ("configure", json!(self.configure)),
            ("write", json!(self.write)),
            ("read", json!(self.read)),
        ])
    }
}

impl TopicPermission {
    pub(super) fn entry(&self) -> String {
        line(&[
            ("user", json!(self.user)),
            ("vhost", json!(self.vhost)),
            ("exchange", json!(self.exchange)),
            ("write", json!(self.write)),
            ("read", json!(self.read)),
        ])
    }
}

/// RabbitMQ's salted SHA-256: base64 of the salt and the digest of salt and password. The salt comes from the caller, who
/// takes it from the system's generator, once.
pub fn password_hash(password: &str, salt: [u8; 4]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&salt);
    context.update(password.as_bytes());
    let mut bytes = salt.to_vec();
    bytes.extend_from_slice(context.finish().as_ref());
    base64(&bytes)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |all, &byte| all << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let letter = ALPHABET[(group >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Administrator, TopicFacts};
    use super::*;

    fn user(name: &str, vhosts: &[&str]) -> UserFacts {
        UserFacts {
            name: name.into(),
            vhosts: vhosts.iter().map(|vhost| (*vhost).into()).collect(),
            configure: "^$".into(),
            write: r"^amq\.topic$".into(),
            read: "^q$".into(),
            ..UserFacts::default()
        }
    }

    #[test]
    fn the_hash_is_the_one_of_rabbitmqs_documentation() {
        // https://www.rabbitmq.com/docs/passwords: password "test12", salt 908D C60A.
        assert_eq!(
            password_hash("test12", [0x90, 0x8d, 0xc6, 0x0a]),
            "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
        );
    }

    #[test]
    fn base64_pads() {
        assert_eq!((base64(b"a"), base64(b"ab"), base64(b"abc")), ("YQ==".into(), "YWI=".into(), "YWJj".into()));
    }

    #[test]
    fn a_broker_gets_every_vhost_and_one_permission_for_each_user_in_it() {
        let mut facts = BrokerFacts::single("/c", "/e");
        facts.administrator = Some(Administrator { name: "admin".into(), password_hash: "H".into() });
        facts.users = vec![user("worker", &["tasks", "tasks"]), user("device", &["iot"])];
        facts.users[1].topics =
            vec![TopicFacts { exchange: "amq.topic".into(), write: "^a".into(), read: "^b".into() }];
        let expected = r#"{
  "vhosts": [
    {"name": "tasks"},
    {"name": "iot"}
  ],
  "users": [
    {"name": "admin", "password_hash": "H", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["administrator"], "limits": {}},
    {"name": "worker", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [], "limits": {}},
    {"name": "device", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [], "limits": {}}
  ],
  "permissions": [
    {"user": "admin", "vhost": "tasks", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "admin", "vhost": "iot", "configure": ".*", "write": ".*", "read": ".*"},
    {"user": "worker", "vhost": "tasks", "configure": "^$", "write": "^amq\\.topic$", "read": "^q$"},
    {"user": "device", "vhost": "iot", "configure": "^$", "write": "^amq\\.topic$", "read": "^q$"}
  ],
  "topic_permissions": [
    {"user": "device", "vhost": "iot", "exchange": "amq.topic", "write": "^a", "read": "^b"}
  ]
}
"#;
        assert_eq!(Definitions::of_broker(&facts).unwrap().to_json(), expected);
    }

    #[test]
    fn without_a_vhost_there_is_the_default_one() {
        let definitions = Definitions::of_broker(&BrokerFacts::single("/c", "/e")).unwrap();
        assert_eq!(definitions.vhosts, ["/"]);
    }

    #[test]
    fn hostile_names_stay_data() {
        let hostile = "a\"b\\c\n#$%{{é\u{202e}";
        let json = Definitions::of_user(&user(hostile, &[hostile])).unwrap().to_json();
        let back: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["users"][0]["name"], hostile);
        assert_eq!(back["permissions"][0]["vhost"], hostile);
        assert!(back.get("vhosts").is_none());
    }

    #[test]
    fn two_identities_are_never_one_user() {
        let mut facts = BrokerFacts::single("/c", "/e");
        facts.users = vec![user("a", &["/"]), user("a", &["/x"])];
        assert!(Definitions::of_broker(&facts).unwrap_err().message().contains("\"a\""));
        facts.users = vec![user("", &["/"])];
        assert!(Definitions::of_broker(&facts).is_err());
    }
}
