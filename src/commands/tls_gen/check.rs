//! The targets that look: `verify`, `verify-pkcs12`, `info`.

use std::path::PathBuf;

use serde_json::json;

use super::Run;
use crate::commands::{Answer, inspect};
use crate::error::{Context, Result};
use crate::inspect::{Facts, Thing};
use crate::keystore::{self, Entry};
use crate::profile::Role;
use crate::tls_gen::{self, CommonName, Pair, ROOT_CERTIFICATE};
use crate::ui;
use crate::verify::{self, Purpose};
use crate::x509::{Certificate, PrivateKey, X509Error};

impl Run<'_> {
    /// Every pair: its chain, its purpose, its time, its key.
    pub(super) fn verify(&mut self) -> Result<Answer> {
        let root = self.certificates(ROOT_CERTIFICATE)?;
        self.for_each(|run, pair, cn| {
            let names = pair.files(run.profile, cn);
            let problems = run.problems(pair, &names.certificate, &names.key, &root)?;
            run.answer(&names.certificate, &problems)
        })
    }

    /// Every PKCS#12: the password opens it, and it holds the pair that lies beside it.
    pub(super) fn verify_pkcs12(&mut self) -> Result<Answer> {
        self.for_each(|run, pair, cn| {
            let names = pair.files(run.profile, cn);
            let password = run.settings.password.as_ref().map_or("", |password| password.as_str());
            let read = keystore::read(&run.place.read(&names.pkcs12)?, password);
            let certificate = Certificate::from_pem(&run.place.read(&names.certificate)?);
            let problems = match (read, certificate) {
                (Err(e), _) => vec![e.to_string()],
                (_, Err(e)) => vec![format!("{}: {e}", names.certificate)],
                (Ok(store), Ok(certificate)) => contents(&store, &certificate),
            };
            run.answer(&names.pkcs12, &problems)
        })
    }

    /// What the certificates say.
    pub(super) fn info(&mut self) -> Result<Answer> {
        self.for_each(|run, pair, cn| {
            let name = pair.files(run.profile, cn).certificate;
            let certificate = Certificate::from_pem(&run.place.read(&name)?).context(|| format!("reading {name}"))?;
            let facts = Facts::of(&Thing::Certificate(Box::new(certificate)));
            let shown = run.shown(&name);
            if run.env.json {
                let mut item = serde_json::to_value(&facts).unwrap_or_default();
                item["action"] = "info".into();
                item["path"] = shown.display().to_string().into();
                run.items.push(item);
            } else {
                inspect::show(&shown.display().to_string(), &facts, run.env)?;
            }
            Ok(true)
        })
    }

    /// Asks about each pair that there is.
    fn for_each(&mut self, ask: impl Fn(&mut Self, &Pair, &CommonName) -> Result<bool>) -> Result<Answer> {
        let (mut asked, mut all) = (false, true);
        // tls-gen's order: clients first.
        let mut pairs = self.profile.pairs().to_vec();
        pairs.sort_by_key(|pair| (pair.issuer.is_none(), pair.role != Role::Client));
        for pair in &pairs {
            let names = self.common_names(pair)?;
            if names.is_empty() {
                let name = pair.files(self.profile, &self.settings.cn).certificate;
                self.env.say(format!("there is no {}", ui::path(&self.shown(&name))));
                // In the profiles whose names are fixed it belongs to every tree.
                all &= self.profile.names_files_by_common_name();
            }
            for cn in names {
                asked = true;
                all &= ask(self, pair, &cn)?;
            }
        }
        if !asked {
            return Err(self.no_pair());
        }
        Ok(if all { Answer::Yes } else { Answer::No })
    }

    fn problems(&mut self, pair: &Pair, certificate: &str, key: &str, root: &[Certificate]) -> Result<Vec<String>> {
        let leaf = match Certificate::from_pem(&self.place.read(certificate)?) {
            Ok(leaf) => leaf,
            Err(e) => return Ok(vec![e.to_string()]),
        };
        let chain = self.profile.chain_files().iter().find(|file| Some(file.nearest) == pair.issuer);
        let above = chain.map_or(Ok(Vec::new()), |file| self.certificates(file.name))?;
        let end = leaf.validity().not_after;
        let is_past_as_asked = self.settings.days.are_past() && end < self.env.now;
        let time = if is_past_as_asked { end } else { self.env.now };
        let purpose = if pair.role == Role::Client { Purpose::Client } else { Purpose::Server };
        let question = verify::Question {
            untrusted: &above,
            purpose: Some(purpose),
            strict: false,
            ..verify::Question::new(&leaf, root, time)
        };
        let mut problems: Vec<String> = verify::verify(&question).problems().map(verify::Finding::sentence).collect();
        if is_past_as_asked {
            self.env.say(format!("{certificate}: verified for {}, its last second", ui::date(end)));
        }
        problems.extend(self.key_problem(&leaf, key)?);
        Ok(problems)
    }

    /// A key that is encrypted, and no password: nothing can be said.
    fn key_problem(&mut self, leaf: &Certificate, name: &str) -> Result<Option<String>> {
        let bytes = self.place.read(name)?;
        let password = self.settings.password.as_ref().map(|password| password.as_str());
        if password.is_none() && matches!(PrivateKey::from_pem(&bytes, None), Err(X509Error::Encrypted)) {
            self.env.say(format!("{name} is encrypted: give PASSWORD to compare it with its certificate"));
            return Ok(None);
        }
        let key = tls_gen::read_key(&bytes, name, password)?;
        let is_its = key.public_key() == leaf.public_key();
        Ok((!is_its).then(|| format!("{name} is the key of another certificate")))
    }

    fn answer(&mut self, name: &str, problems: &[String]) -> Result<bool> {
        let path = self.shown(name);
        let is_right = problems.is_empty();
        if self.env.json {
            let path = path.display().to_string();
            self.items.push(json!({"action": "verified", "path": path, "ok": is_right, "problems": problems}));
            return Ok(is_right);
        }
        writeln!(self.env.out(), "{}: {}", ui::path(&path), if is_right { "OK" } else { "FAILED" })?;
        for problem in problems {
            writeln!(self.env.out(), "  {}", ui::sentence(problem))?;
        }
        Ok(is_right)
    }

    fn certificates(&self, name: &str) -> Result<Vec<Certificate>> {
        Certificate::all_from_pem(&self.place.read(name)?).context(|| format!("reading {name}"))
    }

    fn shown(&self, name: &str) -> PathBuf {
        self.env.shown(&self.place.results().join(name)).to_path_buf()
    }
}

/// What is wrong with a container: it is to hold one key, with its certificate and that of its issuer.
fn contents(store: &keystore::Store, certificate: &Certificate) -> Vec<String> {
    let pair = store.entries.iter().find_map(|entry| match entry {
        Entry::Pair { key, chain, .. } => Some((key, chain)),
        Entry::Trusted { .. } => None,
    });
    let Some((key, chain)) = pair else { return vec!["it holds no private key".to_owned()] };
    let mut problems = Vec::new();
    if chain.first() != Some(certificate) {
        problems.push("it holds another certificate than the file beside it".to_owned());
    }
    match PrivateKey::from_pkcs8_der(key) {
        Ok(key) if key.public_key() != certificate.public_key() => {
            problems.push("its key is not that of the certificate".to_owned());
        }
        Ok(_) => {}
        Err(e) => problems.push(e.to_string()),
    }
    problems
}
