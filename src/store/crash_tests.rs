//! Every call that changes the disk fails once, and stops the machine once; afterwards the old or the new state is there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use time::macros::datetime;

use super::disk::fault::{self, Fault};
use super::testing::TempDir;
use super::*;
use crate::error::Result;

fn event(action: Action, name: &str, serial: &str) -> Event {
    let now = datetime!(2026-01-01 0:00 UTC);
    let mut event = Event::new(action, "test@host", now, now).unwrap().about("client", name);
    event.serial = Some(serial.to_owned());
    event.issuer = Some("ca".to_owned());
    event
}

fn options() -> LockOptions<'static> {
    LockOptions { command: "test", create: true, ..LockOptions::default() }
}

/// A key and a certificate that say which pair they are.
fn pair(serial: &str) -> Vec<OutputFile> {
    vec![
        OutputFile::public("client_certificate.pem", format!("certificate {serial}")),
        OutputFile::private("client_key.pem", format!("key {serial}")),
    ]
}

/// A PKI with one client, `old`, serial 1.
fn seed(root: &Path) -> Store {
    fault::set(Fault::None);
    let store = Store::open(root);
    let locked = store.lock(options()).unwrap();
    let mut tx = locked.transaction();
    tx.put(OutputFile::public(layout::manifest(), "[client.old]\n")).unwrap();
    tx.create_directory(layout::entry_dir("client", "old").unwrap(), 0o700, None, pair("1")).unwrap();
    tx.append([event(Action::Initialized, "", ""), event(Action::Issued, "old", "1")]);
    tx.commit().unwrap();
    store
}

/// Everything under a directory: path, mode, content. The lock and the index are no part of the state.
fn state(root: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    fn walk(root: &Path, at: &Path, out: &mut BTreeMap<PathBuf, (u32, String)>) {
        for entry in fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let relative = path.strip_prefix(root).unwrap().to_path_buf();
            let is_dir = metadata.is_dir();
            if !relative.ends_with("lock") && !relative.ends_with("inventory.idx") {
                let content = if is_dir { String::new() } else { fs::read_to_string(&path).unwrap_or_default() };
                // Event numbers and times differ between runs.
                let content = if relative.ends_with("inventory.jsonl") { summary(&content) } else { content };
                out.insert(relative, (metadata.mode() & 0o7777, content));
            }
            if is_dir {
                walk(root, &path, out);
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

fn summary(inventory: &str) -> String {
    let line = |line: &str| {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { return "torn".to_owned() };
        format!("{} {} {}\n", value["action"], value["name"], value["serial"])
    };
    inventory.split_inclusive('\n').map(line).collect()
}

fn issue(store: &Store, outside: Option<&Path>) -> Result<()> {
    let locked = store.lock(options())?;
    let mut tx = locked.transaction();
    tx.create_directory(layout::entry_dir("client", "new")?, 0o700, None, pair("2"))?;
    tx.put(OutputFile::public(layout::manifest(), "[client.old]\n[client.new]\n"))?;
    tx.put(OutputFile::public("rabbitmq/definitions.d/new.json", "{}"))?;
    if let Some(outside) = outside {
        tx.allow_outside(outside)?;
        tx.put(OutputFile::private(outside.join("new_key.pem"), "key 2"))?;
    }
    tx.append([event(Action::Issued, "new", "2")]);
    tx.commit()
}

fn renew(store: &Store) -> Result<()> {
    let locked = store.lock(options())?;
    let mut tx = locked.transaction();
    let directory = layout::entry_dir("client", "old")?;
    tx.create_directory(layout::history_dir("client", "old", "1")?, 0o700, None, pair("1"))?;
    for mut file in pair("3") {
        file.path = directory.join(file.path);
        tx.put(file)?;
    }
    tx.append([event(Action::Renewed, "old", "3")]);
    tx.commit()
}

fn remove(store: &Store) -> Result<()> {
    let locked = store.lock(options())?;
    let mut tx = locked.transaction();
    tx.rename("client/old/client_certificate.pem", "history/kept.pem")?;
    tx.remove("client/old")?;
    tx.remove("client/never")?;
    tx.put(OutputFile::public(layout::manifest(), ""))?;
    tx.append([event(Action::Removed, "old", "1")]);
    tx.commit()
}

/// Runs `change` with every possible fault.
fn survives(change: &dyn Fn(&Path) -> Result<()>, init: bool) {
    let dir = TempDir::new();
    let root = dir.path().join("pki");
    let prepare = || {
        fault::set(Fault::None);
        for entry in fs::read_dir(dir.path()).unwrap() {
            fs::remove_dir_all(entry.unwrap().path()).unwrap();
        }
        if !init {
            seed(&root);
        }
    };
    prepare();
    let old = state(dir.path());
    fault::set(Fault::None);
    change(&root).unwrap();
    let points = fault::count();
    let new = state(dir.path());
    assert!(points > 20 && old != new);
    for point in 0..points {
        prepare();
        fault::set(Fault::FailAt(point));
        let result = change(&root);
        fault::set(Fault::None);
        let now = state(dir.path());
        match &result {
            // Left-over staging is allowed after a success whose tidying failed; the next command sweeps it.
            Ok(()) => {
                drop(Store::open(&root).lock(options()).unwrap());
                assert_eq!(state(dir.path()), new, "fault at {point} of {points}");
            }
            Err(e) if now != old => panic!("fault at {point} of {points}: {e}: {now:#?}"),
            Err(_) => {}
        }
        prepare();
        fault::set(Fault::StopAt(point));
        let _ = change(&root);
        let torn = state(dir.path());
        for (path, (mode, _)) in &torn {
            let secret = path.to_string_lossy().ends_with("key.pem");
            assert!(!secret || mode & 0o077 == 0, "stop at {point}: {path:?} {mode:o}");
        }
        // A second crash during the recovery of the first.
        fault::set(Fault::StopAt(point % 7));
        let _ = Store::open(&root).lock(options()).map(drop);
        fault::set(Fault::None);
        drop(Store::open(&root).lock(options()).unwrap());
        let now = state(dir.path());
        // A kill of `init` may leave its directory, empty; the next `init` takes it.
        let empty = init && now.keys().eq([Path::new("pki")]);
        let either = now == old || now == new || empty;
        assert!(either, "stop at {point} of {points}: {now:#?}");
    }
}

#[test]
fn a_new_identity_is_there_or_not() {
    survives(&|root| issue(&Store::open(root), None), false);
}

#[test]
fn files_outside_come_with_the_identity_or_not_at_all() {
    survives(&|root| issue(&Store::open(root), Some(&root.parent().unwrap().join("a/out"))), false);
}

#[test]
fn a_renewed_pair_fits_together() {
    survives(&|root| renew(&Store::open(root)), false);
}

#[test]
fn a_removal_is_done_or_not() {
    survives(&|root| remove(&Store::open(root)), false);
}

#[test]
fn a_new_pki_is_complete_or_absent() {
    survives(&|root| seed_again(root), true);
}

fn seed_again(root: &Path) -> Result<()> {
    let locked = Store::open(root).lock(options())?;
    let mut tx = locked.transaction();
    tx.put(OutputFile::public(layout::manifest(), "[client.old]\n"))?;
    tx.create_directory(layout::entry_dir("client", "old")?, 0o700, None, pair("1"))?;
    tx.append([event(Action::Issued, "old", "1")]);
    tx.commit()
}

#[test]
fn two_changes_after_each_other_and_a_dropped_one() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    issue(&store, None).unwrap();
    renew(&store).unwrap();
    let before = state(store.root());
    {
        let locked = store.lock(options()).unwrap();
        let mut tx = locked.transaction();
        tx.put(OutputFile::private("client/old/client_key.pem", "never")).unwrap();
    }
    assert_eq!(state(store.root()), before);
    let inventory = store.inventory().unwrap();
    assert_eq!(inventory.current_serial("client", "old").as_deref(), Some("3"));
    let disk = store.entries_on_disk().unwrap();
    assert_eq!(disk.iter().map(|e| &*e.name).collect::<Vec<_>>(), ["new", "old"]);
    assert!(store.holds("client/new/client_key.pem"));
}

#[test]
fn a_replaced_file_has_another_second() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let path = store.path("client/old/client_key.pem");
    let before = fs::metadata(&path).unwrap();
    renew(&store).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_ne!(before.mtime(), after.mtime());
    assert_ne!(before.ino(), after.ino());
}

/// `tar` warns of a time that lies ahead.
#[test]
fn a_file_replaced_by_its_like_has_no_time_ahead() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let path = store.path("client/old/client_key.pem");
    for _ in 0..5 {
        let locked = store.lock(options()).unwrap();
        let mut tx = locked.transaction();
        tx.put(OutputFile::private("client/old/client_key.pem", fs::read(&path).unwrap())).unwrap();
        tx.commit().unwrap();
        drop(locked);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(time <= std::time::SystemTime::now(), "{time:?}");
    }
}

#[test]
fn links_planted_in_the_way_are_never_followed() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    // At a file's name: the link is replaced.
    let manifest = store.path(layout::manifest());
    fs::remove_file(&manifest).unwrap();
    symlink(outside.join("precious"), &manifest).unwrap();
    // At a staging directory's name: the link goes, what it leads to stays.
    symlink(&outside, store.path(".certgen-staging-0123456789abcdef")).unwrap();
    issue(&store, None).unwrap();
    assert!(fs::symlink_metadata(&manifest).unwrap().is_file());
    assert!(!store.holds(".certgen-staging-0123456789abcdef"));
    // At a directory's name: refused, old or new, dangling or not.
    for place in ["server", "node"] {
        symlink(if place == "node" { Path::new("/nowhere") } else { &outside }, store.path(place)).unwrap();
        let locked = store.lock(options()).unwrap();
        let mut tx = locked.transaction();
        let directory = Path::new(place).join("x");
        let error = tx.create_directory(&directory, 0o700, None, pair("9")).unwrap_err();
        assert!(error.message().contains("symbolic link"), "{error}");
        assert!(tx.put(OutputFile::private(directory.join("k"), "k")).is_err());
    }
    // At the inventory.
    fs::rename(store.path(layout::inventory()), outside.join("inventory")).unwrap();
    symlink(outside.join("inventory"), store.path(layout::inventory())).unwrap();
    assert!(store.lock(options()).unwrap_err().message().contains("symbolic link"));
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
}

#[test]
fn a_forged_or_torn_journal_is_refused_by_name() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let staging = ".certgen-staging-0123456789abcdef";
    let forged = |operation: &str, outside: &str| {
        format!(r#"{{"certgen_journal":1,"staging":"{staging}","outside":[{outside}],"operations":[{operation}]}}"#)
    };
    for text in [
        String::new(),
        "{".to_owned(),
        "\0\0\0".to_owned(),
        r#"{"certgen_journal":2,"staging":"x","outside":[],"operations":[]}"#.to_owned(),
        forged(r#"{"do":"put","n":1,"root":0,"path":"../evil"}"#, ""),
        forged(r#"{"do":"remove","n":1,"root":0,"path":"/etc/passwd"}"#, ""),
        forged(r#"{"do":"remove","n":1,"root":1,"path":"passwd"}"#, r#""/etc""#),
    ] {
        fs::write(store.path("journal"), text).unwrap();
        let error = store.lock(options()).unwrap_err();
        assert!(error.message().contains("pki/journal"), "{error}");
    }
    // One that names a foreign directory can write nothing there: nobody has prepared anything in it.
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(store.path("journal"), forged(r#"{"do":"put","n":1,"root":1,"path":"x"}"#, &format!("{outside:?}")))
        .unwrap();
    let locked = store.lock(options()).unwrap();
    assert!(locked.notes().iter().any(|note| note.contains("was not finished in")));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!store.is_interrupted());
}

#[test]
fn paths_that_lead_out_are_refused() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let locked = store.lock(options()).unwrap();
    let mut tx = locked.transaction();
    for path in ["../x", "/etc/x", "lock", "journal", "", "a/../../x"] {
        assert!(tx.put(OutputFile::public(path, "x")).is_err(), "{path}");
        assert!(tx.remove(path).is_err(), "{path}");
    }
    assert!(tx.create_directory("client/old", 0o700, None, vec![]).unwrap_err().message().contains("exists already"));
    let files = vec![OutputFile::public("../x", "x")];
    assert!(tx.create_directory("client/y", 0o700, None, files).is_err());
}

#[test]
fn modes_and_owners_are_as_asked() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let mode = |path: &str| fs::metadata(store.path(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("client/old/client_key.pem"), 0o600);
    assert_eq!(mode("client/old/client_certificate.pem"), 0o644);
    assert_eq!(mode("client/old"), 0o700);
    assert_eq!(mode("inventory.jsonl"), 0o600);
    assert_eq!(mode("client"), 0o755);
    if !nix::unistd::Uid::effective().is_root() {
        let error = Owner::parse("0:0").unwrap().check_permitted().unwrap_err();
        assert!(error.hints()[0].contains("sudo"));
        return;
    }
    let owner = Owner::parse("999:998").unwrap();
    owner.check_permitted().unwrap();
    let locked = store.lock(options()).unwrap();
    let mut tx = locked.transaction();
    tx.create_directory("server/x", 0o750, Some(&owner), vec![OutputFile::private("k", "k").with_mode(0o640)]).unwrap();
    tx.commit().unwrap();
    for path in ["server/x", "server/x/k"] {
        let metadata = fs::metadata(store.path(path)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (999, 998));
    }
    assert_eq!((mode("server/x"), mode("server/x/k"), mode("server")), (0o750, 0o640, 0o755));
}

#[test]
fn a_directory_that_is_no_pki_gets_its_files_together() {
    let dir = TempDir::new();
    let target = dir.path().join("deep/out");
    let write = || {
        let mut tx = Transaction::outside(&target)?;
        tx.put(OutputFile::private("k.pem", "k"))?;
        tx.put(OutputFile::public(target.join("sub/c.pem"), "c"))?;
        tx.commit()
    };
    fault::set(Fault::None);
    write().unwrap();
    let points = fault::count();
    let whole = state(dir.path());
    assert_eq!(whole.len(), 5, "{whole:#?}");
    for point in 0..points {
        fs::remove_dir_all(dir.path().join("deep")).unwrap_or_default();
        fault::set(Fault::FailAt(point));
        let result = write();
        fault::set(Fault::None);
        let now = state(dir.path());
        let tidy = now.keys().all(|path| !path.to_string_lossy().contains("staging"));
        match result {
            Ok(()) if tidy => assert_eq!(now, whole),
            // Its last act, the tidying, failed.
            Ok(()) => fs::read_dir(dir.path()).unwrap().for_each(|entry| {
                let path = entry.unwrap().path();
                if path.to_string_lossy().contains("staging") {
                    fs::remove_dir_all(path).unwrap();
                }
            }),
            Err(_) => assert!(now.is_empty(), "fault at {point}: {now:#?}"),
        }
    }
}

#[test]
fn many_files_at_once() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    let locked = store.lock(options()).unwrap();
    let mut tx = locked.transaction();
    for n in 0..300 {
        let name = format!("device-{n}");
        tx.create_directory(layout::entry_dir("client", &name).unwrap(), 0o700, None, pair("5")).unwrap();
        tx.append([event(Action::Issued, &name, &format!("{n:x}"))]);
    }
    tx.commit().unwrap();
    assert_eq!(store.entries_on_disk().unwrap().len(), 301);
    assert_eq!(store.inventory().unwrap().len(), 302);
}

#[test]
fn writers_in_several_threads_lose_nothing() {
    let dir = TempDir::new();
    let store = seed(&dir.path().join("pki"));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for round in 0..10 {
                    let locked = store.lock(options()).unwrap();
                    let serial = format!("{thread}{round}");
                    let mut tx = locked.transaction();
                    tx.put(OutputFile::public(layout::manifest(), serial.clone())).unwrap();
                    tx.append([event(Action::Issued, &format!("n{serial}"), &serial)]);
                    tx.commit().unwrap();
                }
            });
        }
    });
    let inventory = store.inventory().unwrap();
    assert_eq!(inventory.events().count(), 82);
    assert!(inventory.warnings.is_empty());
}

/// A file system of 64 KiB that is full at every possible moment.
#[test]
#[ignore = "needs the right to mount a tmpfs"]
fn a_full_disk_leaves_the_old_state_or_the_new_one() {
    use std::process::Command;
    let dir = TempDir::new();
    let mount = dir.path().join("small");
    fs::create_dir(&mount).unwrap();
    let run = |program: &str, args: &[&str]| {
        assert!(Command::new(program).args(args).arg(&mount).status().unwrap().success());
    };
    let mut refused = 0;
    for fill in (0..=40).map(|n| n * 4096) {
        run("mount", &["-t", "tmpfs", "-o", "size=160k", "tmpfs"]);
        let root = mount.join("pki");
        let store = seed(&root);
        let old = state(&root);
        let _ = fs::write(mount.join("fill"), vec![0; fill]);
        let result = issue(&store, None).and_then(|()| renew(&store));
        let now = state(&root);
        let tidy = now.keys().all(|path| !path.to_string_lossy().contains("staging") && path != Path::new("journal"));
        let manifest = fs::read_to_string(store.path(layout::manifest())).unwrap();
        let serial = store.inventory().unwrap().current_serial("client", "old").unwrap().to_owned();
        let key = fs::read_to_string(store.path("client/old/client_key.pem")).unwrap();
        fs::remove_file(mount.join("fill")).unwrap();
        let again = if manifest.contains("new") { Ok(()) } else { issue(&store, None) };
        run("umount", &[]);
        assert!(tidy, "{fill}: {now:#?}");
        assert_eq!(key, format!("key {serial}"), "{fill}");
        if let Err(e) = result {
            refused += 1;
            assert!(e.message().contains("no space"), "{e}");
            assert!(now == old || manifest.contains("new"), "{fill}: {now:#?}");
        }
        again.unwrap();
    }
    assert!(refused > 3, "{refused}");
}

#[test]
#[ignore = "needs the right to mount a tmpfs"]
fn readers_work_where_nothing_can_be_written() {
    use std::process::Command;
    let dir = TempDir::new();
    let run = |program: &str, args: &[&str]| {
        assert!(Command::new(program).args(args).arg(dir.path()).status().unwrap().success());
    };
    run("mount", &["-t", "tmpfs", "tmpfs"]);
    let store = seed(&dir.path().join("pki"));
    run("mount", &["-o", "remount,ro"]);
    let inventory = store.inventory().map(|inventory| inventory.events().count());
    let entries = store.entries_on_disk().map(|disk| disk.len());
    let key = store.read(layout::key("client", "old").unwrap()).map(|key| key.to_vec());
    let refused = store.lock(options()).unwrap_err();
    let elsewhere = Store::open(&dir.path().join("new")).lock(options()).unwrap_err();
    run("umount", &[]);
    assert_eq!((inventory.unwrap(), entries.unwrap(), key.unwrap()), (2, 1, b"key 1".to_vec()));
    assert!(refused.message().contains("read-only") && !refused.hints().is_empty(), "{refused}");
    assert!(elsewhere.message().contains("read-only"), "{elsewhere}");
}

/// Under the two extreme umasks; a process has one umask for all its threads, hence not beside other tests.
#[test]
#[ignore = "changes the umask of the whole process: run alone with --test-threads=1"]
fn modes_do_not_depend_on_the_umask() {
    use nix::sys::stat::{Mode, umask};
    for mask in [0o000, 0o777] {
        let dir = TempDir::new();
        let before = umask(Mode::from_bits_truncate(mask));
        let store = seed(&dir.path().join("pki"));
        let modes: Vec<_> = state(store.root()).values().map(|(mode, _)| *mode).collect();
        let lock = fs::metadata(store.path(layout::lock())).unwrap().mode() & 0o7777;
        umask(before);
        assert_eq!(modes, [0o644, 0o755, 0o700, 0o644, 0o600, 0o600], "umask {mask:o}");
        assert_eq!(lock, 0o600);
    }
}
