//! The RabbitMQ user that belongs to a client: what it may do, in certgen's words or as regular expressions.
//!
//! What `celery` or `mqtt` means in permissions is RabbitMQ's business and stands in `emit/rabbitmq/`; here the words are
//! read and nothing is computed from them.

use std::fmt;
use std::str::FromStr;

use super::Checked;
use super::message::Problem;
use super::schema;
use super::spec::EntrySpec;
use crate::profile::nearest;
use crate::ui;

/// The user of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The virtual hosts on which its permissions hold; with permissions there is always one.
    pub vhosts: Vec<String>,
    /// What it may do there.
    pub permissions: Permissions,
    /// What it may do with the routing keys of a topic exchange.
    pub topic: Vec<TopicPermission>,
    /// Its tags. A worker needs none.
    pub tags: Vec<String>,
    /// It also gets a generated password.
    pub with_password: bool,
    /// It may be a user that already has a password or a tag.
    pub existing: bool,
    checked: Checked,
}

/// What a user may do on its virtual hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Nothing was said: nothing is allowed.
    #[default]
    None,
    /// In certgen's words.
    Access(Vec<Access>),
    /// As RabbitMQ's regular expressions; an empty one matches nothing.
    Patterns {
        /// What it may configure.
        configure: String,
        /// What it may write to.
        write: String,
        /// What it may read from.
        read: String,
    },
}

impl User {
    /// It has a permission or a tag.
    pub fn may_do_anything(&self) -> bool {
        let permitted = match &self.permissions {
            Permissions::None => false,
            Permissions::Access(access) => !access.is_empty(),
            Permissions::Patterns { configure, write, read } => [configure, write, read].iter().any(|p| !p.is_empty()),
        };
        permitted || !self.tags.is_empty()
    }
}

/// A purpose that certgen knows the permissions of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// A Celery worker or sender; without queues, the queue `celery`.
    Celery {
        /// The task queues.
        queues: Vec<String>,
    },
    /// An MQTT device.
    Mqtt,
    /// Publishing to one exchange.
    Publish {
        /// The exchange.
        exchange: String,
    },
    /// Consuming from one queue.
    Consume {
        /// The queue.
        queue: String,
    },
    /// Watching.
    Monitor,
    /// Everything on the virtual host.
    All,
}

/// What a user may do with the routing keys of one topic exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermission {
    /// The exchange.
    pub exchange: String,
    /// The routing keys to write.
    pub write: String,
    /// The routing keys to read.
    pub read: String,
}

/// MQTT topics are routing keys of this exchange.
const DEFAULT_TOPIC_EXCHANGE: &str = "amq.topic";
/// RabbitMQ's names are short strings of AMQP 0-9-1.
const LONGEST_NAME: usize = 255;
/// Items of a list are compared with one another; the longest that makes sense are names in a certificate.
const LONGEST_LIST: usize = 1000;
const WORDS: [&str; 6] = ["celery", "mqtt", "publish", "consume", "monitor", "all"];

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Celery { queues } if queues.is_empty() => f.write_str("celery"),
            Self::Celery { queues } => write!(f, "celery:{}", queues.join(",")),
            Self::Mqtt => f.write_str("mqtt"),
            Self::Publish { exchange } => write!(f, "publish:{exchange}"),
            Self::Consume { queue } => write!(f, "consume:{queue}"),
            Self::Monitor => f.write_str("monitor"),
            Self::All => f.write_str("all"),
        }
    }
}

/// The text names no purpose; the message says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownAccess(String);

impl FromStr for Access {
    type Err = UnknownAccess;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (word, object) = match text.split_once(':') {
            Some((word, object)) => (word, Some(object)),
            None => (text, None),
        };
        match (word, object) {
            ("celery", None) => Ok(Self::Celery { queues: Vec::new() }),
            ("celery", Some(queues)) => {
                let queues = queues.split(',').map(|queue| amqp_name("queue", queue)).collect::<Result<_, _>>();
                Ok(Self::Celery { queues: queues.map_err(UnknownAccess)? })
            }
            ("mqtt", None) => Ok(Self::Mqtt),
            ("monitor", None) => Ok(Self::Monitor),
            ("all", None) => Ok(Self::All),
            ("publish", Some(exchange)) => {
                Ok(Self::Publish { exchange: amqp_name("exchange", exchange).map_err(UnknownAccess)? })
            }
            ("consume", Some(queue)) => Ok(Self::Consume { queue: amqp_name("queue", queue).map_err(UnknownAccess)? }),
            ("publish", None) => Err(UnknownAccess("access \"publish\" needs an exchange: publish:EXCHANGE".into())),
            ("consume", None) => Err(UnknownAccess("access \"consume\" needs a queue: consume:QUEUE".into())),
            ("mqtt" | "monitor" | "all", Some(_)) => {
                Err(UnknownAccess(format!("access {word:?} takes nothing after it")))
            }
            _ => Err(UnknownAccess(unknown(text, word))),
        }
    }
}

fn unknown(text: &str, word: &str) -> String {
    let message = format!("{} is not a kind of access", ui::quote(text));
    match nearest(word, WORDS) {
        Some(meant) => format!("{message}: did you mean {meant:?}?"),
        None => {
            format!("{message}: it is celery, celery:QUEUE,..., mqtt, publish:EXCHANGE, consume:QUEUE, monitor or all")
        }
    }
}

/// What an entry, or the defaults below it, say about users.
#[derive(Debug, Clone, Default)]
pub(crate) struct UserSettings {
    vhosts: Option<Vec<String>>,
    permissions: Option<Permissions>,
    topic: Option<TopicPermission>,
    tags: Option<Vec<String>>,
    with_password: Option<bool>,
    existing: bool,
}

impl UserSettings {
    pub(crate) fn read(spec: &EntrySpec) -> Result<Self, Problem> {
        Ok(Self {
            vhosts: spec.vhost.as_ref().map(|vhosts| vhost_names(schema::VHOST.name, vhosts)).transpose()?,
            permissions: permissions(spec)?,
            topic: topic(spec)?,
            tags: spec.tags.as_ref().map(|tags| tag_names(tags)).transpose()?,
            with_password: spec.password,
            existing: spec.existing_user.unwrap_or(false),
        })
    }

    /// These settings, and those `below` for what these do not say. Permissions are replaced as a whole: half of one
    /// purpose and half of another is nobody's wish.
    pub(crate) fn over(self, below: &Self) -> Self {
        Self {
            vhosts: self.vhosts.or_else(|| below.vhosts.clone()),
            permissions: self.permissions.or_else(|| below.permissions.clone()),
            topic: self.topic.or_else(|| below.topic.clone()),
            tags: self.tags.or_else(|| below.tags.clone()),
            with_password: self.with_password.or(below.with_password),
            existing: self.existing,
        }
    }

    /// The key that speaks about a user, if there is one: an entry without a user may have none of them.
    pub(crate) fn key_in(spec: &EntrySpec) -> Option<&'static str> {
        let said = [
            (spec.vhost.is_some(), schema::VHOST),
            (spec.access.is_some(), schema::ACCESS),
            (spec.configure.is_some(), schema::CONFIGURE),
            (spec.write.is_some(), schema::WRITE),
            (spec.read.is_some(), schema::READ),
            (spec.topic_exchange.is_some(), schema::TOPIC_EXCHANGE),
            (spec.topic_write.is_some(), schema::TOPIC_WRITE),
            (spec.topic_read.is_some(), schema::TOPIC_READ),
            (spec.tags.is_some(), schema::TAGS),
            (spec.password == Some(true), schema::PASSWORD),
            (spec.existing_user == Some(true), schema::EXISTING_USER),
        ];
        said.into_iter().find(|(is, _)| *is).map(|(_, key)| key.name)
    }

    pub(crate) fn into_user(self) -> User {
        let permissions = self.permissions.unwrap_or_default();
        let default_vhost = || match &permissions {
            Permissions::None if self.topic.is_none() => Vec::new(),
            _ => vec!["/".to_owned()],
        };
        User {
            vhosts: self.vhosts.unwrap_or_else(default_vhost),
            permissions,
            topic: self.topic.into_iter().collect(),
            tags: self.tags.unwrap_or_default(),
            with_password: self.with_password.unwrap_or(false),
            existing: self.existing,
            checked: Checked,
        }
    }
}

fn permissions(spec: &EntrySpec) -> Result<Option<Permissions>, Problem> {
    let patterns =
        [(schema::CONFIGURE.name, &spec.configure), (schema::WRITE.name, &spec.write), (schema::READ.name, &spec.read)];
    let written = patterns.iter().find(|(_, pattern)| pattern.is_some());
    if let (Some(_), Some((key, _))) = (&spec.access, written) {
        let message =
            format!("access and {key} contradict each other: it is either access or configure, write and read");
        return Err(Problem::of(key, message));
    }
    if let Some(access) = &spec.access {
        return access_list(access).map(Permissions::Access).map(Some);
    }
    if written.is_none() {
        return Ok(None);
    }
    for (key, pattern) in patterns {
        pattern.as_deref().map_or(Ok(()), |pattern| check_pattern(key, pattern))?;
    }
    // A pattern that was left out grants nothing, exactly like an empty one.
    let [configure, write, read] = patterns.map(|(_, pattern)| pattern.clone().unwrap_or_default());
    Ok(Some(Permissions::Patterns { configure, write, read }))
}

fn access_list(texts: &[String]) -> Result<Vec<Access>, Problem> {
    let mut list = Vec::new();
    for (item, text) in texts.iter().enumerate() {
        let refuse = |message: String| Problem::item(schema::ACCESS.name, item, message);
        let access: Access = text.parse().map_err(|e: UnknownAccess| refuse(e.to_string()))?;
        if list.contains(&access) {
            return Err(refuse(format!("access {} stands there twice", ui::quote(text))));
        }
        list.push(access);
    }
    if list.is_empty() {
        return Err(
            Problem::of(schema::ACCESS.name, "the list of access is empty").hint("leave it out to allow nothing")
        );
    }
    Ok(list)
}

fn topic(spec: &EntrySpec) -> Result<Option<TopicPermission>, Problem> {
    let (write, read) = (spec.topic_write.as_deref(), spec.topic_read.as_deref());
    if write.is_none() && read.is_none() {
        return match spec.topic_exchange {
            Some(_) => Err(Problem::of(schema::TOPIC_EXCHANGE.name, "topic_exchange needs topic_write or topic_read")),
            None => Ok(None),
        };
    }
    for (key, pattern) in [(schema::TOPIC_WRITE.name, write), (schema::TOPIC_READ.name, read)] {
        pattern.map_or(Ok(()), |pattern| check_pattern(key, pattern))?;
    }
    let exchange = spec.topic_exchange.as_deref().unwrap_or(DEFAULT_TOPIC_EXCHANGE);
    let exchange = amqp_name("exchange", exchange).map_err(|why| Problem::of(schema::TOPIC_EXCHANGE.name, why))?;
    let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(Some(TopicPermission { exchange, write: owned(write), read: owned(read) }))
}

fn check_pattern(key: &'static str, pattern: &str) -> Result<(), Problem> {
    regular_expression(pattern).map_err(|why| Problem::of(key, why))
}

/// Catches the slips that make a broker of RabbitMQ 4 refuse to boot; the broker's own judgement is PCRE's.
pub(crate) fn regular_expression(pattern: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(format!("{} is not a regular expression: {why}", ui::quote(pattern)));
    if pattern.len() > 4096 {
        return refuse("it has more than 4096 characters");
    }
    if pattern.chars().any(char::is_control) {
        return refuse("it has a control character");
    }
    if pattern.starts_with(['*', '+', '?']) {
        return refuse("nothing stands before its first repetition; every name is .*");
    }
    let (mut depth, mut in_class, mut chars) = (0_usize, false, pattern.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next().is_none() => return refuse("it ends in a backslash"),
            '[' if !in_class => {
                in_class = true;
                // A bracket right at the start of a class is a member of it.
                chars.next_if_eq(&'^');
                chars.next_if_eq(&']');
            }
            ']' if in_class => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return refuse("a ) has no ("),
            },
            _ => {}
        }
    }
    if in_class {
        return refuse("a [ is not closed");
    }
    if depth > 0 { refuse("a ( is not closed") } else { Ok(()) }
}

/// Names of virtual hosts, each once.
pub(crate) fn vhost_names(key: &'static str, names: &[String]) -> Result<Vec<String>, Problem> {
    unique(key, names, |name| amqp_name("virtual host", name))
}

fn tag_names(tags: &[String]) -> Result<Vec<String>, Problem> {
    unique(schema::TAGS.name, tags, |tag| {
        if tag.is_empty()
            || tag.len() > LONGEST_NAME
            || tag.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',')
        {
            return Err(format!(
                "{} is not a tag: one word such as monitoring, policymaker or management",
                ui::quote(tag)
            ));
        }
        Ok(tag.to_owned())
    })
}

/// Every item checked, none twice.
pub(crate) fn unique<T: PartialEq>(
    key: &'static str,
    items: &[String],
    check: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Problem> {
    if items.len() > LONGEST_LIST {
        return Err(Problem::of(key, format!("{} items are too many for {key}: at most {LONGEST_LIST}", items.len())));
    }
    let mut list = Vec::with_capacity(items.len());
    for (at, text) in items.iter().enumerate() {
        let value = check(text).map_err(|why| Problem::item(key, at, why))?;
        if list.contains(&value) {
            return Err(Problem::item(key, at, format!("{} stands in {key} twice", ui::quote(text))));
        }
        list.push(value);
    }
    Ok(list)
}

/// A name of something in the broker.
fn amqp_name(what: &str, name: &str) -> Result<String, String> {
    let refuse = |why: &str| Err(format!("{} is not the name of a {what}: {why}", ui::quote(name)));
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.len() > LONGEST_NAME {
        return refuse("it has more than 255 bytes");
    }
    if name.chars().any(char::is_control) {
        return refuse("it has a control character");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn access(text: &str) -> Result<Access, String> {
        text.parse().map_err(|e: UnknownAccess| e.to_string())
    }

    #[test]
    fn access_round_trips() {
        for text in ["celery", "celery:reports,mail", "mqtt", "publish:orders", "consume:a:b", "monitor", "all"] {
            assert_eq!(access(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_access_says_what_is() {
        assert_eq!(access("celary").unwrap_err(), r#""celary" is not a kind of access: did you mean "celery"?"#);
        assert_eq!(access("publish").unwrap_err(), "access \"publish\" needs an exchange: publish:EXCHANGE");
        assert!(access("celery:a,,b").unwrap_err().contains("it is empty"));
        assert!(access("mqtt:x").unwrap_err().contains("takes nothing after it"));
        assert!(access("anything").unwrap_err().contains("monitor or all"));
    }

    #[test]
    fn patterns_that_rabbitmq_4_would_not_boot_with_are_refused() {
        for good in ["", ".*", "^$", "^(a|b)[.]c$", r"a\(b", "[]a]", "[^]a]", "[(]"] {
            assert_eq!(check_pattern("read", good), Ok(()), "{good}");
        }
        for bad in ["*", "(", ")", "[a", "a\\", "a\nb", "(a))"] {
            assert!(check_pattern("read", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_pattern_is_a_wish_and_a_missing_one_is_not() {
        let read = |spec: &EntrySpec| UserSettings::read(spec).unwrap();
        let below = read(&EntrySpec { access: Some(vec!["celery".into()]), ..Default::default() });
        let own = read(&EntrySpec { read: Some(String::new()), ..Default::default() });
        let nothing = Permissions::Patterns { configure: String::new(), write: String::new(), read: String::new() };
        assert_eq!(own.over(&below).into_user().permissions, nothing);
        let silent = read(&EntrySpec::default());
        assert_eq!(silent.clone().over(&below).into_user().vhosts, ["/"]);
        assert_eq!(silent.into_user().permissions, Permissions::None);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,20}") {
            if let Ok(parsed) = access(&text) {
                prop_assert_eq!(access(&parsed.to_string()), Ok(parsed));
            }
            let _ = check_pattern("read", &text);
        }
    }
}
