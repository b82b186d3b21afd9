//! The jobs of README.md, "Certificates in a pipeline": the published schemas accept them, and their scripts start a broker
//! (`docker.sh` is the engine) and run the tests that stand there.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::World;
use crate::support::broker::{Etc, Lab, Version};
use crate::support::cache;
use crate::support::judge::{Verdict, judge, python};
use crate::support::readme;
use crate::support::world::CERTGEN;

/// What somebody else's step brings: packages.
const INSTALLS: &str = "install ";

/// JUnit 5 as Debian has it.
const JUNIT: [&str; 9] = [
    "junit-jupiter-api",
    "junit-jupiter-engine",
    "junit-platform-commons",
    "junit-platform-console",
    "junit-platform-engine",
    "junit-platform-launcher",
    "junit-platform-reporting",
    "opentest4j",
    "picocli",
];

/// A repository with the tests of the README and perhaps a pipeline, and the programs that a runner has.
fn repository(pipeline: Option<&str>) -> World {
    let world = World::new();
    for file in ["tests/conftest.py", "tests/test_tls.py", "tests/test_broker.py"].into_iter().chain(pipeline) {
        world.write(Path::new("work").join(file), readme::file(file));
    }
    std::fs::create_dir(world.path("bin")).expect("a world is writable");
    symlink(CERTGEN, world.path("bin/certgen")).expect("a world is writable");
    let docker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/docker.sh");
    symlink(docker, world.path("bin/docker")).expect("a world is writable");
    let sudo = world.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
    std::fs::set_permissions(sudo, std::fs::Permissions::from_mode(0o755)).expect("a world is writable");
    world.write("variables", "");
    world
}

fn schema(world: &World, builtin: &str, file: &str) -> Verdict {
    let mut command = Command::new(cache::need("venv/bin/check-jsonschema"));
    command.args(["--builtin-schema", builtin]).arg(world.path(file));
    judge(command, "check-jsonschema")
}

/// The scripts of a pipeline, without what installs.
#[track_caller]
fn scripts(world: &World, kind: &str, file: &str) -> Vec<String> {
    let said = python("interop/steps.py", [Path::new(kind), &world.path(file)]);
    let all: Vec<&str> = said.accepted().split('\0').filter(|script| !script.is_empty()).collect();
    let (installs, rest): (Vec<&str>, Vec<&str>) = all.into_iter().partition(|script| script.contains(INSTALLS));
    assert!(installs.iter().any(|script| script.contains("cargo install --locked --git")), "{installs:?}");
    rest.into_iter().map(str::to_owned).collect()
}

/// What a runner gives to a step.
fn prepare(world: &World, command: &mut Command) {
    let venv = cache::need("venv").join("bin");
    let path = format!("{}:{}:/usr/sbin:/usr/bin:/sbin:/bin", world.path("bin").display(), venv.display());
    command.env_clear().env("PATH", path).env("HOME", world.path("")).env("TMPDIR", world.path(""));
    command.env("CI", "true").env("PYTHONDONTWRITEBYTECODE", "1").current_dir(world.path("work"));
    command.env("GITHUB_ENV", world.path("variables")).env("CI_PROJECT_DIR", world.path("work"));
    command.envs(world.read("variables").lines().filter_map(|line| line.split_once('=')));
}

/// Runs one script in the repository, on the host of the lab.
#[track_caller]
fn run(world: &World, lab: &Lab, script: &str) -> String {
    // Entering the host leads to its root.
    let file = world.write("script", format!("cd '{}'\n{script}", world.path("work").display()));
    let mut command = lab.host().command("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail"]).arg(file);
    prepare(world, &mut command);
    command.env("BROKER_ROOT", lab.host().root());
    let verdict = judge(command, "bash");
    let console = || std::fs::read_to_string(lab.host().root().join("tmp/console")).unwrap_or_default();
    assert!(verdict.ok, "{script}\n{}\n{}\n{}", verdict.text, console(), lab.host().log());
    verdict.text
}

#[test]
#[ignore = "needs pytest and pika"]
fn pytest_makes_certificates_for_itself() {
    let world = repository(None);
    let mut command = Command::new(cache::need("venv/bin/pytest"));
    command.args(["-p", "no:cacheprovider", "tests"]);
    prepare(&world, &mut command);
    let said = judge(command, "pytest");
    assert!(said.accepted().contains(" 6 passed, 4 skipped "), "{}", said.text);
}

#[test]
#[ignore = "needs check-jsonschema, PyYAML, pytest, pika, rabbitmq-server 4.x in a root of Debian 13 and root"]
fn a_job_of_github_tests_against_its_own_broker() {
    let world = repository(Some(".github/workflows/tests.yml"));
    let file = "work/.github/workflows/tests.yml";
    schema(&world, "vendor.github-workflows", file).accepted();
    world.write("broken.yml", world.read(file).replace("runs-on:", "runs-at:"));
    assert!(!schema(&world, "vendor.github-workflows", "broken.yml").ok, "the judge does not judge");
    let lab = Lab::single(Version::V4, "localhost", &Etc::default());
    let said: Vec<String> = scripts(&world, "github", file).iter().map(|script| run(&world, &lab, script)).collect();
    assert!(said.last().is_some_and(|said| said.contains(" 10 passed ")), "{said:?}");
}

#[test]
#[ignore = "needs check-jsonschema, PyYAML, pytest, pika, rabbitmq-server 4.x in a root of Debian 13 and root"]
fn a_job_of_gitlab_tests_against_its_own_broker() {
    let world = repository(Some(".gitlab-ci.yml"));
    schema(&world, "vendor.gitlab-ci", "work/.gitlab-ci.yml").accepted();
    world.write("broken.yml", world.read("work/.gitlab-ci.yml").replace("- docker:dind", "- []"));
    assert!(!schema(&world, "vendor.gitlab-ci", "broken.yml").ok, "the judge does not judge");
    let lab = Lab::single(Version::V4, "docker", &Etc::default());
    let said = run(&world, &lab, &scripts(&world, "gitlab-with-variables", "work/.gitlab-ci.yml").join("\n"));
    assert!(said.contains(" 10 passed "), "{said}");
}

#[test]
#[ignore = "needs javac and JUnit 5"]
fn junit_makes_certificates_for_itself() {
    let world = repository(None);
    let files = ["Certificates.java", "CertificatesTest.java"];
    for file in files {
        world.write(Path::new("work").join(file), readme::file(file));
    }
    let jars: Vec<String> = JUNIT.iter().map(|jar| format!("/usr/share/java/{jar}.jar")).collect();
    let missing: Vec<&String> = jars.iter().filter(|jar| !Path::new(jar).exists()).collect();
    assert!(missing.is_empty(), "{missing:?} are missing: `tests/run --install` brings them");
    let jars = jars.join(":");
    let mut compile = Command::new("javac");
    compile.args(["-Xlint:all,-path", "-Werror", "-d", "classes", "-cp", &jars]).args(files);
    prepare(&world, &mut compile);
    judge(compile, "javac").accepted();
    let mut launch = Command::new("java");
    launch.args(["-cp", &format!("{jars}:classes"), "org.junit.platform.console.ConsoleLauncher"]);
    launch.args(["--disable-banner", "--select-class", "CertificatesTest"]);
    prepare(&world, &mut launch);
    let said = judge(launch, "java");
    assert!(said.accepted().contains("[         2 tests successful      ]"), "{}", said.text);
}
