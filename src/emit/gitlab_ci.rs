//! `emit gitlab-ci`: a job that renews what is due.

use serde_json::json;

use super::pipeline::{self, FAIL_WITHIN, HOOK, INSTALL, PKI, Pipeline, UNLOCK, Unlocking};
use super::settings::Setting;
use super::syntax::kubernetes::document;
use super::syntax::{comment, header};
use super::{Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::Result;

pub(super) const TARGET: Target = Target {
    name: "gitlab-ci",
    description: "GitLab CI: a job that renews what is due, in a repository with sealed keys",
    settings: &[
        PKI,
        HOOK,
        UNLOCK,
        Setting::with_default("runner", "tag of the runner", "certgen"),
        INSTALL,
        FAIL_WITHIN,
    ],
    holds: Holds::Paths,
    next: |facts, _| pipeline::next(facts, "the repository and include it in .gitlab-ci.yml"),
    write: Write::Once(emit),
};

/// The token reaches git by its own question, not by a command line.
const PUSH: &str = "git -c credential.helper='!answer() { echo username=certgen; echo \"password=$CERTGEN_PUSH_TOKEN\"; }; answer' \
                    push --quiet \"$CI_REPOSITORY_HTTPS\" \"HEAD:$CI_COMMIT_BRANCH\"";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    // GitLab expands inputs alone, and those only in files that declare some.
    let pipeline = Pipeline::of(facts, settings, "$[[")?;
    // One after the other, because `set -e` does not hold before `||`.
    let script = format!(
        "set -eu\n{}renewed=0\n{} ||\n  renewed=$?\n{}test \"$renewed\" -eq 0\n{}",
        pipeline.install(),
        pipeline.renew("\"$CERTGEN_IDENTITY\"").join(" &&\n"),
        pipeline.keep(PUSH),
        pipeline.check(),
    );
    let job = json!({
        "certgen": {
            "tags": [settings.get("runner").unwrap_or_default()],
            "rules": [{ "if": "$CI_PIPELINE_SOURCE == \"schedule\"" }],
            "resource_group": "certgen",
            "variables": { "CERTGEN_ACTOR": "gitlab-ci", "CI_REPOSITORY_HTTPS": "$CI_SERVER_URL/$CI_PROJECT_PATH.git" },
            "script": [script],
        },
    });
    let secret = match pipeline.unlock {
        Unlocking::Passphrase => "CERTGEN_PASSPHRASE (a masked variable)",
        Unlocking::Identity => "CERTGEN_IDENTITY (a variable of type file)",
    };
    let about = [
        "Needs a pipeline schedule, once a day, and protected variables of the project:".to_owned(),
        format!("{secret}, which opens the sealed keys of the authorities, and CERTGEN_PUSH_TOKEN,"),
        "a token of the project that may push. Nothing secret is in this file. The runner sees the keys in the clear: take one".to_owned(),
        "of your own. The hook takes each renewed pair to where it is used; its key is not committed, and is gone with the".to_owned(),
        "checkout.".to_owned(),
    ];
    let text = header("#", &TARGET, "GitLab 15 and later", "[broker]") + &comment("#", &about) + &document(&job);
    Ok(vec![OutputFile::open("certgen.gitlab-ci.yml", text)])
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn hostile_values_are_words_of_the_shell() {
        let said = [("pki".to_owned(), "-x; $(id)\"".to_owned())];
        let files = emit(&sample::facts(), &Settings::of(&TARGET, &said).unwrap()).unwrap();
        let text = String::from_utf8(files[0].bytes.clone()).unwrap();
        assert!(text.contains(r#"certgen --pki '-x; $(id)"' --no-input renew"#), "{text}");
        assert!(text.contains(r#"git add --all -- '-x; $(id)"'"#), "{text}");
    }
}
