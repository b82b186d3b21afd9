//! `certgen request --finish`: the answer is checked against the key before it is put beside it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::commands::request::REQUEST_FILE;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store::{self, OutputFile, Store, Transaction};
use crate::ui;
use crate::x509::{Certificate, Csr, order_chain};

/// Writes the certificate with its chain, the bundle, and for a server or node the combined file.
pub(super) fn finish(answers: &[PathBuf], dir: &Path, env: &mut Env) -> Result<Vec<PathBuf>> {
    let csr = read_request(dir, env)?;
    let certificates = certificates(answers, env)?;
    let leaf = certificates.iter().find(|c| c.public_key() == csr.public_key()).ok_or_else(|| {
        Error::failed(format!(
            "no certificate in {} is for the key in {}",
            answers.iter().map(|a| ui::path(a)).collect::<Vec<_>>().join(", "),
            ui::path(env.shown(dir))
        ))
        .hint("take the answer to this very request, or name the directory of its key with --out DIR")
    })?;
    check(leaf, &csr, env)?;
    let role = role_of(dir, leaf)?;
    let chain = order_chain(leaf, &certificates, false);
    let mut files = vec![(role.certificate_file(), 0o644, chain.iter().map(Certificate::pem).collect::<String>())];
    let roots: Vec<&Certificate> = certificates.iter().filter(|c| c.is_ca() && c.is_self_issued()).collect();
    if roots.is_empty() {
        env.say("the answer has no root: put the bundle, ca_certificate.pem, beside it too");
    } else if !dir.join("ca_certificate.pem").exists() {
        files.push(("ca_certificate.pem", 0o644, roots.iter().map(|c| c.pem()).collect()));
    }
    let key_path = dir.join(role.key_file());
    let facts = store::facts(&key_path).ok_or_else(|| {
        Error::failed(format!("the key {} is gone", ui::path(env.shown(&key_path)))).hint("make a new request")
    })?;
    if let Some(combined) = role.combined_file() {
        let key = store::read_limited(&key_path, store::INPUT_LIMIT)?;
        let mut text = files[0].2.clone();
        text.push_str(std::str::from_utf8(&key).map_err(|_| Error::failed("the key is not PEM"))?);
        files.push((combined, facts.mode, text));
    }
    let mut transaction = Transaction::outside(dir)?;
    let mut paths = Vec::new();
    for (name, mode, text) in files {
        paths.push(dir.join(name));
        let file = OutputFile { path: name.into(), mode, bytes: Zeroizing::new(text.into_bytes()), owner: None };
        transaction.put(file.owned_by(facts.owner.clone()))?;
    }
    transaction.commit()?;
    Ok(paths)
}

fn read_request(dir: &Path, env: &Env) -> Result<Csr> {
    let path = dir.join(REQUEST_FILE);
    if !path.is_file() {
        return Err(Error::failed(format!("there is no {REQUEST_FILE} in {}", ui::path(env.shown(dir))))
            .hint("name the directory of the key and its request with --out DIR"));
    }
    Csr::from_bytes(&store::read_limited(&path, store::INPUT_LIMIT)?)
        .map_err(|e| Error::from(e).context(format!("reading {}", ui::path(env.shown(&path)))))
}

fn certificates(answers: &[PathBuf], env: &Env) -> Result<Vec<Certificate>> {
    let mut found = Vec::new();
    for answer in answers {
        let path = env.cwd.join(answer);
        let files = if path.is_dir() { Store::open(&path).file_names("")? } else { Vec::new() };
        let files = if path.is_dir() { files.into_iter().map(|name| path.join(name)).collect() } else { vec![path] };
        for file in files {
            let bytes = store::read_limited(&file, store::INPUT_LIMIT)?;
            let read = Certificate::all_from_bytes(&bytes);
            match read {
                Ok(certificates) => found.extend(certificates),
                Err(e) if !env.cwd.join(answer).is_dir() => {
                    return Err(Error::from(e).context(format!("reading {}", ui::path(answer))));
                }
                Err(_) => {}
            }
        }
    }
    Ok(found)
}

/// The answer must be what was asked for: the same name, and every name that the request carried.
fn check(leaf: &Certificate, csr: &Csr, env: &mut Env) -> Result<()> {
    if leaf.subject().common_name() != csr.subject().common_name() {
        return Err(Error::failed(format!(
            "the certificate is for {}, the request was for {}",
            ui::quote(&leaf.subject().to_string()),
            ui::quote(&csr.subject().to_string())
        ))
        .hint("ask for the answer to this request"));
    }
    let present = leaf.subject_alt_names().unwrap_or_default();
    let lacking: Vec<String> =
        csr.subject_alt_names().iter().filter(|n| !present.contains(n)).map(ToString::to_string).collect();
    if !lacking.is_empty() {
        env.warn(format!("the certificate lacks names that were asked for: {}", lacking.join(", ")));
    }
    if leaf.validity().not_after < env.now {
        return Err(Error::failed(format!("the certificate ended on {}", ui::date(leaf.validity().not_after))));
    }
    Ok(())
}

fn role_of(dir: &Path, leaf: &Certificate) -> Result<Role> {
    let role = if dir.join(Role::Client.key_file()).exists() {
        Role::Client
    } else if Role::Node.fits(leaf) {
        Role::Node
    } else {
        Role::Server
    };
    if !role.fits(leaf) {
        return Err(Error::failed(format!("the certificate is not one for a {role}"))
            .hint(format!("have it issued with certgen issue {role} NAME --csr {REQUEST_FILE}")));
    }
    Ok(role)
}
