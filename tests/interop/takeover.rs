//! Trees that the programs themselves have made, and what certgen takes of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use certgen::takeover::{Asked, Taken, Tree, take};
use time::OffsetDateTime;

use crate::support::TempDir;

/// A directory in which a shell script has made a tree.
struct Made(TempDir);

impl Made {
    #[track_caller]
    fn by(script: &str) -> Self {
        let made = Self(TempDir::new());
        let bin = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("sh")
            .args(["-euc", script])
            .current_dir(made.0.path())
            .env_clear()
            .env("HOME", made.0.path())
            .env("PATH", format!("{bin}:/usr/share/easy-rsa"))
            .output()
            .expect("sh runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{}{said}", String::from_utf8_lossy(&output.stdout));
        made
    }

    fn tree(&self, below: &str) -> Tree {
        let mut tree = Tree::default();
        collect(&self.0.path().join(below), self.0.path(), &mut tree);
        tree
    }

    fn take(&self, below: &str, passwords: &[&str]) -> Taken {
        let passwords: Vec<&[u8]> = passwords.iter().map(|password| password.as_bytes()).collect();
        take(&self.tree(below), &Asked { passwords: &passwords, role: None, at: OffsetDateTime::now_utc() })
    }
}

fn collect(directory: &Path, top: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display())).flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, top, tree);
        } else {
            tree.files.insert(path.strip_prefix(top).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
}

/// What was taken, a line each, without what differs from run to run.
fn told(taken: &Taken) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for authority in &taken.authorities {
        let issuer = authority.issuer.map_or("-", |at| &taken.authorities[at].name);
        let key = if authority.key.is_some() { "key" } else { "no key" };
        let mut line = format!("authority {} by {issuer}, {key}", authority.name);
        for revoked in &authority.revoked {
            line += &format!(", revoked {}", revoked.reason.map_or("without reason", |reason| reason.as_str()));
        }
        if let Some(number) = authority.crl_number {
            line += &format!(", list {number}");
        }
        if let Some(why) = &authority.replace_only {
            line += &format!(", replace: {why}");
        }
        lines.push(line);
    }
    for pair in &taken.pairs {
        let issuer = pair.issuer.map_or("-", |at| &taken.authorities[at].name);
        let key = if pair.key.is_some() { "key" } else { "no key" };
        let mut line = format!("{}/{} by {issuer}, {key}, chain of {}", pair.role, pair.name, pair.chain.len());
        if !pair.former.is_empty() {
            line += &format!(", {} before", pair.former.len());
        }
        if pair.revoked.is_some() {
            line += ", revoked";
        }
        if let Some(why) = &pair.reissue {
            line += &format!(", reissue: {why}");
        }
        lines.push(line);
    }
    lines
}

fn makers(taken: &Taken) -> Vec<&'static str> {
    taken.kinds.iter().map(|kind| kind.maker.as_str()).collect()
}

fn left(taken: &Taken) -> Vec<String> {
    taken.left.iter().map(|left| format!("{}: {}", left.path.display(), left.why)).collect()
}

/// What is left is only what nobody would take: settings, requests, counters, copies.
#[track_caller]
fn nothing_of_value_is_left(taken: &Taken) {
    const HARMLESS: [&str; 5] =
        ["it is text without", "it is a request", "it is a counter", "it is an earlier copy", "it is empty"];
    for line in left(taken) {
        let (_, why) = line.split_once(": ").expect("a path and a reason");
        assert!(HARMLESS.iter().any(|harmless| why.starts_with(harmless)), "{line}");
    }
}

#[test]
#[ignore = "needs easy-rsa"]
fn easy_rsa() {
    let made = Made::by(
        "export EASYRSA_BATCH=1
         easyrsa init-pki; easyrsa build-ca nopass
         easyrsa build-server-full rabbit.example.com nopass
         easyrsa build-client-full worker nopass; easyrsa build-client-full gone nopass
         easyrsa revoke gone keyCompromise; easyrsa gen-crl",
    );
    let taken = made.take("pki", &[]);
    assert_eq!(
        told(&taken),
        [
            "authority root by -, key, revoked keyCompromise",
            "server/rabbit.example.com by root, key, chain of 1",
            "client/gone by root, key, chain of 1, revoked",
            "client/worker by root, key, chain of 1",
        ]
    );
    assert!(taken.authorities[0].crl.is_some(), "crl.pem is its list");
    nothing_of_value_is_left(&taken);
    assert_eq!(makers(&taken), ["easy-rsa"]);
}

/// A CA key as easy-rsa encrypts it, and keys of end entities with another password.
#[test]
#[ignore = "needs easy-rsa"]
fn easy_rsa_with_passwords() {
    let made = Made::by(
        "export EASYRSA_BATCH=1
         easyrsa init-pki
         EASYRSA_PASSIN=pass:authority EASYRSA_PASSOUT=pass:authority easyrsa build-ca
         EASYRSA_PASSIN=pass:authority EASYRSA_PASSOUT=pass:worker1 easyrsa build-client-full worker",
    );
    let told_with = |passwords: &[&str]| told(&made.take("pki", passwords));
    let client = "client/worker by root, no key, chain of 1";
    assert_eq!(told_with(&[]), ["authority root by -, no key", client]);
    assert_eq!(told_with(&["worker", "authority"]), ["authority root by -, key", client]);
    let both = ["authority root by -, key", "client/worker by root, key, chain of 1"];
    assert_eq!(told_with(&["authority", "worker1"]), both);
}

#[test]
#[ignore = "needs mkcert"]
fn mkcert() {
    let made = Made::by(
        "export CAROOT=$PWD/caroot; mkdir caroot leaves; cd leaves
         mkcert rabbit.example.com '*.rabbit.example.com' localhost 127.0.0.1 ::1
         mkcert -client worker@example.com; mkcert -ecdsa -pkcs12 java.example.com",
    );
    let taken = made.take("", &["changeit"]);
    assert_eq!(
        told(&taken),
        [
            "authority root by -, key",
            "server/java.example.com by root, key, chain of 1",
            "server/rabbit.example.com by root, key, chain of 1",
            "client/worker@example.com by root, key, chain of 1",
        ]
    );
    assert_eq!((left(&taken), makers(&taken)), (vec![], vec!["mkcert"]));
    // It may not sign lists.
    assert!(taken.authorities[0].notes.iter().any(|note| note.contains("no cRLSign")), "{taken:?}");
}

/// Debian's program of this name, which is another than the one with minica.pem, and whose tree is as plain.
#[test]
#[ignore = "needs minica"]
fn minica() {
    let made = Made::by("minica rabbit.example.com; minica -type client worker");
    let taken = made.take("", &[]);
    assert_eq!(
        told(&taken),
        [
            "authority root by -, key",
            "node/rabbit.example.com by root, key, chain of 1",
            "client/worker by root, key, chain of 1",
        ]
    );
    assert_eq!(left(&taken), Vec::<String>::new());
}

#[test]
#[ignore = "needs cfssl"]
fn cfssl() {
    let made = Made::by(
        r#"echo '{"CN":"example CA","key":{"algo":"ecdsa","size":256}}' > ca.csr.json
           echo '{"CN":"rabbit.example.com","hosts":["rabbit.example.com","127.0.0.1"],"key":{"algo":"rsa","size":2048}}' > rabbit.csr.json
           echo '{"CN":"worker","hosts":[""],"key":{"algo":"ecdsa","size":384}}' > worker.csr.json
           echo '{"signing":{"default":{"expiry":"8760h"},"profiles":{"server":{"usages":["digital signature","server auth"],"expiry":"8760h"},"client":{"usages":["digital signature","client auth"],"expiry":"8760h"}}}}' > config.json
           cfssl gencert -initca ca.csr.json | cfssljson -bare ca
           cfssl gencert -ca ca.pem -ca-key ca-key.pem -config config.json -profile server rabbit.csr.json | cfssljson -bare rabbit
           cfssl gencert -ca ca.pem -ca-key ca-key.pem -config config.json -profile client worker.csr.json > worker.json"#,
    );
    let taken = made.take("", &[]);
    assert_eq!(
        told(&taken),
        [
            "authority root by -, key",
            "server/rabbit.example.com by root, key, chain of 1",
            "client/worker by root, key, chain of 1",
        ]
    );
    assert_eq!(
        left(&taken),
        [
            "ca.csr: it is a request; what was issued for it is what counts",
            "ca.csr.json: it is JSON without a certificate or key",
            "config.json: it is JSON without a certificate or key",
            "rabbit.csr: it is a request; what was issued for it is what counts",
            "rabbit.csr.json: it is JSON without a certificate or key",
            "worker.csr.json: it is JSON without a certificate or key",
        ]
    );
    assert_eq!(makers(&taken), ["cfssl"]);
}

/// A CA with a database as openssl-ca(1) describes it.
const OPENSSL_CA: &str = r#"
    mkdir ca ca/newcerts ca/private leaves; : > ca/index.txt; echo 01 > ca/serial; echo 07 > ca/crlnumber
    cat > openssl.cnf <<'END'
[ca]
default_ca = own
[own]
dir = ca
new_certs_dir = $dir/newcerts
certificate = $dir/cacert.pem
private_key = $dir/private/cakey.pem
database = $dir/index.txt
serial = $dir/serial
crlnumber = $dir/crlnumber
default_md = sha256
default_days = 365
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
organizationName = optional
[v3_ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:rabbit.example.com
authorityKeyIdentifier = keyid
[client]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
[req]
distinguished_name = name
[name]
END
    openssl req -x509 -newkey rsa:2048 -noenc -config openssl.cnf -extensions v3_ca -subj "/CN=Own CA/O=Example" \
        -days 3650 -keyout ca/private/cakey.pem -out ca/cacert.pem
    issue() {
        openssl req -new -newkey rsa:2048 -noenc -config openssl.cnf -subj "/CN=$1" -keyout leaves/$2.key -out leaves/$2.csr
        openssl ca -batch -config openssl.cnf -extensions $3 -in leaves/$2.csr -out leaves/$2.crt
    }
    issue rabbit.example.com rabbit server
    for name in worker stolen old held silent; do issue $name $name client; done
    ca() { openssl ca -config openssl.cnf "$@"; }
    ca -revoke leaves/stolen.crt -crl_compromise 20260101000000Z
    ca -revoke leaves/old.crt -crl_reason superseded
    ca -revoke leaves/held.crt -crl_hold 1.2.840.10040.2.1
    ca -revoke leaves/silent.crt
"#;

#[test]
#[ignore = "needs openssl"]
fn openssl_ca() {
    let made = Made::by(&format!("{OPENSSL_CA} ca -gencrl -out ca/crl.pem; ca -gencrl -out ca/crl2.pem"));
    let taken = made.take("", &[]);
    let revoked = "revoked keyCompromise, revoked superseded, revoked certificateHold, revoked without reason";
    let wanted = [
        format!("authority root by -, key, {revoked}, list 8"),
        "server/rabbit.example.com by root, key, chain of 1".to_owned(),
        "client/held by root, key, chain of 1, revoked".to_owned(),
        "client/old by root, key, chain of 1, revoked".to_owned(),
        "client/silent by root, key, chain of 1, revoked".to_owned(),
        "client/stolen by root, key, chain of 1, revoked".to_owned(),
        "client/worker by root, key, chain of 1".to_owned(),
    ];
    assert_eq!(sorted(told(&taken)), sorted(wanted.to_vec()));
    nothing_of_value_is_left(&taken);
    assert_eq!(makers(&taken), ["openssl ca"]);
    let dated = taken.authorities[0].revoked.iter().find_map(|entry| entry.invalidity_date);
    assert_eq!(dated.map(OffsetDateTime::unix_timestamp), Some(1_767_225_600), "2026-01-01");
    assert_eq!(taken.authorities[0].crl.as_ref().and_then(|list| list.number()), Some(8));
    // The database alone says the same.
    fs::remove_file(made.0.path().join("ca/crl.pem")).unwrap();
    fs::remove_file(made.0.path().join("ca/crl2.pem")).unwrap();
    assert_eq!(sorted(told(&made.take("", &[]))), sorted(wanted.to_vec()));
}

/// Revocations of one second have an order of their own; what counts is that they are there.
fn sorted(lines: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = lines
        .into_iter()
        .map(|line| {
            let mut parts: Vec<&str> = line.split(", ").collect();
            parts[1..].sort_unstable();
            parts.join(", ")
        })
        .collect();
    lines.sort();
    lines
}

#[test]
#[ignore = "needs keytool"]
fn key_stores() {
    let made = Made::by(
        "openssl req -x509 -newkey rsa:2048 -noenc -subj /CN=root -keyout ca.key -out ca.pem -days 30
         for name in a b; do
           openssl req -new -newkey rsa:2048 -noenc -subj /CN=$name -keyout $name.key -out $name.csr
           printf 'extendedKeyUsage=clientAuth\\n' > ext
           openssl x509 -req -in $name.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 9 -out $name.pem
         done
         mkdir stores
         openssl pkcs12 -export -inkey a.key -in a.pem -certfile ca.pem -passout pass:changeit -out stores/a.p12
         openssl pkcs12 -export -legacy -inkey b.key -in b.pem -passout pass:secret -out b.p12
         keytool -importkeystore -srckeystore b.p12 -srcstorepass secret -destkeystore stores/b.jks -deststoretype JKS \
           -deststorepass changeit -destkeypass changeit -srcstoretype PKCS12
         openssl pkcs12 -export -inkey ca.key -in ca.pem -passout pass: -out stores/ca.p12",
    );
    let taken = made.take("stores", &["wrong", "changeit"]);
    assert_eq!(
        told(&taken),
        ["authority root by -, key", "client/a by root, key, chain of 1", "client/b by root, key, chain of 1"]
    );
    assert_eq!(left(&taken), Vec::<String>::new());
    // Python alone minds what openssl req -x509 leaves out.
    assert!(
        taken.authorities[0].notes.iter().any(|note| note.starts_with("python refuses what it signs")),
        "{taken:?}"
    );
    // Without a password the store without one opens, and a JKS shows its certificates.
    let shut = made.take("stores", &[]);
    assert_eq!(told(&shut), ["authority root by -, key", "client/b by root, no key, chain of 1"]);
    let why: Vec<String> = left(&shut);
    assert_eq!(why[0], "stores/a.p12: this key store is encrypted, and no password was given");
    assert!(why[1].starts_with("stores/b.jks: "), "{why:?}");
}

/// Authorities that nobody accepts any more, made for real: SHA-1 of a signature and 1024 bits of a key.
#[test]
#[ignore = "needs openssl"]
fn authorities_for_replacement_only() {
    let made = Made::by(
        "ca() { openssl req -x509 -newkey rsa:$2 -noenc -$3 -subj /CN=$1 -keyout $1.key -out $1.pem -days 30
                openssl req -new -newkey rsa:2048 -noenc -subj /CN=user-of-$1 -keyout u.key -out u.csr
                openssl x509 -req -in u.csr -CA $1.pem -CAkey $1.key -CAcreateserial -$3 -days 9 -out client-$1.pem; }
         ca short 1024 sha256; ca old 2048 sha1; ca older 2048 md5; rm u.csr",
    );
    let taken = made.take("", &[]);
    let of = |name: &str| {
        let line = told(&taken).into_iter().find(|line| line.starts_with(&format!("authority {name} ")));
        line.unwrap_or_else(|| panic!("{name}: {taken:?}"))
    };
    assert_eq!(of("short"), "authority short by -, no key, replace: its RSA key has only 1024 bits");
    assert_eq!(of("old"), "authority old by -, key, replace: it is signed with SHA-1");
    assert_eq!(of("older"), "authority older by -, key, replace: it is signed with MD5");
    // Signatures that are not checked any more still say whose they are.
    for name in ["short", "old", "older"] {
        let pair = taken.pairs.iter().find(|pair| pair.name == format!("user-of-{name}")).unwrap();
        assert_eq!(taken.authorities[pair.issuer.unwrap()].name, name);
        assert!(pair.reissue.is_some());
    }
    let short = "short.key: the private key in it cannot be read: an RSA key of 1024 bits";
    assert!(left(&taken).iter().any(|line| line.starts_with(short)), "{:?}", left(&taken));
}

/// The trees of `certgen tls-gen`, which are tls-gen's own, with a password and after it had written another pair.
#[test]
#[ignore = "makes RSA keys"]
fn tls_gen() {
    for (profile, wanted) in [
        (
            "basic",
            &[
                "authority root by -, key",
                "server/localhost by root, key, chain of 1",
                "client/localhost by root, key, chain of 1",
            ][..],
        ),
        (
            "one_intermediate",
            &[
                "authority root by -, key",
                "authority intermediate-ca-1 by root, key",
                "server/localhost by intermediate-ca-1, key, chain of 2",
                "server/server_direct by root, key, chain of 1",
                "client/localhost by intermediate-ca-1, key, chain of 2, 1 before",
            ][..],
        ),
        (
            "separate_intermediates",
            &[
                "authority root by -, key",
                "authority intermediate-ca-client by root, key",
                "authority intermediate-ca-server by root, key",
                "server/localhost by intermediate-ca-server, key, chain of 2",
                "client/localhost by intermediate-ca-client, key, chain of 2",
            ][..],
        ),
        (
            "two_shared_intermediates",
            &[
                "authority root by -, key",
                "authority intermediate-ca-1 by root, key",
                "authority intermediate-ca-2 by intermediate-ca-1, key",
                "server/localhost by intermediate-ca-2, key, chain of 3",
                "client/localhost by intermediate-ca-2, key, chain of 3",
            ][..],
        ),
    ] {
        let made =
            Made::by(&format!("{} tls-gen {profile} CN=localhost PASSWORD=bunnies", env!("CARGO_BIN_EXE_certgen")));
        let taken = made.take("", &["bunnies"]);
        assert_eq!(told(&taken), wanted, "{profile}: {:#?}", left(&taken));
    }
}
