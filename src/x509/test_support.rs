//! The `openssl` binary as a judge, in a directory of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use time::macros::datetime;

use super::{
    AuthorityInfoAccess, BasicConstraints, Certificate, CertificateTemplate, DistinguishedName, ExtendedKeyUsage,
    GeneralName, KeyType, KeyUsage, PrivateKey, SerialNumber, Signer, Validity,
};

/// A directory that is removed with its files.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("certgen-x509-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    fn run(&self, arguments: &[&str], password: &str) -> Output {
        let mut command = Command::new("openssl");
        command.args(arguments).env("PASSWORD", password).current_dir(&self.0).output().expect("openssl is installed")
    }

    /// Standard output of `openssl LINE`, split at spaces; panics with everything it said if it failed.
    pub(crate) fn openssl(&self, line: &str) -> String {
        self.openssl_with("", line)
    }

    /// The same with a password that the line names as `env:PASSWORD`; a file would be cut at 1023 characters.
    pub(crate) fn openssl_with(&self, password: &str, line: &str) -> String {
        let output = self.run(&line.split_whitespace().collect::<Vec<_>>(), password);
        let said = text(&output);
        assert!(output.status.success(), "openssl {line}\n{said}");
        said
    }

    /// What `openssl LINE` says when it must fail.
    pub(crate) fn openssl_fails(&self, line: &str) -> String {
        let output = self.run(&line.split_whitespace().collect::<Vec<_>>(), "");
        let said = text(&output);
        assert!(!output.status.success(), "openssl {line} should have failed\n{said}");
        said
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One of a few keys of each kind that all tests share, since RSA keys take long to make.
pub(crate) fn key(key_type: KeyType, number: usize) -> &'static PrivateKey {
    static POOL: Mutex<BTreeMap<(KeyType, usize), &'static PrivateKey>> = Mutex::new(BTreeMap::new());
    let mut pool = POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    pool.entry((key_type, number)).or_insert_with(|| Box::leak(Box::new(PrivateKey::generate(key_type).unwrap())))
}

/// A template for an end entity that serves and asks, valid from 2020 to 2048.
pub(crate) fn leaf(common_name: &str, key: &PrivateKey) -> CertificateTemplate {
    CertificateTemplate {
        subject: DistinguishedName::common_name_only(common_name).unwrap(),
        subject_alt_names: vec![GeneralName::parse("dns:broker.example.com").unwrap()],
        validity: Validity::new(datetime!(2020-01-01 00:00:00 UTC), datetime!(2048-12-31 23:59:59 UTC)).unwrap(),
        serial: SerialNumber::random().unwrap(),
        key_usage: KeyUsage::DIGITAL_SIGNATURE,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth],
        basic_constraints: BasicConstraints { ca: false, path_length: None },
        name_constraints: None,
        crl_distribution_points: Vec::new(),
        authority_info_access: AuthorityInfoAccess::default(),
        policies: Vec::new(),
        public_key: key.public_key().clone(),
    }
}

/// A template for an authority.
pub(crate) fn authority(common_name: &str, key: &PrivateKey) -> CertificateTemplate {
    CertificateTemplate {
        subject_alt_names: Vec::new(),
        key_usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        extended_key_usage: Vec::new(),
        basic_constraints: BasicConstraints { ca: true, path_length: None },
        ..leaf(common_name, key)
    }
}

/// Signed with the key it is about.
pub(crate) fn self_signed(template: &CertificateTemplate, key: &PrivateKey) -> Certificate {
    template.to_be_signed(&Signer::self_signed(key)).unwrap().sign(key).unwrap()
}

/// Signed by an authority.
pub(crate) fn issued(template: &CertificateTemplate, key: &PrivateKey, issuer: &Certificate) -> Certificate {
    template.to_be_signed(&Signer::authority(key, issuer).unwrap()).unwrap().sign(key).unwrap()
}
