//! `import`: what others made becomes a PKI, and nothing of theirs changes.

use std::fs;
use std::path::Path;

use crate::support::invariants::{check, snapshot, unchanged};
use crate::support::trees::{fingerprint, make, openssl_ca, tls_gen, version_one};
use crate::support::{World, openssl};

/// There is nothing to do: what was taken is as its entries say.
#[track_caller]
fn nothing_to_do(world: &World) {
    let plan = world.certgen(["plan"]).run();
    assert_eq!(plan.code, Some(0), "{}\n{}", plan.transcript(), world.read("pki/certgen.toml"));
}

/// openssl finds the certificate good under that root.
#[track_caller]
fn is_good(world: &World, root: &str, chain: &str, purpose: &str) {
    let [root, chain] = [root, chain].map(|path| world.path(path).display().to_string());
    openssl(["verify", "-purpose", purpose, "-CAfile", &root, "-untrusted", &chain, &chain]).accepted();
}

#[track_caller]
fn items(world: &World, args: &[&str]) -> Vec<serde_json::Value> {
    let output = world.certgen(["--json"].iter().chain(args)).run().success();
    output.json()["items"].as_array().expect("items").clone()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

#[test]
fn an_authority_of_openssl_goes_on_here() {
    let world = World::new();
    openssl_ca(&world, "old");
    let before = fingerprint(&world.path("old"));
    let output = world.certgen(["import", "old", "--authority", "old"]).run().success();
    for line in
        ["imported  authority/old", "imported  server/rabbit.example.com", "imported  client/worker", "keyCompromise"]
    {
        assert!(output.stdout.contains(line), "{line}\n{}", output.transcript());
    }
    assert!(fingerprint(&world.path("old")) == before, "the source was changed");
    nothing_to_do(&world);
    assert_eq!(mode(&world.pki("ca/old/ca_key.pem")), 0o600);
    assert_eq!(mode(&world.pki("server/rabbit.example.com/combined_keys.pem")), 0o600);
    let leaf = world.read("pki/server/rabbit.example.com/server_certificate.pem");
    assert_eq!(leaf.trim(), world.read("old/pairs/rabbit.crt").trim());
    assert!(!world.pki("client/stolen").exists() && !world.pki("client/leaver").exists());

    // Its next certificates are like those that it had.
    world.certgen(["renew", "rabbit.example.com", "worker"]).run().success();
    is_good(&world, "old/cacert.pem", "pki/server/rabbit.example.com/server_certificate.pem", "sslserver");
    is_good(&world, "old/cacert.pem", "pki/client/worker/client_certificate.pem", "sslclient");
    let path = world.pki("server/rabbit.example.com/server_certificate.pem").display().to_string();
    let text = openssl(["x509", "-noout", "-text", "-nameopt", "RFC2253", "-in", &path]);
    for line in ["CN=rabbit.example.com,O=Old Example", "IP Address:192.0.2.7", "DNS:rabbit.example.com, DNS:rabbit"] {
        assert!(text.accepted().contains(line), "{line}\n{}", text.text);
    }
    nothing_to_do(&world);
}

#[test]
fn revocations_come_along_and_the_list_goes_on() {
    let world = World::new();
    openssl_ca(&world, "old");
    world.certgen(["import", "old", "--authority", "old"]).run().success();
    let list = || {
        let path = world.pki("ca/old/crl.pem").display().to_string();
        let root = world.path("old/cacert.pem").display().to_string();
        openssl(["crl", "-noout", "-text", "-CAfile", &root, "-in", &path]).accepted().to_owned()
    };
    let first = list();
    for words in ["Serial Number: 1002", "Serial Number: 1003", "Key Compromise", "Cessation Of Operation"] {
        assert!(first.contains(words), "{words}\n{first}");
    }
    let log = items(&world, &["log", "client/stolen"]);
    assert!(log.iter().any(|event| event["reason"] == "keyCompromise"), "{log:?}");
    // A certificate that was there before is revoked like one of ours.
    world.certgen(["revoke", "worker", "--reason", "superseded"]).run().success();
    let second = list();
    for serial in ["1001", "1002", "1003"] {
        assert!(second.contains(&format!("Serial Number: {serial}")), "{second}");
    }
    // Whoever was revoked is not let in again by accident.
    world.certgen(["issue", "client", "stolen"]).run().refused().stderr_has("was revoked");
}

#[test]
fn the_result_of_tls_gen_logs_in_as_before() {
    let world = World::new();
    tls_gen(&world, "tls-gen", "rabbit");
    world.write("rabbitmq.conf", "listeners.ssl.default = 5671\nauth_mechanisms.1 = EXTERNAL\n");
    let output =
        world.certgen(["import", "tls-gen/result", "--authority", "root", "--config", "rabbitmq.conf"]).run().success();
    output.stdout_has("imported  server/rabbit").stdout_has("imported  client/rabbit");
    nothing_to_do(&world);
    assert!(world.read("pki/rabbitmq/rabbitmq.conf").contains("ssl_cert_login_from = distinguished_name"));
    assert!(world.read("pki/rabbitmq/definitions.json").contains("\"O=client,CN=rabbit\""));
    let subject = || {
        let path = world.pki("client/rabbit/client_certificate.pem").display().to_string();
        openssl(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in", &path]).accepted().to_owned()
    };
    let before = subject();
    world.certgen(["renew", "--all"]).run().success();
    assert_eq!(subject(), before);
    is_good(&world, "tls-gen/result/ca_certificate.pem", "pki/client/rabbit/client_certificate.pem", "sslclient");
    nothing_to_do(&world);

    // A new authority takes the place of tls-gen's.
    world.certgen(["rotate", "start", "root"]).run().success();
    world.certgen(["rotate", "switch", "root", "--force"]).run().success();
    let bundle = "pki/server/rabbit/ca_certificate.pem";
    is_good(&world, bundle, "pki/client/rabbit/client_certificate.pem", "sslclient");
    assert_eq!(subject(), before);
    world.certgen(["rotate", "finish", "root", "--force"]).run().success();
    nothing_to_do(&world);
}

/// A guide that many followed gives leaves of version 1, and tells to delete the authority's key.
#[test]
fn what_some_verifier_refuses_is_only_replaced() {
    for authority in ["keep", "lose", "old"] {
        let world = World::new();
        version_one(&world, "guide", authority);
        let output = world.certgen(["import", "guide", "--authority", "guide"]).run().success();
        let output = output.stderr_has("certgen renew client/celery_worker");
        nothing_to_do(&world);
        assert_eq!(
            output.stderr.contains("certgen rotate start guide"),
            authority != "keep",
            "{}",
            output.transcript()
        );
        match authority {
            "keep" => {
                // Its root has findings, and goes on.
                world.certgen(["renew", "--all"]).run().success();
                let chain = "pki/client/celery_worker/client_certificate.pem";
                is_good(&world, "guide/ca.crt", chain, "sslclient");
            }
            "old" => {
                let refused = world.certgen(["issue", "client", "new"]).run().refused();
                refused.stderr_has("signs nothing any more").stderr_has("certgen rotate start guide");
            }
            _ => drop(world.certgen(["issue", "client", "new"]).run().refused()),
        }
        world.certgen(["rotate", "start", "guide"]).run().success();
        world.certgen(["rotate", "switch", "guide", "--force"]).run().success();
        is_good(
            &world,
            "pki/client/celery_worker/ca_certificate.pem",
            "pki/server/server/server_certificate.pem",
            "sslserver",
        );
        world.certgen(["issue", "client", "new"]).run().success();
        nothing_to_do(&world);
    }
}

/// mkcert's and minica's authorities are like this one.
#[test]
fn what_cannot_be_revoked_comes_with_what_stops_it() {
    let world = World::new();
    make(&world, NO_LISTS, &["made"]);
    world.certgen(["import", "made"]).run().success();
    let before = snapshot(&world.pki(""));
    let refused = world.certgen(["revoke", "server/rabbit.test"]).run().refused();
    let refused = refused.stderr_has("server/rabbit.test was not revoked").stderr_has("(cRLSign)");
    refused.stderr_has("certgen rotate start root --compromised");
    unchanged(&before, &world.pki(""), "the refusal changed something");
    world.certgen(["crl", "root"]).run().refused().stderr_has("certgen rotate start root");
    // Its client is a user of the broker, who can be deleted.
    let manifest = world.read("pki/certgen.toml");
    world.write("pki/certgen.toml", format!("{manifest}\n[broker]\n"));
    world.certgen(["issue", "client", "worker"]).run().success();
    world.certgen(["revoke", "worker"]).run().refused().stderr_has("rabbitmqctl delete_user worker");
    world.certgen(["rotate", "start", "root", "--compromised"]).run().success();
    world.certgen(["revoke", "worker"]).run().success();
}

/// $1: directory.
const NO_LISTS: &str = "mkdir $1; cd $1
openssl req -new -x509 -newkey rsa:2048 -nodes -keyout ca.key -days 3650 -subj '/CN=Made CA' -out ca.crt \\
  -addext keyUsage=critical,keyCertSign 2>&1
openssl req -new -newkey rsa:2048 -nodes -keyout server.key -subj /CN=rabbit.test -out server.csr 2>&1
printf 'subjectAltName=DNS:rabbit.test\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' >ext
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile ext -out server.crt 2>&1
rm ext server.csr";

/// Nobody checks these signatures any more. What was taken is still as its entries say.
#[test]
fn an_authority_with_a_weak_signature_is_no_difference() {
    for weak in ["-sha1", "rsa:1024"] {
        let world = World::new();
        let (digest, key) = if weak == "-sha1" { (weak, "rsa:2048") } else { ("-sha256", weak) };
        make(&world, WEAK, &["weak", digest, key]);
        let output = world.certgen(["import", "weak"]).run().success();
        output.stdout_has("imported  authority/root").stdout_has("imported  server/rabbit.test");
        nothing_to_do(&world);
    }
}

/// $1: directory, $2: digest, $3: the authority's key.
const WEAK: &str = "mkdir $1; cd $1
openssl req -new -x509 $2 -newkey $3 -nodes -keyout ca.key -days 3650 -subj '/CN=Weak CA' -out ca.crt 2>&1
openssl req -new -newkey rsa:2048 -nodes -keyout server.key -subj /CN=rabbit.test -out server.csr 2>&1
printf 'subjectAltName=DNS:rabbit.test\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n' >ext
openssl x509 -req $2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile ext -out server.crt 2>&1
rm ext server.csr";

#[test]
fn a_second_tree_comes_into_the_same_place() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=broker.example.com"]);
    openssl_ca(&world, "old");
    world.certgen(["import", "old", "--authority", "old"]).run().success();
    nothing_to_do(&world);
    // What was there goes on below its own authority, and both are trusted.
    world.certgen(["issue", "client", "fresh"]).run().success();
    let issuer = items(&world, &["list", "client/fresh"])[0]["issuer"].clone();
    assert_eq!(issuer, "root");
    is_good(
        &world,
        "pki/node/broker.example.com/ca_certificate.pem",
        "pki/client/worker/client_certificate.pem",
        "sslclient",
    );
    // What was revoked there stands in nobody's way here.
    let other = World::initialised(["--profile", "celery"]);
    openssl_ca(&other, "old");
    other.certgen(["issue", "client", "stolen"]).run().success();
    other.certgen(["import", "old", "--authority", "old"]).run().success();
    nothing_to_do(&other);
    // The same again changes nothing.
    let before = snapshot(&world.pki(""));
    let again = world.certgen(["import", "old"]).run().success();
    again.stdout_has("unchanged authority/old").stdout_has("unchanged client/worker");
    unchanged(&before, &world.pki(""), "the same import again");
}

/// Two trees of tls-gen with an intermediate: their authorities and their second servers are called alike.
fn with_two_trees() -> World {
    let world = World::new();
    for (directory, name) in [("two/a", "CN=a.test"), ("two/b", "CN=b.test")] {
        fs::create_dir_all(world.path("two")).expect("ours");
        world.certgen(["tls-gen", "one_intermediate", name, "USE_ECC=true", "--out", directory]).run().success();
    }
    world
}

#[test]
fn two_trees_come_at_once_or_one_after_the_other() {
    let world = with_two_trees();
    world.certgen(["import", "two"]).run().success();
    nothing_to_do(&world);
    world.certgen(["--pki", "after", "import", "two/a"]).run().success();
    world.certgen(["--pki", "after", "import", "two/b"]).run().success().stdout_has("imported  authority/root-");
    world.certgen(["--pki", "after", "plan"]).run().success();
    let again = world.certgen(["--pki", "after", "import", "two"]).run().success();
    assert!(!again.stdout.contains("imported"), "{}", again.transcript());
    // A name that was given is for the root; what stands below it is told apart all the same.
    world.certgen(["--pki", "named", "import", "two/a"]).run().success();
    let named = world.certgen(["--pki", "named", "import", "two/b", "--authority", "bee"]).run().success();
    let named = named.stdout_has("imported  authority/bee ").stdout_has("imported  authority/intermediate-ca-1-");
    named.stdout_has("imported  server/server_direct-");
    let chain = "named/server/b.test/server_certificate.pem";
    is_good(&world, "two/b/ca_certificate.pem", chain, "sslserver");
    check(&world.path("named"));
    check(&world.path("after"));
}

#[test]
fn a_rotation_leaves_no_list_to_be_written() {
    let world = World::new();
    openssl_ca(&world, "old");
    world.certgen(["import", "old"]).run().success();
    world.certgen(["revoke", "server/rabbit.example.com"]).run().success();
    world.certgen(["rotate", "start", "root"]).run().success();
    world.certgen(["rotate", "switch", "root", "--force"]).run().success();
    let lists = |world: &World| {
        let plan = world.certgen(["plan"]).run();
        assert!(!plan.stdout.contains("crl.pem"), "{}", plan.transcript());
    };
    lists(&world);
    world.certgen(["rotate", "finish", "root", "--force"]).run().success();
    lists(&world);
    assert!(world.pki("ca/root/crl.pem").is_file());
}

#[test]
fn keys_that_were_missed_come_later() {
    let world = World::new();
    world.certgen(["tls-gen", "basic", "CN=rabbit.test"]).run().success();
    fs::create_dir(world.path("keys")).expect("ours");
    for entry in fs::read_dir(world.path("result")).expect("ours").flatten() {
        let name = entry.file_name().into_string().expect("ours");
        if name != "ca_key.pem" && (name.ends_with("_key.pem") || name.ends_with(".p12")) {
            fs::rename(entry.path(), world.path("keys").join(name)).expect("ours");
        }
    }
    let first = world.certgen(["import", "result"]).run().success();
    first.stdout_has("key elsewhere").stderr_has("its key is not in these files");
    let again = world.certgen(["import", "result"]).run().success();
    again.stdout_has("unchanged server/rabbit.test");
    let keys = world.certgen(["import", "result", "keys"]).run().success();
    for line in ["unchanged authority/root", "imported  server/rabbit.test", "imported  client/rabbit.test"] {
        assert!(keys.stdout.contains(line), "{line}\n{}", keys.transcript());
    }
    assert!(!keys.stdout.contains("elsewhere") && !keys.stderr.contains("not in these files"), "{}", keys.transcript());
    assert_eq!(mode(&world.pki("server/rabbit.test/server_key.pem")), 0o600);
    assert_eq!(mode(&world.pki("server/rabbit.test/combined_keys.pem")), 0o600);
    nothing_to_do(&world);
    check(&world.pki(""));
    // They are ours from now on.
    world.certgen(["renew", "server/rabbit.test", "client/rabbit.test"]).run().success();

    // What is here is not called missing because these files lack it.
    let known = world.certgen(["import", "result/ca_certificate.pem"]).run().success();
    let known = known.stdout_has("unchanged authority/root");
    assert!(!known.stderr.contains("key") && !known.stderr.contains("rotate"), "{}", known.transcript());
}

#[test]
fn a_dry_run_and_a_refusal_write_nothing() {
    let world = World::new();
    openssl_ca(&world, "old");
    let output = world.certgen(["import", "old", "--dry-run"]).run().success();
    output.stdout_has("would import  client/worker").stdout_has("would revoke ").stderr_has("nothing was written");
    let told = items(&world, &["import", "old", "--dry-run"]);
    let find = |key: &str, value: &str| told.iter().find(|item| item[key] == value).expect(value).clone();
    assert!(told.iter().all(|item| item["dry_run"] == true), "{told:?}");
    let worker = find("name", "worker");
    assert_eq!(
        (&worker["action"], &worker["role"], &worker["key"]),
        (&"imported".into(), &"client".into(), &"here".into())
    );
    assert_eq!(find("name", "stolen")["reason"], "keyCompromise");
    assert!(find("action", "left")["why"].is_string());
    let output = world.certgen(["import", "old", "--dry-run", "--role", "node"]).run().success();
    output.stdout_has("would import  node/worker");
    assert!(!world.pki("").exists());

    let world = World::initialised(["--profile", "celery"]);
    openssl_ca(&world, "old");
    world.certgen(["issue", "client", "worker"]).run().success();
    let before = snapshot(&world.pki(""));
    let refused = world.certgen(["import", "old", "--authority", "old"]).run().refused();
    refused.stderr_has("client \"worker\" is here already").stderr_has("certgen remove client/worker");
    world.certgen(["import", "old", "--authority", "root"]).run().refused().stderr_has("--authority NAME");
    unchanged(&before, &world.pki(""), "a refused import");
}

#[test]
fn a_client_is_no_user_with_a_password_by_accident() {
    let world = World::new();
    openssl_ca(&world, "old");
    let definitions = r#"{"users":[{"name":"worker","password_hash":"abc","tags":[]},{"name":"leaver","password_hash":"","tags":[]}],"vhosts":[{"name":"/"}],"permissions":[{"user":"worker","vhost":"/","configure":".*","write":".*","read":".*"}]}"#;
    world.write("definitions.json", definitions);
    world.write("rabbitmq.conf", "ssl_cert_login_from = common_name\n");
    let args = ["import", "old", "--authority", "old", "--config", "rabbitmq.conf", "--config", "definitions.json"];
    world.certgen(args).run().refused().stderr_has("--existing-user").stderr_has("\"worker\"");
    assert!(!world.pki("").exists());
    world.certgen(args.iter().chain(&["--existing-user"])).run().success();
    nothing_to_do(&world);
    let kept: serde_json::Value = serde_json::from_str(&world.read("pki/rabbitmq/definitions.json")).expect("JSON");
    let worker = kept["users"].as_array().expect("users").iter().find(|user| user["name"] == "worker");
    assert_eq!(worker.expect("worker")["password_hash"], "abc");
    assert!(kept["permissions"].to_string().contains(r#""configure":".*""#), "{kept}");
}

/// One thing that cannot stand here leaves the rest of its tree alone.
#[test]
fn what_cannot_be_taken_is_left_with_its_file_and_reason() {
    let world = World::new();
    openssl_ca(&world, "old");
    // A name that is no directory's, a subject in other string types, and authorities below one that allows none.
    make(
        &world,
        r#"
        key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
        issue() { # NAME ISSUER ISSUER_KEY SUBJECT EXTENSIONS
            key "old/$1.key"
            printf '[req]\ndistinguished_name=n\nstring_mask=pkix\n[n]\nCN=x\n' >cnf
            openssl req -new -config cnf -key "old/$1.key" -subj "$4" -out csr
            printf "$5" >ext
            openssl x509 -req -in csr -CA "$2" -CAkey "$3" -CAcreateserial -days 300 -extfile ext \
                -out "old/$1.crt" 2>/dev/null
        }
        client='extendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'
        ca='basicConstraints=critical,CA:TRUE%s\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n'
        issue dots old/cacert.pem old/private/cakey.pem /CN=.. "$client"
        issue joe old/cacert.pem old/private/cakey.pem '/O=Example Organization/CN=joe' "$client"
        issue last old/cacert.pem old/private/cakey.pem /CN=last "$(printf "$ca" ,pathlen:0)"
        issue below old/last.crt old/last.key /CN=below "$(printf "$ca" '')"
        issue deep old/below.crt old/below.key /CN=deep "$client"
        "#,
        &[],
    );
    let output = world.certgen(["import", "old", "--authority", "old"]).run().success();
    let output = output.stdout_has("imported  client/worker").stdout_has("imported  client/joe");
    let output = output.stdout_has("imported  authority/last");
    assert!(!output.stderr.contains("a renewal changes it"), "{}", output.transcript());
    for (file, why) in [
        ("old/dots.crt", "\"..\""),
        ("old/below.crt", "\"last\" has path_length = 0: no authority may stand below it"),
        ("old/deep.crt", "the authority that signed it, \"CN=below\", was not taken"),
    ] {
        let line = output.stdout.lines().find(|line| line.starts_with("left ") && line.contains(file));
        assert!(line.is_some_and(|line| line.contains(why)), "{file}\n{}", output.transcript());
    }
    nothing_to_do(&world);
}

#[test]
fn keys_are_sealed_and_opened() {
    let world = World::new();
    openssl_ca(&world, "old");
    world.write("password", "ca password\n");
    world.write("seal", "another one\n");
    make(
        &world,
        "openssl pkcs8 -topk8 -in old/private/cakey.pem -passout file:password -out new && mv new old/private/cakey.pem",
        &[],
    );
    let args = ["import", "old", "--authority", "old", "--seal", "--passphrase-file", "seal"];
    let locked = world.certgen(args).run().success();
    let locked = locked.stdout_has("key elsewhere").stderr_has("certgen rotate start old");
    // The remedy comes first, and once.
    let remedy = "old/private/cakey.pem: give its password with --key-password-file FILE";
    let (before, after) = locked.stderr.split_once(remedy).expect("the remedy");
    assert!(!before.contains("rotate start") && !after.contains("--key-password-file"), "{}", locked.transcript());
    // A wrong password is a mistake, and so is one for a key that no password opens here.
    world.write("wrong", "wrong one\n");
    let refused = world.certgen(["import", "old", "--key-password-file", "wrong"]).run().refused();
    let refused = refused.stderr_has("old/private/cakey.pem: the password that was given does not open");
    assert_eq!(refused.stderr.matches("--key-password-file FILE").count(), 1, "{}", refused.transcript());
    make(
        &world,
        "mkdir rc2 && cp old/cacert.pem rc2 && openssl pkcs8 -topk8 -provider legacy -provider default -v1 PBE-MD5-DES \
         -in old/private/cakey.pem -passin file:password -passout pass:x -out rc2/key.pem",
        &[],
    );
    let refused = world.certgen(["--pki", "other", "import", "rc2", "--key-password-file", "password"]).run().refused();
    refused.stderr_has("rc2/key.pem: the private key in it is encrypted with");
    fs::remove_dir_all(world.pki("")).expect("ours");
    let output = world.certgen(args.iter().chain(&["--key-password-file", "password"])).run().success();
    output.stdout_has("key sealed").stdout_has("imported  client/worker");
    assert!(world.pki("ca/old/ca_key.pem.age").exists() && !world.pki("ca/old/ca_key.pem").exists());
    nothing_to_do(&world);
    world.certgen(["issue", "client", "new"]).run().refused();
    world.certgen(["issue", "client", "new", "--passphrase-file", "seal"]).run().success();
    let clear = world.certgen(["--pki", "clear", "import", "old", "--key-password-file", "password"]).run().success();
    clear.stderr_has("lie here in the clear");
}

#[test]
fn a_pair_of_somebody_else_s_is_kept_beside() {
    let world = World::initialised(["--profile", "celery"]);
    openssl_ca(&world, "old");
    let take = |pair: &str| {
        let [certificate, key] = ["crt", "key"].map(|kind| format!("old/pairs/{pair}.{kind}"));
        world.certgen(["import", "--external", "www", "--certificate", &certificate, "--key", &key]).run()
    };
    let before = snapshot(&world.pki(""));
    let [certificate, key] = ["old/pairs/rabbit.crt", "old/pairs/rabbit.key"];
    let dry = ["import", "--external", "www", "--certificate", certificate, "--key", key, "--dry-run"];
    let output = world.certgen(dry).run().success();
    output.stdout_has("would import  external/www").stderr_has("nothing was written");
    unchanged(&before, &world.pki(""), "a dry run");
    take("rabbit").success().stdout_has("imported  external/www");
    assert_eq!(mode(&world.pki("external/www/key.pem")), 0o600);
    take("rabbit").success().stdout_has("unchanged");
    // Renewed elsewhere, it comes again.
    take("worker").success().stdout_has("replaced");
    let listed = items(&world, &["list", "external/www"]);
    assert_eq!((&listed[0]["key"], listed.len()), (&"here".into(), 1), "{listed:?}");
    assert_eq!(world.read("pki/external/www/certificate.pem").trim(), world.read("old/pairs/worker.crt").trim());
    world.certgen(["status", "external/www"]).run().success().stdout_has("external");
    world.certgen(["list"]).run().success().stdout_has("www");
    nothing_to_do(&world);
    world
        .certgen([
            "import",
            "--external",
            "www",
            "--certificate",
            "old/pairs/rabbit.crt",
            "--key",
            "old/pairs/worker.key",
        ])
        .run()
        .refused()
        .stderr_has("is not that of the certificate");
}

/// What `list` shows is a name for the other commands too.
#[test]
fn a_pair_of_somebody_else_s_is_looked_at_and_taken_out() {
    let world = World::initialised(["--profile", "celery"]);
    openssl_ca(&world, "old");
    let import =
        ["import", "--external", "www", "--certificate", "old/pairs/rabbit.crt", "--key", "old/pairs/rabbit.key"];
    world.certgen(import).run().success();
    for name in ["www", "external/www"] {
        world.certgen(["inspect", name]).run().success().stdout_has("certificate");
        world.certgen(["verify", name]).run().refused().stderr_has("--bundle FILE");
        let bundle = ["--bundle", "pki/external/www/certificate.pem"];
        let said = world.certgen(["verify", name].iter().chain(&bundle)).run();
        assert!(said.stdout.starts_with(&format!("{name}: ")), "{}", said.transcript());
        let said = world.certgen(["renew", name]).run().refused();
        said.stderr_has("somebody else renews it").stderr_has("certgen import --external www --certificate F --key F");
    }
    world.certgen(["remove", "www"]).run().code(2).stderr_has("certgen remove external/www");
    world.certgen(["remove", "external/www", "--revoke"]).run().code(2).stderr_has("who issued it revokes it");
    world.certgen(["remove", "external/other"]).run().refused().stderr_has("there is no external/other");

    // A broker keeps a certificate to show.
    let before = world.read("pki/certgen.toml");
    let text = before.replace("[broker]\n", "[broker]\nmanagement = { certificate = \"external/www\" }\n");
    assert_ne!(text, before);
    world.write("pki/certgen.toml", text);
    world.certgen(["remove", "external/www"]).run().refused().stderr_has("management certificate");
    world.write("pki/certgen.toml", before);

    world.certgen(["remove", "external/www"]).run().success().stdout_has("removed   external/www");
    assert!(!world.pki("external/www").exists());
    assert!(items(&world, &["list"]).iter().all(|item| item["name"] != "www"));
    world.certgen(["status", "external/www"]).run().refused();
    check(&world.pki(""));
    world.certgen(import).run().success().stdout_has("imported  external/www");
}

/// A broker of one node has no links between nodes, and its certificate is one for servers.

#[test]
fn hostile_trees_are_answered() {
    let world = World::new();
    openssl_ca(&world, "old");
    fs::copy(world.path("old/pairs/worker.key"), world.path("old/pairs/rabbit.key")).expect("ours");
    world.write("old/\u{1b}[31mred", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    world.write("old/cut.pem", &world.read("old/cacert.pem")[..300]);
    world.write("old/garbage.p12", [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0, 1]);
    world.write("old/empty", "");
    std::os::unix::fs::symlink("/dev/zero", world.path("old/zero")).expect("ours");
    make(&world, "mkfifo old/pipe", &[]);
    let output = world.certgen(["import", "old", "--authority", "old"]).run().success();
    output.stdout_has("imported  client/worker").stdout_has("key elsewhere");
    let raw = |text: &str| text.bytes().any(|b| b < 0x20 && b != b'\n');
    let output = world.certgen(["--json", "import", "old"]).run().success();
    assert!(!raw(&output.stdout) && !raw(&output.stderr), "{}", output.transcript());

    // Where there is nothing to take, that is an error, and nothing is made.
    let world = World::new();
    world.write("nothing/README", "nothing");
    world.certgen(["import", "nothing"]).run().refused().stderr_has("nothing was taken over");
    world.certgen(["import", "absent"]).run().refused();
    assert!(!world.pki("").exists());
}

#[test]
fn what_was_not_looked_at_is_told() {
    let world = World::new();
    openssl_ca(&world, "archive");
    // As certbot keeps them: links that lead elsewhere. One that leads to a file that is read anyway needs no word.
    make(
        &world,
        "mkdir -p live/www.example.com && cd live/www.example.com && echo 'for certbot' >README && ln -s README again
        ln -s ../../archive/pairs/rabbit.crt fullchain.pem && ln -s ../../archive/pairs/rabbit.key privkey.pem",
        &[],
    );
    for directory in ["live", "live/www.example.com"] {
        let refused = world.certgen(["import", directory]).run().refused().stderr_has("nothing was taken over");
        let refused = refused.stderr_has("live/www.example.com/fullchain.pem and 1 more: name what it leads to");
        let refused = refused.stderr_has("certgen import --external NAME");
        assert!(
            refused.stdout.contains("left      live/www.example.com/privkey.pem  it is a link"),
            "{}",
            refused.stdout
        );
        assert!(!refused.stdout.contains("again"), "{}", refused.stdout);
    }
    world.certgen(["--pki", "archive", "import", "archive"]).run().refused().stdout_has("which is not read");
    // A file of the broker's that is broken is not certgen's to write anew.
    world.write("bad.json", "{\"users\": 3}");
    let refused = world.certgen(["import", "archive", "--config", "bad.json"]).run().refused();
    let refused = refused.stderr_has("--config bad.json: reading definitions.json").stderr_has("export_definitions");
    assert!(!refused.stderr.contains("anew"), "{}", refused.transcript());
}

#[test]
fn a_killed_import_can_be_repeated() {
    let world = World::new();
    openssl_ca(&world, "old");
    for round in 0..20 {
        let mut child = world.certgen(["import", "old", "--authority", "old"]).start();
        std::thread::sleep(std::time::Duration::from_millis(2 * round));
        let _ = child.kill();
        child.wait().expect("a child");
        world.certgen(["import", "old", "--authority", "old"]).run().success();
        nothing_to_do(&world);
        fs::remove_dir_all(world.pki("")).expect("ours");
    }
}

#[test]
fn eight_at_once_take_it_once() {
    let world = World::new();
    openssl_ca(&world, "old");
    let start = || world.certgen(["import", "old", "--authority", "old"]).start();
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().expect("a child").success());
    }
    nothing_to_do(&world);
    let events = items(&world, &["log", "client/worker"]);
    assert_eq!(events.iter().filter(|event| event["action"] == "imported").count(), 1, "{events:?}");
}
