//! What a broker's own configuration says about logins: which name of a certificate is the user, and who the users are.

use crate::doctor::syntax::conf;
use crate::emit::rabbitmq::existing_users;
use crate::error::{Error, Result};
use crate::manifest::LoginFrom;

/// What of a broker's configuration is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Where the broker takes the name of a user from; `None` if no rabbitmq.conf was given.
    pub login_from: Option<LoginFrom>,
    /// Its users; empty if no definitions were given.
    pub users: Vec<KeptUser>,
}

/// A user of the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptUser {
    /// Its name, which need not be a common name: `O=client,CN=x`.
    pub name: String,
    /// It has a password: EXTERNAL would log a client in as somebody who also logs in with it.
    pub with_password: bool,
    /// Its tags.
    pub tags: Vec<String>,
}

/// One of a broker's files, by its content.
#[derive(Debug)]
pub enum ConfigFile {
    /// rabbitmq.conf: where the name of a user comes from.
    Settings(LoginFrom),
    /// definitions.json: the users.
    Definitions(Vec<KeptUser>),
}

impl ConfigFile {
    /// Reads rabbitmq.conf or definitions.json.
    ///
    /// # Errors
    /// It is neither, or it takes the user from a part of the certificate that certgen does not write.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if text.trim_ascii_start().starts_with(b"{") {
            // Its hint is for the file that certgen itself writes.
            let users = existing_users(text).map_err(|e| with_hint(Error::failed(e.message())))?;
            let users = users.into_iter().map(|user| KeptUser {
                with_password: user.password_hash.as_ref().is_some_and(|hash| !hash.is_empty()),
                tags: user.tags(),
                name: user.name,
            });
            return Ok(Self::Definitions(users.collect()));
        }
        let text = std::str::from_utf8(text).map_err(|_| neither())?;
        login_from(&conf::File::recognise(text).ok_or_else(neither)?).map(Self::Settings)
    }
}

fn neither() -> Error {
    with_hint(Error::failed("it is neither a rabbitmq.conf nor a definitions.json"))
}

fn with_hint(error: Error) -> Error {
    error.hint("name the broker's rabbitmq.conf, or what rabbitmqctl export_definitions has written")
}

/// What RabbitMQ does where nothing is said: it takes the whole name.
fn login_from(file: &conf::File) -> Result<LoginFrom> {
    let get = |key: &str| file.get(key).map(|setting| setting.value.as_str());
    let refuse = |what: &str| {
        Err(Error::failed(format!("it takes the user's name from {what}, which certgen writes into no certificate"))
            .hint("leave it out of --config, and choose login_from in certgen.toml"))
    };
    match get("ssl_cert_login_from") {
        None | Some("distinguished_name") => Ok(LoginFrom::DistinguishedName),
        Some("common_name") => Ok(LoginFrom::CommonName),
        Some("subject_alternative_name" | "subject_alt_name") => match get("ssl_cert_login_san_type") {
            None | Some("dns") => Ok(LoginFrom::SanDns),
            Some("email") => Ok(LoginFrom::SanEmail),
            Some("uri") => Ok(LoginFrom::SanUri),
            Some(other) => refuse(&crate::ui::quote(other)),
        },
        Some(other) => refuse(&crate::ui::quote(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> LoginFrom {
        match ConfigFile::read(text.as_bytes()).unwrap() {
            ConfigFile::Settings(login_from) => login_from,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn the_broker_s_own_words_and_its_default() {
        let with = |line: &str| settings(&format!("listeners.ssl.default = 5671\n{line}\n"));
        assert_eq!(with(""), LoginFrom::DistinguishedName);
        assert_eq!(with("ssl_cert_login_from = common_name"), LoginFrom::CommonName);
        let san = "ssl_cert_login_from = subject_alternative_name\nssl_cert_login_san_type = ";
        assert_eq!(with(&format!("{san}email")), LoginFrom::SanEmail);
        let error = ConfigFile::read(format!("{san}other_name\n").as_bytes()).unwrap_err();
        assert!(error.message().contains("other_name"), "{error}");
    }

    #[test]
    fn users_with_what_they_have() {
        let json = br#"{"users":[{"name":"a","password_hash":"x","tags":"administrator,monitoring"},
            {"name":"O=client,CN=x","password_hash":"","tags":[]}]}"#;
        let ConfigFile::Definitions(users) = ConfigFile::read(json).unwrap() else { panic!() };
        assert_eq!(users[0].tags, ["administrator", "monitoring"]);
        assert!(users[0].with_password && !users[1].with_password && users[1].tags.is_empty());
    }

    #[test]
    fn anything_else_is_refused() {
        for bytes in [&b"nothing"[..], b"{", b"\xff\xfe", b"", b"{\"users\": 1}"] {
            assert!(ConfigFile::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
