//! A broker on which one fault after the other is provoked, and what its clients and its log say about each.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::matrix::Matrix;
use crate::interop::only_node;
use crate::support::broker::{Etc, Host, Lab, Version};
use crate::support::world::CERTGEN;
use crate::support::{World, cache, judge};

/// Where the broker has its pair and its bundle.
pub(super) const PAIR: &str = "/etc/rabbitmq/certs/combined_keys.pem";
pub(super) const BUNDLE: &str = "/etc/rabbitmq/certs/ca_certificate.pem";
pub(super) const CONF: &str = "/etc/rabbitmq/rabbitmq.conf";
pub(super) const VHOST: &str = "my_vhost";
/// What doctor is given beside `/etc/rabbitmq`, in the broker's file system.
const CLIENT: &str = "/tmp/client";

/// A certificate as `clients/pair.py` makes it.
#[derive(Debug, Clone)]
pub(super) struct Pair(PathBuf);

impl Pair {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }
}

/// Who connects to where, with what.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) ca: String,
    pub(super) pair: Option<[String; 2]>,
    pub(super) vhost: String,
}

impl Peer {
    pub(super) fn with(mut self, cert: impl Into<String>, key: impl Into<String>) -> Self {
        self.pair = Some([cert.into(), key.into()]);
        self
    }

    /// What `probe` is told about the client.
    pub(super) fn probe(&self) -> Vec<String> {
        let mut args = vec![format!("{}:{}", self.host, self.port), "--bundle".into(), self.ca.clone()];
        args.extend(["--vhost".to_owned(), self.vhost.clone()]);
        if let Some([cert, key]) = &self.pair {
            args.extend(["--certificate".to_owned(), cert.clone(), "--key".to_owned(), key.clone()]);
        }
        args
    }
}

/// What was said about a fault.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Who, and the text.
    pub(super) texts: Vec<(String, String)>,
    /// New in the broker's log.
    pub(super) log: String,
}

/// Clients beyond Python's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    None,
    /// OpenSSL and Node.js, which can show a certificate, too.
    Node,
    /// Java too, which shows none here.
    Java,
}

pub(super) struct Bench {
    pub(super) version: Version,
    pub(super) world: World,
    pub(super) lab: Lab,
    pub(super) matrix: Matrix,
    read: usize,
    /// Whose files doctor looks at, and where probe is run.
    pub(super) judged_on: usize,
}

impl Bench {
    /// One broker called `rabbitmq` from a profile, with what is issued on top of it.
    pub(super) fn boot(version: Version, profile: &str, more: &[&[&str]], matrix: Matrix) -> Self {
        let world = World::new();
        world.certgen(["init", "--profile", profile]).on_host("rabbitmq").run().success();
        for args in more {
            world.certgen(args.iter()).run().success();
        }
        let lab = Lab::single(version, "rabbitmq", &Etc::of_pki(&world.pki(""), &only_node(&world)));
        lab.host().boot_broker();
        Self::new(version, world, lab, matrix)
    }

    pub(super) fn new(version: Version, world: World, lab: Lab, matrix: Matrix) -> Self {
        Self { version, world, lab, matrix, read: 0, judged_on: 0 }
    }

    pub(super) fn host(&self) -> &Host {
        self.lab.host()
    }

    /// A path in the PKI, as a word for a command.
    pub(super) fn pki(&self, path: &str) -> String {
        self.world.pki(path).display().to_string()
    }

    /// Makes a certificate below the root of the PKI.
    pub(super) fn pair(&self, name: &str, args: &[&str]) -> Pair {
        let ca = [self.pki("ca/root/ca_certificate.pem"), self.pki("ca/root/ca_key.pem")];
        self.pair_of(name, [&["--ca", &ca[0], &ca[1]], args].concat().as_slice())
    }

    /// Makes a certificate below another authority, or one that signs itself.
    pub(super) fn pair_of(&self, name: &str, args: &[&str]) -> Pair {
        let out = self.world.path(format!("made/{name}"));
        let own = out.display().to_string();
        judge::python("interop/clients/pair.py", [&[own.as_str()], args].concat()).accepted();
        Pair(out)
    }

    /// The Celery worker as it should be.
    pub(super) fn worker(&self) -> Peer {
        let file = |name: &str| self.pki(&format!("client/celery_worker/{name}"));
        Peer {
            host: "rabbitmq".into(),
            port: 5671,
            ca: file("ca_certificate.pem"),
            pair: Some([file("client_certificate.pem"), file("client_key.pem")]),
            vhost: VHOST.into(),
        }
    }

    /// A project of Celery that connects as this peer.
    pub(super) fn project(&self, name: &str, peer: &Peer) -> PathBuf {
        let [cert, key] = peer.pair.as_ref().expect("a project shows a certificate");
        let file = |name: &str| format!("projects/{name}");
        for (from, to) in [(&peer.ca, "ca.pem"), (cert, "cert.pem"), (key, "key.pem")] {
            let bytes = fs::read(from).unwrap_or_else(|e| panic!("reading {from}: {e}"));
            let to = self.world.write(file(&format!("{name}/{to}")), bytes);
            fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("it is ours");
        }
        let settings = format!(
            "import ssl\n\nbroker_url = \"amqps://{0}:{1}/{2}\"\nbroker_login_method = \"EXTERNAL\"\nbroker_use_ssl = {{\n    \
             \"ca_certs\": \"ca.pem\",\n    \"certfile\": \"cert.pem\",\n    \"keyfile\": \"key.pem\",\n    \
             \"cert_reqs\": ssl.CERT_REQUIRED,\n    \"server_hostname\": \"{0}\",\n}}\n",
            peer.host, peer.port, peer.vhost
        );
        self.world.write(file(&format!("{name}/celeryconfig.py")), settings);
        self.world.path(file(name))
    }

    /// Puts files into the running broker: the next handshake uses them.
    #[track_caller]
    pub(super) fn serve(&self, from: &Path, to: &str) {
        self.host().install(from, to);
        self.host().tool("rabbitmqctl", ["eval", "ssl:clear_pem_cache()."]).accepted();
    }

    /// The broker's files as they should be, and in use.
    #[track_caller]
    pub(super) fn heal(&self) {
        self.heal_files();
        self.host().tool("rabbitmqctl", ["eval", "ssl:clear_pem_cache()."]).accepted();
    }

    /// The broker's files as they should be.
    #[track_caller]
    pub(super) fn heal_files(&self) {
        let node = only_node(&self.world);
        for (file, to) in [("combined_keys.pem", PAIR), ("ca_certificate.pem", BUNDLE)] {
            self.host().install(&self.world.pki(format!("{node}/{file}")), to);
        }
        self.host().install(&self.world.pki("rabbitmq/rabbitmq.conf"), CONF);
    }

    /// Changes the file in the broker, without telling it.
    #[track_caller]
    pub(super) fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let before = self.host().shell(&format!("cat {file}")).accepted().to_owned();
        let after = change(before.clone());
        assert_ne!(before, after, "{file} is changed");
        self.host().install(&self.world.write("edited", after), file);
    }

    /// What is healthy gives nobody reason to speak: `probes` are ports with what is said about the client.
    pub(super) fn healthy(&mut self, what: &str, probes: &[&[String]]) {
        for args in probes {
            let answer = self.probe(args);
            if !answer.ok || answer.text.contains("\"cause\": \"") {
                self.matrix.alarm(format!("{what}: probe {args:?}: {}", answer.text));
            }
        }
        let answer = self.doctor(&[]);
        if !answer.ok {
            self.matrix.alarm(format!("{what}: doctor: {}", answer.text));
        }
        let log = self.whole_log();
        let answer = self.explain_log(&log);
        if answer.contains("\"cause\"") {
            self.matrix.alarm(format!("{what}: explain: {answer}"));
        }
    }

    /// Ends the broker and starts it with its files as they are now and nothing in its database.
    #[track_caller]
    pub(super) fn reboot(&self) {
        self.stop();
        self.host().boot_broker();
        std::thread::sleep(Duration::from_secs(1));
    }

    pub(super) fn stop(&self) {
        self.host().tool("rabbitmqctl", ["shutdown"]);
        self.host().shell("rm -rf /var/lib/rabbitmq/mnesia");
    }

    /// Everything that is in the log from now on belongs to the next fault.
    pub(super) fn mark(&mut self) {
        self.read = self.settled_log().len();
    }

    /// The log once nothing comes any more: what a busy broker says late belongs to what was before.
    fn settled_log(&self) -> String {
        let mut log = self.whole_log();
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(400));
            let now = self.whole_log();
            if now.len() == log.len() {
                break;
            }
            log = now;
        }
        log
    }

    fn whole_log(&self) -> String {
        self.host().shell("cat $(ls /var/log/rabbitmq/*.log | grep -v _upgrade) /dev/null 2>/dev/null").text
    }

    /// What the broker has logged since then.
    pub(super) fn log(&mut self) -> String {
        let whole = self.settled_log();
        let new = without_timeouts(whole.get(self.read..).unwrap_or_default());
        self.read = whole.len();
        new
    }

    /// The whole log of a broker that was started after its log was taken away.
    pub(super) fn log_of_boot(&mut self) -> String {
        self.read = 0;
        self.log()
    }

    /// Lets the clients connect, each in its own way.
    pub(super) fn provoke(&mut self, peer: &Peer, args: &[&str], more: More) -> Said {
        self.mark();
        let port = peer.port.to_string();
        let mut words = vec![peer.host.as_str(), &port, "--ca", &peer.ca, "--vhost", &peer.vhost];
        if let Some([cert, key]) = &peer.pair {
            words.extend(["--cert", cert, "--key", key]);
        }
        words.extend(args);
        let python = self.host().python("provoke.py", words);
        let mut texts: Vec<(String, String)> = serde_json::from_str(&python.text).unwrap_or_else(|e| {
            panic!("provoke.py did not come to its end: {e}\n{}", python.text);
        });
        if more != More::None {
            texts.extend(self.node(peer));
            texts.push(("openssl".into(), self.openssl(peer, &[])));
        }
        if more == More::Java {
            texts.extend(self.java(peer));
        }
        texts.retain(|(_, text)| !text.is_empty());
        Said { texts, log: self.log() }
    }

    fn node(&self, peer: &Peer) -> Vec<(String, String)> {
        let modules = cache::need("node").join("node_modules");
        let port = peer.port.to_string();
        let mut words = vec![format!("NODE_PATH={}", modules.display()), "node".into(), script("provoke.cjs")];
        words.extend([peer.host.clone(), port, peer.vhost.clone(), peer.ca.clone()]);
        words.extend(peer.pair.iter().flatten().cloned());
        let said = self.host().run("env", words);
        serde_json::from_str(&said.text)
            .unwrap_or_else(|e| panic!("provoke.cjs did not come to its end: {e}\n{}", said.text))
    }

    fn java(&self, peer: &Peer) -> Vec<(String, String)> {
        let mut words = vec![script("Provoke.java"), peer.host.clone(), peer.port.to_string(), peer.ca.clone()];
        if let Some([cert, key]) = &peer.pair {
            let store = self.world.path("java.p12").display().to_string();
            let export = ["pkcs12", "-export", "-in", cert, "-inkey", key, "-passout", "pass:changeit", "-out", &store];
            judge::openssl(export).accepted();
            words.push(store);
        }
        let said = self.host().run("java", words);
        said.accepted();
        let lines = said.text.lines().filter_map(|line| line.split_once('\t'));
        lines.map(|(who, text)| (who.to_owned(), text.to_owned())).collect()
    }

    /// The lines of `openssl s_client` that speak of errors.
    pub(super) fn openssl(&self, peer: &Peer, args: &[&str]) -> String {
        let pair = peer.pair.as_ref().map(|[cert, key]| format!("-cert {cert} -key {key}")).unwrap_or_default();
        let line = format!(
            "sleep 0.5 | openssl s_client -connect {0}:{1} -servername {0} -verify_hostname {0} -CAfile {2} {pair} \
             -verify_return_error {3} 2>&1 | grep -E ':error:|^verify error|errno='",
            peer.host,
            peer.port,
            peer.ca,
            args.join(" ")
        );
        self.host().run("sh", ["-c", &line]).text.trim().to_owned()
    }

    /// `certgen probe` from the broker's host.
    pub(super) fn probe(&self, args: &[String]) -> judge::Verdict {
        let mut words = vec!["--pki".to_owned(), self.pki(""), "--json".into(), "probe".into()];
        words.extend_from_slice(args);
        self.lab.hosts()[self.judged_on].run(CERTGEN, words)
    }

    /// `certgen doctor` on the broker's `/etc/rabbitmq`, as the operator on that host, with `beside` from the client.
    pub(super) fn doctor(&self, beside: &[PathBuf]) -> judge::Verdict {
        let host = &self.lab.hosts()[self.judged_on];
        let common = "--json doctor /etc/rabbitmq --user rabbitmq --target";
        if self.version == Version::V3_10 {
            let files: Vec<_> = beside.iter().map(|file| file.display().to_string()).collect();
            return host.shell(&format!("{CERTGEN} {common} rabbitmq-3.10 {}", files.join(" ")));
        }
        let root = host.root().display();
        let mut copy = format!("rm -rf {root}{CLIENT} && mkdir {root}{CLIENT} && cp {CERTGEN} {root}/tmp/certgen");
        for file in beside {
            copy += &format!(" && cp -R --preserve=mode {} {root}{CLIENT}", file.display());
        }
        host.run("sh", ["-c", &copy]).accepted();
        host.shell(&format!("/tmp/certgen {common} rabbitmq-4.0 {CLIENT}"))
    }

    /// `certgen explain` of one text.
    pub(super) fn explain(&self, text: &str) -> String {
        let asked = self.world.certgen(["--json", "explain", text]).run();
        asked.stdout + &asked.stderr
    }

    /// `certgen explain -` of a log.
    pub(super) fn explain_log(&self, log: &str) -> String {
        let asked = self.world.certgen(["--json", "explain", "-"]).stdin(log).run();
        asked.stdout + &asked.stderr
    }
}

impl Said {
    /// The alerts in the log, each as the lines that were logged for it.
    pub(super) fn alerts(&self) -> Vec<String> {
        let lines: Vec<&str> = self.log.lines().collect();
        // Java takes its leave like that when all is well.
        let ours = |line: &&str| line.contains("ALERT: Fatal") && !line.contains("User Canceled");
        let stamp = |line: &str| line.split("> ").next().map(str::to_owned);
        let begins = lines.iter().enumerate().filter(|(_, line)| ours(line));
        let records = begins.map(|(i, line)| {
            let same = lines[i..].iter().take_while(|next| stamp(next) == stamp(line));
            same.filter_map(|next| next.split_once("> "))
                .map(|(_, rest)| rest.trim_end())
                .collect::<Vec<_>>()
                .join("\n")
        });
        let mut all: Vec<String> = records.collect();
        all.sort();
        all.dedup();
        all
    }
}

/// A connection of an earlier row that never came to its handshake is given up ten seconds later.
fn without_timeouts(log: &str) -> String {
    let process = |line: &str| line.split(['<', '>']).nth(1).map(str::to_owned);
    let gone: BTreeSet<_> = log.lines().filter(|line| line.contains("handshake_timeout")).filter_map(process).collect();
    let stays = |line: &&str| process(line).is_none_or(|process| !gone.contains(&process));
    log.lines().filter(stays).map(|line| format!("{line}\n")).collect()
}

fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients").join(name).display().to_string()
}

/// Writes what was said down, for whoever wants to read it: lines of the log without their times, each once.
pub(super) fn keep(version: Version, row: &str, said: &Said) {
    let name = if version == Version::V4 { "diagnosis-4.0.md" } else { "diagnosis-3.10.md" };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut text = format!("## {row}\n");
    for (who, what) in &said.texts {
        text += &format!("- {who}: `{what}`\n");
    }
    let mut lines: Vec<&str> = Vec::new();
    for line in said.log.lines() {
        let line = line.split_once("> ").filter(|_| line.starts_with("20")).map_or(line, |(_, rest)| rest);
        if !line.trim().is_empty() && !lines.contains(&line) {
            lines.push(line);
        }
    }
    text += &format!("```\n{}\n```\n", lines.join("\n"));
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.expect("the target directory is writable");
}
