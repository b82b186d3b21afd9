//! Lines of shell in a world, with `certgen` on the path and nothing of the machine's own configuration.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::World;
use crate::support::world::CERTGEN;

/// A world with a `bin/` of its own beside it.
#[derive(Debug)]
pub(super) struct Shell {
    pub(super) world: World,
    bin: World,
}

/// How a line of shell ended and what it printed, standard error included.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) text: String,
}

impl Shell {
    pub(super) fn new() -> Self {
        let bin = World::new();
        symlink(CERTGEN, bin.path("certgen")).expect("a world is writable");
        Self { world: World::new(), bin }
    }

    /// Puts a program of this test before the machine's own.
    pub(super) fn stub(&self, name: &str, script: &str) {
        let path = self.bin.write(name, format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("a world is writable");
    }

    pub(super) fn directory(&self) -> PathBuf {
        self.world.path("")
    }

    /// Runs one line with bash, both streams in the order in which a terminal would show them.
    pub(super) fn run(&self, line: &str) -> Said {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.bin.path("").display());
        let done = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{line}")])
            .current_dir(self.directory())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.directory())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("CERTGEN_ACTOR", "anna@rabbit.example.com")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("running bash: {e}"));
        Said { code: done.status.code(), text: String::from_utf8_lossy(&done.stdout).into_owned() }
    }

    /// Runs a line that must work.
    #[track_caller]
    pub(super) fn prepare(&self, line: &str) {
        let said = self.run(line);
        assert!(said.code == Some(0), "$ {line}\n{}", said.text);
    }
}
