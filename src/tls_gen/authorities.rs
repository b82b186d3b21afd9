//! The authorities of a tree: made, or read from what lies there.

use time::format_description::well_known::Iso8601;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::common_name::in_order;
use super::{File, Intermediate, Profile, ROOT_CERTIFICATE, ROOT_KEY, Settings};
use crate::error::{Context, Error, Result};
use crate::issuer::{Issuer, LocalIssuer, PreparedRequest, Publication};
use crate::lint::Purpose;
use crate::ui;
use crate::x509::{BasicConstraints, Certificate, DistinguishedName, KeyUsage, PrivateKey, PublicKey, Validity};

/// The root's common name begins so in every tree of tls-gen.
const ROOT_NAME: &str = "TLSGenSelfSignedRootCA";
/// The root's locality in every tree of tls-gen.
const ROOT_LOCALITY: &str = "$$$$";

/// The root and the intermediates, ready to sign.
pub struct Authorities {
    profile: Profile,
    root: LocalIssuer,
    intermediates: Vec<LocalIssuer>,
}

/// Authorities that were just made, with their files.
pub struct NewAuthorities {
    /// They sign.
    pub authorities: Authorities,
    /// Of the root and the chains, for the directory of the results.
    pub results: Vec<File>,
    /// Of the intermediates, for the directory of the tree.
    pub beside: Vec<File>,
}

impl Authorities {
    /// Makes a root and the intermediates of a profile. Pairs begin up to `backdated` before `now`.
    ///
    /// # Errors
    /// Dates or names that a certificate cannot have.
    pub fn make(
        profile: Profile,
        settings: &Settings,
        publication: &Publication,
        now: OffsetDateTime,
        backdated: Duration,
    ) -> Result<NewAuthorities> {
        let validity = settings.days.of_authorities(now, backdated).map_err(Error::usage)?;
        let key = PrivateKey::generate(settings.key_type)?;
        let subject = root_subject(key.public_key(), now)?;
        let request = request(Purpose::RootAuthority, subject, validity, None, key.public_key());
        let certificate = LocalIssuer::self_signed(&request, &key).context(|| "the root was not made")?;
        let mut results = vec![
            File::public(ROOT_CERTIFICATE, certificate.pem().into_bytes()),
            File::secret(ROOT_KEY, key_pem(&key, settings)?),
        ];
        let path = vec![certificate.clone()];
        let root = LocalIssuer::new("root", certificate, key, path, publication.clone())?;
        let mut made = Self { profile, root, intermediates: Vec::new() };
        let mut beside = Vec::new();
        for wanted in profile.intermediates() {
            let key = PrivateKey::generate(settings.key_type)?;
            let organization = format!("Intermediate CA {}", wanted.suffix);
            let subject = settings.cn.subject(&organization)?;
            let (purpose, length) = (Purpose::IntermediateAuthority, Some(wanted.path_length));
            let request = self::request(purpose, subject, validity, length, key.public_key());
            let above = made.issuer(wanted.above);
            let certificate =
                above.issue(&request).context(|| format!("{} was not made", wanted.directory()))?.certificate;
            beside.push(File::public(wanted.certificate_file(), certificate.pem().into_bytes()));
            beside.push(File::secret(wanted.key_file(), key_pem(&key, settings)?));
            made.join(wanted, certificate, key, publication)?;
        }
        results.extend(profile.chain_files().iter().map(|file| File::public(file.name, made.bundle(file.nearest))));
        Ok(NewAuthorities { authorities: made, results, beside })
    }

    /// Reads the authorities of a tree. `result` reads a file of the results, `beside` one of the tree's directory.
    ///
    /// # Errors
    /// A file is missing or is not what it should be, or the password does not open a key.
    pub fn read(
        profile: Profile,
        password: Option<&str>,
        publication: &Publication,
        result: &dyn Fn(&str) -> Result<Zeroizing<Vec<u8>>>,
        beside: &dyn Fn(&str) -> Result<Zeroizing<Vec<u8>>>,
    ) -> Result<Self> {
        let root = authority(result, ROOT_CERTIFICATE, ROOT_KEY, password)?;
        let path = vec![root.0.clone()];
        let root = LocalIssuer::new("root", root.0, root.1, path, publication.clone())?;
        let mut read = Self { profile, root, intermediates: Vec::new() };
        for wanted in profile.intermediates() {
            let (certificate, key) = authority(beside, &wanted.certificate_file(), &wanted.key_file(), password)
                .map_err(|e| e.hint(format!("make everything anew with certgen tls-gen {profile} regen")))?;
            let above = read.issuer(wanted.above).certificate();
            if !certificate.is_signed_by(above) {
                let (name, above) = (wanted.directory(), ui::quote(&above.subject().to_string()));
                return Err(Error::failed(format!("{name} is not signed by {above}, which is above it here"))
                    .hint(format!("make everything anew with certgen tls-gen {profile} regen")));
            }
            read.join(wanted, certificate, key, publication)?;
        }
        Ok(read)
    }

    /// The next intermediate, with everything above it.
    fn join(
        &mut self,
        wanted: &Intermediate,
        certificate: Certificate,
        key: PrivateKey,
        publication: &Publication,
    ) -> Result<()> {
        let path = std::iter::once(certificate.clone()).chain(self.path(wanted.above)).collect();
        self.intermediates.push(LocalIssuer::new(&wanted.directory(), certificate, key, path, publication.clone())?);
        Ok(())
    }

    /// An intermediate, or the root.
    pub fn issuer(&self, at: Option<usize>) -> &LocalIssuer {
        at.map_or(&self.root, |at| &self.intermediates[at])
    }

    /// All of them with what a revocation list of theirs is called, the root first.
    pub fn with_lists(&self) -> Vec<(&LocalIssuer, String)> {
        let root = (&self.root, self.profile.to_string());
        let intermediates = self.profile.intermediates().iter().map(Intermediate::directory);
        std::iter::once(root).chain(self.intermediates.iter().zip(intermediates)).collect()
    }

    /// From one of them up to the root, both included.
    fn path(&self, nearest: Option<usize>) -> Vec<Certificate> {
        let below = self.profile.upwards(nearest).into_iter().map(|at| self.intermediates[at].certificate());
        below.chain([self.root.certificate()]).cloned().collect()
    }

    fn bundle(&self, nearest: usize) -> Vec<u8> {
        self.path(Some(nearest)).iter().flat_map(|certificate| certificate.pem().into_bytes()).collect()
    }
}

/// The time of tls-gen and, in the place of its microseconds, a mark of the key: two runs never make two authorities of
/// one name, which verifiers would report as a bad signature.
fn root_subject(key: &PublicKey, now: OffsetDateTime) -> Result<DistinguishedName> {
    const WITHOUT_FRACTION: u128 = time::format_description::well_known::iso8601::Config::DEFAULT
        .set_time_precision(time::format_description::well_known::iso8601::TimePrecision::Second {
            decimal_digits: None,
        })
        .encode();
    let time = now.format(&Iso8601::<WITHOUT_FRACTION>).map_err(|e| Error::failed(e.to_string()))?;
    Ok(in_order(&format!("{ROOT_NAME} {} {}", time.trim_end_matches('Z'), key.mark()), "L", ROOT_LOCALITY)?)
}

fn request(
    purpose: Purpose,
    subject: DistinguishedName,
    validity: Validity,
    path_length: Option<u32>,
    key: &PublicKey,
) -> PreparedRequest {
    PreparedRequest {
        purpose,
        subject,
        subject_alt_names: Vec::new(),
        validity,
        key_usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        extended_key_usage: Vec::new(),
        basic_constraints: BasicConstraints { ca: true, path_length },
        name_constraints: None,
        public_key: key.clone(),
        csr: None,
    }
}

/// A key as tls-gen writes it: PKCS#8, encrypted when there is a password.
pub(super) fn key_pem(key: &PrivateKey, settings: &Settings) -> Result<Zeroizing<Vec<u8>>> {
    let pem = match &settings.password {
        Some(password) => key.to_encrypted_pem(password.as_bytes())?,
        None => key.to_pem(),
    };
    Ok(Zeroizing::new(pem.as_bytes().to_vec()))
}

fn authority(
    read: &dyn Fn(&str) -> Result<Zeroizing<Vec<u8>>>,
    certificate: &str,
    key: &str,
    password: Option<&str>,
) -> Result<(Certificate, PrivateKey)> {
    let certificate = Certificate::from_pem(&read(certificate)?).context(|| format!("reading {certificate}"))?;
    let private = read_key(&read(key)?, key, password)?;
    if private.public_key() != certificate.public_key() {
        return Err(Error::failed(format!("{key} is not the key of the certificate beside it")));
    }
    Ok((certificate, private))
}

/// A key that may be encrypted with `PASSWORD`.
///
/// # Errors
/// It is no key, or the password does not open it.
pub fn read_key(pem: &[u8], name: &str, password: Option<&str>) -> Result<PrivateKey> {
    use crate::x509::X509Error;
    PrivateKey::from_pem(pem, password.map(str::as_bytes)).map_err(|e| match e {
        X509Error::Encrypted => {
            Error::failed(format!("{name} is encrypted")).hint("give the PASSWORD with which it was made")
        }
        X509Error::WrongPassword => Error::failed(format!("PASSWORD does not open {name}"))
            .hint("give the one with which it was made; every key of a tree has the same"),
        other => Error::from(other).context(format!("reading {name}")),
    })
}
