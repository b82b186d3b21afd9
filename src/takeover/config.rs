//! What a broker's own configuration says about logins: which name of a certificate is the user, and who the users are.

use crate::emit::rabbitmq::{Permission, TopicPermission};
use crate::manifest::LoginFrom;

/// What of a broker's configuration is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Where the broker takes the name of a user from; `None` if no file that was given says so.
    pub login_from: Option<LoginFrom>,
    /// The mechanisms that it offers, in its order; empty if no file says so.
    pub mechanisms: Vec<String>,
    /// Its vhosts.
    pub vhosts: Vec<String>,
    /// Its users.
    pub users: Vec<KeptUser>,
    /// What cannot be kept; sentences that are safe to show.
    pub notes: Vec<String>,
}

/// A user of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUser {
    /// Its name, which need not be a common name: `O=client,CN=x`.
    pub name: String,
    /// It has a password: EXTERNAL would log a client in as somebody who also logs in with it.
    pub with_password: bool,
    /// Its tags.
    pub tags: Vec<String>,
    /// What it may do, one for each vhost.
    pub permissions: Vec<Permission>,
    /// What it may do with topics.
    pub topic_permissions: Vec<TopicPermission>,
}
