//! The program `age` and certgen open what the other sealed.

use std::process::Command;

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
