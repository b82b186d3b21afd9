//! Variables that the image refuses, or that come to nothing.

use super::at;
use super::service::Service;
use super::volumes::configurations;
use crate::diagnosis::CauseId;
use crate::doctor::{Case, Finding, Severity};
use crate::ui;

pub(super) fn check(case: &Case, broker: &Service<'_>, findings: &mut Vec<Finding>) {
    let environment = broker.environment();
    let removed = |name: &str| {
        name.starts_with("RABBITMQ_SSL_")
            || name.starts_with("RABBITMQ_MANAGEMENT_SSL_")
            || matches!(
                name,
                "RABBITMQ_DEFAULT_PASS_FILE" | "RABBITMQ_DEFAULT_USER_FILE" | "RABBITMQ_VM_MEMORY_HIGH_WATERMARK"
            )
    };
    let gone = environment.iter().find(|(name, value, _)| removed(name) && !value.is_empty());
    if let Some((name, _, line)) = gone.filter(|_| !broker.is_bitnami()) {
        let problem = format!("the image rabbitmq has no variable {} since 3.9", ui::plain(name));
        findings.push(
            at(Severity::Error, "variable-removed", broker.exhibit, *line, problem)
                .cause(CauseId::SettingUnknown)
                .effect(format!("the container ends at once: \"error: {} is set but deprecated\"", ui::plain(name)))
                .remedy("write ssl_options.cacertfile, .certfile and .keyfile into a rabbitmq.conf, and mount that"),
        );
    }
    let loads = configurations(case, broker).into_iter().any(loads_definitions);
    let user =
        environment.iter().find(|(name, _, _)| *name == "RABBITMQ_DEFAULT_USER" || *name == "RABBITMQ_DEFAULT_PASS");
    if let Some((name, _, line)) = user.filter(|_| loads) {
        let problem = format!("{name} is set, and rabbitmq.conf loads definitions");
        findings.push(
            at(Severity::Warning, "default-user-ignored", broker.exhibit, *line, problem)
                .effect(
                    "no default user is made where definitions are loaded: the user does not exist unless they name it",
                )
                .remedy("put the user into the definitions, and take the variable out"),
        );
    }
}

fn loads_definitions(conf: &crate::doctor::Exhibit) -> bool {
    let text = String::from_utf8_lossy(&conf.bytes);
    let keys = text.lines().filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
    keys.into_iter()
        .any(|key| matches!(key, "load_definitions" | "definitions.local.path" | "management.load_definitions"))
}
