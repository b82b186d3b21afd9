//! `der`, `pem` and `combined`: certificates and keys as they are.

use zeroize::Zeroizing;

use crate::apply::World;
use crate::commands::export::format::{Format, Part};
use crate::commands::export::subject::Subject;
use crate::commands::export::{ExportArgs, Product};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::store;
use crate::x509::{Certificate, Label, PrivateKey, read_pem};

pub(super) fn make(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Product> {
    match args.format {
        Format::Combined => combined(args, subject, world, env),
        Format::Der => der(args, subject, world, env),
        _ => pem(args, subject, world, env),
    }
}

fn der(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Product> {
    match args.part.unwrap_or(Part::Certificate) {
        Part::Certificate => Ok(Product::public(subject.leaf().der())),
        Part::Key => {
            let key = subject.key(args, world, env)?;
            let der = match password(args, env)? {
                None => Zeroizing::new(key.pkcs8_der().to_vec()),
                Some(password) => encrypted_der(&key, &password)?,
            };
            Ok(Product::secret(der))
        }
        Part::Chain | Part::Bundle => Err(Error::usage("a DER file holds one certificate").hint("use --format pem")),
    }
}

fn pem(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Product> {
    Ok(match args.part.unwrap_or(Part::Chain) {
        Part::Certificate => Product::public(subject.leaf().pem()),
        Part::Chain => Product::public(text(subject.shown())),
        Part::Bundle => Product::public(bundle(subject, world)?),
        Part::Key => Product::secret(Zeroizing::new(key_pem(args, subject, world, env)?.as_bytes().to_vec())),
    })
}

/// Certificates first, as RabbitMQ and most others read it.
fn combined(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Product> {
    let key = key_pem(args, subject, world, env)?;
    let mut all = Secret::default();
    all.extend(text(subject.shown()).as_bytes());
    all.extend(key.as_bytes());
    Ok(Product::secret(all.into_bytes()))
}

/// One after the other.
pub(super) fn text(certificates: &[Certificate]) -> String {
    certificates.iter().map(Certificate::pem).collect()
}

/// Those whom it trusts.
pub(super) fn bundle(subject: &Subject, world: &World) -> Result<String> {
    Ok(subject.trusted(world)?.iter().map(|(_, anchor)| anchor.pem()).collect())
}

/// The key in the clear, or with the password that was given.
fn key_pem(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Zeroizing<String>> {
    let key = subject.key(args, world, env)?;
    Ok(match password(args, env)? {
        None => key.to_pem(),
        Some(password) => key.to_encrypted_pem(password.as_bytes())?,
    })
}

fn encrypted_der(key: &PrivateKey, password: &str) -> Result<Zeroizing<Vec<u8>>> {
    let pem = key.to_encrypted_pem(password.as_bytes())?;
    let block = read_pem(pem.as_bytes())?.into_iter().find(|block| block.label == Label::EncryptedPrivateKey);
    Ok(Zeroizing::new(block.expect("it was just written").der.to_vec()))
}

/// A key is encrypted only where somebody says so.
fn password(args: &ExportArgs, env: &Env) -> Result<Option<Zeroizing<String>>> {
    args.password_file.as_ref().map(|path| store::read_required_password(&env.typed(path))).transpose()
}
