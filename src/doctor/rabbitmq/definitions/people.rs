//! Who can log in: administrators with a password, and clients with a certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{Definitions, shown};
use crate::diagnosis::CauseId;
use crate::doctor::rabbitmq::clients::clients;
use crate::doctor::rabbitmq::user_name::Login;
use crate::doctor::{Case, Exhibit, Finding, Severity};
use crate::ui;

fn tags(user: &Value) -> Vec<&str> {
    match &user["tags"] {
        Value::String(text) => text.split(',').map(str::trim).collect(),
        Value::Array(tags) => tags.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn is_administrator(user: &Value) -> bool {
    tags(user).contains(&"administrator")
}

/// A password can open this user.
fn has_password(user: &Value) -> bool {
    let given = |field: &str| user[field].as_str().is_some_and(|text| !text.is_empty());
    given("password_hash") || given("password")
}

/// What one file says about its users.
pub(super) fn check(definitions: &Definitions<'_>, findings: &mut Vec<Finding>) {
    let first = definitions.users.first().map_or(1, |(line, _)| *line);
    let administrated = definitions.users.iter().any(|(_, user)| is_administrator(user) && has_password(user));
    if definitions.whole && !administrated {
        let problem = match definitions.users.is_empty() {
            // Vhosts and policies alone: users come from elsewhere.
            true => return,
            false => "no user has both a password and the tag administrator",
        };
        let finding = definitions.finding(first, Severity::Warning, "administrator-missing", problem);
        findings.push(
            finding
                .cause(CauseId::AdministratorMissing)
                .effect("nobody can log in to the management UI: 401 for everybody; with load_definitions no guest is made either")
                .remedy("certgen emit rabbitmq    (makes an administrator with a password of its own)")
                .remedy("rabbitmqctl add_user NAME; rabbitmqctl set_user_tags NAME administrator"),
        );
    }
    for (line, user) in &definitions.users {
        let without = user["password_hash"].as_str() == Some("") && !has_password(user);
        if is_administrator(user) && without {
            let everything = reach(definitions, user);
            let problem =
                format!("the user {} has no password and the tag administrator{everything}", shown(user, "name"));
            let finding = definitions.finding(*line, Severity::Warning, "administrator-by-certificate", problem);
            findings.push(
                finding
                    .effect("a client certificate with this name is an administrator of the broker: a stolen worker key owns it")
                    .remedy("\"tags\": [] for programs; they need permissions, no tags"),
            );
        }
        if user["name"] == "guest" && has_password(user) {
            let finding = definitions.finding(
                *line,
                Severity::Note,
                "guest-present",
                "the user \"guest\" is defined with a password",
            );
            findings.push(
                finding
                    .effect("it can log in from this host alone, unless loopback_users was changed")
                    .remedy("rabbitmqctl delete_user guest"),
            );
        }
    }
}

/// Said of an administrator who may do everything everywhere too.
fn reach(definitions: &Definitions<'_>, user: &Value) -> &'static str {
    let all = |permission: &Value| ["configure", "write", "read"].iter().all(|field| permission[*field] == ".*");
    let everything = definitions.permissions.iter().any(|(_, entry)| entry["user"] == user["name"] && all(entry));
    if everything { ", and may do everything" } else { "" }
}

/// Client certificates of the case against all users of the case.
pub(super) fn certificates(case: &Case, all: &[Definitions<'_>], findings: &mut Vec<Finding>) {
    // A part alone does not say who else there is.
    let Some(definitions) = all.iter().find(|definitions| definitions.whole && !definitions.users.is_empty()) else {
        return;
    };
    let users: BTreeMap<&str, &Value> = all
        .iter()
        .flat_map(|definitions| &definitions.users)
        .filter_map(|(_, user)| Some((user["name"].as_str()?, user)))
        .collect();
    let login = Login::of(case);
    let mut told = BTreeSet::new();
    for (exhibit, certificate) in clients(case) {
        let common = certificate.subject().common_names().join(",");
        let subject = certificate.subject().to_string();
        let finding = match login.as_ref().map(|login| login.name(certificate)) {
            // Nothing says which name is taken: either will do.
            None if users.contains_key(common.as_str()) || users.contains_key(subject.as_str()) => {
                privileged(definitions, &users, &common, exhibit)
            }
            None => Some(unknown(definitions, &common, exhibit)),
            Some(None) => Some(nameless(login.as_ref(), exhibit)),
            Some(Some(name)) if users.contains_key(name.as_str()) => privileged(definitions, &users, &name, exhibit),
            Some(Some(name)) if users.contains_key(common.as_str()) && name == subject => {
                distinguished(login.as_ref(), &common, &subject).or_else(|| Some(unknown(definitions, &name, exhibit)))
            }
            Some(Some(name)) => Some(unknown(definitions, &name, exhibit)),
        };
        findings.extend(finding.filter(|finding| told.insert((finding.code, finding.problem.clone()))));
    }
}

fn unknown(definitions: &Definitions<'_>, name: &str, exhibit: &Exhibit) -> Finding {
    let path = ui::path(&exhibit.path);
    let problem = format!("no user is called {}, as the client certificate in {path} is", ui::quote(name));
    let line = definitions.users.first().map_or(1, |(line, _)| *line);
    let finding = definitions.finding(line, Severity::Error, "client-without-user", problem);
    let entry = serde_json::json!({"name": name, "password_hash": "", "tags": []});
    finding
        .cause(CauseId::UserUnknown)
        .effect(format!(
            "the client is refused: \"EXTERNAL login refused: user '{}' - invalid credentials\"",
            ui::plain(name)
        ))
        .remedy(format!("add {entry} to \"users\", and its permissions"))
        .remedy("certgen emit rabbitmq    (where the client is in certgen.toml)")
}

fn nameless(login: Option<&Login>, exhibit: &Exhibit) -> Finding {
    let source = login.map(|login| login.source.describe()).unwrap_or_default();
    let problem = format!("the broker logs clients in by {source}, and the client certificate has none");
    Finding::new(Severity::Error, "client-without-name", &exhibit.path, problem)
        .cause(CauseId::LoginNameMissing)
        .effect("the client is refused: \"EXTERNAL login refused: no name found\"")
        .remedy("issue it again with such a name, or change ssl_cert_login_from")
}

fn distinguished(login: Option<&Login>, common: &str, subject: &str) -> Option<Finding> {
    let login = login?;
    let problem = format!(
        "the broker takes the whole subject {} for the user name, and the users have common names like {}",
        ui::quote(subject),
        ui::quote(common)
    );
    let finding = Finding::new(Severity::Error, "login-by-distinguished-name", Path::new(&login.file), problem);
    let finding = if let Some(line) = login.line { finding.line(line) } else { finding };
    Some(
        finding
            .cause(CauseId::LoginNameDistinguished)
            .effect(format!(
                "every client is refused: \"EXTERNAL login refused: user '{}' - invalid credentials\"",
                ui::plain(subject)
            ))
            .remedy("ssl_cert_login_from = common_name"),
    )
}

/// A client that is somebody with more than permissions.
fn privileged(
    definitions: &Definitions<'_>,
    users: &BTreeMap<&str, &Value>,
    name: &str,
    exhibit: &Exhibit,
) -> Option<Finding> {
    let user = users.get(name).filter(|user| is_administrator(user) && has_password(user))?;
    let line = definitions.users.iter().find(|(_, entry)| entry["name"] == user["name"]).map_or(1, |(line, _)| *line);
    let problem = format!(
        "the client certificate in {} has the name of the administrator {}",
        ui::path(&exhibit.path),
        ui::quote(name)
    );
    let finding = definitions.finding(line, Severity::Warning, "client-is-administrator", problem);
    Some(
        finding
            .effect("EXTERNAL asks for neither password nor tags: whoever has the certificate is that administrator")
            .remedy("issue the client another name, or give the administrator another one"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use crate::x509::sample::HIERARCHY;

    const BOSS: &str = r#"{"name": "boss", "password_hash": "aGFzaA==", "tags": ["administrator"]}"#;

    fn whole(users: &str) -> String {
        format!("{{\"vhosts\": [],\n \"users\": [\n{users}],\n \"permissions\": []}}")
    }

    fn codes(users: &str, more: &[(&str, &str)]) -> Vec<&'static str> {
        let text = whole(users);
        let files: Vec<(&str, &str)> =
            [("definitions.json", text.as_str())].into_iter().chain(more.iter().copied()).collect();
        found(&files).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn somebody_must_be_able_to_log_in() {
        assert_eq!(codes(BOSS, &[]), [""; 0]);
        assert_eq!(codes("", &[]), [""; 0], "vhosts and policies alone");
        let worker = r#"{"name": "worker", "password_hash": "", "tags": []}"#;
        assert_eq!(codes(worker, &[]), ["administrator-missing"]);
        let worker = r#"{"name": "worker", "password_hash": "", "tags": "administrator"}"#;
        assert_eq!(codes(worker, &[]), ["administrator-missing", "administrator-by-certificate"]);
        assert_eq!(
            codes(r#"{"name": "guest", "password_hash": "eA==", "tags": ["administrator"]}"#, &[]),
            ["guest-present"]
        );
    }

    #[test]
    fn every_client_needs_its_user() {
        let client = HIERARCHY.client.pem();
        let more = [("client.pem", client.as_str())];
        assert_eq!(codes(BOSS, &more), ["client-without-user"]);
        let user = r#"{"name": "celery_worker", "password_hash": "", "tags": []}"#;
        assert_eq!(codes(&format!("{BOSS},{user}"), &more), [""; 0]);
        let user = r#"{"name": "celery_worker", "password_hash": "eA==", "tags": "administrator"}"#;
        assert_eq!(codes(user, &more), ["client-is-administrator"]);
        assert_eq!(
            codes(BOSS, &[("server.pem", &HIERARCHY.server.pem()), ("node.pem", &HIERARCHY.node.pem())]),
            [""; 0]
        );
    }

    #[test]
    fn the_login_name_is_the_one_that_the_settings_say() {
        let client = HIERARCHY.client.pem();
        let user = |name: &str| format!("{BOSS},{{\"name\": \"{name}\", \"password_hash\": \"\", \"tags\": []}}");
        let with = |users: &str, settings: &str| codes(users, &[("client.pem", &client), ("rabbitmq.conf", settings)]);
        let common = "auth_mechanisms.1 = EXTERNAL\nssl_cert_login_from = common_name\n";
        let whole = "auth_mechanisms.1 = EXTERNAL\nlisteners.tcp = none\n";
        let san = "auth_mechanisms.1 = EXTERNAL\nssl_cert_login_from = subject_alternative_name\nssl_cert_login_san_type = dns\n";
        assert_eq!(with(&user("celery_worker"), common), [""; 0]);
        assert_eq!(with(&user("CN=celery_worker"), whole), [""; 0]);
        assert_eq!(with(&user("celery_worker"), whole), ["login-by-distinguished-name"]);
        assert_eq!(with(&user("celery_worker"), san), ["client-without-name"]);
    }
}
