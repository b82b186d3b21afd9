//! Everything that is not a function of a command's arguments: streams, clock, terminal, environment, who is calling.
//!
//! It is read once, in `main`, and handed down. Tests hand down another one, and then nothing of the machine leaks in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ui::{self, Colour};

/// The world of one run of certgen.
pub struct Env {
    /// Directory that relative paths start from.
    pub cwd: PathBuf,
    /// The PKI directory: `--pki`, `$CERTGEN_PKI` or `./pki`.
    pub pki: PathBuf,
    /// The clock of the command: `--at`, or the real time. Whole seconds, UTC.
    pub now: OffsetDateTime,
    /// The machine's clock, which events record too when it differs from [`Env::now`].
    pub real_now: OffsetDateTime,
    /// Who did it, for the log: `--actor`, `$CERTGEN_ACTOR`, else `user@host`.
    pub actor: String,
    /// Print facts as JSON.
    pub json: bool,
    /// Say nothing on standard error but errors.
    pub quiet: bool,
    /// Questions may be asked: both ends are a terminal, `--no-input` is absent and `CI` is not set.
    pub interactive: bool,
    /// Whether standard output may carry colour.
    pub colour: Colour,
    /// `$CERTGEN_PASSPHRASE`, taken once.
    pub passphrase: Option<Zeroizing<String>>,
    /// The machine's host name, for the default profile and the actor.
    pub host_name: String,
    variables: BTreeMap<String, OsString>,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
}

/// The global flags, as they were typed.
#[derive(Debug, Clone, Default)]
pub struct GlobalFlags {
    /// `--pki`
    pub pki: Option<PathBuf>,
    /// `--at`
    pub at: Option<String>,
    /// `--actor`
    pub actor: Option<String>,
    /// `--json`
    pub json: bool,
    /// `--quiet`
    pub quiet: bool,
    /// `--no-input`
    pub no_input: bool,
    /// `--color`
    pub colour: Colour,
}

impl Env {
    /// The real world.
    ///
    /// # Errors
    /// A wrong `--at`, or a working directory that is gone.
    pub fn from_process(flags: &GlobalFlags) -> Result<Self> {
        let vars: BTreeMap<String, OsString> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v))).collect();
        let text = |name: &str| vars.get(name).and_then(|v| v.to_str()).filter(|v| !v.is_empty()).map(str::to_owned);
        let cwd = std::env::current_dir()
            .map_err(|e| Error::failed(format!("finding the working directory: {}", crate::error::io_reason(&e))))?;
        let pki = match (&flags.pki, vars.get("CERTGEN_PKI").filter(|v| !v.is_empty())) {
            (Some(dir), _) => dir.clone(),
            (None, Some(dir)) => PathBuf::from(dir),
            (None, None) => PathBuf::from("pki"),
        };
        if pki.as_os_str().is_empty() {
            return Err(Error::usage("--pki is empty").hint("name a directory: --pki DIR"));
        }
        let real_now = whole_seconds(OffsetDateTime::now_utc());
        let now = match &flags.at {
            Some(at) => parse_time(at, "--at")?,
            None => real_now,
        };
        let user_at_host = crate::store::user_at_host();
        let host_name = user_at_host.rsplit('@').next().unwrap_or_default().to_owned();
        let actor = flags.actor.clone().or_else(|| text("CERTGEN_ACTOR")).unwrap_or(user_at_host);
        let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        Ok(Self {
            pki: cwd.join(pki),
            cwd,
            now,
            real_now,
            actor,
            json: flags.json,
            quiet: flags.quiet,
            interactive: terminal && !flags.no_input && text("CI").is_none(),
            colour: flags.colour.resolve(std::io::stdout().is_terminal() && text("NO_COLOR").is_none()),
            passphrase: text("CERTGEN_PASSPHRASE").map(Zeroizing::new),
            host_name,
            variables: vars,
            out: Box::new(std::io::BufWriter::new(std::io::stdout())),
            err: Box::new(std::io::stderr()),
        })
    }

    /// A variable of the environment, for `tls-gen`, whose interface they are. One that is empty is none.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn variable(&self, name: &str) -> Result<Option<Zeroizing<String>>> {
        let Some(value) = self.variables.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let text = value.to_str().map(|text| Zeroizing::new(text.to_owned()));
        text.map(Some).ok_or_else(|| Error::usage(format!("the environment's {name} is not UTF-8 text")))
    }

    /// True when `--at` moved the clock.
    pub fn clock_is_set(&self) -> bool {
        self.now != self.real_now
    }

    /// Reads the clock again, for a command that stays. `--at` stands still.
    pub fn tick(&mut self) {
        let moved = self.clock_is_set();
        self.real_now = whole_seconds(OffsetDateTime::now_utc());
        if !moved {
            self.now = self.real_now;
        }
    }

    /// Where this program is, for whoever starts it without a search path.
    pub fn program() -> String {
        std::env::current_exe().map_or_else(|_| "certgen".to_owned(), |path| path.to_string_lossy().into_owned())
    }

    /// A child process that knows none of our secrets; what it prints is talk, not data.
    pub fn child(program: &str) -> std::process::Command {
        let mut child = std::process::Command::new(program);
        child.env_remove("CERTGEN_PASSPHRASE").stdin(std::process::Stdio::null()).stdout(std::io::stderr());
        child
    }

    /// Standard output: data.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// One sentence on standard error, unless `--quiet`.
    pub fn say(&mut self, sentence: impl std::fmt::Display) {
        if !self.quiet {
            self.keep_order();
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(self.err, "{sentence}");
        }
    }

    /// A warning on standard error: also with `--quiet`, because it is about what was just done.
    pub fn warn(&mut self, sentence: impl std::fmt::Display) {
        self.keep_order();
        let _ = writeln!(self.err, "certgen: warning: {sentence}");
    }

    /// What was printed before stands before what is said now. A failure stays in the buffer and shows itself at the end.
    fn keep_order(&mut self) {
        let _ = self.out.flush();
    }

    /// Prints an error with its hints.
    pub fn report(&mut self, error: &Error) {
        ui::report(&mut *self.err, error);
    }

    /// Flushes standard output: a full disk shows itself here at the latest.
    ///
    /// # Errors
    /// The write that failed.
    pub fn finish(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// A path as somebody typed it, from the working directory on; `-` stays what it is.
    pub fn typed(&self, path: &Path) -> PathBuf {
        if path == Path::new("-") { path.to_owned() } else { self.cwd.join(path) }
    }

    /// `path` seen from the working directory, for messages and for commands to type.
    pub fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(&self.cwd).ok().filter(|p| !p.as_os_str().is_empty()).unwrap_or(path)
    }
}

/// A time as RFC 3339 text; a bare date means its midnight UTC.
///
/// # Errors
/// Text that is neither, named with the flag that carried it.
pub fn parse_time(text: &str, flag: &str) -> Result<OffsetDateTime> {
    let full = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    OffsetDateTime::parse(&full, &Rfc3339)
        .ok()
        .and_then(|t| t.checked_to_offset(time::UtcOffset::UTC))
        .map(whole_seconds)
        .filter(|t| (1950..=9999).contains(&t.year()))
        .ok_or_else(|| {
            Error::usage(format!("{flag}: {} is not a time of the years 1950 to 9999", ui::quote(text)))
                .hint("write it like 2026-03-01T12:00:00Z or 2026-03-01")
        })
}

fn whole_seconds(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_nanosecond(0).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_whole_seconds() {
        let t = parse_time("2026-03-01T12:00:00.75+02:00", "--at").unwrap();
        assert_eq!(t.format(&Rfc3339).unwrap(), "2026-03-01T10:00:00Z");
        assert_eq!(parse_time("2026-03-01", "--at").unwrap().format(&Rfc3339).unwrap(), "2026-03-01T00:00:00Z");
        for bad in ["", "yesterday", "2026-13-01", "1949-12-31", "0000-01-01T00:00:00Z", "2026-03-0é"] {
            assert_eq!(parse_time(bad, "--at").unwrap_err().exit_code(), 2, "{bad}");
        }
    }
}
