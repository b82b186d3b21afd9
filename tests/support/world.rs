//! The world of one test and the commands run in it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::TempDir;
use super::redact::{diff, redact};

/// The program under test, as cargo built it for this run.
pub(crate) const CERTGEN: &str = env!("CARGO_BIN_EXE_certgen");

/// How long a refusal may take: the promise is about the program that people get, not about an unoptimized one.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 6 } else { 2 });

/// An empty directory with a `pki/` to be.
#[derive(Debug)]
pub(crate) struct World {
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { directory: TempDir::new() }
    }

    /// A world in which `certgen init` has run with these arguments.
    #[track_caller]
    pub(crate) fn initialised<const N: usize>(args: [&str; N]) -> Self {
        let world = Self::new();
        let init = std::iter::once("init").chain(args);
        world.certgen(init).run().success();
        world
    }

    /// Another world with everything that this one has.
    #[track_caller]
    pub(crate) fn copy(&self) -> Self {
        let other = Self::new();
        let done = Command::new("cp").arg("-a").arg(self.path(".")).arg(other.path("")).status();
        assert!(done.is_ok_and(|status| status.success()), "copying {}", self.path("").display());
        other
    }

    /// A path in this world.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// A path in its `pki/`.
    pub(crate) fn pki(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join("pki").join(relative)
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a world is writable");
        fs::write(&path, bytes).expect("a world is writable");
        path
    }

    #[track_caller]
    pub(crate) fn read(&self, relative: impl AsRef<Path>) -> String {
        let path = self.path(relative);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("reading {}: {e}", path.display()))
    }

    /// A command to be run with `certgen`.
    pub(crate) fn certgen<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Run<'_> {
        Run {
            world: self,
            args: args.into_iter().map(|a| a.as_ref().to_owned()).collect(),
            environment: Vec::new(),
            prefix: Vec::new(),
            stdin: Vec::new(),
            stdout: None,
        }
    }
}

/// One command line, before it runs.
#[derive(Debug)]
#[must_use]
pub(crate) struct Run<'w> {
    world: &'w World,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    prefix: Vec<OsString>,
    stdin: Vec<u8>,
    stdout: Option<Stdio>,
}

impl Run<'_> {
    /// The clock of the command.
    pub(crate) fn at(mut self, time: &str) -> Self {
        self.args.splice(0..0, ["--at".into(), time.into()]);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_owned();
        self
    }

    /// Where standard output goes instead of into the transcript.
    pub(crate) fn stdout(mut self, to: Stdio) -> Self {
        self.stdout = Some(to);
        self
    }

    /// Runs under another program: `strace`, `faketime`, `setpriv` ...
    pub(crate) fn under<S: AsRef<OsStr>>(mut self, prefix: impl IntoIterator<Item = S>) -> Self {
        self.prefix.splice(0..0, prefix.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Runs after a line of shell, such as `umask 000` or `ulimit -v 300000`.
    pub(crate) fn after_shell(self, line: &str) -> Self {
        let script = format!("{line}; exec \"$@\"");
        self.under(["sh", "-c", &script, "sh"])
    }

    /// Runs as on a machine of this name (needs the right to make a namespace).
    pub(crate) fn on_host(self, name: &str) -> Self {
        let script = format!("hostname {name}; exec \"$@\"");
        self.under(["unshare", "--uts", "sh", "-c", &script, "sh"])
    }

    fn command(&self) -> Command {
        let mut words: Vec<&OsStr> = self.prefix.iter().map(OsString::as_os_str).collect();
        words.push(OsStr::new(CERTGEN));
        words.extend(self.args.iter().map(OsString::as_os_str));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.world.directory.path());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").env("CERTGEN_ACTOR", "tester@example");
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Starts it and does not wait. Its output is dropped.
    #[track_caller]
    pub(crate) fn start(self) -> Child {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap_or_else(|e| panic!("starting {command:?}: {e}"))
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(mut self) -> Output {
        let mut command = self.command();
        let taken = self.stdout.take();
        command.stdin(if self.stdin.is_empty() { Stdio::null() } else { Stdio::piped() });
        command.stdout(taken.unwrap_or_else(Stdio::piped)).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().unwrap_or_else(|e| panic!("starting {command:?}: {e}"));
        drop(command);
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = std::mem::take(&mut self.stdin);
            // A command that does not want its input closes it: that is its right.
            std::thread::spawn(move || pipe.write_all(&bytes));
        }
        let done = child.wait_with_output().expect("a child of ours can be waited for");
        let transcript = std::iter::once(OsStr::new("certgen")).chain(self.args.iter().map(OsString::as_os_str));
        Output {
            line: transcript.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" "),
            directory: self.world.directory.path().display().to_string(),
            code: done.status.code(),
            status: done.status.to_string(),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
            took: started.elapsed(),
        }
    }
}

/// What a command did.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    line: String,
    directory: String,
    status: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Output {
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    /// Ended with this exit code, and without a panic.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        let output = self.sane();
        assert!(output.code == Some(wanted), "wanted exit code {wanted}\n{}", output.transcript());
        output
    }

    /// Refused: exit code 1, 2 or 3, a message that begins as ours do, no panic, within [`PATIENCE`].
    #[track_caller]
    pub(crate) fn refused(self) -> Self {
        let output = self.sane();
        assert!(matches!(output.code, Some(1..=3)), "wanted a refusal\n{}", output.transcript());
        let says = output.stderr.contains("error: ") || output.code == Some(3);
        assert!(says, "wanted an error message\n{}", output.transcript());
        assert!(output.took < PATIENCE, "took {:?}\n{}", output.took, output.transcript());
        output
    }

    /// Never a panic, never death by a signal that we did not send.
    #[track_caller]
    pub(crate) fn sane(self) -> Self {
        let panicked = self.code == Some(101) || self.code.is_none() || self.stderr.contains("panicked at");
        assert!(!panicked, "it crashed\n{}", self.transcript());
        self
    }

    #[track_caller]
    pub(crate) fn stdout_is(self, wanted: &str) -> Self {
        let found = redact(&self.stdout, &self.directory);
        assert!(found == wanted, "stdout differs\n{}\n{}", diff(wanted, &found), self.transcript());
        self
    }

    #[track_caller]
    pub(crate) fn stderr_is(self, wanted: &str) -> Self {
        let found = redact(&self.stderr, &self.directory);
        assert!(found == wanted, "stderr differs\n{}\n{}", diff(wanted, &found), self.transcript());
        self
    }

    #[track_caller]
    pub(crate) fn stdout_has(self, wanted: &str) -> Self {
        assert!(self.stdout.contains(wanted), "stdout lacks {wanted:?}\n{}", self.transcript());
        self
    }

    #[track_caller]
    pub(crate) fn stderr_has(self, wanted: &str) -> Self {
        assert!(self.stderr.contains(wanted), "stderr lacks {wanted:?}\n{}", self.transcript());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON: {e}\n{}", self.transcript()))
    }

    pub(crate) fn transcript(&self) -> String {
        format!("$ {}\n({})\n--- stdout\n{}--- stderr\n{}", self.line, self.status, self.stdout, self.stderr)
    }
}
