//! Clients that go on by themselves while a test changes the files under them.

use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::World;
use crate::support::broker::{Checks, Host};

const PATIENCE: Duration = Duration::from_secs(60);

/// One of them. It reports to a file.
pub(super) struct Load {
    name: String,
    report: PathBuf,
    child: Child,
}

impl Load {
    /// Starts a script of `clients/`, whose last argument is the file to report to.
    pub(super) fn start(world: &World, on: &Host, name: &str, script: &str, args: &[&str]) -> Self {
        let report = world.path(format!("{name}.json"));
        let args = args.iter().map(|arg| (*arg).to_owned()).chain([report.display().to_string()]);
        Self { name: name.to_owned(), child: on.start_python(script, args), report }
    }

    /// What it reported last.
    pub(super) fn told(&self) -> Value {
        fs::read(&self.report).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// How often it succeeded.
    pub(super) fn done(&self) -> u64 {
        self.told()["done"].as_u64().unwrap_or(0)
    }

    /// What went wrong, as the client's library says it.
    pub(super) fn failures(&self) -> String {
        let told = self.told();
        let failed = told["failed"].as_array().into_iter().flatten();
        failed.map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// Waits until something holds for it; `false` where that takes too long.
    pub(super) fn wait_until(&self, holds: impl Fn(&Self) -> bool) -> bool {
        let started = Instant::now();
        while !holds(self) {
            if started.elapsed() > PATIENCE {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        true
    }

    /// Lets it come to its end, and says what it reported.
    pub(super) fn end(&mut self) -> Value {
        fs::write(self.report.with_extension("json.stop"), "").expect("a world is writable");
        let mut ended = || self.child.try_wait().expect("a child of ours can be waited for").is_some();
        let started = Instant::now();
        while !ended() && started.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
        if !ended() {
            self.child.kill().expect("a child of ours can be ended");
            panic!("{} did not come to its end; it told {}", self.name, self.told());
        }
        println!("{}: {}", self.name, self.told());
        self.told()
    }
}

/// How far each of `loads` is.
pub(super) fn counts(loads: &[Load]) -> Vec<u64> {
    loads.iter().map(Load::done).collect()
}

/// Each of `loads` must succeed `wanted` times more than in `from`, and never fail.
pub(super) fn enough(loads: &[Load], from: &[u64], wanted: u64, phase: &str, checks: &mut Checks) {
    for (load, from) in loads.iter().zip(from) {
        let enough = load.wait_until(|load| load.done() >= from + wanted);
        let (done, failures) = (load.done() - from, load.failures());
        let statement = format!("{phase}: {} succeeded {done} times and never failed", load.name);
        checks.that(&statement, enough && failures.is_empty(), &failures);
    }
}
