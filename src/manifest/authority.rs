//! Authorities as validated, and the hierarchy that they form.

use super::Checked;
use super::entry::check_name;
use super::message::Problem;
use super::schema;
use super::settings;
use super::spec::AuthoritySpec;
use super::user::unique;
use crate::ui;
use crate::x509::{DistinguishedName, Duration, GeneralName, KeyType, NameConstraints, PublicKey, Subtree, X509Error};

/// One certificate authority that should exist, root or intermediate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its name in the manifest and in `ca/`.
    pub name: String,
    /// The authority above; none for a root.
    pub issuer: Option<String>,
    /// The common name, without the mark that certgen adds from the key.
    pub common_name: String,
    /// The subject without its common name.
    pub subject: DistinguishedName,
    /// The type of its key.
    pub key_type: KeyType,
    /// How long it is valid.
    pub validity: Duration,
    /// The validity was not asked for by this authority: it may be clipped to the issuer's.
    pub validity_is_default: bool,
    /// How many authorities may stand below it in a chain.
    pub path_length: Option<u8>,
    /// The names that it may sign, as written.
    pub permit: Vec<String>,
    /// The names that it may not sign, as written.
    pub exclude: Vec<String>,
    /// Both, checked; none when neither was written.
    pub name_constraints: Option<NameConstraints>,
    /// Where its revocation list is published, for the certificates that it signs.
    pub crl_urls: Vec<String>,
    /// Where its certificate is published.
    pub issuer_urls: Vec<String>,
    /// Where its OCSP responder answers.
    pub ocsp_urls: Vec<String>,
    /// Certificate policies, as dotted numbers.
    pub policies: Vec<String>,
    checked: Checked,
}

/// A common name has 64 characters, and certgen's mark needs its share of them.
pub const AUTHORITY_COMMON_NAME_MAX: usize = 48;
const DEFAULT_VALIDITY: Duration = Duration::days(10 * 365);
const DEFAULT_KEY_TYPE: KeyType = KeyType::EcdsaP256;

/// `[defaults.authority]`, checked.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuthoritySettings {
    pub(crate) subject: Option<DistinguishedName>,
    pub(crate) key_type: Option<KeyType>,
    validity: Option<Duration>,
    crl_urls: Option<Vec<String>>,
    issuer_urls: Option<Vec<String>>,
    ocsp_urls: Option<Vec<String>>,
    policies: Option<Vec<String>>,
}

impl AuthoritySettings {
    pub(crate) fn read(spec: &AuthoritySpec) -> Result<Self, Problem> {
        let urls = |key: &schema::Key, urls: &Option<Vec<String>>| {
            urls.as_ref().map(|urls| unique(key.name, urls, url)).transpose()
        };
        Ok(Self {
            subject: spec.subject.as_deref().map(settings::subject).transpose()?,
            key_type: spec.key_type.as_deref().map(settings::key_type).transpose()?,
            validity: spec.validity.as_deref().map(settings::validity).transpose()?,
            crl_urls: urls(schema::CRL_URLS, &spec.crl_urls)?,
            issuer_urls: urls(schema::ISSUER_URLS, &spec.issuer_urls)?,
            ocsp_urls: urls(schema::OCSP_URLS, &spec.ocsp_urls)?,
            policies: spec.policies.as_ref().map(|list| unique(schema::POLICIES.name, list, policy)).transpose()?,
        })
    }
}

impl Authority {
    pub(crate) fn new(name: &str, spec: &AuthoritySpec, defaults: &AuthoritySettings) -> Result<Self, Problem> {
        check_name("authority", name, true)?;
        let own = AuthoritySettings::read(spec)?;
        let common_name = spec.common_name.as_deref().unwrap_or(name);
        check_common_name(common_name)?;
        let list =
            |own: Option<Vec<String>>, below: &Option<Vec<String>>| own.or_else(|| below.clone()).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            issuer: spec.issuer.clone(),
            common_name: common_name.to_owned(),
            subject: own.subject.or_else(|| defaults.subject.clone()).unwrap_or_else(DistinguishedName::empty),
            key_type: own.key_type.or(defaults.key_type).unwrap_or(DEFAULT_KEY_TYPE),
            validity: own.validity.or(defaults.validity).unwrap_or(DEFAULT_VALIDITY),
            validity_is_default: own.validity.is_none(),
            path_length: spec.path_length.map(path_length).transpose()?,
            permit: spec.permit.clone().unwrap_or_default(),
            exclude: spec.exclude.clone().unwrap_or_default(),
            name_constraints: constraints(spec)?,
            crl_urls: list(own.crl_urls, &defaults.crl_urls),
            issuer_urls: list(own.issuer_urls, &defaults.issuer_urls),
            ocsp_urls: list(own.ocsp_urls, &defaults.ocsp_urls),
            policies: list(own.policies, &defaults.policies),
            checked: Checked,
        })
    }

    /// The whole subject of its certificate. Two authorities of one name are what every client reports as a bad signature
    /// or an unknown CA: the mark comes from the key, so no two runs ever make the same name.
    ///
    /// # Errors
    /// The common name does not fit.
    pub fn full_subject(&self, key: &PublicKey) -> Result<DistinguishedName, X509Error> {
        self.subject.clone().with_common_name(&format!("{} {}", self.common_name, key.mark()))
    }

    /// It signs itself.
    pub fn is_root(&self) -> bool {
        self.issuer.is_none()
    }
}

fn check_common_name(name: &str) -> Result<(), Problem> {
    let refuse = |why: String| Err(Problem::of(schema::COMMON_NAME.name, why));
    let length = name.chars().count();
    if length > AUTHORITY_COMMON_NAME_MAX {
        return refuse(format!(
            "the common name {} has {length} characters: an authority's has at most {AUTHORITY_COMMON_NAME_MAX}, because certgen \
             adds a mark to it",
            ui::quote(name)
        ));
    }
    if let Err(e) = DistinguishedName::common_name_only(name) {
        return refuse(e.to_string());
    }
    match name.trim() == name {
        true => Ok(()),
        false => refuse(format!("the common name {} begins or ends with a space", ui::quote(name))),
    }
}

fn path_length(length: i64) -> Result<u8, Problem> {
    u8::try_from(length).map_err(|_| {
        Problem::of(schema::PATH_LENGTH.name, format!("path_length must be 0 to 255, not {length}"))
            .hint("path_length = 0: this authority signs end entities only")
    })
}

fn constraints(spec: &AuthoritySpec) -> Result<Option<NameConstraints>, Problem> {
    let subtrees = |key: &schema::Key, texts: &Option<Vec<String>>| match texts {
        None => Ok(Vec::new()),
        Some(texts) if texts.is_empty() => {
            let message = format!("{} is an empty list, which could mean everything or nothing", key.name);
            Err(Problem::of(key.name, message).hint("leave the key out to constrain nothing"))
        }
        Some(texts) => unique(key.name, texts, |text| Subtree::parse(text).map_err(|e| e.to_string())),
    };
    let permitted = subtrees(schema::PERMIT, &spec.permit)?;
    let excluded = subtrees(schema::EXCLUDE, &spec.exclude)?;
    if let Some(at) = excluded.iter().position(|subtree| permitted.contains(subtree)) {
        let name = spec.exclude.as_ref().map(|texts| ui::quote(&texts[at])).unwrap_or_default();
        return Err(Problem::item(schema::EXCLUDE.name, at, format!("{name} stands in permit and in exclude")));
    }
    let constraints = NameConstraints { permitted, excluded };
    Ok((!constraints.permitted.is_empty() || !constraints.excluded.is_empty()).then_some(constraints))
}

/// Clients fetch these without TLS, because they are what TLS is checked with (RFC 5280 section 8).
fn url(text: &str) -> Result<String, String> {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match (GeneralName::parse(&format!("uri:{text}")), scheme.as_deref()) {
        (Ok(GeneralName::Uri(uri)), Some("http" | "https" | "ldap")) => Ok(uri),
        (Err(e), _) => Err(e.to_string()),
        _ => Err(format!("{} is not an http:// address", ui::quote(text))),
    }
}

/// A dotted object identifier (X.660): the first arc is 0 to 2, the second below 40 under the first two.
fn policy(text: &str) -> Result<String, String> {
    let refuse = || format!("{} is not a policy: it is a dotted number such as 1.3.6.1.4.1.99999.1", ui::quote(text));
    let arc = |arc: &str| {
        let canonical = arc == "0" || !arc.starts_with('0');
        (canonical && arc.bytes().all(|b| b.is_ascii_digit())).then(|| arc.parse::<u64>().ok()).flatten()
    };
    let arcs: Vec<u64> = text.split('.').map(arc).collect::<Option<_>>().ok_or_else(refuse)?;
    match arcs[..] {
        [0 | 1, 0..40, ..] | [2, _, ..] if arcs.len() <= 32 => Ok(text.to_owned()),
        _ => Err(refuse()),
    }
}

/// Checks the hierarchy as a whole. On failure: the index of the authority to blame.
pub(crate) fn check_hierarchy(authorities: &[Authority]) -> Result<(), (usize, Problem)> {
    for (at, authority) in authorities.iter().enumerate() {
        chain_above(authorities, authority).map_err(|problem| (at, problem))?;
    }
    for (at, authority) in authorities.iter().enumerate() {
        check_path_length(authorities, authority).map_err(|problem| (at, problem))?;
        check_validity(authorities, authority).map_err(|problem| (at, problem))?;
    }
    Ok(())
}

fn find<'a>(authorities: &'a [Authority], name: &str) -> Option<&'a Authority> {
    authorities.iter().find(|authority| authority.name == name)
}

/// The issuers of an authority, nearest first.
fn chain_above<'a>(authorities: &'a [Authority], authority: &'a Authority) -> Result<Vec<&'a Authority>, Problem> {
    let mut chain: Vec<&Authority> = Vec::new();
    let mut current = authority;
    while let Some(issuer) = &current.issuer {
        if *issuer == authority.name {
            let circle = std::iter::once(authority).chain(chain.iter().copied()).chain([authority]);
            let circle = circle.map(|a| ui::quote(&a.name)).collect::<Vec<_>>().join(" by ");
            return Err(Problem::of(schema::ISSUER.name, format!("the issuers form a circle: {circle}"))
                .hint("a root has no issuer"));
        }
        let Some(next) = find(authorities, issuer) else {
            // Only its own issuer is this authority's fault; the others are found at theirs.
            return if chain.is_empty() { Err(unknown_issuer(authorities, issuer)) } else { Ok(chain) };
        };
        if chain.iter().any(|seen| seen.name == next.name) {
            return Ok(chain);
        }
        chain.push(next);
        current = next;
    }
    Ok(chain)
}

/// The message for an issuer that is no authority.
pub(crate) fn unknown_issuer(authorities: &[Authority], issuer: &str) -> Problem {
    let message = format!("the issuer {} is not an authority of this manifest", ui::quote(issuer));
    let names = authorities.iter().map(|authority| authority.name.as_str());
    let problem = match crate::profile::nearest(issuer, names.clone()) {
        Some(meant) => Problem::of(schema::ISSUER.name, format!("{message}: did you mean {}?", ui::quote(meant))),
        None => Problem::of(schema::ISSUER.name, message),
    };
    let names = names.map(ui::quote).collect::<Vec<_>>().join(", ");
    match names.is_empty() {
        true => problem.hint("add an authority: [authority.root]"),
        false => problem.hint(format!("authorities: {names}")),
    }
}

/// RFC 5280 section 4.2.1.9: no more authorities may follow than each one above allows.
fn check_path_length(authorities: &[Authority], authority: &Authority) -> Result<(), Problem> {
    let above = chain_above(authorities, authority)?;
    for (between, ancestor) in above.iter().enumerate() {
        let Some(allowed) = ancestor.path_length.map(usize::from) else { continue };
        let shown = ui::quote(&ancestor.name);
        if between >= allowed {
            let message = match allowed {
                0 => format!("{shown} has path_length = 0: no authority may stand below it"),
                _ => format!("{shown} has path_length = {allowed}: this authority stands too far below it"),
            };
            return Err(Problem::of(schema::ISSUER.name, message));
        }
        if let Some(own) = authority.path_length.filter(|own| usize::from(*own) + between + 1 > allowed) {
            let most = allowed - between - 1;
            let message = format!("path_length = {own} promises more than {shown} allows: at most {most} here");
            return Err(Problem::of(schema::PATH_LENGTH.name, message));
        }
    }
    Ok(())
}

fn check_validity(authorities: &[Authority], authority: &Authority) -> Result<(), Problem> {
    let Some(issuer) = authority.issuer.as_deref().and_then(|name| find(authorities, name)) else { return Ok(()) };
    check_within(authority.validity, authority.validity_is_default, issuer)
}

/// Nothing that was asked for by name may be longer than what signs it.
pub(crate) fn check_within(validity: Duration, is_default: bool, issuer: &Authority) -> Result<(), Problem> {
    if is_default || validity <= issuer.validity {
        return Ok(());
    }
    let issuer_name = ui::quote(&issuer.name);
    let message =
        format!("a validity of {validity} is longer than that of its issuer {issuer_name}, {}", issuer.validity);
    Err(Problem::of(schema::VALIDITY.name, message))
}
