//! What is asked for, laid over what stands in the manifest already.

use super::message::ManifestError;
use super::{Entry, EntrySpec, Manifest, Permissions, Role};

impl EntrySpec {
    /// This specification, and `below` for what it does not say. Permissions are said as a whole: a purpose replaces
    /// patterns, and patterns a purpose.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let says_permissions =
            self.access.is_some() || self.configure.is_some() || self.write.is_some() || self.read.is_some();
        let permissions =
            |own: Option<String>, below: Option<String>| if says_permissions { own } else { own.or(below) };
        Self {
            issuer: self.issuer.or(below.issuer),
            san: self.san.or(below.san),
            kubernetes: self.kubernetes.or(below.kubernetes),
            key_type: self.key_type.or(below.key_type),
            validity: self.validity.or(below.validity),
            subject: self.subject.or(below.subject),
            owner: self.owner.or(below.owner),
            key_mode: self.key_mode.or(below.key_mode),
            key_password_file: self.key_password_file.or(below.key_password_file),
            vhost: self.vhost.or(below.vhost),
            access: if says_permissions { self.access } else { below.access },
            configure: permissions(self.configure, below.configure),
            write: permissions(self.write, below.write),
            read: permissions(self.read, below.read),
            topic_exchange: self.topic_exchange.or(below.topic_exchange),
            topic_write: self.topic_write.or(below.topic_write),
            topic_read: self.topic_read.or(below.topic_read),
            tags: self.tags.or(below.tags),
            password: self.password.or(below.password),
            cli: self.cli.or(below.cli),
            existing_user: self.existing_user.or(below.existing_user),
            broker: self.broker.or(below.broker),
        }
    }

    /// The virtual hosts, permissions, tags and brokers of another client, for one that shall be like it. What the model
    /// takes from the defaults is said by name, so that the copy stays what it was.
    #[must_use]
    pub fn user_of(model: &Entry) -> Self {
        let Some(user) = &model.user else { return Self::default() };
        let list = |values: &[String]| (!values.is_empty()).then(|| values.to_vec());
        let mut spec =
            Self { vhost: list(&user.vhosts), tags: list(&user.tags), broker: list(&model.brokers), ..Self::default() };
        match &user.permissions {
            Permissions::None => {}
            Permissions::Access(access) => spec.access = Some(access.iter().map(ToString::to_string).collect()),
            Permissions::Patterns { configure, write, read } => {
                spec.configure = Some(configure.clone());
                spec.write = Some(write.clone());
                spec.read = Some(read.clone());
            }
        }
        if let Some(topic) = user.topic.first() {
            spec.topic_exchange = Some(topic.exchange.clone());
            spec.topic_write = Some(topic.write.clone());
            spec.topic_read = Some(topic.read.clone());
        }
        spec
    }
}

impl Manifest {
    /// An entry without any manifest around it: for a request that somebody else's authority will sign.
    pub fn lone_entry(role: Role, name: &str, spec: &EntrySpec) -> Result<Entry, ManifestError> {
        let alone = Self::parse("version = 1\n[authority.other]\n", "the request")?;
        alone.entry_from(role, name, spec)
    }
}
