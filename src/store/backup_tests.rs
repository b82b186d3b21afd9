//! What a snapshot holds, and what archives of others are refused.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::LockOptions;
use super::super::disk::fault::{self, Fault};
use super::super::testing::TempDir;
use super::*;

fn lock(root: &Path) -> Locked {
    Store::open(root).lock(LockOptions { command: "test", create: true, ..LockOptions::default() }).unwrap()
}

/// An archive of these entries: kind, name, mode, content.
fn archive(entries: &[(u8, &str, u32, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, mode, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::new(*kind));
        // Written as it stands: the crate's own writer would refuse some of them.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_mode(*mode);
        header.set_uid(nix::unistd::getuid().as_raw().into());
        header.set_gid(nix::unistd::getgid().as_raw().into());
        header.set_size(content.len() as u64);
        if matches!(kind, b'1' | b'2') {
            header.as_gnu_mut().unwrap().linkname[..11].copy_from_slice(b"/etc/passwd");
        }
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

const MANIFEST: (u8, &str, u32, &[u8]) = (b'0', "certgen.toml", 0o644, b"version = 1\n");

/// Unpacks into a directory that does not exist, and says what came of it.
fn unpacked(bytes: &[u8]) -> (TempDir, Result<Snapshot>) {
    let dir = TempDir::new();
    let root = dir.path().join("pki");
    let result = lock(&root).unpack(bytes);
    assert_eq!(root.exists(), result.is_ok(), "{result:?}");
    (dir, result)
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let (dir, result) = unpacked(bytes);
    let error = result.expect_err(why);
    assert!(error.message().contains(why), "wanted {why:?}: {error}");
    assert!(!dir.path().join("evil").exists(), "{why}");
}

#[test]
fn everything_comes_back_as_it_was() {
    let dir = TempDir::new();
    let from = dir.path().join("from");
    let locked = lock(&from);
    let long = format!("client/{}", "n".repeat(250));
    for (name, mode) in [("certgen.toml", 0o644), ("ca/x/ca_key.pem", 0o600), (&format!("{long}/k.pem"), 0o640)] {
        let path = from.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(from.join(&long), fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(from.join("empty"), "").unwrap();
    fs::create_dir(from.join(".git")).unwrap();
    symlink("/etc/passwd", from.join("link")).unwrap();
    let mut bytes = Vec::new();
    let packed = locked.pack(&mut bytes).unwrap();
    assert_eq!((packed.files, packed.left_out), (4, vec![".git".into(), "link".into()]));

    let to = dir.path().join("to");
    let restored = lock(&to).unpack(&bytes[..]).unwrap();
    assert_eq!((restored.files, restored.bytes, restored.is_taken_over), (4, packed.bytes, false));
    for (name, mode) in [("certgen.toml", 0o644), ("ca/x/ca_key.pem", 0o600), (&format!("{long}/k.pem"), 0o640)] {
        assert_eq!(fs::read_to_string(to.join(name)).unwrap(), name);
        assert_eq!(platform::mode(&fs::metadata(to.join(name)).unwrap()), mode, "{name}");
    }
    assert_eq!(platform::mode(&fs::metadata(to.join(&long)).unwrap()), 0o750);
    let mut names = Store::open(&to).file_names("").unwrap();
    names.retain(|name| !PASSING.contains(&name.as_str()));
    assert_eq!(names, ["ca", "certgen.toml", "client", "empty"]);
    // And a second time not.
    let error = lock(&to).unpack(&bytes[..]).unwrap_err();
    assert!(error.message().contains("is not empty"), "{error}");
}

#[test]
fn what_leads_out_or_is_no_file_is_refused() {
    for name in ["../evil", "a/../../evil", "/tmp/evil", "..", "a/.."] {
        refused(&archive(&[MANIFEST, (b'0', name, 0o644, b"x")]), "leads out of the directory");
    }
    for kind in [b'1', b'2', b'3', b'4', b'6', b'7', b'S', b'K', b'x', b'g', b'V'] {
        refused(&archive(&[MANIFEST, (kind, "a", 0o644, b"")]), "is neither a file nor a directory");
    }
    for name in ["journal", "Journal", ".certgen-staging-0123456789abcdef/1.new"] {
        refused(&archive(&[MANIFEST, (b'0', name, 0o644, b"{}")]), "interrupted command");
    }
    // A directory that is a file, a file that is a directory, one name twice.
    refused(&archive(&[MANIFEST, (b'0', "a", 0o644, b""), (b'0', "a/b", 0o644, b"")]), "is below a file");
    refused(&archive(&[MANIFEST, (b'0', "a/b", 0o644, b"")]), "does not come before it");
    refused(&archive(&[MANIFEST, MANIFEST]), "certgen.toml is in it twice");
    refused(&archive(&[MANIFEST, (b'5', "a", 0o755, b""), (b'5', "a/", 0o755, b"")]), "is in it twice");
    refused(&archive(&[(b'0', "a", 0o644, b"x")]), "there is no PKI in it");
    refused(&archive(&[]), "there is no PKI in it");
}

#[test]
fn a_long_name_has_a_limit_and_is_checked_too() {
    let long = |name: &[u8]| {
        let mut bytes = archive(&[MANIFEST]);
        bytes.truncate(bytes.len() - 1024);
        bytes.extend(archive(&[(b'L', "././@LongLink", 0, name), (b'0', "short", 0o644, b"x")]));
        bytes
    };
    refused(&long(b"../evil\0"), "leads out of the directory");
    refused(&long(&vec![b'a'; 1 << 20]), "longer than any path");
    refused(&long(&vec![b'a'; 300]), "is no path");
    refused(&long(b"a\0b\0"), "is no path");
    assert!(unpacked(&long(b"name\0")).1.is_ok());
}

#[test]
fn a_torn_archive_leaves_nothing() {
    let whole = archive(&[MANIFEST, (b'0', "a", 0o600, &[7; 3000])]);
    assert!(unpacked(&whole).1.is_ok());
    for cut in (0..whole.len()).step_by(256).chain([whole.len() - 1024, whole.len() - 1023]) {
        // One block of zeros at the end is as good as two.
        let (_, result) = unpacked(&whole[..cut]);
        assert_eq!(result.is_ok(), cut >= whole.len() - 512, "cut at {cut}: {result:?}");
    }
    // A size that no disk has.
    let mut forged = archive(&[MANIFEST, (b'0', "a", 0o600, b"")]);
    let header = &mut forged[1024..1536];
    header[124..136].copy_from_slice(b"77777777777\0");
    let sum: u32 =
        header.iter().enumerate().map(|(at, b)| if (148..156).contains(&at) { 32 } else { u32::from(*b) }).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    refused(&forged, "it is cut short");
}

#[test]
fn modes_say_no_more_than_permissions_and_files_of_the_moment_stay_behind() {
    let entries = [MANIFEST, (b'0', "s", 0o6755, b""), (b'5', "d", 0o000, b""), (b'0', "d/f", 0o600, b"")];
    let others = [(b'0', "lock", 0o644, &b"1 x"[..]), (b'5', ".git", 0o755, b""), (b'0', ".git/config", 0o644, b"x")];
    let (dir, result) = unpacked(&archive(&[&entries[..], &others[..]].concat()));
    assert_eq!(result.unwrap().left_out, [PathBuf::from(".git")]);
    let mode = |name: &str| platform::mode(&fs::metadata(dir.path().join("pki").join(name)).unwrap());
    assert_eq!((mode("s"), mode("d"), mode("lock")), (0o755, 0o700, 0o600));
    assert!(!dir.path().join("pki/.git").exists());
}

#[test]
fn a_restore_that_fails_or_is_killed_leaves_all_or_nothing() {
    let bytes =
        archive(&[MANIFEST, (b'5', "ca", 0o700, b""), (b'0', "ca/key.pem", 0o600, b"key"), (b'0', "z", 0o644, b"z")]);
    let restore = |root: &Path| {
        let options = LockOptions { command: "test", create: true, ..LockOptions::default() };
        Store::open(root).lock(options)?.unpack(&bytes[..])
    };
    let dir = TempDir::new();
    fault::set(Fault::None);
    restore(&dir.path().join("pki")).unwrap();
    let points = fault::count();
    assert!(points > 10, "{points}");
    for fault in (0..points).flat_map(|at| [Fault::FailAt(at), Fault::StopAt(at)]) {
        let dir = TempDir::new();
        let root = dir.path().join("pki");
        fault::set(fault);
        let result = restore(&root);
        fault::set(Fault::None);
        // The next command puts right what this one left.
        drop(lock(&root));
        let names = Store::open(&root).file_names("").unwrap();
        let names: Vec<_> = names.iter().filter(|name| !PASSING.contains(&name.as_str())).collect();
        let whole = fs::read(root.join("ca/key.pem")).is_ok_and(|key| key == b"key");
        assert!(whole && names == ["ca", "certgen.toml", "z"] || names.is_empty(), "{fault:?}: {names:?}");
        assert!(result.is_err() || whole, "{fault:?}");
        if !whole {
            restore(&root).unwrap_or_else(|e| panic!("{fault:?}: {e}"));
        }
    }
}
