//! The scripts are there, and what they ask certgen for is offered.

use crate::support::World;
use crate::support::world::CERTGEN;

/// What bash would show for the words of a command line, the last of which is being typed.
fn offered(world: &World, words: &[&str]) -> Vec<String> {
    let last = (words.len() - 1).to_string();
    let line = std::iter::once("--").chain(words.iter().copied());
    let said = world
        .certgen(line)
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", last)
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_IFS", "\n")
        .run()
        .success();
    let mut lines: Vec<String> = said.stdout.lines().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    lines.sort();
    lines
}

#[test]
fn every_shell_has_a_script_that_asks_certgen() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.certgen(["completions", shell]).run().success().stdout;
        assert!(script.contains("COMPLETE") && script.contains("certgen"), "{shell}: {script}");
        assert!(!script.contains(CERTGEN), "{shell}: the script must find certgen on the path\n{script}");
    }
    world.certgen(["completions", "tcsh"]).run().code(2).stderr_has("bash");
}

#[test]
fn identities_authorities_profiles_and_commands_are_offered() {
    let world = World::initialised(["--profile", "cluster", "--set", "nodes=a.example,b.example"]);
    world.certgen(["issue", "client", "reporting", "collector"]).run().success();
    let is = |words: &[&str], wanted: &[&str]| assert_eq!(offered(&world, words), wanted, "{words:?}");
    is(&["certgen", "verify", "cl"], &["client/collector", "client/reporting"]);
    is(&["certgen", "remove", "node/a"], &["node/a.example"]);
    is(&["certgen", "remove", "a"], &[]);
    is(&["certgen", "revoke", "a"], &["authority/clients", "authority/nodes"]);
    is(&["certgen", "issue", "client", "x", "--issuer", ""], &["clients", "nodes"]);
    is(&["certgen", "issue", "client", "x", "--key-type", "rsa"], &["rsa-2048", "rsa-3072", "rsa-4096"]);
    is(&["certgen", "seal", "no"], &["nodes"]);
    is(&["certgen", "init", "--profile", "c"], &["celery", "cluster"]);
    is(&["certgen", "emit", "ai"], &["aio-pika"]);
    is(&["certgen", "emit", "mqtt", "--for", "co"], &["collector"]);
    is(&["certgen", "emit", "mqtt", "--set", ""], &["certs=", "host=", "key_password_file=", "port=", "topic="]);
    is(&["certgen", "is"], &["issue"]);
    is(&["certgen", "issue", "au"], &["authority"]);
}

/// The names are those of the PKI that the line itself speaks of.
#[test]
fn the_directory_on_the_line_is_where_names_come_from() {
    let world = World::new();
    world.certgen(["init", "--pki", "other", "--profile", "basic"]).run().success();
    assert_eq!(offered(&world, &["certgen", "--pki", "other", "verify", "cl"]), ["client/client"]);
    assert_eq!(offered(&world, &["certgen", "verify", "--pki=other", "cl"]), ["client/client"]);
}

#[test]
fn nothing_is_offered_and_nothing_is_said_without_a_pki() {
    let world = World::new();
    assert_eq!(offered(&world, &["certgen", "verify", "client/"]), Vec::<String>::new());
}
