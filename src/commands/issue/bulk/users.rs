//! `--users FILE`: the users of one batch, to be imported into a broker. The file is written section by section from
//! temporary ones, so that a million users need no memory.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::PathBuf;

use crate::apply;
use crate::emit::rabbitmq::{Definitions, import_line};
use crate::env::Env;
use crate::error::{Error, Result, io_reason};
use crate::manifest::{Broker, Entry, Manifest, Platform};
use crate::store::{GrowingFile, Spool};
use crate::ui;

/// One section of the file in the making.
struct Section {
    name: &'static str,
    entries: Spool,
    count: usize,
}

/// The users of a batch.
pub(super) struct Users {
    file: PathBuf,
    sections: Vec<Section>,
    vhosts: BTreeSet<String>,
    /// The broker whose users they are, how it is installed and where its configuration is.
    broker: Option<(Option<String>, Platform, String)>,
    count: usize,
}

impl Users {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, sections: Vec::new(), vhosts: BTreeSet::new(), broker: None, count: 0 }
    }

    /// Adds the user of a client.
    ///
    /// # Errors
    /// It belongs to no broker, to several, or to another one than those before it.
    pub(super) fn add(&mut self, entry: &Entry, manifest: &Manifest) -> Result<()> {
        let broker = self.broker_of(entry, manifest)?;
        let facts = apply::user_facts(entry, broker)?;
        self.vhosts.extend(facts.vhosts.iter().cloned());
        // Without vhosts: importing one that exists resets its description and tags.
        for (name, entries) in
            Definitions::of_user(&facts)?.sections().into_iter().filter(|(name, _)| *name != "vhosts")
        {
            let at = match self.sections.iter().position(|section| section.name == name) {
                Some(at) => at,
                None => {
                    self.sections.push(Section { name, entries: Spool::new()?, count: 0 });
                    self.sections.len() - 1
                }
            };
            let section = &mut self.sections[at];
            for entry in entries {
                let separator = if section.count == 0 { "\n    " } else { ",\n    " };
                write!(section.entries, "{separator}{entry}").map_err(|e| spooling(&e))?;
                section.count += 1;
            }
        }
        self.count += 1;
        Ok(())
    }

    fn broker_of<'m>(&mut self, entry: &'m Entry, manifest: &'m Manifest) -> Result<&'m Broker> {
        let mut brokers = manifest.brokers_of(entry);
        let (Some(broker), None) = (brokers.next(), brokers.next()) else {
            return Err(Error::failed("--users writes the users of one broker, and it belongs to none or to several")
                .hint("name one with --broker NAME"));
        };
        let first =
            self.broker.get_or_insert_with(|| (broker.name.clone(), broker.platform, broker.config_dir.clone()));
        if first.0 != broker.name {
            return Err(Error::failed("--users writes the users of one broker, and those before it belong to another"));
        }
        Ok(broker)
    }

    /// Refuses a file that says something else already; `true`: it says the same.
    pub(super) fn finished(mut self, force: bool) -> Result<UsersFile> {
        let mut whole = Spool::new()?;
        let write = |whole: &mut Spool, text: &str| whole.write_all(text.as_bytes()).map_err(|e| spooling(&e));
        write(&mut whole, "{\n")?;
        let last = self.sections.len().saturating_sub(1);
        for (number, Section { name, entries, count }) in std::mem::take(&mut self.sections).into_iter().enumerate() {
            write(&mut whole, &format!("  \"{name}\": ["))?;
            std::io::copy(&mut entries.into_reader()?, &mut whole).map_err(|e| spooling(&e))?;
            write(&mut whole, if count == 0 { "]" } else { "\n  ]" })?;
            write(&mut whole, if number == last { "\n" } else { ",\n" })?;
        }
        write(&mut whole, "}\n")?;
        let mut whole = whole.into_reader()?;
        let same = is_same(&mut whole, &self.file)?;
        if same == Some(false) && !force {
            return Err(Error::failed(format!("{} exists already and has other users", ui::path(&self.file)))
                .hint("name another file with --users, or add --force to replace this one"));
        }
        let Self { file, vhosts, broker, count, .. } = self;
        Ok(UsersFile { file, whole, same: same == Some(true), vhosts, broker, count })
    }
}

/// The file as it will be.
pub(super) struct UsersFile {
    file: PathBuf,
    whole: std::fs::File,
    same: bool,
    vhosts: BTreeSet<String>,
    broker: Option<(Option<String>, Platform, String)>,
    count: usize,
}

impl UsersFile {
    /// Writes the file, and says how a broker gets it.
    pub(super) fn write(mut self, env: &mut Env) -> Result<()> {
        if !self.same {
            let mut file = GrowingFile::anew(&self.file)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let read = self.whole.read(&mut buffer).map_err(|e| spooling(&e))?;
                if read == 0 {
                    break;
                }
                file.write(&buffer[..read])?;
            }
            file.finish()?;
        }
        let shown = ui::path(env.shown(&self.file));
        let vhosts: Vec<String> = self.vhosts.iter().map(|vhost| ui::quote(vhost)).collect();
        let where_ =
            if vhosts.is_empty() { String::new() } else { format!("; it must have the vhost {}", vhosts.join(", ")) };
        if let Some((_, platform, config_dir)) = &self.broker {
            env.say(format!(
                "{} users in {shown}, to bring into a running broker, on its host{where_}:\n  {}",
                self.count,
                import_line(*platform, &shown, config_dir, &[])
            ));
        }
        Ok(())
    }
}

/// Whether a file has this content; `None` where there is none.
fn is_same(content: &mut std::fs::File, file: &std::path::Path) -> Result<Option<bool>> {
    use std::io::{BufReader, Seek, SeekFrom};
    if file.symlink_metadata().is_err() {
        return Ok(None);
    }
    let there = crate::store::open_stream(file)?;
    let same = || -> std::io::Result<bool> {
        let (mut a, mut b) = (BufReader::new(&*content).bytes(), BufReader::new(there).bytes());
        loop {
            match (a.next().transpose()?, b.next().transpose()?) {
                (None, None) => return Ok(true),
                (a, b) if a != b => return Ok(false),
                _ => {}
            }
        }
    };
    let same = same().map_err(|e| Error::io("reading", file, &e))?;
    content.seek(SeekFrom::Start(0)).map_err(|e| spooling(&e))?;
    Ok(Some(same))
}

fn spooling(e: &std::io::Error) -> Error {
    Error::failed(format!("writing a temporary file: {}", io_reason(e)))
}
