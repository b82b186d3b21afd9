//! The program `age` and certgen open what the other sealed.

use std::process::Command;

use crate::support::invariants::snapshot;
use crate::support::judge::{Verdict, judge};
use crate::support::{World, openssl};

fn age<const N: usize>(world: &World, program: &str, args: [&str; N]) -> Verdict {
    let mut command = Command::new(program);
    command.args(args).current_dir(world.path(""));
    judge(command, program)
}

#[test]
#[ignore = "needs age"]
fn what_one_seals_the_other_opens() {
    let world = World::new();
    age(&world, "age-keygen", ["-o", "identity.txt"]).accepted();
    let said = age(&world, "age-keygen", ["-y", "identity.txt"]);
    let recipient = said.accepted().trim().to_owned();
    world.certgen(["init", "--profile", "basic", "--recipient", &recipient]).run().success();
    let sealed = std::fs::read_dir(world.pki("ca")).expect("authorities").flatten().next().expect("one").path();
    let (sealed, plain) = (sealed.join("ca_key.pem.age"), world.path("ca_key.pem"));
    let (sealed, plain) = (sealed.to_str().expect("UTF-8"), plain.to_str().expect("UTF-8"));

    age(&world, "age", ["-d", "-i", "identity.txt", "-o", plain, sealed]).accepted();
    let public = openssl(["pkey", "-in", plain, "-pubout"]).accepted().to_owned();
    let certificate = sealed.replace("ca_key.pem.age", "ca_certificate.pem");
    let of_certificate = openssl(["x509", "-in", &certificate, "-noout", "-pubkey"]).accepted().to_owned();
    assert_eq!(public, of_certificate, "age opened another key");

    // Sealed anew by age, in its binary form: certgen signs with it all the same.
    age(&world, "age", ["-r", &recipient, "-o", sealed, plain]).accepted();
    world.certgen(["issue", "client", "reporting"]).run().code(1);
    world.certgen(["issue", "client", "reporting", "--identity", "identity.txt"]).run().success();
    world.certgen(["verify", "client/reporting"]).run().success();
}

#[test]
#[ignore = "needs age and tar"]
fn a_snapshot_is_an_age_file_with_a_tar_file_in_it() {
    let world = World::initialised(["--profile", "celery"]);
    age(&world, "age-keygen", ["-o", "identity.txt"]).accepted();
    let recipient = age(&world, "age-keygen", ["-y", "identity.txt"]).accepted().trim().to_owned();
    let export = ["export", "--all", "--format", "age", "--recipient", &recipient, "--out", "fleet.age"];
    world.certgen(export).run().success();
    age(&world, "age", ["-d", "-i", "identity.txt", "-o", "fleet.tar", "fleet.age"]).accepted();
    std::fs::create_dir(world.path("by-tar")).expect("a world is writable");
    age(&world, "tar", ["-xpf", "fleet.tar", "-C", "by-tar"]).accepted();
    world.certgen(["--pki", "restored", "import", "--identity", "identity.txt", "fleet.age"]).run().success();
    let below = |pki: &str| {
        let files = snapshot(&world.path(pki)).into_iter();
        files
            .map(|(path, file)| (path.strip_prefix(world.path(pki)).expect("below it").to_owned(), file))
            .collect::<Vec<_>>()
    };
    assert!(below("by-tar") == below("restored"), "tar and certgen unpack the same");

    // What others packed: GNU tar, and age with an armor.
    age(&world, "tar", ["-cf", "theirs.tar", "-C", "by-tar", "."]).accepted();
    age(&world, "age", ["-a", "-r", &recipient, "-o", "theirs.age", "theirs.tar"]).accepted();
    world.certgen(["--pki", "theirs", "import", "--identity", "identity.txt", "theirs.age"]).run().success();
    assert!(below("theirs") == below("restored"), "certgen unpacks what tar and age have packed");
}
