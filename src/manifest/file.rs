//! certgen.toml as written: what stands where. Nothing here is checked beyond keys and types; see `settings.rs`,
//! `entry.rs`, `authority.rs` and `broker.rs` for what is valid.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::message::{ManifestError, Spots, Text};
use super::reader::{Reader, in_file_order, place_of, unknown_key, with_article};
use super::schema::{self, Keys};
use super::spec::{AuthoritySpec, BrokerSpec, EntrySpec, KubernetesSpec, ManagementSpec, Switch};
use crate::profile::Role;
use crate::ui;

/// A section with its name and place.
#[derive(Debug, Default)]
pub(crate) struct Written<T> {
    pub(crate) name: String,
    pub(crate) spec: T,
    pub(crate) spots: Spots,
}

/// `[defaults]` and its parts.
#[derive(Debug, Default)]
pub(crate) struct DefaultsSpec {
    pub(crate) all: Written<EntrySpec>,
    pub(crate) roles: Vec<(Role, Written<EntrySpec>, Vec<String>)>,
    pub(crate) authority: Written<AuthoritySpec>,
}

/// `[[from]]`.
#[derive(Debug, Default)]
pub(crate) struct FromSpec {
    pub(crate) role: String,
    pub(crate) file: String,
    pub(crate) defaults: EntrySpec,
}

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) defaults: DefaultsSpec,
    pub(crate) authorities: Vec<Written<AuthoritySpec>>,
    pub(crate) entries: Vec<(Role, Written<EntrySpec>)>,
    /// A name of `None` is the plain `[broker]`.
    pub(crate) brokers: Vec<(Option<String>, Written<BrokerSpec>)>,
    pub(crate) from: Vec<Written<FromSpec>>,
    pub(crate) emit: Written<Vec<String>>,
}

type Value<'t> = Spanned<DeValue<'t>>;

/// The newest version of the format that this program reads.
pub(crate) const NEWEST_VERSION: i64 = 1;

impl File {
    pub(crate) fn read(text: &Text<'_>, document: &DeTable<'_>) -> Result<Self, ManifestError> {
        check_version(text, document)?;
        let mut top = Reader::open(text, "the manifest".into(), 0, document, schema::FILE_KEYS)?;
        let mut file = Self::default();
        for (key, value) in in_file_order(document) {
            match key.get_ref().as_ref() {
                "defaults" => file.defaults = read_defaults(text, place_of(key, value), value)?,
                "authority" => {
                    for (name, place, table) in named(text, "authority", value, schema::AUTHORITY_KEYS)? {
                        let mut reader =
                            Reader::open(text, section("authority", &name), place, table, schema::AUTHORITY_KEYS)?;
                        let spec = read_authority(&mut reader)?;
                        file.authorities.push(Written { name, spec, spots: reader.spots });
                    }
                }
                "broker" => file.brokers = read_brokers(text, place_of(key, value), value)?,
                "from" => file.from = read_from(text, value)?,
                "emit" => {
                    let spec = top.strings(schema::EMIT)?.unwrap_or_default();
                    file.emit = Written { name: String::new(), spec, spots: top.spots.clone() };
                }
                role => {
                    let Ok(role) = role.parse::<Role>() else { continue };
                    file.entries.extend(read_entries(text, role, value)?);
                }
            }
        }
        Ok(file)
    }
}

/// The version comes first: a newer file may hold anything else.
fn check_version(text: &Text<'_>, document: &DeTable<'_>) -> Result<(), ManifestError> {
    let mut reader = Reader::unchecked(text, "the manifest".into(), document);
    let Some(version) = reader.integer(schema::VERSION)? else {
        return Err(text.error(0, "the manifest does not say its version").hint("its first line is: version = 1"));
    };
    let at = reader.spots.keys["version"][0];
    match version {
        NEWEST_VERSION => Ok(()),
        newer if newer > NEWEST_VERSION => Err(text
            .error(at, format!("the manifest has version {newer}: this certgen reads version {NEWEST_VERSION}"))
            .hint("install a newer certgen")),
        other => {
            Err(text.error(at, format!("there is no version {other}: this certgen reads version {NEWEST_VERSION}")))
        }
    }
}

/// The tables `[KIND.NAME]` with their names and places.
fn named<'t>(
    text: &Text<'_>,
    kind: &str,
    value: &'t Value<'t>,
    keys: Keys,
) -> Result<Vec<(String, usize, &'t DeTable<'t>)>, ManifestError> {
    let Some(table) = value.get_ref().as_table() else {
        let found = with_article(value.get_ref().type_str());
        let message = format!("{kind:?} must be tables such as [{kind}.NAME], not {found}");
        return Err(text.error(value.span().start, message));
    };
    let members = in_file_order(table).into_iter().map(|(name, value)| match value.get_ref().as_table() {
        Some(table) => Ok((name.get_ref().clone().into_owned(), place_of(name, value), table)),
        None if keys.iter().any(|key| key.name == name.get_ref()) => {
            let message = format!("{:?} stands in [{kind}], which holds names, not settings", name.get_ref());
            let hint = format!("put it below [{kind}.NAME], or below [defaults.{kind}] for all of them");
            Err(text.error(name.span().start, message).hint(hint))
        }
        None => {
            let found = with_article(value.get_ref().type_str());
            let message = format!("{} must be a table, not {found}", section(kind, name.get_ref()));
            Err(text.error(value.span().start, message))
        }
    });
    members.collect()
}

/// A section as its header would be written.
pub(crate) fn section(kind: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { format!("[{kind}.{}]", ui::plain(name)) } else { format!("[{kind}.{}]", ui::quote(name)) }
}

fn read_entries(
    text: &Text<'_>,
    role: Role,
    value: &Value<'_>,
) -> Result<Vec<(Role, Written<EntrySpec>)>, ManifestError> {
    let keys = entry_keys(role);
    let mut entries = Vec::new();
    for (name, place, table) in named(text, role.as_str(), value, keys)? {
        let mut reader = Reader::open(text, section(role.as_str(), &name), place, table, keys)?;
        let spec = read_entry(&mut reader)?;
        entries.push((role, Written { name, spec, spots: reader.spots }));
    }
    Ok(entries)
}

fn entry_keys(role: Role) -> Keys {
    if role.serves() { schema::SERVING_KEYS } else { schema::CLIENT_KEYS }
}

fn read_entry(r: &mut Reader<'_>) -> Result<EntrySpec, ManifestError> {
    Ok(EntrySpec {
        issuer: r.string(schema::ISSUER)?,
        san: r.strings(schema::SAN)?,
        kubernetes: read_kubernetes(r)?,
        key_type: r.string(schema::KEY_TYPE)?,
        validity: r.string(schema::VALIDITY)?,
        subject: r.string(schema::SUBJECT)?,
        owner: r.string(schema::OWNER)?,
        key_mode: r.string(schema::KEY_MODE)?,
        key_password_file: r.string(schema::KEY_PASSWORD_FILE)?,
        vhost: r.strings(schema::VHOST)?,
        access: r.strings(schema::ACCESS)?,
        configure: r.string(schema::CONFIGURE)?,
        write: r.string(schema::WRITE)?,
        read: r.string(schema::READ)?,
        topic_exchange: r.string(schema::TOPIC_EXCHANGE)?,
        topic_write: r.string(schema::TOPIC_WRITE)?,
        topic_read: r.string(schema::TOPIC_READ)?,
        tags: r.strings(schema::TAGS)?,
        password: r.boolean(schema::PASSWORD)?,
        cli: r.boolean(schema::CLI)?,
        existing_user: r.boolean(schema::EXISTING_USER)?,
        broker: r.strings(schema::CLIENT_BROKER)?,
    })
}

fn read_kubernetes(parent: &mut Reader<'_>) -> Result<Option<KubernetesSpec>, ManifestError> {
    let section = format!("kubernetes of {}", parent.section);
    let Some(mut r) = parent.table(schema::KUBERNETES, section, schema::KUBERNETES_KEYS)? else { return Ok(None) };
    let spec = KubernetesSpec {
        namespace: r.string(schema::NAMESPACE)?,
        cluster: r.string(schema::CLUSTER)?,
        replicas: r.integer(schema::REPLICAS)?,
        service: r.string(schema::SERVICE)?,
        headless_service: r.string(schema::HEADLESS_SERVICE)?,
        pod_prefix: r.string(schema::POD_PREFIX)?,
        cluster_domain: r.string(schema::CLUSTER_DOMAIN)?,
    };
    parent.spots.tables.insert(schema::KUBERNETES.name, r.spots);
    Ok(Some(spec))
}

fn read_authority(r: &mut Reader<'_>) -> Result<AuthoritySpec, ManifestError> {
    Ok(AuthoritySpec {
        issuer: r.string(schema::ISSUER)?,
        common_name: r.string(schema::COMMON_NAME)?,
        subject: r.string(schema::SUBJECT)?,
        key_type: r.string(schema::KEY_TYPE)?,
        validity: r.string(schema::VALIDITY)?,
        path_length: r.integer(schema::PATH_LENGTH)?,
        permit: r.strings(schema::PERMIT)?,
        exclude: r.strings(schema::EXCLUDE)?,
        crl_urls: r.strings(schema::CRL_URLS)?,
        issuer_urls: r.strings(schema::ISSUER_URLS)?,
        ocsp_urls: r.strings(schema::OCSP_URLS)?,
        policies: r.strings(schema::POLICIES)?,
    })
}

fn read_defaults(text: &Text<'_>, place: usize, value: &Value<'_>) -> Result<DefaultsSpec, ManifestError> {
    let table = as_table(text, "defaults", value)?;
    let mut r = Reader::open(text, "[defaults]".into(), place, table, schema::DEFAULTS_KEYS)?;
    let mut defaults = DefaultsSpec::default();
    for role in Role::ALL {
        let (key, keys) = match role {
            Role::Server => (schema::SERVER, schema::DEFAULTS_SERVING_KEYS),
            Role::Node => (schema::NODE, schema::DEFAULTS_SERVING_KEYS),
            Role::Client => (schema::CLIENT, schema::DEFAULTS_CLIENT_KEYS),
        };
        if let Some(mut part) = r.table(key, format!("[defaults.{role}]"), keys)? {
            let spec = read_entry(&mut part)?;
            let trust = part.strings(schema::TRUST)?.unwrap_or_default();
            defaults.roles.push((role, Written { name: part.section, spec, spots: part.spots }, trust));
        }
    }
    if let Some(mut part) =
        r.table(schema::AUTHORITY, "[defaults.authority]".into(), schema::DEFAULTS_AUTHORITY_KEYS)?
    {
        let spec = read_authority(&mut part)?;
        defaults.authority = Written { name: part.section, spec, spots: part.spots };
    }
    let spec = read_entry(&mut r)?;
    defaults.all = Written { name: r.section, spec, spots: r.spots };
    Ok(defaults)
}

fn as_table<'t>(text: &Text<'_>, key: &str, value: &'t Value<'t>) -> Result<&'t DeTable<'t>, ManifestError> {
    value.get_ref().as_table().ok_or_else(|| {
        let found = with_article(value.get_ref().type_str());
        text.error(value.span().start, format!("{key:?} must be a table such as [{key}], not {found}"))
    })
}

type Brokers = Vec<(Option<String>, Written<BrokerSpec>)>;

/// `[broker]` with settings, or `[broker.NAME]` for each of several.
fn read_brokers(text: &Text<'_>, place: usize, value: &Value<'_>) -> Result<Brokers, ManifestError> {
    let table = as_table(text, "broker", value)?;
    let members = in_file_order(table);
    let is_name = |key: &str, value: &Value<'_>| {
        value.get_ref().is_table() && !schema::BROKER_KEYS.iter().any(|known| known.name == key)
    };
    let named_at = members.iter().find(|(key, value)| is_name(key.get_ref(), value));
    let Some((name, _)) = named_at else {
        let mut r = Reader::open(text, "[broker]".into(), place, table, schema::BROKER_KEYS)?;
        let spec = read_broker(&mut r)?;
        return Ok(vec![(None, Written { name: String::new(), spec, spots: r.spots })]);
    };
    if let Some((key, _)) = members.iter().find(|(key, value)| !is_name(key.get_ref(), value)) {
        if !schema::BROKER_KEYS.iter().any(|known| known.name == key.get_ref()) {
            return Err(unknown_key(text, "[broker]", key, schema::BROKER_KEYS));
        }
        let message = format!(
            "{:?} stands in [broker] and {} is a broker of its own: it is either one [broker] or several [broker.NAME]",
            key.get_ref(),
            section("broker", name.get_ref()),
        );
        return Err(text.error(key.span().start, message).hint("give every broker a name: [broker.NAME]"));
    }
    let mut brokers = Vec::new();
    for (name, place, table) in named(text, "broker", value, schema::BROKER_KEYS)? {
        let mut r = Reader::open(text, section("broker", &name), place, table, schema::BROKER_KEYS)?;
        let spec = read_broker(&mut r)?;
        brokers.push((Some(name.clone()), Written { name, spec, spots: r.spots }));
    }
    Ok(brokers)
}

fn read_broker(r: &mut Reader<'_>) -> Result<BrokerSpec, ManifestError> {
    Ok(BrokerSpec {
        version: r.string(schema::BROKER_VERSION)?,
        platform: r.string(schema::PLATFORM)?,
        certs_dir: r.string(schema::CERTS_DIR)?,
        config_dir: r.string(schema::CONFIG_DIR)?,
        certificate: r.strings(schema::CERTIFICATE)?,
        management: read_management(r)?,
        inter_node_tls: read_switch(r, schema::INTER_NODE_TLS, "true, false or \"flags\"")?,
        revocation: r.boolean(schema::REVOCATION)?,
        client_certificates: r.string(schema::CLIENT_CERTIFICATES)?,
        login_from: r.string(schema::LOGIN_FROM)?,
        login_users: r.strings(schema::LOGIN_USERS)?,
        migration: r.string(schema::MIGRATION)?,
        tls_versions: r.strings(schema::TLS_VERSIONS)?,
        ports: read_ports(r)?,
        plugins: r.strings(schema::PLUGINS)?,
        nodes: r.strings(schema::NODES)?,
        longnames: r.boolean(schema::LONGNAMES)?,
        erl_ssl_path: r.string(schema::ERL_SSL_PATH)?,
        administrator: read_switch(r, schema::ADMINISTRATOR, "a name or false")?,
        vhosts: r.strings(schema::VHOSTS)?,
    })
}

fn read_switch(r: &mut Reader<'_>, key: &schema::Key, wanted: &str) -> Result<Option<Switch>, ManifestError> {
    let Some(value) = r.find(key) else { return Ok(None) };
    match value.get_ref() {
        DeValue::Boolean(is) => Ok(Some(Switch::Is(*is))),
        DeValue::String(word) => Ok(Some(Switch::Word(word.clone().into_owned()))),
        _ => Err(r.wrong_type(key, value, wanted)),
    }
}

fn read_management(parent: &mut Reader<'_>) -> Result<Option<ManagementSpec>, ManifestError> {
    let section = format!("management of {}", parent.section);
    let Some(mut r) = parent.table(schema::MANAGEMENT, section, schema::MANAGEMENT_KEYS)? else { return Ok(None) };
    let spec = ManagementSpec {
        enabled: r.boolean(schema::ENABLED)?,
        certificate: r.string(schema::CERTIFICATE)?,
        port: r.integer(schema::PORT)?,
    };
    parent.spots.tables.insert(schema::MANAGEMENT.name, r.spots);
    Ok(Some(spec))
}

fn read_ports(parent: &mut Reader<'_>) -> Result<Vec<(&'static str, i64)>, ManifestError> {
    let section = format!("ports of {}", parent.section);
    let Some(mut r) = parent.table(schema::PORTS, section, schema::PORTS_KEYS)? else { return Ok(Vec::new()) };
    let mut ports = Vec::new();
    for key in schema::PORTS_KEYS {
        if let Some(port) = r.integer(key)? {
            ports.push((key.name, port));
        }
    }
    parent.spots.tables.insert(schema::PORTS.name, r.spots);
    Ok(ports)
}

fn read_from(text: &Text<'_>, value: &Value<'_>) -> Result<Vec<Written<FromSpec>>, ManifestError> {
    let wrong = |value: &Value<'_>| {
        let found = with_article(value.get_ref().type_str());
        let message = format!("\"from\" must be tables such as [[from]], not {found}");
        text.error(value.span().start, message).hint("[[from]] with role = \"client\" and file = \"devices.csv\"")
    };
    let items = value.get_ref().as_array().ok_or_else(|| wrong(value))?;
    let mut lists = Vec::new();
    for item in items {
        let table = item.get_ref().as_table().ok_or_else(|| wrong(item))?;
        let missing = |key: &str| text.error(item.span().start, format!("[[from]] does not say its {key}"));
        let role = Reader::unchecked(text, "[[from]]".into(), table).string(schema::ROLE)?;
        let role = role.ok_or_else(|| missing("role"))?;
        // A role that does not exist is told when its meaning is looked for.
        let (section, keys) = match role.parse::<Role>() {
            Ok(role) if role.serves() => (format!("[[from]] of {role}s"), schema::FROM_SERVING_KEYS),
            _ => ("[[from]]".to_owned(), schema::FROM_CLIENT_KEYS),
        };
        let mut r = Reader::open(text, section, item.span().start, table, keys)?;
        r.string(schema::ROLE)?;
        let file = r.string(schema::FILE)?.ok_or_else(|| missing("file"))?;
        let spec = FromSpec { role, file, defaults: read_entry(&mut r)? };
        lists.push(Written { name: String::new(), spec, spots: r.spots });
    }
    Ok(lists)
}
