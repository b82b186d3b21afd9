//! The broker's files on their way to the broker.

use std::os::unix::fs::MetadataExt;

use crate::support::World;

/// The definitions kept root's ownership when only the owner of the node changed, and the broker could not read them.
#[test]
#[ignore = "needs root, to give files away"]
fn files_that_keep_their_text_still_get_a_new_owner() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "node", "rabbit.example.com", "--owner", "999:998", "--force"]).run().success();
    for file in ["rabbitmq/definitions.json", "rabbitmq/rabbitmq.conf", "node/rabbit.example.com/combined_keys.pem"] {
        let is = std::fs::metadata(world.pki(file)).expect("it was written");
        assert_eq!((is.uid(), is.gid()), (999, 998), "{file}");
    }
}

/// The files were given away, and their new owner could not enter the directory that holds them.
#[test]
fn a_directory_that_exists_gets_the_mode_that_is_asked_for() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["issue", "node", "rabbit.example.com", "--key-mode", "0640", "--force"]).run().success();
    for (path, mode) in [("node/rabbit.example.com", 0o750), ("rabbitmq/definitions.json", 0o640)] {
        let is = std::fs::metadata(world.pki(path)).expect("it was written").permissions().mode();
        assert_eq!(is & 0o7777, mode, "{path}");
    }
}

/// A file that somebody edited: theirs stays, ours lies beside it, --force replaces.
#[test]
fn a_file_that_was_edited_by_hand_is_left_alone() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.write("pki/rabbitmq/rabbitmq.conf", "mine = 1\n");
    world.certgen(["emit", "rabbitmq"]).run().success().stderr_has("edited by hand and left alone");
    assert_eq!(world.read("pki/rabbitmq/rabbitmq.conf"), "mine = 1\n");
    assert!(world.read("pki/rabbitmq/rabbitmq.conf.new").contains("ssl_options"));
    world.certgen(["emit", "rabbitmq", "--force"]).run().success();
    assert!(world.read("pki/rabbitmq/rabbitmq.conf").contains("ssl_options"));
}

/// A second `--out` replaced what somebody had edited there, and the users that others had added.
#[test]
fn out_leaves_alone_what_differs_and_merges_definitions() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    world.certgen(["emit", "rabbitmq", "--out", "broker"]).run().success();
    let again = world.certgen(["emit", "rabbitmq", "--out", "broker"]).run().success();
    assert_eq!(again.stdout, "", "{}", again.transcript());
    world.write("broker/rabbitmq.conf", "mine = 1\n");
    let definitions =
        world.read("broker/definitions.json").replace("\"users\": [", "\"users\": [\n{\"name\":\"bob\"},");
    world.write("broker/definitions.json", definitions);
    world.certgen(["emit", "rabbitmq", "--out", "broker"]).run().success().stderr_has("--force");
    assert_eq!(world.read("broker/rabbitmq.conf"), "mine = 1\n");
    world.certgen(["emit", "rabbitmq", "--out", "broker", "--force"]).run().success();
    assert!(world.read("broker/rabbitmq.conf").contains("ssl_options"));
    assert!(world.read("broker/definitions.json").contains("bob"));
}

/// An edit in the broker's own directory was overwritten without a word.
#[test]
fn what_was_edited_where_it_was_put_is_left_alone() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    std::fs::create_dir(world.path("etc")).expect("made");
    let into = || world.certgen(["emit", "rabbitmq", "--into", "etc"]);
    into().run().success();
    let ours = world.read("etc/conf.d/90-certgen.conf");
    into().run().success().stderr_has("has everything already");
    world.write("etc/conf.d/90-certgen.conf", ours.replace("5671", "5999"));
    into().run().success().stderr_has("90-certgen.conf differs and was left alone");
    assert!(world.read("etc/conf.d/90-certgen.conf").contains("5999"));
    assert_eq!(world.read("etc/conf.d/90-certgen.conf.new"), ours);
    world.certgen(["emit", "rabbitmq", "--into", "etc", "--force"]).run().success();
    assert_eq!(world.read("etc/conf.d/90-certgen.conf"), ours);
    // What certgen itself has to say anew is no edit.
    let manifest = world.read("pki/certgen.toml").replacen("\n[broker]\n", "\n[broker]\ntls_versions = [\"1.3\"]\n", 1);
    world.write("pki/certgen.toml", manifest);
    into().run().success().stdout_has("90-certgen.conf");
    assert!(!world.read("etc/conf.d/90-certgen.conf").contains("tlsv1.2"));
}
