//! Variables that the image refuses, or that come to nothing; ports behind which nothing listens.

use super::service::{Service, normal};
use super::volumes::configurations;
use super::{at, is_configuration};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::yaml::Node;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

/// A variable, and where it is set.
struct Variable<'a> {
    name: String,
    exhibit: &'a Exhibit,
    line: usize,
}

pub(super) fn check(case: &Case, broker: &Service<'_>, findings: &mut Vec<Finding>) {
    let variables = variables(case, broker);
    if !broker.is_bitnami() {
        findings.extend(removed(&variables));
    }
    let confs = configurations(case, broker);
    findings.extend(default_user(&variables, &confs));
    findings.extend(ports(broker, &confs));
}

/// Those of `environment:` and of `env_file:` that are not empty.
fn variables<'a>(case: &'a Case, broker: &Service<'a>) -> Vec<Variable<'a>> {
    let own = broker.environment().into_iter().filter(|(_, value, _)| !value.is_empty());
    let mut all: Vec<_> =
        own.map(|(name, _, line)| Variable { name: name.to_owned(), exhibit: broker.exhibit, line }).collect();
    let Some(files) = broker.node.get("env_file") else { return all };
    let named = std::iter::once(files).chain(files.items());
    for path in named.filter_map(|file| file.text().or_else(|| file.get("path").and_then(Node::text))) {
        let path = normal(&broker.exhibit.path.parent().unwrap_or(&broker.exhibit.path).join(path));
        let Some(exhibit) = case.exhibits.iter().find(|exhibit| normal(&exhibit.path) == path) else { continue };
        for (number, line) in String::from_utf8_lossy(&exhibit.bytes).lines().enumerate() {
            if let Some((name, _)) = line.split_once('=').filter(|(_, value)| !value.trim().is_empty()) {
                all.push(Variable { name: name.trim().to_owned(), exhibit, line: number + 1 });
            }
        }
    }
    all
}

fn removed(variables: &[Variable<'_>]) -> Option<Finding> {
    let is_removed = |name: &str| {
        name.starts_with("RABBITMQ_SSL_")
            || name.starts_with("RABBITMQ_MANAGEMENT_SSL_")
            || matches!(
                name,
                "RABBITMQ_DEFAULT_PASS_FILE" | "RABBITMQ_DEFAULT_USER_FILE" | "RABBITMQ_VM_MEMORY_HIGH_WATERMARK"
            )
    };
    let Variable { name, exhibit, line } = variables.iter().find(|variable| is_removed(&variable.name))?;
    let problem = format!("the image rabbitmq has no variable {} since 3.9", ui::plain(name));
    Some(
        at(Severity::Error, "variable-removed", exhibit, *line, problem)
            .cause(CauseId::SettingUnknown)
            .effect(format!("the container ends at once: \"error: {} is set but deprecated\"", ui::plain(name)))
            .remedy("write ssl_options.cacertfile, .certfile and .keyfile into a rabbitmq.conf, and mount that"),
    )
}

fn default_user(variables: &[Variable<'_>], confs: &[&Exhibit]) -> Option<Finding> {
    let is_user =
        |variable: &&Variable<'_>| matches!(variable.name.as_str(), "RABBITMQ_DEFAULT_USER" | "RABBITMQ_DEFAULT_PASS");
    let loads = ["load_definitions", "definitions.local.path", "management.load_definitions"];
    let Variable { name, exhibit, line } = variables.iter().find(is_user)?;
    if !loads.iter().any(|key| value(confs, key).is_some()) {
        return None;
    }
    let problem = format!("{name} is set, and rabbitmq.conf loads definitions");
    Some(
        at(Severity::Warning, "default-user-ignored", exhibit, *line, problem)
            .effect("no default user is made where definitions are loaded: the user does not exist unless they name it")
            .remedy("put the user into the definitions, and take the variable out"),
    )
}

/// A port of AMQP that is published, and nothing listens on it.
fn ports(broker: &Service<'_>, confs: &[&Exhibit]) -> Option<Finding> {
    let listens_plain = value(confs, "listeners.tcp").as_deref() != Some("none");
    let keys = confs.iter().flat_map(|conf| settings(conf)).map(|(key, _)| key).collect::<Vec<_>>();
    let listens_tls = keys.iter().any(|key| key.starts_with("listeners.ssl"));
    if !confs.iter().any(|conf| is_configuration(conf)) {
        return None;
    }
    for node in broker.node.get("ports").map(Node::items).unwrap_or_default() {
        let target = node.get("target").and_then(Node::text).or_else(|| node.text()?.rsplit(':').next());
        let (severity, said) = match target.map(|port| port.trim_end_matches("/tcp")) {
            Some("5671") if !listens_tls => {
                (Severity::Warning, "5671 is published, and rabbitmq.conf has no listeners.ssl")
            }
            Some("5672") if !listens_plain => {
                (Severity::Note, "5672 is published, and rabbitmq.conf has listeners.tcp = none")
            }
            _ => continue,
        };
        let finding = at(severity, "port-without-listener", broker.exhibit, node.line, said);
        let finding = finding.cause(CauseId::ListenerDead).effect("clients hear: Connection refused, or reset by peer");
        return Some(finding.remedy("write listeners.ssl.default = 5671 into rabbitmq.conf, and publish what listens"));
    }
    None
}

/// The last value of a setting.
fn value(confs: &[&Exhibit], key: &str) -> Option<String> {
    confs.iter().flat_map(|conf| settings(conf)).filter(|(known, _)| known == key).map(|(_, value)| value).next_back()
}

/// Keys and values of a rabbitmq.conf.
fn settings(conf: &Exhibit) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&conf.bytes);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}
