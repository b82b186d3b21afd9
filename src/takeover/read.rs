//! From files to the [`Pool`]: what is in a file is decided by its bytes, and opened with the passwords that were given.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::containers;
use super::database::Database;
use super::pool::Pool;
use super::{Asked, LARGEST_FILE, Tree};
use crate::inspect::{Foreign, label_of_der};
use crate::keystore;
use crate::ui;
use crate::x509::{Certificate, Crl, Label, PemBlock, PrivateKey, X509Error, read_pem_up_to, sha256_hex};

/// Anything but a revocation list or a database is smaller.
const LARGEST_BUT_LIST: usize = 1 << 20;
/// More blocks than this are no bundle but an accident.
const MOST_BLOCKS: usize = 20_000;
/// All tries to open keys and containers together, in rounds of PBKDF2: about ten seconds.
const MOST_WORK: u64 = 100_000_000;

/// Reads every file of a tree.
pub(super) fn read(tree: &Tree, asked: &Asked<'_>) -> Pool {
    let mut reading = Reading::new(asked);
    reading.pool.left = tree.unread.clone();
    for (path, bytes) in &tree.files {
        reading.file(path, bytes);
    }
    reading.pool
}

/// What goes on while files are read.
pub(super) struct Reading<'a> {
    pub(super) pool: Pool,
    pub(super) passwords: &'a [&'a [u8]],
    work_left: u64,
    /// Encrypted keys by the hash of their bytes: a tree has its keys more than once.
    opened: HashMap<String, Result<usize, Fault>>,
}

/// Why a key was not opened.
#[derive(Clone)]
struct Fault {
    why: String,
    error: Option<X509Error>,
    /// Another password would help.
    locked: bool,
}

impl<'a> Reading<'a> {
    fn new(asked: &Asked<'a>) -> Self {
        let passwords = asked.passwords;
        Self { pool: Pool::default(), passwords, work_left: MOST_WORK, opened: HashMap::new() }
    }

    fn file(&mut self, path: &Path, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.pool.leave(path, "it is empty");
        }
        if bytes.len() as u64 > LARGEST_FILE {
            return self.pool.leave(path, format!("it is larger than {} MiB", LARGEST_FILE >> 20));
        }
        if keystore::Kind::recognise(bytes).is_some() {
            return containers::open(self, path, bytes);
        }
        if let Some(foreign) = Foreign::recognise(bytes) {
            return self.foreign(path, foreign);
        }
        if let Some(label) = label_of_der(bytes) {
            return self.blocks(path, &[PemBlock::plain(label, bytes)]);
        }
        let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).ok();
        if let Some(database) = text.and_then(|text| Database::recognise(path.to_owned(), text)) {
            return self.database(database);
        }
        // A section of a settings file begins with a bracket too.
        let json = text.filter(|text| text.trim_start().starts_with(['{', '[']) && text.len() <= LARGEST_BUT_LIST);
        match json.map(serde_json::from_str) {
            Some(Ok(value)) => return self.json(path, &value),
            Some(Err(error)) if bytes.trim_ascii_start().starts_with(b"{") => {
                return self.pool.leave(path, format!("it looks like JSON and cannot be read: {error}"));
            }
            _ => {}
        }
        match read_pem_up_to(bytes, LARGEST_FILE as usize) {
            Err(error) => self.pool.leave(path, format!("it cannot be read: {error}")),
            Ok(blocks) if blocks.is_empty() => self.other(path, text),
            Ok(blocks) if bytes.len() > LARGEST_BUT_LIST && blocks.iter().any(|block| block.label != Label::Crl) => {
                self.pool.leave(path, "it is larger than 1 MiB, and it is no revocation list");
            }
            Ok(blocks) => self.blocks(path, &blocks),
        }
    }

    fn database(&mut self, database: Database) {
        if has_ending(&database.path, &["old", "bak"]) {
            return self.pool.leave(&database.path, "it is an earlier copy of a database");
        }
        for line in database.faults.iter().take(5) {
            self.pool.leave(&database.path, format!("line {line} of this database cannot be read"));
        }
        self.pool.databases.push(database);
    }

    /// Everything in the blocks of one file.
    pub(super) fn blocks(&mut self, path: &Path, blocks: &[PemBlock]) {
        if blocks.len() > MOST_BLOCKS {
            let why = format!("it has {} PEM blocks; at most {MOST_BLOCKS} are read", blocks.len());
            return self.pool.leave(path, why);
        }
        let mut beside = None;
        let mut found = false;
        for (at, block) in blocks.iter().enumerate() {
            match &block.label {
                Label::Certificate => self.certificate(path, Certificate::from_der(&block.der)),
                Label::Crl => self.list(path, Crl::from_der(&block.der)),
                label if label.is_private_key() && Foreign::of_label(label.as_str()).is_none() => {
                    self.key(path, &blocks[..=at]);
                }
                // GnuTLS writes it so.
                label if label.as_str() == "PKCS12" => containers::open(self, path, &block.der),
                label => {
                    beside = beside.or_else(|| Some(beside_the_point(label)));
                    continue;
                }
            }
            found = true;
        }
        // What stands beside a certificate or a key needs no word.
        if let (false, Some(why)) = (found, beside) {
            self.pool.leave(path, why);
        }
    }

    pub(super) fn certificate(&mut self, path: &Path, certificate: Result<Certificate, X509Error>) {
        match certificate {
            Ok(certificate) => {
                self.pool.certificates.add(certificate.der().to_vec(), certificate, path);
            }
            Err(error) => self.pool.leave(path, format!("a certificate in it cannot be read: {error}")),
        }
    }

    fn list(&mut self, path: &Path, list: Result<Crl, X509Error>) {
        match list {
            Ok(list) => {
                self.pool.lists.add(sha256_hex(list.der()).into_bytes(), list, path);
            }
            Err(error) => self.pool.leave(path, format!("the revocation list cannot be read: {error}")),
        }
    }

    pub(super) fn plain_key(&mut self, path: &Path, key: PrivateKey) -> usize {
        self.pool.keys.add(key.public_key().clone(), key, path)
    }

    /// The key in the last of `blocks`.
    fn key(&mut self, path: &Path, blocks: &[PemBlock]) {
        let Some((block, in_front)) = blocks.split_last() else { return };
        let hash = sha256_hex(&block.der);
        let opened = match self.opened.get(&hash) {
            Some(known) => known.clone(),
            None => self.open(path, block, in_front),
        };
        match &opened {
            Ok(at) => self.pool.keys.note_path(*at, path),
            Err(fault) => self.leave_key(path, fault),
        }
        self.opened.insert(hash, opened);
    }

    fn leave_key(&mut self, path: &Path, fault: &Fault) {
        let conversion = fault.error.as_ref().and_then(|error| error.conversion(&path.to_string_lossy()));
        let is_old = matches!(fault.error, Some(X509Error::OldEncryption { .. }));
        match conversion {
            hint if is_old => self.pool.leave_closed(path, &fault.why, hint),
            Some(command) => self.pool.leave_with_hint(path, &fault.why, command),
            None if fault.locked => self.pool.leave_closed(path, &fault.why, Some(PASSWORD_HINT.to_owned())),
            None => self.pool.leave(path, &fault.why),
        }
    }

    fn open(&mut self, path: &Path, block: &PemBlock, in_front: &[PemBlock]) -> Result<usize, Fault> {
        match PrivateKey::from_pem_block(block, in_front, None) {
            Ok(key) => return Ok(self.plain_key(path, key)),
            Err(X509Error::Encrypted) => {}
            Err(error) => return Err(Fault::of(error)),
        }
        let work = PrivateKey::work_to_open(block);
        for password in self.passwords {
            if !self.may_work(work) {
                let why = "the private key in it was not opened: with all the others it would take too long";
                return Err(Fault { why: why.to_owned(), error: None, locked: false });
            }
            match PrivateKey::from_pem_block(block, in_front, Some(password)) {
                Ok(key) => {
                    self.pool.opened = true;
                    return Ok(self.plain_key(path, key));
                }
                Err(X509Error::WrongPassword) => {}
                Err(error) => return Err(Fault::of(error)),
            }
        }
        Err(Fault { why: locked("the private key in it", self.passwords.len()), error: None, locked: true })
    }

    /// Takes so much of the work that may be done.
    pub(super) fn may_work(&mut self, work: u64) -> bool {
        let left = self.work_left.checked_sub(work);
        self.work_left = left.unwrap_or(self.work_left);
        left.is_some()
    }

    /// cfssl, Vault and others put PEM into JSON.
    fn json(&mut self, path: &Path, value: &Value) {
        let mut texts = Vec::new();
        collect_pem(value, &mut texts);
        if texts.is_empty() {
            return self.pool.leave(path, "it is JSON without a certificate or key");
        }
        // One after the other as in a file, so that what stands beside the point is judged by the whole.
        let text = zeroize::Zeroizing::new(texts.join("\n"));
        match read_pem_up_to(text.as_bytes(), LARGEST_BUT_LIST) {
            Ok(blocks) => self.blocks(path, &blocks),
            Err(error) => self.pool.leave(path, format!("a PEM text in it cannot be read: {error}")),
        }
    }

    fn foreign(&mut self, path: &Path, foreign: Foreign) {
        match foreign {
            Foreign::Age => self.pool.leave(path, "it is encrypted with age"),
            Foreign::OpenSsh => self.pool.leave(path, "it is a key for SSH"),
            Foreign::Pkcs7 => self.pool.leave_with_hint(
                path,
                "it is PKCS#7, which is not read here",
                format!("openssl pkcs7 -print_certs -in {} -out new.pem", ui::shell(&path.to_string_lossy())),
            ),
        }
    }

    /// Files without any block: counters, settings, notes.
    fn other(&mut self, path: &Path, text: Option<&str>) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let number = text.map(str::trim).filter(|text| !text.is_empty() && text.len() <= 32);
        let number = number.and_then(|text| u128::from_str_radix(text, 16).ok());
        match (name.as_str(), number) {
            ("crlnumber", Some(number)) => self.pool.counters.push((path.to_owned(), number)),
            ("serial" | "serial.old" | "crlnumber.old", _) => {
                self.pool.leave(path, "it is a counter; serial numbers are random here");
            }
            _ if text.is_none() => self.pool.leave(path, "it is neither text nor anything that is known"),
            _ => self.pool.leave(path, "it is text without a certificate, key or revocation list"),
        }
    }
}

/// What is typed when a password is missing.
pub(super) const PASSWORD_HINT: &str = "give its password with --key-password-file FILE";

/// Why something encrypted was not opened.
pub(super) fn locked(what: &str, passwords: usize) -> String {
    match passwords {
        0 => format!("{what} is encrypted, and no password was given"),
        1 => format!("the password that was given does not open {what}"),
        more => format!("none of the {more} passwords that were given opens {what}"),
    }
}

impl Fault {
    fn of(error: X509Error) -> Self {
        let why = match &error {
            X509Error::OldEncryption { with, .. } => {
                format!("the private key in it is encrypted with {with}, which is not supported")
            }
            other => format!("the private key in it cannot be read: {other}"),
        };
        Self { why, error: Some(error), locked: false }
    }
}

/// Blocks that are no part of what is taken over.
fn beside_the_point(label: &Label) -> String {
    match label.as_str() {
        "CERTIFICATE REQUEST" => "it is a request; what was issued for it is what counts".to_owned(),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => "it is a public key".to_owned(),
        "DH PARAMETERS" | "EC PARAMETERS" => "it holds parameters alone, which nobody needs".to_owned(),
        "OPENSSH PRIVATE KEY" => "it is a key for SSH".to_owned(),
        "AGE ENCRYPTED FILE" => "it is encrypted with age".to_owned(),
        "TRUSTED CERTIFICATE" => "it is OpenSSL's own trusted certificate; openssl x509 converts it".to_owned(),
        "PKCS7" | "CMS" => "it is PKCS#7; openssl pkcs7 -print_certs converts it".to_owned(),
        other => format!("it holds {}, which is not known", ui::quote(other)),
    }
}

/// Every text with PEM in it, in the order of the file.
fn collect_pem<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) if text.contains("-----BEGIN ") => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect_pem(value, texts)),
        Value::Object(values) => values.values().for_each(|value| collect_pem(value, texts)),
        _ => {}
    }
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|found| endings.iter().any(|ending| found == *ending))
}
