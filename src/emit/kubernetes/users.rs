//! Vhosts, users and permissions as objects of the Messaging Topology Operator.
//!
//! The Secret of a user carries the label without which the operator does not read it. A vhost is kept when its object goes:
//! a file that was deleted by mistake must not take the queues along.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Cluster;
use crate::emit::rabbitmq::{BrokerFacts, UserFacts};
use crate::emit::syntax::kubernetes::object_name;
use crate::error::{Error, Result};
use crate::ui;

/// What `spec.tags` takes.
const TAGS: [&str; 4] = ["management", "policymaker", "monitoring", "administrator"];

pub(super) fn objects(cluster: &Cluster, config: &BrokerFacts) -> Result<Vec<(&'static str, Value)>> {
    let mut seen = BTreeSet::new();
    let vhosts = config.vhosts.iter().chain(config.users.iter().flat_map(|user| &user.vhosts));
    let mut objects: Vec<(&str, Value)> = vhosts
        // The broker has this one already.
        .filter(|vhost| *vhost != "/" && seen.insert(*vhost))
        .map(|vhost| ("", object(cluster, "Vhost", vhost, json!({ "name": vhost, "deletionPolicy": "retain" }))))
        .collect();
    for user in &config.users {
        objects.extend(of_user(cluster, user)?);
    }
    Ok(objects)
}

fn of_user(cluster: &Cluster, user: &UserFacts) -> Result<Vec<(&'static str, Value)>> {
    if let Some(tag) = user.tags.iter().find(|tag| !TAGS.contains(&tag.as_str())) {
        return Err(Error::failed(format!(
            "user {} has the tag {}, which the Topology Operator does not take",
            ui::quote(&user.name),
            ui::quote(tag)
        ))
        .hint(format!("it takes {}", TAGS.join(", "))));
    }
    let secret = cluster.object(&format!("user-{}", object_name(&user.name)));
    let mut metadata = cluster.metadata(&secret);
    metadata["labels"] = json!({ "rabbitmq.com/topology-operator": "true" });
    let credentials = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "stringData": { "username": user.name, "passwordHash": "" },
    });
    let mut spec = json!({ "importCredentialsSecret": { "name": secret } });
    if !user.tags.is_empty() {
        spec["tags"] = user.tags.clone().into();
    }
    let about = match user.password_hash {
        None => "",
        Some(_) => "Its password is not here: the operator wants SHA-512, certgen keeps RabbitMQ's own SHA-256.",
    };
    let mut objects = vec![("", credentials), (about, object(cluster, "User", &user.name, spec))];
    let reference = json!({ "name": name(cluster, "User", &user.name) });
    for vhost in user.vhosts.iter().collect::<BTreeSet<_>>() {
        // No name has this character, so no two pairs make one text.
        let both = format!("{}\0{vhost}", user.name);
        let permissions = json!({ "configure": user.configure, "write": user.write, "read": user.read });
        let spec = json!({ "vhost": vhost, "userReference": reference, "permissions": permissions });
        objects.push(("", object(cluster, "Permission", &both, spec)));
        for topic in &user.topics {
            let permissions = json!({ "exchange": topic.exchange, "write": topic.write, "read": topic.read });
            let spec = json!({ "vhost": vhost, "userReference": reference, "permissions": permissions });
            objects.push(("", object(cluster, "TopicPermission", &format!("{both}\0{}", topic.exchange), spec)));
        }
    }
    Ok(objects)
}

fn name(cluster: &Cluster, kind: &str, what: &str) -> String {
    let kind = match kind {
        "TopicPermission" => "topics".to_owned(),
        kind => kind.to_ascii_lowercase(),
    };
    cluster.object(&format!("{kind}-{}", object_name(what)))
}

fn object(cluster: &Cluster, kind: &str, what: &str, mut spec: Value) -> Value {
    spec["rabbitmqClusterReference"] = json!({ "name": cluster.kubernetes.cluster() });
    json!({
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": cluster.metadata(&name(cluster, kind, what)),
        "spec": spec,
    })
}
