//! Authority keys in age files: sealed to a passphrase or to recipients.
//!
//! Only age's native recipients and identities are known here. Plugins and ssh keys are refused by name: nothing that is
//! named in a file ever starts a program.

use std::io::{Read, Write};

use zeroize::Zeroizing;

#[cfg(not(feature = "age"))]
use crate::error::Error;
use crate::error::Result;
use crate::store::{OutputFile, layout};

/// Whom a key is sealed to.
#[derive(Debug, Clone)]
pub enum SealTo {
    /// Whoever knows the passphrase.
    Passphrase(Zeroizing<String>),
    /// The owners of these keys, `age1...`.
    Recipients(Vec<String>),
}

/// What there is to unseal with; all of it is tried.
#[derive(Debug, Clone, Default)]
pub struct Unlock {
    /// For a file sealed with a passphrase.
    pub passphrase: Option<Zeroizing<String>>,
    /// The texts of identity files (`AGE-SECRET-KEY-1...`, one a line).
    pub identities: Vec<Zeroizing<String>>,
}

/// What the header of a sealed file says about who can open it. Recipients are not named in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SealedTo {
    /// One passphrase.
    Passphrase,
    /// So many recipients.
    Recipients(usize),
}

impl std::fmt::Display for SealedTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Passphrase => f.write_str("passphrase"),
            Self::Recipients(1) => f.write_str("1 recipient"),
            Self::Recipients(n) => write!(f, "{n} recipients"),
        }
    }
}

/// Whether a file begins as age files do, armored or not.
pub fn is_sealed(beginning: &[u8]) -> bool {
    [&b"age-encryption.org/"[..], b"-----BEGIN AGE ENCRYPTED FILE-----"].iter().any(|mark| beginning.starts_with(mark))
}

/// Encrypts `bytes`; the result is an armored age file that age(1) and rage(1) open too.
#[cfg(feature = "age")]
pub fn seal(bytes: &[u8], to: &SealTo) -> Result<Vec<u8>> {
    with_age::seal(bytes, to)
}

/// The file of an authority's key, sealed where that is asked for, by its name in the authority's directory.
///
/// # Errors
/// As [`seal`].
pub fn key_file(pem: &str, to: Option<&SealTo>) -> Result<OutputFile> {
    Ok(match to {
        Some(to) => OutputFile::private(layout::CA_KEY_SEALED, seal(pem.as_bytes(), to)?),
        None => OutputFile::private(layout::CA_KEY, pem.as_bytes().to_vec()),
    })
}

/// Encrypts what `write` writes, in pieces, into an age file in age's binary form, and hands `out` back.
#[cfg(feature = "age")]
pub fn seal_stream<W: Write>(out: W, to: &SealTo, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<W> {
    with_age::seal_stream(out, to, write)
}

/// Decrypts an age file in pieces, armored or not. A byte is handed out only when the piece that it is in has been
/// checked; that nothing is missing shows only the end.
#[cfg(feature = "age")]
pub fn unseal_stream<'r>(input: impl Read + 'r, with: &Unlock, shown: &str) -> Result<Box<dyn Read + 'r>> {
    with_age::unseal_stream(std::io::BufReader::new(input), with, shown)
}

/// Decrypts an age file. `shown` is its path as messages shall name it.
#[cfg(feature = "age")]
pub fn unseal(bytes: &[u8], with: &Unlock, shown: &str) -> Result<Zeroizing<Vec<u8>>> {
    with_age::unseal(bytes, with, shown)
}

/// Reads from the header of an age file who can open it.
#[cfg(feature = "age")]
pub fn recipients_of(bytes: &[u8], shown: &str) -> Result<SealedTo> {
    with_age::recipients_of(bytes, shown)
}

/// Fails unless every recipient is one that [`seal`] accepts: to be asked before anything is made.
#[cfg(feature = "age")]
pub fn check_recipients(recipients: &[String]) -> Result<()> {
    with_age::recipients(recipients).map(drop)
}

/// Refused: this certgen was built without age.
#[cfg(not(feature = "age"))]
pub fn seal(_: &[u8], _: &SealTo) -> Result<Vec<u8>> {
    Err(without_age("sealing a key"))
}

/// Refused: this certgen was built without age.
#[cfg(not(feature = "age"))]
pub fn seal_stream<W: Write>(_: W, _: &SealTo, _: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<W> {
    Err(without_age("sealing a snapshot"))
}

/// Refused: this certgen was built without age.
#[cfg(not(feature = "age"))]
pub fn unseal_stream<'r>(_: impl Read + 'r, _: &Unlock, shown: &str) -> Result<Box<dyn Read + 'r>> {
    Err(without_age(&format!("unsealing {shown}")))
}

/// Refused: this certgen was built without age.
#[cfg(not(feature = "age"))]
pub fn unseal(_: &[u8], _: &Unlock, shown: &str) -> Result<Zeroizing<Vec<u8>>> {
    Err(without_age(&format!("unsealing {shown}")))
}

/// Refused: this certgen was built without age.
#[cfg(not(feature = "age"))]
pub fn recipients_of(_: &[u8], shown: &str) -> Result<SealedTo> {
    Err(without_age(&format!("reading {shown}")))
}

/// Refused: this certgen was built without age.
#[cfg(not(feature = "age"))]
pub fn check_recipients(_: &[String]) -> Result<()> {
    Err(without_age("sealing a key"))
}

#[cfg(not(feature = "age"))]
fn without_age(doing: &str) -> Error {
    Error::failed(format!("{doing}: this certgen was built without age"))
        .hint("build it with the default features: cargo install --path . --features age")
}

#[cfg(feature = "age")]
mod with_age {
    use std::io::{BufRead, Read, Write};

    use age::armor::{ArmoredReader, ArmoredWriter, Format};
    use age::secrecy::SecretString;
    use age::{DecryptError, Decryptor, Encryptor, Identity, Recipient, scrypt, x25519};
    use zeroize::Zeroizing;

    use crate::error::{Error, Result, io_reason};
    use crate::ui;

    use super::{SealTo, SealedTo, Unlock};

    /// scrypt's work as a power of two: 64 MiB and a fraction of a second, on a machine that may have little memory. The
    /// crate's own choice depends on how busy the machine happens to be.
    const WORK_FACTOR: u8 = if cfg!(test) { 4 } else { 16 };

    /// More than this would let a forged file take minutes and gigabytes.
    const MAX_WORK_FACTOR: u8 = 20;

    pub(super) fn seal(bytes: &[u8], to: &SealTo) -> Result<Vec<u8>> {
        let encryptor = encryptor(to)?;
        let mut out = Vec::new();
        let written = ArmoredWriter::wrap_output(&mut out, Format::AsciiArmor)
            .and_then(|armor| encryptor.wrap_output(armor))
            .and_then(|mut writer| writer.write_all(bytes).map(|()| writer))
            .and_then(|writer| writer.finish()?.finish().map(drop));
        written.map_err(|e| failed(&e.to_string()))?;
        Ok(out)
    }

    pub(super) fn seal_stream<W: Write>(
        out: W,
        to: &SealTo,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<W> {
        let failed = |e: std::io::Error| Error::failed(format!("sealing: {}", io_reason(&e)));
        let mut writer = encryptor(to)?.wrap_output(out).map_err(failed)?;
        write(&mut writer)?;
        writer.finish().map_err(failed)
    }

    fn failed(why: &str) -> Error {
        Error::failed(format!("sealing a key: {}", plain(why)))
    }

    fn encryptor(to: &SealTo) -> Result<Encryptor> {
        let recipients: Vec<Box<dyn Recipient>> = match to {
            SealTo::Passphrase(passphrase) if passphrase.is_empty() => {
                return Err(failed("the passphrase is empty"));
            }
            SealTo::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(secret(passphrase));
                recipient.set_work_factor(WORK_FACTOR);
                vec![Box::new(recipient)]
            }
            SealTo::Recipients(texts) => {
                self::recipients(texts)?.into_iter().map(|r| Box::new(r) as Box<dyn Recipient>).collect()
            }
        };
        Encryptor::with_recipients(recipients.iter().map(|r| &**r)).map_err(|e| failed(&e.to_string()))
    }

    pub(super) fn recipients(texts: &[String]) -> Result<Vec<x25519::Recipient>> {
        if texts.is_empty() {
            return Err(Error::failed("sealing a key: no recipient is named"));
        }
        texts.iter().map(|text| recipient(text.trim())).collect()
    }

    fn recipient(text: &str) -> Result<x25519::Recipient> {
        text.parse().map_err(|_| {
            let shown = ui::quote(text);
            if text.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                // Not shown: it is a secret.
                return Error::usage("reading the recipient: this is a secret key, not a recipient")
                    .hint("the recipient stands in the identity file as \"# public key: age1...\"");
            }
            let why = if text.starts_with("ssh-") || text.starts_with("ecdsa-") {
                "ssh keys are not supported"
            } else if text.rsplit_once('1').is_some_and(|(kind, _)| kind.starts_with("age1")) {
                "plugins are not supported, because certgen starts no program that a file names"
            } else {
                "it is not an age recipient, or has a typing mistake"
            };
            Error::usage(format!("reading the recipient {shown}: {why}"))
                .hint("make a key with: age-keygen -o key.txt, and give the age1... that it prints")
        })
    }

    pub(super) fn unseal(bytes: &[u8], with: &Unlock, shown: &str) -> Result<Zeroizing<Vec<u8>>> {
        let reader = unseal_stream(bytes, with, shown)?;
        let mut out = Zeroizing::new(Vec::with_capacity(bytes.len()));
        reader.take(super::super::files::INPUT_LIMIT).read_to_end(&mut out).map_err(|_| {
            Error::failed(format!("unsealing {shown}: the file is damaged or cut short"))
                .hint("bring it back from a backup")
        })?;
        Ok(out)
    }

    pub(super) fn unseal_stream<'r>(
        input: impl BufRead + 'r,
        with: &Unlock,
        shown: &str,
    ) -> Result<Box<dyn Read + 'r>> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(input)).map_err(|e| unusable(shown, &e))?;
        let by_passphrase = decryptor.is_scrypt();
        let identities = identities(with, by_passphrase, shown)?;
        let reader = decryptor
            .decrypt(identities.iter().map(|identity| &**identity))
            .map_err(|e| not_opened(shown, &e, by_passphrase))?;
        Ok(Box::new(reader))
    }

    fn identities(with: &Unlock, by_passphrase: bool, shown: &str) -> Result<Vec<Box<dyn Identity>>> {
        let sealed = |how: &str| Error::failed(format!("unsealing {shown}: it is sealed to {how}"));
        if by_passphrase {
            let passphrase = with.passphrase.as_ref().filter(|passphrase| !passphrase.is_empty());
            let passphrase = passphrase.ok_or_else(|| {
                sealed("a passphrase").hint("give the passphrase with --passphrase-file PATH or in CERTGEN_PASSPHRASE")
            })?;
            let mut identity = scrypt::Identity::new(secret(passphrase));
            identity.set_max_work_factor(MAX_WORK_FACTOR);
            return Ok(vec![Box::new(identity)]);
        }
        if with.identities.is_empty() {
            return Err(sealed("age recipients").hint("give the identity with --identity FILE"));
        }
        let mut found: Vec<Box<dyn Identity>> = Vec::new();
        for text in &with.identities {
            for (number, line) in text.lines().enumerate() {
                let line = line.trim();
                if !line.is_empty() && !line.starts_with('#') {
                    found.push(Box::new(identity(line, number + 1)?));
                }
            }
        }
        Ok(found)
    }

    /// The line is never shown: it is a secret, or was meant to be one.
    fn identity(line: &str, number: usize) -> Result<x25519::Identity> {
        line.parse().map_err(|_| {
            let why = if line.to_ascii_uppercase().starts_with("AGE-PLUGIN-") {
                "it names a plugin, and certgen starts no program that a file names"
            } else if line.starts_with("-----BEGIN AGE") || line.starts_with("age-encryption.org") {
                "the identity file itself is encrypted; decrypt it with age first"
            } else if line.starts_with("-----BEGIN") {
                "ssh keys are not supported"
            } else {
                "it is not an age identity"
            };
            Error::failed(format!("reading the identity file: line {number}: {why}"))
                .hint("an identity is a line AGE-SECRET-KEY-1..., as age-keygen writes it")
        })
    }

    fn unusable(shown: &str, e: &DecryptError) -> Error {
        let why = match e {
            DecryptError::UnknownFormat => "it is no age file, or one of a later version",
            _ => "it is no age file, or it is damaged or cut short",
        };
        Error::failed(format!("unsealing {shown}: {why}")).hint("bring it back from a backup")
    }

    fn not_opened(shown: &str, e: &DecryptError, by_passphrase: bool) -> Error {
        let error = |why: &str| Error::failed(format!("unsealing {shown}: {why}"));
        match e {
            DecryptError::ExcessiveWork { required, .. } => {
                error(&format!("it asks for 2^{required} rounds of scrypt, more than the 2^{MAX_WORK_FACTOR} accepted"))
                    .hint("if the file is yours, decrypt it with age and seal it again")
            }
            DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed if by_passphrase => {
                error("the passphrase is wrong").hint("give the right one with --passphrase-file PATH")
            }
            DecryptError::NoMatchingKeys => {
                error("none of the identities opens it").hint("give the right one with --identity FILE")
            }
            DecryptError::InvalidHeader | DecryptError::InvalidMac => error("its header is damaged"),
            other => error(&plain(&other.to_string())),
        }
    }

    /// The library wraps names in marks that turn up as garbage on a terminal.
    fn plain(text: &str) -> String {
        text.replace(['\u{2068}', '\u{2069}'], "")
    }

    fn secret(passphrase: &str) -> SecretString {
        SecretString::from(passphrase.to_owned())
    }

    pub(super) fn recipients_of(bytes: &[u8], shown: &str) -> Result<SealedTo> {
        // The library reads the header but does not tell what is in it; its check of the form comes first.
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes)).map_err(|e| unusable(shown, &e))?;
        if decryptor.is_scrypt() {
            return Ok(SealedTo::Passphrase);
        }
        let mut count = 0;
        for line in std::io::BufReader::new(ArmoredReader::new(bytes)).split(b'\n') {
            let line = line.map_err(|_| unusable(shown, &DecryptError::InvalidHeader))?;
            if line.starts_with(b"---") {
                break;
            }
            count += usize::from(line.starts_with(b"-> X25519 "));
        }
        Ok(SealedTo::Recipients(count))
    }
}

#[cfg(all(test, feature = "age"))]
mod tests {
    use age::secrecy::ExposeSecret;

    use super::*;

    fn passphrase(text: &str) -> Unlock {
        Unlock { passphrase: Some(Zeroizing::new(text.to_owned())), identities: Vec::new() }
    }

    fn sealed(text: &str) -> Vec<u8> {
        seal(b"the key", &SealTo::Passphrase(Zeroizing::new(text.to_owned()))).unwrap()
    }

    #[test]
    fn any_passphrase_opens_what_it_sealed_and_no_other_does() {
        for text in ["a", "a b $x '\"\\", "пароль ☂", &"x".repeat(1024)] {
            let file = sealed(text);
            assert!(file.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----"));
            assert_eq!(unseal(&file, &passphrase(text), "f").unwrap().as_slice(), b"the key");
            let error = unseal(&file, &passphrase(&format!("{text}x")), "f").unwrap_err();
            assert_eq!(error.message(), "unsealing f: the passphrase is wrong");
            assert!(error.hints()[0].contains("--passphrase-file"));
        }
        assert_eq!(recipients_of(&sealed("a"), "f").unwrap(), SealedTo::Passphrase);
    }

    #[test]
    fn each_recipient_opens_it() {
        let keys = [age::x25519::Identity::generate(), age::x25519::Identity::generate()];
        let file = seal(b"k", &SealTo::Recipients(keys.iter().map(|k| k.to_public().to_string()).collect())).unwrap();
        for key in &keys {
            let text = format!("# created\n{}\n", key.to_string().expose_secret());
            let with = Unlock { identities: vec![Zeroizing::new(text)], passphrase: None };
            assert_eq!(unseal(&file, &with, "f").unwrap().as_slice(), b"k");
        }
        assert_eq!(recipients_of(&file, "f").unwrap(), SealedTo::Recipients(2));
        let stranger = age::x25519::Identity::generate().to_string().expose_secret().to_owned();
        let with = Unlock { identities: vec![Zeroizing::new(stranger)], passphrase: None };
        assert!(unseal(&file, &with, "f").unwrap_err().message().contains("none of the identities"));
        assert!(unseal(&file, &passphrase("x"), "f").unwrap_err().hints()[0].contains("--identity"));
    }

    #[test]
    fn plugins_ssh_keys_and_secrets_are_refused() {
        for (text, why) in [
            ("age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "plugins"),
            ("ssh-ed25519 AAAA", "ssh keys"),
            ("age1qqq", "typing mistake"),
            ("", "not an age recipient"),
            ("AGE-SECRET-KEY-1QQQ", "secret key"),
        ] {
            let error = check_recipients(&[text.to_owned()]).unwrap_err();
            assert!(error.message().contains(why), "{text}: {error}");
            assert!(!error.message().contains("KEY-1"), "{error}");
        }
        let key = age::x25519::Identity::generate();
        let file = seal(b"k", &SealTo::Recipients(vec![key.to_public().to_string()])).unwrap();
        for (line, why) in [
            ("AGE-PLUGIN-YUBIKEY-1Q", "plugin"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh"),
            ("hunter2", "not an age"),
        ] {
            let with = Unlock { identities: vec![Zeroizing::new(line.to_owned())], passphrase: None };
            let error = unseal(&file, &with, "f").unwrap_err();
            assert!(error.message().contains(why) && !error.message().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_never_opens() {
        let file = sealed("a");
        for cut in 0..file.len() - 1 {
            let result = unseal(&file[..cut], &passphrase("a"), "pki/ca/x/ca_key.pem.age");
            let error = result.expect_err(&format!("cut at {cut}"));
            assert!(error.message().contains("ca_key.pem.age"), "{error}");
        }
        for garbage in [&b""[..], b"\0\0\0", b"-----BEGIN PRIVATE KEY-----", &[0xff; 4096]] {
            assert!(unseal(garbage, &passphrase("a"), "f").unwrap_err().message().starts_with("unsealing f"));
            assert!(recipients_of(garbage, "f").is_err());
        }
    }

    #[test]
    fn excessive_work_is_refused_at_once() {
        let mut recipient = age::scrypt::Recipient::new(age::secrecy::SecretString::from("a".to_owned()));
        recipient.set_work_factor(3);
        let text = String::from_utf8(age::encrypt(&recipient, b"x").unwrap().into_iter().map(|b| b & 0x7f).collect());
        let text = text.unwrap();
        let (head, tail) = text.split_once('\n').unwrap();
        let line = tail.lines().next().unwrap();
        let forged = line.rsplit_once(' ').unwrap().0.to_owned() + " 60";
        let body = tail.split_once('\n').unwrap().1;
        // The nonce is not text; only the header matters here.
        let file = format!("{head}\n{forged}\n{body}");
        let error = unseal(file.as_bytes(), &passphrase("a"), "f").unwrap_err();
        assert!(error.message().contains("2^60"), "{error}");
    }
}
