//! inter_node_tls.config: what makes Erlang refuse every link, most often without a word in any log.
//!
//! What is called an error here was tried with pairs of Erlang nodes on OTP 25 and 27 (tests/interop/inter_node_doctor.rs).

mod certificates;
mod edit;
mod known;
mod options;
mod reading;
mod sections;

use crate::diagnosis::CauseId;
use crate::doctor::syntax::erlang::{File, Kind, Term};
use crate::doctor::{Case, Document, Exhibit, Finding, Severity, Target};

/// Everything about option files.
pub(super) fn check(case: &Case, findings: &mut Vec<Finding>) {
    for check in [reading::check, options::check, sections::check, certificates::check] {
        check(case, findings);
    }
}

const PANG: &str =
    "no node links with another and rabbitmqctl reaches none: net_adm:ping says pang, and neither side logs why";

/// `server` or `client`, with its options.
struct Section<'c> {
    exhibit: &'c Exhibit,
    file: &'c File,
    name: &'static str,
    options: &'c Term,
}

/// The option files of a case that can be read.
fn files(case: &Case) -> impl Iterator<Item = (&Exhibit, &File)> {
    case.exhibits.iter().filter_map(|exhibit| match &exhibit.document {
        Document::Erlang(file) if file.kind == Kind::InterNode && file.term.is_some() => Some((exhibit, file)),
        _ => None,
    })
}

/// Their sections.
fn sections(case: &Case) -> impl Iterator<Item = Section<'_>> {
    files(case).flat_map(|(exhibit, file)| {
        ["server", "client"].into_iter().filter_map(move |name| Section::of(exhibit, file, name))
    })
}

impl<'c> Section<'c> {
    fn of(exhibit: &'c Exhibit, file: &'c File, name: &'static str) -> Option<Self> {
        file.get(name).map(|options| Self { exhibit, file, name, options })
    }

    fn get(&self, option: &str) -> Option<&'c Term> {
        self.options.get(option)
    }

    fn is(&self, option: &str, value: &str) -> bool {
        self.get(option).and_then(Term::atom) == Some(value)
    }

    /// The other one of the same file.
    fn other(&self) -> Option<Self> {
        Self::of(self.exhibit, self.file, if self.name == "server" { "client" } else { "server" })
    }

    /// The versions of TLS that it names; `None` where it leaves them to Erlang.
    fn versions(&self) -> Option<Vec<&'c str>> {
        Some(self.get("versions")?.members().iter().filter_map(Term::atom).collect())
    }

    /// Something that stops every link.
    fn stops(&self, at: &Term, severity: Severity, code: &'static str, problem: impl Into<String>) -> Finding {
        Finding::new(severity, code, &self.exhibit.path, problem)
            .line(at.line)
            .cause(CauseId::NodeOptionsSilent)
            .effect(PANG)
    }

    /// Something that works and protects nobody.
    fn leaves_open(&self, code: &'static str, problem: impl Into<String>) -> Finding {
        Finding::new(Severity::Warning, code, &self.exhibit.path, problem)
            .line(self.options.line)
            .cause(CauseId::HostNotChecked)
            .effect("the nodes link, and whoever knows the Erlang cookie and reaches the port is let in, or can pose as a node")
    }
}

/// The releases of Erlang that the files may meet: those up to OTP 25, and those from OTP 26 with its new rules.
#[derive(Debug, Clone, Copy)]
struct Erlang {
    old: bool,
    new: bool,
}

impl Erlang {
    fn of(case: &Case) -> Self {
        match case.target {
            None => Self { old: true, new: true },
            Some(Target::Otp(release)) => Self { old: release < 26, new: release >= 26 },
            // 3.12 runs on both.
            Some(Target::RabbitMq(major, minor)) => {
                Self { old: (major, minor) <= (3, 12), new: (major, minor) >= (3, 12) }
            }
        }
    }

    /// How bad it is, and the releases that are meant, where the old ones or the new ones have the trouble; `None` where nobody
    /// meets it.
    fn trouble(self, old: bool, new: bool) -> Option<(Severity, &'static str)> {
        match (old && self.old, new && self.new) {
            (false, false) => None,
            (true, true) => Some((Severity::Error, "every release of Erlang/OTP")),
            (false, true) if old => Some((Severity::Error, "every release of Erlang/OTP")),
            (false, true) => Some((Severity::Error, "Erlang/OTP 26 and later")),
            (true, false) if new => Some((Severity::Error, "every release of Erlang/OTP")),
            (true, false) if self.new => Some((Severity::Warning, "Erlang/OTP 25")),
            (true, false) => Some((Severity::Error, "Erlang/OTP 25")),
        }
    }
}

#[cfg(test)]
mod testing {
    //! Option files as people write them.

    use crate::doctor::{Case, Check, Finding};

    pub(super) const PATHS: &str =
        "{cacertfile, \"/e/ca.pem\"}, {certfile, \"/e/cert.pem\"}, {keyfile, \"/e/key.pem\"}";
    pub(super) const BOTH: &str = "{versions, ['tlsv1.3', 'tlsv1.2']}";

    /// One option file whose sections verify their peers and hold these options too.
    pub(super) fn file(server: &str, client: &str) -> String {
        let more = |options: &str| if options.is_empty() { String::new() } else { format!(",\n    {options}") };
        format!(
            "[\n  {{server, [\n    {PATHS},\n    {{verify, verify_peer}},\n    {{fail_if_no_peer_cert, true}}{}\n  ]}},\n  {{client, \
             [\n    {PATHS},\n    {{verify, verify_peer}}{}\n  ]}}\n].\n",
            more(server),
            more(client)
        )
    }

    pub(super) fn findings(check: Check, text: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        check(&Case::of(&[("inter_node_tls.config", text)]), &mut findings);
        findings
    }

    pub(super) fn codes(check: Check, text: &str) -> Vec<&'static str> {
        findings(check, text).iter().map(|finding| finding.code).collect()
    }
}
