//! The words of `--help`: they fit a terminal, speak of flags that exist, and every line below EXAMPLES runs.

use std::collections::BTreeSet;

use super::shell::Shell;
use crate::support::{World, key_store, tls};

/// What an example looks at, on a machine with a broker.
const BROKER: &str = " localhost:5671";

/// Every command with the words that lead to it: `certgen`, `certgen init`, `certgen issue client` ...
fn every_command() -> Vec<(Vec<String>, clap::Command)> {
    fn visit(words: Vec<String>, command: &clap::Command, into: &mut Vec<(Vec<String>, clap::Command)>) {
        for sub in command.get_subcommands() {
            let mut words = words.clone();
            words.push(sub.get_name().to_owned());
            visit(words, sub, into);
        }
        into.push((words, command.clone()));
    }
    let mut root = certgen::command();
    root.build();
    let mut all = Vec::new();
    visit(Vec::new(), &root, &mut all);
    all
}

#[test]
fn every_help_fits_a_terminal_and_names_only_flags_that_exist() {
    let world = World::new();
    let commands = every_command();
    let known: BTreeSet<String> = commands
        .iter()
        .flat_map(|(_, c)| c.get_arguments().filter_map(|a| a.get_long()).map(|l| format!("--{l}")).collect::<Vec<_>>())
        .chain(["--help".to_owned(), "--version".to_owned()])
        // rabbitmqctl's own.
        .chain(["--formatter".to_owned()])
        .collect();
    for (words, _) in &commands {
        for flag in ["--help", "-h"] {
            let help = world.certgen(words.iter().map(String::as_str).chain([flag])).run().success().stdout;
            for line in help.lines() {
                assert!(line.chars().count() <= 100, "certgen {} {flag}: over 100 columns:\n{line}", words.join(" "));
            }
            for mentioned in flags_in(&help) {
                assert!(known.contains(&mentioned), "certgen {} {flag} speaks of {mentioned}\n{help}", words.join(" "));
            }
        }
    }
}

/// `--flag` wherever it stands in prose.
fn flags_in(text: &str) -> BTreeSet<String> {
    let mut flags = BTreeSet::new();
    for (at, _) in text.match_indices("--") {
        if text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '"') {
            continue;
        }
        let name: String = text[at + 2..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
        if name.starts_with(|c: char| c.is_ascii_lowercase()) {
            flags.insert(format!("--{}", name.trim_end_matches('-')));
        }
    }
    flags
}

#[test]
fn every_command_has_a_sentence_and_examples() {
    for (words, command) in every_command() {
        let name = words.join(" ");
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(
            about.starts_with(|c: char| c.is_ascii_uppercase()) && !about.ends_with('.'),
            "certgen {name}: {about:?}"
        );
        assert!(!examples(&command).is_empty(), "certgen {name} has no EXAMPLES");
    }
}

#[test]
fn every_example_runs() {
    let mut wrong = String::new();
    for (words, command) in every_command() {
        for example in examples(&command) {
            let shell = prepared(words.first().map_or("", String::as_str), &example);
            if example.contains("--owner") && shell.run("id -u").text != "0\n" {
                continue; // only root may give files away
            }
            let mut line = inside(&example, &shell);
            if line.contains(BROKER) {
                let port = tls::server(&shell.world.pki("server/rabbit.example.com"));
                line = line.replace(BROKER, &format!(" localhost:{port}"));
            }
            let said = shell.run(&line);
            if said.code != Some(0) {
                wrong +=
                    &format!("certgen {} --help\n$ {example}\n({:?})\n{}\n", words.join(" "), said.code, said.text);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The lines below EXAMPLES; what stands behind a wide gap is a remark.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let Some((_, below)) = help.split_once("EXAMPLES:\n") else { return Vec::new() };
    let lines = below.lines().take_while(|l| l.starts_with("  "));
    lines.map(|l| l.trim().split("    ").next().unwrap_or_default().trim().to_owned()).collect()
}

/// The example with the machine's directories moved into the world.
fn inside(example: &str, shell: &Shell) -> String {
    let root = shell.directory().display().to_string();
    let root = root.trim_end_matches('/');
    // Here nobody can answer a question.
    let asks = if example == "certgen seal" { "CERTGEN_PASSPHRASE=passphrase " } else { "" };
    // What stays until somebody ends it is ended, and must say so.
    let example = match example.contains("--watch") {
        true => format!("timeout --preserve-status 3 {example}; [ $? = 143 ]"),
        false => example.to_owned(),
    };
    let mut line = format!("set -o pipefail; fpath=([1]={root}/zsh); {asks}{example}");
    for place in ["/etc/", "/usr/local/"] {
        line = line.replace(&format!(" {place}"), &format!(" {root}{place}"));
    }
    line
}

/// A world in which the examples of `command` make sense.
fn prepared(command: &str, example: &str) -> Shell {
    let shell = Shell::new();
    // What stands after a pipe is somebody else's program.
    shell.stub("jq", "cat >/dev/null");
    shell.stub("rabbitmqctl", "true");
    shell.stub("systemctl", "true");
    shell.stub("openssl", "cat pki/node/*/server_certificate.pem");
    for directory in ["etc/bash_completion.d", "zsh", ".config/fish/completions", "etc/rabbitmq"] {
        std::fs::create_dir_all(shell.world.path(directory)).expect("a world is writable");
    }
    let needs_no_pki = command == "init" || example.starts_with("certgen init");
    if !needs_no_pki {
        shell.prepare("certgen init --profile celery --set hostname=rabbit.example.com");
        shell.prepare("certgen issue server rabbit.example.com --validity 31d");
    }
    match command {
        "" if !needs_no_pki => shell.prepare("certgen issue client reporting --like celery_worker"),
        "apply" if example.contains("--create-authority") => {
            let authority = r#"version = 1\n[defaults]\nissuer = "root"\n[authority.devices]"#;
            shell.prepare(&format!("sed -i 's/^version = 1$/{authority}/' pki/certgen.toml"));
        }
        "issue" => {
            shell.prepare("certgen request client sensor-17 --out sensor && cp sensor/request.pem sensor-17.csr");
            shell.prepare("printf 'name\\nsensor-1\\nsensor-2\\n' > devices.csv");
            shell.prepare("certgen --pki site request authority site-a && cp site/ca/site-a/request.pem .");
            if example.contains("--replace") {
                shell.prepare("certgen issue client reporting && printf 'reporting-1\\nreporting-2\\n' > swapped.csv");
                shell.prepare("certgen issue client --from swapped.csv --out first");
            }
        }
        "request" if example.contains("authority") || example.contains("ca_chain.pem") => authority(&shell, example),
        "request" => {
            shell.prepare("certgen request client sensor-17 --out etc/sensor && cp etc/sensor/request.pem .");
            shell.prepare("certgen issue client sensor-17 --csr request.pem --out answer && cp answer/sensor-17/* .");
            if example.starts_with("certgen issue") {
                shell.prepare("certgen remove client/sensor-17");
            } else if !example.contains("--finish") {
                shell.prepare("rm -r etc/sensor");
            }
        }
        "inspect" | "verify" => {
            shell.prepare("cp pki/server/rabbit.example.com/server_certificate.pem server.pem; cp pki/ca/root/ca_certificate.pem ca.pem");
            shell.prepare("certgen request client x --out x && cp x/request.pem request.csr");
            shell.world.write("password", "geheim\n");
            let worker = key_store::pair(&shell.world, "celery_worker", Some("worker"));
            key_store::write(&shell.world, "keystore.p12", "geheim", vec![worker]);
        }
        "probe" => {
            shell.prepare("cp pki/client/celery_worker/client_certificate.pem worker.pem");
            shell.prepare("cp pki/client/celery_worker/client_key.pem key.pem");
        }
        "explain" => {
            shell.world.write("rabbit@host.log", "EXTERNAL login refused: user 'ghost' - invalid credentials\n");
        }
        "list" if example.contains("--merge") => {
            for site in ["berlin", "tokyo"] {
                shell.prepare(&format!("certgen --pki {site}/pki init --profile celery"));
            }
        }
        "remove" | "revoke" => shell.prepare("certgen issue client reporting"),
        "import" if example.contains("age") => {
            let recipient = identity(&shell);
            shell.prepare(&format!("certgen export --all --format age --recipient {recipient} --out backup.age"));
        }
        "import" => {
            shell.prepare("certgen issue client reporting && certgen revoke reporting && cp pki/ca/root/crl.pem .");
        }
        "emit" => {
            shell.prepare("echo '[{\"user\":\"guest\",\"tags\":[\"administrator\"]}]' > users.json");
            shell.prepare("echo '[{\"user\":\"a\",\"ssl\":true,\"auth_mechanism\":\"EXTERNAL\"}]' > connections.json");
        }
        "export" => {
            shell.world.write("passphrase.txt", "correct horse\n");
            if example.contains("import") {
                shell.prepare("certgen export --all --format age --passphrase-file passphrase.txt --out backup.age");
            }
        }
        "seal" | "unseal" => seal(&shell, command, example),
        "rotate" => rotate(&shell, example),
        _ => {}
    }
    shell
}

/// A rotation that is where the example goes on.
fn rotate(shell: &Shell, example: &str) {
    let done_before: &[&str] = match example.split_whitespace().nth(2) {
        Some("switch" | "abort" | "status") => &["start"],
        Some("finish") => &["start", "switch --force"],
        _ => &[],
    };
    for phase in done_before {
        shell.prepare(&format!("certgen rotate {phase} --at \"$(date -u -d '30 minutes ago' +%FT%TZ)\""));
    }
}

/// A site that has asked, and the root that has signed where the example takes the answer.
fn authority(shell: &Shell, example: &str) {
    if example.contains("--csr") {
        shell.prepare("certgen --pki site request authority site-a && cp site/ca/site-a/request.pem .");
    } else if example.contains("--finish") {
        shell.prepare("certgen request authority site-a && certgen --pki above init --profile celery");
        shell.prepare("certgen --pki above issue authority site-a --csr pki/ca/site-a/request.pem --issuer root");
        shell.prepare("cp above/ca/site-a/ca_chain.pem .");
    }
}

/// An identity of age in key.txt, and its recipient.
fn identity(shell: &Shell) -> String {
    let identity = age::x25519::Identity::generate();
    shell.world.write("key.txt", age::secrecy::ExposeSecret::expose_secret(&identity.to_string()));
    identity.to_public().to_string()
}

fn seal(shell: &Shell, command: &str, example: &str) {
    let recipient = identity(shell);
    for name in ["passphrase.txt", "old.txt", "new.txt"] {
        shell.world.write(name, format!("correct horse {name}\n"));
    }
    if example.contains("--identity") {
        shell.prepare(&format!("certgen seal --recipient {recipient}"));
    } else if example.contains("old.txt") {
        shell.prepare("certgen seal --passphrase-file old.txt");
    } else if command == "unseal" {
        shell.prepare("certgen seal --passphrase-file passphrase.txt");
    }
}
