//! Writes into a manifest that people keep: what was asked for changes, every other byte stays.
//!
//! Each change is a splice of the text at a place that `scan.rs` found, and is checked before it counts: the new text must
//! parse to the old values with exactly that change. A layout that cannot be edited so is refused, never damaged.

use super::array::relisted;
use super::file::section;
use super::message::{ManifestError, Text};
use super::spec::{AuthoritySpec, EntrySpec, KubernetesSpec};
use super::validate::document;
use super::{Role, splice};
use crate::profile::quoted_string;

/// A value to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    String(String),
    /// A list of strings.
    Strings(Vec<String>),
    /// true or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An inline table.
    Table(Vec<(&'static str, Self)>),
}

/// A table with all that it should say; a key without a value should not be there.
struct TableValues<'a> {
    path: Vec<&'a str>,
    values: Values,
}

/// A manifest that is being changed.
#[derive(Debug, Clone)]
pub struct Editor {
    text: String,
    file: String,
}

impl Editor {
    /// Opens a manifest. `file_name` is what messages call it.
    pub fn new(text: &str, file_name: &str) -> Result<Self, ManifestError> {
        parse(text, file_name)?;
        Ok(Self { text: text.to_owned(), file: file_name.to_owned() })
    }

    /// The text as it stands now.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text when all changes are made.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Adds entries, or brings those that exist to their specs: keys that differ are replaced, those that a spec lacks go.
    pub fn put_entries<'s>(
        &mut self,
        role: Role,
        entries: impl IntoIterator<Item = (&'s str, &'s EntrySpec)>,
    ) -> Result<(), ManifestError> {
        let tables = entries
            .into_iter()
            .map(|(name, spec)| TableValues { path: vec![role.as_str(), name], values: entry_values(spec) });
        self.put(tables.collect())
    }

    /// The same for one entry.
    pub fn put_entry(&mut self, role: Role, name: &str, spec: &EntrySpec) -> Result<(), ManifestError> {
        self.put_entries(role, [(name, spec)])
    }

    /// The same for an authority.
    pub fn put_authority(&mut self, name: &str, spec: &AuthoritySpec) -> Result<(), ManifestError> {
        self.put(vec![TableValues { path: vec!["authority", name], values: authority_values(spec) }])
    }

    /// Takes an entry out, with the comment right above it. `false`: it was not there.
    pub fn remove_entry(&mut self, role: Role, name: &str) -> Result<bool, ManifestError> {
        self.remove(&[role.as_str(), name])
    }

    /// Takes an authority out.
    pub fn remove_authority(&mut self, name: &str) -> Result<bool, ManifestError> {
        self.remove(&["authority", name])
    }

    /// Sets one key of a table, for instance of `["defaults", "client"]`; the table is made if there is none. An empty path
    /// is the top of the file.
    pub fn set(&mut self, table: &[&str], key: &str, value: &Value) -> Result<(), ManifestError> {
        let path: Vec<&str> = table.iter().copied().chain([key]).collect();
        let mut wanted = parse(&self.text, &self.file)?;
        let new = value.to_toml();
        if lookup(&wanted, &path) == Some(&new) {
            return Ok(());
        }
        insert(&mut wanted, &path, new);
        let changed = splice::set(&self.text, table, key, |old| value.in_place_of(old));
        self.accept(changed, &wanted, table)
    }

    /// Takes one key out of a table. `false`: it was not there.
    pub fn unset(&mut self, table: &[&str], key: &str) -> Result<bool, ManifestError> {
        let path: Vec<&str> = table.iter().copied().chain([key]).collect();
        self.remove(&path)
    }

    /// All tables that are new come in one splice: a text of thousands is read and checked once, not once for each.
    fn put(&mut self, tables: Vec<TableValues<'_>>) -> Result<(), ManifestError> {
        let mut draft = self.clone();
        let mut wanted = parse(&draft.text, &draft.file)?;
        let (known, new): (Vec<_>, Vec<_>) = tables.into_iter().partition(|t| lookup(&wanted, &t.path).is_some());
        for TableValues { path, values } in known {
            for (key, value) in values {
                let is = lookup(&wanted, &path).and_then(|table| table.get(key));
                match value {
                    Some(value) if is != Some(&value.to_toml()) => draft.set(&path, key, &value)?,
                    None if is.is_some() => drop(draft.unset(&path, key)?),
                    _ => {}
                }
            }
        }
        if let Some(first) = new.first().map(|table| table.path.clone()) {
            wanted = parse(&draft.text, &draft.file)?;
            let mut sections = Vec::with_capacity(new.len());
            for TableValues { path, values } in new {
                let values: Vec<_> = values.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
                let table = values.iter().map(|(key, value)| ((*key).to_owned(), value.to_toml())).collect();
                insert(&mut wanted, &path, toml::Value::Table(table));
                let assignments = values.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                sections.push(splice::Section { path, assignments });
            }
            let with_tables = splice::add_tables(&draft.text, &sections);
            draft.accept(with_tables, &wanted, &first)?;
        }
        *self = draft;
        Ok(())
    }

    fn remove(&mut self, path: &[&str]) -> Result<bool, ManifestError> {
        let mut wanted = parse(&self.text, &self.file)?;
        if lookup(&wanted, path).is_none() {
            return Ok(false);
        }
        take(&mut wanted, path);
        let changed = splice::remove(&self.text, path);
        self.accept(changed, &wanted, path).map(|()| true)
    }

    /// Takes over a changed text if it says what was wanted and nothing else.
    fn accept(&mut self, changed: Option<String>, wanted: &toml::Table, path: &[&str]) -> Result<(), ManifestError> {
        let accepted = changed.filter(|text| parse(text, &self.file).is_ok_and(|found| same(&found, wanted)));
        let Some(text) = accepted else {
            let shown = match path {
                [kind, name, ..] => section(kind, name),
                _ => path.concat(),
            };
            let message = format!("{shown} is written in a layout that certgen cannot change");
            let hint = format!("write it as a table of its own: {shown}");
            return Err(ManifestError::of_file(&self.file, message).hint(hint));
        };
        self.text = text;
        Ok(())
    }
}

fn parse(text: &str, file: &str) -> Result<toml::Table, ManifestError> {
    document(&Text { file, text })?;
    toml::from_str(text).map_err(|e| ManifestError::of_file(file, e.message()))
}

/// Empty tables that only hold nothing are not a difference: `[client]` may stay behind its last member.
fn same(found: &toml::Table, wanted: &toml::Table) -> bool {
    let clean = |table: &toml::Table| {
        let mut table = table.clone();
        table.retain(|_, value| !value.as_table().is_some_and(toml::Table::is_empty));
        table
    };
    clean(found) == clean(wanted)
}

fn lookup<'t>(table: &'t toml::Table, path: &[&str]) -> Option<&'t toml::Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get(*first)?;
    if rest.is_empty() { Some(value) } else { lookup(value.as_table()?, rest) }
}

fn insert(table: &mut toml::Table, path: &[&str], value: toml::Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let below = table.entry((*first).to_owned()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(below) = below.as_table_mut() {
        insert(below, rest, value);
    }
}

fn take(table: &mut toml::Table, path: &[&str]) {
    match path {
        [] => {}
        [last] => {
            table.remove(*last);
        }
        [first, rest @ ..] => {
            if let Some(below) = table.get_mut(*first).and_then(toml::Value::as_table_mut) {
                take(below, rest);
            }
        }
    }
}

impl Value {
    fn to_toml(&self) -> toml::Value {
        match self {
            Self::String(text) => toml::Value::String(text.clone()),
            Self::Strings(list) => toml::Value::Array(list.iter().cloned().map(toml::Value::String).collect()),
            Self::Boolean(is) => toml::Value::Boolean(*is),
            Self::Integer(number) => toml::Value::Integer(*number),
            Self::Table(members) => {
                toml::Value::Table(members.iter().map(|(key, value)| ((*key).to_owned(), value.to_toml())).collect())
            }
        }
    }
}

impl Value {
    /// The value in TOML: a list in the lines of the one that it takes the place of, anything else on one line.
    fn in_place_of(&self, old: Option<&str>) -> String {
        let list = if let Self::Strings(list) = self { Some(list) } else { None };
        let relisted = old.zip(list).and_then(|(old, list)| relisted(old, list, quoted_string));
        relisted.unwrap_or_else(|| self.to_string())
    }
}

/// The value in TOML, on one line.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::String(text) => f.write_str(&quoted_string(text)),
            Self::Strings(list) => {
                write!(f, "[{}]", list.iter().map(|text| quoted_string(text)).collect::<Vec<_>>().join(", "))
            }
            Self::Boolean(is) => write!(f, "{is}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Table(members) => {
                let members: Vec<_> = members.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                if members.is_empty() { f.write_str("{}") } else { write!(f, "{{ {} }}", members.join(", ")) }
            }
        }
    }
}

type Values = Vec<(&'static str, Option<Value>)>;

fn string(text: &Option<String>) -> Option<Value> {
    text.clone().map(Value::String)
}

fn strings(list: &Option<Vec<String>>) -> Option<Value> {
    list.clone().map(Value::Strings)
}

/// One item alone reads better without brackets where people write it so.
fn one_or_more(list: &Option<Vec<String>>) -> Option<Value> {
    match list.as_deref() {
        Some([only]) => Some(Value::String(only.clone())),
        _ => strings(list),
    }
}

fn entry_values(spec: &EntrySpec) -> Values {
    vec![
        ("issuer", string(&spec.issuer)),
        ("san", strings(&spec.san)),
        ("kubernetes", spec.kubernetes.as_ref().map(kubernetes_value)),
        ("key_type", string(&spec.key_type)),
        ("validity", string(&spec.validity)),
        ("subject", string(&spec.subject)),
        ("owner", string(&spec.owner)),
        ("key_mode", string(&spec.key_mode)),
        ("key_password_file", string(&spec.key_password_file)),
        ("broker", one_or_more(&spec.broker)),
        ("vhost", one_or_more(&spec.vhost)),
        ("access", one_or_more(&spec.access)),
        ("configure", string(&spec.configure)),
        ("write", string(&spec.write)),
        ("read", string(&spec.read)),
        ("topic_exchange", string(&spec.topic_exchange)),
        ("topic_write", string(&spec.topic_write)),
        ("topic_read", string(&spec.topic_read)),
        ("tags", strings(&spec.tags)),
        ("password", spec.password.map(Value::Boolean)),
        ("cli", spec.cli.map(Value::Boolean)),
        ("existing_user", spec.existing_user.map(Value::Boolean)),
    ]
}

fn kubernetes_value(spec: &KubernetesSpec) -> Value {
    let members = [
        ("namespace", string(&spec.namespace)),
        ("cluster", string(&spec.cluster)),
        ("replicas", spec.replicas.map(Value::Integer)),
        ("service", string(&spec.service)),
        ("headless_service", string(&spec.headless_service)),
        ("pod_prefix", string(&spec.pod_prefix)),
        ("cluster_domain", string(&spec.cluster_domain)),
    ];
    Value::Table(members.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

fn authority_values(spec: &AuthoritySpec) -> Values {
    vec![
        ("issuer", string(&spec.issuer)),
        ("common_name", string(&spec.common_name)),
        ("subject", string(&spec.subject)),
        ("key_type", string(&spec.key_type)),
        ("validity", string(&spec.validity)),
        ("path_length", spec.path_length.map(Value::Integer)),
        ("permit", strings(&spec.permit)),
        ("exclude", strings(&spec.exclude)),
        ("crl_urls", strings(&spec.crl_urls)),
        ("issuer_urls", strings(&spec.issuer_urls)),
        ("ocsp_urls", strings(&spec.ocsp_urls)),
        ("policies", strings(&spec.policies)),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::Manifest;

    const PLAIN: &str = "# The PKI of Example.\nversion = 1\n\n[authority.root] # ours\n\n# The worker.\n[client.worker]\nvhost = \"/\" # one\naccess = \"celery\"\n# tags = [\"monitoring\"]\n\n# The end.\n";

    fn spec(access: &str) -> EntrySpec {
        EntrySpec { vhost: Some(vec!["/".into()]), access: Some(vec![access.into()]), ..Default::default() }
    }

    fn edited(text: &str, change: impl FnOnce(&mut Editor) -> Result<(), ManifestError>) -> String {
        let mut editor = Editor::new(text, "certgen.toml").unwrap();
        change(&mut editor).unwrap_or_else(|e| panic!("{e}\n{text}"));
        editor.into_text()
    }

    #[test]
    fn a_new_entry_stands_with_its_like() {
        let found = edited(PLAIN, |e| e.put_entry(Role::Client, "re port", &spec("monitor")));
        let wanted =
            PLAIN.replace("\n# The end.", "\n[client.\"re port\"]\nvhost = \"/\"\naccess = \"monitor\"\n\n# The end.");
        assert_eq!(found, wanted);
        let found = edited(PLAIN, |e| e.put_entry(Role::Server, "a.example", &EntrySpec::default()));
        assert_eq!(found, format!("{PLAIN}\n[server.\"a.example\"]\n"));
        Manifest::parse(&found, "certgen.toml").unwrap();
    }

    #[test]
    fn the_same_entry_changes_nothing() {
        assert_eq!(edited(PLAIN, |e| e.put_entry(Role::Client, "worker", &spec("celery"))), PLAIN);
    }

    #[test]
    fn a_value_is_replaced_and_its_comment_stays() {
        let found =
            edited(PLAIN, |e| e.set(&["client", "worker"], "vhost", &Value::Strings(vec!["a".into(), "b".into()])));
        assert_eq!(found, PLAIN.replace("vhost = \"/\" # one", "vhost = [\"a\", \"b\"] # one"));
        let other = EntrySpec { vhost: None, access: None, read: Some(".*".into()), ..Default::default() };
        let found = edited(PLAIN, |e| e.put_entry(Role::Client, "worker", &other));
        assert_eq!(found, PLAIN.replace("vhost = \"/\" # one\naccess = \"celery\"\n", "read = \".*\"\n"));
    }

    #[test]
    fn a_list_keeps_its_lines() {
        let text = "version = 1\n[client.a]\nsan = [ # names\n  \"a\", # first\n] # y\n";
        let list = |names: &[&str]| Value::Strings(names.iter().map(|name| (*name).to_owned()).collect());
        let found = edited(text, |e| e.set(&["client", "a"], "san", &list(&["a", "b"])));
        assert_eq!(found, text.replace("# first\n", "# first\n  \"b\",\n"));
        let found = edited(text, |e| e.set(&["client", "a"], "san", &list(&["b"])));
        assert_eq!(found, text.replace("  \"a\", # first\n", "  \"b\",\n"));
    }

    #[test]
    fn an_entry_goes_with_its_own_comments_only() {
        let mut editor = Editor::new(PLAIN, "certgen.toml").unwrap();
        assert_eq!(editor.remove_entry(Role::Client, "nobody"), Ok(false));
        assert_eq!(editor.remove_entry(Role::Client, "worker"), Ok(true));
        assert_eq!(editor.text(), "# The PKI of Example.\nversion = 1\n\n[authority.root] # ours\n\n# The end.\n");
        editor.remove_authority("root").unwrap();
        assert_eq!(editor.text(), "# The PKI of Example.\nversion = 1\n\n# The end.\n");
    }

    #[test]
    fn defaults_are_set_where_they_stand_or_made() {
        let value = Value::String("90d".into());
        let found = edited(PLAIN, |e| e.set(&["defaults", "client"], "validity", &value));
        assert_eq!(found, format!("{PLAIN}\n[defaults.client]\nvalidity = \"90d\"\n"));
        let found = edited(&found, |e| e.set(&["defaults", "client"], "issuer", &Value::String("root".into())));
        assert!(found.ends_with("[defaults.client]\nvalidity = \"90d\"\nissuer = \"root\"\n"), "{found}");
        let found = edited(PLAIN, |e| e.set(&[], "emit", &Value::Strings(vec!["celery".into()])));
        assert_eq!(found, PLAIN.replace("version = 1\n", "version = 1\nemit = [\"celery\"]\n"));
    }

    /// However `client.a` is written: a key is replaced, one is added, another entry is added, and the entry is removed.
    const LAYOUTS: [&str; 12] = [
        "version = 1\n[client.a]\nvhost = \"/\"",
        "version = 1\r\n\r\n[client.a] # x\r\nvhost = \"/\" # y\r\n# z\r\n\r\n[server.\"s\"]\r\n",
        "version = 1\nclient.a.vhost = \"/\" # y\nclient.a.tags = []\n\n[server.s]\n",
        "version = 1\nclient = { a = { vhost = \"/\" } } # y\n",
        "version = 1\nclient = { b = {}, a = { vhost = \"/\", tags = [] }, }\n",
        "version = 1\nclient.a = { vhost = \"/\" }\n",
        "version = 1\n[client]\na.vhost = \"/\"\nb = {}\n",
        "version = 1\n[client]\n  a = { vhost = [\n    \"/\", # ]\n  ] }\n",
        "version = 1\n[client.a]\nvhost = [\n  \"/\", # \"]\n]\n# end",
        "version = 1\n[client.a]\n\tvhost = \"\"\"/\"\"\" # \"\"\"\n[[from]]\nrole = \"client\"\nfile = \"x\"\n",
        "version = 1\n\n[client . \"a\"]\n'vhost' = '/'\n[authority.root]\n[client.b]\n",
        "\u{feff}version = 1\n[client.b]\n[client.a]\nvhost = \"/\"\n\n\n[node.n.kubernetes]\nnamespace = \"x\"\n",
    ];

    #[test]
    fn nasty_layouts_keep_everything_else() {
        for text in LAYOUTS {
            let table = ["client", "a"];
            let found = edited(text, |e| e.set(&table, "vhost", &Value::String("new".into())));
            assert_eq!(found.replace("\"new\"", "VALUE"), replace_vhost(text), "{text}");
            let found = edited(text, |e| e.set(&table, "owner", &Value::String("me".into())));
            assert_eq!(without(&found, text), Some(true), "{text}\n---\n{found}");
            let found = edited(text, |e| e.put_entry(Role::Client, "new", &spec("all")));
            assert_eq!(without(&found, text), Some(true), "{text}\n---\n{found}");
            let mut editor = Editor::new(text, "certgen.toml").unwrap();
            assert_eq!(editor.remove_entry(Role::Client, "a"), Ok(true), "{text}");
            let lines = |text: &str| text.contains("\r\n") == text.contains('\n');
            assert!(!text.contains('\r') || lines(editor.text()), "{text}");
        }
    }

    fn replace_vhost(text: &str) -> String {
        let values = ["[\n    \"/\", # ]\n  ]", "[\n  \"/\", # \"]\n]", "\"\"\"/\"\"\"", "\"/\"", "'/'"];
        let value = values.iter().find(|value| text.contains(**value)).unwrap();
        text.replacen(value, "VALUE", 1)
    }

    /// `found` is `text` with one stretch of new characters.
    fn without(found: &str, text: &str) -> Option<bool> {
        let before = found.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        let after = found.bytes().rev().zip(text.bytes().rev()).take_while(|(a, b)| a == b).count();
        Some(found.len() > text.len() && before + after >= text.len())
    }

    #[test]
    fn tables_within_an_entry_are_replaced_as_a_whole() {
        let text = "version = 1\n[node.n]\n[node.n.kubernetes]\nnamespace = \"a\"\n# b\n\n[client.c]\n";
        let kubernetes =
            KubernetesSpec { namespace: Some("b".into()), cluster: Some("c".into()), ..Default::default() };
        let spec = EntrySpec { kubernetes: Some(kubernetes), ..Default::default() };
        let found = edited(text, |e| e.put_entry(Role::Node, "n", &spec));
        let wanted = "version = 1\n[node.n]\nkubernetes = { namespace = \"b\", cluster = \"c\" }\n\n[client.c]\n";
        assert_eq!(found, wanted);
    }

    #[test]
    fn what_is_no_toml_is_not_edited() {
        let error = Editor::new("version = ", "certgen.toml").unwrap_err();
        assert!(error.to_string().starts_with("certgen.toml:1:11: not TOML"), "{error}");
    }

    proptest! {
        #[test]
        fn any_name_and_value_round_trips(
            layout in 0..LAYOUTS.len(),
            name in "(\\PC|\\pC|[\"'\\\\\n#=.\\[\\]]){0,12}",
            value in "(\\PC|\\pC|[\"'\\\\\n#=.\\[\\]]){0,12}",
        ) {
            let mut editor = Editor::new(LAYOUTS[layout], "certgen.toml").unwrap();
            let before: toml::Table = toml::from_str(editor.text()).unwrap();
            let wanted = EntrySpec { owner: Some(value.clone()), san: Some(vec![value.clone()]), ..Default::default() };
            editor.put_entry(Role::Client, &name, &wanted).unwrap();
            let after: toml::Table = toml::from_str(editor.text()).unwrap();
            prop_assert_eq!(after["client"][&name]["owner"].as_str(), Some(&*value));
            if before["client"].get(&name).is_none() {
                prop_assert_eq!(without(editor.text(), LAYOUTS[layout]), Some(true), "{}", editor.text());
                prop_assert_eq!(editor.remove_entry(Role::Client, &name), Ok(true));
                let again: toml::Table = toml::from_str(editor.text()).unwrap();
                prop_assert_eq!(again, before);
            }
        }
    }
}
