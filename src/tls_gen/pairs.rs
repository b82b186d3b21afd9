//! The pairs of a tree: what is asked of their issuers, and the files that they become.

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::authorities::key_pem;
use super::common_name::without_common_name;
use super::{Authorities, CommonName, File, Pair, Profile, Settings};
use crate::error::{Error, Result};
use crate::issuer::{Issuer, PreparedRequest};
use crate::keystore::{self, Entry, Pkcs12Form, Store};
use crate::profile::Role;
use crate::ui;
use crate::x509::{BasicConstraints, Certificate, PrivateKey, Validity, fill_random};

/// As many as tls-gen's openssl writes. The file's mode protects it; the password is often one that everybody knows.
const PKCS12_ITERATIONS: u32 = 2048;

/// A pair that was just made.
pub struct NewPair {
    /// Which of the profile's.
    pub pair: Pair,
    /// Its certificate.
    pub certificate: Certificate,
    /// Its key.
    pub key: PrivateKey,
    /// Who signed it.
    pub issuer: Certificate,
    /// Something that was not done as asked, for people.
    pub notes: Vec<String>,
}

/// Where the files of a pair are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairFiles {
    /// One certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
    /// PKCS#12.
    pub pkcs12: String,
}

impl Pair {
    /// The names of its files: in `basic` with the common name in them.
    pub fn files(&self, profile: Profile, cn: &CommonName) -> PairFiles {
        let stem = match profile.names_files_by_common_name() {
            true => format!("{}_{}", self.stem, cn.file_part()),
            false => self.stem.to_owned(),
        };
        PairFiles {
            certificate: format!("{stem}_certificate.pem"),
            key: format!("{stem}_key.pem"),
            pkcs12: format!("{stem}.p12"),
        }
    }

    /// The names without a host, which older versions of tls-gen used; nothing where there is no host in the names.
    pub fn aliases(&self, profile: Profile) -> Option<[String; 2]> {
        let stem = self.stem;
        profile.names_files_by_common_name().then(|| [format!("{stem}_certificate.pem"), format!("{stem}_key.pem")])
    }
}

impl NewPair {
    /// Makes a pair.
    ///
    /// # Errors
    /// Its issuer has expired, or our rules refuse it.
    pub fn make(
        pair: Pair,
        authorities: &Authorities,
        settings: &Settings,
        now: OffsetDateTime,
        backdated: Duration,
    ) -> Result<Self> {
        let issuer = authorities.issuer(pair.issuer);
        let mut notes = Vec::new();
        let validity = validity(pair, issuer.certificate(), settings, now, backdated, &mut notes)?;
        let key = PrivateKey::generate(settings.key_type)?;
        let request = request(pair, settings, validity, &key, &mut notes)?;
        let certificate = issuer.issue(&request)?.certificate;
        Ok(Self { pair, certificate, key, issuer: issuer.certificate().clone(), notes })
    }

    /// Certificate, key and PKCS#12, as tls-gen calls them, and the first two by the names without a host.
    ///
    /// # Errors
    /// The crypto library fails, or a password that PKCS#12 cannot have.
    pub fn files(&self, profile: Profile, settings: &Settings, aliases: bool) -> Result<Vec<File>> {
        let names = self.pair.files(profile, &settings.cn);
        let (certificate, key) = (self.certificate.pem().into_bytes(), key_pem(&self.key, settings)?);
        let mut files = Vec::new();
        if let Some([short_certificate, short_key]) = self.pair.aliases(profile).filter(|_| aliases) {
            files.push(File::public(short_certificate, certificate.clone()));
            files.push(File::secret(short_key, key.clone()));
        }
        files.push(File::public(names.certificate, certificate));
        files.push(File::secret(names.key, key));
        files.push(File::secret(names.pkcs12, self.pkcs12(settings)?));
        Ok(files)
    }

    /// Key, certificate and who signed it, without the rest of the chain and without a friendly name.
    fn pkcs12(&self, settings: &Settings) -> Result<Zeroizing<Vec<u8>>> {
        let chain = vec![self.certificate.clone(), self.issuer.clone()];
        let key = Zeroizing::new(self.key.pkcs8_der().to_vec());
        let store = Store { entries: vec![Entry::Pair { alias: None, key, chain }] };
        let password = settings.password.as_ref().map_or("", |password| password.as_str());
        let form = Pkcs12Form::Modern { iterations: PKCS12_ITERATIONS };
        let written = keystore::write_pkcs12(&store, password, form, &mut fill_random);
        written.map_err(|e| Error::from(e).context(format!("writing the PKCS#12 of {}", self.pair.stem)))
    }
}

fn request(
    pair: Pair,
    settings: &Settings,
    validity: Validity,
    key: &PrivateKey,
    notes: &mut Vec<String>,
) -> Result<PreparedRequest> {
    let cn = &settings.cn;
    let serves = pair.role == Role::Server;
    let in_names_alone = serves && cn.is_too_long() && cn.alternative_name().is_some();
    if cn.is_too_long() {
        let (shown, length) = (ui::quote(cn.as_str()), cn.as_str().chars().count());
        let what = match in_names_alone {
            true => "it stands in the alternative names alone".to_owned(),
            false => format!("the common name is {}", ui::quote(&cn.in_subject())),
        };
        notes.push(format!("{}: CN {shown} has {length} characters, a common name at most 64: {what}", pair.stem));
    }
    Ok(PreparedRequest {
        purpose: if serves { crate::lint::Purpose::Server } else { crate::lint::Purpose::Client },
        subject: if in_names_alone { without_common_name(pair.stem)? } else { cn.subject(pair.stem)? },
        subject_alt_names: if serves { settings.server_names.clone() } else { settings.client_names.clone() },
        validity,
        key_usage: pair.role.key_usage(key.key_type()),
        extended_key_usage: pair.role.extended_key_usage(),
        basic_constraints: BasicConstraints { ca: false, path_length: None },
        name_constraints: None,
        public_key: key.public_key().clone(),
        csr: None,
    })
}

/// The days that were asked for, and no more than the issuer has left.
fn validity(
    pair: Pair,
    issuer: &Certificate,
    settings: &Settings,
    now: OffsetDateTime,
    backdated: Duration,
    notes: &mut Vec<String>,
) -> Result<Validity> {
    let wanted = settings.days.of_pair(now, backdated).map_err(Error::usage)?;
    let above = issuer.validity();
    if settings.days.are_past() {
        return Ok(wanted);
    }
    if now > above.not_after || now < above.not_before {
        let (from, until) = (ui::date(above.not_before), ui::date(above.not_after));
        return Err(Error::failed(format!(
            "{} was not made: its authority is valid from {from} until {until}",
            pair.stem
        ))
        .hint("make everything anew with the target regen"));
    }
    let not_after = wanted.not_after.min(above.not_after);
    // A pair that is made minutes after its authority, with the same days, is what everybody expects.
    if not_after + Duration::DAY <= wanted.not_after {
        let end = ui::date(not_after);
        notes.push(format!("{}: it ends on {end}, when its authority does, and not later", pair.stem));
    }
    Ok(Validity::new(wanted.not_before.max(above.not_before), not_after)?)
}
