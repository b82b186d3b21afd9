//! Which row of the table of faults is seen by which command.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::bench::{Bench, Said, keep};
use crate::support::broker::Version;
use Command::{Doctor, Explain, Probe};

/// Who looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Probe,
    Doctor,
    Explain,
}

/// A row of the table, or one kind of the fault that it tells of.
struct Row {
    /// `D1 self-signed`: the row, and the kind where there is more than one.
    id: &'static str,
    /// What the fault is called; where nobody could tell two apart, both.
    causes: &'static [&'static str],
    /// Who should find it.
    by: &'static [Command],
    /// Erlang 25 does not mind.
    only_on_4: bool,
}

const fn row(id: &'static str, by: &'static [Command], causes: &'static [&'static str]) -> Row {
    Row { id, causes, by, only_on_4: false }
}

const fn from_4(id: &'static str, by: &'static [Command], causes: &'static [&'static str]) -> Row {
    Row { id, causes, by, only_on_4: true }
}

const ALL: &[Command] = &[Probe, Doctor, Explain];
const WIRE: &[Command] = &[Probe, Explain];
const FILES: &[Command] = &[Doctor, Explain];

const ROWS: &[Row] = &[
    // The pair is the node's too, and as that doctor tells of it.
    row("D1 another authority", ALL, &["server-ca-unknown", "node-ca-unknown"]),
    row("D1 self-signed", ALL, &["server-self-signed"]),
    // Nobody who sees the leaf alone can tell.
    row("D1 no intermediate", ALL, &["server-chain-incomplete", "server-ca-unknown", "node-ca-unknown"]),
    row("D1 same name", ALL, &["authority-same-name"]),
    row("D1 device", &[Explain], &["server-ca-unknown"]),
    row("D2 another authority", ALL, &["client-ca-unknown"]),
    row("D2 no intermediate", ALL, &["client-chain-incomplete", "client-ca-unknown"]),
    row("D2 self-signed", ALL, &["client-ca-unknown"]),
    row("D3 another name", WIRE, &["server-name-mismatch"]),
    // OpenSSL, Node.js and Java still take it; Erlang, Go and browsers do not.
    row("D3 common name alone", &[Probe, Doctor], &["server-name-only-in-common-name"]),
    row("D3 address", WIRE, &["server-name-mismatch"]),
    row("D4 no such user", ALL, &["user-unknown"]),
    row("D4b", ALL, &["login-name-distinguished"]),
    row("D4c", ALL, &["login-name-missing"]),
    row("D4d", ALL, &["certificate-not-asked"]),
    row("D4e not chosen", &[Explain], &["mechanism-not-chosen"]),
    row("D4e not offered", ALL, &["mechanism-not-offered"]),
    row("D4f missing", WIRE, &["vhost-missing"]),
    row("D4f refused", WIRE, &["vhost-refused"]),
    row("D5", FILES, &["file-unreadable"]),
    row("D6", ALL, &["key-password-wrong"]),
    row("D7", ALL, &["key-mismatch"]),
    row("D8 expired", ALL, &["server-expired"]),
    row("D8 not yet valid", ALL, &["server-not-yet-valid"]),
    row("D9 expired", ALL, &["client-expired"]),
    row("D9 not yet valid", ALL, &["client-not-yet-valid"]),
    row("D10", ALL, &["client-purpose"]),
    row("D11", ALL, &["server-purpose"]),
    row("D12", WIRE, &["client-missing"]),
    row("D13 AMQP", &[Explain], &["plain-client-on-tls"]),
    row("D13 HTTP", &[Explain], &["plain-client-on-tls"]),
    row("D14", WIRE, &["tls-client-on-plain"]),
    row("D15", &[Explain], &["version-too-old"]),
    // The broker does not show it at all.
    row("D16", FILES, &["hash-too-weak"]),
    row("D17", ALL, &["key-too-weak"]),
    row("D18", ALL, &["form-too-old"]),
    row("D19 wildcard", FILES, &["node-wildcard"]),
    row("D19 name", WIRE, &["node-name-mismatch"]),
    row("D20", ALL, &["node-ca-unknown"]),
    row("D21", ALL, &["management-asks-certificate"]),
    row("D22", FILES, &["node-tools-plain"]),
    from_4("D23", FILES, &["node-options-silent"]),
    row("D24", ALL, &["node-purpose"]),
    from_4("D25", FILES, &["link-without-ca"]),
    row("D26", FILES, &["administrator-missing"]),
    row("D27", &[Probe], &["stale-certificate"]),
    row("D28", FILES, &["setting-unknown"]),
];

/// Where the broker logs nothing: what stands in its log is about something else.
const SILENT: [&str; 2] = ["D6", "D26"];

/// What is known not to be found, and why.
const MISSING: &[(&str, Command, &str)] = &[];

/// What a numbered row may be missing at most.
const MOST_MISSING: usize = 2;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    cells: Vec<(&'static str, Command, Result<(), String>)>,
    alarms: Vec<String>,
}

impl Matrix {
    /// Whether the row is in this run: all of them, but for those who work on a few.
    pub(super) fn wants(&self, row: &str) -> bool {
        let Ok(only) = std::env::var("CERTGEN_ROWS") else { return true };
        only.split(',').any(|wanted| row == wanted || row.starts_with(&format!("{wanted} ")))
    }

    /// Something was said about what is healthy.
    pub(super) fn alarm(&mut self, what: String) {
        println!("FALSE ALARM {what}");
        self.alarms.push(what);
    }

    fn add(&mut self, row: &'static str, command: Command, problem: Vec<String>) {
        let found = if problem.is_empty() { Ok(()) } else { Err(problem.join("\n")) };
        self.cells.push((row, command, found));
    }

    fn cell(&self, row: &str, command: Command) -> Option<&Result<(), String>> {
        self.cells.iter().find(|(id, by, _)| *id == row && *by == command).map(|(_, _, found)| found)
    }

    /// Prints the matrix, and fails where a cell that should be yes is no.
    #[track_caller]
    pub(super) fn finish(&self, version: Version) {
        println!("\n{:24} {:9} {:9} {:9}   {version:?}", "row", "probe", "doctor", "explain");
        let mut wrong = self.alarms.clone();
        let mut missing = BTreeSet::new();
        for row in ROWS.iter().filter(|row| self.wants(row.id)) {
            let here = !row.only_on_4 || version == Version::V4;
            let mut line = format!("{:24}", row.id);
            for command in ALL.iter().copied() {
                let (should, found) = (here && row.by.contains(&command), self.cell(row.id, command));
                let excused = here && MISSING.iter().any(|(id, by, _)| *id == row.id && *by == command);
                let word = match (should, found) {
                    (_, Some(Ok(()))) => "found",
                    (false, _) => "-",
                    (true, _) if excused => "missing",
                    (true, _) => "NO",
                };
                line += &format!(" {word:9}");
                match (word, found) {
                    ("NO", Some(Err(why))) => wrong.push(format!("{} {command:?}: {why}", row.id)),
                    ("NO", _) => wrong.push(format!("{} {command:?}: was not asked", row.id)),
                    ("found", _) if excused => wrong.push(format!("{} {command:?} is found now: take it out", row.id)),
                    _ => {}
                }
                if excused {
                    missing.insert(row.id.split([' ', 'b', 'c', 'd', 'e', 'f']).next());
                }
            }
            println!("{}", line.trim_end());
        }
        assert!(missing.len() <= MOST_MISSING, "too much is missing: {missing:?}");
        assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}

impl Bench {
    /// Asks the three commands about the fault of a row.
    pub(super) fn judge(
        &mut self,
        id: &'static str,
        said: &Said,
        probe: Option<&[String]>,
        doctor: Option<&[PathBuf]>,
    ) {
        keep(self.version, id, said);
        let row = ROWS.iter().find(|row| row.id == id).unwrap_or_else(|| panic!("{id} is in the table"));
        if let Some(args) = probe {
            let answer = self.probe(args);
            let seen = mentions(&answer.text, row.causes);
            self.matrix.add(id, Probe, if seen { vec![] } else { vec![answer.text] });
        }
        if let Some(beside) = doctor {
            let answer = self.doctor(beside);
            let seen = mentions(&answer.text, row.causes);
            self.matrix.add(id, Doctor, if seen { vec![] } else { vec![answer.text] });
        }
        let mut deaf = Vec::new();
        let logged = !SILENT.contains(&id) && speaks(&said.log);
        let alerts = if logged { said.alerts() } else { Vec::new() };
        let texts = said.texts.iter().map(|(_, text)| text).chain(&alerts);
        for text in texts.collect::<BTreeSet<_>>() {
            let answer = self.explain(text);
            if !mentions(&answer, row.causes) {
                deaf.push(format!("{text}\n  -> {}", causes(&answer)));
            }
        }
        let log = self.explain_log(&said.log);
        if row.by.contains(&Explain) && logged && !mentions(&log, row.causes) {
            deaf.push(format!("the log\n{}\n  -> {}", said.log, causes(&log)));
        }
        // Nobody said a word: there is nothing to explain.
        if !said.texts.is_empty() || logged {
            self.matrix.add(id, Explain, deaf);
        }
        println!("{id} is done");
    }
}

/// Whether the broker complains in it.
fn speaks(log: &str) -> bool {
    log.contains("ALERT: Fatal") || log.contains("[error]")
}

/// Whether one of the words stands in the JSON as a cause.
fn mentions(json: &str, words: &[&str]) -> bool {
    words
        .iter()
        .any(|word| json.contains(&format!("\"cause\": \"{word}\"")) || json.contains(&format!("\"cause\":\"{word}\"")))
}

/// All the causes in it, for whoever reads the failure.
fn causes(json: &str) -> String {
    let words = json.split("\"cause\"").skip(1).filter_map(|rest| rest.split('"').nth(1));
    let all: Vec<_> = words.collect();
    if all.is_empty() { json.trim().to_owned() } else { all.join(", ") }
}
