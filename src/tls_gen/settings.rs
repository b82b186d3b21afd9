//! What a run was asked for: tls-gen's variables as they were written, and as they are meant.

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::CommonName;
use crate::profile::nearest;
use crate::ui;
use crate::x509::{GeneralName, KeyType, Validity};

/// tls-gen's variables, as they were written. One that is empty was not given, as for make.
#[derive(Default)]
pub struct Variables {
    /// `CN`
    pub cn: Option<String>,
    /// `CLIENT_ALT_NAME`, or several
    pub client_alt_names: Vec<String>,
    /// `SERVER_ALT_NAME`, or several
    pub server_alt_names: Vec<String>,
    /// `NUMBER_OF_PRIVATE_KEY_BITS`
    pub bits: Option<String>,
    /// `DAYS_OF_VALIDITY`
    pub days: Option<String>,
    /// `USE_ECC`
    pub use_ecc: Option<String>,
    /// `ECC_CURVE`
    pub curve: Option<String>,
    /// `PASSWORD`
    pub password: Option<Zeroizing<String>>,
}

/// The names of the variables; the last two are taken and not needed.
pub const NAMES: [&str; 10] = [
    "CN",
    "CLIENT_ALT_NAME",
    "SERVER_ALT_NAME",
    "NUMBER_OF_PRIVATE_KEY_BITS",
    "DAYS_OF_VALIDITY",
    "USE_ECC",
    "ECC_CURVE",
    "PASSWORD",
    "PYTHON",
    "OPENSSL",
];

impl Variables {
    /// Takes `NAME=VALUE`; a later one replaces an earlier one.
    ///
    /// # Errors
    /// There is no such variable; the message names the nearest.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let text = Some(value.to_owned()).filter(|value| !value.is_empty());
        match name {
            "CN" => self.cn = text,
            "CLIENT_ALT_NAME" => self.client_alt_names = text.into_iter().collect(),
            "SERVER_ALT_NAME" => self.server_alt_names = text.into_iter().collect(),
            "NUMBER_OF_PRIVATE_KEY_BITS" => self.bits = text,
            "DAYS_OF_VALIDITY" => self.days = text,
            "USE_ECC" => self.use_ecc = text,
            "ECC_CURVE" => self.curve = text,
            "PASSWORD" => self.password = text.map(Zeroizing::new),
            "PYTHON" | "OPENSSL" => {}
            _ => {
                let meant = nearest(name, NAMES).map_or_else(String::new, |name| format!("; did you mean {name}?"));
                return Err(format!("{} is no variable{meant}", without_value(name)));
            }
        }
        Ok(())
    }
}

/// A word that is not understood, for messages: what follows a sign after a name may be a password.
pub(super) fn without_value(word: &str) -> String {
    let end = word.find(|c: char| "=:".contains(c) || c.is_whitespace()).unwrap_or(word.len());
    ui::quote(&word[..end])
}

/// What a run was asked for.
#[derive(Debug)]
pub struct Settings {
    /// The name of server and client.
    pub cn: CommonName,
    /// It was given, and is not the machine's.
    pub cn_is_given: bool,
    /// Alternative names of a client, without duplicates.
    pub client_names: Vec<GeneralName>,
    /// Alternative names of a server, without duplicates.
    pub server_names: Vec<GeneralName>,
    /// The kind of all keys.
    pub key_type: KeyType,
    /// How long, and in the past when it is negative.
    pub days: Days,
    /// What encrypts keys and PKCS#12 files.
    pub password: Option<Zeroizing<String>>,
}

/// `DAYS_OF_VALIDITY`: never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(i64);

/// Ten years, as for tls-gen.
const DEFAULT_DAYS: i64 = 3650;
/// More than the calendar of certificates has.
const MOST_DAYS: i64 = 8_000 * 365;
/// The shortest and longest password, in characters.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 4..=1023;

impl Settings {
    /// What the variables mean on a machine called `host`.
    ///
    /// # Errors
    /// A value that means nothing, with the name of its variable.
    pub fn new(variables: &Variables, host: &str) -> Result<Self, String> {
        let host = if CommonName::new(host).is_ok() { host } else { "localhost" };
        let cn = CommonName::new(variables.cn.as_deref().unwrap_or(host))?;
        Ok(Self {
            client_names: names(&cn, "CLIENT_ALT_NAME", &variables.client_alt_names, host)?,
            server_names: names(&cn, "SERVER_ALT_NAME", &variables.server_alt_names, host)?,
            cn_is_given: variables.cn.is_some(),
            cn,
            key_type: key_type(variables)?,
            days: variables.days.as_deref().map_or(Ok(Days(DEFAULT_DAYS)), Days::parse)?,
            password: variables.password.clone().map(checked_password).transpose()?,
        })
    }
}

/// The common name if it is one that peers look for, those that were asked for, and localhost.
fn names(cn: &CommonName, variable: &str, asked: &[String], host: &str) -> Result<Vec<GeneralName>, String> {
    let mut names: Vec<GeneralName> = cn.alternative_name().into_iter().collect();
    let asked: Vec<GeneralName> = match asked {
        // The machine's name, which nobody asked for, may be none that a certificate can hold.
        [] => CommonName::new(host).ok().and_then(|host| host.alternative_name()).into_iter().collect(),
        asked => {
            let parse = |name: &String| GeneralName::parse(name).map_err(|e| format!("{variable}: {e}"));
            asked.iter().map(parse).collect::<Result<_, _>>()?
        }
    };
    names.extend(asked);
    names.extend(GeneralName::parse("localhost"));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    Ok(names)
}

/// What is not asked for need not make sense: scripts hand over all that they have.
fn key_type(variables: &Variables) -> Result<KeyType, String> {
    match variables.use_ecc.as_deref() {
        None | Some("false") => rsa(variables.bits.as_deref()),
        Some("true") => curve(variables.curve.as_deref().map(|curve| curve.trim_matches('"'))),
        Some(other) => Err(format!("USE_ECC: {} is neither true nor false", ui::quote(other))),
    }
}

fn rsa(bits: Option<&str>) -> Result<KeyType, String> {
    match bits {
        None | Some("2048") => Ok(KeyType::Rsa2048),
        Some("3072") => Ok(KeyType::Rsa3072),
        Some("4096") => Ok(KeyType::Rsa4096),
        Some(other) => {
            let shown = ui::quote(other);
            Err(format!("NUMBER_OF_PRIVATE_KEY_BITS: {shown} is not supported: it is 2048, 3072 or 4096"))
        }
    }
}

/// By the names of OpenSSL, SEC 2 and NIST.
fn curve(name: Option<&str>) -> Result<KeyType, String> {
    match name {
        None | Some("prime256v1" | "secp256r1" | "P-256") => Ok(KeyType::EcdsaP256),
        Some("secp384r1" | "P-384") => Ok(KeyType::EcdsaP384),
        Some("secp521r1" | "P-521") => Ok(KeyType::EcdsaP521),
        Some(other) => Err(format!(
            "ECC_CURVE: {} is not supported: there are prime256v1, secp384r1 and secp521r1, also as P-256, P-384 and P-521",
            ui::quote(other)
        )),
    }
}

/// The text of a password is in no message.
fn checked_password(password: Zeroizing<String>) -> Result<Zeroizing<String>, String> {
    let length = password.chars().count();
    if !PASSWORD_LENGTH.contains(&length) {
        let (least, most) = PASSWORD_LENGTH.into_inner();
        return Err(format!("PASSWORD: it has {length} characters, and needs {least} to {most}"));
    }
    if password.contains('\0') {
        return Err("PASSWORD: it has a NUL character, which most programs take for its end".to_owned());
    }
    Ok(password)
}

impl Days {
    fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| format!("DAYS_OF_VALIDITY: {} {why}", ui::quote(text));
        match text.parse() {
            Ok(0) => {
                Err(refuse("is no time at all: give a number of days, negative for a certificate that has expired"))
            }
            Ok(days) if (-MOST_DAYS..=MOST_DAYS).contains(&days) => Ok(Self(days)),
            Ok(_) => Err(refuse("is more than certificates can say")),
            Err(_) => Err(refuse("is not a whole number")),
        }
    }

    /// The certificates are to have expired already.
    pub fn are_past(self) -> bool {
        self.0 < 0
    }

    /// The validity of a pair made at `now`: from `backdated` before it, or, with negative days, as many days long and
    /// over for as many.
    ///
    /// # Errors
    /// A time that certificates cannot say.
    pub fn of_pair(self, now: OffsetDateTime, backdated: Duration) -> Result<Validity, String> {
        let length = Duration::days(self.0.abs());
        let ends = if self.are_past() { now.checked_sub(length) } else { now.checked_add(length) };
        let begins =
            if self.are_past() { ends.and_then(|ends| ends.checked_sub(length)) } else { now.checked_sub(backdated) };
        between(begins, ends)
    }

    /// The validity of the authorities above it. With negative days they begin when the pair did, and last, so that what a
    /// verifier finds wrong is the pair.
    ///
    /// # Errors
    /// A time that certificates cannot say.
    pub fn of_authorities(self, now: OffsetDateTime, backdated: Duration) -> Result<Validity, String> {
        let pair = self.of_pair(now, backdated)?;
        if self.are_past() {
            return between(pair.not_before.checked_sub(backdated), now.checked_add(Duration::days(DEFAULT_DAYS)));
        }
        Ok(pair)
    }
}

fn between(begins: Option<OffsetDateTime>, ends: Option<OffsetDateTime>) -> Result<Validity, String> {
    let times = begins.zip(ends).ok_or_else(|| "DAYS_OF_VALIDITY: it leads out of the calendar".to_owned())?;
    if times.0 < OffsetDateTime::UNIX_EPOCH {
        let begins = ui::date(times.0);
        return Err(format!("the certificates would begin on {begins}, and many programs read no date before 1970"));
    }
    Validity::new(times.0, times.1).map_err(|e| format!("DAYS_OF_VALIDITY: {e}"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let mut all = Variables::default();
        variables.iter().try_for_each(|(name, value)| all.set(name, value))?;
        Settings::new(&all, "build-host")
    }

    fn shown(names: &[GeneralName]) -> String {
        names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn nothing_given_is_what_tls_gen_takes() {
        let settings = settings(&[("CN", ""), ("PYTHON", "python2"), ("OPENSSL", "x")]).unwrap();
        assert_eq!((settings.cn.as_str(), settings.cn_is_given), ("build-host", false));
        assert_eq!(settings.key_type, KeyType::Rsa2048);
        assert_eq!(shown(&settings.server_names), "DNS:build-host DNS:localhost");
        assert!(settings.password.is_none() && settings.days == Days(3650));
    }

    #[test]
    fn names_stand_once_and_in_order() {
        let settings =
            settings(&[("CN", "celery_worker"), ("CLIENT_ALT_NAME", "10.0.0.1"), ("SERVER_ALT_NAME", "LOCALHOST")]);
        let settings = settings.unwrap();
        assert_eq!(shown(&settings.client_names), "IP:10.0.0.1 DNS:localhost");
        assert_eq!(shown(&settings.server_names), "DNS:localhost");
    }

    #[test]
    fn what_means_nothing_is_refused_by_the_name_of_its_variable() {
        for (name, value, says) in [
            ("CN", "a\nb", "U+000A"),
            ("CLIENT_ALT_NAME", "a b", "not a host name"),
            ("SERVER_ALT_NAME", "celery_worker", "underscore"),
            ("NUMBER_OF_PRIVATE_KEY_BITS", "1024", "2048, 3072 or 4096"),
            ("DAYS_OF_VALIDITY", "0", "no time at all"),
            ("DAYS_OF_VALIDITY", "1.5", "whole number"),
            ("DAYS_OF_VALIDITY", "-99999999", "more than certificates"),
            ("USE_ECC", "yes", "neither true nor false"),
        ] {
            let wrong = settings(&[(name, value)]).unwrap_err();
            assert!(wrong.starts_with(&format!("{name}: ")) && wrong.contains(says), "{wrong}");
        }
        let curve = [("USE_ECC", "true"), ("ECC_CURVE", "brainpoolP256r1"), ("NUMBER_OF_PRIVATE_KEY_BITS", "256")];
        assert!(settings(&curve).unwrap_err().starts_with("ECC_CURVE: \"brainpoolP256r1\" is not supported"));
        assert!(settings(&[("ECC_CURVE", "brainpoolP256r1")]).is_ok(), "no curve was asked for");
        for password in ["abc", &"x".repeat(1024)] {
            let wrong = settings(&[("PASSWORD", password)]).unwrap_err();
            assert!(wrong.starts_with("PASSWORD: ") && !wrong.contains(password), "{wrong}");
        }
        assert!(settings(&[("PASSWORT", "x")]).unwrap_err().ends_with("did you mean PASSWORD?"));
    }

    #[test]
    fn curves_have_the_names_of_openssl_and_of_nist() {
        for (curve, wanted) in [
            ("prime256v1", KeyType::EcdsaP256),
            ("\"prime256v1\"", KeyType::EcdsaP256),
            ("secp384r1", KeyType::EcdsaP384),
            ("P-521", KeyType::EcdsaP521),
        ] {
            assert_eq!(settings(&[("USE_ECC", "true"), ("ECC_CURVE", curve)]).unwrap().key_type, wanted);
        }
    }

    #[test]
    fn negative_days_end_the_pair_and_not_its_authorities() {
        let now = datetime!(2026-03-01 12:00 UTC);
        let days = settings(&[("DAYS_OF_VALIDITY", "-7")]).unwrap().days;
        let pair = days.of_pair(now, Duration::HOUR).unwrap();
        assert_eq!(
            (pair.not_before, pair.not_after),
            (datetime!(2026-02-15 12:00 UTC), datetime!(2026-02-22 12:00 UTC))
        );
        let above = days.of_authorities(now, Duration::HOUR).unwrap();
        assert!(above.covers(&pair) && above.contains(now));
        let days = settings(&[("DAYS_OF_VALIDITY", "7")]).unwrap().days;
        assert_eq!(days.of_pair(now, Duration::HOUR), days.of_authorities(now, Duration::HOUR));
    }
}
