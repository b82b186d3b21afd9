//! `emit cron`: the lines that renew what is due, for hosts without systemd.

use super::settings::Setting;
use super::syntax::{comment, header, shell};
use super::{Facts, Holds, OutputFile, Settings, Target, Write};
use crate::error::{Error, Result};
use crate::ui;
use crate::x509::Duration;

pub(super) const TARGET: Target = Target {
    name: "cron",
    description: "cron: lines that renew what is due, and mail what nobody renewed",
    settings: &[
        Setting::with_default("user", "whose files the PKI is", "root"),
        Setting::with_default("fail_within", "mail what ends within", "7d"),
        Setting::of_facts(
            "textfile",
            "file for the metrics of certgen status --prometheus, for `certgen emit prometheus`",
        ),
    ],
    holds: Holds::Paths,
    next: |facts, _| {
        let mut lines = Vec::new();
        if facts.has_sealed_keys() {
            lines.push(format!(
                "the authority keys are sealed: put their passphrase into {PASSPHRASE}, readable by that user alone"
            ));
        }
        lines.push("copy it to /etc/cron.d/certgen, owned by root: a name with a dot is passed over there".to_owned());
        lines
    },
    write: Write::Once(emit),
};

const PASSPHRASE: &str = "/etc/certgen/passphrase";

fn emit(facts: &Facts, settings: &Settings) -> Result<Vec<OutputFile>> {
    let user = settings.get("user").unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(harmless) {
        return Err(Error::usage(format!("--set user={}: it is no user name", ui::quote(user))));
    }
    let within = settings.get("fail_within").unwrap_or_default();
    within.parse::<Duration>().map_err(|e| Error::usage(format!("--set fail_within: {e}")))?;
    let certgen = shell::words([facts.program.as_str(), "--pki", &facts.pki, "--no-input", "--quiet"])?;
    let unlock = if facts.has_sealed_keys() { format!(" --passphrase-file {PASSPHRASE}") } else { String::new() };
    let mut commands = Vec::new();
    if facts.brokers.iter().any(|broker| broker.config.revocation.is_some()) {
        commands.push(("7 * * * *", format!("{certgen} crl --due{unlock}")));
    }
    commands.push(("17 * * * *", format!("{certgen} renew --due{unlock}")));
    if let Some(file) = settings.get("textfile") {
        commands.push(("27 * * * *", format!("{certgen} status --prometheus {} > /dev/null", shell::word(file)?)));
    }
    commands.push((
        "37 6 * * *",
        format!("said=$({certgen} status --fail-within {}) || echo \"$said\"", shell::word(within)?),
    ));
    let about = [
        "For /etc/cron.d: cron mails what a line prints, so a renewal and a failure are heard of, and silence is good.",
    ];
    let mut text = header("#", &TARGET, "cron", "[broker]") + &comment("#", &about);
    text.push_str("SHELL=/bin/sh\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
    for (when, command) in commands {
        // cron makes a line break of a percent sign, unless a backslash stands before it (crontab(5)).
        text.push_str(&format!("{when} {user} {}\n", command.replace('%', "\\%")));
    }
    Ok(vec![OutputFile::open("certgen", text)])
}

#[cfg(test)]
mod tests {
    use super::super::{AuthorityKey, sample};
    use super::*;

    fn text(facts: &Facts, said: &[(&str, &str)]) -> Result<String> {
        let said: Vec<_> = said.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ok(String::from_utf8(emit(facts, &Settings::of(&TARGET, &said)?)?.remove(0).bytes).unwrap())
    }

    #[test]
    fn hostile_values_stay_in_their_line() {
        let facts = Facts { pki: "/srv/50% $HOME it's".into(), ..sample::facts() };
        let written = text(&facts, &[("textfile", "/x y")]).unwrap();
        assert!(written.contains(r"--pki '/srv/50\% $HOME it'\''s' --no-input --quiet renew --due"), "{written}");
        assert!(written.contains("--prometheus '/x y' > /dev/null\n"), "{written}");
        let facts = Facts { pki: "/a\n* * * * * root id".into(), ..sample::facts() };
        assert!(text(&facts, &[]).is_err());
        for said in [("user", "root id"), ("user", ""), ("fail_within", "soon")] {
            assert!(text(&sample::facts(), &[said]).is_err(), "{said:?}");
        }
    }

    #[test]
    fn lists_and_sealed_keys_are_seen_to() {
        let mut facts = sample::kubernetes();
        facts.authorities[0].key = AuthorityKey::Sealed;
        let written = text(&facts, &[]).unwrap();
        assert!(written.contains(" crl --due --passphrase-file /etc/certgen/passphrase\n"), "{written}");
        assert!(!text(&sample::facts(), &[]).unwrap().contains("crl"));
    }
}
