//! Renewals in CI: the published schemas accept the files, and the steps renew in a clone and push what they did.

use std::path::Path;
use std::process::Command;

use crate::support::World;
use crate::support::cache;
use crate::support::judge::{Verdict, judge, python};

const PASSPHRASE: &str = "correct horse battery staple";
/// When everything is due.
const LATER: &str = "2027-10-20T00:00:00Z";

fn run(world: &World, directory: &str, program: &str, words: &[&str], more: &[(&str, &str)]) -> Verdict {
    let mut command = Command::new(program);
    let path = format!("{}:/usr/bin:/bin", world.path("bin").display());
    command.args(words).current_dir(world.path(directory)).env_clear().env("PATH", path).env("HOME", world.path(""));
    command.env("GIT_CONFIG_NOSYSTEM", "1").envs(more.iter().copied());
    judge(command, program)
}

fn schema(world: &World, builtin: &str, file: &str) -> Verdict {
    let mut command = Command::new(cache::need("venv/bin/check-jsonschema"));
    command.args(["--builtin-schema", builtin, file]).current_dir(world.path(""));
    judge(command, "check-jsonschema")
}

/// A sealed PKI in a repository, `origin`, and its clone as CI makes it, `clone`. `seal` is how, in certgen's words.
fn repository(world: World, seal: &[&str], words: &[&str]) -> World {
    std::fs::create_dir_all(world.path("work")).expect("ours");
    let init = ["--pki", "work/pki", "init", "--profile", "celery", "--set", "revocation=true"];
    world.certgen(init.iter().chain(seal)).at("2026-11-28T00:00:00Z").run().success();
    world.certgen(["emit", "--pki", "work/pki", "--out", "."].iter().chain(words)).run().success();
    std::fs::create_dir(world.path("bin")).expect("ours");
    let program = format!("#!/bin/sh\nexec '{}' --at {LATER} \"$@\"\n", env!("CARGO_BIN_EXE_certgen"));
    world.write("bin/certgen", program);
    world.write(
        "work/deliver",
        "#!/bin/sh\ntest -s \"$CERTGEN_KEY\" && echo \"$CERTGEN_ROLE/$CERTGEN_NAME\" >> \"$HOME/delivered\"\n",
    );
    let git = "chmod 755 bin/certgen work/deliver; git init -q --bare -b main origin; cd work; git init -q -b main; git add -A; \
               git -c user.name=x -c user.email=x@localhost commit -qm begin; git push -q ../origin main; cd ..; \
               git clone -q origin clone";
    run(&world, ".", "sh", &["-ec", git], &[]).accepted();
    let tracked = run(&world, "clone", "git", &["ls-files"], &[]).text;
    assert!(tracked.contains("ca_key.pem.age") && !tracked.contains("_key.pem\n"), "{tracked}");
    world
}

/// The step did its work: certificates renewed, delivered, committed and pushed, and no key among them.
fn is_renewed(world: &World) {
    let mut delivered: Vec<String> = world.read("delivered").lines().map(str::to_owned).collect();
    delivered.sort();
    assert_eq!(delivered.len(), 3, "{delivered:?}");
    let pushed = run(world, "origin", "git", &["show", "--stat=200", "--format=%an %s", "main"], &[]).text;
    assert!(pushed.starts_with("certgen certgen: renew what was due"), "{pushed}");
    for file in ["client_certificate.pem", "server_certificate.pem", "inventory.jsonl", "crl.pem"] {
        assert!(pushed.contains(file), "{file}\n{pushed}");
    }
    assert!(!pushed.contains("key"), "{pushed}");
}

#[test]
#[ignore = "needs check-jsonschema, PyYAML, age-keygen and git"]
fn github_takes_the_workflow_and_a_runner_renews() {
    let world = World::new();
    let identity = run(&world, ".", "age-keygen", &["-o", "identity"], &[]).accepted().to_owned();
    let recipient = identity.split_whitespace().last().expect("its public key").to_owned();
    let world = repository(world, &["--recipient", &recipient], &["github-actions", "--set", "unlock=identity"]);
    schema(&world, "vendor.github-workflows", "certgen.yml").accepted();
    world.write("broken.yml", world.read("certgen.yml").replace("runs-on:", "runs-at:"));
    assert!(!schema(&world, "vendor.github-workflows", "broken.yml").ok, "the judge does not judge");
    world.certgen(["emit", "--pki", "work/pki", "github-actions", "--out", "plain"]).run().success();
    schema(&world, "vendor.github-workflows", "plain/certgen.yml").accepted();
    let steps = python("interop/steps.py", [Path::new("github"), &world.path("certgen.yml")]).accepted().to_owned();
    let (identity, temporary) = (world.read("identity"), world.path("temporary"));
    std::fs::create_dir(&temporary).expect("ours");
    let temporary = ("RUNNER_TEMP", temporary.to_str().expect("UTF-8"));
    let secrets = [("CERTGEN_IDENTITY", identity.as_str()), temporary];
    for (number, step) in steps.split('\0').filter(|step| !step.is_empty()).enumerate() {
        let script = world.write(format!("step-{number}"), step).display().to_string();
        let known = if step.contains("renew --due") { &secrets[..] } else { &secrets[1..] };
        run(&world, "clone", "bash", &["--noprofile", "--norc", "-eo", "pipefail", &script], known).accepted();
    }
    assert_eq!(std::fs::read_dir(temporary.1).expect("ours").count(), 0, "the identity was left behind");
    is_renewed(&world);
}

#[test]
#[ignore = "needs check-jsonschema, PyYAML and git"]
fn gitlab_takes_the_job_and_a_runner_renews() {
    let world = World::new();
    let passphrase = world.write("passphrase", PASSPHRASE).display().to_string();
    let world = repository(world, &["--seal", "--passphrase-file", &passphrase], &["gitlab-ci"]);
    schema(&world, "vendor.gitlab-ci", "certgen.gitlab-ci.yml").accepted();
    world.write(
        "broken.yml",
        world.read("certgen.gitlab-ci.yml").replace("resource_group: certgen", "resource_group: []"),
    );
    assert!(!schema(&world, "vendor.gitlab-ci", "broken.yml").ok, "the judge does not judge");
    let steps =
        python("interop/steps.py", [Path::new("gitlab"), &world.path("certgen.gitlab-ci.yml")]).accepted().to_owned();
    let script = world.write("script", steps.trim_end_matches('\0')).display().to_string();
    let origin = world.path("origin").display().to_string();
    let variables =
        [("CERTGEN_PUSH_TOKEN", "glpat-x"), ("CI_REPOSITORY_HTTPS", origin.as_str()), ("CI_COMMIT_BRANCH", "main")];
    // Without the secret nothing is renewed, and the job says so.
    let said = run(&world, "clone", "sh", &[&script], &variables);
    assert!(!said.ok && said.text.contains("is sealed"), "{}", said.text);
    let said =
        run(&world, "clone", "sh", &[&script], &[&variables[..], &[("CERTGEN_PASSPHRASE", PASSPHRASE)]].concat());
    said.accepted();
    is_renewed(&world);
}
