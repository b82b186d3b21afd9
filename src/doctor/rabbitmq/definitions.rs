//! definitions.json: users, vhosts and permissions that RabbitMQ imports when it starts.
//!
//! 3.10 boots with whatever is wrong in it, and without the users; 4.x does not boot. Both was measured, form by form.

pub(super) mod entries;
mod people;
mod regex;
mod text;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::diagnosis::CauseId;
use crate::doctor::{Case, Document, Exhibit, Finding, Severity};
use entries::Entries;

/// Everything about definitions.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for exhibit in &case.exhibits {
        text::check(exhibit, findings);
    }
    let all: Vec<Definitions<'_>> = case.exhibits.iter().filter_map(Definitions::of).collect();
    let world = World::of(&all);
    for definitions in &all {
        users(definitions, findings);
        places(definitions, &world, findings);
        patterns(definitions, findings);
        people::check(definitions, findings);
    }
    people::certificates(case, &all, findings);
}

/// One file, with the entries that matter here and their lines.
struct Definitions<'c> {
    exhibit: &'c Exhibit,
    users: Entries,
    vhosts: Entries,
    permissions: Entries,
    topic_permissions: Entries,
    /// It speaks of vhosts. One that does not is for a broker that runs and has them.
    whole: bool,
}

/// What all files of a case say together: a file with a part of it relies on the others.
#[derive(Default)]
struct World {
    users: BTreeSet<String>,
    vhosts: BTreeSet<String>,
    whole: bool,
}

impl<'c> Definitions<'c> {
    fn of(exhibit: &'c Exhibit) -> Option<Self> {
        let Document::Json(value) = &exhibit.document else { return None };
        let list = |name: &str| value.get(name).is_some_and(Value::is_array);
        // A list of users alone could be anybody's; RabbitMQ's have names.
        let users = list("users") && value["users"].as_array()?.iter().all(|user| user.get("name").is_some());
        if !users && !(list("permissions") && (list("users") || list("vhosts"))) {
            return None;
        }
        let text = std::str::from_utf8(exhibit.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&exhibit.bytes)).ok()?;
        Some(Self {
            exhibit,
            users: entries::read(text, "users"),
            vhosts: entries::read(text, "vhosts"),
            permissions: entries::read(text, "permissions"),
            topic_permissions: entries::read(text, "topic_permissions"),
            whole: list("vhosts"),
        })
    }

    fn finding(&self, line: usize, severity: Severity, code: &'static str, problem: impl Into<String>) -> Finding {
        Finding::new(severity, code, &self.exhibit.path, problem).line(line)
    }

    /// An entry that the two generations of RabbitMQ refuse each in its way.
    fn refused(&self, line: usize, code: &'static str, problem: impl Into<String>, old: &str, new: &str) -> Finding {
        let effect = format!("RabbitMQ 4 does not start: {new}; 3.10 starts and {old}");
        self.finding(line, Severity::Error, code, problem).cause(CauseId::DefinitionsInvalid).effect(effect)
    }
}

impl World {
    fn of(all: &[Definitions<'_>]) -> Self {
        let names = |entries: &Entries| -> BTreeSet<String> {
            entries.iter().filter_map(|(_, entry)| entry["name"].as_str().map(str::to_owned)).collect()
        };
        let mut world = Self::default();
        for definitions in all {
            world.users.extend(names(&definitions.users));
            world.vhosts.extend(names(&definitions.vhosts));
            world.whole |= definitions.whole;
        }
        world
    }
}

/// The name of an entry, for people.
fn shown(entry: &Value, field: &str) -> String {
    crate::ui::quote(entry[field].as_str().unwrap_or_default())
}

/// What a user must have.
fn users(definitions: &Definitions<'_>, findings: &mut Vec<Finding>) {
    const NOBODY: &str = "with no users at all";
    let mut seen = BTreeSet::new();
    for (line, user) in &definitions.users {
        let Some(name) = user["name"].as_str() else { continue };
        let quoted = shown(user, "name");
        if user.get("tags").is_none() {
            let problem = format!("the user {quoted} has no tags");
            let finding = definitions.refused(*line, "user-without-tags", problem, NOBODY, "\"tags_not_present\"");
            findings.push(finding.remedy("add \"tags\": [] to it"));
        }
        if user.get("password_hash").is_some_and(Value::is_null) {
            let problem = format!("the password hash of the user {quoted} is null");
            let finding = definitions.refused(*line, "user-hash-null", problem, NOBODY, "\"{not_base64,null}\"");
            findings.push(finding.remedy("write \"password_hash\": \"\" for a user that logs in with a certificate"));
        }
        if !seen.insert(name) {
            let problem = format!("the user {quoted} is in the file twice");
            let finding = definitions.finding(*line, Severity::Warning, "user-twice", problem);
            findings.push(finding.effect("the later entry overwrites the earlier one").remedy("take one of them out"));
        }
    }
}

/// Permissions for users and vhosts that nobody defines.
fn places(definitions: &Definitions<'_>, world: &World, findings: &mut Vec<Finding>) {
    let both = definitions.permissions.iter().chain(&definitions.topic_permissions);
    let mut told = BTreeSet::new();
    for (line, permission) in both {
        let (Some(user), Some(vhost)) = (permission["user"].as_str(), permission["vhost"].as_str()) else { continue };
        if !world.users.contains(user) && told.insert(("user", user)) {
            let problem = format!("a permission is for the user {}, whom nobody defines", shown(permission, "user"));
            let finding =
                definitions.refused(*line, "permission-for-unknown-user", problem, "ignores it", "\"no_such_user\"");
            findings.push(finding.remedy("add the user, or take the permission out"));
        }
        if world.vhosts.contains(vhost) || !told.insert(("vhost", vhost)) {
            continue;
        }
        let quoted = shown(permission, "vhost");
        let problem = format!("a permission is for the vhost {quoted}, which nobody defines");
        let finding = match world.whole {
            true => definitions.refused(*line, "permission-for-unknown-vhost", problem, "ignores it", "the vhost does not exist"),
            false => definitions.finding(*line, Severity::Warning, "permission-for-unknown-vhost", problem).cause(CauseId::VhostMissing).effect(
                "a broker that has the vhost imports it; as load_definitions RabbitMQ 4 does not start (\"Please create virtual host ... \
                 prior to importing definitions.\"), and with 3.10 logins fail: \"vhost not found\"",
            ),
        };
        findings.push(finding.remedy(format!("add {{\"name\": {}}} to \"vhosts\"", serde_json::Value::from(vhost))));
    }
}

/// Regular expressions of permissions.
fn patterns(definitions: &Definitions<'_>, findings: &mut Vec<Finding>) {
    for (line, permission) in definitions.permissions.iter().chain(&definitions.topic_permissions) {
        for field in ["configure", "write", "read"] {
            let Some(fault) = permission[field].as_str().and_then(regex::fault) else { continue };
            let problem =
                format!("the {field} permission of {} is no regular expression: {fault}", shown(permission, "user"));
            let finding = definitions.refused(
                *line,
                "permission-not-a-pattern",
                problem,
                "leaves that permission out",
                "\"invalid_regexp\"",
            );
            findings.push(finding.remedy("write \".*\" for everything and \"\" for nothing"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn found(files: &[(&str, &str)]) -> Vec<(&'static str, Option<usize>)> {
        let mut findings = Vec::new();
        check(&Case::of(files), &mut findings);
        findings.iter().map(|finding| (finding.code, finding.line)).collect()
    }

    const ADMINISTRATOR: &str = r#"{"name": "boss", "password_hash": "aGFzaA==", "tags": ["administrator"]}"#;

    fn with(users: &str, permissions: &str) -> String {
        format!(
            "{{\n\"vhosts\": [{{\"name\": \"/\"}}],\n\"users\": [\n{ADMINISTRATOR}{}{users}\n],\n\"permissions\": [\n{permissions}\n]}}\n",
            if users.is_empty() { "" } else { ",\n" }
        )
    }

    #[test]
    fn what_every_release_imports_is_left_alone() {
        for (users, permissions) in [
            (
                r#"{"name": "w", "password_hash": "", "tags": []}"#,
                r#"{"user": "w", "vhost": "/", "configure": "^x$", "write": "", "read": ".*"}"#,
            ),
            (r#"{"name": "w", "tags": ""}, {"name": "v", "password": "x", "tags": "monitoring"}"#, ""),
            ("", ""),
        ] {
            let text = with(users, permissions);
            assert_eq!(found(&[("definitions.json", &text)]), [], "{text}");
        }
        assert_eq!(found(&[("x.json", r#"{"users": [{"id": 1}]}"#), ("y.json", r#"{"a": null}"#)]), []);
    }

    #[test]
    fn what_one_of_them_refuses_is_told_with_its_line() {
        for (users, permissions, code, line) in [
            (r#"{"name": "w", "password_hash": ""}"#, "", "user-without-tags", 5),
            (r#"{"name": "w", "password_hash": null, "tags": []}"#, "", "user-hash-null", 5),
            (r#"{"name": "boss", "tags": []}"#, "", "user-twice", 5),
            (
                "",
                r#"{"user": "x", "vhost": "/", "configure": "", "write": "", "read": ""}"#,
                "permission-for-unknown-user",
                7,
            ),
            (
                "",
                r#"{"user": "boss", "vhost": "v", "configure": "", "write": "", "read": ""}"#,
                "permission-for-unknown-vhost",
                7,
            ),
            (
                "",
                r#"{"user": "boss", "vhost": "/", "configure": "*", "write": "", "read": ""}"#,
                "permission-not-a-pattern",
                7,
            ),
        ] {
            let text = with(users, permissions);
            assert_eq!(found(&[("definitions.json", &text)]), [(code, Some(line))], "{text}");
        }
    }

    #[test]
    fn a_part_relies_on_the_whole() {
        let part = r#"{"users": [{"name": "w", "password_hash": "", "tags": []}], "permissions": [{"user": "w", "vhost": "/", "configure": "", "write": "", "read": ""}]}"#;
        assert_eq!(found(&[("definitions.json", &with("", "")), ("definitions.d/w.json", part)]), []);
        assert_eq!(found(&[("w.json", part)]), [("permission-for-unknown-vhost", Some(1))]);
    }
}
