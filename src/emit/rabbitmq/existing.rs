//! The users and vhosts of a definitions.json that is there already.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::{Error, Result};

/// A user as RabbitMQ exported or certgen wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ExistingUser {
    /// The name.
    pub name: String,
    /// The hash of the password; empty for a user that has none.
    #[serde(default)]
    pub password_hash: Option<String>,
    #[serde(default)]
    tags: Tags,
}

/// RabbitMQ reads and has written both forms.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum Tags {
    List(Vec<String>),
    Text(String),
}

impl Default for Tags {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl ExistingUser {
    /// Its tags.
    pub fn tags(&self) -> Vec<String> {
        let all = match &self.tags {
            Tags::List(tags) => tags.clone(),
            Tags::Text(tags) => tags.split(',').map(|tag| tag.trim().to_owned()).collect(),
        };
        all.into_iter().filter(|tag| !tag.is_empty()).collect()
    }

    /// It has a password or a tag: whoever can log in under its name gets what those give.
    pub fn is_privileged(&self) -> bool {
        let tagged = match &self.tags {
            Tags::List(tags) => tags.iter().any(|tag| !tag.is_empty()),
            Tags::Text(tags) => !tags.trim().is_empty(),
        };
        tagged || self.password_hash.as_ref().is_some_and(|hash| !hash.is_empty())
    }
}

/// The users in a definitions.json.
///
/// # Errors
/// It is not JSON, or its users are not what RabbitMQ's are.
pub fn existing_users(definitions: &[u8]) -> Result<Vec<ExistingUser>> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        users: Vec<ExistingUser>,
    }
    read(definitions).map(|file: File| file.users)
}

/// The names of the vhosts in a definitions.json.
///
/// # Errors
/// It is not JSON, or its vhosts have no names.
pub fn existing_vhosts(definitions: &[u8]) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        vhosts: Vec<Vhost>,
    }
    #[derive(Deserialize)]
    struct Vhost {
        name: String,
    }
    Ok(read::<File>(definitions)?.vhosts.into_iter().map(|vhost| vhost.name).collect())
}

/// A user as `rabbitmqctl list_users --formatter json` tells it: whether it has a password is not said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedUser {
    /// The name.
    #[serde(rename = "user")]
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The users of a running broker.
///
/// # Errors
/// It is not what that command prints.
pub fn listed_users(json: &[u8]) -> Result<Vec<ListedUser>> {
    serde_json::from_slice(json).map_err(|e| {
        let why = e.to_string().replace('\n', " ");
        Error::failed(format!("reading the broker's users: {why}"))
            .hint("they are what this prints: rabbitmqctl list_users --formatter json")
    })
}

fn read<'d, T: Deserialize<'d>>(definitions: &'d [u8]) -> Result<T> {
    serde_json::from_slice(definitions).map_err(|e| {
        Error::failed(format!("reading definitions.json: {e}"))
            .hint("repair the file, or move it away to have it written anew")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vhosts_have_names() {
        let vhosts = existing_vhosts(br#"{"vhosts":[{"name":"/","tags":[]},{"name":"a"}],"users":1}"#).unwrap();
        assert_eq!(vhosts.into_iter().collect::<Vec<_>>(), ["/", "a"]);
        assert!(existing_vhosts(b"{}").unwrap().is_empty() && existing_vhosts(b"[").is_err());
    }

    #[test]
    fn a_running_broker_tells_names_and_tags() {
        let json = b"[\n{\"user\":\"orders\",\"tags\":[]}\n,{\"user\":\"guest\",\"tags\":[\"administrator\"]}\n]\n";
        let users = listed_users(json).unwrap();
        assert_eq!((users[0].name.as_str(), users[1].tags.len()), ("orders", 1));
        for wrong in ["", "Listing users ...\nuser\ttags\n", "[{\"name\":\"a\",\"tags\":[]}]", "{\"users\":[]}"] {
            assert!(listed_users(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_or_a_tag_makes_a_user_privileged() {
        let users = existing_users(
            br#"{"users":[{"name":"a","password_hash":"","tags":[]},{"name":"b","password_hash":"x","tags":""},
                {"name":"c","tags":"administrator,monitoring"},{"name":"d","tags":["management"]},{"name":"e"}]}"#,
        )
        .unwrap();
        let privileged: Vec<&str> = users.iter().filter(|u| u.is_privileged()).map(|u| u.name.as_str()).collect();
        assert_eq!(privileged, ["b", "c", "d"]);
    }
}
