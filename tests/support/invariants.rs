//! What must hold in a PKI directory whenever no command is running: every file whole, every key with its certificate,
//! no serial number twice, no key for others to read, chains that verify, an inventory that agrees, nothing left over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use x509_parser::prelude::{FromDer, X509Certificate};

use super::openssl;

/// Panics with every violation found.
#[track_caller]
pub(crate) fn check(pki: &Path) {
    let violations = violations(pki);
    assert!(violations.is_empty(), "the directory {} is not sound:\n  {}", pki.display(), violations.join("\n  "));
}

/// The files of an authority.
const AUTHORITY: [&str; 6] =
    ["ca_certificate.pem", "ca_key.pem", "ca_key.pem.age", "crl.pem", "ca_chain.pem", "request.pem"];

/// Every violation, one line each.
pub(crate) fn violations(pki: &Path) -> Vec<String> {
    let mut checker = Checker { pki, found: Vec::new(), serials: BTreeMap::new(), anchors: Vec::new() };
    let mut files = Vec::new();
    list(pki, &mut files);
    checker.anchors = files
        .iter()
        // What an authority of before a rotation signed lies in history/, and so does its certificate.
        .filter(|f| {
            let place = checker.relative(f);
            f.ends_with("ca_certificate.pem") && (place.starts_with("ca/") || place.starts_with("history/authority/"))
        })
        .cloned()
        .collect();
    for file in &files {
        checker.place(file);
        checker.mode(file);
        checker.whole(file);
    }
    for file in &files {
        let name = checker.relative(file);
        match file.file_name().and_then(|n| n.to_str()).unwrap_or_default() {
            "server_certificate.pem" | "client_certificate.pem" => checker.identity(file),
            "ca_certificate.pem" if name.starts_with("ca/") => checker.authority(file),
            _ => {}
        }
    }
    checker.inventory();
    checker.found
}

/// Every private key and certificate with its place: what must not change when a command fails.
pub(crate) fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = Vec::new();
    list(directory, &mut files);
    let cache = ["lock", "inventory.idx"];
    files
        .into_iter()
        .filter(|f| !cache.contains(&f.file_name().and_then(|n| n.to_str()).unwrap_or_default()))
        .map(|f| {
            let mode = fs::symlink_metadata(&f).map(|m| m.permissions().mode() & 0o7777).unwrap_or_default();
            let bytes = fs::read(&f).unwrap_or_default();
            (f, (mode, bytes))
        })
        .collect()
}

/// Panics with the names of what differs.
#[track_caller]
pub(crate) fn unchanged(before: &BTreeMap<PathBuf, (u32, Vec<u8>)>, directory: &Path, why: &str) {
    let after = snapshot(directory);
    let names: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let changed: Vec<String> = names
        .into_iter()
        .filter(|n| before.get(*n) != after.get(*n))
        .map(|n| {
            let what = match (before.contains_key(n), after.contains_key(n)) {
                (true, true) => "changed",
                (true, false) => "gone",
                _ => "new",
            };
            format!("{} is {what}", n.display())
        })
        .collect();
    assert!(changed.is_empty(), "{why}:\n  {}", changed.join("\n  "));
}

/// What may occur once, as bytes.
type IssuerAndSerial = (Vec<u8>, Vec<u8>);

struct Checker<'a> {
    pki: &'a Path,
    found: Vec<String>,
    /// (issuer, serial) of every certificate, with the file it was first seen in and its bytes.
    serials: BTreeMap<IssuerAndSerial, (String, Vec<u8>)>,
    anchors: Vec<PathBuf>,
}

impl Checker<'_> {
    fn relative(&self, file: &Path) -> String {
        file.strip_prefix(self.pki).unwrap_or(file).display().to_string()
    }

    fn say(&mut self, file: &Path, what: &str) {
        let name = self.relative(file);
        self.found.push(format!("{name}: {what}"));
    }

    /// Only the files of the contract: anything else is something that a command forgot.
    fn place(&mut self, file: &Path) {
        let name = self.relative(file);
        let parts: Vec<&str> = name.split('/').collect();
        let known = match parts.as_slice() {
            [top] => ["certgen.toml", "inventory.jsonl", "inventory.idx", "lock", ".gitignore", ".gitattributes"]
                .contains(top),
            ["ca", _, leaf] => AUTHORITY.contains(leaf),
            // While an authority is rotated.
            ["ca", _, "successor" | "predecessor", leaf] => {
                AUTHORITY.contains(leaf) || *leaf == "cross_certificate.pem"
            }
            ["server" | "node", _, leaf] => [
                "ca_certificate.pem",
                "inter_node_ca_certificate.pem",
                "server_certificate.pem",
                "server_key.pem",
                "combined_keys.pem",
            ]
            .contains(leaf),
            // The last two on a host that only runs the broker's tools.
            ["client", _, leaf] => [
                "ca_certificate.pem",
                "client_certificate.pem",
                "client_key.pem",
                "inter_node_tls.config",
                "rabbitmq-env.conf",
            ]
            .contains(leaf),
            ["history" | "external" | "emit" | "rabbitmq", ..] => !leftover(parts[parts.len() - 1]),
            _ => false,
        };
        if !known {
            self.say(file, "is not a file of the contract (left over?)");
        }
    }

    fn mode(&mut self, file: &Path) {
        let Ok(data) = fs::symlink_metadata(file) else { return };
        let mode = data.permissions().mode() & 0o7777;
        let name = self.relative(file);
        let secret = fs::read(file).is_ok_and(|b| contains(&b, b"PRIVATE KEY-----"))
            || name.ends_with(".age")
            || name.ends_with("administrator.password")
            || name.ends_with("definitions.json")
            || name == "inventory.jsonl";
        if data.file_type().is_symlink() {
            self.say(file, "is a symbolic link");
        } else if secret && mode & 0o077 != 0 {
            self.say(file, &format!("holds a secret and has mode {mode:04o}"));
        } else if name.ends_with("certificate.pem") && mode != 0o644 {
            self.say(file, &format!("is a certificate and has mode {mode:04o}"));
        }
    }

    /// PEM files end where they should, and each block decodes.
    fn whole(&mut self, file: &Path) {
        let bytes = fs::read(file).unwrap_or_default();
        let name = self.relative(file);
        if bytes.is_empty() && name != "lock" {
            return self.say(file, "is empty");
        }
        if name.ends_with(".pem") {
            let text = String::from_utf8_lossy(&bytes);
            let (begins, ends) = (text.matches("-----BEGIN ").count(), text.matches("-----END ").count());
            if begins == 0 || begins != ends || !text.ends_with("-----\n") {
                self.say(file, "is not whole");
            }
            for certificate in certificates(&bytes) {
                self.serial(file, &certificate);
            }
        }
    }

    fn serial(&mut self, file: &Path, der: &[u8]) {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else {
            return self.say(file, "holds a certificate that does not decode");
        };
        let raw = certificate.raw_serial();
        let bits = raw.iter().skip_while(|b| **b == 0).count() * 8;
        if bits < 64 || raw.len() > 20 || raw.first().is_some_and(|b| b & 0x80 != 0) {
            self.say(file, "has a serial number that is short, longer than 20 bytes, or negative");
        }
        let key = (certificate.issuer().as_raw().to_vec(), raw.to_vec());
        let name = self.relative(file);
        let first = self.serials.entry(key).or_insert_with(|| (name.clone(), der.to_vec())).clone();
        if first.1 != der {
            self.found.push(format!("{name}: has the serial number of another certificate of its issuer, {}", first.0));
        }
    }

    fn authority(&mut self, certificate: &Path) {
        let key = certificate.with_file_name("ca_key.pem");
        if key.exists() {
            self.pair(certificate, &key);
        }
    }

    fn identity(&mut self, certificate: &Path) {
        let name = certificate.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let key = certificate.with_file_name(name.replace("certificate", "key"));
        let role = self.relative(certificate).split('/').next().unwrap_or_default().to_owned();
        if ["server", "node", "client"].contains(&role.as_str()) && key.exists() {
            self.pair(certificate, &key);
            let combined = certificate.with_file_name("combined_keys.pem");
            if role != "client" {
                let want = [fs::read(certificate).unwrap_or_default(), fs::read(&key).unwrap_or_default()].concat();
                if fs::read(&combined).unwrap_or_default() != want {
                    self.say(&combined, "is not the certificate followed by the key");
                }
            }
        }
        self.chain(certificate);
    }

    fn pair(&mut self, certificate: &Path, key: &Path) {
        let (certificate_text, key_text) = (certificate.display().to_string(), key.display().to_string());
        if fs::read(key).is_ok_and(|b| contains(&b, b"ENCRYPTED")) {
            return;
        }
        let of_certificate = openssl(["x509", "-noout", "-pubkey", "-in", &certificate_text]);
        let of_key = openssl(["pkey", "-pubout", "-in", &key_text]);
        if !of_certificate.ok || !of_key.ok || of_certificate.text != of_key.text {
            self.say(key, "is not the key of the certificate beside it");
        }
    }

    fn chain(&mut self, certificate: &Path) {
        // -no_check_time: tests set the clock, and expired identities stay in the directory.
        let mut args: Vec<String> = ["verify", "-x509_strict", "-no_check_time"].map(str::to_owned).to_vec();
        for anchor in &self.anchors {
            args.extend(["-trusted".to_owned(), anchor.display().to_string()]);
        }
        let path = certificate.display().to_string();
        args.extend(["-untrusted".to_owned(), path.clone(), path]);
        let verdict = openssl(&args);
        if !verdict.ok {
            self.say(certificate, &format!("does not verify: {}", verdict.text.trim()));
        }
    }

    /// Every line is JSON, and every certificate on disk has been issued according to it.
    fn inventory(&mut self) {
        let path = self.pki.join("inventory.jsonl");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut known = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str::<serde_json::Value>(line) {
                Ok(event) => collect_hex(&event, &mut known),
                Err(e) => self.say(&path, &format!("line {}: {e}", number + 1)),
            }
        }
        if !text.ends_with('\n') {
            self.say(&path, "ends in the middle of a line");
        }
        let unknown: Vec<String> = self
            .serials
            .iter()
            .filter(|((_, serial), _)| !known.contains(&hex(serial)))
            .map(|((_, serial), (file, _))| {
                format!("{file}: the inventory does not know its serial number {}", hex(serial))
            })
            .collect();
        self.found.extend(unknown);
    }
}

/// The names that a half-done write has.
fn leftover(name: &str) -> bool {
    name.ends_with(".tmp")
        || name.ends_with('~')
        || name.contains(".partial")
        || name.contains(".stag")
        || name.starts_with(".tmp")
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|w| w == word)
}

fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    x509_parser::pem::Pem::iter_from_buffer(pem)
        .flatten()
        .filter(|p| p.label == "CERTIFICATE")
        .map(|p| p.contents)
        .collect()
}

/// Lower case, without colons and leading zeros.
fn hex(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    text.trim_start_matches('0').to_owned()
}

fn collect_hex(value: &serde_json::Value, into: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::String(s) => {
            let digits = s.replace(':', "").to_ascii_lowercase();
            if digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                into.insert(digits.trim_start_matches('0').to_owned());
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| collect_hex(v, into)),
        serde_json::Value::Object(fields) => fields.values().for_each(|v| collect_hex(v, into)),
        _ => {}
    }
}

fn list(directory: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.is_symlink() {
            list(&path, into);
        } else {
            into.push(path);
        }
    }
}
