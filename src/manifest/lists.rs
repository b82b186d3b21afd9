//! `[[from]]`: entries in a file of their own, a row each.

use std::collections::HashMap;

use super::rows::{Columns, Rows};
use super::{Entry, EntrySpec, FromFile, Manifest};
use crate::error::{Error, Result, io_reason};
use crate::profile::Role;
use crate::ui;

/// At most this many bad rows are told one by one.
const TOLD: usize = 20;

impl Manifest {
    /// Adds the entries of a list from the bytes of its file, which messages call `shown`. An entry that the manifest itself
    /// has under the same name counts instead of the row.
    ///
    /// # Errors
    /// Rows that cannot be followed: all of them are told, with their lines.
    pub fn add_list(&mut self, list: &FromFile, bytes: &[u8], shown: &str) -> Result<()> {
        let mut columns = Columns::default();
        let mut faults: Vec<String> = Vec::new();
        let mut names: HashMap<String, (String, Option<u64>)> = self.names_of(list.role);
        let mut added: Vec<(Entry, EntrySpec)> = Vec::new();
        let mut is_first = true;
        for row in Rows::new(bytes) {
            let row = row.map_err(|e| Error::failed(format!("reading {shown}: {}", io_reason(&e))))?;
            let line = *row.lines.start();
            let record = match row.record {
                Ok(record) => record,
                Err(why) => {
                    faults.push(format!("line {line}: {why}"));
                    continue;
                }
            };
            if std::mem::take(&mut is_first) && Columns::is_header(&record) {
                columns =
                    Columns::from_header(&record, list.role).map_err(|e| e.context(format!("{shown}: line {line}")))?;
                continue;
            }
            match self.listed(list, &columns, &record, &mut names, line) {
                Ok(entry) => added.extend(entry),
                Err(why) => faults.push(format!("line {line}: {why}")),
            }
        }
        refuse(shown, &faults)?;
        self.lists.extend(added.iter().map(|(entry, _)| ((entry.role, entry.name.clone()), list.file.clone())));
        self.add(added);
        Ok(())
    }

    /// The list that has this entry; `None` for one that stands in the manifest itself.
    pub fn list_of(&self, role: Role, name: &str) -> Option<&std::path::Path> {
        self.lists.get(&(role, name.to_owned())).map(std::path::PathBuf::as_path)
    }

    /// The names of a role by how they read in lower case; the line is that of the row, where it is one of this list.
    fn names_of(&self, role: Role) -> HashMap<String, (String, Option<u64>)> {
        let of_role = self.entries.iter().filter(|entry| entry.role == role);
        of_role.map(|entry| (entry.name.to_lowercase(), (entry.name.clone(), None))).collect()
    }

    /// The entry of a row; none where the manifest's own counts.
    fn listed(
        &self,
        list: &FromFile,
        columns: &Columns,
        record: &csv::StringRecord,
        names: &mut HashMap<String, (String, Option<u64>)>,
        line: u64,
    ) -> Result<Option<(Entry, EntrySpec)>, String> {
        let role = list.role;
        let asked = columns.row(record, self, &list.defaults)?;
        if asked.not_before.is_some() || asked.not_after.is_some() {
            return Err(
                "a list of entries has no dates: they would not move when it is renewed; say validity".to_owned()
            );
        }
        let shown = ui::quote(&asked.name);
        match names.get(&asked.name.to_lowercase()) {
            Some((twin, Some(first))) if *twin == asked.name => {
                return Err(format!("{shown} stands on line {first} already"));
            }
            Some((twin, None)) if *twin == asked.name => {
                return match self.list_of(role, twin) {
                    None => Ok(None),
                    Some(other) => Err(format!("{shown} stands in {} already", ui::path(other))),
                };
            }
            Some((twin, _)) => return Err(format!("{shown} differs only in case from {}", ui::quote(twin))),
            None => {}
        }
        let entry = self.entry_from(role, &asked.name, &asked.spec).map_err(|e| Error::from(e).message().to_owned())?;
        names.insert(asked.name.to_lowercase(), (asked.name, Some(line)));
        Ok(Some((entry, asked.spec)))
    }

    /// Keeps the entries of a role together.
    fn add(&mut self, added: Vec<(Entry, EntrySpec)>) {
        let mut written = std::mem::take(&mut self.written);
        let own = std::mem::take(&mut self.entries).into_iter().map(|entry| {
            let spec = written.remove(&(entry.role, entry.name.clone())).map(|(_, spec)| spec);
            (entry, spec.unwrap_or_default())
        });
        let mut all: Vec<(Entry, EntrySpec)> = own.chain(added).collect();
        all.sort_by_key(|(entry, _)| entry.role);
        for (at, (entry, spec)) in all.into_iter().enumerate() {
            self.written.insert((entry.role, entry.name.clone()), (at, spec));
            self.entries.push(entry);
        }
    }
}

fn refuse(shown: &str, faults: &[String]) -> Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    let rows = if faults.len() == 1 { "1 bad row".to_owned() } else { format!("{} bad rows", faults.len()) };
    let error = Error::failed(format!("{shown}, which certgen.toml names in [[from]]: {rows}"));
    let error = faults.iter().take(TOLD).fold(error, |error, fault| error.hint(fault.clone()));
    Err(if faults.len() > TOLD { error.hint(format!("and {} more", faults.len() - TOLD)) } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version = 1\n[authority.root]\n[client.own]\nvalidity = \"30d\"\n[[from]]\nrole = \"client\"\nfile = \"a.csv\"\n";

    fn with(list: &str) -> Result<Manifest> {
        with_text(TEXT, list)
    }

    fn with_text(text: &str, list: &str) -> Result<Manifest> {
        let mut manifest = Manifest::parse(text, "certgen.toml")?;
        let from = manifest.from()[0].clone();
        manifest.add_list(&from, list.as_bytes(), "a.csv")?;
        Ok(manifest)
    }

    #[test]
    fn rows_are_entries_and_the_manifest_s_own_count_instead() {
        let manifest = with("name,validity\n# a comment\nb,10d\nown,99d\na,\n").unwrap();
        let names: Vec<&str> = manifest.entries().iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["own", "b", "a"]);
        let validity = |name: &str| manifest.entry(Role::Client, name).unwrap().validity.to_string();
        assert_eq!((validity("own"), validity("b"), validity("a")), ("30d".into(), "10d".into(), "1y".into()));
        assert!(manifest.list_of(Role::Client, "own").is_none() && manifest.list_of(Role::Client, "a").is_some());
    }

    #[test]
    fn what_a_row_leaves_out_its_list_says_and_then_the_defaults() {
        let text = "version = 1\n[authority.root]\n[defaults.client]\nvalidity = \"80d\"\nkey_type = \"ed25519\"\n\
                    vhost = \"d\"\n[[from]]\nrole = \"client\"\nfile = \"a.csv\"\nvalidity = \"40d\"\nsan = \"all.example\"\n\
                    vhost = [\"l\", \"m\"]\naccess = \"mqtt\"\n";
        let manifest = with_text(text, "name,validity,san,configure,vhost\na,,,,\nb,20d,b.example,^b,n\n").unwrap();
        let facts = |name: &str| {
            let entry = manifest.entry(Role::Client, name).unwrap();
            let user = entry.user.as_ref().unwrap();
            let san = entry.san.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            format!("{} {} {san} {} {:?}", entry.validity, entry.key_type, user.vhosts.join(" "), user.permissions)
        };
        assert!(facts("a").starts_with("40d ed25519 DNS:all.example l m Access"), "{}", facts("a"));
        assert!(facts("b").starts_with("20d ed25519 DNS:b.example n Patterns"), "{}", facts("b"));
    }

    #[test]
    fn every_bad_row_is_told_with_its_line() {
        let error = with("name,san\na,\n\na,\nA,\nb,x y\nc\nd,,\n").unwrap_err();
        let lines: Vec<&str> = error.hints().iter().map(|hint| hint.split(':').next().unwrap()).collect();
        assert_eq!(lines, ["line 3", "line 4", "line 5", "line 6", "line 7", "line 8"], "{:?}", error.hints());
        let twenty_years = "role = \"client\"\nvalidity = \"20y\"";
        let error = with_text(&TEXT.replace("role = \"client\"", twenty_years), "a\nb\n").unwrap_err();
        assert!(error.hints()[0].starts_with("line 1: "), "{:?}", error.hints());
        assert!(with("name,sam\na,\n").unwrap_err().hints()[0].contains("did you mean san"));
        assert!(with("name,not_after\na,2030-01-01T00:00:00Z\n").unwrap_err().hints()[0].contains("validity"));
    }
}
