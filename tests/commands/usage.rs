//! Which faults are the command line's (exit code 2) and which are the world's (1).

use crate::support::World;

/// A bad value of a flag was a failure like any other; in a manifest it still is.
#[test]
fn a_bad_value_of_a_flag_is_a_wrong_command_line() {
    let world = World::initialised([]);
    for flags in [
        ["--key-type", "x"],
        ["--san", "*"],
        ["--validity", "0d"],
        ["--key-mode", "0644"],
        ["--access", "foo"],
        ["--subject", "XX=1"],
        ["--owner", "999:"],
    ] {
        world.certgen(["issue", "client", "u", flags[0], flags[1]]).run().code(2);
    }
    world.certgen(["issue", "authority", "u", "--key-type", "x"]).run().code(2);
    world.certgen(["request", "client", "u", "--key-type", "x"]).run().code(2);
    world.certgen(["issue", "client", "u", "--owner", "nosuch"]).run().code(1);
    world.certgen(["issue", "client", "u", "--validity", "99y"]).run().code(1);
    let manifest = world.read("pki/certgen.toml") + "\n[client.u]\nkey_type = \"x\"\n";
    world.write("pki/certgen.toml", manifest);
    world.certgen(["issue", "client", "u"]).run().code(1);
}
