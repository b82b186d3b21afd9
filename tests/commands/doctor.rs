//! `certgen doctor` on what certgen writes, on what others write, and on what nobody should write.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{World, key_store, world::Output};

/// Everything here is judged at one moment, so that nothing ages.
const NOW: &str = "2026-11-01T12:00:00Z";

/// A world with the shell's help: openssl makes what certgen never would.
fn world(script: &str) -> World {
    let world = World::new();
    shell(&world, script);
    world
}

#[track_caller]
fn shell(world: &World, script: &str) {
    let done = Command::new("sh").args(["-ec", script]).current_dir(world.path("")).output().expect("there is a shell");
    assert!(done.status.success(), "{script}\n{}", String::from_utf8_lossy(&done.stderr));
}

/// `openssl req` for a key and a certificate that signed itself, from a month before [`NOW`] on.
fn self_signed(name: &str, subject: &str, more: &str) -> String {
    format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.crt -subj '{subject}' \
         -days 365 {more} 2>/dev/null; chmod 600 {name}.key\n"
    )
}

fn doctor(world: &World, args: &[&str]) -> Output {
    world.certgen(["doctor"].iter().chain(args)).run()
}

/// The codes that `--json` tells, in their order.
#[track_caller]
fn codes(output: &Output) -> Vec<String> {
    let items = output.json()["items"].as_array().expect("items").clone();
    items.iter().map(|item| item["code"].as_str().expect("a code").to_owned()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o7777
}

fn uid() -> String {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    String::from_utf8(id.stdout).expect("a number").trim().to_owned()
}

#[test]
fn what_init_writes_is_healthy_in_every_profile() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    for profile in std::fs::read_dir(profiles).expect("there are profiles").flatten() {
        let name = profile.path().file_stem().expect("a name").to_string_lossy().into_owned();
        let world = World::initialised(["--profile", &name]);
        doctor(&world, &[]).success().stdout_is("").stderr_has("nothing is wrong");
        doctor(&world, &["--user", &uid(), "--quiet"]).success().stdout_is("").stderr_is("");
        // A copy, as it is deployed, has no PKI around it.
        shell(
            &world,
            "for d in pki/server pki/node pki/client pki/rabbitmq; do [ ! -e $d ] || cp -r $d copy-$(basename $d); done",
        );
        let copies: Vec<String> = ["server", "node", "client", "rabbitmq"]
            .iter()
            .map(|role| format!("copy-{role}"))
            .filter(|copy| world.path(copy).exists())
            .collect();
        let copies: Vec<&str> = copies.iter().map(String::as_str).collect();
        doctor(&world, &copies).success().stdout_is("");
    }
}

#[test]
fn a_pki_that_was_used_is_healthy_too() {
    let world = World::initialised(["--profile", "cluster"]);
    for words in [
        &["issue", "client", "a", "b"][..],
        &["revoke", "client/a"],
        &["renew", "--all"],
        &["crl"],
        &["rotate", "start", "clients"],
        &["issue", "server", "short.example.com", "--validity", "7d"],
    ] {
        world.certgen(words).run().success();
        doctor(&world, &[]).success().stdout_is("");
    }
    for part in ["pki/node", "pki/rabbitmq", "pki/ca", "pki/client/b/client_key.pem", "."] {
        doctor(&world, &[part]).success().stdout_is("");
    }
}

#[test]
fn a_key_of_another_certificate_is_told_with_its_place_and_its_effect() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    shell(
        &world,
        "cp -r pki/node/rabbit.example.com tls; cp pki/client/celery_worker/client_key.pem tls/server_key.pem",
    );
    let said = doctor(&world, &["tls"]).code(3);
    let first = said.stdout.lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "error: tls/server_key.pem:1: the key does not belong to the certificate in tls/server_certificate.pem"
    );
    said.stdout_has("Decrypt Error").stdout_has("certgen inspect tls/server_certificate.pem tls/server_key.pem");
    let item = &doctor(&world, &["--json", "tls"]).code(3).json()["items"][0];
    assert_eq!(
        (&item["cause"], &item["severity"], &item["line"]),
        (&"key-mismatch".into(), &"error".into(), &1.into())
    );
}

#[test]
fn an_open_key_is_shut_by_fix_and_then_all_is_well() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    shell(&world, "cp -r pki/node/rabbit.example.com tls; chmod 755 tls; chmod 644 tls/server_key.pem");
    let key = world.path("tls/server_key.pem");
    doctor(&world, &["tls"]).code(3).stdout_has("everybody on this machine may read the private key (mode 0644)");
    doctor(&world, &["tls", "--fix", "--dry-run"]).code(3).stdout_has("chmod 0640 tls/server_key.pem\n");
    assert_eq!(mode(&key), 0o644);
    doctor(&world, &["tls", "--fix"]).success().stdout_is("chmod 0640 tls/server_key.pem\n");
    assert_eq!(mode(&key), 0o640);
    doctor(&world, &["tls", "--fix"]).success().stdout_is("");
    doctor(&world, &["--dry-run"]).code(2);
}

#[test]
fn a_chain_is_put_in_order_without_showing_the_key_between_its_parts() {
    let world = World::initialised(["--profile", "one-intermediate"]);
    shell(
        &world,
        "d=$(echo pki/server/*/); mkdir tls; cp pki/ca/*root*/ca_certificate.pem tls/; c=$d/server_certificate.pem
         awk '/BEGIN/{n++} {print > (\"part\" n)}' $c
         (umask 077; cat part2 $d/server_key.pem part1 > tls/combined.pem)",
    );
    let said = doctor(&world, &["tls", "--fix", "--json"]).success();
    let change = said.json()["changes"][0].clone();
    assert_eq!((&change["code"], &change["made"]), (&"leaf-not-first".into(), &true.into()));
    let diff = change["change"].as_str().expect("a diff");
    assert!(diff.starts_with("--- tls/combined.pem\n+++ tls/combined.pem\n"), "{diff}");
    let key = world.read("tls/combined.pem");
    let secret: Vec<&str> =
        key.lines().skip_while(|line| !line.contains("BEGIN PRIVATE KEY")).skip(1).take(2).collect();
    assert!(secret.iter().all(|line| !diff.contains(line)), "the key is shown:\n{diff}");
    let wanted = format!("{}{}{}", world.read("part1"), secret_block(&key), world.read("part2"));
    assert_eq!(key, wanted);
    assert_eq!(mode(&world.path("tls/combined.pem")), 0o600);
    doctor(&world, &["tls"]).success().stdout_is("");
}

fn secret_block(text: &str) -> &str {
    let from = text.find("-----BEGIN PRIVATE KEY").expect("a key");
    let end = "-----END PRIVATE KEY-----\n";
    &text[from..text.find(end).expect("its end") + end.len()]
}

#[test]
fn a_byte_order_mark_is_taken_away() {
    let world = World::initialised(["--profile", "celery"]);
    shell(&world, "printf '\\357\\273\\277' > ca.pem; cat pki/ca/root/ca_certificate.pem >> ca.pem");
    doctor(&world, &["ca.pem"]).code(3).stdout_has("ca.pem:1: the file begins with a byte order mark");
    doctor(&world, &["ca.pem", "--fix"]).success();
    assert_eq!(world.read("ca.pem"), world.read("pki/ca/root/ca_certificate.pem"));
}

#[test]
fn what_the_broker_s_user_cannot_read_is_told() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    shell(&world, "mkdir -m 755 tls; cp pki/node/rabbit.example.com/* tls/");
    doctor(&world, &["tls"]).success();
    let said = doctor(&world, &["tls", "--user", "4000000000:4000000001"]).code(3);
    said.stdout_has("\"4000000000:4000000001\" may not read it (mode 0600")
        .stdout_has("ssl_options.keyfile invalid, file does not exist");
    shell(&world, "chmod 700 tls");
    let output = doctor(&world, &["tls", "--user", "4000000000:4000000001", "--json"]).code(3);
    assert_eq!(codes(&output), ["directory-closed"]);
    // Of a PKI the broker reads neither the keys of authorities nor those of clients.
    let output = doctor(&world, &["pki", "--user", "4000000000", "--json"]).code(3);
    let told = output.json()["items"].as_array().expect("items").clone();
    let files: Vec<_> = told.iter().filter_map(|item| item["file"].as_str()).collect();
    assert!(files.iter().all(|file| file.starts_with("pki/node") || file.starts_with("pki/rabbitmq")), "{files:?}");
    doctor(&world, &["tls", "--user", "no-such-user"]).code(1).stderr_has("no user \"no-such-user\"");
}

#[test]
fn an_encrypted_key_is_opened_by_the_right_password_alone() {
    let world = world(&(self_signed("server", "/CN=rabbit.example.com", "-addext subjectAltName=DNS:rabbit.example.com -addext basicConstraints=critical,CA:FALSE")
        + "mkdir tls; mv server.crt tls/; openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 2048 -in server.key -passout pass:secret -out tls/server.key
           chmod 600 tls/server.key; echo secret > right; echo other > wrong"));
    let told = |args: &[&str]| codes(&doctor(&world, &[&["tls", "--json"], args].concat()).sane());
    assert_eq!(told(&[]), ["self-signed", "key-not-opened"]);
    assert_eq!(told(&["--key-password-file", "wrong", "--key-password-file", "right"]), ["self-signed"]);
    assert_eq!(told(&["--key-password-file", "wrong"]), ["key-password-wrong", "self-signed"]);
    for (options, code) in [("-scrypt", "key-encryption-unknown"), ("-v2 aes-256-cbc -iter 600000", "key-opens-slowly")]
    {
        shell(
            &world,
            &format!("openssl pkcs8 -topk8 {options} -in server.key -passout pass:secret -out tls/server.key"),
        );
        assert_eq!(told(&["--key-password-file", "right"])[0], code, "{options}");
    }
    doctor(&world, &["tls"]).code(3).stdout_has("about 2 s every time");
}

#[test]
fn the_certificates_of_old_instructions_are_told() {
    let purpose = "-addext extendedKeyUsage=serverAuth -addext basicConstraints=critical,CA:FALSE";
    let named = |more: &str| self_signed("a", "/CN=x", &format!("-addext subjectAltName=DNS:x {more}"));
    let rsa = named(purpose).replace("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "-newkey rsa:1024");
    let by_sha1 = self_signed("ca", "/CN=ca", "-addext keyUsage=critical,keyCertSign,cRLSign")
        + "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout a.key -subj /CN=x -out r 2>/dev/null
           printf 'subjectAltName=DNS:x\\nauthorityKeyIdentifier=keyid\\n' > e; chmod 600 a.key
           openssl x509 -req -sha1 -in r -CA ca.crt -CAkey ca.key -days 90 -extfile e -out a.crt 2>/dev/null; rm ca.key\n";
    for (script, wanted) in [
        (self_signed("a", "/CN=rabbit.example.com", purpose), &["no-subject-alternative-name", "self-signed"][..]),
        (named(purpose).replace("DNS:x", "DNS:10.0.0.5"), &["address-as-dns-name", "self-signed"]),
        (named(&format!("{purpose} -days 20000")), &["valid-for-decades", "self-signed"]),
        (named(""), &["authority-as-leaf", "self-signed"]),
        (rsa, &["key-too-weak", "self-signed"]),
        (by_sha1, &["hash-too-weak"]),
    ] {
        let world = world(&script);
        assert_eq!(codes(&doctor(&world, &["--json", "."]).sane()), wanted, "{script}");
    }
}

/// A script that makes the authority again each time it runs: the commonest of all faults.
#[test]
fn two_authorities_of_one_name_are_told() {
    let authority = |name: &str| self_signed(name, "/CN=Our CA", "-addext keyUsage=critical,keyCertSign,cRLSign");
    let sign = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls/server.key -subj /CN=rabbit -out r 2>/dev/null
                chmod 600 tls/server.key
                printf 'subjectAltName=DNS:rabbit\\nauthorityKeyIdentifier=keyid\\n' > e
                openssl x509 -req -in r -CA old.crt -CAkey old.key -days 90 -extfile e -out tls/server.crt 2>/dev/null
                mv new.crt tls/ca.crt\n";
    let world = world(&format!("mkdir tls\n{}{}{sign}", authority("old"), authority("new")));
    let said = doctor(&world, &["tls"]).code(3);
    said.stdout_has("but by another of that name").stdout_has("Unknown CA");
    let output = doctor(&world, &["tls", "old.crt", "--json"]).code(3);
    assert_eq!(codes(&output), ["authorities-of-one-name"]);
}

#[test]
fn a_missing_intermediate_is_told_with_the_file_that_has_it() {
    let world = World::initialised(["--profile", "one-intermediate"]);
    shell(
        &world,
        "d=$(echo pki/server/*/); cp -r $d tls; awk '{print} /END/{exit}' $d/server_certificate.pem > tls/server_certificate.pem
         rm -f tls/combined_keys.pem; mkdir cas; for c in pki/ca/*; do cp $c/ca_certificate.pem cas/$(basename $c).pem; done",
    );
    let said = doctor(&world, &["tls", "cas"]).code(3);
    let first = said.stdout.lines().next().unwrap_or_default();
    assert!(first.contains("is missing behind the certificate; cas/") && first.contains(".pem has it"), "{first}");
    said.stdout_has("UNABLE_TO_VERIFY_LEAF_SIGNATURE").stdout_has("cat cas/");
}

/// The client's bundle and the server's certificate, without a server: the question behind most "unknown CA".
#[test]
fn a_bundle_and_a_certificate_that_are_named_together_are_compared() {
    let world = World::initialised(["--profile", "cluster"]);
    shell(
        &world,
        "cp pki/ca/clients/ca_certificate.pem clients.pem; cp pki/ca/nodes/ca_certificate.pem nodes.pem
         cp pki/node/rabbit-1.example.com/server_certificate.pem server.pem",
    );
    doctor(&world, &["nodes.pem", "server.pem"]).success().stdout_is("");
    let said = doctor(&world, &["clients.pem", "server.pem"]).code(3);
    said.stdout_has("is not in the bundle clients.pem").stdout_has("PKIX path building");
    // What is deployed side by side need not be related.
    doctor(
        &world,
        &["pki/node/rabbit-1.example.com/ca_certificate.pem", "pki/node/rabbit-1.example.com/server_certificate.pem"],
    )
    .success();
}

#[test]
fn dates_are_judged_at_the_moment_that_is_asked_about() {
    let world = World::new();
    world.certgen(["init", "--profile", "celery"]).at(NOW).run().success();
    for (time, code, effect) in [
        ("2026-10-20", "not-yet-valid", "Certificate Expired"),
        ("2027-10-25", "expires-soon", "certgen renew client/celery_worker"),
        ("2027-12-01", "expired", "generated SERVER ALERT: Fatal - Certificate Expired"),
        ("2040-01-01", "authority-expired", "check_certificate_expiration"),
    ] {
        let said = world.certgen(["doctor"]).at(time).run().code(3);
        let joined = said.stdout.replace("\n          ", " ");
        assert!(joined.contains(effect), "{time}\n{joined}");
        let told = codes(&world.certgen(["doctor", "--json"]).at(time).run().code(3));
        assert!(told.iter().any(|told| told == code), "{time}: {told:?}");
    }
}

#[test]
fn a_revocation_list_that_erlang_does_not_find_is_told() {
    let world = World::initialised(["--profile", "celery"]);
    world.certgen(["issue", "client", "leaver"]).run().success();
    shell(&world, "cp -r pki/client/leaver .");
    world.certgen(["revoke", "client/leaver"]).run().success();
    shell(
        &world,
        "mkdir crls; h=$(openssl crl -hash -noout -in pki/ca/root/crl.pem); cp pki/ca/root/crl.pem crls/$h.r0
         cp pki/ca/root/ca_certificate.pem ca.pem",
    );
    doctor(&world, &["crls", "ca.pem"]).success().stdout_is("");
    assert_eq!(codes(&doctor(&world, &["crls", "leaver", "ca.pem", "--json"]).code(3)), ["revoked"]);
    shell(&world, "mv crls/*.r0 crls/00000000.r0");
    doctor(&world, &["crls", "ca.pem"]).code(3).stdout_has("Erlang looks for this revocation list under the name");
}

#[test]
fn a_secret_as_kubernetes_mounts_it_is_looked_at_under_the_names_that_are_used() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    shell(
        &world,
        "d=tls/..2026_11_01; mkdir -p $d; cp pki/node/rabbit.example.com/server_certificate.pem $d/tls.crt
         cp pki/client/celery_worker/client_key.pem $d/tls.key; chmod 644 $d/tls.key
         ln -s ..2026_11_01 tls/..data; for f in tls.crt tls.key; do ln -s ..data/$f tls/$f; done",
    );
    let output = doctor(&world, &["tls", "--json"]).code(3);
    let items = output.json()["items"].as_array().expect("items").clone();
    let told: Vec<_> = items.iter().map(|i| (i["file"].as_str().unwrap(), i["code"].as_str().unwrap())).collect();
    assert_eq!(told, [("tls/tls.key", "key-of-another-certificate"), ("tls/tls.key", "key-open-to-others")]);
    // What a link leads to is changed, and the link stays.
    doctor(&world, &["tls", "--fix"]).code(3);
    assert_eq!(mode(&world.path("tls/..data/tls.key")), 0o640);
    assert!(world.path("tls/tls.key").is_symlink());
}

#[test]
fn standard_input_is_looked_at_and_nothing_is_nothing() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let key = world.read("pki/client/celery_worker/client_key.pem");
    let certificate = world.read("pki/node/rabbit.example.com/server_certificate.pem");
    let both = format!("{certificate}{key}");
    world.certgen(["doctor", "-"]).stdin(&both).run().code(3).stdout_has("error: -:").stdout_has("does not belong");
    world.certgen(["doctor", "-"]).stdin(certificate).run().success().stdout_is("");
    world.certgen(["doctor", "-"]).stdin("").run().success();
    let empty = World::new();
    doctor(&empty, &[]).code(1).stderr_has("there is no PKI").stderr_has("certgen doctor /etc/rabbitmq");
    doctor(&empty, &["."]).success().stdout_is("");
    doctor(&empty, &["nothing"]).code(1).stderr_has("no such file");
    doctor(&empty, &[".", "--target", "rabbitmq"]).code(2);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_still_told() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    shell(
        &world,
        "mkdir -m 755 t; chmod 711 .; cp pki/node/rabbit.example.com/server_certificate.pem t/a_certificate.pem
         head -c 300 t/a_certificate.pem > t/cut.pem; mkdir t/closed; echo x > t/closed/f; chmod 000 t/closed
         ln -s loop t/loop; ln -s nothing t/gone; ln -s / t/out; mkfifo t/pipe; printf '\\377\\376\\000' > t/noise.pem",
    );
    let args = ["doctor", "t"];
    let run = world.certgen(args);
    // Root may read everything.
    let output = if uid() == "0" {
        run.under(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]).run()
    } else {
        run.run()
    };
    let output = output.code(1);
    output.clone().stdout_has("t/cut.pem:1: the certificate cannot be read").stderr_has("t/closed: permission denied");
    output.clone().stderr_has("t/gone").stderr_has("t/loop").stderr_has("t/out leads out of the directory");
    assert!(output.took < Duration::from_secs(5));
    doctor(&world, &["t/pipe"]).code(1).stderr_has("not a regular file");
    shell(&world, "chmod 700 t/closed");
}

#[test]
fn names_that_would_drive_a_terminal_are_shown_harmlessly() {
    let world = World::initialised(["--profile", "celery"]);
    shell(
        &world,
        "mkdir t; cd t; head -c 300 ../pki/ca/root/ca_certificate.pem > \"$(printf 'a\\n\\033[31m\\377.pem')\"",
    );
    let output = doctor(&world, &["t"]).code(3);
    assert!(!output.stdout.contains('\u{1b}') && output.stdout.contains("\\n\\u{1b}[31m"), "{}", output.transcript());
    let json = doctor(&world, &["t", "--json"]).code(3).json();
    assert_eq!(json["items"][0]["file"], "t/a\n\u{1b}[31m\u{fffd}.pem");
}

#[test]
fn very_many_and_very_large_files_are_no_trouble() {
    let world = World::new();
    shell(
        &world,
        "mkdir many; cd many; seq 100100 | xargs touch; cd ..; mkdir large
         truncate -s 1G large/log; (echo '{'; head -c 70000000 /dev/zero | tr '\\0' ' ') > large/definitions.json
         yes '-----BEGIN CERTIFICATE-----' | head -c 1000000 > large/begin.pem; head -c 1000000 /dev/zero > large/zero.pem",
    );
    let output = doctor(&world, &["many"]).code(1).stderr_has("more than 100000 files");
    assert!(output.took < Duration::from_secs(60), "{:?}", output.took);
    let limited = world.certgen(["doctor", "large"]).after_shell("ulimit -v 600000");
    let output = limited.run().code(1).stderr_has("definitions.json");
    assert!(output.took < Duration::from_secs(20), "{:?}", output.took);
}

#[test]
fn what_is_in_a_key_store_is_judged_too() {
    let world = World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"]);
    let worker = key_store::pair(&world, "celery_worker", None);
    key_store::write(&world, "tree/worker.p12", "geheim", vec![worker]);
    world.write("password", "geheim\n");
    // What cannot be opened is told, and is no reason to stop.
    let locked = doctor(&world, &["--json", "tree"]).success();
    assert_eq!(codes(&locked), ["key-store-not-opened"]);
    let open = ["--json", "--key-password-file", "password", "tree"];
    assert_eq!(codes(&doctor(&world, &open).success()), [""; 0]);
    let later = world.certgen(["doctor"].iter().chain(&open)).at("2040-01-01").run().code(3);
    let codes = codes(&later);
    assert!(codes.contains(&"expired".to_owned()) && codes.contains(&"authority-expired".to_owned()), "{codes:?}");
}
