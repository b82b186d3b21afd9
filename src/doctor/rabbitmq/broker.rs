//! The configuration of one broker: the files that it reads together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::doctor::syntax::conf::{self, Setting};
use crate::doctor::syntax::erlang::{self, Kind};
use crate::doctor::{Case, Document, Exhibit, Finding, Place, Severity};
use crate::x509::Certificate;

/// rabbitmq.conf with its conf.d, enabled_plugins and advanced.config.
pub(super) struct Broker<'c> {
    /// The files of settings, in the order in which they are read: a later one wins.
    pub(super) confs: Vec<(&'c Exhibit, &'c conf::File)>,
    /// enabled_plugins, where it lies beside them.
    pub(super) plugins: Option<(&'c Exhibit, Vec<&'c str>)>,
    /// advanced.config, where it lies beside them.
    pub(super) advanced: Option<&'c erlang::File>,
}

/// A setting with the file it stands in.
#[derive(Clone, Copy)]
pub(super) struct Line<'c> {
    pub(super) exhibit: &'c Exhibit,
    pub(super) setting: &'c Setting,
}

impl<'c> Line<'c> {
    pub(super) fn value(self) -> &'c str {
        &self.setting.value
    }

    pub(super) fn key(self) -> &'c str {
        &self.setting.key
    }

    /// A finding about this line.
    pub(super) fn finding(self, severity: Severity, code: &'static str, problem: impl Into<String>) -> Finding {
        Finding::new(severity, code, &self.exhibit.path, problem).line(self.setting.line)
    }
}

impl<'c> Broker<'c> {
    /// The brokers of a case: one for each directory with settings.
    pub(super) fn all(case: &'c Case) -> Vec<Self> {
        let mut homes: BTreeMap<PathBuf, Vec<(&Exhibit, &conf::File)>> = BTreeMap::new();
        for exhibit in &case.exhibits {
            if let Document::Conf(file) = &exhibit.document
                && case.place(&exhibit.path) != Place::History
            {
                homes.entry(home(&exhibit.path)).or_default().push((exhibit, file));
            }
        }
        homes.into_iter().map(|(home, confs)| Self::of(case, &home, confs)).collect()
    }

    fn of(case: &'c Case, home: &Path, mut confs: Vec<(&'c Exhibit, &'c conf::File)>) -> Self {
        // rabbitmq.conf itself comes before conf.d; the rest in the order of their names.
        confs.sort_by_key(|(exhibit, _)| (exhibit.path.parent() != Some(home), &exhibit.path));
        let beside = |kind: Kind| {
            case.exhibits.iter().find_map(|exhibit| match &exhibit.document {
                Document::Erlang(file) if exhibit.path.parent() == Some(home) && file.kind == kind => {
                    Some((exhibit, file))
                }
                _ => None,
            })
        };
        let plugins = beside(Kind::Plugins).map(|(exhibit, file)| {
            let members = file.term.as_ref().map(|term| term.members()).unwrap_or_default();
            (exhibit, members.iter().filter_map(erlang::Term::atom).collect())
        });
        Self { confs, plugins, advanced: beside(Kind::Applications).map(|(_, file)| file) }
    }

    /// Every line, in the order of reading.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'c>> + '_ {
        self.confs.iter().flat_map(|(exhibit, file)| file.settings.iter().map(move |setting| Line { exhibit, setting }))
    }

    /// The line that counts.
    pub(super) fn get(&self, key: &str) -> Option<Line<'c>> {
        self.lines().filter(|line| line.key() == key).last()
    }

    /// Its value.
    pub(super) fn value(&self, key: &str) -> Option<&'c str> {
        self.get(key).map(Line::value)
    }

    /// The lines below a name, that of the name itself left out.
    pub(super) fn below<'b>(&'b self, prefix: &'b str) -> impl Iterator<Item = Line<'c>> + 'b {
        self.confs
            .iter()
            .flat_map(move |&(exhibit, file)| file.below(prefix).map(move |setting| Line { exhibit, setting }))
    }

    /// Whether a plugin is on; `None` where its list is not at hand.
    pub(super) fn has_plugin(&self, name: &str) -> Option<bool> {
        self.plugins.as_ref().map(|(_, plugins)| plugins.contains(&name))
    }

    /// The mechanisms that are offered; RabbitMQ's own choice where nothing is said.
    pub(super) fn mechanisms(&self) -> Vec<&'c str> {
        let asked: Vec<&str> = self.below("auth_mechanisms").map(Line::value).collect();
        if asked.is_empty() { vec!["PLAIN", "AMQPLAIN"] } else { asked }
    }

    /// The list in advanced.config that takes the place of every `ssl_options.*`.
    fn replacement(&self) -> Option<&'c erlang::Term> {
        self.advanced?.get("rabbit")?.get("ssl_options")
    }

    /// Whether there is one.
    pub(super) fn options_are_replaced(&self) -> bool {
        self.replacement().is_some()
    }

    /// An option of the TLS of AMQP, MQTT, STOMP and streams.
    pub(super) fn ssl_option(&self, name: &str) -> Option<String> {
        match self.replacement() {
            Some(list) => {
                let term = list.get(name)?;
                term.atom().or_else(|| term.text()).map(str::to_owned).or_else(|| term.integer().map(|n| n.to_string()))
            }
            None => self.value(&format!("ssl_options.{name}")).map(str::to_owned),
        }
    }

    /// The file to speak of where no line can be named.
    pub(super) fn main(&self) -> &'c Exhibit {
        self.confs[0].0
    }
}

/// The directory whose files are read together.
fn home(path: &Path) -> PathBuf {
    let parent = path.parent().unwrap_or(Path::new(""));
    match parent.file_name() {
        Some(name) if name == "conf.d" => parent.parent().unwrap_or(parent).to_path_buf(),
        _ => parent.to_path_buf(),
    }
}

/// Whether a certificate is there to sign others.
pub(super) fn is_root(certificate: &Certificate) -> bool {
    certificate.is_self_issued()
}
