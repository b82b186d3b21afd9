//! `emit github-actions`: a workflow that renews what is due.

use serde_json::{Value, json};

use super::pipeline::{self, FAIL_WITHIN, HOOK, INSTALL, PKI, Pipeline, SCHEDULE, UNLOCK, Unlocking};
use super::settings::Setting;
use super::syntax::kubernetes::document;
use super::syntax::{comment, header};
use super::{Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::ui;

pub(super) const TARGET: Target = Target {
    name: "github-actions",
    description: "GitHub Actions: a workflow that renews what is due, in a repository with sealed keys",
    settings: &[
        PKI,
        HOOK,
        UNLOCK,
        Setting::with_default("runner", "label of the runner", "self-hosted"),
        INSTALL,
        SCHEDULE,
        FAIL_WITHIN,
    ],
    holds: Holds::Paths,
    next: |facts, _| pipeline::next(facts, ".github/workflows"),
    write: Write::Once(emit),
};

/// What GitHub replaces in every value.
const EXPRESSION: &str = "${{";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let pipeline = Pipeline::of(facts, settings, EXPRESSION)?;
    let said = |key: &str| settings.get(key).unwrap_or_default();
    let (runner, schedule) = (said("runner"), said(SCHEDULE.key));
    if let Some(text) = [runner, schedule].into_iter().find(|text| text.contains(EXPRESSION) || text.contains('\n')) {
        return Err(Error::failed(format!("{} would be expanded: it has {EXPRESSION}", ui::quote(text))));
    }
    if !is_schedule(schedule) {
        return Err(Error::usage(format!(
            "--set schedule={}: it is five fields, as cron writes them",
            ui::quote(schedule)
        ))
        .hint("for example: --set 'schedule=17 4 * * *'"));
    }
    let (secret, prepare) = match pipeline.unlock {
        Unlocking::Passphrase => ("CERTGEN_PASSPHRASE", ""),
        Unlocking::Identity => (
            "CERTGEN_IDENTITY",
            "umask 077\ntrap 'rm -f \"$RUNNER_TEMP/identity\"' EXIT\nprintf '%s\\n' \"$CERTGEN_IDENTITY\" > \"$RUNNER_TEMP/identity\"\n",
        ),
    };
    let renew = format!("{prepare}{}\n", pipeline.renew("\"$RUNNER_TEMP/identity\"").join("\n"));
    let environment =
        json!({ (secret): format!("{EXPRESSION} secrets.{secret} }}}}"), "CERTGEN_ACTOR": "github-actions" });
    let step = |name: &str, run: String| json!({ "name": name, "run": run });
    let mut renewing = step("Renew what is due", renew);
    renewing["env"] = environment;
    let mut keeping = step("Keep what was issued", pipeline.keep("git push --quiet"));
    keeping["if"] = "always()".into();
    let steps: Vec<Value> = vec![
        json!({ "uses": "actions/checkout@v4" }),
        step("Find certgen", pipeline.install()),
        renewing,
        keeping,
        step("Fail before something lapses", pipeline.check()),
    ];
    let workflow = json!({
        "name": "certgen",
        "on": { "schedule": [{ "cron": schedule }], "workflow_dispatch": {} },
        "permissions": { "contents": "write" },
        "concurrency": { "group": "certgen", "cancel-in-progress": false },
        "jobs": { "renew": { "runs-on": runner, "timeout-minutes": 15, "steps": steps } },
    });
    let about = [
        format!("Secrets of the repository: {secret}, which opens the sealed keys of the authorities. Nothing secret is in this file."),
        "The runner sees these keys in the clear: take one of your own, and let nobody else's branch run there. The hook takes".to_owned(),
        "each renewed pair to where it is used; its key is not committed, and is gone with the checkout.".to_owned(),
    ];
    let text = header("#", &TARGET, "GitHub Actions", "[broker]") + &comment("#", &about) + &document(&workflow);
    Ok(vec![OutputFile::open("certgen.yml", text)])
}

/// Whether GitHub takes it: minute, hour, day, month and weekday, each a list of numbers and ranges, perhaps with steps; months
/// and weekdays also by their names.
fn is_schedule(text: &str) -> bool {
    const MONTHS: &str = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC";
    const DAYS: &str = "SUN MON TUE WED THU FRI SAT";
    let fields: Vec<&str> = text.split(' ').collect();
    let limits = [(0, 59, ""), (0, 23, ""), (1, 31, ""), (1, 12, MONTHS), (0, 6, DAYS)];
    fields.len() == limits.len()
        && fields.iter().zip(limits).all(|(field, (least, most, names))| {
            let number = |text: &str| match names.split(' ').position(|name| !name.is_empty() && name == text) {
                Some(position) => u8::try_from(position).ok().map(|position| position + least),
                None => text.parse::<u8>().ok().filter(|number| (least..=most).contains(number)),
            };
            field.split(',').all(|item| {
                let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
                let step = step.is_none_or(|step| step.parse::<u8>().is_ok_and(|step| step > 0));
                step && match range.split_once('-') {
                    Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
                    None => range == "*" || number(range).is_some(),
                }
            })
        })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn text(said: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let files = emit(&sample::facts(), &Settings::of(&TARGET, &said)?)?;
        Ok(String::from_utf8(files[0].bytes.clone()).unwrap())
    }

    #[test]
    fn nothing_that_was_set_is_an_expression() {
        for key in ["pki", "hook", "runner", "install", "schedule"] {
            assert!(text(&[(key, "x ${{ secrets.OTHER }}")]).is_err(), "{key}");
        }
        let hostile = text(&[("pki", "it's $(id)"), ("hook", "./x \"$CERTGEN_KEY\"")]).unwrap();
        assert!(hostile.contains(r"--pki 'it'\''s $(id)' --no-input renew --due --hook './x "), "{hostile}");
        assert_eq!(hostile.matches("${{").count(), 1);
    }

    #[test]
    fn a_schedule_is_one_of_cron() {
        for schedule in ["17 4 * * *", "*/15 0-6/2 1,15 JAN-MAR SUN"] {
            assert!(text(&[("schedule", schedule)]).is_ok(), "{schedule}");
        }
        for schedule in
            ["nonsense", "", "60 4 * * *", "17 4 * *", "17 4 * * * *", "@daily", "5-1 4 * * *", "*/0 4 * * *"]
        {
            assert!(text(&[("schedule", schedule)]).is_err(), "{schedule}");
        }
    }

    #[test]
    fn an_identity_lies_in_a_file_of_its_own_for_a_moment() {
        let written = text(&[("unlock", "identity")]).unwrap();
        assert!(written.contains("umask 077") && written.contains("--identity \"$RUNNER_TEMP/identity\""), "{written}");
        assert!(!written.contains("PASSPHRASE") && text(&[("unlock", "x")]).is_err());
    }
}
