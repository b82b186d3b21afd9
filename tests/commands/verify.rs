//! What `verify` says of identities, authorities and files of a PKI.

use crate::support::{World, key_store};

fn celery() -> World {
    World::initialised(["--profile", "celery", "--set", "hostname=rabbit.example.com"])
}

/// A copy of a certificate was called good although the PKI that answered for it had revoked it.
#[test]
fn a_copy_of_a_revoked_certificate_is_refused() {
    let world = celery();
    world.certgen(["issue", "client", "leaver"]).run().success();
    let pem = world.read("pki/client/leaver/client_certificate.pem");
    let bundle = world.read("pki/node/rabbit.example.com/ca_certificate.pem");
    world.write("copy.pem", &pem);
    world.write("beside/copy.pem", &pem);
    world.write("beside/ca_certificate.pem", &bundle);
    world.certgen(["verify", "copy.pem"]).run().success();
    world.certgen(["remove", "client/leaver", "--revoke"]).run().success();
    for file in ["copy.pem", "beside/copy.pem"] {
        world.certgen(["verify", file]).run().code(3).stdout_has("revoked");
    }
    std::fs::remove_file(world.pki("ca/root/crl.pem")).expect("a revocation makes a list");
    world.certgen(["verify", "copy.pem"]).run().code(3).stdout_has("revoked");
}

/// `inspect` knew authorities, `verify` did not; and an odd way to write a path made an identity a file.
#[test]
fn authorities_and_any_path_to_a_certificate_can_be_verified() {
    let world = celery();
    world.certgen(["verify", "authority/root"]).run().success().stdout_has("OK");
    world.certgen(["verify", "authority/nosuch"]).run().code(1);
    for path in
        ["pki/../pki/node/rabbit.example.com/server_certificate.pem", "pki/node/rabbit.example.com/combined_keys.pem"]
    {
        world.certgen(["verify", path]).run().success().stdout_has("purpose: node");
    }
    world
        .certgen(["inspect", "pki/node/rabbit.example.com/combined_keys.pem"])
        .run()
        .success()
        .stdout_has("private key");
}

/// The table has a line for each verifier, in JSON an object; one refusal is a no although `verify` itself says yes.
#[test]
fn other_verifiers_answer_too() {
    let world = celery();
    world.certgen(["issue", "server", "w", "--san", "*.example.com"]).run().success();
    let file = world.pki("server/w/server_certificate.pem").display().to_string();
    let ask = |verifiers: &str| {
        let name = ["verify", &file, "--name", "a.example.com", "--purpose", "server", "--as", verifiers];
        world.certgen(name).run()
    };
    ask("openssl,python,go,java,node,rustls,browser").success().stdout_has("VERIFIER").stdout_has("accepts");
    ask("erlang-29+https-match").success();
    ask("go,erlang-27").code(3).stdout_has("refuses").stdout_has("hostname_check_failed");
    let said = world.certgen(["verify", "client/celery_worker", "--as", "all", "--as", "go", "--json"]).run().success();
    said.stdout_has("\"verifier\": \"erlang-29+https-match\"");
}

#[test]
fn an_unknown_verifier_is_told_with_the_nearest_and_all() {
    let world = celery();
    for (word, words) in [("pyton", "did you mean python?"), ("", "there is no verifier"), ("go,,java", "erlang-25")] {
        let said = world.certgen(["verify", "client/celery_worker", "--as", word]).run();
        said.code(2).stderr_has(words);
    }
    world.certgen(["verify", "authority/root", "--as", "go"]).run().code(2).stderr_has("is an authority");
}

/// A hundred certificates, a megabyte, a circle: an answer each time, and soon.
#[test]
fn chains_of_any_size_are_judged() {
    let world = celery();
    let own = world.read("pki/client/celery_worker/client_certificate.pem");
    world.write("long.pem", own.repeat(100));
    world.write("most.pem", own.repeat((1 << 20) / own.len()));
    world.write("more.pem", own.repeat(1 + (1 << 20) / own.len()));
    for file in ["long.pem", "most.pem"] {
        let said = world.certgen(["verify", file, "--as", "all", "--purpose", "client"]).run();
        said.success().stdout_has("rustls");
    }
    world.certgen(["verify", "more.pem", "--as", "all"]).run().code(1).stderr_has("at most 1048576");
}

#[test]
fn key_stores_are_verified_and_are_bundles() {
    use certgen::keystore::Entry;
    let world = celery();
    let worker = key_store::pair(&world, "celery_worker", Some("worker"));
    key_store::write(&world, "away/worker.p12", "geheim", vec![worker.clone()]);
    key_store::write(&world, "away/worker.jks", "geheim", vec![worker]);
    let anchor = Entry::Trusted { alias: Some("root".to_owned()), certificate: key_store::root(&world) };
    key_store::write(&world, "away/trust.jks", "geheim", vec![anchor.clone()]);
    key_store::write(&world, "away/trust.p12", "changeit", vec![anchor]);
    world.write("password", "geheim\n");
    let away = |args: &[&str]| {
        let fixed = ["--pki", "nowhere", "verify", "--purpose", "client"];
        world.certgen(fixed.iter().chain(args)).run()
    };
    let password = ["--password-file", "password"];
    for file in ["away/worker.p12", "away/worker.jks"] {
        for bundle in ["away/trust.jks", "away/trust.p12"] {
            let said = away(&[&[file, "--bundle", bundle][..], &password].concat()).success();
            said.stdout_has("chain: CN=celery_worker <- ");
        }
    }
    let refused = away(&["away/worker.p12", "--bundle", "away/trust.jks"]).code(1);
    refused.stderr_is(
        "certgen: error: verifying \"away/worker.p12\": reading [DIR]/away/worker.p12: the password does not open the key store\n\
         certgen: hint: give its password with --password-file FILE\n",
    );
}
