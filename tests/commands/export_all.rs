//! `export --all` and `import` of what it wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::World;
use crate::support::invariants::{check, snapshot, unchanged};

/// Made once, for these tests; a passphrase costs a second each time.
const RECIPIENT: &str = "age19gwfv202fqaj3a8g620semw0kkvd6rh3xht0npx94e2h5ff5dsjsnctugp";
const IDENTITY: &str = "AGE-SECRET-KEY-10QSFKLCYDJNADCCKVK2RH9698NLLHSV45T2Q0JXXD7UEXA2DR2RSM4ML79\n";

const EXPORT: [&str; 6] = ["export", "--all", "--format", "age", "--recipient", RECIPIENT];

/// A PKI with a sealed key, an encrypted one and a replaced pair.
fn world() -> World {
    let world = World::new();
    world.write("pass", "correct horse\n");
    world.write("identity", IDENTITY);
    world.write("key-pass", "letters\n");
    world.certgen(["init", "--profile", "celery", "--seal", "--passphrase-file", "pass"]).run().success();
    let unlock = ["--passphrase-file", "pass"];
    let encrypted = ["issue", "client", "reporting", "--key-password-file", "key-pass"];
    world.certgen(encrypted.into_iter().chain(unlock)).run().success();
    world.certgen(["renew", "celery_worker"].into_iter().chain(unlock)).run().success();
    world
}

#[test]
fn a_snapshot_is_restored_exactly() {
    let world = world();
    let output = world.certgen(EXPORT.into_iter().chain(["--out", "fleet.age"])).run().success();
    output.stdout_has("exported ").stdout_has("fleet.age").stderr_has("certgen --pki DIR import FILE");
    let mode = fs::metadata(world.path("fleet.age")).expect("written").permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    let sealed = fs::read(world.path("fleet.age")).expect("written");
    assert!(!sealed.windows(16).any(|bytes| bytes == b"celery_worker/cl"), "nothing in it can be read");
    let log = world.certgen(["--json", "log"]).run().success().json();
    let last = log["items"].as_array().and_then(|items| items.last().cloned()).expect("events");
    assert_eq!((&last["action"], &last["path"]), (&"exported".into(), &"fleet.age".into()), "{last}");

    // Into a directory that is not there, and into one that is empty.
    let before = snapshot(&world.pki(""));
    for pki in ["one/two", "empty"] {
        if pki == "empty" {
            fs::create_dir(world.path(pki)).expect("a world is writable");
        }
        let import = ["--pki", pki, "import", "--identity", "identity", "fleet.age"];
        world.certgen(import.iter().chain(&["--dry-run"])).run().code(2).stderr_has("--dry-run");
        assert!(!world.path(pki).exists() || fs::read_dir(world.path(pki)).expect("ours").next().is_none());
        world.certgen(import).run().success().stdout_has("restored ").stdout_has(pki);
        let restored = snapshot(&world.path(pki));
        assert_eq!(restored.len(), before.len());
        for (path, (mode, bytes)) in &before {
            let relative = path.strip_prefix(world.pki("")).expect("below it");
            let (new_mode, new) = &restored[&world.path(pki).join(relative)];
            assert_eq!(new_mode, mode, "{}", relative.display());
            // The inventory knows of the export only after it.
            assert!(bytes.starts_with(new), "{} differs", relative.display());
        }
        check(&world.path(pki));
        let issue = ["--pki", pki, "issue", "client", "late", "--passphrase-file", "pass"];
        world.certgen(issue).run().success();
    }
    let again = world.certgen(["import", "--identity", "identity", "fleet.age"]).run().refused();
    again.stderr_has("holds a PKI already").stderr_has("--pki DIR").stderr_has("certgen import FILE --out DIR");
}

#[test]
fn what_cannot_be_restored_leaves_nothing() {
    let world = world();
    world.certgen(EXPORT.into_iter().chain(["--out", "fleet.age"])).run().success();
    let passphrase = ["export", "--all", "--format", "age", "--passphrase-file", "pass", "--out", "by-passphrase.age"];
    world.certgen(passphrase).run().success();
    world.write("wrong", "battery staple\n");
    world.write("other/file", "mine\n");
    let whole = fs::read(world.path("fleet.age")).expect("written");
    let mut changed = whole.clone();
    let middle = whole.len() / 2;
    changed[middle] ^= 1;
    world.write("changed.age", &changed);
    let before = snapshot(&world.path(""));
    let import =
        |pki: &str, file: &str| world.certgen(["--pki", pki, "import", "--identity", "identity", file]).run().refused();
    let by_passphrase = ["--pki", "new", "import", "by-passphrase.age", "--passphrase-file", "wrong"];
    world.certgen(by_passphrase).run().refused().stderr_has("the passphrase is wrong");
    import("new", "by-passphrase.age").stderr_has("sealed to a passphrase");
    import("other", "fleet.age").stderr_has("is not empty");
    import("new", "changed.age").stderr_has("damaged or cut short");
    import("new", "pass").stderr_has("nothing was taken over");
    import("new", "absent").stderr_has("no such file");
    world.certgen(["--pki", "new", "import", "fleet.age"]).run().refused().stderr_has("--identity");
    world.certgen(["--pki", "new", "import", "fleet.age", "changed.age"]).run().code(2);
    unchanged(&before, &world.path(""), "a refused restore changed something");
    for cut in (0..whole.len()).step_by(whole.len() / 12) {
        world.write("cut.age", &whole[..cut]);
        import("new", "cut.age");
        assert!(!world.path("new").exists(), "cut at {cut}");
    }
}

#[test]
fn an_export_takes_no_file_s_place() {
    let world = world();
    world.write("there", "mine\n");
    let out = |file: &str| world.certgen(EXPORT.into_iter().chain(["--out", file])).run();
    let before = snapshot(&world.path(""));
    out("there").refused().stderr_has("exists already");
    out("pki/fleet.age").refused().stderr_has("would lie in the PKI itself");
    out("absent/fleet.age").refused().stderr_has("no such file");
    world.certgen(["export", "--all", "--format", "age", "--out", "x"]).run().refused().stderr_has("--recipient");
    world.certgen(["export", "--format", "age", "--out", "x"]).run().code(2);
    world.certgen(["export", "--all", "--format", "zip", "--out", "x"]).run().code(2).stderr_has("age");
    world.certgen(["--pki", "none", "export", "--all", "--format", "age", "--out", "x"]).run().refused();
    unchanged(&before, &world.path(""), "a refused export changed something");
    // What was in the environment is enough, and a stream is the file alone.
    let file = fs::File::create(world.path("stream.age")).expect("a world is writable");
    let export = ["export", "--all", "--format", "age", "--out", "-"];
    let run = world.certgen(export).env("CERTGEN_PASSPHRASE", "correct horse").stdout(file.into()).run().success();
    run.stderr_has("exported ");
    let import = ["--pki", "new", "import", "-"];
    let bytes = fs::read(world.path("stream.age")).expect("written");
    world.certgen(import).env("CERTGEN_PASSPHRASE", "correct horse").stdin(bytes).run().success();
    check(&world.path("new"));
}
