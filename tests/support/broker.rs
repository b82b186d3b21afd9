//! Real brokers, each on a host of its own: network, file system, host name and processes apart from the machine's, so
//! that the standard ports and the paths `/etc/rabbitmq` and `/etc/rabbitmq/certs` work as an operator has them, and
//! what `certgen` wrote is used byte for byte.
//!
//! A host lives as long as its [`Host`]: when the test ends, however it ends, a pipe closes, the first process of the
//! host goes, and the kernel takes broker, epmd, mounts and network with it (see `host.sh`).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::judge::Verdict;
use super::{TempDir, cache};

/// A broker takes a core to boot: one test with brokers at a time.
static BROKERS: Mutex<()> = Mutex::new(());

const BOOT_LIMIT: Duration = Duration::from_secs(90);
const COMMAND_LIMIT: &str = "60";

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// RabbitMQ 3.10 on Erlang/OTP 25, the machine's own.
    V3_10,
    /// RabbitMQ 4.x on Erlang/OTP 27, in a root of Debian 13.
    V4,
}

impl Version {
    fn root(self) -> PathBuf {
        match self {
            Self::V3_10 => {
                assert!(
                    Path::new("/usr/sbin/rabbitmq-server").exists(),
                    "rabbitmq-server is missing: `tests/run --install` brings it"
                );
                "/".into()
            }
            Self::V4 => cache::need("trixie"),
        }
    }
}

/// Hosts on one wire. Hold it as long as its hosts.
#[derive(Debug)]
pub(crate) struct Lab {
    hosts: Vec<Host>,
    _switch: Option<Host>,
    _turn: MutexGuard<'static, ()>,
}

impl Lab {
    /// One host called `name`, which is also `localhost`.
    pub(crate) fn single(version: Version, name: &str, etc: &Etc) -> Self {
        let turn = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = format!("127.0.0.1 localhost {name}\n::1 localhost {name}\n");
        let host = Host::boot(version, name, &hosts, etc);
        Self { hosts: vec![host], _switch: None, _turn: turn }
    }

    /// One host for each name, with addresses of its own; each reaches the others by their full and first names.
    pub(crate) fn cluster(version: Version, hosts: &[(&str, Etc)]) -> Self {
        let hosts: Vec<_> = hosts.iter().map(|(name, etc)| (version, *name, etc.clone())).collect();
        Self::mixed(&hosts)
    }

    /// The same with a version for each.
    pub(crate) fn mixed(hosts: &[(Version, &str, Etc)]) -> Self {
        let turn = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
        let address = |i: usize| format!("10.99.0.{}", i + 1);
        let mut file = String::from("127.0.0.1 localhost\n::1 localhost\n");
        for (i, (_, name, _)) in hosts.iter().enumerate() {
            let first = name.split('.').next().unwrap_or(name);
            file += &format!("{} {name} {first}\n", address(i));
        }
        let switch = Host::boot(hosts[0].0, "switch", &file, &Etc::default());
        switch.net("ip link add br0 type bridge && ip link set br0 up");
        let mut booted = Vec::new();
        for (i, (version, name, etc)) in hosts.iter().enumerate() {
            let host = Host::boot(*version, name, &file, etc);
            switch.net(&format!(
                "ip link add port{i} type veth peer name eth0 netns {} && ip link set port{i} master br0 up",
                host.pid
            ));
            host.net(&format!("ip address add {}/24 dev eth0 && ip link set eth0 up", address(i)));
            booted.push(host);
        }
        Self { hosts: booted, _switch: Some(switch), _turn: turn }
    }

    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Starts the brokers on the first hosts. Those of 3.10 join one after another, because it sometimes hangs in its boot where
    /// several form a cluster at the same moment; those of 4.x all at once, because each waits for the others.
    #[track_caller]
    pub(crate) fn form_cluster(&self, brokers: usize) {
        let brokers = &self.hosts[..brokers];
        match brokers[0].version {
            Version::V3_10 => brokers.iter().for_each(Host::boot_broker),
            Version::V4 => {
                brokers.iter().for_each(Host::launch);
                brokers.iter().for_each(Host::await_boot);
            }
        }
    }

    /// The only host, or the first.
    pub(crate) fn host(&self) -> &Host {
        &self.hosts[0]
    }
}

/// What goes to `/etc/rabbitmq`: directories and files, each with the place it takes; below `/` where that begins with a
/// slash (nothing outside `/etc`).
#[derive(Debug, Default, Clone)]
pub(crate) struct Etc {
    parts: Vec<(PathBuf, String)>,
    variables: Vec<(String, String)>,
}

impl Etc {
    /// `rabbitmq/` of a PKI as it stands, and one identity's directory as `certs`: what the documentation tells an
    /// operator to copy.
    pub(crate) fn of_pki(pki: &Path, identity: &str) -> Self {
        Self::default().with(pki.join("rabbitmq"), "").with(pki.join(identity), "certs")
    }

    pub(crate) fn with(mut self, from: impl Into<PathBuf>, to: &str) -> Self {
        self.parts.push((from.into(), to.to_owned()));
        self
    }

    /// In the environment of the broker and of its tools, as a container has it.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn lay_out(&self, stage: &Path) {
        for (from, to) in &self.parts {
            let to = match to.strip_prefix('/') {
                Some(below_root) => stage.join("files").join(below_root),
                None => stage.join("etc").join(to),
            };
            fs::create_dir_all(if from.is_dir() { &to } else { to.parent().expect("below etc") })
                .expect("a stage is writable");
            let source = if from.is_dir() { from.join(".") } else { from.clone() };
            let done = Command::new("cp").args(["-R", "--preserve=mode"]).arg(&source).arg(&to).status();
            assert!(done.is_ok_and(|s| s.success()), "copying {} to the broker", source.display());
        }
    }
}

/// A machine of its own, as far as its processes can tell.
#[derive(Debug)]
pub(crate) struct Host {
    version: Version,
    name: String,
    init: Child,
    pid: u32,
    /// The broker's file system, seen from the machine's root inside the host.
    root: PathBuf,
    variables: Vec<(String, String)>,
    stage: TempDir,
}

impl Host {
    fn boot(version: Version, name: &str, hosts_file: &str, etc: &Etc) -> Self {
        let stage = TempDir::new();
        fs::write(stage.path().join("hosts"), hosts_file).expect("a stage is writable");
        fs::write(stage.path().join("cookie"), "CERTGENTESTCOOKIE").expect("a stage is writable");
        if !etc.parts.is_empty() {
            etc.lay_out(stage.path());
        }
        let root = version.root();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/host.sh");
        let mut init = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"])
            .arg("bash")
            .arg(script)
            .args([root.as_os_str(), stage.path().as_os_str(), name.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("making a test host needs root and unshare(1): {e}"));
        let mut said = String::new();
        let _ = BufReader::new(init.stdout.take().expect("piped")).read_line(&mut said);
        assert_eq!(said, "ready\n", "the test host {name} did not come up (root needed)");
        let children = format!("/proc/{0}/task/{0}/children", init.id());
        let pid = fs::read_to_string(&children).ok().and_then(|c| c.trim().parse().ok());
        let pid = pid.unwrap_or_else(|| panic!("{children} names the first process of the host"));
        let root = if root == Path::new("/") { root } else { stage.path().join("root") };
        Self { version, name: name.to_owned(), init, pid, root, variables: etc.variables.clone(), stage }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The broker's file system, as the machine's programs on this host see it.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Changes the network of the host with the machine's own view of process ids.
    fn net(&self, script: &str) {
        let done = Command::new("nsenter").args(["-t", &self.pid.to_string(), "--net", "sh", "-c", script]).output();
        let done = done.expect("nsenter runs");
        assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
    }

    /// The words that let a command run on this host.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let pid = self.pid.to_string();
        ["nsenter", "-t", &pid, "--net", "--mount", "--uts", "--ipc", "--pid", "--"].map(str::to_owned).to_vec()
    }

    fn inside(&self) -> Command {
        let words = self.entrance();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8");
        command
    }

    /// A command on this host, with the machine's programs: for clients.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.inside();
        command.args(["timeout", "-k", "5", COMMAND_LIMIT, program]);
        command
    }

    fn broker_command(&self, program: &str) -> Command {
        let mut command = self.inside();
        command
            .arg("chroot")
            .arg(&self.root)
            .arg("/bin/sh")
            .arg("-c")
            .arg("ulimit -n 65536 2>/dev/null; exec \"$@\"")
            .arg("sh");
        command.arg(program);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a client on this host.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, program: &str, args: impl IntoIterator<Item = S>) -> Verdict {
        let mut command = self.command(program);
        command.args(args);
        super::judge::judge(command, program)
    }

    /// Runs a script below `tests/interop/clients` with the client libraries of Python.
    pub(crate) fn python<S: AsRef<std::ffi::OsStr>>(&self, script: &str, args: impl IntoIterator<Item = S>) -> Verdict {
        let mut command = self.command(&python().to_string_lossy());
        command.arg("-B").arg(client(script)).args(args);
        super::judge::judge(command, script)
    }

    /// Starts such a script and does not wait. It ends with the host, if not before.
    pub(crate) fn start_python<S: AsRef<std::ffi::OsStr>>(
        &self,
        script: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Child {
        let mut command = self.inside();
        command.arg(python()).arg("-B").arg(client(script)).args(args);
        command.spawn().unwrap_or_else(|e| panic!("starting {script}: {e}"))
    }

    /// Runs one of the broker's own tools as an operator does: `rabbitmqctl`, `rabbitmq-diagnostics`. On a busy machine
    /// Erlang gives up connecting to a node that is up, and an operator tries again.
    pub(crate) fn tool<S: AsRef<std::ffi::OsStr>>(&self, tool: &str, args: impl IntoIterator<Item = S>) -> Verdict {
        let args: Vec<S> = args.into_iter().collect();
        let run = || {
            let mut command = self.broker_command("timeout");
            command.args(["-k", "5", COMMAND_LIMIT, tool]).args(&args);
            super::judge::judge(command, tool)
        };
        let first = run();
        let lost = |said: &str| said.contains("application running") || said.contains("nodedown");
        if first.ok || !lost(&first.text) { first } else { run() }
    }

    /// Runs a command as root in the broker's file system.
    pub(crate) fn shell(&self, script: &str) -> Verdict {
        let mut command = self.broker_command("timeout");
        command.args(["-k", "5", COMMAND_LIMIT, "sh", "-c", script]);
        super::judge::judge(command, "sh")
    }

    /// Puts a file into the broker's file system, readable by the broker alone, in one step.
    #[track_caller]
    pub(crate) fn install(&self, from: &Path, to: &str) {
        let staged = self.root.join(format!("{to}.staged").trim_start_matches('/'));
        let copy =
            self.run("install", ["-D".as_ref(), "-m".as_ref(), "0600".as_ref(), from.as_os_str(), staged.as_os_str()]);
        copy.accepted();
        self.shell(&format!("chown rabbitmq:rabbitmq {to}.staged $(dirname {to}) && mv {to}.staged {to}")).accepted();
    }

    /// Starts the broker without waiting for it.
    #[track_caller]
    pub(crate) fn launch(&self) {
        let out = fs::File::create(self.stage.path().join("startup.log")).expect("a stage is writable");
        let err = out.try_clone().expect("a descriptor can be copied");
        let mut command = self.broker_command("rabbitmq-server");
        command.stdout(out).stderr(err);
        // Its end is read off the log and off its pid file; the namespace reaps it.
        std::mem::drop(command.spawn().expect("the broker's script runs"));
    }

    /// Waits until the broker has said that it is complete.
    #[track_caller]
    pub(crate) fn await_boot(&self) {
        let started = Instant::now();
        loop {
            let console = fs::read_to_string(self.stage.path().join("startup.log")).unwrap_or_default();
            if console.contains("completed with") {
                return;
            }
            let gone = console.contains("BOOT FAILED")
                || console.contains("Crash dump")
                || console.contains("init terminating");
            assert!(
                !gone && started.elapsed() < BOOT_LIMIT,
                "the broker on {} did not boot\n{}",
                self.name,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the broker has given up, and returns what it printed.
    #[track_caller]
    pub(crate) fn await_failure(&self) -> String {
        let started = Instant::now();
        loop {
            let console = fs::read_to_string(self.stage.path().join("startup.log")).unwrap_or_default();
            let gone = console.contains("Crash dump") || console.contains("init terminating");
            if gone || console.contains("BOOT FAILED") && started.elapsed() > Duration::from_secs(8) {
                return console;
            }
            assert!(!console.contains("completed with"), "the broker on {} booted", self.name);
            assert!(started.elapsed() < BOOT_LIMIT, "the broker on {} goes on\n{}", self.name, self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Starts the broker and waits for it.
    #[track_caller]
    pub(crate) fn boot_broker(&self) {
        self.launch();
        self.await_boot();
    }

    /// What the broker printed and logged.
    pub(crate) fn log(&self) -> String {
        let console = fs::read_to_string(self.stage.path().join("startup.log")).unwrap_or_default();
        let log = self.shell("cat /var/log/rabbitmq/*.log 2>/dev/null | tail -n 120");
        format!("--- console\n{console}\n--- log\n{}", log.text)
    }
}

fn python() -> PathBuf {
    cache::need("venv").join("bin/python")
}

fn client(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients").join(script)
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(self.init.stdin.take());
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(5) {
            if self.init.try_wait().is_ok_and(|done| done.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // --kill-child takes the whole process namespace with it.
        let _ = self.init.kill();
        let _ = self.init.wait();
    }
}

/// Several assertions on one broker: all of them run, and the report names each that failed.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    done: usize,
    failed: Vec<String>,
}

impl Checks {
    /// The statement must hold.
    pub(crate) fn holds(&mut self, statement: &str, verdict: &Verdict) {
        self.that(statement, verdict.ok, &verdict.text);
    }

    /// The thing must have been refused, with one of these words in the text.
    pub(crate) fn refused(&mut self, statement: &str, verdict: &Verdict, words: &[&str]) {
        let fits = !verdict.ok && words.iter().any(|w| verdict.text.contains(w));
        self.that(
            statement,
            fits,
            &format!("wanted a refusal with one of {words:?}, got ok={}\n{}", verdict.ok, verdict.text),
        );
    }

    pub(crate) fn that(&mut self, statement: &str, holds: bool, evidence: &str) {
        self.done += 1;
        println!("{} {statement}", if holds { "ok  " } else { "FAIL" });
        if !holds {
            self.failed.push(format!("{statement}\n{evidence}"));
        }
    }

    /// Fails with everything that went wrong and the broker's log.
    #[track_caller]
    pub(crate) fn finish(self, lab: &Lab) {
        if !self.failed.is_empty() {
            let logs: Vec<String> = lab.hosts().iter().map(|h| format!("== {}\n{}", h.name(), h.log())).collect();
            let failed = self.failed.join("\n\n");
            panic!("{}\n\n{} of {} failed:\n\n{failed}", logs.join("\n"), self.failed.len(), self.done);
        }
    }
}
