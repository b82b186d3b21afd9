//! `-ssl_dist_opt`: inter-node TLS without an option file, what RabbitMQ's documentation calls strategy one.

use std::path::Path;

use super::{at, is_tls};
use crate::diagnosis::CauseId;
use crate::doctor::syntax::environment::Assignment;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;
use crate::x509::{Certificate, GeneralName};

/// `-ssl_dist_opt NAME VALUE...`: what RabbitMQ's documentation calls strategy one.
pub(super) fn check(case: &Case, exhibit: &Exhibit, assignment: &Assignment, findings: &mut Vec<Finding>) {
    const FLAGS: [&str; 15] = [
        "cacertfile",
        "certfile",
        "ciphers",
        "crl_cache",
        "crl_check",
        "depth",
        "dhfile",
        "fail_if_no_peer_cert",
        "hibernate_after",
        "keyfile",
        "ktls",
        "password",
        "reuse_sessions",
        "secure_renegotiate",
        "verify",
    ];
    let given = pairs(&assignment.value);
    let get = |name: &str| given.iter().find(|(flag, _)| *flag == name).map(|(_, value)| *value);
    if given.is_empty() || !is_tls(assignment) {
        return;
    }
    let line = assignment.line;
    for (flag, _) in &given {
        let known = flag.split_once('_').is_some_and(|(side, name)| {
            let any = FLAGS.contains(&name) || matches!(name, "versions" | "verify_fun");
            any && (side == "server" || side == "client" && !matches!(name, "dhfile" | "fail_if_no_peer_cert"))
        });
        if !known {
            let problem = format!("-ssl_dist_opt knows no {}", ui::quote(flag));
            let finding = at(Severity::Error, "flag-unknown", exhibit, line, problem).cause(CauseId::NodeOptionsSilent);
            findings.push(
                finding.effect("no link is made: Erlang ends it with malformed_ssl_dist_opt").remedy("take it out"),
            );
        }
    }
    let needed = ["server_certfile", "server_cacertfile", "server_verify", "client_cacertfile", "client_verify"];
    let missing: Vec<&str> = needed.into_iter().filter(|name| get(name).is_none()).collect();
    if !missing.is_empty() {
        let problem = format!("{} has -ssl_dist_opt without {}", assignment.name, missing.join(", "));
        findings.push(
            at(Severity::Error, "flags-incomplete", exhibit, line, problem)
                .cause(CauseId::NodeOptionsSilent)
                .effect("Erlang/OTP 25 verifies nobody; with 26 and later no node links, no tool connects, and nothing is logged")
                .remedy("use an option file in place of the flags: certgen emit rabbitmq")
                .remedy("or add them: -ssl_dist_opt client_cacertfile FILE, client_verify verify_peer and the same for server"),
        );
    }
    let certificate = get("server_certfile").and_then(|path| case.named(Path::new(path))).and_then(Exhibit::leaf);
    if certificate.is_some_and(only_wildcards) {
        let problem =
            "the certificate has only wildcards for names, and -ssl_dist_opt cannot tell Erlang to match them";
        findings.push(
            at(Severity::Error, "wildcard-not-matched", exhibit, line, problem)
                .cause(CauseId::NodeWildcard)
                .effect("the nodes do not link: \"CLIENT ALERT: Fatal - Bad Certificate\", {bad_cert,{hostname_check_failed,..}}")
                .remedy("use an option file, which can: certgen emit rabbitmq")
                .remedy("or name every node in the certificate: certgen issue node HOST"),
        );
    }
}

/// Names and values of all `-ssl_dist_opt`.
pub(super) fn pairs(arguments: &str) -> Vec<(&str, &str)> {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let mut pairs = Vec::new();
    let mut inside = false;
    let mut at = 0;
    while at < words.len() {
        if words[at].starts_with('-') {
            inside = words[at] == "-ssl_dist_opt";
            at += 1;
        } else if inside {
            pairs.push((words[at], words.get(at + 1).copied().unwrap_or_default()));
            at += 2;
        } else {
            at += 1;
        }
    }
    pairs
}

fn only_wildcards(certificate: &Certificate) -> bool {
    let mut hosts = certificate.subject_alt_names().unwrap_or_default().iter().filter_map(|name| match name {
        GeneralName::Dns(host) => Some(host.is_wildcard()),
        _ => None,
    });
    hosts.next().is_some_and(|first| first && hosts.all(|wildcard| wildcard))
}
