//! The real programs. Each judges a whole catalogue in one process and answers `CASE<TAB>OK` or `CASE<TAB>NO<TAB>TEXT` for
//! each case, `CASE<TAB>STALLS` when it gives no answer in two seconds, and something else where it has no say; one that is
//! not installed says nothing, and is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::rustls::rustls;
use crate::support::cache;

/// What a program said of a case: `None` when it accepts.
pub(in crate::interop) type Verdicts = BTreeMap<String, Option<String>>;

/// What a program said of those that it could not even load, when it was to show them.
pub(in crate::interop) type Unshown = BTreeMap<String, String>;

/// What stands for no answer.
pub(in crate::interop) const STALLS: &str = "STALLS";

/// A question to all of them. What is asked about lies in the directory of its name: `leaf.pem`, `chain.pem` (leaf first),
/// `anchors.pem`, `key.pem`, and `untrusted.pem`, `crl.pem`, `crls/`, `password.txt` and `keystore.p12` where they matter.
pub(in crate::interop) struct Question<'a> {
    pub(in crate::interop) name: &'a str,
    /// `server` or `client`.
    pub(in crate::interop) purpose: &'static str,
    pub(in crate::interop) host: &'a str,
    /// `chain`, `crl`, `key`, `pem` or `key-store`.
    pub(in crate::interop) about: &'static str,
    /// Whether there is an `untrusted.pem` with anything in it.
    pub(in crate::interop) has_untrusted: bool,
}

impl Question<'_> {
    /// The line in `cases.tsv`.
    pub(in crate::interop) fn line(&self) -> String {
        format!("{}\t{}\t{}\t{}\n", self.name, self.purpose, self.host, self.about)
    }
}

/// A program that can be asked.
pub(in crate::interop) struct Program {
    /// Program and version, as the table shows it.
    pub(in crate::interop) title: String,
    /// The verifier of certgen that must agree with it.
    pub(in crate::interop) verifier: &'static str,
    pub(in crate::interop) verdicts: Verdicts,
    pub(in crate::interop) unshown: Unshown,
    /// The verifier speaks for a newer version: the same answer, in other words.
    pub(super) other_words: bool,
}

const HERE: &str = "tests/interop/verifiers";

/// Debian 13, where it was installed.
fn trixie() -> Option<PathBuf> {
    Some(cache::directory().join("trixie")).filter(|root| root.join("usr/bin/openssl").exists())
}

/// Everybody who is here; the names of those who are not.
pub(in crate::interop) fn all(
    cases: &[Question<'_>],
    directory: &Path,
    new: Option<&Path>,
) -> (Vec<Program>, Vec<&'static str>) {
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(HERE).join(name);
    let beside = |name: &str| {
        std::fs::copy(script(name), directory.join(name)).expect("a temporary directory is writable");
        directory.join(name)
    };
    let (mut found, mut absent) = (vec![], vec![]);
    let mut add = |verifier, name: &'static str, version: Option<String>, verdicts: &dyn Fn() -> Said| match version {
        Some(version) => {
            let (title, (verdicts, unshown)) = (format!("{name} {version}"), verdicts());
            found.push(Program {
                title,
                verifier,
                verdicts,
                unshown,
                other_words: verifier == "openssl" && name == "python",
            });
        }
        None => absent.push(name),
    };
    let (python, node, java, erl) =
        (script("check.py"), script("check.cjs"), script("Check.java"), beside("check.escript"));
    add("openssl", "openssl", version("openssl", &["version"]), &|| openssl(cases, directory, None));
    // Before 3.13 nothing was strict: `openssl` answers for it.
    let strict = version("python3", &["-c", "import sys; print(sys.version_info >= (3, 13))"]);
    let own = if strict.as_deref() == Some("True") { "python" } else { "openssl" };
    add(own, "python", version("python3", &["--version"]), &|| {
        ask(Command::new("python3").arg(&python).arg(directory))
    });
    add("node", "node", version("node", &["--version"]), &|| ask(Command::new("node").arg(&node).arg(directory)));
    add("java", "java", version("java", &["--version"]), &|| {
        let exports = "java.base/sun.security.util=ALL-UNNAMED";
        ask(Command::new("java").args(["--add-exports", exports]).arg(&java).arg(directory))
    });
    add("go", "go", version("go", &["version"]), &|| go(&script("check.go"), directory));
    add("rustls", "rustls", Some("0.23".into()), &|| (rustls(cases, directory), Unshown::new()));
    let otp = ["-noshell", "-eval", "io:put_chars(erlang:system_info(otp_release)), halt()."];
    for (verifier, name, matching) in
        [("erlang-25", "erlang 25", "default"), ("erlang-25+https-match", "erlang 25 https-match", "https-match")]
    {
        add(verifier, name, version("erl", &otp).filter(|release| verifier.contains(release.as_str())), &|| {
            ask(Command::new("escript").arg(&erl).arg(directory).arg(matching))
        });
    }
    if let (Some(root), Some(inside)) = (trixie(), new) {
        let chroot = |program: &str| {
            let mut command = Command::new("chroot");
            command.arg(&root).arg(program);
            command
        };
        let told = inside.strip_prefix(&root).map(|path| Path::new("/").join(path)).expect("it is inside");
        for file in [&python, &erl] {
            let to = inside.join(file.file_name().expect("a file"));
            std::fs::copy(file, to).expect("a temporary directory is writable");
        }
        add("openssl", "openssl of Debian 13", Some("3.5".into()), &|| openssl(cases, &told, Some(&root)));
        add("python", "python of Debian 13", Some("3.13".into()), &|| {
            ask(chroot("python3").arg(told.join("check.py")).arg(&told))
        });
        for (verifier, matching) in [("erlang-27", "default"), ("erlang-27+https-match", "https-match")] {
            add(verifier, "erlang of Debian 13", Some(format!("27 {matching}")), &|| {
                ask(chroot("escript").arg(told.join("check.escript")).arg(&told).arg(matching))
            });
        }
    } else {
        absent.push("Debian 13 (openssl 3.5, Python 3.13, Erlang 27)");
    }
    (found, absent)
}

fn version(program: &str, args: &[&str]) -> Option<String> {
    let said = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let words = text.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    said.status.success().then_some(words)
}

type Said = (Verdicts, Unshown);

fn ask(command: &mut Command) -> Said {
    let said = command.env("LC_ALL", "C.UTF-8").output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{command:?}: {}\n{text}\n{}", said.status, String::from_utf8_lossy(&said.stderr));
    let (mut verdicts, mut unshown) = Said::default();
    for (case, verdict) in text.lines().filter_map(|line| line.split_once('\t')) {
        match (verdict, verdict.split_once('\t')) {
            ("OK", _) => drop(verdicts.insert(case.to_owned(), None)),
            (STALLS, _) => drop(verdicts.insert(case.to_owned(), Some(STALLS.to_owned()))),
            (_, Some(("NO", text))) => drop(verdicts.insert(case.to_owned(), Some(text.to_owned()))),
            (_, Some(("SHOWN", text))) => drop(unshown.insert(case.to_owned(), text.to_owned())),
            // It has no say.
            _ => {}
        }
    }
    (verdicts, unshown)
}

fn openssl(cases: &[Question<'_>], directory: &Path, root: Option<&Path>) -> Said {
    let ask = |case: &Question<'_>| {
        let mut command = Command::new("timeout");
        command.arg("2");
        if let Some(root) = root {
            command.arg("chroot").arg(root);
        }
        command.arg("openssl");
        let said = match case.about {
            "key" => load(command, &directory.join(case.name), root),
            "key-store" => open(command, &directory.join(case.name)),
            _ => verify(command, &directory.join(case.name), case),
        };
        (case.name.to_owned(), said)
    };
    (cases.iter().map(ask).collect(), Unshown::new())
}

/// `openssl verify` as a TLS peer of the security level that OpenSSL 3.2 and Debian have: 2.
fn verify(mut command: Command, directory: &Path, case: &Question<'_>) -> Option<String> {
    let file = |name: &str| directory.join(name);
    command.args(["verify", "-auth_level", "2", "-purpose", &format!("ssl{}", case.purpose)]);
    command.arg("-CAfile").arg(file("anchors.pem")).args(["-no-CApath", "-no-CAstore"]);
    if case.about == "crl" {
        command.arg("-crl_check").arg("-CRLfile").arg(file("crl.pem"));
    }
    if case.has_untrusted {
        command.arg("-untrusted").arg(file("untrusted.pem"));
    }
    if case.purpose == "server" {
        let is_address = case.host.parse::<std::net::IpAddr>().is_ok();
        command.args([if is_address { "-verify_ip" } else { "-verify_hostname" }, case.host]);
    }
    let said = command.arg(file("leaf.pem")).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&said.stderr) + String::from_utf8_lossy(&said.stdout);
    let reason = text.lines().find_map(|line| line.split_once("lookup: ").or(line.split_once("lookup:")));
    let reason = reason.map(|(_, reason)| reason.to_owned());
    (!said.status.success()).then(|| reason.or_else(|| library_reason(&text)).unwrap_or_else(|| text.to_string()))
}

/// A pair is loaded before anything is connected to, here to a port at which nobody listens.
fn load(mut command: Command, directory: &Path, root: Option<&Path>) -> Option<String> {
    let file = |name: &str| directory.join(name);
    command.args(["s_client", "-connect", "127.0.0.1:1"]).arg("-cert").arg(file("chain.pem"));
    command.arg("-key").arg(file("key.pem")).stdin(std::process::Stdio::null());
    let seen = root.map_or_else(
        || file("password.txt"),
        |root| root.join(file("password.txt").strip_prefix("/").expect("absolute")),
    );
    if seen.exists() {
        command.arg("-pass").arg(format!("file:{}", file("password.txt").display()));
    }
    let said = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    if said.status.code() == Some(124) {
        return Some(STALLS.to_owned());
    }
    let text = String::from_utf8_lossy(&said.stderr);
    let is_loaded = text.contains("connect:errno=") || text.contains("Connection refused");
    (!is_loaded).then(|| library_reason(&text).unwrap_or_else(|| text.to_string()))
}

fn open(mut command: Command, directory: &Path) -> Option<String> {
    command.arg("pkcs12").arg("-in").arg(directory.join("keystore.p12")).arg("-nodes");
    command.arg("-passin").arg(format!("file:{}", directory.join("password.txt").display()));
    let said = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&said.stderr);
    (!said.status.success()).then(|| library_reason(&text).unwrap_or_else(|| text.to_string()))
}

/// `...:error:05800074:x509 certificate routines:X509_check_private_key:key values mismatch:...`; or what could not be read,
/// where the library only says that it knows no way.
fn library_reason(text: &str) -> Option<String> {
    let reasons = text.lines().filter_map(|line| line.split_once(":error:")?.1.split(':').nth(3));
    let reason = reasons.filter(|reason| *reason != "unsupported").map(str::to_owned).next();
    let unread = || Some(text.lines().next()?.split_once(" from ")?.0.to_owned());
    reason.or_else(unread)
}

fn go(source: &Path, directory: &Path) -> Said {
    let mut command = Command::new("go");
    command.arg("run").arg(source).arg(directory);
    command.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOCACHE", cache::directory().join("go"));
    ask(&mut command)
}
