//! `age`: all that a client needs, sealed to whoever runs it.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::apply::{Change, Unlock, Vault, World};
use crate::commands::emit::has_setting;
use crate::commands::export::subject::Subject;
use crate::commands::export::tar_file::{TarFile, TarOwner, mode_of};
use crate::commands::export::{ExportArgs, Product, seal_to};
use crate::emit::{self, LETTER_SETTINGS, OutputFile, Snippet, Target};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::manifest::Consumer;
use crate::store::{self, layout};
use crate::ui;

/// Paths in the files begin in the directory that is handed over, wherever it will be.
const HERE: &str = ".";
/// Where the password of an encrypted key is to be put.
const KEY_PASSWORD: &str = "key_password.txt";

pub(super) fn make(args: &ExportArgs, subject: &Subject, mut world: World, env: &mut Env) -> Result<Product> {
    subject.check_key_file(&world, env)?;
    let settings = settings(args)?;
    let is_encrypted = subject.entry(&world).is_some_and(|entry| entry.key_password_file.is_some());
    let wanted = wanted(args, &subject.name, &settings, is_encrypted)?;
    let to = seal_to(args, env)?;
    let mut files: BTreeMap<String, (u32, Zeroizing<Vec<u8>>)> = BTreeMap::new();
    for name in world.store.file_names(&subject.directory)? {
        let path = subject.directory.join(&name);
        if let Some(facts) = store::facts(&world.store.path(&path)).filter(|facts| !facts.is_link)
            && !world.store.path(&path).is_dir()
        {
            // The group here is nobody's there.
            let bytes = world.store.read(&path)?;
            files.insert(name, (mode_of(facts.mode & !0o070, &bytes), bytes));
        }
    }
    let letter = letter(args, subject, &settings, &wanted, &mut world, env)?;
    for file in letter {
        let mode = if file.secret { layout::PRIVATE_FILE } else { layout::PUBLIC_FILE };
        files.insert(file.path, (mode, Zeroizing::new(file.bytes)));
    }
    let mut tar = TarFile::new(TarOwner::default(), env.now);
    let directory = store::directory_name(&subject.name)?;
    tar.directory(&directory, layout::PRIVATE_DIRECTORY)?;
    let mut above = String::new();
    for (path, (mode, bytes)) in &files {
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| *folder != above) {
            tar.directory(&format!("{directory}/{folder}"), layout::PRIVATE_DIRECTORY)?;
            folder.clone_into(&mut above);
        }
        tar.file(&format!("{directory}/{path}"), *mode, bytes)?;
    }
    let plain = tar.finish()?;
    let sealed = store::seal::seal_stream(Vec::new(), &to, |out| Ok(out.write_all(&plain)?))?;
    let mut product = Product::secret(sealed.into());
    product.next = vec![
        "who has the identity or the passphrase opens it: certgen import FILE --out DIR, or age -d FILE | tar x"
            .to_owned(),
        format!(
            "without sending a key at all: certgen request client {}, where it runs, then certgen issue with --csr here",
            ui::shell(&subject.name)
        ),
    ];
    Ok(product)
}

fn settings(args: &ExportArgs) -> Result<Vec<(String, String)>> {
    let settings: Vec<(String, String)> =
        args.settings.iter().map(|text| Consumer::setting(text).map_err(Error::usage)).collect::<Result<_>>()?;
    for (key, _) in &settings {
        let is_known = LETTER_SETTINGS.iter().any(|setting| setting.key == key)
            || args.with.iter().any(|target| has_setting(target, key));
        if !is_known {
            return Err(Error::usage(format!(
                "--set {}: nothing that is handed over has this setting",
                ui::quote(key)
            ))
            .hint("host, port and vhost can be set, and what certgen emit --list TARGET shows for each --with"));
        }
    }
    Ok(settings)
}

/// The configuration of programs that goes with the pair, with paths in the directory itself.
fn wanted(args: &ExportArgs, name: &str, settings: &[(String, String)], is_encrypted: bool) -> Result<Vec<Consumer>> {
    let mut wanted: Vec<Consumer> = Vec::new();
    for with in &args.with {
        let target = Target::find(with)?;
        if !target.is_for_clients() {
            return Err(Error::usage(format!("--with {with}: it is not the configuration of a client"))
                .hint("for example --with celery; certgen emit --list shows all"));
        }
        if wanted.iter().any(|known| known.target == *with) {
            return Err(Error::usage(format!("--with {with} is said twice")));
        }
        let mut own: Vec<_> = settings.iter().filter(|(key, _)| has_setting(with, key)).cloned().collect();
        let mut default = |key: &str, value: &str| {
            if has_setting(with, key) && own.iter().all(|(said, _)| said != key) {
                own.push((key.to_owned(), value.to_owned()));
            }
        };
        default("certs", HERE);
        if is_encrypted {
            default("key_password_file", KEY_PASSWORD);
        }
        let consumer = Consumer {
            target: with.clone(),
            clients: vec![name.to_owned()],
            broker: args.broker.clone(),
            settings: own,
            with_keys: false,
        };
        target.check(&consumer)?;
        wanted.push(consumer);
    }
    Ok(wanted)
}

/// The snippets, and the page that says what all of it is.
fn letter(
    args: &ExportArgs,
    subject: &Subject,
    settings: &[(String, String)],
    wanted: &[Consumer],
    world: &mut World,
    env: &Env,
) -> Result<Vec<OutputFile>> {
    let mut vault = Vault::new(&Unlock::default());
    let brokers = world.manifest.brokers().to_vec();
    let mut change = Change::new(world, &mut vault, env);
    let mut facts = Vec::new();
    for broker in &brokers {
        facts.push(change.prepared(broker)?.facts);
    }
    let mut files = Vec::new();
    let mut snippets = Vec::new();
    for consumer in wanted {
        let emitted = change.handed_over(facts.clone(), consumer)?;
        let target = Target::find(&consumer.target)?;
        // They come in a directory of the client, which this is; of one of several brokers below a directory of that.
        let above = 1 + usize::from(consumer.broker.is_some() && brokers.len() > 1);
        let is_python = emitted.files.iter().any(|file| file.path.ends_with(".py"));
        for file in emitted.files {
            let path = file.path.splitn(above + 1, '/').last().unwrap_or_default();
            files.push(OutputFile { path: format!("{}/{path}", target.name), ..file });
        }
        snippets.push(Snippet { directory: target.name, description: target.description, is_python });
    }
    let about = emit::Letter {
        name: &subject.name,
        broker: args.broker.as_deref(),
        until: &ui::date(subject.leaf().validity().not_after)[..10],
        snippets: &snippets,
        settings,
    };
    files.extend(change.letter(facts, &about)?);
    Ok(files)
}
