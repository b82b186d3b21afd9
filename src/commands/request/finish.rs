//! `certgen request --finish`: the answer is checked against the key before it is put beside it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::commands::request::REQUEST_FILE;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::Role;
use crate::store::{self, OutputFile, Store, Transaction, layout};
use crate::ui;
use crate::x509::{Certificate, Csr, order_chain};

/// A file of the answer with the certificates in it.
pub(super) struct Answer {
    name: String,
    pub(super) certificates: Vec<Certificate>,
}

/// Writes the certificate with its chain, the bundles, and for a server or node the combined file.
pub(super) fn finish(answers: &[PathBuf], dir: &Path, env: &mut Env) -> Result<Vec<PathBuf>> {
    let csr = read_request(dir, env)?;
    let answered = read_answers(answers, env)?;
    let all: Vec<Certificate> = answered.iter().flat_map(|a| a.certificates.iter().cloned()).collect();
    let leaf = all.iter().find(|c| c.public_key() == csr.public_key()).ok_or_else(|| {
        Error::failed(format!(
            "no certificate in {} is for the key in {}",
            answers.iter().map(|a| ui::path(a)).collect::<Vec<_>>().join(", "),
            ui::path(env.shown(dir))
        ))
        .hint("take the answer to this very request, or name the directory of its key with --out DIR")
    })?;
    check(leaf, &csr, env)?;
    let role = role_of(dir, leaf)?;
    let key_path = dir.join(role.key_file());
    let facts = store::facts(&key_path).ok_or_else(|| {
        Error::failed(format!("the key {} is gone", ui::path(env.shown(&key_path)))).hint("make a new request")
    })?;
    let chain: String = order_chain(leaf, &all, false).iter().map(Certificate::pem).collect();
    let mut files = bundles(&answered, leaf, role);
    if !files.iter().any(|(name, ..)| *name == role.bundle_file()) && !dir.join(role.bundle_file()).exists() {
        env.say(format!("the answer has no bundle: put {} beside it too", role.bundle_file()));
    }
    if let Some(combined) = role.combined_file() {
        let key = store::read_limited(&key_path, store::INPUT_LIMIT)?;
        let key = std::str::from_utf8(&key).map_err(|_| Error::failed("the key is not PEM"))?;
        files.push((combined, facts.mode, format!("{chain}{key}")));
    }
    files.push((role.certificate_file(), layout::PUBLIC_FILE, chain));
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

/// The bundles of the answer: files of authorities alone, kept apart by their names; else the roots that came with the
/// certificate.
fn bundles(answered: &[Answer], leaf: &Certificate, role: Role) -> Vec<(&'static str, u32, String)> {
    let mut found: Vec<(&'static str, u32, String)> = Vec::new();
    let mut add = |name: &'static str, anchors: Vec<&Certificate>| {
        let text: String = anchors.iter().map(|c| c.pem()).collect();
        if !text.is_empty() && !found.iter().any(|(known, ..)| *known == name) {
            found.push((name, layout::PUBLIC_FILE, text));
        }
    };
    for answer in answered.iter().filter(|a| !a.certificates.contains(leaf)) {
        let is_inter_node = Some(answer.name.as_str()) == role.inter_node_bundle_file();
        let name = if is_inter_node { role.inter_node_bundle_file() } else { Some(role.bundle_file()) };
        add(name.unwrap_or_default(), answer.certificates.iter().filter(|c| c.is_ca()).collect());
    }
    let beside_leaf = answered.iter().filter(|a| a.certificates.contains(leaf)).flat_map(|a| &a.certificates);
    add(role.bundle_file(), beside_leaf.filter(|c| c.is_ca() && c.is_self_issued()).collect());
    found
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

/// Every file of the answer; in a directory, those that hold certificates.
pub(super) fn read_answers(answers: &[PathBuf], env: &Env) -> Result<Vec<Answer>> {
    let mut found = Vec::new();
    for answer in answers {
        let path = env.cwd.join(answer);
        let is_directory = path.is_dir();
        let files: Vec<PathBuf> = match is_directory {
            true => Store::open(&path).file_names("")?.into_iter().map(|name| path.join(name)).collect(),
            false => vec![path],
        };
        for file in files {
            let read = store::read_limited(&file, store::INPUT_LIMIT)
                .and_then(|bytes| Ok(Certificate::all_from_bytes(&bytes)?));
            match read {
                Ok(certificates) => {
                    let name = file.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
                    found.push(Answer { name, certificates });
                }
                Err(_) if is_directory => {} // a key, a configuration file: not part of the answer
                Err(e) => return Err(e.context(format!("reading {}", ui::path(answer)))),
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
