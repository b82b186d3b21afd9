//! `emit shovel`: a shovel on another broker that takes messages from this one or brings them, as one of its clients.

use serde_json::{Value, json};

use super::endpoint::{HOST, PORT, VHOST};
use super::link::{CERTS, LOCAL_VHOST, Link};
use super::rabbitmq::ctl_words;
use super::settings::{Setting, Settings};
use super::syntax::{shell, uri};
use super::{Client, Facts, Holds, OutputFile, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::Access;
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "shovel",
    description: "a shovel on another broker that moves messages from or to this one",
    settings: &[
        HOST,
        PORT,
        VHOST,
        CERTS,
        LOCAL_VHOST,
        Setting::of_facts("direction", "from or to this broker, else to for a client that publishes"),
        Setting::of_facts("queue", "the queue that is emptied, else the one that the client consumes"),
        Setting::of_facts(
            "destination",
            "the queue that is filled, else one of the same name, or the client's exchange",
        ),
    ],
    holds: Holds::Paths,
    next: |_, _| Vec::new(),
    write: Write::ForEachClient(is_meant, emit),
};

fn is_meant(client: &Client) -> bool {
    client.access.iter().any(|access| matches!(access, Access::Consume { .. } | Access::Publish { .. }))
}

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let link = Link::of(facts, client, settings, &TARGET)?;
    let name = &client.identity.name;
    let value = value(&link, client, settings)?;
    let what = [
        String::new(),
        "Queues that are missing are made, where the user may make them; what a shovel took it deletes from the source once".to_owned(),
        "the destination has it. The state: rabbitmqctl shovel_status".to_owned(),
    ];
    let mut script = link.script(&TARGET, client, &what)?;
    script.push_str("rabbitmq-plugins enable rabbitmq_shovel\n");
    let value_text = value.to_string();
    let set = ctl_words(["set_parameter", "-p", &link.local_vhost, "shovel", name, &value_text]);
    script.push_str(&(shell::words(set.iter().map(String::as_str))? + "\n"));
    let parameter = json!({"vhost": link.local_vhost, "component": "shovel", "name": name, "value": value});
    let definitions = serde_json::to_string_pretty(&json!({ "parameters": [parameter] })).expect("JSON of ours");
    Ok(vec![OutputFile::open("shovel.sh", script), OutputFile::open("shovel.json", definitions + "\n")])
}

/// The value of the parameter. The broker's own side needs no certificate: it is a connection inside the node.
fn value(link: &Link, client: &Client, settings: &Settings) -> Result<Value> {
    let (mut consumed, mut exchange) = (None, None);
    for access in &client.access {
        match access {
            Access::Consume { queue } => consumed = consumed.or(Some(queue.as_str())),
            Access::Publish { exchange: name } => exchange = exchange.or(Some(name.as_str())),
            _ => {}
        }
    }
    let brings = match settings.get("direction") {
        Some("to") => true,
        Some("from") => false,
        Some(other) => return Err(Error::usage(format!("--set direction={}: it is from or to", ui::quote(other)))),
        None => consumed.is_none() && exchange.is_some(),
    };
    let own = if brings { None } else { consumed };
    let Some(queue) = settings.get("queue").or(own) else {
        return Err(Error::failed("nothing says which queue the shovel empties").hint("name it: --set queue=QUEUE"));
    };
    let local = format!("amqp:///{}", uri::part(&link.local_vhost));
    let (from, to) = if brings { (&local, &link.uri) } else { (&link.uri, &local) };
    let mut value = json!({
        "src-protocol": "amqp091", "src-uri": from, "src-queue": queue,
        "dest-protocol": "amqp091", "dest-uri": to,
        "ack-mode": "on-confirm", "reconnect-delay": 5,
    });
    match (settings.get("destination"), exchange) {
        (None, Some(exchange)) if brings => value["dest-exchange"] = exchange.into(),
        (destination, _) => value["dest-queue"] = destination.unwrap_or(queue).into(),
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn written(client: &str, access: &str, set: &[(&str, &str)]) -> Result<(String, Value)> {
        let mut facts = sample::facts();
        facts.clients[0].access = vec![access.parse().expect("it is a kind of access")];
        facts.clients[0].identity.name = client.into();
        let said: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut files = emit(&facts, &facts.clients[0], &Settings::of(&TARGET, &said)?)?.into_iter();
        let script = String::from_utf8(files.next().unwrap().bytes).unwrap();
        let definitions: Value = serde_json::from_slice(&files.next().unwrap().bytes).unwrap();
        Ok((script, definitions["parameters"][0]["value"].clone()))
    }

    #[test]
    fn the_client_says_in_which_direction() {
        let (_, value) = written("taker", "consume:orders", &[("destination", "in")]).unwrap();
        assert_eq!((&value["src-queue"], &value["dest-queue"]), (&json!("orders"), &json!("in")));
        assert!(value["src-uri"].as_str().unwrap().starts_with("amqps://rabbit.example.com:5671/my_vhost?cacertfile="));
        let (_, value) = written("bringer", "publish:reports", &[("queue", "out"), ("local_vhost", "/")]).unwrap();
        assert_eq!((&value["src-queue"], &value["dest-exchange"]), (&json!("out"), &json!("reports")));
        assert_eq!(value["src-uri"], json!("amqp:///%2F"));
        assert!(value.get("dest-queue").is_none());
    }

    /// The files of the second of two links took the place of the first's, which then logged in as the other.
    #[test]
    fn each_client_has_a_directory_of_its_own() {
        let (script, value) = written("taker", "consume:orders", &[]).unwrap();
        assert!(script.contains("-m 0700 /etc/rabbitmq/shovel/taker\n"), "{script}");
        assert!(
            value["src-uri"].as_str().unwrap().contains("keyfile=%2Fetc%2Frabbitmq%2Fshovel%2Ftaker%2Fclient_key.pem")
        );
    }

    #[test]
    fn what_nobody_said_is_asked_for() {
        assert!(written("bringer", "publish:reports", &[]).unwrap_err().hints()[0].contains("queue="));
        assert!(written("x", "all", &[("queue", "q"), ("direction", "up")]).is_err());
    }

    #[test]
    fn hostile_names_stay_names() {
        let (script, value) = written("it's $(id)", "all", &[("queue", "a'b\"$c"), ("certs", "/c e?&=#/")]).unwrap();
        assert!(script.contains(r#" shovel 'it'\''s $(id)' '{"#) && script.contains(r#"a'\''b\"$c"#), "{script}");
        let uri = value["src-uri"].as_str().unwrap();
        assert!(uri.contains("certfile=%2Fc%20e%3F%26%3D%23%2Fclient_certificate.pem&keyfile="), "{uri}");
        assert!(written("a\nb", "all", &[("queue", "q")]).is_err());
    }
}
