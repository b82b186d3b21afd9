//! A root here, authorities of its own at each site: `request authority`, `issue authority --csr`, `request --finish`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::{World, openssl};

/// A PKI with a root and nothing else.
fn root() -> World {
    let world = World::new();
    world.write("root.toml", "version = 1\n\n[authority.root]\ncommon_name = \"Example\"\n");
    world.certgen(["init", "--profile", "./root.toml"]).run().success();
    world
}

/// A site that has asked for an authority.
fn asking(name: &str) -> World {
    let site = World::new();
    site.certgen(["request", "authority", name]).run().success();
    site
}

fn carry(from: &World, file: &str, to: &World, name: &str) {
    to.write(name, fs::read(from.path(file)).expect("it was written"));
}

/// A site whose request the root has signed with these flags.
fn site(root: &World, name: &str, flags: &[&str]) -> World {
    let site = asking(name);
    let request = format!("{name}.pem");
    carry(&site, &format!("pki/ca/{name}/request.pem"), root, &request);
    let issue = ["issue", "authority", name, "--csr", &request, "--issuer", "root"];
    root.certgen(issue.iter().chain(flags)).run().success();
    carry(root, &format!("pki/ca/{name}/ca_chain.pem"), &site, "ca_chain.pem");
    site.certgen(["request", "--finish", "ca_chain.pem"]).run().success();
    site
}

#[test]
fn a_site_issues_on_its_own() {
    let root = root();
    let asked = asking("site-a");
    let mode = |path: &str| fs::metadata(asked.pki(path)).expect(path).permissions().mode() & 0o7777;
    assert_eq!((mode("ca/site-a"), mode("ca/site-a/ca_key.pem")), (0o700, 0o600));
    assert!(asked.read("pki/.gitignore").contains("*_key.pem"));
    asked.certgen(["request", "authority", "site-a"]).run().refused().stderr_has("exists already");

    let site = site(&root, "site-a", &["--permit", "site-a.example.com"]);
    assert!(!root.pki("ca/site-a/ca_key.pem").exists() && !site.pki("ca/Example/ca_key.pem").exists());
    check(&site.pki(""));
    check(&root.pki(""));
    site.certgen(["issue", "server", "broker.site-a.example.com"]).run().success();
    site.certgen(["issue", "client", "sensor-1", "--san", "sensor-1.site-a.example.com"]).run().success();
    let outside = site.certgen(["issue", "server", "broker.site-b.example.com"]).run().refused();
    outside.stderr_has("names_inside_constraints");
    // Leaf and intermediate are shown, the root is known.
    let shown = site.read("pki/server/broker.site-a.example.com/server_certificate.pem");
    assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 2);
    let bundle = site.read("pki/client/sensor-1/ca_certificate.pem");
    assert_eq!(bundle, root.read("pki/ca/root/ca_certificate.pem"));
    site.certgen(["verify", "server/broker.site-a.example.com"]).run().success();
    site.certgen(["revoke", "sensor-1"]).run().success();
    assert!(site.pki("ca/site-a/crl.pem").exists() && !site.pki("ca/Example/crl.pem").exists());
    check(&site.pki(""));

    // Those whose keys are elsewhere are no fault, and no reason to try.
    let status = site.certgen(["status", "--fail-within", "10d"]).run().success();
    status.stdout_has("its key is elsewhere");
    let replace = "whoever has the key of \"Example\"";
    site.certgen(["rotate", "start", "site-a"])
        .run()
        .refused()
        .stderr_has("cannot get a successor")
        .stderr_has(replace);
    site.certgen(["rotate", "start", "Example"]).run().refused().stderr_has("key of authority \"Example\" is not here");
    site.certgen(["renew", "authority/site-a"]).run().refused().stderr_has(replace);
    site.certgen(["status"]).at("2036-10-01T00:00:00Z").run().success().stderr_has(replace);
    site.certgen(["issue", "authority", "below", "--issuer", "site-a"]).run().refused().stderr_has("path_length = 0");
    site.certgen(["issue", "client", "x", "--issuer", "Example"]).run().refused().stderr_has("is not here");
    root.certgen(["rotate", "start", "root"]).run().refused().stderr_has("make a second root");
    root.certgen(["issue", "client", "x", "--issuer", "site-a"]).run().refused().stderr_has("is not here");
}

#[test]
fn the_root_signs_what_its_flags_say() {
    let root = root();
    site(
        &root,
        "site-a",
        &["--permit", "site-a.example.com", "--permit", "10.1.0.0/16", "--exclude", "x.site-a.example.com"],
    );
    let certificate = root.pki("ca/site-a/ca_certificate.pem").display().to_string();
    let text = openssl(["x509", "-in", &certificate, "-noout", "-text"]).accepted().to_owned();
    for words in
        ["X509v3 Name Constraints: critical", "CA:TRUE, pathlen:0", "DNS:site-a.example.com", "IP:10.1.0.0/255.255.0.0"]
    {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let key = openssl(["x509", "-in", &certificate, "-noout", "-pubkey"]).accepted().to_owned();
    root.write("key.pem", key);
    let der = root.path("key.der").display().to_string();
    openssl(["pkey", "-pubin", "-in", &root.path("key.pem").display().to_string(), "-outform", "DER", "-out", &der])
        .accepted();
    let digest = openssl(["dgst", "-sha256", "-r", &der]).accepted().to_owned();
    let subject =
        openssl(["x509", "-in", &certificate, "-noout", "-subject", "-nameopt", "RFC2253"]).accepted().to_owned();
    assert_eq!(subject.trim(), format!("subject=CN=site-a {}", &digest[..8]));

    // A request of another program that wants more than it gets.
    let (key, request) = (root.path("k.pem").display().to_string(), root.path("r.pem").display().to_string());
    let wishes =
        ["-addext", "basicConstraints=critical,CA:TRUE,pathlen:9", "-addext", "subjectAltName=DNS:example.org"];
    let new = [
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/O=Evil/CN=site-b",
        "-keyout",
        &key,
        "-out",
        &request,
    ];
    openssl(new.into_iter().chain(wishes)).accepted();
    let issue = ["issue", "authority", "site-b", "--csr", "r.pem", "--issuer", "root", "--path-length", "1"];
    root.certgen(issue).run().success().stderr_has("names in the request are left out");
    let certificate = root.pki("ca/site-b/ca_certificate.pem").display().to_string();
    let text = openssl(["x509", "-in", &certificate, "-noout", "-text"]).accepted().to_owned();
    assert!(text.contains("pathlen:1") && !text.contains("Evil") && !text.contains("Alternative"), "{text}");
    check(&root.pki(""));
}

#[test]
fn requests_that_do_not_fit_are_refused() {
    let root = root();
    let (a, b) = (asking("site-a"), asking("site-b"));
    carry(&a, "pki/ca/site-a/request.pem", &root, "a.pem");
    carry(&b, "pki/ca/site-b/request.pem", &root, "b.pem");
    let issue = |name: &str, csr: &str, flags: &[&str]| {
        let line = ["issue", "authority", name, "--csr", csr];
        root.certgen(line.iter().chain(flags)).run()
    };
    let by_root: &[&str] = &["--issuer", "root"];
    issue("site-a", "a.pem", by_root).success();
    // Signed by another key than the one in it.
    let der = |file: &str| {
        let out = root.path("out.der").display().to_string();
        openssl(["req", "-in", &root.path(file).display().to_string(), "-outform", "DER", "-out", &out]).accepted();
        fs::read(&out).expect("openssl wrote it")
    };
    let mut forged = der("b.pem");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    root.write("forged.der", forged);
    let before = snapshot(&root.pki(""));
    issue("site-b", "forged.der", by_root).refused().stderr_has("does not verify");
    issue("site-c", "b.pem", by_root).refused().stderr_has("is for \"site-b ").stderr_has("--common-name");
    issue("site-b", "a.pem", &["--issuer", "root", "--common-name", "site-a"])
        .refused()
        .stderr_has("the key of authority \"site-a\"");
    issue("site-b", "b.pem", &[]).code(2).stderr_has("--issuer");
    issue("site-b", "b.pem", &["--issuer", "absent"]).refused().stderr_has("absent");
    issue("site-b", "b.pem", &["--issuer", "root", "--seal"]).code(2);
    issue("site-b", "absent.pem", by_root).refused().stderr_has("no such file");
    issue("site-b", "b.pem", &["--issuer", "site-a"]).refused();
    issue("root", "b.pem", by_root).refused().stderr_has("the request is for another key");
    issue("site-a", "b.pem", by_root).refused().stderr_has("second key");
    issue("site-a", "a.pem", &["--issuer", "root", "--permit", "example.com"]).refused().stderr_has("permit");
    root.certgen(["issue", "authority", "a", "b", "--csr", "b.pem", "--issuer", "root"]).run().code(2);
    issue("site-a", "a.pem", by_root).success().stdout_has("unchanged authority/site-a");
    unchanged(&before, &root.pki(""), "a refused request changed something");

    // The same key for longer: everything below it goes on as it was.
    carry(&root, "pki/ca/site-a/ca_chain.pem", &a, "ca_chain.pem");
    a.certgen(["request", "--finish", "ca_chain.pem"]).run().success();
    a.certgen(["issue", "client", "sensor"]).run().success();
    issue("site-a", "a.pem", &["--issuer", "root", "--force"]).success().stdout_has("reissued  authority/site-a");
    carry(&root, "pki/ca/site-a/ca_chain.pem", &a, "ca_chain.pem");
    a.certgen(["request", "--finish", "ca_chain.pem"]).run().success().stdout_has("reissued  authority/site-a");
    a.certgen(["request", "--finish", "ca_chain.pem"]).run().success().stderr_has("has this certificate already");
    a.certgen(["verify", "client/sensor"]).run().success();
    a.certgen(["issue", "client", "sensor"]).run().success().stdout_has("unchanged");
    check(&a.pki(""));

    // What the root withdraws signs nothing more, once the site has heard of it.
    root.certgen(["revoke", "authority/site-a"]).run().success();
    carry(&root, "pki/ca/root/crl.pem", &a, "crl.pem");
    a.certgen(["import", "crl.pem"]).run().success().stdout_has("revoked   authority/site-a");
    a.certgen(["issue", "client", "late"]).run().refused().stderr_has("was revoked");
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let root = root();
    let (a, b) = (asking("site-a"), asking("site-b"));
    for (site, name) in [(&a, "site-a"), (&b, "site-b")] {
        carry(site, &format!("pki/ca/{name}/request.pem"), &root, "request.pem");
        root.certgen(["issue", "authority", name, "--csr", "request.pem", "--issuer", "root"]).run().success();
    }
    carry(&root, "pki/ca/site-b/ca_chain.pem", &a, "b.pem");
    carry(&root, "pki/ca/site-a/ca_certificate.pem", &a, "alone.pem");
    carry(&root, "pki/ca/root/ca_certificate.pem", &a, "root.pem");
    let finish = |files: &[&str]| {
        a.certgen(["request"].into_iter().chain(files.iter().flat_map(|file| ["--finish", file]))).run()
    };
    let before = snapshot(&a.path(""));
    finish(&["b.pem"]).refused().stderr_has("no certificate in b.pem is for the key of authority \"site-a\"");
    finish(&["alone.pem"]).refused().stderr_has("the answer is incomplete").stderr_has("ca_chain.pem");
    finish(&["root.pem"]).refused();
    finish(&["absent.pem"]).refused().stderr_has("no such file");
    a.certgen(["request", "--finish", "alone.pem", "--finish", "root.pem"]).at("2040-01-01T00:00:00Z").run().refused();
    unchanged(&before, &a.path(""), "a refused answer changed something");
    finish(&["alone.pem", "root.pem"]).success().stdout_has("issued    authority/site-a");
    check(&a.pki(""));
    for flags in [&["--san", "x"][..], &["--out", "d"], &["--owner", "0:0"], &["--key-mode", "0640"]] {
        a.certgen(["request", "authority", "other"].iter().chain(flags)).run().code(2);
    }
    a.certgen(["request", "client", "x", "--common-name", "y"]).run().code(2);
}

#[test]
fn a_pki_takes_another_authority_in() {
    // An authority of its own stays what signs by default, and the one that was certified stands beside it, sealed.
    let root = root();
    let site = World::initialised(["--profile", "celery"]);
    site.write("pass", "correct horse\n");
    let seal = ["--seal", "--passphrase-file", "pass", "--common-name", "Site A", "--key-type", "ecdsa-p384"];
    site.certgen(["request", "authority", "root"]).run().refused().stderr_has("exists already");
    site.certgen(["request", "authority", "site-a"].into_iter().chain(seal)).run().success();
    assert!(!site.pki("ca/site-a/ca_key.pem").exists());
    carry(&site, "pki/ca/site-a/request.pem", &root, "request.pem");
    let issue = ["issue", "authority", "site-a", "--csr", "request.pem", "--issuer", "root", "--common-name", "Site A"];
    root.certgen(issue).run().success();
    carry(&root, "pki/ca/site-a/ca_chain.pem", &site, "ca_chain.pem");
    site.certgen(["request", "--finish", "ca_chain.pem"]).run().success();
    check(&site.pki(""));
    site.certgen(["issue", "client", "old"]).run().success();
    site.certgen(["issue", "client", "new", "--issuer", "site-a"]).run().refused().stderr_has("sealed");
    site.certgen(["issue", "client", "new", "--issuer", "site-a", "--passphrase-file", "pass"]).run().success();
    check(&site.pki(""));
    let listed = site.certgen(["--json", "list", "client"]).run().success().json();
    let issuer = |name: &str| {
        let items = listed["items"].as_array().into_iter().flatten();
        items.clone().find(|item| item["name"] == name).map(|item| item["issuer"].clone())
    };
    assert_eq!((issuer("old"), issuer("new")), (Some("root".into()), Some("site-a".into())));
    // The bundles of the node hold both roots now.
    let bundle = fs::read_dir(site.pki("node")).expect("a node").flatten().next().expect("one").path();
    let bundle = fs::read_to_string(bundle.join("ca_certificate.pem")).expect("a bundle");
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn a_broker_that_checks_revocation_does_without_the_root_s_list() {
    let root = root();
    let site = site(&root, "site-a", &[]);
    let manifest = site.read("pki/certgen.toml");
    site.write("pki/certgen.toml", manifest + "\n[broker]\nrevocation = true\n\n[server.localhost]\n");
    site.certgen(["issue", "server", "localhost"]).run().success();
    site.certgen(["issue", "client", "sensor"]).run().success();
    let lists = || fs::read_dir(site.pki("rabbitmq/crls")).expect("lists").count();
    assert_eq!(lists(), 1);
    site.certgen(["crl"]).run().success().stdout_has("authority/site-a");
    root.certgen(["crl", "root"]).run().success();
    carry(&root, "pki/ca/root/crl.pem", &site, "crl.pem");
    site.certgen(["import", "crl.pem"]).run().success();
    assert_eq!(lists(), 1);
    site.certgen(["crl", "--due"]).at("2027-02-01T00:00:00Z").run().success().stderr_has("certgen import crl.pem here");
}
