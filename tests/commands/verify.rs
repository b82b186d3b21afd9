//! What `verify` says of identities, authorities and files of a PKI.

use crate::support::World;

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
