//! Features that a release took away, or no longer allows unless it is told to.

use serde_json::Value;

use crate::diagnosis::CauseId;
use crate::doctor::rabbitmq::broker::Broker;
use crate::doctor::rabbitmq::definitions::entries;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity, Target};
use crate::ui;

/// Classic queue mirroring: `deprecation_phase => removed` in rabbit_mirror_queue_misc of 4.0.5.
const WITHOUT_MIRRORING: (u8, u8) = (4, 0);
/// Queues that are neither durable nor exclusive: `denied_by_default` in rabbit_amqqueue of 4.3.5, `permitted_by_default` up to 4.2.9.
const WITHOUT_TRANSIENT: (u8, u8) = (4, 3);

pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    let Some((target, release)) = case.target.and_then(|target| Some((target, target.rabbitmq()?))) else { return };
    for exhibit in &case.exhibits {
        let Document::Json(value) = &exhibit.document else { continue };
        let Some(text) = definitions(exhibit, value) else { continue };
        if release >= WITHOUT_MIRRORING {
            mirrored(exhibit, text, target, findings);
        }
        if release >= WITHOUT_TRANSIENT && !is_permitted(case, "transient_nonexcl_queues") {
            findings.extend(transient(exhibit, text, target));
        }
    }
    if release >= WITHOUT_MIRRORING {
        permitted(case, target, findings);
    }
}

/// The text, if it is definitions with something in it that is asked about here.
fn definitions<'c>(exhibit: &'c Exhibit, value: &Value) -> Option<&'c str> {
    let list = |name: &str| value.get(name).is_some_and(Value::is_array);
    let is_definitions = list("vhosts") || list("users") || list("permissions");
    let asked = list("policies") || list("operator_policies") || list("queues");
    let bytes = exhibit.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&exhibit.bytes);
    (asked && (is_definitions || list("bindings"))).then(|| std::str::from_utf8(bytes).ok())?
}

fn mirrored(exhibit: &Exhibit, text: &str, target: Target, findings: &mut Vec<Finding>) {
    for kind in ["policies", "operator_policies"] {
        for (line, policy) in entries::read(text, kind) {
            let is_mirroring = |name: &String| name.starts_with("ha-");
            let Some(key) = policy["definition"].as_object().and_then(|keys| keys.keys().find(|k| is_mirroring(k)))
            else {
                continue;
            };
            let name = ui::quote(policy["name"].as_str().unwrap_or_default());
            let problem = format!("the policy {name} asks for mirrored classic queues ({})", ui::plain(key));
            let finding = Finding::new(Severity::Error, "mirrored-queues", &exhibit.path, problem).line(line);
            findings.push(
                finding
                    .cause(CauseId::DefinitionsInvalid)
                    .effect(format!(
                        "{target} has no classic queue mirroring: it refuses the policy (\"not recognised policy settings\") and does \
                         not start with these definitions"
                    ))
                    .remedy("take the keys that begin with ha- out of the policy, before the upgrade")
                    .remedy("declare queues that must outlive a node with x-queue-type: quorum"),
            );
        }
    }
}

/// One finding for all of them: there may be thousands.
fn transient(exhibit: &Exhibit, text: &str, target: Target) -> Option<Finding> {
    let is_transient = |queue: &Value| queue["durable"] == false && queue["exclusive"] != true;
    let all: Vec<_> = entries::read(text, "queues").into_iter().filter(|(_, queue)| is_transient(queue)).collect();
    let (line, first) = all.first()?;
    let more = match all.len() {
        1 => String::new(),
        count => format!(", and {} more like it", count - 1),
    };
    let name = ui::quote(first["name"].as_str().unwrap_or_default());
    let problem = format!("the queue {name} is neither durable nor exclusive{more}");
    let finding = Finding::new(Severity::Warning, "transient-queues", &exhibit.path, problem).line(*line);
    Some(
        finding
            .effect(format!("{target} does not allow such queues unless it is told to (transient_nonexcl_queues)"))
            .remedy("make them durable, or exclusive")
            .remedy("for a while: deprecated_features.permit.transient_nonexcl_queues = true"),
    )
}

fn is_permitted(case: &Case, feature: &str) -> bool {
    let key = format!("deprecated_features.permit.{feature}");
    Broker::all(case).iter().any(|broker| broker.value(&key) == Some("true"))
}

/// A permission for what is no longer there.
fn permitted(case: &Case, target: Target, findings: &mut Vec<Finding>) {
    for broker in Broker::all(case) {
        let Some(line) = broker.get("deprecated_features.permit.classic_queue_mirroring") else { continue };
        if line.value() == "true" {
            let problem = format!("{} permits what is gone", line.key());
            findings.push(
                line.finding(Severity::Warning, "feature-removed", problem)
                    .effect(format!("{target} has no classic queue mirroring, permitted or not"))
                    .remedy("take the line out, and see that no policy has keys that begin with ha-"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFINITIONS: &str = r#"{"vhosts": [{"name": "/"}], "users": [],
        "policies": [{"name": "ha", "vhost": "/", "pattern": ".*", "definition": {"ha-mode": "all"}},
                     {"name": "ttl", "vhost": "/", "pattern": ".*", "definition": {"message-ttl": 5}}],
        "queues": [{"name": "a", "vhost": "/", "durable": true},
                   {"name": "b", "vhost": "/", "durable": false}, {"name": "c", "vhost": "/", "durable": false}]}"#;

    fn told(target: Option<&str>, conf: &str) -> Vec<(Option<usize>, &'static str)> {
        let mut case = Case::of(&[("etc/definitions.json", DEFINITIONS), ("etc/rabbitmq.conf", conf)]);
        case.target = target.map(|target| target.parse().unwrap());
        let mut findings = Vec::new();
        check(&case, &mut findings);
        findings.iter().map(|finding| (finding.line, finding.code)).collect()
    }

    #[test]
    fn what_a_release_took_away_is_told_for_it_alone() {
        let plain = "listeners.tcp = none\n";
        assert_eq!(told(None, plain), []);
        assert_eq!(told(Some("rabbitmq-3.13"), plain), []);
        assert_eq!(told(Some("otp-27"), plain), []);
        assert_eq!(told(Some("rabbitmq-4.0"), plain), [(Some(2), "mirrored-queues")]);
        assert_eq!(told(Some("rabbitmq-4.3"), plain), [(Some(2), "mirrored-queues"), (Some(5), "transient-queues")]);
    }

    #[test]
    fn a_permission_is_looked_at() {
        let transient = "deprecated_features.permit.transient_nonexcl_queues = true\n";
        assert_eq!(told(Some("rabbitmq-4.3"), transient), [(Some(2), "mirrored-queues")]);
        let mirroring = "deprecated_features.permit.classic_queue_mirroring = true\n";
        assert_eq!(told(Some("rabbitmq-4.0"), mirroring), [(Some(2), "mirrored-queues"), (Some(1), "feature-removed")]);
        assert_eq!(told(Some("rabbitmq-3.13"), mirroring), []);
    }
}
