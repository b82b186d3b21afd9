//! From the manifest as written to the manifest as validated.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeTable;

use super::authority::{Authority, AuthoritySettings, check_hierarchy, check_within, unknown_issuer};
use super::broker::Broker;
use super::consumer::Consumer;
use super::entry::Entry;
use super::file::{DefaultsSpec, File, FromSpec, Written, section};
use super::message::{ManifestError, Problem, Spots, Text};
use super::schema;
use super::settings::{self, Settings};
use super::spec::{AuthoritySpec, EntrySpec};
use super::user::unique;
use super::{FromFile, Manifest};
use crate::profile::{Role, nearest};
use crate::ui;

/// A manifest longer than this was not written by people.
const LONGEST: usize = 1 << 20;

const MOST_AUTHORITIES: usize = 500;
const MOST_BROKERS: usize = 500;

/// `[defaults]` with its layers already laid over one another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    roles: BTreeMap<Role, (Settings, Vec<PathBuf>)>,
    all: Settings,
    authority: AuthoritySettings,
}

impl Defaults {
    /// What an entry of `role` has where it says nothing.
    pub(crate) fn of(&self, role: Role) -> &Settings {
        self.roles.get(&role).map_or(&self.all, |(settings, _)| settings)
    }

    pub(crate) fn trust(&self, role: Role) -> &[PathBuf] {
        self.roles.get(&role).map_or(&[], |(_, trust)| trust)
    }
}

/// The text in `bytes`, which a byte order mark may precede.
pub(crate) fn text_of<'b>(bytes: &'b [u8], file: &str) -> Result<&'b str, ManifestError> {
    if bytes.len() > LONGEST {
        return Err(too_long(file, bytes.len()));
    }
    std::str::from_utf8(bytes).map_err(|e| {
        let message = format!("the byte {:#04x} is not UTF-8 text", bytes.get(e.valid_up_to()).copied().unwrap_or(0));
        ManifestError::at(file, bytes, e.valid_up_to(), message)
    })
}

fn too_long(file: &str, length: usize) -> ManifestError {
    ManifestError::of_file(file, format!("{length} bytes are too long for a manifest: at most {LONGEST} (1 MiB)"))
        .hint("put long lists into a file of their own: [[from]]")
}

pub(crate) fn parse(text: &str, file: &str) -> Result<Manifest, ManifestError> {
    if text.len() > LONGEST {
        return Err(too_long(file, text.len()));
    }
    let text = Text { file, text };
    let document = document(&text)?;
    let file = File::read(&text, document.get_ref())?;
    Validation { text: &text, manifest: Manifest::default() }.run(&file)
}

/// The text as TOML. Of several faults the first is told: the others often follow from it.
pub(crate) fn document<'t>(text: &Text<'t>) -> Result<Spanned<DeTable<'t>>, ManifestError> {
    let (document, errors) = DeTable::parse_recoverable(text.text);
    let first = errors.iter().min_by_key(|error| error.span().map_or(usize::MAX, |span| span.start));
    first.map_or(Ok(document), |error| Err(syntax(text, error)))
}

/// The parser's own words, put the way all messages are.
pub(super) fn syntax(text: &Text<'_>, error: &toml::de::Error) -> ManifestError {
    let offset = error.span().map_or(text.text.len(), |span| span.start);
    let message = error.message().trim().replace('\n', ", ");
    let found = text.text.get(offset..).and_then(|rest| rest.split(['\n', '\r']).next()).unwrap_or_default();
    text.error(
        offset,
        match message.as_str() {
            "duplicate key" => {
                format!("{} stands there twice", ui::quote(found.split(['=', ']']).next().unwrap_or(found).trim()))
            }
            _ if found.starts_with("<<<<<<<") || found.starts_with("=======") || found.starts_with(">>>>>>>") => {
                "a mark of a merge; keep the lines of both sides that are meant, and take the marks out".to_owned()
            }
            _ => format!("not TOML: {message}"),
        },
    )
}

struct Validation<'t> {
    text: &'t Text<'t>,
    manifest: Manifest,
}

impl Validation<'_> {
    fn run(mut self, file: &File) -> Result<Manifest, ManifestError> {
        self.manifest.defaults = self.defaults(&file.defaults)?;
        self.authorities(file)?;
        self.default_issuers(&file.defaults)?;
        self.entries(file)?;
        self.brokers(file)?;
        self.clients_and_brokers(file)?;
        self.lists(file)?;
        self.order(file);
        Ok(self.manifest)
    }

    /// Entries by role, and within a role as they are written.
    fn order(&mut self, file: &File) {
        let specs = file.entries.iter().map(|(_, written)| written.spec.clone());
        let mut pairs: Vec<_> = std::mem::take(&mut self.manifest.entries).into_iter().zip(specs).collect();
        pairs.sort_by_key(|(entry, _)| entry.role);
        for (at, (entry, spec)) in pairs.into_iter().enumerate() {
            self.manifest.written.insert((entry.role, entry.name.clone()), (at, spec));
            self.manifest.entries.push(entry);
        }
    }

    fn place<T>(&self, result: Result<T, Problem>, spots: &Spots) -> Result<T, ManifestError> {
        result.map_err(|problem| problem.placed(self.text, spots))
    }

    fn defaults(&self, spec: &DefaultsSpec) -> Result<Defaults, ManifestError> {
        let read = |written: &Written<EntrySpec>| {
            self.place(Settings::of_defaults(&written.spec).map_err(|p| p.within(&written.name)), &written.spots)
        };
        let all = read(&spec.all)?;
        let mut roles: BTreeMap<_, _> = Role::ALL.map(|role| (role, (all.clone(), Vec::new()))).into();
        for (role, written, trust) in &spec.roles {
            let trust = unique(schema::TRUST.name, trust, |path| Ok(path.to_owned())).and_then(|paths| {
                paths.iter().map(|path| settings::file_path(schema::TRUST.name, path)).collect::<Result<_, _>>()
            });
            let trust = self.place(trust, &written.spots)?;
            roles.insert(*role, (read(written)?.over(&all), trust));
        }
        let authority = AuthoritySettings::read(&spec.authority.spec);
        let mut authority =
            self.place(authority.map_err(|p| p.within("[defaults.authority]")), &spec.authority.spots)?;
        // A key type or an organisation is everybody's; a validity in [defaults] speaks of end entities.
        authority.key_type = authority.key_type.or(all.key_type);
        authority.subject = authority.subject.or_else(|| all.subject.clone());
        Ok(Defaults { roles, all, authority })
    }

    fn authorities(&mut self, file: &File) -> Result<(), ManifestError> {
        self.few_enough("authorities", file.authorities.get(MOST_AUTHORITIES).map(|written| &written.spots))?;
        for written in &file.authorities {
            let authority = Authority::new(&written.name, &written.spec, &self.manifest.defaults.authority);
            let taken = self.manifest.authorities.iter().map(|authority| authority.name.as_str());
            let authority = authority.and_then(|authority| same_but_for_case(&written.name, taken).map(|()| authority));
            let authority = authority.and_then(|authority| match &written.spec.issuer {
                Some(issuer) if !file.authorities.iter().any(|other| other.name == *issuer) => {
                    let known: Vec<_> = file.authorities.iter().map(|other| other.name.as_str()).collect();
                    Err(unknown_authority(issuer, &known))
                }
                _ => Ok(authority),
            });
            let authority = authority.map_err(|p| p.within(&section("authority", &written.name)));
            self.manifest.authorities.push(self.place(authority, &written.spots)?);
        }
        check_hierarchy(&self.manifest.authorities).map_err(|(at, problem)| {
            let written = &file.authorities[at];
            problem.within(&section("authority", &written.name)).placed(self.text, &written.spots)
        })
    }

    /// Each of these is compared with all others; nobody has so many.
    fn few_enough(&self, what: &str, one_too_many: Option<&Spots>) -> Result<(), ManifestError> {
        one_too_many.map_or(Ok(()), |spots| Err(self.text.error(spots.section, format!("there are too many {what}"))))
    }

    /// An issuer in the defaults must exist even while no entry uses it.
    fn default_issuers(&self, spec: &DefaultsSpec) -> Result<(), ManifestError> {
        let roles = spec.roles.iter().map(|(_, written, _)| written);
        for written in std::iter::once(&spec.all).chain(roles) {
            let Some(issuer) = &written.spec.issuer else { continue };
            if self.manifest.authority(issuer).is_none() {
                let problem = unknown_issuer(&self.manifest.authorities, issuer).within(&written.name);
                return Err(problem.placed(self.text, &written.spots));
            }
        }
        Ok(())
    }

    fn entries(&mut self, file: &File) -> Result<(), ManifestError> {
        // Names are compared in lower case, through a map: a manifest may list thousands.
        let mut seen: BTreeMap<(Role, String), &str> = BTreeMap::new();
        for (role, written) in &file.entries {
            let entry = build_entry(&self.manifest, *role, &written.name, &written.spec);
            let entry =
                entry.and_then(|entry| match seen.insert((*role, written.name.to_lowercase()), &written.name) {
                    Some(other) => Err(equal_but_for_case(&written.name, other)),
                    None => Ok(entry),
                });
            let entry = entry.map_err(|p| p.within(&section(role.as_str(), &written.name)));
            self.manifest.entries.push(self.place(entry, &written.spots)?);
        }
        Ok(())
    }

    fn brokers(&mut self, file: &File) -> Result<(), ManifestError> {
        self.few_enough("brokers", file.brokers.get(MOST_BROKERS).map(|(_, written)| &written.spots))?;
        let only = file.brokers.len() == 1;
        for (name, written) in &file.brokers {
            let broker = Broker::new(name.as_deref(), &written.spec, &self.manifest.entries, only);
            let taken = self.manifest.brokers.iter().filter_map(|broker| broker.name.as_deref());
            let broker = broker.and_then(|broker| same_but_for_case(&written.name, taken).map(|()| broker));
            let shown = name.as_deref().map_or("[broker]".to_owned(), |name| section("broker", name));
            let broker = self.place(broker.map_err(|p| p.within(&shown)), &written.spots)?;
            self.manifest.brokers.push(broker);
        }
        Ok(())
    }

    /// What can only be checked once clients and brokers are both known.
    fn clients_and_brokers(&self, file: &File) -> Result<(), ManifestError> {
        for ((role, written), entry) in file.entries.iter().zip(&self.manifest.entries) {
            let fits = check_brokers(&self.manifest, entry).map_err(|p| p.within(&section(role.as_str(), &entry.name)));
            self.place(fits, &written.spots)?;
        }
        Ok(())
    }

    fn lists(&mut self, file: &File) -> Result<(), ManifestError> {
        for written in &file.from {
            let list = list(&self.manifest, &written.spec).map_err(|p| p.within("[[from]]"));
            self.manifest.from.push(self.place(list, &written.spots)?);
        }
        let targets = unique(schema::EMIT.name, &file.emit.spec, Consumer::parse);
        self.manifest.emit = self.place(targets, &file.emit.spots)?;
        Ok(())
    }
}

/// What a list says for its rows is checked as far as no row can say otherwise.
fn list(manifest: &Manifest, spec: &FromSpec) -> Result<FromFile, Problem> {
    let roles = Role::ALL.into_iter().map(|role| (role.to_string(), role));
    let role = settings::one_of(schema::ROLE.name, &spec.role, roles)?;
    let file = settings::file_path(schema::FILE.name, &spec.file)?;
    let settings = Settings::of_defaults(&spec.defaults)?;
    if let Some(issuer) = settings.issuer.as_deref().filter(|issuer| manifest.authority(issuer).is_none()) {
        return Err(unknown_issuer(&manifest.authorities, issuer));
    }
    known_brokers(manifest, settings.brokers.as_deref().unwrap_or_default())?;
    Ok(FromFile { role, file, defaults: spec.defaults.clone() })
}

pub(crate) fn entry_from(
    manifest: &Manifest,
    role: Role,
    name: &str,
    spec: &EntrySpec,
) -> Result<Entry, ManifestError> {
    let entry =
        build_entry(manifest, role, name, spec).and_then(|entry| check_brokers(manifest, &entry).map(|()| entry));
    entry.map_err(|problem| problem.within(&format!("{role} {}", ui::quote(name))).unplaced())
}

pub(crate) fn authority_from(
    manifest: &Manifest,
    name: &str,
    spec: &AuthoritySpec,
) -> Result<Authority, ManifestError> {
    let checked = || {
        let authority = Authority::new(name, spec, &manifest.defaults.authority)?;
        let mut all: Vec<Authority> = manifest.authorities.iter().filter(|other| other.name != name).cloned().collect();
        same_but_for_case(name, all.iter().map(|authority| authority.name.as_str()))?;
        all.push(authority.clone());
        if let Some(issuer) = authority.issuer.as_deref().filter(|issuer| !all.iter().any(|a| a.name == *issuer)) {
            return Err(unknown_issuer(&manifest.authorities, issuer));
        }
        check_hierarchy(&all).map_err(|(_, problem)| problem)?;
        Ok(authority)
    };
    checked().map_err(|problem: Problem| problem.within(&format!("authority {}", ui::quote(name))).unplaced())
}

fn build_entry(manifest: &Manifest, role: Role, name: &str, spec: &EntrySpec) -> Result<Entry, Problem> {
    let own = Settings::read(spec)?;
    // Command line tools talk to nodes as a node does, so those who vouch for nodes vouch for them.
    let signed_as = if spec.cli == Some(true) { Role::Node } else { role };
    let issuer = issuer_of(manifest, signed_as, own.issuer.as_deref())?;
    let entry = Entry::new(role, name, spec, own, manifest.defaults.of(role), issuer.name.clone())?;
    check_within(entry.validity, entry.validity_is_default, issuer)?;
    Ok(entry)
}

fn issuer_of<'m>(manifest: &'m Manifest, role: Role, own: Option<&str>) -> Result<&'m Authority, Problem> {
    let authorities = &manifest.authorities;
    match own.or_else(|| manifest.default_issuer(role)) {
        Some(name) => manifest.authority(name).ok_or_else(|| unknown_issuer(authorities, name)),
        None if authorities.is_empty() => {
            Err(Problem::new("there is no authority that could sign it").hint("add one: [authority.root]"))
        }
        None => {
            let names = authorities.iter().map(|authority| ui::quote(&authority.name)).collect::<Vec<_>>().join(", ");
            Err(Problem::new(format!("it does not say which authority signs it: there are {names}")).hint(format!(
                "issuer = {0:?} in the entry (--issuer {0}), or in [defaults.{role}] for all",
                authorities[0].name
            )))
        }
    }
}

/// Users that exist with a password: a certificate that carries such a name is that user, whatever it may do.
fn check_brokers(manifest: &Manifest, entry: &Entry) -> Result<(), Problem> {
    if entry.role != Role::Client {
        return Ok(());
    }
    let names = known_brokers(manifest, &entry.brokers)?;
    let Some(user) = &entry.user else { return Ok(()) };
    if entry.brokers.is_empty() && names.len() > 1 {
        let message = "it does not say which broker it talks to: there are several";
        return Err(Problem::new(message).hint(format!("broker = {0:?}, or a list of them (--broker {0})", names[0])));
    }
    let of_broker =
        |broker: &Broker| broker.administrator.as_deref() == Some(&*entry.name) || broker.has_login_user(&entry.name);
    let taken = entry.name == "guest" || manifest.brokers_of(entry).any(of_broker);
    if taken && !user.existing {
        let message = "its name is that of a user with a password: the certificate would make its holder that user";
        return Err(Problem::new(message)
            .hint("choose another name, or say existing_user = true (--existing-user) if that is the wish"));
    }
    Ok(())
}

/// The names of the brokers there are, among which are those that somebody wants.
fn known_brokers<'m>(manifest: &'m Manifest, wanted: &[String]) -> Result<Vec<&'m str>, Problem> {
    let names: Vec<&str> = manifest.brokers.iter().filter_map(|broker| broker.name.as_deref()).collect();
    match wanted.iter().enumerate().find(|(_, wanted)| !names.contains(&wanted.as_str())) {
        None => Ok(names),
        Some((at, wanted)) => {
            let message = format!("there is no [broker.{}]", ui::plain(wanted));
            let problem = |message| Problem::item(schema::CLIENT_BROKER.name, at, message);
            Err(match nearest(wanted, names.iter().copied()) {
                Some(meant) => problem(format!("{message}: did you mean {}?", ui::quote(meant))),
                None if names.is_empty() => problem(message).hint("where there is one [broker], leave broker out"),
                None => problem(message).hint(format!("the brokers are {}", names.join(", "))),
            })
        }
    }
}

fn same_but_for_case<'n>(name: &str, mut taken: impl Iterator<Item = &'n str>) -> Result<(), Problem> {
    let lower = name.to_lowercase();
    match taken.find(|other| other.to_lowercase() == lower) {
        Some(other) => Err(equal_but_for_case(name, other)),
        None => Ok(()),
    }
}

/// Their directories would be one on many file systems.
fn equal_but_for_case(name: &str, other: &str) -> Problem {
    Problem::new(format!("the names {} and {} are equal but for case", ui::quote(other), ui::quote(name)))
        .hint("choose another name")
}

fn unknown_authority(issuer: &str, known: &[&str]) -> Problem {
    let message = format!("the issuer {} is not an authority of this manifest", ui::quote(issuer));
    Problem::of(
        schema::ISSUER.name,
        match nearest(issuer, known.iter().copied()) {
            Some(meant) => format!("{message}: did you mean {}?", ui::quote(meant)),
            None => message,
        },
    )
}
