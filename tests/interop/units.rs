//! systemd reads the units that certgen writes.

use std::process::Command;

use crate::support::World;
use crate::support::judge::judge;

#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_has_nothing_to_say_about_the_units() {
    let world = World::new();
    for pki in ["pki", "my $HOME \"50%\""] {
        world.certgen(["init", "--pki", pki, "--profile", "basic"]).run().success();
        world.certgen(["emit", "systemd", "--pki", pki, "--out", "units", "--force"]).run().success();
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no", "units/certgen-renew.service", "units/certgen-renew.timer"]);
        let said = judge(
            {
                command.current_dir(world.path(""));
                command
            },
            "systemd-analyze",
        )
        .text;
        // certgen is not installed where the tests run.
        let other: Vec<&str> =
            said.lines().filter(|line| !line.contains("Command certgen is not executable")).collect();
        assert!(other.is_empty(), "{other:?}");
    }
}
