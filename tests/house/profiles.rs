//! `certgen init --help` names every profile, and `--profile P` every setting that the file of P declares.

use std::fs;
use std::path::Path;

use crate::support::World;

#[test]
fn help_lists_every_profile_and_its_settings() {
    let world = World::new();
    let all = world.certgen(["init", "--help"]).run().success().stdout;
    let mut count = 0;
    for file in
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles")).expect("there are profiles").flatten()
    {
        let text = fs::read_to_string(file.path()).expect("a profile is text");
        let name = file.path().file_stem().expect("a name").to_string_lossy().into_owned();
        let summary = text.lines().next().unwrap_or_default().trim_start_matches("# ").trim_end_matches('.').to_owned();
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&format!(" {name} {summary}")), "init --help does not say {name:?}: {summary:?}\n{all}");
        let help = world.certgen(["init", "--help", "--profile", &name]).run().success().stdout;
        let with_equals = world.certgen(["init", "-h", &format!("--profile={name}")]).run().success().stdout;
        for declared in text.lines().filter_map(|l| l.strip_prefix("# set: ")) {
            let key = declared.split_whitespace().next().expect("a setting has a key");
            let (_, meaning) = declared.split_once(" -- ").expect("a setting has a meaning");
            for help in [&help, &with_equals] {
                let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(&format!("--set {key}=... {meaning}")), "{name}: {key}\n{help}");
            }
            count += 1;
        }
        let declared = text.lines().filter(|l| l.starts_with("# set: ")).count();
        assert_eq!(
            help.matches("--set ").count(),
            declared + help_mentions(&all),
            "{name} lists something else\n{help}"
        );
    }
    assert!(count > 20, "the profiles have settings");
}

/// How often `init --help` itself says `--set `, apart from a profile's settings and from its examples.
fn help_mentions(all: &str) -> usize {
    let (before, _) = all.split_once("PROFILES:").expect("init --help lists the profiles");
    before.matches("--set ").count()
}
