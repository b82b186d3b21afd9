//! The surroundings of a command: umask, streams that are full or gone, no home, clocks that are wrong, directories that
//! cannot be written, links where files should be.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Stdio;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "077", "777"] {
        let world = World::new();
        world.certgen(["init", "--profile", "celery"]).after_shell(&format!("umask {umask}")).run().success();
        world.certgen(["issue", "client", "x"]).after_shell(&format!("umask {umask}")).run().success();
        check(&world.pki(""));
        let mode = fs::metadata(world.pki("ca")).expect("ca/").permissions().mode() & 0o777;
        assert_eq!(mode & 0o022, 0, "umask {umask}: ca/ can be written by others: {mode:04o}");
    }
}

#[test]
#[ignore = "needs strace"]
fn no_key_is_ever_created_with_a_wider_mode() {
    let world = World::new();
    let trace = world.path("trace");
    let strace = [
        "strace",
        "-f",
        "-s",
        "65536",
        "-e",
        "trace=open,openat,creat,chmod,fchmod,fchmodat,write,pwrite64,writev",
        "-o",
    ];
    let mut secrets = 0;
    for args in
        [vec!["init", "--profile", "celery"], vec!["issue", "client", "x"], vec!["issue", "server", "y.example"]]
    {
        let under = strace.iter().map(|s| (*s).to_owned()).chain([trace.display().to_string()]);
        world.certgen(args).under(under).after_shell("umask 000").run().success();
        // The files that others may read, by their descriptors while they are open.
        let mut public: BTreeSet<String> = BTreeSet::new();
        for line in fs::read_to_string(&trace).expect("strace wrote a trace").lines() {
            let creates = line.contains("O_CREAT") && line.contains("open");
            if let Some((_, descriptor)) = line.rsplit_once(" = ").filter(|_| line.contains("open")) {
                public.remove(descriptor);
            }
            // The lock holds nothing and may be opened again and again.
            if creates && line.contains("/pki") && !line.contains("/lock\"") {
                assert!(line.contains("O_EXCL") && line.contains("O_NOFOLLOW"), "not a new file of ours: {line}");
                let (begin, descriptor) = line.rsplit_once(" = ").expect("strace tells the result");
                if !begin.ends_with(", 0600)") && !begin.ends_with(", 0400)") {
                    assert!(begin.ends_with(", 0644)"), "created with a mode that nothing has: {line}");
                    public.insert(descriptor.to_owned());
                }
            }
            if let Some((_, written)) = line.split_once("write(") {
                let descriptor = written.split(',').next().unwrap_or_default();
                let is_secret = ["PRIVATE KEY", "password_hash"].iter().any(|secret| written.contains(secret));
                assert!(!is_secret || !public.contains(descriptor), "a secret for everybody: {line}");
                secrets += usize::from(is_secret);
            }
            assert!(!line.contains("O_TRUNC"), "truncates in place: {line}");
        }
    }
    assert!(secrets >= 6, "the trace shows the secrets that are written: {secrets}");
    check(&world.pki(""));
}

#[test]
#[ignore = "needs strace"]
fn new_identities_are_on_the_disk_before_they_appear() {
    let world = World::initialised([]);
    let trace = world.path("trace");
    let under =
        ["strace", "-f", "-e", "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2", "-o"].map(str::to_owned);
    world
        .certgen(["issue", "client", "x"])
        .under(under.into_iter().chain([trace.display().to_string()]))
        .run()
        .success();
    let text = fs::read_to_string(&trace).expect("strace wrote a trace");
    let lines: Vec<&str> = text.lines().collect();
    let appears = lines.iter().position(|l| l.contains("rename") && l.contains("client/x"));
    let appears = appears.unwrap_or_else(|| panic!("client/x appears by a rename:\n{text}"));
    assert!(lines[..appears].iter().any(|l| l.contains("sync")), "nothing is synced before the rename:\n{text}");
    assert!(
        lines[appears..].iter().any(|l| l.contains("sync")),
        "the directory is not synced after the rename:\n{text}"
    );
}

#[test]
#[ignore = "needs strace"]
fn secrets_are_not_in_the_arguments_of_children() {
    let world = World::new();
    let trace = world.path("trace");
    let secret = world.write("passphrase", "correct-horse-battery\n");
    let under = ["strace", "-f", "-s", "4096", "-v", "-e", "trace=execve", "-o"].map(str::to_owned);
    let under: Vec<String> = under.into_iter().chain([trace.display().to_string()]).collect();
    let init = ["init", "--seal", "--passphrase-file", &secret.display().to_string()].map(str::to_owned);
    world.certgen(init).under(under).run().success();
    let text = fs::read_to_string(&trace).expect("strace wrote a trace");
    assert!(!text.contains("correct-horse"), "{text}");
    assert_eq!(text.matches("execve(").count(), 1, "it starts no other program:\n{text}");
}

#[test]
fn a_full_or_closed_standard_output_is_no_panic() {
    let world = World::initialised([]);
    for args in [vec!["list"], vec!["--json", "list"], vec!["log"], vec!["--help"], vec!["init", "--help"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = world.certgen(&args).stdout(Stdio::from(full)).run().sane();
        assert!(matches!(output.code, Some(1..=2)), "a full disk is a failure\n{}", output.transcript());
        let closed = world.certgen(&args).after_shell("exec >&-").run();
        closed.sane();
        // The reader is gone before the first byte.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = world.certgen(&args).stdout(Stdio::from(writer)).run();
        assert!(!output.stderr.contains("panicked"), "{}", output.transcript());
    }
    check(&world.pki(""));
}

#[test]
fn closed_standard_input_and_error_are_no_panic() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "a"]).after_shell("exec <&-").run().success();
    world.certgen(["issue", "client", "b"]).after_shell("exec 2>&-").run().success();
    world.certgen(["issue", "client", "c"]).after_shell("exec <&- >&- 2>&-").run().success();
    check(&world.pki(""));
}

#[test]
fn strange_locales_and_no_home_change_nothing() {
    for locale in ["C", "tr_TR.UTF-8", "de_DE.ISO-8859-1", "nonsense"] {
        let world = World::new();
        world.certgen(["init", "--profile", "celery"]).env("LC_ALL", locale).run().success();
        world.certgen(["issue", "client", "I"]).env("LC_ALL", locale).run().success();
        check(&world.pki(""));
    }
}

#[test]
fn clocks_far_from_today() {
    for time in [
        "1970-01-01T00:00:00Z",
        "2026-11-22T00:00:00Z",
        "2049-12-31T23:59:59Z",
        "2050-01-01T00:00:00Z",
        "2106-02-07T06:28:16Z",
    ] {
        let world = World::new();
        let output = world.certgen(["init"]).at(time).run().sane();
        if output.code != Some(0) {
            output.refused();
            continue;
        }
        world.certgen(["issue", "client", "x"]).at(time).run().success();
        check(&world.pki(""));
        inside(&world);
    }
    // A certificate cannot end after 9999.
    let world = World::new();
    let output = world.certgen(["init"]).at("9999-12-30T00:00:00Z").run().sane();
    if output.code == Some(0) {
        inside(&world);
        check(&world.pki(""));
    } else {
        output.refused();
        assert!(!world.pki("certgen.toml").exists(), "the refusal left a directory behind");
    }
}

#[test]
fn a_leaf_stays_inside_its_authority() {
    let world = World::new();
    world.certgen(["init"]).at("2030-01-01T00:00:00Z").run().success();
    // Shortly before the authority ends: clipped, and said.
    let output = world.certgen(["issue", "client", "clipped"]).at("2039-06-01T00:00:00Z").run().success();
    assert!(!output.stderr.is_empty(), "clipping is said\n{}", output.transcript());
    inside(&world);
    let before = snapshot(&world.pki(""));
    // Beyond it on purpose, before it, after it: refused.
    world.certgen(["issue", "client", "a", "--validity", "20y"]).at("2031-01-01T00:00:00Z").run().refused();
    world.certgen(["issue", "client", "b"]).at("2029-01-01T00:00:00Z").run().refused();
    world.certgen(["issue", "client", "c"]).at("2041-01-01T00:00:00Z").run().refused();
    unchanged(&before, &world.pki(""), "a refusal changed something");
}

/// The client `x` (or `clipped`) ends not after, and begins not before, its authority; dates have the right ASN.1 type.
fn inside(world: &World) {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let mut leaves = Vec::new();
    let mut authorities = Vec::new();
    for (path, (_, bytes)) in snapshot(&world.pki("")) {
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        if !name.ends_with("certificate.pem") {
            continue;
        }
        let list = if path.starts_with(world.pki("ca")) { &mut authorities } else { &mut leaves };
        for pem in x509_parser::pem::Pem::iter_from_buffer(&bytes).flatten() {
            let (_, c) = X509Certificate::from_der(&pem.contents).expect("decodes");
            let validity = (c.validity().not_before.timestamp(), c.validity().not_after.timestamp());
            list.push((c.issuer().to_string(), c.subject().to_string(), validity));
        }
    }
    for (issuer, subject, (from, to)) in &leaves {
        let (_, _, (start, end)) = authorities.iter().find(|(_, s, _)| s == issuer).expect("the issuer is in ca/");
        assert!(from >= start && to <= end, "{subject} is valid outside {issuer}: {from}..{to} against {start}..{end}");
    }
}

#[test]
#[ignore = "needs root, to mount"]
fn a_read_only_file_system_is_said_and_nothing_changes() {
    let world = World::initialised([]);
    let before = snapshot(&world.pki(""));
    let script = "mount --bind pki pki && mount -o remount,ro,bind pki && exec \"$@\"";
    let under = ["unshare", "--mount", "sh", "-c", script, "sh"];
    world.certgen(["issue", "client", "x"]).under(under).run().refused();
    world.certgen(["list"]).under(under).run().success();
    unchanged(&before, &world.pki(""), "a read-only directory changed");
}

#[test]
#[ignore = "needs root, to become another user"]
fn without_permission_nothing_changes() {
    let world = World::initialised([]);
    let before = snapshot(&world.pki(""));
    for directory in [world.path(""), world.pki("")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("ours");
    }
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    world.certgen(["issue", "client", "x"]).under(nobody).run().refused();
    unchanged(&before, &world.pki(""), "a directory of somebody else changed");
    // No right to give files away: fails before anything is signed.
    let other = World::new();
    fs::set_permissions(other.path(""), fs::Permissions::from_mode(0o777)).expect("ours");
    other.certgen(["init"]).under(nobody).run().success();
    let before = snapshot(&other.pki(""));
    other.certgen(["issue", "client", "x", "--owner", "999:999"]).under(nobody).run().refused();
    unchanged(&before, &other.pki(""), "a refused --owner changed something");
}

#[test]
fn links_planted_where_files_will_be_are_never_followed() {
    for (at, is_directory) in [
        ("client/x", true),
        ("client", true),
        ("rabbitmq/definitions.json", false),
        ("rabbitmq/definitions.d/x.json", false),
        ("rabbitmq/definitions.d", true),
        ("inventory.idx", false),
        ("inventory.jsonl", false),
        ("certgen.toml", false),
        ("lock", false),
        ("history", true),
    ] {
        let world = World::initialised([]);
        let outside = if is_directory {
            fs::create_dir_all(world.path("outside")).expect("writable");
            world.path("outside")
        } else {
            world.write("outside-file", "precious\n")
        };
        let planted = world.pki(at);
        fs::create_dir_all(planted.parent().expect("in pki/")).expect("writable");
        let _ = fs::remove_file(&planted);
        let _ = fs::remove_dir_all(&planted);
        symlink(&outside, &planted).expect("a link can be made");
        let output = world.certgen(["issue", "client", "x"]).run().sane();
        let untouched = if is_directory {
            fs::read_dir(&outside).expect("readable").count() == 0
        } else {
            fs::read_to_string(&outside).is_ok_and(|t| t == "precious\n")
        };
        assert!(untouched, "wrote through the link at {at}\n{}", output.transcript());
        if output.code != Some(0) {
            output.refused();
        }
    }
}

#[test]
fn a_second_init_is_refused_and_the_same_issue_is_unchanged() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "x"]).run().success();
    let before = snapshot(&world.pki(""));
    world.certgen(["init"]).run().refused();
    world.certgen(["init", "--keep"]).run().success();
    let output = world.certgen(["issue", "client", "x"]).run().success();
    assert!((output.stdout.clone() + &output.stderr).contains("unchanged"), "{}", output.transcript());
    let output = world.certgen(["issue", "client", "x", "--key-type", "ed25519"]).run().code(1);
    assert!(output.stderr.contains("--force"), "{}", output.transcript());
    unchanged(&before, &world.pki(""), "a repeated command changed something");
    world.certgen(["issue", "client", "x", "--key-type", "ed25519", "--force"]).run().success();
    let text = openssl(["pkey", "-noout", "-text", "-in", &world.pki("client/x/client_key.pem").display().to_string()]);
    assert!(text.accepted().contains("ED25519"), "{}", text.text);
    check(&world.pki(""));
}

#[test]
fn bad_input_answers_in_milliseconds_and_so_does_issue() {
    let world = World::initialised([]);
    let output = world.certgen(["issue", "client", "x"]).run().success();
    assert!(output.took.as_millis() < 1000, "took {:?}", output.took);
}

#[test]
fn a_certificate_comes_from_standard_input_too() {
    let world = World::initialised([]);
    world.certgen(["issue", "client", "x"]).run().success();
    let certificate = world.read("pki/client/x/client_certificate.pem");
    world.certgen(["inspect", "-"]).stdin(certificate).run().success().stdout_has("x");
    world.certgen(["inspect", "-"]).stdin("nothing of the kind\n").run().refused();
    // Large input to a command that does not read it.
    world.certgen(["list"]).stdin(vec![b'x'; 1 << 20]).run().success().stdout_has("x");
}
