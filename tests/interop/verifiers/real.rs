//! The real programs. Each judges the whole catalogue in one process and answers `CASE<TAB>OK` or `CASE<TAB>NO<TAB>TEXT`
//! for each case; one that is not installed says nothing, and is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::cases::Case;
use crate::support::cache;

/// What a program said of a case: `None` when it accepts.
pub(super) type Verdicts = BTreeMap<String, Option<String>>;

/// A program that can be asked.
pub(super) struct Program {
    /// Program and version, as the table shows it.
    pub(super) title: String,
    /// The verifier of certgen that must agree with it.
    pub(super) verifier: &'static str,
    pub(super) verdicts: Verdicts,
    /// The verifier speaks for a newer version: the same answer, in other words.
    pub(super) other_words: bool,
}

const HERE: &str = "tests/interop/verifiers";

/// Debian 13, where it was installed.
fn trixie() -> Option<PathBuf> {
    Some(cache::directory().join("trixie")).filter(|root| root.join("usr/bin/openssl").exists())
}

/// Everybody who is here; the names of those who are not.
pub(super) fn all(cases: &[Case], directory: &Path, new: Option<&Path>) -> (Vec<Program>, Vec<&'static str>) {
    let script = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join(HERE).join(name);
    let beside = |name: &str| {
        std::fs::copy(script(name), directory.join(name)).expect("a temporary directory is writable");
        directory.join(name)
    };
    let (mut found, mut absent) = (vec![], vec![]);
    let mut add = |verifier, name: &'static str, version: Option<String>, verdicts: &dyn Fn() -> Verdicts| match version
    {
        Some(version) => {
            let (title, verdicts) = (format!("{name} {version}"), verdicts());
            found.push(Program { title, verifier, verdicts, other_words: verifier == "openssl" && name == "python" });
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
    add("rustls", "rustls", Some("0.23".into()), &|| rustls(cases));
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

fn ask(command: &mut Command) -> Verdicts {
    let said = command.env("LC_ALL", "C.UTF-8").output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success(), "{command:?}: {}\n{text}\n{}", said.status, String::from_utf8_lossy(&said.stderr));
    text.lines()
        .filter_map(|line| {
            let (case, verdict) = line.split_once('\t')?;
            match verdict.split_once('\t') {
                None if verdict == "OK" => Some((case.to_owned(), None)),
                Some(("NO", text)) => Some((case.to_owned(), Some(text.to_owned()))),
                // The other side would not show such a certificate.
                _ => None,
            }
        })
        .collect()
}

/// `openssl verify` as a TLS peer of the security level that OpenSSL 3.2 and Debian have: 2.
fn openssl(cases: &[Case], directory: &Path, root: Option<&Path>) -> Verdicts {
    let ask = |case: &Case| {
        let mut command = match root {
            Some(_) => Command::new("chroot"),
            None => Command::new("openssl"),
        };
        if let Some(root) = root {
            command.arg(root).arg("openssl");
        }
        let file = |name: &str| directory.join(case.name).join(name);
        command.args(["verify", "-auth_level", "2", "-purpose", &format!("ssl{}", case.purpose)]);
        command.arg("-CAfile").arg(file("anchors.pem")).args(["-no-CApath", "-no-CAstore"]);
        if !case.untrusted.is_empty() {
            command.arg("-untrusted").arg(file("untrusted.pem"));
        }
        if case.purpose == "server" {
            let is_address = case.host.parse::<std::net::IpAddr>().is_ok();
            command.args([if is_address { "-verify_ip" } else { "-verify_hostname" }, case.host]);
        }
        let said = command.arg(file("leaf.pem")).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let text = String::from_utf8_lossy(&said.stderr) + String::from_utf8_lossy(&said.stdout);
        let reason = text.lines().find_map(|line| line.split_once("lookup: ").or(line.split_once("lookup:")));
        (case.name.to_owned(), (!said.status.success()).then(|| reason.map_or(text.to_string(), |(_, r)| r.to_owned())))
    };
    cases.iter().map(ask).collect()
}

fn go(source: &Path, directory: &Path) -> Verdicts {
    let mut command = Command::new("go");
    command.arg("run").arg(source).arg(directory);
    command.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOCACHE", cache::directory().join("go"));
    ask(&mut command)
}

/// In this process: the verifiers that a rustls client and a rustls server use.
fn rustls(cases: &[Case]) -> Verdicts {
    let read = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    let judge = |case: &Case| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(case.anchors.iter().map(|pem| read(pem)));
        if roots.is_empty() {
            return Some("no anchor could be read".to_owned());
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(default_provider()));
        let (leaf, now) = (read(&case.leaf), UnixTime::now());
        let untrusted: Vec<_> = case.untrusted.iter().map(|pem| read(pem)).collect();
        let verdict = if case.purpose == "server" {
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build().expect("a verifier");
            let name = ServerName::try_from(case.host).expect("a name");
            verifier.verify_server_cert(&leaf, &untrusted, &name, &[], now).map(|_| ())
        } else {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build().expect("a verifier");
            verifier.verify_client_cert(&leaf, &untrusted, now).map(|_| ())
        };
        verdict.err().map(|e| e.to_string())
    };
    cases.iter().map(|case| (case.name.to_owned(), judge(case))).collect()
}
