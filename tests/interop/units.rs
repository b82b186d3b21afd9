//! systemd reads the units that certgen writes.

use std::process::Command;

use crate::support::World;
use crate::support::judge::{judge, python};

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

/// When the timer starts the service.
#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_reads_the_calendar() {
    let world = World::initialised(["--profile", "basic"]);
    world.certgen(["emit", "systemd", "--out", "units"]).run().success();
    let timer = world.read("units/certgen-renew.timer");
    let when = timer.lines().find_map(|line| line.strip_prefix("OnCalendar=")).expect("a calendar");
    let calendar = |when: &str| {
        let mut command = Command::new("systemd-analyze");
        command.args(["calendar", when]);
        judge(command, "systemd-analyze")
    };
    assert!(calendar(when).accepted().contains("Normalized form: *-*-* *:00:00"), "{when}");
    assert!(!calendar("hourlyish").ok, "the judge does not judge");
}

/// Debian's own crontab reads the lines, croniter the times, and a shell what cron would hand it.
#[test]
#[ignore = "needs crontab, of cron, and croniter"]
fn cron_takes_the_lines_and_a_shell_runs_them() {
    let world = World::new();
    let pki = "my $HOME \"50%\" it's";
    world.certgen(["init", "--pki", pki, "--profile", "celery", "--set", "revocation=true"]).run().success();
    let words = ["--set", "textfile=a 50% b.prom", "--out", "cron"];
    world.certgen(["emit", "cron", "--pki", pki].into_iter().chain(words)).run().success();
    let run = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words).current_dir(world.path("")).env("HOME", world.path(""));
        judge(command, program)
    };
    assert!(run("crontab", &["-n", "cron/certgen"]).ok, "the lines are not cron's");
    world.write("broken", world.read("cron/certgen").replace("17 * * * *", "77 * * * *"));
    assert!(!run("crontab", &["-n", "broken"]).ok, "the judge does not judge");
    let lines = python("interop/crontab.py", [world.path("cron/certgen")]).accepted().to_owned();
    assert_eq!(lines.lines().count(), 4, "{lines}");
    for line in lines.lines() {
        let said = run("sh", &["-c", line]);
        assert!(said.ok && said.text.is_empty(), "{line}\n{}", said.text);
    }
    assert!(world.read("a 50% b.prom").contains("x509_cert_not_after"));
}
