//! `emit federation`: this broker as the upstream of another one, as one of its clients.

use serde_json::json;

use super::endpoint::{HOST, PORT, VHOST};
use super::link::{CERTS, LOCAL_VHOST, Link};
use super::rabbitmq::ctl_words;
use super::settings::{Setting, Settings};
use super::syntax::shell;
use super::{Broker, Client, Facts, Holds, OutputFile, Target, Write};
use crate::error::{Error, Result};
use crate::manifest::{Access, regular_expression};
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "federation",
    description: "this broker as the upstream of another: exchanges or queues are federated by a policy",
    settings: &[
        HOST,
        PORT,
        VHOST,
        CERTS,
        LOCAL_VHOST,
        Setting::with_default("apply_to", "exchanges or queues", "exchanges"),
        Setting::with_default("pattern", "regular expression of the names that are federated", "^federated\\."),
    ],
    holds: Holds::Paths,
    next: |facts, _| next(facts),
    write: Write::ForEachClient(is_meant, emit),
};

const PLUGIN: &str = "rabbitmq_federation";

/// No kind of access is made for it: it is a client that was given permissions itself, or may do everything.
fn is_meant(client: &Client) -> bool {
    client.access.iter().all(|access| *access == Access::All)
}

fn emit(facts: &Facts, client: &Client, settings: &Settings) -> Result<Vec<OutputFile>> {
    let link = Link::of(facts, client, settings, &TARGET)?;
    let name = &client.identity.name;
    let get = |key: &str| settings.get(key).unwrap_or_default();
    let (apply_to, pattern) = (get("apply_to"), get("pattern"));
    if !is_meant(client) {
        return Err(Error::failed("what it may do is for something else, and a link needs permissions of its own")
            .hint(format!(
                "make a client for the link: certgen issue client NAME --vhost {} {}",
                ui::shell(&link.endpoint.vhost),
                least(apply_to)
            )));
    }
    regular_expression(pattern).map_err(|why| Error::usage(format!("--set pattern: {why}")))?;
    if !["exchanges", "queues"].contains(&apply_to) {
        return Err(Error::usage(format!("--set apply_to={}: it is exchanges or queues", ui::quote(apply_to))));
    }
    let upstream = json!({"uri": link.uri, "ack-mode": "on-confirm", "trust-user-id": false, "reconnect-delay": 5});
    let policy = json!({ "federation-upstream": name });
    let mut script = link.script(&TARGET, client, &permissions(&link, client, apply_to)?)?;
    script.push_str(&format!("rabbitmq-plugins enable {PLUGIN}\n"));
    let (vhost, upstream_text, policy_text) = (&link.local_vhost, upstream.to_string(), policy.to_string());
    for set in [
        ctl_words(["set_parameter", "-p", vhost, "federation-upstream", name, &upstream_text]),
        ctl_words(["set_policy", "-p", vhost, "--apply-to", apply_to, name, pattern, &policy_text]),
    ] {
        script.push_str(&(shell::words(set.iter().map(String::as_str))? + "\n"));
    }
    let definitions = json!({
        "parameters": [{"vhost": vhost, "component": "federation-upstream", "name": name, "value": upstream}],
        "policies": [{
            "vhost": vhost, "name": name, "pattern": pattern, "apply-to": apply_to, "priority": 0, "definition": policy,
        }],
    });
    let definitions = serde_json::to_string_pretty(&definitions).expect("JSON of ours");
    Ok(vec![OutputFile::open("federation.sh", script), OutputFile::open("federation.json", definitions + "\n")])
}

/// Without the plugin the upstream does not know the exchange that the link puts there, and the link comes and goes for ever.
fn next(facts: &Facts) -> Vec<String> {
    let without = |broker: &&Broker| broker.config.plugins.iter().all(|plugin| plugin != PLUGIN);
    let said = "to federate exchanges the upstream needs the plugin too: add \"rabbitmq_federation\" to plugins in [broker] of certgen.toml";
    facts.brokers.iter().find(without).map(|_| said.to_owned()).into_iter().collect()
}

/// The least that its user needs.
fn least(apply_to: &str) -> &'static str {
    match apply_to {
        "exchanges" => "--configure '^federation: ' --write '^federation: ' --read '^(federation: .*|EXCHANGE)$'",
        _ => "--configure '^$' --write '^$' --read '^QUEUE$'",
    }
}

/// What its user needs here, with RabbitMQ 3.10 and 4.0.
fn permissions(link: &Link, client: &Client, apply_to: &str) -> Result<Vec<String>> {
    let vhost = shell::word(&link.endpoint.vhost)?;
    // A client that may do everything may be somebody's: what is typed would replace that.
    let issue = match client.access.is_empty() {
        true => format!(
            "certgen issue client {} --vhost {vhost} {} --force",
            shell::word(&client.identity.name)?,
            least(apply_to)
        ),
        false => format!("certgen issue client NAME --vhost {vhost} {}", least(apply_to)),
    };
    Ok(vec![
        String::new(),
        "What the link's user needs on the upstream, with the name of what is federated there:".to_owned(),
        format!("  {issue}"),
        "The state: rabbitmqctl federation_status".to_owned(),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn script(set: &[(&str, &str)]) -> Result<String> {
        let mut facts = sample::facts();
        facts.clients[0].identity.name = "it's".into();
        facts.clients[0].access.clear();
        let said: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let files = emit(&facts, &facts.clients[0], &Settings::of(&TARGET, &said)?)?;
        Ok(String::from_utf8(files[0].bytes.clone()).unwrap())
    }

    #[test]
    fn the_policy_is_for_what_was_named() {
        let text = script(&[("apply_to", "queues"), ("pattern", "^a'b$"), ("local_vhost", "/")]).unwrap();
        let line = r#"rabbitmq -- rabbitmqctl set_policy -p / --apply-to queues 'it'\''s' '^a'\''b$' '{"federation-upstream":"it'\''s"}'"#;
        assert!(text.contains(line), "{text}");
        for said in [("apply_to", "everything"), ("pattern", "a\nb"), ("pattern", "a(b")] {
            assert!(script(&[said]).is_err(), "{said:?}");
        }
    }
}
