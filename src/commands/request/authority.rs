//! `certgen request authority`: the key of an authority that another machine certifies, and the PKI that comes of it.

use std::path::PathBuf;

use crate::apply::{self, Above, Change, Unlock, Vault, World};
use crate::commands::request::{RequestArgs, finish, tell};
use crate::commands::{Answer, seal, told};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::{AUTHORITY_COMMON_NAME_MAX, Authority, AuthoritySpec, Editor, Manifest, Value};
use crate::store::{self, Action, Event, OutputFile, Store, layout, name_of_directory};
use crate::ui;
use crate::x509::{Certificate, Csr, CsrTemplate, KeyUsage, PrivateKey, Subtree, order_chain};

/// A manifest that says nothing yet.
const EMPTY: &str = "\
# certgen.toml: what should exist here. This site issues on its own; the authority above it is known by its certificate.
version = 1
";

/// Makes the key where it will live, in `ca/NAME` of the PKI, and the request beside it.
pub(super) fn request(name: &str, args: &RequestArgs, env: &mut Env) -> Result<Answer> {
    let spec = spec(args)?;
    let (manifest, locked) = match Store::open(&env.pki).exists() {
        true => {
            let (world, locked) = World::lock("request", env)?;
            world.refuse_existing_authority(name)?;
            (world.manifest, locked)
        }
        false => (Manifest::parse(EMPTY, "certgen.toml")?, apply::lock_place("request", env)?),
    };
    let authority = manifest.authority_from(name, &spec).map_err(|e| Error::from(e).as_usage())?;
    let store = locked.store().clone();
    let directory = layout::ca_dir(name)?;
    if store.holds(&directory) {
        return Err(Error::failed(format!("{} exists already", ui::path(env.shown(&store.path(&directory)))))
            .hint("finish it with certgen request --finish FILE, or choose another name"));
    }
    let unlock = Unlock { passphrase_file: args.authority.passphrase_file.clone(), identity: Vec::new() };
    let to = seal::seal_to(args.authority.seal, &args.authority.recipient, &unlock, env)?;
    let key = PrivateKey::generate(authority.key_type)?;
    let key_file = store::seal::key_file(&key.to_pem(), to.as_ref())?;
    let (key_path, request_path) = (directory.join(&key_file.path), layout::ca_request(name)?);
    let request = OutputFile::public(super::REQUEST_FILE, csr(&authority, &key)?.pem());
    let mut transaction = locked.transaction();
    transaction.create_directory(&directory, layout::PRIVATE_DIRECTORY, None, vec![key_file, request])?;
    if store.exists() {
        let mut event = Event::new(Action::Requested, &env.actor, env.now, env.real_now)?;
        event.key = Some(key.public_key().sha256_hex());
        transaction.append([event.about(layout::AUTHORITY, name)]);
    } else if !store.holds(layout::gitignore()) {
        // A key lies here already, and somebody may add the directory to git before there is more.
        transaction.put(OutputFile::public(layout::gitignore(), layout::GITIGNORE_TEXT))?;
    }
    transaction.commit()?;
    drop(locked);
    tell("wrote", &[store.path(key_path), store.path(&request_path)], env)?;
    if to.is_none() {
        env.say("its key is not encrypted; when it is certified, seal it with a passphrase: certgen seal");
    }
    let shown = ui::shell(&env.shown(&store.path(&request_path)).to_string_lossy());
    let name = ui::shell(name);
    env.say(format!(
        "next, where the authority above it is: certgen issue authority {name} --csr {shown} --issuer ROOT"
    ));
    env.say("then bring the chain that it writes back here: certgen request --finish ca_chain.pem");
    Ok(Answer::Yes)
}

fn spec(args: &RequestArgs) -> Result<AuthoritySpec> {
    if args.out.is_some() {
        return Err(Error::usage("--out does not go with an authority: its key is made in the PKI, in ca/NAME")
            .hint("name another PKI with --pki DIR"));
    }
    let (called, key) = (&args.called, &args.key);
    if !called.san.is_empty() || called.kubernetes.is_some() {
        return Err(Error::usage(
            "an authority has no subject alternative names: --san and --kubernetes are for the others",
        ));
    }
    if key.key_password_file.is_some() || key.owner.is_some() || key.key_mode.is_some() {
        return Err(Error::usage("--key-password-file, --owner and --key-mode do not go with an authority")
            .hint("its key is for its owner alone; encrypt it with --seal or --recipient"));
    }
    Ok(AuthoritySpec {
        common_name: args.authority.common_name.clone(),
        subject: called.subject.clone(),
        key_type: key.key_type.clone(),
        ..AuthoritySpec::default()
    })
}

/// The request asks for the name that the certificate will have: common name and mark.
fn csr(authority: &Authority, key: &PrivateKey) -> Result<Csr> {
    let common_name = format!("{} {}", authority.common_name, key.public_key().mark());
    let template = CsrTemplate {
        subject: authority.subject.clone().with_common_name(&common_name)?,
        subject_alt_names: Vec::new(),
        key_usage: KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN,
        extended_key_usage: Vec::new(),
    };
    Ok(template.sign(key)?)
}

/// The requests of authorities that lie in the PKI, by name.
fn requests(env: &Env) -> Result<Vec<(String, Csr)>> {
    let store = Store::open(&env.pki);
    let mut found = Vec::new();
    for name in store.file_names("ca")?.iter().filter_map(|directory| name_of_directory(directory.as_ref())) {
        let path = layout::ca_request(&name)?;
        if store.holds(&path) {
            let csr = Csr::from_bytes(&store.read(&path)?)
                .map_err(|e| Error::from(e).context(format!("reading {}", ui::path(env.shown(&store.path(&path))))))?;
            found.push((name, csr));
        }
    }
    Ok(found)
}

/// Whether an answer is one to a request of an authority, and not to the request in this directory.
pub(super) fn is_answered(answers: &[PathBuf], env: &Env) -> Result<bool> {
    let requests = requests(env)?;
    if requests.is_empty() {
        return Ok(false);
    }
    let answered = finish::read_answers(answers, env)?;
    let mut authorities = answered.iter().flat_map(|answer| &answer.certificates).filter(|c| c.is_ca()).peekable();
    let has_other = env.cwd.join(super::REQUEST_FILE).exists();
    let is_asked_for = |c: &Certificate| requests.iter().any(|(_, csr)| csr.public_key() == c.public_key());
    Ok(authorities.peek().is_some() && (!has_other || authorities.any(is_asked_for)))
}

/// Makes of a certified key an authority that issues here. Where there is no PKI, there is one afterwards.
pub(super) fn finish(answers: &[PathBuf], env: &mut Env) -> Result<Answer> {
    let answered = finish::read_answers(answers, env)?;
    let pool: Vec<Certificate> = answered.into_iter().flat_map(|answer| answer.certificates).collect();
    let (name, certificate) = certified(&requests(env)?, &pool, answers, env)?;
    let chain = chain(&certificate, &pool, env)?;
    let is_new = !Store::open(&env.pki).exists();
    let (mut world, mut locked) = match is_new {
        true => World::create("request", Manifest::parse(EMPTY, "certgen.toml")?, EMPTY.to_owned(), env)?,
        false => World::lock("request", env)?,
    };
    let above = named(&chain, &name, &world)?;
    let text = manifest_with(&name, &certificate, &above, &world)?;
    let manifest = world.parse(&text)?;
    world.save(manifest);
    let mut vault = Vault::new(&Unlock::default());
    let done = {
        let mut change = Change::new(&mut world, &mut vault, env);
        change.certified_elsewhere(&name, &certificate, &above)?;
        change.manifest(text);
        change.refresh_all()?;
        change.commit(&mut locked)?
    };
    drop(locked);
    told::tell(&done, &[], env)?;
    if done.issued.is_empty() {
        env.say(format!("authority {} has this certificate already", ui::quote(&name)));
    } else if is_new {
        env.say(format!("this PKI issues on its own: authority {} signs", ui::quote(&name)));
        env.say("next: add [broker] to certgen.toml, and issue its certificate with certgen issue server HOST");
    }
    Ok(Answer::Yes)
}

/// The authority whose request is answered, and the answer.
fn certified(
    requests: &[(String, Csr)],
    pool: &[Certificate],
    answers: &[PathBuf],
    env: &Env,
) -> Result<(String, Certificate)> {
    let answer = |csr: &Csr| pool.iter().find(|certificate| certificate.public_key() == csr.public_key());
    let Some((name, certificate)) = requests.iter().find_map(|(name, csr)| Some((name, answer(csr)?))) else {
        let names: Vec<String> = requests.iter().map(|(name, _)| ui::quote(name)).collect();
        return Err(Error::failed(format!(
            "no certificate in {} is for the key of authority {}",
            answers.iter().map(|answer| ui::path(answer)).collect::<Vec<_>>().join(", "),
            names.join(" or ")
        ))
        .hint("take the answer to this very request, or name the PKI of its key with --pki DIR"));
    };
    let unusable = |why: String| {
        Error::failed(format!("the certificate of authority {} cannot be used: {why}", ui::quote(name)))
            .hint("have the request signed again: certgen issue authority NAME --csr FILE --issuer ROOT")
    };
    if !certificate.is_ca() || !certificate.key_usage().is_none_or(|usage| usage.contains(KeyUsage::KEY_CERT_SIGN)) {
        return Err(unusable("it is not one of an authority".to_owned()));
    }
    if certificate.validity().not_after < env.now {
        return Err(unusable(format!("it ended on {}", ui::date(certificate.validity().not_after))));
    }
    Ok((name.clone(), certificate.clone()))
}

/// The authorities above it up to the root, which the bundles will hold.
fn chain(certificate: &Certificate, pool: &[Certificate], env: &Env) -> Result<Vec<Certificate>> {
    // What is here already need not come again.
    let mut pool = pool.to_vec();
    if Store::open(&env.pki).exists() {
        let store = Store::open(&env.pki);
        for entry in store.entries_on_disk()?.iter().filter(|entry| entry.role == layout::AUTHORITY) {
            let bytes = store.read_if_exists(layout::ca_certificate(&entry.name)?, crate::store::INPUT_LIMIT)?;
            pool.extend(bytes.and_then(|bytes| Certificate::from_pem(&bytes).ok()));
        }
    }
    let chain = order_chain(certificate, &pool, true);
    match chain.last() {
        Some(last) if chain.len() > 1 && last.is_self_issued() => Ok(chain[1..].to_vec()),
        last => Err(Error::failed(format!(
            "the answer is incomplete: {} is not in it",
            last.map_or_else(String::new, |last| ui::quote(&last.issuer().to_string()))
        ))
        .hint("bring ca_chain.pem, which holds all of them; or name each file: --finish FILE --finish FILE")),
    }
}

/// Names for those above: the one it has here, else its common name without the mark.
fn named(chain: &[Certificate], own: &str, world: &World) -> Result<Vec<Above>> {
    let mut above: Vec<Above> = Vec::new();
    for certificate in chain {
        let known = world.authorities().find(|(_, known)| {
            known.public_key() == certificate.public_key() && known.subject() == certificate.subject()
        });
        let name = known.map_or_else(|| free_name(certificate, own, &above, world), |(ca, _)| ca.name.to_owned());
        above.push(Above { name, certificate: certificate.clone() });
    }
    Ok(above)
}

fn free_name(certificate: &Certificate, own: &str, above: &[Above], world: &World) -> String {
    let is_free = |name: &String| {
        let taken = |other: &str| other.to_lowercase() == name.to_lowercase();
        !taken(own)
            && !above.iter().any(|above| taken(&above.name))
            && !world.authority_names().any(taken)
            && !world.manifest.authorities().iter().any(|authority| taken(&authority.name))
            && world.manifest.authority_from(name, &AuthoritySpec::default()).is_ok()
    };
    let common_name = common_name(certificate);
    let numbered = (2..).map(|n| format!("issuer-{n}"));
    let mut names = common_name.into_iter().chain(["issuer".to_owned()]).chain(numbered);
    names.find(is_free).expect("numbers do not end")
}

/// The common name without the mark, where it fits into a manifest.
fn common_name(certificate: &Certificate) -> Option<String> {
    let whole = certificate.subject().common_name()?;
    let bare = whole.strip_suffix(&certificate.public_key().mark()).and_then(|bare| bare.strip_suffix(' '));
    let bare = bare.unwrap_or(whole);
    (bare.chars().count() <= AUTHORITY_COMMON_NAME_MAX).then(|| bare.to_owned())
}

/// The manifest's text with all of them. What an entry says already stays as it is.
fn manifest_with(name: &str, certificate: &Certificate, above: &[Above], world: &World) -> Result<String> {
    let mut editor = Editor::new(&world.manifest_text, "certgen.toml")?;
    let mut issuers = above.iter().map(|above| Some(above.name.as_str())).chain([None]).skip(1);
    let own = (name, certificate, above.first().map(|above| above.name.as_str()));
    let mut all: Vec<(&str, &Certificate, Option<&str>)> =
        above.iter().map(|above| (above.name.as_str(), &above.certificate, issuers.next().flatten())).collect();
    all.reverse();
    all.push(own);
    match world.manifest.authorities() {
        [] => editor.set(&["defaults"], "issuer", &Value::String(name.to_owned()))?,
        // Where the only authority signs whatever does not name its issuer, it goes on doing so.
        [only] => editor.set(&["defaults"], "issuer", &Value::String(only.name.clone()))?,
        _ => {}
    }
    for (name, certificate, issuer) in all {
        if world.manifest.authority(name).is_none() {
            editor.put_authority(name, &spec_of(name, certificate, issuer))?;
        }
    }
    Ok(editor.into_text())
}

/// What a manifest says of an authority that has this certificate. Limits that a manifest has no words for stand in the
/// certificate all the same.
fn spec_of(name: &str, certificate: &Certificate, issuer: Option<&str>) -> AuthoritySpec {
    let texts = |subtrees: &[Subtree]| {
        let texts: Vec<String> = subtrees.iter().map(written).collect();
        let readable = texts.iter().zip(subtrees).all(|(text, is)| Subtree::parse(text).is_ok_and(|read| read == *is));
        (readable && !texts.is_empty()).then_some(texts)
    };
    let constraints = certificate.name_constraints();
    let path_length = certificate.basic_constraints().and_then(|constraints| constraints.path_length);
    AuthoritySpec {
        issuer: issuer.map(str::to_owned),
        common_name: common_name(certificate).filter(|common_name| common_name != name),
        key_type: certificate.public_key().key_type().map(|kind| kind.to_string()),
        path_length: path_length.filter(|n| *n <= u32::from(u8::MAX)).map(i64::from),
        permit: constraints.and_then(|constraints| texts(&constraints.permitted)),
        exclude: constraints.and_then(|constraints| texts(&constraints.excluded)),
        ..AuthoritySpec::default()
    }
}

/// As somebody types it: the kind need not be said where the name shows it.
fn written(subtree: &Subtree) -> String {
    let text = subtree.to_string();
    let bare = text.split_once(':').map(|(_, bare)| bare.to_owned());
    bare.filter(|bare| Subtree::parse(bare).is_ok_and(|read| read == *subtree)).unwrap_or(text)
}
