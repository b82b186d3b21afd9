//! What `--access` allows: the least with which that kind of user does its work, measured, not guessed.
//!
//! Every alternative below was dropped on its own from a user that could do everything else, and something failed, on
//! RabbitMQ 3.10.8 (OTP 25) and 4.0.5 (OTP 27), with celery 5.7.0 (kombu 5.7.0, py-amqp 5.4.2), paho-mqtt 2.2.0 and pika
//! 1.4.4. `tests/interop/access_probe.py` reads these very constants and repeats the measurement.

use crate::manifest::Access;

/// How Celery, kombu and Python write an identifier of their own.
const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/// What a Celery worker (`-E`) and a client that sends tasks and reads results declare, by name:
/// `QUEUE` the task queue and its exchange of the same name (without it: the worker does not start);
/// `celery.pidbox` and `reply.celery.pidbox` the exchanges of remote control, `NAME@HOST.celery.pidbox` the worker's own
/// inbox, `UUID.reply.celery.pidbox` where answers arrive (without any of them: the worker does not start, because it asks
/// its neighbours with it); `celeryev` and `celeryev.UUID` the events (without: the worker does not start, gossip);
/// `UUID` the queue of `rpc://` results (without: no result arrives).
const CELERY_CONFIGURE: &[&str] = &[
    "QUEUE",
    r"celery\.pidbox",
    r"reply\.celery\.pidbox",
    r".+@.+\.celery\.pidbox",
    r"UUID\.reply\.celery\.pidbox",
    r"celeryev",
    r"celeryev\.UUID",
    r"UUID",
];

/// Where they publish and what they bind. `amq.default` is the default exchange: Celery sends every task and every
/// `rpc://` result through it, so this user can put a message into any queue of its vhost. That cannot be narrowed by
/// RabbitMQ's permissions; one vhost for each application is the wall. The result queue needs no write permission.
const CELERY_WRITE: &[&str] = &[
    "QUEUE",
    r"amq\.default",
    r"celery\.pidbox",
    r"reply\.celery\.pidbox",
    r".+@.+\.celery\.pidbox",
    r"UUID\.reply\.celery\.pidbox",
    r"celeryev",
    r"celeryev\.UUID",
];

/// What they consume, and the exchanges that they bind queues to. Purging (`celery purge`) is covered by it.
const CELERY_READ: &[&str] = &[
    "QUEUE",
    r"celery\.pidbox",
    r"reply\.celery\.pidbox",
    r".+@.+\.celery\.pidbox",
    r"UUID\.reply\.celery\.pidbox",
    r"celeryev",
    r"celeryev\.UUID",
    r"UUID",
];

/// MQTT: the queue of a subscription. A client may choose its client identifier, so the regular expression cannot name it.
/// Measured: QoS 0 and 1, retained messages, wills, persistent sessions and their resumption, unsubscribing, with MQTT 3.1.1
/// and (4.0) 5.0. Not covered on purpose: a will *with a delay* (MQTT 5.0) needs `mqtt-will-.+` and write access to the
/// default exchange, with which a device could put messages into any queue of its vhost.
const MQTT_CONFIGURE: &[&str] = &[r"mqtt-subscription-.+qos[01]"];
/// MQTT: binding that queue, and publishing.
const MQTT_WRITE: &[&str] = &[r"mqtt-subscription-.+qos[01]", r"amq\.topic"];
/// MQTT: receiving, and binding to the exchange of all topics.
const MQTT_READ: &[&str] = &[r"mqtt-subscription-.+qos[01]", r"amq\.topic"];

/// The permissions of one user in each of its vhosts, as RabbitMQ takes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Which queues and exchanges may be declared and deleted.
    pub configure: String,
    /// Which exchanges may be published to, and what may be bound.
    pub write: String,
    /// Which queues may be consumed from, and what may be bound to.
    pub read: String,
    /// Tags of the user.
    pub tags: Vec<String>,
}

/// The permissions that a purpose needs, anchored, with every given name escaped.
///
/// `monitor` looks at the broker: the tag, and nothing in the vhost. Over AMQP that is the size of queues (passive
/// declaration); the HTTP API knows no certificates, so for it the user needs a password too.
pub fn permissions(access: &Access) -> Permissions {
    match access {
        Access::Celery { queues } => {
            let default = [String::from("celery")];
            let queues = if queues.is_empty() { &default[..] } else { queues };
            let one = |alternatives| anchored(alternatives, queues);
            Permissions::of(one(CELERY_CONFIGURE), one(CELERY_WRITE), one(CELERY_READ))
        }
        Access::Mqtt => {
            let one = |alternatives| anchored(alternatives, &[]);
            Permissions::of(one(MQTT_CONFIGURE), one(MQTT_WRITE), one(MQTT_READ))
        }
        Access::Publish { exchange } => Permissions::of(nothing(), exactly(exchange), nothing()),
        Access::Consume { queue } => Permissions::of(nothing(), nothing(), exactly(queue)),
        Access::Monitor => {
            Permissions { tags: vec!["monitoring".into()], ..Permissions::of(nothing(), nothing(), nothing()) }
        }
        Access::All => Permissions::of(".*".into(), ".*".into(), ".*".into()),
    }
}

impl Permissions {
    /// What a user gets that does several things: whatever one of them needs.
    pub fn of_all(list: &[Access]) -> Self {
        let each: Vec<Self> = list.iter().map(permissions).collect();
        let join = |part: fn(&Self) -> &str| {
            let mut parts: Vec<&str> = each.iter().map(part).filter(|p| *p != nothing()).collect();
            parts.dedup();
            if parts.is_empty() { nothing() } else { parts.join("|") }
        };
        let mut tags: Vec<String> = each.iter().flat_map(|p| p.tags.clone()).collect();
        tags.dedup();
        Self { tags, ..Self::of(join(|p| &p.configure), join(|p| &p.write), join(|p| &p.read)) }
    }

    /// What a user gets that was given no access at all: it may connect to nothing.
    pub fn none() -> Self {
        Self::of(nothing(), nothing(), nothing())
    }

    fn of(configure: String, write: String, read: String) -> Self {
        Self { configure, write, read, tags: Vec::new() }
    }
}

fn nothing() -> String {
    "^$".into()
}

fn exactly(name: &str) -> String {
    format!("^{}$", escape(name))
}

fn anchored(alternatives: &[&str], queues: &[String]) -> String {
    let mut names = Vec::new();
    for alternative in alternatives {
        match *alternative {
            "QUEUE" => names.extend(queues.iter().map(|queue| escape(queue))),
            other => names.push(other.replace("UUID", UUID)),
        }
    }
    format!("^({})$", names.join("|"))
}

/// `name` as a regular expression that matches it alone. RabbitMQ uses Erlang's `re` (PCRE) without `unicode`; Prometheus'
/// RE2 means the same by it.
pub(in crate::emit) fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if r"\.^$|()[]{}*+?".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_means_what_was_measured() {
        let celery = permissions(&"celery".parse::<Access>().unwrap());
        assert!(
            celery
                .configure
                .starts_with(r"^(celery|celery\.pidbox|reply\.celery\.pidbox|.+@.+\.celery\.pidbox|[0-9a-f]{8}-")
        );
        assert!(celery.write.contains(r"|amq\.default|"));
        assert!(!celery.configure.contains("amq"));
        assert!(celery.tags.is_empty());
        let mqtt = permissions(&"mqtt".parse::<Access>().unwrap());
        assert_eq!(mqtt.configure, "^(mqtt-subscription-.+qos[01])$");
        assert_eq!(mqtt.write, r"^(mqtt-subscription-.+qos[01]|amq\.topic)$");
        assert_eq!(mqtt.read, mqtt.write);
        let publish = permissions(&"publish:events.x".parse::<Access>().unwrap());
        assert_eq!(
            (publish.configure.as_str(), publish.write.as_str(), publish.read.as_str()),
            ("^$", r"^events\.x$", "^$")
        );
        let consume = permissions(&"consume:in".parse::<Access>().unwrap());
        assert_eq!((consume.write.as_str(), consume.read.as_str()), ("^$", "^in$"));
        assert_eq!(permissions(&"monitor".parse::<Access>().unwrap()).tags, ["monitoring"]);
        assert_eq!(permissions(&"all".parse::<Access>().unwrap()).read, ".*");
    }

    #[test]
    fn queue_names_replace_the_default_and_are_escaped() {
        let access: Access = "celery:images.hi-res,a|b".parse().unwrap();
        assert_eq!(access.to_string(), "celery:images.hi-res,a|b");
        let write = permissions(&access).write;
        assert!(write.starts_with(r"^(images\.hi-res|a\|b|amq\.default|"), "{write}");
        assert!(!write.contains("(celery|"));
        assert_eq!(escape(r"a.b*c+d?e^f$g{h}i(j)k[l]m\n|о"), r"a\.b\*c\+d\?e\^f\$g\{h\}i\(j\)k\[l\]m\\n\|о");
    }
}
