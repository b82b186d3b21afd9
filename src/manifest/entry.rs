//! End entities as validated: whatever is missing is filled in, whatever cannot be is refused.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Checked;
use super::kubernetes::Kubernetes;
use super::message::Problem;
use super::schema;
use super::settings::{Settings, own_name};
use super::spec::EntrySpec;
use super::user::{User, UserSettings};
use crate::profile::Role;
use crate::ui;
use crate::x509::{DistinguishedName, DnsName, Duration, GeneralName, KeyType, X509Error};

/// One server, node or client that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What its certificate is for.
    pub role: Role,
    /// Its identity: the common name, and of a client the RabbitMQ user.
    pub name: String,
    /// The authority that signs it.
    pub issuer: String,
    /// The subject, without its common name where that is not in a place of its own.
    pub subject: DistinguishedName,
    /// Every subject alternative name, each once: its own, those that were written, the pods', the defaults'.
    pub san: Vec<GeneralName>,
    /// The cluster whose pods it is for.
    pub kubernetes: Option<Kubernetes>,
    /// The type of its key.
    pub key_type: KeyType,
    /// How long a certificate of it is valid.
    pub validity: Duration,
    /// The validity was not asked for by this entry: it may be clipped to the issuer's.
    pub validity_is_default: bool,
    /// The owner of its directory and files.
    pub owner: Option<String>,
    /// The mode of its files with secrets, 0600 or 0640.
    pub key_mode: u32,
    /// The file with the password of its key, as written: relative paths begin where the manifest stands.
    pub key_password_file: Option<PathBuf>,
    /// A client's RabbitMQ user.
    pub user: Option<User>,
    /// A client certificate for the command line tools of a host.
    pub cli: bool,
    /// The named brokers it belongs to; empty where there is only one `[broker]`.
    pub brokers: Vec<String>,
    /// It stands in the manifest, and may so be pruned from it.
    pub managed: bool,
    checked: Checked,
}

/// X.520 ub-common-name.
const LONGEST_COMMON_NAME: usize = 64;
const DEFAULT_VALIDITY: Duration = Duration::days(365);
const DEFAULT_KEY_TYPE: KeyType = KeyType::EcdsaP256;
const DEFAULT_KEY_MODE: u32 = 0o600;
/// openssl refuses a certificate file or handshake message long before this many names fit.
const MOST_NAMES: usize = 1000;

impl Entry {
    /// Builds an entry from what was asked for and the defaults of its role. The issuer is the caller's finding.
    pub(crate) fn new(
        role: Role,
        name: &str,
        spec: &EntrySpec,
        own: Settings,
        defaults: &Settings,
        issuer: String,
    ) -> Result<Self, Problem> {
        check_name(role.as_str(), name, role == Role::Client)?;
        let cli = spec.cli.unwrap_or(false);
        check_keys_of(role, spec, cli)?;
        let kubernetes = spec.kubernetes.as_ref().map(Kubernetes::new).transpose()?;
        let validity_is_default = own.validity.is_none();
        let settings = own.over(defaults);
        let san = all_names(role, name, kubernetes.as_ref(), settings.san)?;
        let subject = settings.subject.unwrap_or_else(DistinguishedName::empty);
        if subject.has_common_name() && subject.common_names() != [name] {
            return Err(own_name(&subject.to_string()));
        }
        Ok(Self {
            role,
            name: name.to_owned(),
            issuer,
            subject,
            san,
            kubernetes,
            key_type: settings.key_type.unwrap_or(DEFAULT_KEY_TYPE),
            validity: settings.validity.unwrap_or(DEFAULT_VALIDITY),
            validity_is_default,
            owner: settings.owner,
            key_mode: settings.key_mode.unwrap_or(DEFAULT_KEY_MODE),
            key_password_file: settings.key_password_file,
            user: (role == Role::Client && !cli).then(|| settings.user.into_user()),
            cli,
            brokers: settings.brokers.unwrap_or_default(),
            managed: true,
            checked: Checked,
        })
    }

    /// `ROLE/NAME`, as people write a name that is in two roles.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.role, self.name)
    }

    /// The common name of its certificate. A server name that is too long for one lives in the alternative names alone.
    pub fn common_name(&self) -> Option<&str> {
        fits_common_name(&self.name).then_some(&*self.name)
    }

    /// The whole subject of its certificate: what was said of it, and its common name where that fits.
    ///
    /// # Errors
    /// The name cannot be a common name.
    pub fn full_subject(&self) -> Result<DistinguishedName, X509Error> {
        match self.common_name().filter(|_| !self.subject.has_common_name()) {
            Some(name) => self.subject.clone().with_common_name(name),
            None => Ok(self.subject.clone()),
        }
    }

    /// The same entry for a certificate that the manifest does not hold.
    #[must_use]
    pub fn unmanaged(mut self) -> Self {
        self.managed = false;
        self
    }

    /// Whether `name` is that of a pod beyond the present number of replicas. The number is a ceiling: names that a
    /// higher one brought are no reason to issue again.
    pub fn covers_former_pod(&self, name: &GeneralName) -> bool {
        let Some(kubernetes) = &self.kubernetes else { return false };
        kubernetes.is_pod(name)
    }

    /// Whether one of its host names is exactly `host`.
    pub fn has_exact_name(&self, host: &str) -> bool {
        self.san.iter().any(|name| matches!(name, GeneralName::Dns(dns) if dns.as_str().eq_ignore_ascii_case(host)))
    }

    /// Whether one of its host names is `host` or a wildcard for it, as RFC 9525 section 6.3 compares them.
    pub fn covers(&self, host: &str) -> bool {
        self.san.iter().any(|name| matches!(name, GeneralName::Dns(dns) if dns.covers(host)))
    }
}

fn fits_common_name(name: &str) -> bool {
    name.chars().count() <= LONGEST_COMMON_NAME
}

/// What any name must be, so that it can stand in a certificate and on a screen as what it is.
pub(crate) fn check_name(kind: &str, name: &str, short: bool) -> Result<(), Problem> {
    let refuse = |why: &str| Err(Problem::new(format!("{} cannot be the name of a {kind}: {why}", ui::quote(name))));
    if name.is_empty() {
        return refuse("it is empty");
    }
    if name.chars().any(|c| c.is_control()) {
        return refuse("it has a control character");
    }
    if name.chars().any(is_invisible) {
        return refuse("it has an invisible character, which would let it pass for another name");
    }
    if name.trim() != name {
        return refuse("it begins or ends with a space");
    }
    if short && !fits_common_name(name) {
        return refuse(&format!(
            "a common name has at most {LONGEST_COMMON_NAME} characters, this one {}",
            name.chars().count()
        ));
    }
    Ok(())
}

/// Marks that hide or reorder what stands beside them (Unicode TR 36), which `ui::quote` shows escaped.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Keys that make no sense for this role.
fn check_keys_of(role: Role, spec: &EntrySpec, cli: bool) -> Result<(), Problem> {
    let about_user = UserSettings::key_in(spec);
    if let (true, Some(key)) = (role.serves(), about_user) {
        let message = format!("{key} is about a client's RabbitMQ user: a {role} has none");
        return Err(Problem::of(key, message));
    }
    if role.serves() && cli {
        return Err(Problem::of(schema::CLI.name, format!("cli is for clients: a {role} needs no such mark")));
    }
    if let (true, Some(key)) = (cli, about_user) {
        let message = format!("cli and {key} contradict each other: a certificate for command line tools has no user");
        return Err(Problem::of(key, message));
    }
    if role.serves() && spec.broker.is_some() {
        let message = format!("broker is for clients: the broker itself names its {role} in certificate");
        return Err(Problem::of(schema::CLIENT_BROKER.name, message));
    }
    if role == Role::Client && spec.kubernetes.is_some() {
        return Err(Problem::of(schema::KUBERNETES.name, "kubernetes names pods, which are no clients"));
    }
    Ok(())
}

/// Own names first, then what was written, the pods' and the defaults', each once.
fn all_names(
    role: Role,
    name: &str,
    kubernetes: Option<&Kubernetes>,
    written: Vec<GeneralName>,
) -> Result<Vec<GeneralName>, Problem> {
    let mut names = if role.serves() { own_names(role, name) } else { Vec::new() };
    names.extend(written);
    names.extend(kubernetes.map(Kubernetes::names).unwrap_or_default());
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let is_own = |n: &GeneralName| matches!(n, GeneralName::Dns(dns) if dns.as_str().eq_ignore_ascii_case(name));
    if role == Role::Client && all.iter().any(is_own) {
        let message = format!("{} is the client's own name: it is a user, not a host", ui::quote(name));
        return Err(Problem::of(schema::SAN.name, message).hint("leave it out of its san"));
    }
    if all.len() > MOST_NAMES {
        return Err(Problem::of(
            schema::SAN.name,
            format!("{} names are more than a certificate can carry", all.len()),
        ));
    }
    let long = !fits_common_name(name);
    if role.serves() && (all.is_empty() || (long && own_names(role, name).is_empty())) {
        let why = DnsName::parse(name).err().map(|e| e.to_string()).unwrap_or_default();
        let quoted = ui::quote(name);
        let message = match long {
            true => format!("{quoted} is too long for a common name and not a host name either: {why}"),
            false => format!("the {role} has no name that a client could check: {why}"),
        };
        return Err(Problem::new(message).hint(
            "add the names by which it is reached: san = [\"rabbit.example.com\"], or --san rabbit.example.com",
        ));
    }
    Ok(all)
}

/// An entry's name is its first host name when it is one. Erlang nodes with short names verify the first label alone.
fn own_names(role: Role, name: &str) -> Vec<GeneralName> {
    if let Ok(address) = name.parse::<IpAddr>() {
        // Through the parser, which refuses addresses that peers compare differently.
        return GeneralName::parse(&address.to_string()).into_iter().collect();
    }
    let Ok(dns) = DnsName::parse(name) else { return Vec::new() };
    let label = dns.as_str().split('.').next().unwrap_or_default().to_owned();
    let short = (role == Role::Node && !dns.is_wildcard()).then(|| DnsName::parse(&label).ok()).flatten();
    let mut names = vec![GeneralName::Dns(dns)];
    names.extend(short.map(GeneralName::Dns).filter(|short| *short != names[0]));
    names
}
