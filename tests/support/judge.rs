//! Programs that know better than we do. An absent one is a failure with its name, never a silent pass.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{TempDir, cache};

/// What timeout(1) says when it had to end a command.
const TIMED_OUT: i32 = 124;

/// What a judge said.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

impl Verdict {
    /// The text, when the judge was content.
    #[track_caller]
    pub(crate) fn accepted(&self) -> &str {
        assert!(self.ok, "the judge refused:\n{}", self.text);
        &self.text
    }
}

/// Runs `openssl` with these arguments.
#[track_caller]
pub(crate) fn openssl<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Verdict {
    run("openssl", args)
}

/// Runs GnuTLS's `certtool`.
#[track_caller]
pub(crate) fn certtool<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Verdict {
    run("certtool", args)
}

/// Evaluates an Erlang expression.
#[track_caller]
pub(crate) fn erl(expression: &str) -> Verdict {
    run("erl", ["-noshell", "-eval", expression, "-s", "init", "stop"])
}

/// Runs a script below `tests/` with the Python that has the client libraries.
#[track_caller]
pub(crate) fn python<S: AsRef<std::ffi::OsStr>>(script: &str, args: impl IntoIterator<Item = S>) -> Verdict {
    let mut command = Command::new(cache::need("venv").join("bin/python"));
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script)).args(args);
    judge(command, "python")
}

#[track_caller]
fn run<S: AsRef<std::ffi::OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Verdict {
    let mut command = Command::new(program);
    command.args(args);
    judge(command, program)
}

#[track_caller]
pub(crate) fn judge(mut command: Command, name: &str) -> Verdict {
    // Into files: a grandchild that outlives its time limit would hold a pipe open, and us with it.
    let said = TempDir::new();
    let file = |name: &str| fs::File::create(said.path().join(name)).expect("a directory of ours is writable");
    command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
    let text = |name: &str| String::from_utf8_lossy(&fs::read(said.path().join(name)).unwrap_or_default()).into_owned();
    match command.status() {
        Ok(status) if status.code() == Some(TIMED_OUT) => {
            Verdict { ok: false, text: format!("{name} did not end in time\n{}{}", text("out"), text("err")) }
        }
        Ok(status) => Verdict { ok: status.success(), text: text("out") + &text("err") },
        Err(e) => panic!("the judge `{name}` cannot run ({e}): `tests/run --install` brings it"),
    }
}
