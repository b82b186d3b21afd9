//! Key stores and trust stores: PKCS#12 and JKS.

use zeroize::Zeroizing;

use crate::apply::World;
use crate::commands::export::format::{Format, holds_secret};
use crate::commands::export::subject::Subject;
use crate::commands::export::{ExportArgs, Product};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::keystore::{Entry, KeystoreError, Pkcs12Form, Store, write_jks, write_pkcs12};
use crate::store;
use crate::ui;
use crate::x509::fill_random;

/// As many as Java writes itself.
const ITERATIONS: u32 = 10_000;

pub(super) fn make(args: &ExportArgs, subject: &Subject, world: &World, env: &mut Env) -> Result<Product> {
    let store = match args.format {
        Format::TruststorePkcs12 | Format::TruststoreJks => trusted(args, subject, world)?,
        _ => pair(args, subject, world, env)?,
    };
    let password = password(args, env)?;
    if password.is_empty() && holds_secret(args) {
        env.warn("the store has no password: the file's mode alone protects the key in it");
    }
    if !password.is_ascii() && !matches!(args.format, Format::Jks | Format::TruststoreJks) {
        env.warn("the password is not ASCII: Java up to 17 opens no PKCS#12 with it");
    }
    let mut salts = |octets: &mut [u8]| fill_random(octets);
    let written = match args.format {
        Format::Jks | Format::TruststoreJks => write_jks(&store, &password, env.now, &mut salts),
        Format::Pkcs12Legacy => {
            write_pkcs12(&store, &password, Pkcs12Form::Legacy { iterations: ITERATIONS }, &mut salts)
        }
        _ => write_pkcs12(&store, &password, Pkcs12Form::Modern { iterations: ITERATIONS }, &mut salts),
    };
    let bytes = written.map_err(|e| match e {
        KeystoreError::SameAlias(_) => Error::from(e).hint("leave --alias out"),
        e => Error::from(e).context(format!("writing {}", args.format.as_str())),
    })?;
    Ok(Product {
        alias: store.entries.first().and_then(|entry| entry.alias().map(str::to_owned)),
        ..match args.format {
            Format::TruststorePkcs12 | Format::TruststoreJks => Product::public(bytes.to_vec()),
            _ => Product::secret(bytes),
        }
    })
}

/// The key and its whole chain: who imports it elsewhere needs the root too.
fn pair(args: &ExportArgs, subject: &Subject, world: &World, env: &Env) -> Result<Store> {
    let key = subject.key(args, world, env)?;
    let entry = Entry::Pair {
        alias: Some(alias(args)?.unwrap_or(&subject.name).to_owned()),
        key: Zeroizing::new(key.pkcs8_der().to_vec()),
        chain: subject.chain.clone(),
    };
    Ok(Store { entries: vec![entry] })
}

/// Those who are trusted, each under its authority's name; under one that was given, the others with a number.
fn trusted(args: &ExportArgs, subject: &Subject, world: &World) -> Result<Store> {
    let given = alias(args)?;
    let mut entries = Vec::new();
    for (at, (own, certificate)) in subject.trusted(world)?.into_iter().enumerate() {
        let alias = match given {
            None => own,
            Some(given) if at == 0 => given.to_owned(),
            Some(given) => format!("{given}-{}", at + 1),
        };
        entries.push(Entry::Trusted { alias: Some(alias), certificate });
    }
    if entries.is_empty() {
        return Err(Error::failed(format!("{} trusts nobody: its bundle is empty", ui::quote(&subject.name))));
    }
    Ok(Store { entries })
}

fn alias(args: &ExportArgs) -> Result<Option<&str>> {
    match args.alias.as_deref() {
        Some(alias) if alias.is_empty() || alias.chars().any(char::is_control) || alias.len() > 1000 => Err(
            Error::usage(format!("--alias {}: it is empty, too long, or has a control character", ui::quote(alias))),
        ),
        alias => Ok(alias),
    }
}

fn password(args: &ExportArgs, env: &Env) -> Result<Zeroizing<String>> {
    match &args.password_file {
        Some(path) => store::read_password(&env.typed(path)),
        None => ui::new_secret(
            env,
            "Password of the store",
            "give the password with --password-file FILE, an empty file for no password",
        ),
    }
}
