//! Reads tables of a TOML document key by key, so that every fault has a line, a column and a name.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::message::{ManifestError, Spots, Text};
use super::schema::{self, Key, Keys};
use crate::profile::nearest;
use crate::ui;

/// One table that is being read.
pub(crate) struct Reader<'t> {
    text: &'t Text<'t>,
    /// How messages call it: `[server.web]`.
    pub(crate) section: String,
    table: &'t DeTable<'t>,
    pub(crate) spots: Spots,
}

impl<'t> Reader<'t> {
    /// Opens a table in which only `keys` may stand.
    pub(crate) fn open(
        text: &'t Text<'t>,
        section: String,
        offset: usize,
        table: &'t DeTable<'t>,
        keys: Keys,
    ) -> Result<Self, ManifestError> {
        for (key, _) in in_file_order(table) {
            if !keys.iter().any(|known| known.name == key.get_ref()) {
                return Err(unknown_key(text, &section, key, keys));
            }
        }
        let mut reader = Self::unchecked(text, section, table);
        reader.spots.section = offset;
        Ok(reader)
    }

    /// Opens a table of which only some keys matter now.
    pub(crate) fn unchecked(text: &'t Text<'t>, section: String, table: &'t DeTable<'t>) -> Self {
        Self { text, section, table, spots: Spots::default() }
    }

    /// A value that must be a table.
    pub(crate) fn table(&mut self, key: &Key, section: String, keys: Keys) -> Result<Option<Self>, ManifestError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong_type(key, value, "a table"))?;
        Self::open(self.text, section, value.span().start, table, keys).map(Some)
    }

    /// The raw value of a key, for those that may have several types.
    pub(crate) fn find(&mut self, key: &Key) -> Option<&'t Spanned<DeValue<'t>>> {
        let (name, value) = self.table.iter().find(|(name, _)| name.get_ref() == key.name)?;
        let mut spots = vec![place_of(name, value)];
        if let Some(items) = value.get_ref().as_array() {
            spots.extend(items.iter().map(|item| item.span().start));
        }
        self.spots.keys.insert(key.name, spots);
        Some(value)
    }

    /// A string.
    pub(crate) fn string(&mut self, key: &Key) -> Result<Option<String>, ManifestError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong_type(key, value, "a string"))?;
        Ok(Some(text.to_owned()))
    }

    /// A list of strings; one string alone is a list of one.
    pub(crate) fn strings(&mut self, key: &Key) -> Result<Option<Vec<String>>, ManifestError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        if let Some(text) = value.get_ref().as_str() {
            return Ok(Some(vec![text.to_owned()]));
        }
        let items = value.get_ref().as_array().ok_or_else(|| self.wrong_type(key, value, "a list of strings"))?;
        let strings = items.iter().map(|item| match item.get_ref().as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(self.wrong_type(key, item, "a list of strings")),
        });
        strings.collect::<Result<_, _>>().map(Some)
    }

    /// true or false.
    pub(crate) fn boolean(&mut self, key: &Key) -> Result<Option<bool>, ManifestError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong_type(key, value, "true or false"))
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, key: &Key) -> Result<Option<i64>, ManifestError> {
        let Some(value) = self.find(key) else { return Ok(None) };
        let integer = value.get_ref().as_integer().ok_or_else(|| self.wrong_type(key, value, "a whole number"))?;
        let digits = integer.as_str().replace('_', "");
        // What does not fit is out of every key's range: the largest number says so at the check of that range.
        Ok(Some(i64::from_str_radix(&digits, integer.radix()).unwrap_or(i64::MAX)))
    }

    /// The message for a value of the wrong type.
    pub(crate) fn wrong_type(&self, key: &Key, value: &Spanned<DeValue<'_>>, wanted: &str) -> ManifestError {
        let found = with_article(value.get_ref().type_str());
        let message = format!("{:?} in {} must be {wanted}, not {found}", key.name, self.section);
        self.text.error(value.span().start, message).hint(format!("for instance: {}", key.example))
    }
}

/// The members of a table in the order of the file, which the parser does not keep.
pub(crate) fn in_file_order<'t>(
    table: &'t DeTable<'t>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'t, str>>, &'t Spanned<DeValue<'t>>)> {
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(key, _)| key.span().start);
    members
}

/// Where to point for a value: at the value, or, for a table with a header, at its name.
pub(crate) fn place_of(key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) -> usize {
    if value.get_ref().is_table() { key.span().start } else { value.span().start }
}

pub(crate) fn unknown_key(
    text: &Text<'_>,
    section: &str,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    keys: Keys,
) -> ManifestError {
    let name = ui::quote(key.get_ref());
    let mut message = format!("unknown key {name} in {section}");
    if let Some(home) = home_of(key.get_ref()) {
        message.push_str(&format!(": it belongs into {home}"));
        return text.error(key.span().start, message);
    }
    if let Some(meant) = nearest(key.get_ref(), keys.iter().map(|key| key.name)) {
        message.push_str(&format!(": did you mean {meant:?}?"));
        return text.error(key.span().start, message);
    }
    let known = keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    text.error(key.span().start, message).hint(format!("known there: {known}"))
}

/// The section that knows a key, when there is only one: a key in the wrong place is no slip of the finger.
fn home_of(key: &str) -> Option<&'static str> {
    let homes = [
        ("[client.NAME]", schema::CLIENT_KEYS),
        ("[server.NAME] or [node.NAME]", schema::SERVING_KEYS),
        ("[authority.NAME]", schema::AUTHORITY_KEYS),
        ("[defaults.ROLE]", schema::DEFAULTS_SERVING_KEYS),
        ("[broker]", schema::BROKER_KEYS),
        ("management of [broker]", schema::MANAGEMENT_KEYS),
        ("kubernetes of [node.NAME]", schema::KUBERNETES_KEYS),
        ("ports of [broker]", schema::PORTS_KEYS),
    ];
    let mut known = homes.into_iter().filter(|(_, keys)| keys.iter().any(|known| known.name == key));
    let (home, _) = known.next()?;
    known.next().is_none().then_some(home)
}

pub(crate) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
