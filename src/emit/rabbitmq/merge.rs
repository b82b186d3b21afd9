//! Our entries into a definitions.json that others own too.
//!
//! Only certgen's users, with their permissions, and the vhosts they need change; everything else stays byte for byte, the
//! way numbers and escapes are written included, because the file is edited as text at the places that serde_json points to.
//! A user that is there already keeps its password, tags and limits.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::definitions::{Definitions, User, vhost_entry};
use crate::error::{Error, Result};
use crate::ui;

/// What became of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The new file; the very same bytes when nothing had to change.
    pub bytes: Vec<u8>,
    /// Users of ours that are somebody else's already; nothing about them was changed.
    pub conflicts: Vec<Conflict>,
    /// Users that were ours, are no longer wanted, and left the file. A running broker keeps them until
    /// `rabbitmqctl delete_user`.
    pub removed: Vec<String>,
    /// Differences of our own users that were left as they are in the file, each a sentence.
    pub kept: Vec<String>,
}

/// A user that certgen wants to make and that exists with rights of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The user.
    pub user: String,
    /// Whether it has a password.
    pub password: bool,
    /// Its tags.
    pub tags: Vec<String>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the user {} exists already", ui::quote(&self.user))?;
        match (self.password, self.tags.is_empty()) {
            (true, true) => f.write_str(" and has a password")?,
            (true, false) => write!(f, ", has a password and the tags {}", self.tags.join(", "))?,
            (false, false) => write!(f, " and has the tags {}", self.tags.join(", "))?,
            (false, true) => {}
        }
        f.write_str(": a certificate with this name would be that user")
    }
}

/// Puts `ours` into `existing`. `previously_ours` are the users that certgen put there before: those that are no longer in
/// `ours` leave, and for those that are the permissions follow `ours` alone.
pub fn merge_definitions(existing: &[u8], ours: &Definitions, previously_ours: &BTreeSet<String>) -> Result<Merged> {
    let text = readable(existing)?;
    let file = File::parse(text)?;
    let mut users = file.section("users")?;
    let mut vhosts = file.section("vhosts")?;
    let mut permissions = file.section("permissions")?;
    let mut topics = file.section("topic_permissions")?;

    let mut job =
        Job { previously_ours, conflicts: Vec::new(), removed: Vec::new(), kept: Vec::new(), foreign: BTreeSet::new() };
    job.users(&mut users, ours)?;
    vhosts.add_missing(ours.vhosts.iter().map(|vhost| (vec![vhost.clone()], vhost_entry(vhost))), &["name"])?;
    let refused: BTreeSet<&str> = job.conflicts.iter().map(|conflict| conflict.user.as_str()).collect();
    let active: BTreeSet<&str> =
        ours.users.iter().map(|user| user.name.as_str()).filter(|name| !refused.contains(name)).collect();
    let wanted = |user: &str| active.contains(user);
    let list = ours.permissions.iter().filter(|one| wanted(&one.user));
    let list = list.map(|one| (vec![one.user.clone(), one.vhost.clone()], one.entry())).collect();
    job.permissions(&mut permissions, &["user", "vhost"], &active, list)?;
    let list = ours.topic_permissions.iter().filter(|one| wanted(&one.user));
    let list = list.map(|one| (vec![one.user.clone(), one.vhost.clone(), one.exchange.clone()], one.entry())).collect();
    job.permissions(&mut topics, &["user", "vhost", "exchange"], &active, list)?;

    let bytes = file.with([vhosts, users, permissions, topics]).into_bytes();
    Ok(Merged { bytes, conflicts: job.conflicts, removed: job.removed, kept: job.kept })
}

fn wrong(why: impl fmt::Display) -> Error {
    Error::failed(format!("reading definitions.json: {why}"))
}

fn readable(existing: &[u8]) -> Result<&str> {
    if existing.starts_with(b"\xef\xbb\xbf") || existing.starts_with(b"\xff\xfe") || existing.starts_with(b"\xfe\xff") {
        return Err(wrong("it begins with a byte order mark, which RabbitMQ does not read")
            .hint("save it again as UTF-8 without a byte order mark"));
    }
    std::str::from_utf8(existing).map_err(|e| wrong(format!("it is not UTF-8 after {} bytes", e.valid_up_to())))
}

/// What is done to the lists.
struct Job<'a> {
    previously_ours: &'a BTreeSet<String>,
    conflicts: Vec<Conflict>,
    removed: Vec<String>,
    kept: Vec<String>,
    /// Users that are in the file, are wanted by us, and were not made by us.
    foreign: BTreeSet<String>,
}

impl Job<'_> {
    fn users(&mut self, section: &mut Section<'_>, ours: &Definitions) -> Result<()> {
        let wanted: BTreeMap<&str, &User> = ours.users.iter().map(|user| (user.name.as_str(), user)).collect();
        let mut seen = BTreeSet::new();
        let mut failure = None;
        section.items.retain_mut(|item| {
            let Some(name) = item.key(&["name"]).map(|mut key| key.remove(0)) else {
                failure.get_or_insert_with(|| wrong("an entry of users has no name"));
                return true;
            };
            if !seen.insert(name.clone()) {
                failure.get_or_insert_with(|| wrong(format!("the user {} is in it twice", ui::quote(&name))));
            }
            match wanted.get(name.as_str()).copied() {
                Some(user) => {
                    if let Err(e) = self.user(item, user) {
                        failure.get_or_insert(e);
                    }
                    true
                }
                None if self.previously_ours.contains(&name) => {
                    self.removed.push(name);
                    false
                }
                None => true,
            }
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        for user in ours.users.iter().filter(|user| !seen.contains(&user.name)) {
            section.push(user.entry());
        }
        Ok(())
    }

    fn user(&mut self, item: &mut Item<'_>, ours: &User) -> Result<()> {
        let mut entry: serde_json::Map<String, Value> =
            serde_json::from_str(&item.text).map_err(|e| wrong(e.to_string()))?;
        let hash = entry.get("password_hash").and_then(Value::as_str).unwrap_or_default().to_owned();
        let password =
            !hash.is_empty() || entry.get("password").is_some_and(|p| p.as_str().is_some_and(|p| !p.is_empty()));
        let mut tags = tags_of(entry.get("tags"));
        if !self.previously_ours.contains(&ours.name) {
            self.foreign.insert(ours.name.clone());
            if password || !tags.is_empty() {
                self.conflicts.push(Conflict { user: ours.name.clone(), password, tags });
            }
            return Ok(());
        }
        let name = ui::quote(&ours.name);
        if password && ours.password_hash.is_empty() {
            self.kept.push(format!("the user {name} keeps a password that the manifest does not give it"));
        }
        let extra: Vec<_> = tags.iter().filter(|tag| !ours.tags.contains(tag)).cloned().collect();
        if !extra.is_empty() {
            self.kept
                .push(format!("the user {name} keeps tags that the manifest does not give it: {}", extra.join(", ")));
        }
        let missing: Vec<_> = ours.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
        let new_password = !password && !ours.password_hash.is_empty();
        if !missing.is_empty() {
            tags.extend(missing.iter().cloned());
            entry.insert("tags".into(), tags.into());
        }
        if new_password {
            entry.insert("password_hash".into(), ours.password_hash.clone().into());
            entry.insert("hashing_algorithm".into(), "rabbit_password_hashing_sha256".into());
        }
        if new_password || !missing.is_empty() {
            item.text = Cow::Owned(Value::Object(entry).to_string());
        }
        Ok(())
    }

    /// One entry for each key. Entries of our users beyond `wanted` go, unless the user was there before us.
    fn permissions(
        &self,
        section: &mut Section<'_>,
        fields: &[&str],
        active: &BTreeSet<&str>,
        wanted: Vec<(Vec<String>, String)>,
    ) -> Result<()> {
        let entries: BTreeMap<&[String], &String> = wanted.iter().map(|(key, entry)| (key.as_slice(), entry)).collect();
        let mut used = BTreeSet::new();
        let removed: BTreeSet<&String> = self.removed.iter().collect();
        section.items.retain_mut(|item| {
            let Some(key) = item.key(fields) else { return true };
            if removed.contains(&key[0]) {
                return false;
            }
            if !active.contains(key[0].as_str()) {
                return true;
            }
            match entries.get(key.as_slice()) {
                Some(_) if used.contains(&key) => false,
                Some(entry) => {
                    item.become_equal_to(entry);
                    used.insert(key);
                    true
                }
                None => self.foreign.contains(&key[0]),
            }
        });
        for (key, entry) in wanted {
            if used.insert(key) {
                section.push(entry);
            }
        }
        Ok(())
    }
}

/// A list of tags, or the old form: one string with commas.
fn tags_of(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(Into::into).collect()
        }
        Some(Value::Array(tags)) => tags.iter().filter_map(Value::as_str).map(Into::into).collect(),
        _ => Vec::new(),
    }
}

/// The file as text, and where the values of its members lie.
struct File<'a> {
    text: &'a str,
    members: Vec<(String, &'a RawValue)>,
}

impl<'a> File<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let Members(members) = serde_json::from_str(text).map_err(|e| {
            wrong(format!("it is not the JSON object that RabbitMQ takes: {}", e.to_string().replace('\n', " ")))
        })?;
        let mut names = BTreeSet::new();
        match members.iter().find(|(name, _)| !names.insert(name.as_str())) {
            Some((name, _)) => Err(wrong(format!("{} is in it twice", ui::quote(name)))),
            None => Ok(Self { text, members }),
        }
    }

    fn section(&self, name: &'static str) -> Result<Section<'a>> {
        let Some((_, raw)) = self.members.iter().find(|(member, _)| member == name) else {
            return Ok(Section { name, source: None, items: Vec::new(), changed: 0 });
        };
        let source = raw.get();
        let values: Vec<&'a RawValue> =
            serde_json::from_str(source).map_err(|_| wrong(format!("{} is not a list", ui::quote(name))))?;
        let mut items = Vec::with_capacity(values.len());
        let mut at = 1;
        for value in values {
            if !value.get().starts_with('{') {
                return Err(wrong(format!("an entry of {name} is not an object")));
            }
            let start = offset(source, value.get());
            items.push(Item { leading: &source[at..start], text: Cow::Borrowed(value.get()) });
            at = start + value.get().len();
        }
        let count = items.len();
        Ok(Section { name, source: Some(source), items, changed: count })
    }

    /// The text with these sections in place of its own.
    fn with(&self, sections: [Section<'_>; 4]) -> String {
        let mut edits: Vec<(usize, usize, String)> = Vec::new();
        let end_of_last = self.members.last().map(|(_, raw)| offset(self.text, raw.get()) + raw.get().len());
        let open = self.text.find('{').map_or(0, |at| at + 1);
        let indent: String = self.text[open..].chars().take_while(|c| c.is_whitespace()).collect();
        let indent = if end_of_last.is_some() { indent } else { "\n  ".into() };
        let mut added = String::new();
        for section in sections {
            match section.source {
                Some(source) if section.is_changed() => {
                    let start = offset(self.text, source);
                    edits.push((start, start + source.len(), section.text(&indent)));
                }
                Some(_) => {}
                None if section.items.is_empty() => {}
                None => {
                    if end_of_last.is_some() || !added.is_empty() {
                        added.push(',');
                    }
                    added.push_str(&format!(
                        "{indent}\"{}\":{}{}",
                        section.name,
                        if indent.is_empty() { "" } else { " " },
                        section.text(&indent)
                    ));
                }
            }
        }
        if !added.is_empty() {
            let at = end_of_last.unwrap_or(open);
            let closing = if end_of_last.is_none() { "\n" } else { "" };
            edits.push((at, at, added + closing));
        }
        edits.sort_by_key(|edit| edit.0);
        let mut out = String::with_capacity(self.text.len() + 256);
        let mut at = 0;
        for (start, end, new) in edits {
            out.push_str(&self.text[at..start]);
            out.push_str(&new);
            at = end;
        }
        out + &self.text[at..]
    }
}

/// Where `part`, a piece of `whole`, begins in it.
fn offset(whole: &str, part: &str) -> usize {
    part.as_ptr() as usize - whole.as_ptr() as usize
}

/// A list of entries, each with the comma and white space in front of it.
struct Section<'a> {
    name: &'static str,
    source: Option<&'a str>,
    items: Vec<Item<'a>>,
    /// How many there were.
    changed: usize,
}

struct Item<'a> {
    leading: &'a str,
    text: Cow<'a, str>,
}

impl Section<'_> {
    fn is_changed(&self) -> bool {
        self.items.len() != self.changed || self.items.iter().any(|item| matches!(item.text, Cow::Owned(_)))
    }

    fn push(&mut self, entry: String) {
        self.items.push(Item { leading: "", text: Cow::Owned(entry) });
    }

    fn add_missing(&mut self, wanted: impl Iterator<Item = (Vec<String>, String)>, fields: &[&str]) -> Result<()> {
        let known: BTreeSet<Vec<String>> = self.items.iter().filter_map(|item| item.key(fields)).collect();
        for (_, entry) in wanted.filter(|(key, _)| !known.contains(key)) {
            self.push(entry);
        }
        Ok(())
    }

    /// The list as text, in the style that it had: `indent` is what stands before the members of the whole file.
    fn text(&self, indent: &str) -> String {
        if self.items.is_empty() {
            return "[]".into();
        }
        let own = self.source.filter(|source| source.contains('{'));
        let deeper = if indent.contains('\n') {
            format!("{indent}{}", indent.trim_start_matches(['\r', '\n']))
        } else {
            indent.to_owned()
        };
        let first = own.map_or(deeper.as_str(), |source| &source[1..1 + source[1..].find('{').unwrap_or(0)]);
        let between = self
            .items
            .iter()
            .map(|item| item.leading)
            .find(|leading| leading.starts_with(',') || leading.trim_start().starts_with(','));
        let between = between.map_or_else(|| format!(",{first}"), Into::into);
        let close = own.map_or(indent, |source| &source[source.rfind('}').map_or(1, |at| at + 1)..source.len() - 1]);
        let mut out = String::from("[");
        for (index, item) in self.items.iter().enumerate() {
            let leading = match index {
                0 => first,
                _ if item.leading.contains(',') => item.leading,
                _ => &between,
            };
            out.push_str(leading);
            out.push_str(&item.text);
        }
        out.push_str(close);
        out.push(']');
        out
    }
}

impl Item<'_> {
    /// The values of these fields, when all are there and are strings.
    fn key(&self, fields: &[&str]) -> Option<Vec<String>> {
        let entry: Value = serde_json::from_str(&self.text).ok()?;
        fields.iter().map(|field| entry.get(field)?.as_str().map(Into::into)).collect()
    }

    /// Takes the new text when it says something else.
    fn become_equal_to(&mut self, entry: &str) {
        let same = serde_json::from_str::<Value>(&self.text).ok() == serde_json::from_str::<Value>(entry).ok();
        if !same {
            self.text = Cow::Owned(entry.to_owned());
        }
    }
}

/// The members of an object in their order, repeated ones included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    use super::super::definitions::Permission;
    use super::*;

    fn ours(names: &[&str]) -> Definitions {
        let user = |name: &&str| User { name: (*name).into(), password_hash: String::new(), tags: vec![] };
        let permission = |name: &&str| Permission {
            user: (*name).into(),
            vhost: "app".into(),
            configure: "^$".into(),
            write: "^w$".into(),
            read: "^$".into(),
        };
        Definitions {
            vhosts: vec!["app".into()],
            users: names.iter().map(user).collect(),
            permissions: names.iter().map(permission).collect(),
            topic_permissions: vec![],
        }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn merged(existing: &str, ours: &Definitions, previously: &[&str]) -> (String, Merged) {
        let merged = merge_definitions(existing.as_bytes(), ours, &set(previously)).unwrap();
        (String::from_utf8(merged.bytes.clone()).unwrap(), merged)
    }

    const EXISTING: &str = r#"{ "rabbit_version" : "3.10.8", "odd": 1.50e3,  "text": "\u00e9\/",
  "users": [
        {"name":"root","password_hash":"x","hashing_algorithm":"rabbit_password_hashing_sha256","tags":["administrator"],"limits":{"max-connections":12345678901234567890}}
  ],
  "vhosts": [{"name":"/"}],
  "permissions": [{"user":"root","vhost":"/","configure":".*","write":".*","read":".*"}],
  "policies": [ ]
}
"#;

    #[test]
    fn what_is_not_ours_stays_byte_for_byte() {
        let (text, merged) = merged(EXISTING, &ours(&["worker"]), &[]);
        let expected = r#"{ "rabbit_version" : "3.10.8", "odd": 1.50e3,  "text": "\u00e9\/",
  "users": [
        {"name":"root","password_hash":"x","hashing_algorithm":"rabbit_password_hashing_sha256","tags":["administrator"],"limits":{"max-connections":12345678901234567890}},
        {"name": "worker", "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [], "limits": {}}
  ],
  "vhosts": [{"name":"/"},{"name": "app"}],
  "permissions": [{"user":"root","vhost":"/","configure":".*","write":".*","read":".*"},{"user": "worker", "vhost": "app", "configure": "^$", "write": "^w$", "read": "^$"}],
  "policies": [ ]
}
"#;
        assert_eq!(text, expected);
        assert!(merged.conflicts.is_empty() && merged.removed.is_empty() && merged.kept.is_empty());
    }

    #[test]
    fn twice_is_once() {
        let (once, _) = merged(EXISTING, &ours(&["worker", "b"]), &[]);
        let (twice, again) = merged(&once, &ours(&["worker", "b"]), &["worker", "b"]);
        assert_eq!(once, twice);
        assert!(again.removed.is_empty());
    }

    #[test]
    fn our_own_file_merges_into_itself_and_an_empty_object_is_filled() {
        let ours = ours(&["worker"]);
        assert_eq!(merged(&ours.to_json(), &ours, &["worker"]).0, ours.to_json());
        let filled = merged("{}", &ours, &[]).0;
        let value: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(value["users"][0]["name"], "worker");
        assert_eq!(merged(&filled, &ours, &["worker"]).0, filled);
        let compact = merged(r#"{"a":1}"#, &ours, &[]).0;
        assert!(compact.starts_with(r#"{"a":1,"vhosts":[{"name": "app"}],"users":["#), "{compact}");
    }

    #[test]
    fn a_user_with_rights_of_its_own_is_a_conflict() {
        let (text, merged) = merged(EXISTING, &ours(&["root"]), &[]);
        assert_eq!(
            merged.conflicts,
            [Conflict { user: "root".into(), password: true, tags: vec!["administrator".into()] }]
        );
        assert_eq!(text, EXISTING.replace(r#"[{"name":"/"}]"#, r#"[{"name":"/"},{"name": "app"}]"#));
        let old_form = EXISTING
            .replace(r#""password_hash":"x""#, r#""password_hash":"""#)
            .replace(r#"["administrator"]"#, r#""administrator, policymaker""#);
        let conflict = merge_definitions(old_form.as_bytes(), &ours(&["root"]), &set(&[])).unwrap().conflicts.remove(0);
        assert_eq!(
            conflict.to_string(),
            "the user \"root\" exists already and has the tags administrator, policymaker: a certificate with this name would be that user"
        );
    }

    #[test]
    fn a_user_without_rights_is_taken_over_with_its_limits_and_other_vhosts() {
        let existing = r#"{"users":[{"name":"w","password_hash":"","tags":[],"limits":{"max-channels":3}}],"permissions":[{"user":"w","vhost":"other","configure":"","write":"","read":""}]}"#;
        let text = merged(existing, &ours(&["w"]), &[]).0;
        assert!(text.starts_with(r#"{"users":[{"name":"w","password_hash":"","tags":[],"limits":{"max-channels":3}}],"permissions":[{"user":"w","vhost":"other""#));
        assert!(text.contains(r#"{"user": "w", "vhost": "app""#));
    }

    #[test]
    fn a_password_set_at_run_time_and_tags_are_kept_and_said() {
        let existing = r#"{"users":[{"name":"w","password_hash":"HASH","tags":["monitoring"],"limits":{}}]}"#;
        let (text, done) = merged(existing, &ours(&["w"]), &["w"]);
        assert!(text.contains(r#"{"name":"w","password_hash":"HASH","tags":["monitoring"],"limits":{}}"#));
        assert_eq!(done.kept.len(), 2);
        let mut tagged = ours(&["w"]);
        tagged.users[0].tags = vec!["management".into()];
        assert!(merged(existing, &tagged, &["w"]).0.contains(r#""tags":["monitoring","management"]"#));
    }

    #[test]
    fn permissions_follow_the_manifest_one_for_each_user_and_vhost() {
        let existing = r#"{"users":[{"name":"w","password_hash":"","tags":[]}],"permissions":[
 {"user":"w","vhost":"app","configure":".*","write":".*","read":".*"},
 {"user":"x","vhost":"app","configure":".*","write":".*","read":".*"},
 {"user":"w","vhost":"app","configure":"a","write":"a","read":"a"},
 {"user":"w","vhost":"old","configure":".*","write":".*","read":".*"}
]}"#;
        let text = merged(existing, &ours(&["w"]), &["w"]).0;
        let expected = r#"{"users":[{"name":"w","password_hash":"","tags":[]}],"permissions":[
 {"user": "w", "vhost": "app", "configure": "^$", "write": "^w$", "read": "^$"},
 {"user":"x","vhost":"app","configure":".*","write":".*","read":".*"}
],"vhosts":[{"name": "app"}]}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_user_that_is_no_longer_ours_leaves_with_its_permissions() {
        let (both, _) = merged(EXISTING, &ours(&["a", "b"]), &[]);
        let (text, done) = merged(&both, &ours(&["b"]), &["a", "b"]);
        assert_eq!(done.removed, ["a"]);
        assert_eq!(text, merged(EXISTING, &ours(&["b"]), &[]).0);
        let (none, _) = merged(&text, &Definitions::default(), &["b"]);
        assert_eq!(none, EXISTING.replace(r#"[{"name":"/"}]"#, r#"[{"name":"/"},{"name": "app"}]"#));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, why) in [
            ("\u{feff}{}", "byte order mark"),
            ("", "JSON object"),
            ("[]", "JSON object"),
            ("{\"users\":[}", "JSON object"),
            ("{\"users\":{}}", "\"users\" is not a list"),
            ("{\"users\":[1]}", "not an object"),
            ("{\"users\":[{}]}", "no name"),
            ("{\"users\":[],\"users\":[]}", "\"users\" is in it twice"),
            ("{\"users\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", "the user \"a\" is in it twice"),
            ("{} x", "JSON object"),
        ] {
            let error = merge_definitions(text.as_bytes(), &ours(&["w"]), &set(&[])).unwrap_err();
            assert!(error.message().contains(why), "{text:?}: {error}");
        }
        assert!(
            merge_definitions(b"{\"a\":\"\xff\"}", &ours(&["w"]), &set(&[])).unwrap_err().message().contains("UTF-8")
        );
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let _ = merge_definitions(deep.as_bytes(), &ours(&["w"]), &set(&[]));
    }

    #[test]
    fn fifty_thousand_users_are_no_matter() {
        let names: Vec<String> = (0..50_000).map(|n| format!("device-{n}")).collect();
        let entries: Vec<String> =
            names.iter().map(|name| format!(r#"{{"name":"{name}","password_hash":"h","tags":[]}}"#)).collect();
        let existing = format!("{{\"users\":[{}]}}", entries.join(","));
        let started = std::time::Instant::now();
        let text = merged(&existing, &ours(&["w"]), &[]).0;
        assert_eq!(text.matches("\"name\"").count(), 50_002);
        let own = ours(&names[..5_000].iter().map(String::as_str).collect::<Vec<_>>());
        let previously = names.iter().cloned().collect();
        assert_eq!(
            merge_definitions(own.to_json().as_bytes(), &own, &previously).unwrap().bytes,
            own.to_json().as_bytes()
        );
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }
}
