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

fn left(taken: &Taken) -> Vec<String> {
    taken.left.iter().map(|left| format!("{}: {}", left.path.display(), left.why)).collect()
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
    assert_eq!(told(&taken), Vec::<String>::new());
    assert_eq!(left(&taken), Vec::<String>::new());
}

#[test]
#[ignore = "needs mkcert"]
fn mkcert() {
    let made = Made::by(
        "export CAROOT=$PWD/caroot; mkdir caroot leaves; cd leaves
         mkcert rabbit.example.com '*.rabbit.example.com' localhost 127.0.0.1 ::1
         mkcert -client worker.example.com; mkcert -ecdsa -pkcs12 java.example.com",
    );
    assert_eq!(told(&made.take("", &["changeit"])), Vec::<String>::new());
    assert_eq!(left(&made.take("", &["changeit"])), Vec::<String>::new());
}

#[test]
#[ignore = "needs minica"]
fn minica() {
    let made = Made::by(
        "minica --domains rabbit.example.com,localhost; minica --domains '*.example.org' --ip-addresses 10.0.0.1",
    );
    assert_eq!(told(&made.take("", &[])), Vec::<String>::new());
    assert_eq!(left(&made.take("", &[])), Vec::<String>::new());
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
    assert_eq!(told(&made.take("", &[])), Vec::<String>::new());
    assert_eq!(left(&made.take("", &[])), Vec::<String>::new());
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
    revoke() { openssl ca -config openssl.cnf -revoke leaves/$1.crt "${@:2}"; }
"#;

#[test]
#[ignore = "needs openssl"]
fn openssl_ca() {
    let script = format!(
        "{OPENSSL_CA}
         ca() {{ openssl ca -config openssl.cnf \"$@\"; }}
         ca -revoke leaves/stolen.crt -crl_compromise 20260101000000Z
         ca -revoke leaves/old.crt -crl_reason superseded
         ca -revoke leaves/held.crt -crl_hold 1.2.840.10040.2.1
         ca -revoke leaves/silent.crt
         ca -gencrl -out ca/crl.pem; ca -gencrl -out ca/crl2.pem"
    )
    .replace("    revoke() { openssl ca -config openssl.cnf -revoke leaves/$1.crt \"${@:2}\"; }\n", "");
    let made = Made::by(&script);
    let taken = made.take("", &[]);
    assert_eq!(told(&taken), Vec::<String>::new());
    assert_eq!(left(&taken), Vec::<String>::new());
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
    assert_eq!(told(&made.take("stores", &["wrong", "changeit"])), Vec::<String>::new());
    assert_eq!(left(&made.take("stores", &[])), Vec::<String>::new());
}
